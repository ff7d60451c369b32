/* RAPL by perf events: 64-bit counters whose scale and domains sysfs names, read for all domains
 * of a package by one system call. Needs CAP_PERFMON or perf_event_paranoid below 1.
 *
 * Below a root other than "/" the system call makes no sense: there, an event is the file
 * ROOT/fake-perf/EVENT-CPU ("energy-pkg-0"), whose first 8 bytes are the counter. */
#include "sensor/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PMU "/sys/bus/event_source/devices/power"

enum { MAX_EVENTS = 8 };

struct event {
    char name[24]; /* "energy-pkg" */
    char domain[16];
    uint64_t config;
    double scale; /* J for one step */
};

struct pmu {
    uint32_t type;
    struct event events[MAX_EVENTS];
    size_t event_count;
    const char *root; /* NULL: real events */
};

/* The counters of one package. */
struct package {
    bool grouped; /* one read of the leader gives all */
    bool fake;
    size_t count;
    size_t whole; /* which of them is the package's own */
    int fd[MAX_EVENTS];
    jmi_counter counter[MAX_EVENTS];
};

/* ---- reading ---- */

static bool read_fully(int fd, bool fake, void *data, size_t size) {
    ssize_t got = fake ? pread(fd, data, size, 0) : read(fd, data, size);
    return got == (ssize_t)size;
}

static bool read_raw(const struct package *package, uint64_t *raw) {
    if (package->grouped) {
        uint64_t values[1 + MAX_EVENTS];
        size_t size = (1 + package->count) * sizeof values[0];
        if (!read_fully(package->fd[0], false, values, size) || values[0] != package->count)
            return false;
        memcpy(raw, values + 1, package->count * sizeof *raw);
        return true;
    }
    for (size_t i = 0; i < package->count; i++)
        if (!read_fully(package->fd[i], package->fake, &raw[i], sizeof raw[i])) return false;
    return true;
}

static int read_package(jmi_source *source, jmi_reading *readings) {
    struct package *package = source->context;
    uint64_t raw[MAX_EVENTS];
    if (!read_raw(package, raw)) {
        int status = errno == ENODEV ? JM_LOST : JM_IO;
        for (size_t i = 0; i < package->count; i++) readings[i] = (jmi_reading){.status = status};
        return status;
    }
    for (size_t i = 0; i < package->count; i++)
        readings[i] = jmi_counter_update(&package->counter[i], raw[i]);
    return JM_OK;
}

static void free_package(struct package *package) {
    for (size_t i = 0; i < package->count; i++) close(package->fd[i]);
    free(package);
}

static void close_package(jmi_source *source) {
    if (source->context != NULL) free_package(source->context);
    source->context = NULL;
}

/* ---- opening ---- */

static int open_event(const struct pmu *pmu, const struct event *event, uint32_t cpu, int leader) {
    if (pmu->root != NULL) {
        char path[4096];
        if (!jmi_path(path, sizeof path, pmu->root, "/fake-perf/%s-%u", event->name, cpu))
            return -ENOENT;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        return fd >= 0 ? fd : -errno;
    }
    struct perf_event_attr attr = {
        .size = sizeof attr,
        .type = pmu->type,
        .config = event->config,
        .read_format = PERF_FORMAT_GROUP,
    };
    long fd = syscall(SYS_perf_event_open, &attr, -1, (int)cpu, leader, PERF_FLAG_FD_CLOEXEC);
    return fd >= 0 ? (int)fd : -errno;
}

/* Opens what can be opened of the events; errors[i] is 0 or an errno. */
static struct package *open_package(const jmi_sensor_set *set, const struct pmu *pmu, uint32_t cpu,
                                    size_t *opened, int *errors) {
    /* psys is one platform's, whichever package shows it. */
    bool have_psys = jmi_set_measures(set, "psys0");
    struct package *package = jmi_alloc(1, sizeof *package);
    if (package == NULL) return NULL;
    package->fake = pmu->root != NULL;
    package->grouped = !package->fake;
    for (size_t i = 0; i < pmu->event_count; i++) {
        errors[i] = 0;
        if (have_psys && strcmp(pmu->events[i].domain, "psys") == 0) continue;
        int leader = package->count > 0 && package->grouped ? package->fd[0] : -1;
        int fd = open_event(pmu, &pmu->events[i], cpu, leader);
        errors[i] = fd < 0 ? -fd : 0;
        if (fd < 0) continue;
        opened[package->count] = i;
        if (strcmp(pmu->events[i].domain, "pkg") == 0) package->whole = package->count;
        package->fd[package->count] = fd;
        package->counter[package->count] = (jmi_counter){.unit = pmu->events[i].scale};
        package->count++;
    }
    return package;
}

/* ---- what sysfs says ---- */

static bool read_event(const jmi_sensor_set *set, const char *name, struct event *event) {
    char text[64];
    size_t length = strlen(name);
    if (length >= sizeof event->name || length - 7 >= sizeof event->domain) return false;
    memcpy(event->name, name, length + 1);
    memcpy(event->domain, name + 7, length - 7 + 1); /* without "energy-" */
    return jmi_file_text(set, text, sizeof text, PMU "/events/%s", name) &&
           jmi_parse_perf_config(text, &event->config) &&
           jmi_file_text(set, text, sizeof text, PMU "/events/%s.unit", name) &&
           strcmp(text, "Joules") == 0 &&
           jmi_file_text(set, text, sizeof text, PMU "/events/%s.scale", name) &&
           jmi_parse_double(text, &event->scale) && event->scale > 0;
}

/* AMD has no memory, graphics or platform domain, and its cores' counter is one core's; kernels
 * before 5.17 show their names all the same. */
static bool is_real(const char *domain, const char *vendor) {
    return strcmp(vendor, "AuthenticAMD") != 0 || strcmp(domain, "pkg") == 0;
}

static void list_events(jmi_sensor_set *set, struct pmu *pmu, const char *vendor) {
    char path[4096];
    char **names;
    if (!jmi_path(path, sizeof path, set->root, PMU "/events")) return;
    if (jmi_list_dir(path, "energy-", &names) != JM_OK) return;
    for (size_t i = 0; names[i] != NULL && pmu->event_count < MAX_EVENTS; i++) {
        struct event event;
        if (strchr(names[i], '.') != NULL || !read_event(set, names[i], &event) ||
            jmi_rapl_name(set, event.domain, 0, 0) == NULL)
            continue;
        if (is_real(event.domain, vendor))
            pmu->events[pmu->event_count++] = event;
        else
            jmi_set_finding(set, &jmi_rapl_perf, "", event.name, JM_NOT_SUPPORTED, 0, "",
                            "AMD processors have no such counter for the whole package; kernels "
                            "before 5.17 show its name only.");
    }
    jmi_list_free(names);
}

static uint32_t topology(const jmi_sensor_set *set, uint32_t cpu, const char *file) {
    char text[32];
    uint64_t id;
    if (!jmi_file_text(set, text, sizeof text, "/sys/devices/system/cpu/cpu%u/topology/%s", cpu,
                       file) ||
        !jmi_parse_u64(text, &id) || id > UINT32_MAX)
        return 0;
    return (uint32_t)id;
}

/* ---- the probe ---- */

struct walk {
    jmi_sensor_set *set;
    const struct pmu *pmu;
    struct {
        uint32_t package;
        size_t source; /* of its first die */
    } * seen;
    size_t seen_count, seen_capacity;
};

static void report_failure(jmi_sensor_set *set, const char *name, const char *what, int errnum) {
    int status = jmi_status_of_errno(errnum);
    jmi_set_finding(set, &jmi_rapl_perf, name, what, status, 0,
                    status == JM_PERMISSION
                        ? "sudo setcap cap_perfmon=ep \"$(command -v joulemeter)\"; or for all "
                          "programs: sudo sysctl kernel.perf_event_paranoid=0"
                        : "",
                    "The perf event could not be opened: %s.", jm_status_text(status));
}

static void add_package(struct walk *walk, struct package *package, const size_t *opened,
                        uint32_t number, uint32_t die) {
    jmi_sensor_set *set = walk->set;
    jmi_source source = {
        .interface = jmi_rapl_perf.name,
        .sensor_count = (uint32_t)package->count,
        .min_period_ns = 1000000,
        .read = read_package,
        .close = close_package,
        .context = package,
    };
    jmi_reading readings[JMI_SOURCE_SENSORS];
    source.read(&source, readings);
    source.cost_ns = jmi_source_cost(&source);
    for (size_t i = 0; i < package->count; i++) {
        const struct event *event = &walk->pmu->events[opened[i]];
        const char *name;
        jm_sensor sensor = {
            .device = jmi_rapl_device(set, event->domain, number, die, &name),
            .quantity = JM_QUANTITY_ENERGY,
            .source = "rapl perf",
            .counter = true,
            .refresh_ns = 1000000,
            .quantum = event->scale,
        };
        if (sensor.device == UINT32_MAX) continue;
        if (i == 0) source.device = sensor.device;
        source.sensor[i] = jmi_set_sensor(set, &sensor);
        jmi_set_finding(set, &jmi_rapl_perf, name, event->name, JM_OK, source.cost_ns, "",
                        "Works: one call reads %zu counter%s of the package.", package->count,
                        package->count > 1 ? "s" : "");
    }
    if (set->failed || jmi_set_source(set, &source) == NULL) free_package(package);
}

/* Whether this die's counters are those of the package's first die over again. */
static bool is_mirror(const struct package *first, const struct package *package) {
    uint64_t a[MAX_EVENTS], b[MAX_EVENTS], c[MAX_EVENTS];
    uint64_t before[2], mine[2], after[2];
    uint64_t base_first = 0, base_mine = 0;
    for (int round = 0; round < 3; round++) {
        if (!read_raw(first, a) || !read_raw(package, b) || !read_raw(first, c)) return false;
        uint64_t mine_now = b[package->whole];
        if (round == 0) { /* events count from when each was opened */
            base_first = package->fake ? 0 : a[first->whole];
            base_mine = package->fake ? 0 : mine_now;
        } else {
            before[round - 1] = a[first->whole] - base_first;
            mine[round - 1] = mine_now - base_mine;
            after[round - 1] = c[first->whole] - base_first;
        }
        if (round < 2) usleep(2500);
    }
    if (mine[1] == 0) return false; /* it does not count: nothing can be told */
    return jmi_rapl_mirrors(before, mine, after);
}

static const struct package *first_die(struct walk *walk, uint32_t number) {
    for (size_t i = 0; i < walk->seen_count; i++)
        if (walk->seen[i].package == number)
            return walk->set->sources[walk->seen[i].source].context;
    if (!jmi_reserve(&walk->seen, &walk->seen_capacity, walk->seen_count + 1, sizeof *walk->seen)) {
        walk->set->failed = true;
        return NULL;
    }
    walk->seen[walk->seen_count].package = number;
    walk->seen[walk->seen_count++].source = walk->set->source_count; /* to be added next */
    return NULL;
}

static void try_cpu(uint32_t cpu, void *user) {
    struct walk *walk = user;
    size_t opened[MAX_EVENTS] = {0};
    int errors[MAX_EVENTS] = {0};
    uint32_t number = topology(walk->set, cpu, "physical_package_id");
    struct package *package = open_package(walk->set, walk->pmu, cpu, opened, errors);
    if (package == NULL) {
        walk->set->failed = true;
        return;
    }
    for (size_t i = 0; i < walk->pmu->event_count; i++) {
        const struct event *event = &walk->pmu->events[i];
        const char *name = jmi_rapl_name(walk->set, event->domain, number, 0);
        if (errors[i] != 0) report_failure(walk->set, name, event->name, errors[i]);
    }
    if (package->count == 0) {
        free_package(package);
        return;
    }
    const struct package *first = first_die(walk, number);
    if (first != NULL && is_mirror(first, package)) {
        jmi_set_finding(walk->set, &jmi_rapl_perf, "", "die", JM_OK, 0, "",
                        "CPU %u shows the counters of package %u again; they are left out.", cpu,
                        number);
        free_package(package);
        return;
    }
    uint32_t die = topology(walk->set, cpu, "die_id");
    if (first != NULL && die == 0) die = cpu; /* the die has no number: any that is its own */
    add_package(walk, package, opened, number, first != NULL ? die : 0);
}

static int probe(jmi_sensor_set *set, const jm_session_options *options, jm_error *error) {
    (void)error;
    if (options->flags & JM_SESSION_NO_CPU) return JM_OK;
    char text[4096];
    uint64_t type;
    struct pmu pmu = {.root = set->root != NULL && strcmp(set->root, "/") != 0 ? set->root : NULL};
    if (!jmi_file_text(set, text, sizeof text, PMU "/type") || !jmi_parse_u64(text, &type) ||
        type > UINT32_MAX) {
        jmi_set_finding(set, &jmi_rapl_perf, "", "pmu", JM_NOT_FOUND, 0, "",
                        "The kernel shows no energy counters of the CPU (virtual machines rarely "
                        "have any).");
        return JM_OK;
    }
    pmu.type = (uint32_t)type;
    jmi_cpu_info info = {.vendor = ""};
    jmi_cpu_info_read(set, &info);
    list_events(set, &pmu, info.vendor);
    struct walk walk = {.set = set, .pmu = &pmu};
    if (!jmi_file_text(set, text, sizeof text, PMU "/cpumask") ||
        !jmi_parse_cpu_list(text, try_cpu, &walk))
        jmi_set_finding(set, &jmi_rapl_perf, "", "cpumask", JM_FORMAT, 0, "",
                        "The kernel does not say which CPUs show the counters.");
    free(walk.seen);
    return JM_OK;
}

const jmi_interface jmi_rapl_perf = {"rapl-perf", probe};
