/* NVML without its header: the library found at run time and its calls by the shape of their
 * arguments, so that one table drives the whole survey. Read-only calls alone. */
#ifndef SURVEY_NVML_H
#define SURVEY_NVML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NVML_OK = 0, NVML_FUNCTION_NOT_FOUND = 13 };

typedef union nvml_value {
    double d;
    unsigned ui;
    unsigned long ul;
    unsigned long long ull;
    long long sll;
    int si;
    unsigned short us;
} nvml_value;

typedef struct nvml_field {
    unsigned id;
    unsigned scope;
    int64_t time_us;
    int64_t latency_us;
    int type; /* 0 double, 1 unsigned, 2 unsigned long, 3 unsigned long long, 4 long long, ... */
    int result;
    nvml_value value;
} nvml_field;

typedef struct nvml_sample {
    uint64_t time_us;
    nvml_value value;
} nvml_sample;

_Static_assert(sizeof(nvml_field) == 40, "layout of nvmlFieldValue_t");
_Static_assert(offsetof(nvml_field, value) == 32, "layout of nvmlFieldValue_t");
_Static_assert(sizeof(nvml_sample) == 16, "layout of nvmlSample_t");

/* How a call takes its arguments, after the device. */
typedef enum nvml_shape {
    SHAPE_U32,       /* unsigned * */
    SHAPE_U64,       /* unsigned long long * */
    SHAPE_WHICH_U32, /* int which, unsigned * */
    SHAPE_BUFFER,    /* struct *, its version word first where `which` says one */
    SHAPE_WHICH_BUFFER,
    SHAPE_TEXT,   /* char *, unsigned length */
    SHAPE_LIST,   /* unsigned *count, struct * */
    SHAPE_FIELD,  /* one field `which` */
    SHAPE_FIELDS, /* energy and the powers in one call */
    SHAPE_SAMPLES /* samples of type `which` after the last seen */
} nvml_shape;

typedef struct nvml_call {
    const char *label;
    const char *symbol;
    nvml_shape shape;
    unsigned which;
} nvml_call;

typedef struct nvml_outcome {
    int result;
    double value; /* of the shapes that give a number */
    char text[96];
} nvml_outcome;

enum { SAMPLES_MOST = 1024 };

typedef struct nvml {
    void *library;
    void *device;
    int (*fields)(void *device, int count, nvml_field *fields);
    int (*samples)(void *device, int type, unsigned long long seen_us, int *value_type,
                   unsigned *count, nvml_sample *samples);
} nvml;

/* Opens the library and the device of that index. False: `why` says what failed. */
bool nvml_open(nvml *n, unsigned index, char *why, size_t size);
void nvml_close(nvml *n);

/* A text about the whole system or the device, "" where it has none. */
void nvml_system_text(const nvml *n, const char *symbol, char *text, size_t size);

/* The function of that name, NULL where the library has none. */
void *nvml_symbol(const nvml *n, const char *name);
void nvml_invoke(const nvml *n, const nvml_call *call, void *function, nvml_outcome *outcome);

double nvml_number(int type, const nvml_value *value);
/* One field; result in the field itself. */
void nvml_read_field(const nvml *n, unsigned id, unsigned scope, nvml_field *field);

int64_t now_ns(void);
void sleep_until_ns(int64_t t_ns);

#endif
