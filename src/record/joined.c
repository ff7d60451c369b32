/* A session that joins the one of an outer `joulemeter run`: it marks ranges and measures nothing.
 * With ring.c, join.c and marks.c this is all that such a program needs: no sensor, no file, no
 * SQLite. inject/ is linked with these alone, because it is loaded into programs of others. */
#include "record/session.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

jm_session *jmi_session_new(void) {
    jm_session *session = jmi_alloc(1, sizeof *session);
    if (session == NULL) return NULL;
    pthread_mutex_init(&session->telling, NULL);
    session->pid = (int32_t)getpid();
    return session;
}

bool jmi_session_add_setting(jm_session *session, const char *setting) {
    if (!jmi_reserve(&session->environment, &session->environment_capacity,
                     session->environment_count + 2, sizeof *session->environment))
        return false;
    char *copy = jmi_strdup(setting);
    if (copy == NULL) return false;
    session->environment[session->environment_count++] = copy;
    session->environment[session->environment_count] = NULL;
    return true;
}

bool jmi_session_copy_devices(jm_session *session) {
    uint32_t count = session->ring->header->device_count;
    if (count > JMI_RING_DEVICES) count = JMI_RING_DEVICES;
    session->devices = jmi_alloc(count, sizeof *session->devices);
    if (session->devices == NULL) return false;
    memcpy(session->devices, session->ring->devices, count * sizeof *session->devices);
    for (uint32_t i = 0; i < count; i++) {
        jmi_ring_device *entry = &session->devices[i];
        entry->name[sizeof entry->name - 1] = entry->vendor[sizeof entry->vendor - 1] = '\0';
        entry->model[sizeof entry->model - 1] = entry->uuid[sizeof entry->uuid - 1] = '\0';
        entry->pci[sizeof entry->pci - 1] = entry->driver[sizeof entry->driver - 1] = '\0';
    }
    session->device_count = count;
    return true;
}

/* What lets a child of this program join in its turn. */
static bool keep_environment(jm_session *session) {
    char setting[128] = "";
    const char *outer = getenv("JOULEMETER_SESSION");
    if (outer != NULL) snprintf(setting, sizeof setting, "JOULEMETER_SESSION=%s", outer);
    return jmi_session_add_setting(session, setting);
}

static void drop(jm_session *session) {
    for (size_t i = 0; i < session->environment_count; i++) free(session->environment[i]);
    free(session->environment);
    free(session->devices);
    pthread_mutex_destroy(&session->telling);
    free(session);
}

int jm_session_join(jm_session **session, jm_error *error) {
    if (session == NULL) return jmi_fail(error, JM_INVALID, "session is NULL");
    *session = NULL;
    jmi_ring *ring;
    int status = jmi_join(&ring, error);
    if (status == JM_NOT_FOUND)
        return jmi_fail(error, status, "there is no outer session (JOULEMETER_SESSION is not set)");
    if (status != JM_OK) return status;
    jm_session *fresh = jmi_session_new();
    if (fresh != NULL) fresh->ring = ring;
    if (fresh == NULL || !keep_environment(fresh) || !jmi_session_copy_devices(fresh)) {
        if (fresh != NULL) drop(fresh);
        jmi_ring_free(ring);
        return jmi_fail(error, JM_MEMORY, "out of memory for a session");
    }
    fresh->joined = true;
    *session = fresh;
    return JM_OK;
}
