"""What is said of runs that were measured: spreads, ratios, forecasts. The numbers are the C
library's (jm_repeat_analyse, jm_compare, jm_forecast_epochs)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Optional, Sequence

import _joulemeter

from ._bind import JoulemeterError

if TYPE_CHECKING:
    from ._energy import Energy


class _Figures:
    """What dataclasses of figures have in common."""

    def to_dict(self) -> Dict[str, Any]:
        """For JSON: what is not known is None."""
        return _without_nan(asdict(self))  # type: ignore[call-overload]


def _without_nan(value: Any) -> Any:
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, dict):
        return {key: _without_nan(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(part) for part in value]
    if hasattr(value, "to_dict"):
        return _without_nan(value.to_dict())
    return value


@dataclass(frozen=True)
class Spread(_Figures):
    """Numbers that ought to be equal. NaN: too few runs to tell.

    Attributes
    ----------
    median, mean, sd, min, max : float
        ``sd`` is the standard deviation of one run.
    cv_pct : float
        ``sd`` as % of the mean.
    mean_lower, mean_upper : float
        Interval of the mean (Student's t): three runs or more.
    median_lower, median_upper : float
        Interval of the median, whatever the distribution: six runs or more.
    slope, drift_pct, drift_p, drifts
        Trend from run to run: by Theil and Sen, a run and from first to last as % of the median;
        chance of such a trend if there is none (Mann-Kendall); whether it is significant.
    outliers : int
    """

    median: float
    mean: float
    sd: float
    cv_pct: float
    min: float
    max: float
    mean_lower: float
    mean_upper: float
    median_lower: float
    median_upper: float
    slope: float
    drift_pct: float
    drift_p: float
    drifts: bool
    outliers: int


@dataclass(frozen=True)
class Sensitivity(_Figures):
    """Whether what is measured depends on the sampling interval.

    Attributes
    ----------
    p : float
        Chance of medians so far apart if it does not (a permutation test). NaN: too few runs.
    differs : bool
    largest_pct : float
        Highest median over the lowest, less 1.
    lowest, highest : float
        Their intervals, s.
    """

    p: float
    differs: bool
    largest_pct: float
    lowest: float
    highest: float


def _plot(figure: Dict[str, Any], look: Dict[str, Any], energies: "List[Energy]") -> Any:
    from .figures import drawn

    told = {"simulated": "Simulated GPU.", "modelled": "CPU power is modelled, not measured."}
    said = [sentence for word, sentence in told.items()
            if any(word in energy.provenance for energy in energies)]
    figure["note"] = " ".join([*filter(None, [figure["note"]]), *said])
    return drawn(figure, look)


def _plot_runs(groups: "List[tuple[str, Repeat]]", which: str, look: Dict[str, Any]) -> Any:
    return _plot(_joulemeter.figure_runs(
        [(name, [numbers_of(run) for run in group.runs]) for name, group in groups], which), look,
        [run for _, group in groups for run in group.runs])


@dataclass(frozen=True)
class Repeat(_Figures):
    """How well runs of one piece of code repeat.

    Attributes
    ----------
    name : str
    runs : list of Energy
        Of all devices together, in the order in which they ran.
    devices : dict
        By name of the device, where there are several: its energies in these runs.
    energy_j, time_s, power_w : Spread
    u_random_j : float
        Standard uncertainty of one run's measurement; ``energy_j.sd`` contains it.
    u_systematic_j : float
        Of the mean, the same in all runs: repeating does not help.
    u95_j : float
        Of the mean as an absolute figure, both together at 95 %.
    outliers : list of int
        Runs that stand out, from 0. They count in all figures.
    flags : list of str
        few, drift, outliers, noisy, sensor (half of the spread or more is the measurement's own).
    stable : bool
        None of the first four.
    interrupted : bool
        Ctrl-C came: these are the runs until then.
    interval_s : float
        Longest time between two samples that are kept.
    by_interval : dict
        With ``intervals_s``: a Repeat for each of them. This one is the first.
    sensitivity : Sensitivity or None
    """

    name: str
    runs: "List[Energy]"
    devices: "Dict[str, List[Energy]]"
    energy_j: Spread
    time_s: Spread
    power_w: Spread
    u_random_j: float
    u_systematic_j: float
    u95_j: float
    outliers: List[int]
    flags: List[str]
    stable: bool
    interrupted: bool = False
    interval_s: float = 0.0
    by_interval: "Dict[float, Repeat]" = field(default_factory=dict)
    sensitivity: Optional[Sensitivity] = None

    def plot(self, which: str = "energy", **look: Any) -> Any:
        """Every run as a point, with the median and its interval; needs numpy and matplotlib.

        Parameters
        ----------
        which : "energy", "time" or "power"
        **look
            ``ax``, ``show``, ``width``, ``dark``, ``style`` as in :meth:`Report.plot_one`.

        Returns
        -------
        (matplotlib.figure.Figure, matplotlib.axes.Axes)
        """
        groups = list(self.by_interval.values()) or [self]
        return _plot_runs([(group.name if len(groups) == 1 else f"{1e3 * group.interval_s:g} ms",
                            group) for group in groups], which, look)

    def __str__(self) -> str:
        lines = [_heading(self)]
        lines += [_line(name, spread, unit) for name, spread, unit in (
            ("energy", self.energy_j, "J"), ("time", self.time_s, "s"), ("power", self.power_w, "W"))]
        lines += _interval_lines(self)
        if self.outliers:
            named = ", ".join(str(i + 1) for i in self.outliers)
            lines.append(f"  run{'s' if len(self.outliers) > 1 else ''} {named} of {len(self.runs)} "
                         "stand out")
        if self.energy_j.drifts:
            lines.append(f"  energy drifts by {self.energy_j.drift_pct:+.2g} % from the first run "
                         f"to the last (p = {self.energy_j.drift_p:.2g})")
        return "\n".join(lines + _notes([self]))

    def _repr_html_(self) -> str:
        return _preformatted(str(self))


@dataclass(frozen=True)
class Ratio(_Figures):
    """B over A: a geometric mean of pairs of runs.

    Attributes
    ----------
    ratio, lower, upper : float
        With its interval: NaN for fewer than three pairs.
    u_random, u_systematic : float
        Standard uncertainties of the ratio's logarithm. A board's gain has cancelled.
    p, p_ranks : float
        Chance of such a ratio if there is no difference: by Student's t, by ranks.
    detectable_pct : float
        Difference that so many runs find in four cases of five.
    verdict : int
        -1: B is less; 1: B is more; 0: no significant difference.
    """

    ratio: float
    lower: float
    upper: float
    u_random: float
    u_systematic: float
    p: float
    p_ranks: float
    detectable_pct: float
    verdict: int


@dataclass(frozen=True)
class Comparison(_Figures):
    """Which of two pieces of code uses less energy.

    Attributes
    ----------
    a, b : Repeat
    energy, time, power : Ratio
        Of B to A.
    flags : list of str
        few, outliers, drift (of the ratio), ranks (a test by ranks contradicts the verdict).
    verdicts : dict
        A sentence each on energy, time and power.
    """

    a: Repeat
    b: Repeat
    energy: Ratio
    time: Ratio
    power: Ratio
    flags: List[str]
    verdicts: Dict[str, str]

    def plot(self, which: str = "energy", **look: Any) -> Any:
        """The runs of both side by side, or their ratios with intervals; needs numpy and
        matplotlib.

        Parameters
        ----------
        which : "energy", "time", "power" or "ratio"
        **look
            As for :meth:`Repeat.plot`.

        Returns
        -------
        (matplotlib.figure.Figure, matplotlib.axes.Axes)
        """
        if which != "ratio":
            return _plot_runs([(run.name, run) for run in (self.a, self.b)], which, look)
        ratios = [(r.ratio, r.lower, r.upper) for r in (self.energy, self.time, self.power)]
        return _plot(_joulemeter.figure_ratios([(self.b.name, *ratios)]), look,
                     self.a.runs + self.b.runs)

    def __str__(self) -> str:
        lines = []
        for run in (self.a, self.b):
            lines += [_heading(run), _line("energy", run.energy_j, "J"),
                      _line("time", run.time_s, "s")]
        lines.append("")
        lines += [text[:1].upper() + text[1:] if text.startswith("no ") else text
                  for text in self.verdicts.values()]
        return "\n".join(lines + _notes([self.a, self.b]))

    def _repr_html_(self) -> str:
        return _preformatted(str(self))


@dataclass(frozen=True)
class Forecast(_Figures):
    """Energy and time of a whole training, what is done included.

    Attributes
    ----------
    epochs, total : int
        How many are done, of how many.
    energy_j, energy_lower_j, energy_upper_j : float
        The interval is one of prediction; NaN: fewer than three epochs to go by.
    time_s, time_lower_s, time_upper_s : float
    energy_done_j, time_done_s : float
    u_systematic_j : float
        Standard uncertainty in the interval that more epochs do not shrink.
    flags : list of str
        few, warmup (the first epoch differs and is not extrapolated), energy trend, time trend.
    """

    epochs: int
    total: int
    energy_j: float
    energy_lower_j: float
    energy_upper_j: float
    time_s: float
    time_lower_s: float
    time_upper_s: float
    energy_done_j: float
    time_done_s: float
    u_systematic_j: float
    flags: List[str]

    def __str__(self) -> str:
        energy = _range_text(self.energy_j, self.energy_lower_j, self.energy_upper_j, "J")
        seconds = _range_text(self.time_s, self.time_lower_s, self.time_upper_s, "s")
        return f"all {self.total} epochs: {energy} in {seconds}"


def _range_text(value: float, lower: float, upper: float, unit: str) -> str:
    if lower != lower:
        return "about " + _joulemeter.value_text(value, float("nan"), unit)
    return _joulemeter.interval_text(lower, upper, unit)


def _heading(run: Repeat) -> str:
    state = "stable" if run.stable else "too few runs to tell" if "few" in run.flags else "not stable"
    cut = ", stopped by Ctrl-C" if run.interrupted else ""
    return f"{run.name}: {len(run.runs)} run{'s' if len(run.runs) != 1 else ''}, {state}{cut}"


def _line(name: str, spread: Spread, unit: str) -> str:
    text = f"  {name:7} {_joulemeter.value_text(spread.median, spread.sd, unit):>24}"
    if spread.cv_pct == spread.cv_pct:
        text += f"   CV {spread.cv_pct:.2g} %"
    if spread.median_lower == spread.median_lower:
        within = _joulemeter.interval_text(spread.median_lower, spread.median_upper, unit)
        text += f"   median {within}"
    elif spread.mean_lower == spread.mean_lower:
        within = _joulemeter.interval_text(spread.mean_lower, spread.mean_upper, unit)
        text += f"   mean {within}"
    return text


def _interval_lines(run: Repeat) -> List[str]:
    if len(run.by_interval) < 2:
        return []
    lines = ["  energy at each sampling interval:"]
    for interval, part in run.by_interval.items():
        lines.append(_line(f"{interval * 1e3:g} ms", part.energy_j, "J"))
    found = run.sensitivity
    if found is not None and found.p == found.p:
        verdict = "the interval matters" if found.differs else "no sign that the interval matters"
        lines.append(f"  {verdict}: medians differ by {found.largest_pct:.2g} % "
                     f"(p = {found.p:.2g})")
    return lines


def _notes(runs: Sequence[Repeat]) -> List[str]:
    """What all figures rest on."""
    provenances = {part.strip() for run in runs for energies in (run.runs, *run.devices.values())
                   for energy in energies for part in energy.provenance.split(",")}
    notes = []
    if any("simulated" in p for p in provenances):
        notes.append("  simulated devices: these are not real joules")
    if any("modelled" in p for p in provenances):
        notes.append("  part of it is modelled, an estimate from utilisation")
    first = runs[0]
    if first.energy_j.mean > 0:
        share = 196 * first.u_systematic_j / first.energy_j.mean
        notes.append(f"  all energies may be off by {share:.2g} % together, the same in every run")
    return notes


def _preformatted(text: str) -> str:
    from html import escape

    return f"<pre>{escape(text)}</pre>"


# ---- energies as numbers ----

def numbers_of(energy: "Energy") -> tuple:
    return (energy.energy_j, or_0(energy.u_random_j), or_0(energy.u_systematic_j),
            energy.duration_s)


def or_0(value: float) -> float:
    return value if value == value else 0.0


def is_estimate(energy: "Energy") -> bool:
    """Means and ratios need estimates: a bound is none."""
    return not energy.bound_only and energy.energy_j == energy.energy_j


def check_energy(energy: "Energy", what: str, remedy: str) -> None:
    """Raises what says why an energy is no estimate."""
    if energy.bound_only:
        raise ValueError(f"{what} takes {energy.duration_s * 1e3:.3g} ms, too short to be measured: "
                         f"{remedy}")
    if energy.energy_j != energy.energy_j:
        raise JoulemeterError("nothing measures energy here; joulemeter.findings() says why",
                              "JM_NO_DATA")


# ---- forecast ----

def forecast(epochs: "Iterable[Energy]", total: int, *, level: float = 0.95,
             warmup: str = "auto") -> Forecast:
    """Energy and time of a whole training, after some of its epochs.

    Parameters
    ----------
    epochs : list of Energy
        Of the epochs that are done: ``window.energy()`` of each. A report has
        ``report.forecast(total)``.
    total : int
        Epochs in all.
    level : float
        Of the interval.
    warmup : "auto", "none" or "first"
        Is the first epoch like the others? "auto" leaves it out if it differs, "first" always.

    Returns
    -------
    Forecast
    """
    done = list(epochs)
    for energy in done:
        check_energy(energy, "an epoch", "take several together")
    found = _joulemeter.forecast([numbers_of(e) for e in done], total, level=level, warmup=warmup)
    return Forecast(epochs=len(done), total=total, **found)
