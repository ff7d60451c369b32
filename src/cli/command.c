#include "command.h"

#include "output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* ---- its text ---- */

static bool needs_quotes(const char *word) {
    return word[0] == '\0' || word[strcspn(word, " \t\n\"'\\$`!*?&|;<>()[]{}#~")] != '\0';
}

char *command_text(char *const *argv) {
    output line;
    output_open(&line);
    size_t limit = 2000; /* a summary's head and a range's name, no archive */
    for (size_t i = 0; argv[i] != NULL && line.length < limit; i++) {
        if (i > 0) output_append(&line, " ", 1);
        if (!needs_quotes(argv[i])) {
            output_append(&line, argv[i], strnlen(argv[i], limit));
            continue;
        }
        output_append(&line, "'", 1);
        for (const char *c = argv[i]; *c != '\0' && line.length < limit; c++)
            output_append(&line, *c == '\'' ? "'\\''" : c, *c == '\'' ? 4 : 1);
        output_append(&line, "'", 1);
    }
    output_append(&line, "", 1);
    if (line.errnum != 0) free(line.data);
    return line.errnum != 0 ? NULL : line.data;
}

static void shorten(const char *text, char *out, size_t size) {
    size_t length = strnlen(text, size);
    if (length < size) {
        memcpy(out, text, length + 1);
        return;
    }
    length = size - 4;
    while (length > 0 && ((unsigned char)text[length] >> 6) == 2) length--; /* whole characters */
    memcpy(out, text, length);
    strcpy(out + length, "...");
}

/* ---- its session ---- */

int measuring_open(const measuring *m, const cli_command *command, const char *path,
                   jm_session **session) {
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    jm_error error = {0};
    options.gpus = m->gpus;
    options.interval_ns = (uint64_t)(m->interval_s * 1e9 + 0.5);
    options.path = path;
    options.simulate = m->simulate;
    options.cpu_tdp_w = m->tdp_w;
    options.flags = JM_SESSION_NO_JOIN;
    if (jm_session_open(session, &options, &error) == JM_OK) return CLI_OK;
    int code = cli_fail_error(command, &error);
    return code == CLI_USAGE ? CLI_USAGE : CLI_RUN_FAILED;
}

static int take_no_row(size_t columns, const jm_sql_value *values, void *user) {
    (void)columns, (void)values, (void)user;
    return 0;
}

bool recording_exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0 &&
           jm_sql(path, "SELECT 1", take_no_row, NULL, NULL) != JM_FORMAT;
}

/* ---- its range ---- */

jm_range_id command_begin(jm_session *session, const char *text) {
    char name[200];
    output attributes;
    output_open(&attributes);
    output_add(&attributes, "{\"command\":");
    output_json(&attributes, text);
    output_append(&attributes, "}", 2);
    shorten(text, name, sizeof name);
    bool complete = attributes.errnum == 0 && attributes.length < 4000;
    jm_range_id range =
        jm_begin_as(session, JM_CATEGORY_SESSION, name, complete ? attributes.data : NULL);
    free(attributes.data);
    return range;
}

int exit_code_of(int status) {
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void command_end(jm_session *session, jm_range_id range, int status) {
    char attributes[64], signalled[32] = "";
    if (WIFSIGNALED(status))
        snprintf(signalled, sizeof signalled, "\"signal\":%d,", WTERMSIG(status));
    snprintf(attributes, sizeof attributes, "{%s\"exit_code\":%d}", signalled,
             exit_code_of(status));
    jm_end_with(session, range, attributes);
}

int64_t readings_delay_ns(const jm_recording *recording) {
    uint64_t longest = 0;
    for (uint32_t i = 0; recording != NULL && i < jm_recording_sensor_count(recording); i++) {
        jm_sensor sensor = {.size = sizeof sensor};
        if (jm_recording_sensor(recording, i, &sensor) != JM_OK) continue;
        if (sensor.quantity != JM_QUANTITY_POWER && sensor.quantity != JM_QUANTITY_ENERGY) continue;
        uint64_t needed = sensor.refresh_ns + sensor.lag_ns;
        if (needed > longest) longest = needed;
    }
    longest += longest / 4;
    return longest > 300000000 ? 300000000 : (int64_t)longest;
}
