#!/usr/bin/env python3
"""`joulemeter run --kernels` on a real GPU: times of kernels against torch.profiler, their energies
against each kernel's own long loop, what it costs, and whether it gets on with torch.profiler.

    kernels.py play WORK ...       the program that is measured: it knows nothing of joulemeter
    kernels.py --joulemeter COMMAND --folder DIR --out FILE [--scale S]
"""
import argparse
import json
import random
import subprocess
import sys
import time
from pathlib import Path

# ---- the program ------------------------------------------------------------------------------


def torch_on_cuda():
    import torch
    torch.cuda.init()
    torch.backends.cuda.matmul.allow_tf32 = True
    return torch


class Kernels:
    """Three kernels of three kinds: bound by arithmetic, by memory, and by their launch."""

    def __init__(self, torch):
        self.a = torch.randn(4096, 4096, device="cuda", dtype=torch.float16)
        self.b = torch.randn(4096, 4096, device="cuda", dtype=torch.float16)
        self.out = torch.empty_like(self.a)
        self.large = torch.randn(64 << 20, device="cuda")
        self.small = torch.randn(1024, device="cuda")
        self.work = {"matmul": lambda: torch.matmul(self.a, self.b, out=self.out),
                     "scale": lambda: self.large.mul_(1.0001),
                     "tiny": lambda: self.small.mul_(1.0001)}


def for_seconds(torch, seconds, what):
    """Calls a second, of calls in groups that each wait for the device."""
    calls, begin = 0, time.monotonic()
    while time.monotonic() < begin + seconds:
        for _ in range(50):
            what()
        torch.cuda.synchronize()
        calls += 50
    return calls / (time.monotonic() - begin)


def play(arguments):
    torch = torch_on_cuda()
    kernels = Kernels(torch)
    for one in kernels.work.values():
        one()
    torch.cuda.synchronize()
    told = {}
    if arguments.work == "mixed":  # each in a range, in random order so that readings see them apart
        generator, end = random.Random(1), time.monotonic() + arguments.seconds
        while time.monotonic() < end:
            name = generator.choice(("matmul", "scale"))
            torch.cuda.nvtx.range_push(name)
            for _ in range(generator.randrange(5, 60)):
                kernels.work[name]()
            torch.cuda.synchronize()
            torch.cuda.nvtx.range_pop()
    elif arguments.work == "profiled":
        from torch.profiler import ProfilerActivity, profile
        with profile(activities=[ProfilerActivity.CUDA]) as profiler:
            for name in ("matmul", "scale"):
                for _ in range(200):
                    kernels.work[name]()
            torch.cuda.synchronize()
        told["kernels"] = {e.key: [e.count, e.self_device_time_total]
                           for e in profiler.key_averages() if e.self_device_time_total > 0}
    else:
        told["calls_per_s"] = for_seconds(torch, arguments.seconds, kernels.work[arguments.work])
    print(json.dumps(told))


# ---- measuring it -----------------------------------------------------------------------------


class Bench:
    def __init__(self, arguments):
        self.joulemeter, self.folder = arguments.joulemeter, Path(arguments.folder)
        self.seconds = 3 * arguments.scale

    def play(self, work, *options, name=None, seconds=None):
        """What the program said; `options`: of `joulemeter run`, around it."""
        command = [sys.executable, __file__, "play", work, "--seconds", str(seconds or self.seconds)]
        if options:
            file = self.folder / f"kernels-{name or work}.jm"
            command = [self.joulemeter, "run", "-q", "-f", "-o", str(file), *options, "--", *command]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        try:
            return {"code": done.returncode, **json.loads(done.stdout.splitlines()[-1])}
        except (IndexError, ValueError):
            return {"code": done.returncode, "error": (done.stderr or done.stdout)[-400:]}

    def rows(self, name, query):
        done = subprocess.run([self.joulemeter, "sql", "--json",
                               str(self.folder / f"kernels-{name}.jm"), query],
                              capture_output=True, text=True, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else []

    def attribute(self, name, by):
        done = subprocess.run([self.joulemeter, "attribute", "--by", by, "--json",
                               str(self.folder / f"kernels-{name}.jm")],
                              capture_output=True, text=True, check=False)
        return json.loads(done.stdout)["parts"] if done.returncode == 0 else []

    def times(self):
        """Mean microseconds of a call of each kernel, by us and by torch.profiler."""
        theirs = self.play("profiled")
        self.play("mixed", "--kernels", name="times")
        ours = {r["name"]: r["us"] for r in self.rows(
            "times", "SELECT name, 1e6 * avg(duration_s) AS us FROM ranges "
            "WHERE category = 'kernel' GROUP BY name HAVING count(*) > 50")}
        return {"theirs": {n: us / count for n, (count, us) in theirs.get("kernels", {}).items()},
                "ours": ours, "error": theirs.get("error")}

    def parents(self):
        """Kernels by the range that launched them."""
        return self.rows("times", "SELECT p.name AS range, r.name AS kernel, count(*) AS calls "
                         "FROM range AS r JOIN range AS p ON p.id = r.parent "
                         "WHERE r.name != p.name GROUP BY 1, 2")

    def energies(self):
        """mJ of a call: from the mixed program, and from a loop of each kernel alone."""
        found = {"mixed": {p["name"]: p for p in self.attribute("times", "kernel")}, "alone": {}}
        for work in ("matmul", "scale"):
            self.play(work, "--kernels", name=f"alone-{work}")
            parts = self.attribute(f"alone-{work}", "kernel")
            if parts:
                found["alone"][parts[0]["name"]] = parts[0]
        return found

    def overhead(self):
        """Calls a second with and without, in pairs of random order."""
        rates = {work: {"without": [], "with": []} for work in ("matmul", "tiny")}
        generator = random.Random(2)
        for _ in range(3):
            for work, both in rates.items():
                order = ["without", "with"]
                generator.shuffle(order)
                for kind in order:
                    options = ("--kernels",) if kind == "with" else ("--no-nvtx",)
                    told = self.play(work, *options, name=f"cost-{work}", seconds=self.seconds / 2)
                    both[kind].append(told.get("calls_per_s"))
        return rates

    def together(self):
        """torch.profiler in a program whose kernels are recorded."""
        told = self.play("profiled", "--kernels", name="together")
        facts = {r["key"]: r["value"] for r in self.rows(
            "together", "SELECT * FROM info WHERE key LIKE 'kernels%'")}
        return {"code": told["code"], "profiled": len(told.get("kernels", {})), "facts": facts,
                "error": told.get("error")}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", nargs="?")
    parser.add_argument("work", nargs="?")
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--joulemeter")
    parser.add_argument("--folder", default=".")
    parser.add_argument("--out", default="kernels.json")
    parser.add_argument("--scale", type=float, default=1)
    arguments = parser.parse_args()
    if arguments.mode == "play":
        play(arguments)
        return
    found = {}
    try:
        torch_on_cuda()
    except Exception as error:  # noqa: BLE001 - whatever says that there is no CUDA
        found["skipped"] = f"no torch with CUDA ({type(error).__name__})"
    if not found:
        bench = Bench(arguments)
        for name in ("times", "parents", "energies", "together", "overhead"):
            found[name] = getattr(bench, name)()
            Path(arguments.out).write_text(json.dumps(found, indent=1), encoding="utf-8")
        found["facts"] = bench.rows("times", "SELECT * FROM info WHERE key LIKE 'kernels%'")
    Path(arguments.out).write_text(json.dumps(found, indent=1), encoding="utf-8")
    print(json.dumps(found)[:2000])


if __name__ == "__main__":
    main()
