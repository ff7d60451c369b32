"""LayerMetrics: a row for each call of a layer, in tables and files."""

from __future__ import annotations

import math
import os
from bisect import bisect_right
from dataclasses import dataclass, fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Sequence, Tuple

    import _joulemeter
    import pandas

    from ._attribution import Attribution
    from ._hooks import Call


@dataclass
class LayerMetrics:
    """A call of a layer.

    Attributes
    ----------
    layer_name : str
        Name of the module in its model.
    exec_id : int
        In the order in which calls began, over all runs: 0, 1, 2 ...
    start_time, end_time : float
        When it began and ended (Unix s), on the device where that is one.
    duration_ms : float
        Its own time (ms): of a module with others in it, the time in which none of them ran.
    start_power_w, end_power_w : float
        What the sensor showed at begin and end (W). A sensor is slower than most layers: for the
        power of the layer see ``avg_power_w``.
    avg_power_w : float
        Mean power of its own time (W).
    energy_j : float
        Energy of its own time (J): rows add up to the whole, and nothing is in two of them.
    run_id : int
        The run that it was in: 0, 1, 2 ...
    energy_u95_j : float
        Expanded 95 % uncertainty of ``energy_j`` (J).
    module_type : str
    is_leaf : bool
        False: there are other modules in it.
    inclusive_energy_j : float
        Energy with all that ran within it (J).
    method : str
        How the energy was worked out, such as "replay". "passive (bound only)": not even its
        energy over all runs is known, only bounds of it (see ``Attribution.parts``), and
        ``energy_j`` is a best guess that keeps the sum of the rows.
    group : str or None
        Layers that always run in the same proportion, which no reading can tell apart: the energy
        of the group is measured, and those of the layers in it are best guesses that make it up.
    """

    layer_name: str
    exec_id: int
    start_time: float
    end_time: float
    duration_ms: float
    start_power_w: float
    end_power_w: float
    avg_power_w: float
    energy_j: float
    run_id: int
    energy_u95_j: float
    module_type: str
    is_leaf: bool
    inclusive_energy_j: float
    method: str
    group: Optional[str]


COLUMNS = tuple(field.name for field in fields(LayerMetrics))


# ---- from calls and their energies ----


class _Readings:
    """What a device's sensor showed at a time."""

    def __init__(self, recording: "_joulemeter.Recording", device: str) -> None:
        from ._frames import Table

        columns = Table(recording, "samples", device).to_dict()
        known = [(t, p) for t, p in zip(columns["ts"], columns["p_w"]) if p is not None and p == p]
        self._begin = recording.begin_ns
        self._times = [t for t, _ in known]
        self._powers = [p for _, p in known]

    def at(self, time_ns: int) -> float:
        """The latest reading until then, else the first; NaN: there is none."""
        if not self._times:
            return math.nan
        index = bisect_right(self._times, (time_ns - self._begin) * 1e-9) - 1
        return float(self._powers[max(index, 0)])


def metrics_of(recording: "_joulemeter.Recording", found: Optional[Attribution],
               runs: Sequence[Sequence["Call"]], method: str) -> List[LayerMetrics]:
    """Rows of the calls of all runs. Without an attribution nothing is known but times."""
    flat = [(run, call) for run, calls in enumerate(runs) for call in calls]
    energies = _energies(recording, found, runs)
    readings = _Readings(recording, found.device) if found is not None else None
    parts = {part["name"]: part for part in found.parts} if found is not None else {}
    utc = recording.utc_offset_ns
    rows = []
    for index, (run, call) in enumerate(flat):
        own_s, energy, u95, inclusive = energies[index]
        part = parts.get(call.part.name)
        bound = part is not None and part["bound_only"] and energy == energy
        rows.append(LayerMetrics(
            call.part.name, index, (call.begin_ns + utc) * 1e-9, (call.end_ns + utc) * 1e-9,
            1e3 * own_s, readings.at(call.begin_ns) if readings else math.nan,
            readings.at(call.end_ns) if readings else math.nan,
            energy / own_s if own_s > 0 else math.nan, energy, run, u95, call.part.module_type,
            call.part.is_leaf, inclusive, f"{method} (bound only)" if bound else method,
            part["group"] if part is not None else None))
    return rows


def _own_times(calls: Sequence["Call"]) -> List[float]:
    """Of each call, the time in which none of those within it ran (s)."""
    own = [call.end_ns - call.begin_ns for call in calls]
    for call in calls:
        if call.parent >= 0:
            own[call.parent] -= call.end_ns - call.begin_ns
    return [max(time_ns, 0) * 1e-9 for time_ns in own]


def _energies(recording: "_joulemeter.Recording", found: Optional[Attribution],
              runs: Sequence[Sequence["Call"]]) -> List[Tuple[float, float, float, float]]:
    """(own time, energy, its u95, inclusive energy) of each call. One whose range the attribution
    does not have keeps its place, and nothing is known but its time."""
    nan = math.nan
    told = _told(recording, found)
    energies = []
    for calls in runs:
        for call, own_s in zip(calls, _own_times(calls)):
            energies.append(told.get(call.range, (own_s, nan, nan, nan)))
    return energies


def _told(recording: "_joulemeter.Recording",
          found: Optional[Attribution]) -> Dict[int, Tuple[float, float, float, float]]:
    """What the attribution says of each range, by the range's id."""
    columns = found.calls if found is not None else None
    if columns is None:
        return {}
    from ._attribution import number

    ids = {one["index"]: one["id"] for one in recording.ranges("layer")}
    return {ids[index]: (number(own), number(energy), number(u95), number(inclusive))
            for index, own, energy, u95, inclusive in zip(
                columns["range"], columns["own_s"], columns["energy_j"], columns["u95_j"],
                columns["inclusive_j"])}


# ---- tables and files ----


def frame_of(rows: Sequence[LayerMetrics]) -> "pandas.DataFrame":
    """A row for each call."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError("get_results_dataframe() needs pandas: pip install pandas; without it "
                          "profile() gives a list of LayerMetrics") from error
    columns: Dict[str, List[Any]] = {name: [getattr(row, name) for row in rows] for name in COLUMNS}
    return pandas.DataFrame(columns, columns=list(COLUMNS))


def stats_of(rows: Sequence[LayerMetrics]) -> "pandas.DataFrame":
    """(duration_ms | avg_power_w: mean std min max; energy_j: sum mean std) of each layer."""
    groups = frame_of(rows).groupby("layer_name", sort=False)
    stats = groups.agg({
        "duration_ms": ["mean", "std", "min", "max"],
        "avg_power_w": ["mean", "std", "min", "max"],
        "energy_j": ["sum", "mean", "std"]})
    stats["energy_j", "sum"] = groups["energy_j"].sum(min_count=1)  # of nothing known it is not 0
    return stats


def _field(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        return format(value, ".17g" if value > 1e8 else ".9g")  # times to the microsecond
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\n') else text


def save(rows: Sequence[LayerMetrics], path: Any) -> None:
    """Writes a CSV file, which appears when it is whole. What is not known is an empty field."""
    path = os.fspath(path)
    draft = f"{path}.{os.getpid()}.part"
    try:
        with open(draft, "w", encoding="utf-8", newline="") as file:
            file.write(",".join(COLUMNS) + "\n")
            for row in rows:
                file.write(",".join(_field(getattr(row, name)) for name in COLUMNS) + "\n")
        os.replace(draft, path)
    except BaseException:
        if os.path.exists(draft):
            os.unlink(draft)
        raise
