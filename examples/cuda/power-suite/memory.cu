/* Each level of memory by itself, and mixes of memory and arithmetic. */
#include "suite.cuh"

#include <cuda_fp16.h>
#include <mma.h>

enum { THREADS = 256, PER_SM = 8 };

__global__ void read_all(const float4 *a, float *out, size_t count) {
    float sum = 0;
    size_t step = (size_t)gridDim.x * blockDim.x;
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < count; i += step) {
        float4 x = a[i];
        sum += x.x + x.y + x.z + x.w;
    }
    if (sum == 0.12345f) *out = sum;
}

__global__ void write_all(float4 *a, float value, size_t count) {
    size_t step = (size_t)gridDim.x * blockDim.x;
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < count; i += step)
        a[i] = make_float4(value, value, value, value);
}

__global__ void copy_all(const float4 *a, float4 *b, size_t count) {
    size_t step = (size_t)gridDim.x * blockDim.x;
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < count; i += step)
        b[i] = a[i];
}

/* The same `count` float4 over and over: from L2, or from L1 where they are few. */
__global__ void read_again(const float4 *a, float *out, size_t count, int rounds, bool per_block) {
    float sum = 0;
    const float4 *from = per_block ? a + blockIdx.x * count : a;
    size_t begin = per_block ? threadIdx.x : blockIdx.x * (size_t)blockDim.x + threadIdx.x;
    size_t step = per_block ? blockDim.x : (size_t)gridDim.x * blockDim.x;
    for (int r = 0; r < rounds; r++)
        for (size_t i = begin; i < count; i += step) {
            float4 x = per_block ? from[i] : __ldcg(from + i);
            sum += x.x + x.y + x.z + x.w;
        }
    if (sum == 0.12345f) *out = sum;
}

__global__ void shared_only(float *out, int rounds) {
    __shared__ float tile[THREADS * 4];
    for (int i = threadIdx.x; i < THREADS * 4; i += THREADS) tile[i] = i;
    __syncthreads();
    int at = threadIdx.x;
    float sum = 0;
    for (int r = 0; r < rounds; r++) {
        sum += tile[at];
        tile[at] = sum;
        at = (at + 32) & (THREADS * 4 - 1);
    }
    if (sum == 0.12345f) *out = sum;
}

__constant__ float table[4096];

__global__ void constant_only(float *out, int rounds) {
    float sum = 0;
    for (int r = 0; r < rounds; r++)
#pragma unroll 8
        for (int i = 0; i < 64; i++) sum += table[(r + i * 17) & 4095];
    if (sum == 0.12345f) *out = sum;
}

__global__ void gather(const float *a, const int *order, float *b, size_t count) {
    size_t step = (size_t)gridDim.x * blockDim.x;
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < count; i += step)
        b[i] = a[order[i]];
}

__global__ void add_atomically(int *bins, size_t count) {
    size_t step = (size_t)gridDim.x * blockDim.x;
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < count; i += step)
        atomicAdd(bins + (i * 2654435761u & 0xFFFFF), 1);
}

/* `work` multiply-adds for each float4 that is read and written. */
__global__ void stream_and_compute(const float4 *a, float4 *b, size_t count, int work) {
    size_t step = (size_t)gridDim.x * blockDim.x;
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < count; i += step) {
        float4 x = a[i];
        for (int k = 0; k < work; k++) {
            x.x = fmaf(x.x, 0.999f, 0.001f);
            x.y = fmaf(x.y, 0.999f, 0.001f);
            x.z = fmaf(x.z, 0.999f, 0.001f);
            x.w = fmaf(x.w, 0.999f, 0.001f);
        }
        b[i] = x;
    }
}

/* Every second warp multiplies matrices, the others read memory. */
__global__ void tensor_and_stream(const float4 *a, float *out, size_t count) {
    using namespace nvcuda::wmma;
    float sum = 0;
    if (threadIdx.x / 32 % 2 == 0) {
        fragment<matrix_a, 16, 16, 16, __half, row_major> left;
        fragment<matrix_b, 16, 16, 16, __half, col_major> right;
        fragment<accumulator, 16, 16, 16, float> result;
        fill_fragment(left, __float2half(0.5f));
        fill_fragment(right, __float2half(0.25f));
        fill_fragment(result, 0.0f);
#pragma unroll 4
        for (int r = 0; r < 4000; r++) mma_sync(result, left, right, result);
        sum = result.x[0];
    } else {
        size_t step = (size_t)gridDim.x * blockDim.x;
        for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < count; i += step)
            sum += a[i].x;
    }
    if (sum == 0.12345f) *out = sum;
}

static size_t quarter(const arena &m) {
    return m.count / 4;
}

static void stream(const arena &m, int work) {
    stream_and_compute<<<blocks_for(m, PER_SM), THREADS>>>((const float4 *)m.a, (float4 *)m.b,
                                                           quarter(m), work);
}

const entry memory[] = {
    {"dram-read", "dram",
     [](const arena &m) {
         read_all<<<blocks_for(m, PER_SM), THREADS>>>((const float4 *)m.a, m.b, quarter(m));
     }},
    {"dram-write", "dram",
     [](const arena &m) {
         write_all<<<blocks_for(m, PER_SM), THREADS>>>((float4 *)m.a, 1.0f, quarter(m));
     }},
    {"dram-copy", "dram",
     [](const arena &m) {
         copy_all<<<blocks_for(m, PER_SM), THREADS>>>((const float4 *)m.a, (float4 *)m.b,
                                                      quarter(m));
     }},
    {"dram-few-sms", "dram",
     [](const arena &m) {
         copy_all<<<(unsigned)(m.sms / 8), THREADS>>>((const float4 *)m.a, (float4 *)m.b,
                                                      quarter(m) / 8);
     }},
    {"l2-read", "l2",
     [](const arena &m) {
         read_again<<<blocks_for(m, PER_SM), THREADS>>>((const float4 *)m.a, m.b, 1 << 17, 400,
                                                        false);
     }},
    {"l1-read", "l1",
     [](const arena &m) {
         read_again<<<blocks_for(m, 2), THREADS>>>((const float4 *)m.a, m.b, 1024, 4000, true);
     }},
    {"shared", "shared",
     [](const arena &m) { shared_only<<<blocks_for(m, PER_SM), THREADS>>>(m.b, 40000); }},
    {"constant", "constant",
     [](const arena &m) { constant_only<<<blocks_for(m, PER_SM), THREADS>>>(m.b, 1000); }},
    {"gather", "gather",
     [](const arena &m) {
         gather<<<blocks_for(m, PER_SM), THREADS>>>(m.a, m.order, m.b, m.count / 8);
     }},
    {"atomics", "atomics",
     [](const arena &m) {
         add_atomically<<<blocks_for(m, PER_SM), THREADS>>>((int *)m.c, m.count / 2);
     }},
};
const int memory_count = sizeof memory / sizeof *memory;

const entry mixes[] = {
    {"stream-8", "stream", [](const arena &m) { stream(m, 8); }},
    {"stream-32", "stream", [](const arena &m) { stream(m, 32); }},
    {"stream-128", "stream", [](const arena &m) { stream(m, 128); }},
    {"tensor-stream", "tensor-stream",
     [](const arena &m) {
         tensor_and_stream<<<blocks_for(m, PER_SM), THREADS>>>((const float4 *)m.a, m.b,
                                                               quarter(m));
     }},
};
const int mix_count = sizeof mixes / sizeof *mixes;
