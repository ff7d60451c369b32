/* Counters of one launch as activities. Where Nsight Compute gives the same thing in several ways,
 * the most direct one counts. */
#include "estimate/profile.h"

#include <math.h>

enum { SECTOR_BYTES = 32 };

static double of(const jmi_launch *l, jmi_counter counter) {
    return l->value[counter];
}

/* a if it is known, else b. */
static double either(double a, double b) {
    return isnan(a) ? b : a;
}

/* Sum of those that are known; where none is, NaN. */
static double known(double a, double b) {
    return isnan(a) ? b : isnan(b) ? a : a + b;
}

/* A share of nothing is not known. Counters that make one figure together, such as bytes read and
 * bytes written, are added plainly: where one is missing, so is the figure. */
static double per(double what, double of_which) {
    return of_which > 0 ? what / of_which : NAN;
}

double jmi_launch_duration(const jmi_launch *l) {
    double counted = per(of(l, JMI_COUNTER_CYCLES), of(l, JMI_COUNTER_CLOCK));
    double told = of(l, JMI_COUNTER_DURATION);
    return told > 0 ? told : counted > 0 ? counted : NAN;
}

/* Cycles of all SMs together. */
static double sm_cycles(const jmi_launch *l) {
    return either(of(l, JMI_COUNTER_CYCLES_SUM),
                  of(l, JMI_COUNTER_CYCLES) * of(l, JMI_COUNTER_SMS));
}

static double sm_active(const jmi_launch *l) {
    double counted = per(of(l, JMI_COUNTER_ACTIVE), of(l, JMI_COUNTER_CYCLES));
    double summed = per(of(l, JMI_COUNTER_ACTIVE_SUM), sm_cycles(l));
    double share = either(of(l, JMI_COUNTER_ACTIVE_SHARE), either(counted, summed));
    return share > 1 ? 1 : share; /* counters are read in several passes */
}

static double instructions_a_cycle(const jmi_launch *l) {
    return either(per(of(l, JMI_COUNTER_INST), sm_cycles(l)), of(l, JMI_COUNTER_IPC));
}

/* An instruction keeps a pipe of 16 lanes busy for two cycles: without the pipes' own counters, the
 * instructions stand for them. */
static double pipes(const jmi_launch *l, bool *stands_for) {
    double alu = of(l, JMI_COUNTER_ALU_SUM), fma = of(l, JMI_COUNTER_FMA_SUM);
    double fp64 = of(l, JMI_COUNTER_FP64_SUM), shared = of(l, JMI_COUNTER_SHARED_PIPE_SUM);
    double tensor = of(l, JMI_COUNTER_TENSOR_SUM);
    *stands_for = isnan(fp64) || isnan(shared) || isnan(tensor);
    double busy = known(known(alu + fma, fp64), known(shared, tensor));
    if (!isnan(alu + fma) && sm_cycles(l) > 0) return busy / sm_cycles(l) / 5;
    *stands_for = true;
    return 2.0 / 5 * instructions_a_cycle(l);
}

static double l1(const jmi_launch *l, bool *stands_for) {
    double sectors = of(l, JMI_COUNTER_L1_LOAD_HIT) + of(l, JMI_COUNTER_L1_LOAD_MISS) +
                     of(l, JMI_COUNTER_L1_STORE_HIT) + of(l, JMI_COUNTER_L1_STORE_MISS);
    double share = per(sectors, 4 * sm_cycles(l));
    *stands_for = isnan(share);
    return either(share, of(l, JMI_COUNTER_L1_SHARE));
}

static double l2(const jmi_launch *l, bool *stands_for) {
    double share = per(of(l, JMI_COUNTER_L2_READ) + of(l, JMI_COUNTER_L2_WRITE), sm_cycles(l));
    *stands_for = isnan(share);
    return either(share, of(l, JMI_COUNTER_L2_SHARE));
}

static double dram_bytes(const jmi_launch *l) {
    double sectors = of(l, JMI_COUNTER_DRAM_READ_SECTORS) + of(l, JMI_COUNTER_DRAM_WRITE_SECTORS);
    return either(of(l, JMI_COUNTER_DRAM_READ) + of(l, JMI_COUNTER_DRAM_WRITE),
                  SECTOR_BYTES * sectors);
}

static double dram(const jmi_launch *l) {
    return either(per(dram_bytes(l), jmi_launch_duration(l)), of(l, JMI_COUNTER_DRAM_RATE));
}

static double clock_rate(const jmi_launch *l) {
    return either(of(l, JMI_COUNTER_CLOCK),
                  per(of(l, JMI_COUNTER_CYCLES), of(l, JMI_COUNTER_DURATION)));
}

void jmi_launch_measure(const jmi_launch *l, double measure[JMI_MEASURES], uint32_t *approximate) {
    double cycles = sm_cycles(l), seconds = jmi_launch_duration(l);
    bool stands[3];
    measure[JM_ACTIVITY_CONSTANT] = 1;
    measure[JM_ACTIVITY_TEMPERATURE] = NAN;
    measure[JM_ACTIVITY_CLOCK] = clock_rate(l);
    measure[JM_ACTIVITY_SM_ACTIVE] = sm_active(l);
    measure[JM_ACTIVITY_PIPES] = pipes(l, &stands[0]);
    measure[JM_ACTIVITY_ISSUE] = instructions_a_cycle(l) / 4;
    measure[JM_ACTIVITY_ALU] = per(of(l, JMI_COUNTER_ALU_SUM), cycles);
    measure[JM_ACTIVITY_FMA] = per(of(l, JMI_COUNTER_FMA_SUM), cycles);
    measure[JM_ACTIVITY_FP16] = per(of(l, JMI_COUNTER_FP16_INST), cycles);
    measure[JM_ACTIVITY_FP64] = per(of(l, JMI_COUNTER_FP64_SUM), cycles);
    measure[JM_ACTIVITY_XU] = per(of(l, JMI_COUNTER_XU_INST), cycles);
    measure[JM_ACTIVITY_TENSOR] =
        either(per(of(l, JMI_COUNTER_TENSOR_SUM), cycles), of(l, JMI_COUNTER_TENSOR_SHARE));
    measure[JM_ACTIVITY_L1] = l1(l, &stands[1]);
    measure[JM_ACTIVITY_SHARED] =
        per(of(l, JMI_COUNTER_SHARED_LOAD) + of(l, JMI_COUNTER_SHARED_STORE), cycles);
    measure[JM_ACTIVITY_CONST_CACHE] = per(of(l, JMI_COUNTER_CONST), cycles);
    measure[JM_ACTIVITY_L2] = l2(l, &stands[2]);
    measure[JM_ACTIVITY_DRAM] = dram(l);
    measure[JM_ACTIVITY_NVLINK] =
        per(of(l, JMI_COUNTER_NVLINK_IN) + of(l, JMI_COUNTER_NVLINK_OUT), seconds);
    measure[JM_ACTIVITY_PCIE] =
        per(of(l, JMI_COUNTER_PCIE_IN) + of(l, JMI_COUNTER_PCIE_OUT), seconds);
    measure[JMI_MEASURE_DRAM_SHARE] = of(l, JMI_COUNTER_DRAM_SHARE);
    *approximate = (uint32_t)stands[0] << JM_ACTIVITY_PIPES |
                   (uint32_t)stands[1] << JM_ACTIVITY_L1 | (uint32_t)stands[2] << JM_ACTIVITY_L2;
    if (isnan(seconds) && !isnan(dram_bytes(l))) *approximate |= JMI_BYTES_WITHOUT_TIME;
    for (size_t i = 0; i < JMI_MEASURES; i++)
        if (!isfinite(measure[i])) measure[i] = NAN;
}
