#include "inject.h"

/* The library belongs to the process that it is loaded into, and so does its session: it is joined
 * at the first need and never left, because ranges may come until the very end. A fork goes on with
 * it; the ring knows which process writes. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static jm_session *joined;

static void join(void) {
    int before = errno;
    inject_watch_threads();
    jm_session_join(&joined, NULL);
    errno = before;
}

jm_session *inject_session(void) {
    pthread_once(&once, join);
    return joined;
}
