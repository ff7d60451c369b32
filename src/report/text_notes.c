#include "report/text.h"

#include <stdlib.h>

/* A sentence as a bullet of the notes. */
static void note(jmi_page *p, const char *mark, const char *text) {
    char *clean = jmi_text_clean(text, p->style.utf8);
    char lead[16];
    snprintf(lead, sizeof lead, "  %s ", mark);
    if (clean != NULL) jmi_text_wrap(&p->out, lead, clean, 4, p->width);
    free(clean);
}

static void note_f(jmi_page *p, const char *mark, const char *format, ...) JMI_PRINTF(3, 4);
static void note_f(jmi_page *p, const char *mark, const char *format, ...) {
    jmi_text text = {0};
    va_list args;
    va_start(args, format);
    jmi_text_add_v(&text, format, args);
    va_end(args);
    if (text.data != NULL) note(p, mark, text.data);
    jmi_text_free(&text);
}

static void note_device(jmi_page *p, const jmi_summary_device *entry) {
    const jm_energy *e = &entry->energy;
    const char *name = entry->device.name;
    if (!entry->has_energy) return;
    if (e->flags & JM_ENERGY_CONFLICT)
        note_f(p, "!", "%s: energy counter and power readings disagree; the interval holds both.",
               name);
    if ((e->flags & JM_ENERGY_PARTIAL) && e->measured < 0.995)
        note_f(p, "!", "%s: only %.0f %% of the time was measured.", name, 100 * e->measured);
    if (e->flags & JM_ENERGY_LOCKED)
        note_f(p, "!",
               "%s: the load repeats in step with the sensor, which then sees the same part of it "
               "each time; the interval allows for that.",
               name);
    if (e->flags & JM_ENERGY_RESET)
        note_f(p, "!", "%s: its energy counter began anew while measuring.", name);
    if (e->provenance & JM_BOUND_ONLY)
        note_f(p, "-", "%s: too short for this sensor: bounds, no estimate.", name);
}

static void note_idle(jmi_page *p) {
    const jmi_split *total = &p->summary->total.split;
    char active[JMI_FORMAT_SIZE], power[JMI_FORMAT_SIZE];
    if (!total->known) return;
    jmi_format_value(active, total->active_j, total->active_u95_j, "J", p->style);
    jmi_format_value(power, total->power_w, total->power_u95_w, "W", p->style);
    if (total->from_baseline)
        note_f(p, "-", "Above idle: %s. Idle power, measured before: %s.", active, power);
    else
        note_f(p, "-",
               "Above idle: %s. Idle power is that of the quietest second, %s; "
               "--idle-baseline 10 measures it before the command.",
               active, power);
}

static void note_groups(jmi_page *p) {
    uint64_t bounds = 0, unfinished = 0, unmeasured = 0;
    for (size_t i = 0; i < p->summary->group_count; i++) {
        if (!jmi_page_lists(p->summary, &p->summary->groups[i])) continue;
        bounds += p->summary->groups[i].bound_only;
        unfinished += p->summary->groups[i].unfinished;
        unmeasured += p->summary->groups[i].unmeasured;
    }
    if (bounds > 0)
        note_f(p, "-", "%llu range%s too short for the sensors to give more than bounds for each.",
               (unsigned long long)bounds, bounds == 1 ? " is" : "s are");
    if (unfinished > 0)
        note_f(p, "-", "%llu range%s no end and %s closed at the end of the recording.",
               (unsigned long long)unfinished, unfinished == 1 ? " had" : "s had",
               unfinished == 1 ? "was" : "were");
    if (unmeasured > 0)
        note_f(p, "!", "%llu range%s in time without readings.", (unsigned long long)unmeasured,
               unmeasured == 1 ? " lies" : "s lie");
}

static void note_sampler(jmi_page *p) {
    const jm_sampler_stats *stats = &p->summary->sampler;
    const jm_recording *recording = p->summary->recording;
    double wall = (double)(jm_recording_end_ns(recording) - jm_recording_begin_ns(recording));
    if (stats->polls > 0 && wall > 0)
        note_f(p, "-", "Sampler: %llu readings, %llu failed, %llu late, %.2g %% of one core.",
               (unsigned long long)stats->polls, (unsigned long long)stats->failed,
               (unsigned long long)stats->late, 100 * (double)stats->cpu_ns / wall);
    if (stats->dropped > 0)
        note_f(p, "!", "%llu ranges or marks were lost: they came faster than they could be kept.",
               (unsigned long long)stats->dropped);
}

void jmi_page_notes(jmi_page *p) {
    const jmi_summary *s = p->summary;
    size_t before = p->out.length;
    jmi_text_add(&p->out, "\n");
    size_t empty = p->out.length;
    for (uint32_t i = 0; i < jm_recording_warning_count(s->recording); i++)
        note(p, "!", jm_recording_warning(s->recording, i));
    for (uint32_t i = 0; i < s->device_count; i++) note_device(p, &s->devices[i]);
    for (uint32_t i = 0; i < s->device_count; i++) {
        const jmi_summary_device *entry = &s->devices[i];
        if (entry->has_energy && entry->energy.provenance & JM_FROM_MODEL)
            note_f(p, "!",
                   "%s is modelled: nothing measures it here; it is an estimate from utilisation.",
                   entry->device.name);
    }
    note_idle(p);
    note_groups(p);
    note_sampler(p);
    if (p->out.length == empty && !p->out.failed && p->out.data != NULL)
        p->out.data[p->out.length = before] = '\0';
}
