#!/usr/bin/env python3
"""./dev test: every test in every configuration; the last line is "N passed, N failed, N skipped"."""
import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import cases as case_counts

ROOT = Path(__file__).resolve().parent.parent
CONFIGURATIONS = [("release", "build", 1), ("asan+ubsan", "build-asan", 4), ("tsan", "build-tsan", 6)]
SANITIZER_ENV = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=1:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1:atexit_sleep_ms=0:allocator_may_return_null=1",
}
PROGRESS = re.compile(r"^ *\d+/\d+ ")
TAIL = 60  # lines shown of a test that failed
started = time.monotonic()


def say(text):
    print(f"[{time.monotonic() - started:6.1f} s] {text}", flush=True)


def colour(code, text):
    plain = not sys.stdout.isatty() or os.environ.get("NO_COLOR")
    return text if plain else f"\033[{code}m{text}\033[0m"


def compile_configuration(folder, jobs):
    env = dict(os.environ, jobs=str(jobs))
    return subprocess.run(["tools/configure.sh", folder], cwd=ROOT, env=env, stdin=subprocess.DEVNULL).returncode == 0


def test_names(folder, only):
    """Names of the configuration's tests that contain `only`, or whose suite does."""
    listed = subprocess.run(["meson", "introspect", folder, "--tests"], cwd=ROOT, capture_output=True, text=True)
    tests = json.loads(listed.stdout)
    return [test["name"] for test in tests if only.lower() in f"{test['suite']} {test['name']}".lower()]


def unshuffled():
    """TSan wants the address space unshuffled on kernels that shuffle it much."""
    try:
        works = subprocess.run(["setarch", "-R", "true"], capture_output=True).returncode == 0
    except OSError:
        works = False
    return ["setarch", "-R"] if works else []


def run_configuration(label, folder, slowness, args, total):
    say(colour(1, f"{label}: compiling {folder}"))
    if not compile_configuration(folder, args.jobs):
        total.fail(f"{label}: compiling {folder}")
        return
    names = test_names(folder, args.only)
    if not names:
        return
    log = ROOT / folder / "meson-logs" / "testlog.json"
    log.unlink(missing_ok=True)
    command = unshuffled() if "tsan" in folder else []
    command += ["meson", "test", "-C", folder, "--no-rebuild", "--num-processes", str(args.jobs),
               "--timeout-multiplier", str(slowness)]
    if args.only:
        command += names
    env = dict(os.environ, **SANITIZER_ENV, JOULEMETER_TEST_SLOWNESS=str(slowness), NO_COLOR="1")
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    other = []
    for line in process.stdout:
        if PROGRESS.match(line):
            say(f"{label} {line.strip().replace('joulemeter:', '')}")
        else:
            other.append(line.rstrip())
    process.wait()
    results = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    if len(results) < len(names):
        print("\n".join(other[-TAIL:]))
        total.fail(f"{label}: meson ran {len(results)} of {len(names)} tests")
    for result in results:
        count_result(label, result, total)


def count_result(label, result, total):
    output = (result.get("stdout") or "") + "\n" + (result.get("stderr") or "")
    name = f"{label}: {result['name'].replace('joulemeter:', '')}"
    counted = case_counts.of_test(name, result["result"], output, result["returncode"] or 0)
    total.add(counted)
    if counted.failed:
        print(colour(31, f"---- {name}: {result['result']} ({result['duration']:.1f} s)"))
        print("\n".join(output.strip().splitlines()[-TAIL:]), flush=True)


def run_lint(args, total):
    say(colour(1, "lint: quick checks"))
    done = subprocess.run(["tools/lint.sh", "--quick", "--tap"], cwd=ROOT, capture_output=True,
                          text=True, stdin=subprocess.DEVNULL)
    counted = case_counts.of_test("lint", "OK" if done.returncode == 0 else "FAIL", done.stdout)
    total.add(counted)
    if counted.failed:
        print(done.stdout + done.stderr, flush=True)


def parse_arguments():
    parser = argparse.ArgumentParser(prog="./dev test", description=__doc__)
    parser.add_argument("--only", default="", metavar="PATTERN", help="tests whose name contains it")
    parser.add_argument("--quick", action="store_true", help="the release configuration only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    args = parse_arguments()
    total = case_counts.Cases()
    for label, folder, slowness in CONFIGURATIONS[:1] if args.quick else CONFIGURATIONS:
        run_configuration(label, folder, slowness, args, total)
    if not args.only or args.only in "lint":
        run_lint(args, total)
    for skip in total.skips:
        print(colour(33, f"skipped  {skip}"))
    for failure in total.failures:
        print(colour(31, f"FAILED   {failure}"))
    if total.total == 0:
        print(f"no test's name contains {args.only!r}")
        total.fail("nothing ran")
    say("done")
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped", flush=True)
    return 1 if total.failed else 0


sys.exit(main())
