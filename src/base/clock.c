#include "base/base.h"

#include <time.h>

int64_t jmi_clock_ns(int clock_id) {
    struct timespec now;
    clock_gettime(clock_id, &now);
    return (int64_t)now.tv_sec * JMI_NS_PER_S + now.tv_nsec;
}

int64_t jm_now_ns(void) {
    return jmi_clock_ns(CLOCK_MONOTONIC);
}

int64_t jmi_clock_offset_ns(int clock_id) {
    int64_t best_width = INT64_MAX;
    int64_t offset = 0;
    for (int i = 0; i < 5; i++) {
        int64_t before = jm_now_ns();
        int64_t there = jmi_clock_ns(clock_id);
        int64_t after = jm_now_ns();
        if (after - before < best_width) {
            best_width = after - before;
            offset = there - (before + (after - before) / 2);
        }
    }
    return offset;
}
