#include "grid.h"
#include "probe.h"
#include "terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* "100 ms"; "" for 0. */
static const char *time_text(uint64_t ns, char *text, size_t size) {
    double ms = (double)ns / 1e6;
    text[0] = '\0';
    if (ns >= 1000000000)
        snprintf(text, size, "%.4g s", ms / 1000);
    else if (ns >= 1000000)
        snprintf(text, size, "%.4g ms", ms);
    else if (ns > 0)
        snprintf(text, size, "%.4g us", ms * 1000);
    return text;
}

static bool measures_energy(const jm_recording *recording, uint32_t device) {
    for (uint32_t i = 0; i < jm_recording_sensor_count(recording); i++) {
        jm_sensor sensor = {.size = sizeof sensor};
        if (jm_recording_sensor(recording, i, &sensor) == JM_OK && sensor.device == device &&
            (sensor.quantity == JM_QUANTITY_POWER || sensor.quantity == JM_QUANTITY_ENERGY))
            return true;
    }
    return false;
}

static void print_device(output *out, const jm_device *device, bool contained, size_t width) {
    const struct {
        const char *name;
        const char *value;
    } facts[] = {{"", device->uuid}, {"", device->pci}, {"driver ", device->driver}};
    const char *model = device->model[0] == '\0' ? device->vendor : device->model;
    output_add(out, "%s%s", device->name, model[0] == '\0' ? "" : "  ");
    grid_add_text(out, model, width - 10);
    output_add(out, "%s%s\n", device->simulated ? "  (simulated)" : "",
               contained ? "  (contained in another device, not in the total)" : "");
    bool any = false;
    for (size_t i = 0; i < CLI_COUNT(facts); i++) {
        if (facts[i].value[0] == '\0') continue;
        output_add(out, "%s%s", any ? "  " : "      ", facts[i].name);
        grid_add_text(out, facts[i].value, width);
        any = true;
    }
    if (device->power_limit_w > 0) {
        output_add(out, "%sat most %.0f W", any ? "  " : "      ", device->power_limit_w);
        any = true;
    }
    if (any) output_add(out, "\n");
}

static void add_sensor(grid *table, const jm_sensor *sensor) {
    char refresh[32], window[32], kind[64];
    snprintf(kind, sizeof kind, "%s%s%s", sensor->counter ? "counter" : "gauge",
             sensor->modelled ? ", modelled" : "", sensor->calibrated ? ", calibrated" : "");
    const char *cells[] = {"     ",
                           jm_quantity_name(sensor->quantity),
                           jm_quantity_unit(sensor->quantity),
                           sensor->source,
                           time_text(sensor->refresh_ns, refresh, sizeof refresh),
                           time_text(sensor->window_ns, window, sizeof window),
                           kind};
    grid_row(table, cells);
}

static void print_sensors(output *out, const jm_recording *recording, uint32_t device,
                          size_t width) {
    static const char *const header[] = {"",        "quantity", "unit", "source",
                                         "refresh", "window",   "kind"};
    grid table;
    grid_open(&table, CLI_COUNT(header));
    grid_right(&table, 4);
    grid_right(&table, 5);
    grid_row(&table, header);
    for (uint32_t i = 0; i < jm_recording_sensor_count(recording); i++) {
        jm_sensor sensor = {.size = sizeof sensor};
        if (jm_recording_sensor(recording, i, &sensor) == JM_OK && sensor.device == device)
            add_sensor(&table, &sensor);
    }
    if (table.rows == 1) output_add(out, "      no sensor\n");
    if (table.rows > 1) grid_write(&table, out, width, terminal_has_color(STDOUT_FILENO));
    grid_close(&table);
}

static void print_all(output *out, const probed *found) {
    const jm_recording *recording = jm_probe_recording(found->probe);
    size_t width = terminal_width(STDOUT_FILENO);
    uint32_t count = jm_recording_device_count(recording);
    for (uint32_t i = 0; i < count; i++) {
        jm_device device = {.size = sizeof device};
        if (jm_recording_device(recording, i, &device) != JM_OK) continue;
        if (i > 0) output_add(out, "\n");
        print_device(out, &device, !device.in_total && measures_energy(recording, i), width);
        print_sensors(out, recording, i, width);
    }
    if (count == 0)
        output_add(out, "No device with a sensor was found; `joulemeter doctor` says why.\n");
}

static void json_sensors(output *out, const jm_recording *recording, uint32_t device) {
    bool first = true;
    for (uint32_t i = 0; i < jm_recording_sensor_count(recording); i++) {
        jm_sensor sensor = {.size = sizeof sensor};
        if (jm_recording_sensor(recording, i, &sensor) != JM_OK || sensor.device != device)
            continue;
        output_add(out, "%s\n      {\"quantity\": ", first ? "" : ",");
        output_json(out, jm_quantity_name(sensor.quantity));
        output_add(out, ", \"unit\": ");
        output_json(out, jm_quantity_unit(sensor.quantity));
        output_add(out, ", \"source\": ");
        output_json(out, sensor.source);
        output_add(out,
                   ", \"counter\": %s, \"modelled\": %s, \"calibrated\": %s, "
                   "\"refresh_s\": %.9g, \"window_s\": %.9g, \"lag_s\": %.9g}",
                   sensor.counter ? "true" : "false", sensor.modelled ? "true" : "false",
                   sensor.calibrated ? "true" : "false", (double)sensor.refresh_ns / 1e9,
                   (double)sensor.window_ns / 1e9, (double)sensor.lag_ns / 1e9);
        first = false;
    }
}

static void json_all(output *out, const probed *found) {
    const jm_recording *recording = jm_probe_recording(found->probe);
    output_add(out, "[");
    for (uint32_t i = 0; i < jm_recording_device_count(recording); i++) {
        jm_device device = {.size = sizeof device};
        if (jm_recording_device(recording, i, &device) != JM_OK) continue;
        const char *const facts[][2] = {{"name", device.name},   {"vendor", device.vendor},
                                        {"model", device.model}, {"uuid", device.uuid},
                                        {"pci", device.pci},     {"driver", device.driver}};
        output_add(out, "%s\n  {", i > 0 ? "," : "");
        for (size_t f = 0; f < CLI_COUNT(facts); f++) {
            output_add(out, "\"%s\": ", facts[f][0]);
            output_json(out, facts[f][1]);
            output_add(out, ", ");
        }
        output_add(out, "\"in_total\": %s, \"simulated\": %s, \"power_limit_w\": ",
                   device.in_total ? "true" : "false", device.simulated ? "true" : "false");
        if (device.power_limit_w > 0)
            output_add(out, "%.9g", device.power_limit_w);
        else
            output_add(out, "null");
        output_add(out, ",\n    \"sensors\": [");
        json_sensors(out, recording, i);
        output_add(out, "]}");
    }
    output_add(out, "\n]\n");
}

static int run(int argc, char **argv) {
    return probe_command(&cli_devices, argc, argv, false, print_all, json_all);
}

const cli_command cli_devices = {"devices",
                                 "[OPTIONS]",
                                 "list devices and the sensors that measure them",
                                 NULL,
                                 "  joulemeter devices\n"
                                 "  joulemeter devices --json | jq '.[].name'\n"
                                 "  joulemeter devices --simulate '4*h100'\n",
                                 run};
