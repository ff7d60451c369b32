#!/usr/bin/env python3
"""Gathers a run's outputs into a few files: bundle.py WORK OUT. May be called again and again."""
import csv
import gzip
import io
import os
import sys
import tarfile
from pathlib import Path

import findings
from checks import JOULEMETER

README = """\
# What tests/gpu/run measured

| file | what |
|---|---|
| `checks.txt` | a line for each check: pass, FAIL, skip, note |
| `results.json` | environment, survey, observer's effect, calibration, energies, layers, kernels, overhead; without UUID and host name |
| `nvml-calls.csv` | what each NVML call returns and how long it takes, idle and under load |
| `nvml-changes.csv.gz` | changes of each reading under dense polling |
| `layers.csv` | energy of each layer of a model by each method, and of the layer alone in a loop |
| `traces.csv.gz` | readings of gpu0 under square waves, recorded by joulemeter |
| `edges.csv.gz` | when the load of those traces was on |
| `raw.tar.gz` | everything else, not to be committed: it names the board and the host |

## nvml-changes.csv.gz
`phase` idle or load; `reading`; `lo_ns`, `hi_ns` CLOCK_MONOTONIC: the value changed between them;
`value` mW or mJ as NVML gives it; `stamp_us` the driver's own time, 0 where it has none. Readings:
`power` nvmlDeviceGetPowerUsage; `energy` nvmlDeviceGetTotalEnergyConsumption; `field_energy`,
`average`, `instant` fields 83, 185, 186; `module` 186 of scope 1; `memory_*` of scope 2; `ring`
nvmlDeviceGetSamples of power (here lo_ns and hi_ns enclose the call that fetched it).

## layers.csv
`layer`, `type` of its module, `method`; `calls` that energies are of. Of one call: `time_us` in the
model, `loop_us` alone in a loop (longer: it waits for its launches there), `traced_us` its kernels'
by torch.profiler; `truth_j` +- `truth_u95_j` alone in a loop, by the board's counter; `energy_j` +-
`u95_j` in the model (`random_u95_j` without the board's gain); `ratio` of the two. `bound_only`: no more than a bound is known; `group`: it is
known together with others. Residuals, times and what watching costs are in results.json, `layers`.

## traces.csv.gz
`source` joulemeter's name of the sensor; `t_ns` since the recording began; `since_ns`: it changed
within so long before t_ns (empty: longer, or not known); `value` W, or J for energy. Only samples
that differ from the one before.

## edges.csv.gz
`segment` the wave (x0.500: its period is half the sensor's refresh; telegraph: random dwells; slow:
long ones); `on_ns`, `off_ns` since the same moment, by the device's own clock; `sigma_ns` half the
width of the bracket that ties that clock to the host's. Before, between and after: idle.
"""


def write_gzip(path, header, lines):
    """A CSV whose bytes depend on its rows only."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    path.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))


def write_calls(work, out):
    header = ("phase", "call", "result", "value", "count", "p50_us", "p90_us", "p99_us", "max_us")
    with open(out / "nvml-calls.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for phase in ("idle", "load"):
            found = findings.load_json(work / f"calls-{phase}.json")
            for call in (found or {}).get("calls", []):
                writer.writerow([phase] + [call[name] for name in header[1:]])


def write_changes(work, out):
    lines = []
    for phase in ("idle", "load"):
        for reading, moved in findings.changes(work, phase).items():
            lines += [(phase, reading, lo, hi, f"{value:.15g}", stamp)
                      for lo, hi, value, stamp in moved]
    if lines:
        write_gzip(out / "nvml-changes.csv.gz",
                   ("phase", "reading", "lo_ns", "hi_ns", "value", "stamp_us"), lines)


def write_traces(work, out):
    recording = work / "traces.jm"
    if not recording.exists():
        return
    begin = int(findings.sql(JOULEMETER, recording, "SELECT begin_ns FROM recording")[0][0])
    samples = findings.sql(JOULEMETER, recording, """
        SELECT s.source, x.t_ns - r.begin_ns,
               CASE WHEN x.since_ns < 4294967295 THEN x.since_ns ELSE '' END, x.value
        FROM sample x JOIN sensor s ON s.id = x.sensor JOIN device d ON d.id = s.device,
             recording r
        WHERE x.flags & 1 AND x.value IS NOT NULL AND d.name = 'gpu0'
              AND s.quantity IN ('power', 'power_average', 'energy')
        ORDER BY s.id, x.id""")
    samples = [(*row[:3], f"{float(row[3]):.9g}") for row in samples]
    write_gzip(out / "traces.csv.gz", ("source", "t_ns", "since_ns", "value"), samples)
    edges = [(e["segment"], int(e["on_ns"]) - begin, int(e["off_ns"]) - begin, e["sigma_ns"])
             for e in findings.rows(work / "traces-edges.csv") if e.get("sigma_ns")]
    write_gzip(out / "edges.csv.gz", ("segment", "on_ns", "off_ns", "sigma_ns"), edges)


def write_layers(work, out):
    path = work / "layers.csv"
    if path.exists():
        (out / "layers.csv").write_bytes(path.read_bytes())


def without_identity(value):
    """Texts that name the board or the host are left out."""
    if isinstance(value, dict):
        return {k: without_identity(v) for k, v in value.items()
                if k not in ("uuid", "host", "pci", "serial")}
    if isinstance(value, list):
        return [without_identity(v) for v in value]
    return value


def attempt(function, *arguments):
    try:
        return function(*arguments)
    except Exception as error:  # one part that is broken must not cost the others
        print(f"bundle: {function.__name__}: {error}", file=sys.stderr)
        return None


def write_results(work, out):
    results = {
        "version": (work / "VERSION").read_text(encoding="utf-8").splitlines(),
        "simulated": os.environ.get("SIMULATED") or None,
        "devices": findings.load_json(work / "devices.json"),
        "doctor": findings.load_json(work / "doctor.json"),
        "software": findings.load_json(work / "software.json"),
        "fields_and_samples": {},
        "survey": {},
        "observer": attempt(findings.observer, work),
        "calibration": findings.load_json(work / "calibration.json"),
        "overhead": attempt(findings.overhead, work),
        "layers": findings.load_json(work / "layers.json"),
        "kernels": findings.load_json(work / "kernels.json"),
        "energies": {},
    }
    (results["layers"] or {}).pop("table", None)  # layers.csv has it
    for phase in ("idle", "load"):
        calls = findings.load_json(work / f"calls-{phase}.json") or {}
        results["fields_and_samples"][phase] = {k: v for k, v in calls.items() if k != "calls"}
        results["survey"][phase] = attempt(findings.survey, work, phase)
    for name in ("train", "matmul"):
        results["energies"][name] = attempt(findings.energy_of, JOULEMETER, work / f"{name}.jm",
                                            work / f"{name}-loop.json")
        summary = findings.load_json(work / f"{name}.json") or {}
        results["energies"][name + " summary"] = {
            key: summary.get(key) for key in ("duration_s", "devices", "sampler", "warnings")}
    text = findings.json.dumps(without_identity(results), indent=1, allow_nan=False, default=str)
    (out / "results.json").write_text(text + "\n", encoding="utf-8")


RAW_MOST = 12 << 20  # bytes of the archive; recordings are left out until it fits


def write_raw(work, out):
    files = sorted((p for p in work.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    files = [p for p in files if not p.name.endswith(("-wal", "-shm", ".state"))]
    while True:
        with tarfile.open(out / "raw.tar.gz", "w:gz") as tar:
            for path in files:
                tar.add(path, arcname="raw/" + str(path.relative_to(work)))
        if (out / "raw.tar.gz").stat().st_size <= RAW_MOST or not files:
            return
        files.pop()


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: bundle.py WORK OUT")
    work, out = Path(sys.argv[1]), Path(sys.argv[2])
    (out / "README.md").write_text(README, encoding="utf-8")
    for write in (write_calls, write_changes, write_traces, write_layers, write_results,
                  write_raw):
        attempt(write, work, out)


if __name__ == "__main__":
    main()
