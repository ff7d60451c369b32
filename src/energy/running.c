/* Energy of a range while its session goes on. */
#include "energy/views.h"
#include "record/session.h"

static int fail(jm_error *error, int status, jm_range_id id) {
    switch (status) {
    case JM_NOT_FOUND:
        return jmi_fail(error, status, "the session has no range %llu or no such device",
                        (unsigned long long)id);
    case JM_CLOSED: return jmi_fail(error, status, "the outer session is over");
    case JM_HUNG: return jmi_fail(error, status, "the outer session does not answer");
    case JM_FULL: return jmi_fail(error, status, "too many ask the outer session at once");
    default: return jmi_fail(error, status, "%s", jm_status_text(status));
    }
}

int jm_range_energy(jm_session *session, jm_range_id id, uint32_t device,
                    const jm_energy_options *options, jm_energy *out, jm_error *error) {
    if (session == NULL || out == NULL)
        return jmi_fail(error, JM_INVALID, "session and out must not be NULL");
    jm_energy_options ours;
    int status = jmi_energy_options_take(&ours, options, error);
    if (status != JM_OK) return status;
    jm_range range = {.size = sizeof range};
    if (jmi_session_is_remote(session))
        status = jmi_ask(session->ring, id, device, &ours, out);
    else
        status = jmi_session_range(session, id, &range);
    if (status != JM_OK) return fail(error, status, id);
    if (jmi_session_is_remote(session)) return JM_OK;
    ours.nearby = true;
    return jm_energy_window(jm_session_recording(session), device, range.begin_ns, range.end_ns,
                            &ours, out, error);
}
