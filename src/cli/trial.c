/* One measured run. */
#include "experiment.h"

#include "hidden.h"
#include "output.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STEP = 160 };

typedef struct ongoing {
    jm_session *session;
    jm_range_id range;
    int64_t begin_ns;
    bool paused;
} ongoing;

static int fail(const experiment *e, int status) {
    char step[STEP];
    experiment_step(e, step, sizeof step);
    return hidden_fail(e->command, step, status, e->set.show_output ? NULL : e->streams);
}

/* ---- progress ---- */

static void show_progress(experiment *e, const trial *last) {
    char step[STEP], energy[64], seconds[64], left[64] = "", text[400];
    experiment_step(e, step, sizeof step);
    if (e->done > 0) {
        double each = (double)(jm_now_ns() - e->begin_ns) / 1e9 / ((double)e->done + 0.5);
        double rest = each * ((double)(e->planned - e->done) - 0.5);
        snprintf(left, sizeof left, "   %.0f:%02.0f left", floor(rest / 60), fmod(rest, 60));
    }
    if (last != NULL)
        snprintf(text, sizeof text, " %s   last %s in %s%s", step,
                 jm_value_text(last->run.energy_j, NAN, "J", energy, sizeof energy),
                 jm_value_text(last->run.time_s, NAN, "s", seconds, sizeof seconds), left);
    else
        snprintf(text, sizeof text, " %s%s", step, left);
    live_text(&e->live, text);
}

/* ---- the run ---- */

static int run_command(experiment *e, const group *g, ongoing *o) {
    const trial *last = g->count > 0 ? &g->trials[g->count - 1] : NULL;
    if (!e->set.show_output) hidden_forget(e->streams);
    show_progress(e, last);
    o->begin_ns = jm_now_ns();
    o->range = command_begin(o->session, g->text);
    int errnum = child_start(&e->child, g->path, g->argv, jm_session_environment(o->session));
    if (errnum != 0) {
        jm_end(o->session, o->range);
        return cli_fail(e->command, errnum == ENOENT ? CLI_NOT_FOUND : CLI_NOT_EXECUTABLE,
                        "'%s' cannot be executed: %s", g->argv[0], strerror(errnum));
    }
    jm_session_follow(o->session, e->child.pid);
    child_event event;
    while ((event = child_wait(&e->child, jm_now_ns() + 500000000)) != CHILD_ENDED) {
        o->paused |= event == CHILD_CONTINUED;
        jm_session_check(o->session);
        if (!e->set.show_output) hidden_thin_out(e->streams);
        show_progress(e, last);
    }
    command_end(o->session, o->range, e->child.status);
    return CLI_OK;
}

/* Readings are wanted that cover the time just before and just after. */
static bool settle(experiment *e, jm_session *session) {
    int64_t delay = readings_delay_ns(jm_session_recording(session));
    return experiment_wait(e, session, jm_now_ns() + delay);
}

/* The session goes on through the cooldown, which needs its readings. */
static int run_in_session(experiment *e, const group *g, bool last, ongoing *o) {
    if (!cooldown_learn(e, o->session) || !settle(e, o->session)) return TRIAL_INTERRUPTED;
    int code = run_command(e, g, o);
    if (code != CLI_OK) return code;
    int status = e->child.status;
    if (e->child.asked_to_end != 0) return TRIAL_INTERRUPTED;
    if (status != 0 && !e->set.ignore_failure) return fail(e, status);
    bool waited = settle(e, o->session) && (last || cooldown_wait(e, o->session));
    e->child.status = status; /* a signal meanwhile may have taken its place */
    /* Ctrl-C after the run has ended: it counts */
    return waited || e->child.asked_to_end != 0 ? CLI_OK : TRIAL_INTERRUPTED;
}

/* ---- its energy ---- */

static bool is_device_of_total(const jm_recording *recording, uint32_t index, jm_device *device) {
    *device = (jm_device){.size = sizeof *device};
    return jm_recording_device(recording, index, device) == JM_OK && device->in_total;
}

/* The first run says which devices there are. */
static bool learn_devices(experiment *e, const jm_recording *recording) {
    uint32_t count = jm_recording_device_count(recording);
    if (e->devices != NULL) return true;
    e->devices = calloc(count + 1, sizeof *e->devices);
    for (uint32_t i = 0; e->devices != NULL && i < count; i++) {
        jm_device device;
        if (!is_device_of_total(recording, i, &device)) continue;
        snprintf(e->devices[e->device_count++], sizeof *e->devices, "%s", device.name);
        e->simulated |= device.simulated;
    }
    return e->devices != NULL;
}

static int device_energies(experiment *e, const jm_recording *recording, const jm_range *range,
                           trial *t, jm_error *error) {
    t->devices = calloc(e->device_count + 1, sizeof *t->devices);
    if (t->devices == NULL) return JM_MEMORY;
    for (uint32_t i = 0, at = 0; i < jm_recording_device_count(recording); i++) {
        jm_device device;
        if (!is_device_of_total(recording, i, &device) || at >= e->device_count) continue;
        jm_energy *energy = &t->devices[at++];
        int status =
            jm_energy_window(recording, i, range->begin_ns, range->end_ns, NULL, energy, error);
        if (status != JM_OK && status != JM_NO_DATA) return status;
        e->modelled |= (energy->provenance & JM_FROM_MODEL) != 0;
    }
    return JM_OK;
}

static int energies(experiment *e, const jm_recording *recording, jm_range_id id, trial *t) {
    jm_error error = {0};
    uint64_t index;
    jm_range range = JM_RANGE_INIT;
    if (!learn_devices(e, recording)) return cli_fail(e->command, CLI_RUN_FAILED, "out of memory");
    int status = jm_recording_find_range(recording, id, &index);
    if (status == JM_OK) status = jm_recording_range(recording, index, &range);
    if (status == JM_OK)
        status = jm_energy_window(recording, JM_DEVICE_TOTAL, range.begin_ns, range.end_ns, NULL,
                                  &t->total, &error);
    if (status == JM_OK) status = device_energies(e, recording, &range, t, &error);
    if (status != JM_OK && status != JM_NO_DATA)
        return cli_fail(e->command, CLI_RUN_FAILED, "%s",
                        error.message[0] ? error.message : jm_status_text(status));
    t->begin_unix_s = (double)(range.begin_ns + jm_recording_utc_offset_ns(recording)) / 1e9;
    return CLI_OK;
}

/* Means and ratios need estimates: a bound is none. */
static int check_energy(const experiment *e, const jm_energy *energy) {
    char bounds[64], seconds[64], step[STEP];
    if ((energy->provenance & ~(uint32_t)JM_BOUND_ONLY) == 0)
        return cli_fail(e->command, CLI_RUN_FAILED,
                        "nothing measures energy here; `joulemeter doctor` says why, and "
                        "--simulate h100 tries it without");
    if (energy->provenance & JM_BOUND_ONLY)
        return cli_fail(
            e->command, CLI_RUN_FAILED,
            "%s took %s, too short to be measured: all that is known of its energy is "
            "%s; let the command do its work several times over",
            experiment_step(e, step, sizeof step),
            jm_value_text(energy->duration_s, NAN, "s", seconds, sizeof seconds),
            jm_interval_text(energy->lower_j, energy->upper_j, "J", bounds, sizeof bounds));
    return CLI_OK;
}

static int measure(experiment *e, const jm_recording *recording, const ongoing *o, trial *t) {
    int code = energies(e, recording, o->range, t);
    if (code == CLI_OK) code = check_energy(e, &t->total);
    if (code != CLI_OK) return code;
    t->run = (jm_run){t->total.energy_j, t->total.u_random_j, t->total.u_systematic_j,
                      t->total.duration_s};
    t->exit_code = exit_code_of(e->child.status);
    t->paused = o->paused;
    return CLI_OK;
}

/* The others go on without it. */
static void keep(experiment *e, const jm_recording *recording) {
    if (!logging_on(&e->set.logging, &e->footprint)) return;
    int code = logging_write(&e->set.logging, &e->footprint, e->command, recording, NULL);
    e->logged += code == CLI_OK;
    e->not_logged += code != CLI_OK;
}

static void look_behind(experiment *e) {
    char names[sizeof e->left_names];
    unsigned left = child_left_behind(names, sizeof names);
    if (left <= e->left_behind) return;
    e->left_behind = left;
    memcpy(e->left_names, names, sizeof names);
}

int trial_run(experiment *e, const group *g, const char *file, bool last, trial *t) {
    ongoing o = {0};
    measuring how = e->set.measuring;
    e->current = g;
    how.interval_s = g->interval_s;
    child_wait(&e->child, 0); /* what came since the last run */
    if (e->child.asked_to_end != 0) return TRIAL_INTERRUPTED;
    int code = measuring_open(&how, e->command, file, &o.session);
    if (code != CLI_OK) return code;
    code = run_in_session(e, g, last, &o);
    live_erase(&e->live);
    jm_recording *recording = NULL;
    jm_error error = {0};
    if (jm_session_close(o.session, &recording, &error) != JM_OK && code == CLI_OK)
        code = cli_fail(e->command, CLI_RUN_FAILED, "%s", error.message);
    if (code == CLI_OK && t != NULL) code = measure(e, recording, &o, t);
    if (code == CLI_OK && t != NULL) keep(e, recording);
    jm_recording_free(recording);
    look_behind(e);
    if (code == CLI_OK) e->done++;
    return code;
}
