"""One run that is measured and then written down: PowerMeter's, a tracker's, a cell's."""

from __future__ import annotations

import sys

import _joulemeter

from ._bind import JoulemeterError, JoulemeterWarning
from ._core import Profiler
from ._energy import Energy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

_LONG_ENOUGH_NS = 50_000_000


def make_grid(country=None, intensity=None, pue=None, price=None, currency=None) -> _joulemeter.Grid:
    """A grid as the settings have it, with what is given here above them."""
    given = {"carbon.country": country, "carbon.intensity": intensity, "carbon.pue": pue,
             "carbon.price": price, "carbon.currency": currency}
    return _joulemeter.Grid({key: str(value) for key, value in given.items() if value is not None})


def setting(key: str, given: Any = None) -> Any:
    """What is given, else what the settings say."""
    return given if given not in (None, "") else _joulemeter.settings()[key][0]


class LoggedRun:
    """What came out of a measured run.

    Attributes
    ----------
    energy : Energy
        Of all devices.
    carbon : dict
        ``g``, ``lower_g``, ``upper_g`` (gCO2e; None where no intensity is known), ``intensity_g``,
        ``cost``, ``water_l`` ...
    seconds : float
    id : int or None
        Its number in the logbook; None: it is not in there.
    note : str
        What the intensity is, or why there is none.
    """

    __slots__ = ("carbon", "energy", "id", "note", "seconds")

    def __init__(self, energy: Energy, carbon: Dict[str, Any], seconds: float, note: str) -> None:
        self.energy = energy
        self.carbon = carbon
        self.seconds = seconds
        self.note = note
        self.id: Optional[int] = None

    def __str__(self) -> str:
        g = self.carbon.get("g")
        words = f"{self.energy} in {self.seconds:.3g} s"
        if self.energy.energy_j != self.energy.energy_j:
            return words
        if g is None:
            return f"{words}; no carbon: {self.note}"
        return f"{words}, {self._carbon_text()} ({self.note})"

    def _carbon_text(self) -> str:
        c = self.carbon
        if self.energy.bound_only:  # there is no figure, but bounds of it
            return _joulemeter.interval_text(c["lower_g"], c["upper_g"], "gCO2e")
        return _joulemeter.value_text(c["g"], float("nan"), "gCO2e")

    def __repr__(self) -> str:
        return f"<LoggedRun {self}>"


class _Shared:
    """Profilers that runs share while they overlap: one sampler, however deep they nest."""

    def __init__(self) -> None:
        import threading

        self._lock = threading.Lock()
        self._open: Dict[str, Tuple[Profiler, int]] = {}

    def take(self, options: Dict[str, Any]) -> Profiler:
        import os

        key = f"{os.getpid()} {sorted(options.items())!r}"  # a forked child has one of its own
        with self._lock:
            profiler, users = self._open.get(key, (None, 0))
            if profiler is None or profiler.closed:
                profiler, users = Profiler("run", **{"join": False, **options}), 0
            self._open[key] = profiler, users + 1
        return profiler

    def give_back(self, profiler: Profiler) -> Any:
        """The recording: finished if nobody else is measuring, else as it grows."""
        with self._lock:
            for key, (held, users) in list(self._open.items()):
                if held is not profiler:
                    continue
                if users > 1:
                    self._open[key] = held, users - 1
                    return profiler.recording()
                del self._open[key]
        return profiler.close()


_shared: List[_Shared] = []


class MeasuredRun:
    """Measures from the moment it is made until ``end()``."""

    def __init__(self, name: str, options: Dict[str, Any]) -> None:
        if not _shared:
            _shared.append(_Shared())
        self._before = sys.exc_info()[1]
        self._profiler = _shared[0].take(options)
        self._window = self._profiler.begin(name)
        self.begin_ns = _joulemeter.now_ns()
        self.end_ns = 0
        self.outcome = "ok"
        self.recording: Any = None
        self._settled = False
        self._figures: Dict[str, Any] = {}

    def end(self, error: Optional[BaseException] = None) -> None:
        """Stops measuring. Called while an exception goes through, it is a failed run."""
        try:
            self.leave(error)
        finally:
            self.settle()

    def leave(self, error: Optional[BaseException] = None) -> None:
        """Marks the end, without waiting for what sensors say of it: ``settle()`` has to follow."""
        error = error or sys.exc_info()[1]
        if error is not None and error is not self._before and not isinstance(error, GeneratorExit):
            self.outcome = type(error).__name__
        self.end_ns = _joulemeter.now_ns()
        self._window.end()

    def settle(self) -> None:
        """Waits until the last readings are in, if they are not yet, and takes the recording."""
        if self._settled:
            return
        self._settled = True
        try:
            self._wait_for_last_readings()
        finally:
            self.recording = _shared[0].give_back(self._profiler)

    def so_far(self) -> MeasuredRun:
        """What would come out if it ended now; it goes on."""
        import copy

        part = copy.copy(self)
        part.end_ns = _joulemeter.now_ns()
        part._wait_for_last_readings()
        part.recording = self._profiler.recording()
        part._settled = True
        return part

    def _wait_for_last_readings(self) -> None:
        """A short run, of which little is known in any case, does not wait long."""
        import time

        from .measurement import _lag_ns

        duration = self.end_ns - self.begin_ns
        wait = min(_lag_ns(self._profiler), 300_000_000)
        if duration < _LONG_ENOUGH_NS:
            wait = min(wait, duration // 20)
        wait -= _joulemeter.now_ns() - self.end_ns
        if wait > 0:
            time.sleep(wait * 1e-9)

    def result(self, grid: _joulemeter.Grid) -> LoggedRun:
        """Energy and carbon."""
        note = grid.info()["text"]
        seconds = (self.end_ns - self.begin_ns) * 1e-9
        try:
            energy = self.recording.energy(self.begin_ns, self.end_ns)
            carbon = _joulemeter.carbon(self.recording, grid, self.begin_ns, self.end_ns)
            if carbon["g"] is not None and carbon["covered"] < 1:
                note += f"; it covers {100 * carbon['covered']:.0f} % of the energy"
        except JoulemeterError as error:  # no sensor, or a series of another time
            if error.status != "JM_NO_DATA":
                raise
            carbon, note = {"g": None}, str(error)
            energy = self._energy_or_nothing(seconds)
        self._figures = _figures(energy, carbon)
        return LoggedRun(energy, carbon, seconds, note)

    def _energy_or_nothing(self, seconds: float) -> Energy:
        nan = float("nan")
        try:
            return self.recording.energy(self.begin_ns, self.end_ns)
        except JoulemeterError:
            return Energy("", nan, nan, nan, nan, 0.0, float("inf"), seconds, nan, 0.0, "", "",
                          True)

    def write(self, path: Optional[str], grid: _joulemeter.Grid, place: bool,
              values: Dict[str, Any]) -> int:
        """Appends a row to a logbook; its number.

        The figures are those of ``result()``: a recording that still grows may know more by now,
        and what was shown and what is kept are the same.
        """
        figures = self._figures
        if not place and grid.info()["source"] == "time zone":  # an intensity tells its country
            figures = {name: value for name, value in figures.items()
                       if not name.startswith(("co2_", "intensity_"))}
        return _joulemeter.log_recording(
            self.recording, path,
            {"outcome": self.outcome, **software(), **figures, **values}, grid=grid,
            begin_ns=self.begin_ns, end_ns=self.end_ns, place=place)


def _figures(energy: Energy, carbon: Dict[str, Any]) -> Dict[str, Any]:
    """Columns of the logbook, without what is not known."""
    columns = {"energy_j": energy.energy_j, "energy_u95_j": energy.u95_j,
               "energy_lower_j": energy.lower_j, "energy_upper_j": energy.upper_j,
               "u_random_j": energy.u_random_j, "u_systematic_j": energy.u_systematic_j,
               "co2_g": carbon.get("g"), "co2_lower_g": carbon.get("lower_g"),
               "co2_upper_g": carbon.get("upper_g"), "intensity_g": carbon.get("intensity_g"),
               "intensity_u": carbon.get("intensity_u"),
               "intensity_covered": carbon.get("covered"),
               "cost": carbon.get("cost"), "cost_lower": carbon.get("cost_lower"),
               "cost_upper": carbon.get("cost_upper"), "water_l": carbon.get("water_l")}
    if energy.energy_j != energy.energy_j:
        return {}
    return {name: value for name, value in columns.items()
            if value is not None and value - value == 0}


_software: Dict[str, str] = {}


def software() -> Dict[str, str]:
    """Python's version, and a hash of it and of the packages that are installed."""
    if not _software:
        import hashlib
        from importlib import metadata

        version = sys.version.split()[0]
        packages = sorted({f"{found.metadata['Name']}=={found.version}".lower()
                           for found in metadata.distributions()})
        text = "\n".join([version, *packages])
        _software["software"] = hashlib.sha256(text.encode()).hexdigest()[:16]
        _software["python_version"] = version
    return _software


def warn_of_no_carbon(last: LoggedRun) -> None:
    """Where a run was measured and what that comes to is not known."""
    import warnings

    if last.carbon.get("g") is None and last.energy.energy_j == last.energy.energy_j:
        warnings.warn(f"no carbon is known: {last.note}; `joulemeter config set country FR` or an "
                      "argument says where this machine is", JoulemeterWarning, stacklevel=4)


def warn_not_logged(error: Exception) -> None:
    """A measured program goes on, whatever became of its log."""
    import warnings

    warnings.warn(f"this run is not in the logbook: {error}", JoulemeterWarning, stacklevel=4)
