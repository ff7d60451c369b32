/* Cursors: blocks of a sensor's samples, in memory without a copy, from the store when need be. */
#include "record/recording.h"

#include <stdlib.h>

struct jm_cursor {
    jm_recording *recording;
    jmi_series *series;
    uint32_t sensor;
    int64_t from_ns, to_ns;
    size_t next;          /* chunk to look at next */
    size_t chunk_limit;   /* what there was when the cursor was opened ... */
    uint32_t count_limit; /* ... and samples of the last of these chunks */
    uint64_t total;       /* samples of the series then */
    bool done;
    jmi_columns *columns; /* of the block that was handed out */
};

/* Columns read back are kept for the next cursor as long as they stay below this. */
static const size_t cache_limit = (size_t)256 << 20;

/* First index whose time is >= t (or > t). */
static uint32_t lower_bound(const int64_t *times, uint32_t count, int64_t t) {
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (times[middle] < t)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint32_t upper_bound(const int64_t *times, uint32_t count, int64_t t) {
    return t == INT64_MAX ? count : lower_bound(times, count, t + 1);
}

/* The last chunk that begins before `from`: the sample before the window is in it. */
static size_t first_chunk(const jmi_series *series, int64_t from_ns) {
    size_t low = 0, high = series->chunk_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (series->chunks[middle].t_first < from_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? low - 1 : 0;
}

int jm_cursor_open(jm_cursor **cursor, const jm_recording *recording, uint32_t sensor,
                   int64_t from_ns, int64_t to_ns, jm_error *error) {
    if (cursor == NULL || recording == NULL)
        return jmi_fail(error, JM_INVALID, "a cursor and a recording are needed");
    *cursor = NULL;
    jm_cursor *fresh = jmi_alloc(1, sizeof *fresh);
    if (fresh == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for a cursor");
    fresh->recording = (jm_recording *)recording;
    fresh->sensor = sensor;
    fresh->from_ns = from_ns;
    fresh->to_ns = to_ns;
    jmi_recording_lock(recording);
    bool there = sensor < recording->series_count;
    if (there) {
        fresh->series = recording->series[sensor];
        const jmi_chunk *tail = jmi_series_tail(fresh->series);
        fresh->chunk_limit = fresh->series->chunk_count;
        fresh->total = fresh->series->count;
        fresh->count_limit = tail != NULL ? tail->count : 0;
        fresh->next = first_chunk(fresh->series, from_ns);
    }
    jmi_recording_unlock(recording);
    if (!there) {
        free(fresh);
        return jmi_fail(error, JM_NOT_FOUND, "there is no sensor %u", sensor);
    }
    *cursor = fresh;
    return JM_OK;
}

/* Takes the columns of a chunk, as they are now. */
static jmi_chunk pin(jm_cursor *cursor, size_t index) {
    jmi_recording_lock(cursor->recording);
    jmi_chunk chunk = cursor->series->chunks[index];
    if (chunk.columns != NULL)
        atomic_fetch_add_explicit(&chunk.columns->refs, 1, memory_order_relaxed);
    jmi_recording_unlock(cursor->recording);
    if (index + 1 == cursor->chunk_limit && chunk.count > cursor->count_limit)
        chunk.count = cursor->count_limit;
    return chunk;
}

/* Keeps what was read for the next reader, if there is room and the recording is not growing. */
static void cache(jm_cursor *cursor, size_t index, jmi_columns *columns) {
    jm_recording *recording = cursor->recording;
    jmi_recording_lock(recording);
    jmi_chunk *chunk = &cursor->series->chunks[index];
    size_t bytes = jmi_columns_bytes(columns);
    if (!recording->live && chunk->columns == NULL &&
        recording->cached_bytes + bytes <= cache_limit) {
        atomic_fetch_add_explicit(&columns->refs, 1, memory_order_relaxed);
        chunk->columns = columns;
        recording->cached_bytes += bytes;
    }
    jmi_recording_unlock(recording);
}

static void warn_damaged(const jm_cursor *cursor) {
    jm_device device = {.size = sizeof device};
    jm_sensor sensor = {.size = sizeof sensor};
    char kind[32];
    snprintf(kind, sizeof kind, "damaged %u", cursor->sensor);
    if (jm_recording_sensor(cursor->recording, cursor->sensor, &sensor) != JM_OK ||
        jm_recording_device(cursor->recording, sensor.device, &device) != JM_OK)
        return;
    jmi_recording_warn(cursor->recording, kind,
                       "%.64s: readings of %.128s cannot be read, the file is damaged: they count "
                       "as failed",
                       device.name, sensor.source);
}

/* What cannot be read is missing from the chunk's first moment to its last. */
static void stand_in(jmi_chunk *chunk) {
    const int64_t ends[] = {chunk->t_first, chunk->t_last};
    chunk->count = chunk->t_first < chunk->t_last ? 2 : 1;
    for (uint32_t i = 0; i < chunk->count; i++) {
        chunk->columns->t_ns[i] = ends[i];
        chunk->columns->value[i] = 0;
        chunk->columns->since_ns[i] = UINT32_MAX;
        chunk->columns->flags[i] = JM_SAMPLE_MISSING;
    }
}

static int load(jm_cursor *cursor, size_t index, jmi_chunk *chunk) {
    jmi_store *store = cursor->recording->store;
    if (store == NULL) return JM_IO;
    chunk->columns = jmi_columns_new(chunk->count);
    if (chunk->columns == NULL) return JM_MEMORY;
    int status = store->load_chunk(store, cursor->sensor, chunk->first_row, chunk->count,
                                   chunk->columns, NULL);
    if (status == JM_OK) cache(cursor, index, chunk->columns);
    if (status != JM_FORMAT && status != JM_IO) return status;
    warn_damaged(cursor);
    stand_in(chunk);
    return JM_OK;
}

int jm_cursor_next(jm_cursor *cursor, jm_samples *samples) {
    if (cursor == NULL || samples == NULL) return JM_INVALID;
    *samples = (jm_samples){0};
    jmi_columns_unref(cursor->columns);
    cursor->columns = NULL;
    while (!cursor->done && cursor->next < cursor->chunk_limit) {
        size_t index = cursor->next++;
        jmi_chunk chunk = pin(cursor, index);
        int status = chunk.columns == NULL ? load(cursor, index, &chunk) : JM_OK;
        cursor->columns = chunk.columns;
        if (status != JM_OK) return status;
        const int64_t *times = chunk.columns->t_ns;
        uint32_t low = lower_bound(times, chunk.count, cursor->from_ns);
        if (low > 0) low--; /* the one before */
        uint32_t high = upper_bound(times, chunk.count, cursor->to_ns);
        cursor->done = high < chunk.count;
        if (high < chunk.count) high++; /* the one after */
        if (low >= high) {
            jmi_columns_unref(cursor->columns);
            cursor->columns = NULL;
            continue;
        }
        samples->count = high - low;
        samples->t_ns = times + low;
        samples->value = chunk.columns->value + low;
        samples->since_ns = chunk.columns->since_ns + low;
        samples->flags = chunk.columns->flags + low;
        return JM_OK;
    }
    return JM_NO_DATA;
}

uint64_t jmi_cursor_total(const jm_cursor *cursor) {
    const uint64_t most = (uint64_t)1 << 26; /* a file may claim any number */
    return cursor->total < most ? cursor->total : most;
}

jmi_columns *jmi_cursor_share(const jm_cursor *cursor) {
    if (cursor->columns != NULL)
        atomic_fetch_add_explicit(&cursor->columns->refs, 1, memory_order_relaxed);
    return cursor->columns;
}

void jm_cursor_close(jm_cursor *cursor) {
    if (cursor == NULL) return;
    jmi_columns_unref(cursor->columns);
    free(cursor);
}
