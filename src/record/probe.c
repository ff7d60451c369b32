/* What is there to be measured, and what is in the way: devices, sensors and findings. */
#include "record/session.h"

#include <stdlib.h>
#include <string.h>

struct jm_probe {
    jm_recording *recording;
    jm_finding *findings; /* their texts are the recording's */
    size_t finding_count;
};

static int keep_findings(jm_probe *probe, const jmi_sensor_set *set, jm_error *error) {
    probe->findings = jmi_alloc(set->finding_count, sizeof *probe->findings);
    if (probe->findings == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for findings");
    for (size_t i = 0; i < set->finding_count; i++) {
        jm_finding *finding = &probe->findings[i];
        *finding = set->findings[i];
        finding->size = sizeof *finding;
        const char **texts[] = {&finding->interface, &finding->device, &finding->what,
                                &finding->message, &finding->remedy};
        for (size_t t = 0; t < JMI_COUNT(texts); t++) {
            const char *text = *texts[t];
            *texts[t] = jmi_recording_text(probe->recording, text, text != NULL ? strlen(text) : 0);
            if (*texts[t] == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for findings");
        }
    }
    probe->finding_count = set->finding_count;
    return JM_OK;
}

/* A last reading of each source: what could be opened may still not be readable. */
static void read_once(jmi_sensor_set *set) {
    for (size_t i = 0; i < set->source_count; i++) {
        jmi_source *source = &set->sources[i];
        jmi_reading readings[JMI_SOURCE_SENSORS];
        if (source->read != NULL) (void)source->read(source, readings);
    }
}

int jm_probe_open(jm_probe **probe, const jm_session_options *options, jm_error *error) {
    if (probe == NULL) return jmi_fail(error, JM_INVALID, "probe is NULL");
    *probe = NULL;
    jm_session_options ours;
    int status = jmi_session_options(&ours, options, error);
    if (status != JM_OK) return status;
    jm_probe *fresh = jmi_alloc(1, sizeof *fresh);
    if (fresh == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for a probe");
    jmi_sensor_set *set = NULL;
    status = jm_recording_new(&fresh->recording, error);
    if (status == JM_OK) status = jmi_sensors_open(&set, &ours, error);
    if (status == JM_OK) {
        read_once(set);
        status = jmi_recording_take_set(fresh->recording, set, error);
    }
    if (status == JM_OK) status = keep_findings(fresh, set, error);
    if (set != NULL) jmi_sensors_close(set);
    if (status != JM_OK) {
        jm_probe_free(fresh);
        return status;
    }
    *probe = fresh;
    return JM_OK;
}

const jm_recording *jm_probe_recording(const jm_probe *probe) {
    return probe != NULL ? probe->recording : NULL;
}

uint32_t jm_probe_finding_count(const jm_probe *probe) {
    return probe != NULL ? (uint32_t)probe->finding_count : 0;
}

int jm_probe_finding(const jm_probe *probe, uint32_t index, jm_finding *finding) {
    if (probe == NULL) return JM_INVALID;
    if (index >= probe->finding_count) return JM_NOT_FOUND;
    return jmi_give_struct(finding, &probe->findings[index], sizeof *finding);
}

void jm_probe_free(jm_probe *probe) {
    if (probe == NULL) return;
    jm_recording_free(probe->recording);
    free(probe->findings);
    free(probe);
}
