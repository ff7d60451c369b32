/* Each pipe of an SM by itself: dependent chains of its instructions, eight a thread. */
#include "suite.cuh"

#include <cuda_fp16.h>
#include <mma.h>

enum { THREADS = 256, PER_SM = 8, ROUNDS = 20000, CHAINS = 8 };

/* Stores what thread `reader` found: there is no such thread, but only the launch knows, so that no
 * compiler can leave the work out. Some know the range of threadIdx. */
template <typename T> __device__ void keep(T *where, T value, unsigned reader) {
    if (threadIdx.x == reader) *where = value;
}

__global__ void fma32(float *out, float a, float b, unsigned reader) {
    float x[CHAINS];
#pragma unroll
    for (int i = 0; i < CHAINS; i++) x[i] = threadIdx.x + i;
#pragma unroll 2
    for (int r = 0; r < ROUNDS; r++)
#pragma unroll
        for (int i = 0; i < CHAINS; i++) x[i] = fmaf(x[i], a, b);
#pragma unroll
    for (int i = 1; i < CHAINS; i++) x[0] += x[i];
    keep(out, x[0], reader);
}

__global__ void logic32(int *out, int a, int b, unsigned reader) {
    int x[CHAINS];
#pragma unroll
    for (int i = 0; i < CHAINS; i++) x[i] = threadIdx.x + i;
#pragma unroll 2
    for (int r = 0; r < ROUNDS; r++)
#pragma unroll
        for (int i = 0; i < CHAINS; i++) x[i] = (x[i] ^ a) + b;
#pragma unroll
    for (int i = 1; i < CHAINS; i++) x[0] += x[i];
    keep(out, x[0], reader);
}

__global__ void multiply32(int *out, int a, int b, unsigned reader) {
    int x[CHAINS];
#pragma unroll
    for (int i = 0; i < CHAINS; i++) x[i] = threadIdx.x + i;
#pragma unroll 2
    for (int r = 0; r < ROUNDS; r++)
#pragma unroll
        for (int i = 0; i < CHAINS; i++) x[i] = x[i] * a + b;
#pragma unroll
    for (int i = 1; i < CHAINS; i++) x[0] += x[i];
    keep(out, x[0], reader);
}

__global__ void fma64(double *out, double a, double b, unsigned reader) {
    double x[CHAINS];
#pragma unroll
    for (int i = 0; i < CHAINS; i++) x[i] = threadIdx.x + i;
#pragma unroll 2
    for (int r = 0; r < ROUNDS / 8; r++)
#pragma unroll
        for (int i = 0; i < CHAINS; i++) x[i] = fma(x[i], a, b);
#pragma unroll
    for (int i = 1; i < CHAINS; i++) x[0] += x[i];
    keep(out, x[0], reader);
}

__global__ void fma16(__half2 *out, float a, float b, unsigned reader) {
    __half2 x[CHAINS], ha = __float2half2_rn(a), hb = __float2half2_rn(b);
#pragma unroll
    for (int i = 0; i < CHAINS; i++) x[i] = __float2half2_rn((float)i);
#pragma unroll 2
    for (int r = 0; r < ROUNDS; r++)
#pragma unroll
        for (int i = 0; i < CHAINS; i++) x[i] = __hfma2(x[i], ha, hb);
#pragma unroll
    for (int i = 1; i < CHAINS; i++) x[0] = __hadd2(x[0], x[i]);
    keep(out, x[0], reader);
}

__global__ void special(float *out, float a, unsigned reader) {
    float x[CHAINS];
#pragma unroll
    for (int i = 0; i < CHAINS; i++) x[i] = 1.0f + threadIdx.x + i;
#pragma unroll 2
    for (int r = 0; r < ROUNDS / 8; r++)
#pragma unroll
        for (int i = 0; i < CHAINS; i++) x[i] = __sinf(x[i]) + a;
#pragma unroll
    for (int i = 1; i < CHAINS; i++) x[0] += x[i];
    keep(out, x[0], reader);
}

__global__ void tensor(float *out, unsigned reader) {
    using namespace nvcuda::wmma;
    fragment<matrix_a, 16, 16, 16, __half, row_major> a;
    fragment<matrix_b, 16, 16, 16, __half, col_major> b;
    fragment<accumulator, 16, 16, 16, float> c[4];
    fill_fragment(a, __float2half(0.5f));
    fill_fragment(b, __float2half(0.25f));
#pragma unroll
    for (int i = 0; i < 4; i++) fill_fragment(c[i], (float)i);
#pragma unroll 2
    for (int r = 0; r < ROUNDS / 8; r++)
#pragma unroll
        for (int i = 0; i < 4; i++) mma_sync(c[i], a, b, c[i]);
#pragma unroll
    for (int i = 1; i < 4; i++) c[0].x[0] += c[i].x[0];
    keep(out, c[0].x[0], reader);
}

/* Lanes of a warp part ways: half of them run at a time. Each has a loop of its own, lest one
 * instruction with chosen operands serves both. */
__global__ void divergent(float *out, float a, float b, unsigned reader) {
    float x = threadIdx.x;
    if (threadIdx.x & 1) {
#pragma unroll 8
        for (int r = 0; r < 4 * ROUNDS; r++) x = fmaf(x, a, b);
    } else {
#pragma unroll 8
        for (int r = 0; r < 4 * ROUNDS; r++) x = fmaf(x, x, b);
    }
    keep(out, x, reader);
}

__global__ void idle_in_place(long long cycles) {
    long long begin = clock64();
    while (clock64() - begin < cycles) __nanosleep(1000);
}

static void launch_fma(const arena &m, int sms, int per_sm, int threads) {
    fma32<<<(unsigned)(sms * per_sm), threads>>>(m.a, 0.999f, 0.001f, m.no_thread);
}

const entry pipes[] = {
    {"fma", "fma", [](const arena &m) { launch_fma(m, m.sms, PER_SM, THREADS); }},
    {"fma-half-board", "fma", [](const arena &m) { launch_fma(m, m.sms / 2, 1, THREADS * 4); }},
    {"fma-few-sms", "fma", [](const arena &m) { launch_fma(m, m.sms / 8, 1, THREADS * 4); }},
    {"fma-one-warp", "fma", [](const arena &m) { launch_fma(m, m.sms, 1, 32); }},
    {"divergent", "divergent",
     [](const arena &m) {
         divergent<<<blocks_for(m, PER_SM), THREADS>>>(m.a, 0.999f, 0.001f, m.no_thread);
     }},
    {"logic", "integer",
     [](const arena &m) {
         logic32<<<blocks_for(m, PER_SM), THREADS>>>((int *)m.a, 77, 3, m.no_thread);
     }},
    {"multiply", "integer",
     [](const arena &m) {
         multiply32<<<blocks_for(m, PER_SM), THREADS>>>((int *)m.a, 77, 3, m.no_thread);
     }},
    {"fp64", "fp64",
     [](const arena &m) {
         fma64<<<blocks_for(m, PER_SM), THREADS>>>((double *)m.a, 0.999, 0.001, m.no_thread);
     }},
    {"fp16", "fp16",
     [](const arena &m) {
         fma16<<<blocks_for(m, PER_SM), THREADS>>>((__half2 *)m.a, 0.999f, 0.001f, m.no_thread);
     }},
    {"special", "special",
     [](const arena &m) { special<<<blocks_for(m, PER_SM), THREADS>>>(m.a, 0.5f, m.no_thread); }},
    {"tensor", "tensor",
     [](const arena &m) { tensor<<<blocks_for(m, PER_SM), THREADS>>>(m.a, m.no_thread); }},
    {"tensor-half-board", "tensor",
     [](const arena &m) { tensor<<<(unsigned)(m.sms / 2), THREADS * 2>>>(m.a, m.no_thread); }},
    {"sleep", "sleep", [](const arena &m) { idle_in_place<<<blocks_for(m, 1), 32>>>(5000000); }},
};
const int pipe_count = sizeof pipes / sizeof *pipes;
