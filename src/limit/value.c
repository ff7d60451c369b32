/* What people write for a limit. */
#include "limit/limit.h"

#include <ctype.h>
#include <math.h>
#include <string.h>
#include <strings.h>

const char *jm_lever_name(int lever) {
    switch (lever) {
    case JM_LEVER_POWER: return "power";
    case JM_LEVER_CLOCK: return "clock";
    default: return "unknown";
    }
}

const char *jm_lever_unit(int lever) {
    switch (lever) {
    case JM_LEVER_POWER: return "W";
    case JM_LEVER_CLOCK: return "MHz";
    default: return "";
    }
}

static int not_understood(const char *text, jm_lever lever, jm_error *error) {
    if (lever == JM_LEVER_CLOCK)
        return jmi_fail(error, JM_INVALID,
                        "'%.60s' is not a clock: write it as 1200, 1200MHz or 70%%", text);
    return jmi_fail(error, JM_INVALID,
                    "'%.60s' is not a power limit: write it as 250, 250W or 70%%", text);
}

int jm_limit_parse(const char *text, jm_lever lever, jm_limit_target *target, jm_error *error) {
    char number[40];
    if (text == NULL || target == NULL)
        return jmi_fail(error, JM_INVALID, "jm_limit_parse needs a text and a target");
    const char *begin = text + strspn(text, " ");
    size_t digits = strspn(begin, "0123456789.");
    const char *unit = begin + digits + strspn(begin + digits, " ");
    size_t length = strcspn(unit, " ");
    if (unit[length + strspn(unit + length, " ")] != '\0' || digits == 0 || digits >= sizeof number)
        return not_understood(text, lever, error);
    memcpy(number, begin, digits);
    number[digits] = '\0';
    *target = (jm_limit_target){.lever = lever, .percent = length == 1 && unit[0] == '%'};
    const char *own = jm_lever_unit((int)lever);
    bool known = length == 0 || target->percent ||
                 (length == strlen(own) && strncasecmp(unit, own, length) == 0);
    if (!known || !jmi_parse_double(number, &target->value) || !(target->value > 0))
        return not_understood(text, lever, error);
    return JM_OK;
}

bool jmi_lever_known(int lever) {
    return lever == JM_LEVER_POWER || lever == JM_LEVER_CLOCK;
}

double jmi_lever_scale(jm_lever lever) {
    return lever == JM_LEVER_POWER ? 1e3 : 1;
}

double jmi_lever_value(jm_lever lever, uint32_t steps) {
    if (steps == JMI_LIMIT_UNKNOWN) return (double)NAN;
    return (double)steps / jmi_lever_scale(lever);
}

const char *jmi_lever_text(jm_lever lever, uint32_t steps, char text[32]) {
    if (lever == JM_LEVER_CLOCK && steps == 0)
        snprintf(text, 32, "no lock");
    else if (steps == JMI_LIMIT_UNKNOWN)
        snprintf(text, 32, "an unknown limit");
    else if (steps % 1000 == 0 && lever == JM_LEVER_POWER)
        snprintf(text, 32, "%u W", steps / 1000);
    else if (lever == JM_LEVER_POWER)
        snprintf(text, 32, "%u.%u W", steps / 1000, steps / 100 % 10);
    else
        snprintf(text, 32, "%u MHz", steps);
    return text;
}
