/* A program that uses CUDA (a fake one) and marks ranges by joulemeter's own interface: one open
 * since before CUDA was there, some that do not end in turn, one that another thread ends, and NVTX
 * among them. What each kernel is called says which range it is to be tied to. */
#include "joulemeter.h"

#include <nvtx3/nvToolsExt.h>

#include "fake_cupti.h"

#include <pthread.h>
#include <stdio.h>

static jm_session *session;

static void launch(const char *name) {
    uint64_t now = fake_now();
    fake_kernel(fake_call(), &(fake_work){.name = name, .start = now - 1000, .end = now});
}

static void *end_it(void *range) {
    jm_end(session, *(jm_range_id *)range);
    return NULL;
}

int main(void) {
    if (jm_session_open(&session, NULL, NULL) != JM_OK || !jm_session_joined(session)) return 1;
    jm_range_id solve = jm_begin_as(session, JM_CATEGORY_PHASE, "solve", NULL);
    fake_init();
    fake_context();
    launch("in solve");
    nvtxRangePushA("nvtx");
    launch("in nvtx");
    jm_range_id step = jm_begin(session, "step");
    launch("in step");
    nvtxRangePop(); /* before what it is around */
    launch("in step");
    jm_end(session, step);
    launch("in solve");
    nvtxRangePushA("outer");
    jm_range_id inner = jm_begin(session, "inner");
    launch("in inner");
    jm_end(session, inner);
    nvtxRangePop();
    jm_range_id passed = jm_begin(session, "passed on");
    launch("in passed on");
    pthread_t thread;
    if (pthread_create(&thread, NULL, end_it, &passed) != 0) return 1;
    pthread_join(thread, NULL);
    jm_end(session, jm_begin(session, "another"));
    launch("in solve");
    jm_end(session, solve);
    launch("in nothing");
    jm_session_close(session, NULL, NULL);
    return 0;
}
