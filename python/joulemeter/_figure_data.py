"""What each figure shows, as arrays, from the tables of a report. Needs numpy.

Samples come at irregular times, so distributions weigh each by the time for which it held.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Tuple

    import numpy

    from ._report import Report

    Array = numpy.ndarray
    Data = Dict[str, Any]  # arrays, or lists of one row

MOST_POINTS = 400  # of curves that ask the library for an energy each
MOST_BINS = 200
HEXAGONS = 30  # across


def import_numpy() -> Any:
    try:
        import numpy
    except ImportError as error:
        raise ImportError("figures need numpy: pip install joulemeter[viz]") from error
    return numpy


class Source:
    """Tables of a report, each read once."""

    def __init__(self, report: Report, smooth: int = 1) -> None:
        self.np = import_numpy()
        self.report = report
        self.smooth = max(int(smooth), 1)
        self._tables: Dict[str, Data] = {}

    def table(self, name: str) -> Data:
        """Columns; numbers that are missing are NaN."""
        if name not in self._tables:
            np = self.np
            columns = {}
            for key, values in self.report.table(name).to_dict().items():
                if isinstance(values, list) and not any(isinstance(v, str) for v in values):
                    columns[key] = np.array(values, dtype=float)  # None becomes NaN
                else:
                    columns[key] = np.asarray(values)
            self._tables[name] = columns
        return self._tables[name]

    # ---- samples ----

    def samples(self, *names: str) -> List[Tuple[str, Data]]:
        """For each device its samples in which all those columns are known, with `held_s`."""
        np = self.np
        table = self.table("samples")
        if not self.report.collect_util and any("util" in name for name in names):
            raise ValueError("utilisation was left out (collect_util=False)")
        if len(table["ts"]) == 0:
            raise ValueError("no power was sampled")
        found = []
        for device in dict.fromkeys(table["device"].tolist()):
            mine = table["device"] == device
            held = _held_s(np, table["ts"][mine])
            columns = {name: table[name][mine].astype(float) for name in names}
            known = np.all([~np.isnan(values) for values in columns.values()], axis=0)
            if known.any():
                columns = {name: values[known] for name, values in columns.items()}
                found.append((device, {"ts": table["ts"][mine][known], "held_s": held[known],
                                       **columns}))
        if not found:
            raise ValueError(" and ".join(_WORDS[name] for name in names) + " was not measured")
        return found

    def smoothed(self, values: Array) -> Array:
        """Means over `smooth` samples, over fewer at the ends."""
        width = min(self.smooth, len(values))
        if width < 2:
            return values
        ones = self.np.ones(width)
        count = self.np.convolve(self.np.ones(len(values)), ones, "same")
        return self.np.convolve(values, ones, "same") / count

    # ---- phases ----

    def spans(self) -> List[Tuple[str, float, float]]:
        """(name, begin, end) of phases and warm-ups, in s since the start."""
        table = self.table("ranges")
        return [(str(name), float(begin), float(begin + duration))
                for name, kind, begin, duration in zip(table["name"], table["category"],
                                                       table["begin_s"], table["duration_s"])
                if kind in ("phase", "warmup")]

    def in_phases(self, ts: Array) -> List[Tuple[str, Array]]:
        """For each name of a phase or warm-up: which times lie in one of its calls."""
        windows: Dict[str, List[Tuple[float, float]]] = {}
        for name, begin, end in sorted(self.spans(), key=lambda span: span[1]):
            windows.setdefault(name, []).append((begin, end))
        return [(name, _inside(self.np, ts, pairs)) for name, pairs in windows.items()]


_WORDS = {"p_w": "power", "gpu_util": "GPU utilisation", "mem_util": "memory utilisation"}


def _held_s(np: Any, ts: Array) -> Array:
    """For how long each sample held; nobody knows what was in a gap."""
    if len(ts) < 2:
        return np.ones(len(ts))
    steps = np.diff(ts)
    usual = float(np.median(steps))
    steps = np.minimum(steps, 10 * usual) if usual > 0 else steps
    return np.append(steps, usual)


def _inside(np: Any, ts: Array, windows: List[Tuple[float, float]]) -> Array:
    begins = np.array([begin for begin, _ in windows])
    ends = np.maximum.accumulate([end for _, end in windows])
    place = np.searchsorted(begins, ts, "right") - 1
    return (place >= 0) & (ts <= ends[np.maximum(place, 0)])


def _long(np: Any, parts: List[Data]) -> Data:
    """Rows of all of them, one after the other."""
    return {key: np.concatenate([np.atleast_1d(part[key]) for part in parts]) for key in parts[0]}


def _named(np: Any, name: str, like: Array) -> Array:
    return np.full(len(like), name, dtype=object)


# ---- time series ----


def _series(*names: str) -> Callable[[Source], Data]:
    def series(source: Source) -> Data:
        parts = []
        for device, s in source.samples(*names):
            values = {name: source.smoothed(s[name]) for name in names}
            parts.append({"device": _named(source.np, device, s["ts"]), "ts": s["ts"], **values})
        return _long(source.np, parts)

    return series


def _refresh_s(source: Source, device: str = "") -> float:
    """How often the slowest power or energy sensor (of a device) has a new value."""
    known = [sensor["refresh_s"] for sensor in source.report.recording.sensors()
             if sensor["quantity"] in ("power", "energy") and sensor["refresh_s"]
             and device in ("", sensor["device"])]
    return max(known, default=0.02)


def _grid_ns(source: Source, step_s: float) -> List[int]:
    """Times across the recording, no closer than the step."""
    recording = source.report.recording
    begin, end = recording.begin_ns, recording.end_ns
    count = int(min(MOST_POINTS, max((end - begin) * 1e-9 / step_s, 1)))
    return [begin + (end - begin) * i // count for i in range(count + 1)]


def _energies(source: Source, windows: List[Tuple[int, int]]) -> Data:
    np, recording = source.np, source.report.recording
    try:
        energies = recording.energies(windows, device=source.report.device)
    except RuntimeError as error:  # JM_NO_DATA
        raise ValueError(f"no energy was measured: {error}") from error
    columns = {name: np.array([getattr(e, name) for e in energies])
               for name in ("energy_j", "u95_j", "lower_j", "upper_j", "duration_s", "bound_only")}
    if np.isnan(columns["energy_j"]).all():
        raise ValueError("no energy was measured")
    return columns


def energy_rate(source: Source) -> Data:
    """Energy over time between refreshes: W, with its uncertainty."""
    grid = _grid_ns(source, _refresh_s(source))
    e = _energies(source, list(zip(grid, grid[1:])))
    edges = (source.np.array(grid) - grid[0]) * 1e-9
    return {"ts": (edges[:-1] + edges[1:]) / 2, "begin_s": edges[:-1], "end_s": edges[1:],
            "energy_rate_w": e["energy_j"] / e["duration_s"],
            "u95_w": e["u95_j"] / e["duration_s"], "bound_only": e["bound_only"]}


def cumulative_energy(source: Source) -> Data:
    """Energy since the start, J, with its interval."""
    grid = _grid_ns(source, _refresh_s(source))
    e = _energies(source, [(grid[0], t) for t in grid[1:]])
    np = source.np
    return {"ts": (np.array(grid) - grid[0]) * 1e-9,
            "energy_j": np.append(0.0, e["energy_j"]),
            "energy_u95_j": np.append(0.0, e["u95_j"]),
            "lower_j": np.append(0.0, e["lower_j"]), "upper_j": np.append(0.0, e["upper_j"])}


def power_derivative(source: Source) -> Data:
    """Change of power, W/s, between values of different refreshes of the sensor."""
    np = source.np
    parts = []
    for device, s in source.samples("p_w"):
        refresh = _refresh_s(source, device)
        lattice = np.floor(s["ts"] / refresh)
        last = np.append(lattice[1:] != lattice[:-1], True)
        ts, power = s["ts"][last], source.smoothed(s["p_w"])[last]
        steps = np.diff(ts)
        good = (steps >= refresh / 2) & (steps <= 10 * max(refresh, 0.1))
        parts.append({"ts": ((ts[1:] + ts[:-1]) / 2)[good],
                      "dp_w_per_s": np.diff(power)[good] / steps[good]})
        parts[-1]["device"] = _named(np, device, parts[-1]["ts"])
    data = _long(np, parts)
    if len(data["ts"]) == 0:
        raise ValueError("the recording is too short: power was refreshed once only")
    return data


# ---- distributions ----


def _quantile(np: Any, values: Array, held_s: Array, share: float) -> float:
    """The least value that is not exceeded for that share of the time."""
    order = np.argsort(values, kind="stable")
    total = np.cumsum(held_s[order])
    place = int(np.searchsorted(total, share * total[-1] * (1 - 1e-12)))
    return float(values[order][min(place, len(values) - 1)])


def _edges(np: Any, values: Array, held_s: Array) -> Array:
    """Freedman and Diaconis; where half of the time is at one value, by the number of samples."""
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return np.array([low - 0.5, low + 0.5])
    spread = _quantile(np, values, held_s, 0.75) - _quantile(np, values, held_s, 0.25)
    width = 2 * spread * len(values) ** (-1 / 3)
    bins = (high - low) / width if width > 0 else np.log2(len(values)) + 1
    return np.linspace(low, high, int(min(max(np.ceil(bins), 1), MOST_BINS)) + 1)


def _hist(*names: str) -> Callable[[Source], Data]:
    def hist(source: Source) -> Data:
        np = source.np
        parts: List[Data] = []
        for name in names:
            lanes = _if_any(source, name, len(names) > 1)
            if not lanes:
                continue
            edges = _edges(np, np.concatenate([s[name] for _, s in lanes]),
                           np.concatenate([s["held_s"] for _, s in lanes]))
            for device, s in lanes:
                time_s = np.histogram(s[name], edges, weights=s["held_s"])[0]
                parts.append({"quantity": _named(np, name, time_s),
                              "device": _named(np, device, time_s),
                              "low": edges[:-1], "high": edges[1:], "time_s": time_s})
        return _long(np, _some(parts, names))

    return hist


def _ecdf(*names: str) -> Callable[[Source], Data]:
    def ecdf(source: Source) -> Data:
        np = source.np
        parts: List[Data] = []
        marks: List[Data] = []
        for name in names:
            for device, s in _if_any(source, name, len(names) > 1):
                values, place = np.unique(s[name], return_inverse=True)
                share = np.cumsum(np.bincount(place.ravel(), s["held_s"]))
                parts.append({"quantity": _named(np, name, values),
                              "device": _named(np, device, values), "value": values,
                              "share": share / share[-1]})
                marks.append({"line_quantity": [name], "line_device": [device],
                              "median": _quantile(np, s[name], s["held_s"], 0.5),
                              "p90": _quantile(np, s[name], s["held_s"], 0.9)})
        return {**_long(np, _some(parts, names)), **_long(np, marks)}

    return ecdf


def _if_any(source: Source, name: str, may_lack: bool) -> List[Tuple[str, Data]]:
    """Samples of a quantity; of several, some may not be measured."""
    if may_lack and name in source.table("samples") and source.report.collect_util:
        if source.np.isnan(source.table("samples")[name].astype(float)).all():
            return []
    return source.samples(name)


def _some(parts: List[Any], names: Tuple[str, ...]) -> List[Any]:
    if not parts:
        raise ValueError(" and ".join(_WORDS[name] for name in names) + " was not measured")
    return parts


# ---- by phase ----

_NO_PHASE = "there is no phase: mark them with `with prof.phase(name)`"


def _box(np: Any, values: Array, held_s: Array) -> Data:
    """Tukey's: quartiles, and whiskers to the last value within 1.5 of their distance."""
    q1, median, q3 = (_quantile(np, values, held_s, share) for share in (0.25, 0.5, 0.75))
    reach = 1.5 * (q3 - q1)
    near = values[(values >= q1 - reach) & (values <= q3 + reach)]
    return {"q1": [q1], "median": [median], "q3": [q3], "whisker_low": [near.min()],
            "whisker_high": [near.max()], "mean": [np.average(values, weights=held_s)],
            "samples": [len(values)]}


def _boxes(*names: str) -> Callable[[Source], Data]:
    def boxes(source: Source) -> Data:
        np = source.np
        parts: List[Data] = []
        outliers: List[Data] = []
        lanes = _some([(name, device, s) for name in names
                       for device, s in _if_any(source, name, len(names) > 1)], names)
        if not source.spans():
            raise ValueError(_NO_PHASE)
        for name, device, s in lanes:
            for phase, inside in source.in_phases(s["ts"]):
                if not inside.any() or not s["held_s"][inside].sum() > 0:
                    continue
                box = _box(np, s[name][inside], s["held_s"][inside])
                values = s[name][inside]
                far = (values < box["whisker_low"][0]) | (values > box["whisker_high"][0])
                box.update(phase=[phase], device=[device], quantity=[name])
                outliers.append({"outlier_box": np.full(far.sum(), len(parts)),
                                 "outlier": values[far]})
                parts.append(box)
        if not parts:
            raise ValueError("no sample lies in a phase: they are shorter than the sensor's refresh")
        return {**_long(np, parts), **_long(np, outliers)}

    return boxes


def _bars(*names: str) -> Callable[[Source], Data]:
    def bars(source: Source) -> Data:
        table = source.table("phases")
        if len(table["phase"]) == 0:
            raise ValueError(_NO_PHASE)
        if source.np.isnan(table[names[0]].astype(float)).all():
            raise ValueError("no energy was measured")
        return {name: table[name] for name in ("phase", "category", *names)}

    return bars


# ---- power and utilisation ----


def power_util_scatter(source: Source) -> Data:
    """Power beside GPU utilisation, and the phase that each sample is of ("" for none)."""
    np = source.np
    parts: List[Data] = []
    for device, s in source.samples("p_w", "gpu_util"):
        phases = _named(np, "", s["ts"])
        for name, inside in source.in_phases(s["ts"]):
            phases[inside] = name
        parts.append({"device": _named(np, device, s["ts"]), "ts": s["ts"], "p_w": s["p_w"],
                      "gpu_util": s["gpu_util"], "phase": phases})
    return _long(np, parts)


def power_util_hexbin(source: Source) -> Data:
    """Time spent in hexagons of utilisation (x) and power (y); `width`, `height` of one."""
    np = source.np
    lanes = [s for _, s in source.samples("p_w", "gpu_util")]
    x = np.concatenate([s["gpu_util"] for s in lanes])
    y = np.concatenate([s["p_w"] for s in lanes])
    held_s = np.concatenate([s["held_s"] for s in lanes])
    width = max(float(np.ptp(x)), 1.0) / HEXAGONS
    height = max(float(np.ptp(y)), 1.0) / int(HEXAGONS / 3**0.5)
    u, v = (x - x.min()) / width, (y - y.min()) / height
    whole = np.round([u, v])  # the nearest centre of one lattice, and of the one between
    half = np.floor([u, v]) + 0.5
    nearer = ((u - whole[0]) ** 2 + 3 * (v - whole[1]) ** 2
              < (u - half[0]) ** 2 + 3 * (v - half[1]) ** 2)
    centres, place = np.unique(np.where(nearer, whole, half), axis=1, return_inverse=True)
    return {"x": centres[0] * width + x.min(), "y": centres[1] * height + y.min(),
            "time_s": np.bincount(place.ravel(), held_s),
            "width": np.array([width]), "height": np.array([height])}


# In PowerDL's order.
FIGURES: Dict[str, Callable[[Source], Data]] = {
    "power_time": _series("p_w"),
    "gpu_util_time": _series("gpu_util"),
    "mem_util_time": _series("mem_util"),
    "util_time_dual": _series("gpu_util", "mem_util"),
    "energy_rate": energy_rate,
    "power_derivative": power_derivative,
    "cumulative_energy": cumulative_energy,
    "power_hist": _hist("p_w"),
    "util_hist": _hist("gpu_util", "mem_util"),
    "power_ecdf": _ecdf("p_w"),
    "util_ecdf": _ecdf("gpu_util", "mem_util"),
    "power_boxplot_phase": _boxes("p_w"),
    "util_boxplot_phase": _boxes("gpu_util", "mem_util"),
    "phase_energy_bar": _bars("energy_j", "energy_u95_j", "bound_only"),
    "phase_time_bar": _bars("time_s"),
    "power_util_scatter": power_util_scatter,
    "power_util_hexbin": power_util_hexbin,
}
