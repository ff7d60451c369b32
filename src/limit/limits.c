/* Opening GPUs for their limits, and reading these. */
#include "limit/borrow.h"

#include "sensor/internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- simulated boards: of this object, of a session, or of the environment ---- */

static const char *setting_of(const char *const *environment, const char *name) {
    size_t length = strlen(name);
    for (; environment != NULL && *environment != NULL; environment++)
        if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
            return *environment + length + 1;
    return NULL;
}

/* The library that a session's simulated boards are in: the first folder of LD_LIBRARY_PATH. */
static char *library_of(const char *const *environment) {
    const char *folders = setting_of(environment, "LD_LIBRARY_PATH");
    char *library = NULL;
    jmi_text text = {0};
    if (setting_of(environment, "JOULEMETER_SIMGPU_STATE") == NULL || folders == NULL) return NULL;
    jmi_text_add(&text, "%.*s/libnvidia-ml.so.1", (int)strcspn(folders, ":"), folders);
    jmi_text_take(&text, &library, NULL);
    return library;
}

static char *named(const char *name, const char *value) {
    char *setting = NULL;
    jmi_text text = {0};
    jmi_text_add(&text, "%s=%s", name, value);
    jmi_text_take(&text, &setting, NULL);
    return setting;
}

/* The guard loads the very library that is loaded here. */
static int set_settings(jm_limits *limits, const char *library) {
    limits->settings = jmi_alloc(3, sizeof *limits->settings);
    if (limits->settings == NULL) return JM_MEMORY;
    limits->settings[0] = named("JOULEMETER_SIMGPU_STATE", limits->state);
    limits->settings[1] = named("JOULEMETER_NVML_LIBRARY", library);
    return limits->settings[0] != NULL && limits->settings[1] != NULL ? JM_OK : JM_MEMORY;
}

/* A copy: the session may end before the loans do. */
static char **copy_settings(const char *const *settings) {
    size_t count = 0;
    while (settings[count] != NULL) count++;
    char **copy = jmi_alloc(count + 1, sizeof *copy);
    for (size_t i = 0; copy != NULL && i < count; i++) {
        copy[i] = jmi_strdup(settings[i]);
        if (copy[i] != NULL) continue;
        while (i > 0) free(copy[--i]);
        free(copy);
        return NULL;
    }
    return copy;
}

static int take_environment(jm_limits *limits, const char *const *environment) {
    const char *state = setting_of(environment, "JOULEMETER_SIMGPU_STATE");
    if (state != NULL) limits->environment = copy_settings(environment);
    if (state != NULL && limits->environment == NULL) return JM_MEMORY;
    if (state == NULL && jmi_gpus_simulated(limits->set)) state = getenv("JOULEMETER_SIMGPU_STATE");
    if (state == NULL) return JM_OK;
    limits->state = jmi_strdup(state);
    char *library = library_of(environment);
    int status = limits->state == NULL ? JM_MEMORY : JM_OK;
    if (status == JM_OK && library != NULL) status = set_settings(limits, library);
    free(library);
    return status;
}

/* ---- opening ---- */

/* A finding is a sentence with its full stop, an error has none. */
static int say_finding(const jm_finding *finding, int status, jm_error *error) {
    size_t length = strlen(finding->message);
    if (length > 0 && finding->message[length - 1] == '.') length--;
    return jmi_fail(error, status, "%.*s", (int)length, finding->message);
}

/* Why there is no GPU: what the driver said, or that none is selected. */
static int no_gpu(const jm_limits *limits, jm_error *error) {
    const jmi_sensor_set *set = limits->set;
    for (size_t i = 0; i < set->finding_count; i++)
        if (set->findings[i].status != JM_OK)
            return say_finding(&set->findings[i], set->findings[i].status, error);
    for (size_t i = 0; i < set->finding_count; i++)
        if (strcmp(set->findings[i].what, "selection") == 0)
            return say_finding(&set->findings[i], JM_NOT_FOUND, error);
    return jmi_fail(error, JM_NOT_FOUND, "there is no GPU here, or none was selected");
}

static int take_gpus(jm_limits *limits, jm_error *error) {
    limits->gpus = jmi_alloc(limits->set->gpu_count + 1, sizeof *limits->gpus);
    if (limits->gpus == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    for (uint32_t i = 0; i < limits->set->gpu_count; i++) {
        if (!limits->set->gpus[i].selected) continue;
        jmi_limits_gpu *gpu = &limits->gpus[limits->count++];
        gpu->gpu = i;
        jmi_gpu_key(limits->set, i, gpu->key);
    }
    return limits->count > 0 ? JM_OK : no_gpu(limits, error);
}

static int watch_process(jm_limits *limits, int32_t pid, jm_error *error) {
    limits->owner = (int32_t)getpid();
    limits->pid = pid != 0 ? pid : limits->owner;
    limits->hold = pid != 0;
    limits->pidfd = (int)syscall(SYS_pidfd_open, limits->pid, 0);
    if (limits->pidfd < 0 && errno == ESRCH)
        return jmi_fail(error, JM_NOT_FOUND, "there is no process %d", (int)pid);
    return JM_OK; /* an old kernel: its number is watched */
}

static int set_socket(jm_limits *limits, const char *path, jm_error *error) {
    if (path == NULL) path = getenv("JOULEMETER_LIMITD_SOCKET");
    if (path == NULL || path[0] == '\0') path = JMI_DAEMON_SOCKET;
    if (jmi_path(limits->socket, sizeof limits->socket, NULL, "%s", path)) return JM_OK;
    return jmi_fail(error, JM_INVALID, "the path %.100s... is too long for a socket", path);
}

static int open_limits(jm_limits *limits, const jm_limits_options *options, jm_error *error) {
    jm_session_options session = JM_SESSION_OPTIONS_INIT;
    session.gpus = options->gpus;
    session.simulate = options->simulate;
    int status = watch_process(limits, options->pid, error);
    if (status == JM_OK) status = set_socket(limits, options->socket, error);
    if (status != JM_OK) return status;
    const char *const *environment =
        options->session != NULL ? jm_session_environment(options->session) : NULL;
    char *library = library_of(environment);
    status = jmi_gpus_open(&limits->set, &session, library, error);
    free(library);
    if (status != JM_OK) return status;
    if (limits->set->environment != NULL)
        environment = (const char *const *)limits->set->environment;
    if (take_environment(limits, environment) != JM_OK)
        return jmi_fail(error, JM_MEMORY, "out of memory");
    return take_gpus(limits, error);
}

static void free_settings(char **settings) {
    for (char **setting = settings; setting != NULL && *setting != NULL; setting++) free(*setting);
    free(settings);
}

static void free_limits(jm_limits *limits) {
    if (limits->lender >= 0) close(limits->lender);
    if (limits->pidfd >= 0) close(limits->pidfd);
    if (limits->wake >= 0) close(limits->wake);
    free_settings(limits->settings);
    free_settings(limits->environment);
    free(limits->state);
    free(limits->gpus);
    jmi_text_free(&limits->notes);
    jmi_text_free(&limits->warnings);
    jmi_text_free(&limits->told);
    jmi_sensors_close(limits->set);
    free(limits);
}

int jm_limits_open(jm_limits **limits, const jm_limits_options *options, jm_error *error) {
    jm_limits_options ours;
    if (limits == NULL) return jmi_fail(error, JM_INVALID, "jm_limits_open: limits is NULL");
    *limits = NULL;
    int status = jmi_take_struct(&ours, sizeof ours, options, "jm_limits_options", error);
    if (status != JM_OK) return status;
    jm_limits *opened = jmi_alloc(1, sizeof *opened);
    if (opened == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    opened->lender = opened->pidfd = opened->wake = -1;
    pthread_mutexattr_t recursive;
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&opened->lock, &recursive);
    pthread_mutexattr_destroy(&recursive);
    status = open_limits(opened, &ours, error);
    if (status == JM_OK)
        *limits = opened;
    else
        free_limits(opened);
    return status;
}

/* ---- closing ---- */

/* The lender is gone, and perhaps what it lent is still in force: another one mends that. */
static int mend_all(jm_limits *limits, jm_error *error) {
    int worst = JM_OK;
    jmi_borrow_leave(limits);
    for (uint32_t i = 0; i < limits->count; i++)
        for (int lever = 0; lever < JMI_LEVERS; lever++) {
            if (!limits->gpus[i].borrowed[lever]) continue;
            jmi_request request = {.verb = JMI_VERB_MEND, .lever = (jm_lever)lever};
            jmi_answer answer;
            strcpy(request.key, limits->gpus[i].key);
            int status = jmi_borrow_ask(limits, &request, &answer, worst == JM_OK ? error : NULL);
            if (worst == JM_OK) worst = status;
        }
    return worst;
}

int jm_limits_close(jm_limits *limits, jm_error *error) {
    const jmi_request bye = {.verb = JMI_VERB_BYE};
    jmi_answer answer;
    if (limits == NULL) return JM_OK;
    int status = JM_OK;
    bool ours = limits->owner == (int32_t)getpid();
    if (ours) jmi_lookout_stop(limits);
    bool owns = ours && !limits->hold && jmi_borrow_has_loans(limits);
    if (owns && limits->lender >= 0) status = jmi_lender_ask(limits->lender, &bye, &answer, error);
    if (owns && (limits->lender < 0 || status == JM_CLOSED)) status = mend_all(limits, error);
    free_limits(limits);
    return status;
}

/* ---- reading ---- */

uint32_t jm_limits_count(const jm_limits *limits) {
    return limits != NULL ? limits->count : 0;
}

const char *const *jm_limits_environment(jm_limits *limits) {
    return limits != NULL ? (const char *const *)limits->environment : NULL;
}

const char *jm_limits_warnings(jm_limits *limits) {
    if (limits == NULL || limits->owner != (int32_t)getpid()) return "";
    pthread_mutex_lock(&limits->lock);
    jmi_text_free(&limits->told);
    limits->told = limits->warnings;
    limits->warnings = (jmi_text){0};
    pthread_mutex_unlock(&limits->lock);
    return limits->told.data != NULL ? limits->told.data : "";
}

const char *jm_limits_notes(const jm_limits *limits) {
    return limits != NULL && limits->notes.data != NULL ? limits->notes.data : "";
}

/* Who has loans, and what the limit goes back to. */
static void read_note(const jm_limits *limits, const jmi_limits_gpu *gpu, jm_limit *limit,
                      jmi_limit_texts *texts, uint32_t requested) {
    char folder[4096];
    jmi_note note;
    uint32_t dead;
    jmi_folder_find(limits->state, gpu->key, limit->lever, folder, sizeof folder);
    if (jmi_ledger_peek(folder, gpu->key, limit->lever, &note, &dead) != JM_OK) return;
    bool clock = limit->lever == JM_LEVER_CLOCK;
    bool ours = clock || note.applying != 0 || note.applied == requested;
    if (!ours) return; /* somebody who knows nothing of notes has set it since */
    limit->loans = note.loan_count;
    /* A guard that was killed while it set the limit had no time to note that it did. */
    uint32_t now = clock ? note.applied : requested;
    bool unsure = clock && note.applying != 0;
    limit->left_over = dead > 0 && (unsure || jmi_note_wanted(&note) != now);
    if (clock && note.applied != 0) limit->value = limit->requested = (double)note.applied;
    if (limit->loans > 0 || limit->left_over)
        limit->base =
            clock && note.base == 0 ? limit->standard : jmi_lever_value(limit->lever, note.base);
    if (note.loan_count == 0) return;
    const jmi_loan *top = &note.loans[note.loan_count - 1];
    limit->holder_pid = top->pid;
    snprintf(texts->holder, sizeof texts->holder, "%s", top->name);
}

static void describe(jm_limit *limit, jmi_limit_texts *texts) {
    const char *unit = jm_lever_unit((int)limit->lever);
    texts->message[0] = '\0';
    if (limit->left_over)
        snprintf(texts->message, sizeof texts->message,
                 "it was set under a guard that was killed; `joulemeter limit reset` restores "
                 "%.6g %s",
                 limit->base, unit);
    else if (limit->lever == JM_LEVER_POWER && limit->value < limit->requested - 0.5)
        snprintf(texts->message, sizeof texts->message,
                 "%.6g W was asked for, but the board has another limit besides", limit->requested);
    else if (limit->volatile_limit && limit->loans == 0)
        snprintf(texts->message, sizeof texts->message,
                 "persistence mode is off: the driver forgets a limit as soon as no program uses "
                 "the GPU (sudo nvidia-smi -pm 1)");
}

/* What the administrator allows narrows what can be set. */
static void apply_bounds(jm_limits *limits, const jmi_limits_gpu *gpu, jm_limit *limit) {
    jmi_request request = {.verb = JMI_VERB_BOUNDS, .lever = limit->lever};
    jmi_answer answer;
    strcpy(request.key, gpu->key);
    if (limits->kind != JMI_LENDER_DAEMON) return;
    int status = jmi_lender_ask(limits->lender, &request, &answer, NULL);
    if (status == JM_CLOSED) jmi_borrow_lost(limits, answer.status == JM_CLOSED);
    if (status != JM_OK || answer.count < 2) return;
    double least = jmi_lever_value(limit->lever, answer.value[0]);
    double most = jmi_lever_value(limit->lever, answer.value[1]);
    if (answer.value[0] != 0 && !(limit->least > least)) limit->least = least;
    if (answer.value[1] != UINT32_MAX - 1 && !(limit->most < most)) limit->most = most;
}

static void fill_figures(jm_limit *limit, const jmi_limit_reading *reading) {
    limit->value = jmi_lever_value(limit->lever, reading->value);
    limit->requested = jmi_lever_value(limit->lever, reading->requested);
    limit->standard = jmi_lever_value(limit->lever, reading->standard);
    limit->least = jmi_lever_value(limit->lever, reading->least);
    limit->most = jmi_lever_value(limit->lever, reading->most);
    limit->volatile_limit = reading->persistence == 0;
}

static int read_one(jm_limits *limits, uint32_t index, jm_lever lever, jm_limit *limit,
                    jm_error *error) {
    jmi_limits_gpu *gpu = &limits->gpus[index];
    jmi_limit_texts *texts = &gpu->texts[lever];
    jmi_limit_reading reading;
    jm_error why = {0};
    memset(texts, 0, sizeof *texts);
    snprintf(texts->device, sizeof texts->device, "gpu%u", gpu->gpu);
    jm_limit read = {.size = sizeof read,
                     .device = texts->device,
                     .uuid = limits->set->gpus[gpu->gpu].uuid,
                     .model = limits->set->gpus[gpu->gpu].model,
                     .lever = lever,
                     .simulated = jmi_gpus_simulated(limits->set),
                     .message = texts->message,
                     .holder = texts->holder,
                     .base = (double)NAN};
    read.status = jmi_limit_read(limits->set, gpu->gpu, lever, &reading, &why);
    fill_figures(&read, &reading);
    if (read.status == JM_OK) {
        read_note(limits, gpu, &read, texts, reading.requested);
        apply_bounds(limits, gpu, &read);
        describe(&read, texts);
    } else {
        snprintf(texts->message, sizeof texts->message, "%.380s", why.message);
    }
    if (jmi_give_struct(limit, &read, sizeof read) == JM_OK) return JM_OK;
    return jmi_fail(error, JM_INVALID, "jm_limits_read: limit->size is not set");
}

int jm_limits_read(jm_limits *limits, uint32_t index, jm_lever lever, jm_limit *limit,
                   jm_error *error) {
    if (limits == NULL || limit == NULL || !jmi_lever_known((int)lever))
        return jmi_fail(error, JM_INVALID, "jm_limits_read: an argument is not valid");
    if (index >= limits->count)
        return jmi_fail(error, JM_NOT_FOUND, "there is no GPU at index %u", index);
    bool ours = limits->owner == (int32_t)getpid(); /* a forked child has no thread beside it */
    if (ours) pthread_mutex_lock(&limits->lock);
    int status = read_one(limits, index, lever, limit, error);
    if (ours) pthread_mutex_unlock(&limits->lock);
    return status;
}
