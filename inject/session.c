#include "kernels.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The library belongs to the process that it is loaded into, and so does its session: it is joined
 * at the first need and never left, because ranges may come until the very end. A fork goes on with
 * it; the ring knows which process writes. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static jm_session *joined;

/* Without --follow only the command is recorded, which is a child of `joulemeter run` itself, and
 * nothing that it starts. */
static bool is_followed(void) {
    const char *session = getenv("JOULEMETER_SESSION"), *follow = getenv("JOULEMETER_FOLLOW");
    if (follow == NULL || strcmp(follow, "no") != 0 || session == NULL) return true;
    const char *run = strrchr(session, ':');
    return run != NULL && strtol(run + 1, NULL, 10) == (long)getppid();
}

static void leave(void) {
    if (!is_followed()) joined = NULL;
}

static void join(void) {
    int before = errno;
    inject_watch_threads();
    ties_prepare();
    if (is_followed()) jm_session_join(&joined, NULL);
    if (joined != NULL) pthread_atfork(NULL, NULL, leave);
    errno = before;
}

jm_session *inject_session(void) {
    pthread_once(&once, join);
    return joined;
}
