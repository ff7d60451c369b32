/* Intensity over time, as the user's file has it. A value holds from its time until the next one's,
 * but no longer than one and a half of the usual step: what lies beyond is a gap. */
#ifndef JMI_CARBON_SERIES_H
#define JMI_CARBON_SERIES_H

#include "base/base.h"

/* Values hold from begin to end; they are in order and do not overlap. */
typedef struct jmi_intensity {
    int64_t begin_ns, end_ns; /* since 1970, UTC */
    double g;                 /* a kWh */
} jmi_intensity;

typedef struct jmi_intensities {
    jmi_intensity *at;
    size_t count;
    double mean, low, high; /* over time */
    double sd;              /* likewise */
} jmi_intensities;

/* Reads a CSV. JM_FORMAT: `error` has the name and the line. */
int jmi_intensities_parse(jmi_intensities *series, const char *text, size_t length,
                          const char *name, jm_error *error);
void jmi_intensities_free(jmi_intensities *series);
/* Index of the first value that ends after t; count: there is none. */
size_t jmi_intensities_find(const jmi_intensities *series, int64_t t_ns);

/* "2024-03-01T12:00:00+01:00", "2024-03-01 12:00", "2024-03-01" (UTC where no offset is given), or
 * a number: Unix seconds, or milliseconds if it is that large. */
bool jmi_parse_time(const char *text, int64_t *utc_ns);

/* A row with all that is written in it; what follows from a file's first row (series_columns.c). */
typedef struct jmi_cells {
    char *cell[64]; /* in `line` */
    size_t count;
    size_t line_number;
} jmi_cells;

typedef struct jmi_intensity_columns {
    size_t time, value, count;
    double factor; /* into g/kWh */
    bool header;   /* the first row names them */
    bool comma;    /* decimals may follow a comma */
} jmi_intensity_columns;
int jmi_intensity_columns_find(jmi_intensity_columns *columns, const jmi_cells *first,
                               const char *name, jm_error *error);

#endif
