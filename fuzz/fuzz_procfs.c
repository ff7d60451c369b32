/* What /proc says: /proc/stat, /proc/PID/stat, .../children and /proc/cpuinfo, the names of
 * programs in them being whatever somebody chose. */
#include "sensor/cpu_table.h"
#include "sensor/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void check(bool ok) {
    if (!ok) abort();
}

static void try_stat(const char *text, size_t size) {
    jmi_pid_stat stat;
    jmi_cpu_times times;
    if (jmi_parse_pid_stat(text, size, &stat)) check(stat.pid >= 0 && stat.parent >= 0);
    jmi_parse_cpu_times(text, size, &times);
}

static void try_pids(const char *text, size_t size) {
    int32_t pids[64];
    size_t count = jmi_parse_pids(text, size, pids, JMI_COUNT(pids));
    check(count <= JMI_COUNT(pids));
    for (size_t i = 0; i < count; i++) check(pids[i] >= 0);
}

static void try_cpu_info(const char *text, size_t size) {
    jmi_cpu_info info;
    if (!jmi_parse_cpu_info(text, size, &info)) return;
    check(memchr(info.model, '\0', sizeof info.model) != NULL);
    check(memchr(info.vendor, '\0', sizeof info.vendor) != NULL);
    check(info.cpus > 0 && info.sockets > 0);
    jmi_cpu_power power = jmi_cpu_power_of(&info, 0);
    check(isfinite(power.tdp_w) && power.tdp_w > 0);
    check(isfinite(jmi_cpu_model_w(power.tdp_w, 0.5)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1); /* of exactly its size: a read beyond it shows */
    if (text == NULL) return 0;
    if (size > 0) memcpy(text, data, size);
    text[size] = '\0';
    char *exact = realloc(text, size > 0 ? size : 1);
    if (exact != NULL) text = exact;
    try_stat(text, size);
    try_pids(text, size);
    try_cpu_info(text, size);
    free(text);
    return 0;
}
