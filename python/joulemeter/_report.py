"""Report: what a recording says, as text, numbers and tables."""

from __future__ import annotations

import os

from ._frames import Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

    import _joulemeter
    import numpy
    import pandas
    import pyarrow

    from ._attribution import Attribution
    from ._energy import Energy
    from ._statistics import Forecast

    Path = Union[str, "os.PathLike[str]"]

_TABLES = ("samples", "readings", "marks", "ranges", "batches", "epochs", "phases")
_UTILISATION = ("gpu_util", "mem_util", "avg_gpu_util", "avg_mem_util")


class Report:
    """What was measured.

    Parameters
    ----------
    recording : _joulemeter.Recording
    device : int or str, optional
        Whose energy the tables are of: "total", "gpus", "gpu0" ... Default: the GPUs' if there are
        any, else the total.
    name : str

    Attributes
    ----------
    summary : dict
        All figures, each with its uncertainty.
    samples_df, marks_df, ranges_df, batches_df, epochs_df, phases_df : pandas.DataFrame
        The tables (docs/tables.md lists their columns). Without pandas use ``table(name)``.
    collect_util : bool
        False: samples, epochs, phases and the summary show no utilisation.
    """

    def __init__(self, recording: "_joulemeter.Recording", device: Union[None, int, str] = None,
                 name: str = "") -> None:
        self.recording = recording
        self.device = device if device is not None else _main_device(recording)
        self.name = name
        self.collect_util = True
        self._summary: Optional[Dict[str, Any]] = None

    # ---- numbers ----

    @property
    def summary(self) -> Dict[str, Any]:
        """What `joulemeter show --json` says (docs/json.md), and beside it:

        ``train``, ``infer``: energy_j, energy_u95_j, time_s, avg_power_w, j_per_sample, samples,
        throughput, avg_gpu_util, avg_mem_util of the phases of that name; None where there are
        none or a figure is not known. ``phases``: rows of the table. ``per_device``: energy of the
        whole and of each phase. ``environment`` has versions, ``warnings`` is a list of sentences.
        """
        if self._summary is None:
            from ._summary import summary_of

            self._summary = summary_of(self)
        return self._summary

    def energy(self, device: Union[None, int, str] = None, **options: Any) -> "Energy":
        """Energy of the whole as an :class:`Energy`; ``device`` as in the constructor."""
        return self.recording.energy(device=self.device if device is None else device, **options)

    @property
    def warnings(self) -> List[str]:
        """What the user should know of, in sentences."""
        return self.recording.warnings()

    def forecast(self, total: int, phase: Optional[str] = None, *, level: float = 0.95,
                 warmup: str = "auto") -> "Forecast":
        """Energy and time of so many epochs in all, from those that were measured.

        Parameters
        ----------
        total : int
            Epochs of the whole training.
        phase : str, optional
            Phase that the epochs are in; by default that of the latest one.
        level, warmup
            As for :func:`joulemeter.forecast`.

        Raises
        ------
        ValueError
            No epoch has been measured to its end, or all were too short.
        """
        from ._statistics import forecast, is_estimate

        windows = _finished_epochs(self.recording, phase)
        if not windows:
            where = "" if phase is None else f" in a phase {phase!r}"
            raise ValueError(f"no epoch{where} has been measured to its end: mark them with "
                             "`with p.epoch(i)`")
        energies = self.recording.energies(windows, device=self.device)
        known = [energy for energy in energies if is_estimate(energy)]
        return forecast(known or energies, total, level=level, warmup=warmup)

    def attribute(self, by: Union[None, str, Sequence[str]] = None, *,
                  device: Union[None, int, str] = None, method: str = "regression",
                  prefix: Optional[str] = None,
                  windows: Optional[Sequence[Tuple[int, int]]] = None, net: bool = False,
                  calls: bool = False, split: Sequence[str] = ()) -> "Attribution":
        """Energies of layers, kernels or other ranges, also of such as no sensor can follow.

        Parameters
        ----------
        by : str or list of str, optional
            Category of the ranges, such as "layer". Default: layers, or else kernels, or else NVTX
            ranges.
        device : int or str, optional
            Default: the one that the ranges name, else the only GPU, else the first CPU.
        method : "regression", "time_share" or "boundary"
            The latter two are there for comparison; their intervals do not hold.
        prefix : str, optional
            Only ranges whose names begin so.
        windows : sequence of (begin_ns, end_ns), optional
            Energies are of calls that begin in one of these; readings of all times are used.
        net : bool
            Take the device's idle power off.
        calls : bool
            Also the energy of each call.
        split : "grid", "stream" or a sequence of both
            Kernels of one name that differ in it are parts of their own.

        Raises
        ------
        JoulemeterError
            There are no such ranges, or the device has no reading of power or energy.
        """
        from ._attribution import attribute

        return attribute(self.recording, by=by, device=device, method=method, prefix=prefix,
                         windows=windows, net=net, calls=calls, split=split)

    # ---- tables ----

    def table(self, name: str) -> Table:
        """A table: samples, readings, marks, ranges, batches, epochs or phases."""
        return Table(self.recording, name, self.device)

    def _frame(self, name: str) -> "pandas.DataFrame":
        frame = self.table(name).to_pandas()
        if not self.collect_util:
            frame = frame.drop(columns=[c for c in _UTILISATION if c in frame.columns])
        return frame

    @property
    def samples_df(self) -> "pandas.DataFrame":
        """A row for each sample of power: t (Unix s), ts (s since the start), p_w, gpu_util,
        mem_util, then device, temperature_c ..."""
        frame = self._frame("samples")
        first = [c for c in ("t", "ts", "p_w", "gpu_util", "mem_util") if c in frame.columns]
        return frame[first + [c for c in frame.columns if c not in first]]

    @property
    def marks_df(self) -> "pandas.DataFrame":
        """A row for each mark: name, t (Unix s), meta (JSON) ..."""
        frame = self._frame("marks")
        first = ["name", "t", "meta"]
        return frame[first + [c for c in frame.columns if c not in first]]

    @property
    def ranges_df(self) -> "pandas.DataFrame":
        return self._frame("ranges")

    @property
    def batches_df(self) -> "pandas.DataFrame":
        return self._frame("batches")

    @property
    def epochs_df(self) -> "pandas.DataFrame":
        return self._frame("epochs")

    @property
    def phases_df(self) -> "pandas.DataFrame":
        """A row for each name of a phase or warm-up: all its calls together."""
        return self._frame("phases")

    def to_arrow(self) -> Dict[str, "pyarrow.Table"]:
        """All tables by name; needs PyArrow."""
        return {name: self.table(name).to_arrow() for name in _TABLES}

    # ---- figures ----

    def list_figures(self) -> List[str]:
        """Names of all figures: PowerDL's 17, then more."""
        from ._figures import names

        return names()

    def figure_data(self, name: str, smooth: int = 1, *, shade_phases: bool = True,
                    raw: bool = False, top: int = 0, columns: int = 0) -> Dict[str, Any]:
        """What a figure shows, as the C library computed it (docs/figures.md); needs numpy.

        Parameters
        ----------
        name : str
            One of ``list_figures()``.
        smooth : int
            Curves are means over so many readings, 1 or more.
        shade_phases : bool
            With the phases behind figures over time.
        raw : bool
            Every reading, neither thinned out nor smoothed: not with ``smooth``.
        top : int
            Rows of layers and kernels; 0: 15.
        columns : int
            Pixels across, to which curves are thinned out; 0: 1000.

        Returns
        -------
        dict
            ``name``, ``title``, ``note``, ``has_phases``, axes ``x``, ``y`` and ``color`` (None if
            there is none), and ``marks``: dicts with ``kind``, ``label``, ``color``, ``style`` and
            arrays. What each kind has: docs/json.md.

        Raises
        ------
        ValueError
            There is no such figure (the message lists those there are), or no data for it (the
            message says why); or ``raw`` and ``smooth`` contradict each other.
        """
        from ._figures import data_of

        return data_of(self, name, smooth=smooth, phases=shade_phases, raw=raw, top=top,
                       columns=columns)

    def plot(self, figs: Union[None, str, Sequence[str]] = None, all: bool = False,
             out_dir: Optional["Path"] = None, show: bool = False, smooth: int = 1,
             shade_phases: bool = True, dpi: int = 300, format: str = "png", *,
             raw: bool = False, top: int = 0, width: Union[str, float] = "column",
             dark: bool = False, style: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        """Draws figures with matplotlib, ready for a paper.

        Parameters
        ----------
        figs : str or list of str, optional
            Default: power_time, util_time_dual, cumulative_energy and phase_energy_bar.
        all : bool
            All figures.
        out_dir : path, optional
            Folder to write ``<figure>.<format>`` to, made if need be.
        show : bool
            Open windows, or show them in the notebook.
        smooth : int
            Curves are means over so many readings, 1 or more.
        shade_phases : bool
            Show the phases behind figures over time.
        dpi : int
        format : "png", "pdf" or "svg"
        raw : bool
            Draw every reading: not with ``smooth``.
        top : int
            Rows of layers and kernels; 0: 15.
        width : "column" (89 mm), "page" (183 mm) or inches
        dark : bool
            On a dark ground.
        style : dict, optional
            matplotlib's settings that replace ours, of these figures alone: ``{"font.size": 9}``.

        Returns
        -------
        dict
            By name: the path where ``out_dir`` is given, else (Figure, Axes). What has no data is
            left out, with a warning that says why (with ``all`` of the 17 alone).

        Raises
        ------
        ValueError
            A name is not known (the message lists those that are), or ``raw`` and ``smooth``
            contradict each other.
        """
        from ._figures import plot

        return plot(self, figs, all, show,
                    {"smooth": smooth, "phases": shade_phases, "raw": raw, "top": top},
                    {"out_dir": out_dir, "dpi": dpi, "format": format},
                    width=width, dark=dark, style=style)

    def plot_one(self, fig: str, out_dir: Optional["Path"] = None, show: bool = False,
                 smooth: int = 1, shade_phases: bool = True, dpi: int = 300,
                 format: str = "png", *, ax: Any = None, raw: bool = False, top: int = 0,
                 width: Union[str, float] = "column", dark: bool = False,
                 style: Optional[Dict[str, Any]] = None) -> Any:
        """One figure; parameters as in :meth:`plot`, and:

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Draw into these, for panels of your own; the note beneath is left out.

        Returns
        -------
        (Figure, Axes), or the path where ``out_dir`` is given

        Raises
        ------
        ValueError
            There is no such figure, or no data for it: the message says why.
        """
        from ._figures import plot_one

        return plot_one(self, fig, show,
                        {"smooth": smooth, "phases": shade_phases, "raw": raw, "top": top},
                        {"out_dir": out_dir, "dpi": dpi, "format": format},
                        ax=ax, width=width, dark=dark, style=style)

    # ---- files ----

    def save(self, path: "Path") -> None:
        """Writes the recording as a file (.jm) that `joulemeter show` and open() take."""
        self.recording.save(path)

    def to_html(self, path: Optional["Path"] = None, title: Optional[str] = None, *,
                max_size_mb: Optional[float] = None) -> Optional[str]:
        """The report as one page that needs nothing else: timeline, tables, figures.

        Parameters
        ----------
        path : path, optional
            File to write, which appears when it is whole.
        title : str, optional
            Default: the command that was measured, else the report's name.
        max_size_mb : float, optional
            Size of the data, which curves are thinned out to meet: 0.1 to 500, default 1.5. A page
            has 0.6 MB beside its data.

        Returns
        -------
        str or None
            The page; None where it was written to a file.

        Raises
        ------
        RuntimeError
            This build of joulemeter has no page; the message says why.
        ValueError
            There is a recording at ``path``: it is not overwritten. Or ``max_size_mb`` is out of
            range.
        """
        if path is not None and _holds_recording(path):
            raise ValueError(f"{os.fspath(path)!r} is a recording; give the page another name, "
                             "such as train.html")
        if max_size_mb is not None and not 0.1 <= max_size_mb <= 500:
            raise ValueError(f"max_size_mb is 0.1 to 500 MB, not {max_size_mb!r}")
        html = self.recording.html(title if title is not None else self.name or None,
                                   int((max_size_mb or 0) * 1e6))
        if path is None:
            return html
        draft = f"{os.fspath(path)}.{os.getpid()}.part"
        try:
            with open(draft, "w", encoding="utf-8") as file:
                file.write(html)
            os.replace(draft, path)
        except BaseException:
            if os.path.exists(draft):
                os.unlink(draft)
            raise
        return None

    def export(self, out_dir: "Path", figures: bool = False, **options: Any) -> None:
        """Writes summary.json and CSV files into a folder, made if need be.

        Parameters
        ----------
        out_dir : path
            Gets summary.json, samples.csv, marks.csv, ranges.csv and phases.csv; batches.csv and
            epochs.csv when there are any.
        figures : bool
            Also all figures that have data, in ``figures/``.
        **options
            Those of :meth:`plot`.
        """
        from ._export import export

        export(self, out_dir)
        if figures:
            self.plot(all=True, out_dir=os.path.join(out_dir, "figures"), **options)

    # ---- looks ----

    def __str__(self) -> str:
        return self.recording.text()

    def __repr__(self) -> str:
        try:
            told = repr(self.energy())
        except RuntimeError as error:  # nothing was read, or the recording is gone
            told = str(error)
        return f"<Report {self.name!r}: {told}>"

    def _repr_html_(self) -> str:
        """The summary as a table, for notebooks."""
        from ._html import page

        return page(self)


def _main_device(recording: "_joulemeter.Recording") -> str:
    """ "gpus" if a GPU was measured, else "total"."""
    gpus = [d for d in recording.devices()
            if d["in_total"] and d["name"].startswith("gpu") and d["name"][3:].isdigit()]
    return "gpus" if gpus else "total"


def _holds_recording(path: "Path") -> bool:
    """A slip of the keyboard must not cost a measurement; no database is lost either."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return file.read(16) == b"SQLite format 3\0"


def _finished_epochs(recording: "_joulemeter.Recording",
                     phase: Optional[str]) -> List[Tuple[int, int]]:
    """Begin and end (ns) of the epochs of the latest training, of one process, of which all were
    trained to their end."""
    import json

    epochs = [epoch for epoch in recording.ranges("epoch") if not epoch["unfinished"]]
    for epoch in epochs:
        epoch["meta"] = json.loads(epoch["attributes"] or "{}")
    epochs = [epoch for epoch in epochs if "exception" not in epoch["meta"]]
    names = {one["id"]: one["name"] for one in recording.ranges("phase")}
    if phase is not None:
        epochs = [epoch for epoch in epochs if names.get(epoch["parent"]) == phase]
    if not epochs:
        return []
    latest = max(epochs, key=lambda epoch: epoch["begin_ns"])
    around = names.get(latest["parent"])
    windows: List[Tuple[int, int]] = []
    last = -1
    for epoch in sorted(epochs, key=lambda epoch: epoch["begin_ns"]):
        if epoch["pid"] != latest["pid"] or names.get(epoch["parent"]) != around:
            continue
        index = epoch["meta"].get("index", last + 1)
        if index <= last:
            windows = []  # a training began anew
        last = index
        windows.append((epoch["begin_ns"], epoch["end_ns"]))
    return windows
