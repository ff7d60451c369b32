#include "report/table.h"

#include <stdlib.h>
#include <string.h>

/* Decodes one character; 0 bytes used means that `text` is not valid UTF-8 here. */
static uint32_t decode(const char *text, size_t *used) {
    const unsigned char *s = (const unsigned char *)text;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = s[0] < 0x80       ? 1
                    : s[0] >> 5 == 6  ? 2
                    : s[0] >> 4 == 14 ? 3
                    : s[0] >> 3 == 30 ? 4
                                      : 0;
    *used = 0;
    if (length == 0) return 0;
    uint32_t c = length == 1 ? s[0] : s[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if (s[i] >> 6 != 2) return 0;
        c = c << 6 | (s[i] & 0x3Fu);
    }
    if (c < least[length] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) return 0;
    *used = length;
    return c;
}

static size_t columns_of(uint32_t c) {
    if ((c >= 0x300 && c <= 0x36F) || (c >= 0x200B && c <= 0x200F) || (c >= 0xFE00 && c <= 0xFE0F))
        return 0;
    bool wide = (c >= 0x1100 && c <= 0x115F) || (c >= 0x2E80 && c <= 0xA4CF) ||
                (c >= 0xAC00 && c <= 0xD7A3) || (c >= 0xF900 && c <= 0xFAFF) ||
                (c >= 0xFE30 && c <= 0xFE6F) || (c >= 0xFF00 && c <= 0xFF60) ||
                (c >= 0xFFE0 && c <= 0xFFE6) || (c >= 0x1F300 && c <= 0x1FAFF) ||
                (c >= 0x20000 && c <= 0x3FFFD);
    return wide ? 2 : 1;
}

size_t jmi_text_columns(const char *text) {
    size_t columns = 0, used;
    for (; *text != '\0'; text += used) {
        uint32_t c = decode(text, &used);
        columns += used == 0 ? 1 : columns_of(c);
        if (used == 0) used = 1;
    }
    return columns;
}

/* Controls (C0, DEL, C1) and marks that turn the direction of writing. */
static bool harmful(uint32_t c) {
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x202A && c <= 0x202E) ||
           (c >= 0x2066 && c <= 0x2069) || c == 0x2028 || c == 0x2029;
}

char *jmi_text_clean(const char *text, bool utf8) {
    jmi_text clean = {0};
    size_t used;
    for (; *text != '\0'; text += used) {
        uint32_t c = decode(text, &used);
        bool keep = used > 0 && !harmful(c) && (utf8 || c < 0x80);
        jmi_text_append(&clean, keep ? text : "?", keep ? used : 1);
        if (used == 0) used = 1;
    }
    char *result = NULL;
    jmi_text_take(&clean, &result, NULL);
    return result;
}

void jmi_table_init(jmi_table *table, size_t columns) {
    *table = (jmi_table){.columns = columns};
}

void jmi_table_row(jmi_table *table, const char *const *cells) {
    size_t count = table->rows * table->columns;
    if (table->failed ||
        !jmi_reserve(&table->cells, &table->capacity, count + table->columns, sizeof(char *))) {
        table->failed = true;
        return;
    }
    for (size_t i = 0; i < table->columns; i++) {
        table->cells[count + i] = jmi_strdup(cells[i]);
        if (table->cells[count + i] == NULL) table->failed = true;
    }
    table->rows++;
}

void jmi_table_free(jmi_table *table) {
    for (size_t i = 0; i < table->rows * table->columns; i++) free(table->cells[i]);
    free(table->cells);
    *table = (jmi_table){0};
}

/* Widths of the columns; a dropped one has 0. */
static void fit(const jmi_table *table, char **clean, size_t available, size_t *width) {
    size_t total = 0;
    for (size_t c = 0; c < table->columns; c++) {
        width[c] = 0;
        bool filled = false;
        for (size_t r = 0; r < table->rows; r++) {
            size_t w = jmi_text_columns(clean[r * table->columns + c]);
            if (w > width[c]) width[c] = w;
            filled |= r > 0 && w > 0;
        }
        if (!filled && c > 0) width[c] = 0; /* a column with nothing but its header */
        total += width[c] > 0 ? width[c] + 2 : 0;
    }
    for (size_t rank = 1; rank <= table->columns; rank++)
        for (size_t c = 0; c < table->columns; c++) {
            if (table->drop[c] != rank || width[c] == 0 || total <= available + 2) continue;
            total -= width[c] + 2;
            width[c] = 0;
        }
    size_t elastic = table->elastic;
    if (total > available + 2) {
        size_t excess = total - available - 2;
        width[elastic] = width[elastic] > excess + 6 ? width[elastic] - excess
                         : width[elastic] > 6        ? 6
                                                     : width[elastic];
    }
}

/* Adds as much of text as fits into width, with an ellipsis if that is not all. */
static void add_cell(jmi_text *out, const char *text, size_t width, bool right, bool pad,
                     jmi_style style) {
    size_t needed = jmi_text_columns(text);
    size_t shown = 0, bytes = 0, used;
    const char *dots = needed > width ? (style.utf8 ? "…" : "~") : "";
    size_t room = needed > width ? width - 1 : width;
    while (text[bytes] != '\0') {
        uint32_t c = decode(text + bytes, &used);
        if (used == 0) used = 1;
        if (shown + columns_of(c) > room) break;
        shown += columns_of(c);
        bytes += used;
    }
    shown += *dots != '\0';
    int space = shown < width ? (int)(width - shown) : 0;
    if (right) jmi_text_add(out, "%*s", space, "");
    jmi_text_append(out, text, bytes);
    jmi_text_append(out, dots, strlen(dots));
    if (!right && pad) jmi_text_add(out, "%*s", space, "");
}

static void write_row(const jmi_table *table, char **cells, const size_t *width, bool header,
                      jmi_text *out, size_t indent, jmi_style style) {
    size_t last = 0;
    for (size_t c = 0; c < table->columns; c++)
        if (width[c] > 0) last = c;
    jmi_text_add(out, "%*s%s", (int)indent, "", header && style.color ? "\033[2m" : "");
    for (size_t c = 0, shown = 0; c < table->columns; c++) {
        if (width[c] == 0) continue;
        if (shown++ > 0) jmi_text_add(out, "  ");
        add_cell(out, cells[c], width[c], table->right[c], c != last, style);
    }
    if (header && style.color) jmi_text_add(out, "\033[0m");
    while (out->length > 0 && out->data[out->length - 1] == ' ') out->data[--out->length] = '\0';
    jmi_text_add(out, "\n");
}

void jmi_table_write(const jmi_table *table, jmi_text *out, size_t indent, size_t width,
                     jmi_style style) {
    size_t count = table->rows * table->columns;
    char **clean = jmi_alloc(count + 1, sizeof *clean);
    size_t widths[JMI_TABLE_COLUMNS];
    bool complete = clean != NULL && !table->failed;
    for (size_t i = 0; complete && i < count; i++) {
        clean[i] = jmi_text_clean(table->cells[i], style.utf8);
        complete = clean[i] != NULL;
    }
    if (complete) {
        fit(table, clean, width > indent ? width - indent : 1, widths);
        for (size_t r = 0; r < table->rows; r++)
            write_row(table, clean + r * table->columns, widths, r == 0, out, indent, style);
    } else {
        out->failed = true;
    }
    for (size_t i = 0; clean != NULL && i < count; i++) free(clean[i]);
    free(clean);
}

void jmi_text_wrap(jmi_text *out, const char *lead, const char *text, size_t indent, size_t width) {
    size_t column = jmi_text_columns(lead);
    jmi_text_add(out, "%s%*s", lead, column < indent ? (int)(indent - column) : 0, "");
    column = column > indent ? column : indent;
    bool first = true;
    while (*text != '\0') {
        size_t bytes = strcspn(text, " ");
        char word[256];
        size_t kept = bytes < sizeof word ? bytes : sizeof word - 1;
        memcpy(word, text, kept);
        word[kept] = '\0';
        size_t columns = jmi_text_columns(word);
        if (!first && column + 1 + columns > width) {
            jmi_text_add(out, "\n%*s", (int)indent, "");
            column = indent;
            first = true;
        }
        if (!first) jmi_text_add(out, " ");
        jmi_text_append(out, text, bytes);
        column += columns + !first;
        first = false;
        text += bytes;
        text += strspn(text, " ");
    }
    jmi_text_add(out, "\n");
}
