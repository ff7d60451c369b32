"""Callback for the Trainer of Hugging Face transformers.

    from joulemeter.callbacks import HuggingFaceCallback

    callback = HuggingFaceCallback()
    trainer = Trainer(model, args, train_dataset=data, callbacks=[callback])
    trainer.train()
    print(callback.report())
"""

from __future__ import annotations

from transformers import TrainerCallback

import _joulemeter

from .._core import Profiler
from ._session import Session, entries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

    from .._energy import Energy
    from .._report import Report

__all__ = ["JoulemeterCallback"]

_PHASE = 2  # category of a range that is added afterwards


class JoulemeterCallback(TrainerCallback):
    """Measures training, evaluation and prediction, epochs and steps.

    The phases are "train", "evaluate" and "predict"; an update step is a batch, of all the samples
    that this process puts into it. At the end of an epoch ``energy_j``, ``energy_u95_j`` and
    ``j_per_sample`` join the Trainer's next log; evaluation adds ``eval_energy_j`` and so on to its
    metrics, and ``train()`` adds ``train_energy_j`` and so on to its result. Energies hold the
    evaluation that the Trainer runs meanwhile; ``j_per_sample`` is without.

    Parameters
    ----------
    profiler : Profiler, optional
        Where ranges go. Default: the one in whose ``with`` block the program is, else one of its
        own, opened when training begins (:func:`joulemeter.distributed.profile`: in a program of
        several processes the first of each node measures).
    device : str, optional
        Whose energy is logged: "gpus", "gpu0", "total" ... Default: the GPUs', if there are any.
    **options
        Of :func:`joulemeter.profile`, for the profiler of its own.

    Notes
    -----
    Reporters that the Trainer sets up itself (TensorBoard, Weights & Biases ...) are told of a log
    before callbacks are: ``callback.attach(trainer)`` puts this one before them, so that energies
    arrive there too.
    """

    def __init__(self, profiler: Optional[Profiler] = None, *, device: Optional[str] = None,
                 **options: Any) -> None:
        self._session = Session("transformers", profiler, device, options)
        self._reset()

    def _reset(self) -> None:
        self._train: Optional[_joulemeter.Range] = None
        self._epoch: Optional[_joulemeter.Range] = None
        self._step: Optional[_joulemeter.Range] = None
        self._samples = self._all_samples = 0
        self._epochs_j = self._aside_j = 0.0
        self._left: Optional[int] = None
        self._pending: Dict[str, float] = {}
        self._evaluated = 0

    def attach(self, trainer: Any) -> JoulemeterCallback:
        """Adds the callback to a Trainer, before those that report logs elsewhere."""
        handler = trainer.callback_handler
        if self in handler.callbacks:
            handler.callbacks.remove(self)
        handler.callbacks.insert(0, self)
        return self

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

    # ---- training ----

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        self._session.abandon()  # what a training that failed has left
        self._reset()
        self._train = self._session.begin(self.profiler.phase("train"))

    def on_epoch_begin(self, args, state, control, train_dataloader=None, **kwargs) -> None:
        self._session.hear()
        self._tell_pending(state)
        self._samples, self._aside_j = 0, 0.0
        self._left = _samples_of(train_dataloader) if args.world_size == 1 else None
        self._epoch = self._session.begin(self.profiler.epoch(int(state.epoch or 0)))

    def on_step_begin(self, args, state, control, **kwargs) -> None:
        self._session.hear()
        size = args.train_batch_size * args.gradient_accumulation_steps
        if self._left is not None:
            size = min(size, self._left) if self._left > 0 else size
            self._left -= size
        self._samples += size * args.world_size
        self._step = self._session.begin(self.profiler.batch(state.global_step, size))

    def on_substep_end(self, args, state, control, **kwargs) -> None:
        self._session.hear()

    def on_step_end(self, args, state, control, **kwargs) -> None:
        self._session.hear()
        self._session.end(self._step)

    def on_save(self, args, state, control, **kwargs) -> None:
        self._session.hear()

    def on_epoch_end(self, args, state, control, **kwargs) -> None:
        self._session.hear()
        if not self._session.end(self._epoch) or not state.is_world_process_zero:
            return
        energy = self._session.energy_of(self._epoch)
        self._pending = entries(energy, self._samples, aside_j=self._aside_j)
        self._all_samples += self._samples
        self._epochs_j += _value(energy) - self._aside_j

    def on_train_end(self, args, state, control, **kwargs) -> None:
        self._tell_pending(state)
        self._session.end(self._train)

    # ---- evaluation and prediction: the Trainer tells of them when they are over ----

    def on_prediction_step(self, args, state, control, **kwargs) -> None:
        self.profiler  # noqa: B018  (opens one, if there is none, as early as can be)
        if control.should_evaluate:  # while training
            self._session.hear()

    def on_evaluate(self, args, state, control, metrics=None, **kwargs) -> None:
        self._add_phase("evaluate", metrics or {}, self._evaluated or _joulemeter.now_ns())
        self._evaluated = 0

    def on_predict(self, args, state, control, metrics=None, **kwargs) -> None:
        end = _joulemeter.now_ns()
        metrics = {} if metrics is None else metrics
        self._add_phase("predict", metrics, end)
        if state.is_world_process_zero:
            metrics.update(self._entries_of(metrics, end))

    def _add_phase(self, name: str, metrics: Dict[str, float], end: int) -> None:
        key = _runtime_key(metrics)
        if key is not None:
            begin = end - int(metrics[key] * 1e9)
            self.profiler.add_range(name, begin, end, category=_PHASE)

    # ---- logs ----

    def on_log(self, args, state, control, logs=None, **kwargs) -> None:
        if logs is None or not state.is_world_process_zero:
            return
        added: Dict[str, float] = {}
        if "train_runtime" in logs:
            energy = self._session.energy_of(self._train)
            added = entries(energy, 0, "train_")
            if self._all_samples > 0 and self._epochs_j >= 0:
                added["train_j_per_sample"] = self._epochs_j / self._all_samples
        elif _runtime_key(logs) is not None:
            self._evaluated = _joulemeter.now_ns()
            added = self._entries_of(logs, self._evaluated)
        else:
            added, self._pending = self._pending, {}
        logs.update(added)
        if state.log_history and state.log_history[-1].get("step") == state.global_step:
            state.log_history[-1].update(added)

    def _entries_of(self, metrics: Dict[str, float], end: int) -> Dict[str, float]:
        """Energy of what took `<prefix>_runtime` seconds and ended at `end`."""
        key = _runtime_key(metrics)
        if key is None:
            return {}
        seconds, prefix = metrics[key], key[:-len("runtime")]
        energy = self._session.energy_between(end - int(seconds * 1e9), end)
        self._aside_j += _value(energy)
        rate = metrics.get(f"{prefix}samples_per_second", 0.0)
        return entries(energy, round(rate * seconds), prefix)

    def _tell_pending(self, state) -> None:
        """An epoch after which nothing was logged has an entry of its own."""
        if self._pending:
            state.log_history.append({**self._pending, "epoch": state.epoch,
                                      "step": state.global_step})
            self._pending = {}


def _value(energy: Optional[Energy]) -> float:
    return energy.energy_j if energy is not None else float("nan")


def _runtime_key(metrics: Dict[str, float]) -> Optional[str]:
    for key, value in metrics.items():
        if key.endswith("_runtime") and key != "train_runtime" and isinstance(value, (int, float)):
            return key
    return None


def _samples_of(loader: Any) -> Optional[int]:
    """Samples of an epoch, if that is known and none are left out."""
    try:
        return None if getattr(loader, "drop_last", False) else len(loader.dataset)
    except (AttributeError, TypeError):
        return None
