/* Tables of the page: phases, epochs and batches as their tables have them, and names of ranges as
 * the summary adds them up. */
#include "figure/page.h"

#include "figure/energy_bars.h"
#include "figure/own_time.h"
#include "report/frame_cell.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ROWS = 3000, LEAST_ROWS = 20 };
static const double share_of_bytes = 0.35;

typedef struct tables {
    const jmi_html_source *source;
    json_t *list;
    double left; /* bytes that they may yet take */
} tables;

/* Rows of one table, as many as there is room for. */
typedef struct rows {
    json_t *list;
    uint64_t total; /* that there are */
    double bytes, most;
} rows;

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

/* A table may have half of the room that is left: there are more to come. */
static rows begin_rows(const tables *t) {
    return (rows){.list = json_array(), .most = t->left / 2};
}

static bool has_room(const rows *r) {
    size_t count = json_array_size(r->list);
    return count < LEAST_ROWS || (count < MOST_ROWS && r->bytes < r->most);
}

static void add_row(const tables *t, rows *r, json_t *row) {
    jmi_html_round(row, t->source->duration_s);
    r->bytes += (double)jmi_html_bytes(row) + 1;
    json_array_append_new(r->list, row);
}

/* Takes the rows; no table without any. */
static void add_table(tables *t, const char *name, const char *title, const column *columns,
                      size_t count, rows *r) {
    if (r->total == 0) {
        json_decref(r->list);
        return;
    }
    json_t *object = json_object(), *list = json_array();
    for (size_t i = 0; i < count; i++) json_array_append_new(list, column_object(&columns[i]));
    jmi_json_set_text(object, "name", name);
    jmi_json_set_text(object, "title", title);
    json_object_set_new(object, "columns", list);
    json_object_set_new(object, "rows", r->list);
    jmi_json_set_count(object, "total", r->total);
    json_array_append_new(t->list, object);
    t->left -= r->bytes;
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

static json_t *text_of(const char *text, size_t length) {
    char *ended = malloc(length + 1);
    if (ended == NULL) return json_null();
    memcpy(ended, text, length);
    ended[length] = '\0';
    json_t *value = jmi_html_text(ended, JMI_HTML_NAME);
    free(ended);
    return value;
}

static json_t *cell(const jmi_batch *batch, size_t index, size_t row) {
    size_t length = 0;
    if (index == SIZE_MAX) return json_null();
    const char *text = jmi_cell_text(batch, index, row, &length);
    return text == NULL ? jmi_json_number(jmi_cell_number(batch, index, row))
                        : text_of(text, length);
}

static void add_rows(const tables *t, rows *r, const jmi_frame *frame, const jmi_batch *batch,
                     const column *columns, size_t count) {
    for (size_t row = 0; row < batch->rows && has_room(r); row++) {
        json_t *list = json_array();
        for (size_t i = 0; i < count; i++)
            json_array_append_new(list, cell(batch, jmi_frame_column(frame, columns[i].name), row));
        add_row(t, r, list);
    }
}

/* Looking for what is not there would cost a pass over all samples. */
static bool has_ranges(const tables *t, jm_category category) {
    for (size_t i = 0; i < t->source->summary->group_count; i++)
        if (t->source->summary->groups[i].category == category) return true;
    return false;
}

static int add_frame(tables *t, jm_table table, const char *name, const char *title,
                     const column *columns, size_t count, jm_error *error) {
    jm_table_options options = JM_TABLE_OPTIONS_INIT;
    options.energy = t->source->energy;
    jmi_frame *frame;
    jmi_batch *batch = NULL;
    rows r = begin_rows(t);
    int status = jmi_frame_open(&frame, t->source->recording, table, &options, error);
    while (status == JM_OK && (status = jmi_frame_next(frame, &batch, error)) == JM_OK &&
           batch != NULL) {
        r.total += batch->rows;
        add_rows(t, &r, frame, batch, columns, count);
        jmi_batch_free(batch);
    }
    jmi_frame_close(frame);
    if (status == JM_OK)
        add_table(t, name, title, columns, count, &r);
    else
        json_decref(r.list);
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
    json_array_append_new(row, jmi_html_text(g->name, JMI_HTML_NAME));
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

/* ---- layers and kernels ---- */

static const column part_columns[] = {
    {"name", "name", "", "text"},
    {"type", "type", "", "text"},
    {"device", "device", "", "text"},
    {"calls", "calls", "", "number"},
    {"time_s", "own time", "s", "number"},
    ENERGY_COLUMNS,
    {"share", "share of them", "%", "number"},
};

static json_t *part_row(const jmi_html_source *source, const jmi_part *p, double total_j) {
    const jm_energy *e = &p->energy;
    bool known = jmi_is_measured(e), estimated = jmi_energy_estimated(e);
    bool on_host = p->device >= source->summary->device_count;
    const char *device = on_host ? "" : source->summary->devices[p->device].device.name;
    json_t *row = json_array();
    json_array_append_new(row, jmi_html_text(p->name, JMI_HTML_NAME));
    json_array_append_new(row, jmi_html_text(p->type, JMI_HTML_NAME));
    json_array_append_new(row, jmi_json_text(device));
    json_array_append_new(row, json_integer((json_int_t)p->calls));
    json_array_append_new(row, jmi_json_number(p->time_s));
    json_array_append_new(row, jmi_json_number(known ? e->energy_j : (double)NAN));
    json_array_append_new(row, jmi_json_number(known ? e->u95_j : (double)NAN));
    json_array_append_new(row, json_integer(!estimated));
    json_array_append_new(row, jmi_json_number(known ? e->mean_power_w : (double)NAN));
    json_array_append_new(row, jmi_json_number(estimated ? 100 * e->energy_j / total_j : NAN));
    return row;
}

/* Parts as they were attributed. JM_NO_DATA: nothing measured them. */
static int add_parts(tables *t, jm_category category, const char *title, jm_error *error) {
    jmi_parts parts;
    double total_j = 0;
    jm_error why;
    int status = jmi_parts_make(&parts, t->source->figures, category, true, &why);
    if (status != JM_OK) return jmi_fail(error, status, "%s", why.message);
    rows r = begin_rows(t);
    for (size_t i = 0; i < parts.count; i++)
        if (jmi_energy_estimated(&parts.list[i].energy)) total_j += parts.list[i].energy.energy_j;
    for (size_t i = 0; i < parts.count; i++, r.total++)
        if (has_room(&r)) add_row(t, &r, part_row(t->source, &parts.list[i], total_j));
    add_table(t, jm_category_name((int)category), title, part_columns, JMI_COUNT(part_columns), &r);
    jmi_parts_free(&parts);
    return JM_OK;
}

/* ---- other ranges ---- */

/* Those that took most energy first. */
static void add_names(tables *t, jm_category category, const char *title) {
    rows r = begin_rows(t);
    for (size_t i = 0; i < t->source->summary->group_count; i++) {
        const jmi_group *g = &t->source->summary->groups[i];
        if (g->category != category) continue;
        r.total++;
        if (has_room(&r)) add_row(t, &r, group_row(t->source, g));
    }
    add_table(t, jm_category_name((int)category), title, name_columns, JMI_COUNT(name_columns), &r);
}

static int add_frames(tables *t, jm_error *error) {
    int status = JM_OK;
    if (has_ranges(t, JM_CATEGORY_PHASE) || has_ranges(t, JM_CATEGORY_WARMUP))
        status = add_frame(t, JM_TABLE_PHASES, "phases", "Phases", phase_columns,
                           JMI_COUNT(phase_columns), error);
    if (status == JM_OK && has_ranges(t, JM_CATEGORY_EPOCH))
        status = add_frame(t, JM_TABLE_EPOCHS, "epochs", "Epochs", epoch_columns,
                           JMI_COUNT(epoch_columns), error);
    if (status == JM_OK && has_ranges(t, JM_CATEGORY_BATCH))
        status = add_frame(t, JM_TABLE_BATCHES, "batches", "Batches", batch_columns,
                           JMI_COUNT(batch_columns), error);
    return status;
}

json_t *jmi_html_tables(const jmi_html_source *source, jm_error *error) {
    tables t = {
        .source = source, .list = json_array(), .left = share_of_bytes * (double)source->max_bytes};
    if (add_frames(&t, error) != JM_OK) {
        json_decref(t.list);
        return NULL;
    }
    static const struct {
        jm_category category;
        const char *title;
    } parts[] = {{JM_CATEGORY_LAYER, "Layers"}, {JM_CATEGORY_KERNEL, "Kernels"}};
    for (size_t i = 0; i < JMI_COUNT(parts); i++) {
        if (!has_ranges(&t, parts[i].category)) continue;
        int status = add_parts(&t, parts[i].category, parts[i].title, error);
        if (status == JM_NO_DATA) add_names(&t, parts[i].category, parts[i].title);
        if (status == JM_OK || status == JM_NO_DATA) continue;
        json_decref(t.list);
        return NULL;
    }
    add_names(&t, JM_CATEGORY_NVTX, "NVTX ranges");
    add_names(&t, JM_CATEGORY_USER, "Ranges");
    return t.list;
}
