"""What the callbacks of all frameworks do with their profiler."""

from __future__ import annotations

from .. import _totals, distributed
from .._bind import JoulemeterError
from .._core import Profiler, current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional

    import _joulemeter

    from .._energy import Energy
    from .._report import Report


def main_device(profiler: Profiler) -> str:
    """Whose energy is logged: "gpus" if a GPU is measured, else "total", as in reports."""
    names = [d["name"] for d in profiler.devices() if d["in_total"]]
    return "gpus" if any(n[:3] == "gpu" and n[3:].isdigit() for n in names) else "total"


class Session:
    """The profiler of a callback, its windows, and energies that a log can take.

    Parameters
    ----------
    name : str
        Of the profiler that is opened if there is none.
    given : Profiler, optional
    device : str, optional
        Whose energy is logged.
    options : dict
        Of the profiler that is opened.
    """

    def __init__(self, name: str, given: Optional[Profiler], device: Optional[str],
                 options: Dict[str, Any]) -> None:
        self.name = name
        self.options = options
        self.place: Optional[distributed.Ranks] = None
        self._given = given
        self._device = device
        self._used: Optional[Profiler] = None
        self._own: Optional[Profiler] = None
        self._open: List["_joulemeter.Range"] = []

    @property
    def profiler(self) -> Profiler:
        """The one that was given; else the program's current one; else one of our own."""
        if self._used is None or self._used.closed:
            self._open.clear()
            self._used = self._given if self._given and not self._given.closed else current()
            if self._used is None:
                self._used = self._own = distributed.profile(self.name, ranks=self.place,
                                                             **self.options)
        return self._used

    def close(self) -> None:
        """Ends what is open, and the profiler if it is ours."""
        self.end_all()
        own, self._own = self._own, None
        if own is not None:
            own.close()

    def report(self) -> Optional[Report]:
        """The report so far; None where another process has the recording."""
        used = self._used
        if used is None:
            raise RuntimeError("nothing has been measured yet: give the callback to a trainer")
        return None if used.joined else used.report()

    # ---- windows ----

    def begin(self, window: "_joulemeter.Range") -> "_joulemeter.Range":
        window.__enter__()
        self._open.append(window)
        return window

    def end(self, window: Optional["_joulemeter.Range"], **attributes: Any) -> bool:
        """Ends a window and what was begun in it. False: it was not open."""
        if window is None or window not in self._open:
            return False
        while True:
            innermost = self._open.pop()
            if innermost is window:
                window.end(**{k: v for k, v in attributes.items() if v is not None})
                return True
            innermost.end()

    def end_all(self, error: Optional[BaseException] = None) -> None:
        """Ends all that is open, as when training fails."""
        kind = type(error) if error is not None else None
        while self._open:
            window = self._open.pop()
            if not window.session.closed:
                window.__exit__(kind, error, None)

    # ---- energies ----

    def energy_of(self, window: Optional["_joulemeter.Range"]) -> Optional[Energy]:
        """None where it cannot be known. Never an error: nobody wants to lose a training to it."""
        if window is None:
            return None
        return self._ask(lambda device: window.energy(device))

    def energy_between(self, begin_ns: int, end_ns: int) -> Optional[Energy]:
        """Of a time that is no range; not in a joined session."""
        recording = self.profiler.recording()
        if recording is None:
            return None
        return self._ask(lambda device: recording.energy(begin_ns, end_ns, device=device,
                                                         nearby=True))

    def _ask(self, ask: Callable[[str], Energy]) -> Optional[Energy]:
        try:
            energy = ask(self._device or main_device(self.profiler))
        except (JoulemeterError, RuntimeError):
            return None
        return energy if _totals.is_known(energy) else None


def entries(energy: Optional[Energy], samples: int = 0, prefix: str = "",
            aside_j: float = 0.0) -> Dict[str, float]:
    """What a log is given: energy_j, energy_u95_j and j_per_sample, as far as they are known.

    ``aside_j`` of the energy, for other work than the samples', is in no sample.
    """
    if energy is None:
        return {}
    logs = {f"{prefix}energy_j": energy.energy_j}
    if energy.u95_j < float("inf"):
        logs[f"{prefix}energy_u95_j"] = energy.u95_j
    per_sample = (energy.energy_j - aside_j) / samples if samples > 0 else -1.0
    if per_sample >= 0:  # not where nothing is known of what was aside
        logs[f"{prefix}j_per_sample"] = per_sample
    return logs
