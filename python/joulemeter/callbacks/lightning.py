"""Callback for the Trainer of Lightning, as `lightning` or as `pytorch_lightning`.

    from joulemeter.callbacks import LightningCallback

    callback = LightningCallback()
    trainer = L.Trainer(max_epochs=3, callbacks=[callback])
    trainer.fit(model, data)
    print(callback.report())
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from .._core import Profiler
from ..distributed import Ranks
from ._session import Session, entries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

    import _joulemeter

    from .._report import Report

__all__ = ["JoulemeterCallback"]


def _bases() -> Tuple[type, ...]:
    """Callback of the package that the program uses, of both if it has loaded both."""
    from importlib import import_module

    names = ("lightning.pytorch", "pytorch_lightning")
    found: List[type] = [sys.modules[name].Callback for name in names if name in sys.modules]
    for name in names:
        if not found:
            try:
                found.append(import_module(name).Callback)
            except ImportError:
                continue
    if not found:
        raise ImportError("JoulemeterCallback needs Lightning: pip install lightning")
    return tuple(dict.fromkeys(found))


class _Recorder:
    """Measures training, validation, testing and prediction, epochs and batches.

    The phases are "train", "validate", "test" and "predict"; validation while training is a range
    within "train". At the end of a training epoch ``energy_j``, ``energy_u95_j``, ``j_per_sample``
    and ``energy_total_j`` (since training began) are logged by ``pl_module.log``, so that loggers
    and other callbacks can use them; validation and testing log ``val_energy_j`` and
    ``test_energy_j``. An epoch holds the validation that Lightning runs in it; ``j_per_sample`` is
    without.

    Parameters
    ----------
    profiler : Profiler, optional
        Where ranges go. Default: the one in whose ``with`` block the program is, else one of its
        own, opened when the trainer starts (:func:`joulemeter.distributed.profile`: in a program of
        several processes the first of each node measures).
    device : str, optional
        Whose energy is logged: "gpus", "gpu0", "total" ... Default: the GPUs', if there are any.
    **options
        Of :func:`joulemeter.profile`, for the profiler of its own.
    """

    def __init__(self, profiler: Optional[Profiler] = None, *, device: Optional[str] = None,
                 **options: Any) -> None:
        super().__init__()
        self._session = Session("lightning", profiler, device, options)
        self._windows: Dict[str, "_joulemeter.Range"] = {}
        self._samples: Optional[int] = 0
        self._validation_j = 0.0

    @property
    def profiler(self) -> Profiler:
        """Where ranges go."""
        return self._session.profiler

    def report(self) -> Optional[Report]:
        """What was measured so far; None in a process whose node's first rank has it."""
        return self._session.report()

    def close(self) -> None:
        """Stops measuring, if the profiler is its own; report() still works."""
        self._session.close()

    def _begin(self, key: str, window: "_joulemeter.Range") -> None:
        self._session.hear()
        self._windows[key] = self._session.begin(window)

    def _end(self, key: str) -> Optional["_joulemeter.Range"]:
        self._session.hear()
        window = self._windows.pop(key, None)
        return window if self._session.end(window) else None

    # ---- life ----

    def setup(self, trainer, pl_module, stage: str) -> None:
        if self._session.place is None and trainer.world_size > 1:
            self._session.place = _place_of(trainer)
        self.profiler  # noqa: B018  (opens one, if there is none)

    def on_exception(self, trainer, pl_module, exception: BaseException) -> None:
        self._session.fail(exception)
        self._windows.clear()

    # ---- training ----

    def on_train_start(self, trainer, pl_module) -> None:
        self._begin("train", self.profiler.phase("train"))

    def on_train_epoch_start(self, trainer, pl_module) -> None:
        self._samples, self._validation_j = 0, 0.0
        self._begin("epoch", self.profiler.epoch(trainer.current_epoch))

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx: int) -> None:
        size = size_of(batch)
        if self._samples is not None:
            self._samples = None if size is None else self._samples + size
        self._begin("batch", self.profiler.batch(batch_idx, size))

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx: int) -> None:
        self._end("batch")

    def on_train_epoch_end(self, trainer, pl_module) -> None:
        energy = self._session.energy_of(self._end("epoch"))
        samples = (self._samples or 0) * trainer.world_size
        logs = entries(energy, samples, aside_j=self._validation_j)
        total = self._session.energy_of(self._windows.get("train"))
        if total is not None:
            logs["energy_total_j"] = total.energy_j
        self._log(pl_module, logs)

    def on_train_end(self, trainer, pl_module) -> None:
        self._end("train")

    # ---- validation, testing, prediction ----

    def on_sanity_check_start(self, trainer, pl_module) -> None:
        self._begin("sanity", self.profiler.range("sanity check", "warmup"))

    def on_sanity_check_end(self, trainer, pl_module) -> None:
        self._end("sanity")

    def on_validation_start(self, trainer, pl_module) -> None:
        inside = "train" in self._windows or "sanity" in self._windows
        self._begin("val", self.profiler.range("validate") if inside
                    else self.profiler.phase("validate"))

    def on_validation_epoch_end(self, trainer, pl_module) -> None:
        if trainer.sanity_checking:
            return
        energy = self._session.energy_of(self._windows.get("val"))
        self._validation_j += energy.energy_j if energy is not None else float("nan")
        self._log(pl_module, entries(energy, 0, "val_"))

    def on_validation_end(self, trainer, pl_module) -> None:
        self._end("val")

    def on_test_start(self, trainer, pl_module) -> None:
        self._begin("test", self.profiler.phase("test"))

    def on_test_epoch_end(self, trainer, pl_module) -> None:
        self._log(pl_module, entries(self._session.energy_of(self._windows.get("test")), 0,
                                     "test_"))

    def on_test_end(self, trainer, pl_module) -> None:
        self._end("test")

    def on_predict_start(self, trainer, pl_module) -> None:
        self._begin("predict", self.profiler.phase("predict"))

    def on_predict_end(self, trainer, pl_module) -> None:
        self._end("predict")

    def _log(self, pl_module, logs: Dict[str, float]) -> None:
        for name, value in logs.items():
            pl_module.log(name, value, on_step=False, on_epoch=True, batch_size=1)


def _place_of(trainer: Any) -> Ranks:
    """Lightning knows what the launcher did not say."""
    import os

    names = ("MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT",
             "SLURM_JOB_ID", "SLURM_STEP_ID")
    job = " ".join(os.environ.get(name, "") for name in names)
    return Ranks(trainer.global_rank, trainer.world_size, trainer.local_rank,
                 trainer.num_devices, "lightning", f"lightning {job}")


def size_of(batch: Any) -> Optional[int]:
    """Samples in a batch: the length of the first tensor in it; None if there is none."""
    shape = getattr(batch, "shape", None)
    if shape is not None:
        return int(shape[0]) if len(shape) > 0 else None
    if isinstance(batch, Mapping):
        batch = list(batch.values())
    if isinstance(batch, (list, tuple)):
        for part in batch:
            size = size_of(part)
            if size is not None:
                return size
    size = getattr(batch, "num_graphs", None)  # of graphs, in torch_geometric
    return size if isinstance(size, int) else None


_classes: Dict[Tuple[type, ...], type] = {}


def __getattr__(name: str) -> Any:
    """JoulemeterCallback is made when it is asked for, of the package that is loaded."""
    if name != "JoulemeterCallback":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    bases = _bases()
    if bases not in _classes:
        _classes[bases] = type("JoulemeterCallback", (_Recorder, *bases),
                               {"__doc__": _Recorder.__doc__, "__module__": __name__})
    return _classes[bases]
