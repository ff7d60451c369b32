/* A CUPTI, and the one function of the CUDA driver that matters here, that do as they are told: the
 * program says what a GPU has done, and when the buffers are handed over. FAKE_CUPTI in the
 * environment lists what is wrong with it:
 *
 *   taken      another tool has the place; "taken by nsys": it says which
 *   early      calls are later than work that is timed to have begun before them
 *   old        of CUDA 10: no clock of the tool's, short records
 *   clock      no clock of the tool's; its own is another one
 *   nothing    no kind of record can be enabled
 *   hoard      full buffers are handed over at the end only
 *
 * FAKE_DEVICES lists the UUIDs of its devices, 32 hexadecimal digits each. */
#ifndef FAKE_CUPTI_H
#define FAKE_CUPTI_H

#include <stddef.h>
#include <stdint.h>

/* cuInit: has the library that CUDA_INJECTION64_PATH names loaded. */
void fake_init(void);
/* A context is made: CUPTI tells of devices. */
void fake_context(void);
/* The time, as records have it. */
uint64_t fake_now(void);
/* A buffer is asked for when one is needed, and handed over when it is full or here. `cut`: so many
 * bytes at its end are not valid. */
void fake_deliver(size_t cut);

typedef struct fake_work {
    const char *name; /* of a kernel */
    uint64_t start, end, bytes;
    uint32_t device, stream, graph;
    uint64_t node;
    int copy_kind;
} fake_work;
/* A call of the program that launches: its record, and that of the range that it is in. Returns the
 * number that ties them together. */
uint32_t fake_call(void);
/* What the GPU did for a call. */
void fake_kernel(uint32_t call, const fake_work *work);
void fake_copy(uint32_t call, const fake_work *work);
void fake_set(uint32_t call, const fake_work *work);
void fake_graph(uint32_t call, const fake_work *work);
/* Any bytes as a record; its kind is theirs. */
void fake_raw(const void *bytes, size_t count);
/* Another tool registers its functions over those that are there. */
void fake_take_over(void);

#endif
