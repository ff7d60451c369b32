/* Saving a recording as a whole: into a file beside the one that is wanted, which then takes its
 * place in one step. */
#include "record/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The data before the name: a power failure leaves the old file or the new one. */
static int sync_file(const char *path, jm_error *error) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int status = JM_OK;
    if (fd < 0 || fsync(fd) != 0) status = jmi_fail_errno(error, errno, "cannot write %s", path);
    if (fd >= 0) close(fd);
    return status;
}

static int write_part(const jm_recording *recording, const char *part, jm_error *error) {
    jmi_recfile *file;
    int status = jmi_recfile_create(&file, part, JMI_FILE_SAVED, error);
    if (status != JM_OK) return status;
    status = jmi_recfile_write(file, (jm_recording *)recording, JMI_WRITE_COMPLETE, error);
    jmi_recfile_close(file);
    return status == JM_OK ? sync_file(part, error) : status;
}

int jm_recording_save(const jm_recording *recording, const char *path, jm_error *error) {
    if (recording == NULL || path == NULL || path[0] == '\0')
        return jmi_fail(error, JM_INVALID, "a recording and a path are needed");
    jmi_text name = {0};
    char *part;
    jmi_text_add(&name, "%s.part-%d-XXXXXX", path, (int)getpid());
    int status = jmi_text_take(&name, &part, error);
    if (status != JM_OK) return status;
    int fd = mkostemp(part, O_CLOEXEC);
    if (fd < 0) {
        status = jmi_fail_errno(error, errno, "cannot write %s", path);
        free(part);
        return status;
    }
    /* mkostemp makes private files; a recording is as readable as other files of the user. */
    mode_t mask = umask(0);
    umask(mask);
    (void)fchmod(fd, 0666 & ~mask);
    close(fd);
    status = write_part(recording, part, error);
    if (status == JM_OK && rename(part, path) != 0)
        status = jmi_fail_errno(error, errno, "cannot write %s", path);
    if (status != JM_OK) unlink(part);
    free(part);
    return status;
}
