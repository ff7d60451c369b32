"""Draws a report's figures with matplotlib, from what _figure_data says they show."""

from __future__ import annotations

import os

from ._figure_data import FIGURES, Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Sequence, Union

    from ._figure_data import Data
    from ._report import Report

_USUAL = ("power_time", "util_time_dual", "cumulative_energy", "phase_energy_bar")
_FORMATS = ("png", "pdf", "svg")
_LABELS = {"p_w": "power (W)", "gpu_util": "GPU utilisation (%)",
           "mem_util": "memory utilisation (%)"}


def _check(names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in FIGURES]
    if unknown:
        raise ValueError(f"there is no figure {', '.join(map(repr, unknown))}; there are: "
                         + ", ".join(FIGURES))


def _data(source: Source, name: str) -> Data:
    try:
        return FIGURES[name](source)
    except ValueError as error:
        raise ValueError(f"{name} has no data: {error}") from None


def data_of(report: Report, name: str, smooth: int = 1) -> Data:
    _check([name])
    return _data(Source(report, smooth), name)


def _pyplot(show: bool) -> Any:
    """matplotlib.pyplot to show figures; else the Figure class alone, which opens no window."""
    try:
        if show:
            from matplotlib import pyplot

            return pyplot.figure
        from matplotlib.figure import Figure

        return Figure
    except ImportError as error:
        raise ImportError("figures need matplotlib: pip install joulemeter[viz]; without it "
                          "figure_data(name) gives what they show") from error


def plot(report: Report, figs: Union[None, str, Sequence[str]], every: bool,
         **options: Any) -> Dict[str, Any]:
    names = list(FIGURES) if every else list(_USUAL)
    if figs is not None and not every:
        names = [figs] if isinstance(figs, str) else list(figs)
    _check(names)
    source, drawn, without = Source(report, options["smooth"]), {}, []
    _pyplot(options["show"])
    for name in names:
        try:
            data = _data(source, name)
        except ValueError as error:
            without.append(str(error))
            continue
        drawn[name] = _finish(source, name, data, **options)
    if options["show"]:
        from matplotlib import pyplot

        pyplot.show()
    if without:
        import warnings

        from ._bind import JoulemeterWarning

        warnings.warn("; ".join(without), JoulemeterWarning, stacklevel=3)
    return drawn


def plot_one(report: Report, name: str, **options: Any) -> Any:
    _check([name])
    source = Source(report, options["smooth"])
    figure = _finish(source, name, _data(source, name), **options)
    if options["show"]:
        from matplotlib import pyplot

        pyplot.show()
    return figure


def _finish(source: Source, name: str, data: Data, *, out_dir: Any, show: bool, smooth: int,
            shade_phases: bool, dpi: int, format: str) -> Any:
    """Draws one, and writes it if there is where to."""
    if format not in _FORMATS:
        raise ValueError(f"format must be one of {', '.join(_FORMATS)}, not {format!r}")
    figure = _pyplot(show)(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    _DRAW[name](axes, data)
    axes.set_title(name.replace("_", " "))
    if shade_phases and name in _OVER_TIME:
        _shade(axes, source)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="small")
    if out_dir is None:
        return figure
    os.makedirs(out_dir, exist_ok=True)
    path = os.path.join(out_dir, f"{name}.{format}")
    figure.savefig(path, dpi=dpi)
    if show:
        return path
    figure.clear()
    return path


def _shade(axes: Any, source: Source) -> None:
    colours: Dict[str, str] = {}
    for name, begin, end in source.spans():
        first = name not in colours
        colour = colours.setdefault(name, f"C{(len(colours) + 4) % 10}")
        axes.axvspan(begin, end, color=colour, alpha=0.12, lw=0, label=name if first else None)


def _lanes(data: Data, *keys: str) -> List[Any]:
    """(label, mask) of each combination of these columns, in their order."""
    found: Dict[Any, Any] = {}
    for row in zip(*(data[key] for key in keys)):
        found.setdefault(tuple(row), None)
    lanes = []
    for values in found:
        mask = data[keys[0]] == values[0]
        for key, value in zip(keys[1:], values[1:]):
            mask = mask & (data[key] == value)
        lanes.append((" ".join(values), mask))
    return lanes


# ---- one function each ----


def _draw_series(*names: str) -> Callable[[Any, Data], None]:
    def draw(axes: Any, data: Data) -> None:
        for device, mask in _lanes(data, "device"):
            for name in names:
                label = device if len(names) == 1 else f"{device} {name}"
                axes.plot(data["ts"][mask], data[name][mask], lw=1, drawstyle="steps-post",
                          label=label)
        axes.set(xlabel="time (s)",
                 ylabel=_LABELS[names[0]] if len(names) == 1 else "utilisation (%)")
        if "p_w" not in names:
            axes.set_ylim(-2, 102)

    return draw


def _draw_rate(axes: Any, data: Data) -> None:
    low = data["energy_rate_w"] - data["u95_w"]
    axes.plot(data["ts"], data["energy_rate_w"], lw=1)
    axes.fill_between(data["ts"], low.clip(min=0), data["energy_rate_w"] + data["u95_w"],
                      alpha=0.25, lw=0, label="95 %")
    axes.set(xlabel="time (s)", ylabel="energy rate (J/s)")


def _draw_derivative(axes: Any, data: Data) -> None:
    for device, mask in _lanes(data, "device"):
        axes.plot(data["ts"][mask], data["dp_w_per_s"][mask], lw=1, label=device)
    axes.set(xlabel="time (s)", ylabel="change of power (W/s)")


def _draw_cumulative(axes: Any, data: Data) -> None:
    axes.plot(data["ts"], data["energy_j"])
    axes.fill_between(data["ts"], data["lower_j"], data["upper_j"], alpha=0.25, lw=0, label="95 %")
    axes.set(xlabel="time (s)", ylabel="energy (J)")


def _quantity(data: Data) -> str:
    """What values are of: one quantity, or several utilisations."""
    names = set(data["quantity"])
    return _LABELS[names.pop()] if len(names) == 1 else "utilisation (%)"


def _draw_hist(axes: Any, data: Data) -> None:
    for label, mask in _lanes(data, "quantity", "device"):
        edges = [*data["low"][mask], data["high"][mask][-1]]
        axes.stairs(data["time_s"][mask], edges, fill=True, alpha=0.5, label=label)
    axes.set(xlabel=_quantity(data), ylabel="time (s)")


def _draw_ecdf(axes: Any, data: Data) -> None:
    for label, mask in _lanes(data, "quantity", "device"):
        axes.plot(data["value"][mask], data["share"][mask], drawstyle="steps-post", label=label)
    for i, median in enumerate(data["median"]):
        axes.plot([median, data["p90"][i]], [0.5, 0.9], "o", ms=4, color=f"C{i}")
    axes.set(xlabel=_quantity(data), ylabel="share of time", ylim=(0, 1.02))


def _draw_boxes(axes: Any, data: Data) -> None:
    several = len(set(data["device"])) * len(set(data["quantity"])) > 1
    boxes = []
    for i, phase in enumerate(data["phase"]):
        label = f"{phase}\n{data['device'][i]} {data['quantity'][i]}" if several else phase
        boxes.append({"q1": data["q1"][i], "med": data["median"][i], "q3": data["q3"][i],
                      "whislo": data["whisker_low"][i], "whishi": data["whisker_high"][i],
                      "fliers": data["outlier"][data["outlier_box"] == i], "label": label})
    axes.bxp(boxes, flierprops={"markersize": 2})
    axes.set(ylabel=_quantity(data))


def _draw_energy_bars(axes: Any, data: Data) -> None:
    names = [str(name) for name in data["phase"]]
    axes.bar(range(len(names)), data["energy_j"], yerr=data["energy_u95_j"], capsize=3)
    axes.set_xticks(range(len(names)), names)
    axes.set(ylabel="energy (J), 95 %")


def _draw_time_bars(axes: Any, data: Data) -> None:
    names = [str(name) for name in data["phase"]]
    axes.bar(range(len(names)), data["time_s"])
    axes.set_xticks(range(len(names)), names)
    axes.set(ylabel="time (s)")


def _draw_scatter(axes: Any, data: Data) -> None:
    for label, mask in _lanes(data, "phase"):
        axes.plot(data["gpu_util"][mask], data["p_w"][mask], "o", ms=2, alpha=0.5,
                  label=label or "no phase")
    axes.set(xlabel=_LABELS["gpu_util"], ylabel=_LABELS["p_w"])


def _draw_hexbin(axes: Any, data: Data) -> None:
    from matplotlib.collections import PolyCollection

    corners = ((0.5, -1 / 6), (0.5, 1 / 6), (0, 1 / 3), (-0.5, 1 / 6), (-0.5, -1 / 6), (0, -1 / 3))
    width, height = data["width"][0], data["height"][0]
    hexagons = [[(x + a * width, y + b * height) for a, b in corners]
                for x, y in zip(data["x"], data["y"])]
    drawn = PolyCollection(hexagons, array=data["time_s"], cmap="viridis")
    axes.add_collection(drawn)
    axes.autoscale_view()
    axes.figure.colorbar(drawn, ax=axes, label="time (s)")
    axes.set(xlabel=_LABELS["gpu_util"], ylabel=_LABELS["p_w"])


_DRAW: Dict[str, Callable[[Any, Data], None]] = {
    "power_time": _draw_series("p_w"),
    "gpu_util_time": _draw_series("gpu_util"),
    "mem_util_time": _draw_series("mem_util"),
    "util_time_dual": _draw_series("gpu_util", "mem_util"),
    "energy_rate": _draw_rate,
    "power_derivative": _draw_derivative,
    "cumulative_energy": _draw_cumulative,
    "power_hist": _draw_hist,
    "util_hist": _draw_hist,
    "power_ecdf": _draw_ecdf,
    "util_ecdf": _draw_ecdf,
    "power_boxplot_phase": _draw_boxes,
    "util_boxplot_phase": _draw_boxes,
    "phase_energy_bar": _draw_energy_bars,
    "phase_time_bar": _draw_time_bars,
    "power_util_scatter": _draw_scatter,
    "power_util_hexbin": _draw_hexbin,
}
_OVER_TIME = list(FIGURES)[:7]
