/* Opening a recording: all that there is little of is read, and where the rest is. */
#include "record/file.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct opening {
    jmi_recfile *file;
    jm_recording *recording;
    uint64_t bytes; /* of its file and journal, such as were ever written */
    bool journal;
    uint64_t page_size;
    jm_error *error;
} opening;

/* Called for each row of a query; anything but JM_OK ends it. */
typedef int (*row_fn)(opening *o, sqlite3_stmt *row);

static int damaged(const opening *o, const char *what) {
    return jmi_fail(o->error, JM_FORMAT, "%s is damaged: %s", o->file->path, what);
}

static int each(opening *o, const char *sql, row_fn take) {
    sqlite3_stmt *row = NULL;
    int code = sqlite3_prepare_v2(o->file->db, sql, -1, &row, NULL);
    int status = JM_OK;
    while (code == SQLITE_OK && status == JM_OK) {
        int step = sqlite3_step(row);
        if (step == SQLITE_ROW)
            status = take(o, row);
        else
            code = step;
    }
    if (status == JM_OK && code != SQLITE_DONE)
        status = jmi_recfile_fail(o->file->db, o->error, "cannot read", o->file->path);
    sqlite3_finalize(row);
    return status;
}

static const char *text(sqlite3_stmt *row, int at) {
    const char *value = (const char *)sqlite3_column_text(row, at);
    return value != NULL ? value : "";
}

static uint64_t positive(sqlite3_stmt *row, int at) {
    int64_t value = sqlite3_column_int64(row, at);
    return value > 0 ? (uint64_t)value : 0;
}

static double number(sqlite3_stmt *row, int at) {
    double value = sqlite3_column_double(row, at);
    return isfinite(value) && value > 0 ? value : 0;
}

static int take_times(opening *o, sqlite3_stmt *row) {
    jm_recording *recording = o->recording;
    recording->begin_ns = sqlite3_column_int64(row, 0);
    recording->end_ns = sqlite3_column_int64(row, 1);
    recording->utc_offset_ns = sqlite3_column_int64(row, 2);
    recording->cut_off = sqlite3_column_int(row, 3) == 0;
    recording->fixed_begin = recording->begin_ns <= recording->end_ns;
    if (!jmi_time_valid(recording->begin_ns) || !jmi_time_valid(recording->end_ns) ||
        !jmi_time_valid(recording->utc_offset_ns))
        return damaged(o, "its times are none");
    if (recording->begin_ns == 0 && recording->end_ns == 0) { /* nothing was measured */
        recording->begin_ns = INT64_MAX;
        recording->end_ns = INT64_MIN;
        recording->fixed_begin = false;
    }
    return JM_OK;
}

static int take_info(opening *o, sqlite3_stmt *row) {
    int status = jm_recording_set_info(o->recording, text(row, 0), text(row, 1));
    return status == JM_INVALID ? JM_OK : status;
}

static int take_device(opening *o, sqlite3_stmt *row) {
    if (positive(row, 0) != o->recording->device_count) return damaged(o, "a device is missing");
    jm_device device = {.size = sizeof device,
                        .name = text(row, 1),
                        .vendor = text(row, 2),
                        .model = text(row, 3),
                        .uuid = text(row, 4),
                        .pci = text(row, 5),
                        .driver = text(row, 6),
                        .in_total = sqlite3_column_int(row, 7) != 0,
                        .simulated = sqlite3_column_int(row, 8) != 0,
                        .power_limit_w = number(row, 9),
                        .power_floor_w = number(row, 10)};
    jm_error why;
    int status = jm_recording_add_device(o->recording, &device, NULL, &why);
    return status == JM_INVALID || status == JM_FULL ? damaged(o, why.message) : status;
}

static int quantity_of(const char *name) {
    for (int q = 0; jmi_quantity_valid(q); q++)
        if (strcmp(jm_quantity_name(q), name) == 0) return q;
    return -1;
}

static int take_sensor(opening *o, sqlite3_stmt *row) {
    if (positive(row, 0) != o->recording->series_count) return damaged(o, "a sensor is missing");
    int quantity = quantity_of(text(row, 2));
    uint64_t device = positive(row, 1);
    if (quantity < 0 || device >= o->recording->device_count)
        return damaged(o, "a sensor measures nothing that is known");
    jm_sensor sensor = {.size = sizeof sensor,
                        .device = (uint32_t)device,
                        .quantity = (jm_quantity)quantity,
                        .source = text(row, 3),
                        .counter = sqlite3_column_int(row, 4) != 0,
                        .modelled = sqlite3_column_int(row, 5) != 0,
                        .source_time = sqlite3_column_int(row, 6) != 0,
                        .refresh_ns = positive(row, 7),
                        .window_ns = positive(row, 8),
                        .lag_ns = positive(row, 9),
                        .noise = number(row, 10),
                        .quantum = number(row, 11),
                        .calibrated = sqlite3_column_int(row, 12) != 0};
    jm_error why;
    int status = jm_recording_add_sensor(o->recording, &sensor, NULL, &why);
    return status == JM_INVALID || status == JM_FULL ? damaged(o, why.message) : status;
}

static int take_chunk(opening *o, sqlite3_stmt *row) {
    uint64_t sensor = positive(row, 1), count = positive(row, 2), valid = positive(row, 3);
    int64_t first = sqlite3_column_int64(row, 4), last = sqlite3_column_int64(row, 5);
    jm_recording *recording = o->recording;
    if (sensor >= recording->series_count) return damaged(o, "samples belong to no sensor");
    jmi_series *series = recording->series[sensor];
    const jmi_chunk *before = jmi_series_tail(series);
    bool good = count > 0 && count <= JMI_CHUNK_MAX && valid <= count && first <= last &&
                jmi_time_valid(first) && jmi_time_valid(last) && positive(row, 0) > 0 &&
                (before == NULL || first > before->t_last);
    if (!good) return damaged(o, "its samples are not in order");
    if (!jmi_reserve(&series->chunks, &series->chunk_capacity, series->chunk_count + 1,
                     sizeof *series->chunks))
        return jmi_fail(o->error, JM_MEMORY, "out of memory for samples");
    series->chunks[series->chunk_count++] = (jmi_chunk){.first_row = sqlite3_column_int64(row, 0),
                                                        .count = (uint32_t)count,
                                                        .valid = (uint32_t)valid,
                                                        .t_first = first,
                                                        .t_last = last,
                                                        .low = sqlite3_column_double(row, 6),
                                                        .high = sqlite3_column_double(row, 7)};
    series->resident = series->chunk_count;
    series->count += count;
    jmi_recording_note(recording, first);
    jmi_recording_note(recording, last);
    return JM_OK;
}

static int take_warning(opening *o, sqlite3_stmt *row) {
    jmi_recording_warn(o->recording, text(row, 0), "%s", text(row, 1));
    return JM_OK;
}

static int take_stats(opening *o, sqlite3_stmt *row) {
    o->recording->stats = (jm_sampler_stats){.size = sizeof o->recording->stats,
                                             .polls = positive(row, 0),
                                             .failed = positive(row, 1),
                                             .late = positive(row, 2),
                                             .dropped = positive(row, 3),
                                             .cpu_ns = positive(row, 4),
                                             .worst_late_ns = positive(row, 5)};
    return JM_OK;
}

static int take_page_size(opening *o, sqlite3_stmt *row) {
    o->page_size = positive(row, 0);
    return JM_OK;
}

static int take_page_count(opening *o, sqlite3_stmt *row) {
    uint64_t bytes = positive(row, 0) * o->page_size; /* below 2^32 pages of 2^16 bytes */
    if (bytes < o->bytes) o->bytes = bytes;
    return JM_OK;
}

/* Only how many there are; the rows are read when they are asked for. */
static int take_count(opening *o, sqlite3_stmt *row, jmi_rows *rows) {
    enum { LEAST_ROW = 8 };
    uint64_t count = positive(row, 0);
    if (count > o->bytes / LEAST_ROW) return damaged(o, "it claims more than it can hold");
    if (!jmi_rows_reserve(rows, count)) return jmi_fail(o->error, JM_MEMORY, "out of memory");
    rows->count = count;
    return JM_OK;
}

static int take_range_count(opening *o, sqlite3_stmt *row) {
    return take_count(o, row, &o->recording->ranges);
}

static int take_mark_count(opening *o, sqlite3_stmt *row) {
    return take_count(o, row, &o->recording->marks);
}

static int take_top_id(opening *o, sqlite3_stmt *row) {
    o->recording->top_id = positive(row, 0);
    return JM_OK;
}

static int take_last_time(opening *o, sqlite3_stmt *row) {
    int64_t last = sqlite3_column_int64(row, 0);
    if (sqlite3_column_type(row, 0) == SQLITE_INTEGER && jmi_time_valid(last))
        jmi_recording_note(o->recording, last);
    return JM_OK;
}

static int read_all(opening *o) {
    static const struct {
        const char *sql;
        row_fn take;
    } parts[] = {
        {"SELECT begin_ns, end_ns, utc_offset_ns, complete FROM recording WHERE id = 1",
         take_times},
        {"SELECT key, value FROM info ORDER BY rowid LIMIT 10000", take_info},
        {"SELECT id, name, vendor, model, uuid, pci, driver, in_total, simulated, power_limit_w, "
         "power_floor_w FROM device ORDER BY id",
         take_device},
        {"SELECT id, device, quantity, source, counter, modelled, source_time, refresh_ns, "
         "window_ns, lag_ns, noise, quantum, calibrated FROM sensor ORDER BY id",
         take_sensor},
        {"SELECT first_id, sensor, count, valid, t_first, t_last, low, high FROM chunk "
         "ORDER BY first_id",
         take_chunk},
        {"SELECT kind, text FROM warning ORDER BY seq LIMIT 1000", take_warning},
        {"SELECT polls, failed, late, dropped, cpu_ns, worst_late_ns FROM sampler WHERE id = 1",
         take_stats},
        {"PRAGMA page_size", take_page_size},
        {"PRAGMA page_count", take_page_count},
        {"SELECT max(seq) FROM range", take_range_count},
        {"SELECT max(seq) FROM mark", take_mark_count},
        /* The latest ones are enough: ids of a session need not rise, those of others do. */
        {"SELECT max(id) FROM (SELECT id FROM range ORDER BY seq DESC LIMIT 1000)", take_top_id},
        {"SELECT max(t_ns) FROM (SELECT t_ns FROM mark ORDER BY seq DESC LIMIT 1000)",
         take_last_time},
    };
    int status = JM_OK;
    for (size_t i = 0; status == JM_OK && i < JMI_COUNT(parts); i++)
        status = each(o, parts[i].sql, parts[i].take);
    return status;
}

/* Bytes of a file that were ever written. Blocks on the disk would not do: a file system may
 * compress them, or not have made them yet. */
static uint64_t data_in(const char *path) {
    enum { MOST_PIECES = 10000 };
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) return 0;
    off_t bytes = 0, data = 0, hole = 0;
    for (int i = 0; i < MOST_PIECES && (data = lseek(fd, hole, SEEK_DATA)) >= 0; i++) {
        hole = lseek(fd, data, SEEK_HOLE);
        if (hole <= data) break;
        bytes += hole - data;
    }
    if (data < 0 && errno != ENXIO) bytes = lseek(fd, 0, SEEK_END); /* it knows of no holes */
    close(fd);
    return bytes > 0 ? (uint64_t)bytes : 0;
}

static uint64_t journal_in(const char *path) {
    char name[4096];
    return jmi_path(name, sizeof name, NULL, "%s-wal", path) ? data_in(name) : 0;
}

/* What was written last is in the journal beside the file, which a copy may have left behind. */
static void warn_cut_off(const opening *o) {
    const char *slash = strrchr(o->file->path, '/');
    if (o->journal)
        jmi_recording_warn(o->recording, "cut off",
                           "the recording was cut off or is still being written: "
                           "it ends with what reached its file");
    else
        jmi_recording_warn(o->recording, "cut off",
                           "the recording was cut off: it ends with what reached its file. If "
                           "there is a %.300s-wal where the file comes from, put it beside this "
                           "one",
                           slash != NULL ? slash + 1 : o->file->path);
}

static int fill(opening *o) {
    int status = read_all(o);
    if (status == JM_MEMORY) return jmi_fail(o->error, JM_MEMORY, "out of memory for a recording");
    if (status == JM_OK && o->recording->cut_off) warn_cut_off(o);
    return status;
}

int jm_recording_open(jm_recording **recording, const char *path, jm_error *error) {
    if (recording == NULL || path == NULL)
        return jmi_fail(error, JM_INVALID, "a recording and a path are needed");
    *recording = NULL;
    /* before SQLite locks them: to close a file ends its locks */
    uint64_t journal = journal_in(path);
    opening o = {.bytes = data_in(path) + journal, .journal = journal > 0, .error = error};
    int status = jmi_recfile_open(&o.file, path, error);
    if (status != JM_OK) return status;
    status = jm_recording_new(&o.recording, error);
    if (status != JM_OK) {
        jmi_recfile_close(o.file);
        return status;
    }
    o.recording->store = &o.file->store;
    status = fill(&o);
    if (status != JM_OK) {
        jm_recording_free(o.recording);
        return status;
    }
    *recording = o.recording;
    return JM_OK;
}
