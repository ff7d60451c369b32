/* The list of figures. */
#include "figure/make.h"

#include <string.h>

static const struct {
    const char *name, *title;
    int (*make)(jm_figures *f, jm_figure *figure, jm_error *error);
} figures[] = {
    {"power_time", "Power", jmi_make_power_time},
    {"gpu_util_time", "GPU utilisation", jmi_make_gpu_util_time},
    {"mem_util_time", "Memory utilisation", jmi_make_mem_util_time},
    {"util_time_dual", "GPU and memory utilisation", jmi_make_util_time_dual},
    {"energy_rate", "Energy rate", jmi_make_energy_rate},
    {"power_derivative", "Change of power", jmi_make_power_derivative},
    {"cumulative_energy", "Cumulative energy", jmi_make_cumulative_energy},
    {"power_hist", "Power, histogram", jmi_make_power_hist},
    {"util_hist", "Utilisation, histogram", jmi_make_util_hist},
    {"power_ecdf", "Power, cumulative distribution", jmi_make_power_ecdf},
    {"util_ecdf", "Utilisation, cumulative distribution", jmi_make_util_ecdf},
    {"power_boxplot_phase", "Power by phase", jmi_make_power_boxplot_phase},
    {"util_boxplot_phase", "Utilisation by phase", jmi_make_util_boxplot_phase},
    {"phase_energy_bar", "Energy by phase", jmi_make_phase_energy_bar},
    {"phase_time_bar", "Time by phase", jmi_make_phase_time_bar},
    {"power_util_scatter", "Power and GPU utilisation", jmi_make_power_util_scatter},
    {"power_util_hexbin", "Time at power and GPU utilisation", jmi_make_power_util_hexbin},
    {"energy_by_device", "Energy by device", jmi_make_energy_by_device},
    {"layer_energy_bar", "Energy by layer", jmi_make_layer_energy_bar},
    {"layer_energy_treemap", "Energy by layer, shares", jmi_make_layer_energy_treemap},
    {"layer_type_energy_bar", "Energy by type of layer", jmi_make_layer_type_energy_bar},
    {"layer_energy_spread", "Energy of each call of a layer", jmi_make_layer_energy_spread},
    {"kernel_energy_bar", "Energy by kernel", jmi_make_kernel_energy_bar},
};

uint32_t jm_figure_count(void) {
    return JMI_COUNT(figures);
}

const char *jm_figure_name(uint32_t index) {
    return index < JMI_COUNT(figures) ? figures[index].name : NULL;
}

const char *jm_figure_title(uint32_t index) {
    return index < JMI_COUNT(figures) ? figures[index].title : NULL;
}

static int fail_unknown(const char *name, jm_error *error) {
    jmi_text names = {0};
    for (size_t i = 0; i < JMI_COUNT(figures); i++)
        jmi_text_add(&names, "%s%s", i == 0 ? "" : ", ", figures[i].name);
    int status = jmi_fail(error, JM_NOT_FOUND, "there is no figure '%.40s'; there are: %s", name,
                          names.data == NULL ? "" : names.data);
    jmi_text_free(&names);
    return status;
}

int jm_figures_make(jm_figures *f, const char *name, jm_figure **figure, jm_error *error) {
    if (figure != NULL) *figure = NULL;
    if (f == NULL || name == NULL || figure == NULL)
        return jmi_fail(error, JM_INVALID, "figures, name and figure must not be NULL");
    size_t i = 0;
    while (i < JMI_COUNT(figures) && strcmp(figures[i].name, name) != 0) i++;
    if (i == JMI_COUNT(figures)) return fail_unknown(name, error);
    jm_figure *fresh = jmi_figure_new(name, figures[i].title);
    jm_error why = {0};
    int status = fresh == NULL ? JM_MEMORY : figures[i].make(f, fresh, &why);
    if (fresh != NULL && status == JM_OK) jmi_note_sources(f, fresh);
    if (status == JM_NO_DATA)
        jmi_fail(error, status, "%s has no data: %s", name, why.message);
    else if (status != JM_OK)
        jmi_fail(error, status, "%s", why.message);
    return jmi_figure_finish(fresh, status, figure, error);
}
