/* Finding the session of an outer `joulemeter run`: JOULEMETER_SESSION=<fd>:<inode>:<pid> names an
 * inherited descriptor, or the one of the outer process if it was closed on the way. */
#include "record/session.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_the_one(int fd, unsigned long long inode) {
    struct stat info;
    return fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_ino == (ino_t)inode;
}

static int open_ring(int fd, unsigned long long inode, long pid) {
    if (is_the_one(fd, inode)) return fcntl(fd, F_DUPFD_CLOEXEC, 3);
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/fd/%d", pid, fd);
    int opened = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (opened >= 0 && !is_the_one(opened, inode)) {
        close(opened);
        opened = -1;
    }
    return opened;
}

int jmi_join(jmi_ring **ring, jm_error *error) {
    *ring = NULL;
    const char *text = secure_getenv("JOULEMETER_SESSION");
    if (text == NULL || text[0] == '\0') return JM_NOT_FOUND;
    int fd;
    unsigned long long inode;
    long pid;
    char rest;
    if (sscanf(text, "%d:%llu:%ld%c", &fd, &inode, &pid, &rest) != 3 || fd < 0 || pid <= 0)
        return jmi_fail(error, JM_FORMAT, "JOULEMETER_SESSION is \"%.40s\", which names no session",
                        text);
    int opened = open_ring(fd, inode, pid);
    if (opened < 0)
        return jmi_fail(error, JM_CLOSED, "the session that JOULEMETER_SESSION names is gone");
    return jmi_ring_join(ring, opened, error);
}
