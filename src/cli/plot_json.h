/* Reading what was exported as JSON, for figures. */
#ifndef JM_CLI_PLOT_JSON_H
#define JM_CLI_PLOT_JSON_H

#include "cli.h"

#include <jansson.h>
#include <math.h>

/* NaN: there is no such number. */
static inline double number_of(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

/* What `limit tune` found (plot_tuning.c); NULL: it is nothing of that kind, or out of memory. */
typedef struct tuning_figure tuning_figure;
tuning_figure *tuning_figure_of(const json_t *root);
int tuning_figure_make(const tuning_figure *figure, jm_figure **made, jm_error *error);
void tuning_figure_free(tuning_figure *figure);

#endif
