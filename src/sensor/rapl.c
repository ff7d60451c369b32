/* What RAPL's domains are, whichever way they are read. */
#include "sensor/internal.h"

#include <string.h>

/* Names used by perf ("energy-pkg") and by powercap ("package-0"), without prefix and number. */
static const struct domain {
    const char *alias;
    const char *prefix;
    bool in_total; /* cores and graphics are parts of the package, psys is the whole machine */
    const char *model;
} domains[] = {
    {"pkg", "cpu", true, "CPU package"},      {"package", "cpu", true, "CPU package"},
    {"ram", "dram", true, "memory"},          {"dram", "dram", true, "memory"},
    {"cores", "core", false, "CPU cores"},    {"core", "core", false, "CPU cores"},
    {"gpu", "uncore", false, "CPU graphics"}, {"uncore", "uncore", false, "CPU graphics"},
    {"psys", "psys", false, "platform"},
};

static const struct domain *find_domain(const char *name) {
    for (size_t i = 0; i < JMI_COUNT(domains); i++)
        if (strcmp(domains[i].alias, name) == 0) return &domains[i];
    return NULL;
}

const char *jmi_rapl_name(jmi_sensor_set *set, const char *domain, uint32_t package, uint32_t die) {
    const struct domain *found = find_domain(domain);
    if (found == NULL) return NULL;
    if (strcmp(found->prefix, "psys") == 0) return "psys0"; /* one platform, however many tell */
    if (die == 0) return jmi_set_format(set, "%s%u", found->prefix, package);
    return jmi_set_format(set, "%s%u-die%u", found->prefix, package, die);
}

uint32_t jmi_rapl_device(jmi_sensor_set *set, const char *domain, uint32_t package, uint32_t die,
                         const char **name) {
    const struct domain *found = find_domain(domain);
    *name = jmi_rapl_name(set, domain, package, die);
    if (found == NULL) return UINT32_MAX;
    jmi_cpu_info info;
    bool is_cpu = strcmp(found->prefix, "cpu") == 0;
    if (!is_cpu || jmi_cpu_info_read(set, &info) != JM_OK) info = (jmi_cpu_info){.sockets = 1};
    jm_device device = {
        .vendor = info.vendor,
        .model = info.model[0] != '\0' ? info.model : found->model,
        .in_total = found->in_total,
    };
    if (is_cpu) set->cpu_measured = true;
    return jmi_set_device_named(set, *name, &device);
}

bool jmi_rapl_mirrors(const uint64_t before[2], const uint64_t b[2], const uint64_t after[2]) {
    /* The same register read three times in a row: the one in the middle cannot lie outside. */
    for (int i = 0; i < 2; i++)
        if (b[i] < before[i] || b[i] > after[i]) return false;
    return true;
}
