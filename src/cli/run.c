#include "child.h"
#include "command.h"
#include "inject.h"
#include "live.h"
#include "logging.h"
#include "output.h"
#include "terminal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct settings {
    const char *file;
    const char *json; /* NULL: none, "": stdout */
    measuring measuring;
    injecting injecting;
    double baseline_s;
    logging logging;
    bool quiet;
    bool force;
} settings;

typedef struct job {
    settings set;
    footprint footprint;
    char **argv; /* the command */
    char *path;
    char *text; /* the command as a line */
    child child;
    live live;
    jm_session *session;
    jm_recording *recording;
} job;

/* ---- measuring ---- */

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

enum { LONG_ENOUGH_NS = 50000000 };

/* Without the readings that come after the end, a short command's last part is not known at all.
 * One that is over at once has no estimate in any case, and should not wait either. */
static void wait_for_last_readings(job *j, int64_t duration_ns) {
    int64_t wait = readings_delay_ns(jm_session_recording(j->session));
    if (duration_ns < LONG_ENOUGH_NS && wait > duration_ns / 20) wait = duration_ns / 20;
    struct timespec time = {0, (long)wait};
    if (wait > 0) nanosleep(&time, NULL);
}

static int run_command(job *j) {
    settings_list environment;
    int code = injecting_environment(&j->set.injecting, &cli_run, j->session, &environment);
    if (code != PARSE_DONE) return code;
    live_begin(&j->live);
    jm_range_id range = command_begin(j->session, j->text);
    int64_t begin = jm_now_ns();
    int errnum = child_start(&j->child, j->path, j->argv, (const char *const *)environment.list);
    settings_free(&environment);
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
    command_end(j->session, range, j->child.status);
    live_erase(&j->live);
    wait_for_last_readings(j, jm_now_ns() - begin);
    return CLI_OK;
}

/* ---- afterwards ---- */

static int write_summary(const job *j, bool complete) {
    jm_report_options options = terminal_report_options(STDERR_FILENO);
    jm_error error = {0};
    char *text = NULL, names[160];
    options.grid = footprint_shown(&j->footprint);
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
    jm_report_options options = JM_REPORT_OPTIONS_INIT;
    jm_error error = {0};
    char *text = NULL;
    options.grid = footprint_shown(&j->footprint);
    if (jm_report_json(j->recording, &options, &text, &error) != JM_OK)
        return cli_fail(&cli_run, CLI_RUN_FAILED, "%s", error.message);
    int errnum = j->set.json[0] == '\0' ? write_all(STDOUT_FILENO, text, strlen(text))
                                        : write_file(j->set.json, text, strlen(text));
    jm_free(text);
    if (errnum == 0 || (errnum == EPIPE && j->set.json[0] == '\0')) return CLI_OK;
    return cli_fail(&cli_run, CLI_RUN_FAILED, "cannot write the JSON to %s: %s",
                    j->set.json[0] == '\0' ? "standard output" : j->set.json, strerror(errnum));
}

static int write_log(const job *j) {
    int64_t id = 0;
    int code = logging_write(&j->set.logging, &j->footprint, &cli_run, j->recording, &id);
    if (code == CLI_OK && !j->set.quiet)
        fprintf(stderr, "\n%s  Logged; see it again with: joulemeter log show %lld\n",
                footprint_guessed(&j->footprint)
                    ? "  No country was given: the log keeps none, nor the carbon that would tell "
                      "it.\n"
                    : "",
                (long long)id);
    return code;
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
    if (logging_on(&j->set.logging, &j->footprint)) {
        int logged = write_log(j);
        if (code == CLI_OK) code = logged;
    }
    return code;
}

/* Nothing was measured: nothing is left that would be in the next try's way. */
static void close_unused(job *j) {
    jm_session_close(j->session, NULL, NULL);
    j->session = NULL;
    if (j->set.file != NULL) unlink(j->set.file);
}

static int measure(job *j) {
    if (!child_prepare(&j->child))
        return cli_fail(&cli_run, CLI_RUN_FAILED, "cannot watch signals: %s", strerror(errno));
    live_open(&j->live, j->set.quiet);
    int code = measuring_open(&j->set.measuring, &cli_run, j->set.file, &j->session);
    if (code == CLI_OK && j->set.baseline_s > 0) {
        code = measure_baseline(j);
        if (code != CLI_OK)
            cli_fail(&cli_run, code, "stopped before the command began; nothing was run");
    }
    if (code == CLI_OK) code = run_command(j);
    if (j->child.ended) {
        code = close_and_report(j);
    } else if (j->session != NULL) {
        close_unused(j);
    }
    return code;
}

/* Said before the command runs for hours. */
static int check_outputs(const settings *s) {
    int errnum = s->json != NULL && s->json[0] != '\0' ? check_writable(s->json) : 0;
    if (errnum != 0)
        return cli_fail(&cli_run, CLI_USAGE, "cannot write the JSON to %s: %s", s->json,
                        strerror(errnum));
    if (s->file != NULL && !s->force && recording_exists(s->file))
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
        OPTION_INTERVAL(&s->measuring),
        OPTION_GPU(&s->measuring),
        {'j', "json", OPTION_OPTIONAL, &s->json, "FILE",
         "the summary as JSON into FILE; without FILE to\nstdout, after the command's output", 0, 0,
         NULL},
        {'b', "idle-baseline", OPTION_SECONDS, &s->baseline_s, "TIME",
         "first measure idle power for TIME", 0, 3600, NULL},
        {'q', "quiet", OPTION_FLAG, &s->quiet, NULL, "no live line and no summary", 0, 0, NULL},
        OPTION_NVTX(&s->injecting),
        OPTION_NO_NVTX(&s->injecting),
        OPTION_KERNELS(&s->injecting),
        OPTION_FOLLOW(&s->injecting),
        OPTION_NO_FOLLOW(&s->injecting),
        OPTIONS_LOGGING(&s->logging),
        OPTION_COUNTRY(&j->footprint),
        OPTION_INTENSITY(&j->footprint),
        OPTION_PUE(&j->footprint),
        OPTION_PRICE(&j->footprint),
        OPTION_TDP(&s->measuring),
        OPTION_SIMULATE(&s->measuring),
        {0}};
    int operands;
    int code = cli_parse(&cli_run, options, OPERANDS_LAST, argc, argv, &operands);
    if (code != PARSE_DONE) return code;
    if (operands == 0)
        return cli_fail(&cli_run, CLI_USAGE,
                        "there is no command to run: joulemeter run -- python train.py");
    j->argv = argv + 1;
    code = injecting_check(&s->injecting, &cli_run);
    if (code == PARSE_DONE) code = footprint_open(&j->footprint, &cli_run);
    if (code == CLI_FAILED) code = CLI_RUN_FAILED; /* 1 would be the command's */
    if (code == CLI_OK) code = check_outputs(s);
    return code == PARSE_DONE ? logging_check(&s->logging, &j->footprint, &cli_run) : code;
}

static int run(int argc, char **argv) {
    job j = {0};
    int code = parse(&j, argc, argv);
    if (code == PARSE_DONE) code = child_find(&cli_run, j.argv[0], &j.path);
    if (code == CLI_OK && j.path != NULL) {
        j.text = command_text(j.argv);
        code = j.text == NULL ? cli_fail(&cli_run, CLI_RUN_FAILED, "out of memory") : measure(&j);
    }
    jm_recording_free(j.recording);
    free(j.text);
    free(j.path);
    free(j.set.measuring.gpus);
    footprint_close(&j.footprint);
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
    "  joulemeter run --log --project thesis --country FR -- python train.py\n"
    "  joulemeter run --simulate h100 -- sleep 5\n",
    run};
