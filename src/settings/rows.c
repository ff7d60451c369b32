/* The settings that there are. */
#include "settings/settings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const jmi_setting_row jmi_setting_rows[] = {
    {"log", "JOULEMETER_LOG", JM_SETTING_BOOL, false, false, 0, 0,
     "keep every measured run in the logbook"},
    {"log_path", "JOULEMETER_LOG_PATH", JM_SETTING_TEXT, false, true, 0, 0,
     "the logbook, instead of the usual file"},
    {"project", "JOULEMETER_PROJECT", JM_SETTING_TEXT, false, false, 0, 0,
     "project that logged runs belong to"},
    {"user", "JOULEMETER_USER", JM_SETTING_TEXT, false, false, 0, 0, "name kept with logged runs"},
    {"tag", "JOULEMETER_TAG", JM_SETTING_TEXT, false, false, 0, 0, "tag of logged runs"},
    {"carbon.country", "JOULEMETER_COUNTRY", JM_SETTING_TEXT, false, false, 0, 0,
     "whose grid: a code of ISO 3166-1, FR or FRA; none"},
    {"carbon.intensity", "JOULEMETER_INTENSITY", JM_SETTING_TEXT, true, true, 0, 0,
     "gCO2e a kWh, or a CSV file of times and such numbers"},
    {"carbon.intensity_u", "JOULEMETER_INTENSITY_U", JM_SETTING_NUMBER, false, false, 0, 2,
     "relative standard uncertainty of the intensity"},
    {"carbon.pue", "JOULEMETER_PUE", JM_SETTING_NUMBER, false, false, 1, 10,
     "power usage effectiveness of the building"},
    {"carbon.price", "JOULEMETER_PRICE", JM_SETTING_NUMBER, false, false, 0, 1e9, "money a kWh"},
    {"carbon.currency", "JOULEMETER_CURRENCY", JM_SETTING_TEXT, false, false, 0, 0,
     "what the price is in, EUR"},
    {"carbon.water", "JOULEMETER_WATER", JM_SETTING_NUMBER, false, false, 0, 1e5,
     "litres of water a kWh (WUE)"},
};
const uint32_t jmi_setting_row_count = JMI_COUNT(jmi_setting_rows);

static const char *last_word(const char *key) {
    const char *point = strrchr(key, '.');
    return point != NULL ? point + 1 : key;
}

static int unknown(const char *key, jm_error *error) {
    char list[300] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < jmi_setting_row_count && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "",
                                 jmi_setting_rows[i].key);
    return jmi_fail(error, JM_NOT_FOUND, "there is no setting '%.60s'; there are %s", key, list);
}

uint32_t jmi_setting_named(const char *key, jm_error *error) {
    for (uint32_t i = 0; i < jmi_setting_row_count; i++)
        if (strcmp(key, jmi_setting_rows[i].key) == 0 ||
            strcmp(key, last_word(jmi_setting_rows[i].key)) == 0)
            return i;
    unknown(key, error);
    return UINT32_MAX;
}

static bool take_bool(const char *value, bool *on) {
    static const char *const yes[] = {"true", "1", "yes", "on"};
    static const char *const no[] = {"false", "0", "no", "off"};
    for (size_t i = 0; i < JMI_COUNT(yes); i++) {
        *on = strcmp(value, yes[i]) == 0;
        if (*on || strcmp(value, no[i]) == 0) return true;
    }
    return false;
}

int jmi_setting_check(const jmi_setting_row *row, const char *value, const char *source,
                      double *number, bool *on, jm_error *error) {
    *number = NAN;
    *on = false;
    if (row->kind == JM_SETTING_BOOL && !take_bool(value, on))
        return jmi_fail(error, JM_INVALID, "%.200s: %s is true or false, not '%.60s'", source,
                        row->key, value);
    if (row->kind != JM_SETTING_NUMBER) return JM_OK;
    if (!jmi_parse_double(value, number))
        return jmi_fail(error, JM_INVALID, "%.200s: %s is a number, not '%.60s'", source, row->key,
                        value);
    if (*number >= row->least && *number <= row->most) return JM_OK;
    return jmi_fail(error, JM_INVALID, "%.200s: %s is from %g to %g, not %.60s", source, row->key,
                    row->least, row->most, value);
}

/* "56", "0.056 kg", "1e2": "2024.csv" and "24h_grid" are none. */
static bool is_amount(const char *text) {
    size_t digits = strspn(text, "0123456789.eE+-");
    const char *unit = text + digits + strspn(text + digits, " ");
    if (strcspn(text, "0123456789") >= digits || text[0] == 'e' || text[0] == 'E') return false;
    return *unit == '\0' || (strchr("gkmtlpGKMTLP", *unit) != NULL && strchr(unit, '.') == NULL);
}

int jmi_setting_resolve(const jmi_setting_row *row, const char *text, const char *folder,
                        const char *source, char **value, jm_error *error) {
    jmi_text path = {0};
    const char *home = getenv("HOME");
    bool named = row->file && text[0] != '\0' && !(row->digits && is_amount(text));
    bool at_home = named && text[0] == '~' && (text[1] == '/' || text[1] == '\0');
    *value = NULL;
    if (at_home && (home == NULL || home[0] != '/'))
        return jmi_fail(error, JM_INVALID,
                        "%.200s: %s: $HOME is no folder, so that '%.60s' is none", source, row->key,
                        text);
    if (named && text[0] == '~' && !at_home)
        return jmi_fail(error, JM_INVALID, "%.200s: %s: of '%.60s' only ~/ is understood", source,
                        row->key, text);
    if (at_home)
        jmi_text_add(&path, "%s%s", home, text + 1);
    else if (named && text[0] != '/' && folder != NULL)
        jmi_text_add(&path, "%s/%s", folder, text);
    else
        jmi_text_append(&path, text, strlen(text));
    return jmi_text_take(&path, value, error);
}
