/* A grid as the settings have it. */
#include "carbon/grid.h"

#include <string.h>

static const char *text_of(const jm_settings *settings, const char *key) {
    jm_setting setting = {.size = sizeof setting};
    if (jm_settings_get(settings, key, &setting, NULL) != JM_OK) return NULL;
    return setting.value;
}

static jm_setting_strength strength_of(const jm_settings *settings, const char *key) {
    jm_setting setting = {.size = sizeof setting};
    jm_settings_get(settings, key, &setting, NULL);
    return setting.strength;
}


static double number_of(const jm_settings *settings, const char *key) {
    jm_setting setting = {.size = sizeof setting};
    if (jm_settings_get(settings, key, &setting, NULL) != JM_OK || setting.value == NULL) return 0;
    return setting.number;
}

/* Who names a country with the command does not mean the number that was once written down, nor its
 * uncertainty. */
static void take_intensity(jm_grid_options *options, const jm_settings *settings) {
    jm_setting_strength country = strength_of(settings, "carbon.country");
    jm_setting_strength intensity = strength_of(settings, "carbon.intensity");
    jm_setting_strength u = strength_of(settings, "carbon.intensity_u");
    bool stands = intensity >= country;
    if (stands) options->intensity = text_of(settings, "carbon.intensity");
    if (stands || u > intensity || intensity == JM_SETTING_UNSET)
        options->intensity_u = number_of(settings, "carbon.intensity_u");
}

/* Which setting was wrong is not in the message of what did not understand it. */
static int blame(const jm_settings *settings, const char *key, int status, const jm_error *why,
                 jm_error *error) {
    jm_setting setting = {.size = sizeof setting};
    if (jm_settings_get(settings, key, &setting, NULL) != JM_OK || setting.value == NULL)
        return jmi_fail(error, status, "%s", why->message);
    return jmi_fail(error, status, "%.300s (%.150s)", why->message, setting.source);
}

int jm_grid_of_settings(jm_grid **grid, const jm_settings *settings, jm_error *error) {
    if (grid == NULL || settings == NULL)
        return jmi_fail(error, JM_INVALID, "a grid and settings are needed");
    jm_grid_options options = JM_GRID_OPTIONS_INIT;
    jm_country country = {.size = sizeof country};
    jm_error why = {0};
    options.country = text_of(settings, "carbon.country");
    take_intensity(&options, settings);
    options.pue = number_of(settings, "carbon.pue");
    options.price = number_of(settings, "carbon.price");
    options.currency = text_of(settings, "carbon.currency");
    options.water_l = number_of(settings, "carbon.water");
    *grid = NULL;
    if (options.country != NULL && strcmp(options.country, "none") != 0) {
        int status = jm_country_find(options.country, &country, &why);
        if (status != JM_OK) return blame(settings, "carbon.country", status, &why, error);
    }
    int status = jm_grid_open(grid, &options, &why);
    return status == JM_OK ? JM_OK : blame(settings, "carbon.intensity", status, &why, error);
}
