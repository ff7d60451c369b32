"""Figures: their marks against NumPy on the readings, and that they are drawn without overlaps."""
import re
import sys
import threading
import time

import pytest

import _joulemeter
import joulemeter as jm

numpy = pytest.importorskip("numpy")
np = numpy

POWERDL = ("power_time gpu_util_time mem_util_time util_time_dual energy_rate power_derivative "
           "cumulative_energy power_hist util_hist power_ecdf util_ecdf power_boxplot_phase "
           "util_boxplot_phase phase_energy_bar phase_time_bar power_util_scatter "
           "power_util_hexbin").split()
MORE = ("energy_by_device layer_energy_bar layer_energy_treemap layer_type_energy_bar "
        "layer_energy_spread kernel_energy_bar").split()
LAYERS = "model.embed model.layers.0.attn.q_proj model.layers.0.mlp model.layers.1.mlp lm_head".split()


def measured(simulate, **options):
    with jm.profile("figures", simulate=simulate, join=False, cpu=False, **options) as p:
        with p.phase("train"):
            for name in LAYERS:
                with p.range(name, "layer", type="Embedding" if "embed" in name else "Linear"):
                    time.sleep(0.25)
        with p.range("warmup", "warmup"):
            time.sleep(0.1)
        for _ in range(2):
            with p.phase("infer"):
                time.sleep(0.2)
    return p.report()


@pytest.fixture(scope="module")
def report():
    return measured("2*h100,square:100:300:0.4,seed=2")


@pytest.fixture(scope="module")
def cpu_only():
    with jm.profile(gpu=False, join=False) as p:
        time.sleep(0.3)
    return p.report()


# ---- readings, by hand ----


class Curve:
    """A sensor's readings: each holds until the next, a missing one until there is one again."""

    def __init__(self, report, device, quantity, source=None):
        rows = [r for r in report.table("readings").rows()
                if r["device"] == device and r["quantity"] == quantity
                and (source is None or r["source"] == source)]
        begin, end = report.recording.begin_ns, report.recording.end_ns
        self.end = (end - begin) * 1e-9
        times, values = [], []
        for row in rows:
            t = row["t_ns"]
            if times and row["flags"] & 2:  # polls are missing: the value held up to the last of them
                last = t - row["since_ns"] if row["since_ns"] != 2**32 - 1 else times[-1]
                times.append(max(last, times[-1]))
                values.append(np.nan)
            times.append(t)
            values.append(np.nan if row["value"] is None else row["value"])
        self.t = np.clip((np.array(times) - begin) * 1e-9, 0, self.end)
        self.v = np.array(values, float)
        self.until = np.append(self.t[1:], self.end)

    def inside(self, windows=None):
        """(values, for how long each held) of those that are known."""
        windows = windows or [(0.0, self.end)]
        values, weights = [], []
        for begin, end in windows:
            held = np.minimum(self.until, end) - np.maximum(self.t, begin)
            good = (held > 0) & ~np.isnan(self.v)
            values.append(self.v[good])
            weights.append(held[good])
        return np.concatenate(values), np.concatenate(weights)


def power_source(report, device):
    """The sensor that the samples' table shows."""
    sources = {s["source"] for s in report.recording.sensors()
               if s["device"] == device and s["quantity"] == "power"}
    wanted = np.array([r["p_w"] for r in report.table("samples").rows() if r["device"] == device], float)
    for source in sources:
        values = np.array([r["value"] for r in report.table("readings").rows()
                           if r["device"] == device and r["source"] == source], float)
        if len(values) == len(wanted) and np.allclose(values, wanted, equal_nan=True):
            return source
    raise AssertionError(f"no sensor of {sources} is that of the samples")


def power(report, device):
    return Curve(report, device, "power", power_source(report, device))


def marks(data, kind):
    return [mark for mark in data["marks"] if mark["kind"] == kind]


def step_of(curve):
    """What a step of all of its readings shows: repeats are kept, its end is drawn."""
    t, v = curve.t, curve.v
    if not np.isnan(v[-1]) and curve.end > t[-1]:
        t, v = np.append(t, curve.end), np.append(v, v[-1])
    first = int(np.argmax(~np.isnan(v)))
    return t[first:], v[first:]


def quantile(values, weights, share):
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    return values[order][min(int(np.searchsorted(total, share * total[-1] * (1 - 1e-9))), len(values) - 1)]


def phase_windows(report):
    windows = {}
    for row in report.table("ranges").rows():
        if row["category"] in ("phase", "warmup"):
            windows.setdefault(row["name"], []).append((row["begin_s"], row["begin_s"] + row["duration_s"]))
    return windows


# ---- names ----


def test_names(report):
    assert report.list_figures() == POWERDL + MORE
    for call in (report.figure_data, report.plot_one, report.plot, lambda n: report.plot([n])):
        with pytest.raises(ValueError) as error:
            call("power_tim")
        assert "power_tim" in str(error.value)
        assert all(name in str(error.value) for name in POWERDL)


@pytest.mark.parametrize("name", POWERDL + MORE[:5])
def test_data_are_axes_and_marks(report, name):
    data = report.figure_data(name)
    assert data["name"] == name and data["marks"]
    for mark in data["marks"]:
        columns = {key: value for key, value in mark.items() if isinstance(value, np.ndarray)}
        assert len({len(column) for column in columns.values()}) == 1
        assert mark["kind"] in ("line", "step", "area", "bar", "box", "hexagon", "point", "span", "text")
    for axis in (data["x"], data["y"]):
        assert axis["min"] < axis["max"]
        assert len(axis["ticks"]) == len(axis["tick_texts"])


# ---- time series ----


@pytest.mark.parametrize("name, quantity", [("power_time", None), ("gpu_util_time", "gpu_util"),
                                            ("mem_util_time", "mem_util")])
def test_series_are_the_readings(report, name, quantity):
    steps = marks(report.figure_data(name, raw=True), "step")
    assert [mark["label"] for mark in steps] == ["gpu0", "gpu1"]
    for mark in steps:
        curve = power(report, mark["label"]) if quantity is None else Curve(report, mark["label"], quantity)
        t, v = step_of(curve)
        assert mark["x"] == pytest.approx(t, abs=1e-9)
        assert mark["y"] == pytest.approx(v, nan_ok=True)


def test_both_utilisations(report):
    steps = marks(report.figure_data("util_time_dual", raw=True), "step")
    assert [mark["label"] for mark in steps] == ["gpu0 GPU", "gpu1 GPU", "gpu0 memory", "gpu1 memory"]
    single = marks(report.figure_data("mem_util_time", raw=True), "step")
    assert (steps[2]["y"] == single[0]["y"]).all()


def test_thinning_keeps_first_last_lowest_and_highest(report):
    columns = 12
    for mark in marks(report.figure_data("power_time", columns=columns), "step"):
        t, v = step_of(power(report, mark["label"]))
        t, v = t[:-1], v[:-1]  # the closing row belongs to no reading
        each = power(report, mark["label"]).end / columns
        shown_x, shown_y = mark["x"][:-1], mark["y"][:-1]
        for pixel in range(columns):
            mine = np.floor(t / each) == pixel
            shown = np.floor(shown_x / each) == pixel
            if not mine.any():
                continue
            assert shown.sum() <= 4
            assert shown_x[shown][0] == pytest.approx(t[mine][0])
            assert shown_x[shown][-1] == pytest.approx(t[mine][-1])
            assert shown_y[shown].min() == v[mine].min() and shown_y[shown].max() == v[mine].max()


def test_smoothing_is_a_moving_mean(report):
    rough = marks(report.figure_data("power_time", columns=100000), "step")[0]
    smooth = marks(report.figure_data("power_time", smooth=5, columns=100000), "line")[0]
    values = rough["y"][:len(smooth["y"])]
    for i in range(len(values)):
        assert smooth["y"][i] == pytest.approx(values[max(i - 2, 0):i + 3].mean())


@pytest.mark.parametrize("options, why", [({"smooth": 0}, "not 0"), ({"smooth": -1}, "not -1"),
                                          ({"smooth": 5, "raw": True}, "leave one out")])
def test_smoothing_that_cannot_be(report, options, why):
    for call in (report.figure_data, report.plot_one, report.plot):
        with pytest.raises(ValueError, match=why):
            call("power_time", **options)


def test_energy_over_time(report):
    recording = report.recording
    curve, rate = report.figure_data("cumulative_energy"), report.figure_data("energy_rate")
    line, band = marks(curve, "line")[0], marks(curve, "area")[0]
    step = marks(rate, "step")[0]
    whole = recording.energy(device="gpus")
    assert line["x"][0] == 0 and line["y"][0] == 0
    assert line["y"][-1] == pytest.approx(whole.energy_j)
    assert band["low"][-1] == pytest.approx(whole.lower_j)
    assert band["high"][-1] == pytest.approx(whole.upper_j)
    known = ~np.isnan(line["y"])
    assert (band["low"][known] <= line["y"][known]).all() and (line["y"][known] <= band["high"][known]).all()
    refresh = max(s["refresh_s"] for s in recording.sensors()
                  if s["quantity"] in ("power", "energy") and s["device"] == "gpu0" and s["refresh_s"])
    widths = np.diff(step["x"])
    assert widths.min() >= refresh * 0.99
    begin = recording.begin_ns
    for i in np.flatnonzero(~np.isnan(step["y"][:-1]))[::3]:
        e = recording.energy(begin + round(step["x"][i] * 1e9), begin + round(step["x"][i + 1] * 1e9),
                             device="gpus")
        assert step["y"][i] == pytest.approx(e.mean_power_w, rel=1e-3)


def test_derivatives_keep_to_the_refresh(report):
    data = report.figure_data("power_derivative", raw=True)
    for mark in marks(data, "line"):
        curve = power(report, mark["label"])
        refresh = next(s["refresh_s"] for s in report.recording.sensors()
                       if s["device"] == mark["label"] and s["source"] == power_source(report, mark["label"]))
        cell = np.floor(curve.t / refresh)
        last = np.append(cell[1:] != cell[:-1], True) & ~np.isnan(curve.v)
        t, v = curve.t[last], curve.v[last]
        keep = [0]
        for i in range(1, len(t)):  # two polls around one refresh are one
            if t[i] - t[keep[-1]] >= refresh / 2:
                keep.append(i)
        t, v = t[keep], v[keep]
        steps = np.diff(t)
        assert (steps <= 1).all()
        assert mark["x"] == pytest.approx((t[1:] + t[:-1]) / 2)
        assert mark["y"] == pytest.approx(np.diff(v) / steps)
        assert np.abs(mark["y"]).max() < 1.5 * 200 / refresh * 2


def test_phases_are_shaded(report):
    spans = {mark["label"]: mark for mark in marks(report.figure_data("power_time", raw=True), "span")}
    assert list(spans) == ["train", "warmup", "infer"]
    windows = phase_windows(report)
    for name, mark in spans.items():
        assert mark["x"] == pytest.approx([begin for begin, _ in windows[name]])
        assert mark["x2"] == pytest.approx([end for _, end in windows[name]])
    assert not marks(report.figure_data("power_time", shade_phases=False), "span")


# ---- distributions ----


def test_histograms_count_time(report):
    bars = marks(report.figure_data("power_hist"), "bar")
    pooled = [power(report, device).inside() for device in ("gpu0", "gpu1")]
    values, weights = (np.concatenate(parts) for parts in zip(*pooled))
    spread = quantile(values, weights, 0.75) - quantile(values, weights, 0.25)
    width = 2 * spread * len(values) ** (-1 / 3)
    sturges = np.log2(len(values)) + 1
    count = int(np.ceil(max((values.max() - values.min()) / width, sturges) if width > 0 else sturges))
    for mark, (v, w) in zip(bars, pooled):
        assert len(mark["x"]) == count
        edges = np.append(mark["x"], mark["x2"][-1])
        assert edges == pytest.approx(np.linspace(values.min(), values.max(), count + 1))
        assert mark["y2"] == pytest.approx(np.histogram(v, np.linspace(values.min(), values.max(), count + 1),
                                                        weights=w)[0], abs=1e-9)
    assert [mark["label"] for mark in marks(report.figure_data("util_hist"), "bar")] == \
        ["gpu0 GPU", "gpu1 GPU", "gpu0 memory", "gpu1 memory"]


@pytest.mark.parametrize("name, quantity", [("power_ecdf", None), ("util_ecdf", "mem_util")])
def test_ecdfs_say_median_and_p90(report, name, quantity):
    data = report.figure_data(name)
    k = 0 if quantity is None else 2
    step, points = marks(data, "step")[k], marks(data, "point")[k]
    curve = power(report, "gpu0") if quantity is None else Curve(report, "gpu0", quantity)
    values, weights = curve.inside()
    for x, y in zip(step["x"][1:], step["y"][1:]):
        assert y == pytest.approx(weights[values <= x].sum() / weights.sum())
    assert step["y"][0] == 0 and step["y"][-1] == 1
    assert points["x"][0] == quantile(values, weights, 0.5)
    assert points["x"][1] == quantile(values, weights, 0.9)
    assert list(points["y"]) == [0.5, 0.9]
    assert f"median {points['x'][0]:.4g} " in step["label"]


# ---- by phase ----


@pytest.mark.parametrize("name", ["power_boxplot_phase", "util_boxplot_phase"])
def test_boxes_are_tukeys(report, name):
    data = report.figure_data(name, raw=True)
    rows = data["y"]["tick_texts"]
    windows = phase_windows(report)
    assert len(rows) == 3 * 2 * (1 if name.startswith("power") else 2)
    boxes = {rows[int(mark["y"][0])]: mark for mark in marks(data, "box")}
    far = {}
    for mark in marks(data, "point"):
        for x, y in zip(mark["x"], mark["y"]):
            far.setdefault(rows[int(y)], []).append(x)
    for row, box in boxes.items():
        phase, device, *kind = row.split(", ")
        curve = power(report, device) if not kind else \
            Curve(report, device, {"GPU": "gpu_util", "memory": "mem_util"}[kind[0]])
        values, weights = curve.inside(windows[phase])
        q1, median, q3 = (quantile(values, weights, share) for share in (0.25, 0.5, 0.75))
        assert (box["q1"][0], box["x"][0], box["q3"][0]) == (q1, median, q3)
        reach = 1.5 * (q3 - q1)
        assert box["low"][0] == values[values >= q1 - reach].min()
        assert box["high"][0] == values[values <= q3 + reach].max()
        beyond = set(values[(values < q1 - reach) | (values > q3 + reach)])
        assert set(far.get(row, [])) == beyond


def test_bars_are_the_table(report):
    phases = list(report.table("phases").rows())
    data = report.figure_data("phase_energy_bar")
    bars = marks(data, "bar")[0]
    assert data["y"]["tick_texts"] == [row["phase"] for row in phases] == ["train", "warmup", "infer"]
    for i, row in enumerate(phases):
        if row["bound_only"]:
            assert bars["x2"][i] == 0
        else:
            assert bars["x2"][i] == pytest.approx(row["energy_j"])
        middle = (bars["low"][i] + bars["high"][i]) / 2
        assert middle == pytest.approx(row["energy_j"], rel=0.35)
    times = marks(report.figure_data("phase_time_bar"), "bar")[0]["x2"]
    assert list(times) == pytest.approx([row["time_s"] for row in phases])


def test_devices_add_up(report):
    data = report.figure_data("energy_by_device")
    gpu0, gpu1 = (mark for mark in marks(data, "bar") if mark["label"] in ("gpu0", "gpu1"))
    total = report.recording.energy(device="total")
    assert gpu0["x2"][0] == pytest.approx(report.recording.energy(device="gpu0").energy_j)
    assert gpu1["x"][0] == gpu0["x2"][0]
    assert marks(data, "point")[0]["x"][0] == pytest.approx(total.energy_j)
    assert data["y"]["tick_texts"] == ["whole recording", "train", "warmup", "infer"]


def test_layers(report):
    data = report.figure_data("layer_energy_bar")
    assert sorted(data["y"]["tick_texts"]) == sorted(LAYERS)
    ends = marks(data, "bar")[0]
    ranges = {r["name"]: r for r in report.recording.ranges("layer")}
    devices = [report.attribute("layer", device=device) for device in ("gpu0", "gpu1")]
    for i, name in enumerate(data["y"]["tick_texts"]):
        e = report.recording.energy(ranges[name]["begin_ns"], ranges[name]["end_ns"], device="gpus")
        assert ends["low"][i] <= e.upper_j and ends["high"][i] >= e.lower_j
        parts = [part for found in devices for part in found.parts if part["name"] == name]
        if ends["x2"][i] > 0:
            assert ends["x2"][i] == pytest.approx(sum(part["energy_j"] for part in parts))
    assert list(ends["x2"]) == sorted(ends["x2"], reverse=True)
    assert len(marks(report.figure_data("layer_energy_bar", top=2), "bar")[0]["x2"]) == 2


# ---- power and utilisation ----


def pairs(report, device):
    p, u = power(report, device), Curve(report, device, "gpu_util")
    place = np.searchsorted(u.t, p.t, "right") - 1
    util = np.where(place >= 0, u.v[np.maximum(place, 0)], np.nan)
    good = ~np.isnan(p.v) & ~np.isnan(util)
    return util[good], p.v[good], (p.until - p.t)[good]


def test_scatter_and_hexagons(report):
    cloud = report.figure_data("power_util_scatter", raw=True)
    shown = sorted((x, y) for mark in marks(cloud, "point") for x, y in zip(mark["x"], mark["y"]))
    every = [pairs(report, device) for device in ("gpu0", "gpu1")]
    assert shown == sorted((x, y) for util, p, _ in every for x, y in zip(util, p))
    assert {mark["label"] for mark in marks(cloud, "point")} <= {"no phase", "train", "warmup", "infer"}
    hexagons = marks(report.figure_data("power_util_hexbin"), "hexagon")[0]
    x, y, held = (np.concatenate(parts) for parts in zip(*every))
    assert hexagons["value"].sum() == pytest.approx(held.sum())
    width = max(np.ptp(x), 1) / 30
    height = max(np.ptp(y), 1) / int(30 / 3 ** 0.5)
    assert hexagons["x2"] == pytest.approx(width) and hexagons["y2"] == pytest.approx(height * 2 / 3)
    sums = {}
    for a, b, weight in zip((x - x.min()) / width, (y - y.min()) / height, held):
        centres = [(round(a), round(b)), (np.floor(a) + 0.5, np.floor(b) + 0.5)]
        near = min(centres, key=lambda c: (a - c[0]) ** 2 + 3 * (b - c[1]) ** 2)
        key = (round(x.min() + near[0] * width, 6), round(y.min() + near[1] * height, 6))
        sums[key] = sums.get(key, 0) + weight
    found = {(round(a, 6), round(b, 6)): w for a, b, w in zip(hexagons["x"], hexagons["y"], hexagons["value"])}
    assert found == pytest.approx({key: weight for key, weight in sums.items() if weight > 0})


# ---- numbers that are no recording ----


def test_limits_and_coverage():
    figure, axes = jm.figures.limits([(300, 1000, 5, 10), (200, 700, 4, 10.5), (150, 800, 4, 12)])
    assert axes.get_xlabel() == "power limit (W)"
    figure, axes = jm.figures.coverage([("contiguous", 950, 1000), ("part-time", 930, 1000)])
    assert [text.get_text() for text in axes.get_yticklabels()] == ["contiguous", "part-time"]
    with pytest.raises(ValueError):
        jm.figures.coverage([("x", 3, 2)])
    with pytest.raises(ValueError, match="no data"):
        jm.figures.limits([])


@pytest.mark.parametrize("call", [_joulemeter.figure_ratios, _joulemeter.figure_limits,
                                  lambda rows: _joulemeter.figure_coverage(rows, 0.95),
                                  lambda rows: _joulemeter.figure_runs(rows, "energy")])
def test_rows_are_tuples_in_a_list(call):
    for wrong in ((), iter([]), [[]], [["x", 1, 2]], [None]):
        with pytest.raises(TypeError, match="list|tuple"):
            call(wrong)


def test_rows_that_change_while_they_are_read():
    class Number:
        def __float__(self):
            rows.clear()
            return 1.0

    ratio = (1.0, 0.9, 1.1)
    rows = [("a" * 1000, (Number(), 0.9, 1.1), ratio, ratio), ("b" * 1000, ratio, ratio, ratio)]
    figure = _joulemeter.figure_ratios(rows)
    assert rows == [] and figure["y"]["tick_texts"] == ["a" * 1000, "b" * 1000]


def test_repeats_and_comparisons():
    def work():
        time.sleep(0.15)

    options = {"simulate": "h100,constant:300", "join": False, "cpu": False, "progress": False}
    again = jm.repeat(work, n=3, **options)
    assert len(again.plot()[1].lines) >= 2 and again.plot("time")[1].get_xlabel().startswith("time")
    both = jm.compare(work, lambda: time.sleep(0.25), n=3, names=("short", "long"), **options)
    assert [text.get_text() for text in both.plot()[1].get_yticklabels()] == ["short", "long"]
    figure, axes = both.plot("ratio")
    assert axes.get_xlabel() == "ratio to the first"
    assert figure._supxlabel.get_text().endswith("Simulated GPU.")
    with pytest.raises(ValueError):
        both.plot("colour")


# ---- what is missing ----


def test_figures_without_data_say_why(cpu_only):
    assert cpu_only.device == "total"
    for name in POWERDL:
        if "util" in name:
            with pytest.raises(ValueError, match=f"{name} has no data: .*utilisation.* measured"):
                cpu_only.figure_data(name)
        elif "phase" in name:
            with pytest.raises(ValueError, match=f"{name} has no data: there is no phase"):
                cpu_only.figure_data(name)
        else:
            assert cpu_only.figure_data(name)


def test_nothing_measured(tmp_path):
    with jm.profile(gpu=False, cpu=False, join=False) as p:
        with p.phase("train"):
            pass
    report = p.report()
    for name in POWERDL:
        if name == "phase_time_bar":
            continue
        with pytest.raises(ValueError, match=f"{name} has no data"):
            report.figure_data(name)
    assert report.summary["train"]["energy_j"] is None
    assert "not measured" in report._repr_html_() and "Report" in repr(report)
    report.export(tmp_path)
    assert (tmp_path / "summary.json").exists()


# ---- drawing ----


def test_all_figures_are_drawn(report, tmp_path):
    pytest.importorskip("matplotlib")
    import matplotlib

    settings = dict(matplotlib.rcParams)
    report.export(tmp_path, figures=True, dpi=40, smooth=3)  # of kernels nobody spoke
    drawn = {path.name: path.read_bytes()[:8] for path in (tmp_path / "figures").iterdir()}
    assert drawn == {f"{name}.png": b"\x89PNG\r\n\x1a\n" for name in POWERDL + MORE[:5]}
    from matplotlib import pyplot

    assert pyplot.get_fignums() == []  # no window, no state of others
    assert dict(matplotlib.rcParams) == settings


def overlaps(boxes):
    return [(a, b) for i, a in enumerate(boxes) for b in boxes[:i]
            if a.width and b.width and a.x0 < b.x1 - 1 and b.x0 < a.x1 - 1 and a.y0 < b.y1 - 1 and b.y0 < a.y1 - 1]


@pytest.mark.parametrize("width", ["column", "page"])
@pytest.mark.parametrize("name", POWERDL + MORE[:5])
def test_nothing_overlaps(report, name, width):
    pytest.importorskip("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure, axes = report.plot_one(name, width=width)
    figure.set_dpi(150)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    for axis in (axes.xaxis, axes.yaxis):
        labels = [label.get_window_extent(renderer) for label in axis.get_ticklabels() if label.get_text()]
        assert not overlaps(labels)
    outer = figure.bbox
    parts = [axes.xaxis.label, axes.yaxis.label, *figure.legends, figure._supxlabel]
    boxes = [part.get_window_extent(renderer) for part in parts if part is not None]
    boxes += [label.get_window_extent(renderer) for axis in (axes.xaxis, axes.yaxis)
              for label in axis.get_ticklabels() if label.get_text()]
    for box in boxes:
        if box.width > 0:
            assert box.x0 >= outer.x0 - 1 and box.x1 <= outer.x1 + 1
            assert box.y0 >= outer.y0 - 1 and box.y1 <= outer.y1 + 1
    frame = axes.get_window_extent(renderer)
    for legend in figure.legends:
        assert not overlaps([legend.get_window_extent(renderer), frame])
    if figure._supxlabel is not None and axes.get_xlabel():
        assert not overlaps([figure._supxlabel.get_window_extent(renderer),
                             axes.xaxis.label.get_window_extent(renderer)])
    assert figure.get_figwidth() == pytest.approx({"column": 89, "page": 183}[width] / 25.4)


def test_some_figures_are_drawn(report, tmp_path):
    figures = pytest.importorskip("matplotlib.figure")
    drawn = report.plot(figs=["power_time", "phase_energy_bar"])
    assert [type(figure) for figure, _ in drawn.values()] == [figures.Figure] * 2
    assert list(report.plot(figs="power_ecdf")) == ["power_ecdf"]
    path = report.plot_one("power_ecdf", out_dir=tmp_path / "new", format="svg", dpi=40)
    assert path == str(tmp_path / "new" / "power_ecdf.svg")
    paths = report.plot("power_time", out_dir=tmp_path, format="pdf", dpi=40)
    assert paths == {"power_time": str(tmp_path / "power_time.pdf")}
    assert b"/FontType /CIDFontType" in (tmp_path / "power_time.pdf").read_bytes() or \
        b"CIDFontType2" in (tmp_path / "power_time.pdf").read_bytes()
    for wrong in ({"format": "gif"}, {"width": "wide"}, {"width": 0.1}):
        with pytest.raises(ValueError, match="png, pdf, svg|width is"):
            report.plot_one("power_time", **wrong)


def test_axes_of_the_caller(report):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    figure, panels = pyplot.subplots(1, 2)
    drawn, axes = report.plot_one("power_time", ax=panels[1])
    assert drawn is figure and axes is panels[1] and len(axes.lines) == 2 and not panels[0].lines
    pyplot.close(figure)


def test_dark_and_styled(report):
    pytest.importorskip("matplotlib")
    figure, axes = report.plot_one("power_time", dark=True)
    assert sum(figure.get_facecolor()[:3]) < 1
    figure, axes = report.plot_one("power_time", style={"axes.labelsize": 13})
    assert axes.xaxis.label.get_fontsize() == 13


def test_letters_are_those_that_were_asked_for(report, tmp_path):
    pytest.importorskip("matplotlib")
    serif = {"font.sans-serif": ["None Such", "DejaVu Serif"], "svg.fonttype": "none"}
    with open(report.plot_one("power_time", out_dir=tmp_path, format="pdf", style=serif), "rb") as file:
        fonts = set(re.findall(rb"/BaseFont /(?:[A-Z]{6}\+)?([\w-]+)", file.read()))
    assert fonts == {b"DejaVuSerif"}
    with open(report.plot_one("power_time", out_dir=tmp_path, format="svg", style=serif)) as file:
        texts = re.findall("<text [^>]*>", file.read())
    assert texts and all("DejaVu Serif" in text for text in texts)
    figure, _ = report.plot_one("power_time", style=serif)
    figure.savefig(tmp_path / "mine.pdf")  # by the user, under settings of his own
    assert b"DejaVuSerif" in (tmp_path / "mine.pdf").read_bytes()
    assert b"DejaVuSans" not in (tmp_path / "mine.pdf").read_bytes()


def test_whiskers_need_not_hold_the_value(report):
    pytest.importorskip("matplotlib")
    from joulemeter import _draw

    figure = report.figure_data("energy_by_device")
    point, = marks(figure, "point")
    point["low"], point["high"] = point["x"] * 1.1, point["x"] * 1.3
    point["low"][1] = point["high"][1] * (1 + 1e-12)  # as rounding leaves it
    point["high"][2] = np.nan
    _, axes = _draw.draw(figure)
    whiskers = axes.containers[-1].lines[2][0].get_segments()
    assert whiskers[0][:, 0] == pytest.approx([point["low"][0], point["high"][0]])
    assert whiskers[1][:, 0] == pytest.approx([point["high"][1]] * 2)


def test_threads_draw(report, tmp_path):
    pytest.importorskip("matplotlib")
    failed = []

    def draw(i):
        try:
            report.plot_one("power_hist", out_dir=tmp_path / str(i), dpi=40)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=draw, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed and len(list(tmp_path.glob("*/power_hist.png"))) == 4


def test_figures_without_data_are_left_out(cpu_only, tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.warns(jm.JoulemeterWarning, match="kernel_energy_bar has no data"):
        assert cpu_only.plot("kernel_energy_bar") == {}
    with pytest.warns(jm.JoulemeterWarning, match="gpu_util_time has no data.*; mem_util_time"):
        drawn = cpu_only.plot(all=True, out_dir=tmp_path, dpi=40)
    assert [n for n in drawn if n in POWERDL] == [n for n in POWERDL if "util" not in n and "phase" not in n]
    with pytest.raises(ValueError, match="was not measured"):
        cpu_only.plot_one("gpu_util_time")


def test_without_libraries(report, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install joulemeter\[viz\]"):
        report.plot_one("power_time")
    assert report.figure_data("power_time")["marks"]
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(ImportError, match=r"pip install joulemeter\[viz\]"):
        report.figure_data("power_time")


# ---- the page ----


def test_a_page(report, tmp_path):
    try:
        text = report.to_html(title="<b>title</b>")
    except RuntimeError as error:
        assert "npm" in str(error)
        pytest.skip("this build has no page")
    assert text.startswith("<!doctype html>") and "<b>title" not in text
    assert report.to_html(tmp_path / "out.html") is None
    assert (tmp_path / "out.html").stat().st_size > 100000
    assert [path.name for path in tmp_path.iterdir()] == ["out.html"]
    with pytest.raises(OSError):
        report.to_html(tmp_path / "none" / "out.html")


def test_a_page_as_small_as_it_was_asked_to_be(report):
    with jm.profile(gpu=False, cpu=False, join=False) as p:
        for i in range(3000):
            with p.range(f"step {i}", "layer"):
                pass
    try:
        large, small = (p.report().to_html(max_size_mb=most) for most in (None, 0.1))
    except RuntimeError:
        pytest.skip("this build has no page")
    assert len(large) - len(small) > 100e3
    for wrong in (0, -1, 501, float("nan")):
        with pytest.raises(ValueError, match="max_size_mb is 0.1 to 500 MB"):
            report.to_html(max_size_mb=wrong)


def test_a_page_overwrites_no_recording(report, tmp_path):
    path = tmp_path / "x.jm"
    report.save(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="x.jm' is a recording; give the page another name"):
        jm.open(path).to_html(path)
    assert path.read_bytes() == before and [one.name for one in tmp_path.iterdir()] == ["x.jm"]
