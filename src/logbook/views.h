/* The views of the logbook, as queries. */
#ifndef JMI_LOGBOOK_VIEWS_H
#define JMI_LOGBOOK_VIEWS_H

#include "logbook/logbook.h"

/* Adds "SELECT ... FROM run WHERE ..." with the parameters of jmi_log_where. False: there is no
 * such view. */
bool jmi_log_view_sql(jmi_text *sql, jm_log_view view);
/* Adds the runs that meet a filter, in parentheses, as rows of `run` with more columns: whether a
 * run overlaps another of its machine in time (devices are measured whole, so that what both used
 * is in both), and the currency of its cost. */
void jmi_log_add_chosen(jmi_text *sql);

/* What runs come to. Random parts of runs are independent; systematic ones are of the same devices
 * and add up, and so do the halves of what is known of carbon: its intensity is wrong in the same
 * way in every run. Where bounds alone are known of one the sum has bounds, too. */
#define JMI_LOG_TOTALS(X)                                                                          \
    X(runs, "count(*)")                                                                            \
    X(time_s, "sum(duration_s)")                                                                   \
    X(energy_j, "sum(energy_j)")                                                                   \
    X(energy_u95_j, "1.96 * root(sum(u_random_j * u_random_j) + "                                  \
                    "sum(u_systematic_j) * sum(u_systematic_j))")                                  \
    X(co2_g, "sum(co2_g)")                                                                         \
    X(co2_lower_g, "sum(co2_lower_g)")                                                             \
    X(co2_upper_g, "CASE WHEN count(co2_upper_g) = count(co2_g) THEN sum(co2_upper_g) END")        \
    X(cost, "CASE WHEN count(DISTINCT currency_of_cost) <= 1 THEN sum(cost) END")                  \
    X(cost_lower, "CASE WHEN count(DISTINCT currency_of_cost) <= 1 AND "                           \
                  "count(cost_lower) = count(cost) THEN sum(cost_lower) END")                      \
    X(cost_upper, "CASE WHEN count(DISTINCT currency_of_cost) <= 1 AND "                           \
                  "count(cost_upper) = count(cost) THEN sum(cost_upper) END")                      \
    X(currency, "max(currency)")                                                                   \
    X(water_l, "sum(water_l)")                                                                     \
    X(without_energy, "count(*) - count(energy_j)")                                                \
    X(without_co2, "count(*) - count(co2_g)")                                                      \
    X(without_cost, "count(*) - count(cost)")                                                      \
    X(currencies, "count(DISTINCT currency_of_cost)")                                              \
    X(bounded, "coalesce(sum(provenance LIKE '%bound only%'), 0)")                                 \
    X(energy_lower_j, "sum(energy_lower_j)")                                                       \
    X(energy_upper_j,                                                                              \
      "CASE WHEN count(energy_upper_j) = count(energy_j) THEN sum(energy_upper_j) END")            \
    X(overlapping, "coalesce(sum(overlaps), 0)")

typedef enum jmi_log_total {
#define JMI_LOG_TOTAL_ENUM(name, sql) JMI_TOTAL_##name,
    JMI_LOG_TOTALS(JMI_LOG_TOTAL_ENUM)
#undef JMI_LOG_TOTAL_ENUM
        JMI_TOTAL_COUNT
} jmi_log_total;

/* Adds "count(*) AS runs, ..." */
void jmi_log_add_totals(jmi_text *sql);

/* Functions that they call. */
int jmi_log_functions(sqlite3 *db);

#endif
