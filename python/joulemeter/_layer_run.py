"""One profiling of a model's layers: sensors, hooks, runs, and what they come to."""

from __future__ import annotations

import math
import sys
import time

import _joulemeter

from . import _hooks
from ._attribution import Attribution, attribute
from ._bind import JoulemeterError
from ._layer_device import open_profiler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Tuple

    from ._hooks import Call
    from ._layer_device import Gpu

_NO_DATA = ("JM_NO_DATA",)
_OURS = "(joulemeter)"  # time in which we work ourselves, where that costs the device's energy
_LEAST_S = 2.0  # before then it is too early to say that more would not help
_PATIENCE_S = 1.5  # from then on there is a line about progress
_ENOUGH_REFRESHES = 10  # runs that last so long have readings of their own


class Progress:
    """A line on the terminal for those who wait, once that takes a while."""

    def __init__(self, show: Optional[bool]) -> None:
        self._show = sys.stderr.isatty() if show is None else show
        self._began = time.monotonic()
        self._last = 0.0
        self._width = 0

    def say(self, text: str) -> None:
        now = time.monotonic()
        if not self._show or now - self._began < _PATIENCE_S or now - self._last < 0.2:
            return
        self._last = now
        line = f"joulemeter: {text}"
        sys.stderr.write("\r" + line.ljust(self._width))
        sys.stderr.flush()
        self._width = len(line)

    def done(self) -> None:
        if self._width > 0:
            sys.stderr.write("\r" + " " * self._width + "\r")
            sys.stderr.flush()


class Sensors:
    """How fast a device's sensors of power and energy are (s)."""

    def __init__(self, recording: "_joulemeter.Recording", device: Optional[str]) -> None:
        known = [s for s in recording.sensors()
                 if s["quantity"] in ("power", "power_average", "energy")
                 and (device is None or s["device"] == device)]
        self.refresh_s = min((s["refresh_s"] or 0.1 for s in known), default=0.1)
        spans = [s["refresh_s"] + s["window_s"] for s in known
                 if s["quantity"] == "power" and s["refresh_s"] and s["window_s"]]
        spans = spans or [2 * s["refresh_s"] for s in known if s["refresh_s"]]  # counters
        self._span_s = min(spans, default=0.1)
        lags = [(s["refresh_s"] or 0) + (s["lag_s"] or 0) for s in known]
        self.lag_s = min(max(lags, default=0.0) + 0.03, 1.0)

    @property
    def burst_s(self) -> float:
        """So long the same part must run for one reading at least to see nothing else."""
        return min(max(self._span_s, 0.02), 0.5)


class LayerRun:
    """Sensors and hooks while it is entered.

    Parameters
    ----------
    watch : Watch
    gpu : Gpu or None
        That the model runs on.
    device_index : int, str or list
    net : bool
        Energies without the device's idle power.
    options : dict
        Of :func:`joulemeter.profile`.
    device : str, optional
        Whose energy is told of.

    Attributes
    ----------
    profiler : TorchProfiler
    device : str or None
        Whose energy is told of.
    windows : list of (begin_ns, end_ns)
        The runs that energies are told of.
    runs : list of list of Call
        Their calls.
    all_windows : list of (begin_ns, end_ns)
        All runs of the whole model.
    reason : str
        Why the latest attribution knows of no energy.
    """

    def __init__(self, watch: "_hooks.Watch", gpu: Optional["Gpu"], device_index: Any, net: bool,
                 options: Dict[str, Any], device: Optional[str] = None) -> None:
        self._wanted = device
        self.watch = watch
        self._gpu = gpu
        self._device_index = device_index
        self._options = {"join": False, **options}
        self._net = net
        self.windows: List[Tuple[int, int]] = []
        self.all_windows: List[Tuple[int, int]] = []
        self.runs: List[List["Call"]] = []
        self.attribution_s = 0.0  # what the latest attribution took
        self.reason = ""

    def __enter__(self) -> LayerRun:
        self.profiler, self.device = open_profiler(
            self._gpu, self._device_index, self._wanted, self._options)
        try:
            recording = self.profiler.recording()
            assert recording is not None  # it does not join an outer session
            self.recording: "_joulemeter.Recording" = recording
            self.sensors = Sensors(recording, self.device)
            self.watch.__enter__()
        except BaseException:
            self.profiler.close()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        self.watch.__exit__()
        self.profiler.close()

    # ---- runs ----

    def prepare(self, calls: int) -> None:
        """Room for so many calls in a run."""
        self.watch.clock.prepare(2 * calls + 64)

    def run(self, function: Callable[[], Any], counted: bool = True) -> Any:
        """Runs the whole model once; of a counted run energies are told."""
        begin, end, result = self.watch.run(function)
        calls = self.watch.take()
        if calls:
            begin = min(begin, calls[0].begin_ns)
            end = max(end, max(call.end_ns for call in calls))
        self.write(calls)
        self.all_windows.append((begin, end))
        if not counted:
            self.set_aside(begin, end)
        else:
            self.profiler.add_range("run", begin, end, _hooks._BATCH)
            self.windows.append((begin, end))
            self.runs.append(calls)
        return result

    def set_aside(self, begin_ns: int, end_ns: int) -> None:
        """What runs then tells of powers, but is not told of."""
        self.profiler.add_range("replay", begin_ns, end_ns, _hooks._WARMUP)

    def write(self, calls: List["Call"]) -> None:
        _hooks.write(self.profiler, calls, None)

    def settle(self) -> None:
        """Waits until the sensors have shown the last moment."""
        time.sleep(self.sensors.lag_s)

    # ---- energies ----

    def attribute(self, method: str = "regression", calls: bool = False,
                  windows: Optional[List[Tuple[int, int]]] = None) -> Optional[Attribution]:
        """None: nothing was read, or no layer ran; then there is a ``reason``."""
        begin = _joulemeter.now_ns()
        self.reason = ""
        recording = self.profiler.recording()
        assert recording is not None
        try:
            return attribute(recording, by="layer", device=self.device, method=method,
                             windows=self.windows if windows is None else windows,
                             net=self._net, calls=calls)
        except JoulemeterError as error:
            if error.status not in _NO_DATA:
                raise
            self.reason = str(error)
            return None
        finally:
            end = _joulemeter.now_ns()
            self.attribution_s = (end - begin) * 1e-9
            if not self.profiler.closed and (self.device or "cpu").startswith("cpu"):
                self.profiler.add_range(_OURS, begin, end, _hooks._LAYER)
                self.set_aside(begin, end)


    def what_to_do(self, seconds: float, longer: Callable[[int], str]) -> str:
        """What helps where no energy is known of so many seconds. ``longer`` is told how many times
        as long would do."""
        recording, refresh_s = self.recording, self.sensors.refresh_s
        reads = self.device is not None and any(
            recording.latest(quantity, device=self.device) is not None
            for quantity in ("power", "power_average", "energy"))
        if not reads or seconds <= 0 or seconds >= _ENOUGH_REFRESHES * refresh_s:
            return "joulemeter doctor says which sensors there are, and what is missing"
        times = math.ceil(_ENOUGH_REFRESHES * refresh_s / seconds)
        return (f"{1e3 * seconds:.3g} ms are too short for the sensor of {self.device}, which "
                f"refreshes every {1e3 * refresh_s:.3g} ms: {longer(times)}")


def unsettled(found: Optional[Attribution], target: float) -> Optional[List[str]]:
    """Parts whose energy is not yet known to ``target`` (relative, 95 %, random part), of those that
    make up 95 % of the energy. None: nothing is known of any."""
    if found is None:
        return None
    parts = [part for part in found.parts if part["calls"] > 0 and part["energy_j"] > 0]
    total = sum(part["energy_j"] for part in parts)
    names, above = [], 0.0
    for part in sorted(parts, key=lambda part: -part["energy_j"]):
        if above > 0.95 * total:
            break
        above += part["energy_j"]
        known = 1.96 * part["u_random_j"] <= target * part["energy_j"]
        if part["bound_only"] or not known:
            names.append(part["name"])
    return names if parts else None


class Worth:
    """Is it worth while to go on? Not where the runs themselves differ: their number is given."""

    def __init__(self) -> None:
        self._seconds = self._u_j = 0.0

    def more(self, found: Optional[Attribution], seconds: float) -> bool:
        """False: half as much time again has not made the energies noticeably surer."""
        if found is None or any(part["bound_only"] for part in found.parts if part["calls"] > 0):
            return True
        u_j = sum(part["u_random_j"] for part in found.parts if part["calls"] > 0)
        if seconds < max(_LEAST_S, 1.5 * self._seconds):
            return True
        worth = self._seconds <= 0 or u_j < 0.92 * self._u_j  # alone by chance it would be 0.82
        self._seconds, self._u_j = seconds, u_j
        return worth
