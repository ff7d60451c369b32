#include "report/json_object.h"

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

typedef struct flag_name {
    uint32_t bit;
    const char *name;
} flag_name;

static json_t *flag_list(uint32_t bits, const flag_name *names, size_t count) {
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        if (bits & names[i].bit) json_array_append_new(list, json_string(names[i].name));
    return list;
}

void jmi_json_set_energy(json_t *object, const jm_energy *e) {
    static const flag_name provenance[] = {{JM_FROM_COUNTER, "counter"},
                                           {JM_FROM_POWER, "power"},
                                           {JM_FROM_MODEL, "modelled"},
                                           {JM_FROM_SIMULATION, "simulated"},
                                           {JM_BOUND_ONLY, "bound only"}};
    static const flag_name flags[] = {{JM_ENERGY_CONFLICT, "conflict"},
                                      {JM_ENERGY_PARTIAL, "partial"},
                                      {JM_ENERGY_LOCKED, "locked"},
                                      {JM_ENERGY_ACTIVITY, "activity"},
                                      {JM_ENERGY_RESET, "reset"}};
    bool known = (e->provenance & ~(uint32_t)JM_BOUND_ONLY) != 0;
    jmi_json_set_number(object, "energy_j", known ? e->energy_j : NAN);
    jmi_json_set_number(object, "u95_j", known ? e->u95_j : NAN);
    jmi_json_set_number(object, "u_random_j", known ? e->u_random_j : NAN);
    jmi_json_set_number(object, "u_systematic_j", known ? e->u_systematic_j : NAN);
    jmi_json_set_number(object, "lower_j", e->lower_j);
    jmi_json_set_number(object, "upper_j", e->upper_j);
    jmi_json_set_number(object, "mean_power_w", known ? e->mean_power_w : NAN);
    jmi_json_set_number(object, "measured", e->measured);
    json_object_set_new(object, "provenance",
                        flag_list(e->provenance, provenance, JMI_COUNT(provenance)));
    json_object_set_new(object, "flags", flag_list(e->flags, flags, JMI_COUNT(flags)));
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
