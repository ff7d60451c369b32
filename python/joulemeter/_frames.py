"""Tables for data-frame libraries, and for those who have none."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, Sequence

# Arrow formats of fixed width -> code of array.array (and of numpy.frombuffer).
_CODES: Dict[str, Any] = {"b": "?", "c": "b", "C": "B", "s": "h", "S": "H", "i": "i", "I": "I",
                          "f": "f", "l": "q", "L": "Q", "g": "d"}


class Table:
    """One table of a recording.

    Data-frame libraries take it as it is, by the Arrow C stream interface::

        polars.DataFrame(table); pyarrow.table(table); pandas.DataFrame.from_arrow(table)

    ``to_dict()`` needs no library, ``to_pandas()`` needs pandas only.
    """

    def __init__(self, recording, name: str, device=None) -> None:
        self._recording = recording
        self.name = name
        self.device = device

    def _options(self) -> Dict[str, Any]:
        return {} if self.device is None else {"device": self.device}

    def __arrow_c_stream__(self, requested_schema=None):
        """A PyCapsule of an ArrowArrayStream; see the Arrow PyCapsule interface."""
        return self._recording.arrow(self.name, **self._options())

    def to_dict(self) -> Dict[str, Sequence]:
        """Columns as ``{name: values}``.

        Numbers are memoryviews (use them as sequences, or ``numpy.asarray``), texts lists. Columns
        with missing values are lists, with None where there is none.
        """
        columns: Dict[str, Sequence] = {}
        for name, (code, values, valid) in self._columns().items():
            if isinstance(values, list):
                columns[name] = values
                continue
            numbers = memoryview(values).cast(_CODES[code])
            if valid is None:
                columns[name] = numbers
            else:
                columns[name] = [v if there else None for v, there in zip(numbers, valid)]
        return columns

    def _columns(self):
        return self._recording.columns(self.name, **self._options())

    def rows(self) -> Iterator[Dict[str, Any]]:
        """Each row as a dict."""
        columns = self.to_dict()
        for values in zip(*columns.values()):
            yield dict(zip(columns, values))

    def to_arrow(self):
        """As a pyarrow.Table; needs PyArrow."""
        try:
            import pyarrow
        except ImportError as error:
            raise ImportError("to_arrow() needs PyArrow: pip install pyarrow; without it "
                              "to_dict() gives plain columns") from error
        return pyarrow.table(self)

    def to_pandas(self):
        """As a pandas.DataFrame; missing numbers are NaN. Needs pandas."""
        try:
            import numpy
            import pandas
        except ImportError as error:
            raise ImportError(f"{self.name}_df needs pandas: pip install pandas; without it "
                              f"table('{self.name}').to_dict() gives plain columns") from error
        columns = {}
        for name, (code, values, valid) in self._columns().items():
            if isinstance(values, list):
                columns[name] = pandas.Series(values, dtype=object if values else "object")
                continue
            numbers = numpy.frombuffer(values, dtype=_CODES[code])
            if valid is not None:
                missing = numpy.frombuffer(valid, dtype="B") == 0
                numbers = numpy.where(missing, numpy.nan, numbers.astype("d"))
            columns[name] = numbers
        return pandas.DataFrame(columns)

    def to_csv(self, path) -> None:
        """Writes the table as a CSV file."""
        self._recording.table_csv(self.name, path, **self._options())

    def __repr__(self) -> str:
        return f"<Table {self.name}>"
