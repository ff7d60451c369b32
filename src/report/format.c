#include "report/format.h"

#include <langinfo.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct prefix {
    double factor;
    const char *utf8;
    const char *ascii;
} prefix;

bool jmi_locale_is_utf8(void) {
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* Numbers stay below 10 000, so that 1234 J is not 1.234 kJ. */
static prefix choose_prefix(double magnitude) {
    static const prefix table[] = {{1e12, "T", "T"}, {1e9, "G", "G"}, {1e6, "M", "M"},
                                   {1e3, "k", "k"},  {1, "", ""},     {1e-3, "m", "m"},
                                   {1e-6, "µ", "u"}, {1e-9, "n", "n"}};
    if (magnitude == 0) return table[4];
    for (size_t i = 0; i < 8; i++) {
        double least = table[i].factor > 1 ? 10 : 0.1;
        if (magnitude >= least * table[i].factor) return table[i];
    }
    return table[7];
}

/* Place of the last digit worth showing: 1 for units, 0.1 for tenths ... as an exponent of ten. */
static int last_place(double value, double u) {
    if (u > 0 && isfinite(u)) {
        int exponent = (int)floor(log10(u));
        if (round(u / pow(10, exponent - 1)) >= 100) exponent++;
        return exponent - 1;
    }
    return value == 0 ? 0 : (int)floor(log10(fabs(value))) - 3;
}

static double round_to(double value, int place) {
    double unit = pow(10, place);
    return place < 0 ? value : round(value / unit) * unit;
}

static int decimals_of(int place) {
    int decimals = place < 0 ? -place : 0;
    return decimals > 9 ? 9 : decimals;
}

/* The prefix of the table's reference, unless the number gets too small by it. */
static prefix common_prefix(double magnitude, jmi_style style) {
    prefix own = choose_prefix(magnitude);
    if (!(style.reference > 0)) return own;
    prefix common = choose_prefix(style.reference);
    return common.factor > own.factor && magnitude >= 0.1 * common.factor ? common : own;
}

char *jmi_format_value(char *out, double value, double u95, const char *unit, jmi_style style) {
    if (!isfinite(value)) return strcpy(out, "-");
    bool has_u = isfinite(u95) && u95 > 0;
    double magnitude = fmax(fabs(value), has_u ? u95 : 0);
    prefix p = common_prefix(magnitude, style);
    double v = value / p.factor, u = has_u ? u95 / p.factor : 0;
    int place = last_place(v, u);
    int decimals = decimals_of(place);
    const char *letter = style.utf8 ? p.utf8 : p.ascii;
    if (round_to(v, place) == 0) v = 0; /* never "-0" */
    if (has_u) {
        snprintf(out, JMI_FORMAT_SIZE, "%.*f %s %.*f %s%s", decimals, round_to(v, place),
                 style.utf8 ? "±" : "+-", decimals, round_to(u, place), letter, unit);
    } else {
        snprintf(out, JMI_FORMAT_SIZE, "%.*f %s%s", decimals, v, letter, unit);
    }
    return out;
}

char *jmi_format_short(char *out, double value, const char *unit, jmi_style style) {
    if (!isfinite(value)) return strcpy(out, "-");
    prefix p = choose_prefix(fabs(value));
    double v = value / p.factor;
    int place = v == 0 ? 0 : (int)floor(log10(fabs(v) * 1.0005)) - 2; /* 9.996 is 10.0 */
    snprintf(out, JMI_FORMAT_SIZE, "%.*f %s%s", decimals_of(place), v,
             style.utf8 ? p.utf8 : p.ascii, unit);
    return out;
}

char *jmi_format_duration(char *out, double seconds, jmi_style style) {
    if (!isfinite(seconds)) return strcpy(out, "-");
    if (seconds != 0 && seconds < 0.9995) {
        bool milli = seconds >= 0.9995e-3;
        snprintf(out, JMI_FORMAT_SIZE, "%.3g %s", seconds * (milli ? 1e3 : 1e6),
                 milli        ? "ms"
                 : style.utf8 ? "µs"
                              : "us");
        return out;
    }
    if (seconds < 99.95) return jmi_format_short(out, seconds, "s", style);
    double whole = round(seconds);
    if (whole < 3600)
        snprintf(out, JMI_FORMAT_SIZE, "%.0f min %02.0f s", floor(whole / 60), fmod(whole, 60));
    else
        snprintf(out, JMI_FORMAT_SIZE, "%.0f h %02.0f min", floor(whole / 3600),
                 floor(fmod(whole, 3600) / 60));
    return out;
}

char *jmi_format_share(char *out, double share, jmi_style style) {
    (void)style;
    double percent = 100 * share;
    if (!isfinite(share))
        strcpy(out, "-");
    else if (percent > 0 && percent < 1)
        strcpy(out, "< 1 %");
    else
        snprintf(out, JMI_FORMAT_SIZE, "%.0f %%", fmax(percent, 0));
    return out;
}

/* Bounds are shown with two digits, rounded outwards. */
static double outwards(double value, bool up) {
    if (value == 0 || !isfinite(value)) return value;
    double unit = pow(10, floor(log10(fabs(value))) - 1);
    double steps = value / unit;
    return (up ? ceil(steps - 1e-9) : floor(steps + 1e-9)) * unit;
}

char *jmi_format_bounds(char *out, double lower, double upper, const char *unit, jmi_style style) {
    double low = outwards(lower, false), high = outwards(upper, true);
    prefix p = choose_prefix(isfinite(high) ? high : low);
    const char *letter = style.utf8 ? p.utf8 : p.ascii;
    low /= p.factor;
    high /= p.factor;
    int places = decimals_of(high > 0 && isfinite(high) ? (int)floor(log10(high)) - 1 : 0);
    if (isfinite(high)) low = floor(low * pow(10, places) + 1e-9) / pow(10, places);
    if (!isfinite(high) && low > 0)
        snprintf(out, JMI_FORMAT_SIZE, "> %.3g %s%s", low, letter, unit);
    else if (!isfinite(high))
        strcpy(out, "not known");
    else if (low <= 0)
        snprintf(out, JMI_FORMAT_SIZE, "< %.*f %s%s", places, high, letter, unit);
    else
        snprintf(out, JMI_FORMAT_SIZE, "%.*f%s%.*f %s%s", places, low, style.utf8 ? "–" : " to ",
                 places, high, letter, unit);
    return out;
}

char *jmi_format_interval(char *out, double lower, double upper, const char *unit,
                          jmi_style style) {
    if (!isfinite(lower) || !isfinite(upper)) return strcpy(out, "-");
    prefix p = choose_prefix(fmax(fabs(lower), fabs(upper)));
    double low = lower / p.factor, high = upper / p.factor;
    int place = last_place(fmax(fabs(low), fabs(high)), (high - low) / 2);
    int decimals = decimals_of(place);
    /* a dash between numbers with a sign would be read as one */
    const char *between = low < 0 ? " to " : style.utf8 ? "–" : "-";
    snprintf(out, JMI_FORMAT_SIZE, "%.*f%s%.*f %s%s", decimals, round_to(low, place), between,
             decimals, round_to(high, place), style.utf8 ? p.utf8 : p.ascii, unit);
    return out;
}

char *jmi_format_within(char *out, double value, double lower, double upper, const char *unit,
                        jmi_style style) {
    char interval[JMI_FORMAT_SIZE];
    bool bounded = isfinite(lower) && isfinite(upper) && upper > lower;
    double half = (upper - lower) / 2;
    if (!bounded) return jmi_format_short(out, value, unit, style);
    bool below_zero = half > value && lower >= 0; /* it was cut off at 0 */
    if (fabs(upper - value - half) <= 0.05 * half && !below_zero)
        return jmi_format_value(out, value, half, unit, style);
    jmi_format_short(out, value, unit, style);
    jmi_format_interval(interval, lower, upper, unit, style);
    size_t used = strlen(out);
    if (used + strlen(interval) + 4 <= JMI_FORMAT_SIZE)
        snprintf(out + used, JMI_FORMAT_SIZE - used, " (%s)", interval);
    return out;
}

static bool nothing_known(const jm_energy *energy) {
    return (energy->provenance & ~(uint32_t)JM_BOUND_ONLY) == 0 || isnan(energy->energy_j);
}

char *jmi_format_energy(char *out, const jm_energy *energy, jmi_style style) {
    if (nothing_known(energy)) return strcpy(out, "not measured");
    if (energy->provenance & JM_BOUND_ONLY)
        return jmi_format_bounds(out, energy->lower_j, energy->upper_j, "J", style);
    return jmi_format_value(out, energy->energy_j, energy->u95_j, "J", style);
}

char *jmi_format_power(char *out, const jm_energy *energy, jmi_style style) {
    double s = energy->duration_s;
    style.reference = 0;
    if (nothing_known(energy) || !(s > 0)) return strcpy(out, "-");
    if (energy->provenance & JM_BOUND_ONLY)
        return jmi_format_bounds(out, energy->lower_j / s, energy->upper_j / s, "W", style);
    return jmi_format_value(out, energy->mean_power_w, energy->u95_j / s, "W", style);
}
