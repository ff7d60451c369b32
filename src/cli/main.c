#include "cli.h"
#include "options.h"
#include "output.h"

#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const cli_command *const cli_commands[] = {
    &cli_run,    &cli_repeat,    &cli_compare, &cli_show,   &cli_attribute,  &cli_estimate,
    &cli_plot,   &cli_report,    &cli_export,  &cli_sql,    &cli_log,        &cli_devices,
    &cli_doctor, &cli_calibrate, &cli_limit,   &cli_config, &cli_completion, NULL};

int cli_fail(const cli_command *command, int code, const char *format, ...) {
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0) return code;
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7F) *c = ' ';
    if (command == NULL)
        fprintf(stderr, "joulemeter: %s\n", text);
    else
        fprintf(stderr, "joulemeter %s: %s\n", command->name, text);
    free(text);
    return code;
}

int cli_fail_error(const cli_command *command, const jm_error *error) {
    bool wrong_input =
        error->status == JM_INVALID || error->status == JM_NOT_FOUND || error->status == JM_FORMAT;
    const char *message =
        error->message[0] == '\0' ? jm_status_text(error->status) : error->message;
    return cli_fail(command, wrong_input ? CLI_USAGE : CLI_FAILED, "%s", message);
}

/* Levenshtein distance, of short words. */
static size_t distance(const char *a, const char *b) {
    size_t row[40];
    size_t n = strlen(b);
    if (strlen(a) > 38 || n > 38) return 99;
    for (size_t j = 0; j <= n; j++) row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[n];
}

const char *cli_nearest(const char *text, const char *const *words) {
    const char *nearest = NULL;
    size_t least = strlen(text) < 3 ? 2 : 3;
    for (; *words != NULL; words++) {
        size_t d = distance(text, *words);
        if (strlen(text) >= 3 && strncmp(*words, text, strlen(text)) == 0) d = 1;
        if (d >= least) continue;
        least = d;
        nearest = *words;
    }
    return nearest;
}

static int print_usage(void) {
    output out;
    output_open(&out);
    output_add(&out,
               "joulemeter %s - where the joules of a program go\n\n"
               "Usage: joulemeter COMMAND ...\n\nCommands:\n",
               jm_version());
    for (size_t i = 0; cli_commands[i] != NULL; i++)
        output_add(&out, "  %-12s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
    output_add(&out, "\n  joulemeter COMMAND --help   options and examples of a command\n"
                     "  joulemeter --version        version\n\n"
                     "Start with: joulemeter run -- COMMAND\n");
    return output_close(&out, NULL);
}

static int unknown_command(const char *name) {
    const char *words[CLI_COUNT(cli_commands) + 1];
    size_t count = 0;
    for (; cli_commands[count] != NULL; count++) words[count] = cli_commands[count]->name;
    words[count] = NULL;
    const char *nearest = cli_nearest(name, words);
    if (name[0] == '-')
        return cli_fail(NULL, CLI_USAGE,
                        "there is no option %s before a command; joulemeter --help lists commands",
                        name);
    if (nearest != NULL)
        return cli_fail(NULL, CLI_USAGE, "there is no command '%s'; did you mean '%s'?", name,
                        nearest);
    return cli_fail(NULL, CLI_USAGE,
                    "there is no command '%s'; joulemeter --help lists them, and "
                    "joulemeter run -- %s measures a program",
                    name, name);
}

static const cli_command *find_command(const char *name) {
    for (size_t i = 0; cli_commands[i] != NULL; i++)
        if (strcmp(cli_commands[i]->name, name) == 0) return cli_commands[i];
    return NULL;
}

static bool is_any(const char *text, const char *a, const char *b, const char *c) {
    return strcmp(text, a) == 0 || strcmp(text, b) == 0 || strcmp(text, c) == 0;
}

static int help_for(const char *name) {
    const cli_command *command = find_command(name);
    if (command == NULL) return unknown_command(name);
    char words[2][32] = {"", "--help"};
    snprintf(words[0], sizeof words[0], "%s", command->name);
    char *argv[] = {words[0], words[1], NULL};
    return command->run(2, argv);
}

/* A file opened while 0, 1 or 2 is closed would take that number, and the command's output would
 * land in it. The stand-ins are closed on exec: the command gets what the caller gave. */
static void fill_standard_descriptors(void) {
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY | O_CLOEXEC) < 0) return;
}

int main(int argc, char **argv) {
    fill_standard_descriptors();
    setlocale(LC_CTYPE, "");
    /* The name that RCSL's users know. */
    const char *called = argc > 0 && argv[0] != NULL ? argv[0] : "", *slash = strrchr(called, '/');
    if (strcmp(slash != NULL ? slash + 1 : called, "gpu_profiler") == 0)
        return cli_estimate.run(argc, argv);
    if (argc < 2 || argv[1][0] == '\0') {
        print_usage();
        return CLI_USAGE;
    }
    const char *name = argv[1];
    if (is_any(name, "--version", "-V", "version")) {
        output out;
        output_open(&out);
        output_add(&out, "joulemeter %s\n", jm_version());
        return output_close(&out, NULL);
    }
    if (is_any(name, "--help", "-h", "help")) return argc > 2 ? help_for(argv[2]) : print_usage();
    const cli_command *command = find_command(name);
    return command == NULL ? unknown_command(name) : command->run(argc - 1, argv + 1);
}
