/* Simulated GPUs: the drop-in library that joulemeter comes with, loaded in place of the driver's,
 * and a state file through which child processes see the same boards. */
#include "sensor/internal.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIBRARY "libnvidia-ml.so.1"

struct simulation {
    void *library;
    char state[PATH_MAX];
    pid_t owner; /* a forked child leaves the file alone */
};

/* Exported by the simulated GPU: makes the boards of `spec` at `state_path` and lets this process
 * see them. Returns 0, or -1 with a sentence in `message`. */
typedef int configure_fn(const char *spec, const char *state_path, char *message, size_t size);

/* ---- finding the library ---- */

static bool try_library(char *library, size_t size, const char *folder) {
    int length = snprintf(library, size, "%s/" LIBRARY, folder);
    return length > 0 && (size_t)length < size && access(library, R_OK) == 0;
}

/* `file`'s folder, with another below it. */
static bool try_beside(char *library, size_t size, const char *file, const char *below) {
    char folder[PATH_MAX];
    const char *slash = strrchr(file, '/');
    if (slash == NULL) return false;
    int length = snprintf(folder, sizeof folder, "%.*s/%s", (int)(slash - file), file, below);
    return length > 0 && (size_t)length < sizeof folder && try_library(library, size, folder);
}

/* The command of a Python wheel: bin/joulemeter beside lib/python3.x/site-packages. */
static bool try_wheel(char *library, size_t size, const char *file) {
    char pattern[PATH_MAX];
    const char *slash = strrchr(file, '/');
    if (slash == NULL) return false;
    snprintf(pattern, sizeof pattern,
             "%.*s/../lib*/python3*/site-packages/joulemeter/simgpu/" LIBRARY, (int)(slash - file),
             file);
    glob_t found;
    bool there = glob(pattern, 0, NULL, &found) == 0 && found.gl_pathc > 0;
    if (there) there = (size_t)snprintf(library, size, "%s", found.gl_pathv[0]) < size;
    globfree(&found);
    return there;
}

static bool find_library(char *library, size_t size) {
    const char *named = getenv("JOULEMETER_SIMGPU_LIBRARY");
    if (named != NULL && named[0] != '\0') {
        int length = snprintf(library, size, "%s", named);
        return length > 0 && (size_t)length < size && access(library, R_OK) == 0;
    }
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length > 0) {
        self[length] = '\0';
        if (try_beside(library, size, self, "simgpu") || try_wheel(library, size, self))
            return true;
    }
    Dl_info info;
    if (dladdr((void *)(uintptr_t)jmi_simulate_open, &info) != 0 && info.dli_fname != NULL &&
        (try_beside(library, size, info.dli_fname, "simgpu") ||
         try_beside(library, size, info.dli_fname, "joulemeter/simgpu")))
        return true;
#ifdef JM_SIMGPU_DIR
    return try_library(library, size, JM_SIMGPU_DIR);
#else
    return false;
#endif
}

/* ---- making the boards ---- */

static int make_state_file(struct simulation *simulation, jm_error *error) {
    const char *const folders[] = {getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR"), "/tmp"};
    int errnum = ENOENT;
    for (size_t i = 0; i < JMI_COUNT(folders); i++) {
        if (folders[i] == NULL || folders[i][0] != '/') continue;
        int length = snprintf(simulation->state, sizeof simulation->state,
                              "%s/joulemeter-simgpu-XXXXXX", folders[i]);
        if (length < 0 || (size_t)length >= sizeof simulation->state) continue;
        int fd = mkostemp(simulation->state, O_CLOEXEC);
        if (fd >= 0) {
            close(fd);
            return JM_OK;
        }
        errnum = errno;
    }
    simulation->state[0] = '\0';
    return jmi_fail_errno(error, errnum, "cannot make a file for the simulated GPU's state");
}

static int configure(struct simulation *simulation, const char *spec, const char *library,
                     jm_error *error) {
    configure_fn *call;
    char message[300] = "";
    void *found = dlsym(simulation->library, "simgpu_configure");
    if (found == NULL)
        return jmi_fail(error, JM_MISSING_LIBRARY, "%s is not the simulated GPU", library);
    memcpy(&call, &found, sizeof call);
    if (call(spec, simulation->state, message, sizeof message) == 0) return JM_OK;
    return jmi_fail(error, JM_INVALID, "simulate \"%.120s\": %s", spec, message);
}

static char *setting(const char *name, const char *value, const char *rest) {
    jmi_text text = {0};
    char *out = NULL;
    jmi_text_add(&text, "%s=%s", name, value);
    if (rest != NULL && rest[0] != '\0') jmi_text_add(&text, ":%s", rest);
    jmi_text_take(&text, &out, NULL);
    return out;
}

static int set_environment(jmi_sensor_set *set, const struct simulation *simulation,
                           const char *spec, const char *library, jm_error *error) {
    char folder[PATH_MAX];
    const char *slash = strrchr(library, '/');
    snprintf(folder, sizeof folder, "%.*s", slash != NULL ? (int)(slash - library) : 1,
             slash != NULL ? library : ".");
    set->environment = jmi_alloc(4, sizeof *set->environment);
    if (set->environment == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    set->environment[0] = setting("JOULEMETER_SIMGPU_STATE", simulation->state, NULL);
    set->environment[1] = setting("JOULEMETER_SIMGPU", spec, NULL);
    set->environment[2] = setting("LD_LIBRARY_PATH", folder, getenv("LD_LIBRARY_PATH"));
    for (int i = 0; i < 3; i++)
        if (set->environment[i] == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    return JM_OK;
}

int jmi_simulate_open(jmi_sensor_set *set, const char *spec, char *library, size_t size,
                      jm_error *error) {
    if (!find_library(library, size))
        return jmi_fail(error, JM_MISSING_LIBRARY,
                        "the simulated GPU (simgpu/" LIBRARY
                        ") is not where joulemeter is: name it in $JOULEMETER_SIMGPU_LIBRARY");
    struct simulation *simulation = jmi_alloc(1, sizeof *simulation);
    if (simulation == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    set->simulation = simulation;
    simulation->owner = getpid();
    simulation->library = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (simulation->library == NULL)
        return jmi_fail(error, JM_MISSING_LIBRARY, "%s cannot be loaded", library);
    int status = make_state_file(simulation, error);
    if (status == JM_OK) status = configure(simulation, spec, library, error);
    if (status == JM_OK) status = set_environment(set, simulation, spec, library, error);
    return status;
}

/* Notes of limits lie beside the boards that they are of, and end with them. */
static void remove_boards(const struct simulation *simulation) {
    char folder[PATH_MAX + 8], file[PATH_MAX + 300];
    char **names;
    unlink(simulation->state);
    snprintf(folder, sizeof folder, "%s.limits", simulation->state);
    if (jmi_list_dir(folder, "", &names) != JM_OK) return;
    for (size_t i = 0; names[i] != NULL; i++)
        if (jmi_path(file, sizeof file, NULL, "%s/%s", folder, names[i])) unlink(file);
    jmi_list_free(names);
    rmdir(folder);
}

void jmi_simulate_close(void *data) {
    struct simulation *simulation = data;
    if (simulation == NULL) return;
    if (simulation->state[0] != '\0' && simulation->owner == getpid()) remove_boards(simulation);
    if (simulation->library != NULL) dlclose(simulation->library);
    free(simulation);
}
