#include "carbon/series.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* No grid has more: it is a slip of the unit. */
static const double MOST_G = 5000;

typedef struct row {
    int64_t t_ns;
    double g; /* NaN: the cell is empty */
    size_t line;
} row;

typedef struct reader {
    const char *name;
    char *at, *end;
    char separator;
    size_t line;
    jmi_intensity_columns columns;
    row *rows;
    size_t count, capacity;
    jm_error *error;
} reader;

/* ---- lines and cells ---- */

static char *trimmed(char *text) {
    while (*text == ' ' || *text == '\t') text++;
    size_t length = strlen(text);
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t')) length--;
    text[length] = '\0';
    return text;
}

/* Takes a cell out of the line at *at, quotes off; moves on to the next. False: an open quote. */
static bool take_cell(char **at, char separator, char **cell, bool *last) {
    char *from = *at, *to = *at, *start = *at;
    bool quoted = false;
    for (; *from != '\0' && (quoted || *from != separator); from++) {
        if (*from != '"')
            *to++ = *from;
        else if (quoted && from[1] == '"')
            *to++ = *from++;
        else
            quoted = !quoted;
    }
    *last = *from == '\0';
    *at = *last ? from : from + 1;
    *to = '\0';
    *cell = trimmed(start);
    return !quoted;
}

/* The next line that says something, ended by '\0'; NULL at the end. */
static char *next_line(reader *r) {
    while (r->at < r->end) {
        char *line = r->at;
        char *end = memchr(line, '\n', (size_t)(r->end - line));
        r->at = end == NULL ? r->end : end + 1;
        r->line++;
        char *stop = end == NULL ? r->end : end;
        if (stop > line && stop[-1] == '\r') stop--;
        *stop = '\0';
        line += strspn(line, " \t\r");
        if (*line != '\0' && *line != '#') return line;
    }
    return NULL;
}

static int split(const reader *r, char *line, jmi_cells *cells) {
    bool last = false;
    cells->count = 0;
    cells->line_number = r->line;
    while (!last) {
        if (cells->count == JMI_COUNT(cells->cell))
            return jmi_fail(r->error, JM_FORMAT, "%s, line %zu: more than %zu columns", r->name,
                            r->line, JMI_COUNT(cells->cell));
        if (!take_cell(&line, r->separator, &cells->cell[cells->count++], &last))
            return jmi_fail(r->error, JM_FORMAT, "%s, line %zu: a quote is not closed", r->name,
                            r->line);
    }
    return JM_OK;
}

/* ---- rows ---- */

static bool is_missing(const char *cell) {
    static const char *const words[] = {"", "-", "nan", "NaN", "NA", "n/a", "null", "NULL"};
    for (size_t i = 0; i < JMI_COUNT(words); i++)
        if (strcmp(cell, words[i]) == 0) return true;
    return false;
}

static bool parse_value(char *cell, bool comma, double *g) {
    char *point = comma && strchr(cell, '.') == NULL ? strchr(cell, ',') : NULL;
    if (point != NULL) *point = '.';
    return jmi_parse_double(cell, g) && strpbrk(cell, "xX") == NULL;
}

/* "2024-03-01,1,050" is not 1 g. Separators at the end of a line say nothing. */
static int too_many(const reader *r, const jmi_cells *cells) {
    return jmi_fail(r->error, JM_FORMAT, "%s, line %zu: %zu cells, but the first line has %zu%s",
                    r->name, r->line, cells->count, r->columns.count,
                    r->separator == ',' ? ": numbers have a point for decimals, and nothing "
                                          "between thousands"
                                        : "");
}

static int take_row(reader *r, const jmi_cells *cells) {
    const jmi_intensity_columns *c = &r->columns;
    if (cells->count <= c->time || cells->count <= c->value)
        return jmi_fail(r->error, JM_FORMAT, "%s, line %zu: %zu column%s only", r->name, r->line,
                        cells->count, cells->count == 1 ? "" : "s");
    for (size_t i = c->count; i < cells->count; i++)
        if (cells->cell[i][0] != '\0') return too_many(r, cells);
    row new = {.g = NAN, .line = r->line};
    char *time = cells->cell[c->time], *value = cells->cell[c->value];
    if (!jmi_parse_time(time, &new.t_ns))
        return jmi_fail(r->error, JM_FORMAT,
                        "%s, line %zu: '%.40s' is no time; write 2024-03-01T12:00Z or Unix seconds",
                        r->name, r->line, time);
    if (!is_missing(value)) {
        if (!parse_value(value, c->comma, &new.g))
            return jmi_fail(r->error, JM_FORMAT, "%s, line %zu: '%.40s' is no number", r->name,
                            r->line, value);
        new.g *= c->factor;
        if (!(new.g >= 0 && new.g <= MOST_G))
            return jmi_fail(r->error, JM_FORMAT,
                            "%s, line %zu: %g gCO2e/kWh cannot be: it must be from 0 to %g",
                            r->name, r->line, new.g, MOST_G);
    }
    if (!jmi_reserve(&r->rows, &r->capacity, r->count + 1, sizeof *r->rows))
        return jmi_fail(r->error, JM_MEMORY, "out of memory for intensities");
    r->rows[r->count++] = new;
    return JM_OK;
}

/* The separator is what the first line has. */
static int take_first(reader *r, char *line) {
    jmi_cells cells;
    r->separator = strchr(line, ';') != NULL ? ';' : strchr(line, '\t') != NULL ? '\t' : ',';
    r->columns.comma = r->separator != ',';
    int status = split(r, line, &cells);
    if (status == JM_OK)
        status = jmi_intensity_columns_find(&r->columns, &cells, r->name, r->error);
    if (status != JM_OK || r->columns.header) return status;
    return take_row(r, &cells);
}

static int read_rows(reader *r) {
    char *line = next_line(r);
    if (line == NULL) return jmi_fail(r->error, JM_FORMAT, "%s is empty", r->name);
    int status = take_first(r, line);
    while (status == JM_OK && (line = next_line(r)) != NULL) {
        jmi_cells cells;
        status = split(r, line, &cells);
        if (status == JM_OK) status = take_row(r, &cells);
    }
    if (status == JM_OK && r->count == 0)
        return jmi_fail(r->error, JM_FORMAT, "%s has no row of numbers", r->name);
    return status;
}

/* ---- order ---- */

static int compare_rows(const void *a, const void *b) {
    const row *x = a, *y = b;
    if (x->t_ns != y->t_ns) return x->t_ns < y->t_ns ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

/* Rows of the same time must agree; one of them stays. */
static int sort_rows(reader *r) {
    size_t kept = 0;
    qsort(r->rows, r->count, sizeof *r->rows, compare_rows);
    for (size_t i = 0; i < r->count; i++) {
        row *last = kept > 0 ? &r->rows[kept - 1] : NULL;
        if (last == NULL || last->t_ns != r->rows[i].t_ns) {
            r->rows[kept++] = r->rows[i];
        } else if (isnan(last->g)) {
            *last = r->rows[i];
        } else if (!isnan(r->rows[i].g) && r->rows[i].g != last->g) {
            return jmi_fail(r->error, JM_FORMAT,
                            "%s, lines %zu and %zu have the same time and other intensities",
                            r->name, last->line, r->rows[i].line);
        }
    }
    r->count = kept;
    return JM_OK;
}

static int compare_i64(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Median distance of rows, up to a year or so; an hour of a single one. */
static int usual_step(const reader *r, int64_t *step) {
    const int64_t most = 400 * 86400 * JMI_NS_PER_S;
    *step = 3600 * JMI_NS_PER_S;
    if (r->count < 2) return JM_OK;
    int64_t *steps = jmi_alloc(r->count, sizeof *steps);
    if (steps == NULL) return jmi_fail(r->error, JM_MEMORY, "out of memory for intensities");
    for (size_t i = 1; i < r->count; i++) steps[i - 1] = r->rows[i].t_ns - r->rows[i - 1].t_ns;
    qsort(steps, r->count - 1, sizeof *steps, compare_i64);
    *step = steps[(r->count - 2) / 2];
    if (*step > most) *step = most;
    free(steps);
    return JM_OK;
}

static void summarise(jmi_intensities *series) {
    double time = 0, sum = 0, squares = 0;
    series->low = INFINITY;
    series->high = 0;
    for (size_t i = 0; i < series->count; i++) {
        const jmi_intensity *at = &series->at[i];
        double s = (double)(at->end_ns - at->begin_ns) / 1e9;
        time += s;
        sum += s * at->g;
        series->low = fmin(series->low, at->g);
        series->high = fmax(series->high, at->g);
    }
    series->mean = sum / time;
    for (size_t i = 0; i < series->count; i++) {
        const jmi_intensity *at = &series->at[i];
        double s = (double)(at->end_ns - at->begin_ns) / 1e9, off = at->g - series->mean;
        squares += s * off * off;
    }
    series->sd = sqrt(squares / time);
}

static int make_series(const reader *r, jmi_intensities *series) {
    int64_t step;
    int status = usual_step(r, &step);
    if (status != JM_OK) return status;
    series->at = jmi_alloc(r->count, sizeof *series->at);
    if (series->at == NULL) return jmi_fail(r->error, JM_MEMORY, "out of memory for intensities");
    for (size_t i = 0; i < r->count; i++) {
        if (isnan(r->rows[i].g)) continue;
        int64_t begin = r->rows[i].t_ns, end = begin + step;
        if (i + 1 < r->count && r->rows[i + 1].t_ns <= begin + step + step / 2)
            end = r->rows[i + 1].t_ns;
        series->at[series->count++] = (jmi_intensity){begin, end, r->rows[i].g};
    }
    if (series->count == 0)
        return jmi_fail(r->error, JM_FORMAT, "%s has times, but no intensity", r->name);
    summarise(series);
    return JM_OK;
}

int jmi_intensities_parse(jmi_intensities *series, const char *text, size_t length,
                          const char *name, jm_error *error) {
    *series = (jmi_intensities){0};
    if (length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) text += 3, length -= 3;
    if (length > 0 && memchr(text, '\0', length) != NULL)
        return jmi_fail(error, JM_FORMAT, "%s is no text", name);
    char *copy = malloc(length + 1);
    if (copy == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for intensities");
    if (length > 0) memcpy(copy, text, length);
    copy[length] = '\0';
    reader r = {.name = name, .at = copy, .end = copy + length, .error = error};
    int status = read_rows(&r);
    if (status == JM_OK) status = sort_rows(&r);
    if (status == JM_OK) status = make_series(&r, series);
    free(r.rows);
    free(copy);
    if (status != JM_OK) jmi_intensities_free(series);
    return status;
}

void jmi_intensities_free(jmi_intensities *series) {
    free(series->at);
    *series = (jmi_intensities){0};
}

size_t jmi_intensities_find(const jmi_intensities *series, int64_t t_ns) {
    size_t low = 0, high = series->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (series->at[middle].end_ns > t_ns)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}
