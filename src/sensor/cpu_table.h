/* Thermal design power of processors, for the CPU model. */
#ifndef JMI_CPU_TABLE_H
#define JMI_CPU_TABLE_H

#include "sensor/internal.h"

typedef struct jmi_cpu_row {
    const char *name;     /* part of the model name; "" matches by family and model */
    uint32_t family;      /* 0: any */
    uint32_t model_first; /* range of models */
    uint32_t model_last;
    uint32_t threads; /* of one socket */
    double tdp_w;     /* of one socket */
} jmi_cpu_row;

/* The row that fits best, or NULL. */
const jmi_cpu_row *jmi_cpu_table_find(const jmi_cpu_info *info);

#endif
