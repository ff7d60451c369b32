/* From a power for so long to an energy with its interval, gross or net of idle power. */
#include "attribute/attribution.h"

#include <math.h>

/* Powers may come from readings of other times than that of the whole. */
static uint32_t provenance_of(const jmi_attributing *a) {
    uint32_t from = a->told.energy.provenance & ~(uint32_t)JM_BOUND_ONLY;
    for (size_t v = 0; from == 0 && v < a->views.count; v++)
        from |= a->views.view[v].track.provenance;
    return from;
}

int jmi_attribute_terms(jmi_attributing *a, jm_error *error) {
    const uint32_t doubts = JM_ENERGY_CONFLICT | JM_ENERGY_RESET;
    a->terms = (jmi_terms){.gain_u = a->views.gain_u,
                           .offset_u_w = a->views.offset_u_w,
                           .measured = a->told.energy.measured,
                           .provenance = provenance_of(a),
                           .flags = a->told.energy.flags & doubts,
                           .net = a->options.net,
                           .idle = {.size = sizeof a->terms.idle}};
    return a->options.net ? jm_energy_idle(a->recording, a->device, &a->terms.idle, error) : JM_OK;
}

/* Net of idle, less than nothing is possible; otherwise an inferred energy that is negative is
 * none. */
static void finish(jm_energy *e, bool net) {
    jmi_energy_finish(e, 0);
    if (net) {
        e->lower_j = e->energy_j - e->u95_j;
    } else if (e->energy_j < 0) {
        e->energy_j = e->mean_power_w = 0;
        e->upper_j = jmi_max(e->upper_j, 0);
    }
}

/* The sensors' offset cancels; their gain errs by its share of what is left. */
static void take_idle_off(const jmi_terms *terms, jm_energy *e) {
    e->energy_j -= terms->idle.power_w * e->duration_s;
    e->u_random_j = hypot(e->u_random_j, terms->idle.u_random_w * e->duration_s);
    e->u_systematic_j = terms->gain_u * fabs(e->energy_j);
}

jm_energy jmi_terms_energy(const jmi_terms *terms, double energy_j, double sd_j, double time_s) {
    jm_energy e = {.energy_j = energy_j,
                   .u_random_j = sd_j,
                   .duration_s = time_s,
                   .measured = terms->measured,
                   .provenance = terms->provenance,
                   .flags = terms->flags};
    e.u_systematic_j = jmi_systematic(terms->gain_u, terms->offset_u_w, energy_j, time_s);
    if (terms->net) take_idle_off(terms, &e);
    finish(&e, terms->net);
    return e;
}

jm_energy jmi_terms_net(const jmi_terms *terms, const jm_energy *gross) {
    jm_energy e = *gross;
    if (!terms->net) return e;
    double idle_j = terms->idle.power_w * e.duration_s;
    if (e.provenance & JM_BOUND_ONLY) { /* the bounds move, and are as far apart */
        e.energy_j -= idle_j;
        e.lower_j -= idle_j;
        e.upper_j -= idle_j;
        e.mean_power_w -= terms->idle.power_w;
        return e;
    }
    take_idle_off(terms, &e);
    finish(&e, true);
    return e;
}
