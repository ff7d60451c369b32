/* Kernels' names as people write them. A program in C++ unmakes its own (inject/demangle.c); those
 * of one without a C++ library come as the compiler made them, and are unmade here by ours, if
 * there is one. */
#ifndef JMI_DEMANGLE_H
#define JMI_DEMANGLE_H

#include "record/recording.h"

enum { JMI_DEMANGLED = 256 }; /* names that are at hand; others are unmade again */

typedef struct jmi_demangler {
    bool sought;
    char *(*unmake)(const char *name, char *buffer, size_t *size, int *status);
    struct {
        const char *made, *clear; /* texts of the recording */
    } known[JMI_DEMANGLED];
} jmi_demangler;

/* `name` is a text of the recording, whose lock is held, and so is what comes back: the same one if
 * there is nothing to unmake. */
const char *jmi_demangle(jmi_demangler *demangler, jm_recording *recording, const char *name);

#endif
