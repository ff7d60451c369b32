/* RAPL by /sys/class/powercap: zones intel-rapl:N (packages, psys) and intel-rapl:N:M (their
 * parts), each with a name and a counter of microjoules that wraps at its own range. AMD's zones
 * are there under the same names. Readable by root only since CVE-2020-8694. */
#include "sensor/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* No package draws more: bounds how soon a counter can wrap. */
enum { MOST_WATTS = 2000 };

struct zone {
    char folder[64]; /* "intel-rapl:0:1" */
    char domain[16]; /* "package", "dram" */
    uint32_t package;
    uint32_t die;
    bool mmio; /* the same counter by another way */
};

struct zones {
    struct zone *list;
    size_t count, capacity;
};

static bool read_zone_text(const jmi_sensor_set *set, const char *folder, const char *file,
                           char *text, size_t size) {
    return jmi_file_text(set, text, size, "/sys/class/powercap/%s/%s", folder, file);
}

/* "package-1" or "package-1-die-0" of the zone or of the one it is part of. */
static bool take_package_name(struct zone *zone, const char *name) {
    unsigned package = 0, die = 0;
    if (sscanf(name, "package-%u-die-%u", &package, &die) < 1) return false;
    zone->package = package;
    zone->die = die;
    return true;
}

static bool take_zone(const jmi_sensor_set *set, const char *folder, struct zone *zone) {
    const char *colon = strchr(folder, ':');
    char name[64], parent[64], parent_name[64];
    if (colon == NULL || strlen(folder) >= sizeof zone->folder ||
        !read_zone_text(set, folder, "name", name, sizeof name))
        return false;
    memset(zone, 0, sizeof *zone);
    snprintf(zone->folder, sizeof zone->folder, "%s", folder);
    zone->mmio = strstr(folder, "mmio") != NULL;
    if (take_package_name(zone, name)) {
        snprintf(zone->domain, sizeof zone->domain, "package");
        return true;
    }
    if (strlen(name) >= sizeof zone->domain) return false;
    memcpy(zone->domain, name, strlen(name) + 1);
    const char *second = strchr(colon + 1, ':');
    if (second == NULL) return true; /* psys stands for itself */
    snprintf(parent, sizeof parent, "%.*s", (int)(second - folder), folder);
    return read_zone_text(set, parent, "name", parent_name, sizeof parent_name) &&
           take_package_name(zone, parent_name);
}

static int list_zones(const jmi_sensor_set *set, struct zones *all) {
    char path[4096];
    char **names;
    if (!jmi_path(path, sizeof path, set->root, "/sys/class/powercap")) return JM_NOT_FOUND;
    int status = jmi_list_dir(path, "intel-rapl", &names);
    if (status != JM_OK) return status;
    for (size_t i = 0; names[i] != NULL && status == JM_OK; i++) {
        struct zone zone;
        if (!take_zone(set, names[i], &zone)) continue;
        if (jmi_reserve(&all->list, &all->capacity, all->count + 1, sizeof zone))
            all->list[all->count++] = zone;
        else
            status = JM_MEMORY;
    }
    jmi_list_free(names);
    return status;
}

static bool same_domain(const struct zone *a, const struct zone *b) {
    return strcmp(a->domain, b->domain) == 0 && a->package == b->package && a->die == b->die;
}

/* True if another zone shows the same: the MMIO twin of one, or a second zone of that name. */
static bool is_duplicate(const struct zones *all, size_t i) {
    for (size_t j = 0; j < all->count; j++) {
        if (j == i || !same_domain(&all->list[i], &all->list[j])) continue;
        bool other_is_better = all->list[j].mmio != all->list[i].mmio ? all->list[i].mmio : j < i;
        if (other_is_better) return true;
    }
    return false;
}

static bool read_raw(int fd, uint64_t *raw) {
    char text[32];
    ssize_t got = pread(fd, text, sizeof text, 0);
    return got > 0 && jmi_parse_sysfs(text, (size_t)got, raw);
}

/* Whether a die's zone mirrors that of the package's die 0: some processors show one counter at
 * each die. */
static bool mirrors_die_0(const jmi_sensor_set *set, const struct zone *zone,
                          const struct zones *all, int fd) {
    if (zone->die == 0) return false;
    for (size_t i = 0; i < all->count; i++) {
        struct zone first = *zone;
        first.die = 0;
        if (!same_domain(&first, &all->list[i]) || all->list[i].mmio != zone->mmio) continue;
        int other = jmi_file_open(set, "/sys/class/powercap/%s/energy_uj", all->list[i].folder);
        if (other < 0) return false;
        uint64_t before[2], mine[2], after[2];
        bool ok = true;
        for (int round = 0; round < 2; round++) {
            ok = ok && read_raw(other, &before[round]) && read_raw(fd, &mine[round]) &&
                 read_raw(other, &after[round]);
            if (round == 0) usleep(2500); /* at least one refresh of the counter */
        }
        close(other);
        return ok && jmi_rapl_mirrors(before, mine, after);
    }
    return false;
}

static void report_failure(jmi_sensor_set *set, const char *name, int status) {
    const char *remedy = "";
    if (status == JM_PERMISSION)
        remedy = "let joulemeter read RAPL by perf: sudo setcap cap_perfmon=ep \"$(command -v "
                 "joulemeter)\"; or, until the next boot: sudo chmod a+r "
                 "/sys/class/powercap/intel-rapl:*/energy_uj "
                 "/sys/class/powercap/intel-rapl:*/*/energy_uj";
    jmi_set_finding(set, &jmi_rapl_powercap, name, "energy", status, 0, remedy,
                    "The energy counter in /sys/class/powercap cannot be read: %s.",
                    jm_status_text(status));
}

static void add_zone(jmi_sensor_set *set, const struct zone *zone, int fd, uint64_t range_uj) {
    const char *name;
    uint32_t device = jmi_rapl_device(set, zone->domain, zone->package, zone->die, &name);
    if (device == UINT32_MAX) {
        close(fd);
        return;
    }
    jm_sensor sensor = {
        .device = device,
        .quantity = JM_QUANTITY_ENERGY,
        .source = "rapl powercap",
        .counter = true,
        .refresh_ns = 1000000,
        .quantum = 61e-6,
    };
    jmi_file_value value = {
        .kind = JMI_FILE_ENERGY,
        .fd = fd,
        .counter = {.range = range_uj + 1, .unit = 1e-6},
    };
    uint64_t max_period = range_uj / MOST_WATTS / 2 * 1000; /* uJ / W = us */
    jmi_source source = {
        .interface = jmi_rapl_powercap.name,
        .device = device,
        .sensor = {jmi_set_sensor(set, &sensor)},
        .sensor_count = 1,
        .min_period_ns = 1000000,
        .max_period_ns = max_period > 10000000 ? max_period : 10000000,
    };
    jmi_source *added = jmi_set_files(set, &source, &value);
    jmi_set_finding(set, &jmi_rapl_powercap, name, "energy", JM_OK,
                    added != NULL ? added->cost_ns : 0, "",
                    "Works: the counter of zone %s, which wraps every %.0f kJ.", zone->folder,
                    (double)range_uj * 1e-9);
}

static void try_zone(jmi_sensor_set *set, const struct zones *all, size_t i) {
    const struct zone *zone = &all->list[i];
    const char *name = jmi_rapl_name(set, zone->domain, zone->package, zone->die);
    if (name == NULL || jmi_set_measures(set, name) || is_duplicate(all, i)) return;
    char text[32];
    uint64_t range_uj = 0, raw = 0;
    int fd = jmi_file_open(set, "/sys/class/powercap/%s/energy_uj", zone->folder);
    if (fd < 0) {
        report_failure(set, name, fd);
        return;
    }
    bool known = read_zone_text(set, zone->folder, "max_energy_range_uj", text, sizeof text) &&
                 jmi_parse_u64(text, &range_uj) && range_uj > 0 && range_uj < UINT64_MAX;
    if (!known || !read_raw(fd, &raw) || raw > range_uj) {
        /* The width is never guessed: a wrap could not be told from a reset. */
        report_failure(set, name, JM_FORMAT);
        close(fd);
    } else if (mirrors_die_0(set, zone, all, fd)) {
        jmi_set_finding(set, &jmi_rapl_powercap, name, "energy", JM_OK, 0, "",
                        "Zone %s shows the counter of the whole package again; it is left out.",
                        zone->folder);
        close(fd);
    } else {
        add_zone(set, zone, fd, range_uj);
    }
}

static int probe(jmi_sensor_set *set, const jm_session_options *options, jm_error *error) {
    if (options->flags & JM_SESSION_NO_CPU) return JM_OK;
    struct zones all = {0};
    int status = list_zones(set, &all);
    if (status == JM_MEMORY) {
        free(all.list);
        return jmi_fail(error, JM_MEMORY, "out of memory");
    }
    if (all.count == 0)
        jmi_set_finding(
            set, &jmi_rapl_powercap, "", "zones", JM_NOT_FOUND, 0,
            set->cpu_measured ? "" : "on a physical x86 machine: sudo modprobe intel_rapl_msr",
            "/sys/class/powercap has no RAPL zones.");
    for (size_t i = 0; i < all.count; i++) try_zone(set, &all, i);
    free(all.list);
    return JM_OK;
}

const jmi_interface jmi_rapl_powercap = {"rapl-powercap", probe};
