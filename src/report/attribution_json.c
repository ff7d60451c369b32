/* An attribution as one JSON object (docs/json.md). */
#include "attribute/attribution.h"
#include "report/json_object.h"

#include <math.h>

enum { SCHEMA = 1 };

static json_t *energy_object(const jm_energy *e) {
    json_t *object = json_object();
    jmi_json_set_energy(object, e);
    jmi_json_set_number(object, "duration_s", e->duration_s);
    return object;
}

/* What parts and groups have in common. */
static json_t *part_object(const jm_part *p) {
    json_t *object = json_object();
    jmi_json_set_text(object, "name", p->name);
    jmi_json_set_count(object, "calls", p->calls);
    jmi_json_set_number(object, "time_s", p->time_s);
    jmi_json_set_number(object, "power_w", p->power_w);
    jmi_json_set_number(object, "power_u95_w", p->power_u95_w);
    jmi_json_set_number(object, "seen_s", p->seen_s);
    jmi_json_set_energy(object, &p->energy);
    return object;
}

static json_t *parts_list(const jm_attribution *a) {
    json_t *list = json_array();
    for (size_t i = 0; i < a->part_count; i++) {
        const jm_part *p = &a->parts[i];
        json_t *object = part_object(p);
        json_object_set_new(object, "group",
                            p->group == JM_NO_GROUP ? json_null() : json_integer(p->group));
        jmi_json_set_text(object, "type", p->type);
        jmi_json_set_number(object, "inclusive_time_s", p->inclusive_time_s);
        json_object_set_new(object, "inclusive", energy_object(&p->inclusive));
        json_array_append_new(list, object);
    }
    return list;
}

static json_t *groups_list(const jm_attribution *a) {
    json_t *list = json_array();
    for (uint32_t g = 0; g < a->group_count; g++) {
        json_t *object = part_object(&a->groups[g]), *members = json_array();
        for (size_t i = 0; i < a->part_count; i++)
            if (a->parts[i].group == g) json_array_append_new(members, json_integer((int)i));
        json_object_set_new(object, "parts", members);
        json_array_append_new(list, object);
    }
    return list;
}

static json_t *diagnostics_object(const jm_attribution_info *info) {
    json_t *object = json_object();
    jmi_json_set_count(object, "readings", info->readings);
    jmi_json_set_count(object, "within", info->within);
    jmi_json_set_count(object, "needed", info->needed);
    jmi_json_set_number(object, "effective", info->effective);
    jmi_json_set_number(object, "condition", info->condition);
    jmi_json_set_number(object, "noise_w", info->noise_w);
    jmi_json_set_number(object, "shift_s", info->shift_s);
    jmi_json_set_number(object, "lock", info->lock);
    jmi_json_set_bool(object, "locked", info->locked);
    return object;
}

/* Columns: there can be a million calls. */
static json_t *calls_object(const jm_attribution *a) {
    static const char *const names[] = {"range", "part",        "own_s",   "energy_j",
                                        "u95_j", "inclusive_j", "begin_w", "end_w"};
    json_t *columns[JMI_COUNT(names)], *object = json_object();
    for (size_t k = 0; k < JMI_COUNT(names); k++) columns[k] = json_array();
    for (size_t i = 0; i < a->call_count; i++) {
        const jm_call *c = &a->calls[i];
        const double values[] = {c->own_s,       c->energy_j, c->u95_j,
                                 c->inclusive_j, c->begin_w,  c->end_w};
        json_array_append_new(columns[0], json_integer((json_int_t)c->range));
        json_array_append_new(columns[1], json_integer(c->part));
        for (size_t k = 0; k < JMI_COUNT(values); k++)
            json_array_append_new(columns[k + 2], jmi_json_number(values[k]));
    }
    for (size_t k = 0; k < JMI_COUNT(names); k++) json_object_set_new(object, names[k], columns[k]);
    return object;
}

static json_t *categories_list(uint32_t categories) {
    json_t *list = json_array();
    for (int c = 0; c < 32; c++)
        if (categories >> c & 1) json_array_append_new(list, json_string(jm_category_name(c)));
    return list;
}

int jm_attribution_json(const jm_attribution *a, bool calls, char **json, jm_error *error) {
    static const char *const methods[] = {"regression", "time_share", "boundary"};
    if (a == NULL || json == NULL)
        return jmi_fail(error, JM_INVALID, "there is no attribution, or no place (NULL)");
    json_t *object = json_object();
    const jm_attribution_info *info = &a->info;
    jmi_json_set_count(object, "schema", SCHEMA);
    jmi_json_set_bool(object, "simulated", a->simulated);
    jmi_json_set_bool(object, "modelled", a->modelled);
    jmi_json_set_text(object, "by", jm_category_name((int)info->category));
    json_object_set_new(object, "categories", categories_list(info->categories));
    jmi_json_set_text(object, "device", a->device);
    jmi_json_set_text(object, "method", methods[a->method]);
    jmi_json_set_bool(object, "net", a->terms.net);
    json_object_set_new(object, "whole", energy_object(&info->whole));
    json_object_set_new(object, "sum", energy_object(&info->sum));
    json_object_set_new(object, "gap", energy_object(&info->gap));
    jmi_json_set_number(object, "residual_j", info->residual_j);
    jmi_json_set_number(object, "residual_u95_j", info->residual_u95_j);
    json_t *idle = a->terms.net ? json_object() : json_null();
    if (a->terms.net) {
        jmi_json_set_number(idle, "power_w", info->idle_w);
        jmi_json_set_number(idle, "power_u95_w", info->idle_u95_w);
    }
    json_object_set_new(object, "idle", idle);
    json_object_set_new(object, "diagnostics",
                        a->method == JM_ATTRIBUTION_REGRESSION ? diagnostics_object(info)
                                                               : json_null());
    json_object_set_new(object, "parts", parts_list(a));
    json_object_set_new(object, "groups", groups_list(a));
    if (calls) json_object_set_new(object, "calls", calls_object(a));
    return jmi_json_dump(object, JSON_INDENT(1) | JSON_REAL_PRECISION(12), json, error);
}
