#include "figure/typeset.h"

#include "report/table.h"

#include <stdlib.h>
#include <string.h>

static const char *const ellipsis = "\xE2\x80\xA6";

/* Widths of ' ' to '~' in thousandths of the size (Adobe's metrics of Helvetica). */
static const unsigned short widths[] = {
    278,  278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, /*  !"#$%&'( */
    556,  556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, /* 0 ... ? */
    1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778, /* @ ... O */
    667,  778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, /* P ... _ */
    333,  556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, /* ` ... o */
    556,  556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584};     /* p ... ~ */

/* Others' fonts are up to a sixth wider; half of that is given to all. */
static const double spare = 1.08;

/* Bytes of the character at `text`, of which something is there. */
static size_t step(const char *text) {
    size_t bytes = 1;
    while (((unsigned char)text[bytes] >> 6) == 2) bytes++;
    return bytes;
}

static double letter_width(const char *text) {
    unsigned char c = (unsigned char)text[0];
    if (c >= ' ' && c <= '~') return widths[c - ' '];
    return c < 0xE2 ? 600 : c == 0xE2 ? 750 : 1000; /* Latin to Arabic; signs; Chinese and beyond */
}

static double bytes_width(const char *text, size_t length, double size) {
    double sum = 0;
    for (size_t i = 0; i < length; i += step(text + i)) sum += letter_width(text + i);
    return sum * size * spare / 1000;
}

double jmi_type_width(const char *text, double size) {
    return bytes_width(text, strlen(text), size);
}

static size_t step_back(const char *text, size_t at) {
    do at--;
    while (at > 0 && ((unsigned char)text[at] >> 6) == 2);
    return at;
}

/* Takes letters from the middle until the rest fits. */
static char *shortened(const char *text, double size, double room) {
    size_t length = strlen(text), middle = length / 2;
    while (middle > 0 && ((unsigned char)text[middle] >> 6) == 2) middle--;
    size_t head = middle, tail = middle; /* kept: before head, from tail on */
    double left = room - jmi_type_width(ellipsis, size);
    double width[2] = {bytes_width(text, head, size),
                       bytes_width(text + tail, length - tail, size)};
    while (width[0] + width[1] > left && (head > 0 || tail < length)) {
        if (head > 0 && (width[0] >= width[1] || tail == length)) {
            head = step_back(text, head);
            width[0] -= bytes_width(text + head, step(text + head), size);
        } else {
            width[1] -= bytes_width(text + tail, step(text + tail), size);
            tail += step(text + tail);
        }
    }
    while (head > 0 && text[head - 1] == ' ') head--;
    while (text[tail] == ' ') tail++;
    jmi_text out = {0};
    char *result = NULL;
    jmi_text_append(&out, text, head);
    jmi_text_append(&out, ellipsis, strlen(ellipsis));
    jmi_text_append(&out, text + tail, length - tail);
    return jmi_text_take(&out, &result, NULL) == JM_OK ? result : NULL;
}

char *jmi_type_fit(const char *text, double size, double room) {
    char *clean = jmi_text_clean(text, true);
    if (clean == NULL || jmi_type_width(clean, size) <= room) return clean;
    char *fitting = shortened(clean, size, room);
    free(clean);
    return fitting;
}

/* ---- lines ---- */

static void add_line(jmi_lines *lines, size_t *capacity, const char *text, size_t length) {
    char *line = NULL;
    if (jmi_reserve(&lines->line, capacity, lines->count + 1, sizeof *lines->line))
        line = strndup(text, length);
    if (line == NULL)
        lines->failed = true;
    else
        lines->line[lines->count++] = line;
}

/* Bytes of `text` that go into a line: whole words, or of a longer word what fits. */
static size_t line_length(const char *text, double size, double room) {
    size_t at = 0, word = 0;
    double width = 0;
    while (text[at] != '\0') {
        if (text[at] == ' ') word = at;
        width += bytes_width(text + at, step(text + at), size);
        if (width > room && text[at] != ' ') break;
        at += step(text + at);
    }
    if (text[at] == '\0') return at;
    return word > 0 ? word : at > 0 ? at : step(text);
}

jmi_lines jmi_type_wrap(const char *text, double size, double room) {
    jmi_lines lines = {0};
    size_t capacity = 0;
    char *clean = jmi_text_clean(text, true);
    lines.failed = clean == NULL;
    for (const char *at = clean; at != NULL && *at != '\0' && !lines.failed;) {
        size_t length = line_length(at, size, room);
        add_line(&lines, &capacity, at, length);
        at += length;
        at += strspn(at, " ");
    }
    free(clean);
    return lines;
}

void jmi_lines_free(jmi_lines *lines) {
    for (size_t i = 0; i < lines->count; i++) free(lines->line[i]);
    free(lines->line);
    *lines = (jmi_lines){0};
}
