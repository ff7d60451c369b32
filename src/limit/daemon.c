/* Talking to a lender: joulemeter-limitd at its socket, or a guard. */
#include "limit/limit.h"
#include "limit/wire.h"

#include "sensor/internal.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* A driver may use up its time several times: opening, reading, setting, reading back. */
static int64_t patience_ns(void) {
    return 4 * jmi_driver_timeout_ns() + 5 * JMI_NS_PER_S;
}

static int say(int fd, const char *line) {
    for (size_t length = strlen(line); length > 0;) {
        ssize_t sent = send(fd, line, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return errno;
        line += sent;
        length -= (size_t)sent;
    }
    return 0;
}

/* One line, without its end: JM_OK, JM_CLOSED, JM_HUNG, JM_FORMAT. */
static int hear(int fd, char line[JMI_WIRE_LINE]) {
    int64_t deadline = jm_now_ns() + patience_ns();
    for (size_t length = 0; length < JMI_WIRE_LINE;) {
        struct pollfd waited = {.fd = fd, .events = POLLIN};
        int64_t left = (deadline - jm_now_ns()) / 1000000;
        if (left <= 0) return JM_HUNG;
        if (poll(&waited, 1, (int)(left < 60000 ? left : 60000)) <= 0) continue;
        ssize_t got = recv(fd, line + length, JMI_WIRE_LINE - length, 0);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (got <= 0) return JM_CLOSED;
        length += (size_t)got;
        char *end = memchr(line, '\n', length);
        if (end == NULL) continue;
        *end = '\0';
        return JM_OK;
    }
    return JM_FORMAT;
}

int jmi_lender_ask(int fd, const jmi_request *request, jmi_answer *answer, jm_error *error) {
    char line[JMI_WIRE_LINE];
    memset(answer, 0, sizeof *answer);
    if (!jmi_request_format(request, line))
        return jmi_fail(error, JM_INVALID, "this cannot be asked of joulemeter-limitd");
    /* Where it cannot be said there may still be something to hear: why not. */
    say(fd, line);
    int status = hear(fd, line);
    if (status == JM_OK) status = jmi_answer_parse(answer, line);
    if (status == JM_HUNG) return jmi_fail(error, JM_HUNG, "joulemeter-limitd does not answer");
    if (status == JM_CLOSED) return jmi_fail(error, JM_CLOSED, "joulemeter-limitd is gone");
    if (status != JM_OK)
        return jmi_fail(error, status, "what joulemeter-limitd says is not understood");
    if (answer->status == JM_OK) return JM_OK;
    return jmi_fail(error, answer->status, "%s",
                    answer->message[0] != '\0' ? answer->message : jm_status_text(answer->status));
}

int jmi_daemon_connect(const char *socket_path, jm_error *error) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(socket_path) >= sizeof address.sun_path)
        return jmi_fail(error, JM_INVALID, "the path %.120s is too long for a socket", socket_path);
    strcpy(address.sun_path, socket_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return jmi_fail_errno(error, errno, "cannot make a socket");
    const struct timeval patience = {.tv_sec = 5};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience); /* of connect, too */
    int connected;
    do {
        connected = connect(fd, (const struct sockaddr *)&address, sizeof address);
    } while (connected != 0 && errno == EINTR);
    int errnum = errno;
    if (connected != 0) {
        close(fd);
        if (errnum == ECONNREFUSED) errnum = ENOENT; /* left by one that has ended */
        return jmi_fail_errno(error, errnum, "cannot connect to joulemeter-limitd at %s",
                              socket_path);
    }
    const jmi_request hello = {.verb = JMI_VERB_HELLO, .value = JMI_WIRE_VERSION};
    jmi_answer answer;
    int status = jmi_lender_ask(fd, &hello, &answer, error);
    if (status == JM_OK && (answer.count != 1 || answer.value[0] != JMI_WIRE_VERSION))
        status = jmi_fail(error, JM_NOT_SUPPORTED, "joulemeter-limitd at %s is of another version",
                          socket_path);
    if (status == JM_OK) return fd;
    close(fd);
    return status;
}
