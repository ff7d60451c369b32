/* What the benchmarks share. Each file measures one thing and adds its rows. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "rows.h"

#include <joulemeter.h>

#include <stddef.h>
#include <stdint.h>

void bench_ranges(rows *all);                       /* begin and end, by threads and GPUs */
void bench_nvtx(rows *all);                         /* push and pop, recorded and not */
void bench_sensors(rows *all);                      /* reading CPU and DRAM */
void bench_sampler(rows *all);                      /* its share of a core; opening; memory */
void bench_command(rows *all, const char *command); /* joulemeter run over the bare command */
void bench_energy(rows *all);                       /* energies of many ranges over many samples */
void bench_store(rows *all);                        /* writing and opening files */
void bench_tables(rows *all);                       /* tables of many rows */
void bench_figures(rows *all);                      /* figures of many samples */
void bench_attribute(rows *all);                    /* energy of many kernels, few readings */
void bench_profiles(rows *all);                     /* reading CSVs of Nsight Compute */

/* A recording of one GPU, with so many samples of its power and as many of its counter, a step
 * apart. */
enum { BENCH_SAMPLES = 5 * 1000 * 1000, BENCH_STEP_NS = 20 * 1000 * 1000 };
jm_recording *bench_samples(void);

/* Sorts `values`. q in 0..1; NaN if there are none. */
double bench_quantile(double *values, size_t count, double q);
/* Opens a session on simulated GPUs ("64*h100"), with JM_SESSION_* flags; ends the program if that
 * fails. */
jm_session *bench_session(const char *simulate, uint64_t poll_ns, uint32_t flags);
/* kB of a line of /proc/self/status ("VmRSS"), and a number of /proc/self/io ("rchar"). */
double bench_proc_kb(const char *name);
double bench_proc_io(const char *name);
/* Runs `measure` in a forked child, where earlier benchmarks left no memory behind; it fills
 * `results`. False if the child failed. */
bool bench_in_child(void (*measure)(double *results), double *results, size_t count);
void bench_sleep(double seconds);
/* $TMPDIR or /tmp, with a file name unique to this process. */
void bench_temp_path(char *path, size_t size, const char *name);

#endif
