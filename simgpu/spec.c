/* SPDX-License-Identifier: MIT */
#include "spec.h"

#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SPEC_LENGTH = 8000 };

bool simgpu_spec_seconds(struct simgpu_slice text, double *seconds) {
    static const struct {
        const char *suffix;
        double scale;
    } units[] = {{"ms", 1e3}, {"us", 1e6}, {"ns", 1e9}, {"s", 1.0}};
    double divide_by = 1.0;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t length = strlen(units[i].suffix);
        if (text.length <= length) continue;
        if (memcmp(text.text + text.length - length, units[i].suffix, length) != 0) continue;
        text.length -= length;
        divide_by = units[i].scale;
        break;
    }
    if (!simgpu_slice_number(text, seconds)) return false;
    *seconds /= divide_by;
    return true;
}

static struct simgpu_item default_item(void) {
    const struct simgpu_sensor_keys unsaid = {NAN, NAN, NAN, NAN, NAN};
    return (struct simgpu_item){
        .count = 1,
        .duty = 0.5,
        .seed = 1,
        .all = unsaid,
        .one = {unsaid, unsaid, unsaid, unsaid},
        .gain = 1.0,
        .quantum_w = 1e-3,
        .tick_phase = NAN,
        .counter_refresh = NAN,
        .counter_phase = NAN,
        .counter_base = 123456.789,
        .counter_quantum = 1e-3,
        .idle_w = NAN,
        .limit_w = NAN,
        .util_pct = NAN,
        .temperature_c = NAN,
    };
}

static int parse_model(struct simgpu_item *item, struct simgpu_slice part, size_t at,
                       struct simgpu_error *err) {
    struct simgpu_slice rest = part;
    struct simgpu_slice head = simgpu_slice_cut(&rest, '*');
    if (rest.text) {
        uint64_t count;
        if (!simgpu_slice_whole(simgpu_slice_trim(head), SIMGPU_MAX_BOARDS, &count) || count == 0)
            return simgpu_fail(err, at, "the number of boards before '*' must be 1 to %d, at %zu",
                               SIMGPU_MAX_BOARDS, at);
        item->count = (int)count;
        at += head.length + 1;
        head = rest;
    }
    char model[32] = "";
    simgpu_slice_copy(simgpu_slice_trim(head), model, sizeof model);
    item->profile = simgpu_profile_find(model);
    if (item->profile) return 0;
    return simgpu_fail(err, at,
                       "unknown GPU model '%.*s' at %zu; use v100, a100, h100, h200, gh200, "
                       "rtx3090, rtx4090 or b200",
                       (int)(head.length < 40 ? head.length : 40), head.length ? head.text : "",
                       at);
}

/* A waveform comes right after the model and has its ':' before any '='. */
static bool looks_like_wave(struct simgpu_slice part) {
    struct simgpu_slice rest = part;
    struct simgpu_slice word = simgpu_slice_cut(&rest, ':');
    if (word.length && memchr(word.text, '=', word.length)) return false;
    return !simgpu_slice_is(word, "loop") && !simgpu_slice_is(word, "driver530");
}

/* A disagreement that only the whole item shows. */
static int check_item(const struct simgpu_item *item, size_t at, struct simgpu_error *err) {
    const struct simgpu_profile *p = item->profile;
    if (item->limit_w < p->min_limit_w || item->limit_w > p->max_limit_w)
        return simgpu_fail(err, at, "limit of %s must be %g to %g W, at %zu", p->model,
                           p->min_limit_w, p->max_limit_w, at);
    if (item->mig > p->max_mig)
        return simgpu_fail(err, at, "%s can have at most %d MIG instances, at %zu", p->model,
                           p->max_mig, at);
    if (item->loop && item->shape != SIMGPU_SCHEDULE && item->shape != SIMGPU_REPLAY)
        return simgpu_fail(err, at, "loop needs a schedule or a replay, at %zu", at);
    return 0;
}

static int parse_item(struct simgpu_item *item, struct simgpu_slice text, size_t at,
                      struct simgpu_error *err) {
    *item = default_item();
    struct simgpu_slice rest = text;
    const char *start = text.text;
    for (int i = 0; rest.text; i++) {
        size_t part_at = at + (size_t)(rest.text - start);
        struct simgpu_slice part = simgpu_slice_cut(&rest, ',');
        int rc;
        if (i == 0)
            rc = parse_model(item, part, part_at, err);
        else if (i == 1 && looks_like_wave(simgpu_slice_trim(part)))
            rc = simgpu_spec_wave(item, simgpu_slice_trim(part), part_at, err);
        else
            rc = simgpu_spec_key(item, simgpu_slice_trim(part), part_at, err);
        if (rc != 0) return rc;
    }
    if (!item->profile) return simgpu_fail(err, at, "no GPU model at %zu", at);
    return check_item(item, at, err);
}

static int add_item(struct simgpu_spec *spec, struct simgpu_slice text, size_t at,
                    struct simgpu_error *err) {
    struct simgpu_item *items =
        realloc(spec->items, (size_t)(spec->item_count + 1) * sizeof *items);
    if (!items) return simgpu_fail(err, at, "out of memory");
    spec->items = items;
    struct simgpu_item *item = &items[spec->item_count];
    if (parse_item(item, text, at, err) != 0) return -1;
    item->first = spec->board_count;
    spec->item_count++;
    spec->board_count += item->count;
    spec->reverse = spec->reverse || item->reverse;
    if (spec->board_count > SIMGPU_MAX_BOARDS)
        return simgpu_fail(err, at, "more than %d boards at %zu", SIMGPU_MAX_BOARDS, at);
    return 0;
}

struct simgpu_spec *simgpu_spec_parse(const char *text, struct simgpu_error *err) {
    size_t length = strnlen(text, MAX_SPEC_LENGTH + 1);
    if (length > MAX_SPEC_LENGTH) {
        simgpu_fail(err, MAX_SPEC_LENGTH, "the spec is longer than %d characters", MAX_SPEC_LENGTH);
        return NULL;
    }
    struct simgpu_spec *spec = calloc(1, sizeof *spec);
    if (!spec) {
        simgpu_fail(err, 0, "out of memory");
        return NULL;
    }
    struct simgpu_slice rest = {text, length};
    while (rest.text) {
        size_t at = (size_t)(rest.text - text);
        if (add_item(spec, simgpu_slice_cut(&rest, ';'), at, err) != 0) {
            simgpu_spec_free(spec);
            return NULL;
        }
    }
    return spec;
}

void simgpu_spec_free(struct simgpu_spec *spec) {
    if (!spec) return;
    free(spec->items);
    free(spec);
}

int simgpu_spec_board_count(const struct simgpu_spec *spec) {
    return spec->board_count;
}
