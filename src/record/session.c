#include "record/session.h"

#include "record/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const int64_t hang_ns = 2 * JMI_NS_PER_S;

static bool in_fork(const jm_session *session) {
    return session->pid != (int32_t)getpid();
}

bool jmi_session_is_remote(const jm_session *session) {
    return session->joined || in_fork(session);
}

/* ---- warnings ---- */

/* Hands new warnings to the program, without any lock that it may need. */
static void tell_warnings(jm_session *session) {
    if (session->on_warning == NULL || pthread_mutex_trylock(&session->telling) != 0) return;
    const char *text;
    while ((text = jm_recording_warning(session->recording, session->warnings_told)) != NULL) {
        session->warnings_told++;
        session->on_warning(text, session->user);
    }
    pthread_mutex_unlock(&session->telling);
}

/* After each of the sampler's rounds. */
static void after_round(void *context) {
    jm_session *session = context;
    jmi_writer_limits(session->writer);
    jmi_answerer_wake(session->answerer);
    tell_warnings(session);
}

/* A thread found its lane full: the sampler may be busy with a driver, or stuck in it. */
static void help(void *context) {
    jm_session *session = context;
    jmi_collect_try(session->collector, jm_now_ns() + 1000 * 1000);
    jmi_sampler_check(session->sampler);
}

/* ---- environment ---- */

static bool make_environment(jm_session *session, const jmi_sensor_set *set) {
    struct stat info;
    char setting[128] = "";
    if (session->ring->fd < 0)
        snprintf(setting, sizeof setting, "JOULEMETER_SESSION="); /* nor one further out */
    else if (fstat(session->ring->fd, &info) == 0)
        snprintf(setting, sizeof setting, "JOULEMETER_SESSION=%d:%llu:%d", session->ring->fd,
                 (unsigned long long)info.st_ino, (int)getpid());
    if (!jmi_session_add_setting(session, setting)) return false;
    char **more = set != NULL ? set->environment : NULL;
    for (; more != NULL && *more != NULL; more++)
        if (!jmi_session_add_setting(session, *more)) return false;
    return true;
}

/* ---- devices, as processes that join and forks are told of them ---- */

static bool list_devices(jm_session *session) {
    uint32_t count = jm_recording_device_count(session->recording);
    if (count > JMI_RING_DEVICES) count = JMI_RING_DEVICES;
    session->devices = jmi_alloc(count, sizeof *session->devices);
    if (session->devices == NULL) return false;
    for (uint32_t i = 0; i < count; i++) {
        jm_device d = {.size = sizeof d};
        jm_recording_device(session->recording, i, &d);
        jmi_ring_device *entry = &session->devices[i];
        snprintf(entry->name, sizeof entry->name, "%s", d.name);
        snprintf(entry->vendor, sizeof entry->vendor, "%s", d.vendor);
        snprintf(entry->model, sizeof entry->model, "%s", d.model);
        snprintf(entry->uuid, sizeof entry->uuid, "%s", d.uuid);
        snprintf(entry->pci, sizeof entry->pci, "%s", d.pci);
        snprintf(entry->driver, sizeof entry->driver, "%s", d.driver);
        entry->power_limit_w = d.power_limit_w;
        entry->power_floor_w = d.power_floor_w;
        entry->in_total = d.in_total;
        entry->simulated = d.simulated;
    }
    session->device_count = count;
    memcpy(session->ring->devices, session->devices, count * sizeof *session->devices);
    session->ring->header->device_count = count;
    return true;
}

uint32_t jm_session_device_count(const jm_session *session) {
    if (session == NULL) return 0;
    return jmi_session_is_remote(session) ? session->device_count
                                          : jm_recording_device_count(session->recording);
}

int jm_session_device(const jm_session *session, uint32_t index, jm_device *device) {
    if (session == NULL || device == NULL) return JM_INVALID;
    if (!jmi_session_is_remote(session))
        return jm_recording_device(session->recording, index, device);
    if (index >= session->device_count) return JM_NOT_FOUND;
    const jmi_ring_device *entry = &session->devices[index];
    jm_device ours = {.size = sizeof ours,
                      .name = entry->name,
                      .vendor = entry->vendor,
                      .model = entry->model,
                      .uuid = entry->uuid,
                      .pci = entry->pci,
                      .driver = entry->driver,
                      .in_total = entry->in_total != 0,
                      .simulated = entry->simulated != 0,
                      .power_limit_w = entry->power_limit_w,
                      .power_floor_w = entry->power_floor_w};
    return jmi_give_struct(device, &ours, sizeof ours);
}

/* ---- opening ---- */

static void free_session(jm_session *session) {
    for (size_t i = 0; i < session->environment_count; i++) free(session->environment[i]);
    free(session->environment);
    free(session->devices);
    jmi_answerer_free(session->answerer);
    jmi_writer_free(session->writer);
    jmi_collector_free(session->collector);
    jmi_ring_free(session->ring);
    jm_recording_free(session->recording);
    pthread_mutex_destroy(&session->telling);
    free(session);
}

static jm_session *new_session(const jm_session_options *options) {
    jm_session *session = jmi_session_new();
    if (session == NULL) return NULL;
    session->set_own_info = jm_recording_set_info;
    session->on_warning = options->on_warning;
    session->user = options->user;
    return session;
}

/* Once for each device. */
static void warn_of_sensors(jm_recording *recording, const jmi_sensor_set *set) {
    for (size_t i = 0; i < set->finding_count; i++) {
        const jm_finding *f = &set->findings[i];
        char kind[120];
        if (!jmi_finding_matters(f)) continue;
        int length = (int)strlen(f->message);
        if (length > 0 && f->message[length - 1] == '.') length--;
        bool remedy = f->remedy[0] != '\0';
        snprintf(kind, sizeof kind, "sensors %s", f->device[0] != '\0' ? f->device : f->what);
        jmi_recording_warn(recording, kind, "%s%s%.*s%s%s%s", f->device,
                           f->device[0] != '\0' ? ": " : "", length, f->message, remedy ? " (" : "",
                           f->remedy, remedy ? ")" : "");
    }
}

static int open_recording(jm_session *session, const jm_session_options *options,
                          const jmi_sensor_set *set, jm_error *error) {
    int status = jm_recording_new(&session->recording, error);
    if (status != JM_OK) return status;
    jm_recording *recording = session->recording;
    recording->begin_ns = recording->end_ns = jm_now_ns();
    recording->fixed_begin = true;
    recording->live = true;
    recording->utc_offset_ns = jmi_clock_offset_ns(CLOCK_REALTIME);
    jmi_recording_facts(recording, options->root);
    if (set != NULL) status = jmi_recording_take_set(recording, set, error);
    if (set != NULL && status == JM_OK) warn_of_sensors(recording, set);
    return status;
}

static void warn_of_ring(const jm_session *session) {
    const jmi_ring *ring = session->ring;
    if (ring->fd < 0)
        jmi_recording_warn(session->recording, "no joining",
                           "%s: programs that run inside cannot join, and measure by themselves",
                           ring->narrowed.message);
    if (ring->lane_count < JMI_LANES)
        jmi_recording_warn(session->recording, "lanes",
                           "%s: only %u threads can mark ranges at the same time",
                           ring->narrowed.message, ring->lane_count);
}

static int open_parts(jm_session *session, const jm_session_options *options,
                      const jmi_sensor_set *set, jm_error *error) {
    int status = jmi_ring_create(&session->ring, error);
    if (status == JM_OK) status = open_recording(session, options, set, error);
    if (status == JM_OK)
        status = jmi_collector_new(&session->collector, session->ring, session->recording, error);
    if (status == JM_OK && (jmi_answerer_new(&session->answerer, session, session->ring) != JM_OK ||
                            !make_environment(session, set) || !list_devices(session)))
        status = jmi_fail(error, JM_MEMORY, "out of memory for a session");
    if (status != JM_OK) return status;
    warn_of_ring(session);
    jmi_writer_config writing = {.recording = session->recording,
                                 .collector = session->collector,
                                 .path = options->path,
                                 .spill_dir = options->spill_dir,
                                 .max_samples = options->max_samples,
                                 .max_bytes = options->max_memory_bytes,
                                 .warn_at = options->warn_at};
    return jmi_writer_open(&session->writer, &writing, error);
}

static int start_sampling(jm_session *session, const jm_session_options *options,
                          jmi_sensor_set *set, const jmi_sampler_config *tuning, jm_error *error) {
    jmi_sampler_config config = {.hang_ns = hang_ns};
    if (tuning != NULL) config = *tuning;
    config.set = set;
    config.recording = session->recording;
    config.collector = session->collector;
    config.ring = session->ring;
    config.interval_ns = options->interval_ns;
    config.poll_ns = options->poll_ns;
    config.keep_polls = (options->flags & JM_SESSION_KEEP_POLLS) != 0;
    config.after = after_round;
    config.context = session;
    return jmi_sampler_start(&session->sampler, &config, error);
}

int jmi_session_open_with(jm_session **session, const jm_session_options *options,
                          jmi_sensor_set *set, const jmi_sampler_config *tuning, jm_error *error) {
    *session = NULL;
    jm_session_options ours;
    jm_session *fresh = NULL;
    jmi_quiet quiet = jmi_quiet_begin();
    int status = jmi_session_options(&ours, options, error);
    if (status == JM_OK && (fresh = new_session(&ours)) == NULL)
        status = jmi_fail(error, JM_MEMORY, "out of memory for a session");
    if (status == JM_OK) status = open_parts(fresh, &ours, set, error);
    if (status == JM_OK) {
        status = start_sampling(fresh, &ours, set, tuning, error);
        if (status == JM_OK) set = NULL; /* the sampler's now */
    }
    if (status != JM_OK) {
        if (set != NULL) jmi_sensors_close(set);
        if (fresh != NULL) free_session(fresh);
        jmi_quiet_end(quiet);
        return status;
    }
    jmi_quiet_end(quiet);
    fresh->ring->help_context = fresh;
    fresh->ring->help = help;
    jmi_answerer_allow(fresh->answerer);
    *session = fresh;
    return JM_OK;
}

int jm_session_open(jm_session **session, const jm_session_options *options, jm_error *error) {
    if (session == NULL) return jmi_fail(error, JM_INVALID, "session is NULL");
    *session = NULL;
    jm_session_options ours;
    jm_error why = {.status = JM_NOT_FOUND};
    int status = jmi_session_options(&ours, options, error);
    if (status != JM_OK) return status;
    if ((ours.flags & JM_SESSION_NO_JOIN) == 0 && jm_session_join(session, &why) == JM_OK) {
        jmi_ties_find(*session);
        return JM_OK;
    }
    jmi_sensor_set *set = NULL;
    if ((ours.flags & JM_SESSION_NO_SAMPLER) == 0) status = jmi_sensors_open(&set, &ours, error);
    if (status == JM_OK) status = jmi_session_open_with(session, &ours, set, NULL, error);
    if (status == JM_OK && why.status != JM_NOT_FOUND)
        jmi_recording_warn((*session)->recording, "join", "%s: it measures by itself", why.message);
    return status;
}

/* ---- closing ---- */

/* In a forked child: threads, files and drivers are the parent's; our mappings go. */
static void let_go(jm_session *session) {
    jmi_ring_free(session->ring);
    free(session->devices);
    free(session);
}

static void hand_over(jm_session *session, jm_recording **recording) {
    if (recording == NULL) return;
    session->recording->live = false;
    *recording = session->recording;
    session->recording = NULL;
}

int jm_session_close(jm_session *session, jm_recording **recording, jm_error *error) {
    if (recording != NULL) *recording = NULL;
    if (session == NULL) return JM_OK;
    if (in_fork(session)) {
        let_go(session);
        return JM_OK;
    }
    if (session->joined) {
        free_session(session);
        return JM_OK;
    }
    jmi_quiet quiet = jmi_quiet_begin();
    session->ring->help = NULL;
    jmi_answerer_stop(session->answerer); /* it uses the sampler */
    jmi_sampler_stop(session->sampler);
    jmi_ring_close(session->ring);
    int64_t end = jm_now_ns();
    jmi_collect_finish(session->collector, end);
    jmi_recording_lock(session->recording);
    session->recording->end_ns = end;
    jmi_recording_unlock(session->recording);
    int status = jmi_writer_finish(session->writer, error);
    tell_warnings(session);
    hand_over(session, recording);
    free_session(session);
    jmi_quiet_end(quiet);
    return status;
}

/* ---- while it runs ---- */

bool jm_session_joined(const jm_session *session) {
    return session != NULL && session->joined;
}

const jm_recording *jm_session_recording(jm_session *session) {
    if (session == NULL || jmi_session_is_remote(session)) return NULL;
    jmi_collect(session->collector, jm_now_ns() + 50 * 1000 * 1000);
    return session->recording;
}

const char *const *jm_session_environment(jm_session *session) {
    static const char *const none[] = {NULL};
    return session != NULL ? (const char *const *)session->environment : none;
}

int jm_session_follow(jm_session *session, int32_t pid) {
    if (session == NULL || pid <= 0) return JM_INVALID;
    if (jmi_session_is_remote(session)) return JM_CLOSED;
    jmi_sampler_follow(session->sampler, pid);
    return JM_OK;
}

int jm_session_check(jm_session *session) {
    if (session == NULL) return JM_INVALID;
    if (jmi_session_is_remote(session)) return JM_OK;
    jmi_sampler_check(session->sampler);
    return JM_OK;
}

int jm_session_flush(jm_session *session, jm_error *error) {
    if (session == NULL) return jmi_fail(error, JM_INVALID, "session is NULL");
    if (jmi_session_is_remote(session)) return JM_OK;
    jmi_sampler_check(session->sampler);
    jmi_collect(session->collector, jm_now_ns() + JMI_NS_PER_S);
    jmi_quiet quiet = jmi_quiet_begin();
    int status = jmi_writer_flush(session->writer, error);
    jmi_quiet_end(quiet);
    return status;
}

int jmi_session_range(jm_session *session, jm_range_id id, jm_range *range) {
    if (session == NULL) return JM_INVALID;
    if (jmi_session_is_remote(session)) return JM_CLOSED;
    jmi_sampler_check(session->sampler);
    jmi_collect(session->collector, jm_now_ns() + JMI_NS_PER_S);
    uint64_t index;
    int status = jmi_range_find(session->recording, id, &index);
    return status == JM_OK ? jm_recording_range(session->recording, index, range) : status;
}
