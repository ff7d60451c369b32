/* Trials and curve as CSV. */
#include "limit/tune.h"

#include <math.h>

static void cell(jmi_text *text, double value, const char *end) {
    char number[40];
    if (isfinite(value)) /* what is missing is an empty cell */
        jmi_text_add(text, "%s", jmi_format_double(value, number, sizeof number));
    jmi_text_add(text, "%s", end);
}

static const char *setting_column(const jm_tuner *tuner) {
    return tuner->options.lever == JM_LEVER_CLOCK ? "clock_mhz" : "limit_w";
}

int jm_tuner_trials_csv(const jm_tuner *tuner, char **csv, jm_error *error) {
    jmi_text text = {0};
    if (tuner == NULL || csv == NULL) return jmi_fail(error, JM_INVALID, "there is no tuner");
    jmi_text_add(&text,
                 "trial,%s,items,time_s,time_u95_s,energy_j,energy_u95_j,power_w,time_per_item_s,"
                 "energy_per_item_j,limited_share,failed\n",
                 setting_column(tuner));
    for (size_t i = 0; i < tuner->trial_count; i++) {
        const jm_trial *t = &tuner->trials[i];
        double there = t->failed ? (double)NAN : 1;
        jmi_text_add(&text, "%zu,", i + 1);
        cell(&text, t->setting, ",");
        cell(&text, there * t->items, ",");
        cell(&text, there * t->seconds, ",");
        cell(&text, t->seconds_u95 > 0 ? there * t->seconds_u95 : (double)NAN, ",");
        cell(&text, there * t->energy_j, ",");
        cell(&text, t->energy_u95_j > 0 ? there * t->energy_u95_j : (double)NAN, ",");
        cell(&text, there * t->energy_j / t->seconds, ",");
        cell(&text, there * t->seconds / t->items, ",");
        cell(&text, there * t->energy_j / t->items, ",");
        cell(&text, there * t->limited, ",");
        jmi_text_add(&text, "%d\n", t->failed ? 1 : 0);
    }
    return jmi_text_take(&text, csv, error);
}

static void add_estimate(jmi_text *text, const jm_interval *e) {
    cell(text, e->value, ",");
    cell(text, e->lower, ",");
    cell(text, e->upper, ",");
}

int jm_tuner_curve_csv(jm_tuner *tuner, char **csv, jm_error *error) {
    jmi_text text = {0};
    jm_tuner_point point = {.size = sizeof point};
    int status = JM_OK;
    if (tuner == NULL || csv == NULL) return jmi_fail(error, JM_INVALID, "there is no tuner");
    jmi_text_add(&text,
                 "%s,time_per_item_s,time_lower_s,time_upper_s,power_w,power_lower_w,"
                 "power_upper_w,energy_per_item_j,energy_lower_j,energy_upper_j,slowdown,"
                 "slowdown_lower,slowdown_upper,objective_ratio,objective_ratio_lower,"
                 "objective_ratio_upper,binds_probability,trials\n",
                 setting_column(tuner));
    for (size_t j = 0; status == JM_OK && j < tuner->nodes; j++) {
        status = jm_tuner_predict(tuner, tuner->node[j], &point, error);
        if (status != JM_OK) break;
        cell(&text, point.setting, ",");
        add_estimate(&text, &point.seconds);
        add_estimate(&text, &point.power_w);
        add_estimate(&text, &point.energy_j);
        add_estimate(&text, &point.slowdown);
        add_estimate(&text, &point.relative);
        cell(&text, point.binds, ",");
        cell(&text, point.trials, "\n");
    }
    if (status == JM_OK) return jmi_text_take(&text, csv, error);
    jmi_text_free(&text);
    return status;
}
