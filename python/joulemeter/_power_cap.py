"""De Feo's power-cap profiler: a model is trained (or runs) under several limits, and is then as it
was before."""

from __future__ import annotations

from collections import deque

import _joulemeter

from ._keep import Kept
from ._torch import _logits, _loss, _move, _predict, _wanted_inputs
from ._tuner import PowerTuner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, Union

    from ._tuner import Tuning


# ---- what must be as it was ----


class _Tensors:
    """Values of tensors, kept on the host: a model may fill its GPU."""

    def __init__(self, tensors: Any) -> None:
        self._kept: List[Tuple[Any, Any]] = [
            (tensor, tensor.detach().to("cpu", copy=True)) for tensor in tensors]

    def restore(self) -> None:
        import torch

        with torch.no_grad():
            for tensor, value in self._kept:
                tensor.data.copy_(value)
        self._kept.clear()


class _Optimizer:
    """All that an optimizer holds, however deep (LBFGS keeps lists in its state), in the same
    objects as before."""

    def __init__(self, optimizer: Any) -> None:
        self._held: Dict[int, Tuple[Any, List[Any]]] = {}
        self._found: Dict[int, Any] = {}
        trained = {id(p) for group in optimizer.param_groups for p in group["params"]}
        self._keep(optimizer)
        self._tensors = _Tensors(
            [tensor for key, tensor in self._found.items() if key not in trained])

    def _keep(self, value: Any) -> None:
        import torch

        if isinstance(value, torch.Tensor):
            self._found[id(value)] = value
        elif isinstance(value, torch.optim.Optimizer):  # some wrap another one
            self._keep(vars(value))
        elif isinstance(value, (dict, list, deque)) and id(value) not in self._held:
            items = list(value.items() if isinstance(value, dict) else value)
            self._held[id(value)] = value, items
            for item in items:
                self._keep(item)
        elif isinstance(value, tuple):
            for item in value:
                self._keep(item)

    def restore(self) -> None:
        for holder, items in self._held.values():
            holder.clear()
            (holder.update if isinstance(holder, dict) else holder.extend)(items)
        self._tensors.restore()


def _generators_of(loader: Any) -> List[Tuple[Any, Any]]:
    """Random generators that a loader and its samplers have of their own, and their states."""
    import torch

    found: Dict[int, Tuple[Any, Any]] = {}
    samplers = [getattr(loader, "sampler", None), getattr(loader, "batch_sampler", None)]
    samplers.append(getattr(samplers[1], "sampler", None))
    for holder in [loader, *samplers]:
        generator = getattr(holder, "generator", None)
        if isinstance(generator, torch.Generator):
            found[id(generator)] = (generator, generator.get_state())
    return list(found.values())


class _AsItWas:
    """Model, optimizer, loss, loader and random numbers, bit for bit, whatever happens meanwhile."""

    def __init__(self, model: Any, optimizer: Any, loss_fn: Any, loader: Any, train: bool) -> None:
        self._model, self._optimizer = model, optimizer
        self._loss_fn, self._loader, self._train = loss_fn, loader, train

    def __enter__(self) -> None:
        import torch

        losses = [self._loss_fn] if isinstance(self._loss_fn, torch.nn.Module) else []
        self._kept = [Kept(module) for module in [self._model, *losses]]
        for kept in self._kept:
            kept.__enter__()
        self._generators = _generators_of(self._loader)
        self._workers = getattr(self._loader, "_iterator", None)
        trained = [parameter for module in [self._model, *losses] for parameter in module.parameters()]
        self._gradients = [(p.grad, p.grad.detach().clone()) for p in trained if p.grad is not None]
        self._parameters = _Tensors(trained if self._train else [])
        self._state = _Optimizer(self._optimizer) if self._optimizer is not None else None

    def __exit__(self, *_: Any) -> None:
        import torch

        if self._state is not None:
            self._state.restore()
        self._parameters.restore()
        with torch.no_grad():
            for gradient, value in self._gradients:
                gradient.copy_(value)
        self._end_workers()
        for generator, state in self._generators:
            generator.set_state(state)
        for kept in reversed(self._kept):
            kept.__exit__(*_)

    def _end_workers(self) -> None:
        """Those of a loader that keeps them, which had none before."""
        workers = getattr(self._loader, "_iterator", None)
        if workers is None or self._workers is not None:
            return
        end = getattr(workers, "_shutdown_workers", None)
        if end is not None:
            end()
        self._loader._iterator = None


# ---- the work ----


def _batches(loader: Any, tuner: PowerTuner) -> Iterator[Any]:
    """Batches without end; what a new epoch takes to begin is no work."""
    while True:
        begin = _joulemeter.now_ns()
        batches = iter(loader)
        batch = next(batches, tuner)
        if batch is tuner:
            raise ValueError("the dataloader has no batch")
        tuner.pause(begin, _joulemeter.now_ns())
        yield batch
        yield from batches


def _step(model: Any, train: Union[bool, Callable], loss_fn: Any,
          optimizer: Any) -> Callable[[Any], Any]:
    """What is done with a batch."""
    import torch

    first = next(iter(model.parameters()), None)
    device = first.device if first is not None else torch.device("cpu")
    if callable(train):
        return lambda batch: train(model, _move(batch, device), loss_fn, optimizer)
    if train:
        model.train()

        def train_batch(batch: Any) -> None:
            optimizer.zero_grad()
            _loss(model, _move(batch, device), loss_fn).backward()
            optimizer.step()

        return train_batch
    model.eval()
    wanted = _wanted_inputs(model)

    def infer(batch: Any) -> None:
        with torch.no_grad():
            _logits(_predict(model, _move(batch, device), wanted))

    return infer


class _File:
    """The trials as CSV, written anew after each of them."""

    def __init__(self, path: Any) -> None:
        self._path = path
        if path is not None:
            self._write("")

    def _write(self, text: str) -> None:
        with open(self._path, "w", encoding="utf-8") as file:
            file.write(text)

    def trials(self, tuner: PowerTuner) -> None:
        if self._path is not None and tuner._steering is not None:
            self._write(tuner._steering.csv("trials"))

    def end(self, tuner: PowerTuner) -> None:
        """What was known when it ended, also early."""
        if self._path is not None and tuner._result is not None:
            tuner._result.to_csv(self._path, "trials")


def profile(gpu_num: Any, model: Any, dataloader: Any, train: Any, loss_fn: Any, optimizer: Any,
            out_file: Any, options: Dict[str, Any]) -> Tuning:
    if hasattr(dataloader, "__next__"):
        raise TypeError("the dataloader must be one that can be gone through again, not an iterator")
    if train and not callable(train) and optimizer is None:
        raise ValueError("training needs an optimizer")
    file = _File(out_file)
    tuner = PowerTuner(gpus=gpu_num, **options)
    told = tuner._on_trial

    def on_trial(trial: Dict[str, Any], coming: Optional[Dict[str, Any]]) -> None:
        file.trials(tuner)
        if told is not None:
            told(trial, coming)

    tuner._on_trial = on_trial
    try:
        with _AsItWas(model, optimizer, loss_fn, dataloader, bool(train)), tuner:
            step = _step(model, train, loss_fn, optimizer)
            for batch in _batches(dataloader, tuner):
                step(batch)
                tuner.item()
                if tuner.done:
                    break
    finally:
        file.end(tuner)
    return tuner.result
