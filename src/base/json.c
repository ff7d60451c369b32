#include "base/json.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

json_t *jmi_json_number(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *jmi_json_text(const char *text) {
    if (text == NULL) return json_null();
    json_t *value = json_string(text);
    if (value != NULL) return value;
    size_t length = strlen(text);
    char *ascii = jmi_strdup(text);
    for (size_t i = 0; ascii != NULL && i < length; i++)
        if ((unsigned char)ascii[i] >= 0x80) ascii[i] = '?';
    value = json_string(ascii == NULL ? "" : ascii);
    free(ascii);
    return value;
}

void jmi_json_set_number(json_t *object, const char *key, double value) {
    json_object_set_new(object, key, jmi_json_number(value));
}

void jmi_json_set_text(json_t *object, const char *key, const char *text) {
    json_object_set_new(object, key, jmi_json_text(text));
}

void jmi_json_set_count(json_t *object, const char *key, uint64_t value) {
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

void jmi_json_set_bool(json_t *object, const char *key, bool value) {
    json_object_set_new(object, key, json_boolean(value));
}

int jmi_json_dump(json_t *object, size_t flags, char **text, jm_error *error) {
    /* jansson asks localeconv() for the point that printf wrote: both follow the thread's locale.
     */
    locale_t c = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    locale_t before = c != (locale_t)0 ? uselocale(c) : (locale_t)0;
    char *dumped = object == NULL ? NULL : json_dumps(object, flags);
    if (c != (locale_t)0) {
        uselocale(before);
        freelocale(c);
    }
    json_decref(object);
    *text = NULL;
    if (dumped == NULL) return jmi_fail(error, JM_MEMORY, "out of memory while writing JSON");
    jmi_text out = {0};
    jmi_text_append(&out, dumped, strlen(dumped));
    jmi_text_append(&out, "\n", 1);
    free(dumped);
    return jmi_text_take(&out, text, error);
}
