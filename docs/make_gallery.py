"""Records a training loop and draws every figure with every drawer, for docs/figures.md:

    make_gallery.py JOULEMETER SIMGPU_LIBRARY [TRACE]

The loop is real (PyTorch on the CPU, its modules as layers and its operations in place of kernels); the
GPU is a simulated A100 that replays a trace of a real one under a square-wave load (TRACE; else one by
formula), and every figure says so. Needs torch, matplotlib, gnuplot, ImageMagick, and node with
playwright-core and chromium for the page.
"""
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "figures"


def record(path, spec, seconds=24):
    import time

    import torch
    from torch import nn
    from torch.utils._python_dispatch import TorchDispatchMode

    import joulemeter as jm

    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = nn.Sequential()
    channels = 3
    for stage, width in enumerate((24, 48, 64)):
        model.add_module(f"stage{stage}", nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)))
        channels = width
    model.add_module("head", nn.Sequential(nn.Flatten(), nn.Linear(64 * 16, 128), nn.ReLU(), nn.Linear(128, 10)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    loss_fn = nn.CrossEntropyLoss()

    with jm.profile("small CNN", simulate=spec, join=False) as p:
        class Operations(TorchDispatchMode):
            def __torch_dispatch__(self, function, types, args=(), kwargs=None):
                with p.range(str(function).split(".")[1], "kernel"):
                    return function(*args, **(kwargs or {}))

        open_ranges = {}

        def before(name):
            def hook(module, inputs):
                open_ranges[name] = p.range(name, "layer", type=type(module).__name__)
                open_ranges[name].__enter__()
            return hook

        def after(name):
            def hook(module, inputs, output):
                open_ranges.pop(name).__exit__(None, None, None)
            return hook

        for name, module in model.named_modules():
            if name:
                module.register_forward_pre_hook(before(name))
                module.register_forward_hook(after(name))
        with p.phase("load data"):
            images = torch.randn(4096, 3, 32, 32)
            labels = torch.randint(0, 10, (4096,))
            time.sleep(1.5)
        for epoch in range(3):
            with p.phase("train"), p.epoch(epoch):
                part = time.monotonic() + seconds / 5
                i = 0
                while time.monotonic() < part:
                    begin = i * 128 % 4096
                    with p.batch(i, 128), Operations():
                        loss = loss_fn(model(images[begin:begin + 128]), labels[begin:begin + 128])
                        optimizer.zero_grad()
                        loss.backward()
                        optimizer.step()
                    i += 1
            with p.phase("validate"), torch.no_grad():
                for k in range(0, 512, 128):
                    model(images[k:k + 128])
        with p.phase("infer"), torch.no_grad():
            end = time.monotonic() + seconds / 6
            while time.monotonic() < end:
                model(images[:256])
    report = p.report()
    report.save(path)
    return report


def numbers(joulemeter, folder, limits):
    """Figures of runs, ratios and limits: two programs that sleep, and measured limits if they are there."""
    import csv
    import json

    import _joulemeter

    import joulemeter as jm
    from joulemeter.figures import drawn

    ab = folder / "ab.json"
    subprocess.run([joulemeter, "compare", "-q", "-n", "8", "-c", "0", "--simulate", "a100,telegraph:80:300:20ms",
                    "--names", "old,new", f"--json={ab}", "sleep 0.45", "sleep 0.4"], check=True)
    subprocess.run([joulemeter, "plot", "-q", "--format", "png", "-o", folder / "gnuplot", ab], check=True)
    results = json.loads(ab.read_text())
    runs = [(one["name"], [(r["energy_j"], r["u_random_j"], r["u_systematic_j"], r["time_s"]) for r in one["runs"]])
            for one in results["results"]]
    (one,) = results["comparisons"]
    ratios = [tuple(one[key][part] for part in ("ratio", "lower", "upper")) for key in ("energy", "time", "power")]
    figures = {"runs_energy": drawn(_joulemeter.figure_runs(runs, "energy"), {}),
               "ratios": drawn(_joulemeter.figure_ratios([("new", *ratios)]), {})}
    if limits is not None:
        with open(limits, encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if (row["workload"], row["batch_size"], row["optimizer"])
                    == ("cifar100/shufflenetv2", "1024", "adadelta")]
        figures["limits"] = jm.figures.limits([
            (float(r["power_limit_w"]), float(r["mean_power_w"]) * float(r["epoch_time_s"]), 0, float(r["epoch_time_s"]))
            for r in rows])
    for name, (figure, _) in figures.items():
        figure.savefig(folder / "matplotlib" / f"{name}.png", dpi=200)
    return list(figures)


def shrink(source, target, width=700):
    subprocess.run(["convert", source, "-resize", f"{width}x>", "-strip", "-dither", "None", "-colors", "160",
                    "-define", "png:compression-level=9", target], check=True)


def main():
    joulemeter, simgpu = sys.argv[1:3]
    os.environ["JOULEMETER_SIMGPU_LIBRARY"] = simgpu
    trace = sys.argv[3] if len(sys.argv) > 3 else str(ROOT / "tests/data/training-trace.csv")
    folder = Path(tempfile.mkdtemp(prefix="joulemeter-gallery-"))
    recording = folder / "cnn.jm"
    report = record(str(recording), f"a100,replay:{trace},loop")
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    names = report.list_figures()
    subprocess.run([joulemeter, "plot", "--all", "-q", "--format", "png", "-o", folder / "gnuplot", recording], check=True)
    report.plot(names, out_dir=folder / "matplotlib", dpi=200)
    limits = Path(trace).parents[2] / "power-limit" / "v100.csv"
    names += numbers(joulemeter, folder, limits if limits.exists() else None)
    subprocess.run([joulemeter, "report", "-q", "-o", folder / "cnn.html", recording], check=True)
    subprocess.run(["node", ROOT / "docs/shoot_page.mjs", folder / "cnn.html", folder / "page", ROOT / "docs/report.png"],
                   check=True)
    for drawer in ("gnuplot", "matplotlib", "page"):
        for name in names:
            source = folder / drawer / f"{name}.png"
            if source.exists():
                shrink(source, OUT / f"{name}-{drawer}.png")
            elif name in report.list_figures():
                print(f"{drawer} drew no {name}", file=sys.stderr)
    shrink(ROOT / "docs/report.png", ROOT / "docs/report.png", 1200)
    print(f"{len(list(OUT.iterdir()))} pictures in {OUT}; the recording: {recording}")


if __name__ == "__main__":
    main()
