"""The examples with PyTorch, and that the lines of PowerDL's README are as they were."""
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
torch.set_num_threads(1)  # these networks are too small to share
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

README = """
from powerdl.highlevel import profile_torch
with profile_torch(
    out_dir=None,
    interval_s=0.02,
    verbose=1
) as prof:
    prof.train(model, trainloader, optimizer, loss_fn, epochs=3)
    prof.infer_tensor(model, batch_size=256, n_samples=20000)
rep = prof.report()
rep.export("results/torch_run")
from powerdl.highlevel import profile_tf
with profile_tf(
    out_dir=None,
    interval_s=0.02,
    verbose=1
) as prof:
    prof.fit(model, dataset, epochs=3)
    prof.infer_keras(model, x_inf, batch_size=512)
rep = prof.report()
rep.export("results/tf_run")
rep.export("runs/experiment_export")
rep = prof.report()
rep.list_figures()
rep.plot(
    all=True,
    out_dir="results/figs",
    show=False,
    smooth=5,
    shade_phases=True
)
rep.plot(
    figs=[
        "power_time",
        "cumulative_energy",
        "power_util_hexbin",
        "phase_energy_bar"
    ],
    out_dir="results/figs",
    show=True
)
rep.plot_one("power_ecdf", show=True)
rep.export("runs/experiment_01")
"""


def test_only_the_import_is_another():
    ours = [line.strip() for line in (EXAMPLES / "powerdl_readme.py").read_text().splitlines()]
    for line in README.replace("powerdl.highlevel", "joulemeter.highlevel").splitlines():
        assert line.strip() in ours, line


def test_the_readme_runs(tmp_path):
    for needed in ("matplotlib", "pandas"):
        pytest.importorskip(needed)
    library = Path(os.environ.get("JOULEMETER_SIMGPU_LIBRARY", ""))
    if not library.is_file():
        pytest.skip("$JOULEMETER_SIMGPU_LIBRARY does not name the simulated GPU")
    env = dict(os.environ, LD_LIBRARY_PATH=str(library.parent), JOULEMETER_SIMGPU="h100",
               MPLBACKEND="Agg", PYTHONPATH=os.pathsep.join(map(os.path.abspath, sys.path)))
    env.pop("CUDA_VISIBLE_DEVICES", None)
    done = subprocess.run([sys.executable, EXAMPLES / "powerdl_readme.py", "torch"],
                          capture_output=True, text=True, env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-300:]  # the exception comes last
    assert "epoch 3/3: loss " in done.stdout
    import _joulemeter

    figures = {path.stem for path in (tmp_path / "results" / "figs").glob("*.png")}
    powerdl = [name for name, _ in _joulemeter.figure_names()][:17]
    assert figures == {*powerdl, "energy_by_device"}, done.stderr[-300:]  # what has no data, and why
    for folder in ("results/torch_run", "runs/experiment_export", "runs/experiment_01"):
        summary = json.loads((tmp_path / folder / "summary.json").read_text())
        assert summary["train"]["samples"] == 3 * 512 and summary["infer"]["samples"] == 20000
        assert summary["train"]["energy_j"] > 0 and summary["device"] == "gpus", done.stdout
        assert (tmp_path / folder / "batches.csv").exists()


DE_FEO = """
from profiler import power_cap_profiler
from profiler import set_power_cap
from profiler import reset_power_cap
#Profiling
model = ResNet18()
criterion = nn.CrossEntropyLoss()
optimizer = optim.Adam(model.parameters(),lr=0.001)
optimal_cap = power_cap_profiler(gpu_num=0,model=model,dataloader=trainloader,train=True,loss_fn=criterion,optimizer=optimizer,out_file='test_power_cap_profiler.csv')

#Real training run
model = ResNet18()
criterion = nn.CrossEntropyLoss()
optimizer = optim.Adam(model.parameters(),lr=0.001)
set_power_cap(gpu_num=0,cap=optimal_cap)
train()
reset_power_cap(gpu_num=0)
"""


def test_the_readme_of_de_feo_runs(tmp_path):
    ours = (EXAMPLES / "de_feo_readme.py").read_text()
    for line in DE_FEO.replace("from profiler", "from joulemeter.limits").splitlines():
        assert line in ours.splitlines(), line
    library = Path(os.environ.get("JOULEMETER_SIMGPU_LIBRARY", ""))
    if not library.is_file():
        pytest.skip("$JOULEMETER_SIMGPU_LIBRARY does not name the simulated GPU")
    env = dict(os.environ, LD_LIBRARY_PATH=str(library.parent), JOULEMETER_SIMGPU="v100,constant:100",
               JOULEMETER_SIMGPU_ALLOW_LIMIT="1", JOULEMETER_LIMIT_DIR=str(tmp_path / "limits"), OMP_NUM_THREADS="1",
               PYTHONPATH=os.pathsep.join(map(os.path.abspath, sys.path)))
    env.pop("CUDA_VISIBLE_DEVICES", None)
    done = subprocess.run([sys.executable, EXAMPLES / "de_feo_readme.py"], capture_output=True, text=True, env=env,
                          cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-300:]
    assert "simulated GPU" in done.stdout
    rows = (tmp_path / "test_power_cap_profiler.csv").read_text().splitlines()
    assert len(rows) >= 2


@pytest.mark.parametrize("simulate", ["h100", None])
def test_torch_cifar_like(simulate, tmp_path, monkeypatch, capsys):
    arguments = ["--epochs", "2", "--samples", "256", "--batch-size", "16",
                 "--out", str(tmp_path)]
    if simulate:
        arguments += ["--simulate", simulate]
    monkeypatch.setattr(sys, "argv", ["torch_cifar_like.py", *arguments])
    runpy.run_path(str(EXAMPLES / "torch_cifar_like.py"), run_name="__main__")
    told = capsys.readouterr().out
    losses = [float(x) for x in told.rsplit("loss of each epoch:", 1)[1].splitlines()[0].split(",")]
    assert losses[1] < losses[0]
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["train"]["samples"] == 512
    assert ("gpu0" in summary["per_device"]) >= bool(simulate)
