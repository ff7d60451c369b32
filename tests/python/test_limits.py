"""Power limits from Python: blocks, caps, and what happens when a program does not get to the end."""
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import joulemeter as jm

SIMGPU = os.environ.get("JOULEMETER_SIMGPU_LIBRARY", "")
TRUTH = os.path.join(os.path.dirname(SIMGPU), "simgpu-truth")
SLOWNESS = float(os.environ.get("JOULEMETER_TEST_SLOWNESS", "1"))
pytestmark = pytest.mark.skipif(not os.path.exists(TRUTH), reason="there is no simulated GPU")


class Boards:
    """Boards of a state file, and what is true of them."""

    def __init__(self, path, spec):
        self.path = str(path)
        subprocess.run([TRUTH, "--create", self.path, spec], check=True)

    def truth(self):
        lines = subprocess.run([TRUTH, "--limits", self.path], check=True, capture_output=True, text=True)
        return [(float(watts), float(clock)) for _, watts, clock in map(str.split, lines.stdout.splitlines())]

    @property
    def watts(self):
        return [watts for watts, _ in self.truth()]

    def wait_for(self, watts, seconds=2.0):
        until = time.monotonic() + seconds * SLOWNESS
        while self.watts != watts:
            assert time.monotonic() < until, f"{self.watts}, not {watts}"
            time.sleep(0.005)


@pytest.fixture
def boards(tmp_path, monkeypatch):
    def make(spec="2*h100"):
        made = Boards(tmp_path / "boards", spec)
        monkeypatch.setenv("JOULEMETER_SIMGPU_STATE", made.path)
        monkeypatch.setenv("JOULEMETER_NVML_LIBRARY", SIMGPU)
        monkeypatch.setenv("JOULEMETER_SIMGPU_ALLOW_LIMIT", "1")
        monkeypatch.setenv("JOULEMETER_LIMITD_SOCKET", str(tmp_path / "nobody.sock"))
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        return made

    return make


def run(code, **more):
    """A Python program that imports joulemeter as jm; its process."""
    return subprocess.Popen([sys.executable, "-c", "import joulemeter as jm, os, sys, time\n" + textwrap.dedent(code)],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, **more)


# ---- blocks ----


def test_block_sets_and_gives_back(boards):
    b = boards()
    with jm.power_limit(250) as limit:
        assert b.watts == [250, 250]
        assert [one["value"] for one in limit.now] == [250, 250]
        assert [one["base"] for one in limit.now] == [700, 700]
        limit.change("50%")
        assert b.watts == [350, 350]
    assert b.watts == [700, 700]
    with pytest.raises(RuntimeError, match="belongs into the block"):
        limit.change(300)


def test_exception_gives_back(boards):
    b = boards()
    with pytest.raises(ZeroDivisionError):
        with jm.power_limit("250W", gpus=1):
            assert b.watts == [700, 250]
            1 / 0
    assert b.watts == [700, 700]


def test_nested_blocks(boards):
    b = boards("h100")
    with jm.power_limit(400):
        with jm.power_limit(300):
            assert b.watts == [300]
        assert b.watts == [400]
    assert b.watts == [700]
    block = jm.power_limit(400)
    with block:
        with pytest.raises(RuntimeError, match="set already"):
            block.__enter__()
    with block:  # but one after the other it may be
        assert b.watts == [400]


def test_clock_limit(boards):
    b = boards("h100")
    with jm.clock_limit(1200), jm.power_limit(500):
        (watts, clock), = b.truth()
        assert watts == 500 and clock == pytest.approx(1200 / 1980, abs=1e-6)
        assert jm.power_limits(lever="clock")[0]["value"] == 1200
    assert b.truth() == [(700, 1)]


def test_bounds_warn(boards):
    b = boards("h100")
    with pytest.warns(jm.JoulemeterWarning, match="below what the board allows"):
        with jm.power_limit(20):
            assert b.watts == [200]


@pytest.mark.parametrize("wrong", ["fast", "", "-3", "250 MHz"])
def test_wrong_limits(boards, wrong):
    boards("h100")
    with pytest.raises(ValueError, match="not a power limit"):
        with jm.power_limit(wrong):
            pass


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf")])
def test_wrong_numbers(boards, wrong):
    b = boards("h100")
    with pytest.raises(ValueError, match="is no limit"):
        with jm.power_limit(wrong):
            pass
    for none in (None, True, False, b"250", [250]):
        with pytest.raises(TypeError):
            with jm.power_limit(none):
                pass
        with pytest.raises(TypeError):
            jm.set_power_cap(0, none)
    assert b.watts == [700]


def test_wrong_gpus(boards):
    boards("h100")
    with pytest.raises(LookupError, match="there is no GPU '4'"):
        with jm.power_limit(250, gpus=4):
            pass


def guard_of(pid):
    """The process that gives back what another one has set."""
    found = subprocess.run(["pgrep", "-f", "--", f"limitd --guard {pid} "], capture_output=True, text=True)
    for guard in map(int, found.stdout.split()):
        with open(f"/proc/{guard}/comm", encoding="utf-8") as file:
            if file.read() == "jm-limit-guard\n":
                return guard
    return None


def test_a_killed_guard_is_replaced(boards):
    b = boards("h100")
    with pytest.warns(jm.JoulemeterWarning, match="the guard of the limit was killed; another one has taken"):
        with jm.power_limit(300):
            first = guard_of(os.getpid())
            os.kill(first, signal.SIGKILL)
            until = time.monotonic() + 5 * SLOWNESS
            while guard_of(os.getpid()) in (None, first):
                assert time.monotonic() < until
                time.sleep(0.01)
            assert b.watts == [300]
            time.sleep(0.3)
    assert b.watts == [700]


def test_a_killed_guard_of_a_cap_is_told_of(boards):
    b = boards("h100")
    jm.set_power_cap(0, 300)
    for end in (lambda: jm.set_power_cap(0, 310), lambda: jm.reset_power_cap(0)):
        first = guard_of(os.getpid())
        os.kill(first, signal.SIGKILL)
        until = time.monotonic() + 5 * SLOWNESS
        while guard_of(os.getpid()) in (None, first):
            assert time.monotonic() < until
            time.sleep(0.01)
        time.sleep(0.3)
        with pytest.warns(jm.JoulemeterWarning, match="the guard of the limit was killed; another one has taken"):
            end()
    assert b.watts == [700]


def test_no_permission(boards, monkeypatch):
    b = boards("h100")
    monkeypatch.setenv("JOULEMETER_SIMGPU_ALLOW_LIMIT", "0")
    with pytest.raises(jm.JoulemeterError, match="joulemeter-limitd") as error:
        with jm.power_limit(250):
            pass
    assert error.value.status == "JM_PERMISSION"
    assert b.watts == [700]


def test_boards_of_the_profiler(boards, simulated):
    boards("h100")
    with simulated("a100,constant:380") as p:
        with jm.power_limit(200) as limit:
            assert "A100" in limit.now[0]["model"]
            time.sleep(0.5 * SLOWNESS)
        assert jm.power_limits()[0]["value"] == 400
    assert p is not None


def test_threads_take_turns(boards):
    """Several threads set and give back; what is left is what was before."""
    b = boards("h100,limit=600")
    failures = []

    def work(watts):
        try:
            for _ in range(3):
                with jm.power_limit(watts):
                    time.sleep(0.002)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(250 + 20 * i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert b.watts == [600]


# ---- De Feo's interface ----


def test_caps(boards):
    b = boards()
    jm.set_power_cap(gpu_num=0, cap=300)
    jm.set_power_cap(0, "40%")
    with pytest.raises(ValueError):
        jm.set_power_cap(0, "fast")
    jm.set_power_cap(1, 250)
    assert b.watts == [280, 250]
    jm.reset_power_cap(gpu_num=0)
    assert b.watts == [700, 250]
    jm.reset_power_cap(1)
    assert b.watts == [700, 700]


def test_cap_that_stays(boards):
    b = boards("h100")
    process = run("jm.set_power_cap(0, 300, keep=True)")
    process.communicate()
    assert process.returncode == 0 and b.watts == [300]
    jm.reset_power_cap(0)
    assert b.watts == [700]


def test_cap_ends_with_the_program(boards):
    b = boards("h100")
    process = run("jm.set_power_cap(0, 300); print(jm.power_limits()[0]['value'])")
    assert process.communicate()[0].strip() == "300.0"
    assert b.watts == [700]


# ---- programs that do not get to the end ----

BLOCK = """
with jm.power_limit(300):
    print("set", flush=True)
    {}
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGSEGV, signal.SIGHUP])
def test_signals(boards, number):
    b = boards("h100")
    process = run(BLOCK.format("time.sleep(60)"), stderr=subprocess.DEVNULL)
    assert process.stdout.readline() == "set\n"
    assert b.watts == [300]
    process.send_signal(number)
    process.wait()
    b.wait_for([700], 1)
    process.stdout.close()


@pytest.mark.parametrize("end", ["os._exit(3)", "os.abort()", "os.execvp('true', ['true'])"])
def test_sudden_ends(boards, end):
    b = boards("h100")
    process = run(BLOCK.format(end), stderr=subprocess.DEVNULL)
    process.communicate()
    b.wait_for([700], 1)


def test_workers_of_a_program_do_not_keep_it(boards):
    """Children that were forked (as of a DataLoader) have the connection, too."""
    b = boards("h100")
    process = run("""
        import multiprocessing
        with jm.power_limit(300):
            worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(20,), daemon=False)
            worker.start()
            print(worker.pid, flush=True)
            time.sleep(60)
        """, stderr=subprocess.DEVNULL)
    worker = int(process.stdout.readline())
    assert b.watts == [300]
    process.kill()
    process.wait()
    b.wait_for([700], 1)
    os.kill(worker, signal.SIGKILL)
    process.stdout.close()


def test_a_worker_that_ends_ends_nothing(boards):
    b = boards("h100")
    process = run("""
        import multiprocessing
        with jm.power_limit(300) as limit:
            worker = multiprocessing.get_context("fork").Process(target=sys.exit)
            worker.start()
            worker.join()
            print(limit.now[0]["value"], flush=True)
        """)
    assert process.communicate()[0].strip() == "300.0"
    assert b.watts == [700]


def test_nothing_of_the_program_is_held(boards):
    """The guard keeps no pipe of the program open: who reads its output gets to the end."""
    b = boards("h100")
    process = run(BLOCK.format("os._exit(0)"), stderr=subprocess.STDOUT)
    begin = time.monotonic()
    assert process.communicate(timeout=30 * SLOWNESS)[0] == "set\n"
    assert time.monotonic() - begin < 25 * SLOWNESS
    b.wait_for([700], 1)
