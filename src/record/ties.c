/* Where kernels are recorded too, they are tied to the ranges that a program marks by itself: the
 * library that records them (inject/ties.c) is told of these. */
#include "record/session.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

/* The CUDA driver would load the same library later; ranges that begin before that count too. It is
 * never closed. */
void jmi_ties_find(jm_session *session) {
    const char *kernels = secure_getenv("JOULEMETER_KERNELS");
    const char *path = secure_getenv("CUDA_INJECTION64_PATH");
    if (kernels == NULL || kernels[0] == '\0' || path == NULL) return;
    void *library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
    void *begins = library != NULL ? dlsym(library, "joulemeter_range_begins") : NULL;
    void *ends = library != NULL ? dlsym(library, "joulemeter_range_ends") : NULL;
    if (begins == NULL || ends == NULL) return;
    memcpy(&session->range_begins, &begins, sizeof begins);
    memcpy(&session->range_ends, &ends, sizeof ends);
}
