/* Figures for other programs: JSON, CSV, and the rows of benchmark dashboards. */
#include "results.h"

#include "json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- JSON ---- */

static void add_spread(json *j, const char *key, const jm_spread *s) {
    json_open(j, key, '{');
    json_number(j, "median", s->median);
    json_number(j, "mean", s->mean);
    json_number(j, "sd", s->sd);
    json_number(j, "cv_pct", s->cv_pct);
    json_number(j, "min", s->min);
    json_number(j, "max", s->max);
    json_number(j, "median_lower", s->median_lower);
    json_number(j, "median_upper", s->median_upper);
    json_number(j, "mean_lower", s->mean_lower);
    json_number(j, "mean_upper", s->mean_upper);
    json_number(j, "slope", s->slope);
    json_number(j, "drift_pct", s->drift_pct);
    json_number(j, "drift_p", s->drift_p);
    json_bool(j, "drifts", s->drifts);
    json_count(j, "outliers", s->outliers);
    json_close(j, '}');
}

static void add_flags(json *j, uint32_t flags, const char *const *names) {
    json_open(j, "flags", '[');
    for (size_t i = 0; names[i] != NULL; i++)
        if (flags >> i & 1) json_text(j, NULL, names[i]);
    json_close(j, ']');
}

static void add_run(json *j, const experiment *e, const trial *t, bool outlier) {
    char provenance[96];
    json_open(j, NULL, '{');
    json_number(j, "begin_unix_s", t->begin_unix_s);
    json_number(j, "energy_j", t->run.energy_j);
    json_number(j, "u95_j", t->total.u95_j);
    json_number(j, "u_random_j", t->run.u_random_j);
    json_number(j, "u_systematic_j", t->run.u_systematic_j);
    json_number(j, "time_s", t->run.time_s);
    json_number(j, "mean_power_w", t->run.energy_j / t->run.time_s);
    json_text(j, "source", jm_provenance_text(t->total.provenance, provenance, sizeof provenance));
    json_count(j, "exit_code", (uint64_t)t->exit_code);
    json_bool(j, "outlier", outlier);
    json_text(j, "recording", t->file);
    json_open(j, "devices", '{');
    for (size_t d = 0; d < e->device_count; d++)
        json_number(j, e->devices[d], t->devices[d].provenance == 0 ? NAN : t->devices[d].energy_j);
    json_close(j, '}');
    json_close(j, '}');
}

static void add_repeat(json *j, const experiment *e, const result *of) {
    static const char *const names[] = {"few", "drift", "outliers", "noisy", "sensor", NULL};
    const jm_repeat *repeat = &of->repeat;
    add_spread(j, "energy_j", &repeat->energy_j);
    add_spread(j, "time_s", &repeat->time_s);
    add_spread(j, "power_w", &repeat->power_w);
    json_number(j, "u_random_j", repeat->u_random_j);
    json_number(j, "u_systematic_j", repeat->u_systematic_j);
    json_number(j, "u95_j", repeat->u95_j);
    json_bool(j, "stable", repeat->stable);
    add_flags(j, repeat->flags, names);
    json_open(j, "devices", '[');
    for (size_t d = 0; d < e->device_count; d++) {
        json_open(j, NULL, '{');
        json_text(j, "name", e->devices[d]);
        if (!isnan(of->devices[d].median)) add_spread(j, "energy_j", &of->devices[d]);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void add_group(json *j, const results *r, size_t index) {
    const group *g = &r->e->groups[index];
    json_open(j, NULL, '{');
    if (g->name != NULL) json_text(j, "name", g->name);
    json_text(j, "command", g->text);
    json_number(j, "interval_s", g->interval_s > 0 ? g->interval_s : 0.02);
    json_count(j, "count", g->count);
    add_repeat(j, r->e, &r->of[index]);
    json_open(j, "runs", '[');
    for (size_t i = 0; i < g->count; i++) add_run(j, r->e, &g->trials[i], r->of[index].outlier[i]);
    json_close(j, ']');
    json_close(j, '}');
}

static void add_ratio(json *j, const char *key, const jm_ratio *ratio) {
    static const char *const verdicts[] = {"less", "no difference", "more"};
    bool few = isnan(ratio->lower);
    json_open(j, key, '{');
    json_number(j, "ratio", ratio->ratio);
    json_number(j, "lower", ratio->lower);
    json_number(j, "upper", ratio->upper);
    json_number(j, "u_random", ratio->u_random);
    json_number(j, "u_systematic", ratio->u_systematic);
    json_number(j, "p", ratio->p);
    json_number(j, "p_ranks", ratio->p_ranks);
    json_number(j, "detectable_pct", ratio->detectable_pct);
    json_bool(j, "significant", ratio->verdict != 0);
    json_text(j, "verdict", few ? NULL : verdicts[ratio->verdict + 1]);
    json_close(j, '}');
}

static void add_comparisons(json *j, const results *r) {
    static const char *const names[] = {"few", "outliers", "drift", "ranks contradict", NULL};
    const experiment *e = r->e;
    char text[VERDICT_SIZE];
    json_open(j, "comparisons", '[');
    for (size_t g = 1; g < e->group_count; g++) {
        const jm_comparison *c = &r->comparisons[g - 1];
        json_open(j, NULL, '{');
        json_text(j, "a", e->groups[0].name);
        json_text(j, "b", e->groups[g].name);
        json_count(j, "pairs", c->runs_a);
        add_ratio(j, "energy", &c->energy);
        add_ratio(j, "time", &c->time);
        add_ratio(j, "power", &c->power);
        add_flags(j, c->flags, names);
        json_text(j, "verdict",
                  jm_verdict_text(c, JM_RUN_ENERGY, e->groups[0].name, e->groups[g].name, text,
                                  sizeof text));
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void add_sensitivity(json *j, const results *r) {
    const jm_sensitivity *s = &r->sensitivity;
    json_open(j, "sensitivity", '{');
    json_number(j, "p", s->p);
    json_bool(j, "differs", s->differs);
    json_number(j, "largest_pct", s->largest_pct);
    json_number(j, "lowest_interval_s", r->e->groups[s->lowest].interval_s);
    json_number(j, "highest_interval_s", r->e->groups[s->highest].interval_s);
    json_close(j, '}');
}

static void write_json(output *out, const results *r) {
    const experiment *e = r->e;
    json j = {.out = out};
    json_open(&j, NULL, '{');
    json_text(&j, "joulemeter", jm_version());
    json_count(&j, "schema", 1);
    json_text(&j, "kind", e->command->name);
    json_bool(&j, "simulated", e->simulated);
    json_bool(&j, "modelled", e->modelled);
    json_count(&j, "runs_wanted", e->set.runs);
    json_count(&j, "warmup", e->set.warmup);
    json_count(&j, "seed", e->set.seed);
    json_bool(&j, "interrupted", e->interrupted != 0);
    json_open(&j, "results", '[');
    for (size_t g = 0; g < e->group_count; g++) add_group(&j, r, g);
    json_close(&j, ']');
    if (r->comparisons != NULL) add_comparisons(&j, r);
    if (r->has_sensitivity) add_sensitivity(&j, r);
    json_open(&j, "notes", '[');
    for (size_t i = 0; i < r->note_count; i++) json_text(&j, NULL, r->notes[i] + 1);
    json_close(&j, ']');
    json_close(&j, '}');
}

/* ---- CSV: a row for each run ---- */

static void csv_run(output *out, const experiment *e, const group *g, size_t i, bool outlier) {
    const trial *t = &g->trials[i];
    char provenance[96];
    output_csv(out, g->name == NULL ? "" : g->name);
    output_add(out, ",");
    output_csv(out, g->text);
    output_add(out, ",%g,%zu,%.6f,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g,%d,%s,",
               g->interval_s > 0 ? g->interval_s : 0.02, i + 1, t->begin_unix_s, t->run.energy_j,
               t->total.u95_j, t->run.u_random_j, t->run.u_systematic_j, t->run.time_s,
               t->run.energy_j / t->run.time_s, t->exit_code, outlier ? "true" : "false");
    output_csv(out, jm_provenance_text(t->total.provenance, provenance, sizeof provenance));
    output_add(out, ",");
    output_csv(out, t->file == NULL ? "" : t->file);
    for (size_t d = 0; d < e->device_count; d++) {
        output_add(out, ",");
        if (t->devices[d].provenance != 0) output_add(out, "%.9g", t->devices[d].energy_j);
    }
    output_add(out, "\n");
}

static void write_csv(output *out, const results *r) {
    const experiment *e = r->e;
    output_add(out, "name,command,interval_s,run,begin_unix_s,energy_j,energy_u95_j,"
                    "energy_u_random_j,energy_u_systematic_j,time_s,mean_power_w,exit_code,"
                    "outlier,source,recording");
    for (size_t d = 0; d < e->device_count; d++) output_add(out, ",%s_energy_j", e->devices[d]);
    output_add(out, "\n");
    for (size_t g = 0; g < e->group_count; g++)
        for (size_t i = 0; i < e->groups[g].count; i++)
            csv_run(out, e, &e->groups[g], i, r->of[g].outlier[i]);
}

/* ---- benchmark: what dashboards of continuous benchmarks take, smaller is better ---- */

/* "./bench: energy"; heap. */
static char *benchmark_name(const experiment *e, const group *g, const char *what) {
    char *name, each[48] = "";
    if (e->group_count > 1 && g->name == NULL)
        snprintf(each, sizeof each, ", every %gms", 1e3 * g->interval_s);
    if (asprintf(&name, "%s: %s%s", g->name_given ? g->name : g->text, what, each) < 0) return NULL;
    return name;
}

static const char *benchmark_extra(const experiment *e, const group *g, const jm_spread *s,
                                   const char *unit, char *text, size_t size) {
    char label[48], cv[48] = "", within[160] = "", value[32], interval[96];
    label_text(e, label, sizeof label);
    if (!isnan(s->sd)) snprintf(cv, sizeof cv, "\nCV %s", cv_text(s, value, sizeof value));
    if (!isnan(s->median_lower))
        snprintf(
            within, sizeof within, "\n95 %% interval %s",
            jm_interval_text(s->median_lower, s->median_upper, unit, interval, sizeof interval));
    snprintf(text, size, "median of %zu run%s%s%s%s%s", g->count, g->count == 1 ? "" : "s",
             label[0] != '\0' ? ", " : "", label, cv, within);
    return text;
}

static void benchmark_row(json *j, const experiment *e, const group *g, const char *what,
                          const jm_spread *s, const char *unit) {
    char range[64] = "", extra[320], *name = benchmark_name(e, g, what);
    if (name == NULL) j->out->errnum = ENOMEM;
    if (!isnan(s->sd)) snprintf(range, sizeof range, "± %.3g", s->sd);
    json_open(j, NULL, '{');
    json_text(j, "name", name);
    json_text(j, "unit", unit);
    json_number(j, "value", s->median);
    json_text(j, "range", range);
    json_text(j, "extra", benchmark_extra(e, g, s, unit, extra, sizeof extra));
    json_close(j, '}');
    free(name);
}

static void write_benchmark(output *out, const results *r) {
    const experiment *e = r->e;
    json j = {.out = out};
    json_open(&j, NULL, '[');
    for (size_t g = 0; g < e->group_count; g++) {
        benchmark_row(&j, e, &e->groups[g], "energy", &r->of[g].repeat.energy_j, "J");
        benchmark_row(&j, e, &e->groups[g], "time", &r->of[g].repeat.time_s, "s");
    }
    json_close(&j, ']');
}

/* ---- all of them ---- */

static int write_as(const results *r, const char *format, const char *path) {
    output out;
    output_open(&out);
    out.kept = true;
    if (strcmp(format, "json") == 0)
        write_json(&out, r);
    else if (strcmp(format, "csv") == 0)
        write_csv(&out, r);
    else if (strcmp(format, "markdown") == 0)
        results_markdown(&out, r);
    else
        write_benchmark(&out, r);
    return output_save(&out, r->e->command, path);
}

int results_export(const results *r) {
    const experiment_settings *set = &r->e->set;
    int code = CLI_OK;
    if (set->json != NULL) code = write_as(r, "json", set->json[0] == '\0' ? "-" : set->json);
    for (size_t i = 0; i < set->exports.count; i++) {
        int written = write_as(r, set->exports.first[i], set->exports.second[i]);
        if (code == CLI_OK) code = written;
    }
    return code == CLI_FAILED ? CLI_RUN_FAILED : code;
}

bool results_use_stdout(const experiment_settings *set) {
    if (set->json != NULL && set->json[0] == '\0') return true;
    for (size_t i = 0; i < set->exports.count; i++)
        if (strcmp(set->exports.second[i], "-") == 0) return true;
    return false;
}
