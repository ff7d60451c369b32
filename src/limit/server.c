#include "limit/server.h"

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

enum { MOST_CLIENTS = 64, MOST_OF_A_USER = 16 };
#define LINE_PATIENCE_NS  (5 * JMI_NS_PER_S)   /* for the rest of a line */
#define IDLE_PATIENCE_NS  (60 * JMI_NS_PER_S)  /* for a request of who has no loan */
#define GUARD_PATIENCE_NS (600 * JMI_NS_PER_S) /* for a GPU that is lost to come back */
#define LOOK_NS           (JMI_NS_PER_S / 5)   /* where the kernel has no pidfds */

typedef struct client {
    int fd;    /* -1: closed; its process is still waited for */
    int pidfd; /* -1: there is none */
    bool hold;
    int64_t since_ns; /* of the last thing that it said */
    char line[JMI_WIRE_LINE];
    size_t length;
    jmi_borrower borrower;
} client;

typedef struct server {
    const jmi_server_options *options;
    jmi_lender lender;
    client *clients[MOST_CLIENTS];
    size_t count;
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

static void read_name(int32_t pid, char *name, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    if (pid <= 0 || jmi_read_text(path, name, size) < 0) name[0] = '\0';
    for (; *name != '\0'; name++) /* it goes into the log, a line each */
        if (*name <= ' ' || *name > '~') *name = *name == '\n' && name[1] == '\0' ? '\0' : '_';
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
    client *c = s->count < MOST_CLIENTS ? jmi_alloc(1, sizeof *c) : NULL;
    if (c == NULL) return NULL;
    c->fd = fd;
    c->pidfd = pidfd;
    c->since_ns = jm_now_ns();
    c->borrower.pid = pid;
    c->borrower.uid = uid;
    read_name(pid, c->borrower.name, sizeof c->borrower.name);
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
    read_name(c->borrower.pid, c->borrower.name, sizeof c->borrower.name);
    return answer(c, &ok);
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
    if (c->length == 0) c->since_ns = jm_now_ns();
    c->length += (size_t)got;
    bool goes_on = take_lines(s, c);
    if (c->length == 0) c->since_ns = jm_now_ns();
    return goes_on;
}

static bool is_too_slow(const client *c, int64_t now, bool is_guard) {
    if (c->fd < 0 || is_guard) return false;
    if (c->length > 0) return now - c->since_ns > LINE_PATIENCE_NS;
    return c->borrower.loan_count == 0 && now - c->since_ns > IDLE_PATIENCE_NS;
}

/* ---- new ones ---- */

static size_t clients_of(const server *s, uint32_t uid) {
    size_t count = 0;
    for (size_t i = 0; i < s->count; i++) count += s->clients[i]->borrower.uid == uid;
    return count;
}

static void accept_one(server *s) {
    struct ucred peer = {0, (uid_t)-1, (gid_t)-1};
    socklen_t size = sizeof peer;
    int fd = accept4(s->options->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
    bool admitted =
        known && (s->options->admits == NULL || s->options->admits(fd, peer.uid, s->options->user));
    bool many = known && peer.uid != 0 && clients_of(s, peer.uid) >= MOST_OF_A_USER;
    client refused = {.fd = fd};
    client *c = NULL;
    if (admitted && !many) c = add_client(s, fd, peer_pidfd(fd, peer.pid), peer.pid, peer.uid);
    if (c != NULL) return;
    say(s, "uid %u, process %d: refused%s", peer.uid, (int)peer.pid,
        !admitted ? ", not in the group" : ", too many connections");
    if (!admitted)
        refuse(&refused, JM_PERMISSION,
               "you are not in the group that joulemeter-limitd lends limits to");
    else
        refuse(&refused, JM_FULL, "joulemeter-limitd has too many connections");
    close(fd);
}

/* ---- the loop ---- */

enum { STOP, LISTEN, FIRST_CLIENT };

static int64_t next_look(const server *s, int64_t due_ns, int64_t now) {
    int64_t next = due_ns;
    for (size_t i = 0; i < s->count; i++) {
        const client *c = s->clients[i];
        int64_t patience = c->length > 0 ? LINE_PATIENCE_NS : IDLE_PATIENCE_NS;
        bool waits = c->fd >= 0 && (c->length > 0 || c->borrower.loan_count == 0);
        if (c->pidfd < 0 && c->borrower.pid > 0 && now + LOOK_NS < next) next = now + LOOK_NS;
        if (s->options->rules != NULL && waits && c->since_ns + patience < next)
            next = c->since_ns + patience;
    }
    return next;
}

static int timeout_ms(int64_t next, int64_t now) {
    if (next == INT64_MAX) return -1;
    int64_t left = (next - now) / 1000000 + 1;
    return left < 1 ? 1 : left > 60000 ? 60000 : (int)left;
}

static size_t fill_polled(const server *s, struct pollfd *polled) {
    size_t count = FIRST_CLIENT;
    bool room = s->count < MOST_CLIENTS;
    polled[STOP] = (struct pollfd){.fd = s->options->stop_fd, .events = POLLIN};
    polled[LISTEN] = (struct pollfd){.fd = room ? s->options->listen_fd : -1, .events = POLLIN};
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
    return s->options->listen_fd < 0 && s->count == 0 && s->lender.debt_count == 0;
}

static void serve(server *s) {
    struct pollfd polled[FIRST_CLIENT + 2 * MOST_CLIENTS] = {0};
    int64_t patience = s->options->rules != NULL ? INT64_MAX : GUARD_PATIENCE_NS;
    while (!s->lender.hung && !is_done(s, polled)) {
        int64_t due = jmi_lender_pay(&s->lender, patience);
        int64_t now = jm_now_ns();
        size_t count = fill_polled(s, polled);
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
    server s = {.options = options};
    int status = jmi_lender_open(&s.lender, options->rules, options->log, options->user, error);
    if (status != JM_OK) return status;
    if (options->borrower_fd >= 0) {
        client *c = add_client(&s, options->borrower_fd, options->borrower_pidfd,
                               options->borrower_pid, (uint32_t)getuid());
        if (c != NULL) c->hold = options->hold;
    } else {
        jmi_lender_mend(&s.lender);
    }
    serve(&s);
    end_all(&s);
    bool hung = s.lender.hung;
    jmi_lender_close(&s.lender);
    return hung ? jmi_fail(error, JM_HUNG, "NVIDIA's driver does not answer") : JM_OK;
}
