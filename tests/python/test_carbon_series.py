"""gCO2e of a day with an hourly series, against an integral by NumPy that knows nothing of the
library."""
import ctypes
import os
from pathlib import Path

import pytest

import _joulemeter

np = pytest.importorskip("numpy")
NS = 1_000_000_000
T0 = 7_000 * NS


def library():
    path = Path(_joulemeter.__file__).parent.parent / "src" / "libjoulemeter.so"
    if not path.exists():
        pytest.skip("the shared library is not beside the extension")
    return ctypes.CDLL(str(path))


class Samples(ctypes.Structure):
    _fields_ = [("count", ctypes.c_size_t), ("t_ns", ctypes.c_void_p), ("value", ctypes.c_void_p),
                ("since_ns", ctypes.c_void_p), ("flags", ctypes.c_void_p),
                ("reserved", ctypes.c_void_p * 3)]


class Device(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t)] + [(name, ctypes.c_char_p) for name in
                ("name", "vendor", "model", "uuid", "pci", "driver")] + [
                ("in_total", ctypes.c_bool), ("simulated", ctypes.c_bool),
                ("limit", ctypes.c_double), ("floor", ctypes.c_double)]


class Sensor(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("device", ctypes.c_uint32),
                ("quantity", ctypes.c_int), ("source", ctypes.c_char_p),
                ("counter", ctypes.c_bool), ("modelled", ctypes.c_bool),
                ("source_time", ctypes.c_bool), ("refresh", ctypes.c_uint64),
                ("window", ctypes.c_uint64), ("lag", ctypes.c_uint64),
                ("noise", ctypes.c_double), ("quantum", ctypes.c_double),
                ("calibrated", ctypes.c_bool)]


def record(path, watts):
    """A recording whose reading at second s is the mean of the second before it."""
    lib = library()
    lib.jm_recording_free.argtypes = [ctypes.c_void_p]
    recording = ctypes.c_void_p()
    assert lib.jm_recording_new(ctypes.byref(recording), None) == 0
    texts = [b""] * 5
    device = Device(ctypes.sizeof(Device), b"gpu0", *texts, True, False, 0, 0)
    sensor = Sensor(ctypes.sizeof(Sensor), 0, 0, b"test", False, False, False, NS, NS, 0, 0, 0,
                    False)
    assert lib.jm_recording_add_device(recording, ctypes.byref(device), None, None) == 0
    assert lib.jm_recording_add_sensor(recording, ctypes.byref(sensor), None, None) == 0
    count = len(watts)
    t = T0 + np.arange(count, dtype=np.int64) * NS
    since, flags = np.ones(count, np.uint32), np.ones(count, np.uint8)
    values = np.ascontiguousarray(watts, dtype=np.float64)
    block = Samples(count, t.ctypes.data, values.ctypes.data, since.ctypes.data, flags.ctypes.data)
    assert lib.jm_recording_add_samples(recording, 0, ctypes.byref(block), None) == 0
    assert lib.jm_recording_save(recording, os.fsencode(path), None) == 0
    lib.jm_recording_free(recording)


@pytest.mark.parametrize("begin, end", [(0, 86400), (1234.5, 80000.25), (3599.5, 3600.5)])
def test_a_day_with_an_hourly_series(tmp_path, monkeypatch, begin, end):
    random = np.random.default_rng(7)
    watts = 150 + 100 * np.sin(np.arange(86402) / 3000) + random.uniform(0, 40, 86402)
    grams = random.uniform(20, 600, 24)
    record(tmp_path / "day.jm", watts)
    recording = _joulemeter.Recording.open(tmp_path / "day.jm")
    # UTC is this recording's own clock here: its offset to 1970 is 0.
    rows = [f"{T0 // NS + 3600 * hour},{value!r}" for hour, value in enumerate(grams.tolist())]
    random.shuffle(rows)
    (tmp_path / "grid.csv").write_text("time,gCO2/kWh\n" + "\n".join(rows) + "\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    grid = _joulemeter.Grid({"intensity": str(tmp_path / "grid.csv"), "pue": "1.25"})
    got = _joulemeter.carbon(recording, grid, T0 + int(begin * NS), T0 + int(end * NS))

    # Power and intensity are steps: they change at whole seconds and whole hours.
    edges = np.unique(np.concatenate([[begin, end], np.arange(86401)]))
    edges = edges[(edges >= begin) & (edges <= end)]
    middle, width = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    power = watts[np.floor(middle).astype(int) + 1]
    intensity = grams[(middle // 3600).astype(int)]
    joules = np.sum(power * width)
    expected = np.sum(power * intensity * width) * 1.25 / 3.6e6
    energy = recording.energy(T0 + int(begin * NS), T0 + int(end * NS))
    tight = 1e-9 if float(begin).is_integer() and float(end).is_integer() else 2e-2
    assert energy.energy_j == pytest.approx(joules, rel=tight)
    assert got["g"] == pytest.approx(expected, rel=tight)
    assert got["covered"] == 1
