/* Waiting between runs, so that one does not begin on a board that the one before has warmed. */
#include "experiment.h"

#include <math.h>
#include <stdio.h>

static const double LEARN_S = 2;      /* idle power is measured for so long */
static const double NEAR_SHARE = 0.1; /* near idle: no more than so much above it */
static const double NEAR_W = 1;
static const double NEAR_C = 3;

enum { STEP_NS = 500000000, LAG_NS = 300000000 }; /* readings may come a little late */

bool experiment_wait(experiment *e, jm_session *session, int64_t until_ns) {
    while (jm_now_ns() < until_ns) {
        int64_t step = jm_now_ns() + STEP_NS;
        child_wait(&e->child, step < until_ns ? step : until_ns);
        if (e->child.asked_to_end != 0) return false;
        jm_session_check(session);
    }
    return true;
}

static double power_over(const jm_recording *recording, int64_t from, int64_t to) {
    jm_energy_options options = JM_ENERGY_OPTIONS_INIT;
    jm_energy energy;
    options.no_activity = true;
    options.nearby = true;
    if (recording == NULL ||
        jm_energy_window(recording, JM_DEVICE_TOTAL, from, to, &options, &energy, NULL) != JM_OK)
        return NAN;
    return energy.provenance == 0 ? NAN : energy.mean_power_w;
}

static double last_value(const jm_recording *recording, uint32_t sensor, int64_t from, int64_t to) {
    double value = NAN;
    jm_cursor *cursor = NULL;
    jm_samples block;
    if (jm_cursor_open(&cursor, recording, sensor, from, to, NULL) != JM_OK) return NAN;
    while (jm_cursor_next(cursor, &block) == JM_OK)
        for (size_t i = 0; i < block.count; i++)
            if (!(block.flags[i] & JM_SAMPLE_MISSING)) value = block.value[i];
    jm_cursor_close(cursor);
    return value;
}

/* The hottest device. */
static double temperature_at(const jm_recording *recording, int64_t now) {
    double hottest = NAN;
    for (uint32_t i = 0; recording != NULL && i < jm_recording_sensor_count(recording); i++) {
        jm_sensor sensor = {.size = sizeof sensor};
        if (jm_recording_sensor(recording, i, &sensor) == JM_OK &&
            sensor.quantity == JM_QUANTITY_TEMPERATURE)
            hottest = fmax(hottest, last_value(recording, i, now - 5000000000, now));
    }
    return hottest;
}

bool cooldown_learn(experiment *e, jm_session *session) {
    if (!e->until_stable || e->idle.known) return true;
    live_text(&e->live, " measuring idle power");
    const jm_recording *recording = jm_session_recording(session);
    int64_t begin = jm_now_ns(), end = begin + (int64_t)(LEARN_S * 1e9);
    if (!experiment_wait(e, session, end + LAG_NS)) return false;
    e->idle.power_w = power_over(recording, begin, end);
    e->idle.temperature_c = temperature_at(recording, end);
    e->idle.known = isfinite(e->idle.power_w);
    return true;
}

static bool is_idle(const experiment *e, double power, double temperature) {
    double limit = e->idle.power_w * (1 + NEAR_SHARE) + NEAR_W;
    if (!(power <= limit)) return false;
    return isnan(e->idle.temperature_c) || !(temperature > e->idle.temperature_c + NEAR_C);
}

static void show_wait(experiment *e, double power) {
    char now[64], idle[64], text[160];
    snprintf(text, sizeof text, " cooling down: %s, idle is %s",
             jm_value_text(power, NAN, "W", now, sizeof now),
             jm_value_text(e->idle.power_w, NAN, "W", idle, sizeof idle));
    live_text(&e->live, text);
}

static bool wait_until_stable(experiment *e, jm_session *session) {
    const jm_recording *recording = jm_session_recording(session);
    int64_t begin = jm_now_ns(), end = begin + (int64_t)(e->set.cooldown_limit_s * 1e9);
    int64_t next = begin + 1000000000 + LAG_NS; /* a whole second without the command */
    while (next <= end || next - STEP_NS < end) {
        if (!experiment_wait(e, session, next < end ? next : end)) return false;
        int64_t now = jm_now_ns();
        double power = power_over(recording, now - LAG_NS - 1000000000, now - LAG_NS);
        if (is_idle(e, power, temperature_at(recording, now))) return true;
        show_wait(e, power);
        next += STEP_NS;
    }
    e->not_stable++;
    return true;
}

bool cooldown_wait(experiment *e, jm_session *session) {
    if (e->until_stable && e->idle.known) return wait_until_stable(e, session);
    if (e->cooldown_s <= 0) return true;
    live_text(&e->live, " cooling down");
    return experiment_wait(e, session, jm_now_ns() + (int64_t)(e->cooldown_s * 1e9));
}
