/* How right joulemeter's figures are, and how honest their intervals. */
#include "accuracy.h"

#include <stdlib.h>
#include <string.h>

/* --layers, --estimate and --limits are short for the rows whose names begin so. */
static char **spelled_out(int *argc, char **argv) {
    static char only[] = "--only", layers[] = "layers ", estimate[] = "estimate ",
                limits[] = "limits ";
    char **spelled = calloc((size_t)*argc + 2, sizeof *spelled);
    if (spelled == NULL) return argv;
    int count = 0;
    for (int i = 0; i < *argc; i++) {
        char *pattern = NULL;
        if (count == i && i > 0 && strcmp(argv[i], "--layers") == 0) pattern = layers;
        if (count == i && i > 0 && strcmp(argv[i], "--estimate") == 0) pattern = estimate;
        if (count == i && i > 0 && strcmp(argv[i], "--limits") == 0) pattern = limits;
        spelled[count++] = pattern != NULL ? only : argv[i];
        if (pattern != NULL) spelled[count++] = pattern;
    }
    *argc = count;
    return spelled;
}

int main(int argc, char **argv) {
    char **spelled = spelled_out(&argc, argv);
    rows *all = rows_open("jm-accuracy", argc, spelled);
    accuracy_meter(all);
    accuracy_simulated(all);
    accuracy_groups(all);
    accuracy_commands(all);
    accuracy_layers(all);
    accuracy_counters(all);
    accuracy_limits(all);
    int code = rows_close(all);
    if (spelled != argv) free(spelled);
    return code;
}
