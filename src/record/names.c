/* Names of the categories and quantities of the data model. */
#include "record/recording.h"

static const char *const categories[] = {
    [JM_CATEGORY_USER] = "user",   [JM_CATEGORY_SESSION] = "session",
    [JM_CATEGORY_PHASE] = "phase", [JM_CATEGORY_EPOCH] = "epoch",
    [JM_CATEGORY_BATCH] = "batch", [JM_CATEGORY_WARMUP] = "warmup",
    [JM_CATEGORY_LAYER] = "layer", [JM_CATEGORY_KERNEL] = "kernel",
    [JM_CATEGORY_NVTX] = "nvtx",
};

static const struct {
    const char *name;
    const char *unit;
} quantities[] = {
    [JM_QUANTITY_POWER] = {"power", "W"},
    [JM_QUANTITY_POWER_AVERAGE] = {"power_average", "W"},
    [JM_QUANTITY_ENERGY] = {"energy", "J"},
    [JM_QUANTITY_GPU_UTIL] = {"gpu_util", "%"},
    [JM_QUANTITY_MEM_UTIL] = {"mem_util", "%"},
    [JM_QUANTITY_CPU_UTIL] = {"cpu_util", "%"},
    [JM_QUANTITY_PROCESS_UTIL] = {"process_util", "%"},
    [JM_QUANTITY_MEM_USED] = {"mem_used", "B"},
    [JM_QUANTITY_TEMPERATURE] = {"temperature", "\xc2\xb0"
                                                "C"},
    [JM_QUANTITY_SM_CLOCK] = {"sm_clock", "MHz"},
    [JM_QUANTITY_MEM_CLOCK] = {"mem_clock", "MHz"},
    [JM_QUANTITY_POWER_LIMIT] = {"power_limit", "W"},
    [JM_QUANTITY_THROTTLE] = {"throttle", ""},
    [JM_QUANTITY_CAP_TIME] = {"cap_time", "s"},
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
