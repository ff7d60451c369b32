/* Small real algorithms: what programs do, for training and for judging a model. */
#include "suite.cuh"

enum { TILE = 16, THREADS = 256 };

__global__ void multiply_matrices(const float *a, const float *b, float *c, int n) {
    __shared__ float left[TILE][TILE], right[TILE][TILE];
    int row = blockIdx.y * TILE + threadIdx.y, column = blockIdx.x * TILE + threadIdx.x;
    float sum = 0;
    for (int k = 0; k < n; k += TILE) {
        left[threadIdx.y][threadIdx.x] = a[row * n + k + threadIdx.x];
        right[threadIdx.y][threadIdx.x] = b[(k + threadIdx.y) * n + column];
        __syncthreads();
#pragma unroll
        for (int i = 0; i < TILE; i++) sum = fmaf(left[threadIdx.y][i], right[i][threadIdx.x], sum);
        __syncthreads();
    }
    c[row * n + column] = sum;
}

__global__ void transpose(const float *a, float *b, int n) {
    __shared__ float tile[32][33];
    int x = blockIdx.x * 32 + threadIdx.x, y = blockIdx.y * 32 + threadIdx.y;
    for (int i = 0; i < 32; i += 8) tile[threadIdx.y + i][threadIdx.x] = a[(y + i) * n + x];
    __syncthreads();
    x = blockIdx.y * 32 + threadIdx.x;
    y = blockIdx.x * 32 + threadIdx.y;
    for (int i = 0; i < 32; i += 8) b[(y + i) * n + x] = tile[threadIdx.x][threadIdx.y + i];
}

/* Seven points in three dimensions. */
__global__ void stencil(const float *a, float *b, int n) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x == 0 || y == 0 || x >= n - 1 || y >= n - 1) return;
    for (int z = 1; z < n - 1; z++) {
        size_t i = ((size_t)z * n + y) * n + x, plane = (size_t)n * n;
        b[i] = 0.4f * a[i] +
               0.1f * (a[i - 1] + a[i + 1] + a[i - n] + a[i + n] + a[i - plane] + a[i + plane]);
    }
}

__global__ void reduce(const float *a, float *out, size_t count) {
    __shared__ float part[THREADS];
    float sum = 0;
    size_t step = (size_t)gridDim.x * blockDim.x;
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < count; i += step)
        sum += a[i];
    part[threadIdx.x] = sum;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if ((int)threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) out[blockIdx.x] = part[0];
}

__global__ void histogram(const float *a, int *bins, size_t count) {
    __shared__ int own[256];
    own[threadIdx.x] = 0;
    __syncthreads();
    size_t step = (size_t)gridDim.x * blockDim.x;
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < count; i += step)
        atomicAdd(&own[__float_as_uint(a[i]) >> 15 & 255], 1);
    __syncthreads();
    atomicAdd(&bins[threadIdx.x], own[threadIdx.x]);
}

__global__ void softmax(const float *a, float *b, int width) {
    __shared__ float part[THREADS];
    const float *row = a + blockIdx.x * (size_t)width;
    float sum = 0;
    for (int i = threadIdx.x; i < width; i += THREADS) sum += __expf(row[i]);
    part[threadIdx.x] = sum;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if ((int)threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
        __syncthreads();
    }
    for (int i = threadIdx.x; i < width; i += THREADS)
        b[blockIdx.x * (size_t)width + i] = __expf(row[i]) / part[0];
}

/* Gravity of all bodies on all. */
__global__ void bodies(const float4 *body, float4 *force, int count) {
    __shared__ float4 tile[THREADS];
    int own = blockIdx.x * blockDim.x + threadIdx.x;
    float4 p = body[own], f = make_float4(0, 0, 0, 0);
    for (int from = 0; from < count; from += THREADS) {
        tile[threadIdx.x] = body[from + threadIdx.x];
        __syncthreads();
#pragma unroll 8
        for (int i = 0; i < THREADS; i++) {
            float x = tile[i].x - p.x, y = tile[i].y - p.y, z = tile[i].z - p.z;
            float r = rsqrtf(x * x + y * y + z * z + 0.01f), s = tile[i].w * r * r * r;
            f.x = fmaf(x, s, f.x);
            f.y = fmaf(y, s, f.y);
            f.z = fmaf(z, s, f.z);
        }
        __syncthreads();
    }
    force[own] = f;
}

/* Rows of 32 entries each, in random columns. */
__global__ void multiply_sparse(const float *value, const int *column, const float *x, float *y,
                                int rows, size_t mask) {
    int row = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= rows) return;
    size_t i = (size_t)row * 32 + lane;
    float sum = value[i] * x[column[i] & mask];
    for (int step = 16; step > 0; step /= 2) sum += __shfl_down_sync(0xFFFFFFFFu, sum, step);
    if (lane == 0) y[row] = sum;
}

__global__ void saxpy(const float *x, float *y, float a, size_t count) {
    size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x;
    if (i < count) y[i] = fmaf(a, x[i], y[i]);
}

const entry algorithms[] = {
    {"matrix-2048", "matrix",
     [](const arena &m) {
         multiply_matrices<<<dim3(2048 / TILE, 2048 / TILE), dim3(TILE, TILE)>>>(m.a, m.b, m.c,
                                                                                 2048);
     }},
    {"matrix-256", "matrix",
     [](const arena &m) {
         multiply_matrices<<<dim3(256 / TILE, 256 / TILE), dim3(TILE, TILE)>>>(m.a, m.b, m.c, 256);
     }},
    {"transpose", "transpose",
     [](const arena &m) {
         transpose<<<dim3(4096 / 32, 4096 / 32), dim3(32, 8)>>>(m.a, m.b, 4096);
     }},
    {"stencil", "stencil",
     [](const arena &m) { stencil<<<dim3(256 / 32, 256 / 8), dim3(32, 8)>>>(m.a, m.b, 256); }},
    {"reduce", "reduce",
     [](const arena &m) { reduce<<<blocks_for(m, 8), THREADS>>>(m.a, m.b, m.count); }},
    {"histogram", "histogram",
     [](const arena &m) { histogram<<<blocks_for(m, 8), 256>>>(m.a, (int *)m.c, m.count); }},
    {"softmax", "softmax", [](const arena &m) { softmax<<<8192, THREADS>>>(m.a, m.b, 2048); }},
    {"bodies", "bodies",
     [](const arena &m) {
         bodies<<<32768 / THREADS, THREADS>>>((const float4 *)m.a, (float4 *)m.b, 32768);
     }},
    {"sparse", "sparse",
     [](const arena &m) {
         int rows = (int)(m.count / 64);
         multiply_sparse<<<(unsigned)(rows / 8), THREADS>>>(m.a, m.order, m.b, m.c, rows,
                                                            (1 << 20) - 1);
     }},
    {"saxpy", "saxpy",
     [](const arena &m) {
         saxpy<<<(unsigned)(m.count / THREADS), THREADS>>>(m.a, m.b, 1.0001f, m.count);
     }},
};
const int algorithm_count = sizeof algorithms / sizeof *algorithms;
