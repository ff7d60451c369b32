"""What the callbacks of all frameworks do with their profiler."""

from __future__ import annotations

import _joulemeter

from .. import _totals, distributed
from .._bind import JoulemeterError
from .._core import Profiler, current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional

    from .._energy import Energy
    from .._report import Report


def main_device(profiler: Profiler) -> str:
    """Whose energy is logged: "gpus" if a GPU is measured, else "total", as in reports."""
    names = [d["name"] for d in profiler.devices() if d["in_total"]]
    return "gpus" if any(n[:3] == "gpu" and n[3:].isdigit() for n in names) else "total"


class _Windows:
    """Ranges of a callback that are open, outermost first, and when work in them was last heard of.

    It knows nothing of the callback, which may be gone when its profiler is closed.
    """

    def __init__(self) -> None:
        self.stack: List[_joulemeter.Range] = []
        self.heard_ns = 0

    def hear(self) -> None:
        self.heard_ns = _joulemeter.now_ns()

    def begin(self, window: _joulemeter.Range) -> None:
        window.__enter__()
        if not self.stack:
            self.hear()
        self.stack.append(window)

    def abandon(self) -> None:
        """Ends all, when work was last heard of: it has failed, and nobody said so."""
        while self.stack:
            self.stack.pop().end_at(self.heard_ns, exception="abandoned")


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
        self._open = _Windows()

    @property
    def profiler(self) -> Profiler:
        """The one that was given; else the program's current one; else one of our own."""
        if self._used is None or self._used.closed and self._used is not self._given:
            self._used = self._given or current()
            if self._used is None:
                self._used = self._own = distributed.profile(self.name, ranks=self.place,
                                                             **self.options)
            self._open = _Windows()
            self._used._before_close.append(self._open.abandon)
        return self._used

    def close(self) -> None:
        """Ends what is open, and the profiler if it is ours."""
        self.abandon()
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

    def begin(self, window: _joulemeter.Range) -> _joulemeter.Range:
        self._open.begin(window)
        return window

    def end(self, window: Optional[_joulemeter.Range], **attributes: Any) -> bool:
        """Ends a window and what was begun in it. False: it was not open."""
        stack = self._open.stack
        if window is None or window not in stack:
            return False
        while True:
            innermost = stack.pop()
            if innermost is window:
                window.end(**{k: v for k, v in attributes.items() if v is not None})
                return True
            innermost.end()

    def hear(self) -> None:
        """To be called at each event of a training, which ends at the last one if it fails."""
        self._open.hear()

    def abandon(self) -> None:
        """Ends what a training has left open that failed without a word."""
        self._open.abandon()

    def fail(self, error: BaseException) -> None:
        """Ends all that is open: training fails now."""
        stack = self._open.stack
        while stack:
            window = stack.pop()
            if not window.session.closed:
                window.__exit__(type(error), error, None)

    # ---- energies ----

    def energy_of(self, window: Optional[_joulemeter.Range]) -> Optional[Energy]:
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
