"""Replay and dither: ways to run a model so that a slow sensor can tell its layers apart."""

from __future__ import annotations

import functools
import random
import time
from contextlib import nullcontext

import _joulemeter

from ._hooks import Call, entrance, replace
from ._layer_run import Worth, unsettled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, ContextManager, Dict, List, Optional

    import torch

    from ._hooks import Part
    from ._layer_run import LayerRun, Progress

_CHUNK_NS = 5_000_000  # the device is waited for so often
_GAP_REFRESHES = 2  # random gaps are up to so many refreshes of the sensor


# ---- what a layer was given ----


class _NotPlain(Exception):
    """It is nothing that could be given again."""


def _copied(value: Any) -> Any:
    """Inputs as they are now, whatever the model does with them later."""
    import torch

    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes, torch.dtype,
                                           torch.device, torch.Size)):
        return value
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_copied(one) for one in value))
    if type(value) in (list, tuple):
        return type(value)(_copied(one) for one in value)
    if type(value) is dict:
        return {key: _copied(one) for key, one in value.items()}
    raise _NotPlain(type(value).__name__)


def _mixed_precision(device: str) -> Callable[[], ContextManager[Any]]:
    """What brings back the autocast that is on now; weights are cast at each call, as they are."""
    import torch

    try:
        enabled = torch.is_autocast_enabled(device)
        dtype = torch.get_autocast_dtype(device) if enabled else None
    except TypeError:  # before PyTorch 2.4: CUDA's only
        enabled = device == "cuda" and torch.is_autocast_enabled()
        dtype = torch.get_autocast_gpu_dtype() if enabled else None
    if not enabled:
        return nullcontext
    return lambda: torch.autocast(device, dtype=dtype, cache_enabled=False)


class Captured:
    """A layer and what it was given first.

    Its ``forward`` is kept as it is before it is watched: a burst is one call, however many it has.
    """

    def __init__(self, part: "Part", forward: Callable[..., Any], args: Any, kwargs: Any,
                 device: str) -> None:
        self.part = part
        self._forward = forward
        self.args = _copied(tuple(args))
        self.kwargs = _copied(dict(kwargs))
        self.context = _mixed_precision(device)

    def call(self) -> None:
        self._forward(*self.args, **self.kwargs)


class _Capture:
    """What each module was given first, of those that call no other."""

    def __init__(self, device: str) -> None:
        self._device = device
        self.found: Dict[str, Optional[Captured]] = {}
        self._open: List[str] = []

    def watch(self, part: "Part") -> Callable[[], Any]:
        """Returns what takes it back."""
        name = entrance(part.module)
        inner = getattr(part.module, name or "forward")
        if name is None:  # a hook breaks no graph here: it is outside of what is compiled
            return part.module.register_forward_pre_hook(
                lambda _, args, kwargs: self._keep(part, inner, args, kwargs),
                with_kwargs=True).remove

        def forward(*args: Any, **kwargs: Any) -> Any:
            self._keep(part, inner, args, kwargs)
            self._open.append(part.name)
            try:
                return inner(*args, **kwargs)
            finally:
                self._open.pop()

        functools.update_wrapper(forward, inner)  # its signature is asked for
        return replace(part.module, name, forward)

    def _keep(self, part: "Part", inner: Callable[..., Any], args: Any, kwargs: Any) -> None:
        if self._open:
            self.found[self._open[-1]] = None  # it calls others
        if part.name in self.found:
            return
        try:
            self.found[part.name] = Captured(part, inner, args, kwargs, self._device)
        except _NotPlain:
            self.found[part.name] = None


def capture(parts: List["Part"], run: Callable[[], Any], device: str) -> List[Captured]:
    """Runs the model once and keeps what each module that calls no other was given, where that can
    be given again."""
    kept = _Capture(device)
    undo: List[Callable[[], Any]] = []
    try:
        for part in parts:
            undo.append(kept.watch(part))
        run()
    finally:
        while undo:
            undo.pop()()
    return [layer for layer in kept.found.values() if layer is not None]


# ---- bursts ----


class Replay:
    """Runs each layer alone, in bursts that are longer than the sensor's window, and the whole model
    in between, until the energies are known well enough or the time is over.

    Parameters
    ----------
    run : LayerRun
    layers : list of Captured
    forward : callable
        Runs the whole model.
    target : float
        Relative 95 % uncertainty (random part) that is wanted.
    seconds : float
    """

    def __init__(self, run: "LayerRun", layers: List[Captured], forward: Callable[[], Any],
                 target: float, seconds: float, progress: "Progress") -> None:
        self._run = run
        self._layers = {layer.part.name: layer for layer in layers}
        self._forward = forward
        self._target = target
        self._deadline = time.monotonic() + seconds
        self._seconds = seconds
        self._progress = progress
        self._random = random.Random(1)  # the program's own generator is left alone
        self._burst_ns = int(run.sensors.burst_s * 1e9)
        self._failed: List[str] = []

    def __call__(self) -> List[str]:
        """Returns the names of layers that could not be run alone."""
        names: Optional[List[str]] = None
        known, worth = 0, Worth()
        while True:
            self._round(names, known)
            if time.monotonic() >= self._deadline:
                break
            found = self._run.attribute()
            names = unsettled(found, self._target)
            left = self._deadline - time.monotonic()
            if names == [] or not worth.more(found, self._seconds - left):
                break
            known = 0 if names is None else len(self._run.watch.parts) - len(names)
        return self._failed

    def _round(self, names: Optional[List[str]], known: int) -> None:
        """A burst of each layer that needs one, in random order, and one of the whole model."""
        wanted = [name for name in self._layers if names is None or name in names]
        self._random.shuffle(wanted)
        where = self._random.randint(0, len(wanted))
        for index, name in enumerate([*wanted[:where], "", *wanted[where:]]):
            left = self._deadline - time.monotonic()
            if left <= 0 and index > 0:
                return
            self._progress.say(
                f"running layers alone: {max(self._seconds - left, 0):.0f} s of at most "
                f"{self._seconds:.0f} s, {known} of {len(self._run.watch.parts)} known well enough")
            if name == "":
                self._whole()
            elif not self._burst(self._layers[name]):
                self._failed.append(name)
                del self._layers[name]

    def _whole(self) -> None:
        end = _joulemeter.now_ns() + self._burst_ns
        while True:
            self._run.run(self._forward, counted=False)
            if _joulemeter.now_ns() >= end:
                return

    def _burst(self, layer: Captured) -> bool:
        """False: the layer cannot be run alone."""
        clock, now, call = self._run.watch.clock, _joulemeter.now_ns, layer.call
        wait = clock.wait
        try:
            with layer.context():
                wait()
                begin = end = now()
                count = 1
                while end - begin < self._burst_ns:
                    before = end
                    for _ in range(count):
                        call()
                    wait()
                    end = now()
                    each = max((end - before) // count, 1)
                    count = int(min(max(_CHUNK_NS // each, 1), 2 * count))
        except (RuntimeError, TypeError, ValueError, AttributeError, NotImplementedError):
            return False
        self._run.write([Call(layer.part, begin, end, -1)])
        self._run.set_aside(begin, end)
        return True


# ---- gaps ----


def dither(run: "LayerRun", forward: Callable[[], Any], target: float, seconds: float,
           progress: "Progress") -> None:
    """Runs the model with random gaps, up to some refreshes of the sensor, until the energies are
    known well enough, get no surer, or the time is over."""
    generator = random.Random(1)
    longest = _GAP_REFRESHES * run.sensors.burst_s
    began = time.monotonic()
    asked, number, worth = began, 0, Worth()
    while time.monotonic() - began < seconds:
        number += 1
        progress.say(f"run {number} with a random gap, {time.monotonic() - began:.0f} s of at most "
                     f"{seconds:.0f} s")
        gap(generator, longest)
        run.run(forward, counted=False)
        if time.monotonic() - asked > max(1.0, 10 * run.attribution_s):
            found = run.attribute()
            if unsettled(found, target) == [] or not worth.more(found, asked - began):
                return
            asked = time.monotonic()


def gap(generator: random.Random, longest_s: float) -> None:
    time.sleep(generator.uniform(0, min(longest_s, 0.25)))
