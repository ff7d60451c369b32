/* A file that is being recorded into is locked, so that nobody replaces it, and watched, since
 * somebody may remove it all the same. The lock is on one byte that no file has, beyond those that
 * SQLite locks, and belongs to the open descriptor: it ends with the process, and not when another
 * descriptor of the file is closed. */
#include "record/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static struct flock one_byte(short type) {
    return (struct flock){
        .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)1 << 62, .l_len = 1};
}

void jmi_recfile_lock(jmi_recfile *file, int fd) {
    struct flock lock = one_byte(F_WRLCK);
    file->lock_fd = fd;
    (void)fcntl(fd, F_OFD_SETLK, &lock); /* some file systems cannot */
}

void jmi_recfile_unlock(const jmi_recfile *file) {
    struct flock lock = one_byte(F_UNLCK);
    if (file->lock_fd >= 0) (void)fcntl(file->lock_fd, F_OFD_SETLK, &lock);
}

int jmi_recfile_check_free(const char *path, jm_error *error) {
    struct flock lock = one_byte(F_WRLCK);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) return JM_OK;
    bool locked = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    close(fd);
    if (!locked) return JM_OK;
    return jmi_fail(error, JM_INVALID,
                    "%s is being recorded into by another program: give another name, or wait for "
                    "its end",
                    path);
}

jmi_place jmi_recfile_place(const jmi_recfile *file) {
    struct stat ours, there;
    if (file->lock_fd < 0 || fstat(file->lock_fd, &ours) != 0) return JMI_PLACE_OURS;
    if (stat(file->path, &there) != 0) return JMI_PLACE_EMPTY;
    bool same = there.st_ino == ours.st_ino && there.st_dev == ours.st_dev;
    return same ? JMI_PLACE_OURS : JMI_PLACE_TAKEN;
}
