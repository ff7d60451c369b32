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

int main(int argc, char **argv) {
    bool create = argc == 4 && strcmp(argv[1], "--create") == 0;
    if (!create && argc != 2 && argc != 5) {
        fputs(usage, stderr);
        return 2;
    }
    struct simgpu_error err = {0};
    struct simgpu_state *state =
        create ? simgpu_state_create(argv[2], argv[3], &err) : simgpu_state_open(argv[1], &err);
    if (!state) {
        fprintf(stderr, "simgpu-truth: %s\n", err.text);
        return 2;
    }
    int rc = 0;
    if (!create) rc = argc == 2 ? list_boards(state) : print_energy(state, argv + 2);
    simgpu_state_close(state);
    return rc;
}
