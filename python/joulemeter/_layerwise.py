"""De Feo's LayerwiseMeasurementTool: joules of each layer of a network, as a CSV file."""

from __future__ import annotations

import os
import time

from . import _hooks
from ._core import _warn
from ._layer_device import OWN, of_torch
from ._tools import Tool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    import torch

    from ._attribution import Attribution
    from ._layer_run import LayerRun
    from ._tools import Gpus, Row

_MOST_CALLS = 50_000  # that wait for being written to the recording


class LayerwiseMeasurementTool(Tool):
    """Writes the energy of each layer of a PyTorch network, in training or inference.

    Parameters
    ----------
    out_file : str or path
        CSV file; rows are appended if it has been begun by this tool before. A row for each module:
        its name and type, whether it was trained or only run, its calls, and the mean energies of
        a call (J) with their expanded 95 % uncertainties: all of it, forward, and backward. See
        Notes for the rest.
    gpu_num : int or str, optional
        The GPU that the network runs on, as PyTorch counts them. It is found by itself; ``start()``
        refuses one that is not the network's. Energies of a network on the CPU are the CPU's.
    **options
        Further options of :func:`joulemeter.profile`, such as ``simulate``.

    Notes
    -----
    Energies are of a module's own time: of one that holds others, of the time in which none of them
    ran, so that nothing counts twice. Layers that always run in the same proportion, and are far
    shorter than the sensor's refresh, cannot be told apart by what a run gives: they share the name
    in the column "group", and only the energy of the group is measured. LayerPowerProfiler has ways
    to tell them apart.

    The network may do anything between ``start()`` and ``stop()``. If it is trained there is a
    backward column; what was only run has none. The rows are written by ``stop()``, together, or at
    the end of a program that forgets it; ``start()`` may follow again.

    Examples
    --------
    >>> tracker = LayerwiseMeasurementTool("layers.csv", 0)
    >>> model = tracker.start(model)
    >>> for epoch in range(epochs):
    ...     train()
    >>> tracker.stop()
    """

    _columns = (
        "layer", "type", "mode", "calls", "energy (J)", "energy u95 (J)", "forward energy (J)",
        "forward energy u95 (J)", "backward energy (J)", "backward energy u95 (J)", "time (s)",
        "leaf", "group", "source", "started (UTC)",
    )

    def __init__(self, out_file, gpu_num: Gpus = OWN, **options: Any) -> None:
        super().__init__(out_file, gpu_num, **options)
        self._run: Optional[LayerRun] = None
        self.attribution: Optional[Attribution] = None

    def start(self, model: "torch.nn.Module") -> "torch.nn.Module":
        """Begins to measure; returns the model, which is the one that was given."""
        from ._layer_run import LayerRun

        if self._run is not None:
            raise RuntimeError("start() was called twice without stop()")
        inner = _hooks.unwrapped(model)
        self._open_file()
        run = LayerRun(_hooks.Watch(inner, True), of_torch(_hooks.device_of(inner)), self.gpu_num,
                       False, self._options)
        _hooks.warn_of_compiled(run.watch.parts, _warn)
        run.__enter__()
        run.watch.flush_when(_MOST_CALLS, self._flush)
        run.prepare(4 * len(run.watch.parts))
        self._started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._calls: Dict[str, int] = {}
        self._first_ns = run.watch.clock.start()
        self._run = run
        return model

    def stop(self) -> None:
        """Stops measuring and writes the rows; no hook is left."""
        run, self._run = self._run, None
        if run is None:
            raise RuntimeError("stop() without start()")
        try:
            last_ns = self._take(run)
            run.watch.__exit__()
            run.settle()
            found = run.attribute(windows=[(self._first_ns, last_ns)])
            self.attribution = found
            rows = self._rows(run, found)
            why = "" if rows else self._why_none(run, last_ns)
        finally:
            run.__exit__()
        if rows:
            self._open_file().append(*rows)
        else:
            _warn(f"no row is written: {why}")

    def close(self) -> None:
        """As ``stop()``, if it runs."""
        if self._run is not None and os.getpid() == self._pid:
            self.stop()

    def _take(self, run: "LayerRun") -> int:
        """Moves calls to the recording. Returns until when (ns)."""
        end_ns = run.watch.finish()
        calls = run.watch.take()
        run.write(calls)
        for call in calls:
            self._calls[call.part.name] = self._calls.get(call.part.name, 0) + 1
        return max([end_ns, *(call.end_ns for call in calls)])

    def _flush(self) -> None:
        if self._run is not None:
            self._take(self._run)
            self._run.watch.clock.start()

    def _why_none(self, run: "LayerRun", last_ns: int) -> str:
        if not self._calls:
            return "no layer ran between start() and stop()"
        to_do = run.what_to_do((last_ns - self._first_ns) * 1e-9,
                               lambda times: f"{times} times as long would do")
        return f"{run.reason}; {to_do}"

    def _rows(self, run: "LayerRun", found: Optional[Attribution]) -> List[Row]:
        if found is None:
            return []
        parts = {part["name"]: part for part in found.parts if part["calls"] > 0}
        trained = any(name.endswith(_hooks.BACKWARD) for name in parts)
        rows = []
        for part in run.watch.parts:
            if part.module is None or part.name not in parts:
                continue
            forward = parts[part.name]
            backward = parts.get(part.name + _hooks.BACKWARD)
            rows.append(self._row(part, forward, backward, "training" if trained else "inference"))
        return rows

    def _row(self, part: "_hooks.Part", forward: Dict[str, Any],
             backward: Optional[Dict[str, Any]], mode: str) -> Row:
        calls = forward["calls"]

        def each(of: Optional[Dict[str, Any]], key: str) -> Optional[float]:
            return None if of is None else of[key] / calls

        both = [of for of in (forward, backward) if of is not None]
        sums = {key: sum(of[key] for of in both) / calls  # what is uncertain of both is one gain
                for key in ("energy_j", "energy_u95_j", "time_s")}
        groups = sorted({of["group"] for of in both if of["group"]})
        sources = dict.fromkeys(one for of in both for one in of["provenance"].split("+"))
        return [part.name, part.module_type, mode, float(calls), sums["energy_j"],
                sums["energy_u95_j"], each(forward, "energy_j"), each(forward, "energy_u95_j"),
                each(backward, "energy_j"), each(backward, "energy_u95_j"), sums["time_s"],
                "yes" if part.is_leaf else "no", "; ".join(groups), "+".join(sources),
                self._started]

    def __repr__(self) -> str:
        state = "measuring" if self._run is not None else "stopped"
        return f"<LayerwiseMeasurementTool {self.out_file!r}, {state}>"
