/* Setting a limit needs the right to administer the machine, and nothing else that root has. */
#include "limitd.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEPT ((uint64_t)1 << CAP_SYS_ADMIN)

static bool set_capabilities(uint64_t kept) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    if (syscall(SYS_capget, &header, data) != 0) return false;
    for (int i = 0; i < 2; i++) {
        data[i].permitted &= (uint32_t)(kept >> (32 * i));
        data[i].effective = data[i].permitted;
        data[i].inheritable = 0;
    }
    return syscall(SYS_capset, &header, data) == 0;
}

bool limitd_drop_rights(void) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
    if (geteuid() != 0) return true;
    if (setgroups(0, NULL) != 0 && errno != EPERM) return false;
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
        if (((KEPT >> cap) & 1) == 0 && prctl(PR_CAPBSET_DROP, cap) != 0 && errno != EPERM)
            return false;
    return set_capabilities(KEPT);
}
