"""The package's types hold, and those of the extension name what is there."""
import ast
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

import _joulemeter

ROOT = Path(__file__).resolve().parents[2]
# Types of large packages take mypy a minute, and say nothing about ours.
OTHERS = "torch numpy pandas pyarrow polars matplotlib transformers lightning keras tensorflow"


def mypy_configuration():
    sections = ",".join(f"{name}.*" for name in OTHERS.split())
    return ("[mypy]\npython_version = 3.10\nignore_missing_imports = True\n"
            f"[mypy-{sections}]\nfollow_imports = skip\n")


def test_mypy(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "mypy.ini").write_text(mypy_configuration())
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", tmp_path / "mypy.ini", "--cache-dir",
         tmp_path / "cache", "python/joulemeter"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_installed_package_has_types(tmp_path):
    """Laid out as in a wheel (python/meson.build), whose stub lies in a package of its own."""
    pytest.importorskip("mypy")
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    site = next((tmp_path / "venv" / "lib").glob("python3*")) / "site-packages"
    shutil.copytree(ROOT / "python" / "joulemeter", site / "joulemeter")
    (site / "_joulemeter-stubs").mkdir()
    shutil.copy(ROOT / "python" / "_joulemeter.pyi", site / "_joulemeter-stubs" / "__init__.pyi")
    program = tmp_path / "program.py"
    program.write_text("import joulemeter as jm\n"
                       "p = jm.profile()\n"
                       "reveal_type(p.begin('x'))\n"
                       "reveal_type(p.report().energy())\n"
                       "reveal_type(jm.repeat(print).energy_j.median)\n"
                       "@jm.measure\n"
                       "def double(x: int) -> int:\n"
                       "    return 2 * x\n"
                       "reveal_type(double(3))\n"
                       "class Model:\n"
                       "    @jm.measure(name='step')\n"
                       "    def step(self, lr: float) -> str:\n"
                       "        return 'done'\n"
                       "reveal_type(Model().step(0.1))\n"
                       "reveal_type(double.last)\n"
                       "p.phase(3)\n")
    config = tmp_path / "mypy.ini"
    config.write_text(mypy_configuration())
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", config, "--python-executable", python,
         "--cache-dir", tmp_path / "cache", program], capture_output=True, text=True, cwd=tmp_path)
    lines = [line.split(": ", 1)[1] for line in done.stdout.splitlines() if "program.py" in line]
    assert [line.split('"')[1] for line in lines[:6]] == [
        "_joulemeter.Range", "joulemeter._energy.Energy", "float", "int", "str",
        "_joulemeter.Range | None"], done.stdout
    assert 'Argument 1 to "phase"' in lines[6] and len(lines) == 7, done.stdout


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
