"""How many samples are in each batch that Keras takes from its data: known, or None."""

from __future__ import annotations

from collections.abc import Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional


class Sizes:
    """Batches of ``batch_size``; of an epoch of ``samples``, if that is known, the last is the rest.

    Parameters
    ----------
    batch_size : int, optional
        None: sizes are not known.
    samples : int, optional
        None: all batches are whole.
    of_arrays : bool
        The data is of arrays, which Keras cuts into batches itself.
    """

    def __init__(self, batch_size: Optional[int] = None, samples: Optional[int] = None,
                 of_arrays: bool = False) -> None:
        self.batch_size = batch_size
        self.samples = samples
        self.of_arrays = of_arrays

    def of(self, batch: int, steps: int = 1) -> Optional[int]:
        """Samples in the batches from number ``batch`` on that are run together."""
        if self.batch_size is None:
            return None
        size = self.batch_size * steps
        if self.samples is None:
            return size if steps == 1 else None  # fewer may be left than are run together
        left = self.samples - self.batch_size * batch
        return min(size, left) if left > 0 else None


def _leaves(data: Any) -> list:
    if isinstance(data, Mapping):
        return [leaf for value in data.values() for leaf in _leaves(value)]
    if isinstance(data, (list, tuple)):
        return [leaf for value in data for leaf in _leaves(value)]
    return [data]


def _is_array(leaf: Any) -> bool:
    """numpy, tensors and data frames have a shape and can be cut; datasets cannot."""
    return bool(getattr(leaf, "shape", None)) and hasattr(leaf, "__getitem__")


def sizes_of(data: Any, options: Mapping) -> Sizes:
    """Sizes of the batches of one epoch, from the data and the options of fit() or predict()."""
    try:
        return _sizes_of(data, options)
    except Exception:  # a dataset of a kind or version that nobody knew
        return Sizes()


def _sizes_of(data: Any, options: Mapping) -> Sizes:
    leaves = _leaves(data)
    if leaves and all(_is_array(leaf) for leaf in leaves):
        samples = int(leaves[0].shape[0])
        samples = int(samples * (1 - (options.get("validation_split") or 0)))
        sizes = Sizes(options.get("batch_size") or 32, samples, of_arrays=True)
    elif hasattr(data, "element_spec"):
        sizes = _of_dataset(data)
    elif hasattr(data, "drop_last") and hasattr(data, "dataset"):  # PyTorch's DataLoader
        sizes = Sizes(data.batch_size, None if data.drop_last else len(data.dataset))
    else:
        return Sizes()
    whole = sizes.samples is None or sizes.batch_size is None
    if options.get("steps_per_epoch") and not whole:
        # Epochs go on where the one before stopped: any batch may be the smaller one.
        even = sizes.samples % sizes.batch_size == 0  # type: ignore[operator]
        return Sizes(sizes.batch_size if even else None, None, sizes.of_arrays)
    return sizes


def _of_dataset(dataset: Any) -> Sizes:
    """Of a tf.data.Dataset: from its element's shape, else from how its batches were made."""
    spec = _leaves(dataset.element_spec)[0]
    shape = getattr(spec, "shape", None)
    first = None if shape is None or shape.rank is None or shape.rank == 0 else shape[0]
    if first is not None:
        return Sizes(int(first))
    repeated = shuffled = False
    while not hasattr(dataset, "_batch_size"):
        kind = type(dataset).__name__
        repeated |= "Repeat" in kind
        shuffled |= "Shuffle" in kind
        known = ("Prefetch", "Map", "Options", "Cache", "Repeat", "Shuffle")
        if "Flat" in kind or not any(word in kind for word in known):
            return Sizes()
        dataset = dataset._input_dataset
    size = int(dataset._batch_size)
    samples = int(dataset._input_dataset.cardinality())
    if samples == -1 or (samples >= 0 and samples % size == 0):  # endless, or all are whole
        return Sizes(size)
    if samples < 0 or repeated or shuffled:  # any batch may be the smaller one
        return Sizes()
    return Sizes(size, samples)


def head_of(data: Any, samples: int, sizes: Sizes) -> Any:
    """The first samples of the data, for a warm-up; None where they cannot be had twice."""
    if samples <= 0:
        return None
    if sizes.of_arrays:
        return _cut(data, samples)
    if hasattr(data, "take"):
        return data.take(max(1, -(-samples // (sizes.batch_size or samples))))
    return None


def _cut(data: Any, samples: int) -> Any:
    if isinstance(data, Mapping):
        return {key: _cut(value, samples) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return type(data)(_cut(value, samples) for value in data)
    return data[:samples]
