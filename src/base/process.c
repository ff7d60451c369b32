#include "base/base.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A process that nobody has waited for yet still takes signals; its descriptor tells more. */
bool jmi_process_gone(int32_t pid) {
    if (pid <= 0) return false;
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0) return kill(pid, 0) != 0 && errno == ESRCH;
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    bool gone = poll(&ended, 1, 0) > 0 && (ended.revents & POLLIN) != 0;
    close(fd);
    return gone;
}
