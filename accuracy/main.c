/* How right joulemeter's figures are, and how honest their intervals. */
#include "accuracy.h"

int main(int argc, char **argv) {
    rows *all = rows_open("jm-accuracy", argc, argv);
    accuracy_meter(all);
    accuracy_simulated(all);
    accuracy_groups(all);
    accuracy_commands(all);
    return rows_close(all);
}
