"""What De Feo's tools have in common: a CSV file that grows row by row, and sensors."""

from __future__ import annotations

import atexit
import os
import weakref

from ._bind import JoulemeterWarning
from ._core import Profiler, devices

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

    Gpus = Union[None, int, str, Sequence[Union[int, str]]]
    Row = List[Union[None, float, str]]

_open_tools: "weakref.WeakSet[Tool]" = weakref.WeakSet()


# ---- the file ----


class Csv:
    """Appends rows, each by one write: a reader or a crash sees whole rows."""

    def __init__(self, path, columns: Sequence[str]) -> None:
        self.path = os.fspath(path)
        header = _line(columns)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        size = os.fstat(self._file).st_size
        begin = os.pread(self._file, len(header), 0)
        if size == 0:
            os.write(self._file, header)
        elif begin != header:
            raise ValueError(f"{self.path} holds something else: its first line would have to be "
                             f"{header.decode().strip()!r}; choose another file or remove it")
        elif os.pread(self._file, 1, size - 1) != b"\n":
            os.write(self._file, b"\n")  # a row was cut off, by a full disk

    def append(self, *rows: Row) -> None:
        os.write(self._file, b"".join(map(_line, rows)))

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            os.close(self._file)


def _field(value) -> str:
    if value is None or value != value or value in (float("inf"), float("-inf")):
        return ""
    text = value if isinstance(value, str) else format(value, ".9g")
    return f'"{text}"' if "," in text else text


def _line(values) -> bytes:
    return (",".join(_field(value) for value in values) + "\n").encode()


# ---- sensors ----


def open_profiler(name: str, gpu_num: Gpus, options: Dict[str, Any]) -> Profiler:
    """A profiler of these GPUs, or of none where the machine has none."""
    try:
        return Profiler(name, gpus=gpu_num, **options)
    except LookupError:
        probe = {key: options[key] for key in ("simulate", "root") if key in options}
        if any(d["name"][3:].isdigit() for d in devices(**probe) if d["name"].startswith("gpu")):
            raise
    import warnings

    warnings.warn("this machine shows no GPU: the GPU columns stay empty", JoulemeterWarning,
                  stacklevel=4)
    return Profiler(name, gpus="none", **options)


# ---- tools ----


class Tool:
    _columns: Tuple[str, ...] = ()

    def __init__(self, out_file, gpu_num: Gpus = 0, **options: Any) -> None:
        self.out_file = os.fspath(out_file)
        self.gpu_num = gpu_num
        self._options = options
        self._csv: Optional[Csv] = None
        if os.path.exists(self.out_file):  # one that holds something else is told at once
            self._open_file()
        self._pid = os.getpid()
        self._failure: Optional[BaseException] = None
        _open_tools.add(self)

    def _open_file(self) -> Csv:
        if self._csv is None:
            self._csv = Csv(self.out_file, self._columns)
        return self._csv

    def _open_profiler(self) -> Profiler:
        """Opens the sensors and then the file: where the first fails none is left behind."""
        profiler = open_profiler(type(self).__name__, self.gpu_num, self._options)
        try:
            self._open_file()
        except BaseException:
            profiler.close()
            raise
        return profiler

    def _append(self, row: Row) -> None:
        """From a thread of ours; what goes wrong is raised in the program's own."""
        try:
            self._open_file().append(row)
        except OSError as error:
            self._failure = error

    def _check(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def close(self) -> None:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.out_file!r}>"


@atexit.register
def _close_tools() -> None:
    for tool in list(_open_tools):
        try:
            tool.close()
        except Exception:
            continue
