/* Attributes of ranges and marks: JSON objects, if the program wrote what it should. */
#ifndef JMI_REPORT_ATTRIBUTES_H
#define JMI_REPORT_ATTRIBUTES_H

#include "base/base.h"

#include <jansson.h>

/* The object; NULL where the text is empty or is none. To be let go with json_decref. */
json_t *jmi_attributes_read(const char *attributes);
/* The number under a key; NaN and false where there is none. A real number without a fraction
 * counts as an integer. */
double jmi_attribute_number(const json_t *object, const char *key);
bool jmi_attribute_integer(const json_t *object, const char *key, int64_t *value);

/* The attributes as a text that is a JSON object: themselves, {} for none, {"text":...} around what
 * is no object. *made is NULL or to be freed. NULL: out of memory. */
const char *jmi_attributes_json(const char *attributes, char **made);

#endif
