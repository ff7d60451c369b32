/* Recordings made by chance: devices and sensors of any kind or none, failures, gaps and resets,
 * ranges that nest and overlap, attributes that are none. */
#ifndef REPORT_CHANCE_H
#define REPORT_CHANCE_H

#include "fixture.h"

static uint64_t chance_state;

static inline uint64_t chance_bits(void) { /* splitmix64 */
    uint64_t z = (chance_state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline int chance(int below) {
    return (int)(chance_bits() % (uint64_t)below);
}

/* So many cases, or fewer where a sanitizer slows each of them. */
static inline uint64_t chances(uint64_t count) {
    const char *slowness = getenv("JOULEMETER_TEST_SLOWNESS");
    double factor = slowness != NULL ? atof(slowness) : 1;
    return factor > 1 ? (uint64_t)((double)count / factor / factor) + 20 : count;
}

/* ---- recordings ---- */

static inline void random_samples(jm_recording *recording, uint32_t sensor, bool counter) {
    int64_t t = FIXTURE_T0 + chance(1000000000);
    double value = 0;
    int count = chance(4) == 0 ? chance(3) : chance(700);
    int odd = chance(3) == 0 ? 1 : 40; /* some are full of failures */
    for (int i = 0; i < count; i++) {
        uint32_t step = (uint32_t)(1 + chance(30000000));
        uint8_t flags = chance(2) ? JM_SAMPLE_CHANGED : 0;
        if (chance(3 * odd) == 0) flags |= JM_SAMPLE_MISSING;
        if (chance(5 * odd) == 0) flags |= JM_SAMPLE_GAP;
        if (counter && chance(9 * odd) == 0) flags |= JM_SAMPLE_RESET;
        t += step;
        value = counter ? value + chance(3) : chance(400);
        uint32_t since = chance(9) == 0 ? UINT32_MAX : (uint32_t)chance(40000000);
        jm_samples one = {1, &t, &value, &since, &flags};
        assert_int_equal(jm_recording_add_samples(recording, sensor, &one, NULL), JM_OK);
    }
}

static inline void random_sensors(jm_recording *recording) {
    static const char *const names[] = {"gpu0", "gpu1", "cpu0", "node", "dram0", "gpumem0"};
    int devices = chance(7);
    for (int i = 0; i < devices; i++) fixture_device(recording, names[i], "", chance(2));
    int sensors = devices > 0 ? chance(20) : 0;
    for (int i = 0; i < sensors; i++) {
        jm_quantity quantity = (jm_quantity)(chance(3) ? chance(3) : chance(14));
        jm_sensor sensor = {.size = sizeof sensor,
                            .device = (uint32_t)chance(devices),
                            .quantity = quantity,
                            .source = "some",
                            .counter = quantity == JM_QUANTITY_ENERGY,
                            .modelled = chance(4) == 0,
                            .refresh_ns = (uint64_t)chance(3) * 20000000,
                            .window_ns = (uint64_t)chance(3) * 20000000};
        uint32_t index;
        assert_int_equal(jm_recording_add_sensor(recording, &sensor, &index, NULL), JM_OK);
        random_samples(recording, index, sensor.counter);
    }
}

static inline const char *random_attributes(void) {
    static const char *const some[] = {
        "",
        "",
        "{\"index\":3}",
        "{\"index\":-7,\"size\":16}",
        "{\"size\":32,\"loss\":0.5}",
        "{\"size\":1e300,\"index\":1e300}",
        "{\"index\":2.0,\"loss\":\"none\"}",
        "{\"index\":null,\"size\":true}",
        "nonsense",
        "[]",
        "{",
        "{\"loss\":-1e-300}",
        "{\"a\\u0000b\":1}",
        "\"text\"",
    };
    return some[chance((int)JMI_COUNT(some))];
}

static inline void random_ranges(jm_recording *recording) {
    static const char *const devices[] = {"", "", "gpu0"};
    bool has_gpu = jm_recording_device_count(recording) > 0;
    int count = chance(120);
    for (int i = 0; i < count; i++) {
        int64_t begin = FIXTURE_T0 + chance(20) * INT64_C(100000000);
        jm_range range = {.size = sizeof range,
                          .parent = chance(2) ? 0 : (jm_range_id)chance(count + 1),
                          .begin_ns = begin,
                          .end_ns = begin + chance(30) * INT64_C(50000000),
                          .category = (jm_category)chance(9),
                          .unfinished = chance(9) == 0,
                          .pid = (uint32_t)chance(3),
                          .thread = (uint32_t)chance(3),
                          .name = chance(2) ? "step" : "\xc3\xa9poque",
                          .attributes = random_attributes(),
                          .device = has_gpu ? devices[chance(3)] : "",
                          .stream = (uint32_t)chance(4)};
        if (chance(3)) range.category = (jm_category)(JM_CATEGORY_PHASE + chance(3));
        jm_error error = {0};
        fixture_ok(jm_recording_add_range(recording, &range, &error), &error);
    }
}

static inline jm_recording *random_recording(uint64_t seed) {
    jm_recording *recording;
    chance_state = seed;
    assert_int_equal(jm_recording_new(&recording, NULL), JM_OK);
    if (chance(10)) random_sensors(recording);
    if (chance(4)) random_ranges(recording);
    for (int i = chance(4) ? chance(40) : 0; i > 0; i--) {
        jm_mark_info mark = {.size = sizeof mark,
                             .t_ns = FIXTURE_T0 + chance(1000000000),
                             .name = chance(2) ? "mark" : "",
                             .attributes = random_attributes()};
        assert_int_equal(jm_recording_add_mark(recording, &mark, NULL), JM_OK);
    }
    return recording;
}

#endif
