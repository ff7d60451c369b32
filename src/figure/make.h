/* The figures of a recording: each fills its axes and marks. They return JM_NO_DATA with the reason
 * where there is nothing to show. */
#ifndef JMI_FIGURE_MAKE_H
#define JMI_FIGURE_MAKE_H

#include "figure/source.h"

/* over_time.c */
int jmi_make_power_time(jm_figures *f, jm_figure *figure, jm_error *error);
int jmi_make_gpu_util_time(jm_figures *f, jm_figure *figure, jm_error *error);
int jmi_make_mem_util_time(jm_figures *f, jm_figure *figure, jm_error *error);
int jmi_make_util_time_dual(jm_figures *f, jm_figure *figure, jm_error *error);
int jmi_make_energy_rate(jm_figures *f, jm_figure *figure, jm_error *error);
int jmi_make_power_derivative(jm_figures *f, jm_figure *figure, jm_error *error);
int jmi_make_cumulative_energy(jm_figures *f, jm_figure *figure, jm_error *error);

/* spread.c */
int jmi_make_power_hist(jm_figures *f, jm_figure *figure, jm_error *error);
int jmi_make_util_hist(jm_figures *f, jm_figure *figure, jm_error *error);
int jmi_make_power_ecdf(jm_figures *f, jm_figure *figure, jm_error *error);
int jmi_make_util_ecdf(jm_figures *f, jm_figure *figure, jm_error *error);

/* by_phase.c */
int jmi_make_power_boxplot_phase(jm_figures *f, jm_figure *figure, jm_error *error);
int jmi_make_util_boxplot_phase(jm_figures *f, jm_figure *figure, jm_error *error);
int jmi_make_phase_energy_bar(jm_figures *f, jm_figure *figure, jm_error *error);
int jmi_make_phase_time_bar(jm_figures *f, jm_figure *figure, jm_error *error);
int jmi_make_energy_by_device(jm_figures *f, jm_figure *figure, jm_error *error);

/* utilisation.c */
int jmi_make_power_util_scatter(jm_figures *f, jm_figure *figure, jm_error *error);
int jmi_make_power_util_hexbin(jm_figures *f, jm_figure *figure, jm_error *error);

/* layers.c */
int jmi_make_layer_energy_bar(jm_figures *f, jm_figure *figure, jm_error *error);
int jmi_make_layer_energy_treemap(jm_figures *f, jm_figure *figure, jm_error *error);
int jmi_make_layer_type_energy_bar(jm_figures *f, jm_figure *figure, jm_error *error);
int jmi_make_layer_energy_spread(jm_figures *f, jm_figure *figure, jm_error *error);
int jmi_make_kernel_energy_bar(jm_figures *f, jm_figure *figure, jm_error *error);

#endif
