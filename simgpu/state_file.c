/* SPDX-License-Identifier: MIT */
#include "state_file.h"

#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* 64 bytes an entry; a file with holes, so only what is used takes memory. */
uint64_t simgpu_state_log_capacity(const struct simgpu_item *item) {
    if (item->shape == SIMGPU_CHANNEL) return UINT64_C(1) << 17;
    return item->poll_power_w > 0.0 ? UINT64_C(1) << 14 : UINT64_C(1) << 10;
}

size_t simgpu_state_file_size(const struct simgpu_spec *spec) {
    uint64_t size = sizeof(struct state_file);
    for (int i = 0; i < spec->item_count; i++) {
        const struct simgpu_item *item = &spec->items[i];
        size += (uint64_t)item->count *
                (sizeof(struct simgpu_log_head) +
                 simgpu_state_log_capacity(item) * sizeof(struct simgpu_log_slot));
    }
    return (size_t)size;
}

static struct state_file *map_shared(int fd, size_t size, struct simgpu_error *err) {
    int flags = MAP_SHARED | MAP_NORESERVE | (fd < 0 ? MAP_ANONYMOUS : 0);
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (map != MAP_FAILED) return map;
    simgpu_fail(err, 0, "cannot map the state: %s", strerror(errno));
    return NULL;
}

struct state_file *simgpu_state_file_create(const char *path, size_t size, char temporary[PATH_MAX],
                                            struct simgpu_error *err) {
    temporary[0] = '\0';
    if (!path) return map_shared(-1, size, err);
    int length = snprintf(temporary, PATH_MAX, "%s.XXXXXX", path);
    int fd = length < PATH_MAX ? mkostemp(temporary, O_CLOEXEC) : -1;
    if (fd < 0 || ftruncate(fd, (off_t)size) != 0) {
        simgpu_fail(err, 0, "cannot create %.150s: %s", path,
                    length < PATH_MAX ? strerror(errno) : "the name is too long");
        if (fd >= 0) {
            close(fd);
            unlink(temporary);
        }
        return NULL;
    }
    struct state_file *file = map_shared(fd, size, err);
    close(fd);
    if (!file) unlink(temporary);
    return file;
}

void simgpu_state_file_init(struct state_file *file, size_t size, const char *spec_text,
                            int board_count) {
    file->magic = SIMGPU_STATE_MAGIC;
    file->version = SIMGPU_STATE_VERSION;
    file->board_count = (uint32_t)board_count;
    file->size = size;
    file->start_mono_ns = simgpu_mono_ns();
    if (!getcwd(file->dir, sizeof file->dir)) file->dir[0] = '\0';
    snprintf(file->spec, sizeof file->spec, "%s", spec_text);

    pthread_mutexattr_t shared;
    pthread_mutexattr_init(&shared);
    pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&shared, PTHREAD_MUTEX_ROBUST);
    for (int i = 0; i < board_count; i++) pthread_mutex_init(&file->boards[i].lock, &shared);
    pthread_mutexattr_destroy(&shared);
}

static int check_header(const struct state_file *file, size_t size) {
    if (file->magic != SIMGPU_STATE_MAGIC || file->version != SIMGPU_STATE_VERSION) return -1;
    if (file->size != size || file->board_count > SIMGPU_MAX_BOARDS) return -1;
    if (!memchr(file->dir, '\0', sizeof file->dir)) return -1;
    return memchr(file->spec, '\0', sizeof file->spec) ? 0 : -1;
}

struct state_file *simgpu_state_file_map(const char *path, size_t *size, struct simgpu_error *err) {
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0) {
        simgpu_fail(err, 0, "cannot open %.150s: %s", path, strerror(errno));
        if (fd >= 0) close(fd);
        return NULL;
    }
    *size = (size_t)info.st_size;
    struct state_file *file = NULL;
    if (S_ISREG(info.st_mode) && *size >= sizeof *file) file = map_shared(fd, *size, err);
    close(fd);
    if (file && check_header(file, *size) == 0) return file;
    if (file) munmap(file, *size);
    simgpu_fail(err, 0, "%.150s is not a state file of this version", path);
    return NULL;
}
