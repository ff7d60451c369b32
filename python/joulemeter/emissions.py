"""CodeCarbon's trackers: the same names, its emissions.csv, joulemeter's figures.

    from joulemeter.emissions import EmissionsTracker

    with EmissionsTracker(project_name="experiment") as tracker:
        train()
    print(tracker.final_emissions, "kg CO2e")

Nothing is sent or asked of the network.
"""

from __future__ import annotations

import os
import uuid

from ._bind import JoulemeterError, JoulemeterWarning
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
    "allow_multiple_runs", "api_call_interval", "api_endpoint", "api_key", "co2_signal_api_token",
    "default_cpu_power", "electricitymaps_api_token", "emissions_endpoint", "force_mode_cpu_load",
    "force_ram_power", "log_level", "logging_logger", "logger_preamble", "measure_power_secs",
    "on_csv_write", "output_handlers", "prometheus_url", "rapl_include_dram",
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
        return f"EmissionsData({', '.join(f'{k}={v!r}' for k, v in self.values.items())})"


class _TaskData(EmissionsData):
    """Of a task that has ended. Its figures are found when somebody asks, or at the end: finding
    them takes longer than many a task, and would be measured with what comes next."""

    def __init__(self, find: Callable[[], Dict[str, Any]]) -> None:
        self._find = find

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or "_find" not in self.__dict__:
            raise AttributeError(name)
        found = self.__dict__["_find"]()
        del self.__dict__["_find"]
        self.__dict__.update(found)
        return getattr(self, name)

    @property
    def values(self) -> Dict[str, Any]:
        self.task_name  # noqa: B018 - finds the others
        return dict(self.__dict__)

    def __getstate__(self) -> Dict[str, Any]:
        return self.values


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
    region, cloud_provider, cloud_region : str, optional
        Not used, with a warning: intensities are known of countries alone.
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
                 experiment_name: Optional[str] = None, output_dir: str = ".",
                 output_file: str = "emissions.csv", save_to_file: bool = True, gpu_ids: Any = None,
                 country_iso_code: Optional[str] = None, pue: Optional[float] = None,
                 wue: Optional[float] = None,
                 force_carbon_intensity_g_co2e_kwh: Union[None, float, str] = None,
                 force_cpu_power: Optional[float] = None, log: Optional[bool] = None,
                 region: Optional[str] = None, cloud_provider: Optional[str] = None,
                 cloud_region: Optional[str] = None, **options: Any) -> None:
        if wue is not None and not 0 <= wue < 1e6:  # NaN, too
            raise ValueError(f"{wue} litres of water a kWh cannot be")
        self._project = setting("project", project_name)
        self._experiment = experiment_id
        self._name = experiment_name or "base"  # CodeCarbon's
        self._path = os.path.join(output_dir, output_file) if save_to_file else None
        self._grid = make_grid(country_iso_code, force_carbon_intensity_g_co2e_kwh, pue)
        places = {"region": region, "cloud_provider": cloud_provider, "cloud_region": cloud_region}
        if self._grid.info()["source"] not in ("given", "series"):
            _warn_of_places([name for name in places if places[name]], self._grid.info()["text"])
        self._wue = wue
        self._log = bool(setting("log", log))
        self._options = {k: v for k, v in options.items() if k not in _WITHOUT_EFFECT}
        if gpu_ids is not None:
            self._options["gpus"] = gpu_ids
        if force_cpu_power is not None:
            self._options["cpu_tdp_w"] = force_cpu_power
        self._run: Optional[MeasuredRun] = None
        self._stopped = False
        self._tasks: Dict[str, MeasuredRun] = {}
        self._ended: List[Tuple[MeasuredRun, _TaskData]] = []
        #: In every row of a run and of its tasks.
        self.run_id = str(uuid.uuid4())
        #: kg CO2e of the latest run; None where no intensity is known.
        self.final_emissions: Optional[float] = None
        self.final_emissions_data: Optional[EmissionsData] = None
        self.last: Optional[LoggedRun] = None

    def start(self) -> None:
        """Begins to measure. What is being measured goes on."""
        if self._run is not None:
            return _warn("the tracker has started already", 3)
        if self._stopped:
            self.run_id = str(uuid.uuid4())
        self._run = MeasuredRun("tracker", self._options)
        return None

    def stop(self) -> Optional[float]:
        """Ends what tasks have not, appends the row and returns kg CO2e; None where no intensity is
        known. If nothing is being measured it warns, and returns those of the latest run."""
        run, self._run = self._run, None
        if run is None:
            _warn("the tracker has stopped already" if self._stopped else
                  "the tracker stops, but start() was not called", 3)
            return self.final_emissions
        self._stopped = True
        run.leave()
        for name in list(self._tasks):
            self._leave_task(name)
        ended, self._ended = self._ended, []
        for task, _ in ended:
            task.settle()
        run.settle()
        return self._finish(run, [data for _, data in ended])

    def flush(self) -> Optional[float]:
        """Appends a row of what has been measured so far, goes on and returns its kg CO2e."""
        if self._run is None:
            _warn("nothing is written before start()", 3)
            return None
        part = self._run.so_far()
        last, row, lost = self._row_of(part, False)
        if self._path is not None:
            self._save(self._path, row, lost)
        return _kilograms(last)

    def start_task(self, task_name: Optional[str] = None) -> None:
        """Begins a task, and the run if ``start()`` did not. Several may run at once."""
        name = task_name or str(uuid.uuid4())
        if name in self._tasks:
            return _warn(f"the task {name!r} has begun already", 3)
        if self._run is None:
            self.start()
        self._tasks[name] = MeasuredRun(name, self._options)
        return None

    def stop_task(self, task_name: Optional[str] = None) -> EmissionsData:
        """Ends a task (the latest by default) and returns its figures, which are found when one of
        them is read. ``stop()`` writes them into a file of the run's tasks, as CodeCarbon does:
        emissions_{experiment_name}_{run_id}.csv."""
        if not self._tasks or (task_name is not None and task_name not in self._tasks):
            raise RuntimeError(f"no task {task_name!r} has begun")
        return self._leave_task(task_name if task_name is not None else next(reversed(self._tasks)))

    def _leave_task(self, name: str) -> EmissionsData:
        run, run_id = self._tasks.pop(name), self.run_id
        run.leave()

        def find() -> Dict[str, Any]:
            run.settle()
            return {"task_name": name, **self._row_of(run, False)[1], "run_id": run_id}

        data = _TaskData(find)
        self._ended.append((run, data))
        return data

    def _row_of(self, run: MeasuredRun, log: bool) -> Tuple[LoggedRun, Dict[str, Any],
                                                             Optional[Exception]]:
        """Figures, the row of emissions.csv, and why parts of that are lost."""
        last = run.result(self._grid)
        lost: Optional[Exception] = None
        try:
            row = self._row(run, last, log)
        except (OSError, JoulemeterError) as failure:
            row, lost = self._figures_alone(last), failure
        return last, {**row, "run_id": self.run_id}, lost

    def _finish(self, run: MeasuredRun, tasks: List[_TaskData]) -> Optional[float]:
        last, row, lost = self._row_of(run, self._log)
        self.last = last
        self.final_emissions_data = EmissionsData(row)
        self.final_emissions = _kilograms(last)
        if self._path is not None:
            self._save(self._path, row, lost)
            if tasks:
                self._save_tasks(os.path.dirname(self._path), tasks)
        warn_of_no_carbon(last)
        return self.final_emissions

    def _save_tasks(self, folder: str, tasks: List[_TaskData]) -> None:
        import csv

        path = os.path.join(folder, f"emissions_{self._name}_{self.run_id}.csv")
        rows = [task.values for task in tasks]
        names = [name for name in max(rows, key=len) if name not in _NOT_OF_TASKS]
        try:
            with open(path, "w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(names)
                writer.writerows([row.get(name) for name in names] for row in rows)
        except OSError as failure:
            _warn(f"the tasks of this run are not in {path}: {failure}", 5)

    def _figures_alone(self, last: LoggedRun) -> Dict[str, Any]:
        """What is left of a row where there is no place for temporary files."""
        j, pue = last.energy.energy_j, self._grid.info()["pue"]
        return {"project_name": self._project, "experiment_id": self._experiment,
                "duration": last.seconds, "emissions": _kilograms(last),
                "energy_consumed": None if j != j else j / 3.6e6 * pue, "pue": pue}

    def _save(self, path: str, row: Dict[str, Any], lost: Optional[Exception]) -> None:
        """The figures are there, whatever becomes of the file."""
        if lost is None:
            try:
                return _append(path, row)
            except (OSError, ValueError) as failure:  # not to be written; no text
                lost = failure
        _warn(f"this run is not in {path}: {lost}")
        return None

    def _row(self, run: MeasuredRun, last: LoggedRun, log: bool) -> Dict[str, Any]:
        """The row of emissions.csv, by the view of a logbook for the moment. In the logbook that
        stays there is no place that nobody gave."""
        import tempfile

        import _joulemeter

        values = {"kind": "tracker", "project": self._project, "tag": self._experiment,
                  "user": setting("user")}
        if self._wue is not None and last.energy.energy_j == last.energy.energy_j:
            values["water_l"] = self._wue * last.energy.energy_j / 3.6e6
        if log:
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
        if self._run is not None:
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


# What CodeCarbon's files of tasks do not have.
_NOT_OF_TASKS = frozenset(("experiment_id", "pue", "wue"))

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


def _warn_of_places(given: List[str], basis: str) -> None:
    """A place within a country, or a provider's, may have a grid that is much better or worse."""
    if given:
        _warn(f"{' and '.join(given)} {'is' if len(given) == 1 else 'are'} not used: carbon is by "
              f"the country ({basis}); force_carbon_intensity_g_co2e_kwh= gives the intensity of "
              "another grid")


def _kilograms(last: LoggedRun) -> Optional[float]:
    g = last.carbon.get("g")
    return None if g is None else g / 1000


def _warn(message: str, level: int = 4) -> None:
    import warnings

    warnings.warn(message, JoulemeterWarning, stacklevel=level)
