#include "record/questions.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>

/* ---- asking ---- */

static const int64_t patience_ns = 10 * JMI_NS_PER_S;
static const int64_t look_ns = 100 * 1000 * 1000; /* the outer session may end meanwhile */

static const uint32_t foreign_bit = UINT32_C(1) << 31;

static bool asker_is_gone(const jmi_ring *ring, const jmi_question *question) {
    uint32_t pid = atomic_load(&question->pid);
    if (ring->foreign || pid == 0 || (pid & foreign_bit) != 0) return false;
    return kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

/* A free question, or one whose asker died before it was done. */
static jmi_question *claim(jmi_ring *ring) {
    for (size_t i = 0; i < 2 * JMI_QUESTIONS; i++) {
        jmi_question *question = &ring->questions[i % JMI_QUESTIONS];
        uint32_t state = atomic_load(&question->state);
        bool takes = i < JMI_QUESTIONS ? state == JMI_QUESTION_FREE : asker_is_gone(ring, question);
        if (!takes ||
            !atomic_compare_exchange_strong(&question->state, &state, JMI_QUESTION_CLAIMED))
            continue;
        atomic_store(&question->pid, jmi_ring_pid(ring) | (ring->foreign ? foreign_bit : 0));
        return question;
    }
    return NULL;
}

static bool is_over(const jmi_ring *ring, int64_t deadline_ns) {
    return atomic_load(&ring->header->closed) != 0 || jm_now_ns() >= deadline_ns;
}

static void call(_Atomic uint32_t *word) {
    atomic_fetch_add(word, 1);
    jmi_futex_wake(word);
}

int jmi_ask(jmi_ring *ring, jm_range_id range, uint32_t device, const jm_energy_options *options,
            jm_energy *out) {
    int64_t deadline = jm_now_ns() + patience_ns;
    jmi_question *question = claim(ring);
    while (question == NULL && !is_over(ring, deadline)) {
        jmi_futex_wait_until(&ring->questions[0].state, atomic_load(&ring->questions[0].state),
                             jm_now_ns() + look_ns / 10);
        question = claim(ring);
    }
    if (question == NULL) return atomic_load(&ring->header->closed) ? JM_CLOSED : JM_FULL;
    question->range = range;
    question->device = device;
    question->method = (uint32_t)options->method;
    question->no_activity = options->no_activity;
    question->gain_u = options->gain_u;
    question->offset_u_w = options->offset_u_w;
    atomic_store(&question->state, JMI_QUESTION_ASKED);
    call(&ring->header->asked);
    call(&ring->header->doorbell); /* the thread that answers may not run yet */
    while (atomic_load(&question->state) == JMI_QUESTION_ASKED && !is_over(ring, deadline))
        jmi_futex_wait_until(&question->state, JMI_QUESTION_ASKED, jm_now_ns() + look_ns);
    int status = JM_HUNG;
    if (atomic_load(&question->state) == JMI_QUESTION_ANSWERED) {
        *out = question->energy;
        status = question->status;
    } else if (atomic_load(&ring->header->closed) != 0) {
        status = JM_CLOSED;
    }
    atomic_store(&question->state, JMI_QUESTION_FREE);
    jmi_futex_wake(&question->state);
    return status;
}

/* ---- answering ---- */

struct jmi_answerer {
    jm_session *session;
    jmi_ring *ring;
    pthread_t thread;
    bool runs;
    _Atomic uint32_t stop;
};

int jmi_answerer_new(jmi_answerer **answerer, jm_session *session, jmi_ring *ring) {
    *answerer = jmi_alloc(1, sizeof **answerer);
    if (*answerer == NULL) return JM_MEMORY;
    (*answerer)->session = session;
    (*answerer)->ring = ring;
    return JM_OK;
}

/* What is asked is copied before it is looked at: its asker may be hostile. jm_range_energy checks
 * all of it. */
static void answer(jmi_answerer *answerer, jmi_question *question) {
    jm_energy_options options = JM_ENERGY_OPTIONS_INIT;
    jm_range_id range = question->range;
    uint32_t device = question->device;
    options.method = (jm_method)question->method;
    options.no_activity = question->no_activity != 0;
    options.gain_u = question->gain_u;
    options.offset_u_w = question->offset_u_w;
    __asm__ volatile("" : : "r"(&options), "r"(&range), "r"(&device) : "memory");
    jm_energy energy = {0};
    int status = jm_range_energy(answerer->session, range, device, &options, &energy, NULL);
    question->energy = energy;
    question->status = status;
    uint32_t asked = JMI_QUESTION_ASKED;
    atomic_compare_exchange_strong(&question->state, &asked, JMI_QUESTION_ANSWERED);
    jmi_futex_wake(&question->state);
}

static void *thread_main(void *argument) {
    jmi_answerer *answerer = argument;
    _Atomic uint32_t *asked = &answerer->ring->header->asked;
    prctl(PR_SET_NAME, "joulemeter-ask");
    while (atomic_load(&answerer->stop) == 0) {
        uint32_t seen = atomic_load(asked);
        for (size_t i = 0; i < JMI_QUESTIONS && atomic_load(&answerer->stop) == 0; i++)
            if (atomic_load(&answerer->ring->questions[i].state) == JMI_QUESTION_ASKED)
                answer(answerer, &answerer->ring->questions[i]);
        jmi_futex_wait_until(asked, seen, jm_now_ns() + JMI_NS_PER_S);
    }
    return NULL;
}

void jmi_answerer_wake(jmi_answerer *answerer) {
    if (answerer->runs || atomic_load(&answerer->ring->header->asked) == 0) return;
    answerer->runs = jmi_thread_start(&answerer->thread, 512 * 1024, thread_main, answerer) == 0;
}

void jmi_answerer_free(jmi_answerer *answerer) {
    if (answerer == NULL) return;
    if (answerer->runs) {
        atomic_store(&answerer->stop, 1);
        call(&answerer->ring->header->asked);
        pthread_join(answerer->thread, NULL);
    }
    free(answerer);
}
