/* Notices that the lender has ended. A guard that was killed leaves its loans in force and nobody
 * to give them back if this process is killed, too: another one takes its place. A thread that
 * sleeps until the connection ends costs the program nothing. */
#include "limit/borrow.h"

#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STACK_BYTES = 512 * 1024, TRIES = 8 };
#define FIRST_PAUSE_NS INT64_C(50000000)

/* How far the search for another lender is. */
typedef struct search {
    unsigned tries;
    int64_t next_ns;
} search;

void jmi_lookout_warn(jm_limits *limits, const char *format, ...) {
    va_list args;
    va_start(args, format);
    jmi_text_add_line(&limits->warnings, format, args);
    va_end(args);
}

/* ---- what has happened ---- */

/* Nothing was asked: what there is to be heard is why the connection ends. */
static bool said_farewell(int fd) {
    char line[JMI_WIRE_LINE];
    jmi_answer answer;
    ssize_t got = recv(fd, line, sizeof line - 1, MSG_DONTWAIT);
    if (got <= 1 || line[got - 1] != '\n') return false;
    line[got - 1] = '\0';
    return jmi_answer_parse(&answer, line) == JM_OK && answer.status == JM_CLOSED;
}

static bool has_ended(int fd) {
    struct pollfd polled = {.fd = fd, .events = POLLRDHUP};
    return fd >= 0 && poll(&polled, 1, 0) > 0;
}

/* Loans that end with another process end well with it. */
static bool is_over(const jm_limits *limits) {
    return limits->hold && jmi_process_gone(limits->pid);
}

static void try_again(jm_limits *limits, search *s) {
    jm_error why = {0};
    if (is_over(limits)) limits->lost = false;
    if (!limits->lost || jmi_borrow_renew(limits, &why) == JM_OK) {
        *s = (search){0};
        return;
    }
    s->next_ns = jm_now_ns() + (FIRST_PAUSE_NS << s->tries);
    if (++s->tries < TRIES) return;
    limits->lost = false;
    *s = (search){0};
    jmi_lookout_warn(
        limits,
        "who lent the limit was killed, and there is nobody in its place (%s): if this "
        "program is killed, too, `joulemeter limit reset` has to mend the limit",
        why.message);
}

/* ---- the thread ---- */

static int timeout_ms(const jm_limits *limits, const search *s) {
    int64_t left = s->next_ns - jm_now_ns();
    if (!limits->lost) return -1;
    return left > 0 ? (int)(left / 1000000) + 1 : 0;
}

/* Until something has happened; the limits are not locked meanwhile. */
static void wait_for_something(jm_limits *limits, int timeout) {
    struct pollfd polled[] = {{.fd = limits->lender, .events = POLLRDHUP},
                              {.fd = limits->wake, .events = POLLIN}};
    uint64_t count;
    pthread_mutex_unlock(&limits->lock);
    poll(polled, JMI_COUNT(polled), timeout);
    pthread_mutex_lock(&limits->lock);
    if (read(limits->wake, &count, sizeof count) < 0) { /* it was not that */
    }
}

static void *look_out(void *data) {
    jm_limits *limits = data;
    search s = {0};
    pthread_mutex_lock(&limits->lock);
    while (!limits->leaving) {
        wait_for_something(limits, timeout_ms(limits, &s));
        if (limits->leaving) break;
        if (has_ended(limits->lender)) jmi_borrow_lost(limits, said_farewell(limits->lender));
        if (limits->lost && jm_now_ns() >= s.next_ns) try_again(limits, &s);
    }
    pthread_mutex_unlock(&limits->lock);
    return NULL;
}

void jmi_lookout_start(jm_limits *limits) {
    if (limits->watched) return;
    if (limits->wake < 0) limits->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    limits->watched =
        limits->wake >= 0 && jmi_thread_start(&limits->lookout, STACK_BYTES, look_out, limits) == 0;
}

void jmi_lookout_wake(const jm_limits *limits) {
    const uint64_t one = 1;
    if (limits->wake >= 0 && write(limits->wake, &one, sizeof one) < 0) { /* it is awake already */
    }
}

void jmi_lookout_stop(jm_limits *limits) {
    if (!limits->watched) return;
    pthread_mutex_lock(&limits->lock);
    limits->leaving = true;
    jmi_lookout_wake(limits);
    pthread_mutex_unlock(&limits->lock);
    pthread_join(limits->lookout, NULL);
    limits->watched = false;
}
