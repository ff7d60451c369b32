/* Small kernels, each doing one thing over and over, to train a power model of a board:
 *
 *     power-suite --list              names, and the family of each
 *     power-suite NAME SECONDS
 *
 * `collect.sh` runs them all. */
#include "suite.cuh"

#include <cstring>

struct part {
    const entry *entries;
    int count;
};

static const part parts[] = {
    {pipes, pipe_count}, {memory, memory_count}, {mixes, mix_count}, {algorithms, algorithm_count}};

static const entry *find(const char *name) {
    for (const part &p : parts)
        for (int i = 0; i < p.count; i++)
            if (strcmp(p.entries[i].name, name) == 0) return &p.entries[i];
    return nullptr;
}

static int list() {
    for (const part &p : parts)
        for (int i = 0; i < p.count; i++) printf("%s %s\n", p.entries[i].name, p.entries[i].family);
    return 0;
}

__global__ void fill(float *a, float *b, float *c, int *order, size_t count) {
    size_t step = (size_t)gridDim.x * blockDim.x;
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < count; i += step) {
        unsigned hash = (unsigned)i * 2654435761u;
        hash ^= hash >> 15;
        a[i] = (float)(hash & 0xFFFF) / 65536.0f;
        b[i] = (float)(hash >> 16) / 65536.0f;
        c[i] = 0;
        /* count is a power of two and the factor odd: each index comes once */
        order[i] = (int)((i * 2654435761u + 12345u) & (count - 1));
    }
}

static arena make_arena() {
    arena m = {};
    cudaDeviceProp properties;
    m.count = 1u << 26; /* 256 MB each: far more than any L2 holds */
    CHECK(cudaGetDeviceProperties(&properties, 0));
    m.sms = properties.multiProcessorCount;
    m.no_thread = 0xFFFFFFFFu;
    CHECK(cudaMalloc(&m.a, m.count * sizeof *m.a));
    CHECK(cudaMalloc(&m.b, m.count * sizeof *m.b));
    CHECK(cudaMalloc(&m.c, m.count * sizeof *m.c));
    CHECK(cudaMalloc(&m.order, m.count * sizeof *m.order));
    return m;
}

/* Seconds that one launch takes. */
static double time_launch(const entry *kernel, const arena &m) {
    cudaEvent_t begin, end;
    float ms = 0;
    CHECK(cudaEventCreate(&begin));
    CHECK(cudaEventCreate(&end));
    CHECK(cudaEventRecord(begin));
    kernel->launch(m);
    CHECK(cudaEventRecord(end));
    CHECK(cudaGetLastError());
    CHECK(cudaEventSynchronize(end));
    CHECK(cudaEventElapsedTime(&ms, begin, end));
    CHECK(cudaEventDestroy(begin));
    CHECK(cudaEventDestroy(end));
    return ms / 1000;
}

/* Many launches wait in the stream at any time, so that the board is never idle. */
static void run(const entry *kernel, const arena &m, double seconds) {
    time_launch(kernel, m);
    double one = time_launch(kernel, m), passed = 0;
    int batch = one > 0.05 ? 1 : (int)(0.05 / (one + 1e-7)) + 1;
    if (batch > 900) batch = 900;
    while (passed < seconds) {
        cudaEvent_t begin, end;
        float ms = 0;
        CHECK(cudaEventCreate(&begin));
        CHECK(cudaEventCreate(&end));
        CHECK(cudaEventRecord(begin));
        for (int i = 0; i < batch; i++) kernel->launch(m);
        CHECK(cudaEventRecord(end));
        CHECK(cudaGetLastError());
        CHECK(cudaEventSynchronize(end));
        CHECK(cudaEventElapsedTime(&ms, begin, end));
        CHECK(cudaEventDestroy(begin));
        CHECK(cudaEventDestroy(end));
        passed += ms / 1000;
    }
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--list") == 0) return list();
    const entry *kernel = argc == 3 ? find(argv[1]) : nullptr;
    double seconds = argc == 3 ? atof(argv[2]) : 0;
    if (kernel == nullptr || !(seconds > 0)) {
        fprintf(stderr, "usage: power-suite --list | power-suite NAME SECONDS\n");
        return 2;
    }
    arena m = make_arena();
    fill<<<(unsigned)(m.sms * 8), 256>>>(m.a, m.b, m.c, m.order, m.count);
    CHECK(cudaGetLastError());
    CHECK(cudaDeviceSynchronize());
    run(kernel, m, seconds);
    return 0;
}
