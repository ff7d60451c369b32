#include "grid.h"
#include "live.h"
#include "options.h"
#include "terminal.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

static void interrupt(int number) {
    (void)number;
    interrupted = 1;
}

static int progress(const char *step, double done, void *user) {
    char text[120];
    snprintf(text, sizeof text, " %.80s  %3.0f %%", step, 100 * done);
    live_text(user, text);
    return interrupted;
}

/* Milliseconds: "101.2±0.1", "-" where it is not known. */
static const char *time_text(double seconds, double u, char *text, size_t size) {
    const char *sign = terminal_is_utf8() ? "±" : "+-";
    int decimals = u > 0 && u < 1e-4 ? 2 : 1;
    if (!(seconds > 0))
        snprintf(text, size, "-");
    else if (u > 0 && isfinite(u))
        snprintf(text, size, "%.*f%s%.*f", decimals, 1000 * seconds, sign, decimals,
                 fmax(1000 * u, decimals == 2 ? 0.01 : 0.1)); /* never "±0" */
    else
        snprintf(text, size, "%.1f", 1000 * seconds);
    return text;
}

static void add_row(grid *table, const jm_calibration *c) {
    char refresh[48], window[48], lag[48], noise[32], call[48], ticks[32];
    snprintf(noise, sizeof noise, "%.2g", c->noise);
    if (c->call_s < 1e-3)
        snprintf(call, sizeof call, "%.1f %s", 1e6 * c->call_s, terminal_is_utf8() ? "µs" : "us");
    else
        snprintf(call, sizeof call, "%.1f ms", 1e3 * c->call_s);
    snprintf(ticks, sizeof ticks, "%llu", (unsigned long long)c->ticks);
    const char *cells[] = {c->device,
                           c->source,
                           time_text(c->refresh_s, c->refresh_u_s, refresh, sizeof refresh),
                           time_text(c->window_s, c->window_u_s, window, sizeof window),
                           time_text(c->lag_s, 0, lag, sizeof lag),
                           noise,
                           call,
                           ticks};
    grid_row(table, cells);
}

static void print_all(output *out, const jm_calibrations *result) {
    static const char *const header[] = {"",       "sensor", "refresh ms", "window ms",
                                         "lag ms", "noise",  "call",       "ticks"};
    grid table;
    grid_open(&table, CLI_COUNT(header));
    for (size_t c = 2; c < CLI_COUNT(header); c++) grid_right(&table, c);
    grid_row(&table, header);
    uint32_t count = jm_calibrations_count(result);
    for (uint32_t i = 0; i < count; i++) {
        jm_calibration c = {.size = sizeof c};
        if (jm_calibrations_get(result, i, &c) == JM_OK) add_row(&table, &c);
    }
    if (count > 0)
        grid_write(&table, out, terminal_width(STDOUT_FILENO), terminal_has_color(STDOUT_FILENO));
    else
        output_add(out, "No power or energy sensor was found; `joulemeter doctor` says why.\n");
    for (uint32_t i = 0; i < count; i++) {
        jm_calibration c = {.size = sizeof c};
        if (jm_calibrations_get(result, i, &c) == JM_OK && isfinite(c.observer_w) &&
            fabs(c.observer_w) >= 0.05)
            output_add(out, "%s %s: fast polling itself adds %.1f W.\n", c.device, c.source,
                       c.observer_w);
    }
    grid_close(&table);
}

static void json_number(output *out, const char *name, double value, const char *after) {
    output_add(out, "\"%s\": ", name);
    if (isfinite(value))
        output_add(out, "%.9g%s", value, after);
    else
        output_add(out, "null%s", after);
}

static void json_all(output *out, const jm_calibrations *result) {
    output_add(out, "[");
    for (uint32_t i = 0; i < jm_calibrations_count(result); i++) {
        jm_calibration c = {.size = sizeof c};
        if (jm_calibrations_get(result, i, &c) != JM_OK) continue;
        output_add(out, "%s\n  {\"device\": ", i > 0 ? "," : "");
        output_json(out, c.device);
        output_add(out, ", \"uuid\": ");
        output_json(out, c.uuid);
        output_add(out, ", \"source\": ");
        output_json(out, c.source);
        output_add(out, ", ");
        json_number(out, "refresh_s", c.refresh_s > 0 ? c.refresh_s : NAN, ", ");
        json_number(out, "refresh_u_s", c.refresh_s > 0 ? c.refresh_u_s : NAN, ", ");
        json_number(out, "window_s", c.window_s > 0 ? c.window_s : NAN, ", ");
        json_number(out, "window_u_s", c.window_s > 0 ? c.window_u_s : NAN, ", ");
        json_number(out, "lag_s", c.lag_s > 0 ? c.lag_s : NAN, ", ");
        json_number(out, "noise", c.noise, ", ");
        json_number(out, "quantum", c.quantum, ", ");
        json_number(out, "call_s", c.call_s, ", ");
        json_number(out, "call_p99_s", c.call_p99_s, ", ");
        json_number(out, "observer_w", c.observer_w, ", ");
        output_add(out, "\"ticks\": %llu}", (unsigned long long)c.ticks);
    }
    output_add(out, "\n]\n");
}

static int calibrate(jm_calibrate_options *options, bool json) {
    jm_calibrations *result = NULL;
    jm_error error = {0};
    live line;
    live_open(&line, false);
    struct sigaction action = {.sa_handler = interrupt, .sa_flags = SA_RESETHAND};
    sigaction(SIGINT, &action, NULL); /* a second Ctrl-C ends it at once */
    sigaction(SIGTERM, &action, NULL);
    options->progress = progress;
    options->user = &line;
    int status = jm_calibrate(&result, options, &error);
    live_erase(&line);
    if (status == JM_INTERRUPTED)
        return cli_fail(&cli_calibrate, 128 + SIGINT, "stopped; nothing was kept");
    if (status != JM_OK) return cli_fail_error(&cli_calibrate, &error);
    output out;
    output_open(&out);
    if (json)
        json_all(&out, result);
    else
        print_all(&out, result);
    jm_calibrations_free(result);
    return output_close(&out, &cli_calibrate);
}

static int run(int argc, char **argv) {
    jm_calibrate_options settings = JM_CALIBRATE_OPTIONS_INIT;
    jm_session_options session = JM_SESSION_OPTIONS_INIT;
    char *gpus = NULL;
    bool json = false;
    const cli_option options[] = {
        {'t', "time", OPTION_SECONDS, &settings.seconds, "TIME",
         "time for each device (default 20s),\nalso --seconds S", 1, 3600, NULL},
        {0, "seconds", OPTION_SECONDS, &settings.seconds, "S", NULL, 1, 3600, NULL},
        {'l', "load", OPTION_TEXT, &settings.load, "COMMAND",
         "shell command that loads the device, run in\nsquare waves; shows window and lag too", 0,
         0, NULL},
        {'g', "gpu", OPTION_LIST, &gpus, "LIST", "only these GPUs: 0,1, UUIDs, all or none", 0, 0,
         NULL},
        {0, "cache", OPTION_TEXT, &settings.cache, "FILE",
         "keep results in FILE; default:\n~/.cache/joulemeter/calibration.json", 0, 0, NULL},
        {'j', "json", OPTION_FLAG, &json, NULL, "an array of JSON objects", 0, 0, NULL},
        {0, "simulate", OPTION_TEXT, &session.simulate, "SPEC",
         "simulated GPUs instead of real ones: h100 ...", 0, 0, NULL},
        {0}};
    int operands;
    int code = cli_parse(&cli_calibrate, options, OPERANDS_MIXED, argc, argv, &operands);
    if (code == PARSE_DONE && operands > 0)
        code =
            cli_fail(&cli_calibrate, CLI_USAGE,
                     "'%s' is not understood; a load is given with --load '%s'", argv[1], argv[1]);
    session.gpus = gpus;
    settings.session = &session;
    if (code == PARSE_DONE) code = calibrate(&settings, json);
    free(gpus);
    return code;
}

const cli_command cli_calibrate = {
    "calibrate",
    "[OPTIONS]",
    "find out how often and over how long each sensor measures",
    "Refresh, averaging window, lag, noise and cost of a reading are found by\n"
    "watching when the values change, and kept by the device's UUID, driver and\n"
    "VBIOS: later runs use them and have narrower uncertainties. Window and lag\n"
    "show only under a changing load.\n",
    "  joulemeter calibrate\n"
    "  joulemeter calibrate --time 60s --load './gpu_burn 3600'\n"
    "  joulemeter calibrate --simulate a100 --cache /tmp/calibration.json\n",
    run};
