#include "base/base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool jmi_path(char *buffer, size_t size, const char *root, const char *format, ...) {
    size_t used = 0;
    if (root != NULL && strcmp(root, "/") != 0) {
        used = strlen(root);
        if (used >= size) return false;
        memcpy(buffer, root, used);
        while (used > 0 && buffer[used - 1] == '/') used--;
    }
    va_list args;
    va_start(args, format);
    int length = vsnprintf(buffer + used, size - used, format, args);
    va_end(args);
    return length >= 0 && (size_t)length < size - used;
}

ssize_t jmi_read_text(const char *path, char *buffer, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return jmi_status_of_errno(errno);
    size_t length = 0;
    while (length < size - 1) {
        ssize_t got = read(fd, buffer + length, size - 1 - length);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            int status = jmi_status_of_errno(errno);
            close(fd);
            return status;
        }
        if (got == 0) break;
        length += (size_t)got;
    }
    close(fd);
    while (length > 0 && strchr(" \t\r\n", buffer[length - 1]) != NULL) length--;
    buffer[length] = '\0';
    return (ssize_t)length;
}

int jmi_read_u64(const char *path, uint64_t *value) {
    char text[64];
    ssize_t length = jmi_read_text(path, text, sizeof text);
    if (length < 0) return (int)length;
    return jmi_parse_u64(text, value) ? JM_OK : JM_FORMAT;
}

static int compare_names(const void *a, const void *b) {
    return strverscmp(*(char *const *)a, *(char *const *)b);
}

int jmi_list_dir(const char *path, const char *prefix, char ***names) {
    *names = NULL;
    DIR *dir = opendir(path);
    if (dir == NULL) return jmi_status_of_errno(errno);
    char **found = NULL;
    size_t count = 0, capacity = 0;
    int status = JM_OK;
    for (struct dirent *entry; status == JM_OK && (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.' || strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
            continue;
        if (!jmi_reserve(&found, &capacity, count + 2, sizeof *found)) {
            status = JM_MEMORY;
            break;
        }
        found[count] = strdup(entry->d_name);
        if (found[count] == NULL) status = JM_MEMORY;
        found[++count] = NULL;
    }
    closedir(dir);
    if (found == NULL && status == JM_OK) {
        found = jmi_alloc(1, sizeof *found);
        if (found == NULL) status = JM_MEMORY;
    }
    if (status != JM_OK) {
        jmi_list_free(found);
        return status;
    }
    qsort(found, count, sizeof *found, compare_names);
    *names = found;
    return JM_OK;
}

void jmi_list_free(char **names) {
    if (names == NULL) return;
    for (size_t i = 0; names[i] != NULL; i++) free(names[i]);
    free(names);
}

/* mkstemp's files are their owner's alone, and the mask that others are made with can only be read
 * by changing it, for all threads. */
int jmi_make_beside(const char *path, char *name, size_t size, jm_error *error) {
    enum { TRIES = 1000 };
    int fd = -1;
    for (unsigned i = 0; i < TRIES; i++) {
        unsigned long long ending = (unsigned long long)jm_now_ns() * TRIES + i;
        if (!jmi_path(name, size, NULL, "%s.part-%llx", path, ending))
            return jmi_fail(error, JM_INVALID, "the path %.100s... is too long", path);
        fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0) return fd;
        if (errno != EEXIST) break;
    }
    return jmi_fail_errno(error, errno, "cannot write %s", path);
}

int jmi_make_dirs(const char *path, jm_error *error) {
    if (path[0] == '\0') return jmi_fail(error, JM_INVALID, "a folder needs a name");
    char *partial = strdup(path);
    if (partial == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    for (char *slash = partial + 1; *slash != '\0'; slash++) {
        if (*slash != '/') continue;
        *slash = '\0';
        mkdir(partial, 0777); /* what matters is whether the last one is there */
        *slash = '/';
    }
    int status = JM_OK;
    struct stat info;
    if (mkdir(partial, 0777) != 0 && errno != EEXIST)
        status = jmi_fail_errno(error, errno, "cannot make the folder %s", path);
    else if (stat(partial, &info) != 0 || !S_ISDIR(info.st_mode))
        status = jmi_fail(error, JM_INVALID, "%s is not a folder", path);
    free(partial);
    return status;
}

int jmi_make_parent(const char *path, jm_error *error) {
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path) return JM_OK;
    char *folder = strndup(path, (size_t)(slash - path));
    if (folder == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    int status = jmi_make_dirs(folder, error);
    free(folder);
    return status;
}

int jmi_write_all(int fd, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t wrote = write(fd, bytes, length);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) return errno;
        bytes += wrote;
        length -= (size_t)wrote;
    }
    return 0;
}

int jmi_read_all(int fd, size_t most, jmi_text *text) {
    char block[65536];
    ssize_t got;
    while ((got = read(fd, block, sizeof block)) != 0) {
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno;
        jmi_text_append(text, block, (size_t)got);
        if (text->length > most) return EFBIG;
    }
    jmi_text_append(text, "", 0);
    return text->failed ? ENOMEM : 0;
}

bool jmi_user_path(char *buffer, size_t size, const char *variable, const char *at_home,
                   const char *name) {
    const char *folder = getenv(variable), *home = getenv("HOME");
    if (folder != NULL && folder[0] == '/')
        return jmi_path(buffer, size, NULL, "%s/joulemeter/%s", folder, name);
    return home != NULL && home[0] == '/' &&
           jmi_path(buffer, size, NULL, "%s/%s/joulemeter/%s", home, at_home, name);
}
