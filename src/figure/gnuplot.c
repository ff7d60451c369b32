#include "figure/gnuplot.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double point_mm = 25.4 / 72, default_width_mm = 89;

/* ---- texts and numbers ---- */

static bool is_plain(unsigned char c) {
    return c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
           (c >= 'a' && c <= 'z') || strchr(" .,:;()[]+-*/=?_", c) != NULL;
}

void jmi_script_text(jmi_text *out, const char *text) {
    jmi_text_append(out, "\"", 1);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (is_plain(c))
            jmi_text_append(out, text, 1);
        else /* of a number that begins with 0 gnuplot reads four digits, else three */
            jmi_text_add(out, c < 0100 ? "\\%04o" : "\\%03o", c);
    }
    jmi_text_append(out, "\"", 1);
}

void jmi_script_number(jmi_text *out, double value) {
    char text[40];
    if (!isfinite(value))
        jmi_text_append(out, "NaN", 3);
    else
        jmi_text_append(out, text, (size_t)snprintf(text, sizeof text, "%.9g", value));
}

void jmi_script_width(jmi_text *out, double points) {
    jmi_text_add(out, " lw %.3g", 2 * points); /* gnuplot's lines are half a point */
}

void jmi_script_dash(jmi_script *s, jmi_text *out, const jmi_mark *mark, double points) {
    if ((mark->style & JM_STYLE_DASHED) == 0) return;
    double unit = s->terminal->dash * (s->terminal->dash_grows ? 2 * points : 1);
    jmi_text_add(out, " dashtype (%.3g,%.3g)", 2.2 / unit, 2.2 / unit); /* round ends add to it */
}

void jmi_script_dot(const jmi_script *s, jmi_text *out, double radius) {
    jmi_text_add(out, " pointtype 7 pointsize %.3g", radius / s->terminal->radius);
}

/* ---- on the sheet ---- */

void jmi_script_place(jmi_script *s, double x, double y) {
    jmi_text_add(&s->out, "screen %.6g,screen %.6g", x / s->sheet->width, y / s->sheet->height);
}

void jmi_script_label(jmi_script *s, double x, double y, const char *how, double size,
                      const char *color, const char *text) {
    if (text[0] == '\0') return;
    jmi_text_add(&s->out, "set label ");
    jmi_script_text(&s->out, text);
    jmi_text_add(&s->out, " at ");
    jmi_script_place(s, x, y);
    jmi_text_add(&s->out, " %s font \",%g\" textcolor rgb \"%s\" noenhanced front\n", how, size,
                 color);
}

void jmi_script_line(jmi_script *s, const double from[2], const double to[2], double width,
                     const char *color, const char *more) {
    jmi_text_add(&s->out, "set arrow from ");
    jmi_script_place(s, from[0], from[1]);
    jmi_text_add(&s->out, " to ");
    jmi_script_place(s, to[0], to[1]);
    jmi_text_add(&s->out, " nohead");
    jmi_script_width(&s->out, width);
    jmi_text_add(&s->out, " linecolor rgb \"%s\"%s\n", color, more);
}

void jmi_script_rectangle(jmi_script *s, const double from[2], const double to[2],
                          const char *fill) {
    jmi_text_add(&s->out, "set object rectangle from ");
    jmi_script_place(s, from[0], from[1]);
    jmi_text_add(&s->out, " to ");
    jmi_script_place(s, to[0], to[1]);
    jmi_text_add(&s->out, " noclip fillstyle solid noborder fillcolor rgb \"%s\"\n", fill);
}

/* ---- axes ---- */

static void write_x_ticks(jmi_script *s) {
    const jmi_sheet *sheet = s->sheet;
    const jmi_axis *axis = &sheet->figure->x;
    size_t step = jmi_sheet_tick_step(sheet, axis);
    double end = sheet->bottom - jmi_tick_length;
    for (size_t i = 0; i < axis->tick_count; i++) {
        double x = jmi_sheet_x(sheet, axis->tick[i]);
        const double from[] = {x, sheet->bottom}, to[] = {x, end}, over[] = {x, sheet->top};
        if (sheet->figure->y.categories && !axis->categories)
            jmi_script_line(s, from, over, 0.4, JMI_GRID, " back");
        jmi_script_line(s, from, to, 0.5, JMI_FRAME, " front");
        if (i % step == 0)
            jmi_script_label(s, x, end - 1.5 - 0.5 * JMI_TICK_SIZE, "center", JMI_TICK_SIZE,
                             JMI_INK, axis->tick_text[i]);
    }
}

static void write_category(jmi_script *s, double y, const char *name) {
    char *text = jmi_type_fit(name, JMI_TICK_SIZE, s->sheet->names);
    s->out.failed |= text == NULL;
    if (text != NULL)
        jmi_script_label(s, s->sheet->left - 3, y, "right", JMI_TICK_SIZE, JMI_INK, text);
    free(text);
}

static void write_y_ticks(jmi_script *s) {
    const jmi_sheet *sheet = s->sheet;
    const jmi_axis *axis = &sheet->figure->y;
    size_t step = jmi_sheet_tick_step(sheet, axis);
    double end = sheet->left - jmi_tick_length;
    for (size_t i = 0; i < axis->tick_count; i++) {
        double y = jmi_sheet_y(sheet, axis->tick[i]);
        const double from[] = {sheet->left, y}, to[] = {end, y}, over[] = {sheet->right, y};
        if (axis->categories) {
            if (i % step == 0) write_category(s, y, axis->tick_text[i]);
            continue;
        }
        jmi_script_line(s, from, over, 0.4, JMI_GRID, " back");
        jmi_script_line(s, from, to, 0.5, JMI_FRAME, " front");
        if (i % step == 0)
            jmi_script_label(s, end - 2, y, "right", JMI_TICK_SIZE, JMI_INK, axis->tick_text[i]);
    }
}

static void write_axes(jmi_script *s) {
    const jmi_sheet *sheet = s->sheet;
    const jm_figure *figure = sheet->figure;
    const double corner[] = {sheet->left, sheet->bottom}, right[] = {sheet->right, sheet->bottom},
                 top[] = {sheet->left, sheet->top};
    if (!figure->x.hidden) {
        write_x_ticks(s);
        jmi_script_line(s, corner, right, 0.5, JMI_FRAME, " front");
        if (figure->x.label != NULL)
            jmi_script_label(s, (sheet->left + sheet->right) / 2, sheet->x_label, "center",
                             JMI_LABEL_SIZE, JMI_INK, figure->x.label);
    }
    if (!figure->y.hidden) {
        write_y_ticks(s);
        jmi_script_line(s, corner, top, 0.5, JMI_FRAME, " front");
        if (figure->y.label != NULL)
            jmi_script_label(s, sheet->y_label, (sheet->bottom + sheet->top) / 2, "center rotate",
                             JMI_LABEL_SIZE, JMI_INK, figure->y.label);
    }
}

/* Each step reaches up to the top, so that no seams show. */
static void write_bar(jmi_script *s) {
    enum { STEPS = 64 };
    const jmi_sheet *sheet = s->sheet;
    const jmi_axis *axis = &sheet->figure->color;
    double left = sheet->bar, right = left + jmi_bar_width, height = sheet->top - sheet->bottom;
    char shade[8];
    if (axis->label == NULL) return;
    for (int i = 0; i < STEPS; i++) {
        const double from[] = {left, sheet->bottom + height * i / STEPS},
                     to[] = {right, sheet->top};
        jmi_script_rectangle(s, from, to, jm_figure_shade((i + 0.5) / STEPS, shade));
    }
    for (size_t i = 0; i < axis->tick_count; i++) {
        double y = sheet->bottom + height * (axis->tick[i] - axis->min) / (axis->max - axis->min);
        const double from[] = {right, y}, to[] = {right + 1.5, y};
        jmi_script_line(s, from, to, 0.5, JMI_FRAME, " front");
        jmi_script_label(s, right + 3, y, "left", JMI_TICK_SIZE, JMI_INK, axis->tick_text[i]);
    }
    jmi_script_label(s, sheet->bar_label, sheet->bottom + height / 2, "center rotate",
                     JMI_LABEL_SIZE, JMI_INK, axis->label);
}

static void write_around(jmi_script *s) {
    const jmi_sheet *sheet = s->sheet;
    if (sheet->title != NULL)
        jmi_script_label(s, sheet->left, sheet->title_y, "left", JMI_LABEL_SIZE, JMI_INK,
                         sheet->title);
    for (size_t i = 0; i < sheet->entry_count; i++) {
        const jmi_entry *entry = &sheet->entries[i];
        if (entry->mark != NULL) jmi_script_sign(s, entry);
        jmi_script_label(s, entry->x + jmi_sign_width + jmi_sign_gap, entry->y, "left",
                         JMI_LEGEND_SIZE, JMI_INK, entry->text);
    }
    for (size_t i = 0; i < sheet->note.count; i++)
        jmi_script_label(s, jmi_sheet_margin, sheet->first_note - 1.2 * JMI_NOTE_SIZE * (double)i,
                         "left", JMI_NOTE_SIZE, "#6B6B6B", sheet->note.line[i]);
}

/* ---- the whole ---- */

/* A path that gnuplot takes for a path: "|" would begin a command, "~" a home. */
static void write_path(jmi_text *out, const char *path) {
    jmi_text plain = {0};
    jmi_text_add(&plain, "%s%s", path[0] == '|' || path[0] == '~' ? "./" : "", path);
    jmi_script_text(out, plain.data == NULL ? "" : plain.data);
    out->failed |= plain.failed;
    jmi_text_free(&plain);
}

static void write_terminal(jmi_script *s) {
    double width = s->sheet->width, height = s->sheet->height, unit = s->terminal->unit;
    jmi_text *out = &s->out;
    if (strcmp(s->terminal->format, "pdf") == 0)
        jmi_text_add(out,
                     "set terminal pdfcairo noenhanced color font \"Helvetica,%d\" fontscale 0.75 "
                     "linewidth 1 rounded size %.5f,%.5f\n",
                     JMI_TICK_SIZE, width / unit, height / unit);
    else if (strcmp(s->terminal->format, "png") == 0)
        jmi_text_add(out,
                     "set terminal pngcairo noenhanced font \"Helvetica,%d\" fontscale 3.125 "
                     "linewidth 2.08333 dashlength 2.08333 rounded background rgb \"white\" size "
                     "%.0f,%.0f\n",
                     JMI_TICK_SIZE, width / unit, height / unit);
    else
        jmi_text_add(out,
                     "set terminal svg noenhanced font \"Helvetica,Arial,sans-serif,%d\" fontscale "
                     "1.33333 linewidth 0.66667 rounded background rgb \"white\" size %.0f,%.0f "
                     "fixed\n",
                     JMI_TICK_SIZE, width / unit, height / unit);
}

static void write_head(jmi_script *s, const char *path) {
    const jmi_sheet *sheet = s->sheet;
    const jmi_axis *x = &sheet->figure->x, *y = &sheet->figure->y;
    jmi_text *out = &s->out;
    jmi_text_add(out, "# %s, by joulemeter %s\nreset session\nset encoding utf8\n",
                 sheet->figure->name, jm_version());
    write_terminal(s);
    jmi_text_add(out, "set output ");
    write_path(out, path);
    jmi_text_add(out,
                 "\nunset key\nunset tics\nunset border\nunset colorbox\nset clip two\n"
                 "set samples 2\nset lmargin at screen %.6g\nset rmargin at screen %.6g\n"
                 "set bmargin at screen %.6g\nset tmargin at screen %.6g\nset xrange [",
                 sheet->left / sheet->width, sheet->right / sheet->width,
                 sheet->bottom / sheet->height, sheet->top / sheet->height);
    jmi_script_number(out, x->min);
    jmi_text_add(out, ":");
    jmi_script_number(out, x->max);
    jmi_text_add(out, "]\nset yrange [");
    jmi_script_number(out, y->categories ? y->max : y->min); /* categories: from the top down */
    jmi_text_add(out, ":");
    jmi_script_number(out, y->categories ? y->min : y->max);
    jmi_text_add(out, "]\n");
}

static void write_script(jmi_script *s, const char *path) {
    const jm_figure *figure = s->sheet->figure;
    write_head(s, path);
    write_axes(s);
    write_bar(s);
    write_around(s);
    for (size_t i = 0; i < figure->mark_count; i++)
        if (figure->marks[i]->kind == JM_MARK_SPAN) jmi_script_mark(s, figure->marks[i]);
    for (size_t i = 0; i < figure->mark_count; i++)
        if (figure->marks[i]->kind != JM_MARK_SPAN) jmi_script_mark(s, figure->marks[i]);
    jmi_text_add(&s->out, "plot NaN notitle%s\nunset output\n",
                 s->plot.data == NULL ? "" : s->plot.data);
    s->out.failed |= s->plot.failed;
}

static int check(jm_gnuplot_options *ours, const jm_gnuplot_options *theirs, jm_error *error) {
    if (theirs == NULL) return jmi_fail(error, JM_INVALID, "gnuplot needs options with a path");
    int status = jmi_take_struct(ours, sizeof *ours, theirs, "jm_gnuplot_options", error);
    if (status != JM_OK) return status;
    if (ours->path == NULL || ours->path[0] == '\0')
        return jmi_fail(error, JM_INVALID, "the file to write to has no name");
    for (const char *c = ours->path; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7F)
            return jmi_fail(error, JM_INVALID,
                            "gnuplot takes no control characters in the name of a file");
    if (ours->width_mm == 0) ours->width_mm = default_width_mm;
    if (!(ours->width_mm >= 30 && ours->width_mm <= 2000))
        return jmi_fail(error, JM_INVALID, "a figure is 30 to 2000 mm wide, not %g",
                        ours->width_mm);
    if (!(ours->height_mm >= 0 && ours->height_mm <= 2000))
        return jmi_fail(error, JM_INVALID, "a figure is up to 2000 mm high, not %g",
                        ours->height_mm);
    return JM_OK;
}

static const jmi_terminal *find_terminal(const char *format) {
    static const jmi_terminal known[] = {{"pdf", 72, 3, 0.275, false},
                                         {"svg", 0.75, 1.97, 0.25, true},
                                         {"png", 0.24, 0.84, 0.264, true}};
    for (size_t i = 0; i < JMI_COUNT(known); i++)
        if (format == NULL || strcmp(known[i].format, format) == 0) return &known[i];
    return NULL;
}

int jm_figure_gnuplot(const jm_figure *figure, const jm_gnuplot_options *options, char **script,
                      jm_error *error) {
    jm_gnuplot_options ours = {.size = 0};
    jmi_sheet sheet;
    if (script != NULL) *script = NULL;
    if (figure == NULL || script == NULL)
        return jmi_fail(error, JM_INVALID, "figure and script must not be NULL");
    int status = check(&ours, options, error);
    if (status != JM_OK) return status;
    jmi_script s = {.sheet = &sheet, .terminal = find_terminal(ours.format)};
    if (s.terminal == NULL)
        return jmi_fail(error, JM_INVALID, "gnuplot writes pdf, svg or png here, not '%.20s'",
                        ours.format);
    jmi_sheet_lay(&sheet, figure, ours.width_mm / point_mm, ours.height_mm / point_mm);
    /* Numbers have a point whatever the locale; it is changed once, there are many. */
    locale_t c = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0), before = (locale_t)0;
    if (c != (locale_t)0) before = uselocale(c);
    s.out.failed = sheet.failed || c == (locale_t)0;
    if (sheet.height < sheet.least_height)
        status = jmi_fail(error, JM_INVALID, "%s needs a height of at least %.0f mm", figure->name,
                          ceil(sheet.least_height * point_mm));
    else if (!s.out.failed)
        write_script(&s, ours.path);
    if (c != (locale_t)0) {
        uselocale(before);
        freelocale(c);
    }
    jmi_sheet_free(&sheet);
    jmi_text_free(&s.plot);
    if (status == JM_OK) return jmi_text_take(&s.out, script, error);
    jmi_text_free(&s.out);
    return status;
}
