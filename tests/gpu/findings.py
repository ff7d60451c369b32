"""What the outputs of a run say, as plain dictionaries: for checks.py and bundle.py.

Each function takes the folder of the outputs and returns None where they are missing.
"""
import bisect
import csv
import json
import math
import statistics
import subprocess
from pathlib import Path

import bindings
import lattice


def load_json(path):
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def rows(path):
    try:
        with open(path, newline="", encoding="utf-8") as lines:
            return list(csv.DictReader(lines))
    except OSError:
        return []


# ---- the survey -----------------------------------------------------------------------------

def changes(folder, phase):
    """{reading: [(lo_ns, hi_ns, value, stamp_us)]} of a dense polling."""
    found = {}
    for row in rows(Path(folder) / f"poll-{phase}.csv"):
        try:
            change = (int(row["lo_ns"]), int(row["hi_ns"]), float(row["value"]), int(row["stamp_us"]))
        except (TypeError, ValueError):
            continue  # the last line of a polling that was ended
        found.setdefault(row["reading"], []).append(change)
    return found


def stamp_clock(stamps, poll):
    """The clock whose time the driver's stamps are, and how far (ms) they lie before the poll's
    end; `stamps` are pairs (stamp_us, hi_ns)."""
    best = None
    clocks = {"realtime": poll["realtime_ahead_us"], "boottime": poll["boottime_ahead_us"],
              "monotonic": 0.0}
    for name, ahead_us in clocks.items():
        ages = [(hi * 1e-3 + ahead_us - stamp) * 1e-3 for stamp, hi in stamps if stamp > 0]
        if not ages:
            return None
        age = statistics.median(ages)
        if abs(age) < 60e3 and (best is None or abs(age) < abs(best["age_p50_ms"]) - 1):
            best = {"clock": name, "age_p50_ms": age, "age_min_ms": min(ages),
                    "age_max_ms": max(ages)}
    if best and best["clock"] == "boottime" and abs(clocks["boottime"]) < 1000:
        best["clock"] = "boottime or monotonic"  # the machine was never suspended
    return best


def ring(samples, poll):
    """Spacing of the driver's kept samples by their own times."""
    stamps = sorted({stamp for _, _, _, stamp in samples})
    gaps = [(b - a) * 1e-3 for a, b in zip(stamps, stamps[1:])]
    if len(gaps) < 4:
        return None
    return {"samples": len(stamps), "gap_p05_ms": lattice.quantile(gaps, 0.05),
            "gap_p50_ms": lattice.quantile(gaps, 0.5), "gap_p95_ms": lattice.quantile(gaps, 0.95),
            "stamps": stamp_clock([(s, hi) for _, hi, _, s in samples], poll)}


def held_energy(readings, begin_ns, end_ns):
    """Integral of readings [(t_ns, mW)], each held until the next, in J."""
    times = [t for t, _ in readings]
    at = max(0, bisect.bisect_right(times, begin_ns) - 1)
    total = 0.0
    for i in range(at, len(readings)):
        begin = max(begin_ns, readings[i][0])
        end = min(end_ns, readings[i + 1][0] if i + 1 < len(readings) else end_ns)
        if end > begin:
            total += readings[i][1] * 1e-3 * (end - begin) * 1e-9
    return total


def agreement(found):
    """Energy by the counter, and by each power reading over the same time, J."""
    ticks = found.get("energy") or found.get("field_energy")
    if not ticks or len(ticks) < 3:
        return None
    powers = {}
    for name in ("power", "average", "instant", "ring"):
        if len(found.get(name, [])) < 5:
            continue
        if name == "ring":  # at its own times, placed by the latest possible
            shift = min(hi - stamp * 1000 for _, hi, _, stamp in found[name])
            powers[name] = [(stamp * 1000 + shift, v) for _, _, v, stamp in found[name]]
        else:
            powers[name] = [((lo + hi) // 2, v) for lo, hi, v, _ in found[name]]
    if not powers:
        return None
    first = max(readings[0][0] for readings in powers.values())
    last = min(readings[-1][0] for readings in powers.values())
    inside = [tick for tick in ticks if first <= tick[0] and tick[1] <= last]
    if len(inside) < 3:
        return None
    begin, end = ((t[0] + t[1]) // 2 for t in (inside[0], inside[-1]))
    result = {"seconds": (end - begin) * 1e-9, "counter_j": (inside[-1][2] - inside[0][2]) * 1e-3}
    for name, readings in powers.items():
        result[f"{name}_j"] = held_energy(readings, begin, end)
    return result


def survey(folder, phase):
    poll = load_json(Path(folder) / f"poll-{phase}.json")
    if poll is None:
        return None
    found = changes(folder, phase)
    result = {"poll": poll, "refresh": {}, "stamps": {}, "agreement": agreement(found),
              "ring": ring(found.get("ring", []), poll)}
    for name, moved in found.items():
        if name == "ring":
            continue
        result["refresh"][name] = lattice.fit([(lo, hi) for lo, hi, _, _ in moved])
        if any(stamp > 0 for _, _, _, stamp in moved):
            result["stamps"][name] = stamp_clock([(s, hi) for _, hi, _, s in moved], poll)
    return result


def refresh_s(folder, reading="instant", otherwise=0.1):
    """T of a power reading as the survey found it."""
    for phase in ("load", "idle"):
        found = survey(folder, phase)
        fit = (found or {}).get("refresh", {}).get(reading)
        if fit and fit["inside"] > 0.5 and 5 < fit["period_ms"] < 2000:
            return fit["period_ms"] * 1e-3
    return otherwise


# ---- the observer's effect --------------------------------------------------------------------

def observer(folder):
    """Mean idle power at each rate of polling, and what it adds to the slowest."""
    blocks = (load_json(Path(folder) / "observe.json") or {}).get("blocks")
    if not blocks:
        return None
    powers = {}
    for block in blocks:
        if block["power_w"] is not None:
            powers.setdefault(block["rate_hz"], []).append(block["power_w"])
    slowest = min(powers) if powers else None
    result = []
    for rate, watts in sorted(powers.items()):
        error = statistics.stdev(watts) / math.sqrt(len(watts)) if len(watts) > 1 else None
        result.append({"rate_hz": rate, "power_w": statistics.mean(watts), "error_w": error,
                       "blocks": len(watts),
                       "added_w": statistics.mean(watts) - statistics.mean(powers[slowest])})
    return result


# ---- recordings -------------------------------------------------------------------------------

def sql(joulemeter, recording, query):
    """Rows of a query as lists of texts, without the header."""
    command = [str(joulemeter), "sql", str(recording), query]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return list(csv.reader(done.stdout.splitlines()))[1:]


def gpu_index(joulemeter, recording):
    names = [row[0] for row in sql(joulemeter, recording, "SELECT name FROM device ORDER BY id")]
    return names.index("gpu0") if "gpu0" in names else None


def energy_of(joulemeter, recording, loop):
    """gpu0 in the "steady" time of a loop: by each method, and by the counter read beside it."""
    loop, recording = load_json(loop), Path(recording)
    if loop is None or "counter_j" not in loop or not recording.exists():
        return None
    index = gpu_index(joulemeter, recording)
    if index is None:
        return None
    windows = [(loop["begin_ns"], loop["end_ns"])]
    result = {"seconds": (loop["end_ns"] - loop["begin_ns"]) * 1e-9, "beside_j": loop["counter_j"],
              "iterations_per_s": loop["iterations"] / loop["seconds"]}
    for method, found in bindings.energies(recording, index, windows).items():
        if found:
            result[method] = {name: getattr(found[0], name) for name in (
                "energy_j", "u95_j", "u_random_j", "lower_j", "upper_j", "measured", "flags")}
    return result


def truth_j(truth, state, begin_ns, end_ns):
    """What a simulated board really drew."""
    done = subprocess.run([str(truth), state, "0", str(begin_ns), str(end_ns)],
                          capture_output=True, text=True, check=True, timeout=20)
    return float(done.stdout)


# ---- the sampler's cost -----------------------------------------------------------------------

def overhead(folder):
    """Slow-down of a loop by each sampler, from pairs: median, and the middle half of the pairs."""
    rounds = (load_json(Path(folder) / "overhead.json") or {}).get("rounds")
    if not rounds:
        return None
    result = {"rounds": len(rounds), "iterations_per_s": statistics.median(r["none"] for r in rounds)}
    for name in ("default", "dense"):
        slower = [1 - r[name] / r["none"] for r in rounds]
        result[name] = {"slower_p50": statistics.median(slower),
                        "slower_p25": lattice.quantile(slower, 0.25),
                        "slower_p75": lattice.quantile(slower, 0.75)}
    return result
