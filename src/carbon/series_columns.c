/* Which columns of a file are time and intensity, and in what unit. */
#include "carbon/series.h"
#include "carbon/units.h"

#include <ctype.h>
#include <string.h>

/* Lower case, letters and digits only, with '/' kept: "Carbon Intensity gCO₂eq/kWh (LCA)" is
 * "carbonintensitygcoeq/kwhlca". */
static void plain(const char *text, char *out, size_t size) {
    size_t used = 0;
    for (; *text != '\0' && used + 1 < size; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x80 && (isalnum(c) || c == '/')) out[used++] = (char)tolower(c);
    }
    out[used] = '\0';
}

static bool has_any(const char *text, const char *const *words) {
    for (; *words != NULL; words++)
        if (strstr(text, *words) != NULL) return true;
    return false;
}

static bool names_time(const char *name) {
    static const char *const words[] = {"time", "date", "unix", "from", "start", "begin", NULL};
    return has_any(name, words) || strcmp(name, "t") == 0 || strcmp(name, "ts") == 0;
}

static bool names_value(const char *name) {
    static const char *const words[] = {"intensity", "gco", "co2", "carbon", "/kwh", "/mwh", NULL};
    static const char *const parts[] = {"percent", "share", "source", "estimat",
                                        "index",   "price", NULL};
    return has_any(name, words) && !has_any(name, parts);
}

/* How well a column tells when an intensity begins to hold: by UTC best, and not by when it ends or
 * was written. */
static int rank_of_time(const char *name) {
    static const char *const others[] = {"end", "until", "updated", "created", "published", NULL};
    static const char *const begins[] = {"from", "start", "begin", NULL};
    int local = strstr(name, "local") != NULL ? 1 : 0;
    if (has_any(name, others)) return 1;
    return (has_any(name, begins) ? 5 : 3) + (strstr(name, "utc") != NULL ? 1 : 0) - local;
}

/* Of the plants' whole life, as the table of countries is. */
static bool names_life_cycle(const char *name) {
    static const char *const words[] = {"lca", "lifecycle", NULL};
    return has_any(name, words);
}

static bool is_number(const char *text) {
    double value;
    return jmi_parse_double(text, &value);
}

/* A file without names has the time first. */
static int take_unnamed(jmi_intensity_columns *c, const jmi_cells *first, const char *name,
                        jm_error *error) {
    if (first->count != 2)
        return jmi_fail(error, JM_FORMAT,
                        "%s, line %zu: a first line without names must be a time and an intensity, "
                        "but it has %zu cells",
                        name, first->line_number, first->count);
    c->time = 0;
    c->value = 1;
    return JM_OK;
}

/* Reads the names: which may be what. Numbers are those of columns, or first->count. */
typedef struct choice {
    size_t time, value, times, values;
} choice;

static choice choose(const jmi_cells *first) {
    choice found = {first->count, first->count, 0, 0};
    bool life_cycle = false;
    int best = 0;
    for (size_t i = 0; i < first->count; i++) {
        char text[80];
        plain(first->cell[i], text, sizeof text);
        bool value = names_value(text), whole_life = value && names_life_cycle(text);
        if (whole_life && !life_cycle) {
            life_cycle = true;
            found.values = 0;
        }
        if (value && (whole_life || !life_cycle)) {
            if (found.values++ == 0) found.value = i;
        } else if (!value && names_time(text)) {
            int rank = rank_of_time(text);
            if (rank > best) found.time = i, found.times = 0, best = rank;
            found.times += rank == best;
        }
    }
    return found;
}

int jmi_intensity_columns_find(jmi_intensity_columns *c, const jmi_cells *first, const char *name,
                               jm_error *error) {
    int64_t time;
    c->factor = 1;
    c->count = first->count;
    for (size_t i = 0; i < first->count; i++)
        if (jmi_parse_time(first->cell[i], &time) || is_number(first->cell[i]))
            return take_unnamed(c, first, name, error);
    c->header = true;
    choice found = choose(first);
    if (found.values == 0 && found.times > 0 && first->count == 2) {
        found.value = found.time == 0;
        found.values = 1;
    }
    if (found.times == 0)
        return jmi_fail(error, JM_FORMAT,
                        "%s, line %zu: no column is called time, date or datetime", name,
                        first->line_number);
    if (found.times > 1)
        return jmi_fail(
            error, JM_FORMAT,
            "%s, line %zu: %zu columns may be the time ('%.40s' is the first): keep one", name,
            first->line_number, found.times, first->cell[found.time]);
    if (found.values == 0)
        return jmi_fail(error, JM_FORMAT,
                        "%s, line %zu: no column is called intensity, nor after a unit such as "
                        "gCO2/kWh",
                        name, first->line_number);
    if (found.values > 1)
        return jmi_fail(error, JM_FORMAT,
                        "%s, line %zu: %zu columns may be the intensity ('%.40s' is the first): "
                        "keep one",
                        name, first->line_number, found.values, first->cell[found.value]);
    c->time = found.time;
    c->value = found.value;
    c->factor = jmi_unit_in_name(first->cell[found.value]);
    if (c->factor > 0) return JM_OK;
    return jmi_fail(
        error, JM_FORMAT,
        "%s, line %zu: '%.60s' has no unit of an intensity: g, kg, t or lb of CO2 per Wh, kWh, "
        "MWh, GWh, MJ or GJ",
        name, first->line_number, first->cell[found.value]);
}
