#include "inject.h"

#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIBRARY     "libjoulemeter-inject.so"
#define NVTX_LOADER "NVTX_INJECTION64_PATH"
#define CUDA_LOADER "CUDA_INJECTION64_PATH"
#define KERNELS     "JOULEMETER_KERNELS"
#define FOLLOW      "JOULEMETER_FOLLOW"

/* ---- finding the library ---- */

static bool readable(const char *path, char *out) {
    return access(path, R_OK) == 0 && realpath(path, out) != NULL;
}

/* `out` has PATH_MAX bytes. Places are relative to the command: of a build folder, of an
 * installation (lib, lib64, lib/x86_64-linux-gnu), of a Python wheel. */
static bool find_library(char *out) {
    static const char *const places[] = {"inject/", "../../inject/", "../lib*/joulemeter/",
                                         "../lib/*/joulemeter/",
                                         "../lib*/python3*/site-packages/joulemeter/lib/"};
    const char *named = getenv("JOULEMETER_INJECT_LIBRARY");
    if (named != NULL && named[0] != '\0') return readable(named, out);
    char self[PATH_MAX], pattern[PATH_MAX + 80];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0) return false;
    self[length] = '\0';
    char *slash = strrchr(self, '/');
    bool found = false;
    for (size_t i = 0; slash != NULL && !found && i < CLI_COUNT(places); i++) {
        glob_t paths;
        snprintf(pattern, sizeof pattern, "%.*s/%s" LIBRARY, (int)(slash - self), self, places[i]);
        if (glob(pattern, 0, NULL, &paths) == 0)
            for (size_t k = 0; k < paths.gl_pathc && !found; k++)
                found = readable(paths.gl_pathv[k], out);
        globfree(&paths);
    }
    return found;
}

/* ---- who has the place ---- */

/* What another tool has put there; NULL: nobody has. Ours counts for nobody: a run inside a run. */
static const char *taken(const char *variable, const char *library) {
    char path[PATH_MAX];
    const char *value = getenv(variable);
    if (value == NULL || value[0] == '\0') return NULL;
    return library != NULL && readable(value, path) && strcmp(path, library) == 0 ? NULL : value;
}

static int check_place(const cli_command *command, const char *variable, const char *what,
                       const char *option) {
    char library[PATH_MAX];
    if (!find_library(library))
        return cli_fail(command, CLI_RUN_FAILED,
                        LIBRARY " is not where joulemeter is: %s cannot be recorded", what);
    const char *other = taken(variable, library);
    if (other == NULL) return PARSE_DONE;
    return cli_fail(command, CLI_USAGE,
                    "another tool has the %s already (%s=%.200s); unset it, or leave %s out", what,
                    variable, other, option);
}

int injecting_check(const injecting *i, const cli_command *command) {
    if (i->nvtx && i->no_nvtx)
        return cli_fail(command, CLI_USAGE, "--nvtx and --no-nvtx contradict each other");
    if (i->follow && i->no_follow)
        return cli_fail(command, CLI_USAGE, "--follow and --no-follow contradict each other");
    if (i->kernels != NULL && i->kernels[0] != '\0' && strcmp(i->kernels, "graphs") != 0)
        return cli_fail(command, CLI_USAGE, "--kernels is followed by =graphs or nothing, not =%s",
                        i->kernels);
    int code = PARSE_DONE;
    if (i->nvtx) code = check_place(command, NVTX_LOADER, "NVTX ranges", "--nvtx");
    if (code == PARSE_DONE && i->kernels != NULL)
        code = check_place(command, CUDA_LOADER, "GPU's kernels", "--kernels");
    return code;
}

/* ---- settings ---- */

static bool add(settings_list *settings, const char *format, const char *value) {
    char **wider = realloc(settings->list, (settings->count + 2) * sizeof *wider);
    if (wider == NULL) return false;
    settings->list = wider;
    if (asprintf(&wider[settings->count], format, value) < 0) wider[settings->count] = NULL;
    bool added = wider[settings->count] != NULL;
    settings->count += added;
    wider[settings->count] = NULL;
    return added;
}

void settings_free(settings_list *settings) {
    for (size_t i = 0; i < settings->count; i++) free(settings->list[i]);
    free(settings->list);
    *settings = (settings_list){0};
}

static bool add_nvtx(const injecting *i, jm_session *session, settings_list *settings) {
    char library[PATH_MAX], why[300];
    if (i->no_nvtx) return true;
    if (i->nvtx) jm_session_set_info(session, "nvtx wanted", "1");
    if (!find_library(library)) {
        jm_session_set_info(session, "nvtx", "not recorded: " LIBRARY " was not found");
        return true;
    }
    const char *other = taken(NVTX_LOADER, library);
    if (other == NULL) return add(settings, NVTX_LOADER "=%s", library);
    snprintf(why, sizeof why, "not recorded: another tool had it (%.200s)", other);
    jm_session_set_info(session, "nvtx", why);
    return true;
}

/* The library was found and its place free before the session began. What a run around this one
 * asked for is not asked for here. */
static bool add_kernels(const injecting *i, jm_session *session, settings_list *settings) {
    char library[PATH_MAX];
    if (i->kernels == NULL) return getenv(KERNELS) == NULL || add(settings, "%s", KERNELS "=");
    const char *how = i->kernels[0] != '\0' ? i->kernels : "each";
    jm_session_set_info(session, "kernels wanted", how);
    return find_library(library) && add(settings, CUDA_LOADER "=%s", library) &&
           add(settings, KERNELS "=%s", how);
}

int injecting_environment(const injecting *i, const cli_command *command, jm_session *session,
                          settings_list *settings) {
    const char *const *own = jm_session_environment(session);
    bool enough = true;
    *settings = (settings_list){0};
    for (; enough && *own != NULL; own++) enough = add(settings, "%s", *own);
    enough = enough && add(settings, FOLLOW "=%s", i->no_follow ? "no" : "");
    if (enough && add_nvtx(i, session, settings) && add_kernels(i, session, settings))
        return PARSE_DONE;
    settings_free(settings);
    return cli_fail(command, CLI_RUN_FAILED, "out of memory");
}
