#include "record/questions.h"

#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

/* ---- asking ---- */

enum { PATIENCE_S = 10, SURELY_OVER_S = 2 };
static const int64_t look_ns = 100 * 1000 * 1000; /* the outer session may be killed meanwhile */

static void call(_Atomic uint32_t *word) {
    atomic_fetch_add(word, 1);
    jmi_futex_wake(word);
}

static uint64_t owner_id(jmi_ring *ring) {
    uint32_t until = (uint32_t)(jm_now_ns() / JMI_NS_PER_S) + PATIENCE_S + SURELY_OVER_S;
    uint64_t foreign = jmi_ring_foreign(ring) ? JMI_OWNER_FOREIGN : 0;
    return foreign | (uint64_t)jmi_ring_pid(ring) << 32 | until;
}

/* Did who owns a question die before it was done? Of another pid namespace's processes only the
 * end of their patience is known. */
static bool has_left(uint64_t owner, bool foreign) {
    if (foreign || (owner & JMI_OWNER_FOREIGN) != 0)
        return jm_now_ns() / JMI_NS_PER_S > (int64_t)(uint32_t)owner;
    return jmi_process_gone((int32_t)(owner >> 32));
}

/* A free question or, if it comes to that, one whose asker died. */
static jmi_question *claim(const jmi_ring *ring, uint64_t self, bool of_the_dead) {
    bool foreign = (self & JMI_OWNER_FOREIGN) != 0;
    for (size_t i = 0; i < JMI_QUESTIONS; i++) {
        jmi_question *question = &ring->questions[i];
        uint64_t owner = atomic_load(&question->owner);
        bool takes = owner == 0 || (of_the_dead && has_left(owner, foreign));
        if (takes && atomic_compare_exchange_strong(&question->owner, &owner, self))
            return question;
    }
    return NULL;
}

static bool is_over(const jmi_ring *ring) {
    const jmi_ring_header *header = ring->header;
    return atomic_load(&header->closed) != 0 || atomic_load(&header->silent) != 0;
}

/* Killed, it closes nothing. */
static bool is_dead(const jmi_ring *ring) {
    return !jmi_ring_foreign(ring) && jmi_process_gone(ring->header->creator_pid);
}

static jmi_question *wait_for_one(jmi_ring *ring, uint64_t self, int64_t deadline_ns) {
    bool none_came = false;
    for (;;) {
        uint32_t seen = atomic_load(&ring->header->given_back);
        jmi_question *question = claim(ring, self, none_came);
        if (question != NULL || is_over(ring) || jm_now_ns() >= deadline_ns) return question;
        none_came = !jmi_futex_wait_until(&ring->header->given_back, seen, jm_now_ns() + look_ns);
    }
}

/* Returns the state of the question while it is asked. */
static uint32_t put(jmi_question *question, jm_range_id range, uint32_t device,
                    const jm_energy_options *options) {
    uint32_t turn = atomic_load(&question->state) / 4 + 1;
    question->range = range;
    question->device = device;
    question->method = (uint32_t)options->method;
    question->no_activity = options->no_activity;
    question->gain_u = options->gain_u;
    question->offset_u_w = options->offset_u_w;
    atomic_store(&question->state, turn << 2 | JMI_QUESTION_ASKED);
    return turn << 2 | JMI_QUESTION_ASKED;
}

static int wait_for_answer(const jmi_ring *ring, jmi_question *question, uint32_t asked,
                           int64_t deadline_ns) {
    while (atomic_load(&question->state) == asked) {
        if (is_over(ring)) return JM_CLOSED;
        if (jm_now_ns() >= deadline_ns) return is_dead(ring) ? JM_CLOSED : JM_HUNG;
        if (!jmi_futex_wait_until(&question->state, asked, jm_now_ns() + look_ns) && is_dead(ring))
            return JM_CLOSED;
    }
    uint32_t answered = (asked & ~3u) | JMI_QUESTION_ANSWERED;
    return atomic_load(&question->state) == answered ? JM_OK : JM_HUNG;
}

int jmi_ask(jmi_ring *ring, jm_range_id range, uint32_t device, const jm_energy_options *options,
            jm_energy *out) {
    int64_t deadline = jm_now_ns() + PATIENCE_S * JMI_NS_PER_S;
    uint64_t self = owner_id(ring);
    jmi_question *question = wait_for_one(ring, self, deadline);
    if (question == NULL) return is_over(ring) || is_dead(ring) ? JM_CLOSED : JM_FULL;
    uint32_t asked = put(question, range, device, options);
    call(&ring->header->asked);
    call(&ring->header->doorbell); /* the thread that answers may not run yet */
    int status = wait_for_answer(ring, question, asked, deadline);
    if (status == JM_OK) {
        *out = question->energy;
        status = question->status;
    }
    /* Not answered: it is taken back, so that nobody works for nothing. */
    atomic_compare_exchange_strong(&question->state, &asked, (asked & ~3u) | JMI_QUESTION_IDLE);
    atomic_compare_exchange_strong(&question->owner, &self, 0);
    call(&ring->header->given_back);
    return status;
}

/* ---- answering ---- */

static void give(jmi_question *question, uint32_t asked, int status, const jm_energy *energy) {
    if (energy != NULL) question->energy = *energy;
    question->status = status;
    uint32_t answered = (asked & ~3u) | JMI_QUESTION_ANSWERED;
    atomic_compare_exchange_strong(&question->state, &asked, answered);
    jmi_futex_wake(&question->state);
}

/* What is asked is copied before it is looked at: its asker may be hostile. jm_range_energy checks
 * all of it. */
static void answer(jm_session *session, jmi_question *question, uint32_t asked) {
    jm_energy_options options = JM_ENERGY_OPTIONS_INIT;
    jm_range_id range = question->range;
    uint32_t device = question->device;
    options.method = (jm_method)question->method;
    options.no_activity = question->no_activity != 0;
    options.gain_u = question->gain_u;
    options.offset_u_w = question->offset_u_w;
    __asm__ volatile("" : : "r"(&options), "r"(&range), "r"(&device) : "memory");
    jm_energy energy = {0};
    int status = jm_range_energy(session, range, device, &options, &energy, NULL);
    give(question, asked, status, &energy);
}

static uint32_t state_if_asked(const jmi_question *question) {
    uint32_t state = atomic_load(&question->state);
    return (state & 3) == JMI_QUESTION_ASKED ? state : 0;
}

size_t jmi_answer_all(jm_session *session, jmi_ring *ring) {
    size_t count = 0;
    for (size_t i = 0; i < JMI_QUESTIONS && atomic_load(&ring->header->silent) == 0; i++) {
        uint32_t asked = state_if_asked(&ring->questions[i]);
        if (asked == 0) continue;
        answer(session, &ring->questions[i], asked);
        count++;
    }
    return count;
}

/* ---- the thread that answers ---- */

struct jmi_answerer {
    jm_session *session;
    jmi_ring *ring;
    pthread_mutex_t lock; /* of what follows: the sampler wakes, the program's thread stops */
    pthread_t thread;
    bool allowed, runs;
    _Atomic uint32_t stop;
};

int jmi_answerer_new(jmi_answerer **answerer, jm_session *session, jmi_ring *ring) {
    *answerer = jmi_alloc(1, sizeof **answerer);
    if (*answerer == NULL) return JM_MEMORY;
    pthread_mutex_init(&(*answerer)->lock, NULL);
    (*answerer)->session = session;
    (*answerer)->ring = ring;
    return JM_OK;
}

static void *thread_main(void *argument) {
    const jmi_answerer *answerer = argument;
    _Atomic uint32_t *asked = &answerer->ring->header->asked;
    const struct timespec pause = {.tv_nsec = 200 * 1000};
    prctl(PR_SET_NAME, "joulemeter-ask");
    bool called = false;
    while (atomic_load(&answerer->stop) == 0) {
        uint32_t seen = atomic_load(asked);
        size_t count = jmi_answer_all(answerer->session, answerer->ring);
        /* Who calls all the time and asks nothing must not keep us busy. */
        if (called && count == 0) clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
        called = jmi_futex_wait_until(asked, seen, jm_now_ns() + JMI_NS_PER_S);
    }
    return NULL;
}

void jmi_answerer_allow(jmi_answerer *answerer) {
    pthread_mutex_lock(&answerer->lock);
    answerer->allowed = true;
    pthread_mutex_unlock(&answerer->lock);
}

void jmi_answerer_wake(jmi_answerer *answerer) {
    if (atomic_load(&answerer->ring->header->asked) == 0) return;
    pthread_mutex_lock(&answerer->lock);
    if (answerer->allowed && !answerer->runs)
        answerer->runs =
            jmi_thread_start(&answerer->thread, 512 * 1024, thread_main, answerer) == 0;
    pthread_mutex_unlock(&answerer->lock);
}

void jmi_answerer_stop(jmi_answerer *answerer) {
    jmi_ring *ring = answerer->ring;
    pthread_mutex_lock(&answerer->lock);
    answerer->allowed = false;
    pthread_mutex_unlock(&answerer->lock);
    atomic_store(&ring->header->silent, 1);
    if (answerer->runs) {
        atomic_store(&answerer->stop, 1);
        call(&ring->header->asked);
        pthread_join(answerer->thread, NULL);
        answerer->runs = false;
    }
    for (size_t i = 0; i < JMI_QUESTIONS; i++) {
        uint32_t asked = state_if_asked(&ring->questions[i]);
        if (asked != 0) give(&ring->questions[i], asked, JM_CLOSED, NULL);
    }
    call(&ring->header->given_back);
}

void jmi_answerer_free(jmi_answerer *answerer) {
    if (answerer == NULL) return;
    jmi_answerer_stop(answerer);
    pthread_mutex_destroy(&answerer->lock);
    free(answerer);
}
