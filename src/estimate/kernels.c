/* Launches put together by kernel: means of what each did, by time. */
#include "estimate/profile.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_KERNELS = 1 << 20 };

/* Texts are interned: their addresses tell them apart. */
static uint64_t hash_of(const jmi_launch *l) {
    uint64_t hash = (uintptr_t)l->process;
    hash = hash * 1099511628211u ^ (uintptr_t)l->device;
    hash = hash * 1099511628211u ^ (uintptr_t)l->kernel;
    hash = hash * 1099511628211u ^ (uint64_t)l->pid;
    hash *= UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ (hash >> 32);
}

static bool same(const jmi_kernel *k, const jmi_launch *l) {
    return k->kernel == l->kernel && k->pid == l->pid && k->device == l->device &&
           k->process == l->process;
}

static void place(jmi_kernels *kernels, uint32_t index) {
    const jmi_kernel *k = &kernels->all[index];
    jmi_launch l = {k->process, k->device, k->board, k->kernel, k->pid, 0, {0}};
    size_t at = hash_of(&l) & (kernels->slot_count - 1);
    while (kernels->slots[at] != 0) at = (at + 1) & (kernels->slot_count - 1);
    kernels->slots[at] = index + 1;
}

static bool grow(jmi_kernels *kernels) {
    if (kernels->count * 2 < kernels->slot_count) return true;
    size_t slot_count = kernels->slot_count == 0 ? 64 : kernels->slot_count * 2;
    uint32_t *slots = jmi_alloc(slot_count, sizeof *slots);
    if (slots == NULL) return false;
    free(kernels->slots);
    kernels->slots = slots;
    kernels->slot_count = slot_count;
    for (size_t i = 0; i < kernels->count; i++) place(kernels, (uint32_t)i);
    return true;
}

static jmi_kernel *find(jmi_kernels *kernels, const jmi_launch *l) {
    if (kernels->last < kernels->count && same(&kernels->all[kernels->last], l))
        return &kernels->all[kernels->last];
    if (kernels->slot_count > 0)
        for (size_t at = hash_of(l) & (kernels->slot_count - 1); kernels->slots[at] != 0;
             at = (at + 1) & (kernels->slot_count - 1))
            if (same(&kernels->all[kernels->slots[at] - 1], l)) {
                kernels->last = kernels->slots[at] - 1;
                return &kernels->all[kernels->last];
            }
    if (kernels->count == MOST_KERNELS || !grow(kernels) ||
        !jmi_reserve(&kernels->all, &kernels->capacity, kernels->count + 1, sizeof *kernels->all))
        return NULL;
    kernels->last = (uint32_t)kernels->count++;
    jmi_kernel *k = &kernels->all[kernels->last];
    *k = (jmi_kernel){.process = l->process,
                      .device = l->device,
                      .board = l->board,
                      .kernel = l->kernel,
                      .pid = l->pid};
    place(kernels, kernels->last);
    return k;
}

bool jmi_kernels_add(jmi_kernels *kernels, const jmi_launch *launch) {
    double measure[JMI_MEASURES];
    uint32_t approximate;
    jmi_kernel *k = find(kernels, launch);
    if (k == NULL) return false;
    double duration = jmi_launch_duration(launch);
    /* Launches without a time count alike, and next to nothing beside those with one. */
    double weight = isnan(duration) ? 1e-12 : duration;
    jmi_launch_measure(launch, measure, &approximate);
    k->launches++;
    k->approximate |= approximate;
    if (launch->board[0] != '\0') k->board = launch->board;
    if (launch->compute_capability != 0) k->compute_capability = launch->compute_capability;
    if (launch->value[JMI_COUNTER_SMS] > 0 && launch->value[JMI_COUNTER_SMS] < 1e6)
        k->sms = (uint32_t)launch->value[JMI_COUNTER_SMS];
    k->untimed += isnan(duration);
    if (!isnan(duration)) k->duration_s += duration;
    for (size_t i = 0; i < JMI_MEASURES; i++) {
        if (isnan(measure[i])) continue;
        k->sum[i] += weight * measure[i];
        k->weight[i] += weight;
    }
    return true;
}

void jmi_kernels_free(jmi_kernels *kernels) {
    free(kernels->all);
    free(kernels->slots);
}
