/* What a pair of push and pop costs a program: where nothing listens, where a tool does nothing,
 * and where libjoulemeter-inject.so records it. NVTX's own part is that of its headers: a pointer
 * to a function is read, and called unless it is NULL. */
#include "bench.h"

#include "nvtx_abi.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 400, PAIRS = 200, SIZE = 17 };

/* ---- an NVTX ---- */

static nvtx_function core[SIZE], core2[SIZE];

static int get_module(int module, nvtx_table *table, unsigned *count) {
    static nvtx_function *core_at[SIZE], *core2_at[SIZE];
    for (size_t i = 0; i < SIZE; i++) {
        core_at[i] = &core[i];
        core2_at[i] = &core2[i];
    }
    *count = SIZE - 1;
    *table = module == NVTX_MODULE_CORE ? core_at : core2_at;
    return module == NVTX_MODULE_CORE || module == NVTX_MODULE_CORE2;
}

static const void *export_table(uint32_t id) {
    static const nvtx_callbacks callbacks = {sizeof callbacks, get_module};
    return id == NVTX_EXPORT_CALLBACKS ? &callbacks : NULL;
}

static void push(const char *text) {
    int (*call)(const char *) =
        (int (*)(const char *)) * (nvtx_function volatile *)&core[NVTX_RANGE_PUSH_A];
    if (call != NULL) call(text);
}

static void pop(void) {
    int (*call)(void) = (int (*)(void)) * (nvtx_function volatile *)&core[NVTX_RANGE_POP];
    if (call != NULL) call();
}

static void push_event(nvtx_handle domain, const nvtx_event *event) {
    typedef int push_fn(nvtx_handle, const nvtx_event *);
    push_fn *call = (push_fn *)*(nvtx_function volatile *)&core2[NVTX_DOMAIN_RANGE_PUSH_EX];
    if (call != NULL) call(domain, event);
}

static void pop_event(nvtx_handle domain) {
    int (*call)(nvtx_handle) =
        (int (*)(nvtx_handle)) * (nvtx_function volatile *)&core2[NVTX_DOMAIN_RANGE_POP];
    if (call != NULL) call(domain);
}

/* ---- tools ---- */

static int null_push(const char *text) {
    (void)text;
    return 0;
}

static int null_pop(void) {
    return 0;
}

static bool load(void) {
    void *library = dlopen(INJECT_LIBRARY, RTLD_NOW);
    int (*initialize)(nvtx_export_table *) = NULL;
    if (library != NULL) {
        void *found = dlsym(library, "InitializeInjectionNvtx2");
        memcpy(&initialize, &found, sizeof found);
    }
    return initialize != NULL && initialize(export_table) == 1;
}

/* ---- pairs ---- */

static void plain(size_t pairs) {
    for (size_t i = 0; i < pairs; i++) {
        push("step");
        pop();
    }
}

static nvtx_handle domain, text;

static void with_attributes(size_t pairs) {
    nvtx_event event = {.version = NVTX_ABI_VERSION,
                        .size = sizeof event,
                        .category = 3,
                        .payload_type = NVTX_PAYLOAD_INT64,
                        .text_type = NVTX_TEXT_REGISTERED,
                        .text.registered = text};
    for (size_t i = 0; i < pairs; i++) {
        event.payload.i64 = (int64_t)i % 10;
        push_event(domain, &event);
        pop_event(domain);
    }
}

/* Means of groups of pairs; between them the collector empties the ring, as in a program that
 * works. */
static double measure(void (*pairs)(size_t count)) {
    static double values[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++) {
        int64_t from = jm_now_ns();
        pairs(PAIRS);
        values[i] = (double)(jm_now_ns() - from) / PAIRS;
        if (i % 10 == 9) bench_sleep(0.002);
    }
    return bench_quantile(values, ROUNDS, 0.5);
}

static void prepare_attributes(void) {
    typedef nvtx_handle register_fn(nvtx_handle, const char *);
    typedef nvtx_handle create_fn(const char *);
    typedef void category_fn(nvtx_handle, uint32_t, const char *);
    domain = ((create_fn *)core2[NVTX_DOMAIN_CREATE_A])("solver");
    text = ((register_fn *)core2[NVTX_DOMAIN_REGISTER_STRING_A])(domain, "step");
    ((category_fn *)core2[NVTX_DOMAIN_NAME_CATEGORY_A])(domain, 3, "assembly");
}

static const char *const names[] = {
    "nvtx push+pop p50, no tool", "nvtx push+pop p50, a tool that does nothing",
    "nvtx push+pop p50, recorded", "nvtx push+pop p50, recorded, with attributes"};

static void add(rows *all, size_t which, double ns, row_goal goal, double target) {
    if (rows_want(all, names[which]))
        rows_add(
            all,
            &(row){
                .name = names[which], .value = ns, .unit = "ns", .goal = goal, .target = target});
}

void bench_nvtx(rows *all) {
    bool wanted = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) wanted |= rows_want(all, names[i]);
    if (!wanted) return;
    add(all, 0, measure(plain), ROW_NO_GOAL, 0);
    core[NVTX_RANGE_PUSH_A] = (nvtx_function)null_push;
    core[NVTX_RANGE_POP] = (nvtx_function)null_pop;
    add(all, 1, measure(plain), ROW_NO_GOAL, 0);
    jm_session *session = bench_session("h100", 0, 0);
    const char *const *setting = jm_session_environment(session);
    for (; *setting != NULL; setting++)
        if (strncmp(*setting, "JOULEMETER_SESSION=", 19) == 0)
            setenv("JOULEMETER_SESSION", *setting + 19, 1);
    if (load()) {
        add(all, 2, measure(plain), ROW_AT_MOST, 100);
        prepare_attributes();
        add(all, 3, measure(with_attributes), ROW_NO_GOAL, 0);
    } else {
        rows_skip(all, names[2], "the library cannot be loaded here");
    }
    unsetenv("JOULEMETER_SESSION");
    jm_session_close(session, NULL, NULL);
}
