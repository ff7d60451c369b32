/* Marks for gnuplot: data in named blocks, each listed for the one command that plots, and their
 * signs in the legend. */
#include "figure/gnuplot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double cap_points = 1.6, box_half = 0.3, dot_points = 1.5, small_dot_points = 0.85;
enum { DENSE = 400, SHADES = 64 };

/* ---- looks ---- */

/* How much is to be seen of what is translucent, as gnuplot wants it: 00 all, FF nothing. */
static const char *haze_of(const jmi_mark *mark) {
    bool faint = (mark->style & JM_STYLE_FAINT) != 0;
    switch (mark->kind) {
    case JM_MARK_SPAN: return "CF";
    case JM_MARK_AREA: return faint ? "B8" : "";
    case JM_MARK_BAR: return faint ? "99" : "";
    case JM_MARK_BOX: return "A6";
    case JM_MARK_POINT: return faint || mark->style & JM_STYLE_SMALL ? "4D" : "";
    default: return faint ? "80" : "";
    }
}

static const char *solid_color(const jmi_mark *mark) {
    return mark->style & JM_STYLE_GUIDE ? JMI_GUIDE : jm_figure_color(mark->color, false);
}

const char *jmi_script_color(const jmi_mark *mark, char text[12]) {
    snprintf(text, 12, "#%s%s", haze_of(mark), solid_color(mark) + 1);
    return text;
}

double jmi_script_line_width(const jmi_mark *mark) {
    if (mark->style & JM_STYLE_SMALL) return 0.5;
    if (mark->style & JM_STYLE_GUIDE) return 0.7;
    return mark->count > DENSE ? 0.6 : 0.9;
}

/* ---- data ---- */

static void begin_block(jmi_script *s) {
    jmi_text_add(&s->out, "$d%u << END\n", ++s->blocks);
    s->rows = 0;
}

/* Is there something to draw? gnuplot warns of blocks without. */
static bool end_block(jmi_script *s) {
    jmi_text_append(&s->out, "END\n", 4);
    return s->rows > 0;
}

static void put_row(jmi_script *s, const double *values, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i])) return;
    for (size_t i = 0; i < count; i++) {
        if (i > 0) jmi_text_append(&s->out, " ", 1);
        jmi_script_number(&s->out, values[i]);
    }
    jmi_text_append(&s->out, "\n", 1);
    s->rows++;
}
#define PUT_ROW(s, ...)                                                                            \
    put_row(s, (const double[]){__VA_ARGS__}, JMI_COUNT(((const double[]){__VA_ARGS__})))

static void put_break(jmi_script *s) {
    jmi_text_append(&s->out, "\n", 1);
}

/* A straight piece of a block that is drawn with lines. */
static void put_piece(jmi_script *s, double x, double y, double x2, double y2) {
    PUT_ROW(s, x, y);
    PUT_ROW(s, x2, y2);
    put_break(s);
}

/* Lists the last block: "using ... with ...". */
static void list_block(jmi_script *s, const char *how) {
    jmi_text_add(&s->plot, ", \\\n  $d%u %s", s->blocks, how);
}

static void list_color(jmi_script *s, const char *what, const char *color) {
    jmi_text_add(&s->plot, " %s rgb \"%s\"", what, color);
}

static void list_end(jmi_script *s) {
    jmi_text_add(&s->plot, " notitle");
}

static void list_lines(jmi_script *s, double width, const char *color) {
    list_block(s, "using 1:2 with lines");
    jmi_script_width(&s->plot, width);
    list_color(s, "linecolor", color);
    list_end(s);
}

/* `edge`: colour of the border, NULL: there is none. */
static void list_fill(jmi_script *s, const char *how, const char *color, const char *edge,
                      double width) {
    list_block(s, how);
    list_color(s, "fillcolor", color);
    jmi_text_add(&s->plot, " fillstyle solid %s", edge == NULL ? "noborder" : "border");
    if (edge != NULL) {
        list_color(s, "linecolor", edge);
        jmi_script_width(&s->plot, width);
    }
    list_end(s);
}

static const char *const rectangles = "using (($1+$2)/2):(($3+$4)/2):1:2:3:4 with boxxyerror";

/* ---- curves ---- */

/* A step as the two lines that it is: of gnuplot's own, dashes begin anew at each. */
static void put_step(jmi_script *s, double x, double y, double *held, bool last) {
    if (y != *held || last) PUT_ROW(s, x, *held);
    if (!isfinite(y) && isfinite(*held)) put_break(s);
    if (y != *held) PUT_ROW(s, x, y);
    *held = y;
}

static void put_point(jmi_script *s, double x, double y, double *held) {
    PUT_ROW(s, x, y);
    if (!isfinite(y) && isfinite(*held)) put_break(s);
    *held = y;
}

static void draw_curve(jmi_script *s, const jmi_mark *mark) {
    double held = (double)NAN;
    char color[12];
    begin_block(s);
    for (size_t i = 0; i < mark->count; i++) {
        double x = mark->column[JMI_X][i], y = mark->column[JMI_Y][i];
        if (!isfinite(x)) continue;
        if (mark->kind == JM_MARK_STEP)
            put_step(s, x, y, &held, i + 1 == mark->count);
        else
            put_point(s, x, y, &held);
    }
    if (!end_block(s)) return;
    list_block(s, "using 1:2 with lines");
    jmi_script_width(&s->plot, jmi_script_line_width(mark));
    list_color(s, "linecolor", jmi_script_color(mark, color));
    jmi_script_dash(s, &s->plot, mark, jmi_script_line_width(mark));
    list_end(s);
}

static void draw_area(jmi_script *s, const jmi_mark *mark) {
    bool held = false;
    char color[12];
    begin_block(s);
    for (size_t i = 0; i < mark->count; i++) {
        double low = mark->column[JMI_LOW][i], high = mark->column[JMI_HIGH][i];
        bool known = isfinite(low) && isfinite(high);
        if (known) PUT_ROW(s, mark->column[JMI_X][i], low, high);
        if (!known && held) put_break(s);
        held = known;
    }
    if (!end_block(s)) return;
    list_fill(s, "using 1:2:3 with filledcurves", jmi_script_color(mark, color), NULL, 0);
}

static void draw_span(jmi_script *s, const jmi_mark *mark) {
    const jmi_axis *y = &s->sheet->figure->y;
    char color[12];
    begin_block(s);
    for (size_t i = 0; i < mark->count; i++)
        PUT_ROW(s, mark->column[JMI_X][i], mark->column[JMI_X2][i], y->min, y->max);
    if (!end_block(s)) return;
    list_fill(s, rectangles, jmi_script_color(mark, color), NULL, 0);
}

/* ---- whiskers ---- */

/* One of the y axis' units, or of the x axis', in points. */
static double points_of_y(const jmi_sheet *sheet) {
    const jmi_axis *y = &sheet->figure->y;
    return (sheet->top - sheet->bottom) / (y->max - y->min);
}

static double points_of_x(const jmi_sheet *sheet) {
    const jmi_axis *x = &sheet->figure->x;
    return (sheet->right - sheet->left) / (x->max - x->min);
}

/* A line from `from` to `to` at `at` on the other axis, with a cap at `to`; `both`: at its two
 * ends.
 */
static void put_whisker(jmi_script *s, double at, double from, double to, bool both) {
    bool across = s->sheet->figure->y.categories;
    double half = cap_points / (across ? points_of_y(s->sheet) : points_of_x(s->sheet));
    const double ends[] = {to, from};
    if (!isfinite(at) || !isfinite(from) || !isfinite(to)) return;
    if (across)
        put_piece(s, from, at, to, at);
    else
        put_piece(s, at, from, at, to);
    for (size_t i = 0; i < (both ? 2u : 1u); i++) {
        if (across)
            put_piece(s, ends[i], at - half, ends[i], at + half);
        else
            put_piece(s, at - half, ends[i], at + half, ends[i]);
    }
}

static void draw_intervals(jmi_script *s, const jmi_mark *mark, const char *color) {
    bool across = s->sheet->figure->y.categories, bar = mark->kind == JM_MARK_BAR;
    const double *at = mark->column[across ? JMI_Y : JMI_X];
    const double *at2 = bar ? mark->column[across ? JMI_Y2 : JMI_X2] : at;
    if (mark->column[JMI_LOW] == NULL) return;
    begin_block(s);
    for (size_t i = 0; i < mark->count; i++)
        put_whisker(s, (at[i] + at2[i]) / 2, mark->column[JMI_LOW][i], mark->column[JMI_HIGH][i],
                    true);
    if (end_block(s)) list_lines(s, 0.7, color);
}

/* ---- bars, boxes, points ---- */

static int compare(const void *a, const void *b) {
    double first = *(const double *)a, second = *(const double *)b;
    return (first > second) - (first < second);
}

/* Have bars room for a white line between them? */
static bool wide_enough(const jmi_script *s, const jmi_mark *mark) {
    double *sides = jmi_alloc(mark->count, sizeof *sides);
    size_t count = 0;
    for (size_t i = 0; sides != NULL && i < mark->count; i++) {
        double x = fabs(mark->column[JMI_X2][i] - mark->column[JMI_X][i]) * points_of_x(s->sheet);
        double y = fabs(mark->column[JMI_Y2][i] - mark->column[JMI_Y][i]) * points_of_y(s->sheet);
        /* nothing at all is seen of bars of no height */
        if (x > 0 && y > 0) sides[count++] = x;
    }
    if (count > 0) qsort(sides, count, sizeof *sides, compare);
    bool wide = count > 0 && sides[count / 2] >= 3;
    free(sides);
    return wide;
}

/* The tops of bars that stand side by side: of translucent ones that lie on others' it is all that
 * tells them apart. */
static void draw_outline(jmi_script *s, const jmi_mark *mark) {
    const double *x = mark->column[JMI_X], *x2 = mark->column[JMI_X2];
    const double *y = mark->column[JMI_Y], *y2 = mark->column[JMI_Y2];
    begin_block(s);
    for (size_t i = 0; i < mark->count; i++) {
        bool goes_on = i + 1 < mark->count && x[i + 1] == x2[i];
        if (i == 0 || x[i] != x2[i - 1]) PUT_ROW(s, x[i], y[i]);
        PUT_ROW(s, x[i], y2[i]);
        PUT_ROW(s, x2[i], y2[i]);
        if (goes_on) continue;
        PUT_ROW(s, x2[i], y[i]);
        put_break(s);
    }
    if (end_block(s)) list_lines(s, 0.6, solid_color(mark));
}

static void draw_bars(jmi_script *s, const jmi_mark *mark) {
    bool outlined = mark->style & JM_STYLE_FAINT && !s->sheet->figure->y.categories;
    char color[12];
    begin_block(s);
    for (size_t i = 0; i < mark->count; i++)
        PUT_ROW(s, mark->column[JMI_X][i], mark->column[JMI_X2][i], mark->column[JMI_Y][i],
                mark->column[JMI_Y2][i]);
    if (end_block(s))
        list_fill(s, rectangles, jmi_script_color(mark, color),
                  !outlined && wide_enough(s, mark) ? "white" : NULL, 0.4);
    if (outlined) draw_outline(s, mark);
    draw_intervals(s, mark, "#333333");
}

static void draw_box_lines(jmi_script *s, const jmi_mark *mark) {
    begin_block(s);
    for (size_t i = 0; i < mark->count; i++) {
        double y = mark->column[JMI_Y][i];
        double q1 = mark->column[JMI_Q1][i], q3 = mark->column[JMI_Q3][i];
        if (!isfinite(q1) || !isfinite(q3)) continue;
        put_whisker(s, y, q1, mark->column[JMI_LOW][i], false);
        put_whisker(s, y, q3, mark->column[JMI_HIGH][i], false);
        PUT_ROW(s, q1, y - box_half);
        PUT_ROW(s, q3, y - box_half);
        PUT_ROW(s, q3, y + box_half);
        PUT_ROW(s, q1, y + box_half);
        PUT_ROW(s, q1, y - box_half);
        put_break(s);
    }
    if (end_block(s)) list_lines(s, 0.6, solid_color(mark));
    begin_block(s);
    for (size_t i = 0; i < mark->count; i++) {
        double x = mark->column[JMI_X][i], y = mark->column[JMI_Y][i];
        put_piece(s, x, y - box_half, x, y + box_half);
    }
    if (end_block(s)) list_lines(s, 1.4, solid_color(mark));
}

static void draw_boxes(jmi_script *s, const jmi_mark *mark) {
    char color[12];
    begin_block(s);
    for (size_t i = 0; i < mark->count; i++) {
        double y = mark->column[JMI_Y][i];
        PUT_ROW(s, mark->column[JMI_Q1][i], mark->column[JMI_Q3][i], y - box_half, y + box_half);
    }
    if (!end_block(s)) return;
    list_fill(s, rectangles, jmi_script_color(mark, color), NULL, 0);
    draw_box_lines(s, mark);
}

static void draw_points(jmi_script *s, const jmi_mark *mark) {
    bool small = (mark->style & JM_STYLE_SMALL) != 0;
    char color[12];
    draw_intervals(s, mark, solid_color(mark));
    begin_block(s);
    for (size_t i = 0; i < mark->count; i++) {
        double x = mark->column[JMI_X][i], y = mark->column[JMI_Y][i];
        PUT_ROW(s, x, y);
    }
    if (!end_block(s)) return;
    list_block(s, "using 1:2 with points");
    jmi_script_dot(s, &s->plot,
                   small                           ? small_dot_points
                   : mark->column[JMI_LOW] != NULL ? 1.2
                                                   : dot_points);
    list_color(s, "linecolor", jmi_script_color(mark, color));
    list_end(s);
}

/* ---- hexagons ---- */

static int shade_of(const jmi_script *s, double value) {
    const jmi_axis *axis = &s->sheet->figure->color;
    double share = (value - axis->min) / (axis->max - axis->min);
    if (!isfinite(share)) return -1;
    return (int)fmin(floor(fmax(share, 0) * SHADES), SHADES - 1);
}

static void put_hexagon(jmi_script *s, const jmi_mark *mark, size_t i) {
    static const double corners[][2] = {{0.5, -0.25}, {0.5, 0.25},   {0, 0.5},
                                        {-0.5, 0.25}, {-0.5, -0.25}, {0, -0.5}};
    for (size_t k = 0; k < JMI_COUNT(corners); k++)
        PUT_ROW(s, mark->column[JMI_X][i] + corners[k][0] * mark->column[JMI_X2][i],
                mark->column[JMI_Y][i] + corners[k][1] * mark->column[JMI_Y2][i]);
    put_break(s);
}

/* Those of one shade are one block of polygons. */
static void draw_hexagons(jmi_script *s, const jmi_mark *mark) {
    for (int shade = 0; shade < SHADES; shade++) {
        bool begun = false;
        for (size_t i = 0; i < mark->count; i++) {
            if (shade_of(s, mark->column[JMI_VALUE][i]) != shade) continue;
            if (!begun) begin_block(s);
            begun = true;
            put_hexagon(s, mark, i);
        }
        if (!begun || !end_block(s)) continue;
        char color[8];
        jm_figure_shade((shade + 0.5) / SHADES, color);
        /* the border leaves no seams between neighbours */
        list_fill(s, "using 1:2 with filledcurves closed", color, color, 0.15);
    }
}

/* ---- texts ---- */

/* What lies under a place: the colour of the last bar there, or NULL. */
static const char *ground(const jmi_script *s, double x, double y) {
    const jm_figure *figure = s->sheet->figure;
    const char *color = NULL;
    for (size_t m = 0; m < figure->mark_count; m++) {
        const jmi_mark *mark = figure->marks[m];
        if (mark->kind != JM_MARK_BAR || mark->style & JM_STYLE_FAINT) continue;
        for (size_t i = 0; i < mark->count; i++)
            if (x >= mark->column[JMI_X][i] && x <= mark->column[JMI_X2][i] &&
                y >= mark->column[JMI_Y][i] && y <= mark->column[JMI_Y2][i])
                color = solid_color(mark);
    }
    return color;
}

/* White or nearly black, whichever is read better on it (relative luminance of WCAG 2). */
static const char *ink_on(const char *color) {
    static const double weights[] = {0.2126, 0.7152, 0.0722};
    double luminance = 0;
    if (color == NULL) return JMI_INK;
    for (size_t i = 0; i < 3; i++) {
        const char digits[] = {color[1 + 2 * i], color[2 + 2 * i], '\0'};
        double part = (double)strtoul(digits, NULL, 16) / 255;
        luminance +=
            weights[i] * (part <= 0.03928 ? part / 12.92 : pow((part + 0.055) / 1.055, 2.4));
    }
    return luminance > 0.4 ? JMI_INK : "#FFFFFF";
}

static void draw_texts(jmi_script *s, const jmi_mark *mark) {
    const jmi_sheet *sheet = s->sheet;
    for (size_t i = 0; i < mark->count; i++) {
        double x = mark->column[JMI_X][i], y = mark->column[JMI_Y][i];
        double room = fabs(mark->column[JMI_X2][i]) * points_of_x(sheet) - 2;
        double high = fabs(mark->column[JMI_Y2][i]) * points_of_y(sheet);
        double size = fmin(JMI_TICK_SIZE, high / 1.1);
        if (!isfinite(x) || !isfinite(y) || !(size >= 4) || !(room > 2 * size)) continue;
        char *text = jmi_type_fit(mark->text[i], size, room);
        s->out.failed |= text == NULL;
        const char *ink = mark->style & JM_STYLE_GUIDE ? JMI_GUIDE : ink_on(ground(s, x, y));
        if (text != NULL)
            jmi_script_label(s, jmi_sheet_x(sheet, x), jmi_sheet_y(sheet, y), "center", size, ink,
                             text);
        free(text);
    }
}

void jmi_script_mark(jmi_script *s, const jmi_mark *mark) {
    if (mark->count == 0) return;
    switch (mark->kind) {
    case JM_MARK_LINE:
    case JM_MARK_STEP: draw_curve(s, mark); break;
    case JM_MARK_AREA: draw_area(s, mark); break;
    case JM_MARK_BAR: draw_bars(s, mark); break;
    case JM_MARK_BOX: draw_boxes(s, mark); break;
    case JM_MARK_HEXAGON: draw_hexagons(s, mark); break;
    case JM_MARK_POINT: draw_points(s, mark); break;
    case JM_MARK_SPAN: draw_span(s, mark); break;
    case JM_MARK_TEXT: draw_texts(s, mark); break;
    }
}

/* ---- signs of the legend ---- */

static void sign_point(jmi_script *s, const jmi_entry *entry) {
    const jmi_mark *mark = entry->mark;
    double middle = entry->x + jmi_sign_width / 2;
    const double from[] = {entry->x + 1, entry->y},
                 to[] = {entry->x + jmi_sign_width - 1, entry->y};
    if (mark->column[JMI_LOW] != NULL)
        jmi_script_line(s, from, to, 0.7, solid_color(mark), " front");
    jmi_text_add(&s->out, "set label \"\" at ");
    jmi_script_place(s, middle, entry->y);
    jmi_text_add(&s->out, " point");
    jmi_script_dot(s, &s->out, dot_points); /* small ones would not show their colour */
    jmi_text_add(&s->out, " linecolor rgb \"%s\" front\n", solid_color(mark));
}

void jmi_script_sign(jmi_script *s, const jmi_entry *entry) {
    const jmi_mark *mark = entry->mark;
    double end = entry->x + jmi_sign_width;
    const double from[] = {entry->x, entry->y}, to[] = {end, entry->y},
                 low[] = {entry->x + 1, entry->y - 2.6}, high[] = {end - 1, entry->y + 2.6};
    char color[12];
    jmi_text dash = {0};
    switch (mark->kind) {
    case JM_MARK_LINE:
    case JM_MARK_STEP:
        jmi_script_dash(s, &dash, mark, 1);
        jmi_text_add(&dash, " front");
        jmi_script_line(s, from, to, 1, jmi_script_color(mark, color), dash.data);
        jmi_text_free(&dash);
        break;
    case JM_MARK_POINT: sign_point(s, entry); break;
    case JM_MARK_AREA:
    case JM_MARK_BAR:
    case JM_MARK_BOX:
    case JM_MARK_SPAN:
    case JM_MARK_HEXAGON:
    case JM_MARK_TEXT: jmi_script_rectangle(s, low, high, jmi_script_color(mark, color)); break;
    }
}
