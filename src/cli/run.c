#include "child.h"
#include "live.h"
#include "options.h"
#include "output.h"
#include "terminal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct settings {
    const char *file;
    const char *json; /* NULL: none, "": stdout */
    const char *simulate;
    char *gpus;
    double interval_s;
    double baseline_s;
    double tdp_w;
    bool quiet;
    bool force;
} settings;

typedef struct job {
    settings set;
    char **argv; /* the command */
    char *path;
    char *text; /* the command as a line */
    child child;
    live live;
    jm_session *session;
    jm_recording *recording;
} job;

/* ---- the command as text ---- */

static bool needs_quotes(const char *word) {
    return word[0] == '\0' || word[strcspn(word, " \t\n\"'\\$`!*?&|;<>()[]{}#~")] != '\0';
}

/* As it could be typed into a shell. */
static char *command_line(char *const *argv) {
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

/* ---- measuring ---- */

static int open_session(job *j) {
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    jm_error error = {0};
    options.gpus = j->set.gpus;
    options.interval_ns = (uint64_t)(j->set.interval_s * 1e9 + 0.5);
    options.path = j->set.file;
    options.simulate = j->set.simulate;
    options.cpu_tdp_w = j->set.tdp_w;
    options.flags = JM_SESSION_NO_JOIN;
    if (jm_session_open(&j->session, &options, &error) == JM_OK) return CLI_OK;
    int code = cli_fail_error(&cli_run, &error);
    return code == CLI_USAGE ? CLI_USAGE : CLI_RUN_FAILED;
}

static int measure_baseline(job *j) {
    int64_t begin = jm_now_ns();
    int64_t end = begin + (int64_t)(j->set.baseline_s * 1e9);
    jm_range_id range = jm_begin_as(j->session, JM_CATEGORY_WARMUP, "idle", NULL);
    child_event event = CHILD_TIMEOUT;
    for (int64_t now; event != CHILD_INTERRUPTED && (now = jm_now_ns()) < end;) {
        char text[80];
        snprintf(text, sizeof text, " idle power before the command: %.0f of %.0f s",
                 (double)(now - begin) / 1e9, j->set.baseline_s);
        live_text(&j->live, text);
        jm_session_check(j->session);
        event = child_wait(&j->child, now + 500000000 < end ? now + 500000000 : end);
    }
    live_erase(&j->live);
    jm_end(j->session, range);
    return event == CHILD_INTERRUPTED ? 128 + j->child.status : CLI_OK;
}

static jm_range_id begin_command(job *j) {
    char name[200];
    output attributes;
    output_open(&attributes);
    output_add(&attributes, "{\"command\":");
    output_json(&attributes, j->text);
    output_append(&attributes, "}", 2);
    shorten(j->text, name, sizeof name);
    bool complete = attributes.errnum == 0 && attributes.length < 4000;
    jm_range_id range =
        jm_begin_as(j->session, JM_CATEGORY_SESSION, name, complete ? attributes.data : NULL);
    free(attributes.data);
    return range;
}

static void end_command(job *j, jm_range_id range) {
    char attributes[64];
    int status = j->child.status;
    if (WIFSIGNALED(status))
        snprintf(attributes, sizeof attributes, "{\"signal\":%d,\"exit_code\":%d}",
                 WTERMSIG(status), 128 + WTERMSIG(status));
    else
        snprintf(attributes, sizeof attributes, "{\"exit_code\":%d}", WEXITSTATUS(status));
    jm_end_with(j->session, range, attributes);
}

/* The readings that cover the command's last moments come a little after them. Worth waiting for
 * where that is short beside the command. */
static void wait_for_last_readings(job *j, int64_t duration_ns) {
    const jm_recording *recording = jm_session_recording(j->session);
    uint64_t longest = 0;
    for (uint32_t i = 0; recording != NULL && i < jm_recording_sensor_count(recording); i++) {
        jm_sensor sensor = {.size = sizeof sensor};
        if (jm_recording_sensor(recording, i, &sensor) != JM_OK) continue;
        if (sensor.quantity != JM_QUANTITY_POWER && sensor.quantity != JM_QUANTITY_ENERGY) continue;
        uint64_t needed = sensor.refresh_ns + sensor.lag_ns;
        if (needed > longest) longest = needed;
    }
    uint64_t most = (uint64_t)duration_ns / 20;
    uint64_t wait = longest + longest / 4;
    if (wait > most) wait = most;
    if (wait > 300000000) wait = 300000000;
    if (wait == 0) return;
    struct timespec time = {0, (long)wait};
    nanosleep(&time, NULL);
}

static int run_command(job *j) {
    live_begin(&j->live);
    jm_range_id range = begin_command(j);
    int64_t begin = jm_now_ns();
    int errnum = child_start(&j->child, j->path, j->argv, jm_session_environment(j->session));
    if (errnum != 0) {
        jm_end(j->session, range);
        return cli_fail(&cli_run, errnum == ENOENT ? CLI_NOT_FOUND : CLI_NOT_EXECUTABLE,
                        "'%s' cannot be executed: %s%s", j->argv[0], strerror(errnum),
                        errnum == E2BIG ? " (arguments and environment together)" : "");
    }
    jm_session_follow(j->session, j->child.pid);
    int64_t step = 500000000;
    while (child_wait(&j->child, jm_now_ns() + step) != CHILD_ENDED) {
        jm_session_check(j->session);
        live_show(&j->live, j->session);
    }
    end_command(j, range);
    live_erase(&j->live);
    wait_for_last_readings(j, jm_now_ns() - begin);
    return CLI_OK;
}

/* ---- afterwards ---- */

static int write_summary(const job *j, bool complete) {
    jm_report_options options = terminal_report_options(STDERR_FILENO);
    jm_error error = {0};
    char *text = NULL, names[160];
    if (jm_report_text(j->recording, &options, &text, &error) != JM_OK)
        return cli_fail(&cli_run, CLI_RUN_FAILED, "%s", error.message);
    fputs("\n", stderr); /* the command may have left its last line open */
    write_all(STDERR_FILENO, text, strlen(text));
    jm_free(text);
    unsigned left = child_left_behind(names, sizeof names);
    if (left > 0)
        fprintf(stderr,
                "  ! %u process%s that the command started still run%s (%s); %s not counted "
                "further.\n",
                left, left == 1 ? "" : "es", left == 1 ? "s" : "", names,
                left == 1 ? "it is" : "they are");
    if (j->set.file != NULL)
        fprintf(stderr, "\n  %s in %s; see it again with: joulemeter show %s\n",
                complete ? "Recorded" : "What could be written is", j->set.file, j->set.file);
    return CLI_OK;
}

static int write_json(const job *j) {
    jm_error error = {0};
    char *text = NULL;
    if (jm_report_json(j->recording, NULL, &text, &error) != JM_OK)
        return cli_fail(&cli_run, CLI_RUN_FAILED, "%s", error.message);
    int errnum = j->set.json[0] == '\0' ? write_all(STDOUT_FILENO, text, strlen(text))
                                        : write_file(j->set.json, text, strlen(text));
    jm_free(text);
    if (errnum == 0 || (errnum == EPIPE && j->set.json[0] == '\0')) return CLI_OK;
    return cli_fail(&cli_run, CLI_RUN_FAILED, "cannot write the JSON to %s: %s",
                    j->set.json[0] == '\0' ? "standard output" : j->set.json, strerror(errnum));
}

static int close_and_report(job *j) {
    jm_error error = {0};
    int code = CLI_OK;
    if (jm_session_close(j->session, &j->recording, &error) != JM_OK)
        code = cli_fail(&cli_run, CLI_RUN_FAILED, "%s", error.message);
    j->session = NULL;
    if (j->recording == NULL) return code;
    if (!j->set.quiet) {
        int shown = write_summary(j, code == CLI_OK);
        if (code == CLI_OK) code = shown;
    }
    if (j->set.json != NULL) {
        int written = write_json(j);
        if (code == CLI_OK) code = written;
    }
    return code;
}

static int measure(job *j) {
    if (!child_prepare(&j->child))
        return cli_fail(&cli_run, CLI_RUN_FAILED, "cannot watch signals: %s", strerror(errno));
    live_open(&j->live, j->set.quiet);
    int code = open_session(j);
    if (code == CLI_OK && j->set.baseline_s > 0) {
        code = measure_baseline(j);
        if (code != CLI_OK)
            cli_fail(&cli_run, code, "stopped before the command began; nothing was run");
    }
    if (code == CLI_OK) code = run_command(j);
    if (j->child.ended) {
        code = close_and_report(j);
    } else if (j->session != NULL) {
        jm_session_close(j->session, NULL, NULL);
    }
    return code;
}

static int take_no_row(size_t columns, const jm_sql_value *values, void *user) {
    (void)columns, (void)values, (void)user;
    return 0;
}

/* Is there a recording of that name? What is none the session refuses by itself. */
static bool would_replace(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0 &&
           jm_sql(path, "SELECT 1", take_no_row, NULL, NULL) != JM_FORMAT;
}

/* Said before the command runs for hours. */
static int check_outputs(const settings *s) {
    int errnum = s->json != NULL && s->json[0] != '\0' ? check_writable(s->json) : 0;
    if (errnum != 0)
        return cli_fail(&cli_run, CLI_USAGE, "cannot write the JSON to %s: %s", s->json,
                        strerror(errnum));
    if (s->file != NULL && !s->force && would_replace(s->file))
        return cli_fail(&cli_run, CLI_USAGE,
                        "%s exists: give another name, or --force to replace it", s->file);
    return PARSE_DONE;
}

static int parse(job *j, int argc, char **argv) {
    settings *s = &j->set;
    const cli_option options[] = {
        {'o', "output", OPTION_TEXT, &s->file, "FILE",
         "keep the recording in FILE (.jm), written as\nthe command runs", 0, 0, NULL},
        {'f', "force", OPTION_FLAG, &s->force, NULL, "replace FILE if it is a recording", 0, 0,
         NULL},
        {'i', "interval", OPTION_SECONDS, &s->interval_s, "TIME",
         "longest time between two samples: 20ms (the\ndefault), 0.1s, 1s ...", 0.001, 60, NULL},
        {'g', "gpu", OPTION_LIST, &s->gpus, "LIST",
         "GPUs to measure: 0,1, UUIDs, all or none;\ndefault: CUDA_VISIBLE_DEVICES, else all", 0, 0,
         NULL},
        {'j', "json", OPTION_OPTIONAL, &s->json, "FILE",
         "the summary as JSON into FILE; without FILE to\nstdout, after the command's output", 0, 0,
         NULL},
        {'b', "idle-baseline", OPTION_SECONDS, &s->baseline_s, "TIME",
         "first measure idle power for TIME", 0, 3600, NULL},
        {'q', "quiet", OPTION_FLAG, &s->quiet, NULL, "no live line and no summary", 0, 0, NULL},
        {0, "tdp", OPTION_NUMBER, &s->tdp_w, "WATTS",
         "thermal design power of the CPU, for the\nestimate where nothing measures it", 1, 10000,
         "W"},
        {0, "simulate", OPTION_TEXT, &s->simulate, "SPEC",
         "simulated GPUs: h100, 4*a100, h100,square:80:\n400:0.1 ...; labelled as such", 0, 0,
         NULL},
        {0}};
    int operands;
    int code = cli_parse(&cli_run, options, OPERANDS_LAST, argc, argv, &operands);
    if (code != PARSE_DONE) return code;
    if (operands == 0)
        return cli_fail(&cli_run, CLI_USAGE,
                        "there is no command to run: joulemeter run -- python train.py");
    j->argv = argv + 1;
    return check_outputs(s);
}

static int run(int argc, char **argv) {
    job j = {0};
    int code = parse(&j, argc, argv);
    if (code == PARSE_DONE) code = child_find(&cli_run, j.argv[0], &j.path);
    if (code == CLI_OK && j.path != NULL) {
        j.text = command_line(j.argv);
        code = j.text == NULL ? cli_fail(&cli_run, CLI_RUN_FAILED, "out of memory") : measure(&j);
    }
    jm_recording_free(j.recording);
    free(j.text);
    free(j.path);
    free(j.set.gpus);
    /* The command's own failure counts for more than ours. */
    if (j.child.ended && (code == CLI_OK || j.child.status != 0)) child_leave_as(&j.child);
    return code;
}

const cli_command cli_run = {
    "run",
    "[OPTIONS] [--] COMMAND [ARGUMENTS]",
    "run a command and say where its joules went",
    "The command gets this terminal's input, output and signals as if it ran alone,\n"
    "and joulemeter leaves with its exit code: 128+N if signal N ended it, 127 if it\n"
    "was not found, 126 if it cannot be executed, 125 if joulemeter itself failed, 2\n"
    "for wrong options. The summary goes to stderr.\n",
    "  joulemeter run -- python train.py\n"
    "  joulemeter run -o train.jm --idle-baseline 10 -- python train.py --epochs 3\n"
    "  joulemeter run --gpu 0,2 -i 10ms --json=energy.json -- ./bench\n"
    "  joulemeter run --quiet --json -- ./silent | jq .total.energy_j\n"
    "  joulemeter run --simulate h100 -- sleep 5\n",
    run};
