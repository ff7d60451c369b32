/* Records of what GPUs did, from CUPTI's activity interface: asked for by `joulemeter run
 * --kernels`, which has the CUDA driver load this library and call InitializeInjection. */
#include "kernels.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static cupti api;
static uint32_t api_version;
static pid_t owner; /* 0: nothing is recorded */
static bool whole_graphs;
static _Atomic bool correlating;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

bool cupti_is_ours(void) {
    return owner != 0 && owner == getpid();
}

uint32_t cupti_version(void) {
    return api_version;
}

bool cupti_correlates(void) {
    return atomic_load_explicit(&correlating, memory_order_relaxed);
}

bool cupti_next_record(uint8_t *buffer, size_t valid, cupti_record **record) {
    return valid > 0 && api.ActivityGetNextRecord(buffer, valid, record) == 0 && *record != NULL;
}

/* ---- the clock ---- */

static bool own_clock;        /* CUPTI takes its times from us */
static int64_t offset_ns;     /* else what is to be added to them */
static int64_t half_width_ns; /* of the bracket that the offset was found in, the widest so far */

static uint64_t our_clock(void) {
    return (uint64_t)jm_now_ns();
}

/* CUPTI's clock between two readings of ours; the tightest of five. */
static void measure_offset(void) {
    int64_t best = INT64_MAX;
    for (int i = 0; i < 5; i++) {
        uint64_t theirs;
        int64_t before = jm_now_ns();
        if (api.GetTimestamp(&theirs) != 0) continue;
        int64_t half = (jm_now_ns() - before + 1) / 2;
        if (half >= best) continue;
        best = half;
        offset_ns = (int64_t)((uint64_t)(before + half) - theirs);
    }
    if (best != INT64_MAX && best > half_width_ns) half_width_ns = best;
}

bool cupti_time(uint64_t time, int64_t *t_ns) {
    *t_ns = (int64_t)(time + (uint64_t)(own_clock ? 0 : offset_ns));
    return *t_ns > 0;
}

/* ---- what was lost ---- */

static _Atomic uint64_t counters[CUPTI_COUNTERS];

void cupti_count(cupti_counter which, uint64_t more) {
    atomic_fetch_add_explicit(&counters[which], more, memory_order_relaxed);
}

static void say(const char *key, const char *text) {
    jm_session_set_info(inject_session(), key, text);
}

/* A fact for each process and reason; nothing where nothing is lost. */
static void tell_losses(void) {
    static const char *const reasons[CUPTI_COUNTERS] = {
        [CUPTI_TAKEN_DOWN] = "recorded",
        [CUPTI_NOT_TAKEN] = "lost, the recording took them not",
        [CUPTI_WITHOUT_TIME] = "lost, CUPTI gave no times",
        [CUPTI_CUT_OFF] = "lost, records were cut off",
        [CUPTI_DROPPED] = "lost, dropped by CUPTI"};
    static uint64_t told[CUPTI_COUNTERS];
    for (int i = 0; i < CUPTI_COUNTERS; i++) {
        uint64_t count = atomic_load_explicit(&counters[i], memory_order_relaxed);
        if (count == told[i]) continue;
        char key[96], text[32];
        told[i] = count;
        snprintf(key, sizeof key, "kernels %s, process %d", reasons[i], (int)owner);
        snprintf(text, sizeof text, "%llu", (unsigned long long)count);
        say(key, text);
    }
}

/* ---- buffers come back ---- */

static void count_dropped(void *context, uint32_t stream) {
    size_t dropped = 0;
    if (api.ActivityGetNumDroppedRecords(context, stream, &dropped) == 0 && dropped > 0)
        cupti_count(CUPTI_DROPPED, dropped);
}

static void completed(void *context, uint32_t stream, uint8_t *buffer, size_t size, size_t valid) {
    if (!cupti_is_ours()) return;
    int before = errno;
    pthread_mutex_lock(&lock);
    if (!own_clock) measure_offset();
    activity_take(buffer, valid < size ? valid : size);
    count_dropped(context, stream);
    tell_losses();
    activity_release(buffer);
    pthread_mutex_unlock(&lock);
    errno = before;
}

/* ---- ranges around launches ---- */

void cupti_push(jm_range_id range) {
    if (cupti_is_ours()) api.ActivityPushExternalCorrelationId(CUPTI_OF_OURS, range);
}

void cupti_pop(void) {
    uint64_t range;
    if (cupti_is_ours()) api.ActivityPopExternalCorrelationId(CUPTI_OF_OURS, &range);
}

/* ---- finding CUPTI ---- */

/* The process's own copy is taken before any other: PyTorch comes with one, and two do not go
 * together. None is ever closed. */
static void *open_library(int flags) {
    static const char *const names[] = {"libcupti.so.13", "libcupti.so.12", "libcupti.so.11.8",
                                        "libcupti.so"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        void *library = dlopen(names[i], RTLD_LAZY | flags);
        if (library != NULL) return library;
    }
    return NULL;
}

static void *open_in(const char *root) {
    static const char *const places[] = {"extras/CUPTI/lib64/libcupti.so", "lib64/libcupti.so"};
    char path[4096];
    void *library = NULL;
    for (size_t i = 0; root != NULL && library == NULL && i < sizeof places / sizeof *places; i++) {
        snprintf(path, sizeof path, "%s/%s", root, places[i]);
        library = dlopen(path, RTLD_LAZY);
    }
    return library;
}

static void *find_library(void) {
    const char *named = getenv("JOULEMETER_CUPTI_LIBRARY");
    if (named != NULL && named[0] != '\0') return dlopen(named, RTLD_LAZY);
    void *library = open_library(RTLD_NOLOAD);
    if (library == NULL) library = open_library(0);
    if (library == NULL) library = open_in(getenv("CUDA_HOME"));
    if (library == NULL) library = open_in(getenv("CUDA_PATH"));
    return library != NULL ? library : open_in("/usr/local/cuda");
}

/* The name of a function that is needed and missing; NULL: all are there. */
static const char *find_functions(void) {
    const char *missing = NULL;
    void *found;
#define CUPTI_FIND(name, needed, parameters)                                                       \
    found = dlsym(api.library, "cupti" #name);                                                     \
    memcpy(&api.name, &found, sizeof found);                                                       \
    if (found == NULL && (needed)) missing = "cupti" #name;
    CUPTI_FUNCTIONS(CUPTI_FIND)
#undef CUPTI_FIND
    return missing;
}

/* ---- starting ---- */

static void refuse(const char *why, const char *detail) {
    char key[64], text[400];
    snprintf(text, sizeof text, "not recorded: %s%s", why, detail);
    snprintf(key, sizeof key, "kernels refused, process %d", (int)getpid());
    say("kernels", text);
    say(key, text);
}

static const char *result_text(cupti_result result, char *buffer, size_t size) {
    const char *text = NULL;
    if (api.GetResultString != NULL && api.GetResultString(result, &text) == 0 && text != NULL)
        return text;
    snprintf(buffer, size, "error %d", result);
    return buffer;
}

static void ignore(void *user, int domain, uint32_t id, const void *data) {
    (void)user, (void)domain, (void)id, (void)data;
}

/* Before CUDA 13.3 one tool can have a process. Whether another has it is found by taking the place
 * and leaving it at once: kept, it would break what asks later, torch.profiler for one, for good.
 */
static bool place_is_free(void) {
    void *subscriber = NULL;
    char text[80], other[CUPTI_TOOL_BYTES] = "", who[CUPTI_TOOL_BYTES + 80];
    cupti_tools tools = {sizeof tools, "joulemeter", other, sizeof other};
    cupti_result result = api.Subscribe_v2 != NULL
                              ? api.Subscribe_v2(&subscriber, ignore, NULL, &tools)
                              : api.Subscribe(&subscriber, ignore, NULL);
    if (result == 0) {
        api.Unsubscribe(subscriber);
        return true;
    }
    other[sizeof other - 1] = '\0';
    snprintf(who, sizeof who, "another tool (%s) has this process's GPU activity",
             other[0] != '\0' ? other : "torch.profiler, Nsight Systems or Nsight Compute");
    if (result == CUPTI_TAKEN)
        refuse(who, "");
    else
        refuse("CUPTI cannot be used: ", result_text(result, text, sizeof text));
    return false;
}

static bool enable(int kind) {
    char text[80];
    cupti_result result = api.ActivityEnable(kind);
    if (result != 0 && (kind == CUPTI_KERNEL || kind == CUPTI_GRAPH))
        refuse("CUPTI does not record kernels: ", result_text(result, text, sizeof text));
    return result == 0;
}

/* Before any context exists. Times by a clock of ours must be asked for before any kind is. */
static bool start_recording(void) {
    own_clock = api_version >= CUPTI_SINCE_CLOCK && api.ActivityRegisterTimestampCallback != NULL &&
                api.ActivityRegisterTimestampCallback(our_clock) == 0;
    if (!own_clock) measure_offset();
    if (api.ActivityRegisterCallbacks(activity_requested, completed) != 0) {
        refuse("CUPTI takes no buffers of ours", "");
        return false;
    }
    owner = getpid(); /* buffers may be asked for from here on */
    bool works = enable(CUPTI_KERNEL);
    if (works && whole_graphs && api_version >= CUPTI_SINCE_CLOCK) works = enable(CUPTI_GRAPH);
    if (!works) {
        owner = 0;
        return false;
    }
    enable(CUPTI_DEVICE);
    enable(CUPTI_MEMCPY);
    enable(CUPTI_MEMCPY_PEER);
    enable(CUPTI_MEMSET);
    bool correlates = api.ActivityPushExternalCorrelationId != NULL &&
                      api.ActivityPopExternalCorrelationId != NULL && enable(CUPTI_EXTERNAL) &&
                      enable(CUPTI_RUNTIME) && enable(CUPTI_DRIVER);
    atomic_store(&correlating, correlates);
    ties_tell();
    if (api.ActivityFlushPeriod != NULL) api.ActivityFlushPeriod(1000);
    return true;
}

/* ---- ending ---- */

static void tell_clock(void) {
    char text[120], early[60] = "";
    if (activity_early_ns() > 0)
        snprintf(early, sizeof early, "; work began up to %lld ns before its launch",
                 (long long)activity_early_ns());
    if (own_clock)
        snprintf(text, sizeof text, "that of the recording%s", early);
    else
        snprintf(text, sizeof text, "CUPTI's, laid on the recording's within %lld ns%s",
                 (long long)half_width_ns, early);
    say("kernels' clock", text);
}

/* The process ends by itself. Without a context CUPTI has asked for no buffer, and is left alone.
 * What does not come back another tool has got. */
static void finish(void) {
    if (!cupti_is_ours()) return;
    int before = errno;
    if (activity_outstanding() > 0) api.ActivityFlushAll(CUPTI_FLUSH_FORCED);
    pthread_mutex_lock(&lock);
    activity_finish();
    count_dropped(NULL, 0);
    tell_losses();
    tell_clock();
    if (activity_outstanding() > 0)
        say("kernels", "recorded in part: another tool took this process's GPU activity over");
    pthread_mutex_unlock(&lock);
    errno = before;
}

static void start(void) {
    const char *wanted = getenv("JOULEMETER_KERNELS");
    if (wanted == NULL || wanted[0] == '\0' || inject_session() == NULL) return;
    whole_graphs = strcmp(wanted, "graphs") == 0;
    api.library = find_library();
    if (api.library == NULL) {
        refuse("CUPTI (libcupti.so) is not installed; it comes with the CUDA toolkit, and with "
               "pip install nvidia-cuda-cupti",
               "");
        return;
    }
    const char *missing = find_functions();
    if (missing != NULL) {
        refuse("this CUPTI has no ", missing);
        return;
    }
    char text[80];
    if (api.GetVersion(&api_version) != 0 || !activity_prepare()) {
        refuse("CUPTI does not work", "");
        return;
    }
    if (!place_is_free() || !start_recording()) return;
    atexit(finish);
    snprintf(text, sizeof text, "recorded by CUPTI %u", api_version);
    say("kernels", text);
    tell_clock();
}

/* Called in cuInit, by a driver that CUDA_INJECTION64_PATH tells of us; by each that a process may
 * have. */
__attribute__((visibility("default"))) int InitializeInjection(void);
__attribute__((visibility("default"))) int InitializeInjection(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int before = errno;
    pthread_once(&once, start);
    errno = before;
    return 1;
}
