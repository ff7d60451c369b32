#include "options.h"

#include "output.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers ---- */

/* A plain decimal number; hexadecimal, "inf" and "nan" are none. */
static bool parse_number(const char *text, double *value, const char **rest) {
    const char *digits = text + (text[0] == '-' || text[0] == '+');
    if (strspn(digits, "0123456789") == 0 &&
        !(digits[0] == '.' && strspn(digits + 1, "0123456789")))
        return false;
    if (digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X')) return false;
    char *end;
    *value = strtod(text, &end);
    *rest = end;
    return isfinite(*value);
}

bool cli_parse_seconds(const char *text, double *seconds) {
    static const struct {
        const char *name;
        double seconds;
    } units[] = {{"", 1},      {"s", 1},     {"sec", 1}, {"ms", 1e-3}, {"us", 1e-6},
                 {"µs", 1e-6}, {"ns", 1e-9}, {"m", 60},  {"min", 60},  {"h", 3600}};
    const char *unit;
    double number;
    if (!parse_number(text, &number, &unit)) return false;
    while (*unit == ' ') unit++;
    for (size_t i = 0; i < CLI_COUNT(units); i++) {
        if (strcmp(unit, units[i].name) != 0) continue;
        *seconds = number * units[i].seconds;
        return true;
    }
    return false;
}

static int check_bounds(const cli_command *command, const cli_option *option, const char *text,
                        double value, const char *unit) {
    if (value >= option->least && value <= option->most) return PARSE_DONE;
    return cli_fail(command, CLI_USAGE,
                    "--%s %s is out of range: choose from %.10g%s%s to %.10g%s%s", option->name,
                    text, option->least, *unit ? " " : "", unit, option->most, *unit ? " " : "",
                    unit);
}

static int set_seconds(const cli_command *command, const cli_option *option, const char *text) {
    if (!cli_parse_seconds(text, option->value))
        return cli_fail(command, CLI_USAGE,
                        "--%s '%s' is not a time: write it as 20ms, 1.5s, 2m or seconds (0.02)",
                        option->name, text);
    return check_bounds(command, option, text, *(double *)option->value, "s");
}

static int set_number(const cli_command *command, const cli_option *option, const char *text) {
    const char *rest;
    const char *unit = option->unit == NULL ? "" : option->unit;
    if (!parse_number(text, option->value, &rest) ||
        (rest += strspn(rest, " "), *rest != '\0' && strcmp(rest, unit) != 0))
        return cli_fail(command, CLI_USAGE, "--%s '%s' is not a number: write --%s 65%s",
                        option->name, text, option->name, unit);
    return check_bounds(command, option, text, *(double *)option->value, unit);
}

static int set_count(const cli_command *command, const cli_option *option, const char *text) {
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0)
        return cli_fail(command, CLI_USAGE, "--%s '%s' is not a whole number", option->name, text);
    int code = check_bounds(command, option, text, (double)value, "");
    if (code == PARSE_DONE) *(uint32_t *)option->value = (uint32_t)value;
    return code;
}

static int set_list(const cli_option *option, const char *text) {
    char **list = option->value;
    size_t before = *list == NULL ? 0 : strlen(*list) + 1;
    char *longer = realloc(*list, before + strlen(text) + 1);
    if (longer == NULL) return CLI_FAILED;
    if (before > 0) longer[before - 1] = ',';
    strcpy(longer + before, text);
    *list = longer;
    return PARSE_DONE;
}

static int add_word(const cli_command *command, const cli_option *option, const char *text) {
    cli_words *words = option->value;
    if (words->count == CLI_COUNT(words->word))
        return cli_fail(command, CLI_USAGE, "--%s may come %zu times, not more often", option->name,
                        words->count);
    words->word[words->count++] = text;
    return PARSE_DONE;
}

/* The first of two values. */
static int set_pair(const cli_command *command, const cli_option *option, const char *text) {
    cli_pairs *pairs = option->value;
    if (pairs->count == CLI_COUNT(pairs->first))
        return cli_fail(command, CLI_USAGE, "--%s may come %zu times, not more often", option->name,
                        pairs->count);
    pairs->first[pairs->count++] = text;
    return PARSE_DONE;
}

static int set_value(const cli_command *command, const cli_option *option, const char *text) {
    if ((option->kind == OPTION_TEXT || option->kind == OPTION_LIST) && text[0] == '\0')
        return cli_fail(command, CLI_USAGE, "--%s needs a value that is not empty", option->name);
    switch (option->kind) {
    case OPTION_FLAG: *(bool *)option->value = true; break;
    case OPTION_OPTIONAL: *(const char **)option->value = text == NULL ? "" : text; break;
    case OPTION_TEXT: *(const char **)option->value = text; break;
    case OPTION_WORDS: return add_word(command, option, text);
    case OPTION_LIST: return set_list(option, text);
    case OPTION_SECONDS: return set_seconds(command, option, text);
    case OPTION_NUMBER: return set_number(command, option, text);
    case OPTION_COUNT: return set_count(command, option, text);
    case OPTION_PAIR: return set_pair(command, option, text);
    }
    return PARSE_DONE;
}

/* ---- the arguments ---- */

typedef struct parser {
    const cli_command *command;
    const cli_option *options;
    int argc;
    char **argv;
    int at;
} parser;

static int unknown(const parser *p, const char *name, size_t length) {
    const char *words[64];
    size_t count = 0;
    char text[64];
    for (; p->options[count].name != NULL && count < 60; count++)
        words[count] = p->options[count].name;
    words[count++] = "help";
    words[count] = NULL;
    snprintf(text, sizeof text, "%.*s", (int)(length < 63 ? length : 63), name);
    const char *nearest = cli_nearest(text, words);
    if (nearest != NULL)
        return cli_fail(p->command, CLI_USAGE, "there is no option --%s; did you mean --%s?", text,
                        nearest);
    return cli_fail(p->command, CLI_USAGE,
                    "there is no option --%s; joulemeter %s --help lists all", text,
                    p->command->name);
}

static bool takes_value(const cli_option *option) {
    return option->kind != OPTION_FLAG && option->kind != OPTION_OPTIONAL;
}

static int missing_value(const parser *p, const cli_option *option) {
    return cli_fail(p->command, CLI_USAGE, "--%s needs a value: --%s %s", option->name,
                    option->name, option->argument);
}

static int set_next(parser *p, const cli_option *option, const char *value) {
    int code = set_value(p->command, option, value);
    if (option->kind != OPTION_PAIR || code != PARSE_DONE) return code;
    const char *second = p->at + 1 < p->argc ? p->argv[++p->at] : "";
    if (second[0] == '\0' || (second[0] == '-' && second[1] != '\0'))
        return cli_fail(p->command, CLI_USAGE, "--%s needs two values: --%s %s", option->name,
                        option->name, option->argument);
    cli_pairs *pairs = option->value;
    pairs->second[pairs->count - 1] = second;
    return PARSE_DONE;
}

static int parse_long(parser *p) {
    const char *name = p->argv[p->at] + 2;
    size_t length = strcspn(name, "=");
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    if (length == 4 && strncmp(name, "help", 4) == 0) return cli_help(p->command, p->options);
    const cli_option *option = p->options;
    while (option->name != NULL &&
           !(strncmp(option->name, name, length) == 0 && option->name[length] == '\0'))
        option++;
    if (option->name == NULL) return unknown(p, name, length);
    if (option->kind == OPTION_FLAG && value != NULL)
        return cli_fail(p->command, CLI_USAGE, "--%s takes no value", option->name);
    if (takes_value(option) && value == NULL) {
        if (p->at + 1 >= p->argc) return missing_value(p, option);
        value = p->argv[++p->at];
    }
    return set_next(p, option, value);
}

/* -q, -qo FILE, -oFILE. */
static int parse_letters(parser *p) {
    for (const char *letter = p->argv[p->at] + 1; *letter != '\0'; letter++) {
        if (*letter == 'h') return cli_help(p->command, p->options);
        const cli_option *option = p->options;
        while (option->name != NULL && option->letter != *letter) option++;
        if (option->name == NULL)
            return cli_fail(p->command, CLI_USAGE,
                            "there is no option -%c; joulemeter %s --help lists all",
                            *letter < ' ' || *letter > '~' ? '?' : *letter, p->command->name);
        const char *value = NULL;
        bool takes = takes_value(option);
        if (takes && letter[1] != '\0')
            value = letter + 1;
        else if (takes && p->at + 1 >= p->argc)
            return missing_value(p, option);
        else if (takes)
            value = p->argv[++p->at];
        int code = set_next(p, option, value);
        if (code != PARSE_DONE || takes) return code;
    }
    return PARSE_DONE;
}

/* "-- text", and lines of text: a query may begin with a comment. */
static bool is_comment(const char *text) {
    if (text[0] != '-' || text[1] != '-') return false;
    return text[2] == ' ' || text[strcspn(text, "=\n")] == '\n';
}

int cli_parse(const cli_command *command, const cli_option *options, operand_rule rule, int argc,
              char **argv, int *operands) {
    parser p = {command, options, argc, argv, 1};
    int kept = 1;
    for (; p.at < argc; p.at++) {
        const char *text = argv[p.at];
        int code = PARSE_DONE;
        if (strcmp(text, "--") == 0) {
            p.at++;
            break;
        }
        bool option = text[0] == '-' && text[1] != '\0' && !is_comment(text);
        if (option && text[1] == '-')
            code = parse_long(&p);
        else if (option)
            code = parse_letters(&p);
        else if (rule == OPERANDS_LAST)
            break;
        else
            argv[kept++] = argv[p.at];
        if (code != PARSE_DONE) return code;
    }
    while (p.at < argc) argv[kept++] = argv[p.at++];
    argv[kept] = NULL;
    *operands = kept - 1;
    return PARSE_DONE;
}

/* ---- help ---- */

static void print_option(output *out, const cli_option *option) {
    char left[64];
    const char *equals = option->kind == OPTION_OPTIONAL ? "[=" : option->argument ? " " : "";
    if (option->letter != 0)
        snprintf(left, sizeof left, "-%c, --%s%s%s%s", option->letter, option->name, equals,
                 option->argument ? option->argument : "",
                 option->kind == OPTION_OPTIONAL ? "]" : "");
    else
        snprintf(left, sizeof left, "    --%s%s%s%s", option->name, equals,
                 option->argument ? option->argument : "",
                 option->kind == OPTION_OPTIONAL ? "]" : "");
    const char *line = option->help;
    bool first = true;
    if (strlen(left) > 26) {
        output_add(out, "  %s\n", left);
        first = false;
    }
    while (*line != '\0') {
        size_t length = strcspn(line, "\n");
        output_add(out, "  %-26s  %.*s\n", first ? left : "", (int)length, line);
        line += length + (line[length] == '\n');
        first = false;
    }
}

int cli_help(const cli_command *command, const cli_option *options) {
    static const cli_option help = {'h', "help", OPTION_FLAG, NULL, NULL, "this text", 0, 0, NULL};
    output out;
    output_open(&out);
    output_add(&out, "%s\n\nUsage: joulemeter %s %s\n", command->summary, command->name,
               command->usage);
    if (command->details != NULL) output_add(&out, "\n%s", command->details);
    output_add(&out, "\nOptions:\n");
    for (const cli_option *option = options; option->name != NULL; option++)
        if (option->help != NULL) print_option(&out, option);
    print_option(&out, &help);
    output_add(&out, "\nExamples:\n%s", command->examples);
    return output_close(&out, command);
}
