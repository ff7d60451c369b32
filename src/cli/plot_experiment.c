/* The JSON that `repeat` and `compare` export, as runs and ratios for figures; and that of `limit
 * tune`, which has one of its own. */
#include "plot.h"
#include "plot_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const experiment_figure_names[] = {"runs_energy", "runs_time", "runs_power",
                                               "ratios",      "tuning",    NULL};

const char *const experiment_figure_titles[] = {"Energy of each run",
                                                "Time of each run",
                                                "Mean power of each run",
                                                "Ratio to the first",
                                                "Energy and time by what was tuned",
                                                NULL};

struct experiment_figures {
    json_t *root;
    jm_run_group *groups;
    size_t group_count;
    jm_comparison *comparisons;
    const char **names; /* of what is compared */
    size_t comparison_count;
    tuning_figure *tuning; /* NULL: these are runs */
    bool simulated, modelled;
};

bool is_json_file(const char *path) {
    FILE *file = fopen(path, "re");
    int c = EOF;
    while (file != NULL && (c = fgetc(file)) != EOF && strchr(" \t\r\n", c) != NULL) continue;
    if (file != NULL) fclose(file);
    return c == '{';
}

/* Heap. A letter is the name of a command that was given none; of one command at several sampling
 * intervals these tell its groups apart. */
static char *name_of(const json_t *result, bool several) {
    const char *name = json_string_value(json_object_get(result, "name"));
    const char *command = json_string_value(json_object_get(result, "command"));
    double interval_s = number_of(result, "interval_s");
    char *text = NULL;
    int made = 0;
    if (command == NULL) command = "";
    if (name != NULL && strlen(name) == 1)
        made = asprintf(&text, "%s: %s", name, command);
    else if (name == NULL && several && isfinite(interval_s))
        made = asprintf(&text, "%s, every %g ms", command, 1e3 * interval_s);
    else
        text = strdup(name == NULL ? command : name);
    return made < 0 ? NULL : text;
}

static bool take_group(jm_run_group *group, const json_t *result, bool several) {
    const json_t *runs = json_object_get(result, "runs");
    jm_run *list = calloc(json_array_size(runs) + 1, sizeof *list);
    if (list == NULL) return false;
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *run = json_array_get(runs, i);
        list[i] = (jm_run){number_of(run, "energy_j"), number_of(run, "u_random_j"),
                           number_of(run, "u_systematic_j"), number_of(run, "time_s")};
        if (!isfinite(list[i].energy_j) || !(list[i].time_s > 0)) {
            free(list);
            return false;
        }
    }
    *group = (jm_run_group){name_of(result, several), list, json_array_size(runs)};
    return group->name != NULL;
}

static jm_ratio ratio_of(const json_t *comparison, const char *key) {
    const json_t *ratio = json_object_get(comparison, key);
    return (jm_ratio){.ratio = number_of(ratio, "ratio"),
                      .lower = number_of(ratio, "lower"),
                      .upper = number_of(ratio, "upper")};
}

/* What the group is called here that has a name in the file. */
static const char *group_named(const experiment_figures *e, const json_t *results,
                               const char *name) {
    for (size_t i = 0; name != NULL && i < e->group_count; i++) {
        const char *other = json_string_value(json_object_get(json_array_get(results, i), "name"));
        if (other != NULL && strcmp(other, name) == 0) return e->groups[i].name;
    }
    return name == NULL ? "" : name;
}

static bool take_all(experiment_figures *e) {
    const json_t *results = json_object_get(e->root, "results");
    const json_t *comparisons = json_object_get(e->root, "comparisons");
    size_t groups = json_array_size(results), ratios = json_array_size(comparisons);
    e->groups = calloc(groups + 1, sizeof *e->groups);
    e->comparisons = calloc(ratios + 1, sizeof *e->comparisons);
    e->names = calloc(ratios + 1, sizeof *e->names);
    if (groups == 0 || e->groups == NULL || e->comparisons == NULL || e->names == NULL)
        return false;
    e->group_count = groups;
    for (size_t i = 0; i < groups; i++)
        if (!take_group(&e->groups[i], json_array_get(results, i), groups > 1)) return false;
    e->simulated = json_is_true(json_object_get(e->root, "simulated"));
    e->modelled = json_is_true(json_object_get(e->root, "modelled"));
    for (; e->comparison_count < ratios; e->comparison_count++) {
        const json_t *one = json_array_get(comparisons, e->comparison_count);
        e->names[e->comparison_count] =
            group_named(e, results, json_string_value(json_object_get(one, "b")));
        e->comparisons[e->comparison_count] = (jm_comparison){.size = sizeof(jm_comparison),
                                                              .energy = ratio_of(one, "energy"),
                                                              .time = ratio_of(one, "time"),
                                                              .power = ratio_of(one, "power")};
    }
    return true;
}

static bool take_tuning(experiment_figures *e) {
    e->tuning = tuning_figure_of(e->root);
    e->simulated = json_is_true(json_object_get(e->root, "simulated"));
    return e->tuning != NULL;
}

experiment_figures *experiment_figures_open(const cli_command *command, const char *path) {
    json_error_t wrong;
    experiment_figures *e = calloc(1, sizeof *e);
    if (e == NULL) return NULL;
    e->root = json_load_file(path, 0, &wrong);
    if (e->root == NULL)
        cli_fail(command, CLI_USAGE, "%s: line %d: %s", path, wrong.line, wrong.text);
    else if (take_tuning(e) || take_all(e))
        return e;
    else
        cli_fail(
            command, CLI_USAGE,
            "%s holds no runs: make it with `joulemeter repeat`, `compare` or `limit tune` and "
            "--json=FILE",
            path);
    experiment_figures_close(e);
    return NULL;
}

bool experiment_figure_there(const experiment_figures *e, const char *name) {
    if (strcmp(name, "tuning") == 0 || e->tuning != NULL)
        return e->tuning != NULL && strcmp(name, "tuning") == 0;
    return e->comparison_count > 0 || strcmp(name, "ratios") != 0;
}

int experiment_figure_make(const experiment_figures *e, const char *name, jm_figure **figure,
                           jm_error *error) {
    int which = 0, status;
    while (which < 3 && strcmp(name, experiment_figure_names[which]) != 0) which++;
    if (e->tuning != NULL)
        status = tuning_figure_make(e->tuning, figure, error);
    else if (which < 3)
        status = jm_figure_runs(figure, e->groups, e->group_count, (jm_run_value)which, error);
    else
        status = jm_figure_ratios(figure, e->names, e->comparisons, e->comparison_count, error);
    if (status == JM_OK && e->simulated)
        status = jm_figure_add_note(*figure, "Simulated GPU.", error);
    if (status == JM_OK && e->modelled)
        status = jm_figure_add_note(*figure, "CPU power is modelled, not measured.", error);
    return status;
}

void experiment_figures_close(experiment_figures *e) {
    if (e == NULL) return;
    for (size_t i = 0; e->groups != NULL && i < e->group_count; i++) {
        free((void *)(uintptr_t)e->groups[i].name);
        free((void *)(uintptr_t)e->groups[i].runs);
    }
    tuning_figure_free(e->tuning);
    free(e->groups);
    free(e->comparisons);
    free(e->names);
    json_decref(e->root);
    free(e);
}
