#include "footprint.h"

#include <string.h>

const char *setting_text(const jm_settings *settings, const char *key) {
    jm_setting setting = {.size = sizeof setting};
    return jm_settings_get(settings, key, &setting, NULL) == JM_OK ? setting.value : NULL;
}

bool setting_on(const jm_settings *settings, const char *key) {
    jm_setting setting = {.size = sizeof setting};
    return jm_settings_get(settings, key, &setting, NULL) == JM_OK && setting.on;
}

static int take_flags(footprint *f, jm_error *error) {
    const struct {
        const char *key, *value, *flag;
    } flags[] = {{"carbon.country", f->country, "--country"},
                 {"carbon.intensity", f->intensity, "--intensity"},
                 {"carbon.pue", f->pue, "--pue"},
                 {"carbon.price", f->price, "--price"}};
    int status = JM_OK;
    for (size_t i = 0; status == JM_OK && i < CLI_COUNT(flags); i++)
        if (flags[i].value != NULL)
            status =
                jm_settings_set(f->settings, flags[i].key, flags[i].value, flags[i].flag, error);
    return status;
}

int footprint_open(footprint *f, const cli_command *command) {
    jm_error error = {0};
    int status = jm_settings_open(&f->settings, NULL, &error);
    if (status == JM_OK) status = take_flags(f, &error);
    if (status == JM_OK) status = jm_grid_of_settings(&f->grid, f->settings, &error);
    return status == JM_OK ? CLI_OK : cli_fail_error(command, &error);
}

void footprint_close(footprint *f) {
    jm_grid_free(f->grid);
    jm_settings_free(f->settings);
    f->grid = NULL;
    f->settings = NULL;
}

/* Whoever says `none` wants to hear nothing of it. */
static bool left_out(const footprint *f) {
    const char *country = setting_text(f->settings, "carbon.country");
    return country != NULL && strcmp(country, "none") == 0;
}

const jm_grid *footprint_shown(const footprint *f) {
    jm_grid_info info = {.size = sizeof info};
    if (f->grid == NULL || jm_grid_get(f->grid, &info) != JM_OK) return NULL;
    bool known = info.source != JM_INTENSITY_UNKNOWN || info.price - info.price == 0 ||
                 info.water_l - info.water_l == 0;
    return known || f->asked || !left_out(f) ? f->grid : NULL;
}

bool footprint_guessed(const footprint *f) {
    jm_grid_info info = {.size = sizeof info};
    return jm_grid_get(f->grid, &info) == JM_OK && info.source == JM_INTENSITY_ZONE;
}
