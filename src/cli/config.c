/* Settings: what they are and where they come from. */
#include "grid.h"
#include "json.h"
#include "options.h"
#include "terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void text_of(const jm_settings *settings, output *out) {
    static const char *const header[] = {"setting", "value", "from"};
    grid table;
    grid_open(&table, 3);
    grid_row(&table, header);
    for (uint32_t i = 0; i < jm_settings_count(); i++) {
        jm_setting s = {.size = sizeof s};
        if (jm_settings_at(settings, i, &s) != JM_OK) continue;
        const char *const cells[] = {s.key, s.value != NULL ? s.value : "-", s.source};
        grid_row(&table, cells);
    }
    grid_write(&table, out, terminal_width(STDOUT_FILENO), terminal_has_color(STDOUT_FILENO));
    grid_close(&table);
}

static void json_of(const jm_settings *settings, output *out) {
    json j = {.out = out};
    json_open(&j, NULL, '[');
    for (uint32_t i = 0; i < jm_settings_count(); i++) {
        jm_setting s = {.size = sizeof s};
        if (jm_settings_at(settings, i, &s) != JM_OK) continue;
        json_open(&j, NULL, '{');
        json_text(&j, "key", s.key);
        if (s.value != NULL && s.kind == JM_SETTING_NUMBER)
            json_number(&j, "value", s.number);
        else if (s.value != NULL && s.kind == JM_SETTING_BOOL)
            json_bool(&j, "value", s.on);
        else
            json_text(&j, "value", s.value);
        json_text(&j, "source", s.source);
        json_text(&j, "environment", s.environment);
        json_text(&j, "meaning", s.meaning);
        json_close(&j, '}');
    }
    json_close(&j, ']');
    output_add(out, "\n");
}

static int list(bool as_json) {
    jm_settings *settings = NULL;
    jm_error error = {0};
    output out;
    if (jm_settings_open(&settings, NULL, &error) != JM_OK)
        return cli_fail_error(&cli_config, &error);
    output_open(&out);
    if (as_json)
        json_of(settings, &out);
    else
        text_of(settings, &out);
    jm_settings_free(settings);
    return output_close(&out, &cli_config);
}

/* Exit code 1 where it is not set, as scripts like it. */
static int get(const char *key) {
    jm_settings *settings = NULL;
    jm_setting setting = {.size = sizeof setting};
    jm_error error = {0};
    output out;
    output_open(&out);
    int status = jm_settings_open(&settings, NULL, &error);
    if (status == JM_OK) status = jm_settings_get(settings, key, &setting, &error);
    bool set = status == JM_OK && setting.value != NULL;
    if (set) output_add(&out, "%s\n", setting.value);
    jm_settings_free(settings);
    int code = output_close(&out, &cli_config);
    if (status != JM_OK) return cli_fail_error(&cli_config, &error);
    return set ? code : CLI_FAILED;
}

/* What the setting means must be understood before it is written down. */
static int check(const char *key, const char *value) {
    jm_settings *settings = NULL;
    jm_grid *opened = NULL;
    jm_error error = {0};
    int status = jm_settings_open(&settings, NULL, &error);
    if (status == JM_OK) status = jm_settings_set(settings, key, value, key, &error);
    if (status == JM_OK) status = jm_grid_of_settings(&opened, settings, &error);
    jm_grid_free(opened);
    jm_settings_free(settings);
    return status == JM_OK ? CLI_OK : cli_fail_error(&cli_config, &error);
}

/* A file means the same from every folder. */
static char *absolute(const char *key, const char *value) {
    const char *word = strrchr(key, '.');
    word = word != NULL ? word + 1 : key;
    bool file = strcmp(word, "intensity") == 0 || strcmp(word, "log_path") == 0;
    char *end;
    strtod(value, &end);
    char *folder = file && value[0] != '/' && end == value ? getcwd(NULL, 0) : NULL;
    char *path = NULL;
    if (folder != NULL && asprintf(&path, "%s/%s", folder, value) < 0) path = NULL;
    free(folder);
    return path != NULL ? path : strdup(value);
}

static int save(const char *key, const char *value) {
    jm_error error = {0};
    char *whole = value != NULL ? absolute(key, value) : NULL;
    int code = value != NULL ? check(key, whole) : CLI_OK;
    if (code == CLI_OK && jm_settings_save(NULL, key, whole, &error) != JM_OK)
        code = cli_fail_error(&cli_config, &error);
    free(whole);
    return code;
}

static int show_path(void) {
    jm_error error = {0};
    char *path = NULL;
    output out;
    if (jm_settings_usual_path(&path, &error) != JM_OK) return cli_fail_error(&cli_config, &error);
    output_open(&out);
    output_add(&out, "%s\n", path);
    jm_free(path);
    return output_close(&out, &cli_config);
}

static int run(int argc, char **argv) {
    bool as_json = false;
    const cli_option options[] = {
        {'j', "json", OPTION_FLAG, &as_json, NULL, "the list as JSON", 0, 0, NULL}, {0}};
    int operands;
    int code = cli_parse(&cli_config, options, OPERANDS_MIXED, argc, argv, &operands);
    if (code != PARSE_DONE) return code;
    const char *what = operands > 0 ? argv[1] : "list";
    if (strcmp(what, "list") == 0 && operands <= 1) return list(as_json);
    if (strcmp(what, "path") == 0 && operands == 1) return show_path();
    if (strcmp(what, "get") == 0 && operands == 2) return get(argv[2]);
    if (strcmp(what, "set") == 0 && operands == 3) return save(argv[2], argv[3]);
    if (strcmp(what, "unset") == 0 && operands == 2) return save(argv[2], NULL);
    return cli_fail(&cli_config, CLI_USAGE,
                    "joulemeter config list, get KEY, set KEY VALUE, unset KEY, or path");
}

const cli_command cli_config = {
    "config",
    "[OPTIONS] [list|get KEY|set KEY VALUE|unset KEY|path]",
    "settings, and where each comes from",
    "The file is weakest ($XDG_CONFIG_HOME/joulemeter/config.toml); environment\n"
    "variables (JOULEMETER_COUNTRY ...) are stronger, and flags strongest. The last\n"
    "word of a setting's name is enough: country for carbon.country.\n",
    "  joulemeter config\n"
    "  joulemeter config set country FR\n"
    "  joulemeter config set log true\n"
    "  JOULEMETER_PUE=1.2 joulemeter config get pue\n",
    run};
