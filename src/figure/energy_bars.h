/* Bars of energies, one a row, with their intervals. */
#ifndef JMI_FIGURE_ENERGY_BARS_H
#define JMI_FIGURE_ENERGY_BARS_H

#include "figure/source.h"

typedef struct jmi_bars {
    jm_figure *figure;
    jmi_mark *mark;
    double highest; /* end of an interval */
    size_t shown, bounds;
} jmi_bars;

jmi_bars jmi_bars_begin(jm_figure *figure);
/* Of an energy of which only a bound is known there is the interval, and no bar. */
void jmi_bars_add(jmi_bars *bars, size_t row, const jm_energy *energy);
void jmi_bars_note(const jmi_bars *bars);

/* Is there more than a bound? */
bool jmi_energy_estimated(const jm_energy *energy);

#endif
