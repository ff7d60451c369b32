"""De Feo's measurement tools, and the faults of the originals."""
import csv
import ctypes
import math
import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import pytest

import _joulemeter
import joulemeter as jm
from joulemeter import _totals
from joulemeter.measurement import AsynchronousMeasurementTool, EnergyMeasurementTool

GPU = "h100,constant:200,noise=0,seed=1"
J_PER_KWH = 3.6e6


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def number(row, column):
    return float(row[column])


@pytest.fixture
def two_sockets(tmp_path):
    """A machine whose two sockets take 50 W and 30 W, and whose memory takes 5 W each."""
    root = tmp_path / "root"
    zones = {"intel-rapl:0": ("package-0", 50), "intel-rapl:1": ("package-1", 30),
             "intel-rapl:0:0": ("dram", 5), "intel-rapl:1:0": ("dram", 5)}
    power = root / "sys/class/powercap"
    for zone, (name, _) in zones.items():
        (power / zone).mkdir(parents=True)
        (power / zone / "name").write_text(f"{name}\n")
        (power / zone / "energy_uj").write_text("1000000\n")
        (power / zone / "max_energy_range_uj").write_text("262143328850\n")
    heat = root / "sys/class/thermal/thermal_zone0"
    heat.mkdir(parents=True)
    (heat / "type").write_text("x86_pkg_temp\n")
    (heat / "temp").write_text("61000\n")
    (root / "proc").mkdir()
    (root / "proc/stat").write_text("cpu  100 0 100 1000 0 0 0 0 0 0\n")
    (root / "proc/cpuinfo").write_text(
        "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Test CPU\ncpu cores\t: 4\n")
    over = threading.Event()
    began = time.monotonic()

    def count():
        while not over.wait(0.002):
            for zone, (_, watts) in zones.items():
                microjoules = 1000000 + int((time.monotonic() - began) * watts * 1e6)
                fresh = power / zone / "energy_uj"
                with open(fresh, "r+", encoding="ascii") as file:  # digits grow in number only
                    file.write(f"{microjoules}\n")

    counter = threading.Thread(target=count)
    counter.start()
    yield {"root": str(root), "join": False}
    over.set()
    counter.join()


# ---- the extension ----


def test_latest_readings(simulated):
    p = simulated("h100,constant:200,noise=0")
    time.sleep(0.3)
    recording = p.recording()
    value, t_ns = recording.latest("power", device="gpu0")
    assert value == pytest.approx(200, abs=10) and t_ns <= _joulemeter.now_ns()
    earlier = recording.latest("power", recording.begin_ns + 150_000_000, device="gpu0")
    assert earlier[1] <= recording.begin_ns + 150_000_000 < t_ns
    assert recording.latest("power", recording.begin_ns - 1, device="gpu0") is None
    assert recording.latest("nonsense", device="gpu0") is None
    with pytest.raises(LookupError):
        recording.latest("power", device="gpu7")


def test_energies_of_devices_add_up_as_in_c(simulated):
    p = simulated("3*h100,square:100:400:0.2,seed=4")
    with p.phase("long") as long:
        time.sleep(0.5)
    with p.phase("short") as short:
        pass
    time.sleep(0.2)
    recording = p.close()
    for window in (long, short):
        whole = recording.range_energy(window.id, device="gpus").to_dict()
        parts = _totals.add(window.energy(f"gpu{i}") for i in range(3)).to_dict()
        for name, value in whole.items():
            assert parts[name] == (pytest.approx(value) if isinstance(value, float) else value), name
    assert _totals.add([]) is None
    one = long.energy("gpu0")
    assert _totals.add([one]) is one


# ---- EnergyMeasurementTool ----


def test_rows_of_energies(tmp_path):
    path = tmp_path / "energy.csv"
    tracker = EnergyMeasurementTool(out_file=path, gpu_num=0, simulate=GPU)
    time.sleep(0.2)
    for _ in range(3):
        tracker.start()
        time.sleep(0.3)
        tracker.stop()
    tracker.flush()
    with open(path, encoding="utf-8") as file:
        assert file.readline().startswith("elapsed time (s),CPU energy (kWh),GPU energy (kWh),")
    rows = rows_of(path)
    assert len(rows) == 3
    for row in rows:
        elapsed, energy = number(row, "elapsed time (s)"), number(row, "GPU energy (kWh)")
        assert 0.3 <= elapsed < 0.6
        assert abs(energy * J_PER_KWH - 200 * elapsed) <= (
            2 * number(row, "GPU energy u95 (kWh)") * J_PER_KWH)
        assert "simulated" in row["GPU energy source"]
    tracker.close()
    with pytest.raises(RuntimeError, match="closed"):
        tracker.start()


def test_header_once_and_no_file_is_lost(tmp_path):
    path = tmp_path / "energy.csv"
    for _ in range(2):
        with EnergyMeasurementTool(path, simulate=GPU):
            time.sleep(0.05)
    assert path.read_text(encoding="utf-8").count("elapsed time") == 1
    assert len(rows_of(path)) == 2
    with open(path, "a", encoding="utf-8") as file:
        file.write("0.1,0.2")  # a row that a full disk cut off
    with EnergyMeasurementTool(path, simulate=GPU):
        time.sleep(0.05)
    assert path.read_text(encoding="utf-8").splitlines()[3] == "0.1,0.2"
    assert len(rows_of(path)) == 4
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    for tool in (EnergyMeasurementTool, AsynchronousMeasurementTool):
        with pytest.raises(ValueError, match="something else"):
            tool(other, simulate=GPU)
    assert other.read_text() == "a,b\n1,2\n"


def test_misuse_and_exceptions(tmp_path):
    path = tmp_path / "energy.csv"
    tracker = EnergyMeasurementTool(path, simulate=GPU)
    with pytest.raises(RuntimeError, match="without start"):
        tracker.stop()
    tracker.start()
    with pytest.raises(RuntimeError, match="twice"):
        tracker.start()
    tracker.stop()
    with pytest.raises(ZeroDivisionError), tracker:
        1 / 0  # noqa: B018
    assert len(rows_of(path)) == 2
    tracker.start()
    tracker.close()
    assert len(rows_of(path)) == 3
    with pytest.raises(LookupError, match="there are: 0"):
        EnergyMeasurementTool(path, gpu_num=5, simulate=GPU)
    with pytest.raises(TypeError):
        EnergyMeasurementTool(path, colour="red")
    logger = AsynchronousMeasurementTool(tmp_path / "log.csv", simulate=GPU)
    with pytest.raises(ValueError, match="1 ms"):
        logger.start(0)
    with pytest.raises(RuntimeError, match="without start"):
        logger.stop()
    with logger, pytest.raises(RuntimeError, match="twice"):
        logger.start(1)


def test_no_file_is_left_by_a_failure(tmp_path):
    path = tmp_path / "energy.csv"
    with pytest.raises(LookupError):
        EnergyMeasurementTool(path, gpu_num=5, simulate=GPU)
    with pytest.raises(LookupError):
        AsynchronousMeasurementTool(path, gpu_num=5, simulate=GPU).start()
    assert not path.exists()
    with pytest.raises(FileNotFoundError):
        EnergyMeasurementTool(tmp_path / "nowhere" / "energy.csv", simulate=GPU)
    EnergyMeasurementTool(path, simulate=GPU).close()  # nothing was left open, either
    assert path.read_text(encoding="utf-8").count("\n") == 1


def test_every_socket_counts_and_memory_is_apart(two_sockets, tmp_path):
    path = tmp_path / "energy.csv"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tracker = EnergyMeasurementTool(path, gpu_num="none", **two_sockets)
    time.sleep(0.1)
    with tracker:
        time.sleep(0.5)
    row = rows_of(path)[0]
    tracker.close()
    watts = {name: number(row, f"{name} energy (kWh)") * J_PER_KWH / number(row, "elapsed time (s)")
             for name in ("CPU", "DRAM")}
    assert watts["CPU"] == pytest.approx(80, rel=0.15)
    assert watts["DRAM"] == pytest.approx(10, rel=0.15)
    assert row["CPU energy source"] == "counter"
    assert row["GPU energy (kWh)"] == row["GPU energy u95 (kWh)"] == row["GPU energy source"] == ""


def test_without_a_gpu(two_sockets, tmp_path):
    with pytest.warns(jm.JoulemeterWarning, match="no GPU"):
        tracker = EnergyMeasurementTool(tmp_path / "energy.csv", gpu_num=0, **two_sockets)
    with tracker:
        time.sleep(0.05)
    assert rows_of(tmp_path / "energy.csv")[0]["GPU energy (kWh)"] == ""
    tracker.close()


ENERGY = f"""
from joulemeter.measurement import *
import time
tool = EnergyMeasurementTool("a.csv", simulate={GPU!r})
"""
LOG = f"""
from joulemeter.measurement import *
import time
tool = AsynchronousMeasurementTool("a.csv", simulate={GPU!r})
"""


@pytest.mark.parametrize("code", [ENERGY + "tool.start()", LOG + "tool.start(10)"])
def test_forgotten_stop_and_close(code, tmp_path):
    done = subprocess.run([sys.executable, "-c", code + "; time.sleep(0.3)"], cwd=tmp_path,
                          capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    rows = rows_of(tmp_path / "a.csv")
    assert len(rows) == 1 and 0.3 <= number(rows[0], "elapsed time (s)") < 2


@pytest.mark.parametrize("code", [
    ENERGY + "for i in range(3): tool.start(); time.sleep(0.1); tool.stop()",
    LOG + "tool.start(0.1)"])
def test_rows_survive_sigkill(code, tmp_path):
    code += "\ntime.sleep(0.6); print('ready', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path,
                          stdout=subprocess.PIPE) as program:
        said = program.stdout.readline()
        program.send_signal(signal.SIGKILL)
    assert said == b"ready\n"
    rows = rows_of(tmp_path / "a.csv")
    assert len(rows) >= 3 and all(None not in row.values() for row in rows)
    assert all(number(row, "GPU energy (kWh)") > 0 for row in rows)


def test_inside_an_outer_run(command, tmp_path):
    code = ("from joulemeter.measurement import EnergyMeasurementTool\n"
            "import time\n"
            "with EnergyMeasurementTool('energy.csv', gpu_num=[1]): time.sleep(0.3)\n")
    done = subprocess.run([command, "run", "-q", "-o", "outer.jm", "--simulate", f"2*{GPU}", "--",
                           sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    row = rows_of(tmp_path / "energy.csv")[0]
    watts = number(row, "GPU energy (kWh)") * J_PER_KWH / number(row, "elapsed time (s)")
    assert watts == pytest.approx(200, rel=0.3)  # of one GPU, not of both
    names = jm.open(tmp_path / "outer.jm").table("ranges").to_dict()["name"]
    assert "measurement" in names


# ---- AsynchronousMeasurementTool ----


def test_log_of_two_gpus(tmp_path):
    path = tmp_path / "log.csv"
    tracker = AsynchronousMeasurementTool(path, gpu_num=[0, 1], simulate=f"2*{GPU}")
    tracker.start(0.25)
    time.sleep(0.9)
    tracker.stop()
    rows = rows_of(path)
    assert list(rows[0])[:8] == [
        "elapsed time (s)", "CPU energy (kWh)", "CPU utilisation (%)", "CPU temp (°C)",
        "GPU energy (kWh)", "GPU utilisation (%)", "GPU temp (°C)", "GPU power (W)"]
    times = [number(row, "elapsed time (s)") for row in rows]
    assert times[:3] == [0.25, 0.5, 0.75] and len(times) == 4 and 0.9 <= times[3] < 1.0
    joules = sum(number(row, "GPU energy (kWh)") for row in rows) * J_PER_KWH
    assert joules == pytest.approx(400 * times[-1], rel=0.1)
    assert number(rows[1], "GPU power (W)") == pytest.approx(400, rel=0.02)
    assert 0 <= number(rows[1], "GPU utilisation (%)") <= 100
    assert 0 < number(rows[1], "GPU temp (°C)") < 120
    tracker.start(0.2)  # once more, into the same file
    time.sleep(0.25)
    tracker.stop()
    assert len(rows_of(path)) == 6


def test_log_without_gpu(two_sockets, tmp_path):
    with AsynchronousMeasurementTool(tmp_path / "log.csv", "none", interval=0.2, **two_sockets):
        time.sleep(0.5)
    row = rows_of(tmp_path / "log.csv")[1]
    assert number(row, "CPU temp (°C)") == 61
    assert number(row, "CPU energy (kWh)") * J_PER_KWH == pytest.approx(16, rel=0.15)
    assert number(row, "DRAM energy (kWh)") * J_PER_KWH == pytest.approx(2, rel=0.15)
    for column in ("GPU energy (kWh)", "GPU utilisation (%)", "GPU temp (°C)", "GPU power (W)"):
        assert row[column] == ""


def test_a_busy_interpreter_loses_no_energy(tmp_path):
    path = tmp_path / "log.csv"
    tracker = AsynchronousMeasurementTool(path, simulate=GPU)
    tracker.start(0.1)
    ctypes.PyDLL(None).usleep(700_000)  # holds the interpreter's lock
    time.sleep(0.3)
    tracker.stop()
    times = [number(row, "elapsed time (s)") for row in rows_of(path)]
    steps = [b - a for a, b in zip([0.0, *times], times)]
    assert max(steps) >= 0.3 and times[-1] >= 1.0
    for at in times[:-1]:
        assert math.isclose(at * 10, round(at * 10), abs_tol=1e-6)
    joules = sum(number(row, "GPU energy (kWh)") for row in rows_of(path)) * J_PER_KWH
    assert joules == pytest.approx(200 * times[-1], rel=0.1)


def test_a_full_disk_is_told(tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    with pytest.raises(OSError):
        EnergyMeasurementTool("/dev/full", simulate=GPU)
    tracker = EnergyMeasurementTool(tmp_path / "energy.csv", simulate=GPU)
    os.dup2(os.open("/dev/full", os.O_WRONLY), tracker._csv._file)
    tracker.start()
    tracker.stop()
    with pytest.raises(OSError):
        tracker.flush()
    tracker.close()
