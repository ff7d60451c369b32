#include "report/frame_csv.h"
#include "report/json.h"

#include <stdlib.h>
#include <string.h>

/* What an export writes. Times are seconds: t_unix_s since 1970 (UTC), t_s since the recording
 * began. */

enum { MOST_FILES = 8 };

typedef struct flag_name {
    uint32_t bit;
    const char *name;
} flag_name;

static void add_flags(jmi_csv *csv, uint32_t bits, const flag_name *names, size_t count) {
    char text[128] = "";
    size_t length = 0;
    for (size_t i = 0; i < count; i++)
        if (bits & names[i].bit)
            length += (size_t)snprintf(text + length, sizeof text - length, "%s%s",
                                       length > 0 ? " " : "", names[i].name);
    jmi_csv_text(csv, text);
}

static void header(jmi_csv *csv, const char *const *names) {
    for (size_t i = 0; names[i] != NULL; i++) jmi_csv_text(csv, names[i]);
    jmi_csv_row(csv);
}

/* ---- samples ---- */

typedef struct sample_source {
    const char *device;
    const char *quantity;
    const char *unit;
    const char *source;
    int64_t begin_ns;
    int64_t utc_ns;
} sample_source;

static void add_samples(jmi_csv *csv, const jm_samples *block, const sample_source *source) {
    static const flag_name names[] = {{JM_SAMPLE_CHANGED, "changed"},
                                      {JM_SAMPLE_GAP, "gap"},
                                      {JM_SAMPLE_MISSING, "missing"},
                                      {JM_SAMPLE_RESET, "reset"}};
    for (size_t i = 0; i < block->count; i++) {
        int64_t t = block->t_ns[i];
        bool missing = (block->flags[i] & JM_SAMPLE_MISSING) != 0;
        jmi_csv_seconds(csv, t + source->utc_ns);
        jmi_csv_seconds(csv, t - source->begin_ns);
        jmi_csv_text(csv, source->device);
        jmi_csv_text(csv, source->quantity);
        jmi_csv_text(csv, source->unit);
        if (missing)
            jmi_csv_text(csv, "");
        else
            jmi_csv_double(csv, block->value[i]);
        if (block->since_ns[i] == UINT32_MAX)
            jmi_csv_text(csv, "");
        else
            jmi_csv_seconds(csv, block->since_ns[i]);
        add_flags(csv, block->flags[i], names, JMI_COUNT(names));
        jmi_csv_text(csv, source->source);
        jmi_csv_row(csv);
    }
}

static int write_sensor(jmi_csv *csv, const jmi_summary *summary, uint32_t index, jm_error *error) {
    const jm_sensor *sensor = &summary->sensors[index].sensor;
    const jm_recording *recording = summary->recording;
    sample_source source = {
        .device = sensor->device < summary->device_count
                      ? summary->devices[sensor->device].device.name
                      : "",
        .quantity = jm_quantity_name(sensor->quantity),
        .unit = jm_quantity_unit(sensor->quantity),
        .source = sensor->source,
        .begin_ns = jm_recording_begin_ns(recording),
        .utc_ns = jm_recording_utc_offset_ns(recording),
    };
    jm_cursor *cursor = NULL;
    int status = jm_cursor_open(&cursor, recording, index, INT64_MIN, INT64_MAX, error);
    if (status == JM_NO_DATA) return JM_OK;
    if (status != JM_OK) return status;
    jm_samples block;
    while (csv->errnum == 0 && (status = jm_cursor_next(cursor, &block)) == JM_OK)
        add_samples(csv, &block, &source);
    jm_cursor_close(cursor);
    if (status == JM_OK || status == JM_NO_DATA) return JM_OK;
    return jmi_fail(error, status, "cannot read the samples of %s", sensor->source);
}

static int write_samples(jmi_csv *csv, const jmi_summary *summary, const jm_report_options *options,
                         jm_error *error) {
    static const char *const names[] = {"t_unix_s", "t_s",     "device", "quantity", "unit",
                                        "value",    "since_s", "flags",  "source",   NULL};
    (void)options;
    header(csv, names);
    int status = JM_OK;
    for (uint32_t i = 0; status == JM_OK && i < summary->sensor_count; i++)
        status = write_sensor(csv, summary, i, error);
    return status;
}

/* ---- marks ---- */

static int write_marks(jmi_csv *csv, const jmi_summary *summary, const jm_report_options *options,
                       jm_error *error) {
    static const char *const names[] = {"t_unix_s",        "t_s", "name", "pid", "thread",
                                        "attributes_json", NULL};
    const jm_recording *recording = summary->recording;
    int64_t begin = jm_recording_begin_ns(recording), utc = jm_recording_utc_offset_ns(recording);
    uint64_t count = jm_recording_mark_count(recording);
    (void)options;
    header(csv, names);
    for (uint64_t i = 0; i < count && csv->errnum == 0; i++) {
        jm_mark_info mark = {.size = sizeof mark};
        int status = jm_recording_mark(recording, i, &mark);
        if (status != JM_OK) return jmi_fail(error, status, "cannot read a mark");
        jmi_csv_seconds(csv, mark.t_ns + utc);
        jmi_csv_seconds(csv, mark.t_ns - begin);
        jmi_csv_text(csv, mark.name);
        jmi_csv_count(csv, mark.pid);
        jmi_csv_count(csv, mark.thread);
        jmi_csv_text(csv, mark.attributes);
        jmi_csv_row(csv);
    }
    return JM_OK;
}

/* ---- all files ---- */

static int write_summary(jmi_csv *csv, const jmi_summary *summary, const jm_report_options *options,
                         jm_error *error) {
    char *json = NULL;
    int status = jmi_json_write(summary, options, &json, error);
    if (status == JM_OK) jmi_csv_raw(csv, json, strlen(json));
    free(json);
    return status;
}

typedef int (*file_writer)(jmi_csv *, const jmi_summary *, const jm_report_options *, jm_error *);

/* A file of an export: what `write` makes of the recording, or one of the tables. */
typedef struct export_file {
    const char *name;
    file_writer write; /* NULL: a table */
    jm_table table;
} export_file;

static int write_file(jmi_csv *csv, const export_file *file, const jmi_summary *summary,
                      const jm_report_options *ours, jm_error *error) {
    if (file->write != NULL) return file->write(csv, summary, ours, error);
    jm_table_options options = JM_TABLE_OPTIONS_INIT;
    options.energy = ours->energy;
    return jmi_frame_write(csv, summary->recording, file->table, &options, error);
}

/* All files are written before the first gets its name: a full disk leaves old ones as they were.
 */
static int write_files(const jmi_summary *summary, const char *dir, const export_file *files,
                       size_t file_count, const jm_report_options *options, jm_error *error) {
    jmi_csv open[MOST_FILES];
    size_t count = 0;
    int status = JM_OK;
    while (status == JM_OK && count < file_count) {
        jmi_csv *csv = &open[count];
        status = jmi_csv_open(csv, dir, files[count].name, error);
        if (status != JM_OK) break;
        status = write_file(csv, &files[count++], summary, options, error);
        if (status == JM_OK) status = jmi_csv_finish(csv, error);
    }
    for (size_t i = 0; status == JM_OK && i < count; i++) status = jmi_csv_commit(&open[i], error);
    for (size_t i = 0; i < count; i++) jmi_csv_close(&open[i]);
    return status;
}

static bool has_ranges(const jmi_summary *summary, jm_category category) {
    for (size_t i = 0; i < summary->group_count; i++)
        if (summary->groups[i].category == category) return true;
    return false;
}

static size_t choose_files(const jmi_summary *summary, bool tables, export_file *files) {
    size_t count = 0;
    files[count++] = (export_file){"samples.csv", tables ? NULL : write_samples, JM_TABLE_SAMPLES};
    files[count++] = (export_file){"marks.csv", tables ? NULL : write_marks, JM_TABLE_MARKS};
    files[count++] = (export_file){"ranges.csv", NULL, JM_TABLE_RANGES};
    if (has_ranges(summary, JM_CATEGORY_BATCH))
        files[count++] = (export_file){"batches.csv", NULL, JM_TABLE_BATCHES};
    if (has_ranges(summary, JM_CATEGORY_EPOCH))
        files[count++] = (export_file){"epochs.csv", NULL, JM_TABLE_EPOCHS};
    files[count++] = (export_file){"summary.json", write_summary, JM_TABLE_SAMPLES};
    return count;
}

int jm_export(const jm_recording *recording, const char *dir, const jm_report_options *options,
              jm_error *error) {
    if (dir == NULL || dir[0] == '\0')
        return jmi_fail(error, JM_INVALID, "the folder to export to has no name");
    jm_report_options ours;
    jmi_summary summary;
    export_file files[MOST_FILES];
    int status = jmi_report_options(&ours, options, error);
    if (status == JM_OK) status = jmi_summary_make(&summary, recording, ours.energy, error);
    if (status != JM_OK) return status;
    size_t count = choose_files(&summary, ours.tables, files);
    status = jmi_make_dirs(dir, error);
    if (status == JM_OK) status = write_files(&summary, dir, files, count, &ours, error);
    jmi_summary_free(&summary);
    return status;
}
