#include "record/keep.h"

#include <math.h>

static uint32_t since(const jmi_keeper *keeper, int64_t t_ns) {
    if (!keeper->has_value) return UINT32_MAX;
    int64_t passed = t_ns - keeper->polled_ns;
    return passed < (int64_t)UINT32_MAX ? (uint32_t)passed : UINT32_MAX;
}

bool jmi_keep(jmi_keeper *keeper, jm_recording *recording, jmi_series *series,
              const jmi_reading *reading, int64_t t_ns, uint64_t interval_ns, bool all) {
    /* The device's own time may stand still: then there is nothing new. */
    if (keeper->has_value && t_ns <= keeper->polled_ns) return false;
    bool reset = (reading->flags & JM_SAMPLE_RESET) != 0;
    bool changed = keeper->has_value && (reading->value != keeper->value || reset);
    bool keep = changed || all || keeper->gap || !keeper->has_value ||
                t_ns - keeper->kept_ns >= (int64_t)interval_ns;
    uint32_t passed = since(keeper, t_ns);
    if (keep) {
        unsigned flags = (changed ? JM_SAMPLE_CHANGED : 0u) | (keeper->gap ? JM_SAMPLE_GAP : 0u) |
                         (reset ? JM_SAMPLE_RESET : 0u);
        jmi_series_add(recording, series, t_ns, reading->value, passed, (uint8_t)flags);
        keeper->kept_ns = t_ns;
        keeper->gap = false;
    }
    keeper->held = !keep;
    keeper->held_since = passed;
    keeper->value = reading->value;
    keeper->polled_ns = t_ns;
    keeper->has_value = true;
    keeper->missing = false;
    return changed;
}

void jmi_keep_missing(jmi_keeper *keeper, jm_recording *recording, jmi_series *series,
                      int64_t t_ns) {
    if (!keeper->missing) {
        jmi_keep_last(keeper, recording, series); /* up to there it was good */
        jmi_series_add(recording, series, t_ns, 0, since(keeper, t_ns), JM_SAMPLE_MISSING);
        keeper->kept_ns = t_ns;
    }
    keeper->missing = true;
    keeper->gap = true;
}

void jmi_keep_last(jmi_keeper *keeper, jm_recording *recording, jmi_series *series) {
    if (!keeper->held) return;
    jmi_series_add(recording, series, keeper->polled_ns, keeper->value, keeper->held_since, 0);
    keeper->kept_ns = keeper->polled_ns;
    keeper->held = false;
}
