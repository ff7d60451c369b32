#include "helpers.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void sleep_ms(int ms) {
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    nanosleep(&pause, NULL);
}

long setting(const char *name, long otherwise) {
    const char *text = getenv(name);
    if (text != NULL) return atol(text);
#ifdef JM_SANITIZED /* ten times slower */
    otherwise /= 10;
#endif
    return otherwise;
}

/* ---- sensors ---- */

static int read_fake(jmi_source *source, jmi_reading *readings) {
    fake_source *fake = source->context;
    uint64_t call = atomic_fetch_add(&fake->calls, 1);
    while (atomic_load(&fake->hang)) sleep_ms(2);
    if (atomic_load(&fake->cost_ns) > 0) sleep_ms((int)(atomic_load(&fake->cost_ns) / 1000000));
    int64_t now = jm_now_ns();
    int64_t tick = fake->refresh_ns != 0 ? now / fake->refresh_ns : (int64_t)call;
    for (uint32_t k = 0; k < source->sensor_count; k++) {
        readings[k] = (jmi_reading){.value = k == 0 ? fake->base + (double)(tick % 1000) : 40,
                                    .status = atomic_load(&fake->reading_status)};
        if (k == 0 && fake->source_time) readings[k].source_ns = tick * fake->refresh_ns;
    }
    return atomic_load(&fake->status);
}

jmi_sensor_set *fake_set(fake_source *const *sources, size_t count) {
    jmi_sensor_set *set = jmi_alloc(1, sizeof *set);
    set->texts = jmi_intern_new();
    for (size_t i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "gpu%zu", i);
        uint32_t device = jmi_set_device(set, &(jm_device){.size = sizeof(jm_device),
                                                           .name = name,
                                                           .vendor = "ACME",
                                                           .model = "Roadrunner",
                                                           .in_total = true});
        uint32_t sensor =
            jmi_set_sensor(set, &(jm_sensor){.size = sizeof(jm_sensor),
                                             .device = device,
                                             .quantity = JM_QUANTITY_POWER,
                                             .source = "fake",
                                             .refresh_ns = (uint64_t)sources[i]->refresh_ns});
        jmi_source source = {.interface = "fake",
                             .device = device,
                             .sensor = {sensor},
                             .sensor_count = 1,
                             .driver = sources[i]->driver,
                             .read = read_fake,
                             .context = sources[i]};
        jmi_set_source(set, &source);
    }
    return set;
}

void fake_add_temperature(jmi_sensor_set *set) {
    for (size_t i = 0; i < set->source_count; i++) {
        jmi_source *source = &set->sources[i];
        jm_sensor sensor = {.size = sizeof sensor,
                            .device = source->device,
                            .quantity = JM_QUANTITY_TEMPERATURE,
                            .source = "fake"};
        source->sensor[source->sensor_count++] = jmi_set_sensor(set, &sensor);
    }
}

jm_session *open_fake(fake_source *const *sources, size_t count, jm_session_options *options) {
    jm_session_options defaults = JM_SESSION_OPTIONS_INIT;
    if (options == NULL) options = &defaults;
    jm_session *session = NULL;
    jm_error error = {0, ""};
    jmi_sampler_config tuning = {.hang_ns = 200 * 1000 * 1000};
    int status =
        jmi_session_open_with(&session, options, fake_set(sources, count), &tuning, &error);
    if (status != JM_OK) fail_msg("open: %s", error.message);
    return session;
}

jm_session *open_plain(jm_session_options *options) {
    jm_session_options defaults = JM_SESSION_OPTIONS_INIT;
    if (options == NULL) options = &defaults;
    options->flags |= JM_SESSION_NO_SAMPLER | JM_SESSION_NO_JOIN;
    jm_session *session = NULL;
    jm_error error = {0, ""};
    int status = jm_session_open(&session, options, &error);
    if (status != JM_OK) fail_msg("open: %s", error.message);
    return session;
}

jm_recording *close_session(jm_session *session) {
    jm_recording *recording = NULL;
    jm_error error = {0, ""};
    if (jm_session_close(session, &recording, &error) != JM_OK) fail_msg("%s", error.message);
    assert_non_null(recording);
    return recording;
}

/* ---- processes ---- */

pid_t start_self(const char *part, char *const *settings) {
    pid_t pid = fork();
    if (pid == 0) {
        for (; *settings != NULL; settings++) putenv(*settings);
        execl("/proc/self/exe", "test", part, (char *)NULL);
        _exit(127);
    }
    return pid;
}

int wait_for(pid_t pid) {
    int status;
    while (waitpid(pid, &status, 0) < 0) assert_int_equal(errno, EINTR);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* ---- files ---- */

static char folder[64];
static pid_t folder_owner;

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk) {
    (void)info, (void)type, (void)walk;
    return remove(path);
}

static void remove_folder(void) {
    if (folder_owner == getpid()) nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *scratch(void) {
    if (folder[0] == '\0') {
        snprintf(folder, sizeof folder, "/tmp/jm-record-XXXXXX");
        assert_non_null(mkdtemp(folder));
        folder_owner = getpid();
        atexit(remove_folder);
    }
    return folder;
}

const char *scratch_file(const char *name) {
    static char paths[8][128];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", scratch(), name);
    return path;
}

/* ---- recordings ---- */

tally walk(const jm_recording *recording, uint32_t sensor, int64_t from_ns, int64_t to_ns) {
    tally c = {.first_ns = INT64_MIN, .last_ns = INT64_MIN};
    jm_cursor *cursor;
    jm_samples block;
    jm_error error = {0, ""};
    if (jm_cursor_open(&cursor, recording, sensor, from_ns, to_ns, &error) != JM_OK)
        fail_msg("cursor: %s", error.message);
    int status;
    while ((status = jm_cursor_next(cursor, &block)) == JM_OK)
        for (size_t i = 0; i < block.count; i++) {
            if (c.samples > 0 && block.t_ns[i] <= c.last_ns) fail_msg("times do not rise");
            if (c.samples++ == 0) c.first_ns = block.t_ns[i];
            c.last_ns = block.t_ns[i];
            c.changed += (block.flags[i] & JM_SAMPLE_CHANGED) != 0;
            c.gaps += (block.flags[i] & JM_SAMPLE_GAP) != 0;
            c.missing += (block.flags[i] & JM_SAMPLE_MISSING) != 0;
            c.last_value = block.value[i];
        }
    assert_int_equal(status, JM_NO_DATA);
    jm_cursor_close(cursor);
    return c;
}

jm_range range_at(const jm_recording *recording, uint64_t index) {
    jm_range range = {.size = sizeof range};
    assert_int_equal(jm_recording_range(recording, index, &range), JM_OK);
    return range;
}

bool has_warning(const jm_recording *recording, const char *part) {
    for (uint32_t i = 0; i < jm_recording_warning_count(recording); i++)
        if (strstr(jm_recording_warning(recording, i), part) != NULL) return true;
    return false;
}

jm_recording *sawtooth(uint64_t samples) {
    jm_recording *recording;
    uint32_t device, sensor;
    assert_int_equal(jm_recording_new(&recording, NULL), JM_OK);
    jm_device gpu = {.size = sizeof gpu, .name = "gpu0", .vendor = "ACME", .in_total = true};
    assert_int_equal(jm_recording_add_device(recording, &gpu, &device, NULL), JM_OK);
    jm_sensor power = {.size = sizeof power,
                       .device = device,
                       .quantity = JM_QUANTITY_POWER,
                       .source = "made up",
                       .refresh_ns = 1000000};
    assert_int_equal(jm_recording_add_sensor(recording, &power, &sensor, NULL), JM_OK);
    enum { BLOCK = 4096 };
    static int64_t t[BLOCK];
    static double value[BLOCK];
    for (uint64_t done = 0; done < samples;) {
        jm_samples block = {.t_ns = t, .value = value};
        for (; block.count < BLOCK && done < samples; block.count++, done++) {
            t[block.count] = (int64_t)(done + 1) * 1000000;
            value[block.count] = (double)(done % 1000);
        }
        assert_int_equal(jm_recording_add_samples(recording, sensor, &block, NULL), JM_OK);
    }
    return recording;
}
