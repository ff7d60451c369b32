"""Figures of reports: their marks as arrays, and files and windows with them. What they show is
computed in the C library (docs/figures.md), how they look is in _draw."""

from __future__ import annotations

import os

import _joulemeter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Sequence, Tuple, Union

    from ._report import Report

_USUAL = ("power_time", "util_time_dual", "cumulative_energy", "phase_energy_bar")
_POWERDL = 17
_FORMATS = ("png", "pdf", "svg")
_COLUMNS = ("x", "x2", "y", "y2", "low", "high", "q1", "q3", "value")
_UTILISATION = ("gpu_util_time", "mem_util_time", "util_time_dual", "util_hist", "util_ecdf",
                "util_boxplot_phase", "power_util_scatter", "power_util_hexbin")


def names() -> List[str]:
    return [name for name, _ in _joulemeter.figure_names()]


def _check(wanted: Sequence[str]) -> None:
    known = names()
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise ValueError(f"there is no figure {', '.join(map(repr, unknown))}; there are: "
                         + ", ".join(known))


def _numpy() -> Any:
    try:
        import numpy
    except ImportError as error:
        raise ImportError("figures need numpy: pip install joulemeter[viz]") from error
    return numpy


def as_arrays(figure: Dict[str, Any]) -> Dict[str, Any]:
    """The same figure with arrays in place of bytes."""
    numpy = _numpy()
    for axis in ("x", "y", "color"):
        if figure[axis] is not None:
            figure[axis]["ticks"] = numpy.frombuffer(figure[axis]["ticks"], dtype=float)
    for mark in figure["marks"]:
        for column in _COLUMNS:
            if column in mark:
                mark[column] = numpy.frombuffer(mark[column], dtype=float)
    return figure


class _Source:
    """Makes figures of a report; what several of them need is read once."""

    def __init__(self, report: Report, **options: Any) -> None:
        if options["smooth"] < 1:
            raise ValueError(f"smooth is a number of readings, 1 or more, not {options['smooth']}")
        if options["raw"] and options["smooth"] > 1:
            raise ValueError("raw=True shows each reading as it was, smooth=N means of N: "
                             "leave one out")
        self._collect_util = report.collect_util
        self._figures = report.recording.figures(device=report.device, **options)

    def make(self, name: str) -> Dict[str, Any]:
        if not self._collect_util and name in _UTILISATION:
            raise ValueError(f"{name} has no data: utilisation was left out (collect_util=False)")
        return as_arrays(self._figures.make(name))


def data_of(report: Report, name: str, **options: Any) -> Dict[str, Any]:
    _check([name])
    return _Source(report, **options).make(name)


def plot(report: Report, figs: Union[None, str, Sequence[str]], every: bool, show: bool,
         source: Dict[str, Any], file: Dict[str, Any], **look: Any) -> Dict[str, Any]:
    """`source`: options of what is shown, `file`: where it is written to, `look`: how it looks."""
    wanted = names() if every else list(_USUAL)
    if figs is not None and not every:
        wanted = [figs] if isinstance(figs, str) else list(figs)
    _check(wanted)
    powerdl = names()[:_POWERDL]  # that others have nothing to show need not be said unless asked for
    figures, drawn, without = _Source(report, **source), {}, []
    for name in wanted:
        try:
            figure = figures.make(name)
        except ValueError as error:
            if not every or name in powerdl:
                without.append(str(error))
            continue
        drawn[name] = draw(figure, show, file, **look)
    _show(show)
    if without:
        import warnings

        from ._bind import JoulemeterWarning

        warnings.warn("; ".join(without), JoulemeterWarning, stacklevel=3)
    return drawn


def plot_one(report: Report, name: str, show: bool, source: Dict[str, Any], file: Dict[str, Any],
             **look: Any) -> Any:
    _check([name])
    drawn = draw(_Source(report, **source).make(name), show, file, **look)
    _show(show)
    return drawn


def _show(show: bool) -> None:
    if show:
        from matplotlib import pyplot

        pyplot.show()


def draw(figure: Dict[str, Any], show: bool, file: Dict[str, Any],
         **look: Any) -> Union[str, Tuple[Any, Any]]:
    """Draws one: (Figure, Axes), or the path of the file if there is a folder to write to."""
    out_dir, format, dpi = file["out_dir"], file["format"], file["dpi"]
    if format not in _FORMATS:
        raise ValueError(f"format must be one of {', '.join(_FORMATS)}, not {format!r}")
    from . import _draw

    drawn = _draw.draw(figure, show=show, **look)
    if out_dir is None:
        return drawn
    os.makedirs(out_dir, exist_ok=True)
    path = os.path.join(out_dir, f"{figure['name']}.{format}")
    _draw.save(drawn[0], path, dpi, dark=look.get("dark", False), style=look.get("style"))
    if not show:
        drawn[0].clear()
    return path
