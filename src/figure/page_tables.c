/* Tables of the page: phases, epochs and batches as their tables have them, and names of ranges as
 * the summary adds them up. */
#include "figure/page.h"

#include "report/frame_cell.h"

#include <math.h>
#include <string.h>

enum { MOST_ROWS = 3000 };

typedef struct column {
    const char *name, *title, *unit, *kind;
} column;

static json_t *column_object(const column *c) {
    json_t *object = json_object();
    jmi_json_set_text(object, "name", c->name);
    jmi_json_set_text(object, "title", c->title);
    jmi_json_set_text(object, "unit", c->unit);
    if (strcmp(c->kind, "hidden") == 0) {
        jmi_json_set_text(object, "kind", "number");
        jmi_json_set_bool(object, "hidden", true);
        return object;
    }
    jmi_json_set_text(object, "kind", c->kind);
    if (strcmp(c->kind, "energy") == 0) {
        jmi_json_set_text(object, "u95", "energy_u95_j");
        jmi_json_set_text(object, "bound", "bound_only");
    }
    return object;
}

static json_t *table_object(const char *name, const char *title, const column *columns,
                            size_t count, json_t *rows, uint64_t total) {
    json_t *object = json_object(), *list = json_array();
    for (size_t i = 0; i < count; i++) json_array_append_new(list, column_object(&columns[i]));
    jmi_json_set_text(object, "name", name);
    jmi_json_set_text(object, "title", title);
    json_object_set_new(object, "columns", list);
    json_object_set_new(object, "rows", rows);
    jmi_json_set_count(object, "total", total);
    return object;
}

/* ---- from the tables of the recording ---- */

#define ENERGY_COLUMNS                                                                             \
    {"energy_j", "energy", "J", "energy"}, {"energy_u95_j", "", "J", "hidden"},                    \
        {"bound_only", "", "", "hidden"}, {                                                        \
        "avg_power_w", "mean power", "W", "number"                                                 \
    }

static const column phase_columns[] = {
    {"phase", "phase", "", "text"},
    {"calls", "calls", "", "number"},
    {"time_s", "time", "s", "number"},
    ENERGY_COLUMNS,
    {"samples", "samples", "", "number"},
    {"j_per_sample", "energy a sample", "J", "number"},
    {"throughput", "throughput", "1/s", "number"},
    {"avg_gpu_util", "GPU utilisation", "%", "number"},
    {"avg_mem_util", "memory utilisation", "%", "number"},
};

static const column epoch_columns[] = {
    {"epoch", "epoch", "", "number"},
    {"time_s", "time", "s", "number"},
    ENERGY_COLUMNS,
    {"avg_gpu_util", "GPU utilisation", "%", "number"},
    {"avg_mem_util", "memory utilisation", "%", "number"},
};

static const column batch_columns[] = {
    {"batch", "batch", "", "number"},
    {"batch_size", "size", "", "number"},
    {"time_s", "time", "s", "number"},
    ENERGY_COLUMNS,
    {"j_per_sample", "energy a sample", "J", "number"},
    {"throughput", "throughput", "1/s", "number"},
    {"loss", "loss", "", "number"},
};

static json_t *cell(const jmi_batch *batch, size_t index, size_t row) {
    size_t length = 0;
    if (index == SIZE_MAX) return json_null();
    const char *text = jmi_cell_text(batch, index, row, &length);
    if (text == NULL) return jmi_json_number(jmi_cell_number(batch, index, row));
    json_t *value = json_stringn(text, length);
    return value != NULL ? value : json_string("?"); /* no UTF-8 */
}

static void add_rows(json_t *rows, const jmi_frame *frame, const jmi_batch *batch,
                     const column *columns, size_t count) {
    for (size_t row = 0; row < batch->rows && json_array_size(rows) < MOST_ROWS; row++) {
        json_t *list = json_array();
        for (size_t i = 0; i < count; i++)
            json_array_append_new(list, cell(batch, jmi_frame_column(frame, columns[i].name), row));
        json_array_append_new(rows, list);
    }
}

static int add_table(json_t *tables, const jmi_html_source *source, jm_table table,
                     const char *name, const char *title, const column *columns, size_t count,
                     jm_error *error) {
    jm_table_options options = JM_TABLE_OPTIONS_INIT;
    options.energy = source->energy;
    jmi_frame *frame;
    jmi_batch *batch = NULL;
    json_t *rows = json_array();
    uint64_t total = 0;
    int status = jmi_frame_open(&frame, source->recording, table, &options, error);
    while (status == JM_OK && (status = jmi_frame_next(frame, &batch, error)) == JM_OK &&
           batch != NULL) {
        total += batch->rows;
        add_rows(rows, frame, batch, columns, count);
        jmi_batch_free(batch);
    }
    jmi_frame_close(frame);
    if (status == JM_OK && total > 0)
        json_array_append_new(tables, table_object(name, title, columns, count, rows, total));
    else
        json_decref(rows);
    return status;
}

/* ---- from the summary ---- */

static const column name_columns[] = {
    {"name", "name", "", "text"},
    {"device", "device", "", "text"},
    {"calls", "calls", "", "number"},
    {"time_s", "time", "s", "number"},
    ENERGY_COLUMNS,
    {"share", "share of all", "%", "number"},
};

static json_t *group_row(const jmi_html_source *source, const jmi_group *g) {
    json_t *row = json_array();
    const jm_energy *e = &g->energy;
    bool known = jmi_is_measured(e), on_host = g->device == JM_DEVICE_TOTAL;
    json_array_append_new(row, jmi_json_text(g->name));
    json_array_append_new(
        row, jmi_json_text(on_host ? "" : source->summary->devices[g->device].device.name));
    json_array_append_new(row, json_integer((json_int_t)g->calls));
    json_array_append_new(row, jmi_json_number(g->wall_s));
    json_array_append_new(row, jmi_json_number(known ? e->energy_j : (double)NAN));
    json_array_append_new(row, jmi_json_number(known ? e->u95_j : (double)NAN));
    json_array_append_new(row, json_integer((e->provenance & JM_BOUND_ONLY) != 0));
    json_array_append_new(row, jmi_json_number(known ? e->mean_power_w : (double)NAN));
    json_array_append_new(row, jmi_json_number(100 * g->share));
    return row;
}

static void add_names(json_t *tables, const jmi_html_source *source, jm_category category,
                      const char *title) {
    json_t *rows = json_array();
    uint64_t total = 0;
    for (size_t i = 0; i < source->summary->group_count; i++) {
        const jmi_group *g = &source->summary->groups[i];
        if (g->category != category) continue;
        if (total++ < MOST_ROWS) json_array_append_new(rows, group_row(source, g));
    }
    if (total > 0)
        json_array_append_new(tables,
                              table_object(jm_category_name((int)category), title, name_columns,
                                           JMI_COUNT(name_columns), rows, total));
    else
        json_decref(rows);
}

json_t *jmi_html_tables(const jmi_html_source *source, jm_error *error) {
    json_t *tables = json_array();
    int status = add_table(tables, source, JM_TABLE_PHASES, "phases", "Phases", phase_columns,
                           JMI_COUNT(phase_columns), error);
    if (status == JM_OK)
        status = add_table(tables, source, JM_TABLE_EPOCHS, "epochs", "Epochs", epoch_columns,
                           JMI_COUNT(epoch_columns), error);
    if (status == JM_OK)
        status = add_table(tables, source, JM_TABLE_BATCHES, "batches", "Batches", batch_columns,
                           JMI_COUNT(batch_columns), error);
    if (status != JM_OK) {
        json_decref(tables);
        return NULL;
    }
    add_names(tables, source, JM_CATEGORY_LAYER, "Layers");
    add_names(tables, source, JM_CATEGORY_KERNEL, "Kernels");
    add_names(tables, source, JM_CATEGORY_NVTX, "NVTX ranges");
    add_names(tables, source, JM_CATEGORY_USER, "Ranges");
    return tables;
}
