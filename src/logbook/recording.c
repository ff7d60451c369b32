/* What a recording has to say for a row of the logbook. */
#include "energy/views.h"
#include "logbook/logbook.h"
#include "report/summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

typedef struct entry {
    const jm_recording *recording;
    jm_log_run run; /* the caller's */
    jm_window window;
    jmi_log_row row;
    jm_error *error;
} entry;

/* ---- energies ---- */

static bool is_kind(const jm_device *device, const char *kind) {
    size_t length = strlen(kind);
    return strncmp(device->name, kind, length) == 0 &&
           (device->name[length] == '\0' || strspn(device->name + length, "0123456789") > 0);
}

/* All devices of a kind together; false: none of them has an energy. */
static bool sum_kind(entry *e, const char *kind, jm_energy *sum) {
    uint32_t count = jm_recording_device_count(e->recording), found = 0;
    for (uint32_t i = 0; i < count; i++) {
        jm_device device = {.size = sizeof device};
        jm_energy part;
        if (jm_recording_device(e->recording, i, &device) != JM_OK || !is_kind(&device, kind))
            continue;
        int status = jm_energy_window(e->recording, i, e->window.begin_ns, e->window.end_ns,
                                      e->run.energy, &part, NULL);
        if (status == JM_OK) jmi_energy_add(sum, &part, found++ == 0);
    }
    if (found > 1) jmi_energy_finish(sum, 0);
    return found > 0 && jmi_is_measured(sum);
}

typedef struct kind_columns {
    const char *kind;
    jmi_log_column joules, u95, source; /* JMI_LOG_COUNT: there is none */
} kind_columns;

static void set_kind(entry *e, const kind_columns *k) {
    jm_energy sum;
    char text[64];
    if (!sum_kind(e, k->kind, &sum)) return;
    jmi_log_set_number(&e->row, k->joules, sum.energy_j);
    if (k->u95 != JMI_LOG_COUNT) jmi_log_set_number(&e->row, k->u95, sum.u95_j);
    if (k->source != JMI_LOG_COUNT)
        jmi_log_set_text(&e->row, k->source, jm_provenance_text(sum.provenance, text, sizeof text));
}

static void set_total(entry *e, const jm_energy *total) {
    char text[64];
    jmi_log_row *row = &e->row;
    if (!jmi_is_measured(total)) return;
    jmi_log_set_number(row, JMI_LOG_energy_j, total->energy_j);
    jmi_log_set_number(row, JMI_LOG_energy_u95_j, total->u95_j);
    jmi_log_set_number(row, JMI_LOG_energy_lower_j, total->lower_j);
    if (isfinite(total->upper_j)) jmi_log_set_number(row, JMI_LOG_energy_upper_j, total->upper_j);
    jmi_log_set_number(row, JMI_LOG_u_random_j, total->u_random_j);
    jmi_log_set_number(row, JMI_LOG_u_systematic_j, total->u_systematic_j);
    jmi_log_set_number(row, JMI_LOG_measured, total->measured);
    jmi_log_set_text(row, JMI_LOG_provenance,
                     jm_provenance_text(total->provenance, text, sizeof text));
}

static void set_energies(entry *e) {
    static const kind_columns kinds[] = {
        {"cpu", JMI_LOG_package_j, JMI_LOG_package_u95_j, JMI_LOG_package_source},
        {"core", JMI_LOG_core_j, JMI_LOG_COUNT, JMI_LOG_COUNT},
        {"gpu", JMI_LOG_gpu_j, JMI_LOG_gpu_u95_j, JMI_LOG_gpu_source},
        {"dram", JMI_LOG_dram_j, JMI_LOG_dram_u95_j, JMI_LOG_dram_source},
    };
    double duration = (double)(e->window.end_ns - e->window.begin_ns) / 1e9;
    for (size_t i = 0; i < JMI_COUNT(kinds); i++) set_kind(e, &kinds[i]);
    jmi_log_set_number(&e->row, JMI_LOG_duration_s, duration);
    jmi_log_set_number(&e->row, JMI_LOG_cpu_time_s, e->row.set[JMI_LOG_package_j] ? duration : 0);
    jmi_log_set_number(&e->row, JMI_LOG_gpu_time_s, e->row.set[JMI_LOG_gpu_j] ? duration : 0);
}

/* ---- carbon ---- */

/* Carbon over energy is an intensity, and that of a country tells which one it is: where nobody
 * gave the place neither is kept. */
static bool is_kept(const entry *e, const jm_grid_info *info) {
    return info->source != JM_INTENSITY_ZONE || e->run.place;
}

static void set_grid(entry *e, const jm_grid_info *info) {
    static const char *const sources[] = {NULL, "given", "country", "time zone", "series"};
    jmi_log_row *row = &e->row;
    jmi_log_set_number(row, JMI_LOG_pue, info->pue);
    jmi_log_set_text(row, JMI_LOG_intensity_source, sources[info->source]);
    if (!is_kept(e, info)) return;
    if (info->year > 0) jmi_log_set_number(row, JMI_LOG_intensity_year, info->year);
    jmi_log_set_text(row, JMI_LOG_iso, info->country);
    jmi_log_set_text(row, JMI_LOG_country, info->country_name);
}

static void set_money(entry *e, const jm_carbon *c, const char *currency) {
    jmi_log_row *row = &e->row;
    jmi_log_set_number(row, JMI_LOG_cost, c->cost);
    jmi_log_set_number(row, JMI_LOG_cost_lower, c->cost_lower);
    if (isfinite(c->cost_upper)) jmi_log_set_number(row, JMI_LOG_cost_upper, c->cost_upper);
    if (!isnan(c->cost)) jmi_log_set_text(row, JMI_LOG_currency, currency);
    jmi_log_set_number(row, JMI_LOG_water_l, c->water_l);
}

static void set_carbon(entry *e, const jm_carbon *c) {
    jmi_log_row *row = &e->row;
    jmi_log_set_number(row, JMI_LOG_co2_g, c->g);
    jmi_log_set_number(row, JMI_LOG_co2_lower_g, c->lower_g);
    if (isfinite(c->upper_g)) jmi_log_set_number(row, JMI_LOG_co2_upper_g, c->upper_g);
    jmi_log_set_number(row, JMI_LOG_intensity_g, c->intensity_g);
    if (!isnan(c->g)) jmi_log_set_number(row, JMI_LOG_intensity_u, c->intensity_u);
    if (!isnan(c->g)) jmi_log_set_number(row, JMI_LOG_intensity_covered, c->covered);
}

/* Energy and carbon by one call: a recording that still grows may know more of the window by the
 * next. A series that has nothing of the time leaves the row without carbon. */
static int measure_carbon(entry *e, jm_energy *total) {
    jm_carbon carbon = {.size = sizeof carbon};
    jm_grid_info info = {.size = sizeof info};
    jm_error why = {0};
    int status = jm_grid_get(e->run.grid, &info);
    if (status != JM_OK) return jmi_fail(e->error, status, "the grid cannot be read");
    set_grid(e, &info);
    status = jm_carbon_window(e->run.grid, e->recording, JM_DEVICE_TOTAL, e->window.begin_ns,
                              e->window.end_ns, e->run.energy, &carbon, total, &why);
    if (status == JM_OK) set_money(e, &carbon, info.currency);
    if (status == JM_OK && is_kept(e, &info)) set_carbon(e, &carbon);
    return status == JM_OK || status == JM_NO_DATA ? JM_OK
                                                   : jmi_fail(e->error, status, "%s", why.message);
}

static int measure(entry *e) {
    jm_energy total = {.upper_j = INFINITY};
    jm_error why = {0};
    int status = JM_OK;
    if (e->run.grid != NULL) {
        status = measure_carbon(e, &total);
    } else {
        status = jm_energy_window(e->recording, JM_DEVICE_TOTAL, e->window.begin_ns,
                                  e->window.end_ns, e->run.energy, &total, &why);
        if (status == JM_NO_DATA) status = JM_OK;
        if (status != JM_OK) return jmi_fail(e->error, status, "%s", why.message);
    }
    if (status != JM_OK) return status;
    set_total(e, &total);
    set_energies(e);
    return JM_OK;
}

/* ---- the machine ---- */

/* FNV-1a of 64 bits: tells environments apart, keeps nothing of them. */
static uint64_t mix(uint64_t hash, const char *text) {
    for (; text != NULL && *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return (hash ^ 0xff) * UINT64_C(0x100000001b3);
}

static void set_environment(entry *e) {
    static const char *const facts[] = {"version", "kernel", "machine", "cpu_model", "cpus"};
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    char text[32];
    for (size_t i = 0; i < JMI_COUNT(facts); i++)
        hash = mix(hash, jm_recording_info(e->recording, facts[i]));
    for (uint32_t i = 0; i < jm_recording_device_count(e->recording); i++) {
        jm_device device = {.size = sizeof device};
        if (jm_recording_device(e->recording, i, &device) != JM_OK) continue;
        hash = mix(mix(mix(hash, device.name), device.model), device.driver);
    }
    snprintf(text, sizeof text, "%016llx", (unsigned long long)hash);
    jmi_log_set_text(&e->row, JMI_LOG_environment, text);
}

/* "2 x NVIDIA A100, NVIDIA H100" */
static void set_gpus(entry *e) {
    enum { MOST = 16 };
    const char *models[MOST];
    uint32_t counts[MOST], kinds = 0, gpus = 0;
    for (uint32_t i = 0; i < jm_recording_device_count(e->recording); i++) {
        jm_device device = {.size = sizeof device};
        if (jm_recording_device(e->recording, i, &device) != JM_OK || !is_kind(&device, "gpu"))
            continue;
        uint32_t k = 0;
        while (k < kinds && strcmp(models[k], device.model) != 0) k++;
        gpus++;
        if (k == MOST) continue;
        if (k == kinds) models[kinds] = device.model, counts[kinds++] = 0;
        counts[k]++;
    }
    jmi_text list = {0};
    for (uint32_t k = 0; k < kinds; k++) {
        jmi_text_add(&list, "%s", k > 0 ? ", " : "");
        if (counts[k] > 1) jmi_text_add(&list, "%u x ", counts[k]);
        jmi_text_add(&list, "%s", models[k]);
    }
    jmi_log_set_text(&e->row, JMI_LOG_gpu_model, list.data);
    jmi_log_set_number(&e->row, JMI_LOG_gpu_count, gpus);
    jmi_text_free(&list);
}

static void set_machine(entry *e) {
    struct utsname name;
    double cpus;
    char commit[72];
    const jm_recording *r = e->recording;
    const char *count = jm_recording_info(r, "cpus");
    jmi_log_set_text(&e->row, JMI_LOG_host, jm_recording_info(r, "host"));
    jmi_log_set_text(&e->row, JMI_LOG_cpu_model, jm_recording_info(r, "cpu_model"));
    if (count != NULL && jmi_parse_double(count, &cpus))
        jmi_log_set_number(&e->row, JMI_LOG_cpu_count, cpus);
    jmi_log_set_text(&e->row, JMI_LOG_version, jm_version());
    if (uname(&name) == 0) { /* "linux", as Python's sys.platform has it */
        for (char *c = name.sysname; *c != '\0'; c++)
            if (*c >= 'A' && *c <= 'Z') *c = (char)(*c - 'A' + 'a');
        jmi_log_set_text(&e->row, JMI_LOG_platform, name.sysname);
    }
    const char *folder = e->run.folder != NULL ? e->run.folder : ".";
    if (folder[0] != '\0' && jmi_git_commit(folder, commit))
        jmi_log_set_text(&e->row, JMI_LOG_git_commit, commit);
    set_gpus(e);
    set_environment(e);
}

/* ---- the window ---- */

/* That of the command, and how it ended. */
static int take_command(entry *e) {
    jmi_summary summary;
    char outcome[32] = "ok";
    int status = jmi_summary_make(&summary, e->recording, e->run.energy, e->error);
    if (status != JM_OK) return status;
    e->window = (jm_window){summary.begin_ns, summary.end_ns};
    if (summary.command != NULL) {
        jmi_log_set_text(&e->row, JMI_LOG_command, summary.command);
        jmi_log_set_text(&e->row, JMI_LOG_kind, "command");
    }
    if (summary.signal > 0)
        snprintf(outcome, sizeof outcome, "signal %d", summary.signal);
    else if (summary.exit_code > 0)
        snprintf(outcome, sizeof outcome, "exit code %d", summary.exit_code);
    if (summary.exit_code >= 0) jmi_log_set_text(&e->row, JMI_LOG_outcome, outcome);
    jmi_summary_free(&summary);
    return JM_OK;
}

static int fill(entry *e) {
    e->window = (jm_window){e->run.begin_ns, e->run.end_ns};
    int status = JM_OK;
    if (e->run.begin_ns == 0 && e->run.end_ns == 0) status = take_command(e);
    if (status == JM_OK) status = measure(e);
    if (status != JM_OK) return status;
    int64_t utc = jm_recording_utc_offset_ns(e->recording);
    jmi_log_set_number(&e->row, JMI_LOG_begin_unix_s, (double)(e->window.begin_ns + utc) / 1e9);
    set_machine(e);
    return jmi_log_set_values(&e->row, e->run.values, e->run.count, e->error);
}

int jm_log_recording(const char *path, const jm_recording *recording, const jm_log_run *run,
                     int64_t *id, jm_error *error) {
    entry e = {.recording = recording, .error = error};
    jmi_logbook book;
    if (recording == NULL) return jmi_fail(error, JM_INVALID, "there is no recording (NULL)");
    int status = jmi_take_struct(&e.run, sizeof e.run, run, "jm_log_run", error);
    if (status == JM_OK) status = fill(&e);
    if (status == JM_OK) status = jmi_logbook_open(&book, path, JMI_LOG_MAKE, error);
    if (status == JM_OK) {
        status = jmi_logbook_insert(&book, &e.row, id, error);
        jmi_logbook_close(&book);
    }
    jmi_log_row_free(&e.row);
    return status;
}
