/* What a stranger's first lines use of the interface; the same text for C99, C11 and C++. */
#include <joulemeter.h>

#include <stdio.h>
#include <string.h>

static int use_header(void) {
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    jm_energy_options energy = JM_ENERGY_OPTIONS_INIT;
    jm_report_options report = JM_REPORT_OPTIONS_INIT;
    jm_calibrate_options calibrate = JM_CALIBRATE_OPTIONS_INIT;
    jm_tuner_options tuner = JM_TUNER_OPTIONS_INIT;
    jm_trial_meter_options meter = JM_TRIAL_METER_OPTIONS_INIT;
    char version[32];
    jm_limits_options limits = JM_LIMITS_OPTIONS_INIT;
    int bad = 0;

    snprintf(version, sizeof version, "%d.%d.%d", JM_VERSION_MAJOR, JM_VERSION_MINOR,
             JM_VERSION_PATCH);
    bad += strcmp(version, jm_version()) != 0;
    bad += strcmp(jm_status_name(JM_NO_DATA), "JM_NO_DATA") != 0;
    bad += strcmp(jm_status_text(JM_OK), "success") != 0;
    bad += jm_now_ns() <= 0;
    bad += options.size != sizeof options || options.flags != 0 || options.gpus != NULL;
    bad += energy.size != sizeof energy || energy.method != JM_METHOD_AUTO;
    bad += report.size != sizeof report || report.energy != NULL;
    bad += calibrate.size != sizeof calibrate || calibrate.session != NULL;
    bad += tuner.size != sizeof tuner || tuner.objective.kind != JM_OBJECTIVE_ED2P;
    bad += meter.size != sizeof meter || meter.max_s != 0;
    bad += limits.size != sizeof limits || limits.pid != 0;
    jm_free(NULL);
    printf("1..1\n%s 1 - the header compiles and its macros hold\n", bad == 0 ? "ok" : "not ok");
    return bad == 0 ? 0 : 1;
}
