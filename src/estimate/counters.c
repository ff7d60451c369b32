#include "estimate/counters.h"

#include <math.h>
#include <string.h>

#define SOL     "GPU Speed Of Light Throughput"
#define OLD_SOL "GPU Speed Of Light"
#define COMPUTE "Compute Workload Analysis"
#define MEMORY  "Memory Workload Analysis"
#define INST    "Instruction Statistics"
#define LAUNCH  "Launch Statistics"

#define RAW(name, counter, dimension)                                                              \
    { (name), sizeof(name) - 1, NULL, JMI_COUNTER_##counter, JMI_DIMENSION_##dimension }
#define IN(section, name, counter, dimension)                                                      \
    { (name), sizeof(name) - 1, (section), JMI_COUNTER_##counter, JMI_DIMENSION_##dimension }

/* Names of the raw page, several versions of Nsight Compute; then labels of the details page. */
static const jmi_metric metrics[] = {
    RAW("gpu__time_duration.sum", DURATION, TIME),
    RAW("gpu__time_duration.avg", DURATION, TIME),
    RAW("gpu__time_duration_measured_user.sum", DURATION, TIME),
    RAW("smsp__cycles_elapsed.avg.per_second", CLOCK, FREQUENCY),
    RAW("gpc__cycles_elapsed.avg.per_second", CLOCK, FREQUENCY),
    RAW("sm__cycles_elapsed.avg.per_second", CLOCK, FREQUENCY),
    RAW("device__attribute_multiprocessor_count", SMS, COUNT),
    RAW("launch__sm_count", SMS, COUNT),
    RAW("device__attribute_compute_capability_major", CC_MAJOR, COUNT),
    RAW("device__attribute_compute_capability_minor", CC_MINOR, COUNT),
    RAW("sm__cycles_elapsed.sum", CYCLES_SUM, COUNT),
    RAW("sm__cycles_elapsed.avg", CYCLES, COUNT),
    RAW("sm__cycles_elapsed.max", CYCLES, COUNT),
    RAW("gpc__cycles_elapsed.max", CYCLES, COUNT),
    RAW("sm__cycles_active.avg", ACTIVE, COUNT),
    RAW("sm__cycles_active.sum", ACTIVE_SUM, COUNT),
    RAW("smsp__cycles_active.avg.pct_of_peak_sustained_elapsed", ACTIVE_SHARE, SHARE),
    RAW("sm__cycles_active.avg.pct_of_peak_sustained_elapsed", ACTIVE_SHARE, SHARE),
    RAW("sm__pipe_alu_cycles_active.sum", ALU_SUM, COUNT),
    RAW("sm__pipe_fma_cycles_active.sum", FMA_SUM, COUNT),
    RAW("sm__pipe_fp64_cycles_active.sum", FP64_SUM, COUNT),
    RAW("sm__pipe_shared_cycles_active.sum", SHARED_PIPE_SUM, COUNT),
    RAW("sm__pipe_tensor_cycles_active.sum", TENSOR_SUM, COUNT),
    RAW("sm__pipe_tensor_cycles_active.avg.pct_of_peak_sustained_elapsed", TENSOR_SHARE, SHARE),
    RAW("sm__inst_executed_pipe_fp16.sum", FP16_INST, COUNT),
    RAW("sm__inst_executed_pipe_xu.sum", XU_INST, COUNT),
    RAW("sm__inst_executed.sum", INST, COUNT),
    RAW("smsp__inst_executed.sum", INST, COUNT),
    RAW("sm__inst_executed.avg.per_cycle_elapsed", IPC, COUNT),
    RAW("l1tex__t_sectors_pipe_lsu_mem_global_op_ld_lookup_hit.sum", L1_LOAD_HIT, COUNT),
    RAW("l1tex__t_sectors_pipe_lsu_mem_global_op_ld_lookup_miss.sum", L1_LOAD_MISS, COUNT),
    RAW("l1tex__t_sectors_pipe_lsu_mem_global_op_st_lookup_hit.sum", L1_STORE_HIT, COUNT),
    RAW("l1tex__t_sectors_pipe_lsu_mem_global_op_st_lookup_miss.sum", L1_STORE_MISS, COUNT),
    RAW("l1tex__throughput.avg.pct_of_peak_sustained_elapsed", L1_SHARE, SHARE),
    RAW("sm__sass_inst_executed_op_shared_ld.sum", SHARED_LOAD, COUNT),
    RAW("sm__sass_inst_executed_op_shared_st.sum", SHARED_STORE, COUNT),
    RAW("smsp__sass_inst_executed_op_shared_ld.sum", SHARED_LOAD, COUNT),
    RAW("smsp__sass_inst_executed_op_shared_st.sum", SHARED_STORE, COUNT),
    RAW("idc__requests.sum", CONST, COUNT),
    RAW("lts__t_sectors_srcunit_tex_op_read.sum", L2_READ, COUNT),
    RAW("lts__t_sectors_srcunit_tex_op_write.sum", L2_WRITE, COUNT),
    RAW("lts__throughput.avg.pct_of_peak_sustained_elapsed", L2_SHARE, SHARE),
    RAW("dram__bytes_read.sum", DRAM_READ, BYTES),
    RAW("dram__bytes_write.sum", DRAM_WRITE, BYTES),
    RAW("dram__bytes_op_read.sum", DRAM_READ, BYTES),
    RAW("dram__bytes_op_write.sum", DRAM_WRITE, BYTES),
    RAW("dram__sectors_read.sum", DRAM_READ_SECTORS, COUNT),
    RAW("dram__sectors_write.sum", DRAM_WRITE_SECTORS, COUNT),
    RAW("dram__bytes.sum.per_second", DRAM_RATE, RATE),
    RAW("dram__throughput.avg.pct_of_peak_sustained_elapsed", DRAM_SHARE, SHARE),
    RAW("gpu__dram_throughput.avg.pct_of_peak_sustained_elapsed", DRAM_SHARE, SHARE),
    RAW("nvlrx__bytes.sum", NVLINK_IN, BYTES),
    RAW("nvltx__bytes.sum", NVLINK_OUT, BYTES),
    RAW("pcie__read_bytes.sum", PCIE_IN, BYTES),
    RAW("pcie__write_bytes.sum", PCIE_OUT, BYTES),
    RAW("device__attribute_display_name", BOARD, COUNT),
    IN(SOL, "Duration", DURATION, TIME),
    IN(SOL, "SM Frequency", CLOCK, FREQUENCY),
    IN(SOL, "Elapsed Cycles", CYCLES, COUNT),
    IN(SOL, "SM Active Cycles", ACTIVE, COUNT),
    IN(SOL, "DRAM Throughput", DRAM_SHARE, SHARE),
    IN(SOL, "L1/TEX Cache Throughput", L1_SHARE, SHARE),
    IN(SOL, "L2 Cache Throughput", L2_SHARE, SHARE),
    IN(OLD_SOL, "Duration", DURATION, TIME),
    IN(OLD_SOL, "SM Frequency", CLOCK, FREQUENCY),
    IN(OLD_SOL, "Elapsed Cycles", CYCLES, COUNT),
    IN(OLD_SOL, "SM Active Cycles", ACTIVE, COUNT),
    IN(OLD_SOL, "DRAM Throughput", DRAM_SHARE, SHARE),
    IN(OLD_SOL, "L1/TEX Cache Throughput", L1_SHARE, SHARE),
    IN(OLD_SOL, "L2 Cache Throughput", L2_SHARE, SHARE),
    IN(COMPUTE, "Executed Ipc Elapsed", IPC, COUNT),
    IN(MEMORY, "Memory Throughput", DRAM_RATE, RATE), /* in "Speed Of Light" it is a share */
    IN(INST, "Executed Instructions", INST, COUNT),
    IN(LAUNCH, "# SMs", SMS, COUNT),
};

const jmi_metric *jmi_metric_at(size_t index) {
    return index < JMI_COUNT(metrics) ? &metrics[index] : NULL;
}

static bool is_text(const char *text, const char *bytes, size_t length) {
    return strlen(text) == length && memcmp(text, bytes, length) == 0; /* bytes may hold NUL */
}

const jmi_metric *jmi_metric_find(const char *name, size_t name_length, const char *section,
                                  size_t section_length, const char *unit, size_t unit_length) {
    for (size_t i = 0; i < JMI_COUNT(metrics); i++) {
        const jmi_metric *m = &metrics[i];
        double factor;
        if (m->length != name_length || memcmp(m->name, name, name_length) != 0) continue;
        if (m->section == NULL || (section != NULL && is_text(m->section, section, section_length)))
            return m;
        if (section == NULL && jmi_unit_factor(unit, unit_length, m->dimension, &factor) &&
            (m->dimension != JMI_DIMENSION_RATE || unit_length > 0))
            return m;
    }
    return NULL;
}

/* ---- units ---- */

typedef struct part {
    const char *name;
    double factor;
} part;

static const part prefixes[] = {{"n", 1e-9}, {"u", 1e-6}, {"m", 1e-3}, {"K", 1e3},  {"k", 1e3},
                                {"M", 1e6},  {"G", 1e9},  {"T", 1e12}, {"P", 1e15}, {"", 1}};
static const part times[] = {{"second", 1}, {"s", 1}, {"sec", 1}, {NULL, 0}};
static const part frequencies[] = {{"hz", 1}, {"Hz", 1}, {NULL, 0}};
static const part bytes[] = {{"byte", 1}, {"B", 1},     {"bytes", 1},
                             {"iB", 0},   {"ibyte", 0}, {NULL, 0}};
static const part counts[] = {{"inst", 1},    {"instruction", 1}, {"sector", 1}, {"cycle", 1},
                              {"request", 1}, {"inst/cycle", 1},  {"SM", 1},     {"", 1},
                              {NULL, 0}};

/* "Mbyte" as a prefix and one of `names`; with names of binary units 1024 takes the place of 1000.
 */
static bool prefixed(const char *unit, size_t length, const part *names, double *factor) {
    for (size_t p = 0; p < JMI_COUNT(prefixes); p++) {
        size_t skip = strlen(prefixes[p].name);
        if (length < skip || strncmp(unit, prefixes[p].name, skip) != 0) continue;
        for (const part *n = names; n->name != NULL; n++) {
            if (!is_text(n->name, unit + skip, length - skip)) continue;
            *factor = prefixes[p].factor;
            if (n->factor == 0)
                for (double f = prefixes[p].factor, b = *factor = 1; f > 1; f /= 1000)
                    *factor = b *= 1024;
            return n->factor != 0 || prefixes[p].factor > 1;
        }
    }
    return false;
}

/* "Gbyte/second", "cycle/nsecond": what stands before and after the stroke. */
static bool divided(const char *unit, size_t length, const part *above, double *factor) {
    const char *stroke = memchr(unit, '/', length);
    double top, bottom;
    if (stroke == NULL) return false;
    size_t before = (size_t)(stroke - unit);
    if (!prefixed(unit, before, above, &top) ||
        !prefixed(stroke + 1, length - before - 1, times, &bottom))
        return false;
    *factor = top / bottom;
    return true;
}

bool jmi_unit_factor(const char *unit, size_t length, jmi_dimension dimension, double *factor) {
    *factor = 1;
    switch (dimension) {
    case JMI_DIMENSION_COUNT: return prefixed(unit, length, counts, factor);
    case JMI_DIMENSION_SHARE: *factor = 0.01; return length == 0 || is_text("%", unit, length);
    default: break;
    }
    if (length == 0) {
        *factor = NAN; /* ns, us or ms? */
        return true;
    }
    switch (dimension) {
    case JMI_DIMENSION_TIME: return prefixed(unit, length, times, factor);
    case JMI_DIMENSION_FREQUENCY:
        return prefixed(unit, length, frequencies, factor) || divided(unit, length, counts, factor);
    case JMI_DIMENSION_BYTES: return prefixed(unit, length, bytes, factor);
    case JMI_DIMENSION_RATE: return divided(unit, length, bytes, factor);
    default: return false;
    }
}
