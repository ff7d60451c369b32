"""The notebook magic ``%%joulemeter``: energy and carbon of a cell."""

from __future__ import annotations

from ._logbook import usual_path
from ._measured_run import MeasuredRun, make_grid, setting, warn_not_logged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._measured_run import LoggedRun


def _parser():
    import argparse

    class Parser(argparse.ArgumentParser):
        def error(self, message):
            raise ValueError(f"%%joulemeter: {message}")

    parser = Parser(prog="%%joulemeter", add_help=False)
    parser.add_argument("--log", action="store_true")
    for name in ("project", "tag", "comment", "country", "intensity", "pue", "price", "gpus",
                 "simulate"):
        parser.add_argument(f"--{name}")
    return parser


def measure_cell(line: str, cell: str, run_cell) -> None:
    """Runs a cell by `run_cell(cell)`, which returns an object with ``error_in_exec``."""
    import shlex

    given = _parser().parse_args(shlex.split(line))
    grid = make_grid(given.country, given.intensity, given.pue, given.price)
    options = {name: getattr(given, name) for name in ("gpus", "simulate") if getattr(given, name)}
    run = MeasuredRun("cell", options)
    logged = _measure(run, run_cell, cell, grid)
    if given.log or setting("log"):
        _write(run, grid, given, logged)
    print(logged)


def _measure(run: MeasuredRun, run_cell, cell: str, grid) -> LoggedRun:
    error = None
    try:
        done = run_cell(cell)
        error = getattr(done, "error_in_exec", None) or getattr(done, "error_before_exec", None)
    finally:
        run.end(error)
    return run.result(grid)


def _write(run: MeasuredRun, grid, given: Any, logged: LoggedRun) -> None:
    values = {"kind": "cell", "project": setting("project", given.project),
              "tag": setting("tag", given.tag), "user": setting("user"), "comment": given.comment}
    try:
        logged.id = run.write(usual_path(), grid, given.country is not None, values)
    except Exception as failure:
        warn_not_logged(failure)


def register(ipython) -> None:
    """Makes the magic known to an IPython shell."""

    def joulemeter(line: str, cell: str) -> None:
        """Energy and carbon of the cell: %%joulemeter [--log] [--project NAME] [--country FR]"""
        measure_cell(line, cell, ipython.run_cell)

    ipython.register_magic_function(joulemeter, magic_kind="cell", magic_name="joulemeter")
