/* Steering: settings are tried on real boards, one after the other. */
#include "limit/steering.h"

#include "limit/borrow.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- what the boards take ---- */

static int read_limit(jm_limits *limits, uint32_t index, jm_lever lever, jm_limit *limit,
                      jm_error *error) {
    *limit = (jm_limit){.size = sizeof *limit};
    int status = jm_limits_read(limits, index, lever, limit, error);
    if (status == JM_OK && limit->status != JM_OK)
        return jmi_fail(error, limit->status, "%s: %s", limit->device, limit->message);
    if (status == JM_OK && !(limit->least < limit->most && isfinite(limit->standard)))
        return jmi_fail(error, JM_NOT_SUPPORTED,
                        "%s: the driver does not tell between which bounds its %s can be set",
                        limit->device, lever == JM_LEVER_POWER ? "power limit" : "clock");
    return status;
}

/* Found out before anything runs for hours. Where a daemon lends, its bounds hold from here on. */
static int check_access(jm_limits *limits, jm_error *error) {
    for (uint32_t i = 0; i < jm_limits_count(limits); i++) {
        jm_finding f = {.size = sizeof f};
        int status = jm_limits_access(limits, i, &f);
        if (status == JM_OK) status = f.status;
        if (status != JM_OK)
            return jmi_fail(error, status, "%s",
                            f.remedy != NULL && f.remedy[0] != '\0' ? f.remedy
                            : f.message != NULL                     ? f.message
                                                                    : jm_status_text(status));
    }
    return JM_OK;
}

/* They are to get the same setting, and it is to mean the same to all. */
static int check_alike(jm_limits *limits, const jm_limit *first, jm_error *error) {
    jm_limit other;
    for (uint32_t i = 1; i < jm_limits_count(limits); i++) {
        int status = read_limit(limits, i, first->lever, &other, error);
        if (status != JM_OK) return status;
        if (other.least != first->least || other.most != first->most ||
            other.standard != first->standard)
            return jmi_fail(error, JM_INVALID,
                            "%s and %s have not the same bounds and default: tune each by itself",
                            first->device, other.device);
    }
    return JM_OK;
}

/* Clocks come in steps of the driver's own. The settings from the highest down, then turned round:
 * heap, `count` of them. */
static int list_clocks(jm_limits *limits, double least, double most, double **settings,
                       size_t *count, jm_error *error) {
    enum { ROOM = 1024 };
    double *list = jmi_alloc(ROOM, sizeof *list);
    if (list == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    uint32_t wanted = (uint32_t)llround(most), step = 0;
    size_t n = 0;
    int status = JM_OK;
    while (n < ROOM && wanted >= (uint32_t)llround(least)) {
        status =
            jmi_limit_step(limits->set, limits->gpus[0].gpu, JM_LEVER_CLOCK, wanted, &step, error);
        if (status != JM_OK || step > wanted || step == 0) break;
        list[n++] = (double)step;
        wanted = step - 1;
    }
    for (size_t i = 0; i < n / 2; i++) {
        double kept = list[i];
        list[i] = list[n - 1 - i];
        list[n - 1 - i] = kept;
    }
    if (status == JM_OK && n >= 2) {
        *settings = list;
        *count = n;
        return JM_OK;
    }
    free(list);
    return status;
}

static int open_tuner(jm_steering *s, const jm_tuner_options *given, jm_error *error) {
    jm_tuner_options options = *given;
    double *clocks = NULL;
    jm_limit limit;
    s->lever = options.lever;
    if (!jmi_lever_known((int)s->lever))
        return jmi_fail(error, JM_INVALID, "there is no such lever");
    int status = check_access(s->limits, error);
    if (status == JM_OK) status = read_limit(s->limits, 0, s->lever, &limit, error);
    if (status == JM_OK) status = check_alike(s->limits, &limit, error);
    if (status != JM_OK) return status;
    double lowest = options.lowest > 0 ? options.lowest : limit.least;
    double highest = options.highest > 0 ? options.highest : limit.most;
    if (lowest < limit.least || highest > limit.most)
        return jmi_fail(error, JM_INVALID, "%s takes %.6g to %.6g %s", limit.device, limit.least,
                        limit.most, jm_lever_unit((int)s->lever));
    if (options.settings == NULL && options.step == 0 && s->lever == JM_LEVER_CLOCK)
        status = list_clocks(s->limits, lowest, highest, &clocks, &options.setting_count, error);
    if (clocks != NULL) options.settings = clocks;
    if (options.settings == NULL) {
        options.lowest = lowest;
        options.highest = highest;
    }
    if (!(options.standard > 0)) options.standard = limit.standard;
    s->standard = options.standard;
    if (status == JM_OK) status = jm_tuner_open(&s->tuner, &options, error);
    free(clocks);
    return status;
}

/* ---- life ---- */

static int check_options(const jm_steering_options *o, jm_error *error) {
    if (o->tuner.size != 0 && o->tuner.size != sizeof o->tuner)
        return jmi_fail(error, JM_INVALID, "options->tuner is of another version of the library");
    if (o->meter.size != 0 && o->meter.size != sizeof o->meter)
        return jmi_fail(error, JM_INVALID, "options->meter is of another version of the library");
    return JM_OK;
}

static int open_steering(jm_steering *s, const jm_steering_options *options, jm_error *error) {
    jm_tuner_options tuner = JM_TUNER_OPTIONS_INIT;
    s->meter_options = (jm_trial_meter_options)JM_TRIAL_METER_OPTIONS_INIT;
    if (options->tuner.size != 0) tuner = options->tuner;
    if (options->meter.size != 0) s->meter_options = options->meter;
    int status = open_tuner(s, &tuner, error);
    if (status == JM_OK)
        status = jmi_watched_open(&s->watched, s->session, s->limits, s->lever, error);
    if (status == JM_OK) s->delay_ns = jmi_watched_delay_ns(&s->watched);
    return status;
}

int jm_steering_open(jm_steering **steering, jm_session *session, jm_limits *limits,
                     const jm_steering_options *options, jm_error *error) {
    jm_steering_options ours;
    if (steering != NULL) *steering = NULL;
    if (steering == NULL || session == NULL || jm_limits_count(limits) == 0)
        return jmi_fail(error, JM_INVALID, "jm_steering_open: an argument is not valid");
    int status = jmi_take_struct(&ours, sizeof ours, options, "jm_steering_options", error);
    if (status == JM_OK) status = check_options(&ours, error);
    if (status != JM_OK) return status;
    jm_steering *s = jmi_alloc(1, sizeof *s);
    if (s == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    pthread_mutex_init(&s->lock, NULL);
    s->session = session;
    s->limits = limits;
    s->setting = s->asked = (double)NAN;
    status = open_steering(s, &ours, error);
    if (status == JM_OK)
        *steering = s;
    else
        jm_steering_close(s);
    return status;
}

void jm_steering_close(jm_steering *steering) {
    if (steering == NULL) return;
    jm_trial_meter_free(steering->meter);
    jm_tuner_free(steering->tuner);
    jmi_watched_close(&steering->watched);
    pthread_mutex_destroy(&steering->lock);
    free(steering->events);
    free(steering);
}

jm_tuner *jm_steering_tuner(jm_steering *steering) {
    return steering != NULL ? steering->tuner : NULL;
}

/* ---- setting ---- */

/* What the board keeps to, where that is not what it was asked for. */
static double in_force(const jm_steering *s, double asked) {
    jm_limit limit;
    if (read_limit(s->limits, 0, s->lever, &limit, NULL) != JM_OK || !(limit.value > 0))
        return asked;
    return fabs(limit.value - asked) < 0.5 ? asked : limit.value;
}

static int set(jm_steering *s, double value, jm_error *error) {
    jm_limit_target target = {s->lever, value, false};
    int status = jm_limits_set(s->limits, JM_LIMITS_ALL, &target, 0, error);
    s->asked = value;
    s->setting = status == JM_OK ? in_force(s, value) : value;
    return status;
}

/* The board takes other settings, though not this one. */
static bool is_refusal(int status) {
    return status == JM_INVALID || status == JM_NOT_SUPPORTED || status == JM_DRIVER;
}

int jmi_steering_tell(jm_steering *s, const jm_trial *trial, jm_error *error) {
    s->running = false;
    s->trials++;
    return jm_tuner_tell(s->tuner, trial, error);
}

static int fail_trial(jm_steering *s, jm_error *error) {
    jm_trial trial = {.size = sizeof trial, .setting = s->asked, .failed = true};
    return jmi_steering_tell(s, &trial, error);
}

static int try_next(jm_steering *s, jm_tuner_step *step, jm_error *error) {
    int status = jm_tuner_next(s->tuner, step, error);
    if (status != JM_OK) return status;
    snprintf(s->reason, sizeof s->reason, "%s", step->reason != NULL ? step->reason : "");
    step->reason = s->reason;
    status = set(s, step->setting, error);
    s->done = step->done && status == JM_OK;
    if (status != JM_OK || step->done) return status;
    return jmi_steering_begin(s, error);
}

int jm_steering_next(jm_steering *steering, jm_tuner_step *step, jm_error *error) {
    enum { MOST_REFUSED = 8 };
    if (steering == NULL) return jmi_fail(error, JM_INVALID, "jm_steering_next: steering is NULL");
    jm_tuner_step ours = {.size = sizeof ours};
    jm_error why = {0};
    steering->running = false;
    int status = try_next(steering, &ours, &why);
    for (int i = 0; i < MOST_REFUSED && is_refusal(status) && !ours.done; i++) {
        status = fail_trial(steering, &why);
        if (status == JM_OK) status = try_next(steering, &ours, &why);
    }
    if (status != JM_OK) return jmi_fail(error, status, "%s", why.message);
    if (step == NULL || jmi_give_struct(step, &ours, sizeof ours) == JM_OK) return JM_OK;
    return jmi_fail(error, JM_INVALID, "jm_steering_next: step->size is not set");
}

int jm_steering_fail(jm_steering *steering, jm_error *error) {
    if (steering == NULL) return jmi_fail(error, JM_INVALID, "jm_steering_fail: steering is NULL");
    return steering->running ? fail_trial(steering, error) : JM_OK;
}

/* ---- work that was run for one setting ---- */

static void wait_for_readings(const jm_steering *s, int64_t end_ns) {
    int64_t until = end_ns + s->delay_ns;
    for (int64_t left; (left = until - jm_now_ns()) > 0;) {
        struct timespec time = {left / JMI_NS_PER_S, left % JMI_NS_PER_S};
        nanosleep(&time, NULL);
    }
}

static int measure(jm_steering *s, const jm_window *window, double items, jm_trial *trial,
                   jm_error *error) {
    jmi_watched_energy energy;
    int status = jmi_watched_energies(&s->watched, window, 1, &energy, error);
    if (status != JM_OK) return status;
    trial->seconds = (double)(window->end_ns - window->begin_ns) * 1e-9;
    if (!energy.known || !(energy.energy_j > 0))
        return jmi_fail(error, JM_NO_DATA, "%.3g s are too short for energy to be measured",
                        trial->seconds);
    trial->items = items;
    trial->energy_j = energy.energy_j;
    trial->energy_u95_j = 1.96 * energy.u_j;
    trial->limited =
        jmi_watched_limited(&s->watched, trial->setting, window->begin_ns, window->end_ns);
    return JM_OK;
}

bool jm_steering_enough(jm_steering *steering, int64_t begin_ns) {
    int64_t now = jm_now_ns();
    jmi_watched_energy energy;
    if (steering == NULL) return true;
    const jm_trial_meter_options *o = &steering->meter_options;
    double target = o->target_pct > 0 ? o->target_pct : 1, most_s = o->max_s > 0 ? o->max_s : 60;
    if ((double)(now - begin_ns) * 1e-9 > most_s) return true;
    const jm_window window = {begin_ns, now - steering->delay_ns};
    if (window.end_ns <= window.begin_ns) return false;
    if (jmi_watched_energies(&steering->watched, &window, 1, &energy, NULL) != JM_OK) return true;
    return energy.known && 196 * energy.u_j <= target * energy.energy_j;
}

int jm_steering_measure(jm_steering *steering, int64_t begin_ns, int64_t end_ns, double items,
                        jm_trial *trial, jm_error *error) {
    if (steering == NULL || end_ns <= begin_ns || !(items > 0) || !isfinite(items))
        return jmi_fail(error, JM_INVALID, "jm_steering_measure: an argument is not valid");
    if (!steering->running)
        return jmi_fail(error, JM_INVALID, "jm_steering_measure: no trial is under way");
    jm_trial ours = {.size = sizeof ours, .setting = steering->setting};
    const jm_window window = {begin_ns, end_ns};
    wait_for_readings(steering, end_ns);
    int status = measure(steering, &window, items, &ours, error);
    if (status != JM_OK) {
        fail_trial(steering, NULL);
        return status;
    }
    status = jmi_steering_tell(steering, &ours, error);
    if (status != JM_OK || trial == NULL) return status;
    if (jmi_give_struct(trial, &ours, sizeof ours) == JM_OK) return JM_OK;
    return jmi_fail(error, JM_INVALID, "jm_steering_measure: trial->size is not set");
}
