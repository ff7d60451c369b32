#include "report/csv.h"
#include "report/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Times are seconds: t_unix_s since 1970 (UTC), t_s since the
 * recording began. */

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

static int write_samples(jmi_csv *csv, const jmi_summary *summary, const jm_energy_options *options,
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

static int write_marks(jmi_csv *csv, const jmi_summary *summary, const jm_energy_options *options,
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

/* ---- ranges ---- */

typedef struct range_writer {
    jmi_csv *csv;
    int64_t begin_ns;
    int64_t utc_ns;
    size_t devices;
} range_writer;

static void add_energy(jmi_csv *csv, const jm_energy *e) {
    static const flag_name flags[] = {{JM_ENERGY_CONFLICT, "conflict"},
                                      {JM_ENERGY_PARTIAL, "partial"},
                                      {JM_ENERGY_LOCKED, "locked"},
                                      {JM_ENERGY_ACTIVITY, "activity"},
                                      {JM_ENERGY_RESET, "reset"}};
    char provenance[96];
    bool known = (e->provenance & ~(uint32_t)JM_BOUND_ONLY) != 0;
    const double values[] = {e->energy_j, e->u95_j, e->lower_j, e->upper_j, e->mean_power_w};
    for (size_t i = 0; i < JMI_COUNT(values); i++) {
        if (known)
            jmi_csv_rounded(csv, values[i]);
        else
            jmi_csv_text(csv, "");
    }
    jmi_csv_rounded(csv, e->measured);
    jmi_csv_text(csv, jm_provenance_text(e->provenance, provenance, sizeof provenance));
    add_flags(csv, e->flags, flags, JMI_COUNT(flags));
}

static int add_range(void *user, const jmi_range_row *row) {
    range_writer *w = user;
    jmi_csv *csv = w->csv;
    const jm_range *range = row->range;
    jmi_csv_count(csv, range->id);
    if (range->parent == 0)
        jmi_csv_text(csv, "");
    else
        jmi_csv_count(csv, range->parent);
    jmi_csv_text(csv, jm_category_name(range->category));
    jmi_csv_text(csv, range->name);
    jmi_csv_seconds(csv, range->begin_ns + w->utc_ns);
    jmi_csv_seconds(csv, range->begin_ns - w->begin_ns);
    jmi_csv_seconds(csv, range->end_ns - w->begin_ns);
    jmi_csv_seconds(csv, range->end_ns - range->begin_ns);
    add_energy(csv, row->energy);
    jmi_csv_count(csv, range->unfinished);
    jmi_csv_count(csv, range->pid);
    jmi_csv_count(csv, range->thread);
    jmi_csv_text(csv, row->device != NULL ? row->device : "");
    if (row->device != NULL)
        jmi_csv_count(csv, range->stream);
    else
        jmi_csv_text(csv, "");
    jmi_csv_text(csv, range->attributes);
    for (size_t i = 0; i < w->devices; i++) {
        const jm_energy *energy = row->energies[i];
        bool known = (energy->provenance & ~(uint32_t)JM_BOUND_ONLY) != 0;
        jmi_csv_rounded(csv, known ? energy->energy_j : (double)NAN);
        jmi_csv_rounded(csv, known ? energy->u95_j : (double)NAN);
    }
    jmi_csv_row(csv);
    return csv->errnum == 0 ? JM_OK : JM_IO;
}

static void range_header(jmi_csv *csv, const jmi_summary *summary, const uint32_t *devices,
                         size_t count) {
    static const char *const names[] = {"id",
                                        "parent",
                                        "category",
                                        "name",
                                        "begin_unix_s",
                                        "begin_s",
                                        "end_s",
                                        "duration_s",
                                        "energy_j",
                                        "energy_u95_j",
                                        "energy_lower_j",
                                        "energy_upper_j",
                                        "mean_power_w",
                                        "measured_share",
                                        "provenance",
                                        "flags",
                                        "unfinished",
                                        "pid",
                                        "thread",
                                        "device",
                                        "stream",
                                        "attributes_json"};
    for (size_t i = 0; i < JMI_COUNT(names); i++) jmi_csv_text(csv, names[i]);
    for (size_t i = 0; i < count; i++) {
        char name[160];
        const char *device = summary->devices[devices[i]].device.name;
        snprintf(name, sizeof name, "%.120s_energy_j", device);
        jmi_csv_text(csv, name);
        snprintf(name, sizeof name, "%.120s_energy_u95_j", device);
        jmi_csv_text(csv, name);
    }
    jmi_csv_row(csv);
}

static int write_ranges(jmi_csv *csv, const jmi_summary *summary, const jm_energy_options *options,
                        jm_error *error) {
    uint32_t *devices = jmi_alloc(summary->device_count + 1, sizeof *devices);
    if (devices == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    size_t count = 0;
    for (uint32_t i = 0; i < summary->device_count; i++)
        if (summary->devices[i].has_energy) devices[count++] = i;
    range_header(csv, summary, devices, count);
    range_writer writer = {csv, jm_recording_begin_ns(summary->recording),
                           jm_recording_utc_offset_ns(summary->recording), count};
    int status =
        jmi_ranges_visit(summary, devices, count, UINT64_MAX, options, add_range, &writer, error);
    free(devices);
    return csv->errnum != 0 ? JM_OK : status; /* finish reports the write error */
}

/* ---- all files ---- */

static int write_summary(jmi_csv *csv, const jmi_summary *summary, const jm_energy_options *options,
                         jm_error *error) {
    char *json = NULL;
    int status = jmi_json_write(summary, options, &json, error);
    if (status == JM_OK) jmi_csv_raw(csv, json, strlen(json));
    free(json);
    return status;
}

typedef int (*file_writer)(jmi_csv *, const jmi_summary *, const jm_energy_options *, jm_error *);

/* All files are written before the first gets its name: a full disk leaves old ones as they were.
 */
static int write_files(const jmi_summary *summary, const char *dir,
                       const jm_energy_options *options, jm_error *error) {
    static const struct {
        const char *name;
        file_writer write;
    } files[] = {{"samples.csv", write_samples},
                 {"marks.csv", write_marks},
                 {"ranges.csv", write_ranges},
                 {"summary.json", write_summary}};
    jmi_csv open[JMI_COUNT(files)];
    size_t count = 0;
    int status = JM_OK;
    while (status == JM_OK && count < JMI_COUNT(files)) {
        jmi_csv *csv = &open[count];
        status = jmi_csv_open(csv, dir, files[count].name, error);
        if (status != JM_OK) break;
        status = files[count++].write(csv, summary, options, error);
        if (status == JM_OK) status = jmi_csv_finish(csv, error);
    }
    for (size_t i = 0; status == JM_OK && i < count; i++) status = jmi_csv_commit(&open[i], error);
    for (size_t i = 0; i < count; i++) jmi_csv_close(&open[i]);
    return status;
}

int jm_export(const jm_recording *recording, const char *dir, const jm_report_options *options,
              jm_error *error) {
    if (dir == NULL || dir[0] == '\0')
        return jmi_fail(error, JM_INVALID, "the folder to export to has no name");
    jm_report_options ours;
    jmi_summary summary;
    int status = jmi_report_options(&ours, options, error);
    if (status == JM_OK) status = jmi_summary_make(&summary, recording, ours.energy, error);
    if (status != JM_OK) return status;
    status = jmi_make_dirs(dir, error);
    if (status == JM_OK) status = write_files(&summary, dir, ours.energy, error);
    jmi_summary_free(&summary);
    return status;
}
