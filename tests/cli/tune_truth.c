/* What the simulated GPU really does with some work under each of its power limits or clocks: CSV
 * of setting, seconds and joules of one batch, by the model's own formula.
 *
 *     tune_truth SPEC WATTS SECONDS SHARE power|clock */
#include "simgpu/board.h"
#include "simgpu/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
    struct simgpu_error error;
    if (argc != 6) return 2;
    struct simgpu_board *board = simgpu_board_from_text(argv[1], 0, &error);
    double watts = atof(argv[2]), seconds = atof(argv[3]), share = atof(argv[4]);
    if (board == NULL) {
        fprintf(stderr, "tune_truth: %s\n", error.text);
        return 1;
    }
    bool clock = strcmp(argv[5], "clock") == 0;
    const struct simgpu_profile *p = board->profile;
    double from = clock ? 210 : p->min_limit_w, to = clock ? p->sm_mhz : p->max_limit_w;
    puts("setting,seconds,energy_j");
    for (double setting = from; setting <= to; setting++) {
        double limit = clock ? p->max_limit_w : setting;
        double f = simgpu_board_clock_ratio(board, watts, limit);
        if (clock) f = fmin(f, setting / p->sm_mhz);
        double time = seconds * (1 - share + share / f);
        double power = fmin(simgpu_board_drawn_w(board, watts, f), limit);
        printf("%.0f,%.9g,%.9g\n", setting, time, power * time);
    }
    simgpu_board_free(board);
    return 0;
}
