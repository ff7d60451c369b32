/* Where figures come from, and those that have no data. */
#include "plot.h"

#include "grid.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- recordings and experiments ---- */

static void list_names(plot_source *s) {
    size_t count = 0;
    if (s->experiment != NULL)
        for (size_t i = 0; experiment_figure_names[i] != NULL; i++) {
            if (!experiment_figure_there(s->experiment, experiment_figure_names[i])) continue;
            s->names[count] = experiment_figure_names[i];
            s->titles[count++] = experiment_figure_titles[i];
        }
    else
        for (; count < jm_figure_count() && count + 1 < CLI_COUNT(s->names); count++) {
            s->names[count] = jm_figure_name((uint32_t)count);
            s->titles[count] = jm_figure_title((uint32_t)count);
        }
    s->names[count] = s->titles[count] = NULL;
}

static int find_device(const jm_recording *recording, const char *name, uint32_t *device) {
    *device = JM_DEVICE_GPUS;
    if (name == NULL || strcmp(name, "gpus") == 0) return CLI_OK;
    *device = JM_DEVICE_TOTAL;
    if (strcmp(name, "total") == 0) return CLI_OK;
    char known[400] = "";
    for (uint32_t i = 0; i < jm_recording_device_count(recording); i++) {
        jm_device info = {.size = sizeof info};
        if (jm_recording_device(recording, i, &info) != JM_OK) continue;
        *device = i;
        if (strcmp(info.name, name) == 0) return CLI_OK;
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, ", %s", info.name);
    }
    return cli_fail(&cli_plot, CLI_USAGE, "there is no device '%s' in it; there are: gpus, total%s",
                    name, known);
}

static int open_recording(plot_source *s, const char *path, const plot_settings *set) {
    jm_figure_options options = JM_FIGURE_OPTIONS_INIT;
    jm_error error = {0};
    if (jm_recording_open(&s->recording, path, &error) != JM_OK)
        return cli_fail_error(&cli_plot, &error);
    s->warnings = jm_recording_warning_count(s->recording);
    int code = find_device(s->recording, set->device, &options.device);
    if (code != CLI_OK) return code;
    options.smooth = set->smooth;
    options.top = set->top;
    options.no_phases = set->no_phases;
    options.raw = set->raw;
    /* One for each dot at 300 dpi: what is left out could not be seen. */
    options.columns = (uint32_t)(set->width_mm / 25.4 * 300);
    if (jm_figures_open(&s->figures, s->recording, &options, &error) != JM_OK)
        return cli_fail_error(&cli_plot, &error);
    return CLI_OK;
}

int plot_source_open(plot_source *s, const char *path, const plot_settings *settings) {
    int code = CLI_OK;
    *s = (plot_source){0};
    if (path != NULL && is_json_file(path)) {
        s->experiment = experiment_figures_open(&cli_plot, path);
        code = s->experiment == NULL ? CLI_USAGE : CLI_OK;
    } else if (path != NULL) {
        code = open_recording(s, path, settings);
    }
    list_names(s);
    return code;
}

int plot_source_make(const plot_source *s, const char *name, jm_figure **figure, jm_error *error) {
    return s->experiment != NULL ? experiment_figure_make(s->experiment, name, figure, error)
                                 : jm_figures_make(s->figures, name, figure, error);
}

void plot_source_tell(plot_source *s) {
    if (s->recording == NULL) return;
    for (; s->warnings < jm_recording_warning_count(s->recording); s->warnings++)
        cli_fail(&cli_plot, CLI_OK, "%s", jm_recording_warning(s->recording, s->warnings));
}

void plot_source_close(plot_source *s) {
    jm_figures_close(s->figures);
    jm_recording_free(s->recording);
    experiment_figures_close(s->experiment);
}

/* ---- those without data ---- */

void plot_missing_add(plot_missing *m, const char *name, const jm_error *error) {
    static const char between[] = " has no data: ";
    const char *why = strstr(error->message, between);
    if (m->count == CLI_COUNT(m->of)) return;
    m->of[m->count].name = name;
    snprintf(m->of[m->count].why, sizeof m->of[0].why, "%s",
             why == NULL ? error->message : why + strlen(between));
    m->count++;
}

/* "a, b and c: why" of the reason that figure `first` is the first to have, heap; NULL where
 * another had it before. */
static char *sentence(const plot_missing *m, size_t first) {
    size_t count = 0, said = 0;
    output text;
    for (size_t i = 0; i < m->count; i++) {
        bool same = strcmp(m->of[i].why, m->of[first].why) == 0;
        if (same && i < first) return NULL;
        count += same;
    }
    output_open(&text);
    text.kept = true;
    for (size_t i = first; i < m->count; i++) {
        if (strcmp(m->of[i].why, m->of[first].why) != 0) continue;
        output_add(&text, "%s%s",
                   said == 0           ? ""
                   : said + 1 == count ? " and "
                                       : ", ",
                   m->of[i].name);
        said++;
    }
    output_add(&text, ": %s", m->of[first].why);
    output_append(&text, "", 1);
    if (text.errnum == 0) return text.data;
    free(text.data);
    return NULL;
}

void plot_missing_list(const plot_missing *m, output *out, size_t width) {
    for (size_t i = 0; i < m->count; i++) {
        char *text = sentence(m, i);
        if (text != NULL) grid_add_wrapped(out, text, 2, width);
        free(text);
    }
}

void plot_missing_tell(const plot_missing *m) {
    for (size_t i = 0; i < m->count; i++) {
        char *text = sentence(m, i);
        if (text != NULL) cli_fail(&cli_plot, CLI_OK, "no data for %s", text);
        free(text);
    }
}
