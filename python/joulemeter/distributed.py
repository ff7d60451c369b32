"""Programs of several processes: one sampler a node, one report.

    import joulemeter as jm

    with jm.distributed.profile("training") as p:    # in every rank
        with p.phase("train"):
            train()
    report = p.report()                              # None but on the first rank of each node
    if report:
        print(report)

Ranks are told apart by what torchrun, Slurm, Open MPI or another MPI sets. The first rank of a node
measures all of its devices; the others only mark, into its recording and on its clock. They find it
by a file in a folder that nobody else can read ($XDG_RUNTIME_DIR/joulemeter, or
/tmp/joulemeter-UID).
"""

from __future__ import annotations

import os
import sys

from ._bind import JoulemeterError, JoulemeterWarning
from ._core import Profiler, _warn
from ._meeting import Meeting
from ._ranks import Ranks, ranks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

__all__ = ["RankProfiler", "Ranks", "profile", "ranks"]

_find_ranks = ranks
_OUTER = "JOULEMETER_SESSION"
_calls = 0  # profile() is called equally often in all ranks: the number tells the calls apart


class RankProfiler(Profiler):
    """The profiler of one rank; see :func:`profile`.

    Attributes
    ----------
    ranks : Ranks
    """

    ranks: Ranks
    _meeting: Optional[Meeting] = None
    _leave_timeout_s = 10.0
    _opened_by = 0

    def report(self, device=None):
        """The report of this node on its first rank; None on the others.

        Also None inside ``joulemeter run``, which has the recording.
        """
        if self.joined or (self.closed and self.recording() is None):
            return None
        return super().report(device)

    def __exit__(self, kind, value, trace) -> None:
        if kind is not None:  # the others may wait for this rank, which has failed
            self._leave_timeout_s = 0.0
        super().__exit__(kind, value, trace)

    def close(self):
        """Stops. The first rank waits for the others of its node, ``leave_timeout_s`` at most."""
        meeting, self._meeting = self._meeting, None
        ours = meeting is not None and self._opened_by == os.getpid()
        if ours and not self.joined and not self.closed:
            self._wait_for_others(meeting)
        try:
            return super().close()
        finally:
            if ours:
                meeting.leave()

    def _wait_for_others(self, meeting: Meeting) -> None:
        late = meeting.wait_for_others(self._leave_timeout_s)
        meeting.end()
        if late and self.on_warning is not None:
            who = "others" if late < 0 else f"{late} of the others"
            what = "still mark" if late < 0 else "never came"
            self.on_warning(f"the first rank of this node ends the recording while {who} {what}: "
                            "what they do from now on is in no report")

    def job_summary(self, timeout_s: float = 60.0) -> Optional[Dict[str, Any]]:
        """Energies of all nodes; to be called in all ranks.

        Uses ``torch.distributed`` if it is initialised; else there is this node only.

        Parameters
        ----------
        timeout_s : float
            So long the others are waited for.

        Returns
        -------
        dict
            ``nodes``: each node's host, ranks and summary (as ``report().summary``); ``devices``:
            each device once, with its host; ``total``: the sum over devices. None but on rank 0.
        """
        report = self.report()
        mine = None
        if report is not None:
            mine = {"host": os.uname().nodename, "ranks": self.ranks.local_world_size,
                    "first_rank": self.ranks.rank, "summary": report.summary}
        gathered = _gather(mine, timeout_s)
        if gathered is None:
            gathered = [mine]
        elif self.ranks.rank != 0:
            return None
        nodes = [node for node in gathered if node is not None]
        return _merge(nodes) if nodes else None


def _gather(mine: Optional[Dict[str, Any]], timeout_s: float) -> Optional[List[Any]]:
    torch = sys.modules.get("torch")
    dist = getattr(torch, "distributed", None)
    if dist is None or not dist.is_available() or not dist.is_initialized():
        return None
    import datetime

    group = None  # by gloo, which needs no accelerator and ends in time
    if dist.is_gloo_available():
        group = dist.new_group(backend="gloo", timeout=datetime.timedelta(seconds=timeout_s))
    gathered: List[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(gathered, mine, group=group)
    if group is not None:
        dist.destroy_process_group(group)
    return gathered


def _merge(nodes: List[Dict[str, Any]]) -> Dict[str, Any]:
    from . import _totals
    from ._energy import Energy

    devices: Dict[Any, Dict[str, Any]] = {}
    for node in nodes:
        for device in node["summary"]["devices"]:
            key = device["uuid"] or (node["host"], device["name"])
            devices.setdefault((device["name"].rstrip("0123456789"), key),
                               {"host": node["host"], **device})
    parts, partial = [], False
    for device in devices.values():
        if not device["in_total"]:
            continue
        if device["energy_j"] is None:
            partial = True
            continue
        values = {name: device.get(name) for name in Energy.__slots__}
        values["device"] = device["name"]
        values["upper_j"] = float("inf") if values["upper_j"] is None else values["upper_j"]
        values["provenance"] = device["source"]
        values["flags"] = " ".join(device["flags"])
        values["duration_s"] = max(node["summary"]["duration_s"] for node in nodes)
        values["bound_only"] = "bound only" in device["provenance"]
        parts.append(Energy(**values))
    total = _totals.add(parts, "total")
    summary = total.to_dict() if total is not None else None
    if summary is not None and partial and "partial" not in summary["flags"]:
        summary["flags"] = f"{summary['flags']} partial".strip()
    return {"nodes": nodes, "devices": list(devices.values()), "total": summary}


def _open_first(name: str, meeting: Meeting, options: Dict[str, Any]) -> RankProfiler:
    meeting.prepare()
    try:
        p = RankProfiler(name, **options)
    except Exception as error:
        meeting.publish(error=str(error))
        raise
    if p.joined:  # an outer `joulemeter run`, which the others find by themselves
        meeting.end()
        return p
    if meeting.place.launcher == "torchrun":
        p.follow(os.getppid())  # CPU use is that of all ranks, children of one agent
    meeting.publish(session=p.environment()[_OUTER])
    p._meeting = meeting
    return p


def _join_outer(name: str, options: Dict[str, Any]) -> Optional[RankProfiler]:
    """Joins what the environment names, or returns None."""
    if not os.environ.get(_OUTER):
        return None
    quiet = {**options, "on_warning": lambda message: None}  # of a session that is gone
    p = RankProfiler(name, sampler=False, **quiet)
    if not p.joined:
        p.close()
        return None
    p.on_warning = options.get("on_warning") or _warn
    return p


def _join_first(name: str, meeting: Meeting, timeout_s: float,
                options: Dict[str, Any]) -> RankProfiler:
    told = meeting.find(timeout_s)
    before = os.environ.get(_OUTER)
    os.environ[_OUTER] = told["session"]
    try:
        p = _join_outer(name, options)
    finally:
        if before is None:
            del os.environ[_OUTER]
        else:
            os.environ[_OUTER] = before
    if p is None:
        raise JoulemeterError(
            f"the session of the first rank of this node (process {told['pid']}) cannot be opened: "
            "ranks have to run as one user and see each other's processes (one container, no "
            "program with capabilities)", "JM_PERMISSION")
    try:
        meeting.take_seat()
    except OSError:  # it ends already
        return p
    p._meeting = meeting
    return p


def _warn_of_hidden_gpus(place: Ranks, options: Dict[str, Any]) -> None:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if options.get("gpus") is not None or not visible or options.get("simulate"):
        return
    count = len(visible.split(","))
    if count < place.local_world_size:
        import warnings

        warnings.warn(
            f"the first rank of this node sees {count} GPU (CUDA_VISIBLE_DEVICES={visible}), but "
            f"there are {place.local_world_size} ranks here: only what it sees is measured; name "
            "the others' with gpus=, or gpus='all'", JoulemeterWarning, stacklevel=4)


def profile(name: str = "session", *, ranks: Optional[Ranks] = None, join_timeout_s: float = 30.0,
            leave_timeout_s: float = 10.0, **options: Any) -> RankProfiler:
    """As :func:`joulemeter.profile`, for a program of several processes: call it in every rank.

    The first rank of each node opens the sensors of all its devices; the others write their ranges
    and marks into its recording, and may ask it for energies while it measures. In a program of one
    process, and inside ``joulemeter run``, it is the same as :func:`joulemeter.profile`.

    Parameters
    ----------
    name : str
    ranks : Ranks, optional
        Who this is; by default what the launcher says (:func:`ranks`).
    join_timeout_s : float
        The others wait so long for the first rank.
    leave_timeout_s : float
        The first rank waits so long for the others when it closes.
    **options
        Of :func:`joulemeter.profile`. Those that choose what is measured count in the first rank of
        each node only.

    Returns
    -------
    RankProfiler
        ``p.report()`` is the node's report on its first rank and None on the others;
        ``p.job_summary()`` has all nodes.

    Raises
    ------
    JoulemeterError
        The first rank of the node has ended, cannot measure, or did not begin in time.
    """
    global _calls
    place = _find_ranks() if ranks is None else ranks
    _calls += 1
    marking: Dict[str, Any] = {key: options[key] for key in ("sync", "on_warning") if key in options}
    meeting = None
    if place.local_world_size > 1:
        meeting = Meeting(place, _calls)
    if meeting is None:
        p = RankProfiler(name, **options)
    elif place.local_rank == 0:
        _warn_of_hidden_gpus(place, options)
        p = _open_first(name, meeting, options)
    else:
        wait = join_timeout_s + options.get("idle_baseline_s", 0)
        outer = _join_outer(name, marking) if options.get("join", True) else None
        p = outer if outer is not None else _join_first(name, meeting, wait, marking)
    p.ranks = place
    p._leave_timeout_s = leave_timeout_s
    p._opened_by = os.getpid()
    if place.world_size > 1:
        p.set_info(f"rank {place.rank}", f"process {os.getpid()}")
    return p

