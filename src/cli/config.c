/* Settings: what they are and where they come from. */
#include "footprint.h"
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

static int list(footprint *flags, bool as_json) {
    output out;
    int code = footprint_read(flags, &cli_config);
    if (code == CLI_OK) {
        output_open(&out);
        if (as_json)
            json_of(flags->settings, &out);
        else
            text_of(flags->settings, &out);
        code = output_close(&out, &cli_config);
    }
    footprint_close(flags);
    return code;
}

/* Exit code 1 where it is not set, as scripts like it. */
static int get(footprint *flags, const char *key) {
    jm_setting setting = {.size = sizeof setting};
    jm_error error = {0};
    output out;
    output_open(&out);
    int code = footprint_read(flags, &cli_config);
    if (code == CLI_OK && jm_settings_get(flags->settings, key, &setting, &error) != JM_OK)
        code = cli_fail_error(&cli_config, &error);
    bool set = code == CLI_OK && setting.value != NULL;
    if (set) output_add(&out, "%s\n", setting.value);
    footprint_close(flags);
    int closed = output_close(&out, &cli_config);
    if (code != CLI_OK) return code;
    return set ? closed : CLI_FAILED;
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

/* A file means the same from every folder; "~/" does as it is. */
static char *absolute(const char *key, const char *value) {
    const char *word = strrchr(key, '.');
    word = word != NULL ? word + 1 : key;
    bool file = strcmp(word, "intensity") == 0 || strcmp(word, "log_path") == 0;
    char *end;
    strtod(value, &end);
    bool relative = file && value[0] != '\0' && strchr("/~", value[0]) == NULL &&
                    (end == value || access(value, F_OK) == 0);
    char *folder = relative ? getcwd(NULL, 0) : NULL;
    char *path = NULL;
    if (folder != NULL && asprintf(&path, "%s/%s", folder, value) < 0) path = NULL;
    free(folder);
    return path != NULL ? path : strdup(value);
}

/* Of one source the intensity counts more. */
static void say_what_counts_more(const char *key) {
    jm_settings *settings = NULL;
    jm_setting country = {.size = sizeof country}, intensity = {.size = sizeof intensity};
    if (jm_settings_open(&settings, NULL, NULL) == JM_OK &&
        jm_settings_get(settings, key, &country, NULL) == JM_OK &&
        strcmp(country.key, "carbon.country") == 0 &&
        jm_settings_get(settings, "carbon.intensity", &intensity, NULL) == JM_OK &&
        intensity.value != NULL)
        fprintf(stderr, "joulemeter config: carbon.intensity is set, too, and counts more (%s)\n",
                intensity.source);
    jm_settings_free(settings);
}

static int save(const char *key, const char *value) {
    jm_error error = {0};
    char *whole = value != NULL ? absolute(key, value) : NULL;
    int code = value != NULL ? check(key, whole) : CLI_OK;
    if (code == CLI_OK && jm_settings_save(NULL, key, whole, &error) != JM_OK)
        code = cli_fail_error(&cli_config, &error);
    if (code == CLI_OK && value != NULL) say_what_counts_more(key);
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
    footprint flags = {.country = NULL};
    const cli_option options[] = {
        {'j', "json", OPTION_FLAG, &as_json, NULL, "the list as JSON", 0, 0, NULL},
        OPTION_COUNTRY(&flags),
        OPTION_INTENSITY(&flags),
        OPTION_PUE(&flags),
        OPTION_PRICE(&flags),
        {0}};
    int operands;
    int code = cli_parse(&cli_config, options, OPERANDS_MIXED, argc, argv, &operands);
    if (code != PARSE_DONE) return code;
    const char *what = operands > 0 ? argv[1] : "list";
    if (strcmp(what, "list") == 0 && operands <= 1) return list(&flags, as_json);
    if (strcmp(what, "path") == 0 && operands == 1) return show_path();
    if (strcmp(what, "get") == 0 && operands == 2) return get(&flags, argv[2]);
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
    "variables (JOULEMETER_COUNTRY ...) are stronger, and flags strongest: with some,\n"
    "`list` and `get` show what they make of the settings. The last word of a\n"
    "setting's name is enough: country for carbon.country.\n",
    "  joulemeter config\n"
    "  joulemeter config set country FR\n"
    "  joulemeter config set log true\n"
    "  JOULEMETER_PUE=1.2 joulemeter config get pue\n"
    "  joulemeter config --country DE\n",
    run};
