"""Where the ranks of a node meet: the first tells the others which session to join."""

from __future__ import annotations

import json
import os
import time

from ._bind import JoulemeterError
from ._ranks import Ranks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

_GRACE_S = 2.0  # for the first rank of a job to replace what an earlier one left


def _folder() -> str:
    """A folder of ours alone."""
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    if base and os.path.isdir(base) and os.access(base, os.W_OK):
        path = os.path.join(base, "joulemeter")
    else:
        path = f"/tmp/joulemeter-{os.getuid()}"
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    import stat

    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PermissionError(f"{path} has to be a folder that nobody else can enter: remove it, "
                              "or set XDG_RUNTIME_DIR")
    return path


def _started(pid: int) -> str:
    """When a process began, in ticks since the machine did; "" if there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


class Meeting:
    """The file by which the first rank of a node tells the others what to join.

    Beside it lie the seats: each of the others adds a byte when it comes, and holds a lock as long
    as it stays, which ends however the process does.
    """

    def __init__(self, place: Ranks, call: int) -> None:
        import hashlib

        self.place = place
        self.host = os.uname().nodename
        text = f"{place.job}\n{self.host}\n{os.geteuid()}\n{call}"
        name = hashlib.sha256(text.encode()).hexdigest()[:24]
        self.folder = _folder()
        self.path = os.path.join(self.folder, f"{name}.json")
        self.seats_path = os.path.join(self.folder, f"{name}.seats")
        self.seats = -1

    # -- the first rank --

    def prepare(self) -> None:
        """Nothing of a job that crashed stays here."""
        for name in os.listdir(self.folder):
            path = os.path.join(self.folder, name)
            told = _read(path) if name.endswith(".json") else None
            if told and told["host"] == self.host and _started(told["pid"]) != told["started"]:
                _remove(path, path[:-5] + ".seats")
        _remove(self.path, self.seats_path)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self.seats = os.open(self.seats_path, flags, 0o600)

    def publish(self, **told: Any) -> None:
        told.update(host=self.host, pid=os.getpid(), started=_started(os.getpid()),
                    parent=os.getppid())
        fresh = f"{self.path}.{os.getpid()}"
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w",
                  encoding="utf-8") as file:
            json.dump(told, file)
        os.replace(fresh, self.path)

    def wait_for_others(self, seconds: float) -> int:
        """Until they have come and gone. Returns how many have not come; -1: some still mark."""
        import fcntl

        deadline = time.monotonic() + seconds
        while True:
            missing = self.place.local_world_size - 1 - os.fstat(self.seats).st_size
            left = True
            try:
                fcntl.flock(self.seats, fcntl.LOCK_EX | fcntl.LOCK_NB)
                fcntl.flock(self.seats, fcntl.LOCK_UN)
            except BlockingIOError:
                left = False
            if (left and missing <= 0) or time.monotonic() >= deadline:
                return max(missing, 0) if left else -1
            time.sleep(0.005)

    def end(self) -> None:
        _remove(self.path, self.seats_path)
        self.leave()

    # -- the others --

    def find(self, seconds: float) -> Dict[str, Any]:
        """What the first rank has published; waits for it."""
        now = time.monotonic()
        deadline, since, seen = now + seconds, now, None
        while now < deadline:
            told = _read(self.path)
            if told != seen:
                seen, since = told, now
            if told is not None:
                family = told["parent"] == os.getppid()
                alive = _started(told["pid"]) == told["started"]
                # Else it may be left by a job that has ended, or is just ending.
                settled = (family and alive) or now > since + _GRACE_S
                if settled and (family or alive):
                    return _check(told, alive)
            time.sleep(0.02)
            now = time.monotonic()
        raise JoulemeterError(
            f"no first rank of this node began to measure within {seconds:g} s: every rank of "
            "the job has to call joulemeter.distributed.profile(), equally often, and "
            f"LOCAL_RANK must be 0 in one of them (it is {self.place.local_rank} here)",
            "JM_HUNG")

    def take_seat(self) -> None:
        import fcntl

        self.seats = os.open(self.seats_path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        fcntl.flock(self.seats, fcntl.LOCK_SH)
        os.write(self.seats, b".")

    def leave(self) -> None:
        import fcntl

        if self.seats >= 0:
            fcntl.flock(self.seats, fcntl.LOCK_UN)  # forked workers may hold it open
            os.close(self.seats)
            self.seats = -1


def _check(told: Dict[str, Any], alive: bool) -> Dict[str, Any]:
    if "error" in told:
        raise JoulemeterError(f"the first rank of this node cannot measure: {told['error']}",
                              "JM_CLOSED")
    if not alive:
        raise JoulemeterError(f"the first rank of this node (process {told['pid']}) has ended: "
                              "its recording can no longer be joined", "JM_CLOSED")
    return told


def _read(path: str) -> Optional[Dict[str, Any]]:
    try:
        with open(path, encoding="utf-8") as file:
            told = json.load(file)
    except (OSError, ValueError):
        return None
    whole = isinstance(told, dict) and {"host", "pid", "started", "parent"} <= set(told)
    return told if whole else None


def _remove(*paths: str) -> None:
    for path in paths:
        try:
            os.unlink(path)
        except OSError:
            continue
