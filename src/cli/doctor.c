#include "grid.h"
#include "probe.h"
#include "terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct page {
    output *out;
    size_t width;
    bool color;
    bool verbose;
} page;

static const char *cost_text(uint64_t ns, char *text, size_t size) {
    text[0] = '\0';
    if (ns >= 1000000)
        snprintf(text, size, "%.1f ms a reading", (double)ns / 1e6);
    else if (ns > 0)
        snprintf(text, size, "%.1f us a reading", (double)ns / 1e3);
    return text;
}

static void print_mark(const page *p, bool works) {
    const char *sign = works ? (terminal_is_utf8() ? "✓" : "+") : (terminal_is_utf8() ? "✗" : "-");
    output_add(p->out, "  %s%s%s ", p->color ? (works ? "\033[32m" : "\033[33m") : "", sign,
               p->color ? "\033[0m" : "");
}

static void print_finding(const page *p, const jm_finding *finding) {
    char cost[48], title[160];
    bool works = finding->status == JM_OK;
    print_mark(p, works);
    snprintf(title, sizeof title, "%s%s%s", finding->device, finding->device[0] ? " " : "",
             finding->what);
    if (works && !p->verbose) {
        grid_add_text(p->out, title, 40);
        output_add(p->out, "%*s", (int)(28 - (strlen(title) < 27 ? strlen(title) : 27)), "");
        cost_text(finding->cost_ns, cost, sizeof cost);
        if (cost[0] != '\0')
            output_add(p->out, "%s", cost);
        else
            grid_add_text(p->out, finding->message, p->width - 34);
        output_add(p->out, "\n");
        return;
    }
    grid_add_text(p->out, title, p->width - 4);
    cost_text(finding->cost_ns, cost, sizeof cost);
    output_add(p->out, "%s%s\n", cost[0] != '\0' ? "  " : "", cost);
    if (finding->message[0] != '\0') grid_add_wrapped(p->out, finding->message, 6, p->width);
    if (!works && finding->remedy[0] != '\0') {
        output_add(p->out, "      ");
        char *text = NULL;
        if (asprintf(&text, "-> %s", finding->remedy) >= 0) {
            p->out->length -= 6;
            grid_add_wrapped(p->out, text, 6, p->width);
            free(text);
        }
    }
}

/* What it comes to: which devices are measured, and how. */
static void print_verdict(const page *p, const jm_recording *recording) {
    bool any = false;
    for (uint32_t i = 0; i < jm_recording_sensor_count(recording); i++) {
        jm_sensor sensor = {.size = sizeof sensor};
        jm_device device = {.size = sizeof device};
        if (jm_recording_sensor(recording, i, &sensor) != JM_OK ||
            jm_recording_device(recording, sensor.device, &device) != JM_OK)
            continue;
        if (sensor.quantity != JM_QUANTITY_POWER && sensor.quantity != JM_QUANTITY_ENERGY) continue;
        if (!any) output_add(p->out, "Energy will come from:\n");
        any = true;
        output_add(p->out, "  %-8s %s%s\n", device.name, sensor.source,
                   sensor.modelled    ? " (modelled: an estimate, nothing measures it)"
                   : device.simulated ? " (simulated)"
                                      : "");
    }
    if (!any)
        output_add(p->out, "Nothing here measures energy; runs are recorded without joules.\n");
}

/* ---- limits: whether they can be set ---- */

/* NULL where there is no GPU whose limits could be; the findings before these say why. */
static jm_limits *open_limits(const jm_session_options *session) {
    jm_limits_options options = JM_LIMITS_OPTIONS_INIT;
    jm_limits *limits = NULL;
    options.gpus = session->gpus;
    options.simulate = session->simulate;
    jm_limits_open(&limits, &options, NULL);
    return limits;
}

static void print_title(const page *p, const char *interface) {
    output_add(p->out, "%s%s%s\n", p->color ? "\033[1m" : "", interface, p->color ? "\033[0m" : "");
}

static void print_limits(const page *p, const jm_session_options *session) {
    jm_limits *limits = open_limits(session);
    jm_finding finding = {.size = sizeof finding};
    for (uint32_t i = 0; i < jm_limits_count(limits); i++) {
        if (jm_limits_access(limits, i, &finding) != JM_OK) continue;
        if (i == 0) print_title(p, finding.interface);
        print_finding(p, &finding);
    }
    jm_limits_close(limits, NULL);
}

static void print_all(output *out, const probed *found) {
    page all = {.out = out,
                .width = terminal_width(STDOUT_FILENO),
                .color = terminal_has_color(STDOUT_FILENO),
                .verbose = found->verbose};
    const page *p = &all;
    const char *interface = "";
    uint32_t count = jm_probe_finding_count(found->probe);
    for (uint32_t i = 0; i < count; i++) {
        jm_finding finding = {.size = sizeof finding};
        if (jm_probe_finding(found->probe, i, &finding) != JM_OK) continue;
        if (strcmp(interface, finding.interface) != 0) {
            interface = finding.interface;
            print_title(p, interface);
        }
        print_finding(p, &finding);
    }
    print_limits(p, found->session);
    if (count > 0) output_add(p->out, "\n");
    print_verdict(p, jm_probe_recording(found->probe));
}

static void json_finding(output *out, const jm_finding *finding, bool first) {
    const char *const facts[][2] = {
        {"interface", finding->interface}, {"device", finding->device},
        {"what", finding->what},           {"status", jm_status_name(finding->status)},
        {"message", finding->message},     {"remedy", finding->remedy}};
    output_add(out, "%s\n  {", first ? "" : ",");
    for (size_t f = 0; f < CLI_COUNT(facts); f++) {
        output_add(out, "\"%s\": ", facts[f][0]);
        output_json(out, facts[f][1]);
        output_add(out, ", ");
    }
    output_add(out, "\"works\": %s, \"cost_s\": %.9g}", finding->status == JM_OK ? "true" : "false",
               (double)finding->cost_ns / 1e9);
}

static void print_json(output *out, const probed *found) {
    jm_finding finding = {.size = sizeof finding};
    bool first = true;
    output_add(out, "[");
    for (uint32_t i = 0; i < jm_probe_finding_count(found->probe); i++) {
        if (jm_probe_finding(found->probe, i, &finding) != JM_OK) continue;
        json_finding(out, &finding, first);
        first = false;
    }
    jm_limits *limits = open_limits(found->session);
    for (uint32_t i = 0; i < jm_limits_count(limits); i++) {
        if (jm_limits_access(limits, i, &finding) != JM_OK) continue;
        json_finding(out, &finding, first);
        first = false;
    }
    jm_limits_close(limits, NULL);
    output_add(out, "\n]\n");
}

static int run(int argc, char **argv) {
    return probe_command(&cli_doctor, argc, argv, true, print_all, print_json);
}

const cli_command cli_doctor = {
    "doctor",
    "[OPTIONS]",
    "say what can be measured here, and what would mend the rest",
    "Every way of reading every quantity is tried once, and whether power limits can\n"
    "be set is found out. What does not work comes with the least that would mend\n"
    "it. What is missing is no error: the exit code is 0.\n",
    "  joulemeter doctor\n"
    "  joulemeter doctor --json | jq '.[] | select(.works | not)'\n",
    run};
