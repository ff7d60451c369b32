/* Writing what there is little of: devices, sensors, facts, warnings, times, statistics. */
#include "record/file_writing.h"

static bool one(jmi_writing *w, const char *sql, sqlite3_stmt **statement) {
    *statement = NULL;
    return sqlite3_prepare_v2(w->file->db, sql, -1, statement, NULL) == SQLITE_OK;
}

static bool finish_one(sqlite3_stmt *statement) {
    bool done = sqlite3_step(statement) == SQLITE_DONE;
    return (sqlite3_finalize(statement) == SQLITE_OK) && done;
}

static bool write_device(jmi_writing *w, uint32_t index) {
    jm_device d = {.size = sizeof d};
    sqlite3_stmt *statement;
    if (jm_recording_device(w->recording, index, &d) != JM_OK ||
        !one(w, "INSERT INTO device VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", &statement))
        return false;
    sqlite3_bind_int64(statement, 1, index);
    jmi_bind_text(statement, 2, d.name);
    jmi_bind_text(statement, 3, d.vendor);
    jmi_bind_text(statement, 4, d.model);
    jmi_bind_text(statement, 5, d.uuid);
    jmi_bind_text(statement, 6, d.pci);
    jmi_bind_text(statement, 7, d.driver);
    sqlite3_bind_int(statement, 8, d.in_total);
    sqlite3_bind_int(statement, 9, d.simulated);
    sqlite3_bind_double(statement, 10, d.power_limit_w);
    sqlite3_bind_double(statement, 11, d.power_floor_w);
    return finish_one(statement);
}

static int64_t as_int(uint64_t value) {
    return value < INT64_MAX ? (int64_t)value : INT64_MAX;
}

static bool write_sensor(jmi_writing *w, uint32_t index) {
    jm_sensor s = {.size = sizeof s};
    sqlite3_stmt *statement;
    if (jm_recording_sensor(w->recording, index, &s) != JM_OK ||
        !one(w, "INSERT INTO sensor VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", &statement))
        return false;
    sqlite3_bind_int64(statement, 1, index);
    sqlite3_bind_int64(statement, 2, s.device);
    jmi_bind_text(statement, 3, jm_quantity_name((int)s.quantity));
    jmi_bind_text(statement, 4, jm_quantity_unit((int)s.quantity));
    jmi_bind_text(statement, 5, s.source);
    sqlite3_bind_int(statement, 6, s.counter);
    sqlite3_bind_int(statement, 7, s.modelled);
    sqlite3_bind_int(statement, 8, s.source_time);
    sqlite3_bind_int64(statement, 9, as_int(s.refresh_ns));
    sqlite3_bind_int64(statement, 10, as_int(s.window_ns));
    sqlite3_bind_int64(statement, 11, as_int(s.lag_ns));
    sqlite3_bind_double(statement, 12, s.noise);
    sqlite3_bind_double(statement, 13, s.quantum);
    sqlite3_bind_int(statement, 14, s.calibrated);
    return finish_one(statement);
}

static bool write_info(jmi_writing *w) {
    jm_recording *recording = w->recording;
    for (size_t i = 0;; i++) {
        jmi_recording_lock(recording);
        bool more = i < recording->info_count;
        jmi_info info = more ? recording->info[i] : (jmi_info){0};
        w->file->state.info_changes = recording->info_changes;
        jmi_recording_unlock(recording);
        sqlite3_stmt *statement;
        if (!more) return true;
        if (!one(w, "INSERT OR REPLACE INTO info VALUES (?, ?)", &statement)) return false;
        jmi_bind_text(statement, 1, info.key);
        jmi_bind_text(statement, 2, info.value);
        if (!finish_one(statement)) return false;
    }
}

static bool write_warnings(jmi_writing *w) {
    size_t *at = &w->file->state.warnings;
    for (;; ++*at) {
        jmi_recording_lock(w->recording);
        bool more = *at < w->recording->warning_count;
        jmi_warning warning = {NULL, NULL};
        if (more) warning = w->recording->warnings[*at];
        jmi_recording_unlock(w->recording);
        sqlite3_stmt *statement;
        if (!more) return true;
        if (!one(w, "INSERT INTO warning VALUES (?, ?, ?)", &statement)) return false;
        sqlite3_bind_int64(statement, 1, (int64_t)*at + 1);
        jmi_bind_text(statement, 2, warning.kind);
        jmi_bind_text(statement, 3, warning.text);
        if (!finish_one(statement)) return false;
    }
}

static bool write_times(jmi_writing *w) {
    jm_recording *recording = w->recording;
    sqlite3_stmt *statement;
    if (!one(w, "INSERT OR REPLACE INTO recording VALUES (1, ?, ?, ?, ?)", &statement))
        return false;
    sqlite3_bind_int64(statement, 1, jm_recording_begin_ns(recording));
    sqlite3_bind_int64(statement, 2, jm_recording_end_ns(recording));
    sqlite3_bind_int64(statement, 3, jm_recording_utc_offset_ns(recording));
    sqlite3_bind_int(statement, 4, (w->what & JMI_WRITE_COMPLETE) != 0);
    return finish_one(statement);
}

static bool write_stats(jmi_writing *w) {
    jm_sampler_stats stats = {.size = sizeof stats};
    sqlite3_stmt *statement;
    jm_recording_sampler_stats(w->recording, &stats);
    if (!one(w, "INSERT OR REPLACE INTO sampler VALUES (1, ?, ?, ?, ?, ?, ?)", &statement))
        return false;
    sqlite3_bind_int64(statement, 1, as_int(stats.polls));
    sqlite3_bind_int64(statement, 2, as_int(stats.failed));
    sqlite3_bind_int64(statement, 3, as_int(stats.late));
    sqlite3_bind_int64(statement, 4, as_int(stats.dropped));
    sqlite3_bind_int64(statement, 5, as_int(stats.cpu_ns));
    sqlite3_bind_int64(statement, 6, as_int(stats.worst_late_ns));
    return finish_one(statement);
}

int jmi_write_little(jmi_writing *w) {
    jmi_recfile_state *state = &w->file->state;
    bool good = true;
    for (; good && state->devices < jm_recording_device_count(w->recording); state->devices++)
        good = write_device(w, (uint32_t)state->devices);
    for (; good && state->sensors < jm_recording_sensor_count(w->recording); state->sensors++)
        good = write_sensor(w, (uint32_t)state->sensors);
    jmi_recording_lock(w->recording);
    bool info = state->info_changes != w->recording->info_changes;
    jmi_recording_unlock(w->recording);
    if (good && info) good = write_info(w);
    good = good && write_warnings(w) && write_times(w) && write_stats(w);
    return good ? JM_OK : jmi_write_failed(w);
}
