#!/usr/bin/env python3
"""Energies of a model's layers, by every method of LayerPowerProfiler, beside those of each layer
alone in a long loop, by the board's counter. Writes one JSON object and a table."""
import argparse
import csv
import json
import math
import os
import random
import statistics
import time

METHODS = ("replay", "dither", "passive", "time_share", "boundary")
DEVICE = "gpu0"
COLUMNS = ("layer", "type", "method", "calls", "time_us", "loop_us", "traced_us", "truth_j",
           "truth_u95_j", "energy_j", "u95_j", "random_u95_j", "ratio", "bound_only", "group")


class Subject:
    """The model, what it is given, and how to wait for its device."""

    def __init__(self, backend):
        import torch
        from layer_models import autocast, open_model

        self.torch = torch
        self.model, self.input = open_model(backend)
        self.kind = self.input.device.type
        self.context = lambda: autocast(self.kind)
        self.leaves = {name: module for name, module in self.model.named_modules()
                       if not list(module.children())}

    def wait(self):
        if self.kind == "cuda":
            self.torch.cuda.synchronize()

    def forward(self):
        with self.torch.no_grad():
            return self.model(self.input)

    def captured(self):
        """{layer: what it was given in the model}."""
        kept, hooks = {}, []
        for name, module in self.leaves.items():
            def keep(_, args, name=name):
                kept[name] = tuple(arg.detach().clone() for arg in args)
            hooks.append(module.register_forward_pre_hook(keep))
        self.forward()
        for hook in hooks:
            hook.remove()
        return kept

    def hooks_left(self):
        """Modules on which something was left."""
        return [name or "(model)" for name, module in self.model.named_modules()
                if "forward" in vars(module) or module._forward_hooks or module._forward_pre_hooks]

    def forward_s(self):
        """The median time of a forward pass."""
        times = []
        for _ in range(7):
            self.wait()
            begin = time.perf_counter()
            self.forward()
            self.wait()
            times.append(time.perf_counter() - begin)
        return statistics.median(times)


# ---- the truth: each layer alone ----------------------------------------------------------------

def repeated(subject, call, seconds):
    """Calls for about so long, waiting for the device each 20 ms; how many there were."""
    end, count, chunk = time.perf_counter() + seconds, 0, 1
    while True:
        before = time.perf_counter()
        for _ in range(chunk):
            call()
        subject.wait()
        after = time.perf_counter()
        count += chunk
        if after >= end:
            return count
        each = max((after - before) / chunk, 1e-7)
        chunk = int(min(max(min(0.02, end - after) / each, 1), 2 * chunk))


def energy_of(window):
    """By the counter, else by what there is."""
    import joulemeter

    for method in ("counter", "auto"):
        try:
            energy = window.energy(device=DEVICE, method=method)
        except joulemeter.JoulemeterError:
            continue
        if energy.energy_j == energy.energy_j:
            return energy, method
    raise SystemExit(f"{DEVICE}: no sensor of power or energy was read")


def truths(subject, seconds):
    """{layer: joules of a call, and how they were found}."""
    import joulemeter

    windows, found = {}, {}
    given = subject.captured()
    with joulemeter.profile("layers alone", cpu=False, join=False) as profiler:
        for name, module in subject.leaves.items():
            args = given.pop(name)
            with subject.torch.no_grad(), subject.context():
                repeated(subject, lambda: module(*args), 0.3)  # the power settles
                window = profiler.begin(name, "layer")
                began = time.perf_counter()
                count = repeated(subject, lambda: module(*args), seconds)
                lasted = time.perf_counter() - began
                profiler.end(window)
            windows[name] = window, count, lasted
        time.sleep(1)  # what the sensors show is late
        for name, (window, count, lasted) in windows.items():
            energy, by = energy_of(window)
            found[name] = {"calls": count, "loop_s": lasted / count, "by": by,
                           "energy_j": energy.energy_j / count, "u95_j": energy.u95_j / count,
                           "mean_power_w": energy.energy_j / lasted,
                           "type": type(subject.leaves[name]).__name__}
            if hasattr(subject.leaves[name], "watts"):  # what the simulated board was told to draw
                found[name]["set_w"] = subject.leaves[name].watts
    return found


# ---- within the model ---------------------------------------------------------------------------

# Of each method: seconds of runs that energies are told of, and of further ones at most.
TIMES = {"replay": (1, 12), "dither": (0.1, 10), "passive": (5, 0), "time_share": (2, 0),
         "boundary": (2, 0)}


def estimates(subject, method, scale):
    """What LayerPowerProfiler says of the layers, by one method."""
    from joulemeter import LayerPowerProfiler

    counted, most = (scale * seconds for seconds in TIMES[method])
    runs = max(8, math.ceil(counted / subject.forward_s()))
    profiler = LayerPowerProfiler(subject.model, method=method, device=DEVICE, cpu=False,
                                  max_seconds=most, progress=False)
    began = time.perf_counter()
    profiler.profile(subject.input, num_runs=runs)
    told = {"used": profiler.method_used, "choice": profiler.choice, "num_runs": runs,
            "seconds": time.perf_counter() - began, "settled": profiler.settled,
            "hooks_left": subject.hooks_left(), "check": profiler.check}
    if profiler.attribution is not None:
        told["diagnostics"] = profiler.attribution.diagnostics
        told["groups"] = [group["parts"] for group in profiler.attribution.groups]
        told["parts"] = {part["name"]: {key: part[key] for key in (
            "calls", "time_s", "energy_j", "energy_u95_j", "u_random_j", "lower_j", "upper_j",
            "bound_only", "group")} for part in profiler.attribution.parts}
    return told


# ---- what watching costs, and whether its times are true -----------------------------------------

def watched_pass(subject, watch):
    """How long a forward pass takes."""
    watch.clock.start()
    begin = time.perf_counter()
    subject.forward()
    subject.wait()
    lasted = time.perf_counter() - begin
    watch.finish()
    watch.take()
    return lasted


def watching(subject, seconds):
    """The median time of a forward pass with hooks on the model and without, from pairs of blocks."""
    from joulemeter import _hooks

    chance, pairs = random.Random(1), []
    passes = max(3, int(0.1 / subject.forward_s()))
    end = time.perf_counter() + seconds
    while len(pairs) < 4 or time.perf_counter() < end:
        pair, order = {}, ["with", "without"]
        chance.shuffle(order)
        for name in order:
            watch = _hooks.Watch(subject.model)
            watch.clock.prepare(4 * len(watch.parts))
            if name == "with":
                with watch:
                    times = [watched_pass(subject, watch) for _ in range(passes)]
            else:
                times = [watched_pass(subject, watch) for _ in range(passes)]
            pair[name] = statistics.median(times)
        pairs.append(pair)
    added = statistics.quantiles([pair["with"] - pair["without"] for pair in pairs], n=4)
    return {"pairs": len(pairs), "passes": passes, "modules": len(watch.parts),
            "with_s": statistics.median(pair["with"] for pair in pairs),
            "without_s": statistics.median(pair["without"] for pair in pairs),
            "added_p25_s": added[0], "added_p50_s": added[1], "added_p75_s": added[2]}


def kernels_us(event):
    return (sum(kernel.duration for kernel in event.kernels)
            + sum(kernels_us(child) for child in event.cpu_children))


def traced(subject, runs=10):
    """Seconds of each layer as torch.profiler sees them: its kernels, or the CPU's time."""
    torch, open_ranges, hooks = subject.torch, [], []
    kinds = torch.profiler.ProfilerActivity
    activities = [kinds.CPU] + ([kinds.CUDA] if subject.kind == "cuda" else [])

    def begin(name):
        open_ranges.append(torch.profiler.record_function("layer " + name))
        open_ranges[-1].__enter__()

    for name, module in subject.leaves.items():
        hooks.append(module.register_forward_pre_hook(lambda *_, name=name: begin(name)))
        hooks.append(module.register_forward_hook(
            lambda *_: open_ranges.pop().__exit__(None, None, None)))
    try:
        with torch.profiler.profile(activities=activities) as profiler:
            for _ in range(runs):
                subject.forward()
            subject.wait()
    finally:
        for hook in hooks:
            hook.remove()
    times = dict.fromkeys(subject.leaves, 0.0)
    for event in profiler.events():
        name = event.name[len("layer "):] if event.name.startswith("layer ") else None
        if name in times and "CPU" in str(event.device_type):
            lasted = event.cpu_time_total
            if subject.kind == "cuda":  # not the range's own: that is no kernel
                lasted = sum(kernels_us(child) for child in event.cpu_children)
            times[name] += lasted * 1e-6 / runs
    if not any(times.values()):
        return {"skipped": "torch.profiler saw none of the layers' work"}
    return {"of": "kernels" if subject.kind == "cuda" else "the CPU", "layers": times}


# ---- all of it ----------------------------------------------------------------------------------

def table(found):
    """A row for each layer and method."""
    times = found.get("traced", {}).get("layers", {})
    for method, told in found["methods"].items():
        for name, part in told.get("parts", {}).items():
            truth = found["truth"].get(name, {})
            calls = max(part["calls"], 1)
            energy, true = part["energy_j"] / calls, truth.get("energy_j")
            yield {
                "layer": name, "type": truth.get("type"), "method": method, "calls": part["calls"],
                "time_us": 1e6 * part["time_s"] / calls,
                "loop_us": 1e6 * truth["loop_s"] if truth else None,
                "traced_us": 1e6 * times[name] if name in times else None,
                "truth_j": true, "truth_u95_j": truth.get("u95_j"), "energy_j": energy,
                "u95_j": part["energy_u95_j"] / calls,
                "random_u95_j": 1.96 * part["u_random_j"] / calls, "ratio": energy / true if true else None,
                "bound_only": int(part["bound_only"]), "group": part["group"]}


def without_nan(value):
    """JSON knows none."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def keep(found, path):
    """Writes what is there so far, should anything end this."""
    rows = without_nan(list(table(found)))
    with open(path + ".new", "w", encoding="utf-8") as out:
        json.dump(without_nan(found) | {"table": rows}, out, indent=1, allow_nan=False, default=str)
    os.replace(path + ".new", path)
    with open(os.path.splitext(path)[0] + ".csv", "w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: f"{value:.6g}" if isinstance(value, float) else value
                          for key, value in row.items()} for row in rows)


def missing():
    """Why nothing can be measured, or None."""
    try:
        import torch  # noqa: F401

        import joulemeter  # noqa: F401
    except (ImportError, OSError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def timed(name, seconds, function, *arguments):
    begin = time.perf_counter()
    result = function(*arguments)
    seconds[name] = round(time.perf_counter() - begin, 2)
    print(f"{name}: {seconds[name]:.1f} s", flush=True)
    return result


def attempt_trace(subject):
    try:
        return traced(subject)
    except Exception as error:  # of a version or a driver that is not ours to mend
        return {"skipped": f"{type(error).__name__}: {error}"}


def measured(options):
    found = {"backend": options.backend, "truth": {}, "methods": {}, "seconds": {}}
    spent = found["seconds"]
    subject = timed("open", spent, Subject, options.backend)
    found["forward_s"] = timed("warm-up", spent, subject.forward_s)
    alone_s = max(2.0 * options.scale, 1.0)  # some refreshes of the counter at least
    found["truth"] = timed("truth", spent, truths, subject, alone_s)
    keep(found, options.out)
    for method in METHODS:
        found["methods"][method] = timed(method, spent, estimates, subject, method, options.scale)
        keep(found, options.out)
    found["watching"] = timed("watching", spent, watching, subject, 2 * options.scale)
    keep(found, options.out)
    found["traced"] = timed("traced", spent, attempt_trace, subject)
    keep(found, options.out)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", choices=("torch", "channel"), default="torch")
    parser.add_argument("--scale", type=float, default=1, help="of all times")
    parser.add_argument("--out", required=True, help="JSON file; a CSV file comes beside it")
    options = parser.parse_args()
    reason = missing()
    if reason:
        with open(options.out, "w", encoding="utf-8") as out:
            json.dump({"skipped": reason}, out)
        return
    measured(options)


if __name__ == "__main__":
    main()
