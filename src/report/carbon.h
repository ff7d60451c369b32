/* What the energy of a summary comes to: carbon, money and water. */
#ifndef JMI_REPORT_CARBON_H
#define JMI_REPORT_CARBON_H

#include "report/json_object.h"
#include "report/text.h"

typedef struct jmi_footprint {
    bool asked;      /* there is a grid */
    bool bound_only; /* of the energy only bounds are known, and so of what it comes to */
    jm_grid_info grid;
    jm_carbon carbon;
    char why[300]; /* why there is no carbon; "" */
} jmi_footprint;

/* Of the summary's window and total; a grid of NULL asks for nothing. To know nothing is no error.
 */
int jmi_footprint_make(jmi_footprint *footprint, const jmi_summary *summary, const jm_grid *grid,
                       const jm_energy_options *options, jm_error *error);

void jmi_footprint_json(const jmi_footprint *footprint, json_t *root);
void jmi_footprint_text(const jmi_footprint *footprint, jmi_page *page);

/* Name and text of what is known, in UTF-8; what stands in it of the user's is not cleaned. */
typedef void (*jmi_footprint_fact)(const char *name, const char *text, void *user);
void jmi_footprint_facts(const jmi_footprint *footprint, jmi_footprint_fact fact, void *user);

#endif
