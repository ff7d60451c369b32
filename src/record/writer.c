#include "record/writer.h"

#include "record/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static const int64_t flush_ns = JMI_NS_PER_S;      /* what a SIGKILL may cost */
static const int64_t retry_ns = 10 * JMI_NS_PER_S; /* after a failure */
static const uint64_t slack_bytes = 64 << 20;      /* what a limit may be exceeded by for a while */
static const int64_t crowded_ns = 100 * 1000 * 1000;
enum { STACK_BYTES = 512 * 1024 };

struct jmi_writer {
    jmi_writer_config config;
    char *path;
    char *spill_dir;
    pthread_mutex_t lock; /* of what follows; never taken by the sampler for long */
    jmi_recfile *file;
    bool failing;
    int64_t retry_at;
    int64_t room_at;
    _Atomic bool stopped; /* no room anywhere: samples and ranges are not kept */
    bool holds;           /* the collector is held back; the sampler's */
    /* the thread */
    pthread_t thread;
    bool has_thread;
    _Atomic uint32_t bell; /* futex */
    _Atomic uint32_t stop;
    _Atomic uint32_t room_wanted;
};

/* ---- how much there is ---- */

typedef struct usage {
    uint64_t bytes;
    uint64_t samples;
    uint64_t sample_bytes;
} usage;

static usage measure(const jmi_writer *writer) {
    jm_recording *recording = writer->config.recording;
    jmi_recording_lock(recording);
    usage used = {jmi_recording_bytes(recording), recording->sample_count, recording->sample_bytes};
    jmi_recording_unlock(recording);
    return used;
}

static bool exceeds(const jmi_writer *writer, const usage *used, double share) {
    return (double)used->bytes >= share * (double)writer->config.max_bytes ||
           (double)used->samples >= share * (double)writer->config.max_samples;
}

/* ---- files ---- */

static const char *spill_folder(const jmi_writer *writer) {
    const char *folder = writer->spill_dir != NULL ? writer->spill_dir : getenv("TMPDIR");
    return folder != NULL && folder[0] != '\0' ? folder : "/tmp";
}

/* Readers find there what is no longer in memory. */
static void be_store(jmi_writer *writer) {
    jmi_recording_lock(writer->config.recording);
    writer->config.recording->store = &writer->file->store;
    jmi_recording_unlock(writer->config.recording);
}

static void warn_of_failure(const jmi_writer *writer, const jm_error *error) {
    jmi_recording_warn(writer->config.recording, "file",
                       "%s: measuring goes on in memory, as far as its limit allows",
                       error->message);
}

/* Writes what is new, with the lock held. A failure is told once; the next try comes later. */
static int write_new(jmi_writer *writer, int what, jm_error *error) {
    int status = JM_OK;
    if (writer->file == NULL) {
        status = jmi_recfile_spill(&writer->file, spill_folder(writer), error);
        if (status == JM_OK) be_store(writer);
    }
    if (status == JM_OK)
        status = jmi_recfile_write(writer->file, writer->config.recording, JMI_WRITE_STORE | what,
                                   error);
    writer->failing = status != JM_OK;
    if (writer->failing) {
        if (writer->file != NULL && jmi_recfile_place(writer->file) != JMI_PLACE_OURS)
            jmi_fail(error, status, "%s was removed or replaced", writer->path);
        writer->retry_at = jm_now_ns() + retry_ns;
        warn_of_failure(writer, error);
    }
    return status;
}

/* ---- making room ---- */

/* No file takes it: what is repeated goes first, then nothing more is kept. With the lock held. */
static void do_without(jmi_writer *writer) {
    jm_recording *recording = writer->config.recording;
    jmi_recording_lock(recording);
    size_t saved = jmi_recording_thin(recording);
    jmi_recording_unlock(recording);
    if (saved > 0)
        jmi_recording_warn(recording, "thinned",
                           "memory is at its limit: samples that repeat the one before are "
                           "dropped");
    usage used = measure(writer);
    if (!exceeds(writer, &used, 1) || writer->stopped) return;
    writer->stopped = true;
    jmi_recording_stop(recording, true);
    jmi_collect_refuse(writer->config.collector, true);
    jmi_recording_warn(recording, "stopped",
                       "memory is at its limit and no file takes more: from here on neither "
                       "samples nor ranges are kept");
}

/* Piece by piece, so that nobody waits long for the recording's lock. */
static void shed(const jmi_writer *writer) {
    jm_recording *recording = writer->config.recording;
    uint64_t ranges = jm_recording_range_count(recording);
    uint64_t marks = jm_recording_mark_count(recording);
    uint64_t blocks = (ranges > marks ? ranges : marks) / JMI_ROWS_BLOCK;
    for (size_t i = 0; i < blocks; i++) {
        jmi_recording_lock(recording);
        jmi_rows_shed(recording, i);
        jmi_recording_unlock(recording);
    }
    for (bool more = true; more;) {
        jmi_recording_lock(recording);
        size_t others = jmi_recording_bytes(recording) - recording->sample_bytes;
        size_t keep = writer->config.max_bytes / 2;
        more = jmi_recording_shed(recording, others < keep ? keep - others : 0,
                                  writer->config.max_samples / 2);
        jmi_recording_unlock(recording);
    }
}

static void resume(jmi_writer *writer) {
    jmi_collect_refuse(writer->config.collector, false);
    if (writer->stopped) jmi_recording_stop(writer->config.recording, false);
    writer->stopped = false;
}

/* Closing chunks that still grow makes small ones: only where it is samples that take the room. */
static int how_to_write(const jmi_writer *writer, const usage *used) {
    bool samples = used->sample_bytes > writer->config.max_bytes / 4 ||
                   used->samples >= writer->config.max_samples;
    return samples ? JMI_WRITE_SEAL : 0;
}

static bool beyond_reason(const jmi_writer *writer, const usage *used) {
    return used->bytes > 2 * writer->config.max_bytes &&
           used->bytes > writer->config.max_bytes + slack_bytes;
}

/* With the lock held. */
static void make_room(jmi_writer *writer) {
    jm_error error;
    usage used = measure(writer);
    int64_t now = jm_now_ns();
    if (!exceeds(writer, &used, 1) || now < writer->room_at) return;
    int status = JM_FULL;
    if (!writer->failing || now >= writer->retry_at)
        status = write_new(writer, how_to_write(writer, &used), &error);
    if (status == JM_OK) shed(writer);
    used = measure(writer);
    bool full = status == JM_OK ? beyond_reason(writer, &used) : exceeds(writer, &used, 1);
    if (full)
        do_without(writer);
    else
        resume(writer);
    /* What is left cannot go, or has come meanwhile: not again at once. */
    if (exceeds(writer, &used, 1)) writer->room_at = jm_now_ns() + crowded_ns;
}

/* ---- the thread ---- */

static void step(jmi_writer *writer) {
    jm_error error;
    jmi_collect(writer->config.collector, jm_now_ns() + flush_ns / 4);
    pthread_mutex_lock(&writer->lock);
    if (writer->file != NULL && (!writer->failing || jm_now_ns() >= writer->retry_at))
        write_new(writer, 0, &error);
    make_room(writer);
    pthread_mutex_unlock(&writer->lock);
}

static void *thread_main(void *argument) {
    jmi_writer *writer = argument;
    prctl(PR_SET_NAME, "joulemeter-file");
    int64_t next = jm_now_ns() + flush_ns;
    while (atomic_load(&writer->stop) == 0) {
        uint32_t bell = atomic_load(&writer->bell);
        bool wanted = atomic_exchange(&writer->room_wanted, 0) != 0;
        int64_t now = jm_now_ns();
        if (wanted || now >= next) {
            step(writer);
            now = jm_now_ns();
            while (next <= now) next += flush_ns;
        }
        if (atomic_load(&writer->room_wanted) == 0) jmi_futex_wait_until(&writer->bell, bell, next);
    }
    return NULL;
}

static void ring_bell(jmi_writer *writer) {
    atomic_fetch_add(&writer->bell, 1);
    jmi_futex_wake(&writer->bell);
}

static bool start_thread(jmi_writer *writer) {
    writer->has_thread = jmi_thread_start(&writer->thread, STACK_BYTES, thread_main, writer) == 0;
    return writer->has_thread;
}

/* Faster than any file: ranges stay where they are until there is room, and those who make more of
 * them wait. Only the sampler comes here. */
static void hold_back(jmi_writer *writer, bool hold) {
    if (hold == writer->holds) return;
    writer->holds = hold;
    jmi_collect_hold(writer->config.collector, hold);
}

void jmi_writer_limits(jmi_writer *writer) {
    usage used = measure(writer);
    hold_back(writer, beyond_reason(writer, &used) && !writer->stopped);
    if (!exceeds(writer, &used, writer->config.warn_at)) return;
    jmi_recording_warn(writer->config.recording, "limit",
                       "%.0f %% of a limit is used (%llu samples, %.1f MiB in memory): what "
                       "exceeds it goes to a file in %s",
                       writer->config.warn_at * 100, (unsigned long long)used.samples,
                       (double)used.bytes / 1048576,
                       writer->path != NULL ? writer->path : spill_folder(writer));
    if (!exceeds(writer, &used, 1)) return;
    /* Only the sampler comes here, so there is no race for the thread. */
    if (!writer->has_thread && !start_thread(writer)) return;
    if (atomic_exchange(&writer->room_wanted, 1) == 0) ring_bell(writer);
}

/* ---- life ---- */

/* The file has its name from the moment at which it says what is measured. */
static int open_file(jmi_writer *writer, jm_error *error) {
    if (writer->path == NULL) return JM_OK;
    int status = jmi_recfile_create(&writer->file, writer->path, error);
    if (status != JM_OK) return status;
    be_store(writer);
    status = jmi_recfile_write(writer->file, writer->config.recording, JMI_WRITE_STORE, error);
    if (status == JM_OK)
        status = jmi_recfile_publish(writer->file, writer->path, false, error);
    else
        unlink(writer->file->path);
    if (status == JM_OK) status = jmi_recfile_go_live(writer->file, error);
    if (status == JM_OK && !start_thread(writer))
        status = jmi_fail(error, JM_SYSTEM, "cannot start the thread that writes %s", writer->path);
    return status;
}

int jmi_writer_open(jmi_writer **writer, const jmi_writer_config *config, jm_error *error) {
    *writer = NULL;
    jmi_writer *fresh = jmi_alloc(1, sizeof *fresh);
    if (fresh == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for a session");
    pthread_mutex_init(&fresh->lock, NULL);
    fresh->config = *config;
    bool copied = true;
    if (config->path != NULL) copied &= (fresh->path = jmi_strdup(config->path)) != NULL;
    if (config->spill_dir != NULL)
        copied &= (fresh->spill_dir = jmi_strdup(config->spill_dir)) != NULL;
    int status = copied ? open_file(fresh, error)
                        : jmi_fail(error, JM_MEMORY, "out of memory for a session");
    if (status != JM_OK) {
        jmi_writer_free(fresh);
        return status;
    }
    *writer = fresh;
    return JM_OK;
}

int jmi_writer_flush(jmi_writer *writer, jm_error *error) {
    jm_error why;
    if (error == NULL) error = &why;
    pthread_mutex_lock(&writer->lock);
    int status = writer->path != NULL ? write_new(writer, 0, error) : JM_OK;
    pthread_mutex_unlock(&writer->lock);
    return status;
}

static void stop_thread(jmi_writer *writer) {
    if (!writer->has_thread) return;
    atomic_store(&writer->stop, 1);
    ring_bell(writer);
    pthread_join(writer->thread, NULL);
    writer->has_thread = false;
}

/* Is anything only in the file? */
static bool store_is_needed(jm_recording *recording) {
    jmi_recording_lock(recording);
    bool needed = false;
    for (size_t i = 0; i < recording->series_count; i++)
        needed |= recording->series[i]->resident > 0;
    const jmi_rows *rows[] = {&recording->ranges, &recording->marks};
    for (size_t i = 0; i < JMI_COUNT(rows); i++)
        needed |= rows[i]->resident * JMI_ROWS_BLOCK < rows[i]->count;
    jmi_recording_unlock(recording);
    return needed;
}

static void drop_store(jmi_writer *writer) {
    jm_recording *recording = writer->config.recording;
    jmi_recording_lock(recording);
    recording->store = NULL;
    jmi_recording_unlock(recording);
    jmi_recfile_close(writer->file);
    writer->file = NULL;
}

static int replaced(const jmi_writer *writer, jm_error *error) {
    return jmi_fail(error, JM_IO,
                    "%s was replaced while it was written: what was measured is not in it",
                    writer->path);
}

/* What only a removed file has can still be read there. */
static int write_anew(const jmi_writer *writer, jm_error *error) {
    jmi_recording_warn(writer->config.recording, "removed",
                       "%s was removed while it was written: it was written anew at the end",
                       writer->path);
    return jm_recording_save(writer->config.recording, writer->path, error);
}

static int complete(jmi_writer *writer, jm_error *error) {
    jmi_place place = jmi_recfile_place(writer->file);
    if (place == JMI_PLACE_EMPTY) return write_anew(writer, error);
    if (place == JMI_PLACE_TAKEN) return replaced(writer, error);
    int status = write_new(writer, JMI_WRITE_COMPLETE, error);
    return status == JM_OK ? jmi_recfile_settle(writer->file, error) : status;
}

int jmi_writer_finish(jmi_writer *writer, jm_error *error) {
    jm_error why;
    if (error == NULL) error = &why;
    stop_thread(writer);
    if (writer->file == NULL) return JM_OK;
    int status = writer->path != NULL ? complete(writer, error) : JM_OK;
    if (!store_is_needed(writer->config.recording)) drop_store(writer);
    writer->file = NULL; /* the recording's, if it needs one */
    return status;
}

void jmi_writer_free(jmi_writer *writer) {
    if (writer == NULL) return;
    stop_thread(writer);
    if (writer->file != NULL) drop_store(writer);
    free(writer->path);
    free(writer->spill_dir);
    pthread_mutex_destroy(&writer->lock);
    free(writer);
}
