/* SPDX-License-Identifier: MIT */
#include "text.h"
#include "trace.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#ifdef SIMGPU_HAVE_ZLIB
#include <zlib.h>
#endif

/* A gzip bomb or a device file must end somewhere. */
static const size_t MAX_BYTES = (size_t)1 << 30;

struct bytes {
    char *data;
    size_t length, capacity;
};

/* Room for at least one more block; false if the limit or memory is reached. */
static bool make_room(struct bytes *bytes) {
    if (bytes->capacity - bytes->length >= 65536) return true;
    if (bytes->capacity >= MAX_BYTES) return false;
    size_t capacity = bytes->capacity ? bytes->capacity * 2 : (size_t)1 << 17;
    char *data = realloc(bytes->data, capacity);
    if (!data) return false;
    bytes->data = data;
    bytes->capacity = capacity;
    return true;
}

#ifdef SIMGPU_HAVE_ZLIB
/* gzread passes plain files through. */
static const char *read_all(const char *path, struct bytes *bytes) {
    gzFile file = gzopen(path, "rbe");
    if (!file) return strerror(errno ? errno : ENOMEM);
    const char *problem = NULL;
    for (;;) {
        if (!make_room(bytes)) {
            problem = "too large";
            break;
        }
        int got = gzread(file, bytes->data + bytes->length, 65536);
        if (got < 0) problem = "damaged gzip data";
        if (got <= 0) break;
        bytes->length += (size_t)got;
    }
    if (gzclose(file) != Z_OK && !problem) problem = "damaged gzip data";
    return problem;
}
#else
static const char *read_all(const char *path, struct bytes *bytes) {
    FILE *file = fopen(path, "rbe");
    if (!file) return strerror(errno);
    const char *problem = NULL;
    for (;;) {
        if (!make_room(bytes)) {
            problem = "too large";
            break;
        }
        size_t got = fread(bytes->data + bytes->length, 1, 65536, file);
        if (got == 0) break;
        bytes->length += got;
    }
    if (ferror(file) && !problem) problem = "cannot be read";
    fclose(file);
    if (!problem && bytes->length >= 2 && memcmp(bytes->data, "\x1f\x8b", 2) == 0)
        problem = "gzip is not supported by this build";
    return problem;
}
#endif

/* Opening a pipe or a terminal would wait for ever. */
static const char *check_regular(const char *path) {
    struct stat info;
    if (stat(path, &info) != 0) return strerror(errno);
    return S_ISREG(info.st_mode) ? NULL : "not a regular file";
}

int simgpu_trace_load(struct simgpu_trace *trace, const char *dir, const char *file,
                      const char *column, struct simgpu_error *err) {
    *trace = (struct simgpu_trace){0};
    char path[PATH_MAX];
    bool relative = dir && *dir && file[0] != '/';
    int length =
        snprintf(path, sizeof path, "%s%s%s", relative ? dir : "", relative ? "/" : "", file);
    if (length < 0 || (size_t)length >= sizeof path)
        return simgpu_fail(err, 0, "the file name is too long: %.100s", file);

    struct bytes bytes = {0};
    const char *problem = check_regular(path);
    if (!problem) problem = read_all(path, &bytes);
    int rc;
    if (problem) {
        rc = simgpu_fail(err, 0, "cannot read %.150s: %s", path, problem);
    } else {
        struct simgpu_error inner = {0};
        rc = simgpu_trace_parse(trace, bytes.data, bytes.length, column, &inner);
        if (rc != 0) {
            const char *name = strrchr(path, '/');
            simgpu_fail(err, inner.position, "%.100s: %.120s", name ? name + 1 : path, inner.text);
            simgpu_trace_release(trace);
        }
    }
    free(bytes.data);
    return rc;
}
