"""PowerDL's interface: profile_torch() and profile_tf().

    from joulemeter.highlevel import profile_torch

    with profile_torch(interval_s=0.02, verbose=1) as prof:
        prof.train(model, trainloader, optimizer, loss_fn, epochs=3)
        prof.infer_tensor(model, batch_size=256, n_samples=20000)
    rep = prof.report()
    rep.export("results/torch_run")

Frameworks are imported when a method needs them.
"""

from __future__ import annotations

import os
import time

from ._bind import JoulemeterError
from ._core import Profiler, _warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List, Optional, Sequence, Union

    import _joulemeter
    import torch

    from ._energy import Energy
    from ._report import Report

    Index = Union[None, int, str, Sequence[Union[int, str]]]

__all__ = ["KerasProfiler", "LearningProfiler", "TorchProfiler", "profile_tf", "profile_torch"]


def _indices(device_index: Index) -> List[str]:
    """ ["0", "2"] for [0, "cuda:2"]; none for None and "cpu"."""
    if device_index is None:
        return []
    if isinstance(device_index, (list, tuple, range)):
        return [one for index in device_index for one in _indices(index)]
    text = str(device_index).strip()
    for prefix in ("cuda:", "gpu:", "gpu"):
        if text.lower().startswith(prefix) and text[len(prefix):].isdigit():
            text = text[len(prefix):]
    if text.lower() in ("cpu", "none", ""):
        return []
    return ["0"] if text.lower() in ("cuda", "gpu") else [text]


def _visible(indices: List[str]) -> List[str]:
    """What CUDA_VISIBLE_DEVICES calls the GPUs that frameworks count so; none where it hides all."""
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    if shown is None:
        return indices
    entries = []
    for entry in shown.split(","):
        if entry.strip() in ("", "-1"):
            break  # CUDA does not look further
        entries.append(entry.strip())
    if not entries:
        return []
    for index in indices:
        if index.isdigit() and int(index) >= len(entries):
            raise LookupError(f"there is no GPU {index}: CUDA_VISIBLE_DEVICES is {shown!r}")
    return [entries[int(index)] if index.isdigit() else index for index in indices]


class LearningProfiler(Profiler):
    """What :func:`profile_torch` and :func:`profile_tf` return has in common.

    Parameters are described there.
    """

    def __init__(
        self,
        *,
        out_dir: Union[None, str, "os.PathLike[str]"] = None,
        device_index: Index = 0,
        verbose: int = 0,
        collect_util: bool = True,
        auto_flush_dir: Union[None, str, "os.PathLike[str]"] = None,
        auto_flush_prefix: str = "joulemeter",
        auto_flush_keep_marks: bool = True,
        **more: Any,
    ) -> None:
        self.out_dir = out_dir
        self.verbose = int(verbose)
        self.collect_util = collect_util
        self.auto_flush_keep_marks = auto_flush_keep_marks  # they are kept in any case
        self.device_index = _indices(device_index)
        self.waits = bool(more.get("sync", True))  # for the device, at edges of ranges
        self._pid = os.getpid()
        self._last_line = 0.0
        self._epochs: List[Optional["Energy"]] = []
        if auto_flush_dir is not None and more.get("path") is None:
            more["path"] = _flush_path(auto_flush_dir, auto_flush_prefix)
        self.flush_path: Optional[str] = more.get("path")
        self._open(more)

    def _open(self, more: Any) -> None:
        """Begins to measure; a machine without any GPU has energies of the CPU."""
        if "gpus" not in more:
            more["gpus"] = self._gpus(more.get("simulate") is not None)
        try:
            super().__init__(**more)
        except LookupError as error:
            if "shows no GPU" not in str(error):
                raise
            super().__init__(**{**more, "gpus": "none"})
        from ._environment import note_versions

        note_versions(self)  # a program that dies has them, too
        names = [device["name"] for device in self.devices() if device["in_total"]]
        self._device = "gpus" if any(name.startswith("gpu") for name in names) else "total"
        self._say(f"measuring {', '.join(names) or 'nothing'}")
        if self._device == "total" and self.device_index:
            self._say("this machine shows no GPU: energies are those of the CPU and its memory")

    def _gpus(self, simulated: bool) -> List[str]:
        return self.device_index if simulated else _visible(self.device_index)

    # ---- lines for those who watch ----

    def _say(self, text: str) -> None:
        if self.verbose > 0:
            print(f"joulemeter: {text}", flush=True)

    def _epoch_done(self, epoch: int, epochs: int, window: "_joulemeter.Range",
                    loss: Optional[float], samples: int) -> None:
        """Called by the loops at the end of an epoch: a line if verbose is 1 or more."""
        if self.verbose < 1:
            return
        from ._statistics import is_estimate

        energy = self._energy_of(window)
        self._epochs = [*(self._epochs if epoch > 0 else []), energy]
        parts = [f"epoch {epoch + 1}/{epochs}:"]
        if loss is not None:
            parts.append(f"loss {loss:.4g},")
        parts.append("no reading yet" if energy is None
                     else f"{energy} in {energy.duration_s:.3g} s")
        if energy is not None and samples > 0 and energy.duration_s > 0:
            each = f"{energy.energy_j / samples:.3g} J/sample, " if is_estimate(energy) else ""
            parts.append(f"= {each}{samples / energy.duration_s:.4g} samples/s")
        forecast = self._forecast(epochs)
        self._say(" ".join(parts) + (f"; {forecast}" if forecast else ""))

    def _energy_of(self, window: "_joulemeter.Range") -> Optional["Energy"]:
        """Its energy, None where nothing has been read yet, or nothing is any more."""
        try:
            return window.energy(self._device)
        except (JoulemeterError, RuntimeError):
            return None

    def _forecast(self, epochs: int) -> str:
        """What so many epochs will take, after those in ``_epochs``."""
        from ._statistics import forecast, is_estimate

        done = [energy for energy in self._epochs if energy is not None and is_estimate(energy)]
        if len(self._epochs) >= epochs or len(done) < len(self._epochs):
            return ""
        return str(forecast(done, epochs))

    def _batch_done(self, index: int, window: "_joulemeter.Range", size: Optional[int],
                    loss: Optional[float]) -> None:
        """Called by the loops after each batch: a line about every second if verbose is 2."""
        if self.verbose < 2:
            return
        now = time.monotonic()
        if now - self._last_line < 1:
            return
        self._last_line = now
        told = "" if loss is None else f" loss {loss:.4g},"
        each = "" if not size else f" of {size}"
        self._say(f"batch {index}{each}:{told} {self._energy_of(window) or 'no reading yet'}")

    # ---- results ----

    def report(self, device: Union[None, int, str] = None) -> "Report":
        """What has been measured so far, or all of it afterwards; see :class:`Report`.

        Parameters
        ----------
        device : int or str, optional
            Whose energy the tables are of: "total", "gpus", "gpu0" ... By default the GPUs' if
            there are any, else the total.
        """
        from ._environment import note_versions

        if not self.closed:
            note_versions(self)
        report = super().report(device)
        report.collect_util = self.collect_util
        return report

    def close(self) -> Optional["_joulemeter.Recording"]:
        """Stops measuring; exports to ``out_dir`` if there is one. Returns the recording."""
        from ._environment import note_versions

        first = not self.closed and os.getpid() == self._pid
        if first:
            note_versions(self)
        recording = super().close()
        if first and self.out_dir is not None:
            self._export(os.fspath(self.out_dir), recording)
        return recording

    def _export(self, out_dir: str, recording: Optional["_joulemeter.Recording"]) -> None:
        """A training that failed has its files too, and no failure here hides its own."""
        if recording is None:
            _warn("this program runs inside `joulemeter run`, which has the recording: nothing "
                  f"is exported to {out_dir}")
            return
        try:
            self.report().export(out_dir)
        except Exception as error:
            _warn(f"the export to {out_dir} failed: {error}")
        else:
            self._say(f"wrote {out_dir}")


def _flush_path(folder: Union[str, "os.PathLike[str]"], prefix: str) -> str:
    """A file that is not there yet, named after now and this process."""
    os.makedirs(folder, exist_ok=True)
    stem = f"{prefix}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    path, number = os.path.join(folder, f"{stem}.jm"), 1
    while os.path.exists(path):
        number += 1
        path = os.path.join(folder, f"{stem}-{number}.jm")
    return path


class TorchProfiler(LearningProfiler):
    """Measures training and inference with PyTorch; see :func:`profile_torch`."""

    def __init__(self, *, amp: bool = True, **options: Any) -> None:
        self.amp = amp
        super().__init__(**options)

    def _gpus(self, simulated: bool) -> List[str]:
        if not simulated and self.device_index:
            from ._torch import uuids

            named = uuids(self.device_index)  # CUDA and NVML may count GPUs in another order
            if named is not None:
                return named
        return super()._gpus(simulated)

    def train(self, model: "torch.nn.Module", trainloader: Any, optimizer: Any,
              loss_fn: Optional[Callable] = None, epochs: int = 1) -> List[float]:
        """Trains the model, in a phase "train" with its epochs and batches.

        Parameters
        ----------
        model : torch.nn.Module
            Stays on the accelerator it is on; one on the CPU moves to ``cuda:device_index``.
        trainloader : iterable
            Batches: ``(x, y)``, ``(x1, x2, y)``, a dict (``model(**batch)``), or tensors.
        optimizer : torch.optim.Optimizer
        loss_fn : callable, optional
            ``loss_fn(output, target)``. The target is the last of a tuple, "labels" of a dict, or
            the batch itself. Without it the model returns its loss, as those of Hugging Face do.
        epochs : int

        Returns
        -------
        list of float
            The mean loss of each epoch.
        """
        from . import _torch

        return _torch.train(self, model, trainloader, optimizer, loss_fn, epochs)

    train_epochs = train

    def infer(self, model: "torch.nn.Module", loader: Any, max_batches: Optional[int] = None,
              warmup: int = 1) -> int:
        """Runs the model on batches, in a phase "infer", after a warm-up that is not part of it.

        Parameters
        ----------
        model : torch.nn.Module
            In evaluation mode meanwhile.
        loader : iterable
            Batches as in :meth:`train`; targets are left aside.
        max_batches : int, optional
            No more than so many.
        warmup : int
            So many runs of the first batch come before.

        Returns
        -------
        int
            Number of samples, 0 where batches do not show theirs.
        """
        from . import _torch

        return _torch.infer(self, model, loader, max_batches, warmup)

    def infer_tensor(self, model: "torch.nn.Module", batch_size: int = 256,
                     n_samples: int = 20000,
                     input_shape: Optional[Sequence[int]] = None) -> int:
        """Like :meth:`infer`, on random input that is on the device already.

        Parameters
        ----------
        batch_size, n_samples : int
        input_shape : sequence of int, optional
            Shape of one sample, such as (3, 32, 32). By default guessed from the first layer.

        Raises
        ------
        ValueError
            The shape cannot be guessed.
        """
        from . import _torch

        return _torch.infer_tensor(self, model, batch_size, n_samples, input_shape)


class KerasProfiler(LearningProfiler):
    """Measures training and inference with Keras; see :func:`profile_tf`."""

    def fit(self, model: Any, data: Any, **fit_kwargs: Any) -> Any:
        """``model.fit(data, **fit_kwargs)`` in a phase "train", with epochs and batches.

        Parameters
        ----------
        model : keras.Model
        data : anything that ``fit`` takes, or a tuple ``(x, y)``
        **fit_kwargs
            Those of ``fit``; ``callbacks`` are kept.

        Returns
        -------
        keras.callbacks.History
        """
        from .callbacks.keras import fit

        return fit(self, model, data, fit_kwargs)

    def infer_keras(self, model: Any, x: Any, batch_size: int = 256,
                    warmup_n: int = 1024) -> Any:
        """``model.predict(x)`` in a phase "infer", after a warm-up that is not part of it.

        Parameters
        ----------
        model : keras.Model
        x : array, dict or list of arrays, or a dataset
        batch_size : int
            For arrays.
        warmup_n : int
            So many samples (of a dataset: so many batches' worth) are predicted before.

        Returns
        -------
        What ``predict`` returns.
        """
        from .callbacks.keras import predict

        return predict(self, model, x, batch_size, warmup_n)


def profile_torch(
    out_dir: Union[None, str, "os.PathLike[str]"] = None,
    device_index: Index = 0,
    interval_s: float = 0.02,
    amp: bool = True,
    verbose: int = 0,
    collect_util: bool = True,
    max_samples: Optional[int] = None,
    max_memory_mb: Optional[float] = None,
    warn_at_pct: float = 0.8,
    auto_flush_dir: Union[None, str, "os.PathLike[str]"] = None,
    auto_flush_prefix: str = "joulemeter",
    auto_flush_keep_marks: bool = True,
    on_warning: Optional[Callable[[str], Any]] = None,
    **more: Any,
) -> TorchProfiler:
    """Measures training and inference with PyTorch: ``with profile_torch() as prof: ...``.

    Parameters
    ----------
    out_dir : path, optional
        Folder to which the report is exported when the profiler is closed, after an exception too.
    device_index : int, str or list
        GPUs to measure, as PyTorch counts them; several: ``[0, 1]``. None or "cpu": no GPU. The
        model runs on the first. On a machine without a GPU the energies are those of the CPU.
    interval_s : float
        One sample at least is kept every so often (s).
    amp : bool
        Mixed precision (autocast and GradScaler) where the model is on a CUDA device.
    verbose : int
        1: a line for each epoch. 2: also for a batch about every second.
    collect_util : bool
        False: leave utilisation out of samples and summary.
    max_samples, max_memory_mb : optional
        What exceeds them goes to a file and still counts.
    warn_at_pct : float
        Share of a limit at which one warning is given.
    auto_flush_dir, auto_flush_prefix : optional
        The recording is written as it goes to ``{dir}/{prefix}-<time>-<pid>.jm``, which survives a
        crash and which ``joulemeter.open`` takes.
    auto_flush_keep_marks : bool
        Accepted: marks are always kept.
    on_warning : callable, optional
        Called with a sentence. Default: a JoulemeterWarning.
    **more
        Options of :func:`joulemeter.profile`, such as ``simulate="h100"``, ``path`` or ``gpus``.

    Returns
    -------
    TorchProfiler
    """
    return TorchProfiler(
        out_dir=out_dir, device_index=device_index, interval_s=interval_s, amp=amp,
        verbose=verbose, collect_util=collect_util, max_samples=max_samples,
        max_memory_mb=max_memory_mb, warn_at_pct=warn_at_pct, auto_flush_dir=auto_flush_dir,
        auto_flush_prefix=auto_flush_prefix, auto_flush_keep_marks=auto_flush_keep_marks,
        on_warning=on_warning, **more)


def profile_tf(
    out_dir: Union[None, str, "os.PathLike[str]"] = None,
    device_index: Index = 0,
    interval_s: float = 0.02,
    verbose: int = 0,
    collect_util: bool = True,
    max_samples: Optional[int] = None,
    max_memory_mb: Optional[float] = None,
    warn_at_pct: float = 0.8,
    auto_flush_dir: Union[None, str, "os.PathLike[str]"] = None,
    auto_flush_prefix: str = "joulemeter",
    auto_flush_keep_marks: bool = True,
    on_warning: Optional[Callable[[str], Any]] = None,
    **more: Any,
) -> KerasProfiler:
    """Measures training and inference with Keras: ``with profile_tf() as prof: ...``.

    Parameters are those of :func:`profile_torch`, without ``amp``. Any backend of Keras will do.

    Returns
    -------
    KerasProfiler
    """
    return KerasProfiler(
        out_dir=out_dir, device_index=device_index, interval_s=interval_s, verbose=verbose,
        collect_util=collect_util, max_samples=max_samples, max_memory_mb=max_memory_mb,
        warn_at_pct=warn_at_pct, auto_flush_dir=auto_flush_dir,
        auto_flush_prefix=auto_flush_prefix, auto_flush_keep_marks=auto_flush_keep_marks,
        on_warning=on_warning, **more)
