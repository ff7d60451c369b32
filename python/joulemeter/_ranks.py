"""What launchers tell the processes that they start."""

from __future__ import annotations

import os
from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Mapping, Optional, Tuple


class Ranks(namedtuple("Ranks", "rank world_size local_rank local_world_size launcher job")):
    """Where this process stands among those of its job.

    Attributes
    ----------
    rank, world_size : int
        Of the whole job.
    local_rank, local_world_size : int
        Of this node.
    launcher : str
        "torchrun", "slurm", "openmpi", "mpi"; "" for a program of one process.
    job : str
        What is the same in all of its processes, and in no other job on this node.
    """

    __slots__ = ()


def _tasks_here(environ: Mapping[str, str], world: int) -> int:
    """Slurm's "2(x3),1": tasks on each node."""
    text = environ.get("SLURM_STEP_TASKS_PER_NODE") or environ.get("SLURM_TASKS_PER_NODE", "")
    nodes: List[int] = []
    try:
        for part in text.split(","):
            tasks, _, times = part.partition("(x")
            nodes += [int(tasks)] * int(times.rstrip(")") or 1)
        return nodes[int(environ.get("SLURM_NODEID", "0"))]
    except (ValueError, IndexError):
        return world


# launcher -> what has to be set, then rank, size, local rank, local size (any may be missing), and
# what tells jobs apart.
_LAUNCHERS: Dict[str, Tuple[Tuple[str, ...], Tuple[str, str, str, str], Tuple[str, ...]]] = {
    "torchrun": (
        ("RANK", "WORLD_SIZE"), ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"),
        ("TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT", "MASTER_ADDR", "MASTER_PORT",
         "SLURM_JOB_ID")),
    "slurm": (  # SLURM_STEP_ID: started by srun, and no batch script, which is alone
        ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_STEP_ID"),
        ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", ""), ("SLURM_JOB_ID", "SLURM_STEP_ID")),
    "openmpi": (
        ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
        ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK",
         "OMPI_COMM_WORLD_LOCAL_SIZE"),
        ("PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid", "OMPI_MCA_orte_hnp_uri")),
    "mpi": (
        ("PMI_RANK", "PMI_SIZE"), ("PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"),
        ("PMI_JOBID", "SLURM_JOB_ID")),
}


def ranks(environ: Optional[Mapping[str, str]] = None) -> Ranks:
    """What the launcher says of this process.

    Where it does not say how many processes this node has, all of them are taken to be here.

    Parameters
    ----------
    environ : mapping, optional
        Instead of ``os.environ``.

    Returns
    -------
    Ranks

    Raises
    ------
    ValueError
        A variable of the launcher is no number.
    """
    env = os.environ if environ is None else environ
    for launcher, (needed, names, of_job) in _LAUNCHERS.items():
        if not all(env.get(name) for name in needed):
            continue
        try:
            rank, world = int(env[names[0]]), int(env[names[1]])
            here = int(env.get(names[3]) or _tasks_here(env, world))
            local = int(env.get(names[2]) or rank % here)
        except (ValueError, ZeroDivisionError) as error:
            raise ValueError(f"{launcher} set something else than numbers in "
                             f"{', '.join(filter(None, names))}") from error
        told = [env[name] for name in of_job if env.get(name)] or [f"parent {os.getppid()}"]
        return Ranks(rank, world, local, here, launcher, " ".join([launcher, *told]))
    return Ranks(0, 1, 0, 1, "", "")
