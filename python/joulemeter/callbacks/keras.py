"""Callback for Keras: phases, epochs and batches of fit(), evaluate() and predict().

    from joulemeter.callbacks import KerasCallback

    callback = KerasCallback(batch_size=32)
    model.fit(dataset, epochs=3, callbacks=[callback])
    print(callback.report())

It works with Keras 3 on any backend, and with the Keras inside TensorFlow before that.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from .._core import Profiler
from ._keras_sizes import Sizes, head_of, sizes_of
from ._session import Session, entries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Tuple, Type

    import _joulemeter

    from .._report import Report

    Logs = Optional[Dict[str, Any]]
    JoulemeterCallback: Type[Any]


def _number(logs: Logs, key: str) -> Optional[float]:
    value = (logs or {}).get(key)
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return None


class _Recorder:
    """Measures fit(), evaluate() and predict(): phases "train", "evaluate" and "infer".

    Batches have the loss that Keras tells: the mean of the epoch so far. Validation is a range in
    its epoch. At the end of an epoch ``energy_j`` and ``energy_u95_j`` join its logs, and so the
    history, and ``j_per_sample`` where sizes are known; that is without the validation.

    Parameters
    ----------
    profiler : Profiler, optional
        Where ranges go. Default: the one in whose ``with`` block the program is, else one of its
        own, opened when it is needed.
    batch_size : int, optional
        Samples in a batch. Keras does not tell callbacks.
    samples : int, optional
        Samples in an epoch, if its last batch is smaller than the others.
    device : str, optional
        Whose energy is logged: "gpus", "gpu0", "total" ... Default: the GPUs', if there are any.
    **options
        Of :func:`joulemeter.profile`, for the profiler of its own.
    """

    def __init__(self, profiler: Optional[Profiler] = None, batch_size: Optional[int] = None,
                 samples: Optional[int] = None, *, device: Optional[str] = None,
                 **options: Any) -> None:
        super().__init__()
        self._session = Session("keras", profiler, device, options)
        self._sizes = Sizes(batch_size, samples)
        self._phase: Optional[_joulemeter.Range] = None
        self._epoch: Optional[_joulemeter.Range] = None
        self._batch: Optional[_joulemeter.Range] = None
        self._test: Optional[_joulemeter.Range] = None
        self._in_epoch = False
        self._call = self._fit = 0  # this call of fit(), evaluate() or predict(); the last of fit()
        self._samples = 0
        self._size: Optional[int] = None

    @property
    def profiler(self) -> Profiler:
        """Where ranges go."""
        return self._session.profiler

    def report(self) -> Optional["Report"]:
        """What was measured so far; None in a process whose node's first rank has it."""
        return self._session.report()

    def close(self) -> None:
        """Stops measuring, if the profiler is its own; report() still works."""
        self._session.close()

    def abandon(self, error: BaseException) -> None:
        """Ends what is open; Keras tells its callbacks nothing when fit() fails."""
        self._in_epoch = False
        self._session.fail(error)

    def set_params(self, params: Any) -> None:
        """Keras calls it once in each fit(), evaluate() or predict(), and not in a validation."""
        super().set_params(params)  # type: ignore[misc]
        self._call += 1

    # ---- batches ----

    def _begin_batch(self, batch: int) -> None:
        steps = getattr(getattr(self, "model", None), "steps_per_execution", 1)
        self._session.hear()
        self._size = self._sizes.of(batch, steps if isinstance(steps, int) else 1)
        self._samples += self._size or 0
        self._batch = self._session.begin(self.profiler.batch(batch, self._size))

    def _end_batch(self, batch: int, loss: Optional[float]) -> None:
        self._session.hear()
        if not self._session.end(self._batch, loss=loss):
            return
        tell = getattr(self.profiler, "_batch_done", None)  # of profile_tf()
        if tell is not None:
            tell(batch, self._batch, self._size, loss)

    # ---- training ----

    def on_train_begin(self, logs: Logs = None) -> None:
        self._session.abandon()  # what a fit() that failed has left
        self._in_epoch, self._fit = False, self._call
        self.profiler.mark("train_start")
        self._phase = self._session.begin(self.profiler.phase("train"))

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._session.hear()
        self._samples, self._test, self._in_epoch = 0, None, True
        self.profiler.mark("epoch_start", epoch=epoch)
        self._epoch = self._session.begin(self.profiler.epoch(epoch))

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self._begin_batch(batch)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._end_batch(batch, _number(logs, "loss"))

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._session.hear()
        loss = _number(logs, "loss")
        self._in_epoch = False
        if not self._session.end(self._epoch, loss=loss, val_loss=_number(logs, "val_loss")):
            return
        self.profiler.mark("epoch_end", epoch=epoch, loss=loss)
        if logs is not None:
            logs.update(self._entries())
        tell = getattr(self.profiler, "_epoch_done", None)  # of profile_tf()
        if tell is not None:
            epochs = (getattr(self, "params", None) or {}).get("epochs") or epoch + 1
            tell(epoch, epochs, self._epoch, loss, self._samples)

    def _entries(self) -> Dict[str, float]:
        aside = 0.0
        if self._test is not None:
            energy = self._session.energy_of(self._test)
            aside = float("nan") if energy is None else energy.energy_j
        return entries(self._session.energy_of(self._epoch), self._samples, aside_j=aside)

    def on_train_end(self, logs: Logs = None) -> None:
        if self._session.end(self._phase):
            self.profiler.mark("train_end")

    # ---- validation, evaluation ----

    def _validates(self) -> bool:
        """Within an epoch; after a fit() that failed evaluate() is no part of it."""
        return self._in_epoch and self._call == self._fit

    def on_test_begin(self, logs: Logs = None) -> None:
        self._hear_of_test()
        p = self.profiler
        self._test = self._session.begin(p.range("validation") if self._validates()
                                         else p.phase("evaluate"))

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._hear_of_test()

    def on_test_end(self, logs: Logs = None) -> None:
        self._hear_of_test()
        self._session.end(self._test, loss=_number(logs, "loss"))

    def _hear_of_test(self) -> None:
        if self._validates():
            self._session.hear()

    # ---- inference ----

    def on_predict_begin(self, logs: Logs = None) -> None:
        self._session.abandon()  # what a fit() that failed has left
        self._in_epoch = False
        self._samples = 0
        self.profiler.mark("infer_start")
        self._phase = self._session.begin(self.profiler.phase("infer"))

    def on_predict_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self._begin_batch(batch)

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._end_batch(batch, None)

    def on_predict_end(self, logs: Logs = None) -> None:
        if self._session.end(self._phase):
            self.profiler.mark("infer_end", samples=self._samples)


# ---- whichever Keras ----

_classes: Dict[type, type] = {}


def _class_of(base: type) -> Type[Any]:
    """JoulemeterCallback for a Callback class."""
    if base not in _classes:
        _classes[base] = type("JoulemeterCallback", (_Recorder, base),
                              {"__doc__": _Recorder.__doc__, "__module__": __name__})
    return _classes[base]


def _callback_base(root: str) -> type:
    """The Callback class of a package."""
    from importlib import import_module

    if root == "tensorflow":
        return import_module("tensorflow").keras.callbacks.Callback
    return import_module(f"{root}.callbacks").Callback


def _class_for(model: Any) -> Type[Any]:
    """For the Keras that a model is of: keras, tf_keras or tensorflow.keras."""
    roots = [parent.__module__.split(".")[0] for parent in type(model).__mro__]
    for root in ("tf_keras", "keras", "tensorflow"):
        if root in roots:
            return _class_of(_callback_base(root))
    raise TypeError(f"{type(model).__name__} is no Keras model")


def __getattr__(name: str) -> Any:
    """JoulemeterCallback is made when it is asked for, of the Keras that is loaded."""
    if name != "JoulemeterCallback":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    for root in ("keras", "tensorflow", "tf_keras"):
        if sys.modules.get(root) is not None:
            return _class_of(_callback_base(root))
    try:
        return _class_of(_callback_base("keras"))
    except ImportError:
        try:
            return _class_of(_callback_base("tensorflow"))
        except ImportError:
            raise ImportError("JoulemeterCallback needs Keras: pip install keras, or "
                              "pip install joulemeter[tensorflow]") from None


# ---- for highlevel.KerasProfiler ----


def fit(prof: Profiler, model: Any, data: Any, options: Dict[str, Any]) -> Any:
    """model.fit() with the callback, which is told how large batches are."""
    options = dict(options)
    others = options.pop("callbacks", None) or []
    others = list(others) if isinstance(others, (list, tuple)) else [others]
    callback = _class_for(model)(prof)
    callback._sizes = sizes_of(data[0] if _is_pair(data, options) else data, options)
    arguments: Tuple[Any, ...] = (data,)
    if _is_pair(data, options):
        names = ("y", "sample_weight")
        arguments, options = (data[0],), {**options, **dict(zip(names, data[1:]))}
    try:
        return model.fit(*arguments, callbacks=[callback, *others], **options)
    except BaseException as error:
        callback.abandon(error)
        raise


def _is_pair(data: Any, options: Mapping) -> bool:
    """(x, y) or (x, y, weights), rather than the inputs of a model with several."""
    return isinstance(data, tuple) and 2 <= len(data) <= 3 and options.get("y") is None


def predict(prof: Profiler, model: Any, x: Any, batch_size: int, warmup_n: int) -> Any:
    """model.predict() after a warm-up."""
    callback = _class_for(model)(prof)
    callback._sizes = sizes_of(x, {"batch_size": batch_size})
    options: Dict[str, Any] = {"verbose": 0}
    if callback._sizes.of_arrays:
        options["batch_size"] = batch_size
    head = head_of(x, warmup_n, callback._sizes)
    if head is not None:
        prof.mark("warmup_start", samples=warmup_n)
        with prof.range("warmup", "warmup"):
            model.predict(head, **options)
        prof.mark("warmup_end", samples=warmup_n)
    try:
        return model.predict(x, callbacks=[callback], **options)
    except BaseException as error:
        callback.abandon(error)
        raise
