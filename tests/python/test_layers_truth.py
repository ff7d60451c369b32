"""Energies of layers that draw a known power from a simulated board."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

PROGRAM = """
import ctypes, json, os, sys, time
import torch
from torch import nn
from joulemeter import LayerPowerProfiler

torch.set_num_threads(1)
library = ctypes.CDLL(os.environ["SIMGPU_CHANNEL_LIBRARY"])
library.simgpu_state_open.restype = ctypes.c_void_p
library.simgpu_channel_set_power.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_double]
error = ctypes.create_string_buffer(4096)
state = library.simgpu_state_open(os.environ["JOULEMETER_SIMGPU_STATE"].encode(), error)

class Load(nn.Module):
    def __init__(self, watts, seconds):
        super().__init__()
        self.watts, self.seconds = watts, seconds

    def forward(self, x):
        library.simgpu_channel_set_power(state, 0, self.watts)
        end = time.perf_counter() + self.seconds
        while time.perf_counter() < end:
            time.sleep(self.seconds / 5)
        return x

model = nn.Sequential(*(Load(w, s) for w, s in LOADS))
profiler = LayerPowerProfiler(model, device="gpu0", cpu=False, **json.loads(sys.argv[1]))
profiler.profile(torch.zeros(1), num_runs=40)
print(json.dumps({"parts": profiler.attribution.parts, "check": profiler.check,
                  "used": profiler.method_used}))
"""
LOADS = [(120, 0.004), (380, 0.006), (250, 0.003)]


@pytest.fixture
def profiled(tmp_path):
    """Profiles the loads on a board of this kind, in a process of its own."""
    library = Path(os.environ.get("JOULEMETER_SIMGPU_LIBRARY", ""))
    if not library.is_file():
        pytest.skip("$JOULEMETER_SIMGPU_LIBRARY does not name the simulated GPU")

    def run(board, **options):
        state = tmp_path / "state"
        subprocess.run([library.parent / "simgpu-truth", "--create", state, board], check=True)
        env = dict(os.environ, LD_LIBRARY_PATH=str(library.parent),
                   JOULEMETER_SIMGPU_STATE=str(state),
                   SIMGPU_CHANNEL_LIBRARY=str(library.parent / "libsimgpu-channel.so"),
                   PYTHONPATH=os.pathsep.join(map(os.path.abspath, sys.path)))
        env.pop("CUDA_VISIBLE_DEVICES", None)
        done = subprocess.run([sys.executable, "-c", f"LOADS = {LOADS}\n{PROGRAM}",
                               json.dumps(options)], env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-800:]
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.mark.parametrize("board", ["h100,channel,seed=3", "a100,channel,seed=3"])
def test_replay_finds_what_layers_draw(profiled, board):
    found = profiled(board, method="replay", max_seconds=8)
    assert found["used"] == "replay"
    parts = {part["name"]: part for part in found["parts"]}
    for index, (watts, _) in enumerate(LOADS):
        part = parts[str(index)]
        assert not part["bound_only"] and part["calls"] == 40
        truth = watts * part["time_s"]
        assert abs(part["energy_j"] - truth) <= part["energy_u95_j"]
        assert part["energy_j"] == pytest.approx(truth, rel=0.06)
    assert abs(found["check"]["residual_j"]) <= found["check"]["residual_u95_j"]


def test_simple_ways_do_not(profiled):
    """What the issue is about: a share of the time is off by a third and more."""
    found = profiled("h100,channel,seed=3", method="time_share")
    parts = {part["name"]: part for part in found["parts"]}
    errors = [abs(parts[str(index)]["energy_j"] / (watts * parts[str(index)]["time_s"]) - 1)
              for index, (watts, _) in enumerate(LOADS)]
    assert max(errors) > 0.25
