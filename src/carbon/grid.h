/* What a kilowatt-hour costs where it is used. */
#ifndef JMI_CARBON_GRID_H
#define JMI_CARBON_GRID_H

#include "carbon/countries.h"
#include "carbon/series.h"

/* Hours of a country differ from the mean of their year, and years from the next: by so much
 * (relative standard uncertainty) where nothing else is known. An assumption, and said to be one.
 */
#define JMI_YEAR_U 0.25

struct jm_grid {
    jm_intensity_source source;
    const jmi_country *country; /* NULL: none is known */
    double intensity_g;         /* of a series its mean; NaN: not known */
    double intensity_u;         /* relative standard uncertainty */
    double pue, price, water_l; /* price and water: NaN where not known */
    char *currency;
    char *text;
    jmi_intensities series; /* count 0: there is none */
};

/* "56", "56 gCO2e/kWh", "0.056 kg": False: it is no such number. */
bool jmi_parse_intensity(const char *text, double *g);

#endif
