#include "report/csv.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER = 1 << 16 };

int jmi_csv_open_path(jmi_csv *csv, const char *path, jm_error *error) {
    *csv = (jmi_csv){.fd = -1};
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    jmi_text temporary = {0};
    jmi_text_add(&temporary, "%.*s.%s.%ld.part", (int)(name - path), path, name, (long)getpid());
    csv->buffer = malloc(BUFFER);
    csv->path = jmi_strdup(path);
    int status = jmi_text_take(&temporary, &csv->temporary, error);
    if (status == JM_OK && (csv->buffer == NULL || csv->path == NULL))
        status = jmi_fail(error, JM_MEMORY, "out of memory");
    if (status == JM_OK) {
        csv->fd = open(csv->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (csv->fd < 0) status = jmi_fail_errno(error, errno, "cannot write %s", path);
    }
    if (status != JM_OK) jmi_csv_close(csv);
    return status;
}

int jmi_csv_open(jmi_csv *csv, const char *dir, const char *name, jm_error *error) {
    *csv = (jmi_csv){.fd = -1};
    jmi_text text = {0};
    char *path;
    jmi_text_add(&text, "%s/%s", dir, name);
    int status = jmi_text_take(&text, &path, error);
    if (status != JM_OK) return status;
    status = jmi_csv_open_path(csv, path, error);
    free(path);
    return status;
}

static void flush(jmi_csv *csv) {
    size_t done = 0;
    while (csv->errnum == 0 && done < csv->used) {
        ssize_t wrote = write(csv->fd, csv->buffer + done, csv->used - done);
        if (wrote >= 0)
            done += (size_t)wrote;
        else if (errno != EINTR)
            csv->errnum = errno;
    }
    csv->used = 0;
}

void jmi_csv_raw(jmi_csv *csv, const char *bytes, size_t length) {
    while (length > 0 && csv->fd >= 0 && csv->errnum == 0) {
        size_t room = BUFFER - csv->used;
        size_t part = length < room ? length : room;
        memcpy(csv->buffer + csv->used, bytes, part);
        csv->used += part;
        bytes += part;
        length -= part;
        if (csv->used == BUFFER) flush(csv);
    }
}

static void separate(jmi_csv *csv) {
    if (csv->in_row) jmi_csv_raw(csv, ",", 1);
    csv->in_row = true;
}

static bool is_plain(const char *text, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (text[i] == ',' || text[i] == '"' || text[i] == '\r' || text[i] == '\n') return false;
    return true;
}

void jmi_csv_part(jmi_csv *csv, const char *text, size_t length) {
    separate(csv);
    if (is_plain(text, length)) {
        jmi_csv_raw(csv, text, length);
        return;
    }
    jmi_csv_raw(csv, "\"", 1);
    while (length > 0) {
        const char *quote = memchr(text, '"', length);
        size_t part = quote != NULL ? (size_t)(quote - text) + 1 : length;
        jmi_csv_raw(csv, text, part);
        if (quote != NULL) jmi_csv_raw(csv, "\"", 1);
        text += part;
        length -= part;
    }
    jmi_csv_raw(csv, "\"", 1);
}

void jmi_csv_text(jmi_csv *csv, const char *text) {
    jmi_csv_part(csv, text, strlen(text));
}

/* Writes digits of value backwards from `end`; at least `least` of them. */
static char *digits(char *end, uint64_t value, int least) {
    for (; value > 0 || least > 0; value /= 10, least--) *--end = (char)('0' + value % 10);
    return end;
}

/* units + millionths etc. with trailing zeros left out: the way most readings can be written. */
static void add_fixed(jmi_csv *csv, bool negative, uint64_t scaled, uint64_t scale, int decimals) {
    char text[48];
    char *end = text + sizeof text;
    uint64_t fraction = scaled % scale;
    while (decimals > 0 && fraction % 10 == 0) {
        fraction /= 10;
        decimals--;
    }
    char *start = end;
    if (decimals > 0) {
        start = digits(end, fraction, decimals);
        *--start = '.';
    }
    start = digits(start, scaled / scale, 1);
    if (negative && scaled != 0) *--start = '-';
    separate(csv);
    jmi_csv_raw(csv, start, (size_t)(end - start));
}

void jmi_csv_double(jmi_csv *csv, double value) {
    if (!isfinite(value)) {
        separate(csv);
        return;
    }
    double size = fabs(value);
    double millionths = nearbyint(size * 1e6);
    /* Dividing two exact doubles rounds as reading the decimal text does: it reads back. */
    if (size < 1e9 && millionths / 1e6 == size) {
        add_fixed(csv, value < 0, (uint64_t)millionths, 1000000, 6);
        return;
    }
    char text[40];
    separate(csv);
    jmi_format_double(value, text, sizeof text);
    jmi_csv_raw(csv, text, strlen(text));
}

void jmi_csv_rounded(jmi_csv *csv, double value) {
    double size = fabs(value);
    if (size < 1e6 && size >= 1e-6)
        add_fixed(csv, value < 0, (uint64_t)nearbyint(size * 1e9), 1000000000, 9);
    else
        jmi_csv_double(csv, value);
}

void jmi_csv_count(jmi_csv *csv, uint64_t value) {
    add_fixed(csv, false, value, 1, 0);
}

void jmi_csv_integer(jmi_csv *csv, int64_t value) {
    add_fixed(csv, value < 0, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 1, 0);
}

void jmi_csv_seconds(jmi_csv *csv, int64_t ns) {
    add_fixed(csv, ns < 0, ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns, 1000000000, 9);
}

void jmi_csv_microseconds(jmi_csv *csv, int64_t ns) {
    add_fixed(csv, ns < 0, ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns, 1000, 3);
}

void jmi_csv_row(jmi_csv *csv) {
    jmi_csv_raw(csv, "\n", 1);
    csv->in_row = false;
}

int jmi_csv_finish(jmi_csv *csv, jm_error *error) {
    if (csv->fd >= 0) {
        flush(csv);
        if (close(csv->fd) != 0 && csv->errnum == 0) csv->errnum = errno;
        csv->fd = -1;
    }
    if (csv->errnum == 0) return JM_OK;
    return jmi_fail_errno(error, csv->errnum, "cannot write %s", csv->path);
}

int jmi_csv_commit(jmi_csv *csv, jm_error *error) {
    if (rename(csv->temporary, csv->path) != 0)
        return jmi_fail_errno(error, errno, "cannot write %s", csv->path);
    free(csv->temporary);
    csv->temporary = NULL;
    return JM_OK;
}

void jmi_csv_close(jmi_csv *csv) {
    if (csv->fd >= 0) close(csv->fd);
    if (csv->temporary != NULL) unlink(csv->temporary);
    free(csv->temporary);
    free(csv->path);
    free(csv->buffer);
    *csv = (jmi_csv){.fd = -1};
}
