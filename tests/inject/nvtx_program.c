/* A program that uses NVTX by NVIDIA's own headers and knows nothing of joulemeter. Its argument
 * says which part it plays; what it prints the test compares. */
#include <nvtx3/nvToolsExt.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void rest(double seconds) {
    struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&time, NULL);
}

static nvtxEventAttributes_t event(const char *text) {
    nvtxEventAttributes_t e;
    memset(&e, 0, sizeof e);
    e.version = NVTX_VERSION;
    e.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
    e.messageType = NVTX_MESSAGE_TYPE_ASCII;
    e.message.ascii = text;
    return e;
}

/* step { load, compute { inner } } three times, each of a known length. */
static int tree(void) {
    for (int i = 0; i < 3; i++) {
        nvtxRangePushA("step");
        nvtxRangePushA("load");
        rest(0.1);
        nvtxRangePop();
        nvtxRangePushA("compute");
        rest(0.1);
        nvtxRangePushA("inner");
        rest(0.2);
        nvtxRangePop();
        nvtxRangePop();
        nvtxRangePop();
    }
    return 0;
}

static int kinds(void) {
    nvtxDomainHandle_t domain = nvtxDomainCreateA("solver");
    nvtxDomainNameCategoryA(domain, 7, "assembly");
    nvtxEventAttributes_t e = event("element");
    e.category = 7;
    e.payloadType = NVTX_PAYLOAD_TYPE_INT64;
    e.payload.llValue = -42;
    printf("push %d\n", nvtxDomainRangePushEx(domain, &e));
    e.messageType = NVTX_MESSAGE_TYPE_REGISTERED;
    e.message.registered = nvtxDomainRegisterStringW(domain, L"gr\u00f6\u00dfe \u4e2d");
    e.category = 8;
    e.payloadType = NVTX_PAYLOAD_TYPE_DOUBLE;
    e.payload.dValue = 0.1;
    printf("push %d\n", nvtxDomainRangePushEx(domain, &e));
    printf("push %d\n", nvtxRangePushW(L"default"));
    printf("pop %d\n", nvtxDomainRangePop(domain));
    printf("pop %d\n", nvtxDomainRangePop(domain));
    printf("pop %d\n", nvtxRangePop());
    printf("pop %d\n", nvtxRangePop());
    nvtxRangeId_t started = nvtxRangeStartA("started");
    nvtxRangeEnd(started);
    nvtxMarkA("a mark");
    nvtxNameOsThreadA((uint32_t)gettid(), "the only one");
    nvtxDomainDestroy(domain);
    return 0;
}

static long count;

static void *many_ranges(void *unused) {
    for (long i = 0; i < count; i++) {
        nvtxRangePushA("step");
        nvtxRangePop();
    }
    return unused;
}

static int many(const char *threads, const char *ranges) {
    pthread_t thread[64];
    int n = atoi(threads);
    count = atol(ranges);
    nvtxInitialize(NULL); /* which threads that begin at once race for, in NVIDIA's headers */
    for (int i = 0; i < n && i < 64; i++)
        if (pthread_create(&thread[i], NULL, many_ranges, NULL) != 0) return 1;
    for (int i = 0; i < n && i < 64; i++) pthread_join(thread[i], NULL);
    return 0;
}

static nvtxRangeId_t across;

static void *ends_it(void *unused) {
    nvtxRangeEnd(across);
    nvtxRangePushA("left open");
    rest(0.05);
    return unused;
}

static int threads(void) {
    pthread_t thread;
    across = nvtxRangeStartA("across");
    if (pthread_create(&thread, NULL, ends_it, NULL) != 0) return 1;
    pthread_join(thread, NULL);
    rest(0.3);
    return 0;
}

/* The child pops what its parent pushed, and does some work of its own. */
static int forks(const char *self) {
    nvtxRangePushA("parent");
    pid_t pid = fork();
    if (pid < 0) return 1;
    if (pid == 0) {
        nvtxRangePop();
        nvtxRangePushA("child");
        nvtxRangePop();
        execl(self, self, "executed", (char *)NULL);
        _exit(1);
    }
    int status;
    waitpid(pid, &status, 0);
    rest(0.1);
    nvtxRangePop();
    return status == 0 ? 0 : 1;
}

static int executed(void) {
    nvtxRangePushA("executed");
    rest(0.02);
    nvtxRangePop();
    return 0;
}

/* Nothing that a program can see of itself is changed. */
static int unchanged(void) {
    errno = 123;
    nvtxRangePushA("first");
    nvtxDomainHandle_t domain = nvtxDomainCreateA("d");
    nvtxDomainRegisterStringA(domain, "s");
    nvtxNameCategoryA(1, "c");
    nvtxNameOsThreadA(1, "t");
    nvtxRangePop();
    nvtxMarkA("m");
    printf("errno %d\n", errno);
    return 0;
}

static volatile sig_atomic_t handled;

static void handle(int number) {
    (void)number;
    nvtxRangePushA("handler");
    nvtxRangePop();
    handled++;
}

/* A handler that marks ranges, and interrupts a thread that is in the middle of marking its own. */
static int signals(void) {
    nvtxInitialize(NULL); /* which a handler would wait for, in NVIDIA's headers */
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 50}, {0, 50}}, never = {{0, 0}, {0, 0}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < 200000; i++) {
        nvtxRangePushA("step");
        nvtxRangePop();
    }
    setitimer(ITIMER_REAL, &never, NULL);
    printf("%d\n", (int)handled);
    return 0;
}

static int dies(void) {
    nvtxRangePushA("unfinished");
    rest(0.05);
    abort();
}

int main(int argc, char **argv) {
    const char *part = argc > 1 ? argv[1] : "";
    if (strcmp(part, "tree") == 0) return tree();
    if (strcmp(part, "kinds") == 0) return kinds();
    if (strcmp(part, "many") == 0 && argc == 4) return many(argv[2], argv[3]);
    if (strcmp(part, "threads") == 0) return threads();
    if (strcmp(part, "forks") == 0) return forks(argv[0]);
    if (strcmp(part, "executed") == 0) return executed();
    if (strcmp(part, "unchanged") == 0) return unchanged();
    if (strcmp(part, "signals") == 0) return signals();
    if (strcmp(part, "dies") == 0) return dies();
    return 2;
}
