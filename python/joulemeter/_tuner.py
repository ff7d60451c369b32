"""Finding the limit that serves a program best: PowerTuner, tune() and what they find."""

from __future__ import annotations

import threading
import warnings

import _joulemeter

from . import _sync
from ._bind import JoulemeterError, JoulemeterWarning
from ._core import _gpus_text, current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Union

    Gpus = Union[None, int, str, Sequence[Union[int, str]]]

_LOOK_S = 0.1     # between two looks at the readings
_SYNC_NS = 2e8    # accelerators are waited for that often, at most
_FIRST = 3        # items before the first trial: a program that prepares itself is no measure


class Tuning:
    """What tuning found.

    Attributes
    ----------
    setting : float
        The limit to use: watts, or MHz of a clock. The board's default unless one is better.
    verdict : str
        "found", "standard" (the default is best), "never binds", "no difference" or "too few".
    sentence : str
        The same in words.
    best, standard : dict
        What is known at ``setting`` and at the default: ``time_s``, ``power_w``, ``energy_j``,
        ``objective``, ``relative`` (to the default's) and ``slowdown``, each (value, lower, upper)
        of a 95 % interval, of one item of work.
    trials : list of dict
        What was measured: setting, items, time_s, energy_j, limited ...
    regret_pct : float
        By how much the objective at ``setting`` is expected to lie above the least there is.
    device, model, lever, unit, objective : str
    simulated : bool
    """

    def __init__(self, steering: _joulemeter.Steering, lever: str) -> None:
        limit, result = steering.limit(), steering.result()
        self.lever = lever
        self.unit = "MHz" if lever == "clock" else "W"
        self.device: str = limit["device"] if limit["gpus"] == 1 else f"{limit['gpus']} GPUs"
        self.model: str = limit["model"]
        self.simulated: bool = limit["simulated"]
        self.setting: float = result["setting"]
        self.verdict: str = result["verdict"]
        self.sentence: str = result["sentence"]
        self.regret_pct: Optional[float] = result["regret_pct"]
        self.best: Dict[str, Any] = result["best"]
        self.standard: Dict[str, Any] = result["standard"]
        self.objective: str = result["objective"]
        self.trials: List[Dict[str, Any]] = steering.trials()
        self._csv = {what: steering.csv(what) for what in ("trials", "curve")}
        self._figure = steering.figure()

    def to_csv(self, path: Any, what: str = "curve") -> None:
        """Writes the curve over all settings, or the "trials", with units in the header."""
        if what not in self._csv:
            raise ValueError(f"what is 'curve' or 'trials', not {what!r}")
        with open(path, "w", encoding="utf-8") as file:
            file.write(self._csv[what])

    def plot(self, **look: Any) -> Any:
        """Energy, time and objective over the settings, of those at the default, with the
        objective's 95 % interval and what was measured; needs numpy and matplotlib.

        Parameters
        ----------
        **look
            ``ax``, ``show``, ``width``, ``dark``, ``style`` as in :meth:`Report.plot_one`.

        Returns
        -------
        (matplotlib.figure.Figure, matplotlib.axes.Axes)
        """
        from .figures import drawn

        figure = dict(self._figure, marks=[dict(mark) for mark in self._figure["marks"]])
        for axis in ("x", "y", "color"):
            figure[axis] = dict(figure[axis]) if figure[axis] is not None else None
        if self.simulated:
            figure["note"] = f"{figure['note']} Simulated GPU.".strip()
        return drawn(figure, look)

    def __str__(self) -> str:
        lines = [f"{self.device} {self.model}{', simulated GPU' if self.simulated else ''}: "
                 f"{len(self.trials)} trials for least {self.objective}"]
        for trial in self.trials:
            if trial["failed"]:
                lines.append(f"  {trial['setting']:g} {self.unit}  nothing was measured")
                continue
            each = trial["items"]
            lines.append("  ".join([
                f"  {trial['setting']:g} {self.unit}",
                _joulemeter.value_text(trial["time_s"] / each, 0, "s"),
                _joulemeter.value_text(trial["energy_j"] / trial["time_s"], 0, "W"),
                _joulemeter.value_text(trial["energy_j"] / each, 0, "J")]))
        return "\n".join([*lines, self.sentence])

    def __repr__(self) -> str:
        return f"<Tuning {self.setting:g} {self.unit}, {self.verdict}>"


class PowerTuner:
    """Tries limits while a loop goes on, and then lets it go on under the best.

    >>> with jm.PowerTuner(gpus=0) as tuner:
    ...     for batch in loader:
    ...         train_step(batch)
    ...         tuner.item()
    >>> print(tuner.result)

    Or, where the work is of a kind that can be done over and over, as an iterator:

    >>> tuner = jm.PowerTuner(gpus=0)
    >>> for watts in tuner:      # each as often as it takes to be measured
    ...     run_benchmark()

    When the block or loop ends, however it does, the limit of before is back.

    Parameters
    ----------
    objective : str
        "ed2p" (energy x time^2), "edp", "energy", "time", "slowdown=5%" (least energy within a
        slowdown), "cost=0.30,2.50" (prices of a kWh and of an hour).
    gpus : int, str or list, optional
        As of :func:`joulemeter.profile`. Several are tuned as one.
    clock : bool
        Tune the highest clock instead of the power limit.
    trials : int
        Settings to try at most; 0: 6.
    tolerance_pct : float
        Difference in the objective that does not matter; 0: 0.5.
    seconds : float
        Longest time of a trial, settling included; 0: 60.
    lowest, highest : float or str, optional
        Bounds: 200, "200W" or "60%" of the default.
    keep : bool
        Leave the best limit set.
    sync : "auto", True or False
        Wait for the accelerator now and then, so that items count when they are done.
    on_trial : callable, optional
        Called with each trial as a dict, and with what is tried next (a dict with ``setting`` and
        ``reason``, None at the end); from another thread where a loop goes on meanwhile.
    simulate : str, optional
        Simulated GPUs instead of real ones.
    socket : str, optional
        Of joulemeter-limitd.
    """

    def __init__(self, objective: str = "ed2p", *, gpus: Gpus = None, clock: bool = False,
                 trials: int = 0, tolerance_pct: float = 0, seconds: float = 0,
                 lowest: Union[None, float, str] = None, highest: Union[None, float, str] = None,
                 keep: bool = False, sync: Union[bool, str] = "auto",
                 on_trial: Optional[Callable[[Dict[str, Any], Optional[Dict[str, Any]]], Any]] = None,
                 simulate: Optional[str] = None, socket: Optional[str] = None) -> None:
        self._options: Dict[str, Any] = {"objective": objective, "gpus": _gpus_text(gpus),
                         "lever": "clock" if clock else "power", "trials": trials,
                         "tolerance_pct": tolerance_pct, "seconds": seconds, "lowest": lowest,
                         "highest": highest, "simulate": simulate, "socket": socket}
        self._keep = keep
        self._sync = sync
        self._on_trial = on_trial
        self._steering: Optional[_joulemeter.Steering] = None
        self._thread: Optional[threading.Thread] = None
        self._result: Optional[Tuning] = None
        self.done = False  # the best is set, nothing is left to try

    # ---- life ----

    def __enter__(self):
        if self._steering is not None:
            raise RuntimeError("this tuner is in use")
        self._steering = _open(self._options)
        self._result, self._error, self.done = None, None, False
        self._items, self._waiting, self._synced_ns = 0, 0.0, 0
        self._over = threading.Event()
        try:
            self._wait = _sync.waiter_for(_sync.loaded()) if self._sync else None
            self._steering.next()  # the board's default, before anything is measured
        except BaseException:
            self._steering.close()
            self._steering = None
            raise
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        steering, self._steering = self._steering, None
        thread, self._thread = self._thread, None
        self._over.set()
        if steering is None:
            return
        # Before anything is waited for or computed: Ctrl-C may come meanwhile.
        steering.give_back()
        if thread is not None:
            thread.join()
        try:
            self._finish(steering, kind is None)
        finally:
            steering.close()
        if kind is None and self._error is not None:
            raise self._error

    def _finish(self, steering: _joulemeter.Steering, well: bool) -> None:
        try:
            steering.end()
            self._result = Tuning(steering, str(self._options["lever"]))
        except JoulemeterError:
            return  # nothing was measured: `result` says so
        said = steering.warnings()
        if well and self._keep and self._result.verdict == "found":
            said += steering.keep(self._result.setting)
        for note in said.splitlines():
            warnings.warn(note, JoulemeterWarning, stacklevel=4)

    # ---- a loop that goes on ----

    def item(self, items: float = 1) -> None:
        """So much of the work is done, since the last call or the beginning: a step, a batch."""
        steering = self._steering
        if steering is None:
            raise RuntimeError("item() belongs into the block: with PowerTuner() as tuner: ...")
        if self._error is not None:
            raise self._error
        if self.done:
            return
        self._items += 1
        self._waiting += items
        now = _joulemeter.now_ns()
        if self._wait is not None and now - self._synced_ns < _SYNC_NS:
            return
        if self._wait is not None:
            self._wait()
            now = self._synced_ns = _joulemeter.now_ns()
        if self._thread is None:
            if self._items < _FIRST:
                return
            steering.next()
            self._start()
        else:
            steering.item(self._waiting, now)
        self._waiting = 0.0

    def pause(self, begin_ns: int, end_ns: int) -> None:
        """The time between (of ``time.monotonic_ns()``) was no work: a validation, a checkpoint."""
        if self._steering is not None and self._thread is not None:
            self._steering.pause(begin_ns, end_ns)

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._look, args=(self._steering,), daemon=True,
                                        name="joulemeter tuner")
        self._thread.start()

    def _look(self, steering: _joulemeter.Steering) -> None:
        try:
            while not self._over.wait(_LOOK_S):
                state = steering.poll()
                if state["ended"]:
                    self._tell(state["last"], None if state["done"] else state)
                if state["done"]:
                    self.done = True
                    return
        except BaseException as error:
            self._error = error

    def _tell(self, trial: Dict[str, Any], coming: Optional[Dict[str, Any]]) -> None:
        if self._on_trial is not None:
            self._on_trial(trial, coming)

    # ---- work that is done anew ----

    def __iter__(self) -> Iterator[float]:
        with self:
            steering = self._steering
            assert steering is not None
            while True:
                step = steering.next()
                if step["done"]:
                    self.done = True
                    return
                begin, items = _joulemeter.now_ns(), 0
                while items == 0 or not steering.enough(begin):
                    yield step["setting"]
                    items += 1
                    if self._wait is not None:
                        self._wait()
                self._tell(steering.measure(begin, _joulemeter.now_ns(), items), None)

    # ---- what was found ----

    @property
    def result(self) -> Tuning:
        """What was found, after the block or loop, also where it was left early."""
        if self._result is not None:
            return self._result
        if self._steering is not None:
            raise RuntimeError("the result is there when the block has ended")
        raise RuntimeError("nothing was measured: the loop ended before its first trial did")


def _open(options: Dict[str, Any]) -> _joulemeter.Steering:
    """Boards that the profiler around it simulates are those that are meant."""
    around = current()
    if options["simulate"] is None and around is not None and not around.joined:
        if any(device["simulated"] for device in around.devices()):
            return _joulemeter.Steering(session=around, **options)
    return _joulemeter.Steering(**options)


def tune(work: Callable[[], Any], objective: str = "ed2p", *, warmup: int = 1,
         **options: Any) -> Tuning:
    """Finds the limit under which a function does its work best, by calling it again and again.

    Parameters
    ----------
    work : callable
        Does the same amount of work whenever it is called.
    objective : str
        See :class:`PowerTuner`.
    warmup : int
        Calls before the first trial.
    **options
        As of :class:`PowerTuner`.

    Returns
    -------
    Tuning
        ``.setting`` is the limit; it is not set unless ``keep=True``.
    """
    tuner = PowerTuner(objective, **options)
    for _ in range(warmup):
        work()
    for _ in tuner:
        work()
    return tuner.result
