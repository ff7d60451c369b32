#include "limit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct settings {
    limit_gpus gpus;
    bool to_default, force, clock, json, quiet;
} settings;

static int say_permission(const jm_error *error, char *const *argv) {
    char *line = command_text(argv);
    int code = cli_fail(&limit_reset, CLI_FAILED, "%s", error->message);
    if (line != NULL) fprintf(stderr, "  run: sudo joulemeter limit %s\n", line);
    free(line);
    return code;
}

/* A clock lock that nobody is known to have set is left alone unless it is asked for. */
static bool is_locked(jm_limits *limits) {
    jm_limit limit = {.size = sizeof limit};
    for (uint32_t i = 0; i < jm_limits_count(limits); i++)
        if (jm_limits_read(limits, i, JM_LEVER_CLOCK, &limit, NULL) == JM_OK &&
            (limit.value > 0 || limit.left_over))
            return true;
    return false;
}

static void say_limits(jm_limits *limits, jm_lever lever) {
    jm_limit limit = {.size = sizeof limit};
    char text[32];
    for (uint32_t i = 0; i < jm_limits_count(limits); i++) {
        if (jm_limits_read(limits, i, lever, &limit, NULL) != JM_OK) continue;
        if (lever == JM_LEVER_CLOCK && !(limit.value > 0))
            printf("%s: clocks are free\n", limit.device);
        else
            printf("%s: %s\n", limit.device, limit_text(limit.value, lever, text));
    }
}

static int reset(const settings *s, char *const *argv) {
    jm_limits *limits = NULL;
    jm_error error = {0};
    uint32_t flags = (s->to_default ? JM_LIMIT_DEFAULT : 0u) | (s->force ? JM_LIMIT_FORCE : 0u);
    int code = limit_open(&limit_reset, &s->gpus, 0, &limits);
    if (code != CLI_OK) return code;
    bool levers[] = {
        [JM_LEVER_POWER] = !s->clock, [JM_LEVER_CLOCK] = s->clock || is_locked(limits)};
    for (int lever = JM_LEVER_POWER; lever <= JM_LEVER_CLOCK && code == CLI_OK; lever++) {
        if (!levers[lever]) continue;
        int status = jm_limits_reset(limits, JM_LIMITS_ALL, (jm_lever)lever, flags, &error);
        if (status == JM_PERMISSION)
            code = say_permission(&error, argv);
        else if (status != JM_OK)
            code = cli_fail_error(&limit_reset, &error);
        limit_say_notes(limits);
        if (code == CLI_OK && !s->json && !s->quiet) say_limits(limits, (jm_lever)lever);
    }
    output out;
    output_open(&out);
    if (code == CLI_OK && s->json) limit_print_json(&out, limits);
    int printed = output_close(&out, &limit_reset);
    jm_limits_close(limits, NULL);
    return code != CLI_OK ? code : printed;
}

static int run(int argc, char **argv) {
    settings s = {0};
    char **words = calloc((size_t)argc + 1, sizeof *words);
    for (int i = 0; words != NULL && i < argc; i++) words[i] = argv[i];
    const cli_option options[] = {
        OPTION_LIMIT_GPU(&s.gpus),
        {'d', "default", OPTION_FLAG, &s.to_default, NULL,
         "the board's default, whatever was before", 0, 0, NULL},
        {0, "clock", OPTION_FLAG, &s.clock, NULL, "free locked clocks, and leave power limits", 0,
         0, NULL},
        {'f', "force", OPTION_FLAG, &s.force, NULL,
         "also where running programs have set limits:\ntheirs end now", 0, 0, NULL},
        {'j', "json", OPTION_FLAG, &s.json, NULL, "the limits afterwards, as JSON", 0, 0, NULL},
        {'q', "quiet", OPTION_FLAG, &s.quiet, NULL, "print nothing if it works", 0, 0, NULL},
        OPTION_LIMIT_SOCKET(&s.gpus),
        OPTION_LIMIT_SIMULATE(&s.gpus),
        {0}};
    int operands = 0;
    int code = words == NULL
                   ? cli_fail(&limit_reset, CLI_FAILED, "out of memory")
                   : cli_parse(&limit_reset, options, OPERANDS_MIXED, argc, argv, &operands);
    if (code == PARSE_DONE && operands > 0)
        code = cli_fail(&limit_reset, CLI_USAGE, "'%s' is not understood; choose GPUs with --gpu",
                        argv[1]);
    if (code == PARSE_DONE) code = reset(&s, words);
    free(words);
    free(s.gpus.list);
    return code;
}

const cli_command limit_reset = {
    "limit reset",
    "[OPTIONS]",
    "mend limits that were left over, or set the board's default",
    "Where a guard was killed before it could give a limit back, the limit from\n"
    "before it is restored. Otherwise the board's default is set. Limits that\n"
    "running programs have set go on, and end there.\n",
    "  sudo joulemeter limit reset\n"
    "  sudo joulemeter limit reset --gpu 0 --default --force\n",
    run};
