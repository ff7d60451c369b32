"""Stefano De Feo's measurement tools: a CSV file that grows as the program runs.

    from joulemeter.measurement import EnergyMeasurementTool

    tracker = EnergyMeasurementTool(out_file="energy.csv", gpu_num=0)
    for epoch in range(epochs):
        tracker.start()
        train()
        tracker.stop()

Each row is written whole, so that the file can be read at any time and survives whatever happens to
the program. What is not known is an empty field, never 0.
"""

from __future__ import annotations

import os
import threading
from collections import deque

import _joulemeter

from . import _totals
from ._bind import JoulemeterError
from ._core import Profiler, _gpus_text
from ._layerwise import LayerwiseMeasurementTool
from ._tools import Tool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Deque, Dict, List, Optional, Sequence, Tuple

    from ._energy import Energy
    from ._tools import Gpus, Row

__all__ = ["AsynchronousMeasurementTool", "EnergyMeasurementTool", "LayerwiseMeasurementTool"]

_J_PER_KWH = 3.6e6
_UNKNOWN_LAG_NS = 300_000_000  # of sensors that another process reads
_LEAST_AGE_NS = 5_000_000_000  # older readings than that are none
_NO_DATA = ("JM_NO_DATA", "JM_CLOSED", "JM_HUNG", "JM_FULL")


def _kwh(energy: Optional[Energy]) -> Tuple[Optional[float], Optional[float]]:
    if energy is None or not _totals.is_known(energy):
        return None, None
    return energy.energy_j / _J_PER_KWH, energy.u95_j / _J_PER_KWH


def _source(energy: Optional[Energy]) -> str:
    return energy.provenance if energy is not None else ""


# ---- what is measured ----


class _Parts:
    """Names of the devices that are added up."""

    def __init__(self, profiler: Profiler, gpu_num: Gpus) -> None:
        found = [d for d in profiler.devices() if d["in_total"]]
        self.cpus = [d["name"] for d in found if d["name"].startswith("cpu")]
        self.drams = [d["name"] for d in found if d["name"].startswith("dram")]
        gpus = [d for d in found if d["name"].startswith("gpu") and d["name"][3:].isdigit()]
        if profiler.joined and gpu_num is not None:  # the outer session may measure more of them
            gpus = [d for d in gpus if _is_named(d, (_gpus_text(gpu_num) or "").split(","))]
        self.gpus = [d["name"] for d in gpus]


def _is_named(device: Dict[str, Any], wanted: Sequence[str]) -> bool:
    known = (device["name"][3:], "all", device["uuid"].lower(), device["pci"].lower())
    return any(name.strip().lower() in known for name in wanted)


def _lag_ns(profiler: Profiler) -> int:
    """So long after a moment all sensors of energy have shown it."""
    recording = profiler.recording()
    if recording is None:
        return _UNKNOWN_LAG_NS
    lags = [(s["refresh_s"] or 0) + (s["lag_s"] or 0) for s in recording.sensors()
            if s["quantity"] in ("power", "energy")]
    return int(min(max(lags, default=0) + 0.03, 1.0) * 1e9)


def _ask(names: Sequence[str], ask) -> Optional[Energy]:
    """Sum of what `ask(name)` says of each; None if nothing can be known of one of them."""
    try:
        return _totals.add([ask(name) for name in names])
    except JoulemeterError as error:
        if error.status in _NO_DATA:
            return None
        raise


# ---- a row for each start and stop ----


class EnergyMeasurementTool(Tool):
    """Writes time and energy of each piece of code between ``start()`` and ``stop()``.

    Parameters
    ----------
    out_file : str or path
        CSV file; rows are appended if it has been begun by this tool before. Columns: elapsed time
        (s), CPU energy (kWh), GPU energy (kWh), their expanded 95 % uncertainties, DRAM energy and
        its uncertainty, and where CPU and GPU energy come from.
    gpu_num : int, str or list
        GPUs whose energies are added: index, UUID, several of them, "all"; None: what
        CUDA_VISIBLE_DEVICES shows. Where the machine has no GPU the column stays empty.
    **options
        Further options of :func:`joulemeter.profile`, such as ``simulate`` or ``interval_s``.

    Notes
    -----
    CPU energy is that of the packages of all sockets, without memory, which has a column of its
    own. Where nothing measures the CPU it is a model's estimate, and the source column says
    "modelled".

    ``stop()`` returns at once. The row follows as soon as the sensors have shown the last moment
    (0.1 to 0.3 s); ``flush()`` waits for that. Inside ``joulemeter run`` the tool joins the outer
    recording, and its windows are ranges there.

    Examples
    --------
    >>> tracker = EnergyMeasurementTool("energy.csv", gpu_num=0)
    >>> for epoch in range(epochs):
    ...     with tracker:            # or tracker.start() and tracker.stop()
    ...         train()
    """

    _columns = (
        "elapsed time (s)", "CPU energy (kWh)", "GPU energy (kWh)", "CPU energy u95 (kWh)",
        "GPU energy u95 (kWh)", "DRAM energy (kWh)", "DRAM energy u95 (kWh)", "CPU energy source",
        "GPU energy source",
    )

    def __init__(self, out_file, gpu_num: Gpus = 0, **options: Any) -> None:
        super().__init__(out_file, gpu_num, **options)
        self._profiler = self._open_profiler()
        self._parts = _Parts(self._profiler, gpu_num)
        self._lag = _lag_ns(self._profiler)
        self._window: Optional[_joulemeter.Range] = None
        self._began = 0
        self._lock = threading.Lock()
        self._waiting: Deque[Tuple[int, int, _joulemeter.Range]] = deque()
        self._thread: Optional[threading.Thread] = None

    def start(self) -> None:
        """Begins to measure."""
        self._check()
        if self._profiler.closed:
            raise RuntimeError("the tool is closed")
        if self._window is not None:
            raise RuntimeError("start() was called twice without stop()")
        self._window = self._profiler.begin("measurement")
        self._began = _joulemeter.now_ns()

    def stop(self) -> None:
        """Ends the measurement; its row is written in the background."""
        window, self._window = self._window, None
        if window is None:
            raise RuntimeError("stop() without start()")
        self._profiler.end(window)
        with self._lock:
            self._waiting.append((self._began, _joulemeter.now_ns(), window))
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_rows, daemon=True,
                                                name="joulemeter-csv")
                self._thread.start()

    def flush(self) -> None:
        """Waits until all rows are in the file."""
        thread = self._thread
        if thread is not None and os.getpid() == self._pid:
            thread.join()
        self._check()

    def close(self) -> None:
        """Ends a measurement that runs, writes all rows and stops the sensors."""
        if os.getpid() != self._pid:
            return
        if self._window is not None:
            self.stop()
        try:
            self.flush()
        finally:
            self._profiler.close()

    def _write_rows(self) -> None:
        import time

        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                begin, end, window = self._waiting.popleft()
            time.sleep(max(end + self._lag - _joulemeter.now_ns(), 0) * 1e-9)
            try:
                self._append(self._row(begin, end, window))
            except Exception as error:  # kept for the program's own thread
                self._failure = error

    def _row(self, begin: int, end: int, window: _joulemeter.Range) -> Row:
        parts = self._parts
        cpu, gpu, dram = (_ask(names, window.energy)
                          for names in (parts.cpus, parts.gpus, parts.drams))
        (cpu_kwh, cpu_u), (gpu_kwh, gpu_u), (dram_kwh, dram_u) = map(_kwh, (cpu, gpu, dram))
        return [(end - begin) * 1e-9, cpu_kwh, gpu_kwh, cpu_u, gpu_u, dram_kwh, dram_u,
                _source(cpu), _source(gpu)]

    def __enter__(self) -> EnergyMeasurementTool:
        self.start()
        return self

    def __exit__(self, kind, value, trace) -> None:
        self.stop()
        self.flush()

    def __del__(self) -> None:
        if hasattr(self, "_profiler"):  # nobody can use it any more
            self._profiler.close()


# ---- a row every interval ----


class AsynchronousMeasurementTool(Tool):
    """Writes energies, utilisations, temperatures and power at a fixed interval.

    Parameters
    ----------
    out_file : str or path
        CSV file; rows are appended if it has been begun by this tool before. Columns: elapsed time
        (s) since ``start()``; CPU energy (kWh), CPU utilisation (%), CPU temp (°C), GPU energy
        (kWh), GPU utilisation (%), GPU temp (°C), GPU power (W); then the energies' expanded 95 %
        uncertainties, DRAM energy and its uncertainty, and where the energies come from.
    gpu_num : int, str or list
        As for :class:`EnergyMeasurementTool`. Of several GPUs energy and power are sums,
        utilisation is the mean and temperature the highest.
    interval : float
        Seconds between rows where ``start()`` is not given them.
    **options
        Further options of :func:`joulemeter.profile`.

    Notes
    -----
    An energy is that of the time since the row before, so that rows add up to the whole; the last
    row, at ``stop()``, may cover less than an interval. CPU energy is that of the packages of all
    sockets, without memory. Utilisation, temperature and power are the latest readings at the
    row's time, utilisation of the CPU that of the whole machine. A row is written 0.1 to 0.3 s
    after its time, when the sensors have shown all of it; a program that keeps the interpreter
    busy delays rows, but not what they cover.

    The tool has a sampler of its own, also inside ``joulemeter run``.

    Examples
    --------
    >>> tracker = AsynchronousMeasurementTool("log.csv", gpu_num=[0, 1])
    >>> tracker.start(1)
    >>> train()
    >>> tracker.stop()
    """

    _columns = (
        "elapsed time (s)", "CPU energy (kWh)", "CPU utilisation (%)", "CPU temp (°C)",
        "GPU energy (kWh)", "GPU utilisation (%)", "GPU temp (°C)", "GPU power (W)",
        "CPU energy u95 (kWh)", "GPU energy u95 (kWh)", "DRAM energy (kWh)",
        "DRAM energy u95 (kWh)", "CPU energy source", "GPU energy source",
    )

    def __init__(self, out_file, gpu_num: Gpus = 0, *, interval: float = 1.0,
                 **options: Any) -> None:
        super().__init__(out_file, gpu_num, **options)
        self.interval = interval
        self._options.setdefault("join", False)
        self._thread: Optional[threading.Thread] = None

    def start(self, interval: Optional[float] = None) -> None:
        """Begins to write a row every ``interval`` seconds."""
        seconds = float(self.interval if interval is None else interval)
        if not 0.001 <= seconds < 1e9:
            raise ValueError(f"interval must be 1 ms or more, not {seconds} s")
        if self._thread is not None:
            raise RuntimeError("start() was called twice without stop()")
        profiler = self._open_profiler()
        self._profiler = profiler
        self._parts = _Parts(profiler, None)
        self._lag = _lag_ns(profiler)
        self._interval = int(seconds * 1e9)
        self._began = _joulemeter.now_ns()
        self._stopped: Optional[int] = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write_rows, daemon=True,
                                        name="joulemeter-csv")
        self._thread.start()

    def stop(self) -> None:
        """Writes what is left and stops measuring."""
        thread, self._thread = self._thread, None
        if thread is None:
            raise RuntimeError("stop() without start()")
        self._stopped = _joulemeter.now_ns()
        self._stop.set()
        thread.join()
        self._profiler.close()
        self._check()

    def close(self) -> None:
        """As ``stop()``, if it runs."""
        if self._thread is not None and os.getpid() == self._pid:
            self.stop()

    def _write_rows(self) -> None:
        row_end = self._began
        while True:
            begin, row_end = row_end, self._next_end(row_end)
            if row_end <= begin:
                return
            try:
                self._append(self._row(begin, row_end))
            except Exception as error:  # kept for the program's own thread
                self._failure = error

    def _next_end(self, last: int) -> int:
        """Waits for the end of the next row: a multiple of the interval, or the time of stop().

        If it was held up for long the row covers several intervals.
        """
        planned = last + self._interval
        wait = planned + self._lag - _joulemeter.now_ns()
        if not self._stop.wait(max(wait, 0) * 1e-9):
            late = _joulemeter.now_ns() - self._lag - planned
            return planned + max(late, 0) // self._interval * self._interval
        stopped = self._stopped or last
        if planned <= stopped:
            return planned
        import time

        time.sleep(max(stopped + self._lag - _joulemeter.now_ns(), 0) * 1e-9)
        return stopped

    def _row(self, begin: int, end: int) -> Row:
        recording = self._profiler.recording()
        assert recording is not None  # a sampler of its own
        parts = self._parts

        def energy(name: str) -> Energy:
            return recording.energy(begin, end, device=name, nearby=True)

        def latest(name: str, quantity: str) -> Optional[float]:
            found = recording.latest(quantity, end, device=name)
            if found is None or end - found[1] > max(2 * self._interval, _LEAST_AGE_NS):
                return None
            return found[0]

        def each(quantity: str) -> Optional[List[float]]:
            values = [value for value in (latest(name, quantity) for name in parts.gpus)
                      if value is not None]
            return values if values and len(values) == len(parts.gpus) else None

        cpu, gpu, dram = (_ask(names, energy) for names in (parts.cpus, parts.gpus, parts.drams))
        (cpu_kwh, cpu_u), (gpu_kwh, gpu_u), (dram_kwh, dram_u) = map(_kwh, (cpu, gpu, dram))
        node = any(device["name"] == "node" for device in recording.devices())
        busy, heat, power = each("gpu_util"), each("temperature"), each("power")
        return [
            (end - self._began) * 1e-9,
            cpu_kwh, latest("node", "cpu_util") if node else None,
            latest("node", "temperature") if node else None,
            gpu_kwh, sum(busy) / len(busy) if busy else None, max(heat) if heat else None,
            sum(power) if power else None,
            cpu_u, gpu_u, dram_kwh, dram_u, _source(cpu), _source(gpu),
        ]

    def __enter__(self) -> AsynchronousMeasurementTool:
        self.start()
        return self

    def __exit__(self, kind, value, trace) -> None:
        self.stop()
