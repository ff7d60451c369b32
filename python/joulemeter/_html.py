"""A report as a small table in HTML, for notebooks: one element, no script, nothing from elsewhere."""

from __future__ import annotations

from html import escape

from _joulemeter import value_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from ._report import Report

_STYLE = """
.jm-report{font:13px/1.45 system-ui,sans-serif;color:#1b1f24;background:#fff;
border:1px solid #d0d7de;border-radius:6px;padding:10px 14px;display:inline-block;max-width:100%;
overflow-x:auto}
.jm-report h4{margin:10px 0 2px;font-size:13px;font-weight:600;color:inherit}
.jm-report .jm-total{font-size:19px;font-weight:600}
.jm-report .jm-note{color:#57606a;margin:2px 0}
.jm-report table{border-collapse:collapse;margin:0;color:inherit}
.jm-report th,.jm-report td{padding:2px 14px 2px 0;text-align:right;background:none;border:0;
font-variant-numeric:tabular-nums;color:inherit}
.jm-report th{font-weight:500;color:#57606a;border-bottom:1px solid #d0d7de}
.jm-report th:first-child,.jm-report td:first-child{text-align:left}
.jm-report .jm-warn{color:#7a4a00;margin:2px 0}
@media (prefers-color-scheme:dark){
.jm-report{color:#e6edf3;background:#0d1117;border-color:#30363d}
.jm-report .jm-note,.jm-report th{color:#9198a1}
.jm-report th{border-color:#30363d}.jm-report .jm-warn{color:#e3b341}}
"""


def _number(value: Optional[float], unit: str = "") -> str:
    if value is None or value != value:
        return "&ndash;"
    return f"{value:.4g}&nbsp;{unit}" if unit else f"{value:.4g}"


def _energy(value: Optional[float], u95: Optional[float], bound_only: bool = False) -> str:
    if value is None or value != value:
        return "not measured"
    text = value_text(value, u95 or 0.0, "J").replace(" ", "&nbsp;")
    return text + (" (bound only)" if bound_only else "")


def _table(header: List[str], rows: List[List[str]]) -> str:
    """Cells are HTML already."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _device_rows(summary: Dict[str, Any]) -> List[List[str]]:
    rows = []
    for device in summary["devices"]:
        if device["energy_j"] is None:
            continue
        kind = escape(device["model"] or "") + ("" if device["in_total"] else " (part of another)")
        bound = "bound only" in device["provenance"]
        rows.append([escape(device["name"]), kind,
                     _energy(device["energy_j"], device["u95_j"], bound),
                     _number(device["mean_power_w"], "W"), _number(device["peak_power_w"], "W"),
                     escape(device["source"] or "")])
    return rows


def _phase_rows(phases: List[Dict[str, Any]], most: int = 20) -> List[List[str]]:
    rows = [[escape(row["phase"]), str(row["calls"]), _number(row["time_s"], "s"),
             _energy(row["energy_j"], row["energy_u95_j"], row["bound_only"]),
             _number(row["avg_power_w"], "W"), _number(row["j_per_sample"], "J"),
             _number(row["throughput"], "/s"), _number(row["avg_gpu_util"], "%")]
            for row in phases[:most]]
    if len(phases) > most:
        rows.append([f"and {len(phases) - most} more", *[""] * 7])
    return rows


def page(report: Report) -> str:
    summary = report.summary
    total = summary["total"]
    bound = "bound only" in total["provenance"]
    parts = [f'<div class="jm-total">{_energy(total["energy_j"], total["u95_j"], bound)}</div>',
             f'<div class="jm-note">in {_number(summary["duration_s"], "s")}, '
             f'{_number(total["mean_power_w"], "W")} on average; {escape(total["source"] or "")}; '
             "&plusmn; is a 95&nbsp;% interval</div>"]
    if summary["simulated"]:
        parts.append('<div class="jm-warn">Simulated devices: these are not real joules.</div>')
    devices = _device_rows(summary)
    if devices:
        parts.append("<h4>Devices</h4>" + _table(
            ["device", "model", "energy", "mean", "peak", "from"], devices))
    if summary["phases"]:
        of = "all devices" if report.device == "total" else str(report.device)
        parts.append(f"<h4>Phases ({escape(of)})</h4>" + _table(
            ["phase", "calls", "time", "energy", "mean", "per sample", "samples", "GPU"],
            _phase_rows(summary["phases"])))
    parts += [f'<div class="jm-warn">{escape(text)}</div>' for text in summary["warnings"]]
    name = escape(report.name or "joulemeter")
    return (f'<div class="jm-report"><style>{_STYLE}</style>'
            f"<strong>{name}</strong>{''.join(parts)}</div>")
