/* A CUDA program that marks its phases: copy to the device, many kernels, copy back.
 *
 *     nvcc phases.cu $(pkg-config --cflags --libs joulemeter) -o phases && ./phases
 *
 * Kernel launches return before the kernel runs, so a phase ends after cudaDeviceSynchronize: else
 * its joules would be booked on what comes next. */
#include <joulemeter.h>

#include <cuda_runtime.h>

#include <cstdio>
#include <vector>

#define CHECK(call)                                                                                \
    do {                                                                                           \
        cudaError_t status = (call);                                                               \
        if (status != cudaSuccess) {                                                               \
            fprintf(stderr, "phases: %s: %s\n", #call, cudaGetErrorString(status));                \
            return 1;                                                                              \
        }                                                                                          \
    } while (0)

__global__ void step(float *data, size_t count) {
    size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x;
    if (i >= count) return;
    float x = data[i];
    for (int k = 0; k < 2000; k++) x = x * 0.999f + 0.001f;
    data[i] = x;
}

static void print_phase(jm_session *session, const char *name, jm_range_id range) {
    jm_energy energy;
    jm_error error;
    char provenance[128];
    if (jm_range_energy(session, range, JM_DEVICE_TOTAL, NULL, &energy, &error) != JM_OK) {
        printf("%-10s %s\n", name, error.message);
        return;
    }
    printf("%-10s %6.3f s  %8.2f J +- %.2f J  %s\n", name, energy.duration_s, energy.energy_j,
           energy.u95_j, jm_provenance_text(energy.provenance, provenance, sizeof provenance));
}

static int run(jm_session *session, jm_range_id ranges[3]) {
    const size_t count = 64u << 20;
    std::vector<float> host(count, 1.5f);
    float *device = nullptr;

    ranges[0] = jm_begin_as(session, JM_CATEGORY_PHASE, "copy in", nullptr);
    CHECK(cudaMalloc(&device, count * sizeof *device));
    CHECK(cudaMemcpy(device, host.data(), count * sizeof *device, cudaMemcpyHostToDevice));
    jm_end(session, ranges[0]);

    ranges[1] = jm_begin_as(session, JM_CATEGORY_PHASE, "compute", nullptr);
    for (int i = 0; i < 500; i++) step<<<(unsigned)((count + 255) / 256), 256>>>(device, count);
    CHECK(cudaGetLastError());
    CHECK(cudaDeviceSynchronize());
    jm_end_with(session, ranges[1], "{\"kernels\":500}");

    ranges[2] = jm_begin_as(session, JM_CATEGORY_PHASE, "copy out", nullptr);
    CHECK(cudaMemcpy(host.data(), device, count * sizeof *device, cudaMemcpyDeviceToHost));
    CHECK(cudaFree(device));
    jm_end(session, ranges[2]);

    printf("result: %f\n", (double)host[count / 2]);
    return 0;
}

int main() {
    jm_session *session;
    jm_error error;
    if (jm_session_open(&session, nullptr, &error) != JM_OK) {
        fprintf(stderr, "phases: %s\n", error.message);
        return 1;
    }
    jm_range_id ranges[3] = {0, 0, 0};
    int failed = run(session, ranges);
    if (!failed) {
        print_phase(session, "copy in", ranges[0]);
        print_phase(session, "compute", ranges[1]);
        print_phase(session, "copy out", ranges[2]);
    }
    jm_session_close(session, nullptr, nullptr);
    return failed;
}
