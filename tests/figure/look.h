/* Figures as tests look at them. */
#ifndef FIGURE_LOOK_H
#define FIGURE_LOOK_H

#include "figure/source.h"
#include "fixture.h"

static inline jm_figure *make(const jm_recording *recording, const char *name,
                              const jm_figure_options *options) {
    jm_figures *figures;
    jm_figure *figure;
    jm_error error = {0};
    fixture_ok(jm_figures_open(&figures, recording, options, &error), &error);
    fixture_ok(jm_figures_make(figures, name, &figure, &error), &error);
    jm_figures_close(figures);
    return figure;
}

static inline jm_figure_info info_of(const jm_figure *figure) {
    jm_figure_info info = {.size = sizeof info};
    assert_int_equal(jm_figure_get(figure, &info), JM_OK);
    return info;
}

/* The n-th mark of a kind (from 0); `count` 0: there is none. */
static inline jm_figure_mark mark_of(const jm_figure *figure, jm_mark_kind kind, uint32_t n) {
    for (uint32_t i = 0; i < info_of(figure).mark_count; i++) {
        jm_figure_mark mark = {.size = sizeof mark};
        assert_int_equal(jm_figure_get_mark(figure, i, &mark), JM_OK);
        if (mark.kind == kind && n-- == 0) return mark;
    }
    return (jm_figure_mark){.size = 0};
}

static inline bool near(double a, double b) {
    return fabs(a - b) <= 1e-9 * fmax(1, fmax(fabs(a), fabs(b)));
}
#define assert_near(a, b)                                                                          \
    do {                                                                                           \
        double near_a = (a), near_b = (b);                                                         \
        if (!near(near_a, near_b)) fail_msg("%s is %.12g, not %.12g", #a, near_a, near_b);         \
    } while (0)

#endif
