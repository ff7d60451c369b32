/* SPDX-License-Identifier: MIT */
/*
 * Randomness as a pure function of (seed, index): the same tick always has the same noise, in
 * every process and in any order of reading.
 */
#ifndef SIMGPU_RANDOM_H
#define SIMGPU_RANDOM_H

#include <math.h>
#include <stdint.h>

/* The finaliser of SplitMix64 (Steele, Lea, Flood 2014). */
static inline uint64_t simgpu_hash(uint64_t seed, uint64_t index) {
    uint64_t z = seed + (index + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Uniform on (0, 1), never an end. */
static inline double simgpu_uniform(uint64_t seed, uint64_t index) {
    return ((double)(simgpu_hash(seed, index) >> 11) + 0.5) * 0x1p-53;
}

/* Standard normal, by Box and Muller. */
static inline double simgpu_normal(uint64_t seed, uint64_t index) {
    double u = simgpu_uniform(seed, 2 * index);
    double v = simgpu_uniform(seed, 2 * index + 1);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

#endif
