"""Functions that are called many times, each call measured; the statistics are in _statistics."""

from __future__ import annotations

import operator
import random
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Optional, Sequence

import _joulemeter

from ._bind import JoulemeterWarning
from ._core import Profiler, current
from ._statistics import (
    Comparison,
    Ratio,
    Repeat,
    Sensitivity,
    Spread,
    check_energy,
    is_estimate,
    numbers_of,
    or_0,
)

if TYPE_CHECKING:
    from ._energy import Energy

_LONGEST_SETTLE_S = 0.3


class _Subject:
    """A function, and what its runs took."""

    def __init__(self, function: Callable[[], Any], name: Optional[str], interval_s: float) -> None:
        self.function = _checked_function(function)
        self.name = str(name or getattr(function, "__qualname__", type(function).__name__))
        if "\0" in self.name:
            raise ValueError("a name must not hold a NUL character")
        self.interval_s = interval_s
        self.runs: "List[Energy]" = []
        self.devices: "Dict[str, List[Energy]]" = {}

    def analysed(self, level: float, interrupted: bool) -> Repeat:
        found = _joulemeter.repeat(self.numbers(), level=level)
        for figure in ("energy_j", "time_s", "power_w"):
            found[figure] = Spread(**found[figure])
        return Repeat(name=self.name, runs=self.runs, devices=self.devices,
                      interrupted=interrupted, interval_s=self.interval_s, **found)

    def numbers(self) -> List[tuple]:
        return [numbers_of(energy) for energy in self.runs]

    def check(self, window: "_joulemeter.Range") -> None:
        check_energy(window.energy(), f"a call of {self.name}",
                     "let it do its work several times over")

    def take(self, window: "_joulemeter.Range", devices: Sequence[str]) -> None:
        self.runs.append(window.energy())
        for device in devices:
            self.devices.setdefault(device, []).append(window.energy(device))

    def keep(self, wanted: Sequence[bool]) -> None:
        self.runs = [run for run, keep in zip(self.runs, wanted) if keep]
        self.devices = {name: [run for run, keep in zip(runs, wanted) if keep]
                        for name, runs in self.devices.items()}


def _checked_function(function: Callable[[], Any]) -> Callable[[], Any]:
    import inspect

    if not callable(function):
        raise TypeError(f"{function!r} is no function")
    if inspect.iscoroutinefunction(function):
        raise TypeError(f"{function.__qualname__} is asynchronous: give lambda: asyncio.run("
                        f"{function.__qualname__}())")
    return function


class _Progress:
    """One line on stderr that overwrites itself."""

    def __init__(self, wanted: Optional[bool], calls: int) -> None:
        there = sys.stderr is not None
        self.on = there and (sys.stderr.isatty() if wanted is None else wanted)
        self.calls = calls
        self.done = 0
        self.begin = time.monotonic()

    def step(self, name: str) -> None:
        if not self.on:
            return
        text = f" run {self.done + 1} of {self.calls}  {name}"
        if self.done > 0:
            left = (time.monotonic() - self.begin) / self.done * (self.calls - self.done)
            text += f"   {int(left) // 60}:{int(left) % 60:02d} left"
        sys.stderr.write(f"\r\033[K{text[:_columns() - 1]}")
        sys.stderr.flush()
        self.done += 1

    def clear(self) -> None:
        if self.on:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size().columns


@contextmanager
def _profiler(given: Optional[Profiler], options: Dict[str, Any]) -> Iterator[Profiler]:
    """The caller's, else one of our own."""
    if given is not None:
        yield given
        return
    profiler = Profiler("repeat", **options)
    try:
        yield profiler
    finally:
        profiler.close()


def _settle(profiler: Profiler) -> None:
    """Readings are wanted that cover the time just before and just after."""
    recording = profiler.recording()
    delay = _LONGEST_SETTLE_S
    if recording is not None:
        waits = [(sensor["refresh_s"] or 0) + (sensor["lag_s"] or 0) for sensor in recording.sensors()
                 if sensor["quantity"] in ("power", "energy")]
        delay = min(1.25 * max(waits, default=0.0), delay)
    time.sleep(delay)


def _parts(profiler: Profiler) -> List[str]:
    """The devices that the total is of, if there are several."""
    names = [device["name"] for device in profiler.devices() if device["in_total"]]
    return names if len(names) > 1 else []


def _block(subjects: Sequence[_Subject], warmups: int, given: Optional[Profiler],
           options: Dict[str, Any], cooldown_s: float, progress: _Progress) -> bool:
    """Calls these one after the other in one session; False: Ctrl-C came."""
    with _profiler(given, options) as profiler:
        windows: List[tuple] = []
        going = True
        try:
            _settle(profiler)
            for i, subject in enumerate(subjects):
                progress.step(subject.name)
                window = profiler.begin(subject.name, "warmup" if i < warmups else "user")
                try:
                    subject.function()
                finally:
                    window.end()
                if i >= warmups:
                    windows.append((subject, window))
                if i == warmups:  # whoever calls too short a function should not wait for all
                    _settle(profiler)
                    subject.check(window)
                if cooldown_s > 0 and i + 1 < len(subjects):
                    time.sleep(cooldown_s)
            if len(windows) > 1:  # after the first it has been done
                _settle(profiler)
        except KeyboardInterrupt:
            going = False
            if not windows and not any(subject.runs for subject in subjects):
                raise
        devices = _parts(profiler)
        for subject, window in windows:
            subject.take(window, devices)
    return going


def _measured(subjects: Sequence[_Subject]) -> None:
    """Leaves out runs that were too short to be measured: of pairs, both."""
    known = [[is_estimate(run) for run in subject.runs] for subject in subjects]
    wanted = [all(states) for states in zip(*known)]
    if not all(wanted):
        import warnings

        warnings.warn(f"{wanted.count(False)} of {len(wanted)} runs were too short to be measured "
                      "and are left out", JoulemeterWarning, stacklevel=3)
    for subject in subjects:
        subject.keep(wanted)


def _check_count(n: int, warmup: int, cooldown_s: float, level: float,
                 profiler: Optional[Profiler]) -> None:
    if operator.index(n) < 1 or operator.index(warmup) < 0:
        raise ValueError("n must be 1 or more, warmup 0 or more")
    if not cooldown_s >= 0:
        raise ValueError("cooldown_s must not be negative")
    if not 0.5 <= level <= 0.999:
        raise ValueError("level must lie between 0.5 and 0.999")
    if profiler is not None and profiler.closed:
        raise ValueError("the profiler is closed")


def repeat(function: Callable[[], Any], n: int = 10, *, warmup: int = 0, cooldown_s: float = 0.0,
           intervals_s: Optional[Sequence[float]] = None, name: Optional[str] = None,
           level: float = 0.95, progress: Optional[bool] = None,
           profiler: Optional[Profiler] = None, **options: Any) -> Repeat:
    """Calls a function many times and says how well its energy repeats.

    Parameters
    ----------
    function : callable
        Without arguments: use a lambda. Long enough to be measured, a few refreshes of the sensor
        (``joulemeter doctor``).
    n : int
        Runs; at each interval with ``intervals_s``.
    warmup : int
        Calls before them that do not count.
    cooldown_s : float
        Wait so long between runs, so that one does not begin on a board that the last has warmed.
    intervals_s : list of float, optional
        Does it matter how often is sampled? The function runs at each, in turn.
    name : str, optional
        By default the function's.
    level : float
        Of intervals and tests.
    progress : bool, optional
        A line on stderr; by default if that is a terminal.
    profiler : Profiler, optional
        To measure with; by default the one in whose ``with`` block this is, else one of its own.
    **options
        Those of :func:`profile` for its own.

    Returns
    -------
    Repeat
        ``print`` it. After Ctrl-C it holds the runs until then, and ``interrupted`` is True.

    Raises
    ------
    ValueError
        A call is too short to be measured.
    JoulemeterError
        Nothing measures energy here.
    """
    if intervals_s and (profiler is not None or "interval_s" in options):
        raise ValueError("intervals_s opens sessions of its own: give neither profiler nor "
                         "interval_s")
    _check_count(n, warmup, cooldown_s, level, profiler)
    if intervals_s:
        return _repeat_at(list(intervals_s), function, n, warmup, cooldown_s, name, level, progress,
                          options)
    chosen = profiler if profiler is not None or options else current()
    subject = _Subject(function, name, options.get("interval_s", 0.02))
    watch = _Progress(progress, n + warmup)
    try:
        going = _block([subject] * (warmup + n), warmup, chosen, options, cooldown_s, watch)
    finally:
        watch.clear()
    _measured([subject])
    return subject.analysed(level, not going)


def _repeat_at(intervals: List[float], function: Callable[[], Any], n: int, warmup: int,
               cooldown_s: float, name: Optional[str], level: float, progress: Optional[bool],
               options: Dict[str, Any]) -> Repeat:
    """Sessions cannot change their interval: each run has one of its own, which joins no other."""
    if len(set(intervals)) < len(intervals):
        raise ValueError("intervals_s must differ from each other")
    subjects = [_Subject(function, name, interval) for interval in intervals]
    watch = _Progress(progress, (n + warmup) * len(intervals))
    going = True
    try:
        turns = [(turn, subject) for turn in range(n + warmup) for subject in subjects]
        for i, (turn, subject) in enumerate(turns):
            settings = {"join": False, **options, "interval_s": subject.interval_s}
            going = _block([subject], int(turn < warmup), None, settings, 0, watch)
            if not going:
                break
            if i + 1 < len(turns):
                time.sleep(cooldown_s)
    except KeyboardInterrupt:
        going = False
        if not subjects[0].runs:
            raise
    finally:
        watch.clear()
    subjects = [subject for subject in subjects if subject.runs]
    each = {s.interval_s: s.analysed(level, not going) for s in subjects}
    found = _joulemeter.sensitivity([(s.interval_s, s.numbers()) for s in subjects], level=level)
    found["lowest"] = subjects[found["lowest"]].interval_s
    found["highest"] = subjects[found["highest"]].interval_s
    return replace(each[subjects[0].interval_s], by_interval=each, sensitivity=Sensitivity(**found))


def _mean_device(energies: "List[Energy]") -> tuple:
    known = [e for e in energies if e.energy_j == e.energy_j]
    count = max(len(known), 1)
    return (sum(e.energy_j for e in known) / count,
            sum(or_0(e.u_systematic_j) for e in known) / count,
            sum(e.duration_s for e in energies) / max(len(energies), 1),
            any("modelled" in e.provenance for e in energies))


def _systematic(a: _Subject, b: _Subject) -> float:
    """What the devices' gains and offsets leave of the ratio."""
    names = list(a.devices) or [""]
    parts = [[_mean_device(subject.devices.get(name) or subject.runs) for name in names]
             for subject in (a, b)]
    return max(_joulemeter.compare_systematic(*parts), 1e-12)


def compare(a: Callable[[], Any], b: Callable[[], Any], n: int = 10, *, warmup: int = 0,
            cooldown_s: float = 0.0, names: Optional[Sequence[str]] = None, level: float = 0.95,
            seed: Optional[int] = None, progress: Optional[bool] = None,
            profiler: Optional[Profiler] = None, **options: Any) -> Comparison:
    """Which of two functions uses less energy? They are called in turn, in random order (A B,
    B A ...), so that a board that warms up favours none.

    Parameters
    ----------
    a, b : callable
        Without arguments.
    n : int
        Pairs of runs.
    names : two str, optional
        By default the functions' names.
    seed : int, optional
        The same order again.
    warmup, cooldown_s, level, progress, profiler, **options
        As for :func:`repeat`.

    Returns
    -------
    Comparison
    """
    _check_count(n, warmup, cooldown_s, level, profiler)
    if names is not None and len(set(names)) != 2:
        raise ValueError("names must be two that differ")
    first, second = names if names is not None else (None, None)
    interval = options.get("interval_s", 0.02)
    both = [_Subject(a, first, interval), _Subject(b, second, interval)]
    if names is None and both[0].name == both[1].name:
        both[0].name, both[1].name = "A", "B"
    order = _order(n, random.Random(seed))
    calls = [subject for _ in range(warmup) for subject in both]
    calls += [both[i] for pair in order for i in pair]
    chosen = profiler if profiler is not None or options else current()
    watch = _Progress(progress, len(calls))
    try:
        going = _block(calls, 2 * warmup, chosen, options, cooldown_s, watch)
    finally:
        watch.clear()
    pairs = min(len(subject.runs) for subject in both)
    if pairs == 0:
        raise KeyboardInterrupt
    _measured(both)
    found = _joulemeter.compare(both[0].numbers(), both[1].numbers(), level=level,
                                ratio_u=_systematic(*both), name_a=both[0].name,
                                name_b=both[1].name)
    for figure in ("energy", "time", "power"):
        found[figure] = Ratio(**found[figure])
    results = [subject.analysed(level, not going) for subject in both]
    return Comparison(a=results[0], b=results[1], **found)


def _order(n: int, generator: random.Random) -> List[tuple]:
    """As many pairs begin with A as with B, but for one."""
    pairs = [(0, 1) if i % 2 == 0 else (1, 0) for i in range(n)]
    generator.shuffle(pairs)
    return pairs
