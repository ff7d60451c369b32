/* `joulemeter run -- true` over bare `true`: pairs in turn, so that what else the machine does
 * falls on both. */
#include "bench.h"

#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAIRS = 40 };

/* Milliseconds from start to end; negative if it failed. */
static double run_ms(char *const *arguments) {
    pid_t child;
    int status = -1;
    int64_t from = jm_now_ns();
    if (posix_spawnp(&child, arguments[0], NULL, NULL, arguments, environ) != 0) return -1;
    if (waitpid(child, &status, 0) != child || status != 0) return -1;
    return (double)(jm_now_ns() - from) / 1e6;
}

static void measure(rows *all, const char *name, char *const *wrapped, double target) {
    if (!rows_want(all, name)) return;
    char *bare[] = {"true", NULL};
    double more[PAIRS];
    run_ms(wrapped); /* the first one reads the disk */
    for (size_t i = 0; i < PAIRS; i++) {
        double plain = run_ms(bare), with = run_ms(wrapped);
        if (plain < 0 || with < 0) {
            rows_skip(all, name, "the command failed");
            return;
        }
        more[i] = with - plain;
    }
    rows_add(all, &(row){.name = name,
                         .value = bench_quantile(more, PAIRS, 0.5),
                         .unit = "ms",
                         .goal = target > 0 ? ROW_AT_MOST : ROW_NO_GOAL,
                         .target = target});
}

void bench_command(rows *all, const char *command) {
    static const char name[] = "joulemeter run -- true, over true";
    static const char simulated[] = "joulemeter run --simulate h100 -- true, over true";
    if (access(command, X_OK) != 0) {
        if (rows_want(all, name)) rows_skip(all, name, "build/joulemeter is not built");
        return;
    }
    char path[4200];
    snprintf(path, sizeof path, "%s", command);
    measure(all, name, (char *[]){path, "run", "--quiet", "--", "true", NULL}, 20);
    measure(all, simulated,
            (char *[]){path, "run", "--quiet", "--simulate", "h100", "--", "true", NULL}, 20);
}
