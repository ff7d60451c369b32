"""Loops of training and inference with PyTorch, for highlevel.TorchProfiler."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import nullcontext
from itertools import chain, islice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, ContextManager, Iterable, Iterator, List, Optional, Sequence

    import torch

    from .highlevel import TorchProfiler


# ---- devices ----


def uuids(indices: List[str]) -> Optional[List[str]]:
    """UUIDs of GPUs as PyTorch counts them; None where it uses none yet."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    found = []
    for index in indices:
        known = index.isdigit() and int(index) < torch.cuda.device_count()
        uuid = getattr(torch.cuda.get_device_properties(int(index)), "uuid", None) if known else None
        if uuid is None:
            return None
        found.append(f"GPU-{uuid}")
    return found


def _place(prof: TorchProfiler, model: torch.nn.Module, optimizer: Any = None) -> torch.device:
    """Where the model runs: where it is, but from the CPU it moves to the first measured GPU."""
    import torch

    first = next(chain(model.parameters(), model.buffers()), None)
    device = first.device if first is not None else torch.device("cpu")
    if device.type != "cpu" or not prof.device_index or not torch.cuda.is_available():
        return device
    if getattr(optimizer, "state", None):
        return device  # what the optimizer remembers would stay behind
    index = prof.device_index[0]
    number = int(index) if index.isdigit() and int(index) < torch.cuda.device_count() else 0
    device = torch.device("cuda", number)
    model.to(device)
    return device


def _move(batch: Any, device: torch.device) -> Any:
    """A batch on the device: tensors, and whatever holds them."""
    if device.type == "cpu":
        return batch
    move = getattr(batch, "to", None)
    if move is not None:
        try:
            return move(device, non_blocking=True)
        except TypeError:  # a BatchEncoding of an older transformers
            return move(device)
    if isinstance(batch, Mapping):
        return {key: _move(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(_move(value, device) for value in batch))
    if isinstance(batch, (list, tuple)):
        return type(batch)(_move(value, device) for value in batch)
    return batch


class _Mixed:
    """Mixed precision, where the model is on a CUDA device and the profiler wants it."""

    def __init__(self, prof: TorchProfiler, model: torch.nn.Module, device: torch.device) -> None:
        import torch

        self.enabled = bool(prof.amp) and device.type == "cuda"
        self._torch = torch
        self.scaler: Any = None
        halves = (parameter.dtype == torch.float16 for parameter in model.parameters())
        if self.enabled and not any(halves):  # gradients in float16 cannot be unscaled
            make = getattr(getattr(torch, "amp", None), "GradScaler", None)
            self.scaler = make("cuda") if make is not None else torch.cuda.amp.GradScaler()

    def __call__(self) -> ContextManager[Any]:
        return self._torch.autocast("cuda") if self.enabled else nullcontext()

    def step(self, loss: torch.Tensor, optimizer: Any) -> None:
        if self.scaler is None:
            loss.backward()
            optimizer.step()
            return
        self.scaler.scale(loss).backward()
        self.scaler.step(optimizer)
        self.scaler.update()


# ---- batches ----


def batch_size(batch: Any) -> Optional[int]:
    """Samples in a batch: the length of the first tensor in it; None if there is none."""
    shape = getattr(batch, "shape", None)
    if shape is not None:
        return int(shape[0]) if len(shape) > 0 else None
    if isinstance(batch, Mapping):
        parts: Iterable[Any] = batch.values()
    elif isinstance(batch, (list, tuple)):
        parts = batch
    else:
        return None
    for part in parts:
        size = batch_size(part)
        if size is not None:
            return size
    return None


def _logits(output: Any) -> Any:
    """What a loss function takes of a model's output."""
    logits = getattr(output, "logits", None)
    if logits is None and isinstance(output, Mapping):
        logits = output.get("logits")
    return output if logits is None else logits


def _own_loss(output: Any) -> torch.Tensor:
    """The loss that a model has worked out by itself."""
    loss = getattr(output, "loss", None)
    if loss is None and isinstance(output, Mapping):
        loss = output.get("loss")
    if loss is None and getattr(output, "ndim", None) == 0:
        loss = output
    if loss is None:
        raise ValueError("the model returned no loss: give train() a loss_fn, or the batches labels")
    return loss.mean() if getattr(loss, "ndim", 0) > 0 else loss


def _loss(model: torch.nn.Module, batch: Any, loss_fn: Optional[Callable]) -> torch.Tensor:
    target = None
    if isinstance(batch, Mapping):
        inputs = dict(batch)
        if loss_fn is not None:
            target = inputs.pop("labels", None)
        output = model(**inputs)
    elif isinstance(batch, (list, tuple)) and loss_fn is not None and len(batch) > 1:
        target = batch[-1]
        output = model(*batch[:-1])
    else:
        parts = batch if isinstance(batch, (list, tuple)) else (batch,)
        target = parts[0]
        output = model(*parts)
    if loss_fn is None:
        return _own_loss(output)
    return loss_fn(_logits(output)) if target is None else loss_fn(_logits(output), target)


def _wanted_inputs(model: torch.nn.Module) -> int:
    """How many inputs the model cannot do without."""
    import inspect

    try:
        parameters = inspect.signature(model.forward).parameters.values()
    except (TypeError, ValueError):
        return 1
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in kinds and p.default is inspect.Parameter.empty for p in parameters)


def _predict(model: torch.nn.Module, batch: Any, wanted: int) -> Any:
    """Runs the model on the inputs of a batch alone."""
    if isinstance(batch, Mapping):
        return model(**{key: value for key, value in batch.items() if key != "labels"})
    if isinstance(batch, (list, tuple)):
        targets = len(batch) > 1 and len(batch) > wanted
        return model(*(batch[:-1] if targets else batch))
    return model(batch)


# ---- training ----


def train(prof: TorchProfiler, model: torch.nn.Module, loader: Any, optimizer: Any,
          loss_fn: Optional[Callable], epochs: int) -> List[float]:
    device = _place(prof, model, optimizer)
    mixed = _Mixed(prof, model, device)
    losses: List[float] = []
    empty = 0  # epochs without a batch
    if not model.training:
        model.train()
    prof.mark("train_start", epochs=epochs)
    with prof.phase("train") as whole:
        for epoch in range(epochs):
            set_epoch = getattr(getattr(loader, "sampler", None), "set_epoch", None)
            if set_epoch is not None:  # of a distributed sampler
                set_epoch(epoch)
            prof.mark("epoch_start", epoch=epoch)
            with prof.epoch(epoch) as window:
                loss, samples, batches = _train_epoch(prof, model, loader, optimizer, loss_fn,
                                                      device, mixed)
                window.end(loss=loss)
            prof.mark("epoch_end", epoch=epoch, loss=loss)
            losses.append(loss)
            if batches == 0 and not empty and prof.on_warning is not None:
                prof.on_warning(_NO_BATCH.format(epoch=epoch + 1, epochs=epochs))
            empty += batches == 0
            prof._epoch_done(epoch, epochs, window, loss, samples)
        if empty == epochs:
            whole.end(samples=0)  # or nobody knows how many there were
    prof.mark("train_end", epochs=epochs)
    return losses


_NO_BATCH = ("the loader gave no batch in epoch {epoch} of {epochs}, whose loss is nan: a generator "
             "can be gone through once only, a DataLoader or a list in each epoch")


def _train_epoch(prof: TorchProfiler, model: torch.nn.Module, loader: Any, optimizer: Any,
                 loss_fn: Optional[Callable], device: torch.device,
                 mixed: _Mixed) -> tuple[float, int, int]:
    """(mean loss, samples, batches). Each batch counts by its size."""
    waits = prof.waits  # else a loss that is read each time would make the program wait
    total: Any = 0.0
    weight = samples = batches = 0
    for index, batch in enumerate(loader):
        size = batch_size(batch)
        batches += 1
        with prof.batch(index, size) as window:
            batch = _move(batch, device)
            optimizer.zero_grad(set_to_none=True)
            with mixed():
                loss = _loss(model, batch, loss_fn)
            mixed.step(loss, optimizer)
            value = loss.item() if waits or device.type == "cpu" else None
            if value is not None:
                window.end(loss=value)
        share = 1 if size is None else size
        total = total + (loss.detach() if value is None else value) * share
        weight += share
        samples += size or 0
        prof._batch_done(index, window, size, value)
    return float(total) / weight if weight > 0 else float("nan"), samples, batches


# ---- inference ----


class _Evaluating:
    """Evaluation mode, and then each module's own mode again."""

    def __init__(self, model: torch.nn.Module) -> None:
        self._model = model
        self._modes = [(module, module.training) for module in model.modules()]

    def __enter__(self) -> None:
        self._model.eval()

    def __exit__(self, *_: Any) -> None:
        for module, mode in self._modes:
            module.training = mode


def infer(prof: TorchProfiler, model: torch.nn.Module, loader: Iterable[Any],
          max_batches: Optional[int], warmup: int) -> int:
    import torch

    device = _place(prof, model)
    mixed = _Mixed(prof, model, device)
    wanted = _wanted_inputs(model)
    batches: Iterator[Any] = iter(islice(loader, max_batches))
    samples = 0
    with _Evaluating(model), torch.inference_mode():
        first = list(islice(batches, 1))
        if first and warmup > 0:
            prof.mark("warmup_start", runs=warmup)
            with prof.range("warmup", "warmup"):
                for _ in range(warmup):
                    with mixed():
                        _predict(model, _move(first[0], device), wanted)
            prof.mark("warmup_end", runs=warmup)
        prof.mark("infer_start")
        with prof.phase("infer") as whole:
            for index, batch in enumerate(chain(first, batches)):
                size = batch_size(batch)
                with prof.batch(index, size) as window, mixed():
                    _predict(model, _move(batch, device), wanted)
                samples += size or 0
                prof._batch_done(index, window, size, None)
            if not first:
                whole.end(samples=0)  # or nobody knows how many there were
        prof.mark("infer_end", samples=samples)
    return samples


# ---- random input ----

_SIDES = (32, 28, 64, 96, 128, 224, 256, 299, 384, 512)
_LENGTHS = (128, 256, 512, 1024, 4096, 16000)


def _first_layer(model: torch.nn.Module) -> Any:
    """The first module that says of what kind its input is; None: there is none."""
    from torch import nn

    known = (nn.Linear, nn.Bilinear, nn.Embedding, nn.EmbeddingBag, nn.LayerNorm, nn.RNNBase,
             nn.modules.conv._ConvNd)
    return next((module for module in model.modules() if isinstance(module, known)), None)


def _most_words(model: torch.nn.Module) -> int:
    """How long a text may be: no longer than a table of positions, or a GPU gives up for good."""
    from torch import nn

    tables = [m.num_embeddings for m in model.modules() if isinstance(m, nn.Embedding)]
    limit = getattr(getattr(model, "config", None), "max_position_embeddings", None)
    return min([128, *(rows for rows in tables if rows > 8), *([limit] if limit else [])])


def _shapes(model: torch.nn.Module, layer: Any) -> List[tuple]:
    """Shapes that one sample may have, the likeliest first."""
    from torch import nn

    if isinstance(layer, nn.Linear):
        return [(layer.in_features,)]
    if isinstance(layer, (nn.Embedding, nn.EmbeddingBag)):
        return [(_most_words(model),), (1,), ()]
    if isinstance(layer, nn.LayerNorm):
        return [tuple(layer.normalized_shape), (128, *layer.normalized_shape)]
    if isinstance(layer, nn.RNNBase):
        return [(128, layer.input_size)]
    if isinstance(layer, nn.modules.conv._ConvNd):
        dimensions = len(layer.kernel_size)
        sides = _LENGTHS if dimensions == 1 else _SIDES
        if dimensions == 3:
            sides = (16, *sides)
        if dimensions == 2 and max(layer.kernel_size) >= 7:  # made for photographs
            sides = (224, *sides)
        return [(layer.in_channels, *(side,) * dimensions) for side in sides]
    return []


def _random(layer: Any, shape: Sequence[int], count: int, device: torch.device,
            dtype: torch.dtype) -> torch.Tensor:
    import torch

    words = getattr(layer, "num_embeddings", None)
    if words is not None:
        return torch.randint(0, words, (count, *shape), device=device)
    return torch.randn((count, *shape), device=device, dtype=dtype)


def _guess_shape(model: torch.nn.Module, layer: Any, device: torch.device, dtype: torch.dtype,
                 mixed: _Mixed) -> Sequence[int]:
    """The first of the likely shapes that the model takes."""
    for shape in _shapes(model, layer):
        try:
            with mixed():
                model(_random(layer, shape, 2, device, dtype))
        except (RuntimeError, ValueError, TypeError, IndexError):
            continue
        return shape
    name = "no layer" if layer is None else f"the first layer, {type(layer).__name__},"
    raise ValueError(f"{name} does not tell the shape of the model's input: give infer_tensor() "
                     "the shape of one sample, such as input_shape=(3, 224, 224)")


def infer_tensor(prof: TorchProfiler, model: torch.nn.Module, batch_size: int, n_samples: int,
                 input_shape: Optional[Sequence[int]]) -> int:
    import torch

    if batch_size < 1 or n_samples < 1:
        raise ValueError("batch_size and n_samples must be at least 1")
    device = _place(prof, model)
    kinds = (p.dtype for p in model.parameters() if p.dtype.is_floating_point)
    dtype = next(kinds, torch.get_default_dtype())
    layer = _first_layer(model)
    if input_shape is None:
        mixed = _Mixed(prof, model, device)
        with prof.range("warmup", "warmup"), _Evaluating(model), torch.inference_mode():
            input_shape = _guess_shape(model, layer, device, dtype, mixed)
    size = min(batch_size, n_samples)
    whole = _random(layer, tuple(input_shape), size, device, dtype)

    def batches() -> Iterator[torch.Tensor]:
        for begin in range(0, n_samples, size):
            yield whole[:min(size, n_samples - begin)]

    return infer(prof, model, batches(), None, 1)
