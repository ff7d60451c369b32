"""Programs that use NVTX, as they are, inside `joulemeter run`: a real one in C by NVIDIA's headers
and real ones in Python by the package nvtx, where these are installed."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cli"))
from common import JOULEMETER, FolderTest  # noqa: E402

PROGRAM = os.environ.get("NVTX_PROGRAM")
LIBRARY = os.path.abspath(os.environ["JOULEMETER_INJECT_LIBRARY"])
SANITIZED = bool(os.environ.get("SANITIZED"))


def has_python_nvtx():
    return subprocess.run([sys.executable, "-c", "import nvtx"], capture_output=True).returncode == 0


class InjectTest(FolderTest):
    def run_command(self, *command, options=(), code=0, environment=None):
        file = self.path("run.jm")
        done = subprocess.run(
            [JOULEMETER, "run", "-q", "-f", "-o", file, *options, "--", *command],
            env=self.environment | (environment or {}), cwd=self.folder, capture_output=True,
            text=True, timeout=300)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def rows(self, query):
        done = subprocess.run([JOULEMETER, "sql", "--json", self.path("run.jm"), query],
                              env=self.environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def ranges(self):
        return self.rows("SELECT * FROM ranges WHERE category = 'nvtx' ORDER BY begin_s")

    def info(self):
        return {row["key"]: row["value"] for row in self.rows("SELECT * FROM info")}


@unittest.skipUnless(PROGRAM, "NVIDIA's NVTX headers are not installed")
class Program(InjectTest):
    def test_tree(self):
        self.run_command(PROGRAM, "tree")
        ranges = self.ranges()
        self.assertEqual([r["name"] for r in ranges], ["step", "load", "compute", "inner"] * 3)
        for row, least in zip(ranges, [0.4, 0.1, 0.3, 0.2] * 3):
            self.assertGreaterEqual(row["duration_s"], least)
            self.assertEqual(row["unfinished"], 0)

    def test_kinds(self):
        done = self.run_command(PROGRAM, "kinds")
        # Levels are those of each domain, and a pop too many says so.
        self.assertEqual(done.stdout.split("\n")[:-1], [
            "push 0", "push 1", "push 0", "pop 1", "pop 0", "pop 0", "pop -1"])
        ranges = {r["name"]: json.loads(r["attributes"] or "null") for r in self.ranges()}
        self.assertEqual(ranges, {
            "element": {"domain": "solver", "category": "assembly", "payload": -42},
            "größe 中": {"domain": "solver", "category": 8, "payload": 0.1},
            "default": None, "started": None})
        marks = [r["name"] for r in self.rows("SELECT name FROM marks")]
        self.assertEqual(marks, ["a mark"])
        thread = self.ranges()[0]["thread"]
        self.assertEqual(self.info()[f"thread {thread}"], "the only one")

    def test_nothing_is_lost(self):
        ranges = 20_000 if SANITIZED else 1_000_000
        self.run_command(PROGRAM, "many", "8", str(ranges))
        count = self.rows("SELECT count(*) AS n, sum(unfinished) AS open, "
                          "count(DISTINCT thread) AS threads FROM ranges WHERE category = 'nvtx'")
        self.assertEqual(count, [{"n": 8 * ranges, "open": 0, "threads": 8}])

    def test_threads(self):
        self.run_command(PROGRAM, "threads")
        ranges = {r["name"]: r for r in self.ranges()}
        self.assertEqual(ranges["across"]["unfinished"], 0)
        self.assertLess(ranges["across"]["duration_s"], 0.3)
        left = ranges["left open"]
        # It ended with its thread, not with the program.
        self.assertEqual(json.loads(left["attributes"]), {"ended_by": "end of thread"})
        self.assertLess(left["duration_s"], 0.3)

    def test_fork_and_exec(self):
        self.run_command(PROGRAM, "forks")
        ranges = {r["name"]: r for r in self.ranges()}
        self.assertEqual(set(ranges), {"parent", "child", "executed"})
        self.assertNotEqual(ranges["child"]["pid"], ranges["parent"]["pid"])
        # exec keeps the process, and what the child popped was not its own.
        self.assertEqual(ranges["executed"]["pid"], ranges["child"]["pid"])
        self.assertGreaterEqual(ranges["parent"]["duration_s"], 0.1)
        self.assertEqual([r["unfinished"] for r in ranges.values()], [0, 0, 0])

    def test_program_is_left_alone(self):
        done = self.run_command(PROGRAM, "unchanged")
        self.assertEqual((done.stdout, done.stderr), ("errno 123\n", ""))

    def test_died(self):
        self.run_command(PROGRAM, "dies", code=-signal.SIGABRT)
        self.assertEqual([(r["name"], r["unfinished"]) for r in self.ranges()], [("unfinished", 1)])

    def test_off(self):
        self.run_command(PROGRAM, "tree", options=["--no-nvtx"])
        self.assertEqual(self.ranges(), [])

    def test_without_outer_session(self):
        done = subprocess.run([PROGRAM, "kinds"], capture_output=True, text=True,
                              env=self.environment | {"NVTX_INJECTION64_PATH": LIBRARY})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        # As without any tool: nothing keeps track of levels.
        self.assertEqual(done.stdout, "push -2\n" * 3 + "pop -2\n" * 4)

    def test_session_that_is_gone(self):
        settings = {"NVTX_INJECTION64_PATH": LIBRARY, "JOULEMETER_SESSION": "77:123456:1"}
        done = subprocess.run([PROGRAM, "unchanged"], capture_output=True, text=True,
                              env=self.environment | settings)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "errno 123\n", ""))

    def test_place_is_taken(self):
        other = {"NVTX_INJECTION64_PATH": "/opt/other/libtool.so"}
        # By name: refused before anything runs. By default: the other tool keeps it.
        done = self.run_command(PROGRAM, "tree", options=["--nvtx"], code=2, environment=other)
        self.assertIn("another tool has the NVTX ranges already (NVTX_INJECTION64_PATH="
                      "/opt/other/libtool.so)", done.stderr)
        self.run_command(sys.executable, "-c",
                         "import os; print(os.environ['NVTX_INJECTION64_PATH'])",
                         environment=other)
        self.assertIn("/opt/other/libtool.so", self.info()["nvtx"])

    def test_contradiction(self):
        done = self.run_command(PROGRAM, "tree", options=["--nvtx", "--no-nvtx"], code=2)
        self.assertIn("contradict", done.stderr)

    def test_run_in_a_run(self):
        inner = self.path("inner.jm")
        self.run_command(JOULEMETER, "run", "-q", "--nvtx", "-o", inner, "--", PROGRAM, "executed")
        self.assertEqual(self.ranges(), [])  # they are the inner one's
        os.replace(inner, self.path("run.jm"))
        self.assertEqual([r["name"] for r in self.ranges()], ["executed"])

    def test_energies(self):
        """A board that draws 300 W: every part of the tree has its own time's worth."""
        self.run_command(PROGRAM, "tree", options=["--simulate", "h100,constant:300"])
        done = subprocess.run(
            [JOULEMETER, "attribute", self.path("run.jm"), "--by", "nvtx", "--json"],
            env=self.environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        parts = {p["name"]: p for p in json.loads(done.stdout)["parts"]}
        self.assertEqual(set(parts), {"step", "load", "compute", "inner"})
        whole = sum(r["duration_s"] for r in self.ranges() if r["name"] == "step")
        own = {"load": 0.3, "compute": 0.3, "inner": 0.6}
        for name, least in own.items():
            part = parts[name]
            self.assertGreaterEqual(part["time_s"], least)
            self.assertLess(part["lower_j"], 300 * part["time_s"])
            self.assertGreater(part["upper_j"], 300 * part["time_s"])
            self.assertAlmostEqual(part["energy_j"], 300 * part["time_s"],
                                   delta=0.05 * 300 * part["time_s"])
        self.assertAlmostEqual(parts["step"]["inclusive"]["energy_j"], 300 * whole,
                               delta=0.05 * 300 * whole)
        self.assertAlmostEqual(sum(p["energy_j"] for p in parts.values()),
                               parts["step"]["inclusive"]["energy_j"], delta=0.01 * 300 * whole)


@unittest.skipIf(SANITIZED, "Python is not sanitized: it cannot load a library that is")
@unittest.skipUnless(has_python_nvtx(), "the Python package nvtx is not installed")
class Python(InjectTest):
    def test_annotate(self):
        self.run_command(sys.executable, "-c", """
import nvtx, threading, time

@nvtx.annotate("worker", color="red", domain="pool", category="io", payload=3)
def worker():
    time.sleep(0.01)

with nvtx.annotate("outer"):
    with nvtx.annotate("größe 中"):
        worker()
    thread = threading.Thread(target=worker)
    thread.start()
    thread.join()
started = nvtx.start_range("process range")
nvtx.end_range(started)
nvtx.mark("a mark")
""")
        ranges = self.ranges()
        self.assertEqual([r["name"] for r in ranges],
                         ["outer", "größe 中", "worker", "worker", "process range"])
        self.assertEqual([r["unfinished"] for r in ranges], [0] * 5)
        workers = [r for r in ranges if r["name"] == "worker"]
        self.assertNotEqual(workers[0]["thread"], workers[1]["thread"])
        said = json.loads(workers[0]["attributes"])
        self.assertEqual((said["domain"], said["category"], said["payload"]), ("pool", "io", 3))
        self.assertEqual([r["name"] for r in self.rows("SELECT name FROM marks")], ["a mark"])

    def test_multiprocessing(self):
        self.run_command(sys.executable, "-c", """
import multiprocessing, nvtx, os

def work(i):
    with nvtx.annotate(f"item {i}"):
        pass
    return os.getpid()

with nvtx.annotate("all"), multiprocessing.get_context("fork").Pool(2) as pool:
    pool.map(work, range(20))
""")
        names = sorted(r["name"] for r in self.ranges())
        self.assertEqual(names, sorted(["all"] + [f"item {i}" for i in range(20)]))


if __name__ == "__main__":
    unittest.main(verbosity=2)
