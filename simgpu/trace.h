/* SPDX-License-Identifier: MIT */
/*
 * Power over time from a CSV file: a schedule (`t_s,power_w`), the readings of a sensor or a
 * meter (`t_ms,power_draw_w,...`). Row i holds from its time to the next row's.
 *
 * The first line names the columns. The time column is t_s, t_ms, t_us or t_ns. Lines that are
 * empty or begin with # are skipped; so are rows whose power cell is empty or not a number.
 * Times must not go back; of rows with the same time, the last one counts.
 */
#ifndef SIMGPU_TRACE_H
#define SIMGPU_TRACE_H

#include "model.h"

/* What a trace may say beside power; NaN where it does not. */
struct simgpu_trace_row {
    int64_t t_ns;
    double power_w;
    float util_pct, temperature_c, sm_clock_mhz;
};

struct simgpu_trace {
    size_t count;
    struct simgpu_trace_row *rows;
    bool has_util, has_temperature, has_sm_clock;
};

/*
 * Parses text of any origin. `column`: the power column (empty or NULL: power_w, power_instant_w,
 * power_draw_w or the first one that begins with "power"). Returns 0 or -1; release in any case.
 */
int simgpu_trace_parse(struct simgpu_trace *trace, const char *text, size_t length,
                       const char *column, struct simgpu_error *err);
/* Reads a file (gzip too where zlib was there at build time) relative to `dir`. */
int simgpu_trace_load(struct simgpu_trace *trace, const char *dir, const char *file,
                      const char *column, struct simgpu_error *err);
void simgpu_trace_release(struct simgpu_trace *trace);

/* The row that holds at t (the first one before it begins). */
const struct simgpu_trace_row *simgpu_trace_at(const struct simgpu_trace *trace, int64_t t);

#endif
