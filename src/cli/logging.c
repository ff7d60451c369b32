#include "logging.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

bool logging_on(const logging *l, const footprint *f) {
    return l->yes || (!l->no && setting_on(f->settings, "log"));
}

static int take_no_row(size_t columns, const jm_sql_value *values, void *user) {
    (void)columns, (void)values, (void)user;
    return 0;
}

/* What may be read may be somebody else's. */
static int may_be_written(const char *path, const cli_command *command) {
    char *usual = NULL;
    if (path == NULL || path[0] == '\0') {
        if (jm_log_usual_path(&usual, NULL) != JM_OK) return PARSE_DONE; /* writing says why */
        path = usual;
    }
    bool there = access(path, F_OK) == 0, writable = access(path, W_OK) == 0;
    int code = there && !writable
                   ? cli_fail(command, CLI_USAGE, "cannot write %s: %s", path, strerror(errno))
                   : PARSE_DONE;
    jm_free(usual);
    return code;
}

int logging_check(const logging *l, const footprint *f, const cli_command *command) {
    jm_log_filter filter = JM_LOG_FILTER_INIT;
    jm_error error = {0};
    if (l->yes && l->no) return cli_fail(command, CLI_USAGE, "choose one of --log and --no-log");
    filter.last = 1;
    if (!logging_on(l, f)) return PARSE_DONE;
    const char *path = setting_text(f->settings, "log_path");
    if (jm_log_rows(path, JM_LOG_ALL, &filter, take_no_row, NULL, &error) != JM_OK)
        return cli_fail(command, CLI_USAGE, "%s", error.message);
    return may_be_written(path, command);
}

/* What is given, else the setting; "" is nothing. */
static jm_log_value value(const footprint *f, const char *column, const char *given) {
    const char *text = given != NULL ? given : setting_text(f->settings, column);
    return (jm_log_value){column, text != NULL ? text : "", 0};
}

int logging_write(const logging *l, const footprint *f, const cli_command *command,
                  const jm_recording *recording, int64_t *id) {
    const jm_log_value values[] = {value(f, "project", l->project),
                                   value(f, "tag", l->tag),
                                   value(f, "user", NULL),
                                   {"comment", l->comment != NULL ? l->comment : "", 0},
                                   {"kind", l->kind, 0}};
    jm_log_run log = JM_LOG_RUN_INIT;
    jm_error error = {0};
    log.grid = f->grid;
    log.values = values;
    log.count = CLI_COUNT(values) - (l->kind == NULL);
    if (jm_log_recording(setting_text(f->settings, "log_path"), recording, &log, id, &error) ==
        JM_OK)
        return CLI_OK;
    return cli_fail(command, CLI_RUN_FAILED, "this run is not in the logbook: %s", error.message);
}
