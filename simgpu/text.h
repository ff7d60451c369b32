/* SPDX-License-Identifier: MIT */
/* Slices of text, numbers in them (independent of the locale), and error sentences. */
#ifndef SIMGPU_TEXT_H
#define SIMGPU_TEXT_H

#include "model.h"

struct simgpu_slice {
    const char *text;
    size_t length;
};

bool simgpu_slice_is(struct simgpu_slice s, const char *word);
/* Cuts at the first `mark`: returns what is before it, leaves what is after it in *rest. Without
 * a mark, returns everything and leaves an empty slice with text == NULL. */
struct simgpu_slice simgpu_slice_cut(struct simgpu_slice *rest, char mark);
struct simgpu_slice simgpu_slice_trim(struct simgpu_slice s);

/* Decimal number with optional sign, fraction and exponent; the whole slice. No inf, no nan. */
bool simgpu_slice_number(struct simgpu_slice s, double *value);
/* A whole number from 0 to `max`. */
bool simgpu_slice_whole(struct simgpu_slice s, uint64_t max, uint64_t *value);
/* Copies into a buffer; false if it does not fit or is empty. */
bool simgpu_slice_copy(struct simgpu_slice s, char *buffer, size_t size);

/* Writes the sentence (first error wins nothing: callers stop at it) and returns -1. */
int simgpu_fail(struct simgpu_error *err, size_t position, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
