"""What a model is given: tensors, tuples, dicts and batches of all kinds."""

from __future__ import annotations

from collections.abc import Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Tuple

    import torch


def _wrapped(model: Any) -> Any:
    """The model that a wrapper passes all arguments on to; None: it is no wrapper."""
    import torch

    inner = getattr(model, "_orig_mod", None)  # torch.compile's
    if inner is None:
        inner = getattr(model, "module", None)  # DistributedDataParallel's, DeepSpeed's ...
    return inner if isinstance(inner, torch.nn.Module) else None


def _taken(model: Any) -> Tuple[int, int]:
    """How many positional inputs the model cannot do without, and how many it takes at most."""
    import inspect

    try:
        parameters = list(inspect.signature(model.forward).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    plain = [p for p in parameters if p.kind in kinds]
    if not parameters or any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters):
        inner = _wrapped(model)
        if inner is not None:
            return _taken(inner)
        return (2**31, 2**31) if parameters else (1, 2**31)
    return sum(p.default is inspect.Parameter.empty for p in plain), len(plain)


def caller(model: Any, inputs: Any, device: "torch.device") -> Callable[[], Any]:
    """A function that runs the model once, without gradients."""
    import torch

    from ._torch import _move

    inputs = _move(inputs, device)
    args: Tuple[Any, ...] = ()
    kwargs: Dict[str, Any] = {}
    if isinstance(inputs, Mapping):
        kwargs = dict(inputs)
    elif isinstance(inputs, (list, tuple)):
        wanted, most = _taken(model)
        limit = most if isinstance(inputs, tuple) else max(wanted, 1)  # a batch has targets, too
        args = tuple(inputs if len(inputs) <= limit or len(inputs) < 2 else inputs[:-1])
    else:
        args = (inputs,)

    def forward() -> Any:
        with torch.no_grad():
            return model(*args, **kwargs)

    return forward


def generator(model: Any, inputs: Any, device: "torch.device",
              options: Dict[str, Any]) -> Callable[[int], Any]:
    """A function that generates so many tokens."""
    import torch

    from ._torch import _move

    if not callable(getattr(model, "generate", None)):
        raise TypeError(f"{type(model).__name__} has no generate(): profile(inputs) measures its "
                        "forward pass")
    inputs = _move(inputs, device)
    named = dict(inputs) if isinstance(inputs, Mapping) else {"inputs": inputs}

    def generate(tokens: int) -> Any:
        with torch.no_grad():
            given = {**named, "max_new_tokens": tokens, **options}
            if given.get("min_new_tokens") is not None:  # a warm-up is shorter
                given["min_new_tokens"] = min(given["min_new_tokens"], tokens)
            return model.generate(**given)

    return generate
