"""GPUPP's worked uses run with the import changed."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "gpupp"

CASES = {
    "simple_model": ((), "PROFILING SUMMARY"),
    "generation": (("transformers",), "token 0 (prefill)"),
    "batch_sizes": (("transformers", "pandas"), "total_energy_j"),
    "layer_types": (("transformers", "pandas"), "Attention"),
    "timeline": (("transformers", "pandas", "matplotlib"), "wrote power_timeline.png"),
    "every_tenth_epoch": ((), "wrote profile_epoch_0.csv"),
}


def run(name, folder, *arguments):
    env = dict(os.environ, MPLBACKEND="Agg", OMP_NUM_THREADS="1", PYTHONWARNINGS="ignore",
               PYTHONPATH=os.pathsep.join(map(os.path.abspath, sys.path)))
    return subprocess.run([sys.executable, EXAMPLES / f"{name}.py", "--max-seconds", "1", *arguments],
                          capture_output=True, text=True, env=env, cwd=folder)


@pytest.mark.parametrize("name", CASES)
def test_example(name, tmp_path):
    needed, told = CASES[name]
    for module in needed:
        pytest.importorskip(module)
    done = run(name, tmp_path, "--simulate", "h100,square:150:350:0.3,seed=2")
    assert done.returncode == 0, done.stderr[-600:]
    assert told in done.stdout
    if name == "every_tenth_epoch":
        assert (tmp_path / "profile_epoch_10.csv").read_text().count("\n") == 1 + 5


def test_on_a_machine_as_it_is(tmp_path):
    done = run("simple_model", tmp_path)
    assert done.returncode == 0, done.stderr[-600:]
    assert "Top 10 Time Consumers" in done.stdout


def test_the_training_is_the_same_without():
    import runpy

    import torch

    def train(profiled):
        import joulemeter

        class Nothing:
            def __init__(self, *_, **__):
                pass

            def profile(self, batch):
                torch.rand(0)

            def save_results(self, _):
                pass

        real = joulemeter.LayerPowerProfiler
        try:
            if not profiled:
                joulemeter.LayerPowerProfiler = Nothing
            return runpy.run_path(str(EXAMPLES / "every_tenth_epoch.py"))["loss"].item()
        finally:
            joulemeter.LayerPowerProfiler = real

    argv, folder, path = sys.argv, os.getcwd(), list(sys.path)
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        try:
            os.chdir(scratch)
            sys.path.insert(0, str(EXAMPLES))
            sys.argv = ["x", "--simulate", "h100", "--max-seconds", "0.3"]
            with_it, without = train(True), train(False)
        finally:
            os.chdir(folder)
            sys.argv, sys.path[:] = argv, path
            sys.modules.pop("common", None)
    assert with_it == without
