#include "survey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FIELDS = 6, READINGS = FIELDS + 2, RING_EVERY_MS = 250 };

/* Fields with their scope, all in one call; then the two plain calls. */
static const struct {
    const char *name;
    unsigned id, scope;
} fields[FIELDS] = {
    {"field_energy", 83, 0}, {"average", 185, 0},        {"instant", 186, 0},
    {"module", 186, 1},      {"memory_instant", 186, 2}, {"memory_average", 185, 2},
};

typedef struct reading {
    const char *name;
    int result;
    double value;
    int64_t stamp_us;
    int64_t before_ns, after_ns; /* of the poll it came from */
    /* of the poll before */
    bool has_last;
    double last;
    int64_t last_stamp_us, last_before_ns;
    unsigned long long polls, changes, stamp_moves, stamp_moves_alone;
} reading;

typedef struct poller {
    const nvml *n;
    FILE *csv;
    reading readings[READINGS];
    nvml_call calls[2];
    void *functions[2];
    unsigned long long polls, ring_samples, ring_seen_us;
    double cost_s;
} poller;

static void begin(poller *p, const nvml *n, FILE *csv) {
    *p = (poller){
        .n = n,
        .csv = csv,
        .calls = {{"power", "nvmlDeviceGetPowerUsage", SHAPE_U32, 0},
                  {"energy", "nvmlDeviceGetTotalEnergyConsumption", SHAPE_U64, 0}},
    };
    for (size_t i = 0; i < FIELDS; i++) p->readings[i].name = fields[i].name;
    for (size_t i = 0; i < 2; i++) {
        p->readings[FIELDS + i].name = p->calls[i].label;
        p->functions[i] = nvml_symbol(n, p->calls[i].symbol);
    }
    fprintf(csv, "reading,lo_ns,hi_ns,value,stamp_us\n");
}

static void read_fields(poller *p) {
    nvml_field all[FIELDS];
    int64_t before = now_ns();
    memset(all, 0, sizeof all);
    for (size_t i = 0; i < FIELDS; i++) {
        all[i].id = fields[i].id;
        all[i].scope = fields[i].scope;
    }
    int result =
        p->n->fields != NULL ? p->n->fields(p->n->device, FIELDS, all) : NVML_FUNCTION_NOT_FOUND;
    int64_t after = now_ns();
    for (size_t i = 0; i < FIELDS; i++) {
        reading *r = &p->readings[i];
        r->result = result != NVML_OK ? result : all[i].result;
        r->value = nvml_number(all[i].type, &all[i].value);
        r->stamp_us = all[i].time_us;
        r->before_ns = before;
        r->after_ns = after;
    }
}

static void read_call(poller *p, size_t i) {
    reading *r = &p->readings[FIELDS + i];
    nvml_outcome outcome;
    r->before_ns = now_ns();
    nvml_invoke(p->n, &p->calls[i], p->functions[i], &outcome);
    r->after_ns = now_ns();
    r->result = outcome.result;
    r->value = outcome.value;
}

/* A change happened after the poll before began and before this one ended. */
static void note(poller *p, reading *r) {
    if (r->result != NVML_OK) return;
    bool changed = r->has_last && r->value != r->last;
    bool moved = r->has_last && r->stamp_us != r->last_stamp_us;
    if (changed)
        fprintf(p->csv, "%s,%lld,%lld,%.15g,%lld\n", r->name, (long long)r->last_before_ns,
                (long long)r->after_ns, r->value, (long long)r->stamp_us);
    r->polls++;
    r->changes += changed;
    r->stamp_moves += moved;
    r->stamp_moves_alone += moved && !changed;
    r->has_last = true;
    r->last = r->value;
    r->last_stamp_us = r->stamp_us;
    r->last_before_ns = r->before_ns;
}

static void drain_ring(poller *p) {
    static nvml_sample samples[SAMPLES_MOST];
    unsigned count = SAMPLES_MOST;
    int type = 0;
    int64_t before = now_ns();
    if (p->n->samples == NULL ||
        p->n->samples(p->n->device, 0, p->ring_seen_us, &type, &count, samples) != NVML_OK)
        return;
    int64_t after = now_ns();
    for (unsigned i = 0; i < count && i < SAMPLES_MOST; i++) {
        if (samples[i].time_us <= p->ring_seen_us) continue;
        p->ring_seen_us = samples[i].time_us;
        p->ring_samples++;
        fprintf(p->csv, "ring,%lld,%lld,%.15g,%llu\n", (long long)before, (long long)after,
                nvml_number(type, &samples[i].value), (unsigned long long)samples[i].time_us);
    }
}

static double clock_ahead_us(clockid_t clock) {
    struct timespec t;
    int64_t before = now_ns();
    clock_gettime(clock, &t);
    int64_t middle = before + (now_ns() - before) / 2;
    return ((double)t.tv_sec * 1e9 + (double)t.tv_nsec - (double)middle) * 1e-3;
}

static void print_result(const poller *p, double seconds) {
    printf("{\"seconds\": %.3f, \"polls\": %llu, \"poll_us\": %.2f, \"ring_samples\": %llu,\n"
           "\"realtime_ahead_us\": %.1f, \"boottime_ahead_us\": %.1f,\n\"readings\": [",
           seconds, p->polls, p->polls > 0 ? 1e6 * p->cost_s / (double)p->polls : 0,
           p->ring_samples, clock_ahead_us(CLOCK_REALTIME), clock_ahead_us(CLOCK_BOOTTIME));
    for (size_t i = 0; i < READINGS; i++) {
        const reading *r = &p->readings[i];
        printf("%s{\"reading\": \"%s\", \"result\": %d, \"polls\": %llu, \"changes\": %llu, "
               "\"stamp_moves\": %llu, \"stamp_moves_alone\": %llu}",
               i > 0 ? ",\n  " : "\n  ", r->name, r->result, r->polls, r->changes, r->stamp_moves,
               r->stamp_moves_alone);
    }
    printf("]}\n");
}

static void poll_once(poller *p) {
    int64_t before = now_ns();
    read_fields(p);
    for (size_t i = 0; i < 2; i++) read_call(p, i);
    p->cost_s += (double)(now_ns() - before) * 1e-9;
    p->polls++;
    for (size_t i = 0; i < READINGS; i++) note(p, &p->readings[i]);
}

int survey_poll(const nvml *n, const survey_options *options) {
    static poller p;
    FILE *csv = fopen(options->csv != NULL ? options->csv : "/dev/null", "w");
    if (csv == NULL) {
        fprintf(stderr, "nvml_survey: %s cannot be written\n", options->csv);
        return 1;
    }
    begin(&p, n, csv);
    int64_t start = now_ns(), ring_at = start, next = start;
    int64_t end = start + (int64_t)(options->seconds * 1e9);
    for (int64_t now = start; now < end; now = now_ns()) {
        poll_once(&p);
        if (now >= ring_at) {
            drain_ring(&p);
            ring_at = now + RING_EVERY_MS * INT64_C(1000000);
        }
        next += (int64_t)(options->period_us * 1e3);
        if (next < now_ns()) next = now_ns();
        sleep_until_ns(next);
    }
    print_result(&p, (double)(now_ns() - start) * 1e-9);
    return fclose(csv) == 0 ? 0 : 1;
}
