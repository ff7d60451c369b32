/* The logbook: its columns, its file and the rows that go into it.
 *
 * One SQLite file with a rollback journal and not a write-ahead log: rows are few, many machines
 * may share a home folder over a network, and what has been committed lies in one file. */
#ifndef JMI_LOGBOOK_H
#define JMI_LOGBOOK_H

#include "base/base.h"

#include <sqlite3.h>

/* name, PowerMeter's title, type, since which version of the file, meaning. The first 20 are
 * PowerMeter's. */
#define JMI_LOG_COLUMNS(X)                                                                         \
    X(begin_unix_s, "Datetime", REAL, 1, "when it began, seconds since 1970")                      \
    X(user, "User ID", TEXT, 1, "name that the user gave")                                         \
    X(iso, "ISO", TEXT, 1, "country of the grid, ISO 3166-1 alpha-2, if given")                    \
    X(country, "Country", TEXT, 1, "its name")                                                     \
    X(platform, "Platform", TEXT, 1, "operating system")                                           \
    X(project, "Project name", TEXT, 1, "project that it belongs to")                              \
    X(cpu_time_s, "Total Elapsed CPU Time (sec)", REAL, 1, "time in which the CPU was measured")   \
    X(gpu_time_s, "Total Elapsed GPU Time (sec)", REAL, 1, "time in which GPUs were measured")     \
    X(package_j, "Cumulative Package Energy (mWh)", REAL, 1, "energy of the CPUs' packages, J")    \
    X(core_j, "Cumulative IA Energy (mWh)", REAL, 1, "energy of their cores, in the packages'")    \
    X(gpu_j, "Cumulative GPU Energy (mWh)", REAL, 1, "energy of the GPUs, J")                      \
    X(dram_j, "Cumulative DRAM Energy (mWh)", REAL, 1, "energy of the memory, J")                  \
    X(pue, "PUE", REAL, 1, "power usage effectiveness that carbon and cost hold")                  \
    X(co2_g, "CO2 emitted (gCO2e)", REAL, 1, "gCO2e of the whole energy, with the PUE")            \
    X(package, "Package", TEXT, 1, "library that the function is of")                              \
    X(algorithm, "Algorithm", TEXT, 1, "what the function does")                                   \
    X(algorithm_params, "Algorithm's parameters", TEXT, 1, "its parameters")                       \
    X(data_type, "Data type", TEXT, 1, "tabular, image, text, time series or other")               \
    X(data_shape, "Data shape", TEXT, 1, "how much data")                                          \
    X(comment, "Comment", TEXT, 1, "any text")                                                     \
    X(tag, NULL, TEXT, 1, "tag that the user gave")                                                \
    X(kind, NULL, TEXT, 1, "command, repeat, compare, function, block, cell, tracker")             \
    X(outcome, NULL, TEXT, 1, "ok, exit code 3, signal 9, or the exception that ended it")         \
    X(command, NULL, TEXT, 1, "command line")                                                      \
    X(duration_s, NULL, REAL, 1, "how long it took")                                               \
    X(energy_j, NULL, REAL, 1, "energy of all devices, J")                                         \
    X(energy_u95_j, NULL, REAL, 1, "its 95 % uncertainty")                                         \
    X(energy_lower_j, NULL, REAL, 1, "lower end of its interval")                                  \
    X(energy_upper_j, NULL, REAL, 1, "upper end")                                                  \
    X(u_random_j, NULL, REAL, 1, "standard uncertainty, random part")                              \
    X(u_systematic_j, NULL, REAL, 1, "standard uncertainty, systematic part")                      \
    X(provenance, NULL, TEXT, 1, "what the energy rests on: counter, power, modelled, simulated")  \
    X(measured, NULL, REAL, 1, "share of the time with readings")                                  \
    X(package_u95_j, NULL, REAL, 1, "95 % uncertainty of package_j")                               \
    X(gpu_u95_j, NULL, REAL, 1, "of gpu_j")                                                        \
    X(dram_u95_j, NULL, REAL, 1, "of dram_j")                                                      \
    X(package_source, NULL, TEXT, 1, "what package_j rests on")                                    \
    X(gpu_source, NULL, TEXT, 1, "what gpu_j rests on")                                            \
    X(dram_source, NULL, TEXT, 1, "what dram_j rests on")                                          \
    X(co2_lower_g, NULL, REAL, 1, "lower end of the 95 % interval of co2_g")                       \
    X(co2_upper_g, NULL, REAL, 1, "upper end")                                                     \
    X(intensity_g, NULL, REAL, 1, "gCO2e a kWh that co2_g was found with")                         \
    X(intensity_u, NULL, REAL, 1, "its relative standard uncertainty")                             \
    X(intensity_source, NULL, TEXT, 1, "given, country, time zone or series")                      \
    X(intensity_year, NULL, INTEGER, 2, "year of a country's figure")                              \
    X(intensity_covered, NULL, REAL, 3, "share of the energy at whose time it is known")           \
    X(cost, NULL, REAL, 2, "money for the energy, with the PUE")                                   \
    X(cost_lower, NULL, REAL, 4, "lower end of its interval")                                      \
    X(cost_upper, NULL, REAL, 4, "upper end")                                                      \
    X(currency, NULL, TEXT, 2, "what cost is in")                                                  \
    X(water_l, NULL, REAL, 2, "litres of water")                                                   \
    X(git_commit, NULL, TEXT, 1, "commit of the working folder")                                   \
    X(host, NULL, TEXT, 1, "name of the machine")                                                  \
    X(cpu_model, NULL, TEXT, 1, "its CPU")                                                         \
    X(cpu_count, NULL, INTEGER, 1, "CPUs that the system has")                                     \
    X(gpu_model, NULL, TEXT, 1, "its GPUs")                                                        \
    X(gpu_count, NULL, INTEGER, 1, "how many were measured")                                       \
    X(environment, NULL, TEXT, 1, "hash of kernel, CPU, GPUs, drivers and joulemeter")             \
    X(software, NULL, TEXT, 2, "hash of Python and its packages")                                  \
    X(python_version, NULL, TEXT, 2, "version of Python")                                          \
    X(version, NULL, TEXT, 1, "version of joulemeter")

typedef enum jmi_log_column {
#define JMI_LOG_ENUM(name, title, type, since, meaning) JMI_LOG_##name,
    JMI_LOG_COLUMNS(JMI_LOG_ENUM)
#undef JMI_LOG_ENUM
        JMI_LOG_COUNT
} jmi_log_column;

enum { JMI_LOG_VERSION = 4, JMI_LOG_APPLICATION = 0x4a4d4c42 /* JMLB */ };

typedef struct jmi_log_definition {
    const char *name, *title; /* title NULL: the name */
    jm_sql_type type;
    int since;
    const char *meaning;
} jmi_log_definition;
extern const jmi_log_definition jmi_log_definitions[JMI_LOG_COUNT];

/* JMI_LOG_COUNT: there is none. */
jmi_log_column jmi_log_column_named(const char *name);

/* A row that is being put together; what is not set is NULL. */
typedef struct jmi_log_row {
    char *text[JMI_LOG_COUNT]; /* NULL: a number, or nothing */
    double number[JMI_LOG_COUNT];
    bool set[JMI_LOG_COUNT];
    bool failed; /* out of memory */
} jmi_log_row;

void jmi_log_set_text(jmi_log_row *row, jmi_log_column column, const char *text);
/* NaN is nothing. */
void jmi_log_set_number(jmi_log_row *row, jmi_log_column column, double value);
/* Likewise from a caller. JM_INVALID: there is no such column. */
int jmi_log_set_values(jmi_log_row *row, const jm_log_value *values, size_t count, jm_error *error);
void jmi_log_row_free(jmi_log_row *row);

/* ---- the file ---- */

typedef struct jmi_logbook {
    sqlite3 *db;
    char *path;
    int64_t waiting_since_ns; /* for others that write; it must not move while it is open */
} jmi_logbook;

typedef enum jmi_log_access {
    JMI_LOG_READ,   /* leaves the file as it is: columns that an older one lacks are empty */
    JMI_LOG_CHANGE, /* brings it up to date */
    JMI_LOG_MAKE /* likewise; makes it if it is not there, which is JM_NOT_FOUND for the others */
} jmi_log_access;
int jmi_logbook_open(jmi_logbook *book, const char *path, jmi_log_access access, jm_error *error);
/* An empty one in memory, for the sake of its columns. */
int jmi_logbook_open_empty(jmi_logbook *book, jm_error *error);
void jmi_logbook_close(jmi_logbook *book);
/* A status for what SQLite said. */
int jmi_logbook_fail(const jmi_logbook *book, const char *what, jm_error *error);

int jmi_logbook_insert(jmi_logbook *book, const jmi_log_row *row, int64_t *id, jm_error *error);

/* ---- which rows ---- */

int jmi_log_filter_take(jm_log_filter *ours, const jm_log_filter *theirs, jm_error *error);
/* A condition with the parameters ?1 ... ?6, which bind() gives their values. */
extern const char *const jmi_log_where;
void jmi_log_filter_bind(sqlite3_stmt *statement, const jm_log_filter *filter);

/* ---- where it ran ---- */

/* The commit of the folder or of one above it; false: none is known. No program is run. */
bool jmi_git_commit(const char *folder, char commit[72]);

#endif
