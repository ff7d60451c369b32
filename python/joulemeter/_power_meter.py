"""PowerMeter: the energy and carbon of any function, and a log of them, under PyPowerGadget's names."""

from __future__ import annotations

import contextvars

from ._core import _wrap
from ._logbook import usual_path
from ._measured_run import MeasuredRun, make_grid, setting, warn_not_logged, warn_of_no_carbon

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Tuple, Union

    from ._measured_run import LoggedRun

    Shape = Union[str, Tuple[int, ...], List[int]]


class PowerMeter:
    """Measures functions, and keeps a row about each call in the logbook.

    Parameters
    ----------
    project_name : str
        Project that the runs belong to. Default: the setting ``project``.
    user_name : str
        Kept with the runs. Default: the setting ``user``; the system is not asked.
    cpu_power_log_path : str
        Taken for the sake of PyPowerGadget's programs and not used: no tool of Intel's is needed.
    get_country : bool
        Keep the country whose grid the carbon is of: the one that is given, else that of the
        system's time zone. False: no country is looked for and none is kept.
    tag : str, optional
    country, intensity, pue, price, currency : optional
        As in ``joulemeter config``, which they override: ``country="FR"``,
        ``intensity="grid.csv"``, ``pue=1.3``.
    log_path : str, optional
        Another logbook.
    package, algorithm, data_type, data_shape, algorithm_params, comments : str, optional
        Of the runs in a ``with`` block, and of decorated functions.
    **options
        Of :func:`joulemeter.profile`, such as ``gpus``.

    Notes
    -----
    The function runs in this process: what it returns and raises comes through, and it may be
    anything that can be called. CPU energy is RAPL's where it can be read, else a model's estimate;
    the logbook's column ``package_source`` says which. An error of the logbook is a warning, and
    the function's result is returned all the same.

    Each entry of a ``with`` block has its own window, in threads and asyncio's tasks too. Devices
    are measured whole: what runs at the same time is in both. The end of a run waits for the
    sensors' last readings, 0.3 s at most, and asyncio's loop with it.

    Examples
    --------
    >>> power_meter = PowerMeter(project_name="MNIST classifier")
    >>> model = power_meter.mesure_power(
    ...     classifier.fit, package="sklearn", algorithm="RandomForestClassifier",
    ...     data_type="tabular", data_shape=x.shape, algorithm_params="n_estimators=300",
    ...     comments="3rd test")(x, y)
    >>> print(power_meter.last)
    """

    def __init__(self, project_name: str = "", user_name: str = "", cpu_power_log_path: str = "",
                 get_country: bool = True, *, tag: str = "", country: Optional[str] = None,
                 intensity: Union[None, float, str] = None, pue: Optional[float] = None,
                 price: Optional[float] = None, currency: Optional[str] = None,
                 log_path: Optional[str] = None, package: str = "", algorithm: str = "",
                 data_type: str = "tabular", data_shape: Shape = "", algorithm_params: str = "",
                 comments: str = "", **options: Any) -> None:
        self.project_name = setting("project", project_name) or ""
        self.user_name = setting("user", user_name) or ""
        self.cpu_power_log_path = cpu_power_log_path
        self.get_country = bool(get_country)
        self.tag = setting("tag", tag) or ""
        self.log_path = log_path
        #: The latest run.
        self.last: Optional[LoggedRun] = None
        self._grid = make_grid(country if get_country else "none", intensity, pue, price, currency)
        self._options = options
        self._labels = _labels(package, algorithm, data_type, data_shape, algorithm_params, comments)
        # Runs of the with blocks that are open, of this task or thread and of what started it.
        self._blocks = contextvars.ContextVar("joulemeter blocks", default=())
        self._says_why = self.get_country and setting("carbon.country", country) != "none"

    def mesure_power(self, func: Callable, package: str, algorithm: str,
                     data_type: str = "tabular", data_shape: Shape = "",
                     algorithm_params: str = "", comments: str = "") -> Callable:
        """The function, measured: call what is returned with the function's arguments.

        Parameters
        ----------
        func : callable
            Coroutine and generator functions are measured until they are done.
        package, algorithm : str
            "sklearn", "RandomForestClassifier".
        data_type : str
            "tabular", "image", "text", "time series" or "other".
        data_shape : str or tuple
        algorithm_params, comments : str

        Returns
        -------
        callable
            Returns and raises what the function does. Each call is a row of the logbook.
        """
        if not callable(func):
            raise TypeError(f"func must be something to call, not {func!r}")
        return self._measured(func, _labels(package, algorithm, data_type, data_shape,
                                            algorithm_params, comments))

    def measure_power(self, func: Callable, package: str, algorithm: str,
                      data_type: str = "tabular", data_shape: Shape = "",
                      algorithm_params: str = "", comments: str = "") -> Callable:
        """``mesure_power`` in another spelling."""
        return self.mesure_power(func, package, algorithm, data_type, data_shape,
                                 algorithm_params, comments)

    def __call__(self, func: Callable) -> Callable:
        """As a decorator; where no package and algorithm are given, those of the function."""
        home = (getattr(func, "__module__", "") or "").split(".")[0]
        name = getattr(func, "__qualname__", type(func).__name__)
        return self._measured(func, {**self._labels,
                                     "package": self._labels["package"] or home,
                                     "algorithm": self._labels["algorithm"] or name})

    def __enter__(self) -> PowerMeter:
        self._blocks.set((*self._blocks.get(), self._begin(self._labels)))
        return self

    def __exit__(self, kind, value, trace) -> None:
        *outer, run = self._blocks.get()
        self._blocks.set(tuple(outer))
        self._end(run, {**self._labels, "kind": "block"}, value)

    def _measured(self, func: Callable, labels: Dict[str, Any]) -> Callable:
        meter = self

        class Call:
            """What _wrap() begins and ends."""

            def __init__(self) -> None:
                self.run = meter._begin(labels)

            def end(self) -> None:
                meter._end(self.run, {**labels, "kind": "function"})

        return _wrap(func, Call)

    def _begin(self, labels: Dict[str, Any]) -> MeasuredRun:
        return MeasuredRun(labels["algorithm"] or "run", self._options)

    def _end(self, run: MeasuredRun, labels: Dict[str, Any],
             error: Optional[BaseException] = None) -> None:
        values = {**labels, "project": self.project_name, "user": self.user_name, "tag": self.tag}
        run.end(error)
        last = run.result(self._grid)
        try:
            last.id = run.write(usual_path(self.log_path), self._grid, self.get_country, values)
        except Exception as failure:
            warn_not_logged(failure)
        self.last = last
        if self._says_why:
            self._says_why = last.carbon.get("g") is not None
            warn_of_no_carbon(last)


def _labels(package: str, algorithm: str, data_type: str, data_shape: Shape,
            algorithm_params: str, comments: str) -> Dict[str, Any]:
    shape = data_shape if isinstance(data_shape, str) else str(tuple(data_shape))
    texts = {"package": package, "algorithm": algorithm, "data_type": data_type,
             "data_shape": shape, "algorithm_params": algorithm_params, "comment": comments}
    return {name: "" if text is None else str(text) for name, text in texts.items()}
