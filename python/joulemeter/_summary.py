"""The summary of a report: what the C library says, with PowerDL's keys beside it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from ._report import Report

_KEYS = ("energy_j", "energy_u95_j", "time_s", "avg_power_w", "j_per_sample", "samples",
         "throughput", "avg_gpu_util", "avg_mem_util")


def phases_of(report: Report, device: Any = None) -> List[Dict[str, Any]]:
    """Rows of the table of phases, of the report's device or another."""
    from ._frames import Table

    rows = list(Table(report.recording, "phases",
                      report.device if device is None else device).rows())
    if not report.collect_util:
        for row in rows:
            row["avg_gpu_util"] = row["avg_mem_util"] = None
    return rows


def _phase(rows: List[Dict[str, Any]], name: str) -> Dict[str, Any]:
    for row in rows:
        if row["phase"] == name and row["category"] == "phase":
            return {key: row[key] for key in _KEYS}
    return dict.fromkeys(_KEYS)


def _per_device(report: Report, devices: List[Dict[str, Any]]) -> Dict[str, Any]:
    found = {}
    for device in devices:
        if device["energy_j"] is None:
            continue
        name = device["name"]
        found[name] = {
            "model": device["model"], "in_total": device["in_total"],
            "energy_j": device["energy_j"], "energy_u95_j": device["u95_j"],
            "avg_power_w": device["mean_power_w"], "source": device["source"],
            "phases": {row["phase"]: {key: row[key] for key in _KEYS[:4]}
                       for row in phases_of(report, name) if row["category"] == "phase"},
        }
    return found


def _environment(report: Report, known: Dict[str, Any]) -> Dict[str, Any]:
    """Facts of the recording, with versions of what the program had loaded."""
    import os

    facts = {**known, **report.recording.info()}
    if facts.get("pid") == str(os.getpid()):  # it is this program's own
        from ._environment import versions

        facts.update(versions())
    return facts


def summary_of(report: Report) -> Dict[str, Any]:
    import json

    summary = json.loads(report.recording.json())
    rows = phases_of(report)
    summary["device"] = report.device
    summary["train"] = _phase(rows, "train")
    summary["infer"] = _phase(rows, "infer")
    summary["phases"] = rows
    summary["per_device"] = _per_device(report, summary["devices"])
    summary["environment"] = _environment(report, summary["environment"])
    return summary
