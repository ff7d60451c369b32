/* `limit set`: for a command, for as long as a process runs, or for good. A limit that nobody said
 * how long to keep is none that anybody wants to find a week later. */
#include "limit.h"

#include "child.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECOND_NS = 1000000000 };

typedef struct job {
    limit_gpus gpus;
    const char *clock;
    uint32_t pid; /* --while */
    bool keep, json, quiet;
    jm_limit_target target;
    char **argv;  /* the command, or its end */
    char **words; /* all that was typed, for advice */
    jm_limits *limits;
    child child;
} job;

/* ---- saying what was done ---- */

static const char *process_name(uint32_t pid, char *name, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%u/comm", pid);
    FILE *file = fopen(path, "re");
    name[0] = '\0';
    if (file == NULL) return name;
    if (fgets(name, (int)size, file) == NULL) name[0] = '\0';
    fclose(file);
    name[strcspn(name, "\n")] = '\0';
    return name;
}

static const char *until_text(const job *j, char *text, size_t size) {
    char name[64];
    if (j->keep)
        snprintf(text, size, "until joulemeter limit reset, or a restart");
    else if (j->pid != 0)
        snprintf(text, size, "until process %u (%s) ends", j->pid,
                 process_name(j->pid, name, sizeof name));
    else
        snprintf(text, size, "for the command");
    return text;
}

static void say_set(const job *j) {
    char now[32], then[32], until[120];
    jm_lever lever = j->target.lever;
    jm_limit limit = {.size = sizeof limit};
    FILE *out = j->argv[0] != NULL ? stderr : stdout;
    for (uint32_t i = 0; i < jm_limits_count(j->limits); i++) {
        if (jm_limits_read(j->limits, i, lever, &limit, NULL) != JM_OK) continue;
        fprintf(out, "%s: %s %s", limit.device,
                limit_text(j->keep && lever == JM_LEVER_POWER ? limit.requested : limit.value,
                           lever, now),
                until_text(j, until, sizeof until));
        if (j->keep)
            fprintf(out, " (default %s)\n", limit_text(limit.standard, lever, then));
        else
            fprintf(out, ", then %s\n", limit_text(limit.base, lever, then));
    }
    fflush(out);
}

static bool is_command(const job *j, const char *word) {
    size_t i = 0;
    while (j->argv[i] != NULL && j->argv[i] != word) i++;
    return j->argv[i] != NULL || strcmp(word, "--") == 0;
}

/* Exactly what to type. A command should not run as root only because its limit needs it. */
static int say_permission(const job *j, const jm_error *error) {
    int code = cli_fail(&limit_set, j->argv[0] != NULL ? CLI_RUN_FAILED : CLI_FAILED, "%s",
                        error->message);
    size_t ours = 0;
    for (size_t i = 0; j->words[i] != NULL; i++)
        if (!is_command(j, j->words[i])) j->words[ours++] = j->words[i];
    j->words[ours] = NULL;
    char *line = command_text(j->words);
    if (line != NULL && j->argv[0] != NULL)
        fprintf(stderr, "  run: sudo joulemeter limit %s --while $$    and then the command\n",
                line);
    else if (line != NULL)
        fprintf(stderr, "  run: sudo joulemeter limit %s\n", line);
    free(line);
    return code;
}

/* ---- doing it ---- */

static int set(job *j) {
    jm_error error = {0};
    uint32_t flags = j->keep ? JM_LIMIT_KEEP : 0u;
    int status = jm_limits_set(j->limits, JM_LIMITS_ALL, &j->target, flags, &error);
    limit_say_notes(j->limits);
    if (status == JM_PERMISSION) return say_permission(j, &error);
    if (status == JM_OK) return CLI_OK;
    int code = cli_fail_error(&limit_set, &error);
    return code == CLI_FAILED && j->argv[0] != NULL ? CLI_RUN_FAILED : code;
}

static int run_command(job *j, const char *path) {
    int errnum = child_start(&j->child, path, j->argv, jm_limits_environment(j->limits));
    if (errnum != 0)
        return cli_fail(&limit_set, errnum == ENOENT ? CLI_NOT_FOUND : CLI_NOT_EXECUTABLE,
                        "'%s' cannot be executed: %s", j->argv[0], strerror(errnum));
    while (child_wait(&j->child, jm_now_ns() + SECOND_NS) != CHILD_ENDED)
        limit_say(jm_limits_warnings(j->limits));
    limit_say(jm_limits_warnings(j->limits));
    return CLI_OK;
}

static int give_back(job *j) {
    jm_error error = {0};
    int status = jm_limits_close(j->limits, &error);
    j->limits = NULL;
    if (status == JM_OK) return CLI_OK;
    return cli_fail(&limit_set, CLI_RUN_FAILED, "the limit is not given back yet: %s",
                    error.message);
}

static int set_for_command(job *j) {
    char *path = NULL;
    int code = child_find(&limit_set, j->argv[0], &path);
    if (code == CLI_OK && !child_prepare(&j->child))
        code = cli_fail(&limit_set, CLI_RUN_FAILED, "cannot watch signals: %s", strerror(errno));
    if (code == CLI_OK) code = limit_open(&limit_set, &j->gpus, 0, &j->limits);
    if (code == CLI_OK) code = set(j);
    if (code == CLI_OK && !j->quiet) say_set(j);
    if (code == CLI_OK) code = run_command(j, path);
    int back = give_back(j);
    free(path);
    return code == CLI_OK ? back : code;
}

static int set_alone(job *j) {
    output out;
    int code = limit_open(&limit_set, &j->gpus, (int32_t)j->pid, &j->limits);
    if (code == CLI_OK) code = set(j);
    if (code == CLI_OK && !j->quiet && !j->json) say_set(j);
    output_open(&out);
    if (code == CLI_OK && j->json) limit_print_json(&out, j->limits);
    int printed = output_close(&out, &limit_set);
    jm_limits_close(j->limits, NULL);
    j->limits = NULL;
    return code == CLI_OK ? printed : code;
}

/* ---- what is asked for ---- */

static int how_long(const job *j) {
    int said = j->keep + (j->pid != 0) + (j->argv[0] != NULL);
    if (said == 1) return PARSE_DONE;
    if (said > 1)
        return cli_fail(&limit_set, CLI_USAGE,
                        "choose one of: a command after --, --while PID, and --keep");
    return cli_fail(&limit_set, CLI_USAGE,
                    "say for how long: for a command (-- COMMAND), while a process runs (--while "
                    "$$ is this shell), or for good (--keep)");
}

static int take_target(job *j, int operands, char **argv) {
    jm_error error = {0};
    if (operands == 0 && j->clock == NULL)
        return cli_fail(&limit_set, CLI_USAGE, "which limit? joulemeter limit set 250 --keep");
    jm_lever lever = j->clock != NULL ? JM_LEVER_CLOCK : JM_LEVER_POWER;
    const char *text = j->clock != NULL ? j->clock : argv[1];
    if (j->clock != NULL && operands > 0 &&
        jm_limit_parse(argv[1], JM_LEVER_POWER, &j->target, NULL) == JM_OK)
        return cli_fail(&limit_set, CLI_USAGE,
                        "give either a power limit (%s) or --clock: each is set by itself",
                        argv[1]);
    j->argv = argv + (j->clock != NULL ? 1 : 2);
    if (jm_limit_parse(text, lever, &j->target, &error) != JM_OK)
        return cli_fail_error(&limit_set, &error);
    return how_long(j);
}

static int parse(job *j, int argc, char **argv) {
    const cli_option options[] = {
        OPTION_LIMIT_GPU(&j->gpus),
        {'k', "keep", OPTION_FLAG, &j->keep, NULL, "the limit stays, until `limit reset`", 0, 0,
         NULL},
        {'w', "while", OPTION_COUNT, &j->pid, "PID", "until this process ends; $$ is your shell", 1,
         INT32_MAX, NULL},
        {'c', "clock", OPTION_TEXT, &j->clock, "MHZ", "no power limit, but the highest clock", 0, 0,
         NULL},
        {'j', "json", OPTION_FLAG, &j->json, NULL, "the limits afterwards, as JSON", 0, 0, NULL},
        {'q', "quiet", OPTION_FLAG, &j->quiet, NULL, "print nothing if it works", 0, 0, NULL},
        OPTION_LIMIT_SOCKET(&j->gpus),
        OPTION_LIMIT_SIMULATE(&j->gpus),
        {0}};
    int operands;
    int code = cli_parse(&limit_set, options, OPERANDS_MIXED, argc, argv, &operands);
    return code == PARSE_DONE ? take_target(j, operands, argv) : code;
}

static int run(int argc, char **argv) {
    job j = {0};
    j.words = calloc((size_t)argc + 1, sizeof *j.words);
    if (j.words == NULL) return cli_fail(&limit_set, CLI_FAILED, "out of memory");
    for (int i = 0; i < argc; i++) j.words[i] = argv[i];
    int code = parse(&j, argc, argv);
    if (code == PARSE_DONE) code = j.argv[0] != NULL ? set_for_command(&j) : set_alone(&j);
    free(j.words);
    free(j.gpus.list);
    /* The command's own failure counts for more than ours. */
    if (j.child.ended && (code == CLI_OK || j.child.status != 0)) child_leave_as(&j.child);
    return code;
}

const cli_command limit_set = {
    "limit set",
    "WATTS|SHARE% [OPTIONS] [-- COMMAND [ARGUMENTS]]",
    "set the power limit of GPUs",
    "A share is one of the board's default limit. What the board does not allow is\n"
    "brought within its bounds, with a message. A limit for a command or a process\n"
    "is given back when that ends, even if joulemeter is killed; the command gets\n"
    "the terminal and its exit code is passed on, as with `joulemeter run`.\n",
    "  sudo joulemeter limit set 250 --while $$\n"
    "  joulemeter limit set 70% -- python train.py\n"
    "  sudo joulemeter limit set 300W --gpu 0,1 --keep\n"
    "  joulemeter limit set --clock 1200 -- ./bench\n",
    run};
