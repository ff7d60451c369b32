/* What reports add to JSON objects. */
#ifndef JMI_REPORT_JSON_OBJECT_H
#define JMI_REPORT_JSON_OBJECT_H

#include "base/json.h"

/* The keys of an energy, as docs/json.md has them. */
void jmi_json_set_energy(json_t *object, const jm_energy *energy);

#endif
