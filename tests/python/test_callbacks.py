"""Callbacks of training frameworks, in real trainings of small models."""
import logging
import math
import os
import subprocess
import sys
import time
import warnings

import pytest

import joulemeter as jm
from joulemeter import callbacks

GPU = "h100,square:150:350:0.11,seed=3"


def ranges_of(report, category):
    rows = list(report.table("ranges").rows())
    return [row for row in rows if row["category"] == category]


def names_of(report, category):
    return [row["name"] for row in ranges_of(report, category)]


@pytest.fixture
def measuring():
    """Makes callbacks that measure simulated GPUs, and closes them after the test."""
    made = []

    def make(kind):
        made.append(kind(simulate=GPU, cpu=False, join=False))
        return made[-1]

    yield make
    for callback in made:
        callback.close()


def test_names_are_imported_when_asked_for():
    code = ("import sys, joulemeter.callbacks\n"
            "print([m for m in ('transformers', 'keras', 'lightning') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
    assert {"HuggingFaceCallback", "LightningCallback"} <= set(dir(callbacks))
    with pytest.raises(AttributeError):
        callbacks.no_such_name  # noqa: B018


# ---- transformers ----


@pytest.fixture(scope="module")
def transformers():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("accelerate")
        return pytest.importorskip("transformers")


@pytest.fixture
def trainer_of(transformers, tmp_path):
    """A Trainer of a tiny BERT with random weights, on 20 made-up texts."""
    torch = pytest.importorskip("torch")
    logging.getLogger("transformers").setLevel(logging.ERROR)

    class Texts(torch.utils.data.Dataset):
        def __len__(self):
            return 20

        def __getitem__(self, index):
            time.sleep(0.015)  # or all is over before the sensors show it
            words = torch.arange(8) + index % 5
            return {"input_ids": words, "attention_mask": torch.ones(8, dtype=torch.long),
                    "labels": index % 2}

    def make(*added, **options):
        config = transformers.BertConfig(vocab_size=32, hidden_size=16, num_hidden_layers=1,
                                         num_attention_heads=2, intermediate_size=32,
                                         max_position_embeddings=16)
        arguments = {"num_train_epochs": 2, "per_device_train_batch_size": 4,
                     "gradient_accumulation_steps": 2, "logging_strategy": "epoch",
                     "report_to": [], "save_strategy": "no", "disable_tqdm": True,
                     "use_cpu": True, "dataloader_pin_memory": False, **options}
        return transformers.Trainer(
            model=transformers.BertForSequenceClassification(config),
            args=transformers.TrainingArguments(output_dir=str(tmp_path / "out"), **arguments),
            train_dataset=Texts(), eval_dataset=Texts(), callbacks=list(added))

    return make


def test_transformers(trainer_of, transformers, measuring):
    callback = measuring(callbacks.HuggingFaceCallback)
    assert isinstance(callback, transformers.TrainerCallback)
    with pytest.raises(RuntimeError, match="trainer"):
        callback.report()
    trainer = trainer_of(callback, eval_strategy="epoch")
    result = trainer.train()
    metrics = trainer.evaluate()
    predicted = trainer.predict(trainer.eval_dataset)
    report = callback.report()
    assert names_of(report, "phase") == ["train", "evaluate", "evaluate", "evaluate", "predict"]
    assert len(ranges_of(report, "epoch")) == 2
    batches = report.table("batches").to_dict()
    assert list(batches["batch"]) == [0, 1, 2, 3, 4, 5]
    assert list(batches["batch_size"]) == [8, 8, 4, 8, 8, 4]

    epochs = [entry for entry in trainer.state.log_history if "energy_j" in entry]
    assert [entry["epoch"] for entry in epochs] == [1.0, 2.0] and all("loss" in e for e in epochs)
    for entry in epochs:
        assert entry["energy_j"] > 0 and entry["energy_u95_j"] > 0
        assert entry["j_per_sample"] == pytest.approx(entry["energy_j"] / 20)
    assert result.metrics["train_energy_j"] >= sum(entry["energy_j"] for entry in epochs)
    assert result.metrics["train_j_per_sample"] == pytest.approx(
        sum(entry["energy_j"] for entry in epochs) / 40)
    assert metrics["eval_energy_j"] > 0 and metrics["eval_j_per_sample"] > 0
    assert predicted.metrics["test_energy_j"] > 0
    evaluations = [row for row in ranges_of(report, "phase") if row["name"] == "evaluate"]
    assert evaluations[-1]["duration_s"] == pytest.approx(metrics["eval_runtime"], abs=0.01)
    callback.close()
    assert callback.report().recording.range_count == report.recording.range_count


def test_transformers_in_a_profile_and_with_logs_elsewhere(trainer_of, transformers, simulated):
    told = []

    class Reporter(transformers.TrainerCallback):
        def on_log(self, args, state, control, logs=None, **kwargs):
            told.append(dict(logs))

    p = simulated(GPU)
    with p:
        trainer = trainer_of(Reporter(), logging_strategy="no", num_train_epochs=1)
        callback = callbacks.HuggingFaceCallback().attach(trainer)
        assert trainer.callback_handler.callbacks[0] is callback
        trainer.train()
        assert callback.profiler is p
    assert "train_energy_j" in told[-1]
    # No log came after the epoch: it has an entry of its own.
    assert any("energy_j" in entry and "loss" not in entry for entry in trainer.state.log_history)
    assert names_of(p.report(), "phase") == ["train"]


def test_transformers_training_that_fails(trainer_of, transformers, measuring):
    class Fails(transformers.TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step == 2:
                raise OSError("no")

    callback = measuring(callbacks.HuggingFaceCallback)
    trainer = trainer_of(callback, Fails(), num_train_epochs=1)
    with pytest.raises(OSError):
        trainer.train()
    assert len(ranges_of(callback.report(), "batch")) == 2
    trainer.remove_callback(Fails)
    trainer.train()
    report = callback.report()
    assert names_of(report, "phase") == ["train", "train"]
    assert not any(row["unfinished"] for row in ranges_of(report, "batch"))


def abandoned(report):
    """Ranges that a training has left behind that failed without a word."""
    return [row for row in report.table("ranges").rows()
            if "abandoned" in (row["attributes_json"] or "")]


def test_transformers_books_no_pause_to_a_training_that_failed(trainer_of, transformers, simulated):
    class Fails(transformers.TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step == 1:
                raise KeyboardInterrupt

    p = simulated(GPU)
    callback = callbacks.HuggingFaceCallback(p)
    trainer = trainer_of(callback, Fails(), num_train_epochs=1)
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    failed = time.monotonic_ns()
    time.sleep(0.5)
    trainer.evaluate()  # is no part of it
    trainer.remove_callback(Fails)
    trainer.train()
    rows = list(p.report().table("ranges").rows())
    second = [row for row in rows if row["name"] == "train"][1]
    assert [row["name"] for row in abandoned(p.report())] == ["train", "epoch", "batch"]
    begin = p.recording().begin_ns
    for row in abandoned(p.report()):
        assert not row["unfinished"]
        assert row["begin_s"] + row["duration_s"] <= (failed - begin) * 1e-9
    assert second["begin_s"] > (failed - begin) * 1e-9 + 0.5
    with pytest.raises(KeyboardInterrupt):
        trainer_of(callbacks.HuggingFaceCallback(p), Fails(), num_train_epochs=1).train()
    time.sleep(0.3)
    p.close()  # whatever became of the callback
    last = [row for row in p.report().table("ranges").rows() if row["name"] == "train"][-1]
    end_s = (p.recording().end_ns - begin) * 1e-9
    assert not last["unfinished"] and last["begin_s"] + last["duration_s"] < end_s - 0.25
    assert len(abandoned(p.report())) == 6


def test_a_profiler_that_was_given_and_is_closed(trainer_of, simulated):
    told = []
    p = simulated(on_warning=told.append)
    p.close()
    trainer_of(callbacks.HuggingFaceCallback(p), num_train_epochs=1).train()
    assert len(told) == 1 and "closed" in told[0]  # and nothing is measured behind its back


# ---- Lightning ----


def lightning_training(L, torch, callback, tmp_path, fail=False, **options):
    class Model(L.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def training_step(self, batch, index):
            if fail and index == 1:
                raise OSError("no")
            time.sleep(0.03)
            x, y = batch
            return torch.nn.functional.mse_loss(self.layer(x), y)

        def validation_step(self, batch, index):
            time.sleep(0.1)  # or all is over before the sensors show it
            x, y = batch
            self.log("val_loss", torch.nn.functional.mse_loss(self.layer(x), y))

        test_step = validation_step

        def predict_step(self, batch, index):
            return self.layer(batch[0])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.01)

    data = torch.utils.data.TensorDataset(torch.randn(20, 4), torch.randn(20, 1))
    loader = torch.utils.data.DataLoader(data, batch_size=8)
    for name in ("lightning.pytorch", "pytorch_lightning", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    trainer = L.Trainer(max_epochs=2, accelerator="cpu", devices=1, logger=False,
                        enable_checkpointing=False, enable_progress_bar=False,
                        enable_model_summary=False, callbacks=[callback],
                        default_root_dir=str(tmp_path), **options)
    return trainer, Model(), loader


@pytest.fixture
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("package", ["lightning.pytorch", "pytorch_lightning"])
def test_lightning(package, quiet, tmp_path, measuring):
    torch = pytest.importorskip("torch")
    L = pytest.importorskip(package)
    callback = measuring(callbacks.LightningCallback)
    assert isinstance(callback, L.Callback)
    trainer, model, loader = lightning_training(L, torch, callback, tmp_path)
    seen = []

    class Watch(L.Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            seen.append({k: float(v) for k, v in trainer.callback_metrics.items()})

    trainer.callbacks.append(Watch())
    trainer.fit(model, loader, loader)
    for metrics in seen:
        assert metrics["energy_j"] > 0 and metrics["energy_u95_j"] > 0
        assert 0 < metrics["j_per_sample"] < metrics["energy_j"] / 20
        assert metrics["val_energy_j"] > 0
    assert len(seen) == 2 and seen[1]["energy_total_j"] > seen[0]["energy_total_j"]
    tested = trainer.test(model, loader, verbose=False)
    assert tested[0]["test_energy_j"] > 0
    trainer.predict(model, loader)
    report = callback.report()
    assert names_of(report, "phase") == ["train", "test", "predict"]
    assert names_of(report, "warmup") == ["sanity check"]
    assert names_of(report, "user").count("validate") == 3
    assert list(report.table("batches").to_dict()["batch_size"]) == [8, 8, 4] * 2
    assert list(report.table("epochs").to_dict()["epoch"]) == [0, 1]


def test_lightning_training_that_fails(quiet, tmp_path, measuring):
    torch = pytest.importorskip("torch")
    L = pytest.importorskip("lightning.pytorch")
    callback = measuring(callbacks.LightningCallback)
    trainer, model, loader = lightning_training(L, torch, callback, tmp_path, fail=True)
    with pytest.raises(OSError):
        trainer.fit(model, loader)
    rows = ranges_of(callback.report(), "batch")
    assert len(rows) == 2 and not any(row["unfinished"] for row in rows)
    assert "OSError" in rows[-1]["attributes_json"]


def test_sizes_of_batches():
    torch = pytest.importorskip("torch")
    pytest.importorskip("lightning.pytorch")
    from joulemeter.callbacks.lightning import size_of

    x = torch.zeros(5, 2)
    assert size_of(x) == size_of([x, 1]) == size_of({"id": "a", "x": {"y": x}}) == 5
    assert size_of(torch.tensor(1)) is None and size_of("text") is None and size_of([]) is None


# ---- several processes ----

RANKS = f"""
import logging, os, sys, time, warnings
warnings.simplefilter("ignore")
import torch, lightning.pytorch as L
from joulemeter.callbacks import LightningCallback
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
torch.set_num_threads(1)
class Model(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)
    def training_step(self, batch, index):
        time.sleep(0.1)
        return self.layer(batch[0]).square().mean()
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.01)
def rank(number):
    os.environ.update(RANK=str(number), WORLD_SIZE="2", LOCAL_RANK=str(number),
                      LOCAL_WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=sys.argv[1],
                      TORCHELASTIC_RUN_ID="x", GROUP_RANK="0", GLOO_SOCKET_IFNAME="lo")
    callback = LightningCallback(simulate="2*h100,seed=1", cpu=False)
    data = torch.utils.data.TensorDataset(torch.randn(32, 4))
    trainer = L.Trainer(max_epochs=1, accelerator="cpu", devices=2, strategy="ddp", logger=False,
                        enable_checkpointing=False, enable_progress_bar=False,
                        enable_model_summary=False, callbacks=[callback])
    trainer.fit(Model(), torch.utils.data.DataLoader(data, batch_size=4))
    assert float(trainer.callback_metrics["energy_j"]) > 0
    callback.close()
    report = callback.report()
    assert (report is None) == (number == 1)
    if report:
        rows = report.table("ranges").to_dict()
        print(rows["name"].count("batch"), len(set(rows["pid"])),
              [d["name"] for d in report.summary["devices"] if d["in_total"]], flush=True)
children = []
for number in (0, 1):
    child = os.fork()
    if child == 0:
        rank(number)
        os._exit(0)
    children.append(child)
assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
"""


def test_lightning_in_two_processes(tmp_path):
    pytest.importorskip("lightning.pytorch")
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    env = dict(os.environ, XDG_RUNTIME_DIR=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", RANKS, port], env=env, cwd=tmp_path,
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "8 2 ['gpu0', 'gpu1']"


def test_what_is_not_known_is_left_out():
    from joulemeter import _totals
    from joulemeter.callbacks._session import entries

    assert entries(None, 3) == {}
    for energy_j, bound_only, known in ((1, True, True), (0, True, False), (0, False, True),
                                        (math.nan, False, False)):
        energy = jm.Energy("", energy_j, 1, 1, 1, 0, 1, 1, 2, 0.5, "power", "", bound_only)
        assert _totals.is_known(energy) == known
    energy = jm.Energy("", 2.0, math.inf, 1, 1, 0, math.inf, 1, 2, 0.5, "power", "", True)
    assert entries(energy, 4, "x_") == {"x_energy_j": 2.0, "x_j_per_sample": 0.5}
    assert entries(energy, 4, aside_j=math.nan) == {"energy_j": 2.0}
