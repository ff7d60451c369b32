"""repeat(), compare() and the forecast of a training."""
import io
import json
import math
import os
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import _joulemeter
import joulemeter as jm

CONSTANT = {"simulate": "h100,constant:300,seed=1", "cpu": False, "join": False}


def work():
    time.sleep(0.15)


def energy(value, seconds=1.0, random=0.1, systematic=0.2, bound_only=False):
    return jm.Energy("", value, 2 * math.hypot(random, systematic), random, systematic,
                     value - 1, value + 1, seconds, value / seconds, 1.0, "power", "", bound_only)


def test_repeat_tells_energy_time_and_power():
    found = jm.repeat(work, 7, warmup=1, **CONSTANT)
    assert len(found.runs) == 7 and found.name == "work" and not found.interrupted
    assert found.energy_j.median == pytest.approx(45, rel=0.1)
    assert found.time_s.median == pytest.approx(0.15, rel=0.2)
    assert found.power_w.median == pytest.approx(300, rel=0.05)
    assert found.energy_j.median_lower <= found.energy_j.median <= found.energy_j.median_upper
    assert found.u_systematic_j > 0 and found.u95_j > 1.9 * found.u_systematic_j
    told = str(found)
    assert told.startswith("work: 7 runs") and "not real joules" in told
    assert "may be off by" in told and "<pre>work: 7 runs" in found._repr_html_()
    assert json.loads(json.dumps(found.to_dict()))["runs"][0]["energy_j"] > 0


def test_few_runs_have_no_interval():
    found = jm.repeat(work, 2, **CONSTANT)
    assert "few" in found.flags and not found.stable
    assert math.isnan(found.energy_j.mean_lower) and math.isnan(found.energy_j.median_lower)
    assert found.to_dict()["energy_j"]["mean_lower"] is None
    assert "too few runs to tell" in str(found)


def test_repeat_in_a_with_block_uses_its_profiler(simulated):
    with simulated() as p:
        found = jm.repeat(work, 3, name="mine", warmup=1)
        assert not p.closed
    rows = list(p.report().table("ranges").rows())
    assert [r["category"] for r in rows if r["name"] == "mine"] == ["warmup"] + 3 * ["user"]
    assert found.runs[0].energy_j == pytest.approx(30, rel=0.15)


def test_several_devices_are_told_apart():
    found = jm.repeat(work, 3, simulate="2*h100,constant:300", join=False, cpu=False)
    assert set(found.devices) == {"gpu0", "gpu1"}
    sums = [a.energy_j + b.energy_j for a, b in zip(*found.devices.values())]
    assert sums == pytest.approx([run.energy_j for run in found.runs], rel=1e-6)


def test_ctrl_c_gives_the_result_so_far():
    calls = []

    def stopped():
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        time.sleep(0.15)

    found = jm.repeat(stopped, 10, **CONSTANT)
    assert len(found.runs) == 3 and found.interrupted and "stopped by Ctrl-C" in str(found)

    def at_once():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        jm.repeat(at_once, 10, **CONSTANT)


def test_what_the_function_raises_comes_out():
    def broken():
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        jm.repeat(broken, 3, **CONSTANT)


def test_calls_too_short_are_refused():
    with pytest.raises(ValueError, match="too short to be measured: let it do its work several"):
        jm.repeat(lambda: None, 3, **CONSTANT)


@pytest.mark.parametrize("wrong", [{"n": 0}, {"warmup": -1}, {"intervals_s": [0.1], "profiler": 1},
                                   {"intervals_s": [0.1], "interval_s": 0.1},
                                   {"intervals_s": [0.1, 0.1]}, {"cooldown_s": -1}, {"level": 0},
                                   {"name": "a\0b"}])
def test_wrong_arguments(wrong):
    with pytest.raises(ValueError):
        jm.repeat(work, **{"n": 1, **wrong})


def test_a_run_too_short_is_left_out():
    calls = []

    def uneven():
        calls.append(1)
        if len(calls) != 3:
            time.sleep(0.15)

    with pytest.warns(jm.JoulemeterWarning, match="1 of 4 runs were too short"):
        found = jm.repeat(uneven, 4, **CONSTANT)
    assert len(found.runs) == 3


def test_too_short_is_told_at_once():
    calls = []
    with pytest.raises(ValueError, match="too short"):
        jm.repeat(lambda: calls.append(1), 1000, **CONSTANT)
    assert len(calls) == 1


def test_ctrl_c_after_the_last_run(monkeypatch):
    from joulemeter import _repeat

    settles = []

    def settle(profiler):
        settles.append(1)
        if len(settles) == 3:  # before, after the first, at the end
            raise KeyboardInterrupt
        time.sleep(0.15)

    monkeypatch.setattr(_repeat, "_settle", settle)
    found = jm.repeat(work, 3, **CONSTANT)
    assert len(found.runs) >= 2 and found.interrupted


def test_asynchronous_functions_are_refused():
    async def later():
        pass

    with pytest.raises(TypeError, match="asynchronous"):
        jm.repeat(later, 3)
    with pytest.raises(TypeError):
        jm.repeat(work, 2.5)
    with pytest.raises(TypeError, match="is no function"):
        jm.repeat(5)


def test_sampling_intervals():
    found = jm.repeat(work, 3, intervals_s=[0.01, 0.05], **CONSTANT)
    assert list(found.by_interval) == [0.01, 0.05]
    assert all(len(part.runs) == 3 for part in found.by_interval.values())
    assert found.sensitivity is not None and 0 < found.sensitivity.p <= 1
    assert found.sensitivity.highest in (0.01, 0.05)
    assert "50 ms" in str(found) and "the interval" in str(found)


def test_progress_is_one_line(monkeypatch):
    told = io.StringIO()
    monkeypatch.setattr(sys, "stderr", told)
    jm.repeat(work, 2, progress=True, **CONSTANT)
    assert " run 2 of 2  work" in told.getvalue() and "\n" not in told.getvalue()
    assert told.getvalue().endswith("\r\033[K")
    told.truncate(0)
    jm.repeat(work, 1, **CONSTANT)  # a StringIO is no terminal
    assert told.getvalue() == ""


def test_compare_tells_which_uses_less():
    found = jm.compare(lambda: time.sleep(0.15), lambda: time.sleep(0.3), 5, seed=1,
                       names=("short", "long"), **CONSTANT)
    assert found.energy.verdict == 1 and found.time.verdict == 1 and found.power.verdict == 0
    assert found.energy.lower < 2 < found.energy.upper or found.energy.ratio == pytest.approx(2, .05)
    assert found.verdicts["energy"].startswith("long uses ")
    assert "\nlong uses " in str(found) and "\nNo significant difference in power" in str(found)
    assert len(found.a.runs) == len(found.b.runs) == 5
    json.dumps(found.to_dict())


def test_compare_stopped_keeps_whole_pairs():
    calls = []

    def counted():
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        time.sleep(0.15)

    found = jm.compare(counted, counted, 10, **CONSTANT)
    assert found.a.name == "A" and found.b.name == "B"
    assert len(found.a.runs) == len(found.b.runs) == 2 and found.a.interrupted
    assert "few" in found.flags


def test_repeat_joins_joulemeter_run(command, tmp_path):
    program = ("import joulemeter as jm, time\n"
               "r = jm.repeat(lambda: time.sleep(0.2), 3, name='inner')\n"
               "print('median', r.energy_j.median)\n")
    out = tmp_path / "x.jm"
    done = subprocess.run([command, "run", "-q", "-o", out, "--simulate", "h100,constant:300",
                           "--", sys.executable, "-c", program], capture_output=True, text=True,
                          env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)))
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[1]) == pytest.approx(60, rel=0.2)
    names = jm.open(out).table("ranges").to_dict()["name"]
    assert names.count("inner") == 3


# ---- forecast ----

def test_forecast_of_equal_epochs():
    found = jm.forecast([energy(10 + 0.01 * (i % 3)) for i in range(6)], 60)
    assert found.epochs == 6 and found.total == 60
    assert found.energy_lower_j < 600.6 < found.energy_upper_j
    assert found.time_s == pytest.approx(60) and found.energy_done_j == pytest.approx(60.06)
    assert str(found).startswith("all 60 epochs: ") and "J in " in str(found)


def test_forecast_leaves_a_slow_first_epoch_out():
    epochs = [energy(30, 3.0)] + [energy(10 + 0.01 * i) for i in range(4)]
    assert "warmup" in jm.forecast(epochs, 100).flags
    assert jm.forecast(epochs, 100).energy_j == pytest.approx(30 + 99 * 10, rel=0.01)
    assert jm.forecast(epochs, 100, warmup="none").energy_j > 1300


def test_forecast_of_few_epochs_says_about():
    found = jm.forecast([energy(10)], 10)
    assert found.flags == ["few"] and str(found) == "all 10 epochs: about 100 J in about 10.0 s"


def test_forecast_refuses_what_is_no_estimate():
    with pytest.raises(ValueError, match="an epoch takes 1e.03 ms, too short"):
        jm.forecast([energy(10, bound_only=True)], 10)
    with pytest.raises(ValueError):
        jm.forecast([], 10)
    with pytest.raises(ValueError):
        jm.forecast([energy(10)] * 3, 2)
    with pytest.raises(ValueError, match="'auto', 'none' or 'first'"):
        jm.forecast([energy(10)] * 3, 10, warmup="perhaps")
    with pytest.raises(jm.JoulemeterError, match="nothing measures energy"):
        jm.forecast([energy(math.nan)], 10)


def test_a_report_forecasts_its_training(simulated):
    with simulated() as p:
        with p.phase("train"):
            for i in range(3):
                with p.epoch(i):
                    time.sleep(0.15)
        with p.phase("train"):  # anew
            for i in range(4):
                with p.epoch(i):
                    time.sleep(0.15)
            with p.epoch(4):
                running = p.report().forecast(20)
                time.sleep(0.15)
    assert running.epochs == 4
    found = p.report().forecast(20)
    assert found.epochs == 5 and found.time_done_s == pytest.approx(0.75, rel=0.2)
    with pytest.raises(ValueError, match="no epoch in a phase 'other'"):
        p.report().forecast(20, "other")


def test_the_latest_training_counts_and_no_failed_epoch(simulated):
    with simulated() as p:
        for _ in range(2):
            with p.phase("train"), p.epoch(0):
                time.sleep(0.15)
        with p.phase("train"):
            for i in range(2):
                with p.epoch(i):
                    time.sleep(0.3)
            with pytest.raises(RuntimeError), p.epoch(2):
                time.sleep(0.05)
                raise RuntimeError("out of memory")
    found = p.report().forecast(10)
    assert found.epochs == 2 and found.time_s == pytest.approx(3, rel=0.1)


def test_training_lines_foretell(capsys):
    torch = pytest.importorskip("torch")
    model = torch.nn.Linear(8, 2)
    data = torch.utils.data.TensorDataset(torch.randn(64, 8), torch.zeros(64, dtype=torch.long))

    def slow(output, target):
        time.sleep(0.02)
        return torch.nn.functional.cross_entropy(output, target)

    with jm.profile_torch(simulate="h100,constant:300", verbose=1, cpu=False, join=False) as prof:
        prof.train(model, torch.utils.data.DataLoader(data, batch_size=8),
                   torch.optim.SGD(model.parameters(), lr=0.1), slow, epochs=6)
    lines = [line for line in capsys.readouterr().out.splitlines() if "epoch " in line]
    assert "; all 6 epochs: about " in lines[0] and "; all 6 epochs: " in lines[4]
    assert "about" not in lines[4] and "all 6" not in lines[5]


# ---- numbers from anywhere ----

NUMBER = st.floats(1e-3, 1e6)
RUN = st.tuples(NUMBER, st.floats(0, 10), st.floats(0, 10), NUMBER)


@settings(max_examples=100, deadline=None)
@given(st.lists(RUN, min_size=1, max_size=30), st.integers(0, 1000))
def test_forecasts_never_fall_below_what_is_done(runs, left):
    found = _joulemeter.forecast(runs, len(runs) + left)
    assert found["energy_j"] >= found["energy_done_j"] * (1 - 1e-9)
    if not math.isnan(found["energy_lower_j"]):
        assert found["energy_lower_j"] <= found["energy_j"] <= found["energy_upper_j"]


@settings(max_examples=100, deadline=None)
@given(st.lists(RUN, min_size=1, max_size=30))
def test_the_median_is_within(runs):
    found = _joulemeter.repeat(runs)
    spread = found["energy_j"]
    assert spread["min"] <= spread["median"] <= spread["max"]
    assert all(0 <= i < len(runs) for i in found["outliers"])


@pytest.mark.parametrize("call", [
    lambda: _joulemeter.repeat(5), lambda: _joulemeter.repeat([1, 2]),
    lambda: _joulemeter.repeat([("a", 1, 1, 1)]), lambda: _joulemeter.repeat([(1, 2, 3)]),
    lambda: _joulemeter.sensitivity([1]), lambda: _joulemeter.sensitivity([(0.1, 5)]),
    lambda: _joulemeter.compare([(1, 1, 1, 1)], None), lambda: _joulemeter.value_text("a", 1, "J"),
    lambda: _joulemeter.compare_systematic([(1, 1, 1)], [(1, 1, 1)]),
])
def test_wrong_types_are_type_errors(call):
    with pytest.raises(TypeError):
        call()


def test_wrong_numbers_are_value_errors():
    with pytest.raises(ValueError):
        _joulemeter.repeat([(-1.0, 0, 0, 1)])
    with pytest.raises(ValueError):
        _joulemeter.compare_systematic([], [(1, 1, 1, False)])
    with pytest.raises(ValueError):
        _joulemeter.repeat([(1.0, 0, 0, 1)], level=2)
