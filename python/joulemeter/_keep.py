"""What profiling must leave as it was: random generators, buffers, modes, attributes of modules."""

from __future__ import annotations

import random
import sys
from collections import OrderedDict, deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List, Tuple

    import torch


def _generators() -> List[Callable[[], Any]]:
    """What sets each random generator that the program may use back to where it is now."""
    import torch

    state = random.getstate()
    host = torch.get_rng_state()
    restore: List[Callable[[], Any]] = [
        lambda: random.setstate(state), lambda: torch.set_rng_state(host)]
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        devices = torch.cuda.get_rng_state_all()
        restore.append(lambda: torch.cuda.set_rng_state_all(devices))
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None and hasattr(numpy, "random"):
        numbers = numpy.random.get_state()
        restore.append(lambda: numpy.random.set_state(numbers))
    return restore


class _Module:
    """A module's own attributes, and what those hold that are lists, dicts or sets.

    Buffers that are made or filled at a first run are among them, and so are the flags and lengths
    that go with them: a model that had only its buffers back would not run again.
    """

    def __init__(self, module: Any) -> None:
        self._own = vars(module)
        self._before = dict(self._own)
        self._held = [(value, _items(value)) for value in self._before.values()
                      if type(value) in _HOLDERS]

    def restore(self) -> None:
        for name in [name for name in self._own if name not in self._before]:
            del self._own[name]
        for name, value in self._before.items():
            if self._own.get(name, self) is not value:
                self._own[name] = value
        for holder, before in self._held:
            if not _same(_items(holder), before):
                holder.clear()
                (holder.extend if hasattr(holder, "extend") else holder.update)(before)


_HOLDERS = (list, deque, set, dict, OrderedDict)


def _items(holder: Any) -> Tuple[Any, ...]:
    if not holder:
        return ()  # as most are
    return tuple(holder.items() if hasattr(holder, "items") else holder)


def _same(now: Tuple[Any, ...], before: Tuple[Any, ...]) -> bool:
    """The same objects; values are not compared, which may be tensors."""
    return len(now) == len(before) and all(
        a is b or (type(a) is tuple and type(b) is tuple and len(a) == len(b)
                   and all(x is y for x, y in zip(a, b)))
        for a, b in zip(now, before))


class Kept:
    """While it is entered, a model may run; afterwards it is bit for bit as it was.

    Buffers (running means, say), the mode of each module and its other attributes, gradients, and
    the generators of random numbers of Python, numpy and PyTorch. Also after an exception.

    What makes the parameters of lazy modules at their first call cannot be undone: such a call
    raises RuntimeError.
    """

    def __init__(self, model: "torch.nn.Module") -> None:
        self._model = model

    def __enter__(self) -> Kept:
        from torch.nn.parameter import is_lazy

        self._modules = [_Module(module) for module in self._model.modules()]
        self._buffers: List[Tuple[Any, Any]] = [
            (buffer, buffer.detach().clone()) for buffer in self._model.buffers()
            if not is_lazy(buffer)]
        self._gradients = [(parameter, parameter.grad) for parameter in self._model.parameters()
                           if not is_lazy(parameter)]
        self._restore = _generators()
        for name, module in self._model.named_modules():
            if any(map(is_lazy, [*module._parameters.values(), *module._buffers.values()])):
                self._guard(module, name)
        return self

    def _guard(self, module: Any, name: str) -> None:
        """Refuses the first call of a lazy module; the hook goes with all else."""
        kind = type(module).__name__

        def refuse(*_: Any) -> None:
            raise RuntimeError(
                f"{name or 'the model'} ({kind}) gets its parameters when it is first called, which "
                "cannot be undone, and a profiled model stays as it was: call the model once before")

        module.register_forward_pre_hook(refuse, prepend=True)

    def __exit__(self, *_: Any) -> None:
        import torch

        for restore in self._restore:
            restore()
        for module in self._modules:
            module.restore()
        for parameter, gradient in self._gradients:
            if parameter.grad is not gradient:
                parameter.grad = gradient
        with torch.no_grad():
            for buffer, value in self._buffers:
                if buffer.shape != value.shape or buffer.dtype != value.dtype:
                    buffer.data = value
                elif not _equal(buffer, value):
                    buffer.copy_(value)
        self._buffers.clear()


def _equal(buffer: Any, value: Any) -> bool:
    """Bit for bit; one that is equal is left alone, so that no graph that holds it is spoilt."""
    import torch

    if buffer.is_floating_point():
        return bool(((buffer == value) | ((buffer != buffer) & (value != value))).all())
    return bool(torch.equal(buffer, value))
