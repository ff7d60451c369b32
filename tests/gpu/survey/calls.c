#include "survey.h"

#include <stdio.h>
#include <stdlib.h>

enum { CALLS_MOST = 4000 };

#define VERSIONED(size, number) ((unsigned)(size) | ((unsigned)(number) << 24))
#define GET                     "nvmlDeviceGet"

static const nvml_call calls[] = {
    {"power", GET "PowerUsage", SHAPE_U32, 0},
    {"energy", GET "TotalEnergyConsumption", SHAPE_U64, 0},
    {"field 74 cap time", "", SHAPE_FIELD, 74},
    {"field 83 energy", "", SHAPE_FIELD, 83},
    {"field 185 average", "", SHAPE_FIELD, 185},
    {"field 186 instant", "", SHAPE_FIELD, 186},
    {"fields 83 185 186", "", SHAPE_FIELDS, 0},
    {"samples power", "", SHAPE_SAMPLES, 0},
    {"samples gpu util", "", SHAPE_SAMPLES, 1},
    {"utilization", GET "UtilizationRates", SHAPE_BUFFER, 0},
    {"memory", GET "MemoryInfo", SHAPE_BUFFER, 0},
    {"memory v2", GET "MemoryInfo_v2", SHAPE_BUFFER, VERSIONED(40, 2)},
    {"temperature", GET "Temperature", SHAPE_WHICH_U32, 0},
    {"clock sm", GET "ClockInfo", SHAPE_WHICH_U32, 1},
    {"clock memory", GET "ClockInfo", SHAPE_WHICH_U32, 2},
    {"throttle reasons", GET "CurrentClocksThrottleReasons", SHAPE_U64, 0},
    {"event reasons", GET "CurrentClocksEventReasons", SHAPE_U64, 0},
    {"enforced limit", GET "EnforcedPowerLimit", SHAPE_U32, 0},
    {"management limit", GET "PowerManagementLimit", SHAPE_U32, 0},
    {"default limit", GET "PowerManagementDefaultLimit", SHAPE_U32, 0},
    {"performance state", GET "PerformanceState", SHAPE_U32, 0},
    {"persistence mode", GET "PersistenceMode", SHAPE_U32, 0},
    {"architecture", GET "Architecture", SHAPE_U32, 0},
    {"violation power", GET "ViolationStatus", SHAPE_WHICH_BUFFER, 0},
    {"fan speed", GET "FanSpeed", SHAPE_U32, 0},
    {"processes", GET "ComputeRunningProcesses_v3", SHAPE_LIST, 0},
    {"pcie throughput", GET "PcieThroughput", SHAPE_WHICH_U32, 0},
    {"name", GET "Name", SHAPE_TEXT, 0},
    {"vbios", GET "VbiosVersion", SHAPE_TEXT, 0},
};

static int ascending(const void *a, const void *b) {
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static double quantile(const double *sorted, size_t count, double share) {
    return count > 0 ? sorted[(size_t)((double)(count - 1) * share)] : 0;
}

static void print_text(const char *text) {
    putchar('"');
    for (; *text != '\0'; text++)
        putchar(*text < ' ' || *text == '"' || *text == '\\' || *text > '~' ? '?' : *text);
    putchar('"');
}

static void print_call(const nvml_call *call, const nvml_outcome *outcome, double *us,
                       size_t count) {
    qsort(us, count, sizeof *us, ascending);
    printf("{\"call\": \"%s\", \"result\": %d, \"value\": %.15g, \"count\": %zu, "
           "\"p50_us\": %.3f, \"p90_us\": %.3f, \"p99_us\": %.3f, \"max_us\": %.3f, \"text\": ",
           call->label, outcome->result, outcome->value, count, quantile(us, count, 0.5),
           quantile(us, count, 0.9), quantile(us, count, 0.99), quantile(us, count, 1));
    print_text(outcome->text);
    printf("}");
}

/* Calls are spaced as a sampler's are: back to back they would only show caches at their best. */
static void time_call(const nvml *n, const nvml_call *call, const survey_options *options) {
    static double us[CALLS_MOST];
    void *function = nvml_symbol(n, call->symbol);
    nvml_outcome outcome;
    size_t count = 0;
    nvml_invoke(n, call, function, &outcome); /* the first may set something up */
    int64_t end = now_ns() + (int64_t)(options->seconds * 1e9);
    do {
        int64_t before = now_ns();
        nvml_invoke(n, call, function, &outcome);
        int64_t after = now_ns();
        us[count++] = (double)(after - before) * 1e-3;
        if (outcome.result == NVML_FUNCTION_NOT_FOUND) break;
        sleep_until_ns(after + (int64_t)(options->period_us * 1e3));
    } while (count < CALLS_MOST && now_ns() < end);
    print_call(call, &outcome, us, count);
}

static void print_field(const nvml *n, unsigned id, unsigned scope) {
    nvml_field field;
    int64_t before = now_ns();
    nvml_read_field(n, id, scope, &field);
    printf("{\"field\": %u, \"scope\": %u, \"result\": %d, \"type\": %d, \"value\": %.15g, "
           "\"time_us\": %lld, \"latency_us\": %lld, \"called_ns\": %lld}",
           id, scope, field.result, field.type, nvml_number(field.type, &field.value),
           (long long)field.time_us, (long long)field.latency_us, (long long)before);
}

static void print_fields(const nvml *n) {
    static const unsigned ids[] = {74, 82, 83, 185, 186, 187, 188, 189, 190};
    const size_t count = sizeof ids / sizeof ids[0];
    printf("\"fields\": [");
    for (size_t i = 0; i < count; i++) {
        for (unsigned scope = 0; scope < 3; scope++) {
            printf(i + scope > 0 ? ",\n  " : "\n  ");
            print_field(n, ids[i], scope);
        }
    }
    printf("],\n");
}

static void print_ring(const nvml *n, int type) {
    static nvml_sample samples[SAMPLES_MOST];
    static double gaps[SAMPLES_MOST];
    unsigned room = 0, count = SAMPLES_MOST;
    int value_type = 0, asked = NVML_FUNCTION_NOT_FOUND, result = asked;
    size_t used = 0;
    if (n->samples != NULL) {
        asked = n->samples(n->device, type, 0, &value_type, &room, NULL);
        result = n->samples(n->device, type, 0, &value_type, &count, samples);
    }
    if (result != NVML_OK || count > SAMPLES_MOST) count = 0;
    for (unsigned i = 1; i < count; i++)
        gaps[used++] = ((double)samples[i].time_us - (double)samples[i - 1].time_us) * 1e-3;
    qsort(gaps, used, sizeof gaps[0], ascending);
    printf("{\"type\": %d, \"result_room\": %d, \"room\": %u, \"result\": %d, \"count\": %u, "
           "\"value_type\": %d, \"gap_p10_ms\": %.3f, \"gap_p50_ms\": %.3f, \"gap_p90_ms\": %.3f, "
           "\"newest_us\": %llu, \"called_ns\": %lld}",
           type, asked, room, result, count, value_type, quantile(gaps, used, 0.1),
           quantile(gaps, used, 0.5), quantile(gaps, used, 0.9),
           count > 0 ? (unsigned long long)samples[count - 1].time_us : 0, (long long)now_ns());
}

static void print_system(const nvml *n) {
    char driver[96], library[96];
    nvml_system_text(n, "nvmlSystemGetDriverVersion", driver, sizeof driver);
    nvml_system_text(n, "nvmlSystemGetNVMLVersion", library, sizeof library);
    printf("\"driver\": ");
    print_text(driver);
    printf(", \"nvml\": ");
    print_text(library);
    printf(",\n");
}

int survey_calls(const nvml *n, const survey_options *options) {
    printf("{");
    print_system(n);
    print_fields(n);
    printf("\"samples\": [");
    for (int type = 0; type <= 7; type++) {
        printf(type > 0 ? ",\n  " : "\n  ");
        print_ring(n, type);
    }
    printf("],\n\"calls\": [");
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        printf(i > 0 ? ",\n  " : "\n  ");
        time_call(n, &calls[i], options);
    }
    printf("]}\n");
    return 0;
}
