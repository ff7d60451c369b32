#include "estimate/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SNIFF = 1 << 20,    /* so much is looked at before numbers are read */
    SPAN = 1 << 20,     /* of a record of several lines */
    LONGEST = 32 << 20, /* of one record */
    PIECE = 1 << 20
};

int jm_profile_new(jm_profile **profile, jm_error *error) {
    if (profile == NULL) return jmi_fail(error, JM_INVALID, "there is no place for a profile");
    jm_profile *p = *profile = jmi_alloc(1, sizeof *p);
    if (p != NULL) p->texts = jmi_intern_new();
    if (p == NULL || p->texts == NULL) {
        jm_profile_free(p);
        *profile = NULL;
        return jmi_fail(error, JM_MEMORY, "out of memory for a profile");
    }
    p->launch.process = p->launch.device = p->launch.board = p->launch.kernel = "";
    return JM_OK;
}

void jm_profile_free(jm_profile *p) {
    if (p == NULL) return;
    jmi_intern_free(p->texts);
    jmi_kernels_free(&p->kernels);
    free(p->buffer);
    free(p->record.fields);
    free(p->columns);
    free(p->scratch);
    free(p);
}

/* ---- lines that are no rows ---- */

static bool holds(const char *text, size_t length, const char *what) {
    return memmem(text, length, what, strlen(what)) != NULL;
}

/* "==ERROR== ...": what Nsight Compute says of itself. */
static void hear(jm_profile *p, const char *text, size_t length) {
    if (p->sniffing) return;
    p->no_permission |= holds(text, length, "ERR_NVGPUCTRPERM");
    p->none_profiled |= holds(text, length, "No kernels were profiled");
    if (length < 12 || strncmp(text, "==ERROR==", 9) != 0 || p->said[0] != '\0') return;
    size_t from = 9;
    while (from < length && text[from] == ' ') from++;
    size_t room = sizeof p->said - 1, take = length - from < room ? length - from : room;
    memcpy(p->said, text + from, take);
    p->said[take] = '\0';
    while (take > 0 && (unsigned char)p->said[take - 1] <= ' ') p->said[--take] = '\0';
    for (char *c = p->said; *c != '\0'; c++)
        if ((unsigned char)*c < ' ') *c = ' ';
}

static bool starts_row(const jm_profile *p, const char *text, size_t length) {
    if (p->of_role[JMI_ROLE_ID] != 1) return true;
    if (length > 0 && text[0] == (p->record.separator != 0 ? p->record.separator : ','))
        return true;
    if (length > 0 && text[0] == '"') {
        text++;
        length--;
    }
    if (length == 0) return false;
    return text[0] == '"' || (text[0] >= '0' && text[0] <= '9') ||
           (length > 1 && memcmp(text, "ID", 2) == 0);
}

static bool starts_header(const char *text, size_t length) {
    return (length > 4 && (strncmp(text, "\"ID\"", 4) == 0 ||
                           (strncmp(text, "ID", 2) == 0 && strchr(",;\t", text[2]) != NULL))) ||
           holds(text, length, "Metric Name");
}

/* ---- records ---- */

/* Length of the line with its end; 0: it is not there yet. */
static size_t line_length(const char *text, size_t length, bool final) {
    const char *end = memchr(text, '\n', length);
    return end != NULL ? (size_t)(end - text) + 1 : final ? length : 0;
}

static uint64_t line_ends(const char *text, size_t length) {
    uint64_t count = 0;
    for (const char *end = text + length; (text = memchr(text, '\n', (size_t)(end - text))) != NULL;
         text++)
        count++;
    return count;
}

/* In a table that begins with "ID" a header does so, too. */
static bool may_be_header(const jm_profile *p) {
    return p->width == 0 || p->of_role[JMI_ROLE_ID] != 1 || p->record.fields[0].length == 2;
}

static void note_line(const jm_profile *p, uint64_t *count, uint64_t *first) {
    if (p->sniffing) return;
    if ((*count)++ == 0) *first = p->line;
}

/* Half of a row's separators, or more: a row that something of the program's was printed into. Else
 * the program's own line. */
static void note_odd(jm_profile *p, const char *text, size_t length) {
    size_t separators = 0;
    char separator = p->record.separator != '\0' ? p->record.separator : ',';
    for (size_t i = 0; i < length; i++) separators += text[i] == separator;
    if (p->width == 0 || 2 * separators < p->width - 1 || separators == 0) {
        note_line(p, &p->losses.foreign_lines, &p->losses.foreign_line);
        return;
    }
    note_line(p, &p->losses.broken_rows, &p->losses.broken_line);
    p->file_broken += !p->sniffing;
}

static int use_header(jm_profile *p, jm_error *error) {
    int status = jmi_profile_close_launch(p, error);
    return status == JM_OK ? jmi_profile_header(p, error) : status;
}

/* As many fields as the header has; a number, or nothing, where the launch's stands. */
static bool is_row(const jm_profile *p) {
    if (p->record.unclosed || p->record.count != p->width) return false;
    if (p->of_role[JMI_ROLE_ID] != 1) return true;
    const jmi_field *id = &p->record.fields[0];
    for (size_t i = 0; i < id->length; i++)
        if (id->text[i] < '0' || id->text[i] > '9') return false;
    return true;
}

/* The record at text, or of it the first line alone where it is none of the table: quotes that the
 * program did not close would take the next rows with them. */
static int use_or_skip(jm_profile *p, const char *text, size_t length, bool final, size_t *used,
                       jm_error *error) {
    bool header = *used > 0 && may_be_header(p) && jmi_profile_is_header(&p->record);
    bool whole = *used > 0 && (header || is_row(p));
    size_t line = whole ? *used : line_length(text, length, final);
    if (*used == 0 && length < SPAN) return JM_OK;
    *used = line;
    if (line == 0) return JM_OK;
    p->line++;
    int status = JM_OK;
    if (!whole)
        note_odd(p, text, line);
    else
        status = header ? use_header(p, error) : jmi_profile_row(p, error);
    p->line += line_ends(text, line) - (text[line - 1] == '\n');
    return status;
}

/* Reads a record. A header tells what stands between its fields. */
static size_t read_record(jm_profile *p, const char *text, size_t length, bool final) {
    static const char separators[] = ",;\t";
    if (p->width > 0) return jmi_record_read(&p->record, text, length, final);
    for (const char *s = separators;; s++) {
        p->record.separator = *s;
        size_t used = jmi_record_read(&p->record, text, length, final);
        if (s[1] == '\0' || used == 0 || p->record.failed || jmi_profile_is_header(&p->record))
            return used;
    }
}

/* A record or a line at text. *used: its bytes, 0: it goes on beyond. */
static int step(jm_profile *p, const char *text, size_t length, bool final, size_t *used,
                jm_error *error) {
    bool own = strncmp(text, "==", length < 2 ? length : 2) == 0;
    size_t line = 0;
    if (own || p->width == 0 || !starts_row(p, text, length)) {
        line = *used = line_length(text, length, final);
        if (line == 0) return JM_OK;
        if (own || !starts_header(text, line)) {
            p->line++;
            if (!own && line > 1) note_odd(p, text, line);
            hear(p, text, line);
            return JM_OK;
        }
    }
    *used = read_record(p, text, length, final);
    if (p->record.failed) {
        p->record.failed = false;
        return jmi_fail(error, JM_FORMAT, "line %llu: too many columns",
                        (unsigned long long)p->line + 1);
    }
    return use_or_skip(p, text, length, final, used, error);
}

/* All that is complete in the text. */
static int go_through(jm_profile *p, const char *text, size_t length, bool final, size_t *used,
                      jm_error *error) {
    *used = 0;
    while (*used < length) {
        size_t step_used;
        int status = step(p, text + *used, length - *used, final, &step_used, error);
        if (status != JM_OK) return status;
        if (step_used == 0) break;
        *used += step_used;
    }
    return JM_OK;
}

/* What the file so far tells of how its numbers are written; then all begins anew. */
static int decide_locale(jm_profile *p, jm_error *error) {
    size_t used;
    p->sniffing = true;
    int status = go_through(p, p->buffer, p->length, false, &used, error);
    p->decimal = p->votes[JMI_DECIMAL_COMMA] > p->votes[JMI_DECIMAL_POINT] ? JMI_DECIMAL_COMMA
                                                                           : JMI_DECIMAL_POINT;
    p->sniffing = p->open = false;
    p->started = true;
    p->width = 0;
    p->line = 0;
    return status;
}

static int consume(jm_profile *p, bool final, jm_error *error) {
    size_t used = 0;
    int status = JM_OK;
    if (!p->started) {
        if (!final && p->length < SNIFF) return JM_OK;
        size_t mark = p->length >= 3 && memcmp(p->buffer, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
        p->length -= mark;
        if (mark > 0) memmove(p->buffer, p->buffer + mark, p->length);
        status = decide_locale(p, error);
    }
    if (status == JM_OK) status = go_through(p, p->buffer, p->length, final, &used, error);
    p->length -= used;
    if (used > 0 && p->length > 0) memmove(p->buffer, p->buffer + used, p->length);
    if (status == JM_OK && p->length > LONGEST)
        return jmi_fail(error, JM_FORMAT, "line %llu: a record without end",
                        (unsigned long long)p->line + 1);
    return status;
}

static int feed_utf8(jm_profile *p, const char *bytes, size_t length, jm_error *error) {
    while (length > 0) {
        size_t take = length < PIECE ? length : PIECE;
        if (!jmi_reserve(&p->buffer, &p->capacity, p->length + take, 1))
            return jmi_fail(error, JM_MEMORY, "out of memory while reading a profile");
        memcpy(p->buffer + p->length, bytes, take);
        p->length += take;
        bytes += take;
        length -= take;
        int status = consume(p, false, error);
        if (status != JM_OK) return status;
    }
    return JM_OK;
}

static int feed_utf16(jm_profile *p, const char *bytes, size_t length, jm_error *error) {
    char text[16384 + 4];
    int status = JM_OK;
    while (status == JM_OK && length > 0) {
        size_t take = length < sizeof text / 2 - 2 ? length : sizeof text / 2 - 2;
        status = feed_utf8(p, text, jmi_utf16_read(&p->utf16, bytes, take, text), error);
        bytes += take;
        length -= take;
    }
    return status;
}

static int feed_known(jm_profile *p, const char *bytes, size_t length, jm_error *error) {
    return p->encoding == JMI_UTF16 ? feed_utf16(p, bytes, length, error)
                                    : feed_utf8(p, bytes, length, error);
}

/* The first two bytes tell: a byte order mark, or a NUL beside a letter. A mark becomes that of
 * UTF-8, which is skipped. */
static void decide_encoding(jm_profile *p, unsigned char a, unsigned char b) {
    bool little = (a == 0xFF && b == 0xFE) || (a != 0 && b == 0);
    bool big = (a == 0xFE && b == 0xFF) || (a == 0 && b != 0);
    p->encoding = little || big ? JMI_UTF16 : JMI_UTF8;
    p->utf16 = (jmi_utf16){.big = big};
}

int jm_profile_feed(jm_profile *p, const char *bytes, size_t length, jm_error *error) {
    if (p == NULL || (bytes == NULL && length > 0))
        return jmi_fail(error, JM_INVALID, "there is no profile to read into");
    if (length == 0) return JM_OK;
    if (p->encoding == JMI_ENCODING_UNKNOWN && !p->has_first && length == 1) {
        p->first = bytes[0];
        p->has_first = true;
        return JM_OK;
    }
    int status = JM_OK;
    if (p->encoding == JMI_ENCODING_UNKNOWN)
        decide_encoding(p, (unsigned char)(p->has_first ? p->first : bytes[0]),
                        (unsigned char)bytes[p->has_first ? 0 : 1]);
    if (p->has_first) status = feed_known(p, &p->first, 1, error);
    p->has_first = false;
    return status == JM_OK ? feed_known(p, bytes, length, error) : status;
}

/* ---- the end ---- */

static int nothing(const jm_profile *p, jm_error *error) {
    if (p->file_broken > 0)
        return jmi_fail(
            error, JM_FORMAT,
            "line %llu: a row has not the %zu fields of the table's header; none of its "
            "rows can be read",
            (unsigned long long)p->losses.broken_line, p->width);
    if (p->no_permission)
        return jmi_fail(
            error, JM_PERMISSION,
            "Nsight Compute may not read the GPU's counters (ERR_NVGPUCTRPERM): run as root, or "
            "load the driver with NVreg_RestrictProfilingToAdminUsers=0 (options nvidia "
            "NVreg_RestrictProfilingToAdminUsers=0 in /etc/modprobe.d, then reboot)");
    if (p->none_profiled || (p->saw_header && p->said[0] == '\0'))
        return jmi_fail(error, JM_NO_DATA,
                        "no kernel was profiled: the program ran on the CPU only, or ended before "
                        "it started one, or started it in a process that was not followed%s%s",
                        p->said[0] != '\0' ? "; Nsight Compute says: " : "", p->said);
    if (p->said[0] != '\0')
        return jmi_fail(error, JM_NO_DATA, "no kernel was profiled; Nsight Compute says: %s",
                        p->said);
    return jmi_fail(error, JM_FORMAT,
                    "there is no table of Nsight Compute in it: make one with ncu --csv --page "
                    "raw, of a report "
                    "(.ncu-rep) with ncu --import FILE --csv --page raw");
}

int jm_profile_end(jm_profile *p, jm_error *error) {
    if (p == NULL) return jmi_fail(error, JM_INVALID, "there is no profile to end");
    int status = p->has_first ? feed_utf8(p, &p->first, 1, error) : JM_OK;
    if (status == JM_OK) status = consume(p, true, error);
    if (status == JM_OK) status = jmi_profile_close_launch(p, error);
    if (status == JM_OK && p->file_launches == 0) status = nothing(p, error);
    p->length = p->width = 0;
    p->started = p->saw_header = p->no_permission = p->none_profiled = p->open = false;
    p->said[0] = '\0';
    p->file_launches = p->file_broken = 0;
    p->encoding = JMI_ENCODING_UNKNOWN;
    p->has_first = false;
    memset(p->votes, 0, sizeof p->votes);
    p->line = 0;
    return status;
}

static int read_all(jm_profile *p, int fd, const char *path, jm_error *error) {
    char *piece = malloc(PIECE);
    int status = piece == NULL ? jmi_fail(error, JM_MEMORY, "out of memory") : JM_OK;
    while (status == JM_OK) {
        ssize_t count = read(fd, piece, PIECE);
        if (count < 0 && errno == EINTR) continue;
        if (count == 0) break;
        status = count < 0 ? jmi_fail_errno(error, errno, "cannot read %s", path)
                           : jm_profile_feed(p, piece, (size_t)count, error);
    }
    free(piece);
    return status == JM_OK ? jm_profile_end(p, error) : status;
}

int jm_profile_read(jm_profile **profile, const char *path, jm_error *error) {
    if (profile == NULL || path == NULL)
        return jmi_fail(error, JM_INVALID, "there is no file to read");
    int status = jm_profile_new(profile, error);
    if (status != JM_OK) return status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        status = jmi_fail_errno(error, errno, "cannot open %s", path);
    else
        status = read_all(*profile, fd, path, error);
    if (fd >= 0) close(fd);
    if (status == JM_OK) return JM_OK;
    jm_profile_free(*profile);
    *profile = NULL;
    return status;
}

/* ---- questions ---- */

uint32_t jm_profile_kernel_count(const jm_profile *p) {
    return p == NULL ? 0 : (uint32_t)p->kernels.count;
}

uint64_t jm_profile_foreign_lines(const jm_profile *p) {
    return p == NULL ? 0 : p->losses.foreign_lines;
}

int jm_profile_lost(const jm_profile *p, jm_profile_losses *losses) {
    if (p == NULL || losses == NULL) return JM_INVALID;
    return jmi_give_struct(losses, &p->losses, sizeof p->losses);
}

int jm_profile_get(const jm_profile *p, uint32_t index, jm_profile_kernel *kernel) {
    if (p == NULL || kernel == NULL) return JM_INVALID;
    if (index >= p->kernels.count) return JM_NOT_FOUND;
    const jmi_kernel *k = &p->kernels.all[index];
    jm_profile_kernel ours = {.size = sizeof ours,
                              .process = k->process,
                              .pid = k->pid,
                              .device = k->board[0] != '\0' ? k->board : k->device,
                              .kernel = k->kernel,
                              .launches = k->launches,
                              .duration_s = k->untimed == k->launches ? NAN : k->duration_s,
                              .untimed = k->untimed,
                              .gpu = k->device,
                              .compute_capability = k->compute_capability,
                              .sms = k->sms};
    return jmi_give_struct(kernel, &ours, sizeof ours);
}

static double mean(const jmi_kernel *k, size_t measure) {
    return k->weight[measure] > 0 ? k->sum[measure] / k->weight[measure] : NAN;
}

static double of_limit(double rate, double limit) {
    return limit > 0 ? rate / limit : NAN;
}

double jm_profile_activity(const jm_profile *p, uint32_t index, const jm_board *board,
                           jm_activity activity, bool *approximate) {
    if (approximate != NULL) *approximate = false;
    if (p == NULL || board == NULL || index >= p->kernels.count ||
        (unsigned)activity >= JM_ACTIVITY_COUNT)
        return NAN;
    const jmi_kernel *k = &p->kernels.all[index];
    double value = mean(k, activity);
    if (approximate != NULL) *approximate = k->approximate >> activity & 1;
    switch (activity) {
    case JM_ACTIVITY_CLOCK: return of_limit(value, board->clock_hz);
    case JM_ACTIVITY_NVLINK: return of_limit(value, board->nvlink_bytes_s);
    case JM_ACTIVITY_PCIE: return of_limit(value, board->pcie_bytes_s);
    case JM_ACTIVITY_DRAM:
        return isnan(value) ? mean(k, JMI_MEASURE_DRAM_SHARE)
                            : of_limit(value, board->dram_bytes_s);
    default: return value;
    }
}
