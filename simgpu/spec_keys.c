/* SPDX-License-Identifier: MIT */
#include "spec.h"
#include "text.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#define MAX_W 1e5
#define MAX_S 1e5

/* A number at an offset in a struct, with its range; times may have a unit. */
struct key {
    const char *name;
    size_t offset;
    double min, max;
    bool is_time;
};

#define ITEM(member)   offsetof(struct simgpu_item, member)
#define SENSOR(member) offsetof(struct simgpu_sensor_keys, member)

static const struct key item_keys[] = {
    {"gain", ITEM(gain), 0.01, 100.0, false},
    {"offset", ITEM(offset_w), -MAX_W, MAX_W, false},
    {"quantum", ITEM(quantum_w), 1e-3, MAX_W, false},
    {"tick_phase", ITEM(tick_phase), 0.0, MAX_S, true},
    {"counter_T", ITEM(counter_refresh), 1e-6, MAX_S, true},
    {"counter_phase", ITEM(counter_phase), 0.0, MAX_S, true},
    {"counter_base", ITEM(counter_base), 0.0, 1e12, false},
    {"counter_quantum", ITEM(counter_quantum), 1e-3, 1e6, false},
    {"idle", ITEM(idle_w), 0.0, MAX_W, false},
    {"limit", ITEM(limit_w), 1.0, MAX_W, false},
    {"phase", ITEM(phase), -MAX_S, MAX_S, true},
    {"latency_us", ITEM(latency_us), 0.0, 6e7, false},
    {"poll_power_w", ITEM(poll_power_w), 0.0, MAX_W, false},
    {"util", ITEM(util_pct), 0.0, 100.0, false},
    {"temp", ITEM(temperature_c), 0.0, 150.0, false},
};

static const struct key sensor_keys[] = {
    {"T", SENSOR(refresh), 1e-6, MAX_S, true},   {"W", SENSOR(window), 0.0, MAX_S, true},
    {"lag", SENSOR(lag), 0.0, MAX_S, true},      {"rise", SENSOR(rise), 0.0, 1e3, true},
    {"noise", SENSOR(noise), 0.0, MAX_W, false},
};

static const struct key *find_key(const struct key *keys, size_t count, struct simgpu_slice name) {
    for (size_t i = 0; i < count; i++)
        if (simgpu_slice_is(name, keys[i].name)) return &keys[i];
    return NULL;
}

static int set_number(void *object, const struct key *key, struct simgpu_slice text, size_t at,
                      struct simgpu_error *err) {
    double value;
    bool ok = key->is_time ? simgpu_spec_seconds(text, &value) : simgpu_slice_number(text, &value);
    if (!ok || value < key->min || value > key->max)
        return simgpu_fail(err, at, "%s must be a %s from %g to %g, at %zu", key->name,
                           key->is_time ? "time in seconds" : "number", key->min, key->max, at);
    memcpy((char *)object + key->offset, &value, sizeof value);
    return 0;
}

/* `plain.T` and the like; NULL if the part before the dot is no sensor. */
static struct simgpu_sensor_keys *sensor_of(struct simgpu_item *item, struct simgpu_slice *name) {
    static const char *const names[] = {"plain", "average", "instant", "ring"};
    struct simgpu_slice rest = *name;
    struct simgpu_slice head = simgpu_slice_cut(&rest, '.');
    if (!rest.text) return &item->all;
    *name = rest;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (simgpu_slice_is(head, names[i])) return &item->one[i];
    return NULL;
}

static int set_seed(struct simgpu_item *item, struct simgpu_slice text, size_t at,
                    struct simgpu_error *err) {
    if (simgpu_slice_whole(text, UINT64_MAX, &item->seed)) return 0;
    return simgpu_fail(err, at, "seed must be a whole number, at %zu", at);
}

static int set_mig(struct simgpu_item *item, struct simgpu_slice text, size_t at,
                   struct simgpu_error *err) {
    uint64_t count;
    if (!simgpu_slice_whole(text, 7, &count))
        return simgpu_fail(err, at, "mig must be a whole number from 0 to 7, at %zu", at);
    item->mig = (int)count;
    return 0;
}

static int set_order(struct simgpu_item *item, struct simgpu_slice text, size_t at,
                     struct simgpu_error *err) {
    if (!simgpu_slice_is(text, "reverse") && !simgpu_slice_is(text, "forward"))
        return simgpu_fail(err, at, "order must be forward or reverse, at %zu", at);
    item->reverse = simgpu_slice_is(text, "reverse");
    return 0;
}

static int set_flag(struct simgpu_item *item, struct simgpu_slice name, size_t at,
                    struct simgpu_error *err) {
    if (simgpu_slice_is(name, "loop")) return item->loop = true, 0;
    if (simgpu_slice_is(name, "driver530")) return item->driver530 = true, 0;
    return simgpu_fail(err, at, "'%.*s' at %zu is no key=value, loop or driver530",
                       (int)(name.length < 40 ? name.length : 40), name.length ? name.text : "",
                       at);
}

int simgpu_spec_key(struct simgpu_item *item, struct simgpu_slice part, size_t at,
                    struct simgpu_error *err) {
    struct simgpu_slice value = part;
    struct simgpu_slice name = simgpu_slice_cut(&value, '=');
    if (!value.text) return set_flag(item, name, at, err);
    name = simgpu_slice_trim(name);
    value = simgpu_slice_trim(value);
    if (simgpu_slice_is(name, "fault")) return simgpu_spec_fault(item, value, at, err);
    if (simgpu_slice_is(name, "seed")) return set_seed(item, value, at, err);
    if (simgpu_slice_is(name, "mig")) return set_mig(item, value, at, err);
    if (simgpu_slice_is(name, "order")) return set_order(item, value, at, err);

    const struct key *key = find_key(item_keys, sizeof item_keys / sizeof *item_keys, name);
    if (key) return set_number(item, key, value, at, err);
    struct simgpu_slice whole = name;
    struct simgpu_sensor_keys *sensor = sensor_of(item, &name);
    key = find_key(sensor_keys, sizeof sensor_keys / sizeof *sensor_keys, name);
    if (key && sensor) return set_number(sensor, key, value, at, err);
    return simgpu_fail(err, at, "unknown key '%.*s' at %zu",
                       (int)(whole.length < 40 ? whole.length : 40), whole.length ? whole.text : "",
                       at);
}
