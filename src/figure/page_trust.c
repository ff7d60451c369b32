/* How much to believe the figures: what they rest on, and what limits them. */
#include "figure/page.h"

#include "report/notes.h"

#include <math.h>
#include <stdlib.h>

typedef struct trust {
    json_t *points;
    bool heeded; /* something limits what the figures are good for */
} trust;

static void add(trust *t, const char *grade, const char *text) {
    json_t *point = json_object();
    jmi_json_set_text(point, "grade", grade);
    jmi_json_set_text(point, "text", text);
    json_array_append_new(t->points, point);
}

static void add_f(trust *t, const char *grade, const char *format, ...) JMI_PRINTF(3, 4);
static void add_f(trust *t, const char *grade, const char *format, ...) {
    jmi_text text = {0};
    va_list args;
    va_start(args, format);
    jmi_text_add_v(&text, format, args);
    va_end(args);
    add(t, grade, text.data == NULL ? "" : text.data);
    jmi_text_free(&text);
}

static void take_note(void *user, bool heed, const char *text) {
    trust *t = user;
    t->heeded |= heed;
    add(t, heed ? "bad" : "note", text);
}

/* What each device's energy rests on. */
static void add_sources(trust *t, const jmi_summary *s) {
    for (uint32_t i = 0; i < s->device_count; i++) {
        const jmi_summary_device *d = &s->devices[i];
        uint32_t from = d->energy.provenance;
        if (!d->has_energy || from & JM_FROM_MODEL || !d->device.in_total) continue;
        const char *what = from & JM_FROM_COUNTER && from & JM_FROM_POWER
                               ? "its energy counter and its power readings, which agree"
                           : from & JM_FROM_COUNTER ? "its energy counter"
                                                    : "its power readings";
        if (d->energy.flags & JM_ENERGY_CONFLICT)
            what = "its energy counter and its power readings";
        add_f(t, "good", "%s: the energy rests on %s%s.", d->device.name, what,
              d->device.simulated ? " (simulated)" : "");
    }
}

static void add_gain(trust *t, const jmi_summary *s) {
    bool sensor = false, table = false;
    for (uint32_t i = 0; i < s->sensor_count; i++) {
        const jm_sensor *one = &s->sensors[i].sensor;
        bool power = one->quantity == JM_QUANTITY_POWER || one->quantity == JM_QUANTITY_ENERGY;
        if (!power || one->modelled || one->refresh_ns == 0) continue;
        sensor = true;
        table |= !one->calibrated;
    }
    if (!sensor) return;
    add(t, "note",
        "A board's power reading is off by up to 5 % against a meter, and nothing on the machine "
        "can tell. Each interval allows for it; in comparisons on one board it cancels.");
    if (table)
        add(t, "note",
            "Refresh and window of the sensors come from a table or from the readings themselves; "
            "joulemeter calibrate measures them on this board.");
}

static const char *level_of(const jmi_summary *s, double relative, bool heeded) {
    uint32_t from = s->total.energy.provenance;
    bool modelled_only = (from & (JM_FROM_COUNTER | JM_FROM_POWER)) == 0;
    if (!s->total.has_energy || from & JM_BOUND_ONLY || modelled_only || relative > 0.3 ||
        s->total.energy.measured < 0.9)
        return "low";
    return heeded || relative > 0.1 ? "fair" : "good";
}

json_t *jmi_html_trust(const jmi_html_source *source) {
    const jmi_summary *s = source->summary;
    const jm_energy *e = &s->total.energy;
    trust t = {.points = json_array()};
    const jmi_notes notes = {s, {.utf8 = true}, take_note, &t};
    double relative = e->energy_j > 0 ? e->u95_j / e->energy_j : INFINITY;
    jmi_text headline = {0};
    json_t *object = json_object();
    jmi_notes_tell(&notes);
    if (s->simulated)
        add(&t, "note",
            "A GPU in this recording is simulated: its figures show how joulemeter works, not what "
            "a real board drew.");
    add_sources(&t, s);
    add_gain(&t, s);
    if (!s->total.has_energy)
        jmi_text_add(&headline, "No sensor of power or energy gave a reading.");
    else if (e->provenance & JM_BOUND_ONLY)
        jmi_text_add(&headline, "Too short for the sensors: only bounds are known.");
    else
        jmi_text_add(&headline, "The total energy is known to \xC2\xB1 %.2g %% (95 %%).",
                     100 * relative);
    if (s->total.has_energy && e->measured < 0.995)
        jmi_text_add(&headline, " %.0f %% of the time was measured.", 100 * e->measured);
    jmi_json_set_text(object, "level", level_of(s, relative, t.heeded));
    jmi_json_set_text(object, "headline", headline.data);
    json_object_set_new(object, "points", t.points);
    jmi_text_free(&headline);
    return object;
}
