#include "report/text.h"
#include "report/carbon.h"

#include "record/recording.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *color(const jmi_page *p, const char *code) {
    return p->style.color ? code : "";
}
const char *jmi_page_bold(const jmi_page *p) {
    return color(p, "\033[1m");
}
const char *jmi_page_dim(const jmi_page *p) {
    return color(p, "\033[2m");
}
const char *jmi_page_plain(const jmi_page *p) {
    return color(p, "\033[0m");
}

/* ---- head ---- */

static void write_command(jmi_page *p, size_t room) {
    const char *command = p->summary->command;
    char *clean = jmi_text_clean(command != NULL ? command : "recording", p->style.utf8);
    if (clean == NULL) return;
    if (strlen(clean) > room) {
        size_t end = room - 3;
        while (end > 0 && ((unsigned char)clean[end] >> 6) == 2) end--; /* whole characters */
        strcpy(clean + end, "...");
    }
    jmi_text_add(&p->out, "%s\n", clean);
    free(clean);
}

static void write_head(jmi_page *p) {
    const jmi_summary *s = p->summary;
    char time[JMI_FORMAT_SIZE];
    double duration = (double)(s->end_ns - s->begin_ns) / 1e9;
    jmi_text_add(&p->out, "%sjoulemeter%s  ", jmi_page_bold(p), jmi_page_plain(p));
    write_command(p, p->width - 12);
    jmi_text_add(&p->out, "%s", jmi_format_duration(time, duration, p->style));
    if (s->signal > 0)
        jmi_text_add(&p->out, ", ended by signal %d", s->signal);
    else if (s->exit_code > 0)
        jmi_text_add(&p->out, ", exit code %d", s->exit_code);
    if (s->simulated)
        jmi_text_add(&p->out, ", %ssimulated GPU%s", jmi_page_bold(p), jmi_page_plain(p));
    jmi_text_add(&p->out, "\n\n");
}

/* ---- devices ---- */

static void device_row(const jmi_page *p, jmi_table *table, const jmi_summary_device *entry) {
    char energy[JMI_FORMAT_SIZE], power[JMI_FORMAT_SIZE];
    char idle[JMI_FORMAT_SIZE + 2] = "";
    bool has = entry->has_energy;
    if (has && entry->split.known) jmi_format_share(idle, entry->split.share, p->style);
    const char *cells[] = {
        entry->device.name,
        has ? jmi_format_energy(energy, &entry->energy, p->style) : "not measured",
        has ? jmi_format_power(power, &entry->energy, p->style) : "",
        idle,
        entry->source,
    };
    jmi_table_row(table, cells);
}

static const char *why_nothing(const jmi_page *p) {
    return p->summary->recording->cut_off
               ? "the recording was cut off before any reading."
               : "no sensor gave a reading. `joulemeter doctor` says why.";
}

static void write_devices(jmi_page *p) {
    const jmi_summary *s = p->summary;
    static const char *const header[] = {"", "energy", "mean power", "idle", "source"};
    jmi_table table;
    jmi_table_init(&table, 5);
    for (size_t c = 1; c < 4; c++) table.right[c] = true;
    table.drop[3] = 1; /* the notes have it too */
    table.drop[2] = 2;
    jmi_table_row(&table, header);
    if (s->total.has_energy) device_row(p, &table, &s->total);
    bool contained = false;
    for (uint32_t i = 0; i < s->device_count; i++) {
        const jmi_summary_device *entry = &s->devices[i];
        if (!entry->has_energy) continue;
        contained |= !entry->device.in_total;
        jmi_summary_device shown = *entry;
        char name[64];
        snprintf(name, sizeof name, "%s%s", entry->device.name, entry->device.in_total ? "" : "*");
        shown.device.name = name;
        device_row(p, &table, &shown);
    }
    if (table.rows > 1)
        jmi_table_write(&table, &p->out, 2, p->width, p->style);
    else
        jmi_text_add(&p->out, "  No energy was measured: %s\n", why_nothing(p));
    jmi_table_free(&table);
    if (table.rows > 1 || s->total.has_energy)
        jmi_text_add(&p->out, "  %s%s is a 95 %% interval.%s%s\n", jmi_page_dim(p),
                     p->style.utf8 ? "±" : "+-",
                     contained ? "  * contained in another device, not in the total." : "",
                     jmi_page_plain(p));
}

/* Numbers have a point in every locale; the caller's locale says only whether UTF-8 is read. */
int jm_report_text(const jm_recording *recording, const jm_report_options *options, char **text,
                   jm_error *error) {
    if (text == NULL) return jmi_fail(error, JM_INVALID, "there is no place for the text (NULL)");
    *text = NULL;
    jm_report_options ours;
    jmi_summary summary;
    int status = jmi_report_options(&ours, options, error);
    if (status == JM_OK) status = jmi_summary_make(&summary, recording, ours.energy, error);
    if (status != JM_OK) return status;
    jmi_footprint footprint;
    status = jmi_footprint_make(&footprint, &summary, ours.grid, ours.energy, error);
    if (status != JM_OK) {
        jmi_summary_free(&summary);
        return status;
    }
    jmi_page p = {.summary = &summary, .options = &ours, .width = ours.width};
    p.style = (jmi_style){.utf8 = jmi_locale_is_utf8(), .color = ours.color};
    locale_t c = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    locale_t before = c != (locale_t)0 ? uselocale(c) : (locale_t)0;
    if (summary.total.has_energy) p.style.reference = summary.total.energy.energy_j;
    write_head(&p);
    write_devices(&p);
    jmi_footprint_text(&footprint, &p);
    jmi_page_ranges(&p);
    jmi_page_sensors(&p);
    jmi_page_notes(&p);
    if (c != (locale_t)0) {
        uselocale(before);
        freelocale(c);
    }
    jmi_summary_free(&summary);
    return jmi_text_take(&p.out, text, error);
}
