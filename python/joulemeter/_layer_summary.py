"""The summary of a profiling of layers, in GPUPP's layout, with uncertainties."""

from __future__ import annotations

import math

from _joulemeter import interval_text, value_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Tuple

    from ._attribution import Attribution
    from ._layers import LayerPowerProfiler

_WIDTH = 80
_TOP = 10


def text(profiler: "LayerPowerProfiler") -> str:
    """All of it."""
    lines = ["=" * _WIDTH, "PROFILING SUMMARY", "=" * _WIDTH, ""]
    if not profiler.results:
        why = profiler.reason or "call profile(inputs) first"
        return "\n".join([*lines, f"Nothing has been profiled: {why}."])
    lines += [*_device(profiler), "", *_totals(profiler), ""]
    rows = _layers(profiler)
    for title, column, first in (("Power", "power_w", _POWER), ("Time", "time_s", _TIME),
                                 ("Energy", "energy_j", _ENERGY)):
        known = [row for row in rows if row[column] == row[column]]
        left_out: List[str] = []
        if column == "power_w":
            left_out = _without_power(known)
            known = [row for row in known if not row["bound_only"]]
        if known or left_out:
            best = sorted(known, key=lambda row: -row[column])[:_TOP]
            lines += [f"Top {_TOP} {title} Consumers:", *(_table(best, first) if best else []),
                      *left_out, ""]
    lines += _notes(profiler)
    return "\n".join(lines).rstrip()


# ---- the head ----


def _device(profiler: "LayerPowerProfiler") -> List[str]:
    assert profiler.report is not None
    recording = profiler.report.recording
    told = profiler.attribution
    found = next((d for d in recording.devices() if told and d["name"] == told.device), None)
    if told is None or found is None:
        return ["Device: none whose power is known"]
    kind = "GPU" if found["name"].startswith("gpu") else "CPU"
    words = [word for word, is_so in (("simulated", told.simulated), ("modelled", told.modelled))
             if is_so]
    lines = [f"{kind}: {found['model'] or found['name']}"
             f"{' (' + ', '.join(words) + ')' if words else ''}"]
    used = recording.latest("mem_used", device=found["name"])
    if used is not None:
        lines.append(f"Memory Used: {used[0] / 2**30:.2f} GB{_memory(profiler)}")
    return lines


def _memory(profiler: "LayerPowerProfiler") -> str:
    """ " / 80.00 GB" of the GPU that the model is on."""
    import sys

    from ._hooks import device_of

    torch: Any = sys.modules.get("torch")
    if torch is None or profiler._is_keras:
        return ""
    device = device_of(profiler._inner)
    if device.type != "cuda":
        return ""
    return f" / {torch.cuda.get_device_properties(device).total_memory / 2**30:.2f} GB"


def _totals(profiler: "LayerPowerProfiler") -> List[str]:
    time_ms = sum(row.duration_ms for row in profiler.results)
    lines = [f"Total Execution Time: {time_ms:.2f} ms"]
    found = profiler.attribution
    energy, u95 = _sum_of_layers(found) if found is not None else (math.nan, math.nan)
    if energy != energy or time_ms <= 0:
        return [*lines, "Total Energy Consumed: not measured", "Average Power Draw: not measured"]
    seconds = 1e-3 * time_ms
    return [*lines, f"Total Energy Consumed: {value_text(energy, u95, 'J')}",
            f"Average Power Draw: {value_text(energy / seconds, u95 / seconds, 'W')}"]


def _sum_of_layers(found: Attribution) -> Tuple[float, float]:
    """Energy of all layers: what the C library says of parts and gaps, less the gaps."""
    energy = sum(part["energy_j"] for part in found.parts if part["calls"] > 0)
    u95 = found.sum["u95_j"]
    return energy, math.nan if u95 is None else u95


# ---- the tables ----

_POWER = ("power", "time", "energy")
_TIME = ("time", "power", "energy")
_ENERGY = ("energy", "time", "power")
_HEADS = {"power": "avg_power_w", "time": "duration_ms", "energy": "energy_j"}


def _layers(profiler: "LayerPowerProfiler") -> List[Dict[str, Any]]:
    """A row for each layer: all its calls together."""
    if profiler.attribution is not None:
        return [part for part in profiler.attribution.parts if part["calls"] > 0]
    times: Dict[str, float] = {}
    for row in profiler.results:
        times[row.layer_name] = times.get(row.layer_name, 0.0) + 1e-3 * row.duration_ms
    nan = math.nan
    return [{"name": name, "time_s": seconds, "energy_j": nan, "power_w": nan, "group": None,
             "bound_only": True, "lower_j": nan, "upper_j": nan}
            for name, seconds in times.items()]


def _cell(row: Dict[str, Any], kind: str) -> str:
    if kind == "time":
        return f"{1e3 * row['time_s']:.3f}"
    if row["energy_j"] != row["energy_j"]:
        return "not known"
    if kind == "power":
        if row["bound_only"] or row["power_w"] != row["power_w"]:
            return "not known"
        return value_text(row["power_w"], row["power_u95_w"], "W")
    if row["bound_only"]:
        return interval_text(row["lower_j"], row["upper_j"], "J")
    return value_text(row["energy_j"], row["energy_u95_j"], "J")


def _table(rows: List[Dict[str, Any]], kinds: Tuple[str, ...]) -> List[str]:
    cells = [["layer_name", *(_HEADS[kind] for kind in kinds)],
             *([row["name"], *(_cell(row, kind) for kind in kinds)] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(line, widths)) for line in cells]


def _without_power(rows: List[Dict[str, Any]]) -> List[str]:
    """Why some layers are not among those with most power: nobody knows that of one of them."""
    grouped = sum(row["bound_only"] and row["group"] is not None for row in rows)
    bounds = sum(row["bound_only"] and row["group"] is None for row in rows)
    lines = []
    if grouped > 0:
        lines.append(f"Left out: {_layers_text(grouped)} that cannot be told apart, of whose "
                     "powers only that of each group is known")
    if bounds > 0:
        lines.append(f"Left out: {_layers_text(bounds)} of whose energy only bounds are known; "
                     "more or longer runs would tell")
    return lines


def _layers_text(count: int) -> str:
    return f"{count} layer{'' if count == 1 else 's'}"


# ---- what to know of it ----


def _notes(profiler: "LayerPowerProfiler") -> List[str]:
    from ._tokens import rows_of

    lines = rows_of(profiler)
    if lines:
        lines.append("")
    why = f" ({profiler.choice})" if profiler.choice else ""
    lines.append(f"Method: {profiler.method_used}{why}")
    found = profiler.attribution
    if found is None:
        return [*lines, f"Energies are not known: {profiler.reason}"]
    if profiler.check is not None:
        check = profiler.check
        lines.append(
            f"Check: the whole took {_j(check['whole_j'])}, layers and gaps add up to "
            f"{_j(check['sum_j'])}; all runs as one stretch of time leave "
            f"{value_text(check['residual_j'], check['residual_u95_j'], 'J')} unexplained"
            if check["residual_j"] == check["residual_j"] else
            "Check: the whole was too short to be measured")
    for group in found.groups[:_TOP]:
        lines.append(f"Cannot be told apart: {group['name']} ({_cell(group, 'energy')} together)")
    if found.diagnostics is None:
        lines.append("This method is for comparison only: no interval holds.")
    elif found.diagnostics["within"] < found.diagnostics["needed"]:
        lines.append(f"Only {found.diagnostics['within']} readings saw the layers run: some "
                     f"{found.diagnostics['needed']} are needed to tell them apart. More num_runs, or "
                     "method \"replay\", know more.")
    elif found.diagnostics.get("locked"):
        lines.append("The runs keep step with the sensor: method \"dither\" or \"replay\" knows more.")
    if found.net:
        lines.append("Energies are without the device's idle power.")
    words = [word for word, is_so in (("simulated", found.simulated), ("modelled", found.modelled))
             if is_so]
    if words:
        lines.append(f"Power is {' and '.join(words)}, not measured.")
    return lines


def _j(value: float) -> str:
    return f"{value:.4g} J" if value == value else "an unknown energy"
