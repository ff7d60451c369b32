#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FLUSH_AT = 1 << 16 };

int write_all(int fd, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t wrote = write(fd, bytes, length);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) return errno;
        bytes += wrote;
        length -= (size_t)wrote;
    }
    return 0;
}

/* Devices and pipes are written to as they are. */
static bool is_special(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && !S_ISREG(info.st_mode);
}

int check_writable(const char *path) {
    struct stat info;
    if (stat(path, &info) == 0) {
        if (S_ISDIR(info.st_mode)) return EISDIR;
        if (!S_ISREG(info.st_mode)) return access(path, W_OK) == 0 ? 0 : errno;
    }
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
    int errnum = folder == NULL ? ENOMEM : access(folder, W_OK) == 0 ? 0 : errno;
    free(folder);
    return errnum;
}

bool holds_recording(const char *path) {
    jm_recording *recording = NULL;
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode)) return false;
    bool holds = jm_recording_open(&recording, path, NULL) == JM_OK;
    jm_recording_free(recording);
    return holds;
}

int write_file(const char *path, const char *bytes, size_t length) {
    size_t size = strlen(path) + 32;
    char *temporary = malloc(size);
    if (temporary == NULL) return ENOMEM;
    bool direct = is_special(path);
    if (direct)
        strcpy(temporary, path);
    else
        snprintf(temporary, size, "%s.%ld.part", path, (long)getpid());
    int flags = O_WRONLY | O_CLOEXEC | (direct ? 0 : O_CREAT | O_TRUNC | O_NOFOLLOW);
    int fd = open(temporary, flags, 0666);
    int errnum = fd < 0 ? errno : write_all(fd, bytes, length);
    if (fd >= 0 && close(fd) != 0 && errnum == 0) errnum = errno;
    if (!direct && errnum == 0 && rename(temporary, path) != 0) errnum = errno;
    if (!direct && errnum != 0 && fd >= 0) unlink(temporary);
    free(temporary);
    return errnum;
}

void output_open(output *out) {
    *out = (output){0};
}

static void flush(output *out) {
    int errnum = out->length == 0 ? 0 : write_all(STDOUT_FILENO, out->data, out->length);
    out->length = 0;
    if (errnum == EPIPE) out->gone = true;
    if (errnum != 0 && out->errnum == 0) out->errnum = errnum;
}

void output_append(output *out, const char *bytes, size_t length) {
    if (out->errnum != 0 || length == 0) return;
    if (out->length + length > out->capacity) {
        size_t larger = 2 * (out->length + length) + 1024;
        char *data = realloc(out->data, larger);
        if (data == NULL) {
            out->errnum = ENOMEM;
            return;
        }
        out->data = data;
        out->capacity = larger;
    }
    memcpy(out->data + out->length, bytes, length);
    out->length += length;
    if (out->length >= FLUSH_AT && !out->kept) flush(out);
}

void output_add(output *out, const char *format, ...) {
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0) {
        if (out->errnum == 0) out->errnum = ENOMEM;
        return;
    }
    output_append(out, text, (size_t)length);
    free(text);
}

void output_json(output *out, const char *text) {
    if (text == NULL) {
        output_append(out, "null", 4);
        return;
    }
    output_append(out, "\"", 1);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            output_add(out, "\\%c", c);
        else if (c == '\n')
            output_append(out, "\\n", 2);
        else if (c < 0x20)
            output_add(out, "\\u%04x", c);
        else
            output_append(out, text, 1);
    }
    output_append(out, "\"", 1);
}

void output_csv(output *out, const char *text) {
    if (text[strcspn(text, ",\"\r\n")] == '\0') {
        output_append(out, text, strlen(text));
        return;
    }
    output_append(out, "\"", 1);
    for (; *text != '\0'; text++)
        output_append(out, *text == '"' ? "\"\"" : text, *text == '"' ? 2 : 1);
    output_append(out, "\"", 1);
}

int output_close(output *out, const cli_command *command) {
    flush(out);
    free(out->data);
    out->data = NULL;
    if (out->errnum == 0 || out->gone) return CLI_OK;
    return cli_fail(command, CLI_FAILED, "cannot write the output: %s", strerror(out->errnum));
}

int output_save(output *out, const cli_command *command, const char *path) {
    if (strcmp(path, "-") == 0) return output_close(out, command);
    int errnum = out->errnum != 0 ? out->errnum : write_file(path, out->data, out->length);
    free(out->data);
    out->data = NULL;
    if (errnum == 0) return CLI_OK;
    return cli_fail(command, CLI_FAILED, "cannot write %s: %s", path, strerror(errnum));
}
