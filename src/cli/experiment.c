#include "experiment.h"

#include "hidden.h"
#include "output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- names of recordings ---- */

static bool is_folder(const char *name) {
    struct stat info;
    size_t length = strlen(name);
    return (length > 0 && name[length - 1] == '/') ||
           (stat(name, &info) == 0 && S_ISDIR(info.st_mode));
}

char *recording_name(const experiment *e, const group *g, size_t run) {
    const char *name = e->set.output;
    if (name == NULL) return NULL;
    char *file = NULL, interval[32] = "", letter[] = {g->letter == '\0' ? '\0' : '-', g->letter, 0};
    bool folder = is_folder(name);
    size_t length = strlen(name);
    if (folder && name[length - 1] == '/') length--;
    if (!folder && length > 3 && strcmp(name + length - 3, ".jm") == 0) length -= 3;
    if (e->group_count > 1 && g->letter == '\0')
        snprintf(interval, sizeof interval, "-%gms", 1e3 * g->interval_s);
    int digits = e->set.runs > 999 ? 5 : e->set.runs > 99 ? 3 : 2;
    if (asprintf(&file, "%.*s%s%s%s-%0*zu.jm", (int)length, name, folder ? "/run" : "", letter,
                 interval, digits, run + 1) < 0)
        return NULL;
    return file;
}

static int check_recording(const experiment *e, const group *g, size_t run) {
    char *file = recording_name(e, g, run);
    int code = PARSE_DONE;
    if (file != NULL && recording_exists(file))
        code = cli_fail(e->command, CLI_USAGE,
                        "%s exists: give another name, or --force to replace it", file);
    free(file);
    return code;
}

static int check_recordings(const experiment *e) {
    const char *name = e->set.output;
    if (name == NULL) return PARSE_DONE;
    size_t length = strlen(name);
    if (name[length - 1] == '/' && mkdir(name, 0777) != 0 && errno != EEXIST)
        return cli_fail(e->command, CLI_USAGE, "cannot make the folder %s: %s", name,
                        strerror(errno));
    char *file = recording_name(e, &e->groups[0], 0);
    int errnum = file == NULL ? ENOMEM : check_writable(file);
    if (errnum != 0)
        cli_fail(e->command, CLI_USAGE, "cannot write recordings such as %s: %s",
                 file == NULL ? name : file, strerror(errnum));
    free(file);
    if (errnum != 0) return CLI_USAGE;
    for (size_t g = 0; !e->set.force && g < e->group_count; g++)
        for (size_t run = 0; run < e->set.runs; run++) {
            int code = check_recording(e, &e->groups[g], run);
            if (code != PARSE_DONE) return code;
        }
    return PARSE_DONE;
}

/* ---- other settings ---- */

static int check_cooldown(experiment *e) {
    const char *text = e->set.cooldown;
    if (e->set.cooldown_limit_s == 0) e->set.cooldown_limit_s = 60;
    if (text == NULL) return PARSE_DONE;
    e->until_stable = strcmp(text, "stable") == 0;
    if (e->until_stable) return PARSE_DONE;
    if (!cli_parse_seconds(text, &e->cooldown_s) || e->cooldown_s < 0 || e->cooldown_s > 3600)
        return cli_fail(e->command, CLI_USAGE,
                        "--cooldown '%s' is neither a time up to an hour nor `stable`: write it as "
                        "5s, 2m or stable",
                        text);
    return PARSE_DONE;
}

static int check_file(const experiment *e, const char *file) {
    int errnum = strcmp(file, "-") == 0 || file[0] == '\0' ? 0 : check_writable(file);
    if (errnum == 0) return PARSE_DONE;
    return cli_fail(e->command, CLI_USAGE, "cannot write to %s: %s", file, strerror(errnum));
}

static int check_exports(const experiment *e) {
    static const char *const formats[] = {"csv", "json", "markdown", "benchmark", NULL};
    const cli_pairs *exports = &e->set.exports;
    for (size_t i = 0; i < exports->count; i++) {
        size_t f = 0;
        while (formats[f] != NULL && strcmp(exports->first[i], formats[f]) != 0) f++;
        if (formats[f] == NULL)
            return cli_fail(e->command, CLI_USAGE,
                            "--export '%s' is no format: choose csv, json, markdown or benchmark",
                            exports->first[i]);
        int code = check_file(e, exports->second[i]);
        if (code != PARSE_DONE) return code;
    }
    return e->set.json == NULL ? PARSE_DONE : check_file(e, e->set.json);
}

static int check_logging(experiment *e) {
    e->set.logging.kind = e->command->name;
    int code = footprint_open(&e->footprint, e->command);
    if (code == CLI_FAILED) code = CLI_RUN_FAILED; /* 1 would be the command's */
    return code == CLI_OK ? logging_check(&e->set.logging, &e->footprint, e->command) : code;
}

int experiment_check(experiment *e) {
    if (e->set.runs == 0) e->set.runs = 10;
    int code = check_cooldown(e);
    if (code == PARSE_DONE) code = check_exports(e);
    if (code == PARSE_DONE) code = check_recordings(e);
    if (code == PARSE_DONE) code = check_logging(e);
    return code;
}

bool experiment_groups(experiment *e, size_t count) {
    e->groups = calloc(count, sizeof *e->groups);
    e->group_count = e->groups == NULL ? 0 : count;
    return e->groups != NULL;
}

/* ---- the order of runs ---- */

static uint64_t next_random(uint64_t *state) { /* splitmix64 */
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* Every second round is the one before it turned round (A B, B A): what changes steadily from run
 * to run adds as much to one command as to the other. */
static void next_round(size_t *order, size_t count, size_t round, uint64_t *random) {
    if (round % 2 == 1) {
        for (size_t i = 0; i < count / 2; i++) {
            size_t kept = order[i];
            order[i] = order[count - 1 - i];
            order[count - 1 - i] = kept;
        }
        return;
    }
    for (size_t i = 0; i < count; i++) order[i] = i;
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)(next_random(random) % i);
        size_t kept = order[i - 1];
        order[i - 1] = order[j];
        order[j] = kept;
    }
}

/* ---- running ---- */

const char *experiment_step(const experiment *e, char *text, size_t size) {
    size_t warmups = e->set.warmup * e->group_count;
    bool counts = e->done >= warmups;
    const char *name = e->current->name;
    snprintf(text, size, "%s %zu of %zu%s%s%s", counts ? "run" : "warm-up",
             e->done + 1 - (counts ? warmups : 0), counts ? e->planned - warmups : warmups,
             name == NULL ? "" : " (", name == NULL ? "" : name, name == NULL ? "" : ")");
    return text;
}

static int warm_up(experiment *e) {
    for (uint32_t w = 0; w < e->set.warmup; w++)
        for (size_t g = 0; g < e->group_count; g++) {
            int code = trial_run(e, &e->groups[g], NULL, false, NULL);
            if (code != CLI_OK) return code;
        }
    return CLI_OK;
}

static int run_one(experiment *e, group *g) {
    trial *t = &g->trials[g->count];
    t->file = recording_name(e, g, g->count);
    if (t->file == NULL && e->set.output != NULL)
        return cli_fail(e->command, CLI_RUN_FAILED, "out of memory");
    int code = trial_run(e, g, t->file, e->done + 1 == e->planned, t);
    if (code == CLI_OK) g->count++;
    return code;
}

static int run_rounds(experiment *e, size_t *order) {
    uint64_t random = e->set.seed;
    int code = warm_up(e);
    for (size_t round = 0; code == CLI_OK && round < e->set.runs; round++) {
        next_round(order, e->group_count, round, &random);
        for (size_t i = 0; code == CLI_OK && i < e->group_count; i++)
            code = run_one(e, &e->groups[order[i]]);
    }
    return code;
}

static int make_room(experiment *e) {
    for (size_t g = 0; g < e->group_count; g++) {
        e->groups[g].trials = calloc(e->set.runs, sizeof *e->groups[g].trials);
        if (e->groups[g].trials == NULL) return ENOMEM;
    }
    if (e->set.show_output) return 0;
    return hidden_open(e->streams);
}

/* Groups are compared round by round. How many rounds are left. */
static size_t drop_incomplete_round(experiment *e) {
    size_t complete = e->groups[0].count;
    for (size_t g = 1; g < e->group_count; g++)
        if (e->groups[g].count < complete) complete = e->groups[g].count;
    for (size_t g = 0; g < e->group_count; g++) e->groups[g].count = complete;
    return complete;
}

/* With what there is when a signal ends it early, if that is anything. */
static int interrupted(experiment *e) {
    e->interrupted = e->child.asked_to_end;
    if (drop_incomplete_round(e) > 0) return CLI_OK;
    return cli_fail(e->command, 128 + e->interrupted, "stopped before %s",
                    e->group_count > 1 ? "the first round was complete" : "anything was measured");
}

int experiment_run(experiment *e) {
    e->planned = (e->set.warmup + (size_t)e->set.runs) * e->group_count;
    if (e->set.seed == 0) e->set.seed = (uint32_t)jm_now_ns() | 1;
    if (!child_prepare(&e->child))
        return cli_fail(e->command, CLI_RUN_FAILED, "cannot watch signals: %s", strerror(errno));
    int errnum = make_room(e);
    size_t *order = calloc(e->group_count, sizeof *order);
    if (errnum != 0 || order == NULL) {
        free(order);
        return cli_fail(e->command, CLI_RUN_FAILED, "%s", strerror(errnum != 0 ? errnum : ENOMEM));
    }
    if (!e->set.show_output) e->child.streams = e->streams;
    live_open(&e->live, e->set.quiet);
    e->begin_ns = jm_now_ns();
    int code = run_rounds(e, order);
    free(order);
    if (code == TRIAL_INTERRUPTED || (code == CLI_OK && e->child.asked_to_end != 0))
        code = interrupted(e);
    return code;
}

void experiment_close(experiment *e) {
    for (size_t g = 0; g < e->group_count; g++) {
        group *closed = &e->groups[g];
        for (size_t i = 0; closed->trials != NULL && i < e->set.runs; i++) {
            free(closed->trials[i].devices);
            free(closed->trials[i].file);
        }
        free(closed->trials);
        free(closed->name);
        free(closed->text);
        free(closed->path);
    }
    footprint_close(&e->footprint);
    free(e->groups);
    free(e->devices);
    free(e->set.measuring.gpus);
    hidden_close(e->streams);
    *e = (experiment){0};
}
