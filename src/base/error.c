#include "base/base.h"

#include <errno.h>
#include <string.h>

const char *jm_version(void) {
    return JM_VERSION_STRING;
}

const char *jm_status_name(int status) {
    switch (status) {
#define JM_STATUS_NAME(code, name, sentence)                                                       \
    case code: return "JM_" #name;
        JM_STATUS_TABLE(JM_STATUS_NAME)
#undef JM_STATUS_NAME
    default: return "JM_UNKNOWN";
    }
}

const char *jm_status_text(int status) {
    switch (status) {
#define JM_STATUS_SENTENCE(code, name, sentence)                                                   \
    case code: return sentence;
        JM_STATUS_TABLE(JM_STATUS_SENTENCE)
#undef JM_STATUS_SENTENCE
    default: return "unknown status";
    }
}

int(jmi_fail)(jm_error *error, int status, const char *format, ...) {
    if (error == NULL) return status;
    va_list args;
    va_start(args, format);
    /* A message may be made from the one that is already there. */
    char message[sizeof error->message];
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    error->status = status;
    memcpy(error->message, message, sizeof message);
    return status;
}

int jmi_status_of_errno(int errnum) {
    switch (errnum) {
    case EACCES:
    case EPERM:
    case EROFS: return JM_PERMISSION;
    case ENOENT:
    case ENOTDIR:
    case ENODEV:
    case ENXIO: return JM_NOT_FOUND;
    case ENOMEM: return JM_MEMORY;
    case EINVAL: return JM_INVALID;
    case ENOSPC:
    case EDQUOT: return JM_FULL;
    case EINTR: return JM_INTERRUPTED;
    case EIO: return JM_IO;
    case ENOSYS:
    case EOPNOTSUPP: return JM_NOT_SUPPORTED;
    default: return JM_SYSTEM;
    }
}

int jmi_fail_errno(jm_error *error, int errnum, const char *format, ...) {
    char message[400];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    char why[100];
    return jmi_fail(error, jmi_status_of_errno(errnum), "%s: %s", message,
                    strerror_r(errnum, why, sizeof why));
}

int jmi_take_struct(void *ours, size_t our_size, const void *theirs, const char *what,
                    jm_error *error) {
    memset(ours, 0, our_size);
    memcpy(ours, &our_size, sizeof our_size);
    if (theirs == NULL) return JM_OK;
    size_t their_size;
    memcpy(&their_size, theirs, sizeof their_size);
    if (their_size < sizeof their_size || their_size > 65536)
        return jmi_fail(error, JM_INVALID,
                        "%s: size is not set; initialise it with its _INIT macro", what);
    const unsigned char *bytes = theirs;
    for (size_t i = our_size; i < their_size; i++)
        if (bytes[i] != 0)
            return jmi_fail(error, JM_INVALID,
                            "%s: the program uses options that this version (%s) does not know",
                            what, JM_VERSION_STRING);
    size_t common = their_size < our_size ? their_size : our_size;
    memcpy((char *)ours + sizeof our_size, bytes + sizeof our_size, common - sizeof our_size);
    return JM_OK;
}

int jmi_give_struct(void *theirs, const void *ours, size_t our_size) {
    size_t their_size;
    if (theirs == NULL) return JM_INVALID;
    memcpy(&their_size, theirs, sizeof their_size);
    if (their_size < sizeof their_size || their_size > 65536) return JM_INVALID;
    size_t common = their_size < our_size ? their_size : our_size;
    memcpy((char *)theirs + sizeof our_size, (const char *)ours + sizeof our_size,
           common - sizeof our_size);
    if (their_size > our_size) memset((char *)theirs + our_size, 0, their_size - our_size);
    return JM_OK;
}
