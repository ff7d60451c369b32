"""When a device did its work: times of events on the clock of the recording."""

from __future__ import annotations

from functools import partial

import _joulemeter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List, Optional, Tuple

    import torch

_MORE = 1024  # events that are made at a time, once those made beforehand are used up
_TRIES = 5
_LONG_MS = 100.0  # from here on the rates of the two clocks are compared, not only their zeros
_NEAR_MS = 1000.0  # an event's time is asked for from another one no further away


class HostClock:
    """Work is done when its function returns: a CPU."""

    marks: Optional[List[Callable[[], Any]]] = None

    def more(self) -> None:
        """Nothing has to be made ready."""

    def prepare(self, count: int) -> None:
        """Likewise."""

    def wait(self) -> None:
        """Until the device has done its work."""

    def start(self) -> int:
        """Begin of a run (ns)."""
        return _joulemeter.now_ns()

    def stop(self) -> int:
        """End of a run (ns)."""
        return _joulemeter.now_ns()

    def times(self, marks: int) -> Optional[List[int]]:
        """Times of the marks of a run (ns); None: they are times already."""
        return None


class CudaClock(HostClock):
    """Work is done when the device says so: each edge is an event in the stream it is called for.

    Events are recorded without waiting. Between :meth:`start` and :meth:`stop`, which do wait, lies
    one run; the device's times are then put on the recording's clock by an event at either end.

    What lies between two events is a number of single precision in ms: of two that are an hour apart
    it is known to a quarter of a millisecond. So times go from event to event, in steps of a second;
    only a pause in which nothing was recorded is one step.
    """

    def __init__(self, device: "torch.device") -> None:
        import torch

        self._device = device
        self._stream = torch.cuda.current_stream
        self._events: List[Any] = []
        self.marks: List[Callable[[], Any]] = []
        self._began: Optional[Tuple[Any, int]] = None
        self._ended: Optional[Tuple[Any, int]] = None

    def _new_event(self) -> Any:
        import torch

        event = torch.cuda.Event(enable_timing=True)
        event.record()  # makes it on the device, which takes longest
        return event

    def more(self) -> None:
        self.prepare(len(self.marks) + _MORE)

    def prepare(self, count: int) -> None:
        """Makes events, so that there are ``count`` of them."""
        import torch

        alone = torch.cuda.device_count() < 2
        with torch.cuda.device(self._device):
            while len(self.marks) < count:
                event = self._new_event()
                self._events.append(event)
                self.marks.append(event.record if alone else partial(self._record, event))

    def _record(self, event: Any) -> None:
        """In the stream of the device, which may be another than the program's current one."""
        event.record(self._stream(self._device))

    def _anchor(self) -> Tuple[Any, int]:
        """An event and when it was (ns): the quickest of some tries, halfway."""
        import torch

        best: Tuple[int, Any, int] = (2**62, None, 0)
        with torch.cuda.device(self._device):
            torch.cuda.synchronize()
            for _ in range(_TRIES):
                event = torch.cuda.Event(enable_timing=True)
                before = _joulemeter.now_ns()
                event.record()
                event.synchronize()
                after = _joulemeter.now_ns()
                if after - before < best[0]:
                    best = (after - before, event, (before + after) // 2)
        return best[1], best[2]

    def wait(self) -> None:
        import torch

        torch.cuda.synchronize(self._device)

    def start(self) -> int:
        self._began = self._anchor()
        return _joulemeter.now_ns()

    def stop(self) -> int:
        self.wait()
        now = _joulemeter.now_ns()
        self._ended = self._anchor()
        return now

    def times(self, marks: int) -> Optional[List[int]]:
        assert self._began is not None and self._ended is not None
        first, zero = self._began
        last, end = self._ended
        *at_ms, whole_ms = _from_the_first([first, *self._events[:marks], last])[1:]
        rate = (end - zero) / whole_ms if whole_ms > _LONG_MS else 1e6
        return [zero + round(ms * rate) for ms in at_ms]


def _from_the_first(events: List[Any]) -> List[float]:
    """Times of events (ms), from the first one on."""
    times = [0.0]
    near, near_ms = events[0], 0.0
    for event in events[1:]:
        since = near.elapsed_time(event)
        times.append(near_ms + since)
        if since > _NEAR_MS:  # those that come now are not far from this one
            near, near_ms = event, times[-1]
    return times


def clock_of(device: "torch.device") -> HostClock:
    """The clock for work on a device."""
    return CudaClock(device) if device.type == "cuda" else HostClock()
