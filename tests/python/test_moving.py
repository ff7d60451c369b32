"""Every line of joulemeter in docs/moving runs, on a simulated GPU that the library takes for real."""
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs" / "moving"
BLOCK = re.compile(r"```python\n(# joulemeter[^\n]*\n.*?)```", re.S)

PROGRAM = """
import time
num_epochs = 2
def train(): time.sleep(0.5)
def load(): time.sleep(0.1)
test = load
"""


def blocks_of_guides():
    for path in sorted(DOCS.glob("*.md")):
        for number, code in enumerate(BLOCK.findall(path.read_text(encoding="utf-8"))):
            yield pytest.param(code, id=f"{path.stem}-{number}")


@pytest.mark.parametrize("code", list(blocks_of_guides()))
def test_lines_of_the_guides(code, tmp_path):
    library = os.environ.get("JOULEMETER_SIMGPU_LIBRARY")
    if not library:
        pytest.skip("$JOULEMETER_SIMGPU_LIBRARY does not name the simulated GPU")
    env = dict(os.environ, LD_LIBRARY_PATH=os.path.dirname(library),
               JOULEMETER_SIMGPU="h100,constant:200", JOULEMETER_SIMGPU_ALLOW_LIMIT="1",
               JOULEMETER_LIMIT_DIR=str(tmp_path / "limits"), JOULEMETER_COUNTRY="FR",
               XDG_STATE_HOME=str(tmp_path), XDG_CONFIG_HOME=str(tmp_path))
    done = subprocess.run([sys.executable, "-W", "error", "-c", PROGRAM + code], env=env,
                          cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    for path in tmp_path.glob("*.csv"):
        assert len(path.read_text(encoding="utf-8").splitlines()) >= 2
