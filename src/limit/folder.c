/* Where notes lie: root's in /run, which the machine's start empties, as it does limits. */
#include "limit/limit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOT_FOLDER "/run/joulemeter/limits"

void jmi_boot_id(char boot[40]) {
    if (jmi_read_text("/proc/sys/kernel/random/boot_id", boot, 40) < 0 ||
        boot[strspn(boot, "0123456789abcdefABCDEF-")] != '\0')
        boot[0] = '\0';
}

/* One that the surroundings name: of tests, and of simulated boards. */
static bool named_folder(const char *state, char *folder, size_t size) {
    const char *named = secure_getenv("JOULEMETER_LIMIT_DIR");
    if (named != NULL && named[0] != '\0') return jmi_path(folder, size, NULL, "%s", named);
    return state != NULL && state[0] != '\0' && jmi_path(folder, size, NULL, "%s.limits", state);
}

static bool user_folder(char *folder, size_t size) {
    return jmi_user_path(folder, size, "XDG_STATE_HOME", ".local/state", "limits");
}

static bool usable(const char *folder, jm_error *error) {
    return jmi_make_dirs(folder, error) == JM_OK && access(folder, W_OK | X_OK) == 0;
}

int jmi_folder_own(const char *state, char *folder, size_t size, jm_error *error) {
    if (named_folder(state, folder, size)) return jmi_make_dirs(folder, error);
    if (jmi_path(folder, size, NULL, ROOT_FOLDER) && usable(folder, NULL)) return JM_OK;
    if (user_folder(folder, size)) return jmi_make_dirs(folder, error);
    return jmi_fail(error, JM_IO,
                    "there is no place for the note of what to give back: neither " ROOT_FOLDER
                    " nor $XDG_STATE_HOME nor $HOME can be used");
}

void jmi_folder_find(const char *state, const char *key, jm_lever lever, char *folder,
                     size_t size) {
    char note[4096];
    if (named_folder(state, folder, size)) return;
    if (jmi_path(note, sizeof note, NULL, ROOT_FOLDER "/%s.%s", key, jm_lever_name((int)lever)) &&
        access(note, F_OK) == 0 && jmi_path(folder, size, NULL, ROOT_FOLDER))
        return;
    if (!user_folder(folder, size)) snprintf(folder, size, ROOT_FOLDER);
}
