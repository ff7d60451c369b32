/* Values of JSON objects: what is not known is null, and texts of programs are made UTF-8. */
#ifndef JMI_BASE_JSON_H
#define JMI_BASE_JSON_H

#include "base/base.h"

#include <jansson.h>

/* JSON knows no infinity and no NaN: null. */
json_t *jmi_json_number(double value);
/* NULL is null; what is not UTF-8 is replaced. */
json_t *jmi_json_text(const char *text);
void jmi_json_set_number(json_t *object, const char *key, double value);
void jmi_json_set_text(json_t *object, const char *key, const char *text);
void jmi_json_set_count(json_t *object, const char *key, uint64_t value);
void jmi_json_set_bool(json_t *object, const char *key, bool value);
/* The object as text with so many digits (0: all), whatever the locale. Takes the object; NULL is
 * out of memory. */
int jmi_json_dump(json_t *object, size_t flags, char **text, jm_error *error);

#endif
