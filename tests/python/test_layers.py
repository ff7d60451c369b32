"""Energy of layers: hooks, methods, tables and files."""
import csv
import json
import random
import threading
import time
import warnings

import pytest

import _joulemeter
import joulemeter as jm

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from joulemeter import LayerMetrics, LayerPowerProfiler, _hooks, _replay  # noqa: E402
from joulemeter._keep import Kept  # noqa: E402
from joulemeter.measurement import LayerwiseMeasurementTool  # noqa: E402

torch.set_num_threads(1)
GPU = "h100,constant:200,noise=0,seed=1"
FIELDS = ("layer_name exec_id start_time end_time duration_ms start_power_w end_power_w avg_power_w "
          "energy_j run_id energy_u95_j module_type is_leaf inclusive_energy_j method group").split()


class Block(nn.Module):
    """Uses one of its layers twice, and works in place."""

    def __init__(self, width=32):
        super().__init__()
        self.a = nn.Linear(width, width)
        self.relu = nn.ReLU(inplace=True)
        self.norm = nn.BatchNorm1d(width)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        return self.drop(self.norm(self.relu(self.a(x)) + self.a(torch.sin(x))))


class Nested(nn.Module):
    """Calls itself."""

    def __init__(self):
        super().__init__()
        self.leaf = nn.Linear(8, 8)

    def forward(self, x, depth=2):
        return self.leaf(x) if depth == 0 else self(x, depth - 1)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(16, 32), Block(), nn.Linear(32, 4))


def hooks_of(model):
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks)
               + len(module._backward_hooks) + ("forward" in vars(module))
               for module in model.modules())


def profiler_of(model, **options):
    options.setdefault("simulate", GPU)
    options.setdefault("max_seconds", 1)
    return LayerPowerProfiler(model, cpu=False, **options)


def calls_of(model, function, training=False):
    watch = _hooks.Watch(model, training)
    with watch:
        watch.run(function)
        calls = watch.take()
    return calls


# ---- calls ----


def test_calls_nest_and_threads_are_apart():
    calls = _joulemeter.Calls()
    outer, inner = (calls.begin(0), calls.end(0)), (calls.begin(1), calls.end(1))
    outer[0]()
    inner[0]("any", "arguments")

    def elsewhere():
        inner[0]()
        time.sleep(0.01)
        inner[1]()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert calls.current() == 1 and calls.count == 3
    inner[1](None, None, key="word")
    outer[1]()
    outer[1]()  # of a call that began before the hook was there
    assert calls.current() == -1
    rows = calls.take()
    assert [(row[0], row[3], row[4]) for row in rows] == [(0, -1, 0), (1, 0, 0), (1, -1, 1)]
    assert rows[0][1] <= rows[1][1] < rows[2][1] < rows[2][2] < rows[1][2] <= rows[0][2]
    assert rows[2][2] - rows[2][1] > 9e6 and calls.count == 0 and calls.take() == []


def test_what_is_left_open_is_ended():
    calls = _joulemeter.Calls()
    begin, end = calls.begin(0), calls.end(0)
    lost = calls.begin(1)
    begin(), lost(), lost(), end()
    rows = calls.take()
    assert [row[2] for row in rows] == [rows[0][2]] * 3
    begin(), lost()
    assert calls.cut() == 2 and calls.cut() == 0
    begin()
    assert calls.stop() == 1
    begin()
    assert calls.count == 3


def test_marks_take_the_place_of_times():
    seen = []
    marks = [lambda: seen.append("first")]
    calls = _joulemeter.Calls(marks, lambda: marks.append(lambda: seen.append("more")))
    calls.begin(7)(), calls.end(7)()
    assert seen == ["first", "more"] and calls.take()[0][:3] == (7, 0, 1)
    with pytest.raises(TypeError):
        _joulemeter.Calls("abc")
    failing = _joulemeter.Calls([lambda: 1 / 0])
    with pytest.raises(ZeroDivisionError):
        failing.begin(0)()
    assert failing.count == 0


def test_each_call_has_its_own_range(network):
    x = torch.randn(8, 16)
    with torch.no_grad():
        calls = calls_of(network, lambda: network(x))
    names = [call.part.name for call in calls]
    assert names == ["Sequential", "0", "1", "1.a", "1.relu", "1.a", "1.norm", "1.drop", "2"]
    assert [names[call.parent] if call.parent >= 0 else None for call in calls] == [
        None, "Sequential", "Sequential", *["1"] * 5, "Sequential"]
    assert all(call.begin_ns <= call.end_ns for call in calls)
    assert hooks_of(network) == 0


def test_a_module_that_calls_itself():
    model = Nested()
    with torch.no_grad():
        calls = calls_of(model, lambda: model(torch.randn(2, 8)))
    assert [(call.part.name, call.parent) for call in calls] == [
        ("Nested", -1), ("Nested", 0), ("Nested", 1), ("leaf", 2)]


def test_an_exception_leaves_nothing_open(network):
    class Fails(nn.Module):
        def forward(self, x):
            raise KeyError("on purpose")

    class Catches(nn.Module):
        def __init__(self):
            super().__init__()
            self.fails, self.then = Fails(), nn.Linear(4, 4)

        def forward(self, x):
            try:
                return self.fails(x)
            except KeyError:
                time.sleep(0.02)
                return self.then(x)

    model = Catches()
    with torch.no_grad():
        calls = calls_of(model, lambda: model(torch.randn(2, 4)))
    assert [(call.part.name, call.parent) for call in calls] == [
        ("Catches", -1), ("fails", 0), ("then", 0)]
    assert calls[1].end_ns - calls[1].begin_ns < 0.02e9
    model = nn.Sequential(nn.Linear(4, 4), Fails())
    profiler = profiler_of(model, method="passive")
    with pytest.raises(KeyError):
        profiler.profile(torch.randn(2, 4))
    with pytest.raises(KeyError):
        profiler.profile(torch.randn(2, 4), warmup=False)
    assert hooks_of(model) == 0


def test_functions_within_calls(network):
    import copy
    import inspect
    import pickle

    calls = _joulemeter.Calls()

    def add(a, b=2):
        return a + b

    around = calls.around(3, add)
    assert around(1) == 3 and around(1, b=4) == 5
    assert inspect.signature(around) == inspect.signature(add) and around.__name__ == "add"
    with pytest.raises(TypeError):
        around("one")
    assert [row[0] for row in calls.take()] == [3, 3, 3] and calls.current() == -1
    calls.stop()
    assert around(2) == 4 and calls.count == 0
    watch = _hooks.Watch(network.eval())
    with watch:
        copies = copy.deepcopy(network), pickle.loads(pickle.dumps(network))
        x = torch.randn(2, 16)
        expected = network(x)
        assert watch.count > 0
        watch.take()
        assert all(torch.equal(other(x), expected) for other in copies) and watch.count == 0


def test_a_function_that_the_program_replaces_meanwhile(network):
    watch = _hooks.Watch(network)
    with watch:
        ours = network[0].forward
        network[0].forward = lambda x: ours(x) + 1
    assert torch.allclose(network[0](torch.zeros(2, 16)), network[0].bias + 1)
    assert watch.count == 0


def test_backward_by_the_nodes_of_each_call(network):
    x = torch.randn(8, 16)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)

    def step():
        optimizer.zero_grad()
        network(x).square().mean().backward()
        optimizer.step()

    calls = calls_of(network, step, training=True)
    names = [call.part.name for call in calls]
    backward = [name for name in names if name.endswith(".backward")]
    assert backward == ["Sequential.backward", "2.backward", "1.backward", "1.drop.backward",
                        "1.norm.backward", "1.a.backward", "1.relu.backward", "1.a.backward",
                        "0.backward"] or sorted(backward) == sorted(
        f"{name}.backward" for name in names if name[0] in "S012" and "backward" not in name)
    assert names.count("optimizer.step") == 1 and names[-1] == "optimizer.step"
    for call in calls:
        if call.parent >= 0:
            around = calls[call.parent]
            assert around.begin_ns <= call.begin_ns <= call.end_ns <= around.end_ns
    assert hooks_of(network) == 0
    later = network(x).sum()
    later.backward()  # its graph has no hooks


def test_gradients_are_what_they_are_without_hooks(network):
    x = torch.randn(8, 16)
    network.eval()
    network(x).sum().backward()
    expected = [parameter.grad.clone() for parameter in network.parameters()]
    network.zero_grad()
    calls_of(network, lambda: network(x).sum().backward(), training=True)
    assert all(torch.equal(a, p.grad) for a, p in zip(expected, network.parameters()))


def outputs():
    """Ways to return a tensor."""
    import collections
    import dataclasses

    @dataclasses.dataclass
    class Plain:
        value: object
        note: str = "why not"

    class Slots:
        __slots__ = ("value", "unset")

        def __init__(self, value):
            self.value = value

    class Attributes:
        def __init__(self, value):
            self.value, self.itself, self.kind = value, self, Plain

    named = collections.namedtuple("Named", "a value")
    return {"dataclass": Plain, "slots": Slots, "attributes": Attributes,
            "namedtuple": lambda x: named(None, x), "set": lambda x: {"value", x},
            "nested": lambda x: Plain({"k": [Attributes((1, Slots(x)))]}),
            "distribution": lambda x: torch.distributions.Normal(x, 1.0)}


def tensor_in(value):
    from joulemeter._autograd import _tensors

    return next(one for one in _tensors(value) if one.requires_grad)


@pytest.mark.parametrize("kind", outputs())
def test_backward_of_models_that_return(kind):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(4, 4)

        def forward(self, x):
            return outputs()[kind](self.a(x))

    model = Model()
    calls = calls_of(model, lambda: tensor_in(model(torch.randn(2, 4))).sum().backward(),
                     training=True)
    assert [call.part.name for call in calls] == ["Model", "a", "Model.backward", "a.backward"]


def test_backward_of_models_that_return_huggingface_outputs():
    transformers = pytest.importorskip("transformers")

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(4, 4)

        def forward(self, x):
            return transformers.utils.ModelOutput(inner=transformers.utils.ModelOutput(y=self.a(x)))

    model = Model()
    calls = calls_of(model, lambda: model(torch.randn(2, 4)).inner.y.sum().backward(), training=True)
    assert [call.part.name for call in calls][2:] == ["Model.backward", "a.backward"]


def check_nesting(calls):
    for index, call in enumerate(calls):
        assert call.parent < index and call.begin_ns <= call.end_ns
        if call.parent >= 0:
            around = calls[call.parent]
            assert around.begin_ns <= call.begin_ns <= call.end_ns <= around.end_ns
    tops = [call for call in calls if call.parent < 0]
    assert all(a.end_ns <= b.begin_ns for a, b in zip(tops, tops[1:]))


@pytest.mark.parametrize("reentrant", [True, False])
def test_backward_of_checkpoints(reentrant):
    from torch.utils.checkpoint import checkpoint

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4)

        def forward(self, x):
            return self.c(checkpoint(lambda x: self.b(self.a(x)), x, use_reentrant=reentrant))

    model = Model()
    x = torch.randn(2, 4, requires_grad=True)
    calls = calls_of(model, lambda: model(x).sum().backward(), training=True)
    names = [call.part.name for call in calls]
    assert sorted(name for name in names if name.endswith(".backward")) == [
        "Model.backward", "a.backward", "b.backward", "c.backward"]
    assert names.count("a") == 2 and names[:4] == ["Model", "a", "b", "c"]  # once more, when needed
    again = calls[names.index("a", 2)]
    assert again.parent >= 0 and calls[again.parent].part.name.endswith(".backward")
    check_nesting(calls)
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_backward_within_an_optimizer():
    model = nn.Sequential(nn.Linear(4, 4))
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=2)
    x = torch.randn(8, 4)

    def closure():
        optimizer.zero_grad()
        loss = model(x).square().sum()
        loss.backward()
        return loss

    calls = calls_of(model, lambda: optimizer.step(closure), training=True)
    names = [call.part.name for call in calls]
    assert names[0] == "optimizer.step" and names.count("0.backward") == names.count("0") >= 1
    check_nesting(calls)
    assert {call.parent for call in calls if call.part.name.startswith("Sequential")} == {0}


@pytest.mark.parametrize("order", ["in turn", "together", "again"])
def test_backward_where_graphs_outlive_it(network, order):
    """What adds up gradients is the same as long as one graph that has it lives."""
    kept = []

    def run():
        if order == "in turn":  # the latest loss lives while the next one is made
            for _ in range(3):
                kept.append(network(torch.randn(8, 16)).sum())
                kept[-1].backward()
                time.sleep(0.02)
        elif order == "together":
            kept.extend(network(torch.randn(8, 16)).sum() for _ in range(3))
            for loss in kept[-3:]:
                loss.backward()
                time.sleep(0.02)
        else:
            kept.append(network(torch.randn(8, 16)).sum())
            for _ in range(3):
                kept[0].backward(retain_graph=True)
                time.sleep(0.02)

    network.eval()
    watch = _hooks.Watch(network, True)
    with watch:
        for _ in range(2):
            kept[:-1] = []
            watch.run(run)
            calls = watch.take()
            backward = [call for call in calls if call.part.name == "0.backward"]
            assert len(backward) == 3
            assert all(call.end_ns - call.begin_ns < 0.02e9 for call in calls)
            check_nesting(calls)
            if order == "again":
                kept.clear()


class Event:
    """An event of a device whose clock began at another time and is a little quick."""

    def __init__(self, enable_timing=False):
        assert enable_timing
        self.at_ns = None

    def record(self):
        self.at_ns = _joulemeter.now_ns()

    def synchronize(self):
        pass

    def elapsed_time(self, later):
        return (later.at_ns - self.at_ns) * 1.001e-6


def test_times_of_a_device(network, monkeypatch):
    from contextlib import nullcontext

    from joulemeter import _device_clock

    waits = []
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda *_: waits.append(1))
    monkeypatch.setattr(torch.cuda, "device", lambda _: nullcontext())
    monkeypatch.setattr(_device_clock, "_MORE", 4)
    monkeypatch.setattr(_hooks, "clock_of",
                        lambda device: _device_clock.CudaClock(torch.device("cuda")))
    watch = _hooks.Watch(network.eval())
    with watch, torch.no_grad():
        for _ in range(2):
            waits.clear()
            begin, end, _ = watch.run(lambda: (network(torch.randn(8, 16)), time.sleep(0.3),
                                               network(torch.randn(8, 16))))
            assert len(waits) <= 4  # at the edges of the run, none for a layer
            calls = watch.take()
            assert len(calls) == 18
            reach = 300_000  # of the clock of a device that is a thousandth quick, put right
            assert begin - reach <= calls[0].begin_ns and calls[-1].end_ns <= end + reach
            assert 0.3e9 <= calls[9].begin_ns - calls[0].end_ns < 0.3e9 + 0.1e9
            assert all(call.begin_ns <= call.end_ns for call in calls)
    assert len(watch.clock.marks) == 36 + (-36) % 4  # the second run used those of the first


def test_times_of_a_device_after_hours(monkeypatch):
    """elapsed_time() is a number of single precision."""
    import struct

    from joulemeter import _device_clock

    class Single(Event):
        def __init__(self, at_ns):
            self.at_ns = at_ns

        def elapsed_time(self, later):
            return struct.unpack("f", struct.pack("f", (later.at_ns - self.at_ns) * 1e-6))[0]

    generator = random.Random(3)
    begins = [int(i * 0.3e9 + generator.uniform(0, 0.2e9)) for i in range(3 * 3600 * 10 // 3)]
    begins[20000:] = [begin + 40_000_000_000 for begin in begins[20000:]]  # a pause
    edges = [edge for begin in begins for edge in (begin, begin + generator.randint(5_000, 80_000))]
    edges[10], edges[11] = edges[11], edges[10]  # of another stream
    clock = _device_clock.CudaClock(torch.device("cuda", 0))
    clock._events = [Single(edge) for edge in edges]
    clock._began = Single(-1000), 10**18
    clock._ended = Single(edges[-1] + 5000), 10**18 + edges[-1] + 6000
    times = clock.times(len(edges))
    assert len(times) == len(edges)
    lasted = [(b - a) - (d - c) for a, b, c, d in zip(times[::2], times[1::2], edges[::2], edges[1::2])]
    assert max(map(abs, lasted)) <= 200
    steps = [(b - a) - (d - c) for a, b, c, d in zip(times, times[1:], edges, edges[1:])]
    assert sorted(map(abs, steps))[-2] <= 1000  # but for the pause
    assert max(abs(time - 10**18 - 1000 - edge) for time, edge in zip(times, edges)) <= 10_000
    assert clock.times(0) == []


# ---- what stays as it was ----


def test_the_model_stays_as_it_was(network):
    numpy = pytest.importorskip("numpy")
    network.train()
    network(torch.randn(8, 16)).sum().backward()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    gradients = [parameter.grad for parameter in network.parameters()]
    values = [gradient.clone() for gradient in gradients]
    states = torch.get_rng_state(), random.getstate(), numpy.random.get_state()[1].copy()
    for method in ("replay", "passive", "dither"):
        profiler_of(network, method=method, max_seconds=0.3).profile(torch.randn(8, 16))
    torch_state, python_state, numpy_state = states
    torch.set_rng_state(torch_state)  # randn() of ours drew from it
    assert random.getstate() == python_state
    assert (numpy.random.get_state()[1] == numpy_state).all()
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
    for parameter, gradient, value in zip(network.parameters(), gradients, values):
        assert parameter.grad is gradient and torch.equal(gradient, value)
    assert all(module.training for module in network.modules())
    assert hooks_of(network) == 0


def test_generators_are_put_back_after_ctrl_c(network):
    with pytest.raises(KeyboardInterrupt), Kept(network):
        state, running = torch.get_rng_state(), network[1].norm.running_mean.clone()
        network(torch.randn(8, 16))
        network.eval()
        torch.rand(3)
        raise KeyboardInterrupt
    assert torch.equal(torch.get_rng_state(), state) and network.training
    assert torch.equal(network[1].norm.running_mean, running)


class Remembers(nn.Module):
    """Makes and fills what it needs at its first run, as rotary embeddings and caches do."""

    def __init__(self):
        super().__init__()
        self.register_buffer("empty", None)
        self.register_buffer("table", torch.zeros(2))
        self.register_buffer("grown", torch.zeros(1))
        self.longest, self.built, self.seen = 0, False, []

    def forward(self, x):
        if not self.built:
            self.register_buffer("fresh", torch.ones(1))
            self.layer = nn.Linear(4, 4)
            self.built = True
        if self.empty is None:
            self.empty = x.clone()
        if len(x) > self.longest:
            self.table, self.longest = torch.zeros(len(x)), len(x)
        self.grown.resize_(len(x)).fill_(1)
        self.table[: len(x)] += 1
        self.seen.append(x)
        self.last = x
        return self.layer(x) * self.fresh + self.table.sum()


@pytest.mark.parametrize("method", ["passive", "replay"])
def test_what_is_made_at_a_first_run_is_unmade(method):
    model = nn.Sequential(Remembers())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    table = model[0].table
    for length in (3, 8, 5):
        profiler_of(model, method=method, max_seconds=0.2).profile(torch.randn(length, 4))
        assert list(model.state_dict()) == list(before) and model[0].table is table
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
        assert model[0].empty is None and len(list(model.parameters())) == 0
        assert not model[0].built and model[0].longest == 0 and model[0].seen == []
        assert not hasattr(model[0], "last") and not hasattr(model[0], "fresh")
    model(torch.randn(8, 4))  # it still runs
    assert model[0].built and len(model[0].seen) == 1


def test_lazy_modules(tmp_path):
    x = torch.randn(4, 8)
    model = nn.Sequential(nn.LazyLinear(4), nn.LazyBatchNorm1d())
    model.unused = nn.ModuleList([nn.LazyLinear(4)])[0]
    model.forward = lambda x: model[1](model[0](x))
    hooks = hooks_of(model)
    profiler = profiler_of(model, method="passive")
    for inputs in (x, x):
        with pytest.raises(RuntimeError, match=r"0 \(LazyLinear\).*call the model once before"):
            profiler.profile(inputs)
        assert hooks_of(model) == hooks and model[0].has_uninitialized_params()
    model(x)
    assert len(profiler.profile(x)) == 3 and model.unused.has_uninitialized_params()
    model = nn.Sequential(nn.LazyLinear(4))  # a training has to begin somewhere
    rows = profiler_of(model).profile_training(lambda: model(x).sum().backward())
    assert [row.layer_name for row in rows] == ["Sequential", "0", "Sequential.backward", "0.backward"]


def test_ctrl_c_during_replay(network, monkeypatch):
    x = torch.randn(8, 16)
    state = torch.get_rng_state()
    burst = _replay.Replay._burst
    done = []

    def interrupted(self, layer):
        done.append(burst(self, layer))
        if len(done) == 2:
            raise KeyboardInterrupt
        return done[-1]

    monkeypatch.setattr(_replay.Replay, "_burst", interrupted)
    running = network[1].norm.running_mean.clone()
    with pytest.raises(KeyboardInterrupt):
        profiler_of(network, method="replay").profile(x)
    assert torch.equal(torch.get_rng_state(), state) and hooks_of(network) == 0
    assert torch.equal(network[1].norm.running_mean, running)


# ---- LayerPowerProfiler ----


def test_profile_and_its_tables(network, tmp_path):
    profiler = profiler_of(network.eval(), method="replay", max_seconds=4)
    rows = profiler.profile(torch.randn(256, 16), num_runs=3)
    assert len(rows) == 3 * 9 and all(isinstance(row, LayerMetrics) for row in rows)
    assert [row.exec_id for row in rows] == list(range(27))
    assert [row.run_id for row in rows] == [0] * 9 + [1] * 9 + [2] * 9
    total = sum(row.energy_j for row in rows)
    own_s = sum(row.duration_ms for row in rows) * 1e-3
    assert total == pytest.approx(200 * own_s, rel=0.1)
    roots = [row for row in rows if row.layer_name == "Sequential"]
    assert sum(row.inclusive_energy_j for row in roots) == pytest.approx(total, rel=0.01)
    assert not roots[0].is_leaf and rows[1].is_leaf and rows[1].module_type == "Linear"
    assert all(row.end_time >= row.start_time > 1.7e9 for row in rows)
    assert rows[1].start_power_w == pytest.approx(200, rel=0.05)
    assert profiler.method_used == "replay" and profiler.attribution.simulated
    ranges = profiler.report.recording.ranges("layer")
    bursts = [r for r in ranges if r["name"] == "1.a" and r["end_ns"] - r["begin_ns"] > 50e6]
    assert len(bursts) >= 1  # one range each
    inside = [r for r in ranges for b in bursts if b["begin_ns"] < r["begin_ns"] < b["end_ns"]]
    assert inside == []

    assert {part["type"] for part in profiler.attribution.parts if part["calls"]} == {
        "Sequential", "Block", "Linear", "ReLU", "BatchNorm1d", "Dropout"}
    bars = [one for one in profiler.report.figure_data("layer_type_energy_bar")["marks"]
            if one["kind"] == "bar"]
    assert bars

    path = tmp_path / "layers.csv"
    profiler.save_results(path)
    with open(path, newline="", encoding="utf-8") as file:
        saved = list(csv.DictReader(file))
    assert list(saved[0]) == FIELDS and len(saved) == 27
    assert float(saved[1]["energy_j"]) == pytest.approx(rows[1].energy_j)

    pytest.importorskip("pandas")
    frame = profiler.get_results_dataframe()
    assert list(frame.columns) == FIELDS and len(frame) == 27
    stats = profiler.get_summary_stats()
    assert list(stats.columns) == [
        *((column, kind) for column in ("duration_ms", "avg_power_w")
          for kind in ("mean", "std", "min", "max")),
        *(("energy_j", kind) for kind in ("sum", "mean", "std"))]
    assert stats.loc["1.a", ("energy_j", "sum")] == pytest.approx(
        sum(row.energy_j for row in rows if row.layer_name == "1.a"))


@pytest.mark.parametrize("dropped", [False, True])
def test_calls_that_took_no_time(monkeypatch, dropped):
    """A device's clock, or an empty function, can give both edges of a call the same time."""
    import json

    class Quick(nn.Module):
        def forward(self, x):
            return x

    class Slow(nn.Module):
        def forward(self, x):
            time.sleep(0.15)
            return x

    model = nn.Sequential(Slow(), Quick(), Slow(), Quick())
    take, attribute = _hooks.Watch.take, _joulemeter.Recording.attribute

    def take_quick(self):
        calls = take(self)
        for call in calls:
            if call.part.module_type == "Quick":
                call.end_ns = call.begin_ns
        return calls

    class Recording:
        """Whose attribution lacks the calls of no time, and tells of the others backwards."""

        def __init__(self, recording):
            self._recording = recording

        def __getattr__(self, name):
            return getattr(self._recording, name)

        def attribute(self, **options):
            found = json.loads(attribute(self._recording, **options))
            if "calls" in found:
                kept = [i for i, own in enumerate(found["calls"]["own_s"]) if own > 0][::-1]
                found["calls"] = {name: [column[i] for i in kept]
                                  for name, column in found["calls"].items()}
            return json.dumps(found)

    monkeypatch.setattr(_hooks.Watch, "take", take_quick)
    profiler = profiler_of(model, method="passive")
    if dropped:
        from joulemeter import _layer_run

        simple = _layer_run.attribute
        monkeypatch.setattr(_layer_run, "attribute",
                            lambda recording, **options: simple(Recording(recording), **options))
    rows = profiler.profile(torch.zeros(1), num_runs=2)
    assert [row.layer_name for row in rows] == 2 * ["Sequential", "0", "1", "2", "3"]
    for row in rows:
        if row.module_type == "Quick":
            assert row.duration_ms == 0 and row.avg_power_w != row.avg_power_w
            assert row.energy_j != row.energy_j if dropped else row.energy_j == 0
        elif row.module_type == "Slow":
            assert 150 <= row.duration_ms and row.energy_j == pytest.approx(
                0.2 * row.duration_ms, rel=0.1)


def test_summary_in_gpupps_layout(network, capsys):
    profiler = profiler_of(network, method="passive")
    profiler.print_summary()
    assert "Nothing has been profiled" in capsys.readouterr().out
    profiler.profile(torch.randn(8, 16), num_runs=2)
    profiler.print_summary()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "=" * 80 and lines[1] == "PROFILING SUMMARY" and lines[2] == "=" * 80
    text = "\n".join(lines)
    for words in ("GPU: NVIDIA H100", "(simulated)", "Memory Used: ", "Total Execution Time: ",
                  "Total Energy Consumed: ", "Average Power Draw: ", "Top 10 Time Consumers:",
                  "Top 10 Energy Consumers:", "Method: passive", "Power is simulated"):
        assert words in text, words


def test_layers_of_which_only_bounds_are_known(network, monkeypatch, tmp_path):
    from joulemeter import _layer_run

    attribute = _layer_run.attribute
    bounds = {"0": None, "1.a": "0 and more", "1.norm": "0 and more"}

    def unsure(*args, **options):
        found = attribute(*args, **options)
        for part in found.parts:
            part["bound_only"] = part["name"] in bounds
            part["group"] = bounds.get(part["name"])
        return found

    monkeypatch.setattr(_layer_run, "attribute", unsure)
    profiler = profiler_of(network, method="time_share")
    rows = profiler.profile(torch.randn(8, 16), num_runs=3)
    for row in rows:
        assert row.method == ("time_share (bound only)" if row.layer_name in bounds else "time_share")
        assert row.group == bounds.get(row.layer_name)
    profiler.save_results(tmp_path / "layers.csv")
    with open(tmp_path / "layers.csv", newline="", encoding="utf-8") as file:
        saved = list(csv.DictReader(file))
    assert [row["method"] for row in saved] == [row.method for row in rows]
    text = profiler.summary()
    power = text[text.index("Top 10 Power"):text.index("Top 10 Time")].splitlines()
    assert not {"0", "1.a", "1.norm"} & {line.split()[0] for line in power if line}
    assert "Left out: 2 layers that cannot be told apart" in text
    assert "Left out: 1 layer of whose energy only bounds are known" in text
    monkeypatch.undo()
    profiler = profiler_of(network, method="time_share")
    profiler.profile(torch.randn(8, 16), num_runs=3)
    assert "Left out" not in profiler.summary()
    assert {row.method for row in profiler.results} == {"time_share"}


def test_inputs_of_all_kinds(network):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x, y=None):
            return self.layer(x) + (0 if y is None else y)

    x, y = torch.randn(2, 4), torch.randn(2, 4)
    two = profiler_of(Two(), method="passive")
    for inputs in (x, (x,), (x, y), [x, torch.zeros(2)], {"x": x, "y": y}):
        assert len(two.profile(inputs)) == 2
    assert len(profiler_of(network, method="passive").profile([torch.randn(8, 16),
                                                               torch.zeros(8)])) == 9
    for runs in (0, -1, 1.9, 2.0, float("nan"), "2", None):
        with pytest.raises(ValueError, match="num_runs must be a whole number"):
            two.profile(x, num_runs=runs)
        with pytest.raises(ValueError, match="num_runs"):
            two.profile_training(lambda: None, num_runs=runs)
    with pytest.raises(ValueError, match="auto, passive"):
        LayerPowerProfiler(network, method="guess")
    with pytest.raises(TypeError, match=r"torch.nn.Module"):
        LayerPowerProfiler(3)
    with pytest.raises(TypeError, match="no generate"):
        two.profile_generation(x)


@pytest.mark.parametrize("method", ["time_share", "boundary", "dither", "auto"])
def test_methods_by_name(network, method):
    profiler = profiler_of(network, method=method, max_seconds=0.5)
    rows = profiler.profile(torch.randn(8, 16))
    assert len(rows) == 9
    assert profiler.method_used == ("replay" if method == "auto" else method)
    assert {row.method.replace(" (bound only)", "") for row in rows} == {profiler.method_used}
    if method == "auto":
        assert "refreshes of the sensor" in profiler.choice


def test_auto_is_passive_where_layers_are_long():
    class Slow(nn.Module):
        def forward(self, x):
            time.sleep(0.4)
            return x

    profiler = profiler_of(nn.Sequential(Slow(), Slow()), max_seconds=5)
    profiler.profile(torch.zeros(1), warmup=False)
    assert profiler.method_used == "passive" and "0 % of the time" in profiler.choice


def test_without_any_sensor(network):
    profiler = LayerPowerProfiler(network, method="passive", gpu=False, cpu=False)
    with pytest.warns(jm.JoulemeterWarning, match="no device has a reading of power or energy; "
                                                  "joulemeter doctor"):
        rows = profiler.profile(torch.randn(8, 16))
    assert profiler.reason == "no device has a reading of power or energy"
    assert all(row.energy_j != row.energy_j and row.duration_ms > 0 for row in rows)
    assert "not measured" in profiler.summary() and profiler.reason in profiler.summary()
    inner = [row for row in rows if row.layer_name == "Sequential"][0]
    assert inner.duration_ms < 1e3 * (inner.end_time - inner.start_time)


def test_runs_that_are_too_short(network, tmp_path, monkeypatch):
    from joulemeter import _layer_run

    def nothing(*_, **__):  # which readings see a short run is chance
        raise jm.JoulemeterError("no reading lies within it", "JM_NO_DATA")

    slow = "3090,constant:200"
    x = torch.randn(8, 16)
    monkeypatch.setattr(_layer_run, "attribute", nothing)
    profiler = LayerPowerProfiler(network, method="passive", cpu=False, simulate=slow)
    with pytest.warns(jm.JoulemeterWarning, match="too short for the sensor of gpu0") as told:
        profiler.profile(x, num_runs=2)
    text = str(told[0].message)
    assert profiler.reason == "no reading lies within it" and profiler.reason in text
    assert "refreshes every 100 ms" in text and "doctor" not in text
    wanted = int(text.split("num_runs=")[1].split()[0])
    each_ms = float(text.split(" ms are")[0].split()[-1]) / 2
    assert wanted == pytest.approx(10 * 100 / each_ms, rel=0.05, abs=2)
    with pytest.warns(jm.JoulemeterWarning, match=r"too short.*num_runs="):
        profiler.profile_training(lambda: network(x).sum().backward())
    tool = LayerwiseMeasurementTool(tmp_path / "layers.csv", simulate=slow, cpu=False)
    tool.start(network)
    network(x)
    with pytest.warns(jm.JoulemeterWarning, match=r"no row is written: .*times as long would do"):
        tool.stop()
    monkeypatch.undo()
    gone = LayerPowerProfiler(network, method="passive", cpu=False, simulate="h100,fault=lost@1")
    with pytest.warns(jm.JoulemeterWarning) as told:
        gone.profile(x)
    assert "joulemeter doctor" in str(told[-1].message) and gone.reason in str(told[-1].message)


def test_training_steps(network):
    x = torch.randn(64, 16)
    optimizer = torch.optim.Adam(network.parameters())

    def step():
        optimizer.zero_grad()
        network(x).square().mean().backward()
        optimizer.step()

    profiler = profiler_of(network)
    rows = profiler.profile_training(step, num_runs=4)
    names = {row.layer_name for row in rows}
    assert {"0", "0.backward", "1.a", "1.a.backward", "optimizer.step"} <= names
    assert sum(row.layer_name == "1.a.backward" for row in rows) == 8
    assert profiler.method_used == "passive" and hooks_of(network) == 0
    with pytest.warns(jm.JoulemeterWarning, match="each step changes the model"):
        profiler_of(network, method="replay").profile_training(step)


def test_generation_by_token():
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=64, pad_token_id=0)
    model = transformers.LlamaForCausalLM(config).eval()
    inputs = transformers.BatchEncoding({"input_ids": torch.randint(1, 64, (1, 5)),
                                         "attention_mask": torch.ones(1, 5, dtype=torch.long)})
    profiler = profiler_of(model)
    rows = profiler.profile_generation(inputs, max_new_tokens=8, min_new_tokens=8, do_sample=False)
    assert [token["phase"] for token in profiler.tokens] == ["prefill"] + ["decode"] * 7
    assert sum(row.layer_name == "model.layers.1.mlp.gate_proj" for row in rows) == 8
    assert [phase["phase"] for phase in profiler.phases] == ["prefill", "decode"]
    assert profiler.phases[1]["tokens"] == 7
    assert sum(token["energy_j"] for token in profiler.tokens) == pytest.approx(
        sum(row.energy_j for row in rows), rel=0.01)
    assert "decode" in profiler.summary() and hooks_of(model) == 0
    assert len(profiler.profile(inputs)) > 20


@pytest.mark.parametrize("wrap", ["compiled", "distributed"])
def test_generation_of_wrapped_models(wrap, tmp_path):
    """What generates is within: its layers run as they are."""
    class Generates(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x):
            return self.layer(x)

        def generate(self, inputs, max_new_tokens):
            for _ in range(max_new_tokens):
                inputs = self(inputs)
            return inputs

    model = Generates()
    if wrap == "compiled":
        profiler = profiler_of(torch.compile(model, backend="eager"))
        with pytest.warns(jm.JoulemeterWarning, match="runs the model as it was before"):
            rows = profiler.profile_generation(torch.randn(2, 4), max_new_tokens=3)
    else:
        dist = torch.distributed
        dist.init_process_group("gloo", init_method=f"file://{tmp_path}/rank", rank=0, world_size=1)
        try:
            profiler = profiler_of(nn.parallel.DistributedDataParallel(model))
            rows = profiler.profile_generation(torch.randn(2, 4), max_new_tokens=3)
        finally:
            dist.destroy_process_group()
    assert [row.layer_name for row in rows] == 3 * ["Generates", "layer"]
    assert [token["phase"] for token in profiler.tokens] == ["prefill", "decode", "decode"]
    assert hooks_of(model) == 0


def test_a_model_that_was_not_called(network):
    told = []
    profiler = profiler_of(network, on_warning=told.append)
    assert profiler.profile_training(lambda: None) == []
    assert told[-1].startswith("nothing is known of layers: no layer of the model was called")
    assert "Nothing has been profiled: no layer of the model was called." in profiler.summary()


def test_replay_calls_layers_with_what_they_were_given():
    given = []

    class Layer(nn.Module):
        def forward(self, x, *, scale, extra):
            given.append((x.clone(), scale, extra, torch.is_autocast_enabled("cpu")))
            return x.mul_(scale)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = Layer()

        def forward(self, x):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                return self.layer(x + 1, scale=2, extra=[None, (3, "x")])

    model = Model()
    layers = _replay.capture(_hooks.parts_of(model), lambda: model(torch.zeros(2)), "cpu")
    assert len(layers) == 1 and hooks_of(model) == 0
    with layers[0].context():
        layers[0].call()
    first, again = given
    assert torch.equal(first[0], again[0]) and first[1:] == again[1:] == (2, [None, (3, "x")], True)


def test_an_encoder_runs_as_it_does_unwatched():
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    x = torch.randn(2, 4, 16)
    rows = profiler_of(model, method="replay").profile(x)
    assert [row.layer_name for row in rows] == ["TransformerEncoder", "layers.0", "layers.1"]
    with torch.no_grad():
        layers = _replay.capture(_hooks.parts_of(model), lambda: model(x), "cpu")
    assert [layer.part.name for layer in layers] == ["layers.0", "layers.1"]
    model.train()
    assert len(profiler_of(model, method="passive").profile(x)) > 10


def test_a_backward_of_one_node_each():
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=1,
                                     num_attention_heads=2, intermediate_size=32)
    model = transformers.BertForSequenceClassification(config)

    def step():
        model(input_ids=torch.ones(2, 6, dtype=torch.long),
              labels=torch.tensor([0, 1])).loss.backward()

    calls = calls_of(model, step, training=True)
    assert all(call.parent < index for index, call in enumerate(calls))
    names = {call.part.name for call in calls}
    assert {"classifier.backward", "bert.encoder.layer.0.attention.self.query.backward"} <= names


def test_layers_that_cannot_run_alone():
    class Once(nn.Module):
        calls = 0

        def forward(self, x):
            self.calls += 1
            if self.calls > 2:
                raise RuntimeError("not again")
            return x

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.once, self.layer = Once(), nn.Linear(4, 4)

        def forward(self, x):
            self.once.calls = 0
            return self.layer(self.once(x))

    with pytest.warns(jm.JoulemeterWarning, match="cannot be run alone.*once"):
        rows = profiler_of(Model(), method="replay", max_seconds=0.6).profile(torch.randn(2, 4))
    assert len(rows) == 3


def test_progress_is_told(network, capfd):
    profiler_of(network, method="dither", progress=True, max_seconds=2.2,
                target_rel_u95=1e-6).profile(torch.randn(8, 16))
    assert "random gap" in capfd.readouterr().err
    profiler_of(network, method="dither", max_seconds=0.2).profile(torch.randn(8, 16))
    assert capfd.readouterr().err == ""


# ---- other kinds of models ----


def test_data_parallel_and_sharded_models_are_refused(network):
    parallel = nn.DataParallel(network)
    with pytest.raises(NotImplementedError, match=r"DataParallel.*model\.module"):
        LayerPowerProfiler(parallel)

    with torch.device("meta"):
        empty = nn.Linear(2, 2)
    with pytest.raises(NotImplementedError, match="meta device"):
        LayerPowerProfiler(empty)

    class FullyShardedDataParallel(nn.Module):
        pass

    with pytest.raises(NotImplementedError, match="sharded"):
        LayerPowerProfiler(FullyShardedDataParallel())


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_scripted_models_are_refused(network, tmp_path):
    network.eval()
    scripted = torch.jit.script(network)
    with pytest.raises(NotImplementedError, match="the model is TorchScript.*profile the eager model"):
        LayerPowerProfiler(scripted)
    torch.jit.save(scripted, str(tmp_path / "scripted.pt"))
    with pytest.raises(NotImplementedError, match=r"torch\.jit\.load"):
        LayerwiseMeasurementTool(tmp_path / "layers.csv", simulate=GPU).start(
            torch.jit.load(str(tmp_path / "scripted.pt")))
    inner = nn.Sequential(network, *(torch.jit.script(nn.ReLU()) for _ in range(4)))
    with pytest.raises(NotImplementedError, match=r"part of the model \(1, 2, 3 and 1 more\) is"):
        LayerPowerProfiler(inner)
    assert hooks_of(network) == 0


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_traced_models_are_one_part(network):
    x = torch.randn(8, 16)
    traced = torch.jit.trace(network.eval(), x)
    for model, names in ((traced, 1), (nn.Sequential(traced, nn.ReLU()), 3)):
        with pytest.warns(jm.JoulemeterWarning, match="compiled, and measured as one part"):
            rows = profiler_of(model, max_seconds=0.3).profile(x)
        assert len(rows) == names


@pytest.mark.parametrize("wrap", ["compile", "distributed", "compiled distributed", "arguments"])
def test_batches_for_wrapped_models(network, tmp_path, wrap):
    """A list is a batch with its target, whatever the model is wrapped in."""
    import torch.distributed as dist

    class Arguments(nn.Module):
        def __init__(self, module):
            super().__init__()
            self.module = module

        def forward(self, *args, **kwargs):
            return self.module(*args, **kwargs)

    model = network.eval()
    if wrap == "arguments":
        model = Arguments(model)
    if "distributed" in wrap:
        dist.init_process_group("gloo", init_method=f"file://{tmp_path}/rank", rank=0, world_size=1)
    try:
        if "distributed" in wrap:
            model = nn.parallel.DistributedDataParallel(model)
        if "compile" in wrap:
            model = torch.compile(model, backend="eager")
        profiler = profiler_of(model, method="passive")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ours of what is compiled, and PyTorch's
            rows = profiler.profile([torch.randn(8, 16), torch.zeros(8)])
        assert len(rows) == {"compile": 1, "distributed": 9, "compiled distributed": 1,
                             "arguments": 10}[wrap]
    finally:
        if "distributed" in wrap:
            dist.destroy_process_group()


def test_what_is_compiled_is_one_part(network):
    compiled = torch.compile(network.eval(), backend="eager")
    x = torch.randn(8, 16)
    with pytest.warns(jm.JoulemeterWarning, match="compiled, and measured as one part"):
        rows = profiler_of(compiled, method="passive").profile(x)
    assert [(row.layer_name, row.module_type) for row in rows] == [
        ("Sequential", "Sequential (compiled)")]
    network[1] = torch.compile(network[1], backend="eager")
    with pytest.warns(jm.JoulemeterWarning, match="measured as one part each: 1"):
        rows = profiler_of(network, method="passive").profile(x)
    assert [row.layer_name for row in rows] == ["Sequential", "0", "1", "2"]
    model = nn.Sequential(nn.Linear(16, 4), nn.ReLU())
    model[1].compile(backend="eager")
    inner = model[1]._compiled_call_impl
    with pytest.warns(jm.JoulemeterWarning, match="compiled"):
        rows = profiler_of(model, method="passive").profile(x)
    assert [row.layer_name for row in rows] == ["Sequential", "0", "1"]
    assert model[1]._compiled_call_impl is inner


# ---- LayerwiseMeasurementTool ----


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_layerwise_tool_in_training_and_inference(network, tmp_path):
    path = tmp_path / "layers.csv"
    x = torch.randn(64, 16)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    tracker = LayerwiseMeasurementTool(path, 0, simulate=GPU, cpu=False)
    model = tracker.start(network)
    assert model is network and hooks_of(network) > 0
    with pytest.raises(RuntimeError, match="twice"):
        tracker.start(network)
    for _ in range(60):
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()
    tracker.stop()
    assert hooks_of(network) == 0
    with pytest.raises(RuntimeError, match="without start"):
        tracker.stop()
    tracker.start(network)
    with torch.no_grad():
        for _ in range(60):
            network(x)
    tracker.stop()
    rows = rows_of(path)
    assert list(rows[0])[:7] == ["layer", "type", "mode", "calls", "energy (J)", "energy u95 (J)",
                                 "forward energy (J)"]
    assert [row["layer"] for row in rows] == 2 * ["Sequential", "0", "1", "1.a", "1.relu", "1.norm",
                                                  "1.drop", "2"]
    assert [row["mode"] for row in rows] == ["training"] * 8 + ["inference"] * 8
    assert rows[3]["calls"] == "120"
    for row in rows:
        assert float(row["energy (J)"]) > 0 and "simulated" in row["source"]
        assert (row["backward energy (J)"] != "") == (row["mode"] == "training")
    joules, u95, seconds = (sum(float(row[column]) * float(row["calls"]) for row in rows[8:])
                            for column in ("energy (J)", "energy u95 (J)", "time (s)"))
    assert joules == pytest.approx(200 * seconds, abs=u95)


def test_layerwise_tool_over_many_calls(network, tmp_path, monkeypatch):
    from joulemeter import _layerwise

    monkeypatch.setattr(_layerwise, "_MOST_CALLS", 50)
    path = tmp_path / "layers.csv"
    tracker = LayerwiseMeasurementTool(path, simulate=GPU, cpu=False)
    tracker.start(network)
    for _ in range(40):
        network(torch.randn(8, 16)).sum().backward()
    assert tracker._run.watch.count < 100
    tracker.stop()
    assert {row["calls"] for row in rows_of(path)} == {"40", "80"}


def test_layerwise_tool_where_only_parts_are_called(network, tmp_path, monkeypatch):
    from joulemeter import _layerwise

    monkeypatch.setattr(_layerwise, "_MOST_CALLS", 20)
    tracker = LayerwiseMeasurementTool(tmp_path / "layers.csv", simulate=GPU, cpu=False)
    tracker.start(network)
    for _ in range(1000):
        network[2](torch.randn(8, 32)).sum().backward()
        assert tracker._run.watch.count < 8 * 20 + 20
    tracker.stop()
    assert [(row["layer"], row["calls"]) for row in rows_of(tmp_path / "layers.csv")] == [("2", "1000")]


def test_a_network_that_is_saved_and_copied_meanwhile(network, tmp_path):
    import copy

    tracker = LayerwiseMeasurementTool(tmp_path / "layers.csv", simulate=GPU, cpu=False)
    tracker.start(network.eval())
    x = torch.randn(8, 16)
    for _ in range(100):
        expected = network(x)
    torch.save(network, tmp_path / "network.pt")
    others = [copy.deepcopy(network), torch.load(tmp_path / "network.pt", weights_only=False)]
    count = tracker._run.watch.count
    for other in others:
        assert hooks_of(other) - sum("forward" in vars(m) for m in other.modules()) == 0
        assert torch.equal(other(x), expected) and tracker._run.watch.count == count
    tracker.stop()
    assert hooks_of(network) == 0


def test_layerwise_tool_without_a_call(network, tmp_path):
    tracker = LayerwiseMeasurementTool(tmp_path / "layers.csv", simulate=GPU, cpu=False)
    tracker.start(network)
    with pytest.warns(jm.JoulemeterWarning, match="no layer ran"):
        tracker.stop()
    assert rows_of(tmp_path / "layers.csv") == []
    (tmp_path / "other.csv").write_text("a,b\n")
    with pytest.raises(ValueError, match="something else"):
        LayerwiseMeasurementTool(tmp_path / "other.csv", simulate=GPU)


# ---- reports ----


def test_report_attributes_any_ranges(simulated):
    p = simulated("h100,constant:300,noise=0")
    for _ in range(5):
        with p.range("a", "layer"):
            time.sleep(0.1)
        with p.range("b", "layer"):
            time.sleep(0.05)
    live = p.report().attribute("layer", calls=True)
    assert {part["name"] for part in live.parts} == {"a", "b"}
    time.sleep(0.2)
    p.close()
    found = p.report().attribute()
    assert found.by == "layer" and found.device == "gpu0" and found.simulated
    energies = {part["name"]: part for part in found.parts}
    assert energies["a"]["calls"] == 5
    assert energies["a"]["energy_j"] == pytest.approx(150, rel=0.15)
    assert "layers of gpu0" in str(found)
    assert p.report().attribute(prefix="a").parts[0]["name"] == "a"
    with pytest.raises(jm.JoulemeterError):
        p.report().attribute("kernel")
    with pytest.raises(ValueError, match="no category"):
        p.report().attribute("colour")
    with pytest.raises(ValueError, match="time_share"):
        p.report().attribute(method="guess")


KERNEL = 7  # JM_CATEGORY_KERNEL


def test_kernels_are_split(simulated):
    p = simulated("h100,constant:300,noise=0")
    for i in range(6):
        begin = time.monotonic_ns()
        time.sleep(0.1)
        p.add_range("gemm", begin, time.monotonic_ns(), KERNEL, "gpu0", i % 3,
                    json.dumps({"grid": [4 + i % 2, 1, 1], "block": [32, 1, 1]},
                               separators=(",", ":")))
    time.sleep(0.2)
    p.close()

    def names(**options):
        return sorted(part["name"] for part in p.report().attribute("kernel", **options).parts)

    assert names() == ["gemm"]
    assert names(split="grid") == ["gemm <4x1x1, 32x1x1>", "gemm <5x1x1, 32x1x1>"]
    assert names(split=["stream"]) == [f"gemm (stream {i})" for i in range(3)]
    assert len(names(split=("grid", "stream"))) == 6
    with pytest.raises(ValueError, match="split by grid or stream, not by 'size'"):
        names(split="size")


def test_headings_of_attributions(simulated):
    p = simulated("h100,constant:300,noise=0")
    for _ in range(3):
        with p.range("a", "layer"):
            time.sleep(0.1)
        with p.range("b", "batch"):
            time.sleep(0.05)
    time.sleep(0.1)
    p.close()
    attribute = p.report().attribute

    def heading(*by, **options):
        return str(attribute(*by, **options)).splitlines()[0]

    assert heading("batch") == "batches of gpu0 by regression:"
    assert heading() == heading("layer") == heading(["layer"]) == "layers of gpu0 by regression:"
    assert heading(["layer", "batch"]) == "layers and batches of gpu0 by regression:"
    assert heading(["nvtx", "batch", "layer", "layer"], method="time_share") == (
        "NVTX ranges, batches and layers of gpu0 by time_share:")
    assert heading("layer", prefix="a") == "layers whose names begin with 'a' of gpu0 by regression:"
    assert "in 3 calls" in str(attribute("batch"))
    third = p.recording().ranges("batch")[2]
    one = attribute("batch", windows=[(third["begin_ns"], third["end_ns"])])
    assert "in 1 call\n" in str(one)
    assert repr(attribute(["layer", "batch"])) == (
        "<Attribution of 2 parts (layers and batches) of gpu0 by regression>")


def test_importing_joulemeter_imports_no_framework():
    import subprocess
    import sys

    code = ("import sys, joulemeter; joulemeter.LayerPowerProfiler; joulemeter.LayerMetrics; "
            "print('torch' in sys.modules or 'pandas' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_no_warning_where_nothing_is_wrong(network):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        profiler_of(network, method="replay", max_seconds=0.5).profile(torch.randn(8, 16))


@pytest.mark.parametrize("method", ["time_share", "boundary", "passive", "dither", "replay"])
def test_every_method_has_a_summary(method, capsys):
    model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU())
    profiler = jm.LayerPowerProfiler(model, method=method, simulate="h100,constant:200", max_seconds=1)
    profiler.profile(torch.randn(8, 64), num_runs=30)
    profiler.print_summary()
    text = capsys.readouterr().out
    assert f"Method: {method}" in text
    assert ("no interval holds" in text) == (method in ("time_share", "boundary"))
