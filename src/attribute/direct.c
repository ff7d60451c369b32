/* Classes whose calls outlast the sensor's refresh: what they took was measured, whatever their
 * power did meanwhile. */
#include "attribute/attribution.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_PIECES = 200000 };

/* Pieces of the classes that are long enough, as windows of groups. */
typedef struct request {
    bool *wanted; /* of each column */
    jm_window *windows;
    uint32_t *group;
    jm_energy *out;
    double *time_s; /* of each column, of what is told of */
    size_t count;
} request;

static bool open_request(request *r, const jmi_attributing *a) {
    size_t n = a->layout.classes;
    r->wanted = jmi_alloc(n, sizeof *r->wanted);
    r->time_s = jmi_alloc(n, sizeof *r->time_s);
    r->out = jmi_alloc(n, sizeof *r->out);
    return r->wanted != NULL && r->time_s != NULL && r->out != NULL;
}

static void close_request(request *r) {
    free(r->wanted);
    free(r->windows);
    free(r->group);
    free(r->out);
    free(r->time_s);
}

static size_t column_of(const jmi_attributing *a, const jmi_piece *piece) {
    return a->layout.column[a->calls.list[piece->call].cls];
}

/* Counts pieces of each class that is told of; those that share their time with others are not
 * measured by themselves. */
static size_t choose(request *r, const jmi_attributing *a) {
    double refresh_ns = a->views.view[0].track.cell_ns;
    size_t n = a->layout.classes, wanted = 0;
    size_t *pieces = jmi_alloc(n, sizeof *pieces);
    if (pieces == NULL) return 0;
    for (size_t v = 1; v < a->views.count; v++)
        refresh_ns = fmin(refresh_ns, a->views.view[v].track.cell_ns);
    for (size_t i = 0; i < n; i++) r->wanted[i] = true;
    for (size_t i = 0; i < a->calls.piece_count; i++) {
        const jmi_piece *p = &a->calls.pieces[i];
        size_t column = column_of(a, p);
        if (!a->calls.list[p->call].told) continue;
        if (p->weight < 1) r->wanted[column] = false;
        r->time_s[column] += (double)(p->end_ns - p->begin_ns) * 1e-9;
        pieces[column]++;
    }
    for (size_t i = 0; i < n; i++) {
        r->wanted[i] &= pieces[i] > 0 && r->time_s[i] * 1e9 > refresh_ns * (double)pieces[i];
        if (r->wanted[i]) wanted += pieces[i];
    }
    if (a->layout.lumped) r->wanted[n - 1] = false;
    free(pieces);
    return wanted;
}

static bool gather(request *r, const jmi_attributing *a, size_t most) {
    r->windows = jmi_alloc(most, sizeof *r->windows);
    r->group = jmi_alloc(most, sizeof *r->group);
    if (r->windows == NULL || r->group == NULL) return false;
    for (size_t i = 0; i < a->calls.piece_count && r->count < most; i++) {
        const jmi_piece *p = &a->calls.pieces[i];
        size_t column = column_of(a, p);
        if (!a->calls.list[p->call].told || !r->wanted[column]) continue;
        r->windows[r->count] = (jm_window){p->begin_ns, p->end_ns};
        r->group[r->count++] = (uint32_t)column;
    }
    return true;
}

/* What was measured errs by itself: it takes the place of what was inferred. */
static void take(jmi_fit *fit, size_t column, double power_w, double u_w) {
    for (size_t i = 0; i < fit->count; i++)
        fit->cov_w2[column * fit->count + i] = fit->cov_w2[i * fit->count + column] = 0;
    fit->cov_w2[column * fit->count + column] = u_w * u_w;
    fit->power_w[column] = power_w;
}

int jmi_attribute_direct(jmi_attributing *a, jm_error *error) {
    request r = {.count = 0};
    size_t n = a->layout.classes;
    int status = JM_OK;
    bool good = open_request(&r, a);
    size_t pieces = good ? choose(&r, a) : 0;
    if (pieces > 0 && pieces <= MOST_PIECES) {
        good = gather(&r, a, pieces);
        if (good)
            status = jm_energy_groups(a->recording, a->device, r.windows, r.group, r.count,
                                      &a->energy, r.out, n, error);
        const uint32_t doubtful = JM_BOUND_ONLY, unsure = JM_ENERGY_LOCKED | JM_ENERGY_PARTIAL;
        for (size_t i = 0; good && status == JM_OK && i < n; i++) {
            const jm_energy *e = &r.out[i];
            double t = r.time_s[i], inferred = jmi_fit_sd(&a->fit, i);
            if (!r.wanted[i] || e->provenance == 0 || e->provenance & doubtful || e->flags & unsure)
                continue;
            if (e->u_random_j / t < inferred) take(&a->fit, i, e->energy_j / t, e->u_random_j / t);
        }
    }
    close_request(&r);
    if (!good) status = jmi_fail(error, JM_MEMORY, "out of memory for what was measured");
    return status;
}
