/* Countries: their codes, grids and time zones. The table is made by tools/make_countries.py. */
#ifndef JMI_CARBON_COUNTRIES_H
#define JMI_CARBON_COUNTRIES_H

#include "base/base.h"

#include <math.h>

typedef struct jmi_country {
    const char *alpha2, *alpha3;
    const char *name;
    double intensity_g; /* NAN: not in the data */
    uint32_t year;
    const char *zones; /* names between spaces */
} jmi_country;

extern const jmi_country jmi_countries[];
extern const size_t jmi_countries_count;
extern const char *const jmi_countries_source;

/* By two or three letters, or the name, in any case; NULL: there is none. */
const jmi_country *jmi_country_named(const char *code);
/* NULL: the zone belongs to none. */
const jmi_country *jmi_country_in_zone(const char *zone, size_t length);
void jmi_country_give(const jmi_country *from, jm_country *country);

/* The name of this machine's time zone, from $TZ or the files below root. False: it has none. */
bool jmi_zone_name(const char *root, char *name, size_t size);

#endif
