#include "limit/server.h"

#include "limit/seats.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

#define LINE_PATIENCE_NS  (5 * JMI_NS_PER_S)   /* for the rest of a line */
#define IDLE_PATIENCE_NS  (60 * JMI_NS_PER_S)  /* for a change by who has no loan */
#define GUARD_PATIENCE_NS (600 * JMI_NS_PER_S) /* for a GPU that is lost to come back */
#define LOOK_NS           (JMI_NS_PER_S / 5)   /* where the kernel has no pidfds */
#define DEAF_NS           (JMI_NS_PER_S / 10)  /* where there is no descriptor left */
#define MEND_NS           JMI_NS_PER_S         /* between two looks at loans of others */

typedef struct client {
    int fd;    /* -1: closed; its process is still waited for */
    int pidfd; /* -1: there is none */
    bool hold;
    int64_t line_ns; /* begin of the line that it says */
    int64_t idle_ns; /* last change that it asked for, or its connection */
    char line[JMI_WIRE_LINE];
    size_t length;
    jmi_borrower borrower;
} client;

typedef struct server {
    const jmi_server_options *options;
    jmi_lender lender;
    client *clients[JMI_SEATS];
    size_t count;
    jmi_changes changes;
    int64_t deaf_until_ns;
    int64_t mend_ns, mend_until_ns; /* when to look for dead guards next; INT64_MAX: no more */
} server;

static void say(const server *s, const char *format, ...) JMI_PRINTF(2, 3);
static void say(const server *s, const char *format, ...) {
    char line[256];
    if (s->options->log == NULL) return;
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    s->options->log(line, s->options->user);
}

/* ---- who it is ---- */

static void read_name(int32_t pid, char name[32]) {
    char path[64], comm[64];
    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    if (pid <= 0 || jmi_read_text(path, comm, sizeof comm) < 0) comm[0] = '\0';
    jmi_loan_name(name, comm);
}

static int open_pidfd(int32_t pid) {
    return pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
}

/* The process at the other end, even if its number has been given to another one since. */
static int peer_pidfd(int fd, int32_t pid) {
    int pidfd = -1;
    socklen_t size = sizeof pidfd;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0 && pidfd >= 0) return pidfd;
    return open_pidfd(pid);
}

/* ---- clients ---- */

static client *add_client(server *s, int fd, int pidfd, int32_t pid, uint32_t uid) {
    client *c = s->count < JMI_SEATS ? jmi_alloc(1, sizeof *c) : NULL;
    if (c == NULL) return NULL;
    c->fd = fd;
    c->pidfd = pidfd;
    c->line_ns = c->idle_ns = jm_now_ns();
    c->borrower.pid = pid;
    c->borrower.uid = uid;
    read_name(pid, c->borrower.name);
    s->clients[s->count++] = c;
    return c;
}

static void end_client(server *s, size_t index) {
    client *c = s->clients[index];
    jmi_lender_end(&s->lender, &c->borrower, NULL);
    if (c->fd >= 0) close(c->fd);
    if (c->pidfd >= 0) close(c->pidfd);
    free(c);
    s->clients[index] = s->clients[--s->count];
}

static bool answer(client *c, const jmi_answer *answer) {
    char line[JMI_WIRE_LINE];
    jmi_answer_format(answer, line);
    size_t length = strlen(line);
    return send(c->fd, line, length, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)length;
}

static bool refuse(client *c, int status, const char *sentence) {
    jmi_answer error = {.status = status};
    snprintf(error.message, sizeof error.message, "%s", sentence);
    return answer(c, &error);
}

/* From now on the loans end with another process: one of the same user. */
static bool watch(server *s, client *c, uint32_t pid) {
    struct stat info;
    char path[64];
    const jmi_answer ok = {.status = JM_OK};
    int pidfd = pid <= INT32_MAX ? open_pidfd((int32_t)pid) : -1;
    snprintf(path, sizeof path, "/proc/%u", pid);
    if (pidfd < 0 || stat(path, &info) != 0) {
        if (pidfd >= 0) close(pidfd);
        return refuse(c, JM_NOT_FOUND, "there is no such process");
    }
    if (s->options->rules != NULL && c->borrower.uid != 0 && info.st_uid != c->borrower.uid) {
        close(pidfd);
        return refuse(c, JM_PERMISSION, "the process belongs to another user");
    }
    if (c->pidfd >= 0) close(c->pidfd);
    c->pidfd = pidfd;
    c->hold = true;
    c->borrower.pid = (int32_t)pid;
    read_name(c->borrower.pid, c->borrower.name);
    return answer(c, &ok);
}

/* What takes the driver's time; a loan can be given back whenever its user likes, but only what was
 * lent. */
static bool changes(client *c, const jmi_request *request) {
    jmi_verb verb = request->verb;
    if (verb == JMI_VERB_RESTORE) return jmi_borrower_loan(&c->borrower, request) == NULL;
    return verb == JMI_VERB_SET || verb == JMI_VERB_KEEP || verb == JMI_VERB_MEND ||
           verb == JMI_VERB_RESET;
}

static bool do_request(server *s, client *c, const char *line) {
    jmi_request request;
    jmi_answer reply;
    if (jmi_request_parse(&request, line) != JM_OK) {
        say(s, "uid %u, process %d (%s): a request that is none", c->borrower.uid,
            (int)c->borrower.pid, c->borrower.name);
        refuse(c, JM_FORMAT, "this is no request");
        return false;
    }
    if (request.verb == JMI_VERB_WATCH) return watch(s, c, request.value);
    bool counts = changes(c, &request);
    if (counts && s->options->rules != NULL &&
        !jmi_changes_take(&s->changes, c->borrower.uid, jm_now_ns()))
        return refuse(c, JM_FULL, "too many changes in a short time; try again in a while");
    if (counts || request.verb == JMI_VERB_RESTORE) c->idle_ns = jm_now_ns();
    jmi_lender_answer(&s->lender, &c->borrower, &request, &reply);
    return answer(c, &reply) && !s->lender.hung;
}

/* False: the connection is over. */
static bool take_lines(server *s, client *c) {
    char *end;
    while ((end = memchr(c->line, '\n', c->length)) != NULL) {
        *end = '\0';
        size_t used = (size_t)(end - c->line) + 1;
        if (!do_request(s, c, memchr(c->line, '\0', used - 1) == NULL ? c->line : "")) return false;
        c->length -= used;
        c->line_ns = jm_now_ns();
        memmove(c->line, c->line + used, c->length);
    }
    if (c->length < sizeof c->line - 1) return true;
    refuse(c, JM_FORMAT, "this line is too long");
    return false;
}

static bool read_client(server *s, client *c) {
    ssize_t got = recv(c->fd, c->line + c->length, sizeof c->line - 1 - c->length, MSG_DONTWAIT);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0) return false;
    if (c->length == 0) c->line_ns = jm_now_ns();
    c->length += (size_t)got;
    return take_lines(s, c);
}

static bool is_too_slow(const client *c, int64_t now, bool is_guard) {
    if (c->fd < 0 || is_guard) return false;
    if (c->length > 0 && now - c->line_ns > LINE_PATIENCE_NS) return true;
    return c->borrower.loan_count == 0 && now - c->idle_ns > IDLE_PATIENCE_NS;
}

/* ---- new ones ---- */

/* A seat for one more of this user, which another one may have to leave. */
static bool make_room(server *s, uint32_t uid) {
    jmi_seat seats[JMI_SEATS];
    for (size_t i = 0; i < s->count; i++) {
        const client *c = s->clients[i];
        seats[i] = (jmi_seat){c->borrower.uid, c->borrower.loan_count > 0, c->idle_ns};
    }
    int seat = jmi_seat_for(seats, s->count, uid);
    if (seat < 0) return seat == JMI_SEAT_FREE;
    client *c = s->clients[seat];
    say(s, "uid %u, process %d (%s): makes room for others", c->borrower.uid, (int)c->borrower.pid,
        c->borrower.name);
    if (c->fd >= 0) refuse(c, JM_CLOSED, "joulemeter-limitd needs the connection for others");
    end_client(s, (size_t)seat);
    return true;
}

static void refuse_newcomer(const server *s, int fd, const struct ucred *peer, bool admitted) {
    client refused = {.fd = fd};
    say(s, "uid %u, process %d: refused%s", peer->uid, (int)peer->pid,
        !admitted ? ", not in the group" : ", too many connections");
    if (!admitted)
        refuse(&refused, JM_PERMISSION,
               "you are not in the group that joulemeter-limitd lends limits to");
    else
        refuse(&refused, JM_FULL, "joulemeter-limitd has too many connections");
    close(fd);
}

static void accept_one(server *s) {
    struct ucred peer = {0, (uid_t)-1, (gid_t)-1};
    socklen_t size = sizeof peer;
    int fd = accept4(s->options->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    /* Out of descriptors the connection stays in the queue, and would be there at once again. */
    if (fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
        s->deaf_until_ns = jm_now_ns() + DEAF_NS;
    if (fd < 0) return;
    bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
    bool admitted =
        known && (s->options->admits == NULL || s->options->admits(fd, peer.uid, s->options->user));
    if (!admitted || !make_room(s, peer.uid)) {
        refuse_newcomer(s, fd, &peer, admitted);
        return;
    }
    int pidfd = peer_pidfd(fd, peer.pid);
    if (add_client(s, fd, pidfd, peer.pid, peer.uid) != NULL) return;
    if (pidfd >= 0) close(pidfd);
    refuse_newcomer(s, fd, &peer, true);
}

/* ---- the loop ---- */

enum { STOP, LISTEN, FIRST_CLIENT };

static void sooner(int64_t *next, int64_t t_ns) {
    if (t_ns < *next) *next = t_ns;
}

static int64_t next_look(const server *s, int64_t due_ns, int64_t now) {
    int64_t next = due_ns;
    sooner(&next, s->mend_ns);
    if (s->deaf_until_ns > now) sooner(&next, s->deaf_until_ns);
    for (size_t i = 0; i < s->count; i++) {
        const client *c = s->clients[i];
        bool waits = s->options->rules != NULL && c->fd >= 0;
        if (c->pidfd < 0 && c->borrower.pid > 0) sooner(&next, now + LOOK_NS);
        if (waits && c->length > 0) sooner(&next, c->line_ns + LINE_PATIENCE_NS);
        if (waits && c->borrower.loan_count == 0) sooner(&next, c->idle_ns + IDLE_PATIENCE_NS);
    }
    return next;
}

static int timeout_ms(int64_t next, int64_t now) {
    if (next == INT64_MAX) return -1;
    int64_t left = (next - now) / 1000000 + 1;
    return left < 1 ? 1 : left > 60000 ? 60000 : (int)left;
}

static size_t fill_polled(const server *s, struct pollfd *polled, int64_t now) {
    size_t count = FIRST_CLIENT;
    bool hears = now >= s->deaf_until_ns;
    polled[STOP] = (struct pollfd){.fd = s->options->stop_fd, .events = POLLIN};
    polled[LISTEN] = (struct pollfd){.fd = hears ? s->options->listen_fd : -1, .events = POLLIN};
    for (size_t i = 0; i < s->count; i++) {
        polled[count++] = (struct pollfd){.fd = s->clients[i]->fd, .events = POLLIN};
        polled[count++] = (struct pollfd){.fd = s->clients[i]->pidfd, .events = POLLIN};
    }
    return count;
}

/* True: the borrower has ended, or its connection where that is the loan. */
static bool has_ended(server *s, client *c, const struct pollfd *polled) {
    if (polled[0].revents != 0 && !read_client(s, c)) {
        if (!c->hold || c->borrower.loan_count == 0) return true;
        close(c->fd);
        c->fd = -1;
    }
    if (polled[1].revents != 0) return true;
    return c->pidfd < 0 && jmi_process_gone(c->borrower.pid);
}

static void serve_clients(server *s, const struct pollfd *polled) {
    int64_t now = jm_now_ns();
    for (size_t i = s->count; i-- > 0;) { /* from behind: who ends is replaced by the last one */
        client *c = s->clients[i];
        bool over = has_ended(s, c, &polled[FIRST_CLIENT + 2 * i]);
        if (!over && is_too_slow(c, now, s->options->rules == NULL)) {
            say(s, "uid %u, process %d (%s): too slow", c->borrower.uid, (int)c->borrower.pid,
                c->borrower.name);
            over = true;
        }
        if (over) end_client(s, i);
    }
}

static bool is_done(const server *s, const struct pollfd *polled) {
    if (polled[STOP].revents != 0) return true;
    return s->options->listen_fd < 0 && s->count == 0 && s->lender.debt_count == 0 &&
           s->mend_ns == INT64_MAX;
}

/* A guard whose thread hangs in the driver cannot die, and until it does its loans are alive: who
 * mends looks again for as long as there are loans of others. */
static void mend(server *s, int64_t now) {
    if (now < s->mend_ns) return;
    bool others = jmi_lender_mend(&s->lender);
    s->mend_ns = others && now < s->mend_until_ns ? now + MEND_NS : INT64_MAX;
}

static void serve(server *s) {
    struct pollfd polled[FIRST_CLIENT + 2 * JMI_SEATS] = {0};
    int64_t patience = s->options->rules != NULL ? INT64_MAX : GUARD_PATIENCE_NS;
    while (!s->lender.hung && !is_done(s, polled)) {
        int64_t due = jmi_lender_pay(&s->lender, patience);
        int64_t now = jm_now_ns();
        mend(s, now);
        size_t count = fill_polled(s, polled, now);
        if (is_done(s, polled)) return;
        if (poll(polled, count, timeout_ms(next_look(s, due, now), now)) < 0) {
            for (size_t i = 0; i < count; i++) polled[i].revents = 0;
            continue;
        }
        serve_clients(s, polled);
        if (polled[LISTEN].revents != 0) accept_one(s);
    }
}

/* A borrower is told that this was meant: it looks for no other lender. Not so where the driver
 * hangs, and another process goes on. */
static void end_all(server *s) {
    while (s->count > 0) {
        client *c = s->clients[s->count - 1];
        jmi_lender_end(&s->lender, &c->borrower, NULL);
        if (c->fd >= 0 && !s->lender.hung)
            refuse(c, JM_CLOSED, "joulemeter-limitd ends, and has given back what it lent");
        end_client(s, s->count - 1);
    }
    jmi_lender_pay(&s->lender, GUARD_PATIENCE_NS);
}

int jmi_server_run(const jmi_server_options *options, jm_error *error) {
    server s = {.options = options, .mend_ns = INT64_MAX};
    int status = jmi_lender_open(&s.lender, options->rules, options->log, options->user, error);
    if (status != JM_OK) return status;
    if (options->borrower_fd >= 0) {
        client *c = add_client(&s, options->borrower_fd, options->borrower_pidfd,
                               options->borrower_pid, (uint32_t)getuid());
        if (c != NULL) c->hold = options->hold;
    } else {
        s.mend_ns = jm_now_ns();
        s.mend_until_ns = s.mend_ns + GUARD_PATIENCE_NS;
        mend(&s, s.mend_ns);
        jmi_lender_look(&s.lender);
    }
    serve(&s);
    end_all(&s);
    bool hung = s.lender.hung;
    jmi_lender_close(&s.lender);
    return hung ? jmi_fail(error, JM_HUNG, "NVIDIA's driver does not answer") : JM_OK;
}
