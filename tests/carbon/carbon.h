/* What the tests of carbon share. */
#ifndef TEST_CARBON_H
#define TEST_CARBON_H

#include "carbon/grid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NEAR(a, b, relative) near_(a, b, relative, #a, __LINE__)
static inline void near_(double a, double b, double relative, const char *what, int line) {
    if (!(fabs(a - b) <= relative * fmax(fabs(a), fabs(b))))
        fail_msg("line %d: %s is %.17g, not %.17g", line, what, a, b);
}

static inline void ok(int status, const jm_error *error) {
    if (status != JM_OK) fail_msg("%s: %s", jm_status_name(status), error->message);
}

/* The message has these words. */
static inline void says(const jm_error *error, const char *words) {
    if (strstr(error->message, words) == NULL)
        fail_msg("'%s' is not in: %s", words, error->message);
}

/* A grid that asks no clock. */
static inline jm_grid *grid_of(const char *country, const char *intensity, double pue) {
    jm_grid_options options = JM_GRID_OPTIONS_INIT;
    jm_error error = {0};
    jm_grid *grid = NULL;
    options.country = country;
    options.intensity = intensity;
    options.pue = pue;
    options.no_zone = true;
    ok(jm_grid_open(&grid, &options, &error), &error);
    return grid;
}

static inline jm_grid_info info_of(const jm_grid *grid) {
    jm_grid_info info = {.size = sizeof info};
    assert_int_equal(jm_grid_get(grid, &info), JM_OK);
    return info;
}

static inline jm_energy energy_of(double j, double u95) {
    return (jm_energy){.energy_j = j,
                       .u95_j = u95,
                       .u_random_j = u95 / 1.96,
                       .lower_j = j - u95,
                       .upper_j = j + u95,
                       .duration_s = 1,
                       .measured = 1,
                       .provenance = JM_FROM_COUNTER};
}

#endif
