#include "report/attributes.h"

#include <math.h>

json_t *jmi_attributes_read(const char *attributes) {
    if (attributes[0] == '\0') return NULL;
    json_t *value = json_loads(attributes, 0, NULL);
    if (json_is_object(value)) return value;
    json_decref(value);
    return NULL;
}

double jmi_attribute_number(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

bool jmi_attribute_integer(const json_t *object, const char *key, int64_t *value) {
    const json_t *number = json_object_get(object, key);
    *value = json_integer_value(number);
    if (json_is_integer(number)) return true;
    double real = json_real_value(number);
    if (!json_is_real(number) || !(fabs(real) < 0x1p53) || real != trunc(real)) return false;
    *value = (int64_t)real;
    return true;
}

const char *jmi_attributes_json(const char *attributes, char **made) {
    *made = NULL;
    if (attributes[0] == '\0') return "{}";
    json_t *object = jmi_attributes_read(attributes);
    if (object != NULL) {
        json_decref(object);
        return attributes;
    }
    object = json_object();
    json_object_set_new(object, "text", json_string(attributes));
    *made = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    return *made;
}
