"""CodeCarbon's trackers: the same names, its emissions.csv, joulemeter's figures.

    from joulemeter.emissions import EmissionsTracker

    with EmissionsTracker(project_name="experiment") as tracker:
        train()
    print(tracker.final_emissions, "kg CO2e")

Nothing is sent or asked of the network.
"""

from __future__ import annotations

import os

from ._bind import JoulemeterWarning
from ._logbook import usual_path
from ._measured_run import MeasuredRun, make_grid, setting, warn_not_logged, warn_of_no_carbon

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Tuple, Union

    from ._measured_run import LoggedRun

__all__ = ["EmissionsData", "EmissionsTracker", "OfflineEmissionsTracker", "track_emissions"]

# What CodeCarbon's trackers take and joulemeter has no use for: sensors are read as fast as they
# refresh, and nothing leaves the machine.
_WITHOUT_EFFECT = frozenset((
    "allow_multiple_runs", "api_call_interval", "api_endpoint", "api_key", "cloud_provider",
    "cloud_region", "co2_signal_api_token", "default_cpu_power", "electricitymaps_api_token",
    "emissions_endpoint", "experiment_name", "force_mode_cpu_load", "force_ram_power",
    "log_level", "logging_logger", "logger_preamble", "measure_power_secs",
    "on_csv_write", "output_handlers", "prometheus_url", "region", "rapl_include_dram",
    "rapl_prefer_psys", "save_to_api", "save_to_logger", "save_to_logfire", "save_to_prometheus",
    "tracking_mode", "tracking_pids"))


class EmissionsData:
    """The columns of emissions.csv as attributes; what is not known is None."""

    def __init__(self, values: Dict[str, Any]) -> None:
        self.__dict__.update(values)

    @property
    def values(self) -> Dict[str, Any]:
        return dict(self.__dict__)

    def __repr__(self) -> str:
        return f"EmissionsData({', '.join(f'{k}={v!r}' for k, v in self.__dict__.items())})"


class EmissionsTracker:
    """Measures from ``start()`` to ``stop()`` and appends a row to emissions.csv.

    Parameters
    ----------
    project_name : str, optional
        Default: the setting ``project``, else "codecarbon".
    experiment_id : str, optional
    output_dir, output_file : str
        Where emissions.csv is.
        One that has other columns is set aside (emissions.csv.bak), as CodeCarbon does.
    save_to_file : bool
    gpu_ids : list of int or str, optional
    country_iso_code : str, optional
        "FRA". Default: the setting, else the time zone's country.
    pue, wue : float, optional
    force_carbon_intensity_g_co2e_kwh : float, optional
        Or the name of a CSV file of times and such numbers (docs/carbon.md).
    force_cpu_power : float, optional
        Thermal design power of the CPU, for the model where nothing measures it.
    log : bool, optional
        Keep the run in joulemeter's logbook, too. Default: the setting ``log``.
    **options
        Of :func:`joulemeter.profile`. What CodeCarbon takes besides has no effect.

    Notes
    -----
    ``emissions`` is in kg, energies are in kWh, as there. Unlike there, energies of what nothing
    measures are a model's and say so in the logbook, and what is not known is an empty field.
    """

    def __init__(self, project_name: Optional[str] = None, *, experiment_id: Optional[str] = None,
                 output_dir: str = ".", output_file: str = "emissions.csv",
                 save_to_file: bool = True, gpu_ids: Any = None,
                 country_iso_code: Optional[str] = None, pue: Optional[float] = None,
                 wue: Optional[float] = None,
                 force_carbon_intensity_g_co2e_kwh: Union[None, float, str] = None,
                 force_cpu_power: Optional[float] = None, log: Optional[bool] = None,
                 **options: Any) -> None:
        self._project = setting("project", project_name)
        self._experiment = experiment_id
        self._path = os.path.join(output_dir, output_file) if save_to_file else None
        self._grid = make_grid(country_iso_code, force_carbon_intensity_g_co2e_kwh, pue)
        self._wue = wue
        self._log = bool(setting("log", log))
        self._options = {k: v for k, v in options.items() if k not in _WITHOUT_EFFECT}
        if gpu_ids is not None:
            self._options["gpus"] = gpu_ids
        if force_cpu_power is not None:
            self._options["cpu_tdp_w"] = force_cpu_power
        self._run: Optional[MeasuredRun] = None
        self._tasks: Dict[str, MeasuredRun] = {}
        #: kg CO2e of the latest run; None where no intensity is known.
        self.final_emissions: Optional[float] = None
        self.final_emissions_data: Optional[EmissionsData] = None
        self.last: Optional[LoggedRun] = None

    def start(self) -> None:
        """Begins to measure."""
        if self._run is not None:
            raise RuntimeError("start() was called twice without stop()")
        self._run = MeasuredRun("tracker", self._options)

    def stop(self) -> Optional[float]:
        """Stops, appends the row and returns kg CO2e; None where no intensity is known."""
        run, self._run = self._run, None
        if run is None:
            raise RuntimeError("stop() without start()")
        return self._finish(run, self._experiment)

    def start_task(self, task_name: str = "task") -> None:
        """Begins a task; several may run at once."""
        if task_name in self._tasks:
            raise RuntimeError(f"the task {task_name!r} has begun already")
        self._tasks[task_name] = MeasuredRun(task_name, self._options)

    def stop_task(self, task_name: Optional[str] = None) -> Optional[EmissionsData]:
        """Ends a task (the latest by default), appends its row and returns it."""
        if not self._tasks or (task_name is not None and task_name not in self._tasks):
            raise RuntimeError(f"no task {task_name!r} has begun")
        name = task_name if task_name is not None else next(reversed(self._tasks))
        self._finish(self._tasks.pop(name), name)
        return self.final_emissions_data

    def _finish(self, run: MeasuredRun, experiment: Optional[str]) -> Optional[float]:
        run.end()
        last = run.result(self._grid)
        row = self._row(run, last, experiment)
        g = last.carbon.get("g")
        warn_of_no_carbon(last)
        self.last = last
        self.final_emissions_data = EmissionsData(row)
        self.final_emissions = None if g is None else g / 1000
        if self._path is not None:
            self._save(self._path, row)
        return self.final_emissions

    def _save(self, path: str, row: Dict[str, Any]) -> None:
        """The figures are there, whatever becomes of the file."""
        try:
            _append(path, row)
        except (OSError, ValueError) as failure:  # not to be written; no text
            _warn(f"this run is not in {path}: {failure}")

    def _row(self, run: MeasuredRun, last: LoggedRun, experiment: Optional[str]) -> Dict[str, Any]:
        """The row of emissions.csv, by the view of a logbook for the moment. In the logbook that
        stays there is no place that nobody gave."""
        import tempfile

        import _joulemeter

        values = {"kind": "tracker", "project": self._project, "tag": experiment,
                  "user": setting("user")}
        if self._wue is not None and last.energy.energy_j == last.energy.energy_j:
            values["water_l"] = self._wue * last.energy.energy_j / 3.6e6
        if self._log:
            try:
                last.id = run.write(usual_path(), self._grid, False, values)
            except Exception as failure:
                warn_not_logged(failure)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "log.db")
            number = run.write(path, self._grid, True, values)
            names, row = _joulemeter.log_rows(path, "codecarbon", id=number)
        return dict(zip(names, row))

    def __enter__(self) -> EmissionsTracker:
        self.start()
        return self

    def __exit__(self, kind, value, trace) -> None:
        self.stop()


class OfflineEmissionsTracker(EmissionsTracker):
    """The same: every tracker here is offline."""


def track_emissions(fn: Optional[Callable] = None, **options: Any) -> Callable:
    """Decorator: every call of the function is tracked. Options are EmissionsTracker's."""
    if fn is None:
        return lambda later: track_emissions(later, **options)
    from ._core import _wrap

    options.pop("offline", None)

    class Call:
        def __init__(self) -> None:
            self.tracker = EmissionsTracker(**options)
            self.tracker.start()

        def end(self) -> None:
            self.tracker.stop()

    return _wrap(fn, Call)


# Columns without which a file is none of CodeCarbon's.
_ESSENTIAL = frozenset(("timestamp", "emissions", "energy_consumed"))


def _append(path: str, row: Dict[str, Any]) -> None:
    """A row to a CSV file under the names in its first line, alone among all who append."""
    import csv
    import fcntl
    import io

    folder = os.path.dirname(path)
    if folder:
        os.makedirs(folder, exist_ok=True)
    with open(path, "a+", newline="", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        columns, ended = _state_of(file)
        if columns is None or _fits(columns, row):
            new = io.StringIO()
            writer = csv.writer(new)
            if columns is None:
                writer.writerow(row)
            elif not ended:
                new.write("\r\n")
            writer.writerow(["" if row.get(name) is None else row[name] for name in columns or row])
            file.write(new.getvalue())
            return
        if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):  # nobody else was faster
            _set_aside(path)
    _append(path, row)


def _state_of(file: Any) -> Tuple[Optional[List[str]], bool]:
    """The columns of an open CSV file, and whether its last line is ended. None: it is empty."""
    import csv
    import stat

    about = os.fstat(file.fileno())
    if not stat.S_ISREG(about.st_mode) or about.st_size == 0:
        return None, True
    file.seek(0)
    columns = next(csv.reader(file), None)
    return columns, os.pread(file.fileno(), 1, about.st_size - 1) == b"\n"


def _fits(columns: List[str], row: Dict[str, Any]) -> bool:
    """Older CodeCarbons have some columns less; one that is not known is another file's."""
    return _ESSENTIAL <= set(columns) <= set(row)


def _set_aside(path: str) -> None:
    """Renames a file as CodeCarbon does where the columns are others."""
    count = 0
    aside = f"{path}.bak"
    while os.path.exists(aside):
        aside = f"{path}_{count}.bak"
        count += 1
    os.rename(path, aside)
    _warn(f"{path} has other columns: it is {aside} now, and a new one begins")


def _warn(message: str) -> None:
    import warnings

    warnings.warn(message, JoulemeterWarning, stacklevel=4)
