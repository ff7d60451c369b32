"""What the tests of the Python package share."""
import gc
import os
import time

import pytest

import joulemeter as jm


@pytest.fixture
def simulated():
    """Opens profilers on simulated GPUs, one at a time, and closes them after the test."""
    opened = []

    def make(spec="h100,constant:200,seed=1", **options):
        options.setdefault("join", False)
        options.setdefault("cpu", False)
        p = jm.profile(simulate=spec, **options)
        opened.append(p)
        return p

    yield make
    for p in opened:
        p.close()
    gc.collect()


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    """No setting, log and place of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("JOULEMETER_")]:
        if name not in ("JOULEMETER_SIMGPU_LIBRARY", "JOULEMETER_SHARED_DATA"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(scope="session")
def command():
    """Path of the command under test."""
    path = os.environ.get("JOULEMETER")
    if not path:
        pytest.skip("$JOULEMETER does not name the command")
    return path
