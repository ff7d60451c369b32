"""Sessions, ranges and energies from Python."""
import asyncio
import contextlib
import gc
import inspect
import json
import math
import multiprocessing
import os
import subprocess
import sys
import threading
import time
import warnings
import weakref

import pytest

import _joulemeter
import joulemeter as jm


def ranges_of(recording):
    return json.loads(recording.json())


def test_version_and_names():
    assert jm.__version__ == _joulemeter.version
    for name in jm.__all__:
        assert getattr(jm, name) is not None
    with pytest.raises(AttributeError):
        jm.no_such_name  # noqa: B018


def test_import_takes_nothing_heavy():
    heavy = "typing,json,inspect,numpy,pandas,matplotlib,torch,tensorflow".split(",")
    code = f"import sys, joulemeter; print([m for m in {heavy!r} if m in sys.modules])"
    homes = {os.path.dirname(_joulemeter.__file__), os.path.dirname(os.path.dirname(jm.__file__))}
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True,
                          env=dict(os.environ, PYTHONPATH=os.pathsep.join(homes)))
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_energy_of_a_constant_load(simulated):
    p = simulated("h100,constant:200,noise=0,seed=1")
    with p.phase("train") as window:
        time.sleep(0.5)
    e = window.energy("gpu0")
    assert isinstance(e, jm.Energy)
    assert e.lower_j <= 200 * e.duration_s <= e.upper_j
    assert "simulated" in e.provenance
    assert abs(e.mean_power_w - 200) < 30
    assert float(e) == e.energy_j
    assert "±" in str(e) and "simulated" in repr(e)
    assert set(e.to_dict()) == set(jm.Energy.__slots__)
    assert window.energy_j > 0 and window.energy_u95_j > 0 and window.time_s == e.duration_s
    recording = p.close()
    after = window.energy("gpu0")
    assert after.lower_j <= 200 * after.duration_s <= after.upper_j
    assert recording.range_energy(window.id, device="gpu0") == after


def test_windows_overlap_and_nest(simulated):
    p = simulated()
    a = p.begin("a")
    b = p.begin("b", "phase", size=3)
    time.sleep(0.15)
    assert p.end("a") is a
    time.sleep(0.15)
    assert p.end(b, loss=0.25) is b
    assert a.time_s < b.time_s
    with pytest.raises(LookupError):
        p.end("a")
    with pytest.raises(ValueError, match="category"):
        p.begin("x", "nonsense")
    with pytest.raises(TypeError):
        p.phase()
    with pytest.raises(RuntimeError, match="not begun"):
        p.phase("x").energy()
    with pytest.raises(LookupError, match="gpu7"):
        b.energy("gpu7")


def test_attributes(simulated, tmp_path):
    numpy = pytest.importorskip("numpy")
    p = simulated()
    with p.epoch(3, lr=0.1):
        with p.batch(7, 32) as b:
            pass
    with p.batch(size=numpy.int64(5)):
        pass
    with p.phase("é", text='a "quote"', nan=float("nan"), array=numpy.arange(2)):
        pass
    with pytest.raises(RuntimeError):
        with p.phase("fails"):
            raise RuntimeError("no")
    odd = type('Bad"Näme', (Exception,), {})
    with pytest.raises(odd):
        with p.phase("fails oddly"):
            raise odd
    with p.range("named", category="layer", depth=2) as layer:
        assert layer.category == "layer"
    with pytest.raises(ValueError, match="no category 'lair': choose"):
        p.range("x", category="lair")
    with pytest.raises(ValueError, match="no category 3"):
        p.range("x", category=3)
    with pytest.raises(TypeError, match="twice"):
        p.range("x", "user", category="user")
    early = _joulemeter.now_ns()
    assert p.begin("past", category="kernel").end_at(early, exception="abandoned").time_s == 0
    p.begin("end").end(loss=numpy.float32(0.5), many={"a": [1, 2]})
    p.mark("here", x=1)
    assert b.category == "batch" and b.name == "batch"
    recording = p.close()
    path = tmp_path / "a.jm"
    recording.save(path)
    import sqlite3

    with contextlib.closing(sqlite3.connect(path)) as db:
        rows = {name: json.loads(text) if text else {} for name, text in
                db.execute("SELECT category || ' ' || name, attributes FROM range ORDER BY seq")}
        marks = db.execute("SELECT name, attributes FROM mark").fetchall()
    assert rows["epoch epoch"] == {"index": 3, "lr": 0.1}
    assert rows["batch batch"] == {"size": 5}
    assert rows["phase é"] == {"text": 'a "quote"', "nan": None, "array": [0, 1]}
    assert rows["phase fails"] == {"exception": "RuntimeError"}
    assert rows["phase fails oddly"] == {"exception": 'Bad"Näme'}
    assert rows["layer named"] == {"depth": 2}
    assert rows["kernel past"] == {"exception": "abandoned"}
    assert rows["user end"] == {"loss": 0.5, "many": {"a": [1, 2]}}
    assert [(n, json.loads(a)) for n, a in marks] == [("here", {"x": 1})]


def test_context_manager_closes_and_keeps_data(simulated):
    p = simulated()
    with pytest.raises(ZeroDivisionError):
        with p:
            assert jm.current() is p
            with p.phase("train"):
                time.sleep(0.2)
                1 / 0  # noqa: B018
    assert p.closed and jm.current() is None
    recording = p.recording()
    assert recording.range_count == 2
    assert recording.energy(device="gpu0").energy_j > 0
    assert p.close() is recording  # once more does not matter
    assert "closed" in repr(p)


def test_a_closed_profiler_says_so(simulated):
    told = []
    p = simulated(on_warning=told.append)
    with p, p.phase("train"):
        time.sleep(0.05)
    with pytest.raises(RuntimeError, match=r"closed: make a new one with joulemeter.profile\(\)"):
        p.__enter__()
    assert told == []
    for _ in range(2):
        with p.phase("later"), p.batch(0, 32):
            p.mark("lost", method="none", self=1)
        p.end(p.begin("window"))
        p.close()
    assert len(told) == 1 and "closed" in told[0] and "not measured" in told[0]
    assert [row["name"] for row in p.report().table("ranges").rows()] == ["session", "train"]
    with pytest.warns(jm.JoulemeterWarning, match="closed"):
        short = jm.profile(gpu=False, cpu=False, join=False)
        short.close()
        short.mark("lost")
    unused = jm.profile(gpu=False, cpu=False, join=False)
    unused.close()
    gone = weakref.ref(unused)
    del unused
    assert gone() is None  # at once


def test_threads(simulated):
    p = simulated()

    def work(number):
        for i in range(200):
            with p.batch(i, number):
                pass

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert p.close().range_count == 1600


def test_asking_while_it_is_closed(simulated):
    p = simulated()
    window = p.begin("x")
    time.sleep(0.2)
    failures = []

    def ask():
        try:
            for _ in range(100000):
                window.energy()
                if p.closed:
                    break
        except Exception as e:  # noqa: BLE001
            failures.append(e)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    p.close()
    for thread in threads:
        thread.join()
    assert failures == []


def test_asyncio(simulated):
    p = simulated()

    @jm.measure
    async def work(n):
        await asyncio.sleep(0.05)
        return n

    async def main():
        return await asyncio.gather(*(work(n) for n in range(3)))

    with p:
        assert asyncio.run(main()) == [0, 1, 2]
    assert len(work.measurements) == 3
    assert all(0.04 < window.time_s < 1 for window in work.measurements)


def test_measure(simulated):
    @jm.measure(name="named", category="phase")
    def work(x):
        """Doc."""
        return 2 * x

    @jm.measure
    def numbers():
        yield 1
        yield 2

    with simulated() as p:
        assert work(2) == 4 and list(numbers()) == [1, 2]
        assert work.__doc__ == "Doc." and work.last.name == "named"
        assert work.last.category == "phase" and work.last.session is p
        with pytest.raises(TypeError):
            work()
    assert len(work.measurements) == 2
    assert numbers.last.name.endswith("numbers")


def test_measure_of_methods_and_asynchronous_generators(simulated):
    class Worker:
        @jm.measure
        @staticmethod
        def alone(x):
            return x

        @jm.measure(name="made")
        @classmethod
        def make(cls):
            return cls

    @jm.measure
    async def numbers(ended):
        total = 0
        try:
            while total < 10:
                try:
                    total += (yield total) or 1
                except KeyError:
                    total = 10
                await asyncio.sleep(0.05)
            yield -1
        finally:
            ended.append(total)

    async def consume():
        found, ended = [], []
        async for number in numbers(ended):
            found.append(number)
            if number == 3:
                break
        steps = numbers(ended)
        assert await steps.__anext__() == 0 and await steps.asend(4) == 4
        assert await steps.athrow(KeyError()) == -1
        with pytest.raises(StopAsyncIteration):
            await steps.__anext__()
        given_up = numbers(ended)
        await given_up.__anext__()
        await given_up.aclose()
        return found, ended

    with simulated() as p:
        assert Worker.alone(3) == 3 and Worker().alone(4) == 4 and Worker.make() is Worker
        assert len(Worker.alone.measurements) == 2 and Worker.alone.last.name.endswith("alone")
        assert Worker.make.last.name == "made"
        assert inspect.isasyncgenfunction(numbers)
        found, ended = asyncio.run(consume())
        assert found == [0, 1, 2, 3] and sorted(ended) == [0, 3, 10]
        times = [window.time_s for window in numbers.measurements]
        assert times[0] > 0.14 and times[1] > 0.09
    assert not any(row["unfinished"] for row in p.report().table("ranges").rows())


def _in_worker(p):
    for i in range(50):
        with p.batch(i, 1):
            pass


def test_forked_workers(simulated):
    p = simulated()
    context = multiprocessing.get_context("fork")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads and fork
        workers = [context.Process(target=_in_worker, args=(p,)) for _ in range(3)]
        for worker in workers:
            worker.start()
    with p.phase("parent"):
        for worker in workers:
            worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert p.close().range_count == 151


JOINS = """
import joulemeter as jm
with jm.profile("inner") as p:
    assert p.joined
    names = [d["name"] for d in p.devices()]
    assert "gpu0" in names, names
    with p.phase("train") as w:
        import time; time.sleep(0.3)
    e = w.energy("gpu0")
    assert e.lower_j <= 150 * e.duration_s <= e.upper_j, e
    p.set_info("framework", "none")
    try:
        p.report()
    except RuntimeError as error:
        assert "joulemeter run" in str(error)
    else:
        raise AssertionError
"""


def test_joins_an_outer_run(command, tmp_path):
    path = tmp_path / "outer.jm"
    done = subprocess.run([command, "run", "-q", "-o", str(path), "--simulate",
                           "h100,constant:150,noise=0", "--", sys.executable, "-c", JOINS],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = jm.open(path)
    assert report.recording.info()["framework"] == "none"
    assert report.recording.range_count == 3  # the command, inner, train


def test_live_recording_outlives_the_session(simulated):
    p = simulated()
    with p.phase("a"):
        time.sleep(0.05)
    live = p.recording()
    assert live.range_count == 1
    assert p.close() is live
    del p
    gc.collect()
    assert live.range_count == 1 and live.info()["version"] == jm.__version__


def test_dropped_profilers_are_closed():
    for _ in range(3):  # simulated GPUs are there for one session at a time
        p = jm.profile(simulate="h100", join=False)
        p.begin("never ended")
        p.recording()
        del p
        gc.collect()


def test_forgotten_sessions_are_closed(tmp_path):
    path = tmp_path / "forgotten.jm"
    code = ("import joulemeter as jm\n"
            f"p = jm.profile(path={str(path)!r}, join=False)\n"
            "p.begin('never ended')\n")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert jm.open(path).recording.range_count == 1
    assert not os.path.exists(str(path) + "-wal")


def test_warnings_arrive(simulated, tmp_path):
    told = []
    p = simulated(max_samples=1000, warn_at_pct=0.01, interval_s=0.001, spill_dir=str(tmp_path),
                  on_warning=told.append)
    deadline = time.monotonic() + 20
    while not told and time.monotonic() < deadline:
        time.sleep(0.01)
    p.close()
    assert len(told) == 1 and "limit" in told[0]


def test_profilers_dropped_in_a_thread_while_warnings_wait():
    code = """
import joulemeter as jm, threading
def work():
    for i in range(40):
        p = jm.Profiler("x", gpu=False, join=False, on_warning=lambda text: None)
        p.mark("m", a="a" * 5000)  # too long: a warning
        del p
threads = [threading.Thread(target=work) for _ in range(2)]
for t in threads: t.start()
while any(t.is_alive() for t in threads): sum(range(1000))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)))
    assert done.returncode == 0, done.stderr


def test_default_warning_is_a_python_warning(simulated, tmp_path):
    with pytest.warns(jm.JoulemeterWarning, match="limit"):
        p = simulated(max_samples=1000, warn_at_pct=0.01, interval_s=0.001,
                      spill_dir=str(tmp_path))
        for _ in range(2000):
            time.sleep(0.001)
        p.close()


def test_wrong_options():
    with pytest.raises(TypeError, match="no option 'intervall'"):
        jm.profile(intervall=3)
    with pytest.raises(ValueError, match="too short"):
        jm.profile(interval_s=1e-9)
    with pytest.raises(ValueError, match="interval_s must be a finite number, not nan"):
        jm.profile(interval_s=math.nan)
    for wrong in ("x", [1], b"1"):
        with pytest.raises(TypeError, match="max_memory_mb must be a number") as refused:
            jm.profile(max_memory_mb=wrong)
        assert len(str(refused.value)) < 80
    with pytest.raises(ValueError, match="max_memory_bytes must be a finite number, not inf"):
        jm.profile(max_memory_mb=math.inf)
    with pytest.raises(ValueError, match="sync"):
        jm.profile(sync="sometimes")
    with pytest.raises(LookupError):
        jm.profile(simulate="h100", gpus=[7])
    with pytest.raises(ValueError):
        jm.profile(simulate="nonsense")
    with pytest.raises(TypeError):
        _joulemeter.Range()
    with pytest.raises(TypeError):
        _joulemeter.Recording()


def test_simulated_gpus_are_in_use(simulated):
    p = simulated()
    with pytest.raises(ValueError, match=r"in use .*close the other profiler first: p.close\(\)"):
        simulated()
    p.close()
    simulated()


def test_options_of_energy(simulated):
    p = simulated("h100,constant:200,noise=0,seed=1")
    with p.phase("x") as w:
        time.sleep(0.4)
    exact, loose = w.energy("gpu0", gain_u=1e-6, offset_u_w=1e-6), w.energy("gpu0", gain_u=0.2)
    assert exact.u95_j < loose.u95_j
    assert w.energy("gpu0", method="counter").provenance.startswith("counter")
    for wrong in ({"gain_u": -1}, {"method": "magic"}, {"gain_u": math.nan}):
        with pytest.raises(ValueError):
            w.energy("gpu0", **wrong)
    with pytest.raises(TypeError):
        w.energy("gpu0", colour="red")


def test_devices_and_findings():
    found = jm.devices(simulate="2*a100")
    assert [d["name"] for d in found if d["vendor"] == "NVIDIA" and d["name"].startswith("gpu")
            and "mem" not in d["name"]] == ["gpu0", "gpu1"]
    assert all(d["simulated"] for d in found if d["name"].startswith("gpu"))
    assert any(f["works"] for f in jm.findings())


def test_sync_is_called_at_edges_once_a_framework_appears(simulated, monkeypatch):
    import types

    from joulemeter import _sync

    calls = []
    monkeypatch.setitem(_sync._FRAMEWORKS, "fake_framework", lambda: [lambda: calls.append(1)])
    p = simulated()
    with p.phase("before"):
        pass
    assert calls == []
    monkeypatch.setitem(sys.modules, "fake_framework", types.ModuleType("fake_framework"))
    with p.phase("after"):
        assert len(calls) == 1
    assert len(calls) == 2
    q_calls = len(calls)
    p.close()
    q = simulated(sync=False)
    with q.phase("never"):
        pass
    assert len(calls) == q_calls


def test_sync_that_fails_still_ends_the_range(simulated):
    p = simulated()

    def fail():
        raise OSError("device is gone")

    window = p.begin("x")
    p.sync = fail
    with pytest.raises(OSError):
        window.end()
    p.sync = None
    recording = p.close()
    assert ranges_of(recording)  # closed properly
    assert "unfinished" not in json.dumps(ranges_of(recording).get("warnings", ""))


def test_repeated_open_and_close():
    for _ in range(20):
        with jm.profile(simulate="h100", join=False) as p:
            with p.phase("x"):
                pass
    gc.collect()


def test_command_as_module():
    done = subprocess.run([sys.executable, "-m", "joulemeter", "--version"], capture_output=True,
                          text=True, env=dict(os.environ, PATH=os.path.dirname(
                              os.environ.get("JOULEMETER", "")) + ":" + os.environ["PATH"]))
    assert done.stdout.startswith("joulemeter "), done.stderr
