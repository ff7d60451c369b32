#include "report/json_object.h"

#include <math.h>

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
