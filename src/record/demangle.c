#include "record/demangle.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

/* Never closed: who else uses it is not known. */
static void seek(jmi_demangler *demangler) {
    static const char *const libraries[] = {"libstdc++.so.6", "libc++abi.so.1"};
    void *found = NULL;
    for (size_t i = 0; found == NULL && i < JMI_COUNT(libraries); i++) {
        void *library = dlopen(libraries[i], RTLD_LAZY | RTLD_LOCAL);
        if (library != NULL) found = dlsym(library, "__cxa_demangle");
    }
    memcpy(&demangler->unmake, &found, sizeof found);
    demangler->sought = true;
}

/* NULL: it cannot be unmade. */
static const char *unmade(const jmi_demangler *demangler, jm_recording *recording,
                          const char *name) {
    int status = -1;
    char *clear = demangler->unmake(name, NULL, NULL, &status);
    const char *kept = NULL;
    if (clear != NULL && status == 0) {
        char tail[JMI_CUT_TAIL + 1];
        size_t length = strlen(clear);
        if (length > JMI_MAX_NAME) {
            jmi_cut_tail(clear, tail);
            length = jmi_cut_length(clear, JMI_MAX_NAME - JMI_CUT_TAIL);
            memcpy(clear + length, tail, sizeof tail);
            length += JMI_CUT_TAIL;
        }
        kept = jmi_text_locked(recording, clear, length);
    }
    free(clear);
    return kept;
}

const char *jmi_demangle(jmi_demangler *demangler, jm_recording *recording, const char *name) {
    if (name[0] != '_' || name[1] != 'Z') return name;
    if (!demangler->sought) seek(demangler);
    if (demangler->unmake == NULL) return name;
    size_t slot = (uintptr_t)name / 16 % JMI_DEMANGLED;
    if (demangler->known[slot].made != name) {
        const char *clear = unmade(demangler, recording, name);
        demangler->known[slot].made = name;
        demangler->known[slot].clear = clear != NULL ? clear : name;
    }
    return demangler->known[slot].clear;
}
