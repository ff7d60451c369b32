"""The package's types hold, and those of the extension name what is there."""
import ast
import subprocess
import sys
from pathlib import Path

import pytest

import _joulemeter

ROOT = Path(__file__).resolve().parents[2]
# Types of large packages take mypy a minute, and say nothing about ours.
OTHERS = "torch numpy pandas pyarrow polars matplotlib transformers lightning keras tensorflow"


def test_mypy(tmp_path):
    pytest.importorskip("mypy")
    sections = ",".join(f"{name}.*" for name in OTHERS.split())
    (tmp_path / "mypy.ini").write_text(
        "[mypy]\npython_version = 3.10\nignore_missing_imports = True\n"
        f"[mypy-{sections}]\nfollow_imports = skip\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", tmp_path / "mypy.ini", "--cache-dir",
         tmp_path / "cache", "python/joulemeter"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def names_in(body):
    """Names of functions, classes and variables, private types aside."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.AnnAssign):
            yield node.target.id


def test_the_extension_is_what_its_stub_says():
    stub = ast.parse((ROOT / "python" / "_joulemeter.pyi").read_text())
    assert {name for name in dir(_joulemeter) if not name.startswith("__")} == set(
        names_in(stub.body))
    for node in stub.body:
        if not isinstance(node, ast.ClassDef):
            continue
        there = {name for name in vars(getattr(_joulemeter, node.name))
                 if not name.startswith("__") or name in ("__enter__", "__exit__")}
        assert there == set(names_in(node.body)) - {"__init__"}, node.name
