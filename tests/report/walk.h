/* Reads a whole table through the Arrow C interface alone, and checks that each array is what the
 * specification asks for. */
#ifndef REPORT_WALK_H
#define REPORT_WALK_H

#include "fixture.h"

typedef struct table {
    struct ArrowSchema schema;
    struct ArrowArray *batches;
    size_t batch_count;
    int64_t rows;
} table;

/* ---- what an array must be ---- */

static inline bool bit(const void *bits, int64_t i) {
    return (((const uint8_t *)bits)[i / 8] >> (i % 8) & 1) != 0;
}

static inline bool array_null(const struct ArrowArray *array, int64_t row) {
    return array->buffers[0] != NULL && !bit(array->buffers[0], array->offset + row);
}

static inline void check_texts(const struct ArrowArray *array) {
    const int32_t *ends = array->buffers[1];
    assert_int_equal(array->n_buffers, 3);
    assert_non_null(array->buffers[2]);
    assert_int_equal(ends[0], 0);
    for (int64_t i = 0; i < array->length; i++) assert_true(ends[i] <= ends[i + 1]);
}

static inline void check_array(const struct ArrowSchema *schema, const struct ArrowArray *array) {
    assert_non_null(array->release);
    assert_int_equal(array->offset, 0);
    assert_int_equal(array->n_children, schema->n_children);
    int64_t nulls = 0;
    for (int64_t i = 0; i < array->length; i++) nulls += array_null(array, i);
    assert_int_equal(array->null_count, nulls);
    if (nulls > 0) assert_true((schema->flags & ARROW_FLAG_NULLABLE) != 0);
    if (strcmp(schema->format, "u") == 0) check_texts(array);
    if (schema->n_children == 0) assert_non_null(array->buffers[1]);
    assert_int_equal(schema->dictionary != NULL, array->dictionary != NULL);
    if (array->dictionary == NULL) return;
    check_array(schema->dictionary, array->dictionary);
    for (int64_t i = 0; i < array->length; i++) {
        int32_t number = ((const int32_t *)array->buffers[1])[i];
        assert_in_range(number, 0, array->dictionary->length - (array_null(array, i) ? 0 : 1));
    }
}

static inline void check_batch(const struct ArrowSchema *schema, const struct ArrowArray *batch) {
    assert_int_equal(batch->n_children, schema->n_children);
    assert_in_range(batch->length, 1, 65536);
    assert_int_equal(batch->n_buffers, 1);
    assert_null(batch->buffers[0]);
    for (int64_t i = 0; i < batch->n_children; i++) {
        assert_int_equal(batch->children[i]->length, batch->length);
        check_array(schema->children[i], batch->children[i]);
    }
}

/* ---- reading ---- */

static inline void open_stream(const jm_recording *recording, jm_table which,
                               const jm_table_options *options, struct ArrowArrayStream *stream) {
    jm_error error = {0};
    fixture_ok(jm_arrow(recording, which, options, stream, &error), &error);
    assert_non_null(stream->release);
}

static inline table read_stream(struct ArrowArrayStream *stream) {
    table t = {.batches = NULL};
    assert_int_equal(stream->get_schema(stream, &t.schema), 0);
    assert_string_equal(t.schema.format, "+s");
    for (;;) {
        struct ArrowArray batch;
        if (stream->get_next(stream, &batch) != 0) fail_msg("%s", stream->get_last_error(stream));
        assert_null(stream->get_last_error(stream));
        if (batch.release == NULL) break;
        check_batch(&t.schema, &batch);
        t.batches = realloc(t.batches, (t.batch_count + 1) * sizeof batch);
        t.batches[t.batch_count++] = batch;
        t.rows += batch.length;
    }
    return t;
}

static inline table read_table(const jm_recording *recording, jm_table which,
                               const jm_table_options *options) {
    struct ArrowArrayStream stream;
    open_stream(recording, which, options, &stream);
    table t = read_stream(&stream);
    stream.release(&stream);
    assert_null(stream.release);
    return t;
}

static inline void free_table(table *t) {
    for (size_t i = 0; i < t->batch_count; i++) t->batches[i].release(&t->batches[i]);
    free(t->batches);
    t->schema.release(&t->schema);
}

/* ---- values ---- */

static inline int64_t column(const table *t, const char *name) {
    for (int64_t i = 0; i < t->schema.n_children; i++)
        if (strcmp(t->schema.children[i]->name, name) == 0) return i;
    fail_msg("there is no column %s", name);
    return -1;
}

/* The array that holds a row, whose place in it goes into *row. */
static inline const struct ArrowArray *array_of(const table *t, const char *name, int64_t *row) {
    int64_t c = column(t, name);
    assert_in_range(*row, 0, t->rows - 1);
    size_t b = 0;
    while (*row >= t->batches[b].length) *row -= t->batches[b++].length;
    return t->batches[b].children[c];
}

static inline bool is_null(const table *t, const char *name, int64_t row) {
    const struct ArrowArray *array = array_of(t, name, &row);
    return array_null(array, row);
}

/* NaN if it is null. */
static inline double number(const table *t, const char *name, int64_t row) {
    const char *format = t->schema.children[column(t, name)]->format;
    const struct ArrowArray *array = array_of(t, name, &row);
    const void *data = array->buffers[1];
    if (array_null(array, row)) return NAN;
    switch (format[0]) {
    case 'g': return ((const double *)data)[row];
    case 'l': return (double)((const int64_t *)data)[row];
    case 'L': return (double)((const uint64_t *)data)[row];
    case 'i': return ((const int32_t *)data)[row];
    case 'I': return ((const uint32_t *)data)[row];
    case 'C': return ((const uint8_t *)data)[row];
    case 'b': return bit(data, row);
    default: fail_msg("%s is no number but %s", name, format);
    }
    return NAN;
}

/* "(null)" if it is null; in one of a few buffers, which are used in turn. */
static inline const char *text(const table *t, const char *name, int64_t row) {
    static char buffers[8][5000];
    static unsigned turn;
    const struct ArrowArray *array = array_of(t, name, &row);
    if (array_null(array, row)) return "(null)";
    if (array->dictionary != NULL) {
        row = ((const int32_t *)array->buffers[1])[row];
        array = array->dictionary;
    }
    const int32_t *ends = array->buffers[1];
    const char *chars = array->buffers[2];
    char *out = buffers[turn++ % 8];
    snprintf(out, sizeof buffers[0], "%.*s", (int)(ends[row + 1] - ends[row]), chars + ends[row]);
    return out;
}

/* The numbers are the same, or both are missing. */
static inline void same(double got, double wanted) {
    if (isnan(got) && isnan(wanted)) return;
    double slack = 1e-9 * fabs(wanted) + 1e-12;
    if (!(fabs(got - wanted) <= slack)) fail_msg("%.17g, not %.17g", got, wanted);
}

#endif
