"""What the Python package costs, and how right it is, beside what people use: rows for bench.py.

usage: python_rows.py BUILD TOOL     one tool in a process of its own, figures as JSON on stdout
"""
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import layer_rows

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SPEC = "h100,telegraph:100:400:0.2,seed=7"
WINDOWS_MS = (5, 20, 50, 100, 500)
TOOLS = ["joulemeter", "a PowerDL-like sampler", "Zeus", "CodeCarbon"]


def interpreter():
    venv = ROOT / ".venv" / "bin" / "python3"
    return str(venv) if venv.exists() else sys.executable


def environment(build, **more):
    path = f"{ROOT / 'python'}:{build / 'python'}"
    return dict(os.environ, PYTHONPATH=path, PYTHONWARNINGS="ignore", CUDA_VISIBLE_DEVICES="0",
                LD_LIBRARY_PATH=f"{build / 'simgpu'}:{os.environ.get('LD_LIBRARY_PATH', '')}",
                **more)


# ---- import, ranges, a loop ----

def import_ms(module, build, runs=15):
    """Median over fresh processes; the first, which may compile, does not count."""
    code = (f"import time; t = time.perf_counter(); import {module}; "
            "print(1e3 * (time.perf_counter() - t))")
    times = []
    for _ in range(runs + 1):
        done = subprocess.run([interpreter(), "-c", code], env=environment(build),
                              capture_output=True, text=True)
        if done.returncode != 0:
            return None
        times.append(float(done.stdout.split()[-1]))
    return statistics.median(times[1:])


def range_ns(kind):
    """Median duration of beginning and ending a range, an empty loop taken off."""
    import joulemeter as jm

    with jm.profile(join=False, gpu=False, cpu=False) as p:
        phase, batch = p.phase, p.batch

        def phases(n):
            for _ in range(n):
                with phase("train"):
                    pass

        def batches(n):
            for i in range(n):
                with batch(i, 32):
                    pass

        def nothing(n):
            for _ in range(n):
                pass

        def cost(function, n=1000):
            from_ns = time.perf_counter_ns()
            function(n)
            return (time.perf_counter_ns() - from_ns) / n

        run = {"phase": phases, "batch": batches}[kind]
        times = []
        for _ in range(200):
            times.append(cost(run) - cost(nothing))
            time.sleep(0.001)  # the collector has its turn
        return statistics.median(times)


def make_step():
    """A training step of a millisecond or so, on one thread."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(128, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    loss_of = torch.nn.CrossEntropyLoss()
    x, y = torch.randn(64, 128), torch.randint(0, 10, (64,))

    def step():
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def loop_slowdown(pairs=61, batches=200):
    """Percent by which batch-level profiling slows a training loop, the sampler's thread included:
    median of paired runs in random order, and half the width of its 95 % interval (by order
    statistics: other programs make outliers, which a mean would follow)."""
    import random

    import joulemeter as jm

    step = make_step()

    def bare():
        from_s = time.perf_counter()
        for _ in range(batches):
            step()
        return time.perf_counter() - from_s

    def profiled():
        with jm.profile(join=False) as p:
            with p.phase("train"):
                from_s = time.perf_counter()
                for i in range(batches):
                    with p.batch(i, 64):
                        step()
                return time.perf_counter() - from_s

    bare(), profiled()
    ratios = []
    for _ in range(pairs):
        order = [bare, profiled]
        random.shuffle(order)
        times = {run: run() for run in order}
        ratios.append(100 * (times[profiled] / times[bare] - 1))
    ratios.sort()
    reach = math.ceil(1.96 * math.sqrt(pairs) / 2)  # about the middle, a binomial's 95 %
    return statistics.median(ratios), (ratios[pairs // 2 + reach] - ratios[pairs // 2 - reach]) / 2


# ---- tools on the same simulated GPU ----

class Sampler:
    """As PowerDL samples: a thread, wall-clock sleeps, sums of samples strictly inside."""

    def __init__(self, interval_s=0.02):
        import pynvml

        pynvml.nvmlInit()
        self.nvml, self.handle = pynvml, pynvml.nvmlDeviceGetHandleByIndex(0)
        self.samples, self.stopped, self.interval_s = [], threading.Event(), interval_s
        self.thread = threading.Thread(target=self.poll)
        self.thread.start()

    def poll(self):
        while not self.stopped.is_set():
            power = self.nvml.nvmlDeviceGetPowerUsage(self.handle) / 1000
            self.nvml.nvmlDeviceGetUtilizationRates(self.handle)
            self.samples.append((time.monotonic_ns(), power))
            time.sleep(self.interval_s)

    def begin(self, _):
        pass

    def end(self, _):
        pass

    def energies(self, windows):
        out = []
        for begin, end in windows:
            inside = [s for s in self.samples if begin <= s[0] <= end]
            out.append(sum((b[0] - a[0]) * 1e-9 * (a[1] + b[1]) / 2
                           for a, b in zip(inside, inside[1:])))
        return out

    def stop(self):
        self.stopped.set()
        self.thread.join()


class Zeus:
    def __init__(self):
        from zeus.monitor import ZeusMonitor

        self.monitor, self.found = ZeusMonitor(gpu_indices=[0]), []

    def begin(self, i):
        self.monitor.begin_window(f"w{i}", sync_execution=False)

    def end(self, i):
        measurement = self.monitor.end_window(f"w{i}", sync_execution=False)
        if i >= 0:
            self.found.append(sum(measurement.gpu_energy.values()))

    def energies(self, _):
        return self.found

    def stop(self):
        pass


class CodeCarbon:
    def __init__(self):
        from codecarbon import OfflineEmissionsTracker

        self.tracker = OfflineEmissionsTracker(
            country_iso_code="FRA", measure_power_secs=1, save_to_file=False,
            log_level="critical", allow_multiple_runs=True)
        self.tracker.start()
        self.found = []

    def begin(self, i):
        self.tracker.start_task(f"t{i}")

    def end(self, i):
        data = self.tracker.stop_task(f"t{i}")
        if i >= 0:
            self.found.append(data.gpu_energy * 3.6e6)

    def energies(self, _):
        return self.found

    def stop(self):
        self.tracker.stop()


class Joulemeter:
    def __init__(self):
        import joulemeter as jm

        self.p, self.ranges = jm.profile(join=False, cpu=False), {}

    def begin(self, i):
        self.ranges[i] = self.p.begin("batch", "batch")

    def end(self, i):
        self.ranges[i].end()

    def energies(self, windows):
        return [self.ranges[i].energy("gpu0").energy_j for i in range(len(windows))]

    def stop(self):
        self.p.close()


MAKERS = dict(zip(TOOLS, (Joulemeter, Sampler, Zeus, CodeCarbon)))


def wait_until(t_ns):
    while time.monotonic_ns() < t_ns:
        time.sleep(max((t_ns - time.monotonic_ns()) * 1e-9 * 0.5, 0))


def run_tool(name, windows_of):
    """Costs of the tool, and its energies of windows of several lengths."""
    sys.path.insert(0, str(HERE))
    import peers

    before_mb, from_s = peers.resident_mb(), time.perf_counter()
    tool = MAKERS[name]()
    result = {"start_ms": 1e3 * (time.perf_counter() - from_s)}
    tool.begin(-1)
    tool.end(-1)
    windows, added, cpu, total = [], [], peers.cpu_s(), time.perf_counter()
    for length_ms, count in windows_of:
        for _ in range(count):
            i = len(windows)
            a = time.monotonic_ns()
            tool.begin(i)
            begin = time.monotonic_ns()
            wait_until(begin + length_ms * 1_000_000)
            b = time.monotonic_ns()
            tool.end(i)
            c = time.monotonic_ns()
            windows.append((begin, b))
            added.append((begin - a) + (c - b))
    result["cpu_pct"] = 100 * (peers.cpu_s() - cpu) / (time.perf_counter() - total)
    result["memory_mb"] = peers.resident_mb() - before_mb
    result["added_us"] = statistics.median(added) / 1e3
    result["windows"], result["energies"] = windows, tool.energies(windows)
    tool.stop()
    return result


def truth(build, state, windows):
    command = [str(build / "simgpu" / "simgpu-truth"), state, "0"]
    return [float(subprocess.run([*command, str(a), str(b)], check=True, capture_output=True,
                                 text=True).stdout) for a, b in windows]


def measure_tool(name, build):
    """(figures with mean |error| in percent for each window length, reason why there are none)"""
    with tempfile.TemporaryDirectory() as folder:
        state = os.path.join(folder, "state")
        subprocess.run([build / "simgpu" / "simgpu-truth", "--create", state, SPEC], check=True)
        done = subprocess.run([interpreter(), __file__, str(build), name], cwd=folder,
                              env=environment(build, JOULEMETER_SIMGPU_STATE=state),
                              capture_output=True, text=True, timeout=300)
        try:
            result = json.loads(done.stdout.strip().splitlines()[-1])
        except (ValueError, IndexError):
            lines = done.stderr.strip().splitlines()
            return None, lines[-1][:100] if lines else "it printed nothing"
        exact = truth(build, state, result["windows"])
    at = 0
    result["error_pct"] = {}
    for length_ms, count in plan():
        pairs = list(zip(result["energies"][at:at + count], exact[at:at + count]))
        result["error_pct"][length_ms] = 100 * statistics.mean(abs(e / t - 1) for e, t in pairs)
        at += count
    return result, ""


def plan():
    return [(ms, 40 if ms <= 100 else 12) for ms in WINDOWS_MS]


# ---- rows ----

def row(name, value, unit, target=None, goal=None, baseline=None, beside="", skipped=None):
    met = None if target is None or value is None else (
        value <= target if goal == "at most" else value >= target)
    made = {"name": name, "value": value, "unit": unit, "target": target, "goal": goal,
            "baseline": baseline, "beside": beside, "met": met}
    if skipped is not None:
        made["skipped"] = skipped
    return made


def child(build, what):
    done = subprocess.run([interpreter(), __file__, str(build), what], env=environment(build),
                          capture_output=True, text=True, timeout=300)
    try:
        return json.loads(done.stdout.strip().splitlines()[-1]), ""
    except (ValueError, IndexError):
        lines = done.stderr.strip().splitlines()
        return None, lines[-1][:100] if lines else "it printed nothing"


def own_rows(build, wanted):
    name = "import joulemeter"
    if wanted(name):
        ours, zeus = import_ms("joulemeter", build), import_ms("zeus.monitor", build, 3)
        yield row(name, ours, "ms", 30, "at most", zeus, "import of Zeus" if zeus else "",
                  None if ours else "the extension is not built")
    for kind in ("phase", "batch"):
        name = f"{kind} begin+end in Python, p50"
        if wanted(name):
            value, reason = child(build, kind)
            goal = (600, "at most") if kind == "phase" else (None, None)
            yield row(name, value, "ns", *goal, skipped=reason if value is None else None)
    name = "training loop in Python, slowed by profiled batches"
    if wanted(name):
        found, reason = child(build, "loop")
        if found is None:
            yield row(name, None, "%", skipped=reason)
        else:
            mean, half = found
            yield row(name, mean, "%", 0.5, "at most", half, "half-width of the 95 % interval")


def tool_rows(build, wanted):
    names = ["added time a window", "CPU time", "memory"]
    names += [f"error of {ms} ms windows" for ms in WINDOWS_MS]
    keys = ["added_us", "cpu_pct", "memory_mb"]
    if not any(wanted(f"{figure}: {tool} / joulemeter in Python") for figure in names for tool in TOOLS):
        return
    ours, reason = measure_tool(TOOLS[0], build)
    for tool in TOOLS[1:]:
        if ours is None:
            yield row(f"{tool} / joulemeter in Python", None, "x", skipped=reason)
            continue
        theirs, reason = measure_tool(tool, build)
        for i, figure in enumerate(names):
            name = f"{figure}: {tool} / joulemeter in Python"
            if not wanted(name):
                continue
            if theirs is None:
                yield row(name, None, "x", skipped=reason)
                continue
            get = (lambda r: r[keys[i]]) if i < 3 else (lambda r: r["error_pct"][WINDOWS_MS[i - 3]])
            unit = ["us", "% core", "MB"][i] if i < 3 else "% error"
            # A sampler that is asked for nothing at a window's edge adds nothing there.
            free = i == 0 and tool == "a PowerDL-like sampler"
            fact = free or i in (1, 2)
            yield row(name, get(theirs) / max(get(ours), 1e-9), "x", None if fact else 1,
                      None if fact else "at least", get(theirs),
                      f"{unit}; joulemeter {get(ours):.3g}")


def rows(build, only):
    def wanted(name):
        return only in name.lower()

    yield from own_rows(build, wanted)
    yield from layer_rows.rows(lambda what: child(build, what), row, wanted)
    yield from tool_rows(build, wanted)


def main():
    what = sys.argv[2]
    if what in ("phase", "batch"):
        result = range_ns(what)
    elif what == "loop":
        result = loop_slowdown()
    elif what == "layers":
        result = layer_rows.measure()
    else:
        result = run_tool(what, plan())
    print("\n" + json.dumps(result), flush=True)
    os._exit(0)  # whatever threads a tool leaves behind


if __name__ == "__main__":
    main()
