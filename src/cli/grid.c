#include "grid.h"

#include "terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

/* Bytes and columns of the next character; one '?' for what the terminal cannot show. */
static size_t next_character(const char *text, size_t *columns, bool *shown) {
    mbstate_t state = {0};
    wchar_t c;
    size_t bytes = mbrtowc(&c, text, strnlen(text, 16), &state);
    int width = bytes == 0 || bytes > 16 ? -1 : wcwidth(c);
    *shown = width >= 0;
    *columns = width < 0 ? 1 : (size_t)width;
    return bytes == 0 || bytes > 16 ? 1 : bytes;
}

size_t grid_text_columns(const char *text) {
    size_t total = 0, columns;
    bool shown;
    for (; *text != '\0'; total += columns) text += next_character(text, &columns, &shown);
    return total;
}

void grid_add_text(output *out, const char *text, size_t columns) {
    bool cut = grid_text_columns(text) > columns;
    size_t room = cut && columns > 0 ? columns - 1 : columns;
    for (size_t used = 0, width; *text != '\0'; used += width) {
        bool shown;
        size_t bytes = next_character(text, &width, &shown);
        if (used + width > room) break;
        output_append(out, shown ? text : "?", shown ? bytes : 1);
        text += bytes;
    }
    if (cut && columns > 0) output_add(out, "%s", terminal_is_utf8() ? "…" : "~");
}

/* Bytes up to the next space where a line may end: not between a number and its "%". */
static size_t word_length(const char *text) {
    size_t bytes = strcspn(text, " ");
    while (text[bytes] == ' ' && text[bytes + 1] == '%')
        bytes += 1 + strcspn(text + bytes + 1, " ");
    return bytes;
}

void grid_add_wrapped(output *out, const char *text, size_t indent, size_t width) {
    size_t column = indent;
    output_add(out, "%*s", (int)indent, "");
    while (*text != '\0') {
        size_t bytes = word_length(text);
        char *word = strndup(text, bytes);
        size_t columns = word == NULL ? bytes : grid_text_columns(word);
        if (column > indent && column + 1 + columns > width) {
            output_add(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            output_add(out, " ");
            column++;
        }
        if (word != NULL) grid_add_text(out, word, columns);
        free(word);
        column += columns;
        text += bytes + strspn(text + bytes, " ");
    }
    output_add(out, "\n");
}

void grid_add_sentence(output *out, size_t width, const char *color, const char *plain,
                       const char *format, va_list args) {
    char *text = NULL;
    if (vasprintf(&text, format, args) < 0) return;
    output_add(out, "%s", color);
    grid_add_wrapped(out, text, 2, width);
    output_add(out, "%s", color[0] != '\0' ? plain : "");
    free(text);
}

void grid_open(grid *g, size_t columns) {
    *g = (grid){.columns = columns};
    g->right = calloc(columns + 1, sizeof *g->right);
    g->failed = g->right == NULL;
}

void grid_right(grid *g, size_t column) {
    if (!g->failed) g->right[column] = true;
}

void grid_row(grid *g, const char *const *cells) {
    if (g->failed) return;
    if ((g->rows + 1) * g->columns > g->capacity) {
        size_t larger = 2 * (g->rows + 8) * g->columns;
        char **grown = realloc(g->cells, larger * sizeof *grown);
        if (grown == NULL) {
            g->failed = true;
            return;
        }
        g->cells = grown;
        g->capacity = larger;
    }
    for (size_t i = 0; i < g->columns; i++)
        g->cells[g->rows * g->columns + i] = strdup(cells[i] == NULL ? "" : cells[i]);
    g->rows++;
}

static const char *cell(const grid *g, size_t row, size_t column) {
    const char *text = g->cells[row * g->columns + column];
    return text == NULL ? "" : text;
}

/* Narrows the widest columns of names until the row fits. A number that is cut off is another one:
 * those are whole, and where they alone do not fit the row is longer. */
static void fit(const grid *g, size_t *widths, size_t width) {
    enum { LEAST = 8 };
    size_t total = 0;
    for (size_t c = 0; c < g->columns; c++) total += widths[c] + 2;
    while (total > width + 2) {
        size_t widest = SIZE_MAX;
        for (size_t c = 0; c < g->columns; c++)
            if (!g->right[c] && widths[c] > LEAST &&
                (widest == SIZE_MAX || widths[c] >= widths[widest]))
                widest = c;
        if (widest == SIZE_MAX) return;
        widths[widest]--;
        total--;
    }
}

static void write_cell(const grid *g, output *out, const char *text, size_t width, size_t column) {
    size_t needed = grid_text_columns(text);
    int space = needed < width ? (int)(width - needed) : 0;
    if (g->right[column]) output_add(out, "%*s", space, "");
    grid_add_text(out, text, width);
    if (!g->right[column] && column + 1 < g->columns) output_add(out, "%*s", space, "");
}

static size_t *natural_widths(const grid *g) {
    size_t *widths = g->failed ? NULL : calloc(g->columns + 1, sizeof *widths);
    for (size_t i = 0; widths != NULL && i < g->rows * g->columns; i++) {
        size_t needed = grid_text_columns(cell(g, i / g->columns, i % g->columns));
        if (needed > widths[i % g->columns]) widths[i % g->columns] = needed;
    }
    return widths;
}

size_t grid_width(const grid *g) {
    size_t *widths = natural_widths(g), total = 0;
    for (size_t c = 0; widths != NULL && c < g->columns; c++) total += widths[c] + (c > 0 ? 2 : 0);
    free(widths);
    return total;
}

void grid_write(const grid *g, output *out, size_t width, bool color) {
    size_t *widths = natural_widths(g);
    if (widths == NULL) return;
    fit(g, widths, width);
    for (size_t r = 0; r < g->rows; r++) {
        if (r == 0 && color) output_add(out, "\033[2m");
        for (size_t c = 0; c < g->columns; c++) {
            if (c > 0) output_add(out, "  ");
            write_cell(g, out, cell(g, r, c), widths[c], c);
        }
        output_add(out, "%s\n", r == 0 && color ? "\033[0m" : "");
    }
    free(widths);
}

void grid_close(grid *g) {
    for (size_t i = 0; i < g->rows * g->columns; i++) free(g->cells[i]);
    free(g->cells);
    free(g->right);
    *g = (grid){0};
}
