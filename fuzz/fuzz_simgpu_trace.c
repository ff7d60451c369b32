/* SPDX-License-Identifier: MIT */
/* Trace and schedule files of the simulated GPU. */
#include "simgpu/trace.h"

#include <math.h>
#include <stdlib.h>

static void check(bool ok) {
    if (!ok) abort();
}

static void check_rows(const struct simgpu_trace *trace) {
    check(trace->count > 0);
    for (size_t i = 0; i < trace->count; i++) {
        const struct simgpu_trace_row *row = &trace->rows[i];
        check(isfinite(row->power_w) && (i == 0 || row->t_ns > row[-1].t_ns));
        check(simgpu_trace_at(trace, row->t_ns) == row);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const columns[] = {NULL, "power_w", "power_instant_w"};
    const char *column = size ? columns[data[size - 1] % 3] : NULL;
    struct simgpu_trace trace;
    struct simgpu_error err = {0};
    int rc = simgpu_trace_parse(&trace, (const char *)data, size, column, &err);
    if (rc == 0)
        check_rows(&trace);
    else
        check(err.text[0] != '\0');
    simgpu_trace_release(&trace);
    return 0;
}
