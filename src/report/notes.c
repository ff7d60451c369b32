/* What the reader of a summary should know, in sentences. */
#include "report/notes.h"

#include "report/text.h"

#include <string.h>

static void tell(const jmi_notes *p, bool heed, double share, const char *format, va_list args) {
    jmi_text text = {0};
    jmi_text_add_v(&text, format, args);
    const jmi_note note = {heed, share, text.data};
    if (text.data != NULL) p->take(p->user, &note);
    jmi_text_free(&text);
}

/* "!" for what should be heeded, "-" for the rest. */
static void note_f(const jmi_notes *p, const char *mark, const char *format, ...) JMI_PRINTF(3, 4);
static void note_f(const jmi_notes *p, const char *mark, const char *format, ...) {
    va_list args;
    va_start(args, format);
    tell(p, mark[0] == '!', 1, format, args);
    va_end(args);
}

/* What should be heeded of one device's energy. */
static void note_of(const jmi_notes *p, const jmi_summary_device *entry, const char *format, ...)
    JMI_PRINTF(3, 4);
static void note_of(const jmi_notes *p, const jmi_summary_device *entry, const char *format, ...) {
    const jm_energy *total = &p->summary->total.energy;
    bool known = p->summary->total.has_energy && total->energy_j > 0;
    double share = !known                   ? 1
                   : entry->device.in_total ? entry->energy.energy_j / total->energy_j
                                            : 0;
    va_list args;
    va_start(args, format);
    tell(p, true, share, format, args);
    va_end(args);
}

static void note_device(const jmi_notes *p, const jmi_summary_device *entry) {
    const jm_energy *e = &entry->energy;
    const char *name = entry->device.name;
    if (!entry->has_energy) return;
    if (e->flags & JM_ENERGY_CONFLICT)
        note_of(p, entry,
                "%s: energy counter and power readings disagree; the interval holds both.", name);
    if ((e->flags & JM_ENERGY_PARTIAL) && e->measured < 0.995)
        note_of(p, entry, "%s: only %.0f %% of the time was measured.", name, 100 * e->measured);
    if (e->flags & JM_ENERGY_LOCKED)
        note_of(p, entry,
                "%s: the load repeats in step with the sensor, which then sees the same part of it "
                "each time; the interval allows for that.",
                name);
    if (e->flags & JM_ENERGY_RESET)
        note_of(p, entry, "%s: its energy counter began anew while measuring.", name);
}

/* Share of the time that is seen by the power sensor of a device that sees most; 1 where that is
 * known of none. */
static double seen_share(const jmi_summary *s, uint32_t device) {
    double most = 0;
    for (uint32_t i = 0; i < s->sensor_count; i++) {
        const jm_sensor *sensor = &s->sensors[i].sensor;
        bool power =
            sensor->quantity == JM_QUANTITY_POWER || sensor->quantity == JM_QUANTITY_POWER_AVERAGE;
        if (sensor->device != device || !power) continue;
        if (sensor->window_ns == 0 || sensor->refresh_ns == 0) continue;
        double share = (double)sensor->window_ns / (double)sensor->refresh_ns;
        if (share > most) most = share;
    }
    return most > 0 ? most : 1;
}

/* What no interval can carry: docs/how-we-measure.md says why. */
static void note_part_time(const jmi_notes *p, uint32_t device) {
    const jmi_summary_device *entry = &p->summary->devices[device];
    const jm_energy *e = &entry->energy;
    double seen = seen_share(p->summary, device);
    bool alone = (e->provenance & JM_FROM_POWER) && !(e->provenance & JM_FROM_COUNTER);
    if (!entry->has_energy || !alone || seen >= 0.98 || (e->flags & JM_ENERGY_ACTIVITY)) return;
    note_of(p, entry,
            "%s: its sensor looks %.0f %% of the time, and there is no energy counter: a load that "
            "repeats in step with it would look steady, and the interval would not hold. Ranges "
            "around the load tell.",
            entry->device.name, 100 * seen);
}

static void note_bounds(const jmi_notes *p) {
    jmi_text names = {0};
    for (uint32_t i = 0; i < p->summary->device_count; i++) {
        const jmi_summary_device *entry = &p->summary->devices[i];
        if (entry->has_energy && entry->energy.provenance & JM_BOUND_ONLY)
            jmi_text_add(&names, "%s%s", names.length > 0 ? ", " : "", entry->device.name);
    }
    if (names.data != NULL)
        note_f(p, "-", "%s: too short for the sensors: bounds, no estimate.", names.data);
    jmi_text_free(&names);
}

static void note_idle(const jmi_notes *p) {
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

/* Groups of ranges of which the same is to be said: one is named, the others are counted. */
typedef struct mention {
    const jmi_group *group;
    uint64_t others;
} mention;

static void add_mention(mention *m, const jmi_group *group) {
    if (m->group == NULL)
        m->group = group;
    else
        m->others++;
}

static void note_mention(const jmi_notes *p, const char *mark, const mention *m, const char *text) {
    char buffer[JMI_GROUP_NAME];
    if (m->group == NULL) return;
    const char *name = jmi_page_group(p->summary, m->group, buffer);
    if (m->others > 0)
        note_f(p, mark, "%s and %llu other name%s of ranges: %s", name,
               (unsigned long long)m->others, m->others == 1 ? "" : "s", text);
    else
        note_f(p, mark, "%s: %s", name, text);
}

static void note_groups(const jmi_notes *p) {
    mention unmeasured = {0}, partial = {0}, bounded = {0};
    uint64_t unfinished = 0;
    for (size_t i = 0; i < p->summary->group_count; i++) {
        const jmi_group *group = &p->summary->groups[i];
        if (!jmi_page_lists(p->summary, group)) continue;
        unfinished += group->unfinished;
        if (!p->summary->total.has_energy) continue; /* said once for all */
        if (!jmi_is_measured(&group->energy))
            add_mention(&unmeasured, group);
        else if (group->energy.measured < 0.95)
            add_mention(&partial, group);
        if (group->energy.provenance & JM_BOUND_ONLY) add_mention(&bounded, group);
    }
    note_mention(p, "!", &unmeasured, "no sensor gave a reading then.");
    note_mention(p, "!", &partial, "some of that time was not measured on every device.");
    note_mention(p, "-", &bounded, "too short for the sensors: bounds, no estimate.");
    if (unfinished > 0)
        note_f(p, "-", "%llu range%s no end and %s closed at the end of the recording.",
               (unsigned long long)unfinished, unfinished == 1 ? " had" : "s had",
               unfinished == 1 ? "was" : "were");
}

/* Some sensors have no value at their first reading: rates need a second one. More than that, or
 * one in a hundred, is worth knowing. */
static bool many_failed(const jmi_summary *s) {
    return s->sampler.failed > s->sensor_count && 100 * s->sampler.failed > s->sampler.polls;
}

static void note_sampler(const jmi_notes *p) {
    const jm_sampler_stats *stats = &p->summary->sampler;
    const jm_recording *recording = p->summary->recording;
    double wall = (double)(jm_recording_end_ns(recording) - jm_recording_begin_ns(recording));
    if (stats->polls > 0 && wall > 0)
        note_f(p, "-", "Sampler: %llu readings, %llu late, %.2g %% of one core.",
               (unsigned long long)stats->polls, (unsigned long long)stats->late,
               100 * (double)stats->cpu_ns / wall);
    if (many_failed(p->summary)) {
        jmi_text names = {0};
        for (uint32_t i = 0; i < p->summary->sensor_count; i++)
            if (p->summary->sensors[i].missing > 0)
                jmi_text_add(&names, "%s%s", names.length > 0 ? ", " : ": ",
                             p->summary->sensors[i].sensor.source);
        note_f(p, "!", "%llu readings failed%s.", (unsigned long long)stats->failed,
               names.data != NULL ? names.data : "");
        jmi_text_free(&names);
    }
    if (stats->dropped > 0)
        note_f(p, "!", "%llu ranges or marks were lost: they came faster than they could be kept.",
               (unsigned long long)stats->dropped);
}

static bool begins(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

/* The facts whose keys begin so, from the i-th fact on. NULL: there are no more. */
static const char *next_fact(const jm_recording *recording, const char *with, uint32_t *i,
                             const char **value) {
    const char *key;
    while (jm_recording_info_at(recording, (*i)++, &key, value) == JM_OK)
        if (begins(key, with)) return key;
    return NULL;
}

/* Each process of a command records or does not; the fact "kernels" is that of the last one. */
static void note_kernels(const jmi_notes *p) {
    static const char recorded[] = "kernels recorded", refused[] = "kernels refused";
    const jm_recording *recording = p->summary->recording;
    const char *kernels = jm_recording_info(recording, "kernels"), *key, *value;
    uint32_t i = 0, told = 0;
    bool some = next_fact(recording, recorded, &i, &value) != NULL;
    i = 0;
    while (some && told++ < 3 && (key = next_fact(recording, refused, &i, &value)) != NULL)
        note_f(p, "!", "Kernels of%s were %s.", key + strlen(refused) + 1, value);
    if (!some && kernels != NULL && !begins(kernels, "recorded by"))
        note_f(p, "!", "Kernels were %s.", kernels);
    if (some && kernels != NULL && begins(kernels, "recorded in part"))
        note_f(p, "!", "Kernels were %s.", kernels);
    if (kernels == NULL && jm_recording_info(recording, "kernels wanted") != NULL)
        note_f(p, "!", "No kernels were recorded: the command did not use CUDA.");
}

/* What was to be recorded inside the program, and was not or not in full (inject/). */
static void note_inside(const jmi_notes *p) {
    const jm_recording *recording = p->summary->recording;
    const char *nvtx = jm_recording_info(recording, "nvtx");
    note_kernels(p);
    if (nvtx != NULL) note_f(p, "-", "NVTX ranges were %s.", nvtx);
    if (nvtx == NULL && jm_recording_info(recording, "nvtx wanted") != NULL &&
        jm_recording_info(recording, "nvtx used") == NULL)
        note_f(p, "!",
               "No NVTX ranges were recorded: the command did not use NVTX, or could not reach "
               "joulemeter.");
    const char *key, *value;
    for (uint32_t i = 0; jm_recording_info_at(recording, i, &key, &value) == JM_OK; i++)
        if (begins(key, "nvtx ranges lost"))
            note_f(p, "!", "NVTX ranges were lost%s: %s.", key + strlen("nvtx ranges lost"), value);
        else if (begins(key, "kernels lost"))
            note_f(p, "!", "Kernels were lost%s: %s.", key + strlen("kernels lost"), value);
}

void jmi_notes_tell(const jmi_notes *p) {
    const jmi_summary *s = p->summary;
    for (uint32_t i = 0; i < jm_recording_warning_count(s->recording); i++)
        note_f(p, "!", "%s", jm_recording_warning(s->recording, i));
    for (uint32_t i = 0; i < s->device_count; i++) {
        note_device(p, &s->devices[i]);
        note_part_time(p, i);
    }
    for (uint32_t i = 0; i < s->device_count; i++) {
        const jmi_summary_device *entry = &s->devices[i];
        if (entry->has_energy && entry->energy.provenance & JM_FROM_MODEL)
            note_of(p, entry,
                    "%s is modelled: nothing measures it here; it is an estimate from utilisation.",
                    entry->device.name);
    }
    note_bounds(p);
    note_idle(p);
    note_groups(p);
    note_inside(p);
    note_sampler(p);
}
