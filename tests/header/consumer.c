/* Someone else's program: finds joulemeter by pkg-config, knows nothing of this source tree. */
#include <joulemeter.h>

#include <stdio.h>

int main(void) {
    jm_error error = {0, ""};
    jm_session *session = NULL;
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    options.flags = JM_SESSION_NO_SAMPLER | JM_SESSION_NO_JOIN;
    if (jm_session_open(&session, &options, &error) != JM_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    jm_end(session, jm_begin(session, "work"));
    jm_recording *recording = NULL;
    if (jm_session_close(session, &recording, &error) != JM_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    int good = jm_recording_range_count(recording) == 1;
    jm_recording_free(recording);
    printf("%s with libjoulemeter %s\n", good ? "one range" : "wrong number of ranges",
           jm_version());
    return good ? 0 : 1;
}
