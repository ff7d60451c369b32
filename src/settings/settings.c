#include "settings/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct held {
    char *value; /* NULL: not set */
    char *source;
    double number;
    bool on;
    jm_setting_strength strength;
} held;

struct jm_settings {
    held *held; /* as many as there are rows */
};

int jm_settings_usual_path(char **path, jm_error *error) {
    char usual[4096];
    if (path == NULL) return jmi_fail(error, JM_INVALID, "there is no place for the path");
    *path = NULL;
    if (!jmi_user_path(usual, sizeof usual, "XDG_CONFIG_HOME", ".config", "config.toml"))
        return jmi_fail(error, JM_NOT_FOUND, "neither $XDG_CONFIG_HOME nor $HOME is a folder");
    *path = jmi_strdup(usual);
    return *path != NULL ? JM_OK : jmi_fail(error, JM_MEMORY, "out of memory");
}

int jmi_settings_read(const char *path, jmi_text *text, jm_error *error) {
    enum { MOST_BYTES = 1 << 20 };
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return jmi_fail_errno(error, errno, "cannot read %s", path);
    int errnum = jmi_read_all(fd, MOST_BYTES, text);
    close(fd);
    if (errnum == EFBIG)
        return jmi_fail(error, JM_FORMAT, "%s is larger than 1 MB: it holds no settings", path);
    if (errnum == ENOMEM) return jmi_fail(error, JM_MEMORY, "out of memory");
    return errnum != 0 ? jmi_fail_errno(error, errnum, "cannot read %s", path) : JM_OK;
}

/* `folder`: where files begin whose names are relative; NULL: where the program runs. */
static int hold(jm_settings *settings, uint32_t index, const char *value, const char *folder,
                const char *source, jm_setting_strength strength, jm_error *error) {
    held new = {.number = NAN, .strength = strength}, *old = &settings->held[index];
    const jmi_setting_row *row = &jmi_setting_rows[index];
    int status = jmi_setting_check(row, value, source, &new.number, &new.on, error);
    if (status == JM_OK)
        status = jmi_setting_resolve(row, value, folder, source, &new.value, error);
    if (status != JM_OK) return status;
    new.source = jmi_strdup(source);
    if (new.source == NULL) {
        free(new.value);
        return jmi_fail(error, JM_MEMORY, "out of memory");
    }
    free(old->value);
    free(old->source);
    *old = new;
    return JM_OK;
}

/* ---- the file ---- */

static bool kinds_fit(const jmi_setting_row *row, jmi_toml_kind kind) {
    switch (row->kind) {
    case JM_SETTING_NUMBER: return kind == JMI_TOML_NUMBER;
    case JM_SETTING_BOOL: return kind == JMI_TOML_BOOL;
    default: return kind == JMI_TOML_TEXT || (row->digits && kind == JMI_TOML_NUMBER);
    }
}

static char *folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = jmi_strdup(slash != NULL ? path : ".");
    if (folder != NULL && slash != NULL) folder[slash == path ? 1 : slash - path] = '\0';
    return folder;
}

static int take_line(jm_settings *settings, const jmi_toml_line *line, const char *path,
                     jm_error *error) {
    static const char *const kinds[] = {"a \"text\"", "a number", "true or false"};
    char source[4200];
    jm_error why;
    if (line->kind == JMI_TOML_TABLE) return JM_OK; /* its settings say whether it is known */
    snprintf(source, sizeof source, "%s:%zu", path, line->line);
    uint32_t index = jmi_setting_named(line->key, &why);
    if (index == UINT32_MAX || strcmp(jmi_setting_rows[index].key, line->key) != 0) {
        if (index != UINT32_MAX)
            return jmi_fail(error, JM_FORMAT, "%.200s: %s belongs into the table [%.*s]", source,
                            line->key, (int)strcspn(jmi_setting_rows[index].key, "."),
                            jmi_setting_rows[index].key);
        return jmi_fail(error, JM_FORMAT, "%.100s: %.390s", source, why.message);
    }
    const jmi_setting_row *row = &jmi_setting_rows[index];
    if (!kinds_fit(row, line->kind))
        return jmi_fail(error, JM_FORMAT, "%.200s: %s is %s", source, row->key, kinds[row->kind]);
    char *folder = folder_of(path);
    if (folder == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    int status = hold(settings, index, line->value, folder, source, JM_SETTING_OF_FILE, error);
    free(folder);
    if (status == JM_INVALID && error != NULL) error->status = JM_FORMAT;
    return status == JM_INVALID ? JM_FORMAT : status;
}

static int take_file(jm_settings *settings, const char *path, jm_error *error) {
    jmi_text text = {0};
    jmi_toml toml = {0};
    int status = jmi_settings_read(path, &text, error);
    bool there = status != JM_NOT_FOUND;
    if (status == JM_OK) status = jmi_toml_parse(&toml, text.data, text.length, path, error);
    for (size_t i = 0; status == JM_OK && i < toml.count; i++)
        status = take_line(settings, &toml.lines[i], path, error);
    jmi_toml_free(&toml);
    jmi_text_free(&text);
    return there ? status : JM_OK;
}

static int take_environment(jm_settings *settings, jm_error *error) {
    int status = JM_OK;
    for (uint32_t i = 0; status == JM_OK && i < jmi_setting_row_count; i++) {
        char source[64];
        const char *value = getenv(jmi_setting_rows[i].environment);
        if (value == NULL || value[0] == '\0') continue;
        snprintf(source, sizeof source, "$%s", jmi_setting_rows[i].environment);
        status = hold(settings, i, value, NULL, source, JM_SETTING_OF_ENVIRONMENT, error);
    }
    return status;
}

/* ---- opening ---- */

static int fill(jm_settings *settings, const char *path, jm_error *error) {
    char *usual = NULL;
    int status = JM_OK;
    settings->held = jmi_alloc(jmi_setting_row_count, sizeof *settings->held);
    if (settings->held == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    for (uint32_t i = 0; i < jmi_setting_row_count; i++) settings->held[i].number = NAN;
    /* Without a home there is no file. */
    if (path == NULL && jm_settings_usual_path(&usual, NULL) == JM_OK) path = usual;
    if (path != NULL && path[0] != '\0') status = take_file(settings, path, error);
    free(usual);
    return status == JM_OK ? take_environment(settings, error) : status;
}

int jm_settings_open(jm_settings **settings, const char *path, jm_error *error) {
    if (settings == NULL) return jmi_fail(error, JM_INVALID, "there is no place for the settings");
    jm_settings *new = jmi_alloc(1, sizeof *new);
    *settings = NULL;
    if (new == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    int status = fill(new, path, error);
    if (status == JM_OK)
        *settings = new;
    else
        jm_settings_free(new);
    return status;
}

void jm_settings_free(jm_settings *settings) {
    if (settings == NULL) return;
    for (uint32_t i = 0; settings->held != NULL && i < jmi_setting_row_count; i++) {
        free(settings->held[i].value);
        free(settings->held[i].source);
    }
    free(settings->held);
    free(settings);
}

/* ---- reading and setting ---- */

uint32_t jm_settings_count(void) {
    return jmi_setting_row_count;
}

int jm_settings_at(const jm_settings *settings, uint32_t index, jm_setting *setting) {
    if (settings == NULL || setting == NULL) return JM_INVALID;
    if (index >= jmi_setting_row_count) return JM_NOT_FOUND;
    const jmi_setting_row *row = &jmi_setting_rows[index];
    const held *now = &settings->held[index];
    jm_setting ours = {.size = sizeof ours,
                       .key = row->key,
                       .environment = row->environment,
                       .kind = row->kind,
                       .meaning = row->meaning,
                       .value = now->value,
                       .number = now->number,
                       .on = now->on,
                       .source = now->source != NULL ? now->source : "not set",
                       .strength = now->strength};
    return jmi_give_struct(setting, &ours, sizeof ours);
}

int jm_settings_get(const jm_settings *settings, const char *key, jm_setting *setting,
                    jm_error *error) {
    if (settings == NULL || key == NULL || setting == NULL)
        return jmi_fail(error, JM_INVALID, "settings, a key and a setting are needed");
    uint32_t index = jmi_setting_named(key, error);
    return index == UINT32_MAX ? JM_NOT_FOUND : jm_settings_at(settings, index, setting);
}

int jm_settings_set(jm_settings *settings, const char *key, const char *value, const char *source,
                    jm_error *error) {
    if (settings == NULL || key == NULL || value == NULL)
        return jmi_fail(error, JM_INVALID, "settings, a key and a value are needed");
    uint32_t index = jmi_setting_named(key, error);
    if (index == UINT32_MAX) return JM_NOT_FOUND;
    return hold(settings, index, value, NULL, source != NULL ? source : "the program",
                JM_SETTING_OF_PROGRAM, error);
}
