"""The kernels of examples/cuda/power-suite do what they are there for, as nvcc compiles them: their
work is in the code, and no loop is unrolled without end. Skipped where there is no nvcc."""

import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SUITE = Path(__file__).resolve().parents[2] / "examples" / "cuda" / "power-suite"
WORK = {"fma32": "fma.rn.f32", "fma64": "fma.rn.f64", "fma16": "fma", "special": "sin.approx",
        "logic32": "xor.b32", "multiply32": "mad.lo.s32", "divergent": "fma.rn.f32", "tensor": "mma"}


class PowerSuite(unittest.TestCase):
    def kernels(self, architecture):
        with tempfile.TemporaryDirectory() as folder:
            text = Path(folder) / "pipes.ptx"
            subprocess.run(["nvcc", "-O2", "-std=c++17", f"-arch={architecture}", "-ptx",
                            str(SUITE / "pipes.cu"), "-o", str(text)], check=True, timeout=300)
            return re.findall(r"\.entry (\w+)(.*?)\n}", text.read_text(encoding="utf-8"), re.S)

    def test_no_compiler_leaves_the_work_out(self):
        """Compilers know that a thread's number is below 1024, those for sm_100 use it."""
        for architecture in ("sm_75", "sm_100"):
            bodies = self.kernels(architecture)
            for name, instruction in WORK.items():
                body = [text for symbol, text in bodies if name in symbol]
                with self.subTest(architecture=architecture, kernel=name):
                    self.assertEqual(len(body), 1)
                    self.assertIn(instruction, body[0])
                    self.assertLess(body[0].count("\n"), 400)


if __name__ == "__main__":
    if shutil.which("nvcc") is None:
        print("there is no nvcc")
        sys.exit(77)
    unittest.main(verbosity=2)
