"""A report as files: summary.json and CSV tables."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Sequence

    from ._report import Report

_ALWAYS = ("samples", "marks", "ranges", "phases")
_IF_ANY = ("batches", "epochs")


def export(report: Report, out_dir) -> None:
    """Writes them; each file appears when it is whole."""
    out_dir = os.fspath(out_dir)
    os.makedirs(out_dir, exist_ok=True)
    for name in _ALWAYS + _IF_ANY:
        path = os.path.join(out_dir, f"{name}.csv")
        stale = os.path.exists(path)
        report.table(name).to_csv(path)
        if not report.collect_util:
            _leave_out(path, ("gpu_util", "mem_util", "avg_gpu_util", "avg_mem_util"))
        # One of a report before this one must not stand beside it: then it is replaced by a header.
        if name in _IF_ANY and not stale and _has_header_only(path):
            os.unlink(path)
    _write_summary(report, os.path.join(out_dir, "summary.json"))


def _has_header_only(path: str) -> bool:
    with open(path, "rb") as file:
        file.readline()
        return not file.readline()


def _leave_out(path: str, names: Sequence[str]) -> None:
    """Columns away."""
    import csv

    with open(path, newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        header = next(rows, [])
        kept = [i for i, name in enumerate(header) if name not in names]
        if len(kept) == len(header):
            return
        with open(f"{path}.part", "w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow([header[i] for i in kept])
            writer.writerows([row[i] for i in kept] for row in rows)
    os.replace(f"{path}.part", path)


def _write_summary(report: Report, path: str) -> None:
    import json

    with open(f"{path}.part", "w", encoding="utf-8") as file:
        json.dump(report.summary, file, indent=2, allow_nan=False, ensure_ascii=False)
        file.write("\n")
    os.replace(f"{path}.part", path)
