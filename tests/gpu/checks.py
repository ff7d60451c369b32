#!/usr/bin/env python3
"""Turns a step's outputs into lines: `pass NAME: DETAIL`, `FAIL ...`, `skip ...` and `note ...`.

    checks.py STEP FOLDER      the outputs are in FOLDER; PACK and SIMULATED come by environment
"""
import os
import signal
import sys
from pathlib import Path

import findings
from findings import load_json
from lattice import quantile

JOULEMETER = Path(os.environ.get("PACK", ".")) / "bin" / "joulemeter"
TRUTH = Path(os.environ.get("PACK", ".")) / "bin" / "simgpu-truth"
SIMULATED = bool(os.environ.get("SIMULATED"))


def line(word, name, detail):
    print(f"{word:4} {name}: {detail}", flush=True)


def check(good, name, detail):
    line("pass" if good else "FAIL", name, detail)
    return bool(good)


def skip(name, why):
    line("skip", name, why)


def note(name, detail):
    line("note", name, detail)


# ---- environment ------------------------------------------------------------------------------

def environment(folder):
    doctor = load_json(folder / "doctor.json")
    devices = load_json(folder / "devices.json")
    if check(doctor, "doctor", f"{len(doctor or [])} findings"):
        gpu = [f for f in doctor if f.get("device") == "gpu0"]
        works = [f.get("what") for f in gpu if f.get("works")]
        check(len(works) >= 2, "doctor: gpu0 can be read", ", ".join(map(str, works)) or "nothing")
        for finding in gpu:
            if not finding.get("works"):
                note(f"doctor: {finding.get('what')}", finding.get("message"))
    gpus = [d for d in devices or [] if str(d.get("name", "")).startswith("gpu")]
    check(gpus, "devices", ", ".join(f"{d['name']} {d.get('model')}" for d in gpus) or "no GPU")


# ---- survey -----------------------------------------------------------------------------------

def survey_calls(folder, phase):
    calls = load_json(folder / f"calls-{phase}.json")
    if not check(calls, f"calls ({phase})", "table written" if calls else "no output"):
        return
    table = {c["call"]: c for c in calls["calls"]}
    for name in ("power", "energy", "field 186 instant", "fields 83 185 186"):
        call = table[name]
        check(call["result"] == 0, f"call {name} ({phase})",
              f"result {call['result']}, p50 {call['p50_us']:.1f} us, p99 {call['p99_us']:.1f} us")
    refused = [f"{c['call']} ({c['result']})" for c in calls["calls"] if c["result"] != 0]
    note(f"calls that fail ({phase})", ", ".join(refused) or "none")
    dear = sorted(calls["calls"], key=lambda c: -c["p50_us"])[:4]
    note(f"dearest calls ({phase})", ", ".join(f"{c['call']} {c['p50_us']:.0f} us" for c in dear))
    fields = [f"{f['field']}/{f['scope']}" for f in calls["fields"] if f["result"] == 0]
    note(f"fields/scopes that answer ({phase})", " ".join(fields))


def describe_fit(fit):
    return (f"T {fit['period_ms']:.3f} ms, jitter {fit['jitter_ms']:.3f} ms, {fit['changes']} "
            f"changes, {100 * fit['inside']:.0f} % on the lattice")


def survey_poll(folder, phase):
    found = findings.survey(folder, phase)
    if not check(found, f"polling ({phase})", "done" if found else "no output"):
        return
    for name, fit in sorted(found["refresh"].items()):
        if fit:
            note(f"{name} ({phase})", describe_fit(fit))
    for name, stamps in found["stamps"].items():
        if stamps:
            note(f"time stamps of {name} ({phase})",
                 f"{stamps['clock']}, {stamps['age_p50_ms']:.2f} ms before the call's end")
    kept = found["ring"]
    note(f"ring ({phase})", f"{kept['samples']} samples, {kept['gap_p50_ms']:.2f} ms apart, times "
         f"{(kept['stamps'] or {}).get('clock')}" if kept else "no samples")
    if phase == "load":
        under_load(found)


def under_load(found):
    instant = found["refresh"].get("instant") or found["refresh"].get("power")
    check(instant and instant["inside"] >= 0.8, "power readings lie on a lattice",
          describe_fit(instant) if instant else "too few changes")
    counter = found["refresh"].get("energy") or found["refresh"].get("field_energy")
    check(counter and counter["changes"] >= 20, "the counter's refresh",
          describe_fit(counter) if counter else "too few changes")
    energies = found["agreement"]
    if not check(energies, "counter and power over the same time",
                 f"{energies['seconds']:.1f} s" if energies else "too few changes"):
        return
    reference = energies["counter_j"]
    for name in ("power", "average", "instant", "ring"):
        if f"{name}_j" in energies and reference > 0:
            error = energies[f"{name}_j"] / reference - 1
            note(f"integrated {name} against the counter", f"{100 * error:+.2f} %")


def survey_idle(folder):
    survey_calls(folder, "idle")
    survey_poll(folder, "idle")


def survey_load(folder):
    survey_calls(folder, "load")
    survey_poll(folder, "load")


# ---- observer ---------------------------------------------------------------------------------

def observer(folder):
    found = findings.observer(folder)
    if not check(found and len(found) == 3, "idle power at three rates of polling",
                 f"{len(found or [])} rates"):
        return
    for rate in found:
        error = f" +- {rate['error_w']:.2f}" if rate["error_w"] is not None else ""
        note(f"polling at {rate['rate_hz']:g} Hz",
             f"{rate['power_w']:.2f}{error} W ({rate['added_w']:+.2f} W)")
    check(all(rate["power_w"] > 5 for rate in found), "idle power is no nought",
          f"{found[0]['power_w']:.1f} W")


# ---- traces and calibration -------------------------------------------------------------------

def sampler(name, recording):
    """Polls of the board that failed; those of the process tree may, when the command ends."""
    polls, late, dropped = findings.sql(JOULEMETER, recording,
                                        "SELECT polls, late, dropped FROM sampler")[0]
    failed = findings.sql(JOULEMETER, recording, """
        SELECT count(*) FROM sample x JOIN sensor s ON s.id = x.sensor
        JOIN device d ON d.id = s.device WHERE x.flags & 4 AND d.name LIKE 'gpu%'""")[0][0]
    check(int(failed) == 0 and int(dropped) == 0, f"{name}: every reading of the board succeeded",
          f"{polls} polls, {failed} failed, {late} late, {dropped} ranges dropped")


def traces(folder):
    recording, edges = folder / "traces.jm", findings.rows(folder / "traces-edges.csv")
    if not check(recording.exists() and edges, "recording and edges", f"{len(edges)} bursts"):
        return
    ranges = findings.sql(JOULEMETER, recording,
                          "SELECT count(*) FROM range WHERE name = 'on'")[0][0]
    check(int(ranges) == len(edges), "each burst is a range", f"{ranges} ranges")
    sigma = findings.lattice.quantile([float(e["sigma_ns"]) for e in edges], 0.9) * 1e-3
    check(sigma < 200, "edges are known", f"to {sigma:.0f} us (90 % of them)")
    segments = dict.fromkeys(e["segment"] for e in edges)
    check({"x0.500", "x1.333", "telegraph", "slow"} <= set(segments), "all periods were run",
          " ".join(segments))
    powers = findings.sql(JOULEMETER, recording,
                          "SELECT source, count(*), min(value), max(value) FROM samples WHERE "
                          "device = 'gpu0' AND quantity = 'power' GROUP BY source")
    for source, count, least, most in powers:
        note(source, f"{count} samples, {float(least):.0f} to {float(most):.0f} W")
    contrast = max((float(p[3]) - float(p[2]) for p in powers), default=0)
    check(contrast > 100, "the load shows", f"{contrast:.0f} W between the extremes")
    sampler("traces", recording)


def calibrate(folder):
    found = load_json(folder / "calibration.json")
    if not check(found, "calibration", f"{len(found or [])} sensors"):
        return
    for c in found:
        def ms(name, c=c):
            return f"{1e3 * c[name]:.2f} ms" if c.get(name) else "-"
        note(c["source"], f"T {ms('refresh_s')}, W {ms('window_s')} +- {ms('window_u_s')}, "
             f"L {ms('lag_s')}, noise {c['noise']:.3g}, {c['ticks']} changes")
    powers = [c for c in found if "power" in c["source"] and c.get("refresh_s")]
    check(powers, "a power reading has a refresh", ", ".join(c["source"] for c in powers) or "none")
    check(any(c.get("window_s") for c in powers), "a power reading has a window",
          "shown by the load's edges")
    expected = findings.refresh_s(folder, otherwise=None)
    instant = [c for c in powers if c["source"].endswith("power_instant")]
    if expected and instant:
        ratio = instant[0]["refresh_s"] / expected
        check(abs(ratio - 1) < 0.01, "calibration and survey agree on T", f"ratio {ratio:.5f}")
    if SIMULATED and instant and os.environ["SIMULATED"].startswith("h200"):
        c = instant[0]
        good = abs(c["refresh_s"] - 0.1) < 1e-3 and abs((c["window_s"] or 0) - 0.025) < 0.005
        check(good, "the simulated sensor's T 100 ms and W 25 ms are found", "instant")


# ---- real programs ----------------------------------------------------------------------------

def summary(folder, name):
    found = load_json(folder / f"{name}.json")
    gpu = next((d for d in (found or {}).get("devices", []) if d["name"] == "gpu0"), None)
    if not check(found and gpu and found["exit_code"] == 0, f"{name}: summary",
                 f"exit code {(found or {}).get('exit_code')}"):
        return
    energy, u95 = gpu["energy_j"], gpu["u95_j"]
    sane = (energy or 0) > 0 and 0 < (u95 or 0) < 0.2 * energy
    check(sane, f"{name}: energy of gpu0", f"{energy:.1f} +- {u95:.1f} J, {gpu['mean_power_w']:.0f} W, "
          f"peak {gpu['peak_power_w'] or 0:.0f} W, {' '.join(gpu['provenance'])} "
          f"{' '.join(gpu['flags'])}")
    limit = gpu["power_limit_w"]
    check(not limit or 20 < gpu["mean_power_w"] < 1.05 * limit, f"{name}: mean power is possible",
          f"limit {limit} W")
    sampler(name, folder / f"{name}.jm")
    note(f"{name}: sampler",
         f"{100 * found['sampler']['cpu_s'] / found['duration_s']:.2f} % of a core")
    for warning in found["warnings"]:
        note(f"{name}: warning", warning)


def overlap(a, b):
    return a["lower_j"] <= b["upper_j"] and b["lower_j"] <= a["upper_j"]


def energies(folder, name):
    found = findings.energy_of(JOULEMETER, folder / f"{name}.jm", folder / f"{name}-loop.json")
    if not check(found and "auto" in found, f"{name}: energy of the steady time",
                 f"{found['seconds']:.1f} s" if found else "no counter beside it"):
        return
    auto, beside = found["auto"], found["beside_j"]
    inside = auto["lower_j"] <= beside <= auto["upper_j"]
    check(inside, f"{name}: the counter read beside it lies in the interval",
          f"{beside:.1f} J in {auto['energy_j']:.1f} +- {auto['u95_j']:.1f} J")
    if "counter" in found and "power" in found:
        counter, power = found["counter"], found["power"]
        check(overlap(counter, power), f"{name}: counter and power agree within their intervals",
              f"{counter['energy_j']:.1f} +- {counter['u95_j']:.1f} and {power['energy_j']:.1f} +- "
              f"{power['u95_j']:.1f} J")
        near = abs(counter["energy_j"] - beside) <= 4 * counter["u_random_j"] + 0.003 * beside
        check(near, f"{name}: joulemeter's counter is the counter",
              f"{100 * (counter['energy_j'] / beside - 1):+.3f} %")
    if SIMULATED:
        loop = load_json(folder / f"{name}-loop.json")
        true = findings.truth_j(TRUTH, os.environ["JOULEMETER_SIMGPU_STATE"], loop["begin_ns"],
                                loop["end_ns"])
        check(auto["lower_j"] <= true <= auto["upper_j"], f"{name}: the truth lies in the interval",
              f"{true:.1f} J")


def exits(folder):
    expected = {"7": "exit 7", "143": "SIGTERM", "127": "no such command", "0": "true"}
    found = dict(row.split(" ", 1) for row in
                 (folder / "exits.txt").read_text(encoding="ascii").splitlines())
    got = {meaning: found.get(meaning.replace(" ", "-")) for meaning in expected.values()}
    check(all(got[meaning] == code for code, meaning in expected.items()), "exit codes",
          ", ".join(f"{meaning}: {code}" for meaning, code in got.items()))


def model(folder):
    exits(folder)
    for name in ("train", "matmul"):
        summary(folder, name)
        energies(folder, name)


def overhead(folder):
    found = findings.overhead(folder)
    if not check(found, "blocks with and without a sampler", f"{(found or {}).get('rounds')} rounds"):
        return
    note("the loop alone", f"{found['iterations_per_s']:.1f} iterations/s")
    for name in ("default", "dense"):
        slower = found[name]
        detail = (f"{100 * slower['slower_p50']:+.2f} % slower (middle half "
                  f"{100 * slower['slower_p25']:+.2f} to {100 * slower['slower_p75']:+.2f} %)")
        if SIMULATED:
            note(f"sampler, {name}", detail)  # a shared CPU, and no GPU: says little
        else:
            check(slower["slower_p25"] < 0.02, f"sampler, {name}", detail)


# ---- examples and profiler --------------------------------------------------------------------

def examples(folder):
    for name in ("simple", "threads", "phases"):
        status = folder / f"example-{name}.status"
        if not status.exists():
            skip(f"example {name}", "not in the pack, or it needs CUDA")
            continue
        output = (folder / f"example-{name}.txt").read_text(encoding="utf-8", errors="replace")
        check(status.read_text(encoding="ascii").strip() == "0", f"example {name}",
              (output.strip().splitlines() or ["no output"])[-1])
    found = load_json(folder / "example-phases.json")
    if found:
        names = {g["name"]: g for g in found["categories"]}
        compute = names.get("compute", {})
        check((compute.get("energy_j") or 0) > 0, "phases land in the outer recording",
              f"compute {compute.get('energy_j')} J in {compute.get('time_s')} s")


# ---- kernels ----------------------------------------------------------------------------------

def kernel_times(name, times, ranges):
    """Those that make up four fifths of the time."""
    large, rest = [], 1.0
    for kernel, share in sorted(times["share"].items(), key=lambda one: -one[1]):
        if rest > 0.2:
            large.append(kernel)
        rest -= share
    both = {n: (times["ours"].get(n), times["theirs"][n]) for n in large}
    told = ", ".join(f"{kernel[:40]} {a and round(a, 2)} and {b:.2f} us"
                     for kernel, (a, b) in both.items())
    check(both and all(a and abs(a / b - 1) < 0.01 for a, b in both.values()),
          f"{name}: times of kernels are those of torch.profiler",
          told or times["error"] or "none in both")
    launched = {(row["range"], row["kernel"]) for row in times["parents"]}
    check({r for r, _ in launched} >= ranges, f"{name}: kernels stand in their NVTX ranges",
          f"{len(launched)} pairs")


def kernels_of_cuda(cuda):
    if cuda is None:
        skip("CUDA C", "the program is not in the pack")
        return
    calls = {(row["range"], row["kernel"]): row["calls"] for row in cuda["parents"]}
    launched = [n for (r, k), n in calls.items() if r == "compute" and k.startswith("step(")]
    check(cuda["code"] == 0 and launched == [500], "CUDA C: all kernels stand in their phase",
          str(launched or cuda["error"]))


def kernel_energies(found):
    mixed, alone = found["energies"]["mixed"], found["energies"]["alone"]
    for name, one in alone.items():
        other = mixed.get(name)
        if not check(other, f"kernel {name[:40]}", "in both" if other else "not in the mixed run"):
            continue
        a, b = (1e3 * p["energy_j"] / p["calls"] for p in (other, one))
        u = sum(1e3 * p["u95_j"] / p["calls"] for p in (other, one))
        check(abs(a - b) <= u, f"energy of {name[:40]}",
              f"{a:.4g} mJ among others, {b:.4g} mJ alone, +- {u:.2g} mJ")


def kernel_costs(found):
    together = found["together"]
    check(together["code"] == 0 and together["profiled"] > 0,
          "torch.profiler works in a program whose kernels are recorded",
          f"{together['profiled']} kernels; {together['error'] or together['facts']}")
    for work, both in found["overhead"].items():
        rates = [sorted(r for r in both[kind] if r) for kind in ("without", "with")]
        if not check(all(rates), f"overhead, {work}", f"{[len(r) for r in rates]} runs"):
            continue
        slower = rates[0][len(rates[0]) // 2] / rates[1][len(rates[1]) // 2] - 1
        told = f"{100 * slower:+.2f} %, {rates[0][len(rates[0]) // 2]:.0f} calls/s without"
        if work == "matmul":
            check(slower < 0.02, "kernels recorded, compute-bound", told)
        else:
            note("kernels recorded, launch-bound", told)


def kernels(folder):
    found = load_json(folder / "kernels.json")
    if not found or "skipped" in found:
        skip("kernels", (found or {}).get("skipped", "not reached"))
        return
    failed = {name: code for name, code in found["codes"].items() if code and name != "cuda"}
    check(not failed, "kernels: the programs run", failed or f"{len(found['codes'])} of them")
    if found["device"] != "cuda":
        skip("kernels", "no GPU: the programs ran on the CPU, which has no kernels")
        return
    note("kernels", "; ".join(f"{row['key']}: {row['value']}" for row in found.get("facts", [])))
    kernel_times("kernels", found["times"], {"matmul", "scale"})
    kernel_times("training", found["programs"]["training"], {"forward", "backward", "optimizer"})
    kernel_times("generation", found["programs"]["generation"], {"generate"})
    kernels_of_cuda(found["cuda"])
    kernel_energies(found)
    kernel_costs(found)


# ---- layers -----------------------------------------------------------------------------------

MEASURED = ("replay", "dither", "passive")  # their intervals hold; those of the simple ways do not


def by_layer(found, method):
    """{layer: row} of those whose truth is known."""
    return {row["layer"]: row for row in found["table"]
            if row["method"] == method and row["truth_j"]}


def large_layers(found):
    """Those that make up 80 % of the energy, the largest first."""
    joules = {row["layer"]: row["truth_j"] * row["calls"] for row in found["table"]
              if row["method"] == "replay" and row["truth_j"]}
    names, above = [], 0.0
    for name in sorted(joules, key=joules.get, reverse=True):
        if above >= 0.8 * sum(joules.values()):
            break
        above += joules[name]
        names.append(name)
    return names


def layer_truth(found):
    truth = found["truth"]
    for name, layer in truth.items():
        note(f"{name} alone", f"{1e3 * layer['energy_j']:.4g} +- {1e3 * layer['u95_j']:.2g} mJ, "
             f"{1e6 * layer['loop_s']:.4g} us, {layer['mean_power_w']:.0f} W, by {layer['by']}")
    told = [layer for layer in truth.values() if "set_w" in layer]
    if told:
        good = sum(abs(t["energy_j"] - t["set_w"] * t["loop_s"]) <= t["u95_j"] for t in told)
        check(good >= len(told) - 1, "layers alone: what the board was told lies in the interval",
              f"{good} of {len(told)}")


def layer_method(found, method, large):
    told, rows = found["methods"][method], by_layer(found, method)
    if not check(rows, f"layers by {method}", f"{len(rows)} layers, {told['num_runs']} runs, "
                 f"{told['seconds']:.1f} s"):
        return
    check(not told["hooks_left"], f"{method}: no hook is left on the model",
          ", ".join(told["hooks_left"]) or "none")
    known = [row for row in rows.values() if row["energy_j"] is not None
             and row["u95_j"] is not None and row["energy_j"] >= 0]
    check(len(known) == len(rows) == len(found["truth"]), f"{method}: energies are finite",
          f"{len(known)} of {len(found['truth'])} layers")
    errors = {name: rows[name]["ratio"] - 1 for name in large
              if name in rows and rows[name]["ratio"] is not None}
    inside = sum(abs(row["energy_j"] - row["truth_j"]) <= row["u95_j"] + row["truth_u95_j"]
                 for row in known)
    note(f"{method} against layers alone", f"{inside} of {len(known)} within their intervals; "
         + ", ".join(f"{name} {100 * error:+.1f} %" for name, error in errors.items()))
    residual = told["check"]
    if method not in MEASURED:
        return
    good = residual and None not in residual.values() and (
        abs(residual["residual_j"]) <= residual["residual_u95_j"])
    check(good, f"{method}: the sum of the parts is the whole, within its interval",
          "{whole_j:.1f} J, residual {residual_j:+.2f} +- {residual_u95_j:.2f} J".format(**residual)
          if good or residual and None not in residual.values() else "not known")


def layer_replay(found, large):
    rows, passive = by_layer(found, "replay"), by_layer(found, "passive")
    off = [f"{name} {100 * (rows[name]['ratio'] - 1):+.1f} +- "
           f"{100 * rows[name]['u95_j'] / rows[name]['truth_j']:.1f} %"
           for name in large if abs(rows[name]["energy_j"] - rows[name]["truth_j"])
           > max(0.05 * rows[name]["truth_j"], rows[name]["u95_j"])]
    check(large and not off, "replay: within 5 % or its interval of the layers alone",
          ", ".join(off) or f"{len(large)} layers with 80 % of the energy")


    def typical(table, u95):
        return 100 * quantile([row[u95] / row["truth_j"] for row in table.values()], 0.5)

    if passive and rows:  # the board's gain is in both, and no method makes it any surer
        tight, wide = typical(rows, "random_u95_j"), typical(passive, "random_u95_j")
        check(tight < wide, "replay is surer than passive",
              f"+- {tight:.2f} and +- {wide:.2f} %, typically; with the board's gain "
              f"+- {typical(rows, 'u95_j'):.1f} and +- {typical(passive, 'u95_j'):.1f} %")


def layer_times(found, large):
    watching, trace = found.get("watching"), found.get("traced") or {"skipped": "not reached"}
    if check(watching, "cost of watching", f"{(watching or {}).get('pairs')} pairs of blocks"):
        each = [1e6 * watching[f"added_{p}_s"] / watching["modules"] for p in ("p25", "p50", "p75")]
        note("a forward pass without hooks and with",
             f"{1e3 * watching['without_s']:.3f} and {1e3 * watching['with_s']:.3f} ms; a module "
             f"{each[1]:+.2f} us (middle half {each[0]:+.2f} to {each[2]:+.2f} us)")
    if "skipped" in trace:
        skip("times of layers against torch.profiler", trace["skipped"])
        return
    rows = by_layer(found, "replay")
    ratios = {name: rows[name]["time_us"] / rows[name]["traced_us"] for name in large
              if rows[name]["traced_us"]}
    told = ", ".join(f"{name} {ratio:.3f}" for name, ratio in ratios.items())
    if trace["of"] == "kernels":
        good = ratios and all(0.8 < ratio < 1.25 for ratio in ratios.values())
        check(good, "times of layers are those of their kernels by torch.profiler", told)
    else:
        note("times of layers against torch.profiler", told)


def gpupp_examples(folder):
    for name in ("simple_model", "generation", "batch_sizes", "layer_types", "timeline",
                 "every_tenth_epoch"):
        status = folder / f"example-gpupp-{name}.status"
        path = folder / f"example-gpupp-{name}.txt"
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        last = (text.strip().splitlines() or ["no output"])[-1]
        if "ModuleNotFoundError" in last:
            skip(f"GPUPP's example {name}", last)
        else:
            done = status.exists() and status.read_text(encoding="ascii").strip() == "0"
            check(done, f"GPUPP's example {name}", last[:120])


def layers(folder):
    gpupp_examples(folder)
    found = load_json(folder / "layers.json")
    if found and "skipped" in found:
        skip("layers", found["skipped"])
    elif check(found and found.get("table"), "layers were measured",
               f"{1e3 * found['forward_s']:.2f} ms a forward pass" if found else "no output"):
        large = large_layers(found)
        layer_truth(found)
        for method in (*MEASURED, "time_share", "boundary"):
            if check(method in found["methods"], f"{method} was run", "in time"):
                layer_method(found, method, large)
        layer_replay(found, large)
        layer_times(found, large)
        note("seconds", ", ".join(f"{name} {s:.0f}" for name, s in found["seconds"].items()))


def ncu(folder):
    path = folder / "ncu.csv"
    if not path.exists():
        skip("Nsight Compute", "ncu is not here")
        return
    text = path.read_text(encoding="utf-8", errors="replace")
    kernels = [row for row in text.splitlines() if row.startswith('"') and row[1:2].isdigit()]
    check(kernels, "Nsight Compute", f"{len(kernels)} kernels" if kernels else text.strip()[-200:])


def estimate(folder):
    model = load_json(folder / "estimate-rows.json")
    if not (folder / "estimate.txt").exists():
        skip("estimate", "Nsight Compute or the power suite is not here")
    elif check(model, "a power model of this board was trained", "no model"):
        found = model["power"]["avg"]["validation"]
        check(found["program_left_out_pct"] <= 12, "its error on families left out",
              f"{found['program_left_out_pct']:.1f} %")
        check(90 <= found["program_left_out_covered_pct"] <= 100, "truths in its intervals",
              f"{found['program_left_out_covered_pct']:.0f} %")


STEPS = {step.__name__: step for step in (
    environment, survey_idle, observer, survey_load, traces, calibrate, model, overhead, examples,
    layers, kernels, ncu, estimate)}


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in STEPS:
        sys.exit(f"usage: checks.py STEP FOLDER, STEP one of {' '.join(STEPS)}")
    signal.alarm(60)
    try:
        STEPS[sys.argv[1]](Path(sys.argv[2]))
    except Exception as error:  # a check that breaks is a check that failed
        check(False, f"{sys.argv[1]}: outputs can be read", f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
