/* What the parts of the suite share: a kernel is a name, a family and a function that launches it.
 */
#ifndef POWER_SUITE_CUH
#define POWER_SUITE_CUH

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>

#define CHECK(call)                                                                                \
    do {                                                                                           \
        cudaError_t status = (call);                                                               \
        if (status != cudaSuccess) {                                                               \
            fprintf(stderr, "power-suite: %s: %s\n", #call, cudaGetErrorString(status));           \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* Memory that kernels may use, and the size of the board. */
struct arena {
    float *a, *b, *c; /* `count` floats each */
    size_t count;
    int *order; /* a random permutation of `count` indices */
    int sms;
    unsigned no_thread; /* a number that no thread of a block has */
};

struct entry {
    const char *name;
    const char *family; /* kernels of one family are left out together when a model is judged */
    void (*launch)(const arena &);
};

extern const entry pipes[], memory[], mixes[], algorithms[];
extern const int pipe_count, memory_count, mix_count, algorithm_count;

/* Blocks for `per_sm` of them on every SM. */
static inline unsigned blocks_for(const arena &arena, int per_sm) {
    return (unsigned)(arena.sms * per_sm);
}

#endif
