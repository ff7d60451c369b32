/* SPDX-License-Identifier: MIT */
#include "wave.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct wave_point {
    int64_t begin_ns;
    double begin_w;
    double end_w;
    double energy_j;  /* of all pieces before this one */
    int64_t above_ns; /* likewise */
};

struct simgpu_wave {
    atomic_int refs;
    bool periodic;
    int64_t phase_ns;
    int64_t length_ns;
    double level_w;
    double max_w;
    size_t count;
    struct wave_point *points; /* count + 1; the last one holds the totals */
};

/* A moment as whole cycles plus a position within one: differences stay exact at any t. */
struct position {
    int64_t cycle;
    int64_t offset_ns; /* in [0, length) where periodic; else anything */
};

void simgpu_wave_add(struct simgpu_wave_builder *b, int64_t length_ns, double begin_w,
                     double end_w) {
    if (b->failed || length_ns == 0) return;
    if (length_ns < 0 || b->length_ns > INT64_MAX / 4 - length_ns) {
        b->failed = true;
        return;
    }
    if (b->count + 1 >= b->capacity) {
        size_t capacity = b->capacity ? b->capacity * 2 : 16;
        struct wave_point *points = realloc(b->points, capacity * sizeof *points);
        if (!points) {
            b->failed = true;
            return;
        }
        b->points = points;
        b->capacity = capacity;
    }
    b->points[b->count++] =
        (struct wave_point){.begin_ns = b->length_ns, .begin_w = begin_w, .end_w = end_w};
    b->length_ns += length_ns;
}

static double seconds(int64_t ns) {
    return (double)ns * 1e-9;
}

static bool is_above(const struct simgpu_wave *wave, const struct wave_point *p) {
    return 0.5 * (p->begin_w + p->end_w) > wave->level_w;
}

static void sum_up(struct simgpu_wave *wave) {
    double energy_j = 0.0;
    int64_t above_ns = 0;
    for (size_t i = 0; i < wave->count; i++) {
        struct wave_point *p = &wave->points[i];
        int64_t length_ns = p[1].begin_ns - p->begin_ns;
        p->energy_j = energy_j;
        p->above_ns = above_ns;
        energy_j += 0.5 * (p->begin_w + p->end_w) * seconds(length_ns);
        if (is_above(wave, p)) above_ns += length_ns;
        wave->max_w = fmax(wave->max_w, fmax(p->begin_w, p->end_w));
    }
    wave->points[wave->count].energy_j = energy_j;
    wave->points[wave->count].above_ns = above_ns;
}

struct simgpu_wave *simgpu_wave_finish(struct simgpu_wave_builder *b, bool periodic,
                                       int64_t phase_ns) {
    struct simgpu_wave *wave = NULL;
    if (!b->failed && b->count > 0) wave = calloc(1, sizeof *wave);
    if (!wave) {
        free(b->points);
        *b = (struct simgpu_wave_builder){0};
        return NULL;
    }
    atomic_init(&wave->refs, 1);
    wave->periodic = periodic;
    wave->phase_ns = phase_ns;
    wave->length_ns = b->length_ns;
    wave->level_w = INFINITY;
    wave->max_w = -INFINITY;
    wave->count = b->count;
    wave->points = b->points;
    wave->points[b->count] = (struct wave_point){.begin_ns = b->length_ns};
    sum_up(wave);
    *b = (struct simgpu_wave_builder){0};
    return wave;
}

static void add_at_level(struct simgpu_wave_builder *b, int64_t length_ns, double begin_w,
                         double end_w, double level_w, bool clip) {
    if (clip && 0.5 * (begin_w + end_w) > level_w) begin_w = end_w = level_w;
    if (clip) begin_w = fmin(begin_w, level_w), end_w = fmin(end_w, level_w);
    simgpu_wave_add(b, length_ns, begin_w, end_w);
}

struct simgpu_wave *simgpu_wave_at_level(const struct simgpu_wave *wave, double level_w,
                                         bool clip) {
    struct simgpu_wave_builder b = {0};
    for (size_t i = 0; i < wave->count; i++) {
        const struct wave_point *p = &wave->points[i];
        int64_t length_ns = p[1].begin_ns - p->begin_ns;
        int64_t split_ns = 0;
        double split_w = p->begin_w;
        if ((p->begin_w - level_w) * (p->end_w - level_w) < 0.0) {
            double share = (level_w - p->begin_w) / (p->end_w - p->begin_w);
            split_ns = llround(share * (double)length_ns);
            share = (double)split_ns / (double)length_ns;
            split_w = p->begin_w + share * (p->end_w - p->begin_w);
        }
        add_at_level(&b, split_ns, p->begin_w, split_w, level_w, clip);
        add_at_level(&b, length_ns - split_ns, split_w, p->end_w, level_w, clip);
    }
    struct simgpu_wave *result = simgpu_wave_finish(&b, wave->periodic, wave->phase_ns);
    if (!result) return NULL;
    /* A clipped piece lies exactly on the level and counts as above it. */
    result->level_w = clip ? nextafter(level_w, -INFINITY) : level_w;
    sum_up(result);
    return result;
}

static double scaled_w(double watts, double floor_w, double share) {
    return watts > floor_w ? floor_w + share * (watts - floor_w) : watts;
}

struct simgpu_wave *simgpu_wave_scaled(const struct simgpu_wave *wave, double floor_w,
                                       double share) {
    struct simgpu_wave_builder b = {0};
    for (size_t i = 0; i < wave->count; i++) {
        const struct wave_point *p = &wave->points[i];
        simgpu_wave_add(&b, p[1].begin_ns - p->begin_ns, scaled_w(p->begin_w, floor_w, share),
                        scaled_w(p->end_w, floor_w, share));
    }
    return simgpu_wave_finish(&b, wave->periodic, wave->phase_ns);
}

struct simgpu_wave *simgpu_wave_ref(struct simgpu_wave *wave) {
    if (wave) atomic_fetch_add(&wave->refs, 1);
    return wave;
}

void simgpu_wave_unref(struct simgpu_wave *wave) {
    if (!wave || atomic_fetch_sub(&wave->refs, 1) != 1) return;
    free(wave->points);
    free(wave);
}

static struct position locate(const struct simgpu_wave *wave, int64_t t) {
    int64_t local = t + wave->phase_ns;
    if (!wave->periodic) return (struct position){0, local};
    int64_t cycle = local / wave->length_ns;
    int64_t offset = local % wave->length_ns;
    if (offset < 0) {
        offset += wave->length_ns;
        cycle--;
    }
    return (struct position){cycle, offset};
}

/* Index of the piece around an offset; the first or last one for offsets outside. */
static size_t find_piece(const struct simgpu_wave *wave, int64_t offset_ns) {
    size_t low = 0, high = wave->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (wave->points[middle].begin_ns <= offset_ns)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static double piece_power(const struct wave_point *p, int64_t offset_ns) {
    if (p->begin_w == p->end_w) return p->begin_w;
    double share = (double)(offset_ns - p->begin_ns) / (double)(p[1].begin_ns - p->begin_ns);
    return p->begin_w + share * (p->end_w - p->begin_w);
}

static double first_power(const struct simgpu_wave *wave) {
    return wave->points[0].begin_w;
}

static double last_power(const struct simgpu_wave *wave) {
    return wave->points[wave->count - 1].end_w;
}

static double power_at(const struct simgpu_wave *wave, int64_t offset_ns) {
    if (offset_ns < 0) return first_power(wave);
    if (offset_ns >= wave->length_ns) return last_power(wave);
    return piece_power(&wave->points[find_piece(wave, offset_ns)], offset_ns);
}

double simgpu_wave_power(const struct simgpu_wave *wave, int64_t t) {
    return power_at(wave, locate(wave, t).offset_ns);
}

/* Energy from the start of the cycle to an offset. */
static double energy_to(const struct simgpu_wave *wave, int64_t offset_ns) {
    if (offset_ns < 0) return first_power(wave) * seconds(offset_ns);
    if (offset_ns >= wave->length_ns)
        return wave->points[wave->count].energy_j +
               last_power(wave) * seconds(offset_ns - wave->length_ns);
    const struct wave_point *p = &wave->points[find_piece(wave, offset_ns)];
    double mean_w = 0.5 * (p->begin_w + piece_power(p, offset_ns));
    return p->energy_j + mean_w * seconds(offset_ns - p->begin_ns);
}

/* Within one piece the difference of prefix sums would lose digits that the mean does not. */
static bool same_piece(const struct simgpu_wave *wave, struct position a, struct position b) {
    return a.cycle == b.cycle && a.offset_ns >= 0 && b.offset_ns < wave->length_ns &&
           find_piece(wave, a.offset_ns) == find_piece(wave, b.offset_ns);
}

double simgpu_wave_energy(const struct simgpu_wave *wave, int64_t t0, int64_t t1) {
    if (t1 < t0) return -simgpu_wave_energy(wave, t1, t0);
    struct position a = locate(wave, t0), b = locate(wave, t1);
    if (same_piece(wave, a, b))
        return 0.5 *
               (power_at(wave, a.offset_ns) +
                piece_power(&wave->points[find_piece(wave, b.offset_ns)], b.offset_ns)) *
               seconds(t1 - t0);
    double cycles = (double)(b.cycle - a.cycle);
    double whole = cycles == 0.0 ? 0.0 : cycles * wave->points[wave->count].energy_j;
    return whole + (energy_to(wave, b.offset_ns) - energy_to(wave, a.offset_ns));
}

static int64_t above_to(const struct simgpu_wave *wave, int64_t offset_ns) {
    if (offset_ns < 0) return first_power(wave) > wave->level_w ? offset_ns : 0;
    const struct wave_point *end = &wave->points[wave->count];
    if (offset_ns >= wave->length_ns)
        return end->above_ns + (last_power(wave) > wave->level_w ? offset_ns - wave->length_ns : 0);
    const struct wave_point *p = &wave->points[find_piece(wave, offset_ns)];
    return p->above_ns + (is_above(wave, p) ? offset_ns - p->begin_ns : 0);
}

int64_t simgpu_wave_above_ns(const struct simgpu_wave *wave, int64_t t0, int64_t t1) {
    struct position a = locate(wave, t0), b = locate(wave, t1);
    int64_t whole = (b.cycle - a.cycle) * wave->points[wave->count].above_ns;
    return whole + above_to(wave, b.offset_ns) - above_to(wave, a.offset_ns);
}

void simgpu_wave_piece(const struct simgpu_wave *wave, int64_t t, struct simgpu_piece *piece) {
    struct position at = locate(wave, t);
    int64_t origin = t - at.offset_ns;
    if (at.offset_ns < 0) {
        *piece = (struct simgpu_piece){INT64_MIN / 4, origin, first_power(wave), first_power(wave)};
        return;
    }
    if (at.offset_ns >= wave->length_ns) {
        *piece = (struct simgpu_piece){origin + wave->length_ns, INT64_MAX / 4, last_power(wave),
                                       last_power(wave)};
        return;
    }
    const struct wave_point *p = &wave->points[find_piece(wave, at.offset_ns)];
    *piece =
        (struct simgpu_piece){origin + p->begin_ns, origin + p[1].begin_ns, p->begin_w, p->end_w};
}

double simgpu_wave_max(const struct simgpu_wave *wave) {
    return wave->max_w;
}
