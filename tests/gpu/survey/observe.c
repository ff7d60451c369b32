#include "survey.h"

#include <stdio.h>

static const nvml_call energy_call = {"energy", "nvmlDeviceGetTotalEnergyConsumption", SHAPE_U64,
                                      0};
static const nvml_call power_call = {"power", "nvmlDeviceGetPowerUsage", SHAPE_U32, 0};
static const nvml_call fields_call = {"fields", "", SHAPE_FIELDS, 0};

/* A board's counter stands still for up to 100 ms or so: the next change says when it was true. */
static bool next_tick(const nvml *n, void *function, int64_t *t_ns, double *joules) {
    nvml_outcome first, now;
    int64_t give_up = now_ns() + INT64_C(1500000000);
    nvml_invoke(n, &energy_call, function, &first);
    if (first.result != NVML_OK) return false;
    do {
        sleep_until_ns(now_ns() + 1000000);
        nvml_invoke(n, &energy_call, function, &now);
        *t_ns = now_ns();
        *joules = now.value * 1e-3;
    } while (now.result == NVML_OK && now.value == first.value && *t_ns < give_up);
    return now.result == NVML_OK && now.value != first.value;
}

static unsigned long long poll_at(const nvml *n, double rate_hz, double seconds) {
    void *power = nvml_symbol(n, power_call.symbol);
    int64_t next = now_ns(), end = next + (int64_t)(seconds * 1e9);
    unsigned long long polls = 0;
    nvml_outcome outcome;
    while (next < end) {
        nvml_invoke(n, &power_call, power, &outcome);
        nvml_invoke(n, &fields_call, NULL, &outcome);
        polls++;
        next += (int64_t)(1e9 / rate_hz);
        sleep_until_ns(next < end ? next : end);
    }
    return polls;
}

static void observe_block(const nvml *n, double rate_hz, double seconds, bool first) {
    void *energy = nvml_symbol(n, energy_call.symbol);
    int64_t from_ns = 0, to_ns = 0;
    double from_j = 0, to_j = 0;
    bool good = next_tick(n, energy, &from_ns, &from_j);
    unsigned long long polls = poll_at(n, rate_hz, seconds);
    good = next_tick(n, energy, &to_ns, &to_j) && good;
    printf("%s{\"rate_hz\": %g, \"polls\": %llu, \"seconds\": %.6f, \"power_w\": ",
           first ? "\n  " : ",\n  ", rate_hz, polls, (double)(to_ns - from_ns) * 1e-9);
    if (good && to_ns > from_ns)
        printf("%.4f}", (to_j - from_j) / ((double)(to_ns - from_ns) * 1e-9));
    else
        printf("null}");
}

int survey_observe(const nvml *n, const survey_options *options) {
    bool first = true;
    printf("{\"blocks\": [");
    for (unsigned round = 0; round < options->rounds; round++) {
        for (size_t i = 0; i < options->rate_count; i++) {
            /* There and back, so that a drift of the idle power hits all rates alike. */
            size_t at = round % 2 == 0 ? i : options->rate_count - 1 - i;
            observe_block(n, options->rates[at], options->seconds, first);
            first = false;
        }
    }
    printf("]}\n");
    return 0;
}
