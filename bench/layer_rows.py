"""What hooks on layers cost: rows for python_rows.py.

usage: layer_rows.py     times in microseconds a layer, as JSON on stdout
"""
import json
import statistics
import time

LAYERS = 200
ROUNDS = 60


def network():
    import torch

    torch.set_num_threads(1)
    return torch.nn.Sequential(*(torch.nn.Identity() for _ in range(LAYERS))), torch.zeros(1)


def watched(model):
    """joulemeter's hooks. Returns what takes them off."""
    from joulemeter._hooks import Watch

    watch = Watch(model)
    watch.__enter__()

    def undo():
        watch.take()
        watch.__exit__()

    return undo


def hooked(model, before, after):
    handles = [hook for module in model.modules()
               for hook in (module.register_forward_pre_hook(before),
                            module.register_forward_hook(after))]
    return lambda: [handle.remove() for handle in handles]


def nothing(model):
    return hooked(model, lambda module, args: None, lambda module, args, output: None)


def reading(model):
    """As GPUPP: a reading of power at both edges of every layer."""
    import pynvml

    pynvml.nvmlInit()
    device = pynvml.nvmlDeviceGetHandleByIndex(0)
    readings = []

    def read(*_):
        readings.append((time.time(), pynvml.nvmlDeviceGetPowerUsage(device) / 1000))

    return hooked(model, read, read)


def forward_us(model, x, hook):
    """Time of a forward pass a layer, with these hooks."""
    undo = hook(model)
    try:
        model(x)
        from_ns = time.perf_counter_ns()
        model(x)
        return (time.perf_counter_ns() - from_ns) / 1e3 / LAYERS
    finally:
        undo()


def measure():
    """Medians of what each kind of hooks adds, measured in turn."""
    import torch

    model, x = network()
    kinds = {"bare": lambda model: lambda: None, "joulemeter": watched, "nothing": nothing}
    try:
        reading(model)()
        kinds["reading"] = reading
    except Exception as error:  # pynvml is not installed, or finds no driver
        print(error)
    times = {kind: [] for kind in kinds}
    with torch.no_grad():
        for _ in range(ROUNDS):
            for kind, hook in kinds.items():
                times[kind].append(forward_us(model, x, hook))
    bare = times.pop("bare")
    return {kind: statistics.median(t - b for t, b in zip(found, bare))
            for kind, found in times.items()}


def rows(child, row, wanted):
    """``child(what)`` runs :func:`measure` in a process of its own."""
    added, doing_nothing = "hooks of a layer in Python, added time", "hooks that do nothing"
    by_reading = "hooks that read power as GPUPP's / joulemeter in Python"
    if not any(map(wanted, (added, by_reading))):
        return
    found, reason = child("layers")
    if found is None:
        yield row(added, None, "us", skipped=reason)
        return
    yield row(added, found["joulemeter"], "us", 2, "at most", found["nothing"], doing_nothing)
    if "reading" in found:
        yield row(by_reading, found["reading"] / max(found["joulemeter"], 1e-9), "x", 1, "at least",
                  found["reading"], "us, with a simulated driver that answers at once")


if __name__ == "__main__":
    print("\n" + json.dumps(measure()))
