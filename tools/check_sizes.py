#!/usr/bin/env python3
"""No file over 500 lines (tests aside), no function over 80: file names on stdin. C by ctags, Python
by ast."""
import ast
import json
import subprocess
import sys
from pathlib import Path

FILE_LINES = 500
FUNCTION_LINES = 80
CODE = {".c", ".h", ".cpp", ".cu", ".py", ".sh", ".js", ".css", ".build", ""}
# The public interface is one text, to be read as a manual.
WHOLE = {"include/joulemeter.h"}


def c_functions(files):
    if not files:
        return
    command = ["ctags", "--output-format=json", "--fields=+ne", "--kinds-C=f", "--kinds-C++=f",
               "--map-CUDA=+.cu", "--languages=C,C++,CUDA", "-f", "-", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        tag = json.loads(line)
        if "end" in tag:
            yield tag["path"], tag["line"], tag["name"], tag["end"] - tag["line"] + 1


def python_functions(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield str(path), node.lineno, node.name, node.end_lineno - node.lineno + 1


def main():
    files = [Path(line) for line in sys.stdin.read().splitlines() if Path(line).suffix in CODE]
    problems = []
    for path in files:
        lines = path.read_bytes().count(b"\n")
        if lines > FILE_LINES and str(path) not in WHOLE and path.parts[0] != "tests":
            problems.append(f"{path}: {lines} lines, more than {FILE_LINES}")
    functions = list(c_functions([p for p in files if p.suffix in (".c", ".h", ".cpp", ".cu")]))
    for path in files:
        if path.suffix == ".py":
            functions += python_functions(path)
    for path, line, name, length in functions:
        if length > FUNCTION_LINES:
            problems.append(f"{path}:{line}: {name} has {length} lines, more than {FUNCTION_LINES}")
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


sys.exit(main())
