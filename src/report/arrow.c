/* Tables as Arrow streams. What is handed out is counted: schemas, arrays, their children and their
 * dictionaries may be moved and released in any order, from any thread, after stream and recording
 * are gone. */
#include "report/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- schemas ---- */

/* One for a schema and all below it, freed by the last of them. */
typedef struct schema_block {
    _Atomic uint32_t refs;
    char *names; /* of the columns, one after the other */
    struct ArrowSchema **children;
    struct ArrowSchema node[]; /* of each column, then of its dictionary if it has one */
} schema_block;

static const char *format_of(jmi_kind kind) {
    static const char *const formats[] = {
        [JMI_SECONDS] = "g", [JMI_NUMBER] = "g", [JMI_ROUNDED] = "g", [JMI_INT64] = "l",
        [JMI_UINT64] = "L",  [JMI_INT32] = "i",  [JMI_UINT32] = "I",  [JMI_UINT8] = "C",
        [JMI_BOOL] = "b",    [JMI_TEXT] = "u",   [JMI_NAME] = "i",
    };
    return formats[kind];
}

static void unref_schema(schema_block *block) {
    if (atomic_fetch_sub_explicit(&block->refs, 1, memory_order_acq_rel) != 1) return;
    free(block->names);
    free(block->children);
    free(block);
}

static void release_schema(struct ArrowSchema *schema) {
    for (int64_t i = 0; i < schema->n_children; i++)
        if (schema->children[i]->release != NULL) schema->children[i]->release(schema->children[i]);
    if (schema->dictionary != NULL && schema->dictionary->release != NULL)
        schema->dictionary->release(schema->dictionary);
    schema_block *block = schema->private_data;
    schema->release = NULL;
    unref_schema(block);
}

static schema_block *new_schema_block(const jmi_frame *frame) {
    size_t count = frame->field_count, bytes = 1;
    for (size_t i = 0; i < count; i++) bytes += strlen(frame->fields[i].name) + 1;
    schema_block *block = jmi_alloc(1, sizeof *block + 2 * count * sizeof block->node[0]);
    if (block == NULL) return NULL;
    atomic_init(&block->refs, 1);
    block->names = jmi_alloc(bytes, 1);
    block->children = jmi_alloc(count, sizeof(struct ArrowSchema *));
    if (block->names != NULL && block->children != NULL) return block;
    unref_schema(block);
    return NULL;
}

static void begin_schema(struct ArrowSchema *schema, schema_block *block, const char *format,
                         const char *name) {
    *schema = (struct ArrowSchema){
        .format = format, .name = name, .release = release_schema, .private_data = block};
    atomic_fetch_add_explicit(&block->refs, 1, memory_order_relaxed);
}

static bool export_schema(const jmi_frame *frame, struct ArrowSchema *out) {
    schema_block *block = new_schema_block(frame);
    if (block == NULL) return false;
    char *name = block->names;
    for (size_t i = 0; i < frame->field_count; i++) {
        const jmi_field *field = &frame->fields[i];
        struct ArrowSchema *child = block->children[i] = &block->node[2 * i];
        size_t length = strlen(field->name) + 1;
        memcpy(name, field->name, length);
        begin_schema(child, block, format_of(field->kind), name);
        name += length;
        if (field->nullable) child->flags = ARROW_FLAG_NULLABLE;
        if (field->kind != JMI_NAME) continue;
        child->dictionary = child + 1;
        begin_schema(child->dictionary, block, "u", "");
    }
    begin_schema(out, block, "+s", "");
    out->n_children = (int64_t)frame->field_count;
    out->children = block->children;
    unref_schema(block); /* ours: from here on those who hold schemas have it */
    return true;
}

/* ---- arrays ---- */

/* Likewise, over a batch. Buffers are listed here, since they must outlive a parent whose child
 * was moved away. */
typedef struct array_node {
    struct ArrowArray array;
    const void *buffers[3];
} array_node;

typedef struct array_block {
    _Atomic uint32_t refs;
    jmi_batch *batch;
    const void *no_buffer; /* of the parent: it has no nulls of its own */
    struct ArrowArray **children;
    array_node node[]; /* of each column, then of its dictionary if it has one */
} array_block;

static void unref_array(array_block *block) {
    if (atomic_fetch_sub_explicit(&block->refs, 1, memory_order_acq_rel) != 1) return;
    jmi_batch_free(block->batch);
    free(block->children);
    free(block);
}

static void release_array(struct ArrowArray *array) {
    for (int64_t i = 0; i < array->n_children; i++)
        if (array->children[i]->release != NULL) array->children[i]->release(array->children[i]);
    if (array->dictionary != NULL && array->dictionary->release != NULL)
        array->dictionary->release(array->dictionary);
    array_block *block = array->private_data;
    array->release = NULL;
    unref_array(block);
}

static void begin_array(struct ArrowArray *array, array_block *block, size_t length,
                        const void **buffers, int64_t count) {
    *array = (struct ArrowArray){.length = (int64_t)length,
                                 .n_buffers = count,
                                 .buffers = buffers,
                                 .release = release_array,
                                 .private_data = block};
    atomic_fetch_add_explicit(&block->refs, 1, memory_order_relaxed);
}

static void export_texts(array_node *node, array_block *block, size_t count, const void *ends,
                         const char *text) {
    begin_array(&node->array, block, count, node->buffers, 3);
    node->buffers[1] = ends;
    node->buffers[2] = text;
}

static void export_column(array_node *node, array_block *block, const jmi_column *column) {
    size_t rows = block->batch->rows;
    if (column->kind == JMI_TEXT) {
        export_texts(node, block, rows, column->data, column->text);
    } else {
        begin_array(&node->array, block, rows, node->buffers, 2);
        node->buffers[1] = column->data;
    }
    node->array.null_count = (int64_t)column->nulls;
    if (column->nulls > 0) node->buffers[0] = column->valid;
    if (column->kind != JMI_NAME) return;
    node->array.dictionary = &(node + 1)->array;
    export_texts(node + 1, block, column->names->count, column->names->ends, column->names->text);
}

/* CSV wants nanoseconds, Arrow seconds: they take the same room. Whole seconds and the rest apart
 * are rounded once. */
static void to_seconds(jmi_batch *batch) {
    for (size_t i = 0; i < batch->column_count; i++) {
        if (batch->column[i].kind != JMI_SECONDS) continue;
        const int64_t *ns = batch->column[i].data;
        double *s = batch->column[i].data;
        for (size_t row = 0; row < batch->rows; row++) {
            int64_t whole = ns[row] / JMI_NS_PER_S, rest = ns[row] % JMI_NS_PER_S;
            s[row] = (double)whole + (double)rest / 1e9;
        }
    }
}

/* Takes the batch. */
static bool export_array(jmi_batch *batch, struct ArrowArray *out) {
    size_t count = batch->column_count;
    array_block *block = jmi_alloc(1, sizeof *block + 2 * count * sizeof block->node[0]);
    struct ArrowArray **children = jmi_alloc(count, sizeof(struct ArrowArray *));
    if (block == NULL || children == NULL) {
        free(block);
        free(children);
        jmi_batch_free(batch);
        return false;
    }
    atomic_init(&block->refs, 1);
    block->batch = batch;
    block->children = children;
    to_seconds(batch);
    for (size_t i = 0; i < count; i++) {
        export_column(&block->node[2 * i], block, &batch->column[i]);
        children[i] = &block->node[2 * i].array;
    }
    begin_array(out, block, batch->rows, &block->no_buffer, 1);
    out->n_children = (int64_t)count;
    out->children = children;
    unref_array(block);
    return true;
}

/* ---- streams ---- */

typedef struct stream {
    jmi_frame *frame;
    jm_error error; /* of the last call */
} stream;

static int errno_of(int status) {
    switch (status) {
    case JM_OK: return 0;
    case JM_MEMORY: return ENOMEM;
    case JM_INVALID: return EINVAL;
    default: return EIO;
    }
}

static int get_schema(struct ArrowArrayStream *self, struct ArrowSchema *out) {
    stream *s = self->private_data;
    s->error = (jm_error){0};
    out->release = NULL;
    if (export_schema(s->frame, out)) return 0;
    return errno_of(jmi_fail(&s->error, JM_MEMORY, "out of memory for a table's schema"));
}

static int get_next(struct ArrowArrayStream *self, struct ArrowArray *out) {
    stream *s = self->private_data;
    jmi_batch *batch;
    s->error = (jm_error){0};
    out->release = NULL;
    int status = jmi_frame_next(s->frame, &batch, &s->error);
    if (status == JM_OK && batch != NULL && !export_array(batch, out))
        status = jmi_fail(&s->error, JM_MEMORY, "out of memory for a table's rows");
    return errno_of(status);
}

static const char *get_last_error(struct ArrowArrayStream *self) {
    const stream *s = self->private_data;
    return s->error.message[0] != '\0' ? s->error.message : NULL;
}

static void release_stream(struct ArrowArrayStream *self) {
    stream *s = self->private_data;
    jmi_frame_close(s->frame);
    free(s);
    self->private_data = NULL;
    self->release = NULL;
}

int jm_arrow(const jm_recording *recording, jm_table table, const jm_table_options *options,
             struct ArrowArrayStream *out, jm_error *error) {
    if (out == NULL) return jmi_fail(error, JM_INVALID, "there is no stream to fill (NULL)");
    *out = (struct ArrowArrayStream){0};
    stream *s = jmi_alloc(1, sizeof *s);
    if (s == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for a table");
    int status = jmi_frame_open(&s->frame, recording, table, options, error);
    if (status != JM_OK) {
        free(s);
        return status;
    }
    *out = (struct ArrowArrayStream){get_schema, get_next, get_last_error, release_stream, s};
    return JM_OK;
}
