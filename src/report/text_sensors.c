#include "report/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void describe_times(const jmi_page *p, const jm_sensor *sensor, char *out, size_t size) {
    char refresh[JMI_FORMAT_SIZE], window[JMI_FORMAT_SIZE];
    if (sensor->refresh_ns == 0) {
        out[0] = '\0';
        return;
    }
    jmi_format_duration(refresh, (double)sensor->refresh_ns / 1e9, p->style);
    jmi_format_duration(window, (double)sensor->window_ns / 1e9, p->style);
    const char *known = sensor->calibrated ? "" : "~";
    if (sensor->counter || sensor->window_ns == 0 || sensor->window_ns == sensor->refresh_ns)
        snprintf(out, size, "%s%s", known, refresh);
    else if (sensor->window_ns < sensor->refresh_ns)
        snprintf(out, size, "%s%s, sees %.0f %%", known, refresh,
                 100.0 * (double)sensor->window_ns / (double)sensor->refresh_ns);
    else
        snprintf(out, size, "%s%s, mean of %s", known, refresh, window);
}

static bool is_energy_sensor(const jm_sensor *sensor) {
    return sensor->quantity == JM_QUANTITY_POWER || sensor->quantity == JM_QUANTITY_POWER_AVERAGE ||
           sensor->quantity == JM_QUANTITY_ENERGY;
}

static void add_gauge(const jmi_page *p, jmi_text *text, const jmi_summary_sensor *entry) {
    char mean[JMI_FORMAT_SIZE];
    const char *unit = jm_quantity_unit(entry->sensor.quantity);
    const char *what = NULL;
    switch (entry->sensor.quantity) {
    case JM_QUANTITY_GPU_UTIL: what = "utilisation"; break;
    case JM_QUANTITY_MEM_UTIL: what = "memory bus"; break;
    case JM_QUANTITY_CPU_UTIL: what = "CPU use"; break;
    case JM_QUANTITY_PROCESS_UTIL: what = "the command's part"; break;
    case JM_QUANTITY_TEMPERATURE: what = "temperature"; break;
    case JM_QUANTITY_SM_CLOCK: what = "clock"; break;
    default: return;
    }
    if (entry->samples == 0 || !isfinite(entry->mean)) return;
    if (entry->sensor.quantity == JM_QUANTITY_TEMPERATURE && entry->max - entry->min < 1)
        snprintf(mean, sizeof mean, "%.0f %s", entry->max, p->style.utf8 ? "°C" : "C");
    else if (entry->sensor.quantity == JM_QUANTITY_TEMPERATURE)
        snprintf(mean, sizeof mean, "%.0f to %.0f %s", entry->min, entry->max,
                 p->style.utf8 ? "°C" : "C");
    else if (strcmp(unit, "%") == 0 && entry->mean < 9.95)
        snprintf(mean, sizeof mean, "%.1f %%", entry->mean);
    else
        snprintf(mean, sizeof mean, "%.0f %s", entry->mean, unit);
    jmi_text_add(text, "%s%s %s", text->length > 0 ? ", " : "", what, mean);
}

static void device_line(jmi_page *p, uint32_t index) {
    const jmi_summary *s = p->summary;
    const jm_device *device = &s->devices[index].device;
    jmi_text line = {0};
    jmi_text_add(&line, "%s%s", device->model, device->simulated ? " (simulated)" : "");
    jmi_text gauges = {0};
    char peak[JMI_FORMAT_SIZE];
    if (isfinite(s->devices[index].peak_w))
        jmi_text_add(&gauges, "peak %s",
                     jmi_format_short(peak, s->devices[index].peak_w, "W", p->style));
    for (uint32_t i = 0; i < s->sensor_count; i++)
        if (s->sensors[i].sensor.device == index) add_gauge(p, &gauges, &s->sensors[i]);
    if (gauges.length > 0)
        jmi_text_add(&line, "%s%s", device->model[0] == '\0' ? "" : "; ", gauges.data);
    jmi_text_free(&gauges);
    char lead[32];
    snprintf(lead, sizeof lead, "  %.24s", device->name);
    char *clean = line.data == NULL ? NULL : jmi_text_clean(line.data, p->style.utf8);
    if (clean != NULL && clean[0] != '\0') jmi_text_wrap(&p->out, lead, clean, 10, p->width);
    free(clean);
    jmi_text_free(&line);
}

void jmi_page_sensors(jmi_page *p) {
    const jmi_summary *s = p->summary;
    static const char *const header[] = {"sensor", "source", "readings", "refresh"};
    jmi_table table;
    jmi_table_init(&table, 4);
    table.right[2] = true;
    table.elastic = 1;
    jmi_table_row(&table, header);
    for (uint32_t i = 0; i < s->sensor_count; i++) {
        const jmi_summary_sensor *entry = &s->sensors[i];
        const jm_sensor *sensor = &entry->sensor;
        if (!is_energy_sensor(sensor) || sensor->device >= s->device_count) continue;
        char readings[48], times[160];
        snprintf(readings, sizeof readings, "%llu%s", (unsigned long long)entry->samples,
                 sensor->modelled                              ? " modelled"
                 : s->devices[sensor->device].device.simulated ? " simulated"
                                                               : "");
        describe_times(p, sensor, times, sizeof times);
        const char *cells[] = {s->devices[sensor->device].device.name, sensor->source, readings,
                               times};
        jmi_table_row(&table, cells);
    }
    size_t before = p->out.length;
    jmi_text_add(&p->out, "\n");
    size_t empty = p->out.length;
    for (uint32_t i = 0; i < s->device_count; i++) device_line(p, i);
    if (p->out.length == empty && !p->out.failed) p->out.length = before;
    if (table.rows > 1) {
        jmi_text_add(&p->out, "\n");
        jmi_table_write(&table, &p->out, 2, p->width, p->style);
    }
    jmi_table_free(&table);
}
