"""torch.profiler's events and joulemeter's power and energy in one trace, on one clock.

    with joulemeter.torch_trace(path="trace.json") as t:
        for batch in batches:
            step(batch)
            t.step()

ui.perfetto.dev and chrome://tracing open it. A trace that torch.profiler wrote before is joined with
a recording by ``joulemeter.merge_torch_trace("trace.json", "run.jm", "both.json")``.
"""

from __future__ import annotations

import os
import re
import tempfile

import _joulemeter

from ._core import Profiler, current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, Union

    from ._report import Report

__all__ = ["TorchTrace", "merge_torch_trace", "torch_trace"]


def _utc_offset_ns() -> int:
    """UTC minus CLOCK_MONOTONIC, by the quickest of some pairs of readings."""
    import time

    best: Tuple[int, int] = (2**62, 0)
    for _ in range(8):
        before, utc, after = _joulemeter.now_ns(), time.time_ns(), _joulemeter.now_ns()
        best = min(best, (after - before, utc - (before + after) // 2))
    return best[1]


# ---- joining two files ----


def _read(path) -> bytes:
    if os.fspath(path).endswith(".gz"):
        import gzip

        with gzip.open(path) as packed:
            return packed.read()
    with open(path, "rb") as file:
        return file.read()


def _write(path, parts: List[bytes]) -> None:
    """All or nothing: what was there before stays until the new file is whole."""
    path = os.fspath(path)
    fresh = f"{path}.{os.getpid()}.part"
    try:
        if path.endswith(".gz"):
            import gzip

            with gzip.open(fresh, "wb", compresslevel=5) as packed:
                packed.writelines(parts)
        else:
            with open(fresh, "wb") as file:
                file.writelines(parts)
        os.replace(fresh, path)
    except BaseException:
        if os.path.exists(fresh):
            os.unlink(fresh)
        raise


def _span_us(text: bytes) -> Tuple[float, float]:
    """First and last time in a trace."""
    times = [float(found.group(1)) for found in re.finditer(rb'"ts":\s*(-?[0-9.]+)', text)]
    return (min(times), max(times)) if times else (float("-inf"), float("inf"))


def _events_within(path: str, begin_us: float, end_us: float) -> Iterator[bytes]:
    """Lines of a trace of ours, an event each: what overlaps the span, and what names things.

    Of counters the last value before the span is kept, moved to its beginning.
    """
    import json

    held: Dict[Tuple[Any, Any], Dict[str, Any]] = {}
    with open(path, "rb") as file:
        for line in file:
            line = line.strip().rstrip(b",")
            if not line.startswith(b'{"ph"'):
                continue
            event = json.loads(line)
            ts = event.get("ts")
            if ts is None:
                yield line
            elif ts > end_us or ts + event.get("dur", 0) < begin_us:
                if event["ph"] == "C" and ts < begin_us:
                    held[event["pid"], event["name"]] = event
            else:
                yield line
    for event in held.values():
        event["ts"] = begin_us
        yield json.dumps(event, ensure_ascii=False).encode()


def _recording_of(source: Any) -> "_joulemeter.Recording":
    if isinstance(source, (str, os.PathLike)):
        return _joulemeter.Recording.open(source)
    return getattr(source, "recording", source)


def merge_torch_trace(trace, recording: Union[str, Report, "_joulemeter.Recording"], out, *,
                      device: Union[None, int, str] = None, whole: bool = False,
                      utc_offset_ns: Optional[int] = None) -> None:
    """Writes a trace of torch.profiler together with a recording of the same time.

    Parameters
    ----------
    trace : str or path
        What ``prof.export_chrome_trace()`` wrote (.json or .json.gz).
    recording : path, Report or Recording
        A recording file (.jm), or a recording.
    out : str or path
        File to write, .json or .json.gz; it may be ``trace`` itself.
    device : int or str, optional
        Whose energy the program's ranges show; by default the total.
    whole : bool
        Also what was measured before and after the trace.
    utc_offset_ns : int, optional
        UTC minus CLOCK_MONOTONIC while the trace was made. Default: when the recording began.

    Raises
    ------
    ValueError
        ``trace`` is no trace of torch.profiler.
    """
    text = _read(trace)
    start = re.search(rb'"traceEvents":\s*\[\s*', text)
    if start is None:
        raise ValueError(f"{os.fspath(trace)} is no trace that torch.profiler wrote: it has no "
                         "traceEvents")
    base = re.search(rb'"baseTimeNanoseconds":\s*(\d+)', text)  # before 2.3: times are UTC
    offset = -int(base.group(1)) if base is not None else 0
    begin, end = (float("-inf"), float("inf")) if whole else _span_us(text)
    measured = _recording_of(recording)
    with tempfile.TemporaryDirectory(prefix="joulemeter-") as folder:
        path = os.path.join(folder, "joulemeter.json")
        if utc_offset_ns is None:
            measured.perfetto(path, offset, device=device)
        else:
            measured.perfetto(path, offset + utc_offset_ns, utc=False, device=device)
        events = b",\n".join(_events_within(path, begin, end))
    separator = b"" if text[start.end():start.end() + 1] == b"]" or not events else b",\n"
    _write(out, [text[:start.end()], events, separator, text[start.end():]])


# ---- while the program runs ----


class TorchTrace:
    """What :func:`torch_trace` returns.

    Attributes
    ----------
    profiler : Profiler
        joulemeter's: ``t.profiler.phase("train")`` is a range in the trace.
    torch : torch.profiler.profile
    paths : list of str
        Files that were written, one for each cycle of the schedule.
    """

    def __init__(self, path, profiler: Optional[Profiler], device: Union[None, int, str],
                 options: Optional[Dict[str, Any]], kwargs: Dict[str, Any]) -> None:
        import torch.profiler

        self.path = os.fspath(path)
        self.paths: List[str] = []
        self.device = device
        self._given = profiler
        self._options = options or {}
        self._raw: List[Tuple[str, int]] = []
        self._then: Optional[Callable[[Any], Any]] = kwargs.pop("on_trace_ready", None)
        self.torch = torch.profiler.profile(on_trace_ready=self._take, **kwargs)

    def _take(self, prof: Any) -> None:
        """Keeps what torch.profiler has recorded; it is joined when all has been measured."""
        handle, raw = tempfile.mkstemp(".json", "joulemeter-torch-")
        os.close(handle)
        prof.export_chrome_trace(raw)
        self._raw.append((raw, _utc_offset_ns()))
        if self._then is not None:
            self._then(prof)

    def step(self) -> None:
        """As ``torch.profiler.profile.step()``, for schedules."""
        self.torch.step()

    def __enter__(self) -> TorchTrace:
        self.profiler = self._given or current() or Profiler("torch trace", **self._options)
        self._own = self.profiler is not self._given and self.profiler is not current()
        self.torch.__enter__()
        return self

    def __exit__(self, kind, value, trace) -> None:
        try:
            self.torch.__exit__(kind, value, trace)
        finally:
            recording = self._finished()
            try:
                for number, (raw, offset) in enumerate(self._raw):
                    self._join(raw, offset, recording, number)
            finally:
                for raw, _ in self._raw:
                    os.unlink(raw)
                self._raw.clear()

    def _finished(self) -> Optional["_joulemeter.Recording"]:
        """The recording, once it holds all of the traces' time."""
        if self._own:
            return self.profiler.close()
        recording = self.profiler.recording()
        if recording is not None and not self.profiler.closed:
            import time

            lags = [(s["refresh_s"] or 0) + (s["lag_s"] or 0) for s in recording.sensors()
                    if s["quantity"] == "power"]
            time.sleep(min(max(lags, default=0.0), 1.0))
        return recording

    def _join(self, raw: str, offset: int, recording: Optional["_joulemeter.Recording"],
              number: int) -> None:
        stem, dot, end = self.path.partition(".json")
        path = self.path if number == 0 else f"{stem}-{number}{dot}{end}"
        if recording is None:
            import warnings

            from ._bind import JoulemeterWarning

            warnings.warn("`joulemeter run` has the recording, so that the trace is without it: "
                          f"later joulemeter.merge_torch_trace({path!r}, FILE.jm, {path!r}) joins "
                          "them", JoulemeterWarning, stacklevel=4)
            _write(path, [_read(raw)])
        else:
            merge_torch_trace(raw, recording, path, device=self.device, utc_offset_ns=offset)
        self.paths.append(path)


def torch_trace(path="trace.json", *, profiler: Optional[Profiler] = None,
                device: Union[None, int, str] = None, options: Optional[Dict[str, Any]] = None,
                **kwargs: Any) -> TorchTrace:
    """Profiles with torch.profiler and writes one trace with power and energy on its clock.

    Parameters
    ----------
    path : str or path
        File to write when the ``with`` block ends, .json or .json.gz. With a ``schedule`` of
        several cycles the later ones go to trace-1.json and so on.
    profiler : Profiler, optional
        Default: the one in whose ``with`` block the program is, else one for this trace.
    device : int or str, optional
        Whose energy the program's ranges show; by default the total.
    options : dict, optional
        Of the profiler for this trace, as :func:`joulemeter.profile` takes them.
    **kwargs
        Of ``torch.profiler.profile``: activities, schedule, record_shapes, with_stack,
        on_trace_ready ...

    Returns
    -------
    TorchTrace
        A context manager; ``t.step()`` moves the schedule on.
    """
    return TorchTrace(path, profiler, device, options, kwargs)
