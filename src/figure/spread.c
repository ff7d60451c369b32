/* Histograms and distribution functions: the share of time at each power or utilisation. */
#include "figure/make.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The curves of one figure: of each lane, and of both utilisations. */
typedef struct item {
    const jmi_lane *lane;
    jmi_shown which;
    jmi_distribution distribution;
    jmi_stretch *stretch;
    char label[160];
} item;

typedef struct items {
    item *list;
    size_t count;
    size_t kinds;     /* of utilisation that are shown */
    jmi_stretch *all; /* of all items, for what they have in common */
} items;

static void free_items(items *all) {
    for (size_t i = 0; i < all->count; i++) {
        jmi_distribution_free(&all->list[i].distribution);
        free(all->list[i].stretch);
    }
    free(all->list);
    free(all->all);
}

/* "gpu0", "GPU", or "gpu0 GPU" where there are several of both. */
static void label_item(const items *all, const jm_figures *f, item *it) {
    const char *word = it->which == JMI_SHOWN_GPU_UTIL ? "GPU" : "memory";
    if (all->kinds < 2)
        snprintf(it->label, sizeof it->label, "%s", it->lane->name);
    else if (f->lane_count < 2)
        snprintf(it->label, sizeof it->label, "%s", word);
    else
        snprintf(it->label, sizeof it->label, "%s %s", it->lane->name, word);
}

static int make_item(const jm_figures *f, items *all, const jmi_lane *lane, jmi_shown which,
                     jm_error *error) {
    item *it = &all->list[all->count];
    *it = (item){.lane = lane, .which = which};
    it->stretch = jmi_whole(f, &lane->curve[which]);
    if (it->stretch == NULL) return jmi_fail(error, JM_MEMORY, "out of memory for a distribution");
    int status = jmi_distribution_make(&it->distribution, it->stretch, 1, error);
    if (status != JM_OK) {
        free(it->stretch);
        return status == JM_NO_DATA ? JM_OK : status;
    }
    all->all[all->count] = *it->stretch;
    label_item(all, f, it);
    all->count++;
    return JM_OK;
}

static int make_items(jm_figures *f, bool utilisations, items *all, jm_error *error) {
    bool shown[JMI_SHOWN] = {[JMI_SHOWN_POWER] = !utilisations};
    *all = (items){.count = 0};
    int status = utilisations ? jmi_need_utilisations(f, shown, error)
                              : jmi_need_curves(f, JMI_SHOWN_POWER, error);
    if (status != JM_OK) return status;
    all->kinds = (size_t)shown[JMI_SHOWN_GPU_UTIL] + shown[JMI_SHOWN_MEM_UTIL];
    all->list = jmi_alloc(JMI_SHOWN * f->lane_count + 1, sizeof *all->list);
    all->all = jmi_alloc(JMI_SHOWN * f->lane_count + 1, sizeof *all->all);
    if (all->list == NULL || all->all == NULL)
        return jmi_fail(error, JM_MEMORY, "out of memory for distributions");
    for (jmi_shown which = 0; status == JM_OK && which < JMI_SHOWN; which++)
        for (size_t i = 0; status == JM_OK && i < f->lane_count; i++)
            if (shown[which] && f->lanes[i].has[which])
                status = make_item(f, all, &f->lanes[i], which, error);
    if (status == JM_OK && all->count == 0)
        status = jmi_fail(error, JM_NO_DATA, "%s was not measured",
                          jmi_shown_word(utilisations ? JMI_SHOWN_GPU_UTIL : JMI_SHOWN_POWER));
    return status;
}

static uint32_t color_of(const items *all, size_t i) {
    return (uint32_t)(all->kinds > 1 ? i : all->list[i].lane->color);
}

/* ---- histograms ---- */

/* Bins of the same width for all items. */
static int choose_bins(items *all, double *low, double *high, size_t *count, jm_error *error) {
    jmi_distribution pooled, *d = &all->list[0].distribution;
    double quartiles[2];
    int status = JM_OK;
    if (all->count > 1) {
        status = jmi_distribution_make(&pooled, all->all, all->count, error);
        d = &pooled;
    }
    if (status != JM_OK) return status;
    status = jmi_distribution_quantiles(d, (const double[]){0.25, 0.75}, 2, quartiles, error);
    if (status == JM_OK) *count = jmi_distribution_bins(d, quartiles[0], quartiles[1]);
    *low = d->min, *high = d->max;
    if (!(*high > *low)) *low -= 0.5, *high += 0.5;
    if (all->count > 1) jmi_distribution_free(&pooled);
    return status;
}

static void draw_hist(jm_figure *figure, const items *all, double low, double high, size_t bins,
                      double *time_s) {
    uint32_t style = all->count > 1 ? JM_STYLE_FAINT : 0;
    double highest = 0;
    for (size_t i = 0; i < all->count; i++) {
        jmi_distribution_count(&all->list[i].distribution, low, high, time_s, bins);
        jmi_mark *mark =
            jmi_figure_add(figure, JM_MARK_BAR, all->list[i].label, color_of(all, i), style, false);
        for (size_t k = 0; k < bins; k++) {
            double left = low + (high - low) * (double)k / (double)bins;
            double right = low + (high - low) * (double)(k + 1) / (double)bins;
            JMI_PUT(mark, left, right, 0, time_s[k]);
            highest = fmax(highest, time_s[k]);
        }
    }
    jmi_axis_numbers(figure, &figure->y, "time", "s", 0, highest, JMI_AXIS_ZERO);
}

/* A reading that held for no time has no place in a figure of times. */
static int drop_unweighed(items *all, jm_error *error) {
    size_t kept = 0;
    for (size_t i = 0; i < all->count; i++) {
        if (all->list[i].distribution.unweighed) {
            jmi_distribution_free(&all->list[i].distribution);
            free(all->list[i].stretch);
            continue;
        }
        all->all[kept] = all->all[i];
        all->list[kept++] = all->list[i];
    }
    all->count = kept;
    if (kept > 0) return JM_OK;
    return jmi_fail(error, JM_NO_DATA, "no reading held for any time: the recording is too short");
}

static int make_hist(jm_figures *f, jm_figure *figure, bool utilisations, jm_error *error) {
    items all;
    double low = 0, high = 1;
    size_t bins = 1;
    int status = make_items(f, utilisations, &all, error);
    if (status == JM_OK) status = drop_unweighed(&all, error);
    if (status == JM_OK) status = choose_bins(&all, &low, &high, &bins, error);
    double *time_s = status == JM_OK ? jmi_alloc(bins, sizeof *time_s) : NULL;
    if (status == JM_OK && time_s == NULL)
        status = jmi_fail(error, JM_MEMORY, "out of memory for a histogram");
    if (status == JM_OK) {
        draw_hist(figure, &all, low, high, bins, time_s);
        jmi_axis_numbers(figure, &figure->x, utilisations ? "utilisation" : "power",
                         utilisations ? "%" : "W", low, high, 0);
    }
    free(time_s);
    free_items(&all);
    return status;
}

int jmi_make_power_hist(jm_figures *f, jm_figure *figure, jm_error *error) {
    return make_hist(f, figure, false, error);
}

int jmi_make_util_hist(jm_figures *f, jm_figure *figure, jm_error *error) {
    return make_hist(f, figure, true, error);
}

/* ---- distribution functions ---- */

/* A step, with its median and 90th percentile as points and in its label. */
static int draw_ecdf(const jm_figures *f, jm_figure *figure, const items *all, size_t i,
                     jm_error *error) {
    const item *it = &all->list[i];
    const char *unit = it->which == JMI_SHOWN_POWER ? "W" : "%";
    double at[2];
    int status =
        jmi_distribution_quantiles(&it->distribution, (const double[]){0.5, 0.9}, 2, at, error);
    if (status != JM_OK) return status;
    jmi_text label = {0};
    jmi_text_add(&label, "%s: median %.4g %s, p90 %.4g %s", it->label, at[0], unit, at[1], unit);
    jmi_mark *step = jmi_figure_add(figure, JM_MARK_STEP, label.data, color_of(all, i), 0, false);
    jmi_mark *points = jmi_figure_add(figure, JM_MARK_POINT, "", color_of(all, i), 0, false);
    jmi_text_free(&label);
    jmi_distribution_draw(&it->distribution, jmi_pixels(f), step);
    JMI_PUT(points, at[0], 0.5);
    JMI_PUT(points, at[1], 0.9);
    return JM_OK;
}

static int make_ecdf(jm_figures *f, jm_figure *figure, bool utilisations, jm_error *error) {
    items all;
    double low = INFINITY, high = -INFINITY;
    int status = make_items(f, utilisations, &all, error);
    for (size_t i = 0; status == JM_OK && i < all.count; i++) {
        low = fmin(low, all.list[i].distribution.min);
        high = fmax(high, all.list[i].distribution.max);
        status = draw_ecdf(f, figure, &all, i, error);
    }
    free_items(&all);
    if (status != JM_OK) return status;
    jmi_axis_numbers(figure, &figure->x, utilisations ? "utilisation" : "power",
                     utilisations ? "%" : "W", low, high, 0);
    jmi_axis_numbers(figure, &figure->y, "share of time", "", 0, 1, JMI_AXIS_ZERO);
    return JM_OK;
}

int jmi_make_power_ecdf(jm_figures *f, jm_figure *figure, jm_error *error) {
    return make_ecdf(f, figure, false, error);
}

int jmi_make_util_ecdf(jm_figures *f, jm_figure *figure, jm_error *error) {
    return make_ecdf(f, figure, true, error);
}
