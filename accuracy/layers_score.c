#include "layers_score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void add_error(score *s, double error) {
    if (s->count == s->capacity) {
        s->capacity = s->capacity > 0 ? 2 * s->capacity : 256;
        s->errors = realloc(s->errors, s->capacity * sizeof *s->errors);
        if (s->errors == NULL) {
            fprintf(stderr, "jm-accuracy: layers: out of memory\n");
            exit(1);
        }
    }
    s->errors[s->count++] = error;
}

static bool holds(const jm_energy *e, double truth) {
    return truth >= e->lower_j && truth <= e->upper_j;
}

static bool random_holds(const jm_energy *e, double truth) {
    return fabs(e->energy_j - truth) <= 1.96 * e->u_random_j;
}

/* ---- judging ---- */

/* The layer that a part is; LAYERED_MOST if it is none. */
static size_t layer_of(const jm_part *part, const layered_run *run) {
    char name[16];
    unsigned layer = 0;
    if (sscanf(part->name, "layer%u", &layer) != 1 || layer >= run->load.layers)
        return LAYERED_MOST;
    layered_name(layer, name);
    return strcmp(name, part->name) == 0 ? layer : LAYERED_MOST;
}

static bool only_bounded(const jm_part *part) {
    return part->group != JM_NO_GROUP || (part->energy.provenance & JM_BOUND_ONLY) != 0;
}

static void add_part(score *s, const jm_part *part, double truth) {
    const jm_energy *e = &part->energy;
    if (only_bounded(part)) {
        s->bounded++;
        s->bound_covered += holds(e, truth);
        s->bounded_j += truth;
        return;
    }
    double error = fabs(e->energy_j - truth);
    add_error(s, isfinite(error) ? error / truth : INFINITY);
    s->random_covered += random_holds(e, truth);
    s->covered += holds(e, truth);
    s->error_j += error;
    s->truth_j += truth;
}

static void add_group(score *s, const jm_part *group, double truth) {
    s->groups++;
    s->group_covered += random_holds(&group->energy, truth);
    s->group_error_j += fabs(group->energy.energy_j - truth);
    s->group_j += truth;
}

void score_add(score *s, const layered_run *run, const jm_attribution *found) {
    double group_j[LAYERED_MOST] = {0};
    bool seen[LAYERED_MOST] = {false};
    for (uint32_t i = 0; i < jm_attribution_part_count(found); i++) {
        jm_part part = JM_PART_INIT;
        if (jm_attribution_part(found, i, &part) != JM_OK) continue;
        size_t layer = layer_of(&part, run);
        if (layer == LAYERED_MOST || part.calls != run->calls_of[layer]) continue;
        seen[layer] = true;
        add_part(s, &part, run->truth_j[layer]);
        if (part.group < LAYERED_MOST) group_j[part.group] += run->truth_j[layer];
    }
    for (size_t i = 0; i < run->load.layers; i++) {
        s->missing += !seen[i];
        s->all_j += run->truth_j[i];
    }
    for (uint32_t i = 0; i < jm_attribution_group_count(found) && i < LAYERED_MOST; i++) {
        jm_part group = JM_PART_INIT;
        if (jm_attribution_group(found, i, &group) == JM_OK) add_group(s, &group, group_j[i]);
    }
}

void score_merge(score *s, const score *other) {
    for (size_t i = 0; i < other->count; i++) add_error(s, other->errors[i]);
    s->random_covered += other->random_covered;
    s->covered += other->covered;
    s->error_j += other->error_j;
    s->truth_j += other->truth_j;
    s->bounded += other->bounded;
    s->bound_covered += other->bound_covered;
    s->bounded_j += other->bounded_j;
    s->groups += other->groups;
    s->group_covered += other->group_covered;
    s->group_error_j += other->group_error_j;
    s->group_j += other->group_j;
    s->all_j += other->all_j;
    s->missing += other->missing;
    s->runs += other->runs;
    s->failed += other->failed;
    s->attribute_s += other->attribute_s;
}

void score_free(score *s) {
    free(s->errors);
    *s = (score){0};
}

/* ---- telling ---- */

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double score_quantile(const score *s, double p) {
    if (s->count == 0) return NAN;
    qsort(s->errors, s->count, sizeof *s->errors, compare);
    double at = p * (double)(s->count - 1);
    size_t below = (size_t)at, above = below + 1 < s->count ? below + 1 : below;
    if (isinf(s->errors[above])) return INFINITY;
    return 100 * (s->errors[below] + (at - (double)below) * (s->errors[above] - s->errors[below]));
}

double score_weighted(const score *s) {
    return s->truth_j > 0 ? 100 * s->error_j / s->truth_j : NAN;
}

double score_share(size_t part, size_t whole) {
    return whole > 0 ? 100.0 * (double)part / (double)whole : NAN;
}

void score_print_head(FILE *file) {
    fprintf(file,
            "parts: layers that were estimated. median, p90, weighted: their error in %%, weighted "
            "by energy. random,\nwhole: coverage of the 95 %% interval without and with the gain's "
            "part, %%. unres: share of the energy of\nlayers that were only bounded or grouped, "
            "%%; bounds: of these, %% that hold. groups, cover, error: how\nmany, coverage of the "
            "random part and weighted error in %%. s: to attribute one recording.\n"
            "%-12s %-15s %-10s %5s %8s %8s %8s %6s %6s | %6s %6s | %6s %6s %6s | %6s\n",
            "scenario", "sensor", "method", "parts", "median", "p90", "weighted", "random", "whole",
            "unres", "bounds", "groups", "cover", "error", "s");
}

/* A number, or a dash where there is none. */
static const char *number(double value, int digits, char text[32]) {
    snprintf(text, 32, "-");
    if (!isnan(value)) snprintf(text, 32, "%.*f", digits, value);
    return text;
}

void score_print(FILE *file, const char *scenario, const char *sensor, const char *method,
                 bool intervals, const score *s) {
    char t[9][32];
    double random = intervals ? score_share(s->random_covered, s->count) : NAN;
    double whole = intervals ? score_share(s->covered, s->count) : NAN;
    double unresolved = s->all_j > 0 ? 100 * s->bounded_j / s->all_j : NAN;
    double group_error = s->groups > 0 ? 100 * s->group_error_j / s->group_j : NAN;
    fprintf(file, "%-12s %-15s %-10s %5zu %8s %8s %8s %6s %6s | %6s %6s | %6zu %6s %6s | %6.3f",
            scenario, sensor, method, s->count, number(score_quantile(s, 0.5), 2, t[0]),
            number(score_quantile(s, 0.9), 2, t[1]), number(score_weighted(s), 2, t[2]),
            number(random, 1, t[3]), number(whole, 1, t[4]), number(unresolved, 1, t[5]),
            number(score_share(s->bound_covered, s->bounded), 1, t[6]), s->groups,
            number(score_share(s->group_covered, s->groups), 1, t[7]), number(group_error, 2, t[8]),
            s->attribute_s / (double)s->runs);
    if (s->failed > 0) fprintf(file, "  failed: %zu of %zu", s->failed, s->runs);
    if (s->missing > 0) fprintf(file, "  layers missing: %zu", s->missing);
    fprintf(file, "\n");
    fflush(file);
}

void score_dump(FILE *file, const layered_run *run, const jm_attribution *found) {
    jm_attribution_info info = JM_ATTRIBUTION_INFO_INIT;
    if (jm_attribution_get(found, &info) == JM_OK)
        fprintf(file,
                "# whole %.6g J, sum %.6g J, gap %.6g J, residual %.4g +- %.4g J, readings %llu, "
                "effective %.4g, condition %.4g, noise %.4g W, shift %.4g s, lock %.3f\n",
                info.whole.energy_j, info.sum.energy_j, info.gap.energy_j, info.residual_j,
                info.residual_u95_j, (unsigned long long)info.readings, info.effective,
                info.condition, info.noise_w, info.shift_s, info.lock);
    fprintf(file, "part,group,calls,truth_j,energy_j,u_random_j,lower_j,upper_j,error_pct,z,"
                  "truth_w,power_w,power_u95_w,seen_s,bounded\n");
    for (uint32_t i = 0; i < jm_attribution_part_count(found); i++) {
        jm_part p = JM_PART_INIT;
        if (jm_attribution_part(found, i, &p) != JM_OK) continue;
        size_t layer = layer_of(&p, run);
        double truth = layer < LAYERED_MOST ? run->truth_j[layer] : NAN;
        double off = p.energy.energy_j - truth;
        fprintf(file, "%s,%d,%llu,%.6g,%.6g,%.4g,%.6g,%.6g,%.3f,%.3f,%.5g,%.5g,%.4g,%.4g,%d\n",
                p.name, p.group == JM_NO_GROUP ? -1 : (int)p.group, (unsigned long long)p.calls,
                truth, p.energy.energy_j, p.energy.u_random_j, p.energy.lower_j, p.energy.upper_j,
                100 * off / truth, off / p.energy.u_random_j,
                layer < LAYERED_MOST ? run->load.power_w[layer] : NAN, p.power_w, p.power_u95_w,
                p.seen_s, only_bounded(&p));
    }
}
