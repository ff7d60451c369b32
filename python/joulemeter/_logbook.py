"""The logbook: rows of what was measured, kept by joulemeter on this machine alone."""

from __future__ import annotations

import _joulemeter

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pandas
    from typing import Any, Dict, List, Optional, Union

    Time = Union[None, float, str, Any]


def usual_path(given: Optional[str] = None) -> Optional[str]:
    """The logbook that is given, else that of the settings; None: the usual one."""
    import os

    return os.fspath(given) if given is not None else _joulemeter.settings()["log_path"][0]


def _unix(time: Time) -> float:
    """Seconds since 1970 of a number, a text of ISO 8601 or a datetime; 0: none."""
    if time is None:
        return 0
    if not isinstance(time, (int, float)):
        from datetime import datetime

        if isinstance(time, str):  # a Z is read by newer Pythons only
            time = datetime.fromisoformat(time[:-1] + "+00:00" if time.endswith("Z") else time)
        time = time.timestamp()
    return float(time) or 5e-324  # the beginning of 1970 is a limit, too


def _rows(view: str, path, project, tag, since, before, last) -> List[tuple]:
    return _joulemeter.log_rows(usual_path(path), view, project=project, tag=tag,
                                since=_unix(since), until=_unix(before), last=last or 0)


def logged_runs(*, project: Optional[str] = None, tag: Optional[str] = None, since: Time = None,
                before: Time = None, last: Optional[int] = None, view: str = "all",
                path: Optional[str] = None) -> List[Dict[str, Any]]:
    """Rows of the logbook as dicts; what is not known is None.

    Parameters
    ----------
    project, tag : str, optional
        Only these.
    since, before : float, str or datetime, optional
        Only runs that began then: Unix seconds, ISO 8601, a datetime.
    last : int, optional
        Only so many, the latest.
    view : str
        "all" columns, "powermeter" (its 20), "codecarbon" (those of emissions.csv), or totals of
        "projects" or "months".
    path : str, optional
        Another logbook.
    """
    names, *rows = _rows(view, path, project, tag, since, before, last)
    return [dict(zip(names, row)) for row in rows]


def get_logged_data(path: Optional[str] = None, *, project: Optional[str] = None,
                    tag: Optional[str] = None, since: Time = None, before: Time = None,
                    last: Optional[int] = None) -> pandas.DataFrame:
    """PowerMeter's log: its 20 columns in their order, a row for each run.

    Parameters are those of :func:`logged_runs`. Needs pandas; ``logged_runs(view="powermeter")``
    gives the same without it.

    Returns
    -------
    pandas.DataFrame
        "Datetime" is in this machine's time. Numbers that are not known are NaN, texts that were
        not given are empty.
    """
    try:
        import pandas
    except ImportError as error:
        raise ImportError("get_logged_data() needs pandas: pip install pandas; without it "
                          "logged_runs(view='powermeter') gives plain rows") from error
    names, *rows = _rows("powermeter", path, project, tag, since, before, last)
    frame = pandas.DataFrame(rows, columns=list(names))
    frame["Datetime"] = pandas.to_datetime(frame["Datetime"])
    numbers = [name for name in names if "Energy" in name or "Time (sec)" in name
               or name.startswith("CO2") or name == "PUE"]
    frame[numbers] = frame[numbers].astype("float64")
    texts = [name for name in names if name not in numbers and name != "Datetime"]
    frame[texts] = frame[texts].astype("object").fillna("")
    return frame


def log_statement(format: str = "markdown", *, project: Optional[str] = None,
                  tag: Optional[str] = None, since: Time = None, before: Time = None,
                  path: Optional[str] = None) -> str:
    """A sentence and a table for a paper; ``format`` is "markdown" or "latex"."""
    return _joulemeter.log_statement(usual_path(path), format, project=project, tag=tag,
                                     since=_unix(since), until=_unix(before))
