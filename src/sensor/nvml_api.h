/* NVIDIA's management library without its header: the calls that are used, looked up one by one
 * at run time. A call that is missing is NULL, and disables one reading. */
#ifndef JMI_NVML_API_H
#define JMI_NVML_API_H

#include "base/base.h"

typedef void *jmi_nvml_device;

enum {
    JMI_NVML_OK = 0,
    JMI_NVML_UNINITIALIZED = 1,
    JMI_NVML_INVALID_ARGUMENT = 2,
    JMI_NVML_NOT_SUPPORTED = 3,
    JMI_NVML_NO_PERMISSION = 4,
    JMI_NVML_NOT_FOUND = 6,
    JMI_NVML_INSUFFICIENT_SIZE = 7,
    JMI_NVML_DRIVER_NOT_LOADED = 9,
    JMI_NVML_TIMEOUT = 10,
    JMI_NVML_LIBRARY_NOT_FOUND = 12,
    JMI_NVML_FUNCTION_NOT_FOUND = 13,
    JMI_NVML_GPU_IS_LOST = 15,
    JMI_NVML_RESET_REQUIRED = 16,
    JMI_NVML_VERSION_MISMATCH = 18
};

enum {
    JMI_NVML_FIELD_CAP_TIME = 74,
    JMI_NVML_FIELD_ENERGY = 83,
    JMI_NVML_FIELD_POWER_AVERAGE = 185,
    JMI_NVML_FIELD_POWER_INSTANT = 186
};

enum { JMI_NVML_SCOPE_GPU = 0, JMI_NVML_SCOPE_MODULE = 1, JMI_NVML_SCOPE_MEMORY = 2 };

enum {
    JMI_NVML_DOUBLE = 0,
    JMI_NVML_UINT,
    JMI_NVML_ULONG,
    JMI_NVML_ULONGLONG,
    JMI_NVML_SLONGLONG,
    JMI_NVML_INT,
    JMI_NVML_USHORT
};

typedef union jmi_nvml_value {
    double d;
    unsigned int ui;
    unsigned long ul;
    unsigned long long ull;
    long long sll;
    int si;
    unsigned short us;
} jmi_nvml_value;

typedef struct jmi_nvml_field {
    uint32_t id;
    uint32_t scope;
    int64_t time_us;
    int64_t latency_us;
    uint32_t type;
    int32_t result;
    jmi_nvml_value value;
} jmi_nvml_field;
_Static_assert(sizeof(jmi_nvml_field) == 40, "nvmlFieldValue_t has 40 bytes");

typedef struct jmi_nvml_sample {
    uint64_t time_us;
    jmi_nvml_value value;
} jmi_nvml_sample;
_Static_assert(sizeof(jmi_nvml_sample) == 16, "nvmlSample_t has 16 bytes");

typedef struct jmi_nvml_utilization {
    uint32_t gpu;
    uint32_t memory;
} jmi_nvml_utilization;

typedef struct jmi_nvml_memory {
    uint64_t total, free, used;
} jmi_nvml_memory;

typedef struct jmi_nvml_memory_v2 {
    uint32_t version;
    uint64_t total, reserved, free, used;
} jmi_nvml_memory_v2;
_Static_assert(sizeof(jmi_nvml_memory_v2) == 40, "nvmlMemory_v2_t has 40 bytes");

/* nvmlPciInfo_t. The plain and _v2 calls fill the first 16 bytes with the address and are not
 * read beyond it; _v3 writes all 68. */
typedef struct jmi_nvml_pci {
    char legacy[16];
    uint32_t domain, bus, device, device_id, subsystem_id;
    char address[32];
    char spare[60]; /* no version of the struct is larger than this */
} jmi_nvml_pci;
_Static_assert(offsetof(jmi_nvml_pci, address) == 36, "busId stands at 36");

typedef struct jmi_nvml_api {
    void *library;
    int (*init)(void);
    int (*shutdown)(void);
    int (*driver_version)(char *text, unsigned size);
    int (*count)(unsigned *count);
    int (*by_index)(unsigned index, jmi_nvml_device *device);
    int (*uuid)(jmi_nvml_device device, char *text, unsigned size);
    int (*name)(jmi_nvml_device device, char *text, unsigned size);
    int (*vbios)(jmi_nvml_device device, char *text, unsigned size);
    int (*pci)(jmi_nvml_device device, jmi_nvml_pci *pci);
    int (*pci_plain)(jmi_nvml_device device, jmi_nvml_pci *pci);
    int (*architecture)(jmi_nvml_device device, unsigned *architecture);
    int (*mig_count)(jmi_nvml_device device, unsigned *count);
    int (*mig_by_index)(jmi_nvml_device device, unsigned index, jmi_nvml_device *mig);
    int (*power)(jmi_nvml_device device, unsigned *milliwatts);
    int (*fields)(jmi_nvml_device device, int count, jmi_nvml_field *fields);
    int (*energy)(jmi_nvml_device device, unsigned long long *millijoules);
    int (*samples)(jmi_nvml_device device, int type, unsigned long long last_seen, int *value_type,
                   unsigned *count, jmi_nvml_sample *samples);
    int (*utilization)(jmi_nvml_device device, jmi_nvml_utilization *utilization);
    int (*memory)(jmi_nvml_device device, jmi_nvml_memory *memory);
    int (*memory_v2)(jmi_nvml_device device, jmi_nvml_memory_v2 *memory);
    int (*temperature)(jmi_nvml_device device, int sensor, unsigned *celsius);
    int (*clock)(jmi_nvml_device device, int type, unsigned *megahertz);
    int (*throttle)(jmi_nvml_device device, unsigned long long *reasons);
    int (*enforced_limit)(jmi_nvml_device device, unsigned *milliwatts);
    int (*limit_range)(jmi_nvml_device device, unsigned *least, unsigned *most);
    int (*limit)(jmi_nvml_device device, unsigned *milliwatts);
    int (*default_limit)(jmi_nvml_device device, unsigned *milliwatts);
    int (*set_limit)(jmi_nvml_device device, unsigned milliwatts);
    int (*max_clock)(jmi_nvml_device device, int type, unsigned *megahertz);
    int (*memory_clocks)(jmi_nvml_device device, unsigned *count, unsigned *megahertz);
    int (*sm_clocks)(jmi_nvml_device device, unsigned memory, unsigned *count, unsigned *megahertz);
    int (*lock_clocks)(jmi_nvml_device device, unsigned least, unsigned most);
    int (*unlock_clocks)(jmi_nvml_device device);
    int (*persistence)(jmi_nvml_device device, unsigned *mode);
    bool simulated; /* the library is joulemeter's simulated GPU */
} jmi_nvml_api;

/* Loads the library at `path` (NULL: $JOULEMETER_NVML_LIBRARY, else libnvidia-ml.so.1) and looks
 * the calls up. Nothing is called yet. */
int jmi_nvml_api_load(jmi_nvml_api *api, const char *path, jm_error *error);
void jmi_nvml_api_unload(jmi_nvml_api *api);

/* A jm_status, and what the driver means. */
int jmi_nvml_status(int result);
const char *jmi_nvml_result_text(int result);

/* Whatever its type; false if the type is unknown. */
bool jmi_nvml_value_u64(uint32_t type, const jmi_nvml_value *value, uint64_t *number);
bool jmi_nvml_value_double(uint32_t type, const jmi_nvml_value *value, double *number);

#endif
