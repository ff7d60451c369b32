/* Energy of a range while its session goes on. */
#include "record/session.h"

int jm_range_energy(jm_session *session, jm_range_id id, uint32_t device, jm_energy *out,
                    jm_error *error) {
    if (session == NULL || out == NULL)
        return jmi_fail(error, JM_INVALID, "session and out must not be NULL");
    jm_range range = {.size = sizeof range};
    int status = jmi_session_range(session, id, &range);
    if (status == JM_CLOSED)
        return jmi_fail(error, status,
                        "this session writes into an outer recording, which has the energies");
    if (status != JM_OK)
        return jmi_fail(error, status, "the session has no range %llu", (unsigned long long)id);
    return jm_energy_window(jm_session_recording(session), device, range.begin_ns, range.end_ns,
                            NULL, out, error);
}
