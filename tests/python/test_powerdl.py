"""PowerDL's promises, kept with PyTorch, and each of its faults."""
import gc
import inspect
import json
import math
import os
import subprocess
import sys
import time
import types

import pytest

import joulemeter as jm
from joulemeter._energy import Energy
from joulemeter.highlevel import KerasProfiler, TorchProfiler, profile_tf, profile_torch

torch = pytest.importorskip("torch")
nn = torch.nn
torch.set_num_threads(1)  # these networks are too small to share

CONSTANT = "h100,constant:200,noise=0,seed=1"


@pytest.fixture
def profiled():
    """Opens profilers on simulated GPUs, one at a time, and closes them after the test."""
    opened = []

    def make(simulate=CONSTANT, **options):
        options.setdefault("join", False)
        for p in opened:
            p.close()
        p = profile_torch(simulate=simulate, **options)
        opened.append(p)
        return p

    yield make
    for p in opened:
        p.close()
    gc.collect()


def network():
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(4),
                         nn.Flatten(), nn.Dropout(0.1), nn.Linear(128, 4))


def loader(samples=100, batch_size=32):
    """Classes that differ in brightness."""
    generator = torch.Generator().manual_seed(2)
    y = torch.arange(samples) % 4
    x = torch.randn(samples, 3, 12, 12, generator=generator) + y.view(-1, 1, 1, 1)
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size)


def train(prof, epochs=2, **options):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    losses = prof.train(model, loader(**options), optimizer, nn.CrossEntropyLoss(), epochs)
    return model, losses


def rows(report, table):
    return list(report.table(table).rows())


# ---- the interface ----


def test_signatures_are_those_of_powerdl():
    wanted = dict(out_dir=None, device_index=0, interval_s=0.02, amp=True, verbose=0,
                  collect_util=True, max_samples=None, max_memory_mb=None, warn_at_pct=0.8,
                  auto_flush_dir=None, auto_flush_prefix="joulemeter", auto_flush_keep_marks=True,
                  on_warning=None)

    def defaults(function):
        parameters = inspect.signature(function).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD}

    assert list(defaults(profile_torch).items()) == list(wanted.items())
    del wanted["amp"]
    assert list(defaults(profile_tf).items()) == list(wanted.items())
    assert jm.profile_torch is profile_torch and jm.profile_tf is profile_tf
    for name, words in {"train": "model trainloader optimizer loss_fn epochs",
                        "train_epochs": "model trainloader optimizer loss_fn epochs",
                        "infer": "model loader max_batches",
                        "infer_tensor": "model batch_size n_samples input_shape"}.items():
        names = list(inspect.signature(getattr(TorchProfiler, name)).parameters)
        assert names[1:len(words.split()) + 1] == words.split()
    parameters = inspect.signature(KerasProfiler.infer_keras).parameters
    assert list(parameters)[1:] == ["model", "x", "batch_size", "warmup_n"]
    assert [parameters[p].default for p in ("batch_size", "warmup_n")] == [256, 1024]


def test_training_and_inference(profiled, tmp_path):
    with profiled() as prof:
        model, losses = train(prof, epochs=3)
        assert prof.infer(model, loader()) == 100
        with prof.phase("own"):
            prof.mark("here", why="because")
    assert len(losses) == 3 and losses[2] < losses[0]
    report = prof.report()
    batches, epochs = rows(report, "batches"), rows(report, "epochs")
    assert [b["batch_size"] for b in batches] == [32, 32, 32, 4] * 4
    assert [b["epoch"] for b in batches] == [0] * 4 + [1] * 4 + [2] * 4 + [None] * 4
    assert [b["phase"] for b in batches] == ["train"] * 12 + ["infer"] * 4
    assert [e["loss"] for e in epochs] == losses
    for number, epoch in enumerate(epochs):
        mine = [b for b in batches if b["epoch"] == number]
        assert sum(b["loss"] * b["batch_size"] for b in mine) / 100 == pytest.approx(epoch["loss"])
        assert epoch["batches"] == 4 and epoch["phase"] == "train"
    phases = {row["phase"]: row for row in rows(report, "phases")}
    assert list(phases) == ["train", "warmup", "infer", "own"]
    for name, samples in (("train", 300), ("infer", 100), ("own", None)):
        assert phases[name]["samples"] == samples
    for name in ("train", "infer"):
        told = report.summary[name]
        assert set(told) == {"energy_j", "energy_u95_j", "time_s", "avg_power_w", "j_per_sample",
                             "samples", "throughput", "avg_gpu_util", "avg_mem_util"}
        assert all(told[key] == phases[name][key] for key in told)
        assert abs(told["energy_j"] - 200 * told["time_s"]) <= told["energy_u95_j"]
        assert told["throughput"] == pytest.approx(told["samples"] / told["time_s"])
    marks = [(m["name"], json.loads(m["meta"])) for m in rows(report, "marks")]
    assert ("here", {"why": "because"}) in marks
    assert [name for name, _ in marks if "train" in name] == ["train_start", "train_end"]
    assert [meta["epoch"] for name, meta in marks if name == "epoch_end"] == [0, 1, 2]


def test_summary_has_devices_and_versions(profiled):
    with profiled("2*h100,constant:150,noise=0", device_index=[0, 1]) as prof:
        train(prof, epochs=1)
        time.sleep(0.2)
    summary = prof.report().summary
    devices = summary["per_device"]
    assert {"gpu0", "gpu1", "cpu0"} <= set(devices)
    assert summary["schema"] == 1 and summary["warnings"] == []
    both = devices["gpu0"]["phases"]["train"]["energy_j"] + \
        devices["gpu1"]["phases"]["train"]["energy_j"]
    assert both == pytest.approx(summary["train"]["energy_j"], rel=0.02)
    assert summary["environment"]["torch"] == torch.__version__
    assert summary["environment"]["python"] == sys.version.split()[0]
    assert {"host", "kernel", "version"} <= set(summary["environment"])
    assert summary["infer"]["energy_j"] is None  # nothing was inferred: not 0


def test_device_index_chooses(profiled, monkeypatch):
    def gpus(**options):
        with profiled("4*h100,constant:150", **options) as p:
            return [d["name"] for d in p.devices() if d["name"][3:].isdigit()
                    and d["name"].startswith("gpu")]

    assert gpus(device_index=2) == ["gpu2"]
    assert gpus(device_index=[0, "cuda:3"]) == ["gpu0", "gpu3"]
    assert gpus(device_index=torch.device("cuda", 1)) == ["gpu1"]
    assert gpus(device_index=None) == gpus(device_index="cpu") == []
    assert gpus(gpus="1,2") == ["gpu1", "gpu2"]
    with pytest.raises(LookupError):
        gpus(device_index=7)
    from joulemeter.highlevel import _visible

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-12ab,-1,5")
    assert _visible(["0", "1", "GPU-9"]) == ["3", "GPU-12ab", "GPU-9"]
    with pytest.raises(LookupError, match="CUDA_VISIBLE_DEVICES"):
        _visible(["2"])
    for hidden in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        assert _visible(["0"]) == []
        with profile_torch(join=False) as prof:
            pass
        assert prof.report().device == "total"
        assert gpus(device_index=1) == ["gpu1"]  # simulated ones are not CUDA's


def test_a_machine_without_gpu(capsys):
    with profile_torch(verbose=1, gpu=False, join=False) as prof:
        _, losses = train(prof, epochs=1)
        time.sleep(0.1)
    report = prof.report()
    assert report.device == "total" and len(losses) == 1
    assert report.summary["train"]["samples"] == 100
    assert "no GPU" in capsys.readouterr().out


def test_lines_for_those_who_watch(profiled, capsys):
    with profiled(verbose=2) as prof:
        train(prof, epochs=2)
    told = capsys.readouterr().out
    assert "measuring gpu0" in told
    assert "epoch 1/2: loss " in told and "epoch 2/2: loss " in told and "samples/s" in told
    assert "batch 0 of 32: loss " in told
    with profiled() as prof:
        train(prof, epochs=1)
    assert capsys.readouterr().out == ""


def test_a_line_without_energy(profiled, capsys):
    nan = math.nan
    unknown = Energy("gpu0", nan, math.inf, nan, nan, 0, math.inf, 0.5, nan, 0, "", "", False)
    with profiled(verbose=1) as prof:
        prof._epoch_done(0, 1, types.SimpleNamespace(energy=lambda device: unknown), 1.5, 100)
    told = capsys.readouterr().out
    assert "epoch 1/1: loss 1.5, not measured in 0.5 s = 200 samples/s" in told, told


def test_a_closed_profiler_trains_and_says_so(profiled, capsys):
    warned = []
    prof = profiled(verbose=1, on_warning=warned.append)
    prof.close()
    assert len(train(prof, epochs=1)[1]) == 1
    assert len(warned) == 1 and "closed" in warned[0]
    assert "no reading yet" in capsys.readouterr().out


def test_nothing_to_train_on(profiled):
    warned = []
    with profiled(on_warning=warned.append) as prof:
        model, _ = train(prof, epochs=1)
        step = torch.optim.SGD(model.parameters(), 0.05)
        assert math.isnan(prof.train(model, [], step, nn.CrossEntropyLoss())[0])
        assert prof.infer(model, []) == 0 and len(warned) == 1
        once = (batch for batch in list(loader()))
        losses = prof.train(model, once, step, nn.CrossEntropyLoss(), epochs=3)
    assert math.isfinite(losses[0]) and math.isnan(losses[1]) and math.isnan(losses[2])
    assert len(warned) == 2 and "no batch in epoch 2 of 3" in warned[1] and "generator" in warned[1]
    summary = prof.report().summary
    assert summary["train"]["samples"] == 200
    assert summary["train"]["j_per_sample"] is not None
    assert summary["infer"]["samples"] == 0


# ---- what batches may be ----


class Named(nn.Module):
    """Takes names, and works its loss out like those of Hugging Face."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(6, 3)

    def forward(self, values, mask=None, labels=None):
        logits = self.inner(values)
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return types.SimpleNamespace(loss=loss, logits=logits)


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(6, 3)

    def forward(self, a, b):
        return self.inner(a + b)


def test_dicts_tuples_and_tensors(profiled):
    x, y = torch.randn(5, 6), torch.tensor([0, 1, 2, 0, 1])
    entropy, square = nn.CrossEntropyLoss(), nn.MSELoss()
    prof = profiled()

    def loss_of(model, batch, loss_fn):
        torch.manual_seed(3)
        model = model()
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        return prof.train(model, [batch], optimizer, loss_fn, 1)[0]

    named = {"values": x, "labels": y}
    assert loss_of(Named, named, None) == loss_of(Named, named, entropy)
    assert loss_of(Two, (x, x, y), entropy) > 0
    assert loss_of(lambda: nn.Linear(6, 6), x, square) == \
        loss_of(lambda: nn.Linear(6, 6), (x,), square) == \
        loss_of(lambda: nn.Linear(6, 6), [x, x], square)
    with pytest.raises(ValueError, match="loss_fn"):
        loss_of(lambda: nn.Linear(6, 6), x, None)
    assert prof.infer(Named(), [named]) == 5
    assert prof.infer(Two(), [(x, x), (x, x, y)]) == 10
    assert prof.infer(nn.Linear(6, 6), iter([(x, y), [x], x])) == 15
    assert named.keys() == {"values", "labels"}
    assert {b["batch_size"] for b in rows(prof.report(), "batches")} == {5}


def test_batches_of_transformers(profiled):
    transformers = pytest.importorskip("transformers")
    batch = transformers.BatchEncoding({"values": torch.randn(4, 6),
                                        "labels": torch.tensor([0, 1, 2, 0])})
    model, prof = Named(), profiled()
    prof.train(model, [batch], torch.optim.SGD(model.parameters(), 0.1), epochs=1)
    assert prof.infer(model, [batch]) == 4


def test_batches_on_a_device():
    from joulemeter._torch import _move, batch_size

    class Pair(tuple):
        _fields = ("a", "b")

        def __new__(cls, a, b):
            return tuple.__new__(cls, (a, b))

    meta = torch.device("meta")
    moved = _move({"a": [torch.ones(2)], "b": Pair(torch.ones(1), "text"), "c": 3}, meta)
    assert moved["a"][0].device == meta and moved["b"][0].device == meta
    assert isinstance(moved["b"], Pair) and moved["b"][1] == "text" and moved["c"] == 3
    assert batch_size({"a": "x", "b": [torch.tensor(1), torch.ones(7, 2)]}) == 7
    assert batch_size("text") is None and batch_size([]) is None


def test_loaders_with_workers(profiled):
    import warnings

    data = torch.utils.data.TensorDataset(torch.randn(20, 6), torch.zeros(20, dtype=torch.long))
    model, prof = nn.Linear(6, 3), profiled()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # threads and fork; pinning without a GPU
        batches = torch.utils.data.DataLoader(data, 5, num_workers=2)
        prof.train(model, batches, torch.optim.SGD(model.parameters(), 0.1),
                   nn.CrossEntropyLoss(), epochs=1)
    assert len(rows(prof.report(), "batches")) == 4


def test_max_batches(profiled):
    taken = []

    def batches():
        for i in range(10):
            taken.append(i)
            yield torch.randn(4, 6)

    prof = profiled()
    assert prof.infer(nn.Linear(6, 3), batches(), max_batches=3) == 12
    assert taken == [0, 1, 2]
    assert prof.infer(nn.Linear(6, 3), []) == 0
    report = prof.report()
    assert len(rows(report, "batches")) == 3
    assert [r["name"] for r in rows(report, "ranges") if r["category"] == "warmup"] == ["warmup"]


def test_modes_are_restored(profiled):
    model = network()
    model[4].eval()
    modes = [module.training for module in model.modules()]
    seen = []
    model[0].register_forward_hook(lambda m, i, o: seen.append((m.training, o.requires_grad)))
    prof = profiled()
    prof.infer(model, loader(8, 4))
    assert set(seen) == {(False, False)}
    assert [module.training for module in model.modules()] == modes
    model.eval()
    prof.train(model, loader(8, 4), torch.optim.SGD(model.parameters(), 0.1),
               nn.CrossEntropyLoss())
    assert model.training


# ---- random input ----


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(500, 8), nn.Embedding(40, 8)
        self.out = nn.Linear(8, 2)

    def forward(self, ids):
        return self.out(self.words(ids) + self.places(torch.arange(ids.shape[1])))


class Sequence(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.LSTM(5, 4, batch_first=True)

    def forward(self, x):
        return self.inner(x)[0]


@pytest.mark.parametrize("make, shape", [
    (network, (3, 32, 32)),
    (lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2 * 26 * 26, 3)),
     (1, 28, 28)),
    (lambda: nn.Sequential(nn.Conv2d(3, 2, 16, 16), nn.Flatten(), nn.Linear(2 * 14 * 14, 3)),
     (3, 224, 224)),
    (lambda: nn.Conv1d(2, 3, 5), (2, 128)),
    (lambda: nn.Conv3d(1, 1, 3), (1, 16, 16, 16)),
    (lambda: nn.Sequential(nn.Flatten(), nn.Linear(10, 3)), (10,)),
    (lambda: nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 3)), (6,)),
    (lambda: nn.Linear(10, 3).double(), (10,)),
    (Sequence, (128, 5)),
    (Reader, (40,)),
])
def test_input_shapes_are_guessed(profiled, make, shape):
    model, shapes = make(), []
    model.register_forward_pre_hook(lambda m, inputs: shapes.append(tuple(inputs[0].shape)))
    assert profiled().infer_tensor(model, batch_size=4, n_samples=10) == 10
    assert shapes[-4:] == [(4, *shape), (4, *shape), (4, *shape), (2, *shape)]


def test_input_shapes_that_cannot_be_guessed(profiled):
    prof = profiled()
    with pytest.raises(ValueError, match="input_shape"):
        prof.infer_tensor(nn.ReLU(), n_samples=4)
    with pytest.raises(ValueError, match="Conv2d"):
        prof.infer_tensor(nn.Sequential(nn.Conv2d(3, 1, 3), nn.Flatten(), nn.Linear(7, 1)))
    assert prof.infer_tensor(nn.ReLU(), n_samples=4, input_shape=[3]) == 4
    with pytest.raises(ValueError, match="at least 1"):
        prof.infer_tensor(nn.ReLU(), n_samples=0)


# ---- precision ----


def test_amp_leaves_the_cpu_alone(profiled):
    seen, losses = [], []
    for amp in (True, False):
        prof = profiled(amp=amp)
        torch.manual_seed(5)
        model = network()
        model.register_forward_hook(
            lambda m, i, o: seen.append((torch.is_autocast_enabled("cpu"), o.dtype)))
        optimizer = torch.optim.SGD(model.parameters(), 0.05)
        losses.append(prof.train(model, loader(), optimizer, nn.CrossEntropyLoss(), 1))
        prof.close()
    assert losses[0] == losses[1] and set(seen) == {(False, torch.float32)}


def test_amp_on_cuda(profiled, monkeypatch):
    """No GPU is needed to see that the steps are taken in their order."""
    from joulemeter import _torch

    calls = []

    class Scaler:
        def __init__(self, kind="cuda"):
            calls.append(f"scaler {kind}")

        def scale(self, loss):
            return types.SimpleNamespace(backward=lambda: calls.append("backward"))

        def step(self, optimizer):
            calls.append("step")

        def update(self):
            calls.append("update")

    monkeypatch.setattr(torch.amp, "GradScaler", Scaler)
    monkeypatch.setattr(torch, "autocast", lambda kind: calls.append(f"autocast {kind}"))
    cuda = types.SimpleNamespace(type="cuda")
    prof = profiled()
    mixed = _torch._Mixed(prof, nn.Linear(2, 2), cuda)
    mixed()
    mixed.step(None, None)
    assert calls == ["scaler cuda", "autocast cuda", "backward", "step", "update"]
    assert _torch._Mixed(prof, nn.Linear(2, 2).half(), cuda).scaler is None
    prof.amp = False
    assert not _torch._Mixed(prof, nn.Linear(2, 2), cuda).enabled


def test_losses_need_no_waiting(profiled):
    """Without waiting at edges, no batch's loss is fetched either, but the mean is the same."""
    losses = []
    for sync in ("auto", False):
        prof = profiled(sync=sync)
        torch.manual_seed(5)
        losses.append(train(prof, epochs=1)[1])
    assert losses[0] == pytest.approx(losses[1])


# ---- the seed's faults ----


def test_short_windows_are_not_zero(profiled):
    """Only samples strictly inside counted there: of 10 ms windows none of the energy was found."""
    with profiled() as prof:
        windows = []
        for i in range(20):
            with prof.batch(i, 1) as window:
                time.sleep(0.01)
            windows.append(window)
            time.sleep(0.013)
        time.sleep(0.3)
    for window in windows:
        e = window.energy("gpu0")
        assert 0 < e.upper_j < math.inf
        assert e.lower_j <= 200 * e.duration_s <= e.upper_j, e
        assert e.bound_only or e.energy_j > 0
    batches = rows(prof.report(), "batches")
    mean = sum(b["energy_j"] for b in batches) / sum(b["time_s"] for b in batches)
    assert mean == pytest.approx(200, rel=0.3)


def test_flushed_data_counts(profiled, tmp_path):
    """What left the memory had left the summary too."""
    spec = "h100,square:100:300:0.05,noise=0,seed=1"
    options = dict(interval_s=0.001, keep_polls=True)
    told = []
    summaries, samples = [], []
    for limits in ({}, {"max_samples": 1000, "spill_dir": str(tmp_path)}):
        with profiled(spec, on_warning=told.append, **limits, **options) as prof:
            with prof.phase("train"):
                time.sleep(1.2)
        summaries.append(prof.report().summary)
        samples.append(len(rows(prof.report(), "readings")))
        assert len(told) == len(limits) // 2
    one, other = summaries
    assert min(one["total"]["measured"], other["total"]["measured"]) > 0.99
    difference = abs(one["train"]["avg_power_w"] - other["train"]["avg_power_w"])
    u95 = one["train"]["energy_u95_j"] + other["train"]["energy_u95_j"]
    assert difference * 1.2 <= u95  # J in 1.2 s, of two runs
    assert min(samples) > 1000 and samples[1] > 0.5 * samples[0]
    assert "limit" in told[0]


def test_export_has_everything(profiled, tmp_path):
    """Batches and epochs were forgotten there."""
    import csv

    out = tmp_path / "made" / "out"
    with profiled(out_dir=out) as prof:
        train(prof, epochs=2)
    names = {path.name for path in out.iterdir()}
    assert names == {"summary.json", "samples.csv", "marks.csv", "ranges.csv", "phases.csv",
                     "batches.csv", "epochs.csv"}
    wanted = {
        "samples": "t ts p_w gpu_util mem_util energy_j",
        "marks": "name t meta",
        "batches": "batch batch_size time_s energy_j energy_u95_j avg_power_w j_per_sample "
                   "throughput loss",
        "epochs": "epoch time_s energy_j energy_u95_j avg_power_w avg_gpu_util avg_mem_util",
        "phases": "phase calls time_s energy_j energy_u95_j samples",
    }
    for name, columns in wanted.items():
        with open(out / f"{name}.csv", newline="") as file:
            table = list(csv.DictReader(file))
        assert set(columns.split()) <= set(table[0]), name
        assert len(table) == len(rows(prof.report(), name)), name
    summary = json.loads((out / "summary.json").read_text())
    assert summary["train"]["samples"] == 200 and summary["schema"] == 1


def test_export_without_batches(profiled, tmp_path):
    with profiled() as prof:
        time.sleep(0.05)
    (tmp_path / "batches.csv").write_text("from,before\n1,2\n")
    prof.report().export(tmp_path)
    assert not (tmp_path / "epochs.csv").exists()
    assert (tmp_path / "batches.csv").read_text().startswith("batch,")  # nothing stale


def test_nothing_is_written_unasked(profiled, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with profiled() as prof:
        train(prof, epochs=1)
    prof.report()
    assert list(tmp_path.iterdir()) == []


def test_nothing_heavy_is_imported():
    code = ("import sys, joulemeter\n"
            "from joulemeter.highlevel import profile_torch, profile_tf\n"
            "with profile_torch(simulate='h100', join=False) as p:\n"
            "    with p.phase('train'): pass\n"
            "p.report().summary\n"
            "heavy = 'typing matplotlib pandas numpy torch tensorflow keras'.split()\n"
            "print([m for m in heavy if m in sys.modules])\n")
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_utilisation_may_be_left_out(profiled, tmp_path):
    pytest.importorskip("pandas")
    columns = ["t", "ts", "p_w", "gpu_util", "mem_util"]
    with profiled() as prof:
        train(prof, epochs=1)
    assert list(prof.report().samples_df.columns[:5]) == columns
    with profiled(collect_util=False) as prof:
        train(prof, epochs=1)
    report = prof.report()
    assert list(report.samples_df.columns[:4]) == ["t", "ts", "p_w", "device"]
    assert "avg_gpu_util" not in report.epochs_df
    assert report.summary["train"]["avg_gpu_util"] is None
    report.export(tmp_path)
    header = (tmp_path / "samples.csv").read_text().splitlines()[0].split(",")
    assert "p_w" in header and not set(columns[3:]) & set(header)
    with pytest.raises(ValueError, match="collect_util"):
        report.figure_data("gpu_util_time")


# ---- when things go wrong ----


def test_a_training_that_fails_keeps_its_data(profiled, tmp_path):
    out = tmp_path / "out"

    def batches():
        yield torch.randn(4, 6), torch.zeros(4, dtype=torch.long)
        yield torch.randn(4, 5), torch.zeros(4, dtype=torch.long)

    model = nn.Linear(6, 3)
    with pytest.raises(RuntimeError, match="shapes"):
        with profiled(out_dir=out) as prof:
            prof.train(model, batches(), torch.optim.SGD(model.parameters(), 0.1),
                       nn.CrossEntropyLoss(), epochs=2)
    assert prof.closed
    attributes = [json.loads(r["attributes_json"] or "{}") for r in rows(prof.report(), "ranges")]
    failed = ["exception" in a for a in attributes]
    assert failed == [True, True, True, False, True]  # session, phase, epoch, batches
    summary = json.loads((out / "summary.json").read_text())
    assert summary["train"]["samples"] == 8 and (out / "batches.csv").exists()


def test_an_export_that_fails_hides_nothing(profiled, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.warns(jm.JoulemeterWarning, match="export"):
        with pytest.raises(KeyError):
            with profiled(out_dir=tmp_path / "file" / "out"):
                raise KeyError


DIES = """
import os, sys, time
import torch
from joulemeter.highlevel import profile_torch
prof = profile_torch(auto_flush_dir=sys.argv[1], auto_flush_prefix="mine", simulate="h100",
                     auto_flush_keep_marks=True, join=False)
prof.mark("alive")
for i in range(20):
    with prof.batch(i, 8):
        time.sleep(0.02)
prof.flush()
os._exit(3)
"""


def test_auto_flush_survives_the_program(tmp_path):
    done = subprocess.run([sys.executable, "-c", DIES, str(tmp_path / "runs")],
                          capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
    path, = (tmp_path / "runs").glob("mine-*.jm")
    report = jm.open(path)
    assert len(rows(report, "batches")) == 20 and rows(report, "marks")[0]["name"] == "alive"
    assert report.energy("gpu0").energy_j > 0


def test_auto_flush_files_have_names_of_their_own(profiled, tmp_path):
    one, two = (profiled(auto_flush_dir=tmp_path) for _ in range(2))
    assert one.flush_path != two.flush_path
    two.close()
    assert len(list(tmp_path.glob("joulemeter-*.jm"))) == 2


def test_forgotten_profilers_are_exported(tmp_path):
    code = ("from joulemeter.highlevel import profile_torch\n"
            f"p = profile_torch(out_dir={str(tmp_path / 'out')!r}, simulate='h100', join=False)\n"
            "p.begin('never ended')\n")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "summary.json").exists()


def test_inside_an_outer_run(command, tmp_path):
    code = ("import warnings, joulemeter\n"
            "from joulemeter.highlevel import profile_torch\n"
            "with warnings.catch_warnings(record=True) as told:\n"
            "    warnings.simplefilter('always')\n"
            f"    with profile_torch(out_dir={str(tmp_path / 'out')!r}) as p:\n"
            "        with p.phase('train'): pass\n"
            "assert 'joulemeter run' in str(told[0].message), told\n")
    done = subprocess.run([command, "run", "-q", "-o", str(tmp_path / "a.jm"), "--simulate",
                           "h100", "--", sys.executable, "-c", code],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [p["phase"] for p in rows(jm.open(tmp_path / "a.jm"), "phases")] == ["train"]


def test_without_pandas(profiled, tmp_path, monkeypatch):
    for name in ("pandas", "pyarrow", "polars"):
        monkeypatch.setitem(sys.modules, name, None)
    with profiled() as prof:
        train(prof, epochs=1)
    report = prof.report()
    assert report.summary["train"]["samples"] == 100
    report.export(tmp_path)
    assert "train" in report._repr_html_() and "train" in str(report)
    assert len(report.table("batches").to_dict()["loss"]) == 4
    for frame in ("samples_df", "marks_df", "phases_df"):
        with pytest.raises(ImportError, match="pip install pandas"):
            getattr(report, frame)
    with pytest.raises(ImportError, match="pip install pyarrow"):
        report.to_arrow()


def test_tables_for_arrow(profiled):
    pyarrow = pytest.importorskip("pyarrow")
    with profiled() as prof:
        train(prof, epochs=1)
    tables = prof.report().to_arrow()
    assert list(tables) == ["samples", "readings", "marks", "ranges", "batches", "epochs", "phases"]
    assert all(isinstance(table, pyarrow.Table) for table in tables.values())
    assert tables["batches"].num_rows == 4


# ---- notebooks ----


def test_html_says_it_all_and_trusts_nobody(profiled):
    with profiled() as prof:
        with prof.phase("<script>alert(1)</script>"):
            time.sleep(0.3)
    html = prof.report()._repr_html_()
    assert "<script" not in html and "&lt;script&gt;" in html
    assert "±" in html or "&plusmn;" in html
    assert "simulated" in html.lower() and "gpu0" in html
    assert "prefers-color-scheme:dark" in html
    assert "http" not in html  # nothing is fetched


@pytest.mark.parametrize("value, u95, text", [
    (41.234, 2.71, "41.2 ± 2.7 J"), (0.3412, 0.034, "0.341 ± 0.034 J"), (1234567, 8.4, "1234.5670 ± "),
    (12345, 2345, "12.3 ± 2.3 kJ"), (0, 0.5, "0.00 ± 0.50 J"), (5.0, None, "5.00 J"), (5.0, 0, "5.00 J"),
    (None, None, "not measured"), (2.0, 99.6, "0 ± 100 J"),
])
def test_energies_in_html(value, u95, text):
    from joulemeter._html import _energy

    told = _energy(value, u95).replace("&nbsp;", " ").replace("&plusmn;", "±")
    assert told.startswith(text)


@pytest.mark.filterwarnings("ignore")
def test_a_notebook_shows_the_report():
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    book = nbformat.v4.new_notebook()
    book.cells = [nbformat.v4.new_code_cell(
        "from joulemeter.highlevel import profile_torch\n"
        "with profile_torch(simulate='h100', join=False) as prof:\n"
        "    with prof.phase('train'):\n"
        "        import time; time.sleep(0.2)\n"
        "prof.report()")]
    nbclient.NotebookClient(book, timeout=120, kernel_name="python3").execute()
    shown = [out["data"]["text/html"] for out in book.cells[0].outputs if "data" in out]
    assert len(shown) == 1 and "jm-report" in shown[0] and "train" in shown[0]
