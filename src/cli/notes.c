/* What the reader of an experiment's figures should know. */
#include "results.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void results_note(results *r, char sign, const char *format, ...) {
    char *text = NULL, *note = NULL;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0) return;
    char **longer = realloc(r->notes, (r->note_count + 1) * sizeof *longer);
    if (longer != NULL) r->notes = longer;
    if (longer != NULL && asprintf(&note, "%c%s", sign, text) >= 0)
        r->notes[r->note_count++] = note;
    free(text);
}

static size_t count_trials(const experiment *e, bool (*is)(const trial *t)) {
    size_t count = 0;
    for (size_t g = 0; g < e->group_count; g++)
        for (size_t i = 0; i < e->groups[g].count; i++) count += is(&e->groups[g].trials[i]);
    return count;
}

/* ---- how it went ---- */

static void note_the_end(results *r) {
    const experiment *e = r->e;
    char by[32] = "Ctrl-C";
    if (e->interrupted == 0) return;
    if (e->interrupted != SIGINT) snprintf(by, sizeof by, "signal %d", e->interrupted);
    results_note(r, '!', "Stopped by %s after %zu of %u %s.", by, e->groups[0].count, e->set.runs,
                 e->group_count > 1 ? "complete rounds" : "runs");
}

static bool was_paused(const trial *t) {
    return t->paused;
}

static void note_disturbances(results *r) {
    const experiment *e = r->e;
    size_t paused = count_trials(e, was_paused);
    if (paused > 0)
        results_note(r, '!', "%zu run%s stopped for a while (Ctrl-Z); that time is in the figures.",
                     paused, paused == 1 ? " was" : "s were");
    if (e->left_behind > 0)
        results_note(r, '!',
                     "%u process%s that runs left behind still run%s (%s); what %s use is in the "
                     "runs after.",
                     e->left_behind, e->left_behind == 1 ? "" : "es",
                     e->left_behind == 1 ? "s" : "", e->left_names,
                     e->left_behind == 1 ? "it may" : "they may");
}

static bool has_failed(const trial *t) {
    return t->exit_code != 0;
}

static void note_failures(results *r) {
    size_t failed = count_trials(r->e, has_failed);
    if (failed > 0)
        results_note(r, '!', "%zu run%s failed; %s counted (--ignore-failure).", failed,
                     failed == 1 ? "" : "s", failed == 1 ? "it is" : "they are");
}

static void note_cooldown(results *r) {
    const experiment *e = r->e;
    char watts[64];
    if (e->until_stable && !e->idle.known)
        results_note(r, '!', "Idle power could not be measured: there was no cooldown.");
    if (e->not_stable > 0)
        results_note(r, '!',
                     "In %u of the cooldowns power or temperature did not come near idle (%s) "
                     "within %g s: --cooldown-limit waits longer.",
                     e->not_stable, jm_value_text(e->idle.power_w, NAN, "W", watts, sizeof watts),
                     e->set.cooldown_limit_s);
}

/* ---- what measured ---- */

static void list_modelled(const experiment *e, char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (size_t d = 0; d < e->device_count && used < size; d++) {
        bool modelled = false;
        for (size_t g = 0; g < e->group_count; g++)
            for (size_t i = 0; i < e->groups[g].count; i++)
                modelled |= (e->groups[g].trials[i].devices[d].provenance & JM_FROM_MODEL) != 0;
        if (modelled)
            used += (size_t)snprintf(text + used, size - used, "%s%s", used > 0 ? ", " : "",
                                     e->devices[d]);
    }
}

static bool is_partial(const trial *t) {
    return (t->total.flags & JM_ENERGY_PARTIAL) != 0;
}

static void note_sources(results *r) {
    const experiment *e = r->e;
    char names[128];
    size_t partial = count_trials(e, is_partial);
    list_modelled(e, names, sizeof names);
    if (names[0] != '\0')
        results_note(
            r, '!', "%s: modelled, an estimate from utilisation; nothing measures it here.", names);
    if (partial > 0)
        results_note(r, '!', "Of %zu of %zu runs some of the time was not measured.", partial,
                     e->group_count * e->groups[0].count);
}

static void note_systematic(results *r) {
    const jm_repeat *repeat = &r->of[0].repeat;
    if (!(repeat->energy_j.mean > 0)) return;
    double share = 196 * repeat->u_systematic_j / repeat->energy_j.mean;
    char percent[32];
    if (share >= 0.1)
        results_note(r, '-',
                     "All energies may be off by %s together (devices' gains%s): the same in every "
                     "run here.",
                     percent_text(share, percent, sizeof percent),
                     r->e->modelled ? ", the model" : "");
}

static void note_log(results *r) {
    const experiment *e = r->e;
    if (e->not_logged > 0)
        results_note(r, '!', "%zu of %zu runs are not in the logbook.", e->not_logged,
                     e->logged + e->not_logged);
    else if (e->logged > 0)
        results_note(r, '-', "%zu run%s logged; see them with: joulemeter log", e->logged,
                     e->logged == 1 ? "" : "s");
}

void results_add_notes(results *r) {
    note_the_end(r);
    note_disturbances(r);
    note_failures(r);
    note_cooldown(r);
    note_sources(r);
    note_systematic(r);
    note_log(r);
}

/* ---- does it repeat? ---- */

static void note_outliers(results *r, size_t index, const char *whose) {
    const result *of = &r->of[index];
    char list[160] = "", energy[64];
    size_t used = 0, shown = 0;
    for (size_t i = 0; i < of->repeat.runs; i++)
        if (of->outlier[i] && shown++ < 5)
            used += (size_t)snprintf(
                list + used, sizeof list - used, "%s%zu (%s)", used > 0 ? ", " : "", i + 1,
                jm_value_text(of->runs[i].energy_j, NAN, "J", energy, sizeof energy));
    if (shown == 0) return;
    bool first = of->outlier[0] && shown == 1 && r->e->set.warmup == 0;
    results_note(r, '!', "%s %s%s%s stand%s out%s.", shown == 1 ? "Run" : "Runs", list,
                 shown > 5 ? " and more" : "", whose, shown == 1 ? "s" : "",
                 first ? ": --warmup 1 leaves a first run out" : "");
}

static void note_drift(results *r, const jm_repeat *repeat, const char *whose) {
    const jm_spread *energy = &repeat->energy_j;
    char p[32], change[32];
    if (!energy->drifts) return;
    results_note(r, '!', "Energy%s %s by %s from the first run to the last (%s): %s%s may help.",
                 whose, energy->drift_pct > 0 ? "rises" : "falls",
                 percent_text(fabs(energy->drift_pct), change, sizeof change),
                 p_text(energy->drift_p, p, sizeof p),
                 r->e->set.warmup > 0 ? "a longer --warmup" : "--warmup 3",
                 r->e->until_stable ? "" : " or --cooldown stable");
}

/* More runs, if not too many, bring the mean to within some per cent. */
static void note_noise(results *r, const jm_repeat *repeat, const char *whose) {
    double cv = repeat->energy_j.cv_pct;
    if (!(repeat->flags & JM_REPEAT_NOISY)) return;
    double within = cv > 10 ? 5 : 2, needed = ceil(1.96 * 1.96 * cv * cv / within / within);
    char percent[32], more[96] = "; longer runs may agree better";
    if ((double)repeat->runs < needed && needed <= 200)
        snprintf(more, sizeof more, "; -n %.0f would tell the mean to %g %%", needed, within);
    results_note(r, '!', "Runs%s differ much (CV %s): keep other programs away%s.", whose,
                 percent_text(cv, percent, sizeof percent), more);
}

static void note_few(results *r, const jm_repeat *repeat, const char *whose) {
    char mean[64];
    if (!(repeat->flags & JM_REPEAT_FEW)) return;
    if (repeat->runs < 3)
        results_note(r, '!', "%zu run%s%s give%s no interval: -n 10 does.", repeat->runs,
                     repeat->runs == 1 ? "" : "s", whose, repeat->runs == 1 ? "s" : "");
    else
        results_note(r, '!',
                     "An interval of the median takes six runs; that of the mean%s is %s (95 %%).",
                     whose,
                     jm_interval_text(repeat->energy_j.mean_lower, repeat->energy_j.mean_upper, "J",
                                      mean, sizeof mean));
}

static void note_sensor(results *r, const jm_repeat *repeat, const char *whose) {
    char own[64];
    if (!(repeat->flags & JM_REPEAT_SENSOR)) return;
    results_note(
        r, '-',
        "A run%s is measured to within %s (standard uncertainty), and so may differ for no "
        "other reason: longer runs are measured more closely.",
        whose, jm_value_text(repeat->u_random_j, NAN, "J", own, sizeof own));
}

void results_judge(results *r, size_t index, const char *whose) {
    const jm_repeat *repeat = &r->of[index].repeat;
    note_few(r, repeat, whose);
    if (repeat->runs < 3) return;
    note_drift(r, repeat, whose);
    note_outliers(r, index, whose);
    note_noise(r, repeat, whose);
    note_sensor(r, repeat, whose);
}
