/* What `limit tune` found, for other programs: the curve as CSV, all of it as JSON, a figure. */
#include "limit_tune.h"

#include "json.h"
#include "plot.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- can it be written? ---- */

static int check(const char *path) {
    int errnum = path == NULL || path[0] == '\0' ? 0 : check_writable(path);
    if (errnum == 0) return PARSE_DONE;
    return cli_fail(&limit_tune, CLI_USAGE, "cannot write to %s: %s", path, strerror(errnum));
}

/* "pdf" of "curve.pdf"; NULL: none that gnuplot is told to write. */
static const char *format_of(const char *path) {
    static const char *const known[] = {"pdf", "svg", "png"};
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot != NULL && i < CLI_COUNT(known); i++)
        if (strcmp(dot + 1, known[i]) == 0) return known[i];
    return NULL;
}

static int check_plot(const char *path) {
    if (path == NULL) return PARSE_DONE;
    if (format_of(path) == NULL)
        return cli_fail(&limit_tune, CLI_USAGE,
                        "--plot %s: the name must end in .pdf, .svg or .png", path);
    char *gnuplot = find_gnuplot();
    if (gnuplot == NULL)
        return cli_fail(&limit_tune, CLI_USAGE,
                        "--plot needs gnuplot, which is not installed: apt install gnuplot-nox; or "
                        "keep the curve with --json=FILE");
    free(gnuplot);
    return check(path);
}

int tune_check_outputs(const tune *t) {
    int code = check(t->set.csv);
    if (code == PARSE_DONE && t->set.json != NULL) code = check(t->set.json);
    return code == PARSE_DONE ? check_plot(t->set.plot) : code;
}

/* ---- JSON ---- */

static void add_estimate(json *j, const char *key, const jm_interval *e) {
    json_open(j, key, '{');
    json_number(j, "value", e->value);
    json_number(j, "lower", e->lower);
    json_number(j, "upper", e->upper);
    json_close(j, '}');
}

static void add_point(json *j, const char *key, const jm_tuner_point *p) {
    json_open(j, key, '{');
    json_number(j, "setting", p->setting);
    add_estimate(j, "time_s", &p->seconds);
    add_estimate(j, "power_w", &p->power_w);
    add_estimate(j, "energy_j", &p->energy_j);
    add_estimate(j, "objective", &p->objective);
    add_estimate(j, "relative", &p->relative);
    add_estimate(j, "slowdown", &p->slowdown);
    json_number(j, "binds", p->binds);
    json_number(j, "trials", p->trials);
    json_close(j, '}');
}

static void add_trials(json *j, const tune *t) {
    jm_trial trial = {.size = sizeof trial};
    json_open(j, "trials", '[');
    for (size_t i = 0; jm_tuner_trial(t->tuner, i, &trial) == JM_OK; i++) {
        json_open(j, NULL, '{');
        json_number(j, "setting", trial.setting);
        json_bool(j, "failed", trial.failed);
        if (!trial.failed) {
            json_number(j, "items", trial.items);
            json_number(j, "time_s", trial.seconds);
            json_number(j, "time_u95_s", trial.seconds_u95 > 0 ? trial.seconds_u95 : (double)NAN);
            json_number(j, "energy_j", trial.energy_j);
            json_number(j, "energy_u95_j",
                        trial.energy_u95_j > 0 ? trial.energy_u95_j : (double)NAN);
            json_number(j, "limited", trial.limited);
        }
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void add_curve(json *j, const tune *t) {
    enum { MOST = 200 };
    size_t count = jm_tuner_setting_count(t->tuner);
    size_t kept = count < MOST ? count : MOST;
    json_open(j, "curve", '[');
    for (size_t i = 0; i < kept; i++) {
        jm_tuner_point p = {.size = sizeof p};
        size_t at = kept > 1 ? i * (count - 1) / (kept - 1) : 0;
        if (jm_tuner_predict(t->tuner, jm_tuner_setting(t->tuner, at), &p, NULL) == JM_OK)
            add_point(j, NULL, &p);
    }
    json_close(j, ']');
}

static void add_result(json *j, const tune *t) {
    jm_tuner_result r = {.size = sizeof r};
    bool known = jm_tuner_result_get(t->tuner, &r, NULL) == JM_OK;
    json_text(j, "verdict", known ? jm_tuner_verdict_name((int)r.verdict) : NULL);
    json_text(j, "sentence", known ? r.sentence : NULL);
    json_number(j, "setting", known ? r.setting : (double)NAN);
    json_number(j, "regret_pct", known ? r.regret_pct : (double)NAN);
    if (!known) return;
    add_point(j, "best", &r.best);
    add_point(j, "default", &r.standard);
}

static void add_json(output *out, const tune *t) {
    json j = {.out = out};
    char objective[64];
    json_open(&j, NULL, '{');
    json_text(&j, "joulemeter", jm_version());
    json_count(&j, "schema", 1);
    json_text(&j, "kind", "limit tune");
    json_bool(&j, "simulated", t->simulated);
    json_text(&j, "command", t->text);
    json_text(&j, "device", t->device);
    json_text(&j, "model", t->model);
    json_text(&j, "lever", jm_lever_name((int)t->lever));
    json_text(&j, "unit", jm_lever_unit((int)t->lever));
    json_number(&j, "default_setting", t->standard);
    json_number(&j, "setting_before", t->before);
    json_text(&j, "objective", jm_objective_text(&t->objective, objective, sizeof objective));
    json_text(&j, "objective_unit", jm_objective_unit(&t->objective));
    json_text(&j, "way", t->way == TUNE_RERUN ? "rerun" : "steer");
    json_text(&j, "item", t->way == TUNE_RERUN ? "command" : tune_items_name(&t->items));
    json_count(&j, "runs", t->runs);
    json_bool(&j, "interrupted", t->interrupted != 0);
    add_result(&j, t);
    add_trials(&j, t);
    add_curve(&j, t);
    json_close(&j, '}');
}

static int write_json(const tune *t) {
    output out;
    output_open(&out);
    out.kept = true;
    add_json(&out, t);
    return output_save(&out, &limit_tune, t->set.json[0] == '\0' ? "-" : t->set.json);
}

/* ---- CSV ---- */

static int write_csv(const tune *t) {
    char *csv = NULL;
    jm_error error = {0};
    output out;
    int status = jm_tuner_curve_csv(t->tuner, &csv, &error);
    if (status == JM_NO_DATA) return CLI_OK;
    if (status != JM_OK) return cli_fail_error(&limit_tune, &error);
    output_open(&out);
    out.kept = true;
    output_append(&out, csv, strlen(csv));
    jm_free(csv);
    return output_save(&out, &limit_tune, t->set.csv);
}

/* ---- figure ---- */

static int draw(const tune *t, const jm_figure *figure) {
    jm_gnuplot_options options = JM_GNUPLOT_OPTIONS_INIT;
    jm_error error = {0};
    char *script = NULL, *gnuplot = find_gnuplot(), why[400] = "gnuplot is gone";
    options.format = format_of(t->set.plot);
    options.path = t->set.plot;
    int code = CLI_OK;
    if (jm_figure_gnuplot(figure, &options, &script, &error) != JM_OK)
        code = cli_fail_error(&limit_tune, &error);
    else if (gnuplot == NULL || run_gnuplot(gnuplot, script, why, sizeof why) != 0)
        code = cli_fail(&limit_tune, CLI_FAILED, "gnuplot says: %s", why);
    jm_free(script);
    free(gnuplot);
    return code;
}

static int write_plot(const tune *t) {
    jm_figure *figure = NULL;
    jm_error error = {0};
    const jm_tuning tuning = {
        .size = sizeof tuning, .lever = t->lever, .objective = t->objective, .tuner = t->tuner};
    int status = jm_figure_tuning(&figure, &tuning, &error);
    if (status == JM_NO_DATA) return CLI_OK;
    if (status == JM_OK && t->simulated)
        status = jm_figure_add_note(figure, "Simulated GPU.", &error);
    int code = status == JM_OK ? draw(t, figure) : cli_fail_error(&limit_tune, &error);
    jm_figure_free(figure);
    return code;
}

int tune_write(tune *t) {
    int code = CLI_OK, csv = CLI_OK, plot = CLI_OK;
    if (t->set.json != NULL) code = write_json(t);
    if (t->set.csv != NULL) csv = write_csv(t);
    if (t->set.plot != NULL) plot = write_plot(t);
    return code != CLI_OK ? code : csv != CLI_OK ? csv : plot;
}
