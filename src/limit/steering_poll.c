/* A program goes on while its settings are tried: what it tells of its work, put together with the
 * readings of that time. */
#include "limit/steering.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- what the program tells ---- */

enum {
    MERGED_NS = 1000000, /* items so close together are as good as one */
    MOST_EVENTS = 65536
};

static void push(jm_steering *s, const jmi_steering_event *event) {
    jmi_steering_event *last = s->count > 0 ? &s->events[s->count - 1] : NULL;
    bool merges = last != NULL && event->pause_ns == 0 && last->pause_ns == 0 &&
                  event->t_ns >= last->t_ns &&
                  (event->t_ns - last->t_ns < MERGED_NS || s->count >= MOST_EVENTS);
    if (merges) {
        last->t_ns = event->t_ns;
        last->items += event->items;
    } else if (s->count < MOST_EVENTS &&
               jmi_reserve(&s->events, &s->capacity, s->count + 1, sizeof *s->events)) {
        s->events[s->count++] = *event;
    }
}

static void tell(jm_steering *s, const jmi_steering_event *event) {
    if (s == NULL) return;
    pthread_mutex_lock(&s->lock);
    push(s, event);
    pthread_mutex_unlock(&s->lock);
}

void jm_steering_item(jm_steering *steering, int64_t end_ns, double items) {
    const jmi_steering_event event = {.t_ns = end_ns, .items = items};
    if (items > 0 && isfinite(items)) tell(steering, &event);
}

void jm_steering_pause(jm_steering *steering, int64_t begin_ns, int64_t end_ns) {
    const jmi_steering_event event = {.t_ns = begin_ns, .pause_ns = end_ns - begin_ns};
    if (end_ns > begin_ns) tell(steering, &event);
}

static int by_time(const void *left, const void *right) {
    const jmi_steering_event *a = left, *b = right;
    if (a->t_ns == b->t_ns) return (a->pause_ns != 0) - (b->pause_ns != 0); /* work, then a pause */
    return (a->t_ns > b->t_ns) - (a->t_ns < b->t_ns);
}

/* Those that were over by `until`, in order of time; heap. Those of before the trial are dropped:
 * of work that was begun under another setting only what lies in the trial counts, and the meter
 * leaves that out as it settles. */
static jmi_steering_event *take_events(jm_steering *s, int64_t until_ns, size_t *count) {
    pthread_mutex_lock(&s->lock);
    jmi_steering_event *taken = jmi_alloc(s->count + 1, sizeof *taken);
    size_t left = 0;
    *count = 0;
    for (size_t i = 0; taken != NULL && i < s->count; i++) {
        const jmi_steering_event *event = &s->events[i];
        if (event->t_ns + event->pause_ns > until_ns)
            s->events[left++] = *event;
        else if (event->t_ns > s->begin_ns)
            taken[(*count)++] = *event;
    }
    if (taken != NULL) s->count = left;
    pthread_mutex_unlock(&s->lock);
    if (taken != NULL) qsort(taken, *count, sizeof *taken, by_time);
    return taken;
}

/* ---- the trial ---- */

int jmi_steering_begin(jm_steering *s, jm_error *error) {
    jm_trial_meter_free(s->meter);
    s->meter = NULL;
    int status = jm_trial_meter_open(&s->meter, &s->meter_options, error);
    if (status != JM_OK) return status;
    s->begin_ns = s->stretch_ns = s->fed_ns = jm_now_ns();
    s->items = s->stretch_items = s->before_j = s->before_u_j = 0;
    s->paused_ns = 0;
    s->unknown = s->dropped = 0;
    s->dropped_ns = 0;
    s->progress = (jm_trial_progress){.size = sizeof s->progress};
    const jm_trial_reading first = {.time_ns = s->begin_ns, .limited = (double)NAN};
    status = jm_trial_meter_feed(s->meter, &first, error);
    s->running = status == JM_OK;
    return status;
}

static void feed(jm_steering *s, int64_t t_ns, const jmi_watched_energy *energy, double limited) {
    if (!energy->known) {
        s->unknown++;
        return;
    }
    const double energy_j = s->before_j + energy->energy_j;
    const double u_j = hypot(s->before_u_j, energy->u_j);
    const jm_trial_reading reading = {.time_ns = t_ns - s->paused_ns,
                                      .items = s->items,
                                      .energy_j = energy_j,
                                      .energy_u95_j = 1.96 * u_j,
                                      .limited = limited};
    if (jm_trial_meter_feed(s->meter, &reading, NULL) != JM_OK) return;
    s->fed_ns = t_ns;
    s->fed_items = s->items;
    s->fed_j = energy_j;
    s->fed_u_j = u_j;
}

/* Work of which the energy is not known counts for nothing, with its time and its items: back to
 * the last reading, or to where the stretch began. */
static int64_t drop_unknown(jm_steering *s) {
    bool fed = s->fed_ns > s->stretch_ns;
    s->unknown++;
    s->dropped++;
    s->items = fed ? s->fed_items : s->stretch_items;
    if (!fed) return s->stretch_ns;
    s->before_j = s->fed_j;
    s->before_u_j = s->fed_u_j;
    return s->fed_ns;
}

/* The stretch of work ends where a pause begins. */
static void pause(jm_steering *s, const jmi_steering_event *event,
                  const jmi_watched_energy *energy) {
    bool worked = event->t_ns > s->stretch_ns;
    int64_t begin = worked ? event->t_ns : s->stretch_ns;
    int64_t end = event->t_ns + event->pause_ns;
    if (end <= begin) return;
    if (worked && energy->known) {
        s->before_j += energy->energy_j;
        s->before_u_j = hypot(s->before_u_j, energy->u_j);
    } else if (worked) {
        begin = drop_unknown(s);
        s->dropped_ns += event->t_ns - begin;
    }
    s->paused_ns += end - begin;
    s->stretch_ns = end;
    s->stretch_items = s->items;
}

static bool is_over(jm_trial_state state) {
    return state == JM_TRIAL_ENOUGH || state == JM_TRIAL_TIME_UP;
}

/* One after the other, until it is enough. Energies are those since the stretch began in which the
 * first of the events lies: after a pause they are asked for anew. */
static size_t feed_stretch(jm_steering *s, const jmi_steering_event *events, size_t count,
                           const jmi_watched_energy *energies) {
    double limited =
        jmi_watched_limited(&s->watched, s->setting, s->fed_ns, events[count - 1].t_ns);
    for (size_t i = 0; i < count; i++) {
        if (events[i].pause_ns != 0 && !s->with_pauses) {
            pause(s, &events[i], &energies[i]);
            return i + 1;
        }
        s->items += events[i].items;
        if (events[i].t_ns > s->stretch_ns) feed(s, events[i].t_ns, &energies[i], limited);
        jm_trial_meter_progress(s->meter, &s->progress);
        if (is_over(s->progress.state)) return count;
    }
    return count;
}

/* Many items are thinned out: the meter is as wise after 64 readings as after thousands. */
static size_t thin_out(jmi_steering_event *events, size_t count) {
    enum { KEPT = 64 };
    if (count <= 2 * KEPT) return count;
    size_t kept = 0;
    double items = 0;
    for (size_t i = 0; i < count; i++) {
        bool pauses = events[i].pause_ns != 0;
        bool before = i + 1 < count && events[i + 1].pause_ns != 0;
        if (!pauses) items += events[i].items;
        if (!pauses && !before && i + 1 < count && (i * KEPT / count) == ((i + 1) * KEPT / count))
            continue;
        events[kept] = events[i];
        if (!pauses) {
            events[kept].items = items;
            items = 0;
        }
        kept++;
    }
    return kept;
}

static int feed_events(jm_steering *s, jmi_steering_event *events, size_t count, jm_error *error) {
    jm_window *windows = jmi_alloc(count + 1, sizeof *windows);
    jmi_watched_energy *energies = jmi_alloc(count + 1, sizeof *energies);
    int status = windows != NULL && energies != NULL ? JM_OK : JM_MEMORY;
    if (status != JM_OK) jmi_fail(error, status, "out of memory");
    for (size_t at = 0; at < count && status == JM_OK && !is_over(s->progress.state);) {
        for (size_t i = at; i < count; i++) {
            int64_t end = events[i].t_ns > s->stretch_ns ? events[i].t_ns : s->stretch_ns;
            windows[i - at] = (jm_window){s->stretch_ns, end};
        }
        status = jmi_watched_energies(&s->watched, windows, count - at, energies, error);
        if (status == JM_OK) at += feed_stretch(s, &events[at], count - at, energies);
    }
    free(windows);
    free(energies);
    return status;
}

/* ---- polling ---- */

/* What was measured becomes a trial. JM_NO_DATA: no item since it settled. */
static int end_trial(jm_steering *s, jm_trial *trial, jm_error *error) {
    *trial = (jm_trial){.size = sizeof *trial};
    int status = jm_trial_meter_trial(s->meter, s->setting, false, trial, error);
    return status == JM_OK ? jmi_steering_tell(s, trial, error) : status;
}

static int look(jm_steering *s, int64_t until_ns, jm_error *error) {
    size_t count;
    jmi_steering_event *events = take_events(s, until_ns, &count);
    if (events == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    count = thin_out(events, count);
    int status = count > 0 ? feed_events(s, events, count, error) : JM_OK;
    free(events);
    return status;
}

static double spent_s(const jm_steering *s) {
    return (double)(jm_now_ns() - s->begin_ns) * 1e-9;
}

static bool was_fed(const jm_steering *s) {
    return s->fed_ns > s->begin_ns;
}

/* Pauses are so near each other that of most of the work between them nothing is known. All trials
 * are alike in what they count: a later one is not the first to count pauses. */
static bool pauses_too_often(const jm_steering *s) {
    enum { ENOUGH = 8 };
    int64_t known_ns = was_fed(s) ? s->fed_ns - s->begin_ns - s->paused_ns : 0;
    return !s->with_pauses && s->trials == 0 && s->dropped >= ENOUGH && s->dropped_ns > known_ns;
}

/* Work goes on, and no reading tells of it: the trial would never end. */
static bool is_hopeless(const jm_steering *s) {
    double most_s = s->meter_options.max_s > 0 ? s->meter_options.max_s : 60;
    return !was_fed(s) && s->unknown > 0 && spent_s(s) > most_s;
}

static int give_up(jm_steering *s, jm_steering_progress *p, jm_error *error) {
    p->last.setting = s->asked;
    p->last.failed = true;
    p->ended = true;
    int status = jm_steering_fail(s, error);
    return status == JM_OK ? jm_steering_next(s, NULL, error) : status;
}

static int step(jm_steering *s, jm_steering_progress *p, jm_error *error) {
    int status = look(s, jm_now_ns() - s->delay_ns, error);
    if (status == JM_OK && pauses_too_often(s)) {
        s->with_pauses = true;
        return jmi_steering_begin(s, error);
    }
    if (status == JM_OK && is_hopeless(s)) return give_up(s, p, error);
    if (status != JM_OK || !is_over(s->progress.state)) return status;
    jm_error why = {0};
    status = end_trial(s, &p->last, &why);
    if (status == JM_NO_DATA) return JM_OK; /* an item takes longer than a trial should */
    if (status != JM_OK) return jmi_fail(error, status, "%s", why.message);
    p->ended = true;
    return jm_steering_next(s, NULL, error);
}

int jm_steering_poll(jm_steering *steering, jm_steering_progress *progress, jm_error *error) {
    jm_steering_progress ours = {.size = sizeof ours, .last = {.size = sizeof ours.last}};
    if (steering == NULL) return jmi_fail(error, JM_INVALID, "jm_steering_poll: steering is NULL");
    int status = steering->running ? step(steering, &ours, error) : JM_OK;
    ours.running = steering->running;
    ours.done = steering->done;
    ours.setting = steering->setting;
    ours.reason = steering->reason;
    ours.trials = steering->trials;
    ours.trial = steering->progress;
    if (progress != NULL && jmi_give_struct(progress, &ours, sizeof ours) != JM_OK)
        return jmi_fail(error, JM_INVALID, "jm_steering_poll: progress->size is not set");
    return status;
}

int jm_steering_end(jm_steering *steering, jm_error *error) {
    if (steering == NULL) return jmi_fail(error, JM_INVALID, "jm_steering_end: steering is NULL");
    if (!steering->running) return JM_OK;
    jm_trial trial;
    jm_error why = {0};
    int status = look(steering, jm_now_ns() - steering->delay_ns, &why);
    if (status == JM_OK) status = end_trial(steering, &trial, &why);
    steering->running = false;
    if (status != JM_OK && status != JM_NO_DATA) return jmi_fail(error, status, "%s", why.message);
    return JM_OK;
}
