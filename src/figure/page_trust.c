/* How much to believe the figures: what they rest on, what limits them, and what would mend it. */
#include "figure/page.h"

#include "report/notes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What is said of less of the energy than this spoils no figure. */
static const double negligible = 0.02;
enum { NAMES_TOLD = 4 };

/* The gravest first. */
typedef enum gravity { BAD, NOTE, GOOD, GRADES } gravity;

typedef struct trust {
    const jmi_summary *summary;
    json_t *points[GRADES];
} trust;

static void add(trust *t, gravity grade, const char *text) {
    static const char *const names[GRADES] = {"bad", "note", "good"};
    json_t *point = json_object();
    jmi_json_set_text(point, "grade", names[grade]);
    jmi_json_set_text(point, "text", text);
    json_array_append_new(t->points[grade], point);
}

static void add_f(trust *t, gravity grade, const char *format, ...) JMI_PRINTF(3, 4);
static void add_f(trust *t, gravity grade, const char *format, ...) {
    jmi_text text = {0};
    va_list args;
    va_start(args, format);
    jmi_text_add_v(&text, format, args);
    va_end(args);
    add(t, grade, text.data == NULL ? "" : text.data);
    jmi_text_free(&text);
}

static void take_note(void *user, const jmi_note *note) {
    add(user, note->heed && note->share >= negligible ? BAD : NOTE, note->text);
}

/* ---- what each device's energy rests on ---- */

static const char *basis_of(const jmi_summary_device *d) {
    uint32_t from = d->energy.provenance;
    if (!d->has_energy || !d->device.in_total || from & JM_FROM_MODEL) return NULL;
    if ((from & JM_FROM_COUNTER) == 0) return "power readings";
    if ((from & JM_FROM_POWER) == 0) return "an energy counter";
    return d->energy.flags & JM_ENERGY_CONFLICT ? "an energy counter and power readings"
                                                : "an energy counter and power readings that agree";
}

static bool same_basis(const jmi_summary_device *a, const jmi_summary_device *b) {
    const char *other = basis_of(b);
    return other != NULL && strcmp(basis_of(a), other) == 0 &&
           a->device.simulated == b->device.simulated;
}

/* Devices of which the same is to be said are named together. */
static void add_sources(trust *t) {
    const jmi_summary *s = t->summary;
    for (uint32_t i = 0; i < s->device_count; i++) {
        const jmi_summary_device *first = &s->devices[i];
        jmi_text names = {0};
        uint32_t before = 0, count = 0;
        if (basis_of(first) == NULL) continue;
        for (uint32_t k = 0; k < i; k++) before += same_basis(first, &s->devices[k]);
        for (uint32_t k = i; before == 0 && k < s->device_count; k++)
            if (same_basis(first, &s->devices[k]) && count++ < NAMES_TOLD)
                jmi_text_add(&names, "%s%s", count > 1 ? ", " : "", s->devices[k].device.name);
        if (count > NAMES_TOLD)
            jmi_text_add(&names, " and %u other%s", count - NAMES_TOLD,
                         count == NAMES_TOLD + 1 ? "" : "s");
        if (names.data != NULL)
            add_f(t, GOOD, "%s: the energy rests on %s%s.", names.data, basis_of(first),
                  first->device.simulated ? ", simulated" : "");
        jmi_text_free(&names);
    }
}

/* ---- what is never known, and what could be ---- */

static bool measures(const jm_sensor *sensor) {
    bool power = sensor->quantity == JM_QUANTITY_POWER || sensor->quantity == JM_QUANTITY_ENERGY;
    return power && !sensor->modelled && sensor->refresh_ns != 0;
}

static void add_gain(trust *t) {
    const jm_energy *e = &t->summary->total.energy;
    double systematic = 2 * e->u_systematic_j / e->energy_j;
    uint32_t measuring = 0, calibrated = 0;
    for (uint32_t i = 0; i < t->summary->sensor_count; i++) {
        const jm_sensor *one = &t->summary->sensors[i].sensor;
        measuring += measures(one);
        calibrated += measures(one) && one->calibrated;
    }
    if (measuring == 0) return;
    if (isfinite(systematic) && systematic > 0)
        add_f(t, NOTE,
              "A board's power reading is off by up to 5 %% against a meter, and nothing on the "
              "machine can tell. The interval allows for it: \xC2\xB1 %.2g %% of the total is what "
              "a longer run does not shrink. In comparisons on one board it cancels.",
              100 * systematic);
    if (calibrated == measuring)
        add(t, GOOD, "Refresh and window of the sensors were measured on this board.");
    else
        add(t, NOTE,
            "Refresh and window of the sensors come from a table or from the readings themselves; "
            "joulemeter calibrate measures them on this board.");
}

/* What the user can do about what nothing measures. */
static void add_remedies(trust *t) {
    if (!t->summary->total.has_energy || t->summary->modelled)
        add(t, NOTE, "joulemeter doctor says what would measure what is not measured here.");
}

/* However well it was measured: it is no energy that anybody paid for. */
static void add_simulated(trust *t) {
    const jmi_summary *s = t->summary;
    double sum = 0;
    if (!s->simulated) return;
    for (uint32_t i = 0; i < s->device_count; i++)
        if (s->devices[i].device.simulated && s->devices[i].device.in_total)
            sum += s->devices[i].energy.energy_j;
    add(t, sum < negligible * s->total.energy.energy_j ? NOTE : BAD,
        "A GPU in this recording is simulated: its figures show how joulemeter works, not what a "
        "real board drew.");
}

/* ---- the whole ---- */

static const char *level_of(const trust *t, double relative) {
    const jm_energy *e = &t->summary->total.energy;
    bool modelled_only = (e->provenance & (JM_FROM_COUNTER | JM_FROM_POWER)) == 0;
    if (!t->summary->total.has_energy || e->provenance & JM_BOUND_ONLY || modelled_only ||
        !(relative <= 0.3) || e->measured < 0.9)
        return "low";
    return json_array_size(t->points[BAD]) > 0 || relative > 0.1 ? "fair" : "good";
}

static void tell_headline(jmi_text *text, const jmi_summary *s, double relative) {
    const jm_energy *e = &s->total.energy;
    if (!s->total.has_energy)
        jmi_text_add(text, "No sensor of power or energy gave a reading.");
    else if (e->provenance & JM_BOUND_ONLY)
        jmi_text_add(text, "Too short for the sensors: only bounds are known.");
    else if (isfinite(relative))
        jmi_text_add(text, "The total energy is known to \xC2\xB1 %.2g %% (95 %%).",
                     100 * relative);
    else
        jmi_text_add(text, "The uncertainty of the total energy is not known.");
    if (s->total.has_energy && e->measured < 0.995)
        jmi_text_add(text, " %.0f %% of the time was measured.", 100 * e->measured);
}

json_t *jmi_html_trust(const jmi_html_source *source) {
    const jmi_summary *s = source->summary;
    trust t = {.summary = s, .points = {json_array(), json_array(), json_array()}};
    const jmi_notes notes = {s, {.utf8 = true}, take_note, &t};
    double relative = s->total.energy.energy_j > 0
                          ? s->total.energy.u95_j / s->total.energy.energy_j
                          : (double)INFINITY;
    jmi_text headline = {0};
    json_t *object = json_object();
    add_simulated(&t);
    jmi_notes_tell(&notes);
    add_remedies(&t);
    add_gain(&t);
    add_sources(&t);
    tell_headline(&headline, s, relative);
    jmi_json_set_text(object, "level", level_of(&t, relative));
    jmi_json_set_text(object, "headline", headline.data);
    for (gravity g = NOTE; g < GRADES; g++) {
        json_array_extend(t.points[BAD], t.points[g]);
        json_decref(t.points[g]);
    }
    json_object_set_new(object, "points", t.points[BAD]);
    jmi_text_free(&headline);
    return object;
}
