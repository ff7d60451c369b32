"""Report: what a recording says, as text, numbers and tables."""

from __future__ import annotations

from ._frames import Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Union

    import pandas


class Report:
    """What was measured.

    Parameters
    ----------
    recording : _joulemeter.Recording
    device : int or str, optional
        Whose energy the tables are of: "total", "gpus", "gpu0" ... Default: the GPUs' if there are
        any, else the total.
    name : str

    Attributes
    ----------
    summary : dict
        All figures, each with its uncertainty, as `joulemeter show --json` has them.
    samples_df, marks_df, ranges_df, batches_df, epochs_df : pandas.DataFrame
        The tables (docs/tables.md lists their columns). Without pandas use ``table(name)``.
    """

    def __init__(self, recording, device: Union[None, int, str] = None, name: str = "") -> None:
        self.recording = recording
        self.device = device if device is not None else _main_device(recording)
        self.name = name
        self._summary: Optional[Dict[str, Any]] = None

    # ---- numbers ----

    @property
    def summary(self) -> Dict[str, Any]:
        if self._summary is None:
            import json

            self._summary = json.loads(self.recording.json())
        return self._summary

    def energy(self, device: Union[None, int, str] = None, **options: Any):
        """Energy of the whole as an :class:`Energy`; ``device`` as in the constructor."""
        return self.recording.energy(device=self.device if device is None else device, **options)

    @property
    def warnings(self) -> List[str]:
        """What the user should know of, in sentences."""
        return self.recording.warnings()

    # ---- tables ----

    def table(self, name: str) -> Table:
        """A table: samples, readings, marks, ranges, batches or epochs."""
        return Table(self.recording, name, self.device)

    @property
    def samples_df(self) -> pandas.DataFrame:
        return self.table("samples").to_pandas()

    @property
    def marks_df(self) -> pandas.DataFrame:
        return self.table("marks").to_pandas()

    @property
    def ranges_df(self) -> pandas.DataFrame:
        return self.table("ranges").to_pandas()

    @property
    def batches_df(self) -> pandas.DataFrame:
        return self.table("batches").to_pandas()

    @property
    def epochs_df(self) -> pandas.DataFrame:
        return self.table("epochs").to_pandas()

    # ---- files ----

    def save(self, path) -> None:
        """Writes the recording as a file (.jm) that `joulemeter show` and open() take."""
        self.recording.save(path)

    def export(self, out_dir) -> None:
        """Writes summary.json and CSV files into a folder, made if need be."""
        self.recording.export(out_dir)

    # ---- looks ----

    def __str__(self) -> str:
        return self.recording.text()

    def __repr__(self) -> str:
        return f"<Report {self.name!r}: {self.energy()!r}>"


def _main_device(recording) -> str:
    """ "gpus" if a GPU was measured, else "total"."""
    gpus = [d for d in recording.devices()
            if d["in_total"] and d["name"].startswith("gpu") and d["name"][3:].isdigit()]
    return "gpus" if gpus else "total"
