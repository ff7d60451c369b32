#include "logbook/views.h"

#include <math.h>
#include <string.h>

const char *const jmi_log_where =
    "(?1 IS NULL OR project = ?1) AND (?2 IS NULL OR tag = ?2) AND "
    "(?3 IS NULL OR begin_unix_s >= ?3) AND (?4 IS NULL OR begin_unix_s < ?4) AND "
    "(?5 IS NULL OR id = ?5)";

void jmi_log_filter_bind(sqlite3_stmt *s, const jm_log_filter *f) {
    if (f->project != NULL) sqlite3_bind_text(s, 1, f->project, -1, SQLITE_STATIC);
    if (f->tag != NULL) sqlite3_bind_text(s, 2, f->tag, -1, SQLITE_STATIC);
    if (f->since_unix_s != 0) sqlite3_bind_double(s, 3, f->since_unix_s);
    if (f->until_unix_s != 0) sqlite3_bind_double(s, 4, f->until_unix_s);
    if (f->id != 0) sqlite3_bind_int64(s, 5, f->id);
    if (f->last != 0 && f->last < INT64_MAX) sqlite3_bind_int64(s, 6, (int64_t)f->last);
}

int jmi_log_filter_take(jm_log_filter *ours, const jm_log_filter *theirs, jm_error *error) {
    int status = jmi_take_struct(ours, sizeof *ours, theirs, "jm_log_filter", error);
    if (status != JM_OK) return status;
    if (isnan(ours->since_unix_s) || isnan(ours->until_unix_s) || ours->id < 0)
        return jmi_fail(error, JM_INVALID, "the filter has a time or a number that is none");
    return JM_OK;
}

/* ---- a row each ---- */

typedef struct shown {
    const char *title, *sql;
} shown;

/* Time of day where it is read: the zone is not kept. */
#define DATETIME                                                                                   \
    "strftime('%Y-%m-%d %H:%M:%S', CAST(begin_unix_s AS INTEGER), 'unixepoch', 'localtime') || "   \
    "printf('.%06d', min(CAST((begin_unix_s - CAST(begin_unix_s AS INTEGER)) * 1e6 + 0.5 AS "      \
    "INTEGER), 999999))"

static const shown powermeter[] = {
    {NULL, DATETIME},
    {NULL, "user"},
    {NULL, "iso"},
    {NULL, "country"},
    {NULL, "platform"},
    {NULL, "project"},
    {NULL, "cpu_time_s"},
    {NULL, "gpu_time_s"},
    {NULL, "package_j / 3.6"},
    {NULL, "core_j / 3.6"},
    {NULL, "gpu_j / 3.6"},
    {NULL, "dram_j / 3.6"},
    {NULL, "pue"},
    {NULL, "co2_g"},
    {NULL, "package"},
    {NULL, "algorithm"},
    {NULL, "algorithm_params"},
    {NULL, "data_type"},
    {NULL, "data_shape"},
    {NULL, "comment"},
};

/* CodeCarbon counts the building in: its PUE is a factor of every power and energy, so that
 * emissions are energy_consumed x intensity, and its WUE is a factor of energy with the PUE. */
#define WITH_PUE " * coalesce(pue, 1)"

/* What is not known is empty in CodeCarbon's files, too. */
static const shown codecarbon[] = {
    {"timestamp", "strftime('%Y-%m-%dT%H:%M:%S', CAST(begin_unix_s + coalesce(duration_s, 0) AS "
                  "INTEGER), 'unixepoch', 'localtime')"},
    {"project_name", "coalesce(project, 'codecarbon')"},
    {"run_id", "printf('%016x-%d', CAST(begin_unix_s * 1e6 AS INTEGER), id)"},
    {"experiment_id", "tag"},
    {"duration", "duration_s"},
    {"emissions", "co2_g / 1000"},
    {"emissions_rate", "co2_g / 1000 / nullif(duration_s, 0)"},
    {"cpu_power", "package_j / nullif(duration_s, 0)" WITH_PUE},
    {"gpu_power", "gpu_j / nullif(duration_s, 0)" WITH_PUE},
    {"ram_power", "dram_j / nullif(duration_s, 0)" WITH_PUE},
    {"cpu_energy", "package_j / 3.6e6" WITH_PUE},
    {"gpu_energy", "gpu_j / 3.6e6" WITH_PUE},
    {"ram_energy", "dram_j / 3.6e6" WITH_PUE},
    {"energy_consumed", "energy_j / 3.6e6" WITH_PUE},
    {"water_consumed", "water_l" WITH_PUE},
    {"country_name", "country"},
    {"country_iso_code", "alpha3(iso)"},
    {"region", "NULL"},
    {"cloud_provider", "NULL"},
    {"cloud_region", "NULL"},
    {"os", "platform"},
    {"python_version", "python_version"},
    {"codecarbon_version", "'joulemeter ' || version"},
    {"cpu_count", "cpu_count"},
    {"cpu_model", "cpu_model"},
    {"gpu_count", "gpu_count"},
    {"gpu_model", "gpu_model"},
    {"longitude", "NULL"},
    {"latitude", "NULL"},
    {"ram_total_size", "NULL"},
    {"tracking_mode", "'machine'"},
    {"cpu_utilization_percent", "NULL"},
    {"gpu_utilization_percent", "NULL"},
    {"ram_utilization_percent", "NULL"},
    {"ram_used_gb", "NULL"},
    {"on_cloud", "'N'"},
    {"pue", "coalesce(pue, 1)"},
    {"wue", "water_l / nullif(energy_j / 3.6e6, 0)"},
};

static void add_shown(jmi_text *sql, const shown *columns, size_t count) {
    for (size_t i = 0; i < count; i++)
        jmi_text_add(sql, "%s%s AS \"%s\"", i > 0 ? ", " : "", columns[i].sql,
                     columns[i].title != NULL ? columns[i].title : jmi_log_definitions[i].title);
}

static void add_all(jmi_text *sql) {
    jmi_text_add(sql, "id");
    for (int i = 0; i < JMI_LOG_COUNT; i++) jmi_text_add(sql, ", %s", jmi_log_definitions[i].name);
}

/* ---- totals ---- */

/* Neighbours are not quite apart: clocks are read one after the other. */
#define APART_S "0.001"

void jmi_log_add_chosen(jmi_text *sql) {
    jmi_text_add(
        sql,
        "(SELECT *, CASE WHEN cost IS NOT NULL THEN coalesce(currency, '') END AS "
        "currency_of_cost, "
        "energy_j IS NOT NULL AND host IS NOT NULL AND "
        "(coalesce(max(begin_unix_s + duration_s) OVER earlier > begin_unix_s + " APART_S ", 0) OR "
        "coalesce(min(begin_unix_s) OVER later < begin_unix_s + duration_s - " APART_S ", 0)) "
        "AS overlaps FROM "
        "(SELECT * FROM run WHERE %s ORDER BY id DESC LIMIT coalesce(?6, -1)) WINDOW "
        "earlier AS (PARTITION BY host, energy_j IS NULL ORDER BY begin_unix_s, id "
        "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), "
        "later AS (PARTITION BY host, energy_j IS NULL ORDER BY begin_unix_s, id "
        "ROWS BETWEEN 1 FOLLOWING AND 1 FOLLOWING))",
        jmi_log_where);
}

void jmi_log_add_totals(jmi_text *sql) {
    static const struct {
        const char *name, *sql;
    } totals[] = {
#define TOTAL_ROW(name, sql) {#name, sql},
        JMI_LOG_TOTALS(TOTAL_ROW)
#undef TOTAL_ROW
    };
    for (size_t i = 0; i < JMI_COUNT(totals); i++)
        jmi_text_add(sql, "%s%s AS %s", i > 0 ? ", " : "", totals[i].sql, totals[i].name);
}

static void add_grouped(jmi_text *sql, const char *group, const char *name) {
    jmi_text_add(sql, "%s AS %s, ", group, name);
    jmi_log_add_totals(sql);
    jmi_text_add(sql, " FROM ");
    jmi_log_add_chosen(sql);
    jmi_text_add(sql, " GROUP BY 1 ORDER BY 1");
}

bool jmi_log_view_sql(jmi_text *sql, jm_log_view view) {
    jmi_text_add(sql, "SELECT ");
    switch (view) {
    case JM_LOG_ALL: add_all(sql); break;
    case JM_LOG_POWERMETER: add_shown(sql, powermeter, JMI_COUNT(powermeter)); break;
    case JM_LOG_CODECARBON: add_shown(sql, codecarbon, JMI_COUNT(codecarbon)); break;
    case JM_LOG_PROJECTS: add_grouped(sql, "project", "project"); return true;
    case JM_LOG_MONTHS:
        add_grouped(sql, "strftime('%Y-%m', begin_unix_s, 'unixepoch', 'localtime')", "month");
        return true;
    default: return false;
    }
    jmi_text_add(sql,
                 " FROM (SELECT * FROM run WHERE %s ORDER BY id DESC LIMIT coalesce(?6, -1)) "
                 "ORDER BY id",
                 jmi_log_where);
    return true;
}

static void root(sqlite3_context *context, int count, sqlite3_value **values) {
    (void)count;
    if (sqlite3_value_type(values[0]) != SQLITE_NULL)
        sqlite3_result_double(context, sqrt(sqlite3_value_double(values[0])));
}

static void alpha3(sqlite3_context *context, int count, sqlite3_value **values) {
    (void)count;
    jm_country country = {.size = sizeof country};
    const char *code = (const char *)sqlite3_value_text(values[0]);
    if (code != NULL && jm_country_find(code, &country, NULL) == JM_OK)
        sqlite3_result_text(context, country.alpha3, -1, SQLITE_STATIC);
}

int jmi_log_functions(sqlite3 *db) {
    int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;
    int code = sqlite3_create_function(db, "root", 1, flags, NULL, root, NULL, NULL);
    if (code != SQLITE_OK) return code;
    return sqlite3_create_function(db, "alpha3", 1, flags, NULL, alpha3, NULL, NULL);
}
