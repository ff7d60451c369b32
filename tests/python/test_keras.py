"""PowerDL's promises, kept with Keras. TensorFlow is only imported in the processes of these tests."""
import importlib.util
import json
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None
                                or importlib.util.find_spec("keras") is None,
                                reason="tensorflow is not installed")

HEAD = """
import json, os, time
import numpy as np
import tensorflow as tf, keras
import joulemeter as jm
from joulemeter.highlevel import profile_tf
from joulemeter.callbacks.keras import JoulemeterCallback, _class_for

SPEC = dict(simulate="h100,constant:200,noise=0,seed=1", join=False)
rng = np.random.default_rng(1)
y = np.arange(100) % 3
x = (rng.normal(size=(100, 8)) + y[:, None]).astype("f")

def network(**options):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, activation="relu"),
                              keras.layers.Dense(3, activation="softmax")])
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", **options)
    return model

def rows(report, table):
    return list(report.table(table).rows())

def sizes(report, epoch=None):
    return [b["batch_size"] for b in rows(report, "batches") if b["epoch"] == epoch]

def categories(report):
    return [(r["category"], r["name"]) for r in rows(report, "ranges") if r["category"] != "batch"]
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What each part below prints, and how it failed. One process runs them all: to load TensorFlow
    takes seconds."""
    parts = {"fit": FIT, "callback": CALLBACK, "sizes": SIZES, "examples": EXAMPLES}
    code = HEAD + "import contextlib, io, traceback\nresults = {}\n"
    for name, part in parts.items():
        code += (f"def {name}():\n" + "".join(f"    {line}\n" for line in part.splitlines())
                 + "out, failed = io.StringIO(), ''\n"
                 "with contextlib.redirect_stdout(out):\n"
                 f"    try: {name}()\n"
                 "    except BaseException: failed = traceback.format_exc()\n"
                 f"results[{name!r}] = [out.getvalue(), failed]\n")
    path = tmp_path_factory.mktemp("keras")
    (path / "parts.py").write_text(code + "print(json.dumps(results))\n")
    env = dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1",
               PYTHONPATH=os.pathsep.join(map(os.path.abspath, sys.path)))
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-W", "ignore", path / "parts.py", path, root],
                          capture_output=True, text=True, env=env, cwd=path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


FIT = """
import sys
out = os.path.join(sys.argv[1], 'out')
with profile_tf(out_dir=out, verbose=1, **SPEC) as prof:
    history = prof.fit(network(), (x, y), epochs=3, batch_size=32, verbose=0,
                       validation_data=(x[:20], y[:20]))
    predicted = prof.infer_keras(network(), x, batch_size=64, warmup_n=30)
assert predicted.shape == (100, 3)
losses = history.history["loss"]
assert losses[2] < losses[0]
assert len(history.history["energy_j"]) == 3 and history.history["energy_u95_j"][0] > 0
report = prof.report()
batches, epochs, phases = (rows(report, t) for t in ("batches", "epochs", "phases"))
assert [b["batch_size"] for b in batches] == [32, 32, 32, 4] * 3 + [64, 36]
assert [b["phase"] for b in batches] == ["train"] * 12 + ["infer"] * 2
assert np.allclose([e["loss"] for e in epochs], losses)
assert abs(batches[11]["loss"] - losses[2]) < 1e-6
assert {p["phase"]: p["samples"] for p in phases} == {"train": 300, "warmup": None, "infer": 100}
for name in ("train", "infer"):
    told = report.summary[name]
    assert abs(told["energy_j"] - 200 * told["time_s"]) <= told["energy_u95_j"], told
assert [r for r in categories(report) if r[1] == "validation"] == [("user", "validation")] * 3
attributes = [json.loads(r["attributes_json"]) for r in rows(report, "ranges")
              if r["category"] == "epoch"]
assert all({"index", "loss", "val_loss"} <= set(a) for a in attributes), attributes
environment = report.summary["environment"]
assert environment["keras"] == keras.__version__
assert environment["tensorflow"] == tf.__version__
assert {"summary.json", "batches.csv", "epochs.csv"} <= set(os.listdir(out))
assert [m["name"] for m in rows(report, "marks")][:2] == ["train_start", "epoch_start"]

# a whole with the seed's own call, on a dataset
with profile_tf(**SPEC) as prof:
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(100).batch(30).prefetch(2)
    prof.fit(network(), dataset, epochs=1, verbose=0)
    prof.infer_keras(network(), dataset)
assert sizes(prof.report(), 0) == sizes(prof.report()) == [30, 30, 30, 10]
"""


def test_fit_and_inference(told):
    out, failed = told["fit"]
    assert not failed, failed
    assert "epoch 1/3: loss " in out and "epoch 3/3: loss " in out and "samples/s" in out


CALLBACK = """
# on its own
callback = JoulemeterCallback(batch_size=50, **SPEC)
model = network(steps_per_execution=2)
model.fit(x, y, epochs=1, batch_size=50, verbose=0, callbacks=[callback])
model.evaluate(x, y, batch_size=50, verbose=0, callbacks=[callback])
model.predict(x, batch_size=50, verbose=0, callbacks=[callback])
callback.close()
report = callback.report()
assert categories(report) == [("phase", "train"), ("epoch", "epoch"), ("phase", "evaluate"),
                              ("phase", "infer")], categories(report)
assert sizes(report, 0) == [None]  # two steps are run as one: who knows whether there were two
callback = JoulemeterCallback(batch_size=40, samples=100, **SPEC)
network(steps_per_execution=2).fit(x, y, batch_size=40, verbose=0, callbacks=[callback])
assert sizes(callback.report(), 0) == [80, 20]
callback.close()
assert _class_for(model) is JoulemeterCallback and issubclass(JoulemeterCallback,
                                                              keras.callbacks.Callback)
for wrong in (JoulemeterCallback(**SPEC).report, lambda: _class_for(3)):
    try:
        wrong()
    except (RuntimeError, TypeError):
        continue
    raise AssertionError(wrong)

# within a profiler, and without sizes
with jm.profile(**SPEC) as p:
    network().fit(x, y, verbose=0, callbacks=[JoulemeterCallback()])
assert set(sizes(p.report(), 0)) == {None} and len(rows(p.report(), "epochs")) == 1

# a training that fails
class Fails(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 2:
            raise KeyError("no")

with profile_tf(**SPEC) as prof:
    try:
        prof.fit(network(), (x, y), verbose=0, callbacks=Fails())
    except KeyError:
        pass
    else:
        raise AssertionError
    prof.fit(network(), (x, y), verbose=0)
ranges = rows(prof.report(), "ranges")
failed = [r["name"] for r in ranges if "KeyError" in (r["attributes_json"] or "")]
assert failed == ["train", "epoch"], failed
assert not any(r["unfinished"] for r in ranges)
assert prof.report().summary["train"]["samples"] == 96 + 100

# one of which Keras says nothing: the pause is no part of it, nor is what follows
with jm.profile(**SPEC) as p:
    callback, model = JoulemeterCallback(batch_size=32), network()
    try:
        model.fit(x, y, verbose=0, callbacks=[callback, Fails()])
    except KeyError:
        failed = time.monotonic_ns()
    time.sleep(0.5)
    model.evaluate(x, y, verbose=0, callbacks=[callback])
    model.fit(x, y, verbose=0, validation_data=(x, y), callbacks=[callback])
    try:
        model.fit(x, y, verbose=0, callbacks=[callback, Fails()])
    except KeyError:
        model.predict(x, verbose=0, callbacks=[callback])
report = p.report()
ranges = [r for r in rows(report, "ranges") if r["category"] != "batch"]
assert [r["name"] for r in ranges] == [
    "session", "train", "epoch", "evaluate", "train", "epoch", "validation", "train", "epoch",
    "infer"], ranges
left = [r for r in ranges if "abandoned" in (r["attributes_json"] or "")]
assert [r["name"] for r in left] == ["train", "epoch"] * 2, left
for r in left[:2]:
    assert r["begin_s"] + r["duration_s"] <= (failed - report.recording.begin_ns) * 1e-9, r
assert not any(r["unfinished"] for r in ranges)
"""


def test_callback(told):
    assert not told["callback"][1], told["callback"][1]


SIZES = """
from joulemeter.callbacks._keras_sizes import head_of, sizes_of
def known(data, steps=1, **options):
    s = sizes_of(data, options)
    return [s.of(i, steps) for i in range(0, 5, steps)]
whole = tf.data.Dataset.from_tensor_slices((x, y))
assert known(x) == [32, 32, 32, 4, None]
assert known(x, batch_size=60) == [60, 40, None, None, None]
assert known({"a": x, "b": x}, batch_size=25) == [25] * 4 + [None]
assert known([x, x], batch_size=25, validation_split=0.5) == [25, 25, None, None, None]
assert known(tf.constant(x), batch_size=25)[0] == 25
assert known(x, batch_size=60, steps_per_epoch=1) == [None] * 5
assert known(x, batch_size=50, steps_per_epoch=1) == [50] * 5
assert known(x, steps=2, batch_size=30) == [60, 40, None]
assert known(whole.batch(60)) == [60, 40, None, None, None]
assert known(whole.batch(60, drop_remainder=True)) == [60] * 5
assert known(whole.batch(50)) == [50] * 5
assert known(whole.batch(60).map(lambda a, b: (a, b)).cache().prefetch(1))[:2] == [60, 40]
assert known(whole.batch(60).repeat()) == [None] * 5
assert known(whole.repeat().batch(60)) == [60] * 5
assert known(whole.batch(60).shuffle(9)) == [None] * 5
assert known(whole.filter(lambda a, b: True).batch(60)) == [None] * 5
assert known(whole.batch(60).unbatch().batch(30)) == [None] * 5
assert known(whole.batch(60).interleave(lambda a, b: whole.batch(7))) == [None] * 5
assert known(x for _ in range(3)) == [None] * 5
assert known(None) == known([1, 2]) == [None] * 5
dataset = whole.batch(60)
assert len(list(head_of(dataset, 61, sizes_of(dataset, {})))) == 2
assert head_of(x, 7, sizes_of(x, {})).shape == (7, 8) and head_of(x, 0, sizes_of(x, {})) is None
assert head_of(iter([x]), 7, sizes_of(iter([x]), {})) is None
both = head_of({"a": x, "b": [x]}, 7, sizes_of({"a": x, "b": [x]}, {}))
assert both["b"][0].shape == (7, 8)
"""


def test_sizes_of_batches(told):
    assert not told["sizes"][1], told["sizes"][1]


EXAMPLES = """
import runpy, sys
folder, root = sys.argv[1:3]
for simulate in (["--simulate", "h100"], []):
    sys.argv[1:] = ["--epochs", "2", "--samples", "640", "--out", folder + "/mnist", *simulate]
    runpy.run_path(root + "/examples/keras_mnist_like.py", run_name="__main__")
    with open(folder + "/mnist/summary.json") as file:
        summary = json.load(file)
    assert summary["train"]["samples"] == 1280 and summary["infer"]["samples"] == 640
    assert ("gpu0" in summary["per_device"]) >= bool(simulate)
    with open(folder + "/mnist/epochs.csv") as file:
        assert len(file.readlines()) == 3
readme = runpy.run_path(root + "/examples/powerdl_readme.py")
prof = readme["tensorflow_quick_start"]()
assert prof.report().summary["train"]["samples"] == 3 * 512
assert os.path.exists("results/tf_run/batches.csv")
"""


def test_examples(told):
    out, failed = told["examples"]
    assert not failed, failed
    for line in out.splitlines():
        if line.startswith("loss of each epoch:"):
            first, second = map(float, line.split(":")[1].split(","))
            assert second < first


def test_sizes_of_pytorch_loaders():
    from joulemeter.callbacks._keras_sizes import sizes_of

    for drop_last, last in ((False, 20), (True, 40)):
        loader = types.SimpleNamespace(batch_size=40, dataset=range(100), drop_last=drop_last)
        sizes = sizes_of(loader, {})
        assert [sizes.of(i) for i in range(3)] == [40, 40, last]


def test_the_callback_needs_keras(monkeypatch):
    from joulemeter.callbacks import keras as ours

    for name in ("keras", "tensorflow", "tf_keras"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match="pip install"):
        ours.JoulemeterCallback
    with pytest.raises(AttributeError):
        ours.nothing
