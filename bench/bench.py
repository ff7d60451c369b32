#!/usr/bin/env python3
"""./dev bench: jm-bench, then its peers on the same simulated GPU, as ratios.

usage: bench.py BUILD [--only PATTERN] [--json FILE]
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import python_rows

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SPEC = "h100,telegraph:100:400:0.2"
# What is compared: (row, key in peers.py, unit, joulemeter's row, how to bring that to the unit).
FIGURES = [
    ("begin and end of a window", "window_us", "us", "range begin+end in groups p50, 1 thread, 1 GPU", 1e-3),
    ("start", "start_ms", "ms", "session open, 1 simulated GPU", 1),
    ("memory", "memory_mb", "MB", "memory after a second and 2000 ranges", 1),
    ("CPU while measuring", "cpu_pct", "% core", "sampler at 10 Hz, 1 GPU", 1),
    ("command wrapper, cold", "wrapper_ms", "ms", "joulemeter run --simulate h100 -- true, over true", 1),
]
# 1 kHz is compared with 1 kHz.
OTHER_ROW = {("CPU while measuring", "pynvml polling at 1 kHz"): "sampler at 1 kHz, 1 GPU"}
# Asking pynvml oneself is compared in CPU time; the others sample more slowly, or not at all.
FACTS = {("CPU while measuring", peer) for peer in ("Zeus", "CodeCarbon", "pyJoules")}
FACTS |= {("memory", "pynvml polling at 10 Hz"), ("memory", "pynvml polling at 1 kHz"),
          ("start", "pynvml polling at 10 Hz"), ("start", "pynvml polling at 1 kHz")}
PEERS = ["Zeus", "CodeCarbon", "pyJoules", "pynvml polling at 10 Hz", "pynvml polling at 1 kHz"]


class Own:
    """Joulemeter's own rows, measured when first asked for."""

    def __init__(self, bench, rows):
        self.bench = bench
        self.values = {row["name"]: row["value"] for row in rows}

    def value(self, name):
        if name not in self.values:
            for row in run_bench(self.bench, name, quiet=True)[1]:
                self.values[row["name"]] = row["value"]
        return self.values.get(name)


def run_bench(bench, only, quiet=False):
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        command = [bench, "--json", file.name] + (["--only", only] if only else [])
        output = subprocess.PIPE if quiet else None
        done = subprocess.run(command, stdout=output, stderr=output)
        text = Path(file.name).read_text()
        return done.returncode, json.loads(text)["rows"] if text else []


def run_peer(name, build):
    """(figures, reason why there are none)"""
    env = dict(os.environ, JOULEMETER_SIMGPU=SPEC, PYTHONWARNINGS="ignore",
               LD_LIBRARY_PATH=f"{build / 'simgpu'}:{os.environ.get('LD_LIBRARY_PATH', '')}")
    python = ROOT / ".venv" / "bin" / "python3"
    command = [python if python.exists() else sys.executable, HERE / "peers.py", name]
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
        return json.loads(done.stdout.strip().splitlines()[-1]), ""
    except subprocess.TimeoutExpired:
        return None, "it did not end within 120 s"
    except (ValueError, IndexError):
        lines = done.stderr.strip().splitlines()
        return None, lines[-1][:100] if lines else "it printed nothing"


def show(row):
    if "skipped" in row:
        print(f"{row['name']:52} {'skipped':>14} {row['skipped']}", flush=True)
        return
    sign = {"at most": "<=", "at least": ">=", None: ""}[row["goal"]]
    target = "-" if row["target"] is None else f"{sign} {row['target']:g}"
    met = {None: "-", True: "yes", False: "NO"}[row["met"]]
    beside = "" if row["baseline"] is None else f"{row['baseline']:.4g} ({row['beside']})"
    print(f"{row['name']:52} {row['value']:14.4g} {row['unit']:8} {target:16} {met:6} {beside}",
          flush=True)


def peer_rows(own, build, only):
    def wanted(figure, peer):
        return only in f"{figure}: {peer} / joulemeter".lower()

    rows = []
    for peer in PEERS:
        figures = [f for f in FIGURES if wanted(f[0], peer)]
        if not figures:
            continue
        result, reason = run_peer(peer, build)
        for figure, key, unit, own_row, factor in figures:
            name = f"{figure}: {peer} / joulemeter"
            if result is None:
                rows.append({"name": name, "value": None, "unit": "x", "target": None, "goal": None,
                             "baseline": None, "met": None, "skipped": reason})
            elif key in result:
                ours = own.value(OTHER_ROW.get((figure, peer), own_row))
                if not ours or ours <= 0:
                    continue
                ratio = result[key] / (ours * factor)
                fact = (figure, peer) in FACTS
                rows.append({"name": name, "value": ratio, "unit": "x", "target": None if fact else 1,
                             "goal": None if fact else "at least", "baseline": result[key],
                             "beside": f"{peer}, {unit}", "met": None if fact else ratio >= 1})
            else:
                continue
            show(rows[-1])
    return rows


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("build")
    parser.add_argument("--only", default="", metavar="PATTERN")
    parser.add_argument("--json", default="", metavar="FILE")
    args = parser.parse_args()
    build = Path(args.build).resolve()
    bench = build / "bench" / "jm-bench"

    only = args.only.lower()
    code, rows = 0, []
    if not any(name.lower() in only for name in ["/ joulemeter", "python", "import", *PEERS]):
        code, rows = run_bench(bench, args.only)
    if any(only in f"{figure[0]}: {peer} / joulemeter".lower() for figure in FIGURES for peer in PEERS):
        mine = peer_rows(Own(bench, rows), build, only)
        code = code or any(row["met"] is False for row in mine)
        rows += mine
    if "python" in only or "in python" not in only:
        for row in python_rows.rows(build, only):
            show(row)
            code = code or row["met"] is False
            rows.append(row)
    if args.json:
        Path(args.json).write_text(json.dumps({"rows": rows}, indent=2) + "\n")
    return 1 if code else 0


sys.exit(main())
