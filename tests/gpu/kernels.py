#!/usr/bin/env python3
"""`joulemeter run --kernels` on a real GPU: times of kernels against torch.profiler, their energies
against each kernel's own long loop, what it costs, and whether it gets on with torch.profiler.

    kernels.py play WORK ...       the program that is measured: it knows nothing of joulemeter
    kernels.py --joulemeter COMMAND --folder DIR --out FILE [--scale S]
"""
import argparse
import contextlib
import json
import random
import subprocess
import sys
import time
from pathlib import Path

# ---- the program ------------------------------------------------------------------------------

class Device:
    """A GPU; or the CPU, on which the programs run as well and do nothing that could be recorded."""

    def __init__(self, name):
        import torch
        self.torch, self.name = torch, name
        if name == "cuda":
            torch.cuda.init()
            torch.backends.cuda.matmul.allow_tf32 = True
            self.push, self.pop = torch.cuda.nvtx.range_push, torch.cuda.nvtx.range_pop
            self.wait, self.half, self.large = torch.cuda.synchronize, torch.float16, 4096
            return
        import nvtx  # PyTorch without CUDA has no NVTX
        torch.set_num_threads(1)
        self.push, self.pop = nvtx.push_range, nvtx.pop_range
        self.wait, self.half, self.large = (lambda: None), torch.float32, 64

    def randn(self, *shape, dtype=None):
        return self.torch.randn(*shape, device=self.name, dtype=dtype)

    @contextlib.contextmanager
    def range(self, name):
        self.push(name)
        yield
        self.pop()


class Kernels:
    """Three kernels of three kinds: bound by arithmetic (cuBLAS), by memory, and by their launch."""

    def __init__(self, device):
        self.a = device.randn(device.large, device.large, dtype=device.half)
        self.b = device.randn(device.large, device.large, dtype=device.half)
        self.out = device.torch.empty_like(self.a)
        self.large = device.randn(device.large << 14 if device.name == "cuda" else 4096)
        self.small = device.randn(1024)
        self.work = {"matmul": lambda: device.torch.matmul(self.a, self.b, out=self.out),
                     "scale": lambda: self.large.mul_(1.0001),
                     "tiny": lambda: self.small.mul_(1.0001)}


def training(device):
    """One step of a small convolutional network, each part of it in a range."""
    torch = device.torch
    from torch import nn
    torch.manual_seed(1)
    width, size = (64, 64) if device.name == "cuda" else (4, 8)
    model = nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1),
        nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * width, 10)).to(device.name)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    x = device.randn(size, 3, size, size)
    y = torch.randint(10, (size,), device=device.name)

    def step():
        with device.range("forward"):
            loss = nn.functional.cross_entropy(model(x), y)
        with device.range("backward"):
            loss.backward()
        with device.range("optimizer"):
            optimizer.step()
            optimizer.zero_grad()
        device.wait()
    return step


def generation(device):
    """32 tokens of a small GPT-2 that knows nothing: its weights are random."""
    from transformers import GPT2Config, GPT2LMHeadModel
    torch = device.torch
    torch.manual_seed(1)
    width = 1024 if device.name == "cuda" else 32
    config = GPT2Config(n_embd=width, n_layer=4, n_head=4, vocab_size=1000, n_positions=128,
                        bos_token_id=0, eos_token_id=0)
    model = GPT2LMHeadModel(config).to(device.name).eval()
    tokens = torch.randint(1, 1000, (8, 16), device=device.name)

    def generate():
        with device.range("generate"), torch.no_grad():
            model.generate(tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=32,
                           min_new_tokens=32, do_sample=False, pad_token_id=0)
            device.wait()
    return generate


PROGRAMS = {"training": training, "generation": generation}


def for_seconds(device, seconds, what, group=50):
    """Calls a second, of calls in groups that each wait for the device."""
    calls, begin = 0, time.monotonic()
    while time.monotonic() < begin + seconds:
        for _ in range(group):
            what()
        device.wait()
        calls += group
    return calls / (time.monotonic() - begin)


def profiled(device, what):
    """{kernel: [calls, device time in us]} by torch.profiler."""
    from torch.profiler import ProfilerActivity, profile
    on_gpu = device.name == "cuda"
    with profile(activities=[ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU]) as profiler:
        what()
        device.wait()
    return {e.key: [e.count, e.self_device_time_total]
            for e in profiler.key_averages() if e.self_device_time_total > 0}


def mixed(device, kernels, seconds):
    """Each in a range, in random order so that readings see them apart."""
    generator, end = random.Random(1), time.monotonic() + seconds
    while time.monotonic() < end:
        name = generator.choice(("matmul", "scale"))
        with device.range(name):
            for _ in range(generator.randrange(5, 60)):
                kernels.work[name]()
            device.wait()


def play(arguments):
    device = Device(arguments.device)
    told = {}
    work = arguments.work.removeprefix("profiled-")
    if work in PROGRAMS:
        what = PROGRAMS[work](device)
        what()  # what is made at the first call is none of its kernels
        if work != arguments.work:
            calls = 30 if device.name == "cuda" else 1
            told["kernels"] = profiled(device, lambda: [what() for _ in range(calls)])
        else:
            told["calls_per_s"] = for_seconds(device, arguments.seconds, what, group=1)
        print(json.dumps(told))
        return
    kernels = Kernels(device)
    for one in kernels.work.values():
        one()
    device.wait()
    if work == "mixed":
        mixed(device, kernels, arguments.seconds)
    elif work == "profiled":
        told["kernels"] = profiled(device, lambda: [
            kernels.work[name]() for name in ("matmul", "scale") for _ in range(200)])
    else:
        told["calls_per_s"] = for_seconds(device, arguments.seconds, kernels.work[work])
    print(json.dumps(told))


# ---- measuring it -----------------------------------------------------------------------------


class Bench:
    def __init__(self, arguments):
        self.joulemeter, self.folder = arguments.joulemeter, Path(arguments.folder)
        self.seconds, self.device = 3 * arguments.scale, arguments.device
        self.cuda_program = arguments.cuda_program
        self.codes = {}  # of the programs that ran

    def play(self, work, *options, name=None, seconds=None):
        """What the program said; `options`: of `joulemeter run`, around it."""
        command = [sys.executable, __file__, "play", work, "--device", self.device,
                   "--seconds", str(seconds or self.seconds)]
        return self.run(command, *options, name=name or work)

    def run(self, command, *options, name):
        if options:
            file = self.folder / f"kernels-{name}.jm"
            command = [self.joulemeter, "run", "-q", "-f", "-o", str(file), *options, "--", *command]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        except subprocess.TimeoutExpired as late:
            done = subprocess.CompletedProcess(command, 124, "", str(late))
        self.codes[name] = self.codes.get(name) or done.returncode
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

    def both(self, theirs, name):
        """Mean microseconds of a call of each kernel, by us and by torch.profiler, and its share."""
        ours = {r["name"]: r["us"] for r in self.rows(
            name, "SELECT name, 1e6 * avg(duration_s) AS us FROM ranges "
            "WHERE category = 'kernel' GROUP BY name HAVING count(*) > 50")}
        kernels = theirs.get("kernels", {})
        whole = sum(us for _, us in kernels.values())
        return {"theirs": {n: us / count for n, (count, us) in kernels.items()}, "ours": ours,
                "share": {n: us / whole for n, (_, us) in kernels.items()},
                "parents": self.parents(name), "error": theirs.get("error")}

    def times(self):
        theirs = self.play("profiled")
        self.play("mixed", "--kernels", name="times")
        return self.both(theirs, "times")

    def programs(self):
        """Likewise of a training step and of generation."""
        found = {}
        for name in PROGRAMS:
            theirs = self.play(f"profiled-{name}")
            self.play(name, "--kernels")
            found[name] = self.both(theirs, name)
        return found

    def cuda(self):
        """A program in CUDA C that marks its phases by joulemeter's own interface."""
        if not self.cuda_program:
            return None
        told = self.run([self.cuda_program], "--kernels", name="cuda")
        return {"code": told["code"], "parents": self.parents("cuda"), "error": told.get("error")}

    def parents(self, name):
        """Kernels by the range that launched them."""
        return self.rows(name, "SELECT p.name AS range, r.name AS kernel, count(*) AS calls "
                         "FROM range AS r JOIN range AS p ON p.id = r.parent "
                         "WHERE r.id IN (SELECT id FROM ranges WHERE category = 'kernel') "
                         "GROUP BY 1, 2")

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
        for _ in range(3 if self.device == "cuda" else 1):
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
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--cuda-program")
    arguments = parser.parse_args()
    if arguments.mode == "play":
        play(arguments)
        return
    found = {"device": arguments.device}
    try:
        Device(arguments.device)
    except Exception as error:  # noqa: BLE001 - whatever says that there is no CUDA
        found["skipped"] = f"no torch with {arguments.device} ({type(error).__name__}: {error})"
    if "skipped" not in found:
        bench = Bench(arguments)
        for name in ("times", "programs", "cuda", "energies", "together", "overhead"):
            found[name] = getattr(bench, name)()
            found["codes"] = bench.codes
            Path(arguments.out).write_text(json.dumps(found, indent=1), encoding="utf-8")
        found["facts"] = bench.rows("times", "SELECT * FROM info WHERE key LIKE 'kernels%'")
    Path(arguments.out).write_text(json.dumps(found, indent=1), encoding="utf-8")
    print(json.dumps(found)[:2000])


if __name__ == "__main__":
    main()
