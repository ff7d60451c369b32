#include "results.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const results *r, int status, const jm_error *error) {
    return cli_fail(r->e->command, CLI_RUN_FAILED, "%s",
                    error->message[0] != '\0' ? error->message : jm_status_text(status));
}

/* ---- each group ---- */

static int device_spreads(const experiment *e, const group *g, result *out, jm_error *error) {
    double *values = calloc(g->count, sizeof *values);
    out->devices = calloc(e->device_count + 1, sizeof *out->devices);
    int status = values == NULL || out->devices == NULL ? JM_MEMORY : JM_OK;
    for (size_t d = 0; status == JM_OK && d < e->device_count; d++) {
        size_t count = 0;
        for (size_t i = 0; i < g->count; i++)
            if (g->trials[i].devices[d].provenance != 0)
                values[count++] = g->trials[i].devices[d].energy_j;
        if (count > 0)
            status = jm_spread_of(values, count, 0, &out->devices[d], NULL, error);
        else
            out->devices[d].median = out->devices[d].sd = NAN;
    }
    free(values);
    return status;
}

static int analyse(const experiment *e, const group *g, result *out, jm_error *error) {
    out->runs = calloc(g->count, sizeof *out->runs);
    out->outlier = calloc(g->count, sizeof *out->outlier);
    if (out->runs == NULL || out->outlier == NULL) return JM_MEMORY;
    for (size_t i = 0; i < g->count; i++) out->runs[i] = g->trials[i].run;
    out->repeat.size = sizeof out->repeat;
    int status = jm_repeat_analyse(out->runs, g->count, NULL, &out->repeat, out->outlier, error);
    return status == JM_OK ? device_spreads(e, g, out, error) : status;
}

/* ---- groups against each other ---- */

static jm_energy mean_energy(const group *g, size_t device) {
    jm_energy mean = {0};
    double n = (double)g->count;
    for (size_t i = 0; i < g->count; i++) {
        const jm_energy *energy = &g->trials[i].devices[device];
        mean.duration_s += g->trials[i].run.time_s / n;
        mean.provenance |= energy->provenance;
        if (energy->provenance == 0) continue; /* it has no share in the total either */
        mean.energy_j += energy->energy_j / n;
        mean.u_systematic_j += energy->u_systematic_j / n;
    }
    return mean;
}

/* What the gains and offsets of all devices leave of the ratio. */
static double systematic_of(const experiment *e, const group *a, const group *b) {
    jm_energy *parts = calloc(2 * e->device_count + 2, sizeof *parts);
    double u = 0;
    if (parts == NULL) return 0;
    for (size_t d = 0; d < e->device_count; d++) {
        parts[d] = mean_energy(a, d);
        parts[e->device_count + d] = mean_energy(b, d);
    }
    int status = jm_compare_systematic(parts, parts + e->device_count, e->device_count, &u, NULL);
    free(parts);
    return status == JM_OK ? u : 0;
}

static int compare(results *r, jm_error *error) {
    const experiment *e = r->e;
    r->comparisons = calloc(e->group_count, sizeof *r->comparisons);
    if (r->comparisons == NULL) return JM_MEMORY;
    for (size_t g = 1; g < e->group_count; g++) {
        const group *a = &e->groups[0], *b = &e->groups[g];
        jm_compare_options options = JM_COMPARE_OPTIONS_INIT;
        options.comparisons = (uint32_t)(e->group_count - 1);
        options.ratio_u = fmax(systematic_of(e, a, b), 1e-12);
        jm_comparison *c = &r->comparisons[g - 1];
        c->size = sizeof *c;
        int status =
            jm_compare(r->of[0].runs, a->count, r->of[g].runs, b->count, &options, c, error);
        if (status != JM_OK) return status;
    }
    return JM_OK;
}

static int find_sensitivity(results *r, jm_error *error) {
    const experiment *e = r->e;
    jm_interval_runs *groups = calloc(e->group_count, sizeof *groups);
    if (groups == NULL) return JM_MEMORY;
    for (size_t g = 0; g < e->group_count; g++)
        groups[g] = (jm_interval_runs){(uint64_t)(e->groups[g].interval_s * 1e9), r->of[g].runs,
                                       e->groups[g].count};
    r->sensitivity.size = sizeof r->sensitivity;
    r->has_sensitivity = true;
    int status = jm_sensitivity_analyse(groups, e->group_count, NULL, NULL, &r->sensitivity, error);
    free(groups);
    return status;
}

static int open_results(results *r, const experiment *e, bool compared) {
    jm_error error = {0};
    *r = (results){.e = e};
    r->of = calloc(e->group_count, sizeof *r->of);
    int status = r->of == NULL ? JM_MEMORY : JM_OK;
    for (size_t g = 0; status == JM_OK && g < e->group_count; g++)
        status = analyse(e, &e->groups[g], &r->of[g], &error);
    if (status == JM_OK && e->group_count > 1)
        status = compared ? compare(r, &error) : find_sensitivity(r, &error);
    return status == JM_OK ? CLI_OK : fail(r, status, &error);
}

static void close_results(results *r) {
    for (size_t g = 0; r->of != NULL && g < r->e->group_count; g++) {
        free(r->of[g].runs);
        free(r->of[g].outlier);
        free(r->of[g].devices);
    }
    for (size_t i = 0; i < r->note_count; i++) free(r->notes[i]);
    free(r->notes);
    free(r->of);
    free(r->comparisons);
    *r = (results){0};
}

int results_of(experiment *e, bool compared, void (*judge)(results *r), int (*show)(results *r)) {
    int code = experiment_run(e);
    if (code != CLI_OK) return code;
    results r;
    code = open_results(&r, e, compared);
    if (code == CLI_OK) {
        judge(&r);
        if (!e->set.quiet) code = show(&r);
        int written = results_export(&r);
        if (code == CLI_OK) code = written;
    }
    close_results(&r);
    if (code == CLI_OK && e->not_logged > 0) code = CLI_RUN_FAILED; /* which was said */
    return code == CLI_OK && e->interrupted != 0 ? 128 + e->interrupted : code;
}
