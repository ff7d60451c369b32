/* SPDX-License-Identifier: MIT */
#include "spec.h"
#include "text.h"

#include <string.h>

/* Watts that a board could draw, and times whose products stay far from overflow. */
static const double MAX_W = 1e5;
static const double MIN_PERIOD_S = 1e-6;
static const double MAX_PERIOD_S = 1e5;

struct argument {
    const char *name;
    double min, max;
    double *value;
    bool is_time, optional;
};

static int parse_argument(const struct argument *a, struct simgpu_slice text, size_t at,
                          struct simgpu_error *err) {
    bool ok =
        a->is_time ? simgpu_spec_seconds(text, a->value) : simgpu_slice_number(text, a->value);
    if (ok && *a->value >= a->min && *a->value <= a->max) return 0;
    return simgpu_fail(err, at, "%s of the waveform must be a number from %g to %g, at %zu",
                       a->name, a->min, a->max, at);
}

static int parse_arguments(const struct argument *arguments, size_t count, struct simgpu_slice rest,
                           size_t at, struct simgpu_error *err) {
    for (size_t i = 0; i < count; i++) {
        if (!rest.text) {
            if (arguments[i].optional) return 0;
            return simgpu_fail(err, at, "%s of the waveform is missing, at %zu", arguments[i].name,
                               at);
        }
        struct simgpu_slice part = simgpu_slice_cut(&rest, ':');
        if (parse_argument(&arguments[i], simgpu_slice_trim(part), at, err) != 0) return -1;
        at += part.length + (rest.text ? 1 : 0);
    }
    if (rest.text) return simgpu_fail(err, at, "too many values for the waveform, at %zu", at);
    return 0;
}

static int parse_levels(struct simgpu_item *item, struct simgpu_slice rest, size_t at,
                        struct simgpu_error *err) {
    bool dwell = item->shape == SIMGPU_TELEGRAPH;
    const struct argument arguments[] = {
        {"LOW", 0.0, MAX_W, &item->low_w, false, false},
        {"HIGH", 0.0, MAX_W, &item->high_w, false, false},
        {dwell ? "MEAN_DWELL" : "PERIOD", MIN_PERIOD_S, MAX_PERIOD_S, &item->period_s, true, false},
        {"DUTY", 0.0, 1.0, &item->duty, false, true},
    };
    return parse_arguments(arguments, item->shape == SIMGPU_SQUARE ? 4 : 3, rest, at, err);
}

static int parse_constant(struct simgpu_item *item, struct simgpu_slice rest, size_t at,
                          struct simgpu_error *err) {
    const struct argument argument = {"W", 0.0, MAX_W, &item->low_w, false, false};
    return parse_arguments(&argument, 1, rest, at, err);
}

static int parse_training(struct simgpu_item *item, struct simgpu_slice rest, size_t at,
                          struct simgpu_error *err) {
    if (!rest.text) return 0;
    item->has_wave_seed = true;
    if (simgpu_slice_whole(rest, UINT64_MAX, &item->wave_seed)) return 0;
    return simgpu_fail(err, at, "SEED of training must be a whole number, at %zu", at);
}

/* A tail like ":power_instant_w" names the column; other colons belong to the file's name. */
static bool is_column(struct simgpu_slice text) {
    if (text.length == 0 || text.length >= 64) return false;
    for (size_t i = 0; i < text.length; i++) {
        char c = text.text[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_'))
            return false;
    }
    return true;
}

static int parse_file(struct simgpu_item *item, struct simgpu_slice rest, size_t at,
                      struct simgpu_error *err) {
    const char *colon =
        rest.length && item->shape == SIMGPU_REPLAY ? memrchr(rest.text, ':', rest.length) : NULL;
    if (colon) {
        struct simgpu_slice tail = {colon + 1, (size_t)(rest.text + rest.length - colon) - 1};
        if (is_column(tail)) {
            simgpu_slice_copy(tail, item->column, sizeof item->column);
            rest.length = (size_t)(colon - rest.text);
        }
    }
    if (simgpu_slice_copy(rest, item->file, sizeof item->file)) return 0;
    return simgpu_fail(err, at, "the waveform needs a file name of at most %zu characters, at %zu",
                       sizeof item->file - 1, at);
}

static int parse_channel(struct simgpu_item *item, struct simgpu_slice rest, size_t at,
                         struct simgpu_error *err) {
    (void)item;
    if (!rest.text) return 0;
    return simgpu_fail(err, at, "channel takes no values, at %zu", at);
}

int simgpu_spec_wave(struct simgpu_item *item, struct simgpu_slice part, size_t at,
                     struct simgpu_error *err) {
    static const struct {
        const char *name;
        enum simgpu_shape shape;
        int (*parse)(struct simgpu_item *, struct simgpu_slice, size_t, struct simgpu_error *);
    } shapes[] = {
        {"training", SIMGPU_TRAINING, parse_training},
        {"constant", SIMGPU_CONSTANT, parse_constant},
        {"square", SIMGPU_SQUARE, parse_levels},
        {"sawtooth", SIMGPU_SAWTOOTH, parse_levels},
        {"telegraph", SIMGPU_TELEGRAPH, parse_levels},
        {"schedule", SIMGPU_SCHEDULE, parse_file},
        {"replay", SIMGPU_REPLAY, parse_file},
        {"channel", SIMGPU_CHANNEL, parse_channel},
    };
    struct simgpu_slice rest = part;
    struct simgpu_slice name = simgpu_slice_cut(&rest, ':');
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if (!simgpu_slice_is(name, shapes[i].name)) continue;
        item->shape = shapes[i].shape;
        return shapes[i].parse(item, rest, at + name.length + (rest.text ? 1 : 0), err);
    }
    return simgpu_fail(err, at,
                       "unknown waveform '%.*s' at %zu; use constant, square, sawtooth, telegraph, "
                       "training, schedule, replay or channel",
                       (int)(name.length < 40 ? name.length : 40), name.length ? name.text : "",
                       at);
}
