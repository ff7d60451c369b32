/* A real CPU program for `./dev demo` and for trying joulemeter out: multiplies matrices for some
 * seconds (argument 1, default 8) in epochs and batches, and marks them. Under `joulemeter run` its
 * ranges land in that recording; alone it measures itself without saying so. */
#include <joulemeter.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N = 192, BATCH = 8, EPOCHS = 3 };

typedef struct matrices {
    double a[N][N], b[N][N], c[N][N];
} matrices;

static void fill(matrices *m) {
    unsigned state = 1;
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            state = state * 1664525u + 1013904223u;
            m->a[i][j] = (double)(state >> 8) / (1 << 24);
            m->b[i][j] = (double)(state >> 16) / (1 << 16);
        }
    }
}

static void multiply(matrices *m) {
    memset(m->c, 0, sizeof m->c);
    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++)
            for (int j = 0; j < N; j++) m->c[i][j] += m->a[i][k] * m->b[k][j];
}

static double trace(const matrices *m) {
    double sum = 0;
    for (int i = 0; i < N; i++) sum += m->c[i][i];
    return sum;
}

static double epoch(jm_session *session, matrices *m, double seconds, int *batches) {
    int64_t until = jm_now_ns() + (int64_t)(seconds * 1e9);
    double check = 0;
    jm_range_id range = jm_begin_as(session, JM_CATEGORY_EPOCH, "epoch", NULL);
    while (jm_now_ns() < until) {
        jm_range_id batch = jm_begin_as(session, JM_CATEGORY_BATCH, "batch", "{\"size\":8}");
        for (int i = 0; i < BATCH; i++) multiply(m);
        jm_end(session, batch);
        check += trace(m);
        (*batches)++;
    }
    jm_end(session, range);
    return check;
}

int main(int argc, char **argv) {
    double seconds = argc > 1 ? atof(argv[1]) : 8;
    if (!(seconds > 0 && seconds < 86400)) {
        fprintf(stderr, "demo_load: the seconds must be a number above 0, not \"%s\"\n", argv[1]);
        return 2;
    }

    jm_error error;
    jm_session *session;
    if (jm_session_open(&session, NULL, &error) != JM_OK) {
        fprintf(stderr, "demo_load: goes on unmeasured: %s\n", error.message);
        session = NULL;
    }

    matrices *m = malloc(sizeof *m);
    if (m == NULL) return 1;
    jm_range_id prepare = jm_begin_as(session, JM_CATEGORY_PHASE, "prepare", NULL);
    fill(m);
    usleep((useconds_t)(seconds * 0.1 * 1e6)); /* as if it read its data */
    jm_end(session, prepare);

    int batches = 0;
    double check = 0;
    jm_range_id train = jm_begin_as(session, JM_CATEGORY_PHASE, "multiply", NULL);
    for (int i = 0; i < EPOCHS; i++) check += epoch(session, m, seconds * 0.8 / EPOCHS, &batches);
    jm_end(session, train);

    jm_range_id cool = jm_begin_as(session, JM_CATEGORY_PHASE, "cool down", NULL);
    usleep((useconds_t)(seconds * 0.1 * 1e6));
    jm_end(session, cool);

    double flop = 2.0 * N * N * N * BATCH * batches;
    printf("%d batches of %d products of %d x %d, %.1f GFLOP, checksum %.6g\n", batches, BATCH, N,
           N, flop / 1e9, check);
    free(m);
    jm_session_close(session, NULL, NULL);
    return 0;
}
