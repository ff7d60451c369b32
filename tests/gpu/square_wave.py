#!/usr/bin/env python3
"""A load in square waves at periods near a sensor's refresh, and at random: its edges are known.

For `joulemeter calibrate --load` (JOULEMETER_CALIBRATE_EDGES names the file that gets "NS,1" and
"NS,0"), for recordings (--edges FILE gets segment,on_ns,off_ns,sigma_ns) and as ranges within
`joulemeter run`.
"""
import argparse
import os
import random
import signal
import time

import bindings
from load import open_load, sleep_until

RATIOS = (1 / 2, 2 / 3, 3 / 4, 4 / 5, 6 / 5, 5 / 4, 4 / 3)


class Writer:
    """Where edges go, as they come: a load may be ended at any time."""

    def __init__(self, path):
        self.csv = open(path, "w", encoding="ascii") if path else None
        if self.csv:
            self.csv.write("segment,on_ns,off_ns,sigma_ns\n")
            self.csv.flush()  # whoever waits for the load now knows that it is ready
        calibrate = os.environ.get("JOULEMETER_CALIBRATE_EDGES")
        self.calibrate = open(calibrate, "a", encoding="ascii") if calibrate else None
        self.marks = bindings.Marks()

    def burst(self, segment, on_ns, off_ns, sigma_ns):
        if self.csv:
            self.csv.write(f"{segment},{on_ns},{off_ns},{sigma_ns:.0f}\n")
            self.csv.flush()
        if self.calibrate:
            self.calibrate.write(f"{on_ns},1\n{off_ns},0\n")
            self.calibrate.flush()
        self.marks.add(bindings.KERNEL, "on", on_ns, off_ns)

    def segment(self, name, begin_ns, end_ns):
        self.marks.add(bindings.PHASE, name, begin_ns, end_ns)


class Wave:
    def __init__(self, load, writer, end_ns):
        self.load, self.writer, self.end_ns = load, writer, end_ns
        self.stopped = False

    def over(self, end_ns):
        return self.stopped or time.monotonic_ns() >= min(end_ns, self.end_ns)

    def run(self, name, seconds, dwells):
        """Bursts and pauses by `dwells`, pairs of seconds on and off."""
        begin = time.monotonic_ns()
        end, next_on = begin + int(seconds * 1e9), begin
        while not self.over(end):
            on_s, off_s = next(dwells)
            sleep_until(next_on)
            burst = self.load.burst(on_s)
            self.writer.burst(name, *burst)
            next_on = burst[0] + int((on_s + off_s) * 1e9)
        self.writer.segment(name, begin, time.monotonic_ns())


def steady(half_s):
    while True:
        yield half_s, half_s


def telegraph(mean_s, chance):
    def dwell():
        return min(6 * mean_s, max(0.05 * mean_s, chance.expovariate(1 / mean_s)))
    while True:
        yield dwell(), dwell()


def run_round(wave, options, chance):
    for ratio in RATIOS:
        if not wave.over(wave.end_ns):
            wave.run(f"x{ratio:.3f}", options.segment, steady(options.period * ratio / 2))
    if not wave.over(wave.end_ns):
        wave.run("telegraph", 3 * options.segment, telegraph(options.period, chance))
    # Long dwells last: they show the two powers themselves.
    if not wave.over(wave.end_ns):
        wave.run("slow", options.segment, steady(2.7 * options.period))


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", choices=("torch", "channel"), default="torch")
    parser.add_argument("--period", type=float, default=0.1, help="the sensor's refresh, s")
    parser.add_argument("--segment", type=float, default=2, help="seconds at each period")
    parser.add_argument("--seconds", type=float, help="default: $JOULEMETER_CALIBRATE_SECONDS, 60")
    parser.add_argument("--once", action="store_true", help="end after one round of all periods")
    parser.add_argument("--hold", action="store_true", help="open the device and stay idle")
    parser.add_argument("--telegraph", action="store_true", help="random dwells only")
    parser.add_argument("--edges", help="CSV of the edges")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.seconds is None:
        options.seconds = float(os.environ.get("JOULEMETER_CALIBRATE_SECONDS", "60"))
    return options


def main():
    options = parse()
    end_ns = time.monotonic_ns() + int(options.seconds * 1e9)
    load, chance = open_load(options.backend), random.Random(options.seed)
    writer = Writer(options.edges)
    if options.hold:
        sleep_until(end_ns)
        return
    wave = Wave(load, writer, end_ns)
    signal.signal(signal.SIGTERM, lambda *_: setattr(wave, "stopped", True))
    wave.run("warm-up", 0.5, steady(0.02))
    while not wave.over(end_ns):
        if options.telegraph:
            wave.run("telegraph", options.seconds, telegraph(1.5 * options.period, chance))
        else:
            run_round(wave, options, chance)
        if options.once:
            break
    writer.marks.close()


if __name__ == "__main__":
    main()
