#!/usr/bin/env python3
"""Runs the command lines in cases/*.txt and compares what they print with what stands there.

A case file holds blocks:

    # a comment
    ~numbers                 (for measured figures: numbers become N, units lose their
                              prefix, runs of spaces are one, and curves and bars are ▒)
    $ joulemeter show nope   (run by sh, in a folder of its own for each file)
    text on stdout
    2| text on stderr
    ? 2                      (exit code, left out if 0)

golden.py JOULEMETER [--update] [FILE ...]; --update writes what came out into the files. TAP.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CASES = Path(__file__).resolve().parent / "cases"
NUMBER = re.compile(r"(?<![\w.])-?\d+(\.\d+)?(e[+-]?\d+)?(?![\w.]*[A-Za-z_])")


class Block:
    def __init__(self, comments, numbers, command):
        self.comments = comments
        self.numbers = numbers
        self.command = command
        self.expected = []

    def name(self):
        return self.command if len(self.command) < 100 else self.command[:97] + "..."


def read_blocks(path):
    blocks, comments, numbers = [], [], False
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line.startswith("$ "):
            blocks.append(Block(comments, numbers, line[2:]))
            comments, numbers = [], False
        elif line.startswith("# ") or (line == "" and (not blocks or comments)):
            comments.append(line)
        elif line == "~numbers":
            numbers = True
        elif blocks:
            blocks[-1].expected.append(line)
    for block in blocks:
        while block.expected and block.expected[-1] == "":
            block.expected.pop()
    return blocks


def normalise(text, numbers, folder):
    text = text.replace(folder, "DIR").replace(os.path.dirname(folder), "HOME")
    if numbers:
        text = re.sub("[\u2581-\u258f]+", "▒", text)
        text = NUMBER.sub("N", text)
        text = re.sub(r"\bN [nuµmkMG]?([sJW])\b", r"N \1", text)
        text = "\n".join(re.sub(r" +", " ", line).rstrip() for line in text.split("\n"))
    return text


def run_block(block, environment, folder):
    done = subprocess.run(["/bin/sh", "-c", block.command], cwd=folder, env=environment,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
    lines = []
    for prefix, raw in (("", done.stdout), ("2| ", done.stderr)):
        text = normalise(raw.decode("utf-8", "backslashreplace"), block.numbers, folder)
        if text.endswith("\n"):
            text = text[:-1]
        elif text:
            text += "%"  # no end of line
        if text:
            lines += [(prefix + line).rstrip() for line in text.split("\n")]
    code = done.returncode
    return lines + ([f"? {code}"] if code != 0 else [])


def make_environment(joulemeter, folder):
    environment = {key: os.environ[key] for key in
                   ("JOULEMETER_LIMITD", "JOULEMETER_SIMGPU_LIBRARY", "ASAN_OPTIONS",
                    "TSAN_OPTIONS", "UBSAN_OPTIONS")
                   if key in os.environ}
    bin_folder = Path(folder) / "bin"
    root = Path(folder) / "root"
    work = Path(folder) / "work"
    for made in (bin_folder, root, work):
        made.mkdir()
    (bin_folder / "joulemeter").symlink_to(Path(joulemeter).resolve())
    # No hardware of this machine is seen, whatever it has.
    environment |= {"PATH": f"{bin_folder}:/usr/local/bin:/usr/bin:/bin", "HOME": folder,
                    "TMPDIR": folder, "LC_ALL": "C.UTF-8", "JOULEMETER_ROOT": str(root),
                    "JOULEMETER_NVML_LIBRARY": "/nonexistent/libnvidia-ml.so.1"}
    return environment, str(work)


def compare(block, got, report):
    if got == block.expected:
        return report(True, block)
    report(False, block)
    for line in block.expected:
        print(f"#   expected: {line}")
    for line in got:
        print(f"#   got:      {line}")
    return False


def run_file(path, joulemeter, update, report):
    blocks = read_blocks(path)
    folder = tempfile.mkdtemp(prefix="joulemeter-golden-")
    try:
        environment, work = make_environment(joulemeter, folder)
        for block in blocks:
            got = run_block(block, environment, work)
            if update:
                block.expected = got
            compare(block, got, report)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if update:
        write_blocks(path, blocks)


def write_blocks(path, blocks):
    out = []
    for block in blocks:
        while block.comments and block.comments[0] == "":
            block.comments.pop(0)
        if out:
            out.append("")
        out += block.comments
        out += ["~numbers"] if block.numbers else []
        out += ["$ " + block.command] + block.expected
    path.write_text("\n".join(out) + "\n", encoding="utf-8")


def main():
    arguments = [a for a in sys.argv[1:] if a != "--update"]
    update = "--update" in sys.argv
    if not arguments:
        sys.exit(__doc__)
    joulemeter = arguments[0]
    files = [Path(a) for a in arguments[1:]] or sorted(CASES.glob("*.txt"))
    counts = [0, 0]

    def report(passed, block):
        counts[0] += 1
        counts[1] += not passed
        name = block.name().replace("#", "%")
        print(f"{'ok' if passed else 'not ok'} {counts[0]} - {name}", flush=True)
        return passed

    for path in files:
        run_file(path, joulemeter, update, report)
    print(f"1..{counts[0]}")
    return 1 if counts[1] else 0


sys.exit(main())
