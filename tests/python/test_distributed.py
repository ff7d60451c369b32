"""Programs of several processes: one sampler, one report, and nobody hangs."""
import os
import signal
import subprocess
import sys
import time

import pytest

import joulemeter as jm
from joulemeter import distributed

SIMULATE = "2*h100,constant:200,noise=0,seed=1"
HEAD = f"""
import json, os, sys, time
import joulemeter as jm
from joulemeter import distributed
rank = int(os.environ["RANK"])
def profile(**options):
    return distributed.profile("job", simulate={SIMULATE!r}, cpu=False, **options)
"""


def start(code, rank, world=2, *, cwd, local=None, **more):
    """One rank, as torchrun would start it."""
    local_rank, local_world = local or (rank, world)
    env = dict(os.environ, RANK=str(rank), WORLD_SIZE=str(world), LOCAL_RANK=str(local_rank),
               LOCAL_WORLD_SIZE=str(local_world), MASTER_ADDR="127.0.0.1", MASTER_PORT="29871",
               XDG_RUNTIME_DIR=str(cwd), **more)
    return subprocess.Popen([sys.executable, "-c", HEAD + code], env=env, cwd=cwd, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(*programs, timeout=60):
    """What they wrote; each has to end well."""
    said = []
    for program in programs:
        out, err = program.communicate(timeout=timeout)
        assert program.returncode == 0, err
        said.append(out)
    return said


# ---- who am I ----


@pytest.mark.parametrize(("env", "wanted"), [
    ({}, (0, 1, 0, 1, "")),
    ({"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"},
     (5, 8, 1, 4, "torchrun")),
    ({"RANK": "1", "WORLD_SIZE": "2"}, (1, 2, 1, 2, "torchrun")),
    ({"SLURM_PROCID": "7", "SLURM_NTASKS": "7", "SLURM_LOCALID": "0", "SLURM_NODEID": "3",
      "SLURM_STEP_TASKS_PER_NODE": "2(x3),1", "SLURM_STEP_ID": "0", "SLURM_JOB_ID": "12"},
     (7, 7, 0, 1, "slurm")),
    ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_JOB_ID": "12"}, (0, 1, 0, 1, "")),
    ({"OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "4",
      "OMPI_COMM_WORLD_LOCAL_RANK": "1", "OMPI_COMM_WORLD_LOCAL_SIZE": "2"},
     (3, 4, 1, 2, "openmpi")),
    ({"PMI_RANK": "1", "PMI_SIZE": "2"}, (1, 2, 1, 2, "mpi")),
    ({"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2",
      "SLURM_PROCID": "0", "SLURM_NTASKS": "1", "SLURM_STEP_ID": "0"}, (0, 2, 0, 2, "torchrun")),
])
def test_ranks(env, wanted):
    assert distributed.ranks(env)[:5] == wanted


def test_jobs_are_told_apart():
    base = {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "a", "MASTER_PORT": "1"}
    jobs = {distributed.ranks({**base, **more}).job for more in (
        {}, {"RANK": "1"}, {"MASTER_PORT": "2"}, {"TORCHELASTIC_RESTART_COUNT": "1"})}
    assert len(jobs) == 3
    with pytest.raises(ValueError, match="numbers"):
        distributed.ranks({"RANK": "x", "WORLD_SIZE": "2"})


def test_one_process_is_as_ever(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with distributed.profile("alone", simulate=SIMULATE, cpu=False, join=False) as p:
        with p.phase("train"):
            time.sleep(0.05)
    assert p.ranks.world_size == 1 and p.report().recording.range_count == 2
    assert not os.listdir(tmp_path)
    whole = p.job_summary()
    assert [d["name"] for d in whole["devices"] if d["in_total"]] == ["gpu0", "gpu1"]
    for name in ("energy_j", "u95_j", "lower_j", "upper_j", "measured"):
        assert whole["total"][name] == pytest.approx(p.report().summary["total"][name]), name


# ---- one node ----


def test_two_ranks_make_one_report(tmp_path):
    code = """
with profile() as p:
    assert p.joined == (rank == 1)
    with p.phase(f"train {rank}") as window:
        for i in range(3):
            with p.batch(i, 8):
                time.sleep(0.1)
    energy = window.energy(f"gpu{rank}")
    assert energy.lower_j <= 200 * energy.duration_s <= energy.upper_j, energy
report = p.report()
assert (report is None) == (rank == 1)
if report:
    rows = report.table("ranges").to_dict()
    print(json.dumps({"devices": [d["name"] for d in report.summary["devices"]],
                      "pids": sorted(set(rows["pid"])), "names": rows["name"],
                      "info": report.recording.info()}))
else:
    print(os.getpid())
"""
    first, second = (start(code, rank, cwd=tmp_path) for rank in (0, 1))
    said, pid = finish(first, second)
    import json

    said = json.loads(said)
    assert [name for name in said["devices"] if name in ("gpu0", "gpu1")] == ["gpu0", "gpu1"]
    assert len(said["devices"]) == len(set(said["devices"]))
    assert said["pids"] == sorted([first.pid, int(pid)])
    assert {"train 0", "train 1"} <= set(said["names"])
    assert said["names"].count("batch") == 6 and said["names"].count("job") == 2
    assert said["info"]["rank 1"] == f"process {int(pid)}"
    assert os.listdir(tmp_path / "joulemeter") == []


def test_the_last_rank_may_be_slow(tmp_path):
    code = """
with profile() as p:
    for i in range(10 * rank):
        with p.batch(i):
            time.sleep(0.1)
if p.report():
    print(p.report().table("batches").to_dict()["batch"].tolist())
"""
    said, _ = finish(*(start(code, rank, cwd=tmp_path) for rank in (0, 1)))
    assert said.count(",") == 9


# What two ranks do with gloo, in two forks of one program that has imported torch.
GLOO = f"""
import json, os, sys, time
import torch, torch.distributed as dist
import joulemeter as jm
def in_rank(rank, local_world):
    os.environ.update(RANK=str(rank), WORLD_SIZE="2", LOCAL_RANK=str(rank % local_world),
                      LOCAL_WORLD_SIZE=str(local_world), MASTER_ADDR="127.0.0.1",
                      MASTER_PORT=sys.argv[1], TORCHELASTIC_RUN_ID=sys.argv[1],
                      GLOO_SOCKET_IFNAME="lo", OMP_NUM_THREADS="1")
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    one_node(rank) if local_world == 2 else two_nodes(rank)
    dist.destroy_process_group()
def one_node(rank):
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with jm.distributed.profile("training", simulate={SIMULATE!r}) as p:
        with p.phase("train"):
            for i in range(20):
                with p.batch(i, 16):
                    optimizer.zero_grad()
                    model(torch.randn(16, 8)).square().mean().backward()
                    optimizer.step()
    whole = p.job_summary()
    if p.report():
        rows = p.report().table("ranges").to_dict()
        print(json.dumps(dict(pids=len(set(rows["pid"])), batches=rows["name"].count("batch"),
                              devices=[d["name"] for d in whole["devices"]],
                              nodes=len(whole["nodes"]), total=whole["total"]["energy_j"])))
    else:
        assert whole is None and p.ranks.rank == 1
def two_nodes(rank):
    with jm.distributed.profile("job", simulate=f"h100,constant:200,noise=0,seed={{rank}}",
                                cpu=False, join=False) as p:
        time.sleep(0.4)
    whole = p.job_summary()
    assert p.report() is not None
    if rank == 0:
        gpus = [d for d in whole["devices"] if d["in_total"]]
        assert len(whole["nodes"]) == 2 and len(gpus) == len(set(d["uuid"] for d in gpus)) == 2
        energies = [d["energy_j"] for d in gpus]
        assert abs(whole["total"]["energy_j"] - sum(energies)) < 1e-6 and min(energies) > 40
    else:
        assert whole is None
for local_world in (2, 1):
    children = []
    for rank in range(2):
        child = os.fork()
        if child == 0:
            in_rank(rank, local_world)
            sys.stdout.flush()
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
"""


def test_two_gloo_ranks_on_one_node_and_on_two(tmp_path):
    pytest.importorskip("torch.distributed")
    import json
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    env = dict(os.environ, XDG_RUNTIME_DIR=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", GLOO, port], env=env, cwd=tmp_path,
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["pids"] == 2 and said["batches"] == 40 and said["nodes"] == 1
    assert said["devices"].count("gpu0") == said["devices"].count("gpu1") == 1
    assert said["total"] > 0


def test_ranks_inside_an_outer_run(command, tmp_path):
    code = """
with profile() as p:
    assert p.joined
    with p.phase(f"train {rank}"):
        time.sleep(0.1)
assert p.report() is None
"""
    program = tmp_path / "rank.py"
    program.write_text(HEAD + code)
    both = ("for r in 0 1; do RANK=$r WORLD_SIZE=2 LOCAL_RANK=$r LOCAL_WORLD_SIZE=2 "
            f"{sys.executable} rank.py & p=\"$p $!\"; done; for i in $p; do wait $i || exit 1; done")
    done = subprocess.run([command, "run", "-q", "-o", "a.jm", "--simulate", SIMULATE, "--", "sh",
                           "-c", both], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    rows = jm.open(tmp_path / "a.jm").table("ranges").to_dict()
    assert {"train 0", "train 1"} <= set(rows["name"]) and len(set(rows["pid"])) == 3


# ---- what goes wrong ----

ERROR = """
began = time.monotonic()
try:
    p = profile(join_timeout_s=%g)
except jm.JoulemeterError as error:
    print(error.status, time.monotonic() - began, error)
"""


def test_nobody_to_join(tmp_path):
    [said] = finish(start(ERROR % 0.5, 1, cwd=tmp_path))
    status, seconds, message = said.split(maxsplit=2)
    assert status == "JM_HUNG" and 0.5 <= float(seconds) < 5 and "LOCAL_RANK" in message


def test_first_rank_cannot_measure(tmp_path):
    first = start("profile(gpus=[9])", 0, cwd=tmp_path)
    [said] = finish(start(ERROR % 20, 1, cwd=tmp_path))
    assert said.startswith("JM_CLOSED") and "'9'" in said and float(said.split()[1]) < 15
    assert first.wait() != 0
    first.communicate()


def test_first_rank_is_killed(tmp_path):
    code = """
p = profile()
window = p.begin("train")
time.sleep(0.1)
window.energy()
print("joined", flush=True)
sys.stdin.readline()
began = time.monotonic()
try:
    window.energy()
except jm.JoulemeterError as error:
    print(error.status)
for i in range(20000):
    with p.batch(i):
        pass
window.end()
p.close()
assert time.monotonic() - began < 10
"""
    first = start("p = profile(); time.sleep(60)", 0, cwd=tmp_path)
    env = dict(os.environ, RANK="1", WORLD_SIZE="2", LOCAL_RANK="1", LOCAL_WORLD_SIZE="2",
               MASTER_ADDR="127.0.0.1", MASTER_PORT="29871", XDG_RUNTIME_DIR=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", HEAD + code], env=env, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as second:
        assert second.stdout.readline() == "joined\n"
        first.send_signal(signal.SIGKILL)
        first.communicate()
        out, err = second.communicate("\n", timeout=30)
    assert second.returncode == 0 and out == "JM_CLOSED\n", err
    # Who comes later is told at once, and the next job finds a clean folder.
    [said] = finish(start(ERROR % 20, 1, cwd=tmp_path))
    assert said.startswith("JM_CLOSED") and float(said.split()[1]) < 5 and "has ended" in said
    assert len(os.listdir(tmp_path / "joulemeter")) == 2
    finish(start("profile(leave_timeout_s=0, on_warning=print).close()", 0, cwd=tmp_path))
    assert os.listdir(tmp_path / "joulemeter") == []


def test_other_rank_is_killed(tmp_path):
    first = start("""
p = profile()
while p.recording().range_count == 0:
    time.sleep(0.01)
time.sleep(0.3)
began = time.monotonic()
p.close()
print(time.monotonic() - began)
""", 0, cwd=tmp_path)
    second = start("""
p = profile()
p.begin("never ended")
time.sleep(0.2)
os.kill(os.getpid(), 9)
""", 1, cwd=tmp_path)
    [said] = finish(first)
    assert float(said) < 5
    second.communicate()


def test_workers_that_outlive_a_rank_keep_nobody(tmp_path):
    code = """
p = profile()
time.sleep(0.2)
began = time.monotonic()
if rank == 1 and os.fork() == 0:
    time.sleep(4)
    os._exit(0)
p.close()
print(time.monotonic() - began)
"""
    first, second = (start(code, rank, cwd=tmp_path) for rank in (0, 1))
    out, err = first.communicate(timeout=60)
    assert first.returncode == 0 and float(out) < 3.5, err
    second.communicate()


def test_what_an_earlier_job_left_is_replaced(tmp_path):
    """Of the same parent and name, as from one notebook."""
    failed = start("profile(gpus=[9])", 0, cwd=tmp_path)
    assert failed.wait() != 0
    failed.communicate()
    second = start("p = profile(); print(p.joined); p.close()", 1, cwd=tmp_path)
    time.sleep(0.3)
    first = start("profile().close()", 0, cwd=tmp_path)
    assert finish(second, first)[0] == "True\n"


def test_a_rank_that_never_comes(tmp_path):
    [said] = finish(start("profile(leave_timeout_s=0.3, on_warning=print).close()", 0,
                          cwd=tmp_path))
    assert "1 of the others never came" in said


def test_a_rank_that_fails_does_not_wait(tmp_path):
    [said] = finish(start("""
began = time.monotonic()
try:
    with profile() as p:
        1 / 0
except ZeroDivisionError:
    pass
print(time.monotonic() - began, p.report().recording.range_count)
""", 0, cwd=tmp_path))
    seconds, count = said.split()
    assert float(seconds) < 5 and count == "1"


def test_a_folder_that_others_can_enter(tmp_path):
    (tmp_path / "joulemeter").mkdir()
    (tmp_path / "joulemeter").chmod(0o777)
    program = start("profile()", 0, cwd=tmp_path)
    _, err = program.communicate()
    assert program.returncode != 0 and "nobody else can enter" in err


def test_hidden_gpus_are_told_of(tmp_path):
    [said] = finish(start("""
import warnings
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    distributed.profile(leave_timeout_s=0, on_warning=lambda text: None).close()
print(told[0].message)
""", 0, cwd=tmp_path, CUDA_VISIBLE_DEVICES="0"))
    assert "gpus=" in said
