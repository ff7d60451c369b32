/* What joulemeter knows of Nsight Compute's metrics: which it takes, and in which unit. A metric is
 * known by its section and name; what is not in the table, such as settings of the profiler, is
 * never looked at. */
#ifndef JMI_ESTIMATE_COUNTERS_H
#define JMI_ESTIMATE_COUNTERS_H

#include "base/base.h"

/* What a metric says, in base units: s, Hz, bytes, bytes/s, shares of 1, or a plain count. */
typedef enum jmi_counter {
    JMI_COUNTER_DURATION,
    JMI_COUNTER_CLOCK,
    JMI_COUNTER_SMS,
    JMI_COUNTER_CC_MAJOR, /* compute capability */
    JMI_COUNTER_CC_MINOR,
    JMI_COUNTER_CYCLES,     /* of one SM */
    JMI_COUNTER_CYCLES_SUM, /* of all SMs */
    JMI_COUNTER_ACTIVE,     /* cycles with work, of one SM */
    JMI_COUNTER_ACTIVE_SUM, /* of all */
    JMI_COUNTER_ACTIVE_SHARE,
    JMI_COUNTER_ALU_SUM, /* busy cycles of a pipe, of all SMs */
    JMI_COUNTER_FMA_SUM,
    JMI_COUNTER_FP64_SUM,
    JMI_COUNTER_SHARED_PIPE_SUM,
    JMI_COUNTER_TENSOR_SUM,
    JMI_COUNTER_TENSOR_SHARE,
    JMI_COUNTER_FP16_INST,
    JMI_COUNTER_XU_INST,
    JMI_COUNTER_INST,        /* warp instructions, of all SMs */
    JMI_COUNTER_IPC,         /* a cycle and SM */
    JMI_COUNTER_L1_LOAD_HIT, /* sectors */
    JMI_COUNTER_L1_LOAD_MISS,
    JMI_COUNTER_L1_STORE_HIT,
    JMI_COUNTER_L1_STORE_MISS,
    JMI_COUNTER_L1_SHARE,
    JMI_COUNTER_SHARED_LOAD, /* instructions */
    JMI_COUNTER_SHARED_STORE,
    JMI_COUNTER_CONST,   /* requests */
    JMI_COUNTER_L2_READ, /* sectors */
    JMI_COUNTER_L2_WRITE,
    JMI_COUNTER_L2_SHARE,
    JMI_COUNTER_DRAM_READ, /* bytes */
    JMI_COUNTER_DRAM_WRITE,
    JMI_COUNTER_DRAM_READ_SECTORS,
    JMI_COUNTER_DRAM_WRITE_SECTORS,
    JMI_COUNTER_DRAM_RATE, /* bytes/s */
    JMI_COUNTER_DRAM_SHARE,
    JMI_COUNTER_NVLINK_IN, /* bytes */
    JMI_COUNTER_NVLINK_OUT,
    JMI_COUNTER_PCIE_IN,
    JMI_COUNTER_PCIE_OUT,
    JMI_COUNTERS,
    JMI_COUNTER_BOARD = JMI_COUNTERS, /* a text: the board's name */
    JMI_COUNTER_NONE = -1
} jmi_counter;

typedef enum jmi_dimension {
    JMI_DIMENSION_COUNT, /* inst, sector, cycle, request, 1: prefixes K, M ... */
    JMI_DIMENSION_TIME,
    JMI_DIMENSION_FREQUENCY,
    JMI_DIMENSION_BYTES,
    JMI_DIMENSION_RATE, /* bytes/s */
    JMI_DIMENSION_SHARE
} jmi_dimension;

typedef struct jmi_metric {
    const char *name;
    size_t length;       /* of the name */
    const char *section; /* a name that only means something in its section; NULL: in any */
    jmi_counter counter;
    jmi_dimension dimension;
} jmi_metric;

/* The metric of that name, NULL: none that is taken. In a table without sections (`section` NULL)
 * a name that means several things is decided by its unit. */
const jmi_metric *jmi_metric_find(const char *name, size_t name_length, const char *section,
                                  size_t section_length, const char *unit, size_t unit_length);
/* Rows of the table in their order; NULL: no more. */
const jmi_metric *jmi_metric_at(size_t index);

/* What one of a unit is in the base unit of a dimension: 1e-6 for "usecond" as a time. False: the
 * unit is none of that dimension. An empty unit is that of
 * counts and shares; of the rest it tells nothing: the factor is NaN. */
bool jmi_unit_factor(const char *unit, size_t length, jmi_dimension dimension, double *factor);

/* How numbers are written: the sign before the decimals; 0: not known yet. */
typedef enum jmi_decimal { JMI_DECIMAL_UNKNOWN, JMI_DECIMAL_POINT, JMI_DECIMAL_COMMA } jmi_decimal;

typedef enum jmi_number {
    JMI_NUMBER_OK,
    JMI_NUMBER_MISSING, /* "", "n/a", "nan" */
    JMI_NUMBER_WRONG    /* no number, or not one of that locale */
} jmi_number;

/* Reads "1,234.5", "1.234,5", "1 234,5" (any space, apostrophes), "1e-3". */
jmi_number jmi_number_read(const char *text, size_t length, jmi_decimal decimal, double *value);
/* What a number tells of its locale: "1,234" tells nothing. */
jmi_decimal jmi_number_locale(const char *text, size_t length);

#endif
