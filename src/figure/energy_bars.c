#include "figure/energy_bars.h"

#include <math.h>

bool jmi_energy_estimated(const jm_energy *energy) {
    return jmi_energy_shown(energy) && (energy->provenance & JM_BOUND_ONLY) == 0;
}

jmi_bars jmi_bars_begin(jm_figure *figure) {
    return (jmi_bars){.figure = figure,
                      .mark = jmi_figure_add(figure, JM_MARK_BAR, "", 0, 0, true)};
}

void jmi_bars_add(jmi_bars *bars, size_t row, const jm_energy *e) {
    if (!jmi_energy_shown(e) || !isfinite(e->upper_j)) return;
    double y = (double)row, end = jmi_energy_estimated(e) ? e->energy_j : 0;
    JMI_PUT(bars->mark, 0, end, y - 0.35, y + 0.35, fmax(e->lower_j, 0), e->upper_j);
    bars->highest = fmax(bars->highest, e->upper_j);
    bars->bounds += !jmi_energy_estimated(e);
    bars->shown++;
}

void jmi_bars_note(const jmi_bars *bars) {
    jmi_figure_note(bars->figure, "Whiskers: 95 %% intervals.");
    if (bars->bounds > 0)
        jmi_figure_note(bars->figure, "Where there is no bar only bounds are known.");
}
