/* SPDX-License-Identifier: MIT */
/* The spec text of the simulated GPU; what it takes must make a board that works. */
#include "simgpu/spec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void check(bool ok) {
    if (!ok) abort();
}

static void read_everything(const struct simgpu_board *board) {
    struct simgpu_reading reading;
    for (int64_t t = 0; t < 3 * SIMGPU_NS_PER_S; t += SIMGPU_NS_PER_S / 2 + 12345) {
        check(isfinite(simgpu_board_power(board, t)));
        check(isfinite(simgpu_board_energy(board, t - SIMGPU_NS_PER_S, t)));
        check(simgpu_board_throttled_ns(board, 0, t) >= 0);
        for (int sensor = 0; sensor < SIMGPU_SENSOR_COUNT; sensor++)
            if (simgpu_board_read(board, (enum simgpu_sensor)sensor, t, &reading) == 0)
                check(isfinite(reading.value) && reading.value >= 0.0 && reading.tick_ns <= t);
    }
}

/* Files are not opened here; long random waveforms and slow filters would only cost time. */
static bool is_quick(const struct simgpu_spec *spec) {
    const struct simgpu_item *item = &spec->items[0];
    bool slow = item->all.rise > 0.0;
    for (int i = 0; i < 4; i++) slow = slow || item->one[i].rise > 0.0;
    return !slow && item->shape != SIMGPU_SCHEDULE && item->shape != SIMGPU_REPLAY &&
           item->shape != SIMGPU_TELEGRAPH;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    if (!text) return 0;
    if (size) memcpy(text, data, size);
    text[size] = '\0';

    struct simgpu_error err = {0};
    struct simgpu_spec *spec = simgpu_spec_parse(text, &err);
    check(spec || (err.text[0] && err.position <= size));
    if (spec) {
        int count = simgpu_spec_board_count(spec);
        check(count >= 1 && count <= SIMGPU_MAX_BOARDS);
        struct simgpu_board *board = is_quick(spec) ? simgpu_board_new(spec, 0, NULL, &err) : NULL;
        if (board) read_everything(board);
        simgpu_board_free(board);
    }
    simgpu_spec_free(spec);
    free(text);
    return 0;
}
