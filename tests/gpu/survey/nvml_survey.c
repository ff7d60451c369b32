/* What NVML says on this board, call by call; it changes nothing. */
#include "survey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: nvml_survey calls   [--gpu N] [--seconds S] [--period-us P]\n"
    "       nvml_survey poll    [--gpu N] [--seconds S] [--period-us P] [--csv FILE]\n"
    "       nvml_survey observe [--gpu N] [--seconds S] [--rates A,B,...] [--rounds N]\n";

static bool parse_rates(const char *text, survey_options *options) {
    options->rate_count = 0;
    while (*text != '\0' && options->rate_count < RATES_MOST) {
        char *end;
        double rate = strtod(text, &end);
        if (end == text || !(rate >= 0.1 && rate <= 1e5)) return false;
        options->rates[options->rate_count++] = rate;
        text = *end == ',' ? end + 1 : end;
    }
    return *text == '\0' && options->rate_count > 0;
}

static bool parse_number(const char *text, double most, double *number) {
    char *end;
    *number = strtod(text, &end);
    return end != text && *end == '\0' && *number >= 0 && *number <= most;
}

static bool parse_option(const char *name, const char *value, survey_options *options) {
    double number = 0;
    if (strcmp(name, "--csv") == 0) {
        options->csv = value;
        return true;
    }
    if (strcmp(name, "--rates") == 0) return parse_rates(value, options);
    if (!parse_number(value, 1e6, &number)) return false;
    if (strcmp(name, "--gpu") == 0)
        options->gpu = (unsigned)number;
    else if (strcmp(name, "--seconds") == 0)
        options->seconds = number;
    else if (strcmp(name, "--period-us") == 0)
        options->period_us = number;
    else if (strcmp(name, "--rounds") == 0)
        options->rounds = (unsigned)number;
    else
        return false;
    return true;
}

static int run(const char *command, const nvml *n, const survey_options *options) {
    if (strcmp(command, "calls") == 0) return survey_calls(n, options);
    if (strcmp(command, "poll") == 0) return survey_poll(n, options);
    if (strcmp(command, "observe") == 0) return survey_observe(n, options);
    fputs(usage, stderr);
    return 2;
}

int main(int argc, char **argv) {
    survey_options options = {
        .seconds = 1, .period_us = 500, .rates = {1, 100, 1000}, .rate_count = 3, .rounds = 2};
    bool good = argc >= 2 && argc % 2 == 0;
    for (int i = 2; good && i + 1 < argc; i += 2)
        good = parse_option(argv[i], argv[i + 1], &options);
    if (!good) {
        fputs(usage, stderr);
        return 2;
    }
    nvml n;
    char why[256];
    if (!nvml_open(&n, options.gpu, why, sizeof why)) {
        fprintf(stderr, "nvml_survey: %s\n", why);
        return 1;
    }
    int status = run(argv[1], &n, &options);
    nvml_close(&n);
    return status;
}
