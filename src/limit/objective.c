/* What is to be least: its names, its value. */
#include "limit/tune.h"

#include <math.h>
#include <string.h>

static const char known[] =
    "objectives are energy, edp, ed2p, time, slowdown=PERCENT and cost=PER_KWH,PER_HOUR";

typedef struct name {
    const char *text;
    jm_objective_kind kind;
} name;

static const name plain[] = {{"ed2p", JM_OBJECTIVE_ED2P},
                             {"edp", JM_OBJECTIVE_EDP},
                             {"energy", JM_OBJECTIVE_ENERGY},
                             {"time", JM_OBJECTIVE_TIME}};

static bool amount(double value) {
    return isfinite(value) && value >= 0 && value <= 1e12;
}

int jmi_objective_check(const jm_objective *o, jm_error *error) {
    if (o->kind < JM_OBJECTIVE_ED2P || o->kind > JM_OBJECTIVE_COST)
        return jmi_fail(error, JM_INVALID, "there is no objective %d; %s", (int)o->kind, known);
    if (o->kind == JM_OBJECTIVE_SLOWDOWN && !(amount(o->slowdown_pct) && o->slowdown_pct <= 1e4))
        return jmi_fail(error, JM_INVALID, "a slowdown is 0 to 10000 %%, not %g %%",
                        o->slowdown_pct);
    if (o->kind != JM_OBJECTIVE_COST) return JM_OK;
    if (!amount(o->price_kwh) || !amount(o->price_h))
        return jmi_fail(error, JM_INVALID, "prices are 0 or more, not %g a kWh and %g an hour",
                        o->price_kwh, o->price_h);
    if (o->price_kwh == 0 && o->price_h == 0)
        return jmi_fail(error, JM_INVALID,
                        "a cost of 0 a kWh and 0 an hour is the same everywhere");
    return JM_OK;
}

/* ---- text ---- */

/* The number in text[0 ... length); it may end in `unit`. */
static bool number(const char *text, size_t length, char unit, double *value) {
    char copy[64];
    if (length > 0 && unit != '\0' && text[length - 1] == unit) length--;
    if (length == 0 || length >= sizeof copy) return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return strspn(copy, "0123456789.eE+-") == length && jmi_parse_double(copy, value);
}

static int parse_slowdown(const char *value, jm_objective *o, jm_error *error) {
    o->kind = JM_OBJECTIVE_SLOWDOWN;
    if (!number(value, strlen(value), '%', &o->slowdown_pct))
        return jmi_fail(error, JM_INVALID, "\"slowdown=%.40s\": give per cent, as in slowdown=5%%",
                        value);
    return JM_OK;
}

static int parse_cost(const char *value, jm_objective *o, jm_error *error) {
    const char *comma = strchr(value, ',');
    o->kind = JM_OBJECTIVE_COST;
    if (comma == NULL || !number(value, (size_t)(comma - value), '\0', &o->price_kwh) ||
        !number(comma + 1, strlen(comma + 1), '\0', &o->price_h))
        return jmi_fail(error, JM_INVALID,
                        "\"cost=%.40s\": give the price of a kWh and that of an hour, as in "
                        "cost=0.30,2.50",
                        value);
    return JM_OK;
}

int jm_objective_parse(const char *text, jm_objective *objective, jm_error *error) {
    jm_objective o = {JM_OBJECTIVE_ED2P, 0, 0, 0};
    int status = JM_OK;
    if (text == NULL || objective == NULL)
        return jmi_fail(error, JM_INVALID, "no objective was given; %s", known);
    if (strncmp(text, "slowdown=", 9) == 0) {
        status = parse_slowdown(text + 9, &o, error);
    } else if (strncmp(text, "cost=", 5) == 0) {
        status = parse_cost(text + 5, &o, error);
    } else {
        size_t i = 0;
        while (i < JMI_COUNT(plain) && strcmp(text, plain[i].text) != 0) i++;
        if (i == JMI_COUNT(plain))
            return jmi_fail(error, JM_INVALID, "there is no objective \"%.40s\"; %s", text, known);
        o.kind = plain[i].kind;
    }
    if (status == JM_OK) status = jmi_objective_check(&o, error);
    if (status == JM_OK) *objective = o;
    return status;
}

const char *jm_objective_text(const jm_objective *objective, char *text, size_t size) {
    char a[40], b[40], whole[100] = "";
    if (text == NULL || size == 0) return "";
    if (objective != NULL && objective->kind == JM_OBJECTIVE_SLOWDOWN) {
        snprintf(whole, sizeof whole, "slowdown=%s%%",
                 jmi_format_double(objective->slowdown_pct, a, sizeof a));
    } else if (objective != NULL && objective->kind == JM_OBJECTIVE_COST) {
        snprintf(whole, sizeof whole, "cost=%s,%s",
                 jmi_format_double(objective->price_kwh, a, sizeof a),
                 jmi_format_double(objective->price_h, b, sizeof b));
    } else {
        for (size_t i = 0; objective != NULL && i < JMI_COUNT(plain); i++)
            if (plain[i].kind == objective->kind)
                snprintf(whole, sizeof whole, "%s", plain[i].text);
    }
    snprintf(text, size, "%s", whole);
    return text;
}

/* ---- value ---- */

double jm_objective_value(const jm_objective *objective, double seconds, double energy_j) {
    if (objective == NULL) return NAN;
    switch (objective->kind) {
    case JM_OBJECTIVE_ED2P: return energy_j * seconds * seconds;
    case JM_OBJECTIVE_EDP: return energy_j * seconds;
    case JM_OBJECTIVE_TIME: return seconds;
    case JM_OBJECTIVE_ENERGY:
    case JM_OBJECTIVE_SLOWDOWN: return energy_j;
    case JM_OBJECTIVE_COST:
        return objective->price_kwh * energy_j / 3.6e6 + objective->price_h * seconds / 3600;
    }
    return NAN;
}

const char *jm_objective_unit(const jm_objective *objective) {
    if (objective == NULL) return "";
    switch (objective->kind) {
    case JM_OBJECTIVE_ED2P: return "J s^2";
    case JM_OBJECTIVE_EDP: return "J s";
    case JM_OBJECTIVE_TIME: return "s";
    case JM_OBJECTIVE_ENERGY:
    case JM_OBJECTIVE_SLOWDOWN: return "J";
    case JM_OBJECTIVE_COST: return "money";
    }
    return "";
}
