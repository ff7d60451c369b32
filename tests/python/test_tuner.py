"""Tuning from Python: the truth of a simulated GPU is found, and everything is as it was before."""
import copy
import csv
import ctypes
import io
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import joulemeter as jm
from joulemeter.limits import power_cap_profiler, reset_power_cap, set_power_cap

SIMGPU = os.environ.get("JOULEMETER_SIMGPU_LIBRARY", "")
FOLDER = os.path.dirname(SIMGPU)
TRUTH = os.path.join(FOLDER, "simgpu-truth")
CURVE = os.environ.get("TUNE_TRUTH", "")
SLOWNESS = float(os.environ.get("JOULEMETER_TEST_SLOWNESS", "1"))
pytestmark = pytest.mark.skipif(not os.path.exists(TRUTH), reason="there is no simulated GPU")


class Board:
    """A simulated GPU that works for this process."""

    def __init__(self, path, spec):
        self.path = str(path)
        subprocess.run([TRUTH, "--create", self.path, spec], check=True)
        self._library = ctypes.CDLL(os.path.join(FOLDER, "libsimgpu-channel.so"))
        self._library.simgpu_state_open.restype = ctypes.c_void_p
        self._library.simgpu_channel_work.restype = ctypes.c_double
        self._library.simgpu_channel_work.argtypes = [ctypes.c_void_p, ctypes.c_int] + [ctypes.c_double] * 3
        self._state = self._library.simgpu_state_open(self.path.encode(), None)

    def work(self, watts=280.0, seconds=0.03, share=0.2):
        assert self._library.simgpu_channel_work(self._state, 0, watts, seconds, share) > 0

    def now(self):
        """(limit in W, clock as a share)."""
        done = subprocess.run([TRUTH, "--limits", self.path], check=True, capture_output=True, text=True)
        return tuple(float(word) for word in done.stdout.split()[1:3])


@pytest.fixture
def board(tmp_path, monkeypatch):
    def make(spec="v100,channel"):
        made = Board(tmp_path / "boards", spec)
        monkeypatch.setenv("JOULEMETER_SIMGPU_STATE", made.path)
        monkeypatch.setenv("JOULEMETER_NVML_LIBRARY", SIMGPU)
        monkeypatch.setenv("JOULEMETER_SIMGPU_ALLOW_LIMIT", "1")
        monkeypatch.setenv("JOULEMETER_LIMITD_SOCKET", str(tmp_path / "nobody.sock"))
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        return made

    return make


def regret_pct(setting, watts, share, lever="power"):
    """How much more than the least E x D^2 is at a setting, in truth."""
    if not os.path.exists(CURVE):
        pytest.skip("$TUNE_TRUTH does not name the simulated GPU's truth")
    out = subprocess.run([CURVE, "v100,channel", str(watts), "1", str(share), lever], check=True, capture_output=True,
                         text=True).stdout
    values = {float(row["setting"]): float(row["energy_j"]) * float(row["seconds"]) ** 2
              for row in csv.DictReader(io.StringIO(out))}
    return 100 * (values[round(setting)] / min(values.values()) - 1)


# ---- loops ----


def test_a_loop_goes_on_under_the_best(board):
    b = board()
    told = []
    with jm.PowerTuner(seconds=6, on_trial=lambda trial, coming: told.append((trial, coming))) as tuner:
        until = time.monotonic() + 60 * SLOWNESS
        while not tuner.done:
            assert time.monotonic() < until
            b.work()
            tuner.item()
        assert b.now()[0] == pytest.approx(tuner._steering.result()["setting"], abs=0.5)
    assert b.now() == (300, 1)
    found = tuner.result
    assert found.verdict == "found"
    assert found.simulated
    assert regret_pct(found.setting, 280, 0.2) < 1
    assert len(told) == len(found.trials)
    assert [coming["setting"] for _, coming in told[:-1]] == pytest.approx(
        [trial["setting"] for trial in found.trials[1:]], abs=0.5)
    assert told[-1][1] is None
    assert found.trials[0]["setting"] == 300
    assert found.best["relative"][0] < 0.9
    assert "simulated GPU" in str(found)


def test_a_function(board):
    b = board()
    found = jm.tune(lambda: b.work(seconds=0.1), trials=5)
    assert regret_pct(found.setting, 280, 0.2) < 1
    assert b.now() == (300, 1)


def test_an_iterator(board):
    b = board()
    seen = []
    tuner = jm.PowerTuner(trials=3)
    for watts in tuner:
        assert b.now()[0] == pytest.approx(watts, abs=0.5)
        seen.append(watts)
        b.work(seconds=0.5)
    assert b.now() == (300, 1)
    assert list(dict.fromkeys(seen)) == [trial["setting"] for trial in tuner.result.trials]
    assert len(seen) == sum(trial["items"] for trial in tuner.result.trials)
    for _ in jm.PowerTuner(trials=3):
        break
    assert b.now() == (300, 1)


def test_a_clock_and_bounds(board):
    b = board()
    found = jm.tune(b.work, clock=True, trials=3, lowest="50%")
    assert found.unit == "MHz"
    assert min(trial["setting"] for trial in found.trials) >= 765
    assert b.now() == (300, 1)
    with pytest.raises(ValueError, match="150 to 300 W"):
        jm.tune(b.work, lowest=50)
    with pytest.raises(ValueError, match="speed"):
        jm.tune(b.work, "speed")


def test_keep(board):
    b = board()
    found = jm.tune(lambda: b.work(seconds=0.1), trials=4, keep=True)
    assert found.verdict == "found"
    assert b.now()[0] == pytest.approx(found.setting, abs=0.5)
    reset_power_cap(0)
    assert b.now() == (300, 1)


def test_exceptions_give_back(board):
    b = board("v100,channel,limit=290")
    with pytest.raises(ZeroDivisionError):
        with jm.PowerTuner(seconds=1) as tuner:
            for _ in range(10):
                b.work()
                tuner.item()
            assert b.now()[0] == 300  # the default, with which it begins
            1 / 0
    assert b.now() == (290, 1)
    with pytest.raises(RuntimeError, match="nothing was measured"):
        tuner.result
    with pytest.raises(RuntimeError, match="belongs into the block"):
        tuner.item()


def test_within_a_profiler_that_simulates():
    with jm.profile(simulate="v100,constant:200", join=False) as p:
        found = jm.tune(lambda: time.sleep(0.05), trials=2)
        assert found.simulated
        assert len(p.devices()) >= 1


def test_no_permission(board, monkeypatch):
    board()
    monkeypatch.setenv("JOULEMETER_SIMGPU_ALLOW_LIMIT", "0")
    with pytest.raises(jm.JoulemeterError, match="only root may set limits") as caught:
        with jm.PowerTuner():
            pass
    assert caught.value.status == "JM_PERMISSION"


def test_files_and_figures(board, tmp_path):
    b = board()
    found = jm.tune(lambda: b.work(seconds=0.1), trials=3)
    for what in ("curve", "trials"):
        found.to_csv(tmp_path / "x.csv", what)
        with open(tmp_path / "x.csv", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        assert len(rows) > 3
        assert len({len(row) for row in rows}) == 1
    with pytest.raises(ValueError):
        found.to_csv(tmp_path / "x.csv", "all")
    pytest.importorskip("matplotlib")
    for _ in range(2):
        figure, axes = found.plot()
        figure.savefig(tmp_path / "x.png")


def test_the_limit_is_back_before_anything_is_waited_for(board, monkeypatch):
    """Ctrl-C while a block that has ended waits for its thread, or computes what was found."""
    b = board("v100,channel,limit=290")
    told, go_on = threading.Event(), threading.Event()

    def tell(trial, coming):
        told.set()
        assert go_on.wait(20 * SLOWNESS)

    tuner = jm.PowerTuner(seconds=0.5, on_trial=tell)
    tuner.__enter__()
    until = time.monotonic() + 20 * SLOWNESS
    while not told.is_set():
        assert time.monotonic() < until
        b.work()
        tuner.item()
    assert b.now()[0] not in (290, 300)  # the second setting
    thread = tuner._thread

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(thread, "join", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tuner.__exit__(None, None, None)
    assert b.now() == (290, 1)
    go_on.set()
    threading.Thread.join(thread, 20 * SLOWNESS)
    assert not thread.is_alive()
    assert b.now() == (290, 1)
    seen = []
    monkeypatch.setattr("joulemeter._tuner.Tuning", lambda *_: seen.append(b.now()))
    with jm.PowerTuner(seconds=0.5) as tuner:
        for _ in range(60):
            time.sleep(0.02)
            tuner.item()
    assert seen == [(290, 1)]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_killed(board, number):
    b = board("v100,channel,limit=290")
    code = """
        import time
        import joulemeter as jm
        with jm.PowerTuner(seconds=0.5) as tuner:
            while True:
                time.sleep(0.02)
                tuner.item()
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stderr=subprocess.DEVNULL)
    until = time.monotonic() + 20 * SLOWNESS
    while b.now()[0] == 290:
        assert time.monotonic() < until
    time.sleep(random.uniform(0, 1))
    process.send_signal(number)
    begin = time.monotonic()
    while b.now() != (290, 1):
        assert time.monotonic() - begin < 1 * SLOWNESS
    process.wait()


# ---- De Feo's profiler ----

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def one_thread():
    """Threads that spin on a busy machine would take most of the time of a step."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)



def parts(seed=1, momentum=0.9):
    """A model with all that may change as it trains, with some steps behind it."""
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.BatchNorm1d(16), torch.nn.Dropout(0.3),
                                torch.nn.ReLU(), torch.nn.Linear(16, 3))
    data = torch.utils.data.TensorDataset(torch.randn(40, 8), torch.randint(0, 3, (40,)))
    loader = torch.utils.data.DataLoader(data, batch_size=8, shuffle=True,
                                         generator=torch.Generator().manual_seed(5))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    loss_fn = torch.nn.CrossEntropyLoss()
    for inputs, target in loader:
        optimizer.zero_grad()
        loss_fn(model(inputs), target).backward()
        optimizer.step()
    model[2].eval()
    return model, loader, loss_fn, optimizer


def frozen(value):
    """All that can be compared, bit for bit."""
    if isinstance(value, torch.Tensor):
        return value.dtype, tuple(value.shape), value.detach().contiguous().cpu().numpy().tobytes()
    if isinstance(value, dict):
        return {key: frozen(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [frozen(item) for item in value]
    return value


def snapshot(model, loader, loss_fn, optimizer):
    import numpy

    return {"model": frozen(model.state_dict()), "optimizer": frozen(optimizer.state_dict()),
            "gradients": [None if p.grad is None else frozen(p.grad) for p in model.parameters()],
            "modes": [module.training for module in model.modules()],
            "attributes": sorted(vars(optimizer)),
            "random": random.getstate(), "numpy": frozen(numpy.random.get_state()[1].tolist()),
            "torch": frozen(torch.get_rng_state()), "loader": frozen(loader.generator.get_state())}


def a_step(b):
    def step(model, batch, loss_fn, optimizer):
        random.random()
        inputs, target = batch
        optimizer.zero_grad()
        loss_fn(model(inputs), target).backward()
        optimizer.step()
        b.work(seconds=0.05)

    return step


def test_the_model_is_as_it_was(board, tmp_path):
    b = board()
    model, loader, loss_fn, optimizer = given = parts()
    identities = [id(p) for p in model.parameters()], [id(s) for s in optimizer.state.values()]
    before = snapshot(*given)
    watts = power_cap_profiler(0, model, loader, a_step(b), loss_fn, optimizer, tmp_path / "caps.csv", seconds=3,
                               trials=4)
    assert snapshot(*given) == before
    assert identities[0] == [id(p) for p in model.parameters()]
    assert b.now() == (300, 1)
    assert 150 <= watts < 300
    with open(tmp_path / "caps.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(power_cap_profiler.last.trials)
    set_power_cap(gpu_num=0, cap=watts)
    assert b.now()[0] == pytest.approx(watts, abs=0.5)
    reset_power_cap(gpu_num=0)
    assert b.now() == (300, 1)


def test_a_training_goes_on_as_if_nothing_had_been(board):
    """The steps after it are those that would have come without."""
    b = board()

    def losses(profiled):
        model, loader, loss_fn, optimizer = parts()
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2)
        if profiled:
            power_cap_profiler(0, model, loader, a_step(b), loss_fn, optimizer, None, seconds=0.6, trials=2)
        found = []
        for _ in range(2):
            for inputs, target in loader:
                optimizer.zero_grad()
                loss = loss_fn(model(inputs), target)
                loss.backward()
                optimizer.step()
                found.append(loss.item())
            schedule.step()
        return found

    assert losses(True) == losses(False)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_also_after_an_exception(board, tmp_path, error):
    b = board("v100,channel,limit=290")
    model, loader, loss_fn, optimizer = given = parts()
    before = snapshot(*given)
    step, steps = a_step(b), []

    def failing(*args):
        step(*args)
        steps.append(b.now()[0])
        if len(set(steps)) > 1:  # the second setting
            raise error

    with pytest.raises(error):
        power_cap_profiler(0, model, loader, failing, loss_fn, optimizer, tmp_path / "caps.csv", seconds=2)
    assert snapshot(*given) == before
    assert b.now() == (290, 1)
    with open(tmp_path / "caps.csv", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) >= 1


def test_an_optimizer_that_has_not_stepped(board):
    b = board()
    model, loader, loss_fn, _ = parts()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    before = frozen(copy.deepcopy(optimizer.state_dict()))
    power_cap_profiler(0, model, loader, a_step(b), loss_fn, optimizer, None, seconds=0.6, trials=2)
    assert frozen(optimizer.state_dict()) == before
    assert len(optimizer.state) == 0


def test_an_optimizer_that_keeps_lists(board):
    """LBFGS: its state holds lists of tensors, which grow as it steps."""
    b = board()
    model, loader, loss_fn, _ = parts()
    model.eval()
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=3, history_size=4)

    def step(model, batch, loss_fn, optimizer):
        inputs, target = batch

        def closure():
            optimizer.zero_grad()
            loss = loss_fn(model(inputs), target)
            loss.backward()
            return loss

        optimizer.step(closure)
        b.work(seconds=0.05)

    step(model, next(iter(loader)), loss_fn, optimizer)
    state = next(iter(optimizer.state.values()))
    before, kept = frozen(optimizer.state_dict()), state["old_dirs"]
    assert len(kept) > 0
    power_cap_profiler(0, model, loader, step, loss_fn, optimizer, None, seconds=0.6, trials=2)
    assert frozen(optimizer.state_dict()) == before
    assert next(iter(optimizer.state.values()))["old_dirs"] is kept
    assert optimizer.param_groups[0]["params"] is optimizer._params


def test_its_own_steps(board):
    """train=True and train=False, as De Feo's: here on the CPU, while the board draws what it draws."""
    board("v100,constant:200")
    for train in (True, False):
        model, loader, loss_fn, optimizer = given = parts()
        before = snapshot(*given)
        watts = power_cap_profiler(gpu_num=0, model=model, dataloader=loader, train=train, loss_fn=loss_fn,
                                   optimizer=optimizer, out_file=None, seconds=0.6, trials=2)
        assert 150 <= watts <= 300
        assert snapshot(*given) == before


def test_wrong_arguments(board):
    b = board()
    model, loader, loss_fn, optimizer = parts()
    with pytest.raises(TypeError, match="not an iterator"):
        power_cap_profiler(0, model, iter(loader), True, loss_fn, optimizer, None)
    with pytest.raises(ValueError, match="needs an optimizer"):
        power_cap_profiler(0, model, loader, True, loss_fn, None, None)
    with pytest.raises(ValueError, match="no batch"):
        power_cap_profiler(0, model, [], True, loss_fn, optimizer, None)
    assert b.now() == (300, 1)
