#!/usr/bin/env python3
"""./dev soak [--minutes N]: measures for a long time under faults of the simulated GPU.

First 50 processes write 200 rows each into one logbook, and ten of them are killed: no row that
was acknowledged may be lost. Then, round after round: `joulemeter run` on simulated boards that hang, vanish, reset or refuse; now and
then it is killed. Afterwards every file must open, the command must not have crashed, and its
memory must not have grown with time.
"""
import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMAND = ROOT / "build" / "joulemeter"
FAULTS = ["", "fault=lost@200", "fault=hang@300:2", "fault=reset@3", "fault=driver530",
          "fault=notsupported=field186", "fault=noperm=nvmlDeviceGetTotalEnergyConsumption"]
MODELS = ["v100", "a100", "h100", "rtx4090"]
GROWTH_KB = 5 * 1024
WRITERS = ROOT / "build/tests/logbook/test_logbook_writers"


def write_log():
    """Many writers of one logbook; what they came to."""
    many = os.environ | {"JOULEMETER_LOG_WRITERS": "50", "JOULEMETER_LOG_WRITES": "200"}
    begin = time.monotonic()
    done = subprocess.run([WRITERS], env=many, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    found = re.search(r"^\d+ writers.*", said, re.M)
    if done.returncode != 0 or found is None:
        raise RuntimeError(f"the logbook: {said.strip()}")
    return f"{found[0]}, none of them lost, in {time.monotonic() - begin:.0f} s"


def resident_kb(pid):
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def simulation(rng):
    fault = rng.choice(FAULTS)
    parts = [rng.choice(MODELS), "telegraph:80:300:0.2", f"seed={rng.randrange(1000)}"]
    return ",".join(parts + ([fault] if fault else []))


def watch(process, seconds, kill_after):
    """Waits; returns (early, late) resident memory in kB, None if it was killed or too short."""
    sizes = []
    begin = time.monotonic()
    while process.poll() is None:
        elapsed = time.monotonic() - begin
        if kill_after and elapsed > kill_after:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return None
        if elapsed > seconds + 30:
            process.kill()
            process.wait()
            raise RuntimeError(f"it did not end {elapsed:.0f} s after its start")
        sizes.append(resident_kb(process.pid))
        time.sleep(0.25)
    sizes = [size for size in sizes if size]
    third = len(sizes) // 3
    return (max(sizes[third:2 * third]), max(sizes[2 * third:])) if third > 2 else None


def one_round(rng, folder, seconds):
    path = folder / "soak.jm"
    path.unlink(missing_ok=True)
    spec = simulation(rng)
    kill_after = rng.uniform(0.5, seconds) if rng.random() < 0.3 else 0
    command = [COMMAND, "run", "--quiet", "-i", "1ms", "-o", path, "--simulate", spec, "--",
               "sleep", str(seconds)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    memory = watch(process, seconds, kill_after)
    complaint = process.stderr.read().strip()
    if not kill_after and process.returncode != 0:
        raise RuntimeError(f"{spec}: exit code {process.returncode}: {complaint}")
    if memory and memory[1] > memory[0] + GROWTH_KB:
        raise RuntimeError(f"{spec}: memory grew from {memory[0]} to {memory[1]} kB")
    if path.exists():
        shown = subprocess.run([COMMAND, "show", path], capture_output=True, text=True)
        if shown.returncode != 0:
            raise RuntimeError(f"{spec}: the file does not open: {shown.stderr.strip()}")
    elif not kill_after or kill_after > 2:
        raise RuntimeError(f"{spec}: there is no file")
    return "killed" if kill_after else "ended", spec


def main():
    parser = argparse.ArgumentParser(prog="./dev soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    args = parser.parse_args()
    rng = random.Random(args.seed)
    until = time.monotonic() + 60 * args.minutes
    rounds, failures = 0, []
    print(f"soak: {args.minutes:g} minutes, --seed {args.seed}", flush=True)
    try:
        print(f"soak: logbook: {write_log()}", flush=True)
    except (OSError, RuntimeError) as error:
        failures.append(str(error))
        print(f"soak: logbook FAILED: {error}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        while time.monotonic() < until:
            seconds = min(rng.choice([4, 8, 20, 60]), max(4, int(until - time.monotonic())))
            rounds += 1
            try:
                how, spec = one_round(rng, Path(name), seconds)
                print(f"soak: round {rounds}: {how} within {seconds} s under {spec}", flush=True)
            except RuntimeError as error:
                failures.append(str(error))
                print(f"soak: round {rounds} FAILED: {error}", flush=True)
    print(f"soak: {rounds} rounds, {len(failures)} failed")
    return 1 if failures else 0


sys.exit(main())
