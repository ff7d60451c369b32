/* What repeats and comparisons come to, in words and numbers for people. */
#include "report/format.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *give(const char *from, char *text, size_t size) {
    if (size > 0) snprintf(text, size, "%s", from);
    return text;
}

const char *jm_value_text(double value, double uncertainty, const char *unit, char *text,
                          size_t size) {
    char out[JMI_FORMAT_SIZE];
    jmi_style style = {.utf8 = jmi_locale_is_utf8()};
    bool known = isfinite(uncertainty);
    if (known && uncertainty > 0)
        jmi_format_value(out, value, uncertainty, unit, style);
    else
        jmi_format_short(out, value, unit, style);
    return give(out, text, size);
}

const char *jm_interval_text(double lower, double upper, const char *unit, char *text,
                             size_t size) {
    char out[JMI_FORMAT_SIZE];
    jmi_style style = {.utf8 = jmi_locale_is_utf8()};
    jmi_format_interval(out, lower, upper, unit, style);
    return give(out, text, size);
}

const char *jm_bounds_text(double lower, double upper, const char *unit, char *text, size_t size) {
    char out[JMI_FORMAT_SIZE];
    jmi_style style = {.utf8 = jmi_locale_is_utf8()};
    jmi_format_bounds(out, lower, upper, unit, style);
    return give(out, text, size);
}

/* ---- verdicts ---- */

typedef struct words {
    const char *verb, *could, *noun;
} words;

static const words words_of[] = {[JM_RUN_ENERGY] = {"uses", "use", "energy"},
                                 [JM_RUN_TIME] = {"takes", "take", "time"},
                                 [JM_RUN_POWER] = {"draws", "draw", "power"}};

/* Decimals that show two digits of an uncertainty, as far as anybody cares. */
static int decimals_for(double u, int most) {
    if (!(u > 0)) return 2;
    double place = 1 - floor(log10(u * 1.005)); /* 0.0996 is 0.10 */
    return place < 0 ? 0 : place > most ? most : (int)place;
}

static void say_no_difference(const jm_ratio *r, const words *w, const char *a, const char *b,
                              char *text, size_t size) {
    double low = 100 * (r->lower - 1), high = 100 * (r->upper - 1);
    int decimals = decimals_for((high - low) / 2, 2);
    if (fmax(fabs(low), fabs(high)) < 0.01) {
        snprintf(text, size, "no significant difference in %s between %s and %s (below 0.01 %%)",
                 w->noun, a, b);
        return;
    }
    snprintf(text, size,
             "no significant difference in %s between %s and %s (%s could %s %+.*f to %+.*f %%)",
             w->noun, a, b, b, w->could, decimals, low, decimals, high);
}

/* "2.40 times the energy": per cent beyond a factor of two are hard to read. */
static void say_times(const jm_ratio *r, const words *w, const char *a, const char *b, char *text,
                      size_t size) {
    int decimals = decimals_for((r->upper - r->lower) / 2, 4);
    snprintf(text, size, "%s %s %.*f times the %s of %s (%.*f to %.*f)", b, w->verb, decimals,
             r->ratio, w->noun, a, decimals, r->lower, decimals, r->upper);
}

static void say_per_cent(const jm_ratio *r, const words *w, const char *a, const char *b,
                         char *text, size_t size) {
    const char *sign = jmi_locale_is_utf8() ? "±" : "+-";
    const char *less = r->ratio < 1 ? "less" : "more";
    double value = 100 * fabs(r->ratio - 1), half = 50 * (r->upper - r->lower);
    double low = 100 * fmin(fabs(r->lower - 1), fabs(r->upper - 1));
    double high = 100 * fmax(fabs(r->lower - 1), fabs(r->upper - 1));
    int decimals = decimals_for(half, 2);
    if (fabs((low + high) / 2 - value) <= 0.1 * half)
        snprintf(text, size, "%s %s %.*f %% %s %.*f %% %s %s than %s", b, w->verb, decimals, value,
                 sign, decimals, half, less, w->noun, a);
    else
        snprintf(text, size, "%s %s %.*f %% %s %s than %s (%.*f to %.*f %%)", b, w->verb, decimals,
                 value, less, w->noun, a, decimals, low, decimals, high);
}

const char *jm_verdict_text(const jm_comparison *comparison, jm_run_value which, const char *name_a,
                            const char *name_b, char *text, size_t size) {
    if (size == 0) return text;
    text[0] = '\0';
    if (comparison == NULL || which > JM_RUN_POWER) return text;
    const jm_ratio *r = which == JM_RUN_ENERGY ? &comparison->energy
                        : which == JM_RUN_TIME ? &comparison->time
                                               : &comparison->power;
    const words *w = &words_of[which];
    if (isnan(r->lower))
        snprintf(text, size, "no verdict on %s: it takes three runs of each at least", w->noun);
    else if (r->verdict == 0)
        say_no_difference(r, w, name_a, name_b, text, size);
    else if (r->ratio >= 2 || r->ratio <= 0.5)
        say_times(r, w, name_a, name_b, text, size);
    else
        say_per_cent(r, w, name_a, name_b, text, size);
    return text;
}
