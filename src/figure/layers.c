/* Energy by layer and by kernel: the largest as bars, all of them as a map of areas. */
#include "figure/energy_bars.h"
#include "figure/make.h"
#include "figure/own_time.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_TOP = 15, MOST_TOP = 200, MOST_TILES = 80, MOST_BLOCKS = 7 };

/* ---- bars ---- */

/* What is not shown: energies, and bounds of those of which nothing more is known. */
static void note_rest(jm_figure *figure, const jmi_parts *parts, size_t shown, const char *what) {
    double rest_j = 0, most_j = 0;
    size_t estimated = 0, bounds = 0;
    char text[64];
    for (size_t i = shown; i < parts->count; i++) {
        const jm_energy *e = &parts->list[i].energy;
        if (jmi_energy_estimated(e))
            rest_j += e->energy_j, estimated++;
        else
            most_j += e->upper_j, bounds++;
    }
    if (estimated > 0)
        jmi_figure_note(figure, "%zu more %s took %s in all.", estimated, what,
                        jm_value_text(rest_j, (double)NAN, "J", text, sizeof text));
    if (bounds > 0 && isfinite(most_j))
        jmi_figure_note(figure, "Of %zu more %s only bounds are known: %s at most in all.", bounds,
                        what, jm_value_text(most_j, (double)NAN, "J", text, sizeof text));
    else if (bounds > 0)
        jmi_figure_note(figure, "Of %zu more %s only bounds are known.", bounds, what);
}

static int make_bars(jm_figures *f, jm_figure *figure, jm_category category, const char *what,
                     jm_error *error) {
    jmi_parts parts;
    size_t top = f->options.top == 0 ? DEFAULT_TOP : f->options.top;
    int status = jmi_parts_make(&parts, f, category, false, error);
    if (status != JM_OK) return status;
    if (top > MOST_TOP) top = MOST_TOP;
    size_t rows = parts.count < top ? parts.count : top;
    const char *names[MOST_TOP];
    for (size_t i = 0; i < rows; i++) names[i] = parts.list[i].name;
    jmi_bars bars = jmi_bars_begin(figure);
    for (size_t i = 0; i < rows; i++) jmi_bars_add(&bars, i, &parts.list[i].energy);
    jmi_axis_categories(figure, &figure->y, "", names, rows);
    jmi_axis_numbers(figure, &figure->x, "energy", "J", 0, bars.highest, JMI_AXIS_ZERO);
    jmi_bars_note(&bars);
    note_rest(figure, &parts, rows, what);
    jmi_parts_free(&parts);
    return JM_OK;
}

int jmi_make_layer_energy_bar(jm_figures *f, jm_figure *figure, jm_error *error) {
    return make_bars(f, figure, JM_CATEGORY_LAYER, "layers", error);
}

int jmi_make_kernel_energy_bar(jm_figures *f, jm_figure *figure, jm_error *error) {
    return make_bars(f, figure, JM_CATEGORY_KERNEL, "kernels", error);
}

/* ---- map ---- */

/* A rectangle is filled with tiles row by row along its shorter side, each row as long as that
 * makes its tiles more square ("squarified": Bruls, Huizing and van Wijk, 2000). */
typedef struct rectangle {
    double x, y, width, height;
} rectangle;

/* The worst ratio of sides of tiles whose areas are `least` to `most` and `sum` together. */
static double worst(double least, double most, double sum, double side) {
    double s2 = sum * sum, w2 = side * side;
    return fmax(w2 * most / s2, s2 / (w2 * least));
}

static size_t row_length(const double *areas, size_t count, double side) {
    double sum = areas[0], before = worst(areas[0], areas[0], sum, side);
    size_t length = 1;
    for (; length < count; length++) {
        double more = sum + areas[length];
        double now = worst(areas[length], areas[0], more, side);
        if (now > before) break;
        before = now;
        sum = more;
    }
    return length;
}

static void lay_row(const double *areas, size_t count, rectangle *left, rectangle *tiles) {
    bool upright = left->width >= left->height; /* the row stands at the left */
    double sum = 0, at = 0, side = upright ? left->height : left->width;
    for (size_t i = 0; i < count; i++) sum += areas[i];
    double thick = sum / side;
    for (size_t i = 0; i < count; i++) {
        double length = areas[i] / thick;
        tiles[i] = upright ? (rectangle){left->x, left->y + at, thick, length}
                           : (rectangle){left->x + at, left->y, length, thick};
        at += length;
    }
    if (upright)
        left->x += thick, left->width -= thick;
    else
        left->y += thick, left->height -= thick;
}

/* Areas, largest first, that fill the rectangle together. */
static void lay_tiles(const double *areas, size_t count, rectangle left, rectangle *tiles) {
    for (size_t i = 0; i < count;) {
        double side = fmin(left.width, left.height);
        if (!(side > 0)) side = 1e-9;
        size_t length = row_length(areas + i, count - i, side);
        lay_row(areas + i, length, &left, tiles + i);
        i += length;
    }
}

/* The part of a name by which layers belong together: what follows all names' common beginning, up
 * to the next dot. */
static size_t common_length(const jmi_parts *parts, size_t count) {
    size_t common = strlen(parts->list[0].name);
    for (size_t i = 1; i < count; i++) {
        size_t k = 0;
        while (k < common && parts->list[i].name[k] == parts->list[0].name[k]) k++;
        common = k;
    }
    while (common > 0 && parts->list[0].name[common - 1] != '.') common--;
    return common;
}

static size_t block_length(const char *name, size_t common) {
    return common + strcspn(name + common, ".");
}

/* A block of the model, which has a colour. */
typedef struct block {
    const char *name;
    size_t length;
    jmi_mark *tiles;
} block;

static block *block_of(block *blocks, size_t *count, jm_figure *figure, const char *name,
                       size_t length) {
    for (size_t i = 0; i < *count; i++)
        if (blocks[i].length == length && strncmp(blocks[i].name, name, length) == 0)
            return &blocks[i];
    if (*count == MOST_BLOCKS + 1) return &blocks[MOST_BLOCKS];
    block *fresh = &blocks[*count];
    bool other = *count == MOST_BLOCKS;
    char *label = other ? jmi_strdup("others") : strndup(name, length);
    *fresh = (block){other ? "" : name, other ? 0 : length, NULL};
    fresh->tiles = jmi_figure_add(figure, JM_MARK_BAR, label,
                                  other ? 6 : (uint32_t)(*count < 6 ? *count : 7), 0, false);
    free(label);
    ++*count;
    return fresh;
}

/* Names without what all of them share, or their ends, if a tile of a column's width has no room
 * for more. Returns NULL where not even four letters fit. */
static char *tile_text(const char *name, double share, double width, double height) {
    const double letter = 0.0195, line = 0.06; /* of 6.5 pt on 84 by 44 mm */
    size_t fits = (size_t)(width / letter), length = strlen(name);
    char *out = NULL;
    jmi_text text = {0};
    if (height < line || fits < 4) return NULL;
    if (length <= fits) {
        jmi_text_add(&text, "%s", name);
        if (length + 6 <= fits) jmi_text_add(&text, " %.0f %%", 100 * share);
    } else {
        const char *end = name + length - (fits - 1);
        while (((unsigned char)*end >> 6) == 2) end++; /* whole characters */
        jmi_text_add(&text, "\xE2\x80\xA6%s", end);
    }
    return jmi_text_take(&text, &out, NULL) == JM_OK ? out : NULL;
}

/* "conv1 and 3 more" as "conv1 +3": the beginning tells which. The caller's. */
static char *short_name(const char *name) {
    const char *and = strstr(name, " and "), *more = strstr(name, " more");
    jmi_text text = {0};
    char *out = NULL;
    if (and != NULL && more != NULL && more[5] == '\0' && more > and)
        jmi_text_add(&text, "%.*s +%.*s", (int)(and-name), name, (int)(more - and-5), and+5);
    else
        jmi_text_add(&text, "%s", name);
    return jmi_text_take(&text, &out, NULL) == JM_OK ? out : NULL;
}

static void draw_tiles(jm_figure *figure, const jmi_parts *parts, size_t count,
                       const rectangle *tiles, const double *areas, double rest) {
    block blocks[MOST_BLOCKS + 1];
    size_t block_count = 0, named = rest > 0 ? count - 1 : count;
    size_t common = common_length(parts, named);
    double total = 0;
    for (size_t i = 0; i < count; i++) total += areas[i];
    for (size_t i = 0; i < named; i++) {
        const char *name = parts->list[i].name;
        block *b = block_of(blocks, &block_count, figure, name, block_length(name, common));
        JMI_PUT(b->tiles, tiles[i].x, tiles[i].x + tiles[i].width, tiles[i].y,
                tiles[i].y + tiles[i].height);
    }
    jmi_mark *others =
        rest > 0 ? jmi_figure_add(figure, JM_MARK_BAR, "the rest", 6, 0, false) : NULL;
    if (others != NULL)
        JMI_PUT(others, tiles[named].x, tiles[named].x + tiles[named].width, tiles[named].y,
                tiles[named].y + tiles[named].height);
    jmi_mark *texts = jmi_figure_add(figure, JM_MARK_TEXT, "", 0, 0, false);
    for (size_t i = 0; i < named; i++) {
        char *name = short_name(parts->list[i].name + common);
        char *text = name == NULL
                         ? NULL
                         : tile_text(name, areas[i] / total, tiles[i].width, tiles[i].height);
        free(name);
        if (text != NULL)
            jmi_mark_put_text(texts, tiles[i].x + tiles[i].width / 2,
                              tiles[i].y + tiles[i].height / 2, tiles[i].width, tiles[i].height,
                              text);
        free(text);
    }
}

int jmi_make_layer_energy_treemap(jm_figures *f, jm_figure *figure, jm_error *error) {
    jmi_parts parts;
    double areas[MOST_TILES + 1], sum = 0, rest = 0;
    rectangle tiles[MOST_TILES + 1];
    int status = jmi_parts_make(&parts, f, JM_CATEGORY_LAYER, false, error);
    if (status != JM_OK) return status;
    size_t known = 0, bounds = 0;
    for (size_t i = 0; i < parts.count; i++) {
        const jm_energy *e = &parts.list[i].energy;
        if (!jmi_energy_estimated(e))
            bounds++;
        else if (!(e->energy_j > 0))
            continue;
        else if (known < MOST_TILES)
            areas[known++] = e->energy_j;
        else
            rest += e->energy_j;
    }
    if (known > 0) {
        size_t count = known;
        if (rest > 0) areas[count++] = rest;
        for (size_t i = 0; i < count; i++) sum += areas[i];
        for (size_t i = 0; i < count; i++) areas[i] /= sum;
        lay_tiles(areas, count, (rectangle){0, 0, 1, 1}, tiles);
        draw_tiles(figure, &parts, count, tiles, areas, rest);
        jmi_axis_hidden(&figure->x, 1);
        jmi_axis_hidden(&figure->y, 1);
        char text[64];
        jmi_figure_note(figure, "Areas: energy of each layer's own time, %s in all.",
                        jm_value_text(sum, (double)NAN, "J", text, sizeof text));
        if (bounds > 0)
            jmi_figure_note(figure, "Of %zu more layers only bounds are known.", bounds);
    } else {
        status = jmi_fail(error, JM_NO_DATA, "of all layers only bounds are known");
    }
    jmi_parts_free(&parts);
    return status;
}
