/* Names of the categories and quantities of the data model. */
#include "record/recording.h"

static const char *const categories[] = {
    [JM_USER] = "user",   [JM_SESSION] = "session", [JM_PHASE] = "phase",
    [JM_EPOCH] = "epoch", [JM_BATCH] = "batch",     [JM_WARMUP] = "warmup",
    [JM_LAYER] = "layer", [JM_KERNEL] = "kernel",   [JM_NVTX] = "nvtx",
};

static const struct {
    const char *name;
    const char *unit;
} quantities[] = {
    [JM_POWER] = {"power", "W"},
    [JM_POWER_AVERAGE] = {"power_average", "W"},
    [JM_ENERGY] = {"energy", "J"},
    [JM_GPU_UTIL] = {"gpu_util", "%"},
    [JM_MEM_UTIL] = {"mem_util", "%"},
    [JM_CPU_UTIL] = {"cpu_util", "%"},
    [JM_PROCESS_UTIL] = {"process_util", "%"},
    [JM_MEM_USED] = {"mem_used", "B"},
    [JM_TEMPERATURE] = {"temperature", "\xc2\xb0"
                                       "C"},
    [JM_SM_CLOCK] = {"sm_clock", "MHz"},
    [JM_MEM_CLOCK] = {"mem_clock", "MHz"},
    [JM_POWER_LIMIT] = {"power_limit", "W"},
    [JM_THROTTLE] = {"throttle", ""},
    [JM_CAP_TIME] = {"cap_time", "s"},
};

const char *jm_category_name(int category) {
    if (category < 0 || (size_t)category >= JMI_COUNT(categories)) return "unknown";
    return categories[category];
}

const char *jm_quantity_name(int quantity) {
    if (quantity < 0 || (size_t)quantity >= JMI_COUNT(quantities)) return "unknown";
    return quantities[quantity].name;
}

const char *jm_quantity_unit(int quantity) {
    if (quantity < 0 || (size_t)quantity >= JMI_COUNT(quantities)) return "";
    return quantities[quantity].unit;
}

bool jmi_category_valid(int category) {
    return category >= 0 && (size_t)category < JMI_COUNT(categories);
}

bool jmi_quantity_valid(int quantity) {
    return quantity >= 0 && (size_t)quantity < JMI_COUNT(quantities);
}
