#!/usr/bin/env -S python3 -S
"""Stands for Nsight Compute in tests: runs the program and writes a profile as ncu does.

FAKE_NCU says what goes wrong: permission, nothing, crash, garbage, stubborn (it ignores SIGTERM and
SIGINT), missing (a metric is left out), untimed (a kernel has no duration); FAKE_NCU_REFUSES names
metrics that it does not know; FAKE_NCU_ARGUMENTS names a file for its arguments."""

import os
import signal
import subprocess
import sys

VALUES = {"gpu__time_duration.sum": ("nsecond", "1,000,000"),
          "sm__cycles_elapsed.sum": ("cycle", "80,000,000"),
          "sm__cycles_elapsed.max": ("cycle", "1,000,000"),
          "smsp__cycles_active.avg.pct_of_peak_sustained_elapsed": ("%", "90.00"),
          "sm__pipe_alu_cycles_active.sum": ("cycle", "80,000,000"),
          "sm__pipe_fma_cycles_active.sum": ("cycle", "40,000,000"),
          "lts__t_sectors_srcunit_tex_op_read.sum": ("sector", "10,000,000"),
          "dram__bytes_read.sum": ("byte", "400,000,000")}


def quoted(fields):
    return ",".join(f'"{field}"' for field in fields) + "\n"


def table(metrics, board, program):
    if os.environ.get("FAKE_NCU") == "missing":
        metrics = [metric for metric in metrics if "pipe" not in metric and "inst" not in metric]
    head = ["ID", "Process ID", "Process Name", "Host Name", "Kernel Name", "Context", "Stream",
            "Block Size", "Grid Size", "Device", "CC"]
    text = quoted(head + metrics)
    text += quoted([""] * len(head) + [VALUES.get(metric, ("", ""))[0] for metric in metrics])
    for number, kernel in enumerate(("saxpy(float *, int)", "reduce", "saxpy(float *, int)")):
        given = dict(VALUES)
        if kernel == "reduce" and os.environ.get("FAKE_NCU") == "untimed":
            given |= {"gpu__time_duration.sum": ("", "n/a"),
                      "sm__pipe_alu_cycles_active.sum": ("", "0")}
        values = [board if "display_name" in metric else given.get(metric, ("", "0"))[1]
                  for metric in metrics]
        text += quoted([number, 4242, program, "127.0.0.1", kernel, 1, 7, "(256, 1, 1)",
                        "(80, 1, 1)", 0, "7.0", *values])
    return text


def main():
    mode = os.environ.get("FAKE_NCU", "")
    if "FAKE_NCU_ARGUMENTS" in os.environ:
        with open(os.environ["FAKE_NCU_ARGUMENTS"], "w", encoding="utf-8") as file:
            file.write("\n".join(sys.argv[1:]))
    options, arguments = {}, sys.argv[1:]
    while arguments and arguments[0].startswith("--"):
        name = arguments.pop(0)
        options[name] = "" if name == "--csv" else arguments.pop(0)
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    log = open(options["--log-file"], "w", encoding="utf-8")
    log.write("==PROF== Connected to process 4242\n")
    log.flush()
    refused = os.environ.get("FAKE_NCU_REFUSES", "").split()
    for metric in options["--metrics"].split(","):
        if metric in refused:
            log.write("==ERROR== Failed to find metric regex:^" + metric.split(".")[0]
                      + r"\.(sum|avg)$" + "\n")
            sys.exit(1)
    if mode == "crash":
        sys.exit(3)
    code = subprocess.run(arguments, check=False).returncode
    if mode == "stubborn":
        signal.pause()
    if mode == "permission":
        log.write("==ERROR== ERR_NVGPUCTRPERM - The user does not have permission to access NVIDIA "
                  "GPU Performance Counters on the target device 0.\n")
    elif mode == "nothing":
        log.write("==PROF== Disconnected from process 4242\n"
                  "==WARNING== No kernels were profiled.\n")
    elif mode == "garbage":
        log.write('"ID","Kernel Name","gpu__time_duration.sum"\n"0","k","much"\n')
    else:
        log.write("==PROF== Disconnected from process 4242\n")
        log.write(table(options["--metrics"].split(","),
                        os.environ.get("FAKE_NCU_BOARD", "Tesla V100"),
                        os.path.basename(arguments[0])))
    log.close()
    sys.exit(1 if mode in ("permission", "nothing") else code & 0xFF)


main()
