/* `limit`: what its commands share, and which there are. */
#include "limit.h"

#include "terminal.h"

#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int limit_open(const cli_command *command, const limit_gpus *gpus, int32_t pid,
               jm_limits **limits) {
    jm_limits_options options = JM_LIMITS_OPTIONS_INIT;
    jm_error error = {0};
    options.gpus = gpus->list;
    options.simulate = gpus->simulate;
    options.socket = gpus->socket;
    options.pid = pid;
    if (jm_limits_open(limits, &options, &error) == JM_OK) return CLI_OK;
    return cli_fail_error(command, &error);
}

const char *limit_text(double value, jm_lever lever, char text[32]) {
    if (isfinite(value))
        snprintf(text, 32, "%.6g %s", value, jm_lever_unit((int)lever));
    else
        snprintf(text, 32, "-");
    return text;
}

void limit_say(const char *notes) {
    while (*notes != '\0') {
        size_t length = strcspn(notes, "\n");
        fprintf(stderr, "  ! %.*s.\n", (int)length, notes);
        notes += length + (notes[length] == '\n');
    }
}

void limit_say_notes(const jm_limits *limits) {
    limit_say(jm_limits_notes(limits));
}

/* ---- as a table ---- */

static void add_row(grid *table, const jm_limit *power, const jm_limit *clock) {
    char now[32], standard[32], range[64] = "-", lock[32];
    if (isfinite(power->least) && isfinite(power->most))
        snprintf(range, sizeof range, "%.6g to %.6g W", power->least, power->most);
    const char *cells[] = {power->device,
                           power->model,
                           limit_text(power->value, JM_LEVER_POWER, now),
                           limit_text(power->standard, JM_LEVER_POWER, standard),
                           range,
                           limit_text(clock->value, JM_LEVER_CLOCK, lock)};
    grid_row(table, cells);
}

static void add_remarks(output *out, const jm_limit *limit, size_t width) {
    char text[600], now[32], then[32];
    if (limit->loans > 0) {
        snprintf(text, sizeof text, "%s: %s for process %d (%s), then %s.", limit->device,
                 limit_text(limit->value, limit->lever, now), (int)limit->holder_pid, limit->holder,
                 limit_text(limit->base, limit->lever, then));
        grid_add_wrapped(out, text, 2, width);
    }
    if (limit->message[0] == '\0') return;
    bool named = strncmp(limit->message, limit->device, strlen(limit->device)) == 0;
    snprintf(text, sizeof text, "%s%s%s.", named ? "" : limit->device, named ? "" : ": ",
             limit->message);
    grid_add_wrapped(out, text, 2, width);
}

void limit_print(output *out, jm_limits *limits) {
    static const char *const header[] = {"", "GPU", "limit", "default", "can be", "clock lock"};
    jm_limit power = {.size = sizeof power}, clock = {.size = sizeof clock};
    size_t width = terminal_width(STDOUT_FILENO);
    grid table;
    grid_open(&table, CLI_COUNT(header));
    for (size_t column = 2; column <= 5; column++) grid_right(&table, column);
    grid_row(&table, header);
    uint32_t count = jm_limits_count(limits);
    for (uint32_t i = 0; i < count; i++)
        if (jm_limits_read(limits, i, JM_LEVER_POWER, &power, NULL) == JM_OK &&
            jm_limits_read(limits, i, JM_LEVER_CLOCK, &clock, NULL) == JM_OK)
            add_row(&table, &power, &clock);
    grid_write(&table, out, width, terminal_has_color(STDOUT_FILENO));
    grid_close(&table);
    for (uint32_t i = 0; i < count; i++)
        for (int lever = JM_LEVER_POWER; lever <= JM_LEVER_CLOCK; lever++)
            if (jm_limits_read(limits, i, (jm_lever)lever, &power, NULL) == JM_OK &&
                (lever == JM_LEVER_POWER || power.status == JM_OK))
                add_remarks(out, &power, width);
}

/* ---- as JSON ---- */

static void json_lever(json *j, const jm_limit *limit) {
    const char *keys[][2] = {{"value_w", "value_mhz"},     {"requested_w", "requested_mhz"},
                             {"default_w", "highest_mhz"}, {"least_w", "least_mhz"},
                             {"most_w", "most_mhz"},       {"base_w", "base_mhz"}};
    const double values[] = {limit->value, limit->requested, limit->standard,
                             limit->least, limit->most,      limit->base};
    json_open(j, jm_lever_name((int)limit->lever), '{');
    json_text(j, "status", jm_status_name(limit->status));
    json_text(j, "message", limit->message);
    for (size_t i = 0; i < CLI_COUNT(values); i++)
        json_number(j, keys[i][limit->lever == JM_LEVER_CLOCK], values[i]);
    json_count(j, "loans", limit->loans);
    if (limit->holder_pid != 0) json_count(j, "holder_pid", (uint64_t)limit->holder_pid);
    if (limit->holder_pid != 0) json_text(j, "holder", limit->holder);
    json_bool(j, "left_over", limit->left_over);
    json_close(j, '}');
}

void limit_print_json(output *out, jm_limits *limits) {
    json j = {.out = out};
    json_open(&j, NULL, '[');
    for (uint32_t i = 0; i < jm_limits_count(limits); i++) {
        jm_limit power = {.size = sizeof power}, clock = {.size = sizeof clock};
        if (jm_limits_read(limits, i, JM_LEVER_POWER, &power, NULL) != JM_OK ||
            jm_limits_read(limits, i, JM_LEVER_CLOCK, &clock, NULL) != JM_OK)
            continue;
        json_open(&j, NULL, '{');
        json_text(&j, "device", power.device);
        json_text(&j, "uuid", power.uuid);
        json_text(&j, "model", power.model);
        json_bool(&j, "simulated", power.simulated);
        json_bool(&j, "persistence_off", power.volatile_limit);
        json_lever(&j, &power);
        json_lever(&j, &clock);
        json_close(&j, '}');
    }
    json_close(&j, ']');
}

/* ---- which command ---- */

static const cli_command *const commands[] = {&limit_show, &limit_set, &limit_reset, &limit_tune};

/* "limit set" is called "set". */
static const char *word_of(const cli_command *command) {
    return strchr(command->name, ' ') + 1;
}

static int unknown(const char *word) {
    const char *words[CLI_COUNT(commands) + 1] = {0};
    for (size_t i = 0; i < CLI_COUNT(commands); i++) words[i] = word_of(commands[i]);
    const char *nearest = cli_nearest(word, words);
    if (nearest != NULL)
        return cli_fail(&cli_limit, CLI_USAGE, "there is no 'limit %s'; did you mean 'limit %s'?",
                        word, nearest);
    return cli_fail(&cli_limit, CLI_USAGE, "there is no 'limit %s'; see joulemeter limit --help",
                    word);
}

static int run(int argc, char **argv) {
    const cli_option options[] = {{0}};
    char show[] = "show", *alone[] = {show, NULL};
    if (argc < 2) return limit_show.run(1, alone);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return cli_help(&cli_limit, options);
    for (size_t i = 0; i < CLI_COUNT(commands); i++)
        if (strcmp(argv[1], word_of(commands[i])) == 0) return commands[i]->run(argc - 1, argv + 1);
    return argv[1][0] == '-' ? limit_show.run(argc, argv) : unknown(argv[1]);
}

const cli_command cli_limit = {
    "limit",
    "[show | set WATTS | reset | tune] [OPTIONS]",
    "show and set the power limits of GPUs, and give them back",
    "  show    limits as they are, what can be set, and who has set them\n"
    "  set     set a limit for a command, for as long as a process runs, or for good\n"
    "  reset   mend what was left over, or set the board's default\n"
    "  tune    find the limit that serves a command best\n\n"
    "joulemeter limit set --help tells of the options of one of them.\n",
    "  joulemeter limit\n"
    "  sudo joulemeter limit set 250 -- python train.py\n"
    "  sudo joulemeter limit set 70% --gpu 0 --keep\n"
    "  sudo joulemeter limit tune -- python train.py\n"
    "  sudo joulemeter limit reset\n",
    run};
