"""Energy of layers is that of the GPU that the model is on."""
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import joulemeter as jm

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from joulemeter import LayerPowerProfiler, _device_clock, _hooks, _layer_device  # noqa: E402
from joulemeter.measurement import LayerwiseMeasurementTool  # noqa: E402

TWO = "h100,constant:100,noise=0;h100,constant:400,noise=0"


class Slow(nn.Module):
    def forward(self, x):
        import time

        time.sleep(0.15)
        return x


@pytest.fixture
def on_gpu(monkeypatch):
    """A model says that it is on a GPU; it runs on the CPU."""
    def put(index, **properties):
        monkeypatch.setattr(_hooks, "device_of", lambda _: torch.device("cuda", index))
        monkeypatch.setattr(_hooks, "clock_of", lambda _: _device_clock.HostClock())
        monkeypatch.setattr("joulemeter._torch._move", lambda value, _: value)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(
            total_memory=80 * 2**30, **properties))
        return nn.Sequential(Slow())

    return put


def watts(model, *args, **options):
    options.setdefault("simulate", TWO)
    profiler = LayerPowerProfiler(model, *args, method="passive", cpu=False, **options)
    rows = profiler.profile(torch.zeros(1), num_runs=2, warmup=False)
    assert "GPU: NVIDIA" in profiler.summary()
    return profiler.attribution.device, rows[1].energy_j / (1e-3 * rows[1].duration_ms)


def test_energy_is_that_of_the_gpu_of_the_model(on_gpu):
    for index, power in ((1, 400), (0, 100)):
        device, found = watts(on_gpu(index))
        assert device == f"gpu{index}" and found == pytest.approx(power, rel=0.1)
    model = on_gpu(1)
    for same in (1, "1", "cuda:1", torch.device("cuda", 1), [0, 1], None):
        assert watts(model, same)[0] == "gpu1"
    assert watts(model, gpus="all")[0] == watts(model, device="gpu1")[0] == "gpu1"


def test_another_gpu_than_that_of_the_model_is_refused(on_gpu, tmp_path):
    model = on_gpu(1)
    for other in (0, "cuda:0", [0]):
        with pytest.raises(ValueError, match=r"the model is on cuda:1, but GPU 0 was chosen"):
            watts(model, other)
    uuids = [one["uuid"] for one in jm.devices(simulate=TWO) if one["name"] in ("gpu0", "gpu1")]
    assert watts(model, uuids[1])[0] == "gpu1"
    for options in ({"device": "gpu0"}, {"gpus": "0"}, {"device_index": uuids[0]}):
        with pytest.raises(ValueError, match="the model runs on gpu1, but gpu0 was chosen"):
            watts(model, **options)
    path = tmp_path / "layers.csv"
    with pytest.raises(ValueError, match="GPU 0 was chosen"):
        LayerwiseMeasurementTool(path, 0, simulate=TWO, cpu=False).start(model)
    for chosen in ((), (1,)):
        tool = LayerwiseMeasurementTool(path, *chosen, simulate=TWO, cpu=False)
        tool.start(model)
        model(torch.zeros(1)), model(torch.zeros(1))
        tool.stop()
        assert tool.attribution.device == "gpu1"


def test_signatures_are_those_of_other_tools():
    import inspect

    for kind, name in ((LayerPowerProfiler, "device_index"), (LayerwiseMeasurementTool, "gpu_num")):
        assert inspect.signature(kind).parameters[name].default == 0


def test_a_model_on_a_gpu_that_nothing_measures(on_gpu, monkeypatch):
    monkeypatch.setattr(_layer_device.Gpu, "measured_as", lambda *_: None)
    model = on_gpu(0)
    for chosen in ({}, {"gpu": False}, {"gpus": "none"}, {"device_index": "cpu"}):
        told = []
        profiler = LayerPowerProfiler(model, method="passive", on_warning=told.append, **chosen)
        profiler.profile(torch.zeros(1), num_runs=3, warmup=False)
        assert profiler.attribution.device.startswith("cpu")
        beside = "the model runs on cuda:0, but no GPU can be measured: energies are those of the CPU"
        assert any(beside in one for one in told) == (not chosen)


def test_cpu_models_choose_as_ever():
    model = nn.Sequential(Slow())
    assert watts(model)[0] == "gpu0" and watts(model, 1)[0] == "gpu1"
    assert watts(model, device="gpu1")[0] == "gpu1"
    with pytest.raises(LookupError, match="there is no GPU 'gpu7'"):
        watts(model, device="gpu7")
    with pytest.raises(LookupError, match="there is no device 'dram7': there are gpu0"):
        watts(model, device="dram7")


def test_names_of_a_gpu(on_gpu, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    on_gpu(1, uuid="AB-12", pci_domain_id=0, pci_bus_id=0x1A, pci_device_id=2)
    gpu = _layer_device.of_torch(torch.device("cuda", 1))
    assert gpu._names() == ["GPU-ab-12", "MIG-ab-12", "0000:1a:02.0", "1"]
    on_gpu(1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,MIG-77")
    assert _layer_device.of_torch(torch.device("cuda", 1))._names() == ["MIG-77"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    assert _layer_device.of_torch(torch.device("cuda", 1))._names() == []
    assert _layer_device.of_torch(torch.device("cpu")) is None


# ---- as NVML has them ----

PROGRAM = """
import os, sys, time
from types import SimpleNamespace
import torch
import joulemeter as jm
from joulemeter import LayerPowerProfiler, _device_clock, _hooks
from torch import nn

boards = {d["name"]: d for d in jm.devices(gpus="all", cpu=False)}
index, told = int(sys.argv[1]), sys.argv[2]
properties = SimpleNamespace(total_memory=2**36)
if told.startswith("gpu"):
    properties.uuid = boards[told]["uuid"][4:]
elif told.startswith("pci"):
    properties.uuid = "not-a-uuid-that-nvml-has"
    properties.pci_domain_id, properties.pci_bus_id = 0, int(boards["gpu" + told[3:]]["pci"][5:7], 16)
    properties.pci_device_id = 0
elif told != "-":
    properties.uuid = told[4:]
_hooks.device_of = lambda _: torch.device("cuda", index)
_hooks.clock_of = lambda _: _device_clock.HostClock()
jm._torch = __import__("joulemeter._torch")._torch
jm._torch._move = lambda value, _: value
torch.cuda.get_device_properties = lambda _: properties

class Slow(nn.Module):
    def forward(self, x):
        time.sleep(0.12)
        return x

profiler = LayerPowerProfiler(nn.Sequential(Slow()), method="passive", cpu=False)
rows = profiler.profile(torch.zeros(1), num_runs=2, warmup=False)
print(profiler.attribution.device, round(rows[1].energy_j / rows[1].duration_ms * 10))
"""


@pytest.fixture
def nvml(monkeypatch):
    """Runs the program on these boards, as any driver would show them."""
    library = Path(os.environ.get("JOULEMETER_SIMGPU_LIBRARY", ""))
    if not library.is_file():
        pytest.skip("$JOULEMETER_SIMGPU_LIBRARY does not name the simulated GPU")

    def run(code, *args, boards=TWO, visible=None):
        env = dict(os.environ, LD_LIBRARY_PATH=str(library.parent), JOULEMETER_SIMGPU=boards,
                   PYTHONPATH=os.pathsep.join(map(os.path.abspath, sys.path)))
        env.pop("CUDA_VISIBLE_DEVICES", None)
        if visible is not None:
            env["CUDA_VISIBLE_DEVICES"] = visible
        done = subprocess.run([sys.executable, "-c", code, *args], env=env, capture_output=True,
                              text=True)
        assert done.returncode == 0, done.stderr[-800:]
        return done.stdout.split()

    return run


def test_cuda_and_nvml_count_in_other_orders(nvml):
    assert nvml(PROGRAM, "0", "gpu1") == ["gpu1", "4"]
    assert nvml(PROGRAM, "1", "gpu0") == ["gpu0", "1"]
    assert nvml(PROGRAM, "0", "pci1") == ["gpu1", "4"]
    assert nvml(PROGRAM, "1", "-") == ["gpu1", "4"]  # it tells nothing: the orders are the same
    assert nvml(PROGRAM, "0", "-", visible="1,0") == ["gpu1", "4"]


def test_the_gpu_of_a_mig_instance(nvml):
    import re

    boards = TWO.replace("400,noise=0", "400,noise=0,mig=2")
    code = ("import ctypes; n = ctypes.CDLL('libnvidia-ml.so.1'); n.nvmlInit_v2()\n"
            "h, m, u = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.create_string_buffer(96)\n"
            "n.nvmlDeviceGetHandleByIndex_v2(1, ctypes.byref(h))\n"
            "n.nvmlDeviceGetMigDeviceHandleByIndex(h, 1, ctypes.byref(m))\n"
            "n.nvmlDeviceGetUUID(m, u, 96); print(u.value.decode())")
    (mig,) = nvml(code, boards=boards)
    assert re.match("MIG-", mig)
    assert nvml(PROGRAM, "0", mig, boards=boards) == ["gpu1", "4"]
    assert nvml(PROGRAM, "0", "-", boards=boards, visible=mig) == ["gpu1", "4"]


# ---- the clock of a device ----


def test_events_are_recorded_on_the_device_of_the_model(monkeypatch):
    """The program's current device may be another one, whose streams take no events of ours."""
    class Event:
        def __init__(self, enable_timing):
            self.device = current[0]
            self.stream = None

        def record(self, stream=None):
            stream = stream or ("stream", current[0])
            if stream[1] != self.device:
                raise RuntimeError("Event device does not match recording stream's device")
            self.stream = stream

        def synchronize(self):
            pass

        def elapsed_time(self, later):
            return 1.0

    class Device:
        def __init__(self, device):
            self.index = device.index

        def __enter__(self):
            self.before, current[0] = current[0], self.index

        def __exit__(self, *_):
            current[0] = self.before

    current, streams = [0], {0: ("stream", 0), 1: ("stream", 1)}
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "device", Device)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda *_: None)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: streams[device.index])
    clock = _device_clock.CudaClock(torch.device("cuda", 1))
    clock.prepare(3)
    clock.start()
    clock.marks[0]()
    streams[1] = ("another", 1)
    clock.marks[1]()
    clock.stop()
    assert [event.stream for event in clock._events[:2]] == [("stream", 1), ("another", 1)]
    assert len(clock.times(2)) == 2
