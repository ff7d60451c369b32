/* Power and energy by the kernel's hwmon classes: AMD and Intel GPUs, the rails of Jetson boards,
 * the power meters of Grace and other servers. */
#include "sensor/internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLASS "/sys/class/hwmon"

enum { MOST_CHANNELS = 32 };

static bool text_of(const jmi_sensor_set *set, const char *folder, const char *file, char *text,
                    size_t size) {
    return jmi_file_text(set, text, size, CLASS "/%s/%s", folder, file);
}

static bool number_of(const jmi_sensor_set *set, const char *folder, const char *file,
                      uint64_t *value) {
    char text[64];
    return text_of(set, folder, file, text, sizeof text) &&
           jmi_parse_sysfs(text, strlen(text), value);
}

/* "card" of the line PCI_SLOT_NAME=card in the device's uevent. */
static void pci_of(const jmi_sensor_set *set, const char *folder, char *pci, size_t size) {
    char text[1024];
    pci[0] = '\0';
    if (!text_of(set, folder, "device/uevent", text, sizeof text)) return;
    const char *slot = strstr(text, "PCI_SLOT_NAME=");
    if (slot == NULL) return;
    slot += strlen("PCI_SLOT_NAME=");
    size_t length = strcspn(slot, "\n");
    if (length < size) snprintf(pci, size, "%.*s", (int)length, slot);
}

/* ---- adding one sensor ---- */

struct channel {
    const char *folder;
    const char *file;        /* "power1_average" */
    const char *second_file; /* current, where `file` is the voltage */
    const char *source;
    int kind;
    double unit;
    uint64_t window_ns;
};

static void add_channel(jmi_sensor_set *set, uint32_t device, const struct channel *channel) {
    const char *name = set->devices[device].name;
    const char *what = channel->kind == JMI_FILE_ENERGY ? "energy" : "power";
    jmi_file_value value = {
        .kind = channel->kind,
        .unit = channel->unit,
        .counter = {.unit = channel->unit, .resets = true},
        .fd = jmi_file_open(set, CLASS "/%s/%s", channel->folder, channel->file),
    };
    if (value.fd >= 0 && channel->kind == JMI_FILE_PRODUCT) {
        value.second_fd = jmi_file_open(set, CLASS "/%s/%s", channel->folder, channel->second_file);
        if (value.second_fd < 0) {
            close(value.fd);
            value.fd = value.second_fd;
        }
    }
    if (value.fd < 0) {
        jmi_set_finding(set, &jmi_hwmon, name, what, value.fd, 0,
                        value.fd == JM_PERMISSION ? "sudo chmod a+r on that file" : "",
                        CLASS "/%s/%s cannot be read: %s.", channel->folder, channel->file,
                        jm_status_text(value.fd));
        return;
    }
    jm_sensor sensor = {
        .device = device,
        .quantity = channel->kind == JMI_FILE_ENERGY ? JM_QUANTITY_ENERGY : JM_QUANTITY_POWER,
        .source = channel->source,
        .counter = channel->kind == JMI_FILE_ENERGY,
        .refresh_ns = channel->window_ns,
        .window_ns = channel->window_ns,
        .quantum = channel->kind == JMI_FILE_PRODUCT ? 0.01 : channel->unit,
    };
    jmi_source source = {
        .interface = jmi_hwmon.name,
        .device = device,
        .sensor = {jmi_set_sensor(set, &sensor)},
        .sensor_count = 1,
        /* GPU drivers wake the board, each its own. */
        .driver = channel->kind != JMI_FILE_PRODUCT ? set->devices[device].name : NULL,
    };
    jmi_source *added = jmi_set_files(set, &source, &value);
    if (added == NULL) return;
    added->min_period_ns =
        jmi_source_period(channel->window_ns != 0 ? channel->window_ns : 100000000, added->cost_ns);
    jmi_set_finding(set, &jmi_hwmon, name, what, JM_OK, added->cost_ns, "", "Works: %s of %s.",
                    channel->file, channel->folder);
}

/* ---- GPUs ---- */

static const struct gpu_driver {
    const char *name;
    const char *vendor;
    const char *model;
} gpu_drivers[] = {
    {"amdgpu", "AMD", "AMD GPU"},
    {"xe", "Intel", "Intel GPU"},
    {"i915", "Intel", "Intel GPU"},
};

static const struct gpu_driver *gpu_driver_of(const char *name) {
    for (size_t i = 0; i < JMI_COUNT(gpu_drivers); i++)
        if (strcmp(gpu_drivers[i].name, name) == 0) return &gpu_drivers[i];
    return NULL;
}

static bool exists(const jmi_sensor_set *set, const char *folder, const char *file) {
    int fd = jmi_file_open(set, CLASS "/%s/%s", folder, file);
    if (fd >= 0) close(fd);
    return fd >= 0 || fd == JM_PERMISSION;
}

static void list_gpu(jmi_sensor_set *set, const char *folder) {
    char name[64], pci[64], model[96], id[64];
    if (!text_of(set, folder, "name", name, sizeof name)) return;
    const struct gpu_driver *driver = gpu_driver_of(name);
    bool power = driver != NULL &&
                 (exists(set, folder, "power1_average") || exists(set, folder, "power1_input") ||
                  exists(set, folder, "energy1_input") || exists(set, folder, "energy2_input"));
    if (!power) return;
    pci_of(set, folder, pci, sizeof pci);
    if (!text_of(set, folder, "device/product_name", model, sizeof model))
        snprintf(model, sizeof model, "%s", driver->model);
    char uuid[80] = "";
    if (text_of(set, folder, "device/unique_id", id, sizeof id))
        snprintf(uuid, sizeof uuid, "GPU-%s", id);
    jmi_gpu gpu = {
        .vendor = driver->vendor,
        .model = model,
        .uuid = uuid,
        .pci = pci,
        .folder = folder,
    };
    jmi_set_gpu(set, &gpu);
}

static int each_folder(jmi_sensor_set *set, void (*each)(jmi_sensor_set *, const char *)) {
    char path[4096];
    char **names;
    if (!jmi_path(path, sizeof path, set->root, CLASS)) return JM_NOT_FOUND;
    int status = jmi_list_dir(path, "hwmon", &names);
    if (status != JM_OK) return status;
    for (size_t i = 0; names[i] != NULL; i++) each(set, names[i]);
    jmi_list_free(names);
    return JM_OK;
}

int jmi_hwmon_list(jmi_sensor_set *set) {
    return each_folder(set, list_gpu) == JM_MEMORY ? JM_MEMORY : JM_OK;
}

/* xe and i915 count the energy of the card and of its chip: the card's holds both. */
static const char *energy_file(const jmi_sensor_set *set, const char *folder) {
    static const char *const wanted[] = {"card", "pkg"};
    static const char *const files[][2] = {{"energy1_label", "energy1_input"},
                                           {"energy2_label", "energy2_input"}};
    char label[32];
    for (size_t w = 0; w < JMI_COUNT(wanted); w++)
        for (size_t i = 0; i < JMI_COUNT(files); i++)
            if (text_of(set, folder, files[i][0], label, sizeof label) &&
                strcmp(label, wanted[w]) == 0 && exists(set, folder, files[i][1]))
                return files[i][1];
    for (size_t i = 0; i < JMI_COUNT(files); i++)
        if (exists(set, folder, files[i][1])) return files[i][1];
    return NULL;
}

static void probe_gpu(jmi_sensor_set *set, const jmi_gpu *gpu) {
    uint64_t limit_uw = 0;
    char driver[64] = "";
    number_of(set, gpu->folder, "power1_cap_max", &limit_uw);
    text_of(set, gpu->folder, "name", driver, sizeof driver);
    jm_device device = {
        .vendor = gpu->vendor,
        .model = gpu->model,
        .uuid = gpu->uuid,
        .pci = gpu->pci,
        .driver = driver,
        .in_total = true,
        .power_limit_w = (double)limit_uw * 1e-6,
    };
    uint32_t index = jmi_set_device_named(set, jmi_set_format(set, "gpu%u", gpu->index), &device);
    if (index == UINT32_MAX) return;
    struct channel channel = {
        .folder = gpu->folder, .file = energy_file(set, gpu->folder), .unit = 1e-6};
    if (channel.file != NULL) {
        channel.kind = JMI_FILE_ENERGY;
        channel.source = "hwmon energy";
        add_channel(set, index, &channel);
        return; /* a counter misses nothing that a power reading would see */
    }
    bool average = exists(set, gpu->folder, "power1_average");
    channel.kind = JMI_FILE_POWER;
    channel.file = average ? "power1_average" : "power1_input";
    channel.source = average ? "hwmon power_average" : "hwmon power";
    add_channel(set, index, &channel);
}

/* ---- rails of a Jetson ---- */

/* A rail's device: its name says what hangs on it. VDD_IN feeds all the others. */
static uint32_t rail_device(jmi_sensor_set *set, const char *label, bool whole) {
    bool gpu = strstr(label, "GPU") != NULL, cpu = strstr(label, "CPU") != NULL;
    const char *prefix = whole ? "board" : gpu && cpu ? "soc" : gpu ? "gpu" : cpu ? "cpu" : "rail";
    jm_device device = {
        .name = jmi_set_free_name(set, prefix),
        .vendor = "NVIDIA",
        .model = label,
        .in_total = !whole,
    };
    if (cpu) set->cpu_measured = true;
    return jmi_set_device(set, &device);
}

static bool rail_label(const jmi_sensor_set *set, const char *folder, int number, char *label,
                       size_t size) {
    char file[32];
    snprintf(file, sizeof file, "in%d_label", number);
    if (!text_of(set, folder, file, label, size)) return false;
    return strcmp(label, "NC") != 0 && strstr(label, "sum of") == NULL;
}

static void probe_ina3221(jmi_sensor_set *set, const char *folder, bool gpu, bool only_whole) {
    for (int number = 1; number <= 3; number++) {
        char label[64], voltage[32], current[32];
        if (!rail_label(set, folder, number, label, sizeof label)) continue;
        bool is_gpu = strstr(label, "GPU") != NULL && strstr(label, "CPU") == NULL;
        if (is_gpu && !gpu) continue;
        bool whole = strcmp(label, "VDD_IN") == 0;
        snprintf(voltage, sizeof voltage, "in%d_input", number);
        snprintf(current, sizeof current, "curr%d_input", number);
        if (!exists(set, folder, voltage) || !exists(set, folder, current)) continue;
        uint32_t device = rail_device(set, label, whole && !only_whole);
        if (device == UINT32_MAX) return;
        struct channel channel = {
            .folder = folder,
            .file = voltage,
            .second_file = current,
            .source = "hwmon ina3221",
            .kind = JMI_FILE_PRODUCT,
            .unit = 1e-6, /* mV times mA */
        };
        add_channel(set, device, &channel);
    }
}

/* Whether VDD_IN is all that this chip shows: then it is the total. */
static bool has_only_whole(const jmi_sensor_set *set, const char *folder) {
    int rails = 0, wholes = 0;
    char label[64];
    for (int number = 1; number <= 3; number++)
        if (rail_label(set, folder, number, label, sizeof label)) {
            rails++;
            wholes += strcmp(label, "VDD_IN") == 0;
        }
    return wholes > 0 && rails == wholes;
}

/* ---- power meters of servers ---- */

/* Grace's firmware labels its meters: the socket's holds the cores' and the rest of the chip. */
static const struct meter {
    const char *label;
    const char *prefix;
    bool in_total;
    bool cpu;
} meters[] = {
    {"Module Power Socket", "module", false, false},
    {"Grace Power Socket", "cpu", true, true},
    {"CPU Power Socket", "core", false, false},
    {"SysIO Power Socket", "sysio", false, false},
};

static void probe_meter(jmi_sensor_set *set, const char *folder) {
    char label[64] = "";
    uint64_t interval_ms = 0;
    unsigned socket = 0;
    const struct meter *meter = NULL;
    if (!text_of(set, folder, "power1_oem_info", label, sizeof label))
        text_of(set, folder, "device/power1_oem_info", label, sizeof label);
    if (!number_of(set, folder, "power1_average_interval", &interval_ms) || interval_ms > 60000)
        interval_ms = 0;
    for (size_t i = 0; i < JMI_COUNT(meters) && meter == NULL; i++) {
        size_t length = strlen(meters[i].label);
        if (strncmp(label, meters[i].label, length) == 0) {
            meter = &meters[i];
            sscanf(label + length, "%u", &socket);
        }
    }
    jm_device device = {
        .vendor = meter != NULL ? "NVIDIA" : "",
        .model = label[0] != '\0' ? label : "platform power meter",
        .in_total = meter != NULL && meter->in_total,
    };
    const char *name = meter != NULL ? jmi_set_format(set, "%s%u", meter->prefix, socket)
                                     : jmi_set_free_name(set, "psys");
    if (jmi_set_measures(set, name)) return;
    uint32_t index = jmi_set_device_named(set, name, &device);
    if (index == UINT32_MAX) return;
    if (meter != NULL && meter->cpu) set->cpu_measured = true;
    struct channel channel = {
        .folder = folder,
        .file = exists(set, folder, "power1_average") ? "power1_average" : "power1_input",
        .source = "hwmon power meter",
        .kind = JMI_FILE_POWER,
        .unit = 1e-6,
        .window_ns = interval_ms * 1000000,
    };
    add_channel(set, index, &channel);
}

/* AMD's energy driver, where RAPL is not to be had: sockets only, cores are parts of them. */
static void probe_amd_energy(jmi_sensor_set *set, const char *folder) {
    for (int number = 1; number <= 4096; number++) {
        char file[32], label[32];
        unsigned socket;
        snprintf(file, sizeof file, "energy%d_label", number);
        if (!text_of(set, folder, file, label, sizeof label)) return;
        if (sscanf(label, "Esocket%u", &socket) != 1) continue;
        const char *name = jmi_set_format(set, "cpu%u", socket);
        if (jmi_set_measures(set, name)) continue;
        jm_device device = {.vendor = "AMD", .model = "CPU package", .in_total = true};
        uint32_t index = jmi_set_device_named(set, name, &device);
        if (index == UINT32_MAX) return;
        snprintf(file, sizeof file, "energy%d_input", number);
        struct channel channel = {
            .folder = folder,
            .file = file,
            .source = "hwmon amd_energy",
            .kind = JMI_FILE_ENERGY,
            .unit = 1e-6,
        };
        set->cpu_measured = true;
        add_channel(set, index, &channel);
    }
}

/* ---- the probe ---- */

static void probe_folder(jmi_sensor_set *set, const char *folder, bool cpu, bool gpu) {
    char name[64];
    if (!text_of(set, folder, "name", name, sizeof name)) return;
    if (strcmp(name, "ina3221") == 0 && cpu)
        probe_ina3221(set, folder, gpu, has_only_whole(set, folder));
    if (strcmp(name, "power_meter") == 0 && cpu) probe_meter(set, folder);
    if (strcmp(name, "amd_energy") == 0 && cpu) probe_amd_energy(set, folder);
}

static void probe_with_gpus(jmi_sensor_set *set, const char *folder) {
    probe_folder(set, folder, true, true);
}

static void probe_without_gpus(jmi_sensor_set *set, const char *folder) {
    probe_folder(set, folder, true, false);
}

static int probe(jmi_sensor_set *set, const jm_session_options *options, jm_error *error) {
    (void)error;
    bool gpu = !(options->flags & JM_SESSION_NO_GPU) && options->simulate == NULL &&
               (options->gpus == NULL || strcmp(options->gpus, "none") != 0);
    size_t before = set->sensor_count;
    for (size_t i = 0; i < set->gpu_count; i++)
        if (set->gpus[i].folder != NULL && set->gpus[i].selected) probe_gpu(set, &set->gpus[i]);
    if (!(options->flags & JM_SESSION_NO_CPU))
        each_folder(set, gpu ? probe_with_gpus : probe_without_gpus);
    if (set->sensor_count == before)
        jmi_set_finding(set, &jmi_hwmon, "", "class", JM_NOT_FOUND, 0, "",
                        "The kernel shows no power meter, Jetson rail, or AMD or Intel GPU.");
    return JM_OK;
}

const jmi_interface jmi_hwmon = {"hwmon", probe};
