"""Draws marks with matplotlib, ready for a column or a page of a paper. Nothing is computed here but
where things go."""

from __future__ import annotations

import contextlib
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional, Tuple, Union

    import numpy

WIDTHS_IN = {"column": 89 / 25.4, "page": 183 / 25.4}
_POINT_IN = 1 / 72
_LETTER_IN = 0.53 * 7 * _POINT_IN  # of the usual text, on average
_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Arial", "Helvetica", "Liberation Sans", "Nimbus Sans", "DejaVu Sans"],
    "font.size": 7, "axes.labelsize": 7, "axes.titlesize": 7, "legend.fontsize": 6.5,
    "xtick.labelsize": 6.5, "ytick.labelsize": 6.5,
    "axes.linewidth": 0.6, "lines.linewidth": 0.9, "patch.linewidth": 0.6,
    "xtick.major.width": 0.5, "ytick.major.width": 0.5, "xtick.major.size": 2.5,
    "ytick.major.size": 2.5, "axes.labelpad": 2.5, "xtick.major.pad": 2, "ytick.major.pad": 2,
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
    "legend.frameon": False, "legend.handlelength": 1.4, "legend.columnspacing": 1.2,
    "legend.handletextpad": 0.5, "legend.labelspacing": 0.3, "legend.borderaxespad": 0.2,
    "axes.unicode_minus": True, "text.usetex": False, "text.parse_math": False,
    "pdf.fonttype": 42, "ps.fonttype": 42, "svg.hashsalt": "joulemeter", "savefig.facecolor": "auto",
    "figure.constrained_layout.h_pad": 0.02, "figure.constrained_layout.w_pad": 0.02,
}
_DARK = {
    "figure.facecolor": "#14171c", "axes.facecolor": "#14171c",
    "text.color": "#e6e6e6", "axes.labelcolor": "#e6e6e6", "axes.edgecolor": "#a0a0a0",
    "xtick.color": "#d0d0d0", "ytick.color": "#d0d0d0", "grid.color": "#333941",
}
_settings = threading.RLock()  # matplotlib's are the process's


def _matplotlib() -> Any:
    try:
        import matplotlib

        import matplotlib.figure  # noqa: F401
        import matplotlib.font_manager  # noqa: F401
        return matplotlib
    except ImportError as error:
        raise ImportError("figures need matplotlib: pip install joulemeter[viz]; without it "
                          "figure_data(name) gives what they show") from error


def draw(figure: Dict[str, Any], *, ax: Any = None, show: bool = False,
         width: Union[str, float] = "column", dark: bool = False,
         style: Optional[Dict[str, Any]] = None) -> Tuple[Any, Any]:
    with _settings, _look(dark, style):
        return _Drawing(figure, dark).draw(ax, show, _width_in(width))


def save(drawn: Any, path: str, dpi: int, *, dark: bool = False,
         style: Optional[Dict[str, Any]] = None) -> None:
    metadata = {"CreationDate": None} if path.endswith(".pdf") else \
        {"Date": None} if path.endswith(".svg") else None
    with _settings, _look(dark, style):
        drawn.savefig(path, dpi=dpi, metadata=metadata)


@contextlib.contextmanager
def _look(dark: bool, style: Optional[Dict[str, Any]]) -> Iterator[None]:
    """matplotlib with our settings, and the user's."""
    matplotlib = _matplotlib()
    with matplotlib.rc_context({**_STYLE, **(_DARK if dark else {}), **(style or {})}):
        matplotlib.rcParams["font.family"] = _fonts(matplotlib)
        yield


def _fonts(matplotlib: Any) -> List[str]:
    """The families that are installed, by name, before "sans-serif": what that is, texts would ask
    the settings of whoever saves the figure."""
    installed = set(matplotlib.font_manager.get_font_names())
    families = list(matplotlib.rcParams["font.family"])
    names = [name for family in families
             for name in matplotlib.rcParams.get(f"font.{family}", [family]) if name in installed]
    return names + [family for family in families if family not in names]


def _width_in(width: Union[str, float]) -> float:
    inches = WIDTHS_IN.get(width) if isinstance(width, str) else float(width)
    if inches is None or not 1 <= inches <= 100:
        raise ValueError("width is 'column' (89 mm), 'page' (183 mm) or a number of inches, not "
                         f"{width!r}")
    return inches


def shorten(name: str, most: int) -> str:
    """Without its middle, which tells least."""
    name = " ".join(name.split())
    if len(name) <= most:
        return name
    head = (max(most, 4) - 1) // 2
    return name[:head] + "…" + name[len(name) - (max(most, 4) - 1 - head):]


class _Drawing:
    def __init__(self, figure: Dict[str, Any], dark: bool) -> None:
        self.figure = figure
        self.dark = dark
        self.across = figure["y"] is not None and figure["y"]["categories"]
        self.labels: List[Tuple[Any, str]] = []

    # ---- the whole ----

    def draw(self, ax: Any, show: bool, width_in: float) -> Tuple[Any, Any]:
        own = ax is None
        self.letters = width_in / _LETTER_IN if own else _letters_of(ax)
        note = _wrapped(self.figure["note"], int(1.15 * self.letters))
        columns, rows = self._legend_shape()
        if own:
            lines = note.count("\n") + 1 if note else 0
            size = (width_in, self._height_in(width_in, rows, lines))
            drawn = _new_figure(size, show)
            ax = drawn.subplots()
        else:
            drawn = ax.figure
        for mark in self.figure["marks"]:
            getattr(self, "_" + mark["kind"])(ax, mark)
        self._axis(ax, "x")
        self._axis(ax, "y")
        self._grid(ax)
        if own and note:
            # not supxlabel's own place: it belongs to the left edge
            drawn.supxlabel(note, x=0.01, ha="left", fontsize=6,
                            color="#9aa0a6" if self.dark else "#666666")
        self._legend(drawn, ax, own, columns)
        return drawn, ax

    def _height_in(self, width_in: float, legend_rows: int, note_lines: int) -> float:
        body = 0.185 * (len(self.figure["y"]["ticks"]) + 0.6) if self.across \
            else 0.5 * min(width_in, 5.1)
        return float(body + 0.125 * legend_rows + 0.1 * note_lines + 0.42)

    def _color(self, mark: Dict[str, Any]) -> str:
        if "guide" in mark["style"]:
            return "#8a8a8a"
        return str(mark["color_dark" if self.dark else "color"])

    def _label(self, artist: Any, mark: Dict[str, Any]) -> None:
        if mark["label"]:
            self.labels.append((artist, shorten(mark["label"], int(0.8 * self.letters))))

    # ---- axes ----

    def _axis(self, ax: Any, which: str) -> None:
        axis = self.figure[which]
        if axis is None:
            return
        limits = (axis["max"], axis["min"]) if axis["categories"] else (axis["min"], axis["max"])
        getattr(ax, f"set_{which}lim")(*limits)
        if axis["hidden"]:
            getattr(ax, f"set_{which}ticks")([])
            for spine in ax.spines.values():
                spine.set_visible(False)
            return
        texts = list(axis["tick_texts"])
        step = self._tick_step(texts) if which == "x" else 1
        if axis["categories"]:
            texts = [shorten(text, int(0.42 * self.letters)) for text in texts]
            ax.tick_params(axis=which, length=0)
            ax.spines["left" if which == "y" else "bottom"].set_visible(False)
        getattr(ax, f"set_{which}ticks")(axis["ticks"][::step], texts[::step])
        getattr(ax, f"set_{which}label")(axis["label"])

    def _tick_step(self, texts: List[str]) -> int:
        """Beside long names of categories there is room for fewer numbers."""
        if not self.across:
            return 1
        longest = max((len(text) for text in self.figure["y"]["tick_texts"]), default=0)
        room = self.letters - min(longest, 0.42 * self.letters) - 6
        needed = sum(len(text) + 3 for text in texts)
        return max(1, -int(-needed // max(room, 1)))

    def _grid(self, ax: Any) -> None:
        if not self.figure["x"]["hidden"]:
            ax.grid(axis="x" if self.across else "y", lw=0.4,
                    color="#333941" if self.dark else "#e4e4e4")

    def _legend_shape(self) -> Tuple[int, int]:
        labels = [mark["label"] for mark in self.figure["marks"] if mark["label"]]
        if not labels:
            return 1, 0
        longest = min(max(map(len, labels)), int(0.8 * self.letters))
        columns = max(1, int(1.05 * self.letters / (longest + 5)))
        return columns, -(-len(labels) // columns)

    def _legend(self, drawn: Any, ax: Any, own: bool, columns: int) -> None:
        if not self.labels:
            return
        artists, texts = zip(*self.labels)
        if own:
            drawn.legend(artists, texts, loc="outside upper left", ncols=columns)
        else:
            ax.legend(artists, texts, loc="lower left", bbox_to_anchor=(0, 1), ncols=columns)

    # ---- marks ----

    def _curve(self, ax: Any, mark: Dict[str, Any], **how: Any) -> None:
        thin = "small" in mark["style"] or "guide" in mark["style"]
        line, = ax.plot(mark["x"], mark["y"], color=self._color(mark), lw=0.6 if thin else 0.9,
                        ls=(0, (4, 2)) if "dashed" in mark["style"] else "-",
                        solid_joinstyle="round", **how)
        self._label(line, mark)

    def _line(self, ax: Any, mark: Dict[str, Any]) -> None:
        self._curve(ax, mark)

    def _step(self, ax: Any, mark: Dict[str, Any]) -> None:
        self._curve(ax, mark, drawstyle="steps-post")

    def _area(self, ax: Any, mark: Dict[str, Any]) -> None:
        self._label(ax.fill_between(mark["x"], mark["low"], mark["high"], color=self._color(mark),
                                    alpha=0.25, lw=0), mark)

    def _whiskers(self, ax: Any, mark: Dict[str, Any], place: Any, color: str) -> None:
        """From low to high, wherever the value itself is; `place` is along the other axis."""
        middle = (mark["low"] + mark["high"]) / 2
        half = (mark["high"] - mark["low"]).clip(min=0) / 2  # errorbar takes nothing below 0
        bars = {"x": middle, "y": place, "xerr": half} if self.across else \
            {"x": place, "y": middle, "yerr": half}
        ax.errorbar(fmt="none", ecolor=color, elinewidth=0.8, capsize=1.6, capthick=0.8, **bars)

    def _bar(self, ax: Any, mark: Dict[str, Any]) -> None:
        from matplotlib.collections import PolyCollection

        x, x2, y, y2 = (mark[name] for name in ("x", "x2", "y", "y2"))
        corners = [[(a, c), (b, c), (b, d), (a, d)] for a, b, c, d in zip(x, x2, y, y2)]
        tile = self.figure["x"]["hidden"]
        drawn = PolyCollection(
            corners, facecolor=self._color(mark), alpha=0.5 if "faint" in mark["style"] else 0.92,
            edgecolor=("#14171c" if self.dark else "white") if tile else "none",
            lw=0.8 if tile else 0)
        ax.add_collection(drawn, autolim=False)
        self._label(drawn, mark)
        if "low" in mark:
            self._whiskers(ax, mark, (y + y2) / 2 if self.across else (x + x2) / 2,
                           "#dddddd" if self.dark else "#333333")

    def _box(self, ax: Any, mark: Dict[str, Any]) -> None:
        color, y = self._color(mark), mark["y"]
        boxes = [(low, high - low) for low, high in zip(mark["q1"], mark["q3"])]
        for place, box in zip(y, boxes):
            drawn = ax.broken_barh([box], (place - 0.28, 0.56), facecolor=color, alpha=0.35, lw=0)
            ax.broken_barh([box], (place - 0.28, 0.56), facecolor="none", edgecolor=color, lw=0.8)
        ax.hlines(y, mark["low"], mark["q1"], color=color, lw=0.8)
        ax.hlines(y, mark["q3"], mark["high"], color=color, lw=0.8)
        for ends in ("low", "high"):
            ax.vlines(mark[ends], y - 0.13, y + 0.13, color=color, lw=0.8)
        ax.vlines(mark["x"], y - 0.28, y + 0.28, color=color, lw=1.6)
        self._label(drawn, mark)

    def _hexagon(self, ax: Any, mark: Dict[str, Any]) -> None:
        from matplotlib.collections import PolyCollection
        from matplotlib.colors import LinearSegmentedColormap

        import _joulemeter

        axis = self.figure["color"]
        corners = ((0.5, -0.25), (0.5, 0.25), (0, 0.5), (-0.5, 0.25), (-0.5, -0.25), (0, -0.5))
        cells = [[(x + a * width, y + b * height) for a, b in corners] for x, y, width, height
                 in zip(mark["x"], mark["y"], mark["x2"], mark["y2"])]
        drawn = PolyCollection(
            cells, array=mark["value"], edgecolor="face", lw=0.2, clim=(axis["min"], axis["max"]),
            cmap=LinearSegmentedColormap.from_list("time", _joulemeter.figure_shades()))
        ax.add_collection(drawn, autolim=False)
        bar = ax.figure.colorbar(drawn, ax=ax, label=axis["label"], pad=0.02, aspect=25)
        bar.set_ticks(axis["ticks"], labels=axis["tick_texts"])
        bar.outline.set_visible(False)

    def _point(self, ax: Any, mark: Dict[str, Any]) -> None:
        small = "small" in mark["style"]
        points, = ax.plot(mark["x"], mark["y"], "o", ms=1.6 if small else 2.8, mew=0,
                          color=self._color(mark), clip_on=small)
        self._label(points, mark)
        if "low" in mark:
            self._whiskers(ax, mark, mark["y" if self.across else "x"], self._color(mark))

    def _span(self, ax: Any, mark: Dict[str, Any]) -> None:
        pieces = list(zip(mark["x"], mark["x2"] - mark["x"]))
        drawn = ax.broken_barh(pieces, (0, 1), transform=ax.get_xaxis_transform(),
                               facecolor=self._color(mark), alpha=0.14, lw=0, zorder=0)
        self._label(drawn, mark)

    def _text(self, ax: Any, mark: Dict[str, Any]) -> None:
        for x, y, text in zip(mark["x"], mark["y"], mark["text"]):
            ax.text(x, y, text, ha="center", va="center", fontsize=6,
                    color="#14171c" if self.dark else "white", clip_on=True)


def _new_figure(size: Tuple[float, float], show: bool) -> Any:
    """pyplot's figure to be shown; else one of its own, which opens no window and is nobody else's."""
    if show:
        from matplotlib import pyplot

        return pyplot.figure(figsize=size, layout="constrained")
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained")


def _letters_of(ax: Any) -> float:
    inches = ax.get_window_extent().width / ax.figure.dpi
    return float(max(1.3 * inches, 1) / _LETTER_IN)


def _wrapped(text: str, letters: int) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, max(letters, 20)))
