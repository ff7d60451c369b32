/* The daemon: its configuration, its socket, and who may connect. */
#include "limitd.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

enum { SYSTEMD_FD = 3, MOST_GROUPS = 65536 };

static int fail(const char *format, ...) JMI_PRINTF(1, 2);
static int fail(const char *format, ...) {
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    limitd_log(line, NULL);
    return 1;
}

/* ---- configuration ---- */

static bool load_rules(const char *path, jmi_rules *rules) {
    static char text[JMI_RULES_BYTES + 2];
    jm_error error = {0};
    const char *file = path != NULL ? path : LIMITD_CONFIG;
    ssize_t length = jmi_read_text(file, text, sizeof text);
    if (length == JM_NOT_FOUND && path == NULL) {
        length = 0;
        limitd_log("there is no " LIMITD_CONFIG ": only root may set limits", NULL);
    }
    if (length < 0) return fail("cannot read %s: %s", file, jm_status_text((int)length)), false;
    if (jmi_rules_parse(rules, text, (size_t)length, &error) == JM_OK) return true;
    return fail("%s: %s", file, error.message), false;
}

/* A section that fits no GPU protects none. */
static int check_gpus(const jmi_rules *rules, const char *file) {
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    jmi_sensor_set *set = NULL;
    jm_error error = {0};
    int code = 0;
    options.gpus = "all";
    if (rules->gpu_count == 0) return 0;
    if (jmi_gpus_open(&set, &options, NULL, &error) != JM_OK)
        return fail("%s cannot be compared with the GPUs: %s", file, error.message);
    for (uint32_t i = 0; i < rules->gpu_count; i++)
        if (jmi_gpu_find(set, rules->gpus[i].key) == UINT32_MAX)
            code = fail("%s: [%s] is no GPU here: GPUs without a section of their own will be "
                        "refused (joulemeter devices lists them)",
                        file, rules->gpus[i].key);
    jmi_sensors_close(set);
    return code;
}

int limitd_check(const char *config_path) {
    static jmi_rules rules;
    const char *file = config_path != NULL ? config_path : LIMITD_CONFIG;
    if (!load_rules(config_path, &rules)) return 1;
    if (rules.group[0] != '\0' && getgrnam(rules.group) == NULL)
        return fail("%s is good, but there is no group %s: sudo groupadd --system %s", file,
                    rules.group, rules.group);
    if (check_gpus(&rules, file) != 0) return 1;
    printf("%s is good\n", file);
    return 0;
}

/* ---- who may connect ---- */

struct gate {
    bool has_group;
    gid_t group;
};

/* The groups that the peer had when it connected. */
static bool peer_has_group(int fd, gid_t group) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
    if (peer.gid == group) return true;
    gid_t few[64], *groups = few;
    size = sizeof few;
    int got = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, few, &size);
    if (got != 0 && errno == ERANGE && size <= MOST_GROUPS * sizeof *groups) {
        groups = malloc(size);
        got = groups != NULL ? getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) : -1;
    }
    bool has = false;
    for (size_t i = 0; got == 0 && i < size / sizeof *groups; i++) has |= groups[i] == group;
    if (groups != few) free(groups);
    return has;
}

static bool admits(int fd, uint32_t uid, void *user) {
    const struct gate *gate = user;
    if (uid == 0 || uid == geteuid()) return true;
    return gate->has_group && peer_has_group(fd, gate->group);
}

static void find_group(const jmi_rules *rules, struct gate *gate) {
    const struct group *group = rules->group[0] != '\0' ? getgrnam(rules->group) : NULL;
    gate->has_group = group != NULL;
    if (group != NULL) gate->group = group->gr_gid;
    if (group == NULL && rules->group[0] != '\0')
        fail("there is no group %s: only root may set limits", rules->group);
}

/* ---- the socket ---- */

/* One that systemd made and listens on already. */
static int from_systemd(void) {
    uint64_t pid, count;
    const char *pid_text = getenv("LISTEN_PID"), *count_text = getenv("LISTEN_FDS");
    if (pid_text == NULL || count_text == NULL || !jmi_parse_u64(pid_text, &pid) ||
        !jmi_parse_u64(count_text, &count) || pid != (uint64_t)getpid() || count != 1)
        return -1;
    fcntl(SYSTEMD_FD, F_SETFD, FD_CLOEXEC);
    fcntl(SYSTEMD_FD, F_SETFL, O_NONBLOCK);
    return SYSTEMD_FD;
}

/* A socket that nobody listens on any more is in the way; anything else is not ours to remove. */
static bool clear_place(const struct sockaddr_un *address) {
    struct stat info;
    if (lstat(address->sun_path, &info) != 0) return errno == ENOENT;
    if (!S_ISSOCK(info.st_mode)) return fail("%s is no socket", address->sun_path), false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool served = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) == 0;
    if (fd >= 0) close(fd);
    if (served) return fail("another joulemeter-limitd serves %s", address->sun_path), false;
    return unlink(address->sun_path) == 0;
}

static int listen_at(const char *path, const struct gate *gate) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) return fail("%s is too long", path), -1;
    strcpy(address.sun_path, path);
    if (!clear_place(&address)) return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t mask = umask(0177);
    bool bound = fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    umask(mask);
    if (bound && gate->has_group)
        bound = (geteuid() != 0 || chown(path, 0, gate->group) == 0) && chmod(path, 0660) == 0;
    if (bound && listen(fd, 64) == 0) return fd;
    fail("cannot listen at %s: %s", path, strerror(errno));
    if (fd >= 0) close(fd);
    return -1;
}

/* ---- serving ---- */

static int open_socket(const char *path, const struct gate *gate, bool *made) {
    int fd = path == NULL ? from_systemd() : -1;
    *made = fd < 0;
    if (fd >= 0) return fd;
    if (path == NULL) path = JMI_DAEMON_SOCKET;
    jmi_make_parent(path, NULL);
    return listen_at(path, gate);
}

/* Each connection takes two descriptors, and each loan one. */
static void take_descriptors(void) {
    struct rlimit room;
    if (getrlimit(RLIMIT_NOFILE, &room) != 0) return;
    room.rlim_cur = room.rlim_max;
    setrlimit(RLIMIT_NOFILE, &room);
}

int limitd_serve(const char *socket_path, const char *config_path) {
    static jmi_rules rules;
    struct gate gate;
    jm_error error = {0};
    bool made;
    umask(022);
    take_descriptors();
    if (!load_rules(config_path, &rules)) return 1;
    find_group(&rules, &gate);
    int listening = open_socket(socket_path, &gate, &made);
    if (listening < 0) return 1;
    if (!limitd_drop_rights()) return fail("cannot give up rights: %s", strerror(errno));
    const jmi_server_options options = {
        .rules = &rules,
        .listen_fd = listening,
        .stop_fd = limitd_signals(false),
        .borrower_fd = -1,
        .borrower_pidfd = -1,
        .admits = admits,
        .log = limitd_log,
        .user = &gate,
    };
    limitd_log("ready", NULL);
    int status = jmi_server_run(&options, &error);
    if (made) unlink(socket_path != NULL ? socket_path : JMI_DAEMON_SOCKET);
    if (status != JM_OK) fail("%s", error.message);
    fflush(NULL);
    _exit(status == JM_OK ? 0 : 1); /* threads that hang in a driver would hold exit up */
}
