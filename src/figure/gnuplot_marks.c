/* Marks for gnuplot. Data go into named blocks, rectangles and texts that are few into objects. */
#include "figure/gnuplot.h"

#include <math.h>

static void begin_block(jmi_script *s) {
    s->begin = s->out.length;
    s->rows = 0;
    jmi_text_add(&s->out, "$d%u << END\n", ++s->blocks);
}

static void add_number(jmi_script *s, double value, bool last) {
    jmi_script_number(&s->out, value);
    jmi_text_append(&s->out, last ? "\n" : " ", 1);
    s->rows += last;
}

/* False: it has no row, at which gnuplot would wonder, and is gone. */
static bool end_block(jmi_script *s) {
    jmi_text_add(&s->out, "END\n");
    if (s->rows > 0 || s->out.failed) return true;
    s->out.length = s->begin;
    s->out.data[s->begin] = '\0';
    s->blocks--;
    return false;
}

/* Begins an entry of the plot command for the last block: "using ... with ...". */
static void add_plot(jmi_script *s, const char *how) {
    if (s->plot.length > 0) jmi_text_add(&s->plot, ", \\\n     ");
    jmi_text_add(&s->plot, "$d%u %s", s->blocks, how);
}

static void add_title(jmi_script *s, const char *label) {
    if (label[0] == '\0') {
        jmi_text_add(&s->plot, " notitle");
        return;
    }
    jmi_text text = {0};
    jmi_script_shorten(label, (size_t)(0.7 * s->columns), &text);
    jmi_text_add(&s->plot, " title ");
    jmi_script_text(&s->plot, text.data == NULL ? "" : text.data, false);
    jmi_text_free(&text);
    s->keyed = true;
}

static const char *color_of(const jmi_mark *mark) {
    return mark->style & JM_STYLE_GUIDE ? "#888888" : jm_figure_color(mark->color, false);
}

static const char *dash_of(const jmi_mark *mark) {
    return mark->style & JM_STYLE_DASHED ? " dashtype (6,4)" : "";
}

/* ---- curves ---- */

/* Rows; a blank line where the curve is broken. */
static bool add_rows(jmi_script *s, const jmi_mark *mark, size_t test) {
    begin_block(s);
    for (size_t i = 0; i < mark->count; i++) {
        if (!isfinite(mark->column[test][i])) {
            jmi_text_append(&s->out, "\n", 1);
            continue;
        }
        add_number(s, mark->column[JMI_X][i], false);
        if (mark->kind == JM_MARK_AREA) {
            add_number(s, mark->column[JMI_LOW][i], false);
            add_number(s, mark->column[JMI_HIGH][i], true);
        } else {
            add_number(s, mark->column[JMI_Y][i], true);
        }
    }
    return end_block(s);
}

static void add_curve(jmi_script *s, const jmi_mark *mark) {
    if (!add_rows(s, mark, JMI_Y)) return;
    add_plot(s, mark->kind == JM_MARK_STEP ? "using 1:2 with steps" : "using 1:2 with lines");
    jmi_text_add(&s->plot, " lw %s lc rgb '%s'%s",
                 mark->style & (JM_STYLE_GUIDE | JM_STYLE_SMALL) ? "0.7" : "1", color_of(mark),
                 dash_of(mark));
    add_title(s, mark->label);
}

static void add_area(jmi_script *s, const jmi_mark *mark) {
    if (!add_rows(s, mark, JMI_LOW)) return;
    add_plot(s, "using 1:2:3 with filledcurves");
    jmi_text_add(&s->plot, " fs transparent solid 0.25 noborder fc rgb '%s'", color_of(mark));
    add_title(s, mark->label);
}

/* ---- bars, boxes, points ---- */

static void add_whiskers(jmi_script *s, const jmi_mark *mark, const char *color) {
    bool across = s->figure->y.categories;
    begin_block(s);
    for (size_t i = 0; i < mark->count; i++) {
        bool bar = mark->kind == JM_MARK_BAR;
        double low = mark->column[JMI_LOW][i], high = mark->column[JMI_HIGH][i];
        if (!isfinite(low) || !isfinite(high)) continue;
        double x = bar && !across ? (mark->column[JMI_X][i] + mark->column[JMI_X2][i]) / 2
                                  : mark->column[JMI_X][i];
        double y = bar && across ? (mark->column[JMI_Y][i] + mark->column[JMI_Y2][i]) / 2
                                 : mark->column[JMI_Y][i];
        add_number(s, across ? low : x, false);
        add_number(s, across ? y : low, false);
        add_number(s, low, false);
        add_number(s, high, true);
    }
    if (!end_block(s)) return;
    add_plot(s, across ? "using 1:2:3:4 with xerrorbars" : "using 1:2:3:4 with yerrorbars");
    jmi_text_add(&s->plot, " pt 0 lw 0.9 lc rgb '%s' notitle", color);
}

static void add_bars(jmi_script *s, const jmi_mark *mark) {
    begin_block(s);
    for (size_t i = 0; i < mark->count; i++) {
        add_number(s, mark->column[JMI_X][i], false);
        add_number(s, mark->column[JMI_X2][i], false);
        add_number(s, mark->column[JMI_Y][i], false);
        add_number(s, mark->column[JMI_Y2][i], true);
    }
    end_block(s);
    add_plot(s, "using (($1+$2)/2):(($3+$4)/2):1:2:3:4 with boxxyerror");
    jmi_text_add(&s->plot, " fs %s fc rgb '%s' %s",
                 mark->style & JM_STYLE_FAINT ? "transparent solid 0.5 noborder"
                 : s->figure->x.hidden        ? "solid 0.9 border lc rgb 'white'"
                                              : "solid 0.9 noborder",
                 color_of(mark), s->figure->x.hidden ? "lw 0.8" : "lw 0.3");
    add_title(s, mark->label);
    if (mark->column[JMI_LOW] != NULL) add_whiskers(s, mark, "#333333");
}

/* Lines of a box: whiskers with their caps, and the median. */
static void add_box_lines(jmi_script *s, const jmi_mark *mark, size_t i) {
    const double *const *c = (const double *const *)mark->column;
    double y = c[JMI_Y][i];
    const double lines[][4] = {{c[JMI_LOW][i], y, c[JMI_Q1][i], y},
                               {c[JMI_Q3][i], y, c[JMI_HIGH][i], y},
                               {c[JMI_LOW][i], y - 0.13, c[JMI_LOW][i], y + 0.13},
                               {c[JMI_HIGH][i], y - 0.13, c[JMI_HIGH][i], y + 0.13}};
    for (size_t k = 0; k < JMI_COUNT(lines); k++) {
        add_number(s, lines[k][0], false);
        add_number(s, lines[k][1], false);
        add_number(s, lines[k][2] - lines[k][0], false);
        add_number(s, lines[k][3] - lines[k][1], true);
    }
}

static void add_boxes(jmi_script *s, const jmi_mark *mark) {
    begin_block(s);
    for (size_t i = 0; i < mark->count; i++) {
        add_number(s, mark->column[JMI_Q1][i], false);
        add_number(s, mark->column[JMI_Q3][i], false);
        add_number(s, mark->column[JMI_Y][i], true);
    }
    end_block(s);
    add_plot(s, "using (($1+$2)/2):3:1:2:($3-0.28):($3+0.28) with boxxyerror");
    jmi_text_add(&s->plot, " fs transparent solid 0.35 border lc rgb '%s' fc rgb '%s' lw 0.8",
                 color_of(mark), color_of(mark));
    add_title(s, mark->label);
    begin_block(s);
    for (size_t i = 0; i < mark->count; i++) add_box_lines(s, mark, i);
    end_block(s);
    add_plot(s, "using 1:2:3:4 with vectors nohead");
    jmi_text_add(&s->plot, " lw 0.8 lc rgb '%s' notitle", color_of(mark));
    begin_block(s);
    for (size_t i = 0; i < mark->count; i++) {
        add_number(s, mark->column[JMI_X][i], false);
        add_number(s, mark->column[JMI_Y][i] - 0.28, true);
    }
    end_block(s);
    add_plot(s, "using 1:2:(0):(0.56) with vectors nohead");
    jmi_text_add(&s->plot, " lw 1.6 lc rgb '%s' notitle", color_of(mark));
}

static void add_points(jmi_script *s, const jmi_mark *mark) {
    begin_block(s);
    for (size_t i = 0; i < mark->count; i++) {
        if (!isfinite(mark->column[JMI_X][i]) || !isfinite(mark->column[JMI_Y][i])) continue;
        add_number(s, mark->column[JMI_X][i], false);
        add_number(s, mark->column[JMI_Y][i], true);
    }
    bool any = end_block(s);
    bool small = (mark->style & JM_STYLE_SMALL) != 0;
    if (any) {
        add_plot(s, "using 1:2 with points");
        jmi_text_add(&s->plot, " pt 7 ps %s lc rgb '%s'", small ? "0.28" : "0.5", color_of(mark));
        add_title(s, mark->label);
    }
    if (mark->column[JMI_LOW] != NULL) add_whiskers(s, mark, color_of(mark));
}

/* ---- objects ---- */

static void add_corner(jmi_script *s, const char *before, double x, double y) {
    jmi_text_add(&s->out, "%s", before);
    jmi_script_number(&s->out, x);
    jmi_text_append(&s->out, ",", 1);
    jmi_script_number(&s->out, y);
}

static void add_hexagons(jmi_script *s, const jmi_mark *mark) {
    static const double corners[][2] = {{0.5, -0.25}, {0.5, 0.25},   {0, 0.5},
                                        {-0.5, 0.25}, {-0.5, -0.25}, {0, -0.5}};
    const jmi_axis *axis = &s->figure->color;
    char shade[8];
    for (size_t i = 0; i < mark->count; i++) {
        double share = (mark->column[JMI_VALUE][i] - axis->min) / (axis->max - axis->min);
        jmi_text_add(&s->out, "set object %u polygon", ++s->objects);
        for (size_t k = 0; k < JMI_COUNT(corners) + 1; k++) {
            const double *corner = corners[k % JMI_COUNT(corners)];
            add_corner(s, k == 0 ? " from " : " to ",
                       mark->column[JMI_X][i] + corner[0] * mark->column[JMI_X2][i],
                       mark->column[JMI_Y][i] + corner[1] * mark->column[JMI_Y2][i]);
        }
        jmi_text_add(&s->out, " fs solid border lc rgb '%s' fc rgb '%s' lw 0.2\n",
                     jm_figure_shade(share, shade), shade);
    }
    begin_block(s); /* for the colour box alone */
    for (size_t i = 0; i < mark->count; i++) {
        add_number(s, mark->column[JMI_X][i], false);
        add_number(s, mark->column[JMI_Y][i], false);
        add_number(s, mark->column[JMI_VALUE][i], true);
    }
    end_block(s);
    add_plot(s, "using 1:2:3 with points pt 7 ps 0 lc palette notitle");
}

static void add_spans(jmi_script *s, const jmi_mark *mark) {
    for (size_t i = 0; i < mark->count; i++) {
        jmi_text_add(&s->out, "set object %u rectangle from ", ++s->objects);
        jmi_script_number(&s->out, mark->column[JMI_X][i]);
        jmi_text_add(&s->out, ",graph 0 to ");
        jmi_script_number(&s->out, mark->column[JMI_X2][i]);
        jmi_text_add(&s->out, ",graph 1 behind fs transparent solid 0.14 noborder fc rgb '%s'\n",
                     color_of(mark));
    }
    if (mark->label[0] == '\0') return;
    if (s->plot.length > 0) jmi_text_add(&s->plot, ", \\\n     ");
    jmi_text_add(&s->plot, "keyentry with boxes fs transparent solid 0.25 noborder fc rgb '%s'",
                 color_of(mark));
    add_title(s, mark->label);
}

static void add_texts(jmi_script *s, const jmi_mark *mark) {
    for (size_t i = 0; i < mark->count; i++) {
        jmi_text_add(&s->out, "set label ");
        jmi_script_text(&s->out, mark->text[i], false);
        add_corner(s, " at ", mark->column[JMI_X][i], mark->column[JMI_Y][i]);
        jmi_text_add(&s->out, " center front noenhanced font ',6.5' textcolor rgb 'white'\n");
    }
}

void jmi_script_mark(jmi_script *s, const jmi_mark *mark) {
    if (mark->count == 0) return;
    switch (mark->kind) {
    case JM_MARK_LINE:
    case JM_MARK_STEP: add_curve(s, mark); break;
    case JM_MARK_AREA: add_area(s, mark); break;
    case JM_MARK_BAR: add_bars(s, mark); break;
    case JM_MARK_BOX: add_boxes(s, mark); break;
    case JM_MARK_HEXAGON: add_hexagons(s, mark); break;
    case JM_MARK_POINT: add_points(s, mark); break;
    case JM_MARK_SPAN: add_spans(s, mark); break;
    case JM_MARK_TEXT: add_texts(s, mark); break;
    }
}
