"""The 17 figures: their data against a slow look at the samples, and that they are drawn."""
import sys
import time

import pytest

import joulemeter as jm

numpy = pytest.importorskip("numpy")
np = numpy

NAMES = ("power_time gpu_util_time mem_util_time util_time_dual energy_rate power_derivative "
         "cumulative_energy power_hist util_hist power_ecdf util_ecdf power_boxplot_phase "
         "util_boxplot_phase phase_energy_bar phase_time_bar power_util_scatter "
         "power_util_hexbin").split()


def measured(simulate, **options):
    with jm.profile("figures", simulate=simulate, join=False, cpu=False, **options) as p:
        with p.phase("train"):
            time.sleep(0.8)
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


def samples(report, device):
    rows = [r for r in report.table("samples").rows() if r["device"] == device]
    return {key: np.array([r[key] for r in rows], float)
            for key in ("ts", "p_w", "gpu_util", "mem_util")}


def refresh_of(report):
    return max(s["refresh_s"] for s in report.recording.sensors()
               if s["quantity"] == "power" and s["device"] == "gpu0" and s["refresh_s"])


# ---- names ----


def test_names(report):
    assert report.list_figures() == NAMES
    for call in (report.figure_data, report.plot_one, report.plot, lambda n: report.plot([n])):
        with pytest.raises(ValueError) as error:
            call("power_tim")
        assert "power_tim" in str(error.value)
        assert all(name in str(error.value) for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_data_are_arrays_without_holes(report, name):
    data = report.figure_data(name)
    assert data and all(isinstance(values, np.ndarray) for values in data.values())
    for key, values in data.items():
        assert len(values) > 0 or key.startswith("outlier"), key
        if values.dtype.kind == "f" and name != "energy_rate":
            assert np.isfinite(values).all(), key


# ---- time series ----


def test_series_are_the_samples(report):
    for name, columns in (("power_time", ["p_w"]), ("gpu_util_time", ["gpu_util"]),
                          ("mem_util_time", ["mem_util"]),
                          ("util_time_dual", ["gpu_util", "mem_util"])):
        data = report.figure_data(name)
        assert set(data["device"]) == {"gpu0", "gpu1"}
        for device in ("gpu0", "gpu1"):
            wanted = samples(report, device)
            known = ~np.isnan([wanted[c] for c in columns]).any(axis=0)
            mine = data["device"] == device
            for column in ["ts", *columns]:
                assert (data[column][mine] == wanted[column][known]).all()


def test_smoothing_is_a_moving_mean(report):
    rough, smooth = report.figure_data("power_time"), report.figure_data("power_time", smooth=5)
    mine = rough["device"] == "gpu0"
    power, mean = rough["p_w"][mine], smooth["p_w"][mine]
    for i in range(len(power)):
        assert mean[i] == pytest.approx(power[max(i - 2, 0):i + 3].mean())
    assert len(report.figure_data("power_time", smooth=10**6)["p_w"]) == len(rough["p_w"])


def test_energy_over_time(report):
    recording = report.recording
    curve, rate = report.figure_data("cumulative_energy"), report.figure_data("energy_rate")
    whole = recording.energy(device="gpus")
    assert curve["energy_j"][0] == 0 and curve["ts"][0] == 0
    assert curve["energy_j"][-1] == pytest.approx(whole.energy_j)
    assert curve["energy_u95_j"][-1] == pytest.approx(whole.u95_j)
    assert (curve["lower_j"] <= curve["energy_j"]).all()
    assert (curve["energy_j"] <= curve["upper_j"]).all()
    refresh = refresh_of(report)
    widths = rate["end_s"] - rate["begin_s"]
    assert widths.min() >= refresh * 0.99
    begin = recording.begin_ns
    e = recording.energy(begin + round(rate["begin_s"][3] * 1e9),
                         begin + round(rate["end_s"][3] * 1e9), device="gpus")
    assert rate["energy_rate_w"][3] == pytest.approx(e.mean_power_w, rel=1e-4)
    assert (rate["energy_rate_w"] * widths).sum() == pytest.approx(whole.energy_j, rel=0.2)


def test_derivatives_keep_to_the_refresh(report):
    data = report.figure_data("power_derivative")
    refresh = refresh_of(report)
    for device in ("gpu0", "gpu1"):
        ts = data["ts"][data["device"] == device]
        assert 3 <= len(ts) <= 1.6 / refresh
        # 200 W in no time, seen by a sensor of that refresh: no steeper than that.
        assert np.abs(data["dp_w_per_s"]).max() < 1.5 * 200 / refresh * 2
        assert np.abs(data["dp_w_per_s"]).max() > 200


# ---- distributions ----


def held(ts):
    steps = np.diff(ts)
    usual = np.median(steps)
    return np.append(np.minimum(steps, 10 * usual), usual)


def test_histograms_count_time(report):
    data = report.figure_data("power_hist")
    for device in ("gpu0", "gpu1"):
        s, mine = samples(report, device), data["device"] == device
        low, high, time_s = (data[key][mine] for key in ("low", "high", "time_s"))
        weights = held(s["ts"])
        assert (low[1:] == high[:-1]).all()
        for i in range(len(low)):
            last = i + 1 == len(low)
            inside = (s["p_w"] >= low[i]) & ((s["p_w"] < high[i]) | (last & (s["p_w"] == high[i])))
            assert time_s[i] == pytest.approx(weights[inside].sum(), abs=1e-9)
        assert time_s.sum() == pytest.approx(weights.sum())
    assert set(report.figure_data("util_hist")["quantity"]) == {"gpu_util", "mem_util"}


def test_widths_of_bins_are_those_of_freedman_and_diaconis():
    from joulemeter._figure_data import _edges

    values = np.random.default_rng(1).normal(size=2000)
    ours = _edges(np, values, np.ones(2000))
    theirs = np.histogram_bin_edges(values, "fd")
    assert abs(len(ours) - len(theirs)) <= 1
    assert len(_edges(np, np.array([5.0, 5.0]), np.ones(2))) == 2
    assert 2 < len(_edges(np, np.array([1.0] * 90 + [9.0] * 10), np.ones(100))) < 12
    assert len(_edges(np, np.array([0.0, 1e-9, 2e-9, 1e9]), np.ones(4))) <= 201


def test_quantiles_weigh_time():
    hypothesis = pytest.importorskip("hypothesis")
    st = hypothesis.strategies
    from joulemeter._figure_data import _quantile

    @hypothesis.settings(deadline=None, max_examples=50)
    @hypothesis.given(st.lists(st.tuples(st.integers(-50, 50), st.integers(1, 9)), min_size=1,
                               max_size=30), st.sampled_from([0.25, 0.5, 0.75, 0.9]))
    def check(pairs, share):
        every = sorted(value for value, count in pairs for _ in range(count))
        wanted = every[max(-(-int(share * 100 * len(every)) // 100), 1) - 1]
        values, weights = (np.array(column, float) for column in zip(*pairs))
        assert _quantile(np, values, weights * 0.1, share) == wanted

    check()


def test_ecdfs_say_median_and_p90(report):
    data = report.figure_data("power_ecdf")
    s, mine = samples(report, "gpu0"), data["device"] == "gpu0"
    value, share = data["value"][mine], data["share"][mine]
    assert (np.diff(value) > 0).all() and (np.diff(share) > 0).all() and share[-1] == 1
    weights = held(s["ts"])
    for i in (0, len(value) // 2, len(value) - 1):
        below = weights[s["p_w"] <= value[i]].sum() / weights.sum()
        assert share[i] == pytest.approx(below)
    line = list(data["line_device"]).index("gpu0")
    for key, wanted in (("median", 0.5), ("p90", 0.9)):
        assert data[key][line] == value[np.searchsorted(share, wanted * (1 - 1e-12))]
    assert list(report.figure_data("util_ecdf")["line_quantity"]) == ["gpu_util"] * 2 + \
        ["mem_util"] * 2


# ---- by phase ----


def test_boxes_are_tukeys(report):
    data = report.figure_data("power_boxplot_phase")
    ranges = [r for r in report.table("ranges").rows() if r["category"] in ("phase", "warmup")]
    boxes = {(phase, device): i for i, (phase, device)
             in enumerate(zip(data["phase"], data["device"]))}
    assert {phase for phase, _ in boxes} == {"train", "warmup", "infer"}
    for (phase, device), i in boxes.items():
        s = samples(report, device)
        inside = np.zeros(len(s["ts"]), bool)
        for r in ranges:
            if r["name"] == phase:
                inside |= (s["ts"] >= r["begin_s"]) & (s["ts"] <= r["end_s"])
        power = s["p_w"][inside]
        assert data["samples"][i] == len(power)
        q1, median, q3 = data["q1"][i], data["median"][i], data["q3"][i]
        assert q1 <= median <= q3 and {q1, median, q3} <= set(power)
        reach = 1.5 * (q3 - q1)
        assert data["whisker_low"][i] == power[power >= q1 - reach].min()
        assert data["whisker_high"][i] == power[power <= q3 + reach].max()
        far = power[(power < q1 - reach) | (power > q3 + reach)]
        assert sorted(data["outlier"][data["outlier_box"] == i]) == sorted(far)


def test_bars_are_the_table(report):
    phases = list(report.table("phases").rows())
    bars = report.figure_data("phase_energy_bar")
    assert list(bars["phase"]) == ["train", "warmup", "infer"]
    assert list(bars["energy_j"]) == [row["energy_j"] for row in phases]
    assert list(bars["energy_u95_j"]) == [row["energy_u95_j"] for row in phases]
    times = report.figure_data("phase_time_bar")["time_s"]
    assert list(times) == [row["time_s"] for row in phases]
    assert times[2] == pytest.approx(0.4, abs=0.2)


# ---- power and utilisation ----


def test_scatter_and_hexagons(report):
    scatter, hexagons = (report.figure_data(f"power_util_{kind}") for kind in ("scatter", "hexbin"))
    assert set(scatter["phase"]) <= {"", "train", "warmup", "infer"}
    assert (scatter["gpu_util"] <= 100).all() and len(scatter["p_w"]) == len(scatter["ts"])
    total = sum(held(s["ts"])[~np.isnan(s["gpu_util"])].sum()
                for s in (samples(report, "gpu0"), samples(report, "gpu1")))
    assert hexagons["time_s"].sum() == pytest.approx(total)
    centres = set(zip(hexagons["x"].round(9), hexagons["y"].round(9)))
    assert len(centres) == len(hexagons["x"])
    width, height = hexagons["width"][0], hexagons["height"][0]
    for x, y in zip(scatter["gpu_util"], scatter["p_w"]):  # each has a centre near by
        near = (np.abs(hexagons["x"] - x) <= 0.51 * width) & \
            (np.abs(hexagons["y"] - y) <= 0.67 * height)
        assert near.any()


# ---- what is missing ----


def test_figures_without_data_say_why(cpu_only):
    assert cpu_only.device == "total"
    for name in NAMES:
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
    for name in NAMES:
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
    report.export(tmp_path, figures=True, dpi=40, smooth=3)
    drawn = {path.name: path.read_bytes()[:8] for path in (tmp_path / "figures").iterdir()}
    assert drawn == {f"{name}.png": b"\x89PNG\r\n\x1a\n" for name in NAMES}
    from matplotlib import pyplot

    assert pyplot.get_fignums() == []  # no window, no state of others


def test_some_figures_are_drawn(report, tmp_path):
    figure = pytest.importorskip("matplotlib.figure")
    drawn = report.plot(figs=["power_time", "phase_energy_bar"])
    assert [type(f) for f in drawn.values()] == [figure.Figure] * 2
    assert list(report.plot(figs="power_ecdf")) == ["power_ecdf"]
    path = report.plot_one("power_ecdf", out_dir=tmp_path / "new", format="svg", dpi=40)
    assert path == str(tmp_path / "new" / "power_ecdf.svg")
    paths = report.plot("power_time", out_dir=tmp_path, format="pdf", dpi=40)
    assert paths == {"power_time": str(tmp_path / "power_time.pdf")}
    plain = report.plot_one("power_time", shade_phases=False)
    shaded = report.plot_one("power_time")
    assert len(plain.axes[0].patches) == 0 and len(shaded.axes[0].patches) == 4
    with pytest.raises(ValueError, match="png, pdf, svg"):
        report.plot_one("power_time", format="gif")


def test_figures_without_data_are_left_out(cpu_only, tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.warns(jm.JoulemeterWarning, match="gpu_util_time has no data.*; mem_util_time"):
        drawn = cpu_only.plot(all=True, out_dir=tmp_path, dpi=40)
    assert list(drawn) == [n for n in NAMES if "util" not in n and "phase" not in n]
    with pytest.raises(ValueError, match="was not measured"):
        cpu_only.plot_one("gpu_util_time")


def test_without_libraries(report, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install joulemeter\[viz\]"):
        report.plot_one("power_time")
    assert len(report.figure_data("power_time")["p_w"]) > 0
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(ImportError, match=r"pip install joulemeter\[viz\]"):
        report.figure_data("power_time")
