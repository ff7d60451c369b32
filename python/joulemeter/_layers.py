"""LayerPowerProfiler: power and energy of every layer of a PyTorch model, under GPUPP's names.

    from joulemeter import LayerPowerProfiler

    profiler = LayerPowerProfiler(model)
    profiler.profile(inputs, num_runs=3)
    profiler.print_summary()
"""

from __future__ import annotations

import operator
import random

from . import _hooks
from ._core import _warn
from ._keep import Kept
from ._keras_layers import is_keras
from ._layer_device import OWN, of_torch
from ._layer_metrics import LayerMetrics, frame_of, metrics_of, save, stats_of
from ._layer_run import LayerRun, Progress, unsettled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, ContextManager, Dict, List, Optional, Tuple, Union

    import pandas
    import torch

    from ._attribution import Attribution
    from ._hooks import Call
    from ._report import Report

__all__ = ["LayerMetrics", "LayerPowerProfiler"]

_LONG_REFRESHES = 3  # a layer that lasts so long has readings of its own
_LITTLE = 0.05
METHODS = ("auto", "passive", "dither", "replay", "time_share", "boundary")


class LayerPowerProfiler:
    """Measures the energy of every layer of a model.

    Parameters
    ----------
    model : torch.nn.Module or keras.Model
        Stays as it is: it is watched only while it is profiled. Of a Keras model calls are measured
        by :meth:`profile` alone, eagerly, passively or with dither.
    device_index : int or str, optional
        The GPU that the model runs on, as PyTorch counts them. It is found by itself; one that is
        not the model's raises ValueError when it is profiled.
    method : str
        "passive": what the runs give. "dither": further runs with random gaps between them.
        "replay": each layer also runs alone, with the input that it had in the model, in bursts
        that the sensor can follow. "auto": replay for :meth:`profile`, where layers are shorter
        than the sensor's refresh; else passive. "time_share" and "boundary" are the simple ways of
        other tools, for comparison: their intervals do not hold.
    target_rel_u95 : float
        Replay and dither go on until the energies (those that make up 95 % of the whole) are known
        so well, or get no surer: relative 95 % uncertainty, without that of the board's gain, which
        no repetition removes.
    max_seconds : float
        They go on no longer than so many seconds.
    net : bool
        Energies without the device's idle power, where that is known.
    device : str, optional
        Whose energy is told of: "gpu0", "cpu0" ... Default: that of the GPU that the model is on, or
        that is simulated; else the CPU's.
    progress : bool, optional
        A line on stderr while that takes more than a second or two. Default: on a terminal.
    **options
        Of :func:`joulemeter.profile`, such as ``simulate="h100"``, ``path`` or ``root``.

    Attributes
    ----------
    results : list of LayerMetrics
        Of the latest profiling, as are all that follow.
    attribution : Attribution or None
        Energies of each layer over all runs, groups, residual and diagnostics. None: nothing is
        known, and ``reason`` says why.
    reason : str
    report : Report
        The recording: tables, figures, ``save``.
    method_used : str
    choice : str
        Why that method.
    check : dict
        ``whole_j``, ``sum_j``, ``residual_j``, ``residual_u95_j``: the whole as it was measured and
        the sum of the parts, of all runs of the whole model.
    tokens, phases : list of dict
        Of :meth:`profile_generation`.
    """

    def __init__(self, model: Any, device_index: Union[None, int, str] = OWN, method: str = "auto", *,
                 target_rel_u95: float = 0.05, max_seconds: float = 30.0, net: bool = False,
                 device: Optional[str] = None, progress: Optional[bool] = None,
                 **options: Any) -> None:
        if method not in METHODS:
            raise ValueError(f"there is no method {method!r}: choose {', '.join(METHODS)}")
        if not target_rel_u95 > 0:
            raise ValueError("target_rel_u95 must be more than 0")
        if not max_seconds >= 0:
            raise ValueError("max_seconds must be 0 or more")
        self.model = model
        self._is_keras = is_keras(model)
        self._inner = model if self._is_keras else _hooks.unwrapped(model)
        self.device_index = device_index
        self.method = method
        self.target_rel_u95 = float(target_rel_u95)
        self.max_seconds = float(max_seconds)
        self.net = net
        self.device = device
        self._show = progress
        self._options = options
        self._forget()

    def _forget(self) -> None:
        self.results: List[LayerMetrics] = []
        self.attribution: Optional[Attribution] = None
        self.report: Optional[Report] = None
        self.method_used = ""
        self.choice = ""
        self.reason = ""
        self.check: Optional[Dict[str, float]] = None
        self.tokens: List[Dict[str, Any]] = []
        self.phases: List[Dict[str, Any]] = []

    # ---- profiling ----

    def profile(self, inputs: Any, num_runs: int = 1, warmup: bool = True) -> List[LayerMetrics]:
        """Measures forward passes, without gradients and in the mode that the model is in.

        Afterwards the model is as it was: buffers, modes, gradients and random generators too.

        Parameters
        ----------
        inputs : tensor, tuple, list, dict or BatchEncoding
            A tuple is the model's arguments, a dict its keyword arguments, a list the batch of a
            DataLoader, whose last item is left aside if the model does not take it. They are moved
            to the model's device.
        num_runs : int
            Energies are of so many runs; replay and dither add others, which do not count.
        warmup : bool
            First run the model once.

        Returns
        -------
        list of LayerMetrics
            A row for each call of a layer in each run.
        """
        num_runs = self._count("num_runs", num_runs)
        forward, kept = self._forward(inputs)
        with kept:
            layers = []
            if self.method in ("auto", "replay") and not self._is_keras:
                from ._replay import capture

                layers = capture(_hooks.parts_of(self._inner), forward,
                                 _hooks.device_of(self._inner).type)
            elif warmup:
                forward()
            with self._open(self._inner) as run:
                self._several(run, forward, num_runs)
                self._more_data(run, forward, layers)
                run.settle()
                return self._finish(run)

    def profile_generation(self, inputs: Any, max_new_tokens: int = 50, warmup: bool = True,
                           **generate_kwargs: Any) -> List[LayerMetrics]:
        """Measures ``model.generate``: prefill, then a pass for each token.

        ``tokens`` then has a row for each pass, ``phases`` one for prefill and one for decode.

        Parameters
        ----------
        inputs : tensor, dict or BatchEncoding
            Token ids, or what ``generate`` takes by name.
        max_new_tokens : int
        warmup : bool
            First generate a few tokens.
        **generate_kwargs
            Of ``model.generate``.

        Returns
        -------
        list of LayerMetrics
        """
        from ._layer_inputs import generator
        from ._tokens import tell

        self._needs_torch("profile_generation")
        max_new_tokens = self._count("max_new_tokens", max_new_tokens)
        inner = self._generating()
        generate = generator(inner, inputs, _hooks.device_of(inner), generate_kwargs)
        with Kept(inner):
            if warmup:
                generate(min(max_new_tokens, 4))
            with self._open(inner) as run:
                run.prepare(len(run.watch.parts) * (max_new_tokens + 1))
                self._choose_runs("generation goes on from token to token")
                run.run(lambda: generate(max_new_tokens))
                if self.method_used == "dither":
                    self._dither(run, lambda: generate(max_new_tokens))
                run.settle()
                rows = self._finish(run)
                tell(self, run)
                return rows

    def profile_training(self, step: Callable[[], Any], num_runs: int = 1,
                         warmup: bool = False) -> List[LayerMetrics]:
        """Measures steps of training: forward and backward of each layer, and the optimizer.

        Parameters
        ----------
        step : callable
            Called without arguments for each step: forward, backward and the optimizer's step. The
            model is trained by it.
        num_runs : int
            Number of steps.
        warmup : bool
            First do one more.

        Returns
        -------
        list of LayerMetrics
            Backwards are named ``conv1.backward``, the optimizer ``optimizer.step``. What gradients
            take that no layer made (of the loss, say) is none of them.
        """
        self._needs_torch("profile_training")
        num_runs = self._count("num_runs", num_runs)
        if warmup:
            step()
        with self._open(self._inner, training=True) as run:
            self._choose_runs("each step changes the model")
            self._several(run, step, num_runs)
            run.settle()
            return self._finish(run)

    # ---- how it is done ----

    def _forward(self, inputs: Any) -> Tuple[Callable[[], Any], ContextManager[Any]]:
        """What runs the model once, and what keeps it as it is."""
        if self._is_keras:
            from contextlib import nullcontext

            from . import _keras_layers

            return _keras_layers.caller(self.model, inputs), nullcontext()
        from ._layer_inputs import caller

        return caller(self.model, inputs, _hooks.device_of(self._inner)), Kept(self._inner)

    def _needs_torch(self, method: str) -> None:
        if self._is_keras:
            raise NotImplementedError(f"{method} is for models of PyTorch: of a Keras model "
                                      "profile(inputs) measures the layers' calls")

    def _count(self, name: str, number: Any) -> int:
        """Of runs or tokens: how long it lasts, which a warning may come back to."""
        try:
            count = operator.index(number)
        except TypeError:  # 1.9 runs are not 1 run
            count = 0
        if count < 1:
            raise ValueError(f"{name} must be a whole number, 1 or more, not {number!r}")
        self._asked = (name, count)
        return count

    def _generating(self) -> Any:
        """The module whose layers ``generate`` runs."""
        inner = getattr(self._inner, "_orig_mod", None)
        if inner is None:
            return self._inner
        self._tell("generate() of a compiled model runs the model as it was before, whose layers are "
                   "measured: to compile what generates, use model.compile()")
        return inner

    def _tell(self, text: str) -> None:
        (self._options.get("on_warning") or _warn)(text)

    def _open(self, inner: Any, training: bool = False) -> LayerRun:
        self._forget()
        watch: _hooks.Watch
        if self._is_keras:
            from ._keras_layers import KerasWatch, gpu_of

            watch, gpu = KerasWatch(self.model), gpu_of(self.model)
            if gpu is not None:
                self._tell(
                    "of a Keras model on a GPU it is known when layers were launched, not when the "
                    "GPU ran them: energies of short layers are not to be trusted")
        else:
            watch = _hooks.Watch(inner, training)
            gpu = of_torch(_hooks.device_of(inner))
            _hooks.warn_of_compiled(watch.parts, self._tell)
        return LayerRun(watch, gpu, self.device_index, self.net, self._options, self.device)

    def _choose_runs(self, why: str) -> None:
        """The method where layers cannot be run alone."""
        if self.method in ("auto", "replay"):
            self.method_used = "passive"
            self.choice = f"{why}, so that layers are not run alone"
            if self.method == "replay":
                self._tell(f"{self.choice}: the method is passive")
        else:
            self.method_used = self.method

    def _several(self, run: LayerRun, function: Callable[[], Any], num_runs: int) -> None:
        """The runs that energies are told of."""
        from ._replay import gap

        gaps = random.Random(0) if self.method == "dither" else None
        run.prepare(4 * len(run.watch.parts))
        for _ in range(num_runs):
            if gaps is not None:
                gap(gaps, 2 * run.sensors.burst_s)
            run.run(function)

    def _more_data(self, run: LayerRun, forward: Callable[[], Any], layers: List[Any]) -> None:
        """Further runs, as the method wants them."""
        if not self.method_used:
            self._choose_forward(run, layers)
        if self.method_used == "dither":
            self._dither(run, forward)
        elif self.method_used == "replay":
            self._replay(run, forward, layers)

    def _choose_forward(self, run: LayerRun, layers: List[Any]) -> None:
        self.method_used = self.method
        if self.method == "replay" and not layers:
            self.method_used = "passive"
            self.choice = "no layer can be run alone"
            self._tell(f"{self.choice}: the method is passive")
        if self.method != "auto":
            return
        refresh = run.sensors.refresh_s
        share = _share_of_short(run.runs, _LONG_REFRESHES * refresh)
        told = (f"{100 * share:.0f} % of the time is in layers shorter than {_LONG_REFRESHES} "
                f"refreshes of the sensor, {1e3 * _LONG_REFRESHES * refresh:.3g} ms")
        if not layers:
            self.method_used, self.choice = "passive", "no layer can be run alone"
        else:
            self.method_used = "replay" if share > _LITTLE else "passive"
            self.choice = told

    def _dither(self, run: LayerRun, forward: Callable[[], Any]) -> None:
        from ._replay import dither

        progress = Progress(self._show)
        try:
            dither(run, forward, self.target_rel_u95, self.max_seconds, progress)
        finally:
            progress.done()

    def _replay(self, run: LayerRun, forward: Callable[[], Any], layers: List[Any]) -> None:
        import torch

        from ._replay import Replay

        progress = Progress(self._show)
        replay = Replay(run, layers, forward, self.target_rel_u95, self.max_seconds, progress)
        try:
            with torch.no_grad():
                failed = replay()
        finally:
            progress.done()
        if failed:
            self._tell(
                f"these layers cannot be run alone, and are known from runs of the whole model "
                  f"only: {', '.join(failed[:5])}{' ...' if len(failed) > 5 else ''}")

    def _finish(self, run: LayerRun) -> List[LayerMetrics]:
        from ._report import Report

        way = self.method_used if self.method_used in ("time_share", "boundary") else "regression"
        self.attribution = run.attribute(way, calls=True)
        self._check(run)
        recording = run.profiler.close()
        assert recording is not None
        self.report = Report(recording, run.device, "layers")
        if self.attribution is None:
            self._tell_why(run)
        self.results = metrics_of(recording, self.attribution, run.runs, self.method_used)
        return self.results

    def _tell_why(self, run: LayerRun) -> None:
        """No energy is known."""
        seconds = sum(end - begin for begin, end in run.windows) * 1e-9
        name, count = self._asked

        def longer(times: int) -> str:
            return f"{name}={times * count} or so would do"

        if not any(run.runs):
            self.reason = "no layer of the model was called"
            self._tell(f"nothing is known of layers: {self.reason}; was it a copy of it, or what it "
                       "was before it was compiled?")
            return
        self.reason = run.reason
        self._tell(f"times of layers are known, energies are not: {run.reason}; "
                   f"{run.what_to_do(seconds, longer)}")

    def _check(self, run: LayerRun) -> None:
        """The parts against the whole, over all runs of the whole model: the longer, the sharper."""
        found = self.attribution
        if found is not None and len(run.all_windows) > len(run.windows):
            found = run.attribute(windows=run.all_windows) or found
        if found is None:
            return
        from ._attribution import number

        self.check = {"whole_j": number(found.whole["energy_j"]),
                      "sum_j": number(found.sum["energy_j"]), "residual_j": found.residual_j,
                      "residual_u95_j": found.residual_u95_j}

    @property
    def settled(self) -> bool:
        """True if the energies that make up 95 % of the whole are known to ``target_rel_u95``."""
        return unsettled(self.attribution, self.target_rel_u95) == []

    # ---- results ----

    def get_results_dataframe(self) -> "pandas.DataFrame":
        """A row for each call of a layer, with the fields of :class:`LayerMetrics`."""
        return frame_of(self.results)

    def get_summary_stats(self) -> "pandas.DataFrame":
        """For each layer: mean, std, min and max of ``duration_ms`` and ``avg_power_w``; sum, mean
        and std of ``energy_j``."""
        return stats_of(self.results)

    def save_results(self, filename: Any = "layer_power_profile.csv") -> None:
        """Writes a CSV file with a row for each call of a layer."""
        save(self.results, filename)

    def print_summary(self) -> None:
        """Prints totals, and the layers with most power, time and energy."""
        print(self.summary())

    def summary(self) -> str:
        """What :meth:`print_summary` prints."""
        from ._layer_summary import text

        return text(self)

    def __repr__(self) -> str:
        state = f"{len(self.results)} calls" if self.results else "nothing profiled"
        return f"<LayerPowerProfiler of {type(self._inner).__name__}, {self.method}: {state}>"


def _share_of_short(runs: List[List["Call"]], seconds: float) -> float:
    """Of the time of calls with no others in them, how much is in shorter ones than that."""
    short = whole = 0
    for calls in runs:
        around = {call.parent for call in calls}
        for index, call in enumerate(calls):
            if index not in around:
                lasted = call.end_ns - call.begin_ns
                whole += lasted
                short += lasted if lasted < seconds * 1e9 else 0
    return short / whole if whole > 0 else 0.0
