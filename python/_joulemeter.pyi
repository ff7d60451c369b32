"""The C library of joulemeter, as the extension module shows it. The package joulemeter is the
interface to use."""

from os import PathLike
from types import TracebackType
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    List,
    Literal,
    Optional,
    Sequence,
    Tuple,
    Type,
    TypeVar,
    Union,
)

from joulemeter._energy import Energy

_Path = Union[str, bytes, "PathLike[str]", "PathLike[bytes]"]
_Device = Union[None, int, str]
_Range = TypeVar("_Range", bound="Range")

version: str

def bind(
    error: Type[BaseException],
    energy: Type[Any],
    json_text: Callable[[Dict[str, Any]], str],
    /,
) -> None: ...
def now_ns() -> int:
    """CLOCK_MONOTONIC, the clock of all times (ns)."""

def probe(
    *,
    gpus: Optional[str] = None,
    interval_s: Optional[float] = None,
    poll_s: Optional[float] = None,
    path: Optional[_Path] = None,
    max_samples: Optional[float] = None,
    max_memory_bytes: Optional[float] = None,
    warn_at: Optional[float] = None,
    spill_dir: Optional[_Path] = None,
    simulate: Optional[str] = None,
    root: Optional[_Path] = None,
    pid: Optional[int] = None,
    cpu_tdp_w: Optional[float] = None,
    gpu: Optional[bool] = True,
    cpu: Optional[bool] = True,
    join: Optional[bool] = True,
    keep_polls: Optional[bool] = False,
    sampler: Optional[bool] = True,
) -> Tuple[List[Dict[str, Any]], List[Dict[str, Any]]]:
    """(devices, findings): what can be measured here, and what cannot."""

_Run = Tuple[float, float, float, float]

def repeat(
    runs: Sequence[_Run], /, *, level: float = 0, stable_cv_pct: float = 0
) -> Dict[str, Any]:
    """How well runs of (energy_j, u_random_j, u_systematic_j, time_s) repeat."""

def sensitivity(
    groups: Sequence[Tuple[float, Sequence[_Run]]], /, *, level: float = 0
) -> Dict[str, Any]:
    """Does the sampling interval matter? Groups are (interval_s, runs)."""

def compare(
    a: Sequence[_Run],
    b: Sequence[_Run],
    /,
    *,
    level: float = 0,
    unpaired: bool = False,
    ratio_u: float = 0,
    name_a: str = "A",
    name_b: str = "B",
) -> Dict[str, Any]:
    """Runs of B against runs of A."""

def compare_systematic(
    a: Sequence[Tuple[float, float, float, bool]],
    b: Sequence[Tuple[float, float, float, bool]],
    /,
) -> float:
    """What gains and offsets leave of a ratio. Devices are (energy_j, u_systematic_j, duration_s,
    modelled)."""

def forecast(
    epochs: Sequence[_Run], total: int, /, *, level: float = 0, warmup: str = "auto"
) -> Dict[str, Any]:
    """Energy and time of so many epochs after these."""

def value_text(value: float, uncertainty: float, unit: str, /) -> str:
    """'124.2 ± 1.3 J'."""

def interval_text(lower: float, upper: float, unit: str, /) -> str:
    """'123.4–125.1 J'."""

class Range:
    """A named piece of time; a context manager. Made by a session."""

    @property
    def name(self) -> str: ...
    @property
    def id(self) -> int:
        """Its number; 0: it has not begun."""
    @property
    def category(self) -> str: ...
    @property
    def energy_j(self) -> float:
        """Joules of all devices."""
    @property
    def energy_u95_j(self) -> float: ...
    @property
    def time_s(self) -> float: ...
    @property
    def session(self) -> "Session": ...
    def __enter__(self: _Range) -> _Range: ...
    def __exit__(
        self,
        kind: Optional[Type[BaseException]] = None,
        value: Optional[BaseException] = None,
        trace: Optional[TracebackType] = None,
        /,
    ) -> Literal[False]: ...
    def end(self: _Range, **attributes: Any) -> _Range:
        """Ends the range, adding attributes such as loss=0.5. Returns it."""
    def end_at(self: _Range, end_ns: int, /, **attributes: Any) -> _Range:
        """Likewise, at a time of now_ns() that has passed."""
    def energy(
        self,
        device: _Device = "total",
        *,
        method: Optional[str] = "auto",
        gain_u: Optional[float] = None,
        offset_u_w: Optional[float] = None,
        activity: Optional[bool] = True,
        nearby: Optional[bool] = False,
    ) -> Energy:
        """Energy so far, or whole if the range has ended."""

class Session:
    """A session that measures."""

    sync: Optional[Callable[[], Any]]
    on_warning: Optional[Callable[[str], Any]]
    def __init__(
        self,
        *,
        gpus: Optional[str] = None,
        interval_s: Optional[float] = None,
        poll_s: Optional[float] = None,
        path: Optional[_Path] = None,
        max_samples: Optional[float] = None,
        max_memory_bytes: Optional[float] = None,
        warn_at: Optional[float] = None,
        spill_dir: Optional[_Path] = None,
        simulate: Optional[str] = None,
        root: Optional[_Path] = None,
        pid: Optional[int] = None,
        cpu_tdp_w: Optional[float] = None,
        gpu: Optional[bool] = True,
        cpu: Optional[bool] = True,
        join: Optional[bool] = True,
        keep_polls: Optional[bool] = False,
        sampler: Optional[bool] = True,
    ) -> None: ...
    @property
    def joined(self) -> bool:
        """True inside `joulemeter run`."""
    @property
    def closed(self) -> bool: ...
    def phase(self, name: str, /, **meta: Any) -> Range: ...
    def epoch(self, index: Optional[int] = None, /, **meta: Any) -> Range: ...
    def batch(
        self, index: Optional[int] = None, size: Optional[int] = None, /, **meta: Any
    ) -> Range: ...
    def range(self, name: str, /, category: str = "user", **meta: Any) -> Range:
        """Range that begins when it is entered."""
    def begin(self, name: str, /, category: str = "user", **meta: Any) -> Range:
        """Range that begins now; end it with .end()."""
    def mark(self, name: str, /, **meta: Any) -> None: ...
    def add_range(
        self,
        name: str,
        begin_ns: int,
        end_ns: int,
        category: int = 0,
        device: Optional[str] = None,
        stream: int = 0,
        attributes: Optional[str] = None,
        parent: int = 0,
    ) -> int:
        """A range with times known afterwards. Returns its id."""
    def devices(self) -> List[Dict[str, Any]]: ...
    def recording(self) -> Optional["Recording"]:
        """The recording so far; None in a joined session."""
    def close(self) -> Optional["Recording"]:
        """Stops measuring."""
    def flush(self) -> None: ...
    def check(self) -> None: ...
    def follow(self, pid: int, /) -> None: ...
    def set_info(self, key: str, value: str, /) -> None: ...
    def environment(self) -> Dict[str, str]:
        """Variables that let a child process join."""
    def _watch(self, modules: Optional[Dict[str, Any]], /) -> None: ...

class Recording:
    """What was measured."""

    @property
    def begin_ns(self) -> int: ...
    @property
    def end_ns(self) -> int: ...
    @property
    def utc_offset_ns(self) -> int: ...
    @property
    def range_count(self) -> int: ...
    @property
    def mark_count(self) -> int: ...
    @staticmethod
    def open(path: _Path, /) -> "Recording": ...
    def devices(self) -> List[Dict[str, Any]]: ...
    def sensors(self) -> List[Dict[str, Any]]: ...
    def warnings(self) -> List[str]: ...
    def ranges(self, category: str, /) -> List[Dict[str, Any]]:
        """Those of one category, without energies; ``index`` is the place among all ranges."""
    def info(self) -> Dict[str, str]: ...
    def stats(self) -> Dict[str, Any]: ...
    def energy(
        self,
        begin_ns: int = ...,
        end_ns: int = ...,
        /,
        *,
        device: _Device = "total",
        method: Optional[str] = "auto",
        gain_u: Optional[float] = None,
        offset_u_w: Optional[float] = None,
        activity: Optional[bool] = True,
        nearby: Optional[bool] = False,
    ) -> Energy:
        """Energy of a window; of all by default."""
    def energies(
        self,
        windows: Iterable[Sequence[int]],
        /,
        *,
        device: _Device = "total",
        method: Optional[str] = "auto",
        gain_u: Optional[float] = None,
        offset_u_w: Optional[float] = None,
        activity: Optional[bool] = True,
        nearby: Optional[bool] = False,
    ) -> List[Energy]:
        """Energies of (begin_ns, end_ns) pairs, in one pass."""
    def range_energy(
        self,
        id: int,
        /,
        *,
        device: _Device = "total",
        method: Optional[str] = "auto",
        gain_u: Optional[float] = None,
        offset_u_w: Optional[float] = None,
        activity: Optional[bool] = True,
        nearby: Optional[bool] = False,
    ) -> Energy: ...
    def attribute(
        self,
        by: Union[None, str, Sequence[str]] = None,
        device: _Device = None,
        method: Optional[str] = "regression",
        prefix: Optional[str] = None,
        windows: Optional[Sequence[Tuple[int, int]]] = None,
        net: bool = False,
        calls: bool = False,
        split: int = 0,
    ) -> str:
        """Energies of its layers or other parts, as JSON text."""
    def idle(self, device: _Device = "total", /) -> Optional[Dict[str, Any]]:
        """Idle power; None if it is not known."""
    def latest(
        self, quantity: str, at_ns: int = ..., device: _Device = "total"
    ) -> Optional[Tuple[float, int]]:
        """(value, t_ns) of the last reading until then; None if there is none or it failed."""
    def arrow(
        self,
        table: str,
        /,
        *,
        device: _Device = "total",
        method: Optional[str] = "auto",
        gain_u: Optional[float] = None,
        offset_u_w: Optional[float] = None,
        activity: Optional[bool] = True,
        nearby: Optional[bool] = False,
    ) -> object:
        """A table as a capsule of an Arrow C stream."""
    def columns(
        self,
        table: str,
        /,
        *,
        device: _Device = "total",
        method: Optional[str] = "auto",
        gain_u: Optional[float] = None,
        offset_u_w: Optional[float] = None,
        activity: Optional[bool] = True,
        nearby: Optional[bool] = False,
    ) -> Dict[str, Tuple[str, Union[bytes, List[Optional[str]]], Optional[bytes]]]:
        """A table as {name: (format, values, valid)}."""
    def table_csv(
        self,
        table: str,
        path: _Path,
        /,
        *,
        device: _Device = "total",
        method: Optional[str] = "auto",
        gain_u: Optional[float] = None,
        offset_u_w: Optional[float] = None,
        activity: Optional[bool] = True,
        nearby: Optional[bool] = False,
    ) -> None: ...
    def perfetto(
        self, path: _Path, offset_ns: int = 0, utc: bool = True, device: _Device = "total"
    ) -> None:
        """Writes a trace; offset_ns is added to times in UTC, or in CLOCK_MONOTONIC."""
    def text(self, width: int = 80, color: bool = False, top: int = 10) -> str: ...
    def json(self) -> str: ...
    def figures(
        self,
        *,
        device: _Device = "gpus",
        columns: int = 0,
        smooth: int = 1,
        top: int = 0,
        phases: bool = True,
        raw: bool = False,
    ) -> "Figures":
        """Makes figures of it."""
    def html(self, title: Optional[str] = None, max_data_bytes: int = 0, /) -> str:
        """The report as a page; 0: 1.5 MB of data."""
    def export(self, folder: _Path, /) -> None: ...
    def save(self, path: _Path, /) -> None: ...

class Calls:
    """Calls of parts of a program, as hooks tell of them."""

    def __init__(
        self,
        marks: Optional[List[Callable[[], Any]]] = None,
        more: Optional[Callable[[], Any]] = None,
        sequence: Optional[Callable[[], int]] = None,
        finish: Optional[Callable[..., Any]] = None,
        within: int = ...,
    ) -> None: ...
    @property
    def count(self) -> int:
        """Number of calls so far."""
    def begin(self, part: int, /) -> Callable[..., None]:
        """A hook that begins a call of it."""
    def end(self, part: int, /) -> Callable[..., None]:
        """A hook that ends a call of it."""
    def around(self, part: int, function: Callable[..., Any], /) -> Callable[..., Any]:
        """A function that does the same within a call of the part."""
    def cut(self) -> int:
        """Ends what is open; returns how many were."""
    def stop(self) -> int:
        """Likewise, and hooks do nothing any more."""
    def take(self) -> List[Tuple[int, int, int, int, int, int, int]]:
        """(part, begin, end, parent, thread, first, last) of the calls, which are then forgotten."""
    def flush_at(self, most: int, function: Callable[[], Any], /) -> None:
        """From now on it is called before a call that no other is around, once there are so many."""
    def current(self) -> int:
        """Index of the innermost open call of this thread, or -1."""
    def span(self, index: int, /) -> Tuple[int, int, int, int]:
        """(part, parent, first, last) of a call."""

class Figures:
    """Figures of a recording."""

    def make(self, name: str, /) -> Dict[str, Any]:
        """A figure as a dict of axes and marks; columns are bytes of native doubles."""

def figure_names() -> List[Tuple[str, str]]:
    """(name, title) of the figures of recordings."""

def figure_shades() -> List[str]:
    """Colours of the colour axis from its min to its max."""

def figure_runs(groups: List[Tuple[str, Any]], which: str, /) -> Dict[str, Any]:
    """Groups are (name, runs); which: energy, time, power."""

def figure_ratios(rows: List[Tuple[Any, ...]], /) -> Dict[str, Any]:
    """(name, energy, time, power), each (ratio, lower, upper)."""

def figure_limits(points: List[Tuple[float, ...]], /) -> Dict[str, Any]:
    """(limit_w, energy_j, u_random_j, time_s)."""

def figure_coverage(points: List[Tuple[str, int, int]], level: float, /) -> Dict[str, Any]:
    """(name, held, of)."""

class Limits:
    """The limits of GPUs."""

    def __init__(
        self,
        *,
        gpus: Optional[str] = None,
        simulate: Optional[str] = None,
        socket: Optional[str] = None,
        pid: int = 0,
        session: Optional[Session] = None,
    ) -> None: ...
    @property
    def count(self) -> int:
        """Number of GPUs."""
    def read(self, index: int, lever: str = "power", /) -> Dict[str, Any]:
        """A GPU's limit as a dict."""
    def set(
        self,
        index: Optional[int],
        value: Union[float, str],
        lever: str = "power",
        keep: bool = False,
    ) -> str:
        """Sets a limit: 250, '250W', '70%'. Index None: all GPUs. Returns what there is to be said
        of it."""
    def restore(self, index: Optional[int] = None, lever: str = "power", /) -> str:
        """Gives a limit back early."""
    def reset(
        self,
        index: Optional[int] = None,
        lever: str = "power",
        default: bool = False,
        force: bool = False,
    ) -> str:
        """Mends what was left, or sets the default."""
    def warnings(self) -> str:
        """What has happened to loans since the last call: a guard that was killed."""
    def environment(self) -> List[str]:
        """Settings for a child that is to see the same simulated GPUs."""
    def close(self) -> None:
        """Gives back what was set."""

class Steering:
    """Tunes the limit of GPUs: a session that measures, limits, and a tuner."""

    def __init__(
        self,
        *,
        gpus: Optional[str] = None,
        simulate: Optional[str] = None,
        socket: Optional[str] = None,
        session: Optional[Session] = None,
        lever: str = "power",
        objective: str = "ed2p",
        lowest: Union[None, float, str] = None,
        highest: Union[None, float, str] = None,
        trials: int = 0,
        tolerance_pct: float = 0,
        seconds: float = 0,
        least_seconds: float = 0,
    ) -> None: ...
    def give_back(self) -> None:
        """Gives the limit back at once, also while another thread polls; no other is set."""
    def next(self) -> Dict[str, Any]:
        """Begins the next trial: done, setting, gain_pct, reason."""
    def item(self, items: float = 1, end_ns: int = ..., /) -> None:
        """So much work was done by then."""
    def pause(self, begin_ns: int, end_ns: int, /) -> None:
        """The time between was no work."""
    def poll(self) -> Dict[str, Any]:
        """Goes on: running, done, ended, setting, reason, trials, last, state ..."""
    def end(self) -> None:
        """Ends the trial with what there is."""
    def measure(self, begin_ns: int, end_ns: int, items: float = 1, /) -> Dict[str, Any]:
        """That was the trial."""
    def enough(self, begin_ns: int, /) -> bool:
        """Is what was done since then enough for a trial?"""
    def fail(self) -> None:
        """The trial came to nothing."""
    def warnings(self) -> str:
        """What has happened to the limit since the last call."""
    def keep(self, setting: float, /) -> str:
        """Sets it for good; returns what there is to be said of it."""
    def limit(self) -> Dict[str, Any]:
        """The first GPU's limit as it is."""
    def result(self) -> Dict[str, Any]:
        """The answer so far."""
    def trials(self) -> List[Dict[str, Any]]:
        """Those so far."""
    def settings(self) -> List[float]:
        """Those there are."""
    def predict(self, setting: float, /) -> Dict[str, Any]:
        """What is known of a setting."""
    def csv(self, what: str, /) -> str:
        """'trials' or the 'curve'."""
    def figure(self) -> Dict[str, Any]:
        """The curve as a figure."""
    def close(self) -> None:
        """Gives the limit back."""

# ---- carbon, settings, logbook ----

class Grid:
    """What a kilowatt-hour costs: as the settings have it, with texts above them."""

    def __init__(self, overrides: Dict[str, str] = ...) -> None: ...
    def info(self) -> Dict[str, Any]:
        """Intensity, country, PUE, price ... as a dict."""

def settings() -> Dict[str, Tuple[Any, str]]:
    """{key: (value, source)}"""

def carbon(
    recording: Recording, grid: Grid, begin_ns: int, end_ns: int, device: _Device = "total", /
) -> Dict[str, Any]:
    """What a window's energy comes to."""

def log_append(path: Optional[str], values: Dict[str, Any], /) -> int:
    """Appends a row; its number."""

def log_recording(
    recording: Recording,
    path: Optional[str],
    values: Dict[str, Any],
    grid: Optional[Grid] = None,
    begin_ns: int = 0,
    end_ns: int = 0,
    place: bool = False,
) -> int:
    """Appends a row about a recording; its number."""

def log_rows(
    path: Optional[str],
    view: str,
    /,
    *,
    project: Optional[str] = None,
    tag: Optional[str] = None,
    since: float = 0,
    until: float = 0,
    id: int = 0,
    last: int = 0,
) -> List[Tuple[Any, ...]]:
    """[names, row ...]; views: all, powermeter, codecarbon, projects, months."""

def log_statement(
    path: Optional[str],
    format: str,
    /,
    *,
    project: Optional[str] = None,
    tag: Optional[str] = None,
    since: float = 0,
    until: float = 0,
    id: int = 0,
    last: int = 0,
) -> str:
    """A sentence and a table for a paper."""
