/* The views of the logbook, as queries. */
#ifndef JMI_LOGBOOK_VIEWS_H
#define JMI_LOGBOOK_VIEWS_H

#include "logbook/logbook.h"

/* Adds "SELECT ... FROM run WHERE ..." with the parameters of jmi_log_where. False: there is no
 * such view. */
bool jmi_log_view_sql(jmi_text *sql, jm_log_view view);
/* Functions that they call. */
int jmi_log_functions(sqlite3 *db);

#endif
