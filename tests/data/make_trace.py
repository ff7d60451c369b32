#!/usr/bin/env python3
"""Writes training-trace.csv: the power of an imagined training run, by formula, every 20 ms.

1 s idle at 55 W; then epochs of 2.5 s: a ramp of 0.2 s, steps of 0.1 s that swing about 210 W, a
validation of 0.4 s at 140 W; at the end 1 s idle. Readings hold for 100 ms, as those of an A100.
"""
import math
import sys


def power(t):
    if t < 1 or t >= 11:
        return 55.0 + 0.4 * math.sin(5 * t)
    into = (t - 1) % 2.5
    if into < 0.2:
        return 55 + 155 * into / 0.2
    if into >= 2.1:
        return 140 + 3 * math.sin(11 * t)
    return 210 + 35 * math.copysign(1, math.sin(2 * math.pi * into / 0.1)) + 4 * math.sin(3 * t)


def main():
    out = sys.stdout
    out.write("t_ms,power_w,gpu_util_pct,temp_c,sm_clock_mhz\n")
    for i in range(600):
        t = i * 0.02
        held = power(math.floor(t * 10) / 10)
        busy = 1 <= t < 11
        temp = 37 + (18 * (1 - math.exp(-(t - 1) / 6)) if busy else 0)
        out.write(f"{i * 20},{held:.2f},{97 if busy else 0},{temp:.0f},{1410 if busy else 210}\n")


main()
