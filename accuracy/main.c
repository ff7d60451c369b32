#include "accuracy.h"
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "meter") == 0) accuracy_meter();
    else accuracy_simulated(argc > 1 ? (size_t)atoi(argv[1]) : 10, argc > 2 ? (size_t)atoi(argv[2]) : 20, argc > 3 ? argv[3] : NULL);
}
