"""The thin interfaces for C++ and Fortran: their examples compile without a warning, measure by
themselves, and join a `joulemeter run` around them."""

import json
import os
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "tests" / "cli"))
from common import JOULEMETER, FolderTest  # noqa: E402

LIBRARY = Path(os.environ["JOULEMETER_LIBRARY"]).parent


class Wrappers(FolderTest):
    def setUp(self):
        super().setUp()
        # A board that draws 300 W, for the programs as for the command around them.
        self.environment |= {"JOULEMETER_NVML_LIBRARY": os.environ["JOULEMETER_SIMGPU_LIBRARY"],
                             "JOULEMETER_SIMGPU": "h100,constant:300"}

    def compile(self, name, *command):
        program = self.path(name)
        done = subprocess.run(
            [*command, "-o", program, f"-L{LIBRARY}", f"-Wl,-rpath,{LIBRARY}", "-ljoulemeter"],
            cwd=self.folder, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return program

    def run_inside(self, program):
        file = self.path("run.jm")
        done = subprocess.run([JOULEMETER, "run", "-q", "-f", "-o", file, "--", program],
                              env=self.environment, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        rows = subprocess.run(
            [JOULEMETER, "sql", "--json", file, "SELECT name, category, attributes, unfinished "
             "FROM ranges WHERE category != 'session' ORDER BY begin_s"],
            capture_output=True, text=True)
        return [(r["name"], r["category"], r["attributes"] or "", r["unfinished"])
                for r in json.loads(rows.stdout)]

    def run_alone(self, program):
        done = subprocess.run([program], env=self.environment, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def check_cplusplus(self, standard):
        program = self.compile("scopes", "g++", f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic",
                               "-Werror", "-Wconversion", "-Wshadow", f"-I{PROJECT}/include",
                               f"{PROJECT}/examples/scopes.cpp")
        self.assertEqual(self.run_inside(program), [
            *[("solve", "phase", f'{{"step":{i}}}', 0) for i in range(3)], ("last", "user", "", 0)])
        self.assertRegex(self.run_alone(program), r"\nlast|^last: .* J\n")

    @unittest.skipUnless(shutil.which("g++"), "there is no C++ compiler")
    def test_cplusplus_11(self):
        self.check_cplusplus("c++11")

    @unittest.skipUnless(shutil.which("g++"), "there is no C++ compiler")
    def test_cplusplus_20(self):
        self.check_cplusplus("c++20")

    @unittest.skipUnless(shutil.which("gfortran"), "there is no Fortran compiler")
    def test_fortran(self):
        program = self.compile("solver", "gfortran", "-std=f2008", "-Wall", "-Wextra", "-Werror",
                               f"{PROJECT}/include/joulemeter.f90",
                               f"{PROJECT}/examples/solver.f90")
        self.assertEqual(self.run_inside(program), [
            ("solve", "phase", "", 0), *[("step", "user", "", 0)] * 3])
        self.assertRegex(self.run_alone(program), r"^solve: [\d.]+ J \+- [\d.]+ J\n$")


if __name__ == "__main__":
    unittest.main(verbosity=2)
