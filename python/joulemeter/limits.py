"""Power limits of GPUs: set for a while, and given back whatever happens.

    import joulemeter as jm

    with jm.power_limit(250):            # watts, "70%" of the board's default ...
        train()

A limit is a loan: a process of its own, the guard, gives back what was before when the block ends,
or when this program does, by an exception, Ctrl-C, SIGKILL or a crash. Only root may set limits,
and whom ``joulemeter-limitd`` lends them to (docs/limits.md).
"""

from __future__ import annotations

import atexit
import threading
import warnings

import _joulemeter

from ._bind import JoulemeterWarning
from ._core import _gpus_text, current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Sequence, Union

    import torch

    Gpus = Union[None, int, str, Sequence[Union[int, str]]]

__all__ = ["clock_limit", "power_cap_profiler", "power_limit", "power_limits", "reset_power_cap", "set_power_cap"]


def _open(gpus: Gpus, **options: Any) -> _joulemeter.Limits:
    """GPUs with their limits: those of a profiler that simulates some, if there is one."""
    if options.get("simulate") is None and "session" not in options:
        options["session"] = current()
    return _joulemeter.Limits(gpus=_gpus_text(gpus), **options)


def _warn(notes: str, level: int = 3) -> None:
    for note in notes.splitlines():
        warnings.warn(note, JoulemeterWarning, stacklevel=level + 1)


class _Limit:
    """A limit for a block of code."""

    _lever = "power"

    def __init__(self, limit: Union[float, str], gpus: Gpus = None, **options: Any) -> None:
        self.limit = limit
        self._gpus = gpus
        self._options = options
        self._limits: Optional[_joulemeter.Limits] = None

    def __enter__(self):
        if self._limits is not None:
            raise RuntimeError("this limit is set already; make another one for a nested block")
        limits = _open(self._gpus, **self._options)
        try:
            _warn(limits.set(None, self.limit, self._lever))
        except BaseException:
            limits.close()
            raise
        self._limits = limits
        return self

    def __exit__(self, *exception) -> None:
        limits, self._limits = self._limits, None
        if limits is None:
            return
        said = limits.warnings()
        limits.close()
        _warn(said, 2)

    def change(self, limit: Union[float, str]) -> None:
        """Sets another limit within the block."""
        if self._limits is None:
            raise RuntimeError("the limit is not set: change() belongs into the block")
        _warn(self._limits.warnings() + self._limits.set(None, limit, self._lever))
        self.limit = limit

    @property
    def now(self) -> List[Dict[str, Any]]:
        """The limits of its GPUs as they are, within the block (see :func:`power_limits`)."""
        if self._limits is None:
            raise RuntimeError("the limit is not set: now belongs into the block")
        return [self._limits.read(i, self._lever) for i in range(self._limits.count)]


class power_limit(_Limit):
    """The power limit of GPUs, for a block of code.

    Parameters
    ----------
    limit : float or str
        Watts, or a text such as "250W" or "70%" (of the board's default). What the board does not
        allow is brought within its bounds, with a warning.
    gpus : int, str or list, optional
        Which GPUs, as of :func:`joulemeter.profile`. By default those that CUDA_VISIBLE_DEVICES
        shows, all where it is not set.
    simulate : str, optional
        Simulated GPUs instead of real ones.

    Raises
    ------
    JoulemeterError
        The limit cannot be set: ``status`` is "JM_PERMISSION" and the message says what would mend
        that, "JM_NOT_SUPPORTED", "JM_LOST", "JM_HUNG" ...

    Examples
    --------
    >>> with jm.power_limit("70%", gpus=0):
    ...     train()
    """


class clock_limit(_Limit):
    """The highest clock of GPUs (MHz), for a block of code: another way to use less energy. Like
    :class:`power_limit`; "70%" is a share of the highest clock."""

    _lever = "clock"


def power_limits(gpus: Gpus = None, *, lever: str = "power", **options: Any) -> List[Dict[str, Any]]:
    """The limits of GPUs as they are: a dict for each with value, default, least, most (W), base
    (what it goes back to, None if it is not lent), loans, holder, holder_pid, left_over, status,
    message. `lever` "clock": the highest clocks (MHz)."""
    limits = _open(gpus, **options)
    try:
        return [limits.read(i, lever) for i in range(limits.count)]
    finally:
        limits.close()


# ---- De Feo's interface ----

_caps: Dict[Any, _joulemeter.Limits] = {}
_caps_lock = threading.Lock()


def set_power_cap(gpu_num: Gpus, cap: Union[float, str], *, keep: bool = False) -> None:
    """Sets the power limit of a GPU, as De Feo's function of that name.

    Parameters
    ----------
    gpu_num : int, str or list
        Which GPU: an index, a UUID, several of them, or "all".
    cap : float or str
        Watts, "250W", or "70%" of the board's default.
    keep : bool
        The limit stays when this program ends. Otherwise what was before comes back then, or with
        :func:`reset_power_cap`, whichever is first.
    """
    key = _gpus_text(gpu_num)
    with _caps_lock:
        limits = _caps.get(key) or _open(gpu_num)
        try:
            notes = limits.warnings() + limits.set(None, cap, "power", keep)
            if keep:
                _caps.pop(key, None)
            else:
                _caps[key] = limits
        finally:  # a limit from before stays where another one fails
            if key not in _caps:
                limits.close()
    _warn(notes, 2)


def reset_power_cap(gpu_num: Gpus) -> None:
    """Gives back what :func:`set_power_cap` set. Where this program has set nothing, a limit that a
    killed program left is mended, or else the board's default is set."""
    with _caps_lock:
        limits = _caps.pop(_gpus_text(gpu_num), None)
        ours = limits is not None
        limits = limits or _open(gpu_num)
        try:
            notes = limits.warnings() if ours else limits.reset()
        finally:
            limits.close()
    _warn(notes, 2)


def power_cap_profiler(gpu_num: Gpus, model: "torch.nn.Module", dataloader: Any,
                       train: Union[bool, Callable[..., Any]], loss_fn: Optional[Callable[..., Any]] = None,
                       optimizer: Any = None, out_file: Optional[str] = None, *, objective: str = "ed2p",
                       trials: int = 0, seconds: float = 10, tolerance_pct: float = 0, clock: bool = False,
                       lowest: Union[None, float, str] = None, highest: Union[None, float, str] = None,
                       on_trial: Optional[Callable[..., Any]] = None, simulate: Optional[str] = None) -> float:
    """Finds the power limit under which a model trains, or runs, with the least energy x time^2,
    as De Feo's function of that name.

    The model is used for some time under each of a few limits. Afterwards it is as it was, bit for
    bit: parameters, buffers, gradients and modes, the optimizer's state, and the random generators
    of Python, numpy, PyTorch and the loader; also after an exception or Ctrl-C. The limit is as it
    was, too: give what is returned to :func:`set_power_cap`.

    Parameters
    ----------
    gpu_num : int, str or list
        Which GPU; the one that the model is on.
    model : torch.nn.Module
    dataloader : iterable
        Batches: (inputs, target), or mappings. It is gone through again and again.
    train : bool or callable
        True: training steps; False: inference; or a function of your own, called as
        ``train(model, batch, loss_fn, optimizer)`` for each batch.
    loss_fn : callable, optional
        ``loss_fn(output, target)``. Without it the model's own loss is taken.
    optimizer : torch.optim.Optimizer, optional
        Needed where it trains.
    out_file : str, optional
        CSV of what was measured, with units in its header, written as it goes.
    objective, trials, tolerance_pct, clock, lowest, highest, on_trial, simulate
        As of :class:`joulemeter.PowerTuner`.
    seconds : float
        Longest time of a trial, settling included; most end sooner.

    Returns
    -------
    float
        The limit, W (MHz with ``clock``): the board's default where no other is better.
        ``power_cap_profiler.last`` is the whole :class:`joulemeter.Tuning`.
    """
    from ._power_cap import profile

    options = {"objective": objective, "trials": trials, "seconds": seconds, "tolerance_pct": tolerance_pct,
               "clock": clock, "lowest": lowest, "highest": highest, "on_trial": on_trial, "simulate": simulate}
    found = profile(gpu_num, model, dataloader, train, loss_fn, optimizer, out_file, options)
    power_cap_profiler.last = found  # type: ignore[attr-defined]
    return found.setting


@atexit.register
def _give_back() -> None:
    """So that a limit is back when the program has ended, and not a moment later."""
    for limits in list(_caps.values()):
        try:
            limits.close()
        except Exception:
            continue
    _caps.clear()
