#include "record/schedule.h"

#include <string.h>

static const uint64_t ms_ns = 1000000;
enum {
    COST_SHARE = 100,   /* at most 1/100 of the time is spent in a driver */
    TICKS_TO_LOCK = 12, /* changes seen before a rhythm is believed */
    TICKS_TO_REFIT = 16,
    SHORTEST_RHYTHM_MS = 20
};

static bool of_interest(const jm_sensor *sensor) {
    return sensor->quantity == JM_QUANTITY_POWER || sensor->quantity == JM_QUANTITY_POWER_AVERAGE ||
           sensor->quantity == JM_QUANTITY_ENERGY;
}

/* How often is it worth asking a sensor that refreshes every T? */
static uint64_t wanted_period(uint64_t refresh_ns) {
    if (refresh_ns < 10 * ms_ns) return 5 * ms_ns; /* unknown, or next to continuous */
    return refresh_ns / 20 > ms_ns ? refresh_ns / 20 : ms_ns;
}

static uint64_t bounded(const jmi_schedule *schedule, uint64_t period_ns) {
    if (!schedule->fixed) {
        uint64_t least = schedule->cost_ns * COST_SHARE;
        if (schedule->floor_ns > least) least = schedule->floor_ns;
        if (least > period_ns) period_ns = least;
        if (period_ns > ms_ns) period_ns = (period_ns + ms_ns - 1) / ms_ns * ms_ns;
    }
    if (schedule->ceiling_ns != 0 && period_ns > schedule->ceiling_ns)
        period_ns = schedule->ceiling_ns;
    return period_ns > 0 ? period_ns : ms_ns;
}

static uint64_t choose_period(const jmi_schedule *schedule, const jmi_source *source,
                              const jm_sensor *sensors) {
    uint64_t period = schedule->interval_ns;
    for (uint32_t i = 0; i < source->sensor_count; i++) {
        const jm_sensor *sensor = &sensors[source->sensor[i]];
        if (!of_interest(sensor) || sensor->modelled) continue;
        uint64_t wanted = wanted_period(sensor->refresh_ns);
        if (wanted < period) period = wanted;
    }
    return period;
}

/* What a user who asks for a rate wants at that rate: power now, and energy. A mean over a second
 * and a driver's own ring tell nothing more for being asked more often. */
static bool worth_any_rate(const jmi_source *source, const jm_sensor *sensors) {
    if (source->drain != NULL || source->min_period_ns >= 100 * ms_ns) return false;
    for (uint32_t i = 0; i < source->sensor_count; i++) {
        jm_quantity quantity = sensors[source->sensor[i]].quantity;
        if (quantity == JM_QUANTITY_POWER || quantity == JM_QUANTITY_ENERGY) return true;
    }
    return false;
}

static uint64_t shortest_refresh(const jmi_source *source, const jm_sensor *sensors) {
    uint64_t refresh = 0;
    for (uint32_t i = 0; i < source->sensor_count; i++) {
        const jm_sensor *sensor = &sensors[source->sensor[i]];
        if (!of_interest(sensor) || sensor->refresh_ns == 0) continue;
        if (refresh == 0 || sensor->refresh_ns < refresh) refresh = sensor->refresh_ns;
    }
    return refresh;
}

void jmi_schedule_init(jmi_schedule *schedule, const jmi_source *source, const jm_sensor *sensors,
                       uint64_t interval_ns, uint64_t poll_ns, int64_t now_ns) {
    memset(schedule, 0, sizeof *schedule);
    schedule->interval_ns = interval_ns;
    schedule->cost_ns = source->cost_ns;
    schedule->floor_ns = source->min_period_ns;
    schedule->ceiling_ns = source->max_period_ns;
    schedule->fixed = poll_ns != 0;
    schedule->origin_ns = now_ns;
    schedule->next_ns = now_ns;
    schedule->fit_at = TICKS_TO_LOCK;
    uint64_t chosen = poll_ns != 0 ? poll_ns : choose_period(schedule, source, sensors);
    if (poll_ns != 0 && !worth_any_rate(source, sensors)) {
        if (chosen < interval_ns) chosen = interval_ns;
        if (chosen < schedule->floor_ns) chosen = schedule->floor_ns;
    }
    schedule->wanted_ns = chosen;
    schedule->period_ns = bounded(schedule, chosen);
    uint64_t refresh = shortest_refresh(source, sensors);
    bool rhythmic = poll_ns == 0 && source->drain == NULL &&
                    refresh >= SHORTEST_RHYTHM_MS * ms_ns && schedule->period_ns * 4 <= refresh;
    schedule->refresh_ns = rhythmic ? refresh : 0;
}

/* ---- rhythm ---- */

/* Half the width of what is polled densely about an expected change. */
static int64_t margin(const jmi_schedule *schedule, int64_t at_ns) {
    double ticks = (double)(at_ns - schedule->last_change_ns) / schedule->lattice.period_ns;
    if (ticks < 1) ticks = 1;
    double width =
        1.5e6 + 3 * schedule->lattice.jitter_ns + 2 * schedule->lattice.period_u_ns * ticks;
    return (int64_t)width;
}

static bool worth_it(const jmi_schedule *schedule, int64_t at_ns) {
    return margin(schedule, at_ns) < (int64_t)(schedule->lattice.period_ns / 4);
}

static void fit(jmi_schedule *schedule) {
    int64_t lo[JMI_BRACKETS], hi[JMI_BRACKETS];
    size_t count = schedule->changes < JMI_BRACKETS ? schedule->changes : JMI_BRACKETS;
    for (size_t i = 0; i < count; i++) {
        size_t from = (schedule->changes - count + i) % JMI_BRACKETS;
        lo[i] = schedule->lo[from];
        hi[i] = schedule->hi[from];
    }
    schedule->fit_at = schedule->changes + TICKS_TO_REFIT;
    schedule->hits = schedule->misses = 0;
    jmi_lattice lattice;
    bool fits = jmi_lattice_fit(lo, hi, count, (double)schedule->refresh_ns, &lattice) == JM_OK &&
                lattice.inside >= 0.8 && lattice.period_ns > (double)(4 * ms_ns);
    if (fits) schedule->lattice = lattice;
    schedule->locked = fits && worth_it(schedule, schedule->last_change_ns);
}

/* The lattice's tick nearest to t, and how far t is from it. */
static int64_t nearest_tick(const jmi_schedule *schedule, int64_t t_ns) {
    int64_t half = (int64_t)(schedule->lattice.period_ns / 2);
    return jmi_lattice_tick(&schedule->lattice, t_ns + half);
}

static void note_change(jmi_schedule *schedule, int64_t lo_ns, int64_t hi_ns) {
    schedule->lo[schedule->changes % JMI_BRACKETS] = lo_ns;
    schedule->hi[schedule->changes % JMI_BRACKETS] = hi_ns;
    schedule->changes++;
    if (schedule->locked) {
        int64_t tick = nearest_tick(schedule, hi_ns);
        int64_t around = margin(schedule, hi_ns) + (int64_t)ms_ns;
        bool hit = tick > lo_ns - around && tick < hi_ns + around;
        schedule->hits += hit;
        schedule->misses += !hit;
    }
    schedule->last_change_ns = hi_ns;
    bool lost = schedule->locked && schedule->misses > 4 && schedule->misses > schedule->hits / 3;
    if (lost) schedule->locked = false; /* even polling until the rhythm is found anew */
    if (lost) schedule->fit_at = schedule->changes + TICKS_TO_LOCK;
    if (schedule->changes >= schedule->fit_at) fit(schedule);
}

static int64_t next_even(const jmi_schedule *schedule, int64_t now_ns) {
    int64_t period = (int64_t)schedule->period_ns;
    int64_t passed = (now_ns - schedule->origin_ns) / period;
    return schedule->origin_ns + (passed + 1) * period;
}

static int64_t next_locked(const jmi_schedule *schedule, int64_t now_ns) {
    int64_t around = margin(schedule, now_ns);
    int64_t step = (int64_t)ms_ns;
    if ((int64_t)schedule->cost_ns * 10 > step) step = (int64_t)schedule->cost_ns * 10;
    int64_t tick = nearest_tick(schedule, now_ns);
    bool seen = schedule->last_change_ns >= tick - around;
    int64_t sparse = now_ns + (int64_t)schedule->interval_ns;
    if (!seen && now_ns >= tick - around && now_ns <= tick + around) return now_ns + step;
    int64_t next_tick = tick;
    if (seen || now_ns > tick + around) next_tick = tick + (int64_t)schedule->lattice.period_ns;
    int64_t dense = next_tick - around;
    if (dense <= now_ns) dense = now_ns + step;
    return dense < sparse ? dense : sparse;
}

void jmi_schedule_done(jmi_schedule *schedule, int64_t before_ns, int64_t after_ns, int64_t lo_ns) {
    uint64_t cost = (uint64_t)(after_ns - before_ns);
    /* A call that was interrupted says nothing of its cost. */
    if (schedule->cost_ns > 0 && cost > 8 * schedule->cost_ns) cost = 8 * schedule->cost_ns;
    if (schedule->cost_ns == 0) schedule->cost_ns = cost;
    if (schedule->cost_ns > 2 * cost) schedule->cost_ns /= 2; /* nor did one before */
    schedule->cost_ns = (7 * schedule->cost_ns + cost) / 8;
    if (!schedule->fixed) {
        uint64_t now = bounded(schedule, schedule->wanted_ns), before = schedule->period_ns;
        if (now > before * 5 / 4 || now < before * 3 / 4) schedule->period_ns = now;
    }
    if (schedule->refresh_ns != 0 && lo_ns != 0)
        note_change(schedule, lo_ns, before_ns + (after_ns - before_ns) / 2);
    if (schedule->locked && !worth_it(schedule, after_ns)) schedule->locked = false;
    schedule->next_ns =
        schedule->locked ? next_locked(schedule, after_ns) : next_even(schedule, after_ns);
}
