#include "figure/gnuplot.h"

#include "record/recording.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double default_width_mm = 89, point_mm = 25.4 / 72;

/* ---- texts and numbers ---- */

void jmi_script_text(jmi_text *out, const char *text, bool format) {
    size_t length = strlen(text);
    char *clean = malloc(length + 1);
    if (clean == NULL) {
        out->failed = true;
        return;
    }
    jmi_utf8_clean(clean, text, length);
    clean[length] = '\0';
    jmi_text_append(out, "\"", 1);
    for (const char *c = clean; *c != '\0'; c++) {
        bool control = (unsigned char)*c < ' ' || *c == 0x7F;
        if (control)
            jmi_text_append(out, " ", 1);
        else if (strchr("`'\"\\@$%", *c) == NULL)
            jmi_text_append(out, c, 1);
        else
            jmi_text_add(out, *c == '%' && format ? "\\%03o\\%03o" : "\\%03o", (unsigned)*c,
                         (unsigned)*c);
    }
    jmi_text_append(out, "\"", 1);
    free(clean);
}

void jmi_script_number(jmi_text *out, double value) {
    char text[40];
    if (isfinite(value))
        jmi_text_add(out, "%s", jmi_format_double(value, text, sizeof text));
    else
        jmi_text_append(out, "NaN", 3);
}

void jmi_script_shorten(const char *name, size_t most, jmi_text *out) {
    size_t letters = 0, length = strlen(name), head = 0, tail = 0;
    for (const char *c = name; *c != '\0'; c++) letters += ((unsigned char)*c >> 6) != 2;
    if (letters <= most) {
        jmi_text_append(out, name, length);
        return;
    }
    size_t keep = most > 3 ? most - 1 : 2, begin = keep / 2, end = keep - begin;
    for (size_t seen = 0; head < length; head++) {
        if (((unsigned char)name[head] >> 6) != 2 && seen++ == begin) break;
    }
    for (size_t seen = 0; tail < length; tail++)
        if (((unsigned char)name[length - 1 - tail] >> 6) != 2 && ++seen == end) {
            tail++;
            break;
        }
    jmi_text_append(out, name, head);
    jmi_text_append(out, "\xE2\x80\xA6", 3);
    jmi_text_append(out, name + length - tail, tail);
}

/* ---- sizes ---- */

typedef struct sheet {
    const char *terminal; /* pdfcairo, pngcairo, svg */
    double unit_mm;       /* one of the terminal's size */
    double scale;         /* of fonts and lines */
    double width_mm, height_mm;
} sheet;

/* The note beneath, in lines of so many letters. */
static size_t wrap(const char *note, size_t most, jmi_text *out) {
    size_t lines = 0;
    while (*note != '\0') {
        size_t length = strlen(note), take = length;
        if (length > most) {
            take = most;
            while (take > 0 && note[take] != ' ') take--;
            if (take == 0) take = most;
        }
        if (lines++ > 0) jmi_text_append(out, "\n", 1);
        jmi_text_append(out, note, take);
        note += take;
        note += strspn(note, " ");
    }
    return lines;
}

/* How many columns a legend has, and how many rows. */
static size_t legend_columns(const jm_figure *figure, double columns, size_t *rows) {
    size_t labels = 0, longest = 0;
    for (size_t i = 0; i < figure->mark_count; i++) {
        size_t length = figure->marks[i]->count == 0 ? 0 : strlen(figure->marks[i]->label);
        if (length == 0) continue;
        labels++;
        if (length > longest) longest = length;
    }
    size_t across = (size_t)fmax(1.1 * columns / (double)(longest + 6), 1);
    *rows = (labels + across - 1) / across;
    return across;
}

static double height_for(const jm_figure *figure, double width_mm, double columns, size_t notes) {
    size_t rows;
    legend_columns(figure, columns, &rows);
    double legend = 3.4 * (double)rows, note = 2.6 * (double)notes;
    double body = figure->y.categories ? 4.6 * ((double)figure->y.tick_count + 0.6)
                                       : 0.5 * fmin(width_mm, 130);
    return fmax(body, figure->y.categories ? 12 : 0) + legend + note + 12;
}

/* ---- settings ---- */

/* Of a category's name. */
static double most_letters(const jmi_script *s) {
    return 0.42 * s->columns;
}

/* Beside long names of categories there is room for fewer numbers: for each, for every second. */
static size_t tick_step(const jmi_script *s, const jmi_axis *axis) {
    const jmi_axis *names = &s->figure->y;
    size_t longest = 0, letters = 0;
    if (!names->categories || axis == names) return 1;
    for (size_t i = 0; i < names->tick_count; i++) {
        size_t length = strlen(names->tick_text[i]);
        if (length > longest) longest = length;
    }
    double room = s->columns - fmin((double)longest, most_letters(s)) - 7;
    for (size_t i = 0; i < axis->tick_count; i++) letters += strlen(axis->tick_text[i]) + 3;
    return (size_t)fmax(ceil((double)letters / room), 1);
}

static void write_ticks(jmi_script *s, const jmi_axis *axis, const char *name) {
    bool label = axis->label != NULL && axis->label[0] != '\0';
    size_t most = (size_t)most_letters(s), step = tick_step(s, axis);
    if (axis->hidden) {
        jmi_text_add(&s->out, "unset %stics\n", name);
        return;
    }
    jmi_text_add(&s->out, "set %stics nomirror out scale %s offset 0,%s (", name,
                 axis->categories ? "0" : "0.5", name[0] == 'x' ? "0.25" : "0");
    for (size_t i = 0; i < axis->tick_count; i += step) {
        jmi_text text = {0};
        if (i > 0) jmi_text_append(&s->out, ", ", 2);
        jmi_script_shorten(axis->tick_text[i], axis->categories ? most : 64, &text);
        jmi_script_text(&s->out, text.data == NULL ? "" : text.data, true);
        jmi_text_append(&s->out, " ", 1);
        jmi_script_number(&s->out, axis->tick[i]);
        jmi_text_free(&text);
    }
    jmi_text_append(&s->out, ")\n", 2);
    if (!label) return;
    jmi_text_add(&s->out, "set %slabel ", name);
    jmi_script_text(&s->out, axis->label, false);
    jmi_text_add(&s->out, name[0] == 'x'   ? " offset 0,0.35\n"
                          : name[0] == 'y' ? " offset 0.3,0\n"
                                           : " offset 0.8,0\n");
}

static void write_range(jmi_script *s, const jmi_axis *axis, const char *name) {
    double low = axis->categories ? axis->max : axis->min; /* from the top down */
    double high = axis->categories ? axis->min : axis->max;
    jmi_text_add(&s->out, "set %srange [", name);
    jmi_script_number(&s->out, low);
    jmi_text_append(&s->out, ":", 1);
    jmi_script_number(&s->out, high);
    jmi_text_append(&s->out, "]\n", 2);
}

static void write_colorbox(jmi_script *s) {
    char shade[8];
    if (s->figure->color.label == NULL) return;
    jmi_text_add(&s->out, "set palette defined (");
    for (int i = 0; i <= 10; i++)
        jmi_text_add(&s->out, "%s%d '%s'", i > 0 ? ", " : "", i, jm_figure_shade(i / 10.0, shade));
    jmi_text_add(&s->out, ")\nset colorbox noborder\n");
    write_range(s, &s->figure->color, "cb");
    write_ticks(s, &s->figure->color, "cb");
}

static void write_note(jmi_script *s, const char *note, size_t lines) {
    const char *grid = s->figure->y.categories ? "x" : "y";
    /* in letters' heights: ticks, the axis' label, the note */
    double margin = (s->figure->x.hidden ? 0.6 : 3.1) + 0.95 * (double)lines;
    jmi_text_add(&s->out, "set bmargin ");
    jmi_script_number(&s->out, margin);
    jmi_text_append(&s->out, "\n", 1);
    if (!s->figure->x.hidden)
        jmi_text_add(&s->out, "set grid %stics lt 1 lc rgb '#e4e4e4' lw 0.5\n", grid);
    for (size_t i = 0; i < lines; i++) {
        size_t length = strcspn(note, "\n");
        char *line = strndup(note, length);
        jmi_text_add(&s->out, "set label %zu ", i + 1);
        jmi_script_text(&s->out, line == NULL ? "" : line, false);
        jmi_text_add(&s->out,
                     " at screen 0, screen 0 offset 1, %d.%d left noenhanced font ',6' textcolor "
                     "rgb '#666666'\n",
                     (int)(lines - i - 1), 5);
        free(line);
        note += length + (note[length] == '\n');
    }
}

static void write_head(jmi_script *s, const sheet *page, const char *path) {
    double width = page->width_mm / page->unit_mm, height = page->height_mm / page->unit_mm;
    bool pdf = strcmp(page->terminal, "pdfcairo") == 0;
    jmi_text_add(&s->out,
                 "# %s\nset encoding utf8\nset terminal %s noenhanced font 'Helvetica,7' "
                 "fontscale ",
                 s->figure->name, page->terminal);
    jmi_script_number(&s->out, page->scale);
    if (strcmp(page->terminal, "svg") != 0) {
        jmi_text_add(&s->out, " linewidth ");
        jmi_script_number(&s->out, page->scale);
    }
    jmi_text_add(&s->out, " size ");
    jmi_script_number(&s->out, pdf ? width : floor(width));
    jmi_text_add(&s->out, pdf ? "cm," : ",");
    jmi_script_number(&s->out, pdf ? height : floor(height));
    jmi_text_add(&s->out, pdf ? "cm\nset output " : "\nset output ");
    jmi_script_text(&s->out, path, false);
    jmi_text_add(&s->out,
                 "\nset border %d lw 0.5 lc rgb '#555555'\nset tics textcolor rgb '#222222'\n",
                 s->figure->x.hidden       ? 0
                 : s->figure->y.categories ? 1
                                           : 3);
    size_t rows, across = legend_columns(s->figure, s->columns, &rows);
    jmi_text_add(
        &s->out,
        "set key at screen 0.015, screen 0.99 left top Left reverse horizontal maxcols %zu "
        "samplen 1.2 spacing 1.05 width 0.5 font ',6.5'\nset tmargin ",
        across);
    jmi_script_number(&s->out, 1 + 1.08 * (double)rows);
    jmi_text_append(&s->out, "\n", 1);
}

/* ---- the whole ---- */

static int take_options(jm_gnuplot_options *ours, sheet *page, const jm_gnuplot_options *theirs,
                        jm_error *error) {
    static const struct {
        const char *format;
        sheet page;
    } known[] = {{"pdf", {"pdfcairo", 10, 1, 0, 0}},
                 {"svg", {"svg", 25.4 / 96, 96.0 / 72, 0, 0}},
                 {"png", {"pngcairo", 25.4 / 300, 300.0 / 96, 0, 0}}};
    if (theirs == NULL) return jmi_fail(error, JM_INVALID, "gnuplot needs options with a path");
    int status = jmi_take_struct(ours, sizeof *ours, theirs, "jm_gnuplot_options", error);
    if (status != JM_OK) return status;
    if (ours->format == NULL) ours->format = "pdf";
    size_t i = 0;
    while (i < JMI_COUNT(known) && strcmp(known[i].format, ours->format) != 0) i++;
    if (i == JMI_COUNT(known))
        return jmi_fail(error, JM_INVALID, "gnuplot writes pdf, svg or png here, not '%.20s'",
                        ours->format);
    *page = known[i].page;
    if (ours->path == NULL || ours->path[0] == '\0')
        return jmi_fail(error, JM_INVALID, "the file to write to has no name");
    for (const char *c = ours->path; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7F)
            return jmi_fail(error, JM_INVALID,
                            "gnuplot takes no control characters in the name of a file");
    page->width_mm = ours->width_mm > 0 ? ours->width_mm : default_width_mm;
    if (page->width_mm < 30 || page->width_mm > 2000 || ours->height_mm < 0 ||
        ours->height_mm > 2000)
        return jmi_fail(error, JM_INVALID, "a figure is 30 to 2000 mm wide and high");
    return JM_OK;
}

/* A path that does not begin with what gnuplot takes for a pipe. */
static char *plain_path(const char *path) {
    jmi_text text = {0};
    char *out = NULL;
    jmi_text_add(&text, "%s%s", path[0] == '|' || path[0] == '<' || path[0] == '>' ? "./" : "",
                 path);
    return jmi_text_take(&text, &out, NULL) == JM_OK ? out : NULL;
}

static void write_script(jmi_script *s, const sheet *page, const char *path, const char *note,
                         size_t lines) {
    write_head(s, page, path);
    write_range(s, &s->figure->x, "x");
    write_range(s, &s->figure->y, "y");
    write_ticks(s, &s->figure->x, "x");
    write_ticks(s, &s->figure->y, "y");
    write_colorbox(s);
    write_note(s, note, lines);
    for (size_t i = 0; i < s->figure->mark_count; i++) jmi_script_mark(s, s->figure->marks[i]);
    if (!s->keyed) jmi_text_add(&s->out, "unset key\n");
    if (s->figure->color.label == NULL) jmi_text_add(&s->out, "set rmargin 2\n");
    jmi_text_add(&s->out, "plot %s\nunset output\n",
                 s->plot.data == NULL ? "NaN notitle" : s->plot.data);
}

int jm_figure_gnuplot(const jm_figure *figure, const jm_gnuplot_options *options, char **script,
                      jm_error *error) {
    jm_gnuplot_options ours;
    sheet page = {.scale = 1};
    if (script != NULL) *script = NULL;
    if (figure == NULL || script == NULL)
        return jmi_fail(error, JM_INVALID, "figure and script must not be NULL");
    int status = take_options(&ours, &page, options, error);
    if (status != JM_OK) return status;
    jmi_script s = {.figure = figure, .columns = page.width_mm / (0.56 * 7 * point_mm)};
    jmi_text note = {0};
    size_t lines =
        wrap(figure->note.data == NULL ? "" : figure->note.data, (size_t)(1.1 * s.columns), &note);
    page.height_mm =
        ours.height_mm > 0 ? ours.height_mm : height_for(figure, page.width_mm, s.columns, lines);
    char *path = plain_path(ours.path);
    if (path != NULL) write_script(&s, &page, path, note.data == NULL ? "" : note.data, lines);
    s.out.failed |= path == NULL || s.plot.failed || note.failed;
    free(path);
    jmi_text_free(&note);
    jmi_text_free(&s.plot);
    return jmi_text_take(&s.out, script, error);
}
