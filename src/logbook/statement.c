/* A sentence and a table for a paper. */
#include "logbook/views.h"
#include "report/format.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What all runs come to of which the energy is known; texts are lists. */
typedef struct whole {
    double total[JMI_TOTAL_COUNT];
    double unknown; /* more runs */
    double first_s, last_s;
    /* of the runs with carbon; and how many have their intensity from where */
    double least_pue, most_pue, least_g, most_g, least_year, most_year, table, given, series;
    char *gpus, *cpus, *provenance, *versions, *countries;
} whole;

typedef struct writer {
    jmi_text out;
    bool latex;
    jmi_style style;
} writer;

/* ---- asking ---- */

#define WITH_CARBON(value) "CASE WHEN co2_g IS NOT NULL THEN " value " END"

static const char more[] =
    ", min(begin_unix_s), max(begin_unix_s + coalesce(duration_s, 0)), "
    "min(" WITH_CARBON("pue") "), max(" WITH_CARBON(
        "pue") "), "
               "min(" WITH_CARBON("intensity_g") "), max(" WITH_CARBON(
                   "intensity_g") "), "
                                  "min(" WITH_CARBON("intensity_year") "), max(" WITH_CARBON(
                                      "intensity_year") "), "
                                                        "sum(co2_g IS NOT NULL AND "
                                                        "intensity_source IN ('country', 'time "
                                                        "zone')), "
                                                        "sum(co2_g IS NOT NULL AND "
                                                        "intensity_source = 'given'), "
                                                        "sum(co2_g IS NOT NULL AND "
                                                        "intensity_source = 'series'), "
                                                        "group_concat(DISTINCT gpu_model), "
                                                        "group_concat(DISTINCT cpu_model), "
                                                        "group_concat(DISTINCT provenance), "
                                                        "group_concat(DISTINCT version), "
                                                        "group_concat(DISTINCT " WITH_CARBON(
                                                            "country") ")";

/* Totals, what stands before and after them, of what is chosen. */
static int prepare(jmi_logbook *book, const char *before, const char *after, const char *tail,
                   const jm_log_filter *filter, sqlite3_stmt **statement, jm_error *error) {
    jmi_text sql = {0};
    jmi_text_add(&sql, "SELECT %s", before);
    jmi_log_add_totals(&sql);
    jmi_text_add(&sql, "%s FROM ", after);
    jmi_log_add_chosen(&sql);
    jmi_text_add(&sql, " %s", tail);
    int code = sql.failed ? SQLITE_NOMEM : jmi_log_functions(book->db);
    if (code == SQLITE_OK) code = sqlite3_prepare_v2(book->db, sql.data, -1, statement, NULL);
    jmi_text_free(&sql);
    if (code != SQLITE_OK) return jmi_logbook_fail(book, "cannot read", error);
    jmi_log_filter_bind(*statement, filter);
    return JM_OK;
}

static double number(sqlite3_stmt *row, int column) {
    return sqlite3_column_type(row, column) == SQLITE_NULL ? NAN
                                                           : sqlite3_column_double(row, column);
}

/* Is the part among those of the list? */
static bool has_part(const jmi_text *list, const char *part, size_t length) {
    const char *at = list->data;
    while (at != NULL && *at != '\0') {
        size_t other = strcspn(at, ",");
        if (other == length && memcmp(at, part, length) == 0) return true;
        at += other;
        at += strspn(at, ", ");
    }
    return false;
}

/* A list with ", " between its parts, each once; NULL: there are none. */
static char *list(sqlite3_stmt *row, int column) {
    const char *text = (const char *)sqlite3_column_text(row, column);
    jmi_text out = {0};
    char *taken = NULL;
    while (text != NULL && *text != '\0') {
        size_t length = strcspn(text, ",");
        if (!has_part(&out, text, length)) {
            if (out.length > 0) jmi_text_append(&out, ", ", 2);
            jmi_text_append(&out, text, length);
        }
        text += length;
        text += strspn(text, ", ");
    }
    if (out.length > 0) jmi_text_take(&out, &taken, NULL);
    return taken;
}

static void take_totals(sqlite3_stmt *row, int from, double total[JMI_TOTAL_COUNT]) {
    for (int i = 0; i < JMI_TOTAL_COUNT; i++) total[i] = number(row, from + i);
}

static int gather(jmi_logbook *book, const jm_log_filter *filter, whole *w, jm_error *error) {
    sqlite3_stmt *row = NULL;
    double *numbers[] = {&w->first_s, &w->last_s, &w->least_pue,  &w->most_pue,
                         &w->least_g, &w->most_g, &w->least_year, &w->most_year,
                         &w->table,   &w->given,  &w->series};
    char **lists[] = {&w->gpus, &w->cpus, &w->provenance, &w->versions, &w->countries};
    int status = prepare(book, "", more, "WHERE energy_j IS NOT NULL", filter, &row, error);
    if (status != JM_OK) return status;
    int at = JMI_TOTAL_COUNT;
    if (sqlite3_step(row) == SQLITE_ROW) {
        take_totals(row, 0, w->total);
        for (size_t i = 0; i < JMI_COUNT(numbers); i++) *numbers[i] = number(row, at++);
        for (size_t i = 0; i < JMI_COUNT(lists); i++) *lists[i] = list(row, at++);
    } else {
        status = jmi_logbook_fail(book, "cannot read", error);
    }
    sqlite3_finalize(row);
    return status;
}

static int count_unknown(jmi_logbook *book, const jm_log_filter *filter, whole *w,
                         jm_error *error) {
    sqlite3_stmt *row = NULL;
    int status = prepare(book, "", "", "WHERE energy_j IS NULL", filter, &row, error);
    if (status != JM_OK) return status;
    if (sqlite3_step(row) == SQLITE_ROW)
        w->unknown = number(row, JMI_TOTAL_runs);
    else
        status = jmi_logbook_fail(book, "cannot read", error);
    sqlite3_finalize(row);
    if (status == JM_OK && w->total[JMI_TOTAL_runs] == 0)
        return jmi_fail(error, JM_NO_DATA,
                        w->unknown > 0 ? "of none of these runs is the energy known"
                                       : "the logbook has no such runs");
    return status;
}

static void free_whole(whole *w) {
    free(w->gpus);
    free(w->cpus);
    free(w->provenance);
    free(w->versions);
    free(w->countries);
}

/* ---- writing ---- */

/* Characters that are another one in LaTeX's usual fonts, or a command. */
static const char *latex_name(unsigned char c) {
    switch (c) {
    case '\\': return "\\textbackslash{}";
    case '~': return "\\textasciitilde{}";
    case '^': return "\\textasciicircum{}";
    case '<': return "\\textless{}";
    case '>': return "\\textgreater{}";
    case '|': return "\\textbar{}";
    default: return NULL;
    }
}

/* What the format takes for something else is escaped. */
static void add_text(writer *w, const char *text) {
    static const char latex_special[] = "&%$#_{}", markdown_special[] = "|*_`<>[]\\";
    for (; *text != '\0'; text++) {
        const char *special = w->latex ? latex_special : markdown_special;
        unsigned char c = (unsigned char)*text;
        if (c < ' ' || c == 0x7F)
            jmi_text_append(&w->out, " ", 1);
        else if (w->latex && latex_name(c) != NULL)
            jmi_text_add(&w->out, "%s", latex_name(c));
        else if (strchr(special, c) != NULL)
            jmi_text_add(&w->out, "\\%c", c);
        else
            jmi_text_append(&w->out, text, 1);
    }
}

/* A figure with its unit: signs and subscripts as the format has them. */
static void add_figure(writer *w, const char *figure) {
    static const struct {
        const char *from, *latex;
    } signs[] = {{"<", "$<$"},    {">", "$>$"},        {"±", "$\\pm$"}, {"–", "--"},
                 {"µ", "$\\mu$"}, {"CO2e", "CO$_2$e"}, {"%", "\\%"},    {" ", "~"}};
    while (*figure != '\0') {
        size_t i = 0;
        while (w->latex && i < JMI_COUNT(signs) &&
               strncmp(figure, signs[i].from, strlen(signs[i].from)) != 0)
            i++;
        if (w->latex && i < JMI_COUNT(signs)) {
            jmi_text_add(&w->out, "%s", signs[i].latex);
            figure += strlen(signs[i].from);
        } else {
            jmi_text_append(&w->out, figure++, 1);
        }
    }
}

static void add_figure_f(writer *w, const char *format, ...) JMI_PRINTF(2, 3);
static void add_figure_f(writer *w, const char *format, ...) {
    char text[200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    add_figure(w, text);
}

/* An end that is not known is open. */
static double open_end(double upper) {
    return isnan(upper) ? INFINITY : upper;
}

static void add_energy(writer *w, const double total[JMI_TOTAL_COUNT]) {
    char text[JMI_FORMAT_SIZE];
    if (total[JMI_TOTAL_bounded] > 0)
        jmi_format_bounds(text, total[JMI_TOTAL_energy_lower_j] / 3600,
                          open_end(total[JMI_TOTAL_energy_upper_j]) / 3600, "Wh", w->style);
    else
        jmi_format_value(text, total[JMI_TOTAL_energy_j] / 3600,
                         total[JMI_TOTAL_energy_u95_j] / 3600, "Wh", w->style);
    add_figure(w, text);
}

static void add_carbon(writer *w, const double total[JMI_TOTAL_COUNT]) {
    char text[JMI_FORMAT_SIZE];
    double lower = total[JMI_TOTAL_co2_lower_g], upper = total[JMI_TOTAL_co2_upper_g];
    if (total[JMI_TOTAL_bounded] > 0 && !isnan(total[JMI_TOTAL_co2_g]))
        jmi_format_bounds(text, lower, open_end(upper), "gCO2e", w->style);
    else
        jmi_format_within(text, total[JMI_TOTAL_co2_g], lower, upper, "gCO2e", w->style);
    add_figure(w, text);
}

/* Of this machine's time, as --since and --before have it; "": none is known, or none that has a
 * year of four digits. */
static const char *day_of(double unix_s, char *text, size_t size) {
    static const double year_10000_s = 253402300800;
    text[0] = '\0';
    if (!(unix_s >= 0 && unix_s < year_10000_s)) return text;
    time_t seconds = (time_t)unix_s;
    struct tm parts;
    if (localtime_r(&seconds, &parts) != NULL) strftime(text, size, "%Y-%m-%d", &parts);
    return text;
}

/* ---- the sentence ---- */

static void say_runs(writer *w, const whole *all, const jm_log_filter *filter) {
    char text[JMI_FORMAT_SIZE], first[32], last[32];
    double runs = all->total[JMI_TOTAL_runs];
    if (runs == 1)
        jmi_text_add(&w->out, "One run");
    else
        jmi_text_add(&w->out, "%.0f runs", runs);
    if (filter->project != NULL) {
        jmi_text_add(&w->out, " of the project ");
        add_text(w, filter->project);
    }
    day_of(all->first_s, first, sizeof first);
    day_of(all->last_s, last, sizeof last);
    jmi_text_add(&w->out, " (%s", first);
    if (strcmp(first, last) != 0) jmi_text_add(&w->out, " to %s", last);
    if (first[0] != '\0') jmi_text_add(&w->out, ", ");
    add_figure(w, jmi_format_duration(text, all->total[JMI_TOTAL_time_s], w->style));
    jmi_text_add(&w->out, " in all) used ");
}

static void say_devices(writer *w, const whole *all) {
    if (all->gpus == NULL && all->cpus == NULL) return;
    jmi_text_add(&w->out, " on ");
    if (all->gpus != NULL) add_text(w, all->gpus);
    if (all->gpus != NULL && all->cpus != NULL) jmi_text_add(&w->out, " and ");
    if (all->cpus != NULL) add_text(w, all->cpus);
}

static void say_method(writer *w, const whole *all) {
    jmi_text_add(&w->out, ", as joulemeter ");
    add_text(w, all->versions != NULL ? all->versions : jm_version());
    jmi_text_add(&w->out, " found (");
    add_text(w, all->provenance != NULL ? all->provenance : "its readings");
    jmi_text_add(&w->out, ").");
    if (all->provenance != NULL && strstr(all->provenance, "modelled") != NULL)
        jmi_text_add(&w->out, " What is modelled was not measured but estimated from utilisation.");
    if (all->provenance != NULL && strstr(all->provenance, "simulated") != NULL)
        jmi_text_add(&w->out, " Some devices are simulated: their energy is none that was used.");
    if (all->total[JMI_TOTAL_bounded] > 0)
        jmi_text_add(&w->out, " Of %.0f of them only bounds are known, and so of the sum.",
                     all->total[JMI_TOTAL_bounded]);
    if (all->total[JMI_TOTAL_overlapping] > 0)
        jmi_text_add(&w->out,
                     " %.0f of them overlap in time on one machine: what they used together is in "
                     "each.",
                     all->total[JMI_TOTAL_overlapping]);
    if (all->unknown > 0)
        jmi_text_add(&w->out, " Of %.0f more run%s the energy is not known.", all->unknown,
                     all->unknown == 1 ? "" : "s");
}

static void add_range(writer *w, double least, double most, const char *format) {
    char from[40], to[40];
    snprintf(from, sizeof from, format, least);
    snprintf(to, sizeof to, format, most);
    if (strcmp(from, to) == 0)
        add_figure(w, from);
    else
        add_figure_f(w, "%s to %s", from, to);
}

static void add_source(writer *w, const char *between, const char *source, double runs, bool all) {
    jmi_text_add(&w->out, "%s%s", between, source);
    if (!all) jmi_text_add(&w->out, " of %.0f run%s", runs, runs == 1 ? "" : "s");
}

/* "(France; yearly mean, 2023, from Our World in Data)": where the intensities come from. */
static void say_sources(writer *w, const whole *all) {
    double known = all->total[JMI_TOTAL_runs] - all->total[JMI_TOTAL_without_co2];
    const char *next = "";
    if (all->countries == NULL && !(all->table + all->given + all->series > 0)) return;
    jmi_text_add(&w->out, " (");
    if (all->countries != NULL) {
        add_text(w, all->countries);
        next = "; ";
    }
    if (all->table > 0) {
        jmi_text_add(&w->out, "%syearly mean, ", next);
        next = "; ";
        if (!isnan(all->least_year)) { /* files of version 1 have none */
            add_range(w, all->least_year, all->most_year, "%.0f");
            jmi_text_add(&w->out, ", ");
        }
        add_source(w, "", "from Our World in Data", all->table, all->table == known);
    }
    if (all->given > 0) {
        add_source(w, next, "as given", all->given, all->given == known);
        next = "; ";
    }
    if (all->series > 0) add_source(w, next, "by a time series", all->series, all->series == known);
    jmi_text_add(&w->out, ")");
}

static void say_carbon(writer *w, const whole *all) {
    const char *lead = " With";
    if (isnan(all->total[JMI_TOTAL_co2_g])) return;
    if (!isnan(all->least_pue)) {
        jmi_text_add(&w->out, "%s a PUE of ", lead);
        add_range(w, all->least_pue, all->most_pue, "%.4g");
        lead = " and";
    }
    if (!isnan(all->least_g)) {
        jmi_text_add(&w->out, "%s a carbon intensity of ", lead);
        add_range(w, all->least_g, all->most_g, "%.4g");
        add_figure(w, " gCO2e/kWh");
        say_sources(w, all);
        lead = " and";
    }
    jmi_text_add(&w->out, strcmp(lead, " and") == 0 ? " this is " : " This is ");
    add_carbon(w, all->total);
    jmi_text_add(&w->out, ".");
    if (all->total[JMI_TOTAL_without_co2] > 0)
        jmi_text_add(&w->out, " Of %.0f run%s the carbon is not known.",
                     all->total[JMI_TOTAL_without_co2],
                     all->total[JMI_TOTAL_without_co2] == 1 ? "" : "s");
}

static void say_sentence(writer *w, const whole *all, const jm_log_filter *filter) {
    say_runs(w, all, filter);
    add_energy(w, all->total);
    jmi_text_add(&w->out, " of electricity");
    say_devices(w, all);
    say_method(w, all);
    say_carbon(w, all);
    jmi_text_add(&w->out, " Intervals are at ");
    add_figure(w, "95 %.");
    jmi_text_add(&w->out, "\n\n");
}

/* ---- the table ---- */

static void between(writer *w) {
    jmi_text_add(&w->out, w->latex ? " & " : " | ");
}

static void add_row(writer *w, const char *name, const double total[JMI_TOTAL_COUNT]) {
    char text[JMI_FORMAT_SIZE];
    jmi_text_add(&w->out, w->latex ? "  " : "| ");
    add_text(w, name);
    between(w);
    jmi_text_add(&w->out, "%.0f", total[JMI_TOTAL_runs]);
    between(w);
    add_figure(w, jmi_format_duration(text, total[JMI_TOTAL_time_s], w->style));
    between(w);
    add_energy(w, total);
    between(w);
    add_carbon(w, total);
    jmi_text_add(&w->out, w->latex ? " \\\\\n" : " |\n");
}

static void add_head(writer *w) {
    if (w->latex)
        jmi_text_add(&w->out, "\\begin{tabular}{lrrrr}\n  \\hline\n"
                              "  project & runs & time & energy & carbon \\\\\n  \\hline\n");
    else
        jmi_text_add(&w->out, "| project | runs | time | energy | carbon |\n"
                              "|---|---:|---:|---:|---:|\n");
}

static int add_table(writer *w, jmi_logbook *book, const whole *all, const jm_log_filter *filter,
                     jm_error *error) {
    sqlite3_stmt *row = NULL;
    int rows = 0, code = SQLITE_ROW;
    double total[JMI_TOTAL_COUNT];
    int status = prepare(book, "coalesce(project, '-'), ", "",
                         "WHERE energy_j IS NOT NULL GROUP BY project ORDER BY project", filter,
                         &row, error);
    if (status != JM_OK) return status;
    add_head(w);
    while ((code = sqlite3_step(row)) == SQLITE_ROW) {
        rows++;
        take_totals(row, 1, total);
        add_row(w, (const char *)sqlite3_column_text(row, 0), total);
    }
    if (code != SQLITE_DONE) status = jmi_logbook_fail(book, "cannot read", error);
    sqlite3_finalize(row);
    if (rows > 1) {
        if (w->latex) jmi_text_add(&w->out, "  \\hline\n");
        add_row(w, "total", all->total);
    }
    if (w->latex) jmi_text_add(&w->out, "  \\hline\n\\end{tabular}\n");
    return status;
}

static int write(writer *w, jmi_logbook *book, const jm_log_filter *filter, jm_error *error) {
    whole all = {0};
    int status = gather(book, filter, &all, error);
    if (status == JM_OK) status = count_unknown(book, filter, &all, error);
    if (status == JM_OK) {
        /* numbers have a point in every locale */
        locale_t c = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
        locale_t before = c != (locale_t)0 ? uselocale(c) : (locale_t)0;
        say_sentence(w, &all, filter);
        status = add_table(w, book, &all, filter, error);
        if (c != (locale_t)0) {
            uselocale(before);
            freelocale(c);
        }
    }
    free_whole(&all);
    return status;
}

int jm_log_statement(const char *path, const jm_log_filter *filter, const char *format, char **text,
                     jm_error *error) {
    jm_log_filter ours;
    jmi_logbook book;
    if (text == NULL || format == NULL)
        return jmi_fail(error, JM_INVALID, "a format and a place for the text are needed");
    *text = NULL;
    writer w = {.latex = strcmp(format, "latex") == 0, .style = {.utf8 = true}};
    if (!w.latex && strcmp(format, "markdown") != 0)
        return jmi_fail(error, JM_INVALID, "a statement is written as markdown or latex, not %.40s",
                        format);
    int status = jmi_log_filter_take(&ours, filter, error);
    if (status == JM_OK) status = jmi_logbook_open(&book, path, JMI_LOG_READ, error);
    if (status == JM_NOT_FOUND)
        return jmi_fail(error, JM_NO_DATA,
                        "there is no logbook yet: joulemeter run --log keeps one");
    if (status != JM_OK) return status;
    status = write(&w, &book, &ours, error);
    jmi_logbook_close(&book);
    if (status == JM_OK) return jmi_text_take(&w.out, text, error);
    jmi_text_free(&w.out);
    return status;
}
