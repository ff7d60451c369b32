/* Runs a fuzz target over files and folders of inputs without libFuzzer, as TAP: each file is a
 * test case. A crash or a sanitizer's report ends the program; the last line printed names the
 * input. Without any input there is nothing to show: skipped. */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int cases;
static int failed;

/* The bytes of a file in a block of exactly that size, so that ASan sees reads past its end. */
static uint8_t *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) return NULL;
    uint8_t *data = NULL;
    *size = 0;
    for (;;) {
        uint8_t block[65536];
        size_t got = fread(block, 1, sizeof block, file);
        if (got == 0) break;
        uint8_t *grown = realloc(data, *size + got);
        if (grown == NULL) break;
        data = grown;
        memcpy(data + *size, block, got);
        *size += got;
    }
    bool complete = feof(file) && !ferror(file);
    fclose(file);
    if (complete && data == NULL) data = malloc(1);
    if (complete) return data;
    free(data);
    return NULL;
}

static void replay_file(const char *path) {
    size_t size;
    uint8_t *data = read_file(path, &size);
    cases++;
    if (data == NULL) {
        printf("not ok %d - %s: cannot be read: %s\n", cases, path, strerror(errno));
        failed++;
        return;
    }
    printf("# %s (%zu bytes)\n", path, size);
    fflush(stdout);
    LLVMFuzzerTestOneInput(data, size);
    printf("ok %d - %s\n", cases, path);
    free(data);
}

static void replay(const char *path) {
    struct dirent **names;
    int count = scandir(path, &names, NULL, alphasort);
    if (count < 0) {
        if (errno == ENOTDIR) replay_file(path);
        return;
    }
    for (int i = 0; i < count; i++) {
        char *inner = NULL;
        if (names[i]->d_name[0] != '.' && asprintf(&inner, "%s/%s", path, names[i]->d_name) >= 0)
            replay(inner);
        free(inner);
        free(names[i]);
    }
    free(names);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) replay(argv[i]);
    if (cases == 0) {
        printf("1..0 # SKIP there are no seeds\n");
        return 77;
    }
    printf("1..%d\n", cases);
    return failed == 0 ? 0 : 1;
}
