"""What profiling must leave as it was: random generators, buffers, modes."""

from __future__ import annotations

import random
import sys

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


class Kept:
    """While it is entered, a model may run; afterwards it is bit for bit as it was.

    Buffers (running means, say), the mode of each module, gradients, and the generators of random
    numbers of Python, numpy and PyTorch. Also after an exception.
    """

    def __init__(self, model: "torch.nn.Module") -> None:
        self._model = model

    def __enter__(self) -> Kept:
        self._modes = [(module, module.training) for module in self._model.modules()]
        self._buffers: List[Tuple[Any, str, Any, Any]] = [
            (module, name, buffer, buffer.detach().clone())
            for module in self._model.modules()
            for name, buffer in module._buffers.items() if buffer is not None]
        self._gradients = [(parameter, parameter.grad) for parameter in self._model.parameters()]
        self._restore = _generators()
        return self

    def __exit__(self, *_: Any) -> None:
        import torch

        for restore in self._restore:
            restore()
        for module, mode in self._modes:
            module.training = mode
        for parameter, gradient in self._gradients:
            if parameter.grad is not gradient:
                parameter.grad = gradient
        with torch.no_grad():
            for module, name, buffer, value in self._buffers:
                if not _equal(buffer, value):
                    buffer.copy_(value)
                module._buffers[name] = buffer
        self._buffers.clear()


def _equal(buffer: Any, value: Any) -> bool:
    """Bit for bit; one that is equal is left alone, so that no graph that holds it is spoilt."""
    import torch

    if buffer.shape != value.shape or buffer.dtype != value.dtype:
        return False
    if buffer.is_floating_point():
        return bool(((buffer == value) | ((buffer != buffer) & (value != value))).all())
    return bool(torch.equal(buffer, value))
