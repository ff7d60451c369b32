/* A sensor's samples: chunks of columns. */
#include "record/recording.h"

#include <stdlib.h>
#include <string.h>

size_t jmi_columns_bytes(const jmi_columns *columns) {
    return sizeof *columns + (size_t)columns->capacity * JMI_SAMPLE_BYTES;
}

jmi_columns *jmi_columns_new(uint32_t capacity) {
    /* One allocation, not zeroed: pages that are not yet used cost nothing. */
    jmi_columns *columns = malloc(sizeof *columns + (size_t)capacity * JMI_SAMPLE_BYTES);
    if (columns == NULL) return NULL;
    atomic_init(&columns->refs, 1);
    columns->capacity = capacity;
    columns->t_ns = (int64_t *)(columns + 1);
    columns->value = (double *)(columns->t_ns + capacity);
    columns->since_ns = (uint32_t *)(columns->value + capacity);
    columns->flags = (uint8_t *)(columns->since_ns + capacity);
    return columns;
}

void jmi_columns_unref(jmi_columns *columns) {
    if (columns == NULL) return;
    if (atomic_fetch_sub_explicit(&columns->refs, 1, memory_order_acq_rel) == 1) free(columns);
}

void jmi_series_free(jmi_series *series) {
    if (series == NULL) return;
    for (size_t i = 0; i < series->chunk_count; i++) jmi_columns_unref(series->chunks[i].columns);
    free(series->chunks);
    free(series);
}

jmi_chunk *jmi_series_tail(jmi_series *series) {
    return series->chunk_count > 0 ? &series->chunks[series->chunk_count - 1] : NULL;
}

static jmi_chunk *add_chunk(jm_recording *recording, jmi_series *series) {
    const jmi_chunk *tail = jmi_series_tail(series);
    uint32_t capacity = JMI_CHUNK_MIN;
    if (tail != NULL) capacity = tail->count * 2;
    if (capacity < JMI_CHUNK_MIN) capacity = JMI_CHUNK_MIN;
    if (capacity > JMI_CHUNK_MAX) capacity = JMI_CHUNK_MAX;
    if (!jmi_reserve(&series->chunks, &series->chunk_capacity, series->chunk_count + 1,
                     sizeof *series->chunks))
        return NULL;
    jmi_columns *columns = jmi_columns_new(capacity);
    if (columns == NULL) return NULL;
    recording->sample_bytes += jmi_columns_bytes(columns);
    jmi_chunk *chunk = &series->chunks[series->chunk_count++];
    *chunk = (jmi_chunk){.columns = columns};
    return chunk;
}

int jmi_series_add(jm_recording *recording, jmi_series *series, int64_t t_ns, double value,
                   uint32_t since_ns, uint8_t flags) {
    if (series->stopped) return JM_FULL;
    jmi_chunk *chunk = jmi_series_tail(series);
    if (chunk != NULL && t_ns <= chunk->t_last) return JM_INVALID;
    bool sealed = chunk == NULL || chunk->sealed || chunk->first_row != 0 ||
                  chunk->columns == NULL || chunk->count == chunk->columns->capacity;
    if (sealed) chunk = add_chunk(recording, series);
    if (chunk == NULL) return JM_MEMORY;
    uint32_t i = chunk->count;
    if ((flags & JM_SAMPLE_MISSING) != 0) value = 0;
    if (series->resumed && (flags & JM_SAMPLE_MISSING) == 0) {
        flags |= JM_SAMPLE_GAP;
        series->resumed = false;
    }
    chunk->columns->t_ns[i] = t_ns;
    chunk->columns->value[i] = value;
    chunk->columns->since_ns[i] = since_ns;
    chunk->columns->flags[i] = flags;
    if ((flags & JM_SAMPLE_MISSING) == 0) {
        if (chunk->valid == 0 || value < chunk->low) chunk->low = value;
        if (chunk->valid == 0 || value > chunk->high) chunk->high = value;
        chunk->valid++;
        series->last_value = value;
    }
    if (i == 0) chunk->t_first = t_ns;
    chunk->t_last = t_ns;
    chunk->count = i + 1;
    series->count++;
    recording->sample_count++;
    jmi_recording_note(recording, t_ns);
    return JM_OK;
}

static bool shed_oldest(jm_recording *recording, jmi_series *series) {
    if (series->resident >= series->chunk_count) return false;
    jmi_chunk *chunk = &series->chunks[series->resident];
    if (chunk->first_row == 0) return false; /* not yet in the store as a whole */
    recording->sample_bytes -= jmi_columns_bytes(chunk->columns);
    recording->sample_count -= chunk->count;
    jmi_columns_unref(chunk->columns);
    chunk->columns = NULL;
    series->resident++;
    return true;
}

bool jmi_recording_shed(jm_recording *recording, size_t keep_bytes, uint64_t keep_samples) {
    bool more = false;
    for (size_t s = 0; s < recording->series_count; s++) {
        if (recording->sample_bytes <= keep_bytes && recording->sample_count <= keep_samples)
            return false;
        more |= shed_oldest(recording, recording->series[s]);
    }
    return more;
}

/* A sample that may go when there is no room: it repeats what is known. */
static bool repeats(const jmi_columns *columns, uint32_t i) {
    return columns->flags[i] == 0 && columns->value[i] == columns->value[i - 1] &&
           (columns->flags[i - 1] & JM_SAMPLE_MISSING) == 0;
}

static size_t thin_chunk(jm_recording *recording, jmi_series *series, jmi_chunk *chunk) {
    const jmi_columns *from = chunk->columns;
    uint32_t kept = 1;
    for (uint32_t i = 1; i < chunk->count; i++)
        if (!repeats(from, i) || i + 1 == chunk->count) kept++;
    if (kept > chunk->count / 2) return 0; /* not worth a copy */
    jmi_columns *to = jmi_columns_new(kept);
    if (to == NULL) return 0;
    uint32_t n = 0;
    for (uint32_t i = 0; i < chunk->count; i++) {
        if (i > 0 && repeats(from, i) && i + 1 != chunk->count) continue;
        to->t_ns[n] = from->t_ns[i];
        to->value[n] = from->value[i];
        to->since_ns[n] = from->since_ns[i];
        to->flags[n++] = from->flags[i];
    }
    size_t saved = jmi_columns_bytes(from) - jmi_columns_bytes(to);
    recording->sample_bytes -= saved;
    recording->sample_count -= chunk->count - kept;
    series->count -= chunk->count - kept;
    chunk->valid -= chunk->count - kept;
    jmi_columns_unref(chunk->columns); /* cursors that read it keep it */
    chunk->columns = to;
    chunk->count = kept;
    return saved;
}

size_t jmi_recording_thin(jm_recording *recording) {
    size_t saved = 0;
    for (size_t s = 0; s < recording->series_count; s++) {
        jmi_series *series = recording->series[s];
        for (size_t c = series->resident; c + 1 < series->chunk_count; c++)
            if (series->chunks[c].columns != NULL && series->chunks[c].first_row == 0)
                saved += thin_chunk(recording, series, &series->chunks[c]);
    }
    return saved;
}

void jmi_recording_stop(jm_recording *recording, bool stop) {
    jmi_recording_lock(recording);
    for (size_t s = 0; s < recording->series_count; s++) {
        jmi_series *series = recording->series[s];
        const jmi_chunk *tail = jmi_series_tail(series);
        if (stop && !series->stopped && tail != NULL)
            jmi_series_add(recording, series, tail->t_last + 1, 0, UINT32_MAX, JM_SAMPLE_MISSING);
        series->resumed |= series->stopped && !stop;
        series->stopped = stop;
    }
    jmi_recording_unlock(recording);
}
