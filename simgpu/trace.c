/* SPDX-License-Identifier: MIT */
#include "trace.h"

#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_COLUMNS = 64, MAX_ROWS = 50000000 };

/* Beyond these a file is not what it claims to be, and integer times could overflow. */
static const double MAX_POWER_W = 1e5;
static const double MAX_TIME_S = 4e9; /* on either side of 0: seconds since 1970 fit */
static const double MAX_SPAN_S = 1e9;

enum field { FIELD_NONE, FIELD_TIME, FIELD_POWER, FIELD_UTIL, FIELD_TEMPERATURE, FIELD_SM_CLOCK };

struct reader {
    struct simgpu_trace *trace;
    struct simgpu_error *err;
    size_t capacity;
    size_t line;
    size_t columns;
    enum field fields[MAX_COLUMNS];
    double unit_s;
};

static double time_unit(struct simgpu_slice name) {
    if (simgpu_slice_is(name, "t_s")) return 1.0;
    if (simgpu_slice_is(name, "t_ms")) return 1e-3;
    if (simgpu_slice_is(name, "t_us")) return 1e-6;
    if (simgpu_slice_is(name, "t_ns")) return 1e-9;
    return 0.0;
}

/* The lower, the better; 0: not a power column. */
static int power_rank(struct simgpu_slice name, const char *wanted) {
    if (wanted && *wanted) return simgpu_slice_is(name, wanted) ? 1 : 0;
    if (simgpu_slice_is(name, "power_w")) return 1;
    if (simgpu_slice_is(name, "power_instant_w")) return 2;
    if (simgpu_slice_is(name, "power_draw_w")) return 3;
    return name.length >= 5 && memcmp(name.text, "power", 5) == 0 ? 4 : 0;
}

static enum field other_field(struct simgpu_slice name) {
    if (simgpu_slice_is(name, "gpu_util_pct")) return FIELD_UTIL;
    if (simgpu_slice_is(name, "temp_c")) return FIELD_TEMPERATURE;
    if (simgpu_slice_is(name, "sm_clock_mhz")) return FIELD_SM_CLOCK;
    return FIELD_NONE;
}

static int read_header(struct reader *r, struct simgpu_slice line, const char *wanted) {
    int best = 0;
    size_t power_at = 0;
    while (line.text) {
        if (r->columns == MAX_COLUMNS)
            return simgpu_fail(r->err, r->line, "more than %d columns in line %zu", MAX_COLUMNS,
                               r->line);
        struct simgpu_slice name = simgpu_slice_trim(simgpu_slice_cut(&line, ','));
        size_t at = r->columns++;
        r->fields[at] = other_field(name);
        if (time_unit(name) > 0.0 && r->unit_s == 0.0) {
            r->fields[at] = FIELD_TIME;
            r->unit_s = time_unit(name);
        }
        int rank = power_rank(name, wanted);
        if (rank && (!best || rank < best)) {
            best = rank;
            power_at = at;
        }
    }
    if (r->unit_s == 0.0)
        return simgpu_fail(r->err, r->line, "no time column (t_s, t_ms, t_us or t_ns) in line %zu",
                           r->line);
    if (!best)
        return simgpu_fail(r->err, r->line, "no column %s in line %zu",
                           wanted && *wanted ? wanted : "power_w", r->line);
    r->fields[power_at] = FIELD_POWER;
    return 0;
}

static int push_row(struct reader *r, const struct simgpu_trace_row *row) {
    struct simgpu_trace *trace = r->trace;
    if (trace->count && trace->rows[trace->count - 1].t_ns > row->t_ns)
        return simgpu_fail(r->err, r->line, "time goes back in line %zu", r->line);
    if (trace->count && trace->rows[trace->count - 1].t_ns == row->t_ns) {
        trace->rows[trace->count - 1] = *row;
        return 0;
    }
    if (trace->count == MAX_ROWS)
        return simgpu_fail(r->err, r->line, "more than %d rows", MAX_ROWS);
    if (trace->count == r->capacity) {
        size_t capacity = r->capacity ? r->capacity * 2 : 256;
        struct simgpu_trace_row *rows = realloc(trace->rows, capacity * sizeof *rows);
        if (!rows) return simgpu_fail(r->err, r->line, "out of memory at line %zu", r->line);
        trace->rows = rows;
        r->capacity = capacity;
    }
    trace->rows[trace->count++] = *row;
    return 0;
}

static void set_field(struct reader *r, struct simgpu_trace_row *row, enum field field,
                      double value) {
    switch (field) {
    case FIELD_POWER: row->power_w = value; break;
    case FIELD_UTIL:
        row->util_pct = (float)fmin(fmax(value, 0.0), 100.0);
        r->trace->has_util = true;
        break;
    case FIELD_TEMPERATURE:
        row->temperature_c = (float)fmin(fmax(value, -100.0), 250.0);
        r->trace->has_temperature = true;
        break;
    case FIELD_SM_CLOCK:
        row->sm_clock_mhz = (float)fmin(fmax(value, 0.0), 1e5);
        r->trace->has_sm_clock = true;
        break;
    case FIELD_NONE:
    case FIELD_TIME: break;
    }
}

static int read_row(struct reader *r, struct simgpu_slice line) {
    struct simgpu_trace_row row = {
        .power_w = NAN, .util_pct = NAN, .temperature_c = NAN, .sm_clock_mhz = NAN};
    double time_s = NAN;
    for (size_t i = 0; i < r->columns && line.text; i++) {
        struct simgpu_slice cell = simgpu_slice_trim(simgpu_slice_cut(&line, ','));
        double value;
        if (r->fields[i] == FIELD_NONE || !simgpu_slice_number(cell, &value)) continue;
        if (r->fields[i] == FIELD_TIME)
            time_s = value * r->unit_s;
        else
            set_field(r, &row, r->fields[i], value);
    }
    if (isnan(time_s)) return simgpu_fail(r->err, r->line, "no time in line %zu", r->line);
    if (!(fabs(time_s) <= MAX_TIME_S))
        return simgpu_fail(r->err, r->line, "time out of range in line %zu", r->line);
    if (isnan(row.power_w)) return 0;
    if (fabs(row.power_w) > MAX_POWER_W)
        return simgpu_fail(r->err, r->line, "power out of range in line %zu", r->line);
    row.t_ns = llround(time_s * 1e9);
    return push_row(r, &row);
}

/* Time spans are bounded too: they become lengths of pieces. */
static int check_span(struct reader *r) {
    const struct simgpu_trace *trace = r->trace;
    if (trace->count == 0) return simgpu_fail(r->err, r->line, "no row with a power in the file");
    double span_s =
        ((double)trace->rows[trace->count - 1].t_ns - (double)trace->rows[0].t_ns) * 1e-9;
    if (span_s > MAX_SPAN_S) return simgpu_fail(r->err, r->line, "the file spans too long a time");
    return 0;
}

int simgpu_trace_parse(struct simgpu_trace *trace, const char *text, size_t length,
                       const char *column, struct simgpu_error *err) {
    *trace = (struct simgpu_trace){0};
    struct reader r = {.trace = trace, .err = err};
    struct simgpu_slice rest = {text, length};
    if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        rest.text += 3;
        rest.length -= 3;
    }
    while (rest.text && rest.length) {
        struct simgpu_slice line = simgpu_slice_trim(simgpu_slice_cut(&rest, '\n'));
        r.line++;
        if (line.length == 0 || line.text[0] == '#') continue;
        int rc = r.columns ? read_row(&r, line) : read_header(&r, line, column);
        if (rc != 0) return rc;
    }
    return check_span(&r);
}

void simgpu_trace_release(struct simgpu_trace *trace) {
    free(trace->rows);
    *trace = (struct simgpu_trace){0};
}

const struct simgpu_trace_row *simgpu_trace_at(const struct simgpu_trace *trace, int64_t t) {
    size_t low = 0, high = trace->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (trace->rows[middle].t_ns <= t)
            low = middle;
        else
            high = middle;
    }
    return &trace->rows[low];
}
