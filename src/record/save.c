/* Saving a recording as a whole: into a file beside the one that is wanted, which then takes its
 * place in one step. */
#include "record/file.h"

#include <unistd.h>

static int save(jm_recording *recording, const char *path, jm_error *error) {
    jmi_recfile *file;
    int status = jmi_recfile_create(&file, path, error);
    if (status != JM_OK) return status;
    status = jmi_recfile_write(file, recording, JMI_WRITE_COMPLETE, error);
    if (status == JM_OK)
        status = jmi_recfile_publish(file, path, true, error);
    else
        unlink(file->path);
    jmi_recfile_close(file);
    return status;
}

int jm_recording_save(const jm_recording *recording, const char *path, jm_error *error) {
    if (recording == NULL || path == NULL || path[0] == '\0')
        return jmi_fail(error, JM_INVALID, "a recording and a path are needed");
    jmi_quiet quiet = jmi_quiet_begin();
    int status = save((jm_recording *)recording, path, error);
    jmi_quiet_end(quiet);
    return status;
}
