"""Profiler: a session with names; profile(), measure() and devices()."""

from __future__ import annotations

import atexit
import sys
import weakref

import _joulemeter

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing takes longer than all of this package
    from typing import (
        Any,
        Callable,
        Concatenate,
        Deque,
        Dict,
        List,
        Optional,
        ParamSpec,
        Protocol,
        Sequence,
        TypeVar,
        Union,
        overload,
    )

    from ._report import Report

    P = ParamSpec("P")
    Q = ParamSpec("Q")
    R = TypeVar("R", covariant=True)

    class Measured(Protocol[P, R]):
        """What :func:`measure` makes of a function or method."""

        last: Optional[_joulemeter.Range]
        measurements: Deque[_joulemeter.Range]

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
        @overload
        def __get__(self, instance: None, owner: Any) -> "Measured[P, R]": ...
        @overload
        def __get__(self: "Measured[Concatenate[Any, Q], R]", instance: object,
                    owner: Any) -> Callable[Q, R]: ...

from . import _sync
from ._bind import JoulemeterWarning

_open_profilers: "weakref.WeakSet[Profiler]" = weakref.WeakSet()
_innermost: List["weakref.ref[Profiler]"] = []
_MARKING = ("phase", "epoch", "batch", "range", "begin", "mark", "add_range")
_MOST_OPEN = 4096  # windows begun by name and not yet ended that are remembered


def _gpus_text(gpus: Union[None, int, str, Sequence[Union[int, str]]]) -> Optional[str]:
    """ "0,2" for 0, "0,2", [0, 2] or ["GPU-...", 1]; None: what CUDA_VISIBLE_DEVICES shows."""
    if gpus is None or isinstance(gpus, str):
        return gpus
    if isinstance(gpus, int):
        return str(gpus)
    return ",".join(str(gpu) for gpu in gpus) or "none"


class Profiler(_joulemeter.Session):
    """Measures from the moment it is made until it is closed.

    Use it as a context manager, or call ``close()``. See :func:`profile` for the parameters.
    Inside ``joulemeter run`` (or a forked child) it joins the outer recording: marks go there, one
    sampler measures, and ``joined`` is True.
    """

    def __init__(
        self,
        name: str = "session",
        *,
        gpus: Union[None, int, str, Sequence[Union[int, str]]] = None,
        interval_s: float = 0.02,
        path: Optional[str] = None,
        sync: Union[bool, str] = "auto",
        max_samples: Optional[int] = None,
        max_memory_mb: Optional[float] = None,
        warn_at_pct: float = 0.8,
        spill_dir: Optional[str] = None,
        idle_baseline_s: float = 0,
        cpu_tdp_w: Optional[float] = None,
        gpu: bool = True,
        cpu: bool = True,
        join: bool = True,
        simulate: Optional[str] = None,
        on_warning: Optional[Callable[[str], Any]] = None,
        **more: Any,
    ) -> None:
        if sync not in ("auto", True, False):
            raise ValueError("sync must be 'auto', True or False")
        options: Dict[str, Any] = {
            "gpus": _gpus_text(gpus), "interval_s": interval_s, "path": path,
            "max_samples": max_samples, "warn_at": warn_at_pct, "spill_dir": spill_dir,
            "cpu_tdp_w": cpu_tdp_w, "gpu": gpu, "cpu": cpu, "join": join, "simulate": simulate,
        }
        if max_memory_mb is not None:
            if not hasattr(max_memory_mb, "__float__"):
                raise TypeError(f"max_memory_mb must be a number, not {max_memory_mb!r}")
            options["max_memory_bytes"] = float(max_memory_mb) * 2**20
        options.update(more)
        super().__init__(**options)
        self.name = name
        self._windows: Dict[str, _joulemeter.Range] = {}
        self._whole: Optional[_joulemeter.Range] = None
        self._before_close: List[Callable[[], None]] = []  # ends what callbacks have left open
        self._frameworks: Optional[tuple] = None
        self._wait: Optional[Callable[[], None]] = None
        self.on_warning = on_warning if on_warning is not None else _warn
        _open_profilers.add(self)
        self.set_info("python", sys.version.split()[0])
        if idle_baseline_s > 0:
            self.measure_idle(idle_baseline_s)
        if sync:
            self._watch(sys.modules)

    # ---- windows ----

    def begin(self, name: str, category: str = "user",  # type: ignore[override]  # name=, too
              **meta: Any) -> "_joulemeter.Range":
        """Begins a window, which may overlap others in any way.

        Parameters
        ----------
        name : str
        category : str
            user, phase, epoch, batch, warmup, layer, kernel or nvtx.
        **meta
            Attributes that are kept with it.

        Returns
        -------
        Range
            End it with ``p.end(window)`` or ``window.end()``.
        """
        window = super().begin(name, category, **meta)
        if len(self._windows) >= _MOST_OPEN:
            del self._windows[next(iter(self._windows))]
        self._windows[name] = window
        return window

    def end(self, window: Union[str, "_joulemeter.Range"], **meta: Any) -> "_joulemeter.Range":
        """Ends a window, given itself or its name (the latest one begun with it).

        Returns
        -------
        Range
            ``window.energy()`` is its energy, worked out when it is asked for: ``.energy_j``,
            ``.energy_u95_j`` and ``.time_s`` are short for parts of it.
        """
        if isinstance(window, str):
            if window not in self._windows:
                raise LookupError(f"no window {window!r} is open")
            window = self._windows.pop(window)
        elif self._windows.get(window.name) is window:
            del self._windows[window.name]
        return window.end(**meta)

    def measure_idle(self, seconds: float) -> None:
        """Waits so long and records it as idle: the baseline for active and idle energy."""
        import time

        with self.range("idle", "warmup"):
            time.sleep(seconds)

    def _find_sync(self) -> Optional[Callable[[], None]]:
        """Called by the extension when sys.modules has changed."""
        frameworks = _sync.loaded()
        if frameworks != self._frameworks:
            self._frameworks = frameworks
            self._wait = _sync.waiter_for(frameworks)
        return self._wait

    # ---- life ----

    def __enter__(self):
        if self.closed:
            raise RuntimeError(_CLOSED)
        self._whole = self.range(self.name, "session")
        self._whole.__enter__()
        _innermost.append(weakref.ref(self))
        return self

    def __exit__(self, kind, value, trace) -> None:
        self._leave()
        if self._whole is not None:
            self._whole.__exit__(kind, value, trace)
        self.close()

    def _leave(self) -> None:
        _innermost[:] = [ref for ref in _innermost if ref() is not None and ref() is not self]

    def close(self):
        """Stops measuring and returns the recording (None where an outer session has it)."""
        self._leave()
        _open_profilers.discard(self)
        while self._before_close:
            self._before_close.pop()()
        if not self.closed:
            self._warn_when_used()
        return super().close()

    def _warn_when_used(self) -> None:
        """From now on the first mark or range warns; while it is open, none pays for asking."""
        from functools import partial

        for method in _MARKING:
            setattr(self, method, partial(_used_after_close, weakref.ref(self), method))

    # ---- results ----

    def report(self, device: Union[None, int, str] = None) -> Report:
        """What has been measured so far, or all of it once the profiler is closed.

        Parameters
        ----------
        device : int or str, optional
            Whose energy the tables are of: "total", "gpus", "gpu0", "cpu0" ... By default the
            GPUs' if there are any, else the total.

        Raises
        ------
        RuntimeError
            In a joined session: ``joulemeter run`` has the recording.
        """
        from ._report import Report

        recording = self.recording()
        if recording is None:
            raise RuntimeError(
                "this program runs inside `joulemeter run`, which has the recording: "
                "use `joulemeter run -o FILE.jm` and then joulemeter.open('FILE.jm')")
        return Report(recording, device=device, name=self.name)

    def __repr__(self) -> str:
        state = "closed" if self.closed else "joined" if self.joined else "measuring"
        return f"<{type(self).__name__} {self.name!r}, {state}>"


_CLOSED = "the profiler is closed: make a new one with joulemeter.profile()"


def _used_after_close(reference: "weakref.ref[Profiler]", method: str, /, *args: Any,
                      **meta: Any) -> Any:
    """Warns, and gives the methods back as they were: a training goes on, unmeasured."""
    profiler = reference()
    assert profiler is not None  # whose method is called
    for each in _MARKING:
        vars(profiler).pop(each, None)
    (profiler.on_warning or _warn)(f"{_CLOSED}; what follows is not measured")
    return getattr(profiler, method)(*args, **meta)


def _warn(message: str) -> None:
    import warnings

    warnings.warn(message, JoulemeterWarning, stacklevel=2)


def profile(name: str = "session", **options: Any) -> Profiler:
    """Starts to measure: ``with joulemeter.profile() as p: ...``.

    Parameters
    ----------
    name : str
        Name of the whole, as reports show it.
    gpus : int, str or list, optional
        GPUs to measure: 0, "0,2", UUIDs, "all", "none". Default: what CUDA_VISIBLE_DEVICES shows.
    interval_s : float
        One sample at least is kept every so often; sensors are polled as fast as they refresh.
    path : str, optional
        Recording file (.jm) that is written as the program runs and survives a crash.
    sync : "auto", True or False
        Wait for the accelerator at the edges of ranges, once a framework with a device is in use.
    max_samples, max_memory_mb : optional
        What exceeds them goes to a file in ``spill_dir`` ($TMPDIR) and still counts.
    warn_at_pct : float
        Share of a limit at which one warning is given.
    idle_baseline_s : float
        First wait so long and measure idle power.
    cpu_tdp_w : float, optional
        Thermal design power of the CPU, for the model where nothing measures it.
    gpu, cpu : bool
        False: leave them alone.
    join : bool
        Join an outer ``joulemeter run``.
    simulate : str, optional
        Simulated GPUs instead of real ones, such as "h100" or "2*a100,square:80:400:0.1".
    on_warning : callable, optional
        Called with a sentence. Default: a JoulemeterWarning.

    Returns
    -------
    Profiler
    """
    return Profiler(name, **options)


def current() -> Optional[Profiler]:
    """The innermost profiler that is open as a context manager, or None."""
    for ref in reversed(_innermost):
        profiler = ref()
        if profiler is not None and not profiler.closed:
            return profiler
    return None


_shared: List[Profiler] = []


def _measuring() -> Profiler:
    """The current profiler, or one that is shared by all that have none."""
    found = current()
    if found is None:
        if not _shared or _shared[0].closed:
            _shared[:] = [Profiler("measure")]
        found = _shared[0]
    return found


if TYPE_CHECKING:
    @overload
    def measure(function: Callable[P, R], *, name: Optional[str] = None, category: str = "user",
                keep: int = 1000) -> "Measured[P, R]": ...
    @overload
    def measure(function: None = None, *, name: Optional[str] = None, category: str = "user",
                keep: int = 1000) -> "Callable[[Callable[P, R]], Measured[P, R]]": ...


def measure(function: Any = None, *, name: Optional[str] = None, category: str = "user",
            keep: int = 1000) -> Any:
    """Measures every call of a function: ``@joulemeter.measure``.

    Parameters
    ----------
    function : callable
        A function, method, static or class method, coroutine function, or generator function,
        asynchronous ones included.
    name : str, optional
        Name of the ranges; by default the function's.
    category : str
    keep : int
        So many of the latest calls are kept in ``function.measurements``.

    Returns
    -------
    callable
        The function; ``f.last`` is the range of its latest call (``f.last.energy()``), and
        ``f.measurements`` the latest ones. Calls go to the profiler in whose ``with`` block they
        are made, else to one that is shared by all measured functions.
    """
    if function is None:
        return lambda later: measure(later, name=name, category=category, keep=keep)
    if isinstance(function, (classmethod, staticmethod)):
        inner = measure(function.__func__, name=name, category=category, keep=keep)
        return type(function)(inner)
    from collections import deque

    label = name or getattr(function, "__qualname__", "call")
    kept: Any = deque(maxlen=keep)

    def begin():
        window = _joulemeter.Session.begin(_measuring(), label, category)
        kept.append(window)
        wrapper.last = window
        return window

    wrapper = _wrap(function, begin)
    wrapper.measurements = kept
    wrapper.last = None
    return wrapper


def _wrap(function: Callable, begin: Callable) -> Any:
    import functools
    import inspect

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def call(*args, **kwargs):
            window = begin()
            try:
                return await function(*args, **kwargs)
            finally:
                window.end()

    elif inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def call(*args, **kwargs):
            window = begin()
            inner = function(*args, **kwargs)
            step = inner.__anext__()
            try:
                while True:  # what `yield from` does in other generators
                    try:
                        item = await step
                    except StopAsyncIteration:
                        return
                    try:
                        step = inner.asend((yield item))
                    except GeneratorExit:
                        raise
                    except BaseException as error:
                        step = inner.athrow(error)
            finally:
                try:
                    await inner.aclose()
                finally:
                    window.end()

    elif inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def call(*args, **kwargs):
            window = begin()
            try:
                return (yield from function(*args, **kwargs))
            finally:
                window.end()

    else:

        @functools.wraps(function)
        def call(*args, **kwargs):
            window = begin()
            try:
                return function(*args, **kwargs)
            finally:
                window.end()

    return call


def devices(**options: Any) -> List[Dict[str, Any]]:
    """What can be measured here, as dicts with name, model, uuid, pci, driver, power_limit_w ...

    Options are those of :func:`profile` (``gpus``, ``simulate`` ...).
    """
    if "gpus" in options:
        options["gpus"] = _gpus_text(options["gpus"])
    return _joulemeter.probe(**options)[0]


def findings(**options: Any) -> List[Dict[str, Any]]:
    """What every way of reading every quantity said when it was tried, as `joulemeter doctor`."""
    if "gpus" in options:
        options["gpus"] = _gpus_text(options["gpus"])
    return _joulemeter.probe(**options)[1]


def open_recording(path: Any) -> Report:
    """Opens a recording file (.jm) as a :class:`Report`."""
    from ._report import Report

    return Report(_joulemeter.Recording.open(path), name=str(path))


@atexit.register
def _close_all() -> None:
    """A file that was asked for is completed even if the program forgot to close."""
    for profiler in list(_open_profilers):
        try:
            profiler.close()
        except Exception:
            continue
