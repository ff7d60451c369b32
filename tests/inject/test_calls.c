/* The library called as NVTX calls it, from tables made by hand: also as no sane program would. A
 * session of this very process is the outer one that it joins. */
#include "joulemeter.h"
#include "nvtx_abi.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- an NVTX ---- */

enum { SIZE = 20 };

typedef struct host {
    nvtx_function core[SIZE], core2[SIZE], cuda[SIZE], cudart[SIZE];
    nvtx_function *core_at[SIZE], *core2_at[SIZE], *cuda_at[SIZE], *cudart_at[SIZE];
    unsigned core_size, core2_size;
} host;

static host *current;
static uint32_t told_version;

static int get_module(int module, nvtx_table *table, unsigned *count) {
    *count = SIZE;
    switch (module) {
    case NVTX_MODULE_CORE:
        *table = current->core_at;
        *count = current->core_size;
        return 1;
    case NVTX_MODULE_CORE2:
        *table = current->core2_at;
        *count = current->core2_size;
        return 1;
    case NVTX_MODULE_CUDA: *table = current->cuda_at; return 1;
    case NVTX_MODULE_CUDART: *table = current->cudart_at; return 1;
    default: return 0;
    }
}

static void take_version(uint32_t version) {
    told_version = version;
}

static size_t callbacks_size = sizeof(nvtx_callbacks);
static const void *export_table(uint32_t id) {
    static nvtx_callbacks callbacks;
    static const nvtx_version version = {sizeof version, 3, 0, take_version};
    callbacks = (nvtx_callbacks){callbacks_size, get_module};
    return id == NVTX_EXPORT_CALLBACKS ? (const void *)&callbacks
           : id == NVTX_EXPORT_VERSION ? (const void *)&version
                                       : NULL;
}

static const void *no_tables(uint32_t id) {
    (void)id;
    return NULL;
}

static void prepare(host *h) {
    memset(h, 0, sizeof *h);
    for (size_t i = 0; i < SIZE; i++) {
        h->core_at[i] = &h->core[i];
        h->core2_at[i] = &h->core2[i];
        h->cuda_at[i] = &h->cuda[i];
        h->cudart_at[i] = &h->cudart[i];
    }
    h->core_size = h->core2_size = 16;
    current = h;
}

static host nvtx;
static int (*initialize)(nvtx_export_table *);
static int (*initialize_first)(const void *);
static jm_session *session;

#define CALL(module, id, type) ((type)nvtx.module[id])

static int push(const nvtx_event *event) {
    return CALL(core, NVTX_RANGE_PUSH_EX, int (*)(const nvtx_event *))(event);
}
static int push_a(const char *text) {
    return CALL(core, NVTX_RANGE_PUSH_A, int (*)(const char *))(text);
}
static int push_w(const wchar_t *text) {
    return CALL(core, NVTX_RANGE_PUSH_W, int (*)(const wchar_t *))(text);
}
static int pop(void) {
    return CALL(core, NVTX_RANGE_POP, int (*)(void))();
}
static int push_in(nvtx_handle domain, const nvtx_event *event) {
    return CALL(core2, NVTX_DOMAIN_RANGE_PUSH_EX, int (*)(nvtx_handle, const nvtx_event *))(domain,
                                                                                            event);
}
static int pop_in(nvtx_handle domain) {
    return CALL(core2, NVTX_DOMAIN_RANGE_POP, int (*)(nvtx_handle))(domain);
}
static nvtx_handle domain_a(const char *name) {
    return CALL(core2, NVTX_DOMAIN_CREATE_A, nvtx_handle(*)(const char *))(name);
}
static nvtx_handle string_a(nvtx_handle domain, const char *text) {
    return CALL(core2, NVTX_DOMAIN_REGISTER_STRING_A,
                nvtx_handle(*)(nvtx_handle, const char *))(domain, text);
}
static void category_a(nvtx_handle domain, uint32_t id, const char *name) {
    CALL(core2, NVTX_DOMAIN_NAME_CATEGORY_A, void (*)(nvtx_handle, uint32_t, const char *))
    (domain, id, name);
}

static nvtx_event event(const char *text) {
    nvtx_event e;
    memset(&e, 0, sizeof e);
    e.version = NVTX_ABI_VERSION;
    e.size = sizeof e;
    e.text_type = NVTX_TEXT_ASCII;
    e.text.ascii = text;
    return e;
}

/* ---- what was recorded ---- */

/* The last range of this name. */
static bool find(const char *name, jm_range *out) {
    const jm_recording *recording = jm_session_recording(session);
    bool found = false;
    for (uint64_t i = 0; i < jm_recording_range_count(recording); i++) {
        jm_range range = JM_RANGE_INIT;
        assert_int_equal(jm_recording_range(recording, i, &range), JM_OK);
        if (strcmp(range.name, name) != 0) continue;
        *out = range;
        found = true;
    }
    return found;
}

static uint64_t count_ranges(void) {
    return jm_recording_range_count(jm_session_recording(session));
}

static const char *attributes_of(const char *name) {
    jm_range range;
    if (!find(name, &range)) fail_msg("there is no range %s", name);
    assert_int_equal(range.category, JM_CATEGORY_NVTX);
    return range.attributes;
}

/* ---- tests ---- */

static void test_init(void **state) {
    (void)state;
    assert_int_equal(initialize(NULL), 1);
    assert_int_equal(initialize(no_tables), 1);
    prepare(&nvtx);
    callbacks_size = sizeof(nvtx_callbacks) - 1;
    assert_int_equal(initialize(export_table), 1);
    assert_null(nvtx.core[NVTX_RANGE_POP]);
    callbacks_size = sizeof(nvtx_callbacks);
    /* An older NVTX has shorter tables, another one holes. */
    nvtx.core_size = NVTX_RANGE_END;
    nvtx.core_at[NVTX_MARK_A] = NULL;
    assert_int_equal(initialize(export_table), 1);
    assert_non_null(nvtx.core[NVTX_MARK_EX]);
    assert_null(nvtx.core[NVTX_MARK_A]);
    assert_null(nvtx.core[NVTX_RANGE_END]);
    /* Twice is as once; a second shared object has tables of its own. */
    host second;
    prepare(&second);
    assert_int_equal(initialize(export_table), 1);
    prepare(&nvtx);
    assert_int_equal(initialize(export_table), 1);
    assert_int_equal(initialize(export_table), 1);
    assert_memory_equal(nvtx.core, second.core, sizeof nvtx.core);
    assert_int_equal(told_version, 3);
    /* What is beyond the functions that there are is not touched, nor is number 0. */
    assert_null(nvtx.core[0]);
    assert_null(nvtx.core[16]);
}

static void test_levels(void **state) {
    (void)state;
    nvtx_event e = event("levels");
    nvtx_handle a = domain_a("a"), b = domain_a("b");
    assert_ptr_not_equal(a, b);
    assert_ptr_equal(a, domain_a("a"));
    assert_int_equal(pop(), -1);
    assert_int_equal(pop_in(a), -1);
    assert_int_equal(push(&e), 0);
    assert_int_equal(push_in(a, &e), 0);
    assert_int_equal(push_in(a, &e), 1);
    assert_int_equal(push_in(b, &e), 0);
    assert_int_equal(push_a("levels"), 1);
    assert_int_equal(pop_in(a), 1);
    assert_int_equal(pop(), 1);
    assert_int_equal(pop(), 0);
    assert_int_equal(pop(), -1);
    assert_int_equal(pop_in(b), 0);
    assert_int_equal(pop_in(a), 0);
    assert_int_equal(pop_in(a), -1);
}

static void test_structs(void **state) {
    (void)state;
    uint64_t before = count_ranges();
    assert_int_equal(push(NULL), 0);
    nvtx_event e = event(NULL);
    push(&e);
    e = event("too short");
    for (size_t size = 0; size < sizeof e; size++) {
        e.size = (uint16_t)size;
        push(&e);
    }
    e.size = UINT16_MAX; /* a later version's */
    e.text.ascii = "longer";
    push(&e);
    e.size = sizeof e;
    for (uint16_t version = 0; version < 12; version++) {
        e.version = version;
        e.text.ascii = version < 2 || version > 3 ? (const char *)1 : "known version";
        push(&e);
    }
    e = event("unknown kinds");
    e.text_type = 77;
    e.text.ascii = (const char *)1; /* not to be looked at */
    e.payload_type = 99;
    push(&e);
    while (pop() >= 0) {
    }
    assert_int_equal(count_ranges() - before, 2 + sizeof e + 1 + 12 + 1);
    jm_range range;
    assert_true(find("longer", &range));
    assert_true(find("known version", &range));
    assert_true(find("(unnamed)", &range));
    assert_false(find("too short", &range));
    assert_false(range.unfinished);
}

static void test_handles(void **state) {
    (void)state;
    nvtx_event e = event(NULL);
    e.text_type = NVTX_TEXT_REGISTERED;
    const uintptr_t wrong[] = {0, 1u << 20, UINT32_MAX, UINTPTR_MAX, 0x7fff12345678};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        e.text.registered = (nvtx_handle)wrong[i];
        assert_int_equal(push_in((nvtx_handle)wrong[i], &e), 0);
        assert_int_equal(pop_in((nvtx_handle)wrong[i]), 0);
        category_a((nvtx_handle)wrong[i], 3, "nobody's");
    }
    assert_null(string_a(NULL, NULL));
    assert_null(domain_a(NULL));
    assert_null(domain_a(""));
    /* Many strings: each is itself again. */
    enum { MANY = 5000 };
    static nvtx_handle handles[MANY];
    char text[32];
    for (int i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "string %d", i);
        handles[i] = string_a(NULL, text);
        assert_non_null(handles[i]);
    }
    snprintf(text, sizeof text, "string %d", MANY / 2);
    assert_ptr_equal(string_a(NULL, text), handles[MANY / 2]);
    e.text.registered = handles[MANY - 1];
    push(&e);
    pop();
    jm_range range;
    snprintf(text, sizeof text, "string %d", MANY - 1);
    assert_true(find(text, &range));
}

static void test_texts(void **state) {
    (void)state;
    enum { MEGABYTE = 1 << 20 };
    char *large = malloc(MEGABYTE + 1);
    assert_non_null(large);
    memset(large, 'x', MEGABYTE);
    large[MEGABYTE] = '\0';
    push_a(large);
    pop();
    nvtx_event e = event(large);
    e.text_type = NVTX_TEXT_REGISTERED;
    e.text.registered = string_a(NULL, large);
    push_in(domain_a(large), &e);
    pop_in(domain_a(large));
    category_a(NULL, 9, large);
    free(large);
    assert_int_equal(push_w(NULL), 0);
    pop();
    /* The last two are no characters. */
    push_w((const wchar_t[]){L'a', 0xe4, 0x4e2d, 0x1f600, 0xd800, (wchar_t)0x80000000, 0});
    pop();
    jm_range range;
    assert_true(find("a\xc3\xa4\xe4\xb8\xad\xf0\x9f\x98\x80\xef\xbf\xbd\xef\xbf\xbd", &range));
    e = event("escapes");
    e.category = 1;
    category_a(domain_a("quote \" back \\ line \n"), 1, "tab\t\"");
    push_in(domain_a("quote \" back \\ line \n"), &e);
    pop_in(domain_a("quote \" back \\ line \n"));
    assert_string_equal(attributes_of("escapes"),
                        "{\"domain\":\"quote \\\" back \\\\ line \\u000a\","
                        "\"category\":\"tab\\u0009\\\"\"}");
}

static const char *payload_text(nvtx_event *e, const char *name) {
    e->text.ascii = name;
    push(e);
    pop();
    return attributes_of(name);
}

static void test_payloads(void **state) {
    (void)state;
    /* A locale with a comma, where there is one: JSON has a point all the same. */
    setlocale(LC_NUMERIC, "de_DE.UTF-8");
    nvtx_event e = event("");
    e.payload_type = NVTX_PAYLOAD_UINT64;
    e.payload.u64 = UINT64_MAX;
    assert_string_equal(payload_text(&e, "u64"), "{\"payload\":18446744073709551615}");
    e.payload_type = NVTX_PAYLOAD_INT64;
    e.payload.i64 = INT64_MIN;
    assert_string_equal(payload_text(&e, "i64"), "{\"payload\":-9223372036854775808}");
    e.payload_type = NVTX_PAYLOAD_UINT32;
    e.payload.u32 = 0;
    assert_string_equal(payload_text(&e, "u32"), "{\"payload\":0}");
    e.payload_type = NVTX_PAYLOAD_INT32;
    e.payload.i32 = -7;
    assert_string_equal(payload_text(&e, "i32"), "{\"payload\":-7}");
    e.payload_type = NVTX_PAYLOAD_DOUBLE;
    e.payload.f64 = 0.1;
    assert_string_equal(payload_text(&e, "double"), "{\"payload\":0.1}");
    e.payload.f64 = 1.0 / 3;
    assert_string_equal(payload_text(&e, "third"), "{\"payload\":0.3333333333333333}");
    e.payload.f64 = 1e300;
    assert_string_equal(payload_text(&e, "large"), "{\"payload\":1e+300}");
    e.payload.f64 = strtod("nan", NULL);
    assert_string_equal(payload_text(&e, "nan"), "{\"payload\":null}");
    e.payload_type = NVTX_PAYLOAD_FLOAT;
    e.payload.f32 = 0.1f;
    assert_string_equal(payload_text(&e, "float"), "{\"payload\":0.1}");
    e.payload_type = 0;
    e.category = 42;
    assert_string_equal(payload_text(&e, "no name"), "{\"category\":42}");
    setlocale(LC_NUMERIC, "C");
}

static void test_names(void **state) {
    (void)state;
    nvtx_resource resource = {.version = 3,
                              .size = sizeof resource,
                              .type = NVTX_RESOURCE_THREAD_POSIX,
                              .identifier = (uint64_t)pthread_self(),
                              .text_type = NVTX_TEXT_ASCII,
                              .text.ascii = "by pthread"};
    nvtx_handle (*create)(nvtx_handle, const nvtx_resource *) =
        (nvtx_handle(*)(nvtx_handle, const nvtx_resource *))nvtx.core2[NVTX_DOMAIN_RESOURCE_CREATE];
    assert_non_null(create(NULL, &resource));
    assert_null(create(NULL, NULL));
    resource.size = 8;
    assert_null(create(NULL, &resource));
    CALL(core, NVTX_NAME_OS_THREAD_A, void (*)(uint32_t, const char *))(1, NULL);
    CALL(cudart, NVTX_NAME_CUDA_STREAM_A, void (*)(void *, const char *))((void *)0x10, "copies");
    CALL(cuda, NVTX_NAME_CU_DEVICE_W, void (*)(int, const wchar_t *))(1, L"second");
    push_a("of a named thread");
    pop();
    jm_range range;
    assert_true(find("of a named thread", &range));
    const jm_recording *recording = jm_session_recording(session);
    char key[32];
    snprintf(key, sizeof key, "thread %u", range.thread);
    assert_string_equal(jm_recording_info(recording, key), "by pthread");
    assert_string_equal(jm_recording_info(recording, "nvtx stream 0x10"), "copies");
    assert_string_equal(jm_recording_info(recording, "nvtx device 0x1"), "second");
}

static void *says_one(void *tid) {
    *(uint32_t *)tid = (uint32_t)syscall(SYS_gettid);
    CALL(core, NVTX_NAME_OS_THREAD_A, void (*)(uint32_t, const char *))
    ((uint32_t)getpid(), "main, named from elsewhere");
    push_a("of another thread");
    return NULL;
}

static void test_thread_ends(void **state) {
    (void)state;
    pthread_t thread;
    uint32_t tid;
    pthread_create(&thread, NULL, says_one, &tid);
    pthread_join(thread, NULL);
    jm_range range;
    assert_true(find("of another thread", &range));
    assert_false(range.unfinished);
    assert_string_equal(range.attributes, "{\"ended_by\":\"end of thread\"}");
}

static void test_depth(void **state) {
    (void)state;
    enum { DEEP = 3000 };
    for (int i = 0; i < DEEP; i++) assert_int_equal(push_a("deep"), i);
    for (int i = DEEP; i-- > 0;) assert_int_equal(pop(), i);
    assert_int_equal(pop(), -1);
}

static volatile sig_atomic_t handled;
static void in_handler(int number) {
    (void)number;
    push_a("in a handler");
    pop();
    handled++;
}

/* A signal may come in the middle of a push: nothing is mixed up, and each pop finds its push. */
static void test_signals(void **state) {
    (void)state;
    struct sigaction action = {.sa_handler = in_handler}, before;
    assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
    timer_t timer;
    struct sigevent how = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    assert_int_equal(timer_create(CLOCK_MONOTONIC, &how, &timer), 0);
    struct itimerspec often = {{0, 50000}, {0, 50000}};
    assert_int_equal(timer_settime(timer, 0, &often, NULL), 0);
    uint64_t count = 0;
    while (handled < 300) {
        assert_int_equal(push_a("interrupted"), 0);
        assert_int_equal(pop(), 0);
        count++;
    }
    timer_delete(timer);
    sigaction(SIGALRM, &before, NULL);
    const jm_recording *recording = jm_session_recording(session);
    for (uint32_t i = 0; i < jm_recording_warning_count(recording); i++)
        assert_null(strstr(jm_recording_warning(recording, i), "nonsense"));
    jm_range range;
    assert_true(find("interrupted", &range));
    assert_true(count > 0);
}

static void test_fork(void **state) {
    (void)state;
    push_a("before fork");
    uint64_t before = count_ranges();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        bool good = pop() == 0 && push_a("in the child") == 0 && pop() == 0 && pop() == -1;
        _exit(good ? 0 : 1);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    assert_int_equal(count_ranges(), before + 1);
    jm_range range;
    assert_true(find("before fork", &range));
    assert_true(range.unfinished); /* the child's pop was not its end */
    assert_int_equal(pop(), 0);
    assert_true(find("before fork", &range));
    assert_false(range.unfinished);
    assert_true(find("in the child", &range));
    assert_int_equal(range.pid, pid);
}

static void *registers(void *unused) {
    char text[32];
    for (int i = 0; i < 2000; i++) {
        snprintf(text, sizeof text, "race %d", i);
        nvtx_event e = event(NULL);
        e.text_type = NVTX_TEXT_REGISTERED;
        e.category = (uint32_t)i % 50 + 1;
        nvtx_handle domain = domain_a(text);
        e.text.registered = string_a(domain, text);
        category_a(domain, e.category, text);
        if (push_in(domain, &e) != 0 || pop_in(domain) != 0) return NULL;
    }
    return unused;
}

/* All at once, the same names: each is made once and is whole. */
static void test_race(void **state) {
    (void)state;
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) pthread_create(&threads[i], NULL, registers, &session);
    for (size_t i = 0; i < 4; i++) {
        void *done;
        pthread_join(threads[i], &done);
        assert_ptr_equal(done, &session);
    }
    assert_string_equal(attributes_of("race 1999"),
                        "{\"domain\":\"race 1999\",\"category\":\"race 1999\"}");
}

static void test_errno(void **state) {
    (void)state;
    char text[32];
    for (int i = 0; i < 20000; i++) {
        errno = i + 1;
        push_a("errno");
        assert_int_equal(errno, i + 1);
        pop();
        assert_int_equal(errno, i + 1);
    }
    snprintf(text, sizeof text, "errno %d", getpid());
    errno = 77;
    string_a(domain_a(text), text);
    category_a(NULL, 1, text);
    assert_int_equal(errno, 77);
}

/* What calls it knows no tables that we do: it goes on without us, and the recording says so. */
static void test_first_version(void **state) {
    (void)state;
    assert_int_equal(initialize_first(NULL), 0);
    jm_mark(session, "after", NULL);
    for (int i = 0; i < 500; i++) {
        const char *said = jm_recording_info(jm_session_recording(session), "nvtx");
        if (said != NULL && strstr(said, "version 1") != NULL) return;
        usleep(10000);
        jm_session_check(session);
    }
    fail_msg("the recording does not tell of it");
}

static int join_ourselves(void **state) {
    (void)state;
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    options.flags = JM_SESSION_NO_SAMPLER | JM_SESSION_NO_JOIN;
    if (jm_session_open(&session, &options, NULL) != JM_OK) return -1;
    for (const char *const *setting = jm_session_environment(session); *setting; setting++)
        putenv((char *)(uintptr_t)*setting);
    void *library = dlopen(getenv("INJECT_LIBRARY"), RTLD_NOW);
    if (library == NULL) {
        print_error("%s\n", dlerror());
        return -1;
    }
    initialize = (int (*)(nvtx_export_table *))dlsym(library, "InitializeInjectionNvtx2");
    initialize_first = (int (*)(const void *))dlsym(library, "InitializeInjectionNvtx");
    /* It is never unloaded, whoever lets go of it. */
    dlclose(library);
    return initialize != NULL && initialize_first != NULL ? 0 : -1;
}

static int leave(void **state) {
    (void)state;
    jm_recording *recording = NULL;
    jm_session_close(session, &recording, NULL);
    jm_sampler_stats stats = {.size = sizeof stats};
    jm_recording_sampler_stats(recording, &stats);
    jm_recording_free(recording);
    return stats.dropped == 0 ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_init),    cmocka_unit_test(test_levels),
        cmocka_unit_test(test_structs), cmocka_unit_test(test_handles),
        cmocka_unit_test(test_texts),   cmocka_unit_test(test_payloads),
        cmocka_unit_test(test_names),   cmocka_unit_test(test_thread_ends),
        cmocka_unit_test(test_depth),   cmocka_unit_test(test_signals),
        cmocka_unit_test(test_fork),    cmocka_unit_test(test_race),
        cmocka_unit_test(test_errno),   cmocka_unit_test(test_first_version),
    };
    return cmocka_run_group_tests(tests, join_ourselves, leave);
}
