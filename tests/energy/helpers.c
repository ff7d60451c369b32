#include "helpers.h"

static void must(int status, const jm_error *error) {
    if (status != JM_OK) fail_msg("%s: %s", jm_status_name(status), error->message);
}

/* ---- recordings ---- */

jm_recording *recording_new(void) {
    jm_recording *recording = NULL;
    jm_error error = {0};
    must(jm_recording_new(&recording, &error), &error);
    return recording;
}

uint32_t add_device(jm_recording *recording, const char *name, double limit_w) {
    jm_error error = {0};
    uint32_t index = UINT32_MAX;
    jm_device device = {
        .size = sizeof device, .name = name, .in_total = true, .power_limit_w = limit_w};
    must(jm_recording_add_device(recording, &device, &index, &error), &error);
    return index;
}

static uint32_t add_sensor(jm_recording *recording, const jm_sensor *sensor) {
    jm_error error = {0};
    uint32_t index = UINT32_MAX;
    must(jm_recording_add_sensor(recording, sensor, &index, &error), &error);
    return index;
}

uint32_t add_power(jm_recording *recording, uint32_t device, double refresh_s, double window_s) {
    return add_sensor(recording, &(jm_sensor){.size = sizeof(jm_sensor),
                                              .device = device,
                                              .quantity = JM_QUANTITY_POWER,
                                              .source = "test power",
                                              .refresh_ns = (uint64_t)llround(refresh_s * 1e9),
                                              .window_ns = (uint64_t)llround(window_s * 1e9),
                                              .calibrated = true});
}

uint32_t add_counter(jm_recording *recording, uint32_t device, double refresh_s) {
    return add_sensor(recording, &(jm_sensor){.size = sizeof(jm_sensor),
                                              .device = device,
                                              .quantity = JM_QUANTITY_ENERGY,
                                              .source = "test counter",
                                              .counter = true,
                                              .refresh_ns = (uint64_t)llround(refresh_s * 1e9),
                                              .calibrated = true});
}

void add_sample(jm_recording *recording, uint32_t sensor, double t_s, double value, double since_s,
                unsigned flags) {
    jm_error error = {0};
    int64_t t = at(t_s);
    double since_ns = since_s * 1e9;
    uint32_t since = since_ns < 4294967295.0 ? (uint32_t)since_ns : UINT32_MAX;
    uint8_t bits = (uint8_t)flags;
    jm_samples one = {1, &t, &value, &since, &bits};
    must(jm_recording_add_samples(recording, sensor, &one, &error), &error);
}

jm_range_id add_range(jm_recording *recording, jm_category category, const char *name,
                      double begin_s, double end_s) {
    jm_error error = {0};
    jm_range range = {.size = sizeof range,
                      .begin_ns = at(begin_s),
                      .end_ns = at(end_s),
                      .category = category,
                      .name = name};
    must(jm_recording_add_range(recording, &range, &error), &error);
    return range.id;
}

/* ---- a sensor that a test polls ---- */

static double value_at(const polled *p, double t_s) {
    double number = floor((t_s - p->phase_s) / p->refresh_s);
    double tick = p->phase_s + number * p->refresh_s;
    uint64_t random = (uint64_t)(int64_t)number;
    double value = p->window_s > 0 ? (p->energy(tick) - p->energy(tick - p->window_s)) / p->window_s
                                   : p->energy(tick);
    if (p->window_s > 0 && p->noise_w > 0)
        value += sqrt(3) * random_between(&random, -p->noise_w, p->noise_w);
    return p->quantum > 0 ? floor(value / p->quantum) * p->quantum : value;
}

void follow(jm_recording *recording, uint32_t sensor, polled *p, double from_s, double to_s,
            unsigned first_flags) {
    double period = p->poll_s > 0 ? p->poll_s : 0.002, kept_s = from_s;
    uint64_t random = (uint64_t)llround(from_s * 1000) + 17;
    unsigned flags = first_flags;
    bool first = true;
    for (double t = from_s; t <= to_s; t += period * random_between(&random, 0.8, 1.2)) {
        double value = value_at(p, t);
        if (!p->started && p->window_s == 0) p->base = value;
        value -= p->base;
        if (p->started && value != p->last_value) flags |= JM_SAMPLE_CHANGED;
        if (first || flags != 0 || t - kept_s >= 0.02 || t + 1.2 * period > to_s) {
            add_sample(recording, sensor, t, value, p->started ? t - p->last_poll_s : 10, flags);
            kept_s = t;
        }
        p->started = true;
        p->last_poll_s = t;
        p->last_value = value;
        first = false;
        flags = 0;
    }
}

double constant_250(double t_s) {
    return 250 * t_s;
}

static double square_energy(double t_s, double half_s) {
    double pairs = floor(t_s / (2 * half_s)), in = t_s - pairs * 2 * half_s;
    double first = in < half_s ? in : half_s;
    return pairs * 400 * half_s + 100 * first + 300 * (in - first);
}

double square_wave(double t_s) {
    return square_energy(t_s, 1);
}

double fast_square(double t_s) {
    return square_energy(t_s, 0.077);
}

double slow_sine(double t_s) {
    double omega = 2 * 3.14159265358979323846 / 3;
    return 200 * t_s - 100 / omega * cos(omega * t_s);
}

jm_recording *record_gpu(energy_fn energy, double refresh_s, double window_s, double length_s) {
    jm_recording *recording = recording_new();
    uint32_t gpu = add_device(recording, "gpu0", 400);
    uint32_t sensor = window_s > 0 ? add_power(recording, gpu, refresh_s, window_s)
                                   : add_counter(recording, gpu, refresh_s);
    polled source = {
        .energy = energy, .refresh_s = refresh_s, .window_s = window_s, .phase_s = 0.0137};
    follow(recording, sensor, &source, 0, length_s, 0);
    return recording;
}

/* ---- energies ---- */

void close_to(double value, double wanted, double tolerance, const char *what) {
    if (!(fabs(value - wanted) <= tolerance))
        fail_msg("%s: %.9g, not %.9g within %.3g", what, value, wanted, tolerance);
}

static void demand(bool holds, const char *what, const jm_energy *e) {
    if (holds) return;
    fail_msg("%s: %.9g J u95 %.9g random %.9g systematic %.9g in [%.9g, %.9g], %.9g s, %.9g W, "
             "measured %.9g, provenance %x, flags %x",
             what, e->energy_j, e->u95_j, e->u_random_j, e->u_systematic_j, e->lower_j, e->upper_j,
             e->duration_s, e->mean_power_w, e->measured, e->provenance, e->flags);
}

void check_energy(const jm_energy *e) {
    const double all[] = {e->energy_j,       e->u95_j,        e->u_random_j,
                          e->u_systematic_j, e->lower_j,      e->upper_j,
                          e->duration_s,     e->mean_power_w, e->measured};
    for (size_t i = 0; i < JMI_COUNT(all); i++) {
        demand(!isnan(all[i]), "not a number", e);
        demand(all[i] >= 0, "negative", e);
    }
    double slack = 1e-9 * e->energy_j;
    demand(isfinite(e->energy_j), "infinite energy", e);
    demand(e->lower_j <= e->energy_j + slack && e->energy_j <= e->upper_j + slack,
           "the estimate lies outside of its interval", e);
    demand(e->measured <= 1, "more than all was measured", e);
    demand(e->provenance < 32 && e->flags < 32, "unknown bits", e);
    demand(e->measured == 0 || e->duration_s == 0 || e->provenance != 0, "measured by nothing", e);
    demand(e->measured > 0.99 || e->duration_s == 0 || (e->flags & JM_ENERGY_PARTIAL),
           "partial and not said so", e);
    demand(e->upper_j - e->energy_j <= e->u95_j * (1 + 1e-9) + 1e-12, "u95 ends below upper", e);
    double mean = e->duration_s > 0 ? e->energy_j / e->duration_s : 0;
    demand(fabs(e->mean_power_w - mean) <= 1e-9 * mean + 1e-12, "mean power", e);
}

jm_energy energy_by(const jm_recording *recording, uint32_t device, double begin_s, double end_s,
                    jm_method method) {
    jm_energy_options options = JM_ENERGY_OPTIONS_INIT;
    options.method = method;
    jm_energy energy;
    jm_error error = {0};
    memset(&energy, 0xFF, sizeof energy); /* NaN, unless it is filled in */
    must(jm_energy_window(recording, device, at(begin_s), at(end_s), &options, &energy, &error),
         &error);
    check_energy(&energy);
    return energy;
}

void energies_of(const jm_recording *recording, uint32_t device, const jm_window *windows,
                 size_t count, jm_energy *out) {
    jm_error error = {0};
    memset(out, 0xFF, count * sizeof *out);
    must(jm_energy_windows(recording, device, windows, count, NULL, out, &error), &error);
    for (size_t i = 0; i < count; i++) check_energy(&out[i]);
}

jm_energy energy_of(const jm_recording *recording, uint32_t device, double begin_s, double end_s) {
    return energy_by(recording, device, begin_s, end_s, JM_METHOD_AUTO);
}

/* ---- chance ---- */

uint64_t random_bits(uint64_t *state) { /* splitmix64 */
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

double random_between(uint64_t *state, double low, double high) {
    return low + (high - low) * (double)(random_bits(state) >> 11) * 0x1p-53;
}

long setting(const char *name, long otherwise) {
    const char *text = getenv(name);
    uint64_t value;
    return text != NULL && jmi_parse_u64(text, &value) ? (long)value : otherwise;
}
