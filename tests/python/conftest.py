"""What the tests of the Python package share."""
import gc
import os

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


@pytest.fixture(scope="session")
def command():
    """Path of the command under test."""
    path = os.environ.get("JOULEMETER")
    if not path:
        pytest.skip("$JOULEMETER does not name the command")
    return path
