#!/usr/bin/env python3
"""clang-tidy on every C file that the build compiles, with its flags; files whose preprocessed text
is as it was when they were clean are left out.

usage: tidy.py BUILD
"""
import concurrent.futures
import hashlib
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

build = Path(sys.argv[1])


def settings_of(path):
    """The text of every .clang-tidy that holds for a file."""
    found = [folder / ".clang-tidy" for folder in Path(path).parents]
    return b"".join(each.read_bytes() for each in found if each.exists())


def fingerprint(entry, path):
    command = shlex.split(entry["command"])
    out = command.index("-o")
    command[out + 1] = "-"
    command = [word for word in command if word not in ("-c", "-MD")] + ["-E", "-P"]
    for option in ("-MQ", "-MF"):
        if option in command:
            at = command.index(option)
            del command[at:at + 2]
    done = subprocess.run(command, cwd=entry["directory"], capture_output=True)
    return hashlib.sha256(done.stdout + settings_of(path)).hexdigest() if done.returncode == 0 else None


def check(entry, path):
    stamp = build / "tidy" / path.replace("/", "_")
    mark = fingerprint(entry, path)
    if mark and stamp.exists() and stamp.read_text() == mark:
        return ""
    done = subprocess.run(["clang-tidy", "-p", str(build), "--quiet", path], capture_output=True, text=True)
    if done.returncode == 0 and mark:
        stamp.write_text(mark)
    return "" if done.returncode == 0 else done.stdout or done.stderr


def main():
    (build / "tidy").mkdir(exist_ok=True)
    entries = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = os.path.relpath(os.path.join(entry["directory"], entry["file"]))
        if path.endswith(".c") and not path.startswith(".."):
            entries[path] = entry
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(check, entries.values(), entries.keys()))
    print("\n".join(text for text in found if text), end="")
    return 1 if any(found) else 0


sys.exit(main())
