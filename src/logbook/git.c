/* The commit of a working folder, read from git's own files: no program is run for it. */
#include "logbook/logbook.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool is_hash(const char *text) {
    size_t length = strspn(text, "0123456789abcdef");
    return (length == 40 || length == 64) && text[length] == '\0';
}

/* A folder that a file names, such as ".git" of a worktree: "gitdir: PATH". */
static bool follow(const char *file, const char *lead, const char *base, char *out, size_t size) {
    char text[PATH_MAX];
    if (jmi_read_text(file, text, sizeof text) <= 0 || strncmp(text, lead, strlen(lead)) != 0)
        return false;
    const char *path = text + strlen(lead);
    return path[0] == '/' ? jmi_path(out, size, NULL, "%s", path)
                          : jmi_path(out, size, NULL, "%s/%s", base, path);
}

/* The folder of git at or above `folder`. */
static bool find_git(const char *folder, char *git, size_t size) {
    char at[PATH_MAX], entry[PATH_MAX + 8];
    struct stat info;
    if (realpath(folder, at) == NULL) return false;
    for (;;) {
        snprintf(entry, sizeof entry, "%s/.git", strcmp(at, "/") == 0 ? "" : at);
        if (stat(entry, &info) == 0)
            return S_ISDIR(info.st_mode) ? jmi_path(git, size, NULL, "%s", entry)
                                         : follow(entry, "gitdir: ", at, git, size);
        char *slash = strrchr(at, '/');
        if (slash == NULL || at[1] == '\0') return false;
        slash[slash == at] = '\0';
    }
}

/* "HASH refs/heads/main" among the lines of packed-refs. */
static bool find_packed(const char *git, const char *ref, char commit[72]) {
    enum { MOST = 4 << 20 };
    char path[PATH_MAX];
    char *text = malloc(MOST);
    bool found = false;
    if (text != NULL && jmi_path(path, sizeof path, NULL, "%s/packed-refs", git) &&
        jmi_read_text(path, text, MOST) > 0) {
        char *rest = text, *line;
        while (!found && (line = strsep(&rest, "\n")) != NULL) {
            char *space = strchr(line, ' ');
            if (space == NULL || strcmp(space + 1, ref) != 0) continue;
            *space = '\0';
            found = is_hash(line) && jmi_path(commit, 72, NULL, "%s", line);
        }
    }
    free(text);
    return found;
}

static bool read_ref(const char *git, const char *ref, char commit[72]) {
    char path[PATH_MAX];
    return jmi_path(path, sizeof path, NULL, "%s/%s", git, ref) &&
           jmi_read_text(path, commit, 72) > 0 && is_hash(commit);
}

bool jmi_git_commit(const char *folder, char commit[72]) {
    char git[PATH_MAX], common[PATH_MAX], path[PATH_MAX], head[1024];
    if (!find_git(folder, git, sizeof git) || !jmi_path(path, sizeof path, NULL, "%s/HEAD", git) ||
        jmi_read_text(path, head, sizeof head) <= 0)
        return false;
    if (is_hash(head)) return jmi_path(commit, 72, NULL, "%s", head);
    if (strncmp(head, "ref: ", 5) != 0 || strstr(head, "..") != NULL) return false;
    const char *ref = head + 5;
    /* a worktree's branches lie where those of the repository do */
    if (!jmi_path(path, sizeof path, NULL, "%s/commondir", git) ||
        !follow(path, "", git, common, sizeof common))
        memcpy(common, git, sizeof common);
    return read_ref(git, ref, commit) || read_ref(common, ref, commit) ||
           find_packed(common, ref, commit);
}
