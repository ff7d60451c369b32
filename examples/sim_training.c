/* A training on a simulated GPU, for trying out `joulemeter limit tune` where there is none:
 *
 *     joulemeter limit tune --simulate h100,channel -- ./sim_training
 *
 * Each batch keeps the board busy, at so many watts, for so long as it takes at the clocks that its
 * limits allow. Arguments, all optional: batches (400), seconds of one at full speed (0.05), watts
 * that it asks for (600), share of its time that goes with the clock (0.7), and "unmarked": the
 * batches are not told of. */
#include <joulemeter.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What libsimgpu-channel.so offers; it stands beside the simulated GPU's library. */
typedef struct board {
    void *state;
    double (*work)(void *state, int board, double watts, double seconds, double share);
} board;

static void *find(void *library, const char *name) {
    void *found = dlsym(library, name);
    if (found == NULL) fprintf(stderr, "sim_training: %s is not there\n", name);
    return found;
}

static int open_board(board *b) {
    const char *path = getenv("JOULEMETER_SIMGPU_STATE");
    void *library = dlopen("libsimgpu-channel.so", RTLD_NOW);
    if (path == NULL || library == NULL) {
        fprintf(stderr, "sim_training: run it below joulemeter --simulate h100,channel\n");
        return -1;
    }
    void *(*open)(const char *path, void *error);
    void *symbol = find(library, "simgpu_state_open"), *work = find(library, "simgpu_channel_work");
    if (symbol == NULL || work == NULL) return -1;
    memcpy(&open, &symbol, sizeof open);
    memcpy(&b->work, &work, sizeof b->work);
    b->state = open(path, NULL);
    return b->state == NULL ? -1 : 0;
}

static double argument(int argc, char **argv, int index, double otherwise) {
    return argc > index ? atof(argv[index]) : otherwise;
}

int main(int argc, char **argv) {
    int batches = (int)argument(argc, argv, 1, 400);
    double seconds = argument(argc, argv, 2, 0.05), watts = argument(argc, argv, 3, 600);
    double share = argument(argc, argv, 4, 0.7);
    bool unmarked = argc > 5 && strcmp(argv[5], "unmarked") == 0;
    board b;
    if (open_board(&b) != 0) return 1;

    jm_error error;
    jm_session *session = NULL;
    if (!unmarked && jm_session_open(&session, NULL, &error) != JM_OK)
        fprintf(stderr, "sim_training: goes on unmarked: %s\n", error.message);
    for (int i = 0; i < batches; i++) {
        jm_range_id batch = jm_begin_as(session, JM_CATEGORY_BATCH, "batch", NULL);
        double took = b.work(b.state, 0, watts, seconds, share);
        jm_end(session, batch);
        if (took < 0) {
            fprintf(stderr, "sim_training: the board is not driven by programs: add ,channel\n");
            return 1;
        }
    }
    jm_session_close(session, NULL, NULL);
    return 0;
}
