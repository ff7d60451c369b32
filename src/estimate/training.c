/* Rows to train on, from a CSV: program, kernel, board, power_avg_w, and columns that are named
 * like activities. Others are left alone. */
#include "estimate/fit.h"
#include "estimate/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LARGEST = 64 << 20, COLUMNS = JM_ACTIVITY_COUNT + JM_POWER_KINDS + 3, MOST_ROWS = 100000 };
enum { PROGRAM = JM_ACTIVITY_COUNT + JM_POWER_KINDS, KERNEL, BOARD };

static const char *const power_names[JM_POWER_KINDS] = {"power_min_w", "power_avg_w",
                                                        "power_peak_w"};

typedef struct reader {
    jmi_training *rows;
    const char *path;
    jmi_record record;
    size_t column[COLUMNS]; /* field, + 1; 0: not there */
    size_t width, capacity;
    uint64_t line;
    jm_error *error;
} reader;

static const char *column_name(size_t c) {
    if (c < JM_ACTIVITY_COUNT) return jm_activity_name((int)c);
    if (c < PROGRAM) return power_names[c - JM_ACTIVITY_COUNT];
    return c == PROGRAM ? "program" : c == KERNEL ? "kernel" : "board";
}

static int read_header(reader *r) {
    r->width = r->record.count;
    for (size_t c = 0; c < COLUMNS; c++)
        for (size_t i = 0; i < r->width; i++) {
            const jmi_field *f = &r->record.fields[i];
            const char *name = column_name(c);
            if (strlen(name) != f->length || memcmp(name, f->text, f->length) != 0) continue;
            if (r->column[c] != 0)
                return jmi_fail(r->error, JM_FORMAT, "%s: the column %s is there twice", r->path,
                                name);
            r->column[c] = i + 1;
        }
    if (r->column[PROGRAM] != 0 && r->column[KERNEL] != 0 &&
        r->column[JM_ACTIVITY_COUNT + JM_POWER_AVERAGE] != 0)
        return JM_OK;
    return jmi_fail(r->error, JM_FORMAT,
                    "%s: the columns program, kernel and power_avg_w must be there, with commas "
                    "between them; 'joulemeter estimate collect' makes such a file",
                    r->path);
}

static int read_number(reader *r, size_t c, double *value) {
    *value = NAN;
    if (r->column[c] == 0) return JM_OK;
    const jmi_field *f = &r->record.fields[r->column[c] - 1];
    double most = c < JM_ACTIVITY_COUNT ? 1000 : 1e6;
    jmi_number read = jmi_number_read(f->text, f->length, JMI_DECIMAL_POINT, value);
    if (read == JMI_NUMBER_MISSING) return JM_OK;
    bool power = c >= JM_ACTIVITY_COUNT;
    /* "150,250" is 150 W in one locale and 150 kW in another, and nothing here tells which. */
    if (memchr(f->text, ',', f->length) != NULL)
        return jmi_fail(r->error, JM_FORMAT,
                        "%s, line %llu: '%.*s' cannot be %s: decimals are written with a point, "
                        "and thousands without a comma",
                        r->path, (unsigned long long)r->line,
                        (int)(f->length < 60 ? f->length : 60), f->text, column_name(c));
    if (read == JMI_NUMBER_OK && *value <= most && (power ? *value > 0 : *value >= 0)) return JM_OK;
    return jmi_fail(r->error, JM_FORMAT, "%s, line %llu: '%.*s' cannot be %s", r->path,
                    (unsigned long long)r->line, (int)(f->length < 60 ? f->length : 60), f->text,
                    column_name(c));
}

/* Columns that were mixed up would be learnt as they are. Readings have some noise. */
static int check_order(reader *r, const double power_w[JM_POWER_KINDS]) {
    enum { NOISE_PCT = 1 };
    double least = power_w[JM_POWER_MIN] * (1 - NOISE_PCT * 0.01);
    double most = power_w[JM_POWER_PEAK] * (1 + NOISE_PCT * 0.01), mean = power_w[JM_POWER_AVERAGE];
    if (!(least > mean) && !(most < mean)) return JM_OK;
    return jmi_fail(r->error, JM_FORMAT,
                    "%s, line %llu: %s %g W, but power_avg_w %g W: least, mean and most must be in "
                    "order",
                    r->path, (unsigned long long)r->line,
                    least > mean ? "power_min_w is" : "power_peak_w is",
                    power_w[least > mean ? JM_POWER_MIN : JM_POWER_PEAK], mean);
}

static char *take_text(const reader *r, size_t c) {
    const jmi_field *f = &r->record.fields[r->column[c] - 1];
    return strndup(f->text, f->length);
}

static int take_board(reader *r) {
    if (r->column[BOARD] == 0) return JM_OK;
    char *board = take_text(r, BOARD);
    jmi_training *rows = r->rows;
    if (board == NULL) return jmi_fail(r->error, JM_MEMORY, "out of memory");
    bool first = rows->board[0] == '\0', differs = !first && strcmp(rows->board, board) != 0;
    if (first) {
        free(rows->board);
        rows->board = board;
        return JM_OK;
    }
    int status = JM_OK;
    if (differs && board[0] != '\0')
        status = jmi_fail(r->error, JM_FORMAT,
                          "%s, line %llu: rows of two boards, %.100s and %.100s: a model is of one",
                          r->path, (unsigned long long)r->line, rows->board, board);
    free(board);
    return status;
}

static uint32_t program_index(const jmi_training *rows, const char *name) {
    for (size_t i = 0; i < rows->count; i++)
        if (strcmp(rows->program_name[i], name) == 0) return rows->program[i];
    return rows->program_count;
}

static bool make_room(reader *r) {
    jmi_training *rows = r->rows;
    size_t capacity[6];
    for (size_t i = 0; i < 6; i++) capacity[i] = r->capacity;
    size_t needed = rows->count + 1;
    bool ok = jmi_reserve(&rows->program, &capacity[0], needed, sizeof *rows->program) &&
              jmi_reserve(&rows->program_name, &capacity[1], needed, sizeof *rows->program_name) &&
              jmi_reserve(&rows->kernel_name, &capacity[2], needed, sizeof *rows->kernel_name) &&
              jmi_reserve(&rows->activity, &capacity[3], needed, sizeof *rows->activity) &&
              jmi_reserve(&rows->power_w, &capacity[4], needed, sizeof *rows->power_w) &&
              jmi_reserve(&rows->line, &capacity[5], needed, sizeof *rows->line);
    if (ok) r->capacity = capacity[0];
    return ok;
}

static int read_row(reader *r) {
    jmi_training *rows = r->rows;
    if (r->record.count == 1 && r->record.fields[0].length == 0) return JM_OK;
    if (r->record.count != r->width)
        return jmi_fail(r->error, JM_FORMAT, "%s, line %llu: %zu fields, not %zu", r->path,
                        (unsigned long long)r->line, r->record.count, r->width);
    if (rows->count == MOST_ROWS)
        return jmi_fail(r->error, JM_FULL, "%s: more than %d rows", r->path, MOST_ROWS);
    if (!make_room(r)) return jmi_fail(r->error, JM_MEMORY, "out of memory");
    size_t n = rows->count;
    int status = take_board(r);
    for (size_t c = 0; status == JM_OK && c < PROGRAM; c++)
        status = read_number(r, c,
                             c < JM_ACTIVITY_COUNT ? &rows->activity[n][c]
                                                   : &rows->power_w[n][c - JM_ACTIVITY_COUNT]);
    if (status == JM_OK) status = check_order(r, rows->power_w[n]);
    if (status != JM_OK) return status;
    rows->activity[n][JM_ACTIVITY_CONSTANT] = 1;
    char *program = take_text(r, PROGRAM), *kernel = take_text(r, KERNEL);
    if (program == NULL || kernel == NULL) {
        free(program);
        free(kernel);
        return jmi_fail(r->error, JM_MEMORY, "out of memory");
    }
    rows->line[n] = r->line;
    rows->program[n] = program_index(rows, program);
    rows->program_count += rows->program[n] == rows->program_count;
    rows->program_name[n] = program;
    rows->kernel_name[n] = kernel;
    rows->count++;
    return JM_OK;
}

static int read_text(reader *r, const char *text, size_t length) {
    int status = JM_OK;
    /* Spreadsheets put a mark before UTF-8. */
    size_t mark = length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    for (size_t at = mark; status == JM_OK && at < length;) {
        size_t used = jmi_record_read(&r->record, text + at, length - at, true);
        if (used == 0 || r->record.failed)
            return jmi_fail(r->error, JM_FORMAT, "%s, line %llu: too many columns", r->path,
                            (unsigned long long)r->line + 1);
        r->line++;
        status = r->width == 0 ? read_header(r) : read_row(r);
        at += used;
    }
    if (status == JM_OK && r->width == 0)
        status = jmi_fail(r->error, JM_FORMAT, "%s is empty", r->path);
    return status;
}

static int read_file(const char *path, jmi_text *text, jm_error *error) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return jmi_fail_errno(error, errno, "cannot open %s", path);
    char piece[65536];
    ssize_t count;
    while ((count = read(fd, piece, sizeof piece)) > 0 || (count < 0 && errno == EINTR)) {
        if (count > 0) jmi_text_append(text, piece, (size_t)count);
        if (text->length > LARGEST) break;
    }
    int status = count < 0 ? jmi_fail_errno(error, errno, "cannot read %s", path) : JM_OK;
    close(fd);
    if (status == JM_OK && text->failed) status = jmi_fail(error, JM_MEMORY, "out of memory");
    if (status == JM_OK && text->length > LARGEST)
        status = jmi_fail(error, JM_FULL, "%s is larger than %d MiB", path, LARGEST >> 20);
    return status;
}

int jmi_training_read(jmi_training *rows, const char *path, jm_error *error) {
    jmi_text text = {0};
    reader r = {.rows = rows, .path = path, .error = error};
    *rows = (jmi_training){.board = jmi_strdup("")};
    int status = rows->board == NULL ? jmi_fail(error, JM_MEMORY, "out of memory")
                                     : read_file(path, &text, error);
    if (status == JM_OK) status = read_text(&r, text.data, text.length);
    free(r.record.fields);
    jmi_text_free(&text);
    if (status != JM_OK) jmi_training_free(rows);
    return status;
}

static void drop_where(jmi_training *rows, bool (*goes)(const jmi_training *, size_t, int),
                       int which) {
    size_t kept = 0;
    for (size_t r = 0; r < rows->count; r++) {
        if (goes(rows, r, which)) {
            free(rows->program_name[r]);
            free(rows->kernel_name[r]);
            continue;
        }
        rows->line[kept] = rows->line[r];
        rows->program[kept] = rows->program[r];
        rows->program_name[kept] = rows->program_name[r];
        rows->kernel_name[kept] = rows->kernel_name[r];
        memmove(rows->activity[kept], rows->activity[r], sizeof *rows->activity);
        memmove(rows->power_w[kept], rows->power_w[r], sizeof *rows->power_w);
        kept++;
    }
    rows->count = kept; /* programs keep their numbers, one that lost all of its rows too */
}

static bool lacks_activity(const jmi_training *rows, size_t row, int activity) {
    return isnan(rows->activity[row][activity]);
}

static bool lacks_power(const jmi_training *rows, size_t row, int kind) {
    return isnan(rows->power_w[row][kind]);
}

void jmi_training_drop(jmi_training *rows, jm_activity activity) {
    drop_where(rows, lacks_activity, activity);
}

void jmi_training_drop_unmeasured(jmi_training *rows) {
    drop_where(rows, lacks_power, JM_POWER_AVERAGE);
}

void jmi_training_free(jmi_training *rows) {
    for (size_t i = 0; i < rows->count; i++) {
        free(rows->program_name[i]);
        free(rows->kernel_name[i]);
    }
    free(rows->board);
    free(rows->line);
    free(rows->program);
    free(rows->program_name);
    free(rows->kernel_name);
    free(rows->activity);
    free(rows->power_w);
    *rows = (jmi_training){0};
}
