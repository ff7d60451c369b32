#include "figure/sheet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double line = 1.2;         /* height of a line, of the letters' size */
static const double label_gap = 3;      /* between texts of ticks and the label of the axis */
static const double tick_gap = 2;       /* between a tick and its text */
static const double entry_gap = 9;      /* between entries of the legend */
static const double entry_height = 9.4; /* of a row of the legend */
static const double category_height = 12, most_category_height = 20; /* more where they are few */
static const double tallest = 680;                                   /* a page of a journal */

static const double most_rows = 6; /* of the legend */

static bool says_something(const char *text) {
    return text != NULL && text[0] != '\0';
}

static double widest_tick(const jmi_axis *axis) {
    double widest = 0;
    for (size_t i = 0; i < axis->tick_count; i++)
        widest = fmax(widest, jmi_type_width(axis->tick_text[i], JMI_TICK_SIZE));
    return widest;
}

static bool has_bar(const jmi_sheet *s) {
    return s->figure->color.label != NULL;
}

/* ---- the margins beside the plot ---- */

static void lay_left(jmi_sheet *s) {
    const jmi_axis *axis = &s->figure->y;
    double at = jmi_sheet_margin;
    if (axis->hidden) {
        s->left = at;
        return;
    }
    if (says_something(axis->label)) {
        s->y_label = at + 0.5 * JMI_LABEL_SIZE;
        at += JMI_LABEL_SIZE + label_gap;
    }
    double texts = widest_tick(axis), gap = axis->categories ? 1.5 * tick_gap : tick_gap;
    double around = at + gap + (axis->categories ? 0 : jmi_tick_length);
    /* the plot keeps half of the width, whatever stands over to the right */
    double most = 0.5 * s->width - around - jmi_sheet_margin - 0.5 * widest_tick(&s->figure->x);
    s->names = axis->categories ? fmin(texts, fmax(most, 20)) : texts;
    s->left = around + s->names;
}

static void lay_right(jmi_sheet *s) {
    const jmi_axis *x = &s->figure->x, *color = &s->figure->color;
    double at = s->width - jmi_sheet_margin;
    if (has_bar(s)) {
        if (says_something(color->label)) {
            s->bar_label = at - 0.5 * JMI_LABEL_SIZE;
            at -= JMI_LABEL_SIZE + label_gap;
        }
        at -= widest_tick(color) + tick_gap + jmi_bar_width;
        s->bar = at;
        s->right = at - 6;
        return;
    }
    s->right = at;
    if (x->hidden || x->tick_count == 0) return;
    /* half of the last tick's text may stand over */
    double last = x->tick[x->tick_count - 1];
    double half = 0.5 * jmi_type_width(x->tick_text[x->tick_count - 1], JMI_TICK_SIZE);
    double over = half - (x->max - last) / (x->max - x->min) * (s->right - s->left);
    if (over > 0) s->right -= over;
}

/* ---- the legend ---- */

static void add_entry(jmi_sheet *s, const jmi_mark *mark, double room) {
    char *text = jmi_type_fit(mark->label, JMI_LEGEND_SIZE, room);
    if (text == NULL)
        s->failed = true;
    else
        s->entries[s->entry_count++] = (jmi_entry){.mark = mark, .text = text};
}

/* Data first, what is behind them last; of that names are cut short, of data they may say more. */
static void take_entries(jmi_sheet *s, double width) {
    const jm_figure *figure = s->figure;
    s->entries = jmi_alloc(figure->mark_count + 1, sizeof *s->entries);
    s->failed |= s->entries == NULL;
    for (int spans = 0; spans < 2; spans++)
        for (size_t i = 0; !s->failed && i < figure->mark_count; i++) {
            const jmi_mark *mark = figure->marks[i];
            if ((mark->kind == JM_MARK_SPAN) != spans || mark->count == 0 || mark->label[0] == '\0')
                continue;
            add_entry(s, mark, spans ? 0.42 * width : width - jmi_sign_width - jmi_sign_gap);
        }
}

static double entry_width(const jmi_entry *entry) {
    return jmi_sign_width + jmi_sign_gap + jmi_type_width(entry->text, JMI_LEGEND_SIZE) + entry_gap;
}

/* A part of the legend: data, or what is behind them. */
typedef struct group {
    jmi_entry *entries;
    size_t count;
} group;

static double column_width(const group *g, size_t columns, size_t column) {
    double widest = 0;
    for (size_t i = column; i < g->count; i += columns)
        widest = fmax(widest, entry_width(&g->entries[i]));
    return widest;
}

/* The most columns, filled row by row, that fit. */
static size_t fitting_columns(const group *g, double room) {
    for (size_t columns = g->count; columns > 1; columns--) {
        double sum = -entry_gap;
        for (size_t c = 0; c < columns; c++) sum += column_width(g, columns, c);
        if (sum <= room) return columns;
    }
    return 1;
}

/* Places entries after each other like words, and returns the rows. */
static size_t flow(const group *g, double left, double room) {
    size_t row = 0;
    double x = 0;
    for (size_t i = 0; i < g->count; i++) {
        double width = entry_width(&g->entries[i]);
        if (x > 0 && x + width - entry_gap > room) row++, x = 0;
        g->entries[i].x = left + x;
        g->entries[i].y = (double)row;
        x += width;
    }
    return g->count == 0 ? 0 : row + 1;
}

/* In columns where that takes no more rows. */
static size_t place(const group *g, double left, double room) {
    size_t rows = flow(g, left, room), columns = fitting_columns(g, room);
    if (g->count == 0 || (g->count + columns - 1) / columns > rows) return rows;
    double x = left;
    for (size_t c = 0; c < columns; c++) {
        double row = 0;
        for (size_t i = c; i < g->count; i += columns) {
            g->entries[i].x = x;
            g->entries[i].y = row++;
        }
        x += column_width(g, columns, c);
    }
    return rows;
}

/* What has no room becomes a remark, in the place of the last that has. */
static void cut_entries(jmi_sheet *s) {
    size_t kept = 0;
    char text[40];
    while (kept < s->entry_count && s->entries[kept].y < most_rows) kept++;
    if (kept == s->entry_count) return;
    double right;
    do {
        kept--;
        snprintf(text, sizeof text, "and %zu more", s->entry_count - kept);
        right = s->entries[kept].x + jmi_sign_width + jmi_sign_gap +
                jmi_type_width(text, JMI_LEGEND_SIZE);
    } while (kept > 0 && right > s->width - jmi_sheet_margin);
    for (size_t i = kept; i < s->entry_count; i++) free(s->entries[i].text);
    s->entries[kept].mark = NULL;
    s->entries[kept].text = jmi_strdup(text);
    s->failed |= s->entries[kept].text == NULL;
    s->entry_count = kept + 1;
}

/* Lays the legend from the top down (y is the middle of the row, below the legend's upper edge),
 * and returns its height. It is as wide as the plot, or as the sheet where that saves a row or a
 * label is longer. */
static double lay_legend(jmi_sheet *s) {
    double narrow = s->width - jmi_sheet_margin - s->left;
    double wide = s->width - 2 * jmi_sheet_margin;
    take_entries(s, wide);
    if (s->failed || s->entry_count == 0) return 0;
    size_t data = 0;
    while (data < s->entry_count && s->entries[data].mark->kind != JM_MARK_SPAN) data++;
    const group parts[] = {{s->entries, data}, {s->entries + data, s->entry_count - data}};
    const group all = {s->entries, s->entry_count};
    bool whole = column_width(&all, 1, 0) - entry_gap > narrow ||
                 flow(&parts[0], 0, wide) + flow(&parts[1], 0, wide) <
                     flow(&parts[0], 0, narrow) + flow(&parts[1], 0, narrow);
    double left = whole ? jmi_sheet_margin : s->left, room = whole ? wide : narrow;
    size_t rows = place(&parts[0], left, room);
    place(&parts[1], left, room);
    for (size_t i = data; i < s->entry_count; i++) s->entries[i].y += (double)rows;
    cut_entries(s);
    for (size_t i = 0; i < s->entry_count; i++)
        s->entries[i].y = -(0.5 + s->entries[i].y) * entry_height;
    return 0.5 * entry_height - s->entries[s->entry_count - 1].y;
}

/* ---- what is beneath and above ---- */

/* The height that ticks, label and note take beneath the plot; places are from the plot down. */
static double lay_beneath(jmi_sheet *s) {
    const jmi_axis *axis = &s->figure->x;
    double at = 0;
    if (!axis->hidden) at += jmi_tick_length + 1.5 + 0.95 * JMI_TICK_SIZE;
    if (says_something(axis->label) && !axis->hidden) {
        at += 1.5;
        s->x_label = -at - 0.5 * JMI_LABEL_SIZE;
        at += line * JMI_LABEL_SIZE;
    }
    const char *note = s->figure->note.data;
    s->note =
        jmi_type_wrap(note == NULL ? "" : note, JMI_NOTE_SIZE, s->width - 2 * jmi_sheet_margin);
    s->failed |= s->note.failed;
    if (s->note.count > 0) at += 3;
    s->first_note = -at - 0.5 * line * JMI_NOTE_SIZE;
    return at + line * JMI_NOTE_SIZE * (double)s->note.count + 2;
}

static double suitable_height(const jmi_sheet *s) {
    const jmi_axis *y = &s->figure->y;
    double across = s->right - s->left;
    if (y->categories) {
        double rows = y->max - y->min;
        double each = fmin(fmax(category_height, 80 / rows), most_category_height);
        return fmax(rows * fmax(fmin(each, tallest / rows), JMI_TICK_SIZE + 1), 24);
    }
    if (y->hidden) return 44.0 / 84 * across; /* for which the texts in it were made */
    double height = fmin(0.58 * across, 100 + 0.15 * across);
    double label = says_something(y->label) ? jmi_type_width(y->label, JMI_LABEL_SIZE) : 0;
    return fmax(height, label);
}

void jmi_sheet_lay(jmi_sheet *s, const jm_figure *figure, double width, double height) {
    *s = (jmi_sheet){.figure = figure, .width = width};
    lay_left(s);
    lay_right(s);
    double beneath = lay_beneath(s), legend = lay_legend(s), above = jmi_sheet_margin;
    bool mute = !says_something(figure->x.label) && !says_something(figure->y.label);
    if (mute) {
        s->title = jmi_type_fit(figure->title, JMI_LABEL_SIZE, width - 2 * jmi_sheet_margin);
        s->failed |= s->title == NULL;
        s->title_y = above + 0.5 * JMI_LABEL_SIZE;
        above += line * JMI_LABEL_SIZE + 2;
    }
    double begin = above;
    above += legend + (legend > 0 ? 2.5 : 0);
    /* half of the topmost tick's text may stand over */
    if (!figure->y.hidden && !figure->y.categories) above += 0.4 * JMI_TICK_SIZE;
    s->least_height = above + beneath + 20;
    s->height = height > 0 ? height : above + beneath + suitable_height(s);
    s->bottom = beneath;
    s->top = s->height - above;
    s->x_label += s->bottom;
    s->first_note += s->bottom;
    s->title_y = s->height - s->title_y;
    for (size_t i = 0; i < s->entry_count; i++) s->entries[i].y += s->height - begin;
}

void jmi_sheet_free(jmi_sheet *s) {
    for (size_t i = 0; i < s->entry_count; i++) free(s->entries[i].text);
    free(s->entries);
    free(s->title);
    jmi_lines_free(&s->note);
}

/* ---- places ---- */

double jmi_sheet_x(const jmi_sheet *s, double value) {
    const jmi_axis *axis = &s->figure->x;
    return s->left + (value - axis->min) / (axis->max - axis->min) * (s->right - s->left);
}

double jmi_sheet_y(const jmi_sheet *s, double value) {
    const jmi_axis *axis = &s->figure->y;
    double share = (value - axis->min) / (axis->max - axis->min);
    return s->bottom + (axis->categories ? 1 - share : share) * (s->top - s->bottom);
}

size_t jmi_sheet_tick_step(const jmi_sheet *s, const jmi_axis *axis) {
    if (axis->tick_count < 2) return 1;
    bool across = axis == &s->figure->x;
    double length = across ? s->right - s->left : s->top - s->bottom;
    double apart = fabs(axis->tick[1] - axis->tick[0]) / (axis->max - axis->min) * length;
    double needed = across ? widest_tick(axis) + 4 : 1.05 * JMI_TICK_SIZE;
    double step = ceil(needed / fmax(apart, 1e-3));
    return step < 1 ? 1 : (size_t)fmin(step, 1e6);
}
