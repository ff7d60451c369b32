/* SPDX-License-Identifier: MIT */
#include "spec.h"
#include "text.h"

#include <math.h>

static const double MAX_SECONDS = 1e6;

static int parse_calls(struct simgpu_fault *fault, struct simgpu_slice text, size_t at,
                       struct simgpu_error *err) {
    struct simgpu_slice seconds = text;
    struct simgpu_slice calls = simgpu_slice_cut(&seconds, ':');
    if (!simgpu_slice_whole(calls, UINT64_MAX / 2, &fault->calls))
        return simgpu_fail(err, at, "a fault after '@' needs a number of calls, at %zu", at);
    fault->seconds = INFINITY;
    if (!seconds.text) return 0;
    if (fault->kind == SIMGPU_FAULT_HANG && simgpu_spec_seconds(seconds, &fault->seconds) &&
        fault->seconds >= 0.0 && fault->seconds <= MAX_SECONDS)
        return 0;
    return simgpu_fail(err, at, "only hang takes seconds after ':', from 0 to %g, at %zu",
                       MAX_SECONDS, at);
}

static int parse_reset(struct simgpu_fault *fault, struct simgpu_slice text, size_t at,
                       struct simgpu_error *err) {
    if (simgpu_spec_seconds(text, &fault->seconds) && fault->seconds >= 0.0 &&
        fault->seconds <= MAX_SECONDS)
        return 0;
    return simgpu_fail(err, at, "reset@ needs seconds from 0 to %g, at %zu", MAX_SECONDS, at);
}

static int parse_name(struct simgpu_fault *fault, struct simgpu_slice text, size_t at,
                      struct simgpu_error *err) {
    if (simgpu_slice_copy(text, fault->name, sizeof fault->name)) return 0;
    return simgpu_fail(err, at, "the fault needs an NVML function's name or field<number>, at %zu",
                       at);
}

static int add_fault(struct simgpu_item *item, const struct simgpu_fault *fault, size_t at,
                     struct simgpu_error *err) {
    if (item->fault_count == SIMGPU_MAX_FAULTS)
        return simgpu_fail(err, at, "more than %d faults on one board, at %zu", SIMGPU_MAX_FAULTS,
                           at);
    item->faults[item->fault_count++] = *fault;
    return 0;
}

int simgpu_spec_fault(struct simgpu_item *item, struct simgpu_slice text, size_t at,
                      struct simgpu_error *err) {
    static const struct {
        const char *name;
        char mark;
        enum simgpu_fault_kind kind;
        int (*parse)(struct simgpu_fault *, struct simgpu_slice, size_t, struct simgpu_error *);
    } kinds[] = {
        {"lost", '@', SIMGPU_FAULT_LOST, parse_calls},
        {"hang", '@', SIMGPU_FAULT_HANG, parse_calls},
        {"reset", '@', SIMGPU_FAULT_RESET, parse_reset},
        {"nosym", '=', SIMGPU_FAULT_NO_SYMBOL, parse_name},
        {"notsupported", '=', SIMGPU_FAULT_NOT_SUPPORTED, parse_name},
        {"noperm", '=', SIMGPU_FAULT_NO_PERMISSION, parse_name},
    };
    if (simgpu_slice_is(text, "driver530")) return item->driver530 = true, 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct simgpu_slice rest = text;
        struct simgpu_slice name = simgpu_slice_cut(&rest, kinds[i].mark);
        if (!rest.text || !simgpu_slice_is(name, kinds[i].name)) continue;
        struct simgpu_fault fault = {.kind = kinds[i].kind};
        if (kinds[i].parse(&fault, rest, at, err) != 0) return -1;
        return add_fault(item, &fault, at, err);
    }
    return simgpu_fail(err, at,
                       "unknown fault at %zu; use lost@N, hang@N[:S], reset@S, nosym=NAME, "
                       "notsupported=NAME, noperm=NAME or driver530",
                       at);
}
