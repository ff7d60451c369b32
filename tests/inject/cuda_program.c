/* A program that uses CUDA (a fake one) and NVTX, and knows nothing of joulemeter. */
#include <nvtx3/nvToolsExt.h>

#include "fake_cupti.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MS = 1000000 };

static void rest(double seconds) {
    struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&time, NULL);
}

static void begin(void) {
    fake_init();
    fake_context();
}

/* A kernel that runs for so long while the program waits for it. */
static void run(const char *name, double seconds, uint32_t device, uint32_t stream) {
    fake_work w = {.name = name, .device = device, .stream = stream};
    uint32_t call = fake_call();
    w.start = fake_now();
    rest(seconds);
    w.end = fake_now();
    fake_kernel(call, &w);
}

static int work(void) {
    begin();
    nvtxRangePushA("forward");
    run("_Z6matmulPfS_i", 0.1, 0, 7);
    nvtxRangePushA("attention");
    run("_Z6matmulPfS_i", 0.1, 0, 7);
    run("softmax", 0.1, 0, 8);
    nvtxRangePop();
    nvtxRangePop();
    run("alone", 0.1, 1, 7);
    uint64_t now = fake_now();
    fake_copy(fake_call(),
              &(fake_work){
                  .start = now - 5 * MS, .end = now, .bytes = 4096, .stream = 7, .copy_kind = 1});
    fake_set(fake_call(),
             &(fake_work){.start = now - 3 * MS, .end = now, .bytes = 64, .stream = 7});
    fake_graph(fake_call(),
               &(fake_work){.start = now - 9 * MS, .end = now, .stream = 7, .graph = 3});
    fake_kernel(fake_call(), &(fake_work){.name = "in graph",
                                          .start = now - 2 * MS,
                                          .end = now,
                                          .graph = 3,
                                          .node = 12884901889,
                                          .stream = 7});
    return 0;
}

/* Records that no sane GPU makes, among sane ones. */
static int hostile(void) {
    begin();
    uint64_t now = fake_now();
    const fake_work wrong[] = {
        {.name = "no times", .start = 0, .end = 0},
        {.name = "no end", .start = now, .end = 0},
        {.name = "backwards", .start = now, .end = now - MS},
        {.name = "far future",
         .start = now + 7200ull * 1000 * MS,
         .end = now + 7201ull * 1000 * MS},
        {.name = "for ever", .start = 1, .end = UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) fake_kernel(fake_call(), &wrong[i]);
    fake_kernel(fake_call(), &(fake_work){.name = NULL, .start = now - MS, .end = now});
    fake_kernel(fake_call(), &(fake_work){.name = "", .start = now - MS, .end = now});
    fake_kernel(fake_call(), &(fake_work){.name = "unknown device",
                                          .start = now - MS,
                                          .end = now,
                                          .device = 4000000000u});
    static char long_names[2][100001]; /* alike but for their ends */
    for (size_t i = 0; i < 2; i++) {
        memset(long_names[i], 'k', 100000);
        long_names[i][99999] = (char)('0' + i);
        fake_kernel(fake_call(),
                    &(fake_work){.name = long_names[i], .start = now - MS, .end = now});
    }
    fake_kernel(fake_call(),
                &(fake_work){.name = "_Zno_such_mangling", .start = now - MS, .end = now});
    const uint32_t unknown[4] = {200, 1, 2, 3};
    fake_raw(unknown, sizeof unknown);
    fake_copy(fake_call(), &(fake_work){.start = now - MS, .end = now, .copy_kind = 99});
    fake_kernel(fake_call(), &(fake_work){.name = "later one", .start = now - MS, .end = now});
    fake_kernel(fake_call(),
                &(fake_work){.name = "earlier one", .start = now - 2 * MS, .end = now - MS});
    fake_kernel(fake_call(), &(fake_work){.name = "cut off", .start = now - MS, .end = now});
    fake_deliver(120);
    fake_raw(unknown, 2); /* less than a record's head */
    fake_deliver(0);
    fake_kernel(fake_call(), &(fake_work){.name = "after all", .start = now - MS, .end = now});
    return 0;
}

/* The record of a call comes in a later buffer than that of its kernel. */
static int late(void) {
    begin();
    nvtxRangePushA("range");
    uint64_t now = fake_now();
    fake_kernel(1, &(fake_work){.name = "first", .start = now - MS, .end = now});
    fake_deliver(0);
    fake_call();
    fake_deliver(0);
    fake_kernel(1000, &(fake_work){.name = "nobody's", .start = now - MS, .end = now});
    fake_deliver(0);
    nvtxRangePop();
    return 0;
}

/* Ranges that are open before CUDA is there, and such as do not end in turn. */
static int ranges(void) {
    nvtxDomainHandle_t domain = nvtxDomainCreateA("a domain");
    nvtxEventAttributes_t e = {.version = NVTX_VERSION,
                               .size = NVTX_EVENT_ATTRIB_STRUCT_SIZE,
                               .messageType = NVTX_MESSAGE_TYPE_ASCII,
                               .message.ascii = "early"};
    nvtxRangePushA("ended before");
    nvtxDomainRangePushEx(domain, &e);
    nvtxRangePop();
    begin();
    run("in early", 0.001, 0, 7);
    nvtxRangePushA("late");
    run("in late", 0.001, 0, 7);
    nvtxDomainRangePop(domain);
    run("in late", 0.001, 0, 7);
    nvtxRangePop();
    run("in nothing", 0.001, 0, 7);
    for (int i = 0; i < 1000; i++) nvtxRangePushA(i == 0 ? "outer" : "deep");
    run("in deep", 0.001, 0, 7);
    for (int i = 0; i < 999; i++) nvtxRangePop();
    run("in outer", 0.001, 0, 7);
    nvtxRangePop();
    return 0;
}

static int forks(void) {
    begin();
    run("before", 0.01, 0, 7);
    pid_t pid = fork();
    if (pid == 0) {
        nvtxRangePushA("child");
        run("of the child", 0.01, 0, 7);
        nvtxRangePop();
        fake_deliver(0);
        exit(0);
    }
    waitpid(pid, NULL, 0);
    run("after", 0.01, 0, 7);
    return 0;
}

/* More than there are buffers for, and nothing is handed over. */
static int flood(void) {
    begin();
    uint64_t now = fake_now();
    for (int i = 0; i < 600000; i++)
        fake_kernel(1, &(fake_work){.name = "many", .start = now - MS, .end = now});
    return 0;
}

static void *launches(void *unused) {
    static char names[4][32]; /* CUPTI keeps names for ever */
    static _Atomic int number;
    int self = number++;
    snprintf(names[self], sizeof names[self], "thread %d", self);
    for (int i = 0; i < 2000; i++) {
        uint64_t now = fake_now();
        nvtxRangePushA(names[self]);
        fake_kernel(fake_call(), &(fake_work){.name = names[self],
                                              .start = now - 1000,
                                              .end = now,
                                              .stream = (uint32_t)self});
        nvtxRangePop();
    }
    return unused;
}

static int threads(void) {
    begin();
    pthread_t list[4];
    nvtxInitialize(NULL); /* which threads that begin at once race for, in NVIDIA's headers */
    for (int i = 0; i < 4; i++) pthread_create(&list[i], NULL, launches, NULL);
    for (int i = 0; i < 4; i++) pthread_join(list[i], NULL);
    return 0;
}

static int taken_over(void) {
    begin();
    run("ours", 0.01, 0, 7);
    fake_take_over();
    run("theirs", 0.01, 0, 7);
    return 0;
}

static int twice(void) {
    fake_init();
    begin();
    run("once", 0.01, 0, 7);
    return 0;
}

/* CUDA is there, and never used. */
static int idle(void) {
    fake_init();
    return 0;
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        int (*play)(void);
    } parts[] = {{"work", work},       {"hostile", hostile},       {"late", late},
                 {"ranges", ranges},   {"forks", forks},           {"flood", flood},
                 {"threads", threads}, {"taken over", taken_over}, {"twice", twice},
                 {"idle", idle}};
    for (size_t i = 0; argc > 1 && i < sizeof parts / sizeof *parts; i++)
        if (strcmp(argv[1], parts[i].name) == 0) return parts[i].play();
    return 2;
}
