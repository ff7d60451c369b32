/* The shortest useful program: measure one piece of work and print its joules.
 *
 *     cc simple.c $(pkg-config --cflags --libs joulemeter) -o simple && ./simple
 */
#include <joulemeter.h>

#include <stdio.h>

static double work(void) {
    double sum = 0;
    for (long i = 1; i < 300 * 1000 * 1000L; i++) sum += 1.0 / (double)i;
    return sum;
}

static void print_energy(const char *what, const jm_energy *energy) {
    char provenance[128];
    if (energy->provenance == 0) {
        printf("%s: %.2f s, nothing measured it\n", what, energy->duration_s);
        return;
    }
    printf("%s: %.2f s, %.1f J +- %.1f J (%s)\n", what, energy->duration_s, energy->energy_j,
           energy->u95_j, jm_provenance_text(energy->provenance, provenance, sizeof provenance));
}

int main(void) {
    jm_session *session;
    jm_error error;
    if (jm_session_open(&session, NULL, &error) != JM_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }

    jm_range_id range = jm_begin(session, "work");
    double sum = work();
    jm_end(session, range);
    printf("sum: %f\n", sum);

    jm_energy energy;
    int status = jm_range_energy(session, range, JM_DEVICE_TOTAL, NULL, &energy, &error);
    if (status == JM_OK) {
        print_energy("work", &energy);
    } else if (status == JM_CLOSED) {
        printf("work: measured by the joulemeter around this program\n");
    } else {
        printf("work: %s\n", error.message);
    }
    jm_session_close(session, NULL, NULL);
    return 0;
}
