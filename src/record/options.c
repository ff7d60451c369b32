/* What a session may be asked for. */
#include "record/session.h"

#include <math.h>

static const uint64_t fastest_ns = 100 * 1000;
static const uint64_t slowest_ns = UINT64_C(3600) * JMI_NS_PER_S;

static int check_time(const char *what, uint64_t value_ns, jm_error *error) {
    if (value_ns < fastest_ns)
        return jmi_fail(error, JM_INVALID, "%s of %llu ns is too short: the least is 100 us", what,
                        (unsigned long long)value_ns);
    if (value_ns > slowest_ns)
        return jmi_fail(error, JM_INVALID, "%s of %.0f s is too long: the most is one hour", what,
                        (double)value_ns / 1e9);
    return JM_OK;
}

static int check_limits(const jm_session_options *ours, jm_error *error) {
    if (!(ours->warn_at > 0 && ours->warn_at <= 1))
        return jmi_fail(error, JM_INVALID,
                        "warn_at must be a share of a limit, above 0 and at most 1");
    if (ours->max_memory_bytes < 1u << 20)
        return jmi_fail(error, JM_INVALID, "max_memory_bytes must be 1 MiB (1048576) at least");
    if (ours->max_samples < 1000)
        return jmi_fail(error, JM_INVALID, "max_samples must be 1000 at least");
    return JM_OK;
}

int jmi_session_options(jm_session_options *ours, const jm_session_options *theirs,
                        jm_error *error) {
    int status = jmi_take_struct(ours, sizeof *ours, theirs, "jm_session_options", error);
    if (status != JM_OK) return status;
    const uint32_t known = JM_SESSION_NO_GPU | JM_SESSION_NO_CPU | JM_SESSION_NO_JOIN |
                           JM_SESSION_NO_SAMPLER | JM_SESSION_KEEP_POLLS;
    if ((ours->flags & ~known) != 0)
        return jmi_fail(error, JM_INVALID, "flags has bits (0x%x) that mean nothing",
                        ours->flags & ~known);
    if (ours->interval_ns == 0) ours->interval_ns = 20 * 1000 * 1000;
    if (ours->max_samples == 0) ours->max_samples = UINT64_MAX;
    if (ours->max_memory_bytes == 0) ours->max_memory_bytes = 256u << 20;
    if (ours->warn_at == 0) ours->warn_at = 0.8;
    if (ours->pid < 0) return jmi_fail(error, JM_INVALID, "pid %d is no process", ours->pid);
    if (!isfinite(ours->cpu_tdp_w) || ours->cpu_tdp_w < 0)
        return jmi_fail(error, JM_INVALID, "cpu_tdp_w must be watts, 0 or more");
    if (ours->path != NULL && ours->path[0] == '\0')
        return jmi_fail(error, JM_INVALID, "path is empty: name a file or leave it NULL");
    status = check_time("an interval", ours->interval_ns, error);
    if (status == JM_OK && ours->poll_ns != 0)
        status = check_time("a poll period", ours->poll_ns, error);
    return status == JM_OK ? check_limits(ours, error) : status;
}
