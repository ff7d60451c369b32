/* SPDX-License-Identifier: MIT */
/* simgpu-truth: what the simulated boards really drew. */
#include "model.h"
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] = "usage: simgpu-truth STATE                      list the boards\n"
                            "       simgpu-truth STATE BOARD T0_NS T1_NS    joules, exactly\n"
                            "       simgpu-truth --create STATE SPEC        make a state file\n"
                            "       simgpu-truth --limits STATE             limit (W) and clock of "
                            "each board\n"
                            "       simgpu-truth --set STATE BOARD limit WATTS | clock SHARE |\n"
                            "                    trouble fine|lost|hangs\n"
                            "Times are CLOCK_MONOTONIC nanoseconds.\n";

static bool parse_time(const char *text, int64_t *ns) {
    uint64_t value;
    if (!simgpu_slice_whole((struct simgpu_slice){text, strlen(text)}, INT64_MAX, &value))
        return false;
    *ns = (int64_t)value;
    return true;
}

static int list_boards(struct simgpu_state *state) {
    printf("spec %s\nstart_mono_ns %lld\n", simgpu_state_spec(state),
           (long long)simgpu_state_start_mono_ns(state));
    for (int i = 0; i < simgpu_state_board_count(state); i++)
        printf("board %d %s\n", i, simgpu_state_uuid(state, i));
    return 0;
}

static int print_energy(struct simgpu_state *state, char **argv) {
    int64_t board, t0, t1;
    if (!parse_time(argv[0], &board) || !parse_time(argv[1], &t0) || !parse_time(argv[2], &t1) ||
        board >= simgpu_state_board_count(state)) {
        fputs("simgpu-truth: BOARD must be one of the boards, T0_NS and T1_NS whole numbers\n",
              stderr);
        return 2;
    }
    double energy_j = simgpu_truth_energy(state, (int)board, t0, t1);
    if (isnan(energy_j)) {
        fputs("simgpu-truth: the history of that time is gone\n", stderr);
        return 1;
    }
    printf("%.9f\n", energy_j);
    return 0;
}

static int print_limits(struct simgpu_state *state) {
    for (int i = 0; i < simgpu_state_board_count(state); i++)
        printf("%d %.3f %.6f\n", i, simgpu_truth_limit(state, i), simgpu_truth_clock(state, i));
    return 0;
}

static int set_trouble(struct simgpu_state *state, int board, const char *name) {
    static const char *const names[] = {"fine", "lost", "hangs"};
    for (int i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0)
            return simgpu_channel_set_trouble(state, board, (enum simgpu_trouble)i);
    return -1;
}

/* As somebody else would who knows nothing of joulemeter. */
static int change(struct simgpu_state *state, char **argv) {
    int64_t board;
    double value = atof(argv[2]);
    int rc = -1;
    if (parse_time(argv[0], &board) && board < simgpu_state_board_count(state)) {
        int b = (int)board;
        if (strcmp(argv[1], "limit") == 0) rc = simgpu_channel_set_limit(state, b, value);
        if (strcmp(argv[1], "clock") == 0) rc = simgpu_channel_set_clock(state, b, value);
        if (strcmp(argv[1], "trouble") == 0) rc = set_trouble(state, b, argv[2]);
    }
    if (rc != 0) fprintf(stderr, "simgpu-truth: this cannot be set\n%s", usage);
    return rc != 0 ? 2 : 0;
}

int main(int argc, char **argv) {
    const char *first = argc > 1 ? argv[1] : "";
    bool create = argc == 4 && strcmp(first, "--create") == 0;
    bool limits = argc == 3 && strcmp(first, "--limits") == 0;
    bool set = argc == 6 && strcmp(first, "--set") == 0;
    if (!create && !limits && !set && argc != 2 && argc != 5) {
        fputs(usage, stderr);
        return 2;
    }
    struct simgpu_error err = {0};
    struct simgpu_state *state = create ? simgpu_state_create(argv[2], argv[3], &err)
                                        : simgpu_state_open(argv[limits || set ? 2 : 1], &err);
    if (!state) {
        fprintf(stderr, "simgpu-truth: %s\n", err.text);
        return 2;
    }
    int rc = 0;
    if (limits)
        rc = print_limits(state);
    else if (set)
        rc = change(state, argv + 3);
    else if (!create)
        rc = argc == 2 ? list_boards(state) : print_energy(state, argv + 2);
    simgpu_state_close(state);
    return rc;
}
