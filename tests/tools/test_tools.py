"""Counting of test cases, direction of includes, sizes."""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[2] / "tools"
sys.path.insert(0, str(TOOLS))
import cases  # noqa: E402
import check_includes  # noqa: E402

CMOCKA = """[==========] Running 3 test(s).
[ RUN      ] counts
[       OK ] counts
[ RUN      ] needs a GPU
skipped: no GPU here
[  SKIPPED ] needs a GPU
[ RUN      ] wraps
[  ERROR   ] --- 1 != 2
[  FAILED  ] wraps
[==========] 3 test(s) run.
[  PASSED  ] 1 test(s).
[  SKIPPED ] 1 test(s), listed below:
[  SKIPPED ] needs a GPU
[  FAILED  ] 1 test(s), listed below:
[  FAILED  ] wraps
"""


class Counting(unittest.TestCase):
    def numbers(self, counted):
        return counted.passed, counted.failed, counted.skipped

    def test_cmocka(self):
        counted = cases.parse(CMOCKA)
        self.assertEqual(self.numbers(counted), (1, 1, 1))
        self.assertEqual(counted.failures, ["wraps"])
        self.assertEqual(counted.skips, ["needs a GPU: no GPU here"])

    def test_tap(self):
        counted = cases.parse("1..4\nok 1 - a\nnot ok 2 - b\nok 3 # SKIP no sudo\nok 4 c\n")
        self.assertEqual(self.numbers(counted), (2, 1, 1))
        self.assertEqual(self.numbers(cases.parse("1..0 # SKIP no GPU\n")), (0, 0, 1))

    def test_unittest(self):
        text = "FAIL: test_b (x.Y)\n" + "-" * 70 + "\nRan 5 tests in 0.1s\n\nFAILED (failures=1, skipped=2)\n"
        counted = cases.parse(text)
        self.assertEqual(self.numbers(counted), (2, 1, 2))
        self.assertEqual(counted.failures, ["test_b (x.Y)"])
        self.assertEqual(self.numbers(cases.parse("Ran 3 tests in 1s\n\nOK\n")), (3, 0, 0))

    def test_crash_after_good_cases_is_a_failure(self):
        counted = cases.of_test("t", "FAIL", "[       OK ] a\n==1==ERROR: LeakSanitizer\n")
        self.assertEqual(self.numbers(counted), (1, 1, 0))
        counted = cases.of_test("t", "TIMEOUT", "[  FAILED  ] a\n[       OK ] b\n")
        self.assertEqual(self.numbers(counted), (1, 2, 0))

    def test_program_without_a_format_is_one_case(self):
        self.assertEqual(self.numbers(cases.of_test("t", "OK", "hello\n")), (1, 0, 0))
        self.assertEqual(self.numbers(cases.of_test("t", "TIMEOUT", "")), (0, 1, 0))
        skipped = cases.of_test("t", "SKIP", "skipped: no setarch\n")
        self.assertEqual(skipped.skips, ["t: all: no setarch"])


class Includes(unittest.TestCase):
    def problems(self, files):
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            (root / "src" / "base").mkdir(parents=True)
            for path, text in files.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text)
            return [text for _, _, text in check_includes.check(root)]

    def test_direction(self):
        base = {"src/base/base.h": "", "src/record/r.h": "", "src/limit/l.h": ""}
        good = dict(base, **{"src/energy/e.c": '#include "base/base.h"\n#include "record/r.h"\n'})
        self.assertEqual(self.problems(good), [])
        self.assertEqual(len(self.problems(dict(base, **{"src/sensor/s.c": '#include "record/r.h"'}))), 1)
        self.assertEqual(len(self.problems(dict(base, **{"src/carbon/c.c": '#include "limit/l.h"'}))), 1)
        self.assertEqual(len(self.problems(dict(base, **{"src/sensor/s.c": '#include "../record/r.h"'}))), 1)
        self.assertEqual(len(self.problems({"src/newroom/n.c": ""})), 1)

    def test_command_line_sees_the_public_header_only(self):
        base = {"src/base/base.h": "", "src/cli/cli.h": ""}
        good = '#include "cli.h"\n#include "joulemeter.h"\n#include <joulemeter.h>\n#include <stdio.h>\n'
        self.assertEqual(self.problems(dict(base, **{"src/cli/a.c": good})), [])
        self.assertEqual(len(self.problems(dict(base, **{"src/cli/a.c": '#include "base/base.h"'}))), 1)
        self.assertEqual(len(self.problems(dict(base, **{"simgpu/a.c": '#include "joulemeter.h"'}))), 1)


class Sizes(unittest.TestCase):
    def check(self, name, text):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_text(text)
            return subprocess.run([sys.executable, TOOLS / "check_sizes.py"], input=str(path), text=True,
                                  capture_output=True).returncode

    def test_sizes(self):
        long_function = "def f():\n" + "    pass\n" * 81
        self.assertEqual(self.check("a.py", "def f():\n    pass\n" * 80), 0)
        self.assertEqual(self.check("a.py", long_function), 1)
        self.assertEqual(self.check("a.py", "pass\n" * 501), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
