"""Energy of each token that a model generates."""

from __future__ import annotations

import math

from ._bind import JoulemeterError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from ._layer_run import LayerRun
    from ._layers import LayerPowerProfiler


def tell(profiler: "LayerPowerProfiler", run: "LayerRun") -> None:
    """Fills in ``tokens`` and ``phases`` from the passes of the whole model in the first run."""
    calls = run.runs[0]
    root = run.watch.parts[0]
    passes = [index for index, call in enumerate(calls) if call.part is root]
    if not passes:
        return
    ratio = _relative_u95(profiler, calls[passes[0]].part.name)
    utc = profiler.report.recording.utc_offset_ns if profiler.report else 0
    for number, index in enumerate(passes):
        call, row = calls[index], profiler.results[index]
        profiler.tokens.append({
            "token": number, "phase": "prefill" if number == 0 else "decode",
            "start_time": (call.begin_ns + utc) * 1e-9,
            "time_s": (call.end_ns - call.begin_ns) * 1e-9,
            "energy_j": row.inclusive_energy_j,
            "energy_u95_j": ratio * row.inclusive_energy_j})
    first, end = calls[passes[0]], run.windows[0][1]
    spans = {"prefill": (run.windows[0][0], first.end_ns), "decode": (first.end_ns, end)}
    for name, (begin, stop) in spans.items():
        count = 1 if name == "prefill" else len(passes) - 1
        profiler.phases.append(_phase(profiler, run, name, begin, stop, count))


def _relative_u95(profiler: "LayerPowerProfiler", name: str) -> float:
    """Of the energy of all passes together: they have one power, and one uncertainty."""
    found = profiler.attribution
    for part in found.parts if found is not None else []:
        if part["name"] == name and part["inclusive_energy_j"] > 0:
            return part["inclusive_energy_u95_j"] / part["inclusive_energy_j"]
    return math.nan


def _phase(profiler: "LayerPowerProfiler", run: "LayerRun", name: str, begin: int, end: int,
           tokens: int) -> Dict[str, Any]:
    """A phase as it was measured, layers apart."""
    row: Dict[str, Any] = {"phase": name, "time_s": (end - begin) * 1e-9, "tokens": tokens,
                           "energy_j": math.nan, "energy_u95_j": math.nan, "j_per_token": math.nan,
                           "bound_only": True}
    try:
        energy = run.recording.energy(begin, end, device=run.device or "total")
    except (JoulemeterError, LookupError):
        return row
    row["energy_j"], row["energy_u95_j"] = energy.energy_j, energy.u95_j
    row["bound_only"] = energy.bound_only
    if tokens > 0:
        row["j_per_token"] = energy.energy_j / tokens
    return row


def rows_of(profiler: "LayerPowerProfiler") -> List[str]:
    """Lines of the summary."""
    from _joulemeter import value_text

    lines = []
    for row in profiler.phases:
        if row["energy_j"] != row["energy_j"]:
            told = "energy not known"
        else:
            told = value_text(row["energy_j"], row["energy_u95_j"], "J")
            told += " (bound only)" if row["bound_only"] else ""
        each = f", {row['j_per_token']:.3g} J a token" if row["phase"] == "decode" and (
            row["j_per_token"] == row["j_per_token"]) else ""
        lines.append(f"{row['phase']:8s} {1e3 * row['time_s']:10.2f} ms, {row['tokens']} "
                     f"{'pass' if row['tokens'] == 1 else 'passes'}, {told}{each}")
    return lines
