"""Programs that use NVTX, as they are, inside `joulemeter run`: a real one in C by NVIDIA's headers
and real ones in Python by the package nvtx, where these are installed."""

import ctypes
import importlib.util
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cli"))
from common import JOULEMETER, FolderTest  # noqa: E402

PROGRAM = os.environ.get("NVTX_PROGRAM")
CUDA_PROGRAM = os.environ.get("CUDA_PROGRAM")
LIBRARY = os.path.abspath(os.environ["JOULEMETER_INJECT_LIBRARY"])
SANITIZED = bool(os.environ.get("SANITIZED"))


def has_module(name):
    return importlib.util.find_spec(name) is not None


def library_of_version_2():
    """NVTX 2 came as a library: of CUDA 10 and 11, of pip's nvidia-nvtx-cu11, or where it is said."""
    places = [*pathlib.Path("/usr/local").glob("cuda*/lib64"),
              *(pathlib.Path(place) / "nvidia/nvtx/lib" for place in sys.path)]
    found = [str(place / "libnvToolsExt.so.1") for place in places]
    return os.environ.get("NVTX2_LIBRARY") or next(filter(os.path.exists, found), None)


LIBRARY_OF_VERSION_2 = library_of_version_2()


class InjectTest(FolderTest):
    def run_command(self, *command, options=(), code=0, environment=None):
        file = self.path("run.jm")
        done = subprocess.run(
            [JOULEMETER, "run", "-q", "-f", "-o", file, *options, "--", *command],
            env=self.environment | (environment or {}), cwd=self.folder, capture_output=True,
            text=True, timeout=900)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def rows(self, query):
        done = subprocess.run([JOULEMETER, "sql", "--json", self.path("run.jm"), query],
                              env=self.environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def shown(self):
        """The summary, each note on one line."""
        done = subprocess.run([JOULEMETER, "show", self.path("run.jm")], env=self.environment,
                              capture_output=True, text=True, check=True)
        return re.sub(r"\n {4}(?=\S)", " ", done.stdout)

    def attribute(self, *options, code=0):
        done = subprocess.run([JOULEMETER, "attribute", self.path("run.jm"), *options],
                              env=self.environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout if code == 0 else done.stderr

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
        trace = self.path("trace.json")
        subprocess.run([JOULEMETER, "export", "-q", "--perfetto", self.path("run.jm"), trace],
                       check=True, env=self.environment)
        with open(trace, encoding="utf-8") as file:
            events = json.load(file)["traceEvents"]
        self.assertIn(f"the only one (thread {thread})",
                      [e["args"]["name"] for e in events if e["name"] == "thread_name"])
        self.assertIn("größe 中", [e["name"] for e in events if e.get("cat") == "nvtx"])

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

    def test_not_followed(self):
        done = self.run_command(PROGRAM, "forks", options=["--no-follow"])
        self.assertEqual(done.stderr, "")
        self.assertEqual([r["name"] for r in self.ranges()], ["parent"])
        self.run_command("sh", "-c", f"{PROGRAM} executed; true", options=["--no-follow"])
        self.assertEqual(self.ranges(), [])
        self.run_command("sh", "-c", f"{PROGRAM} executed; true", options=["--follow"])
        self.assertEqual([r["name"] for r in self.ranges()], ["executed"])
        done = self.run_command("true", options=["--follow", "--no-follow"], code=2)
        self.assertIn("contradict", done.stderr)

    def test_none_were_marked(self):
        note = "! No NVTX ranges were recorded: the command did not use NVTX"
        self.run_command("true", options=["--nvtx"])
        self.assertIn(note, self.shown())
        self.run_command(PROGRAM, "executed", options=["--nvtx"])
        self.assertNotIn("No NVTX ranges", self.shown())

    def test_program_is_left_alone(self):
        done = self.run_command(PROGRAM, "unchanged")
        self.assertEqual((done.stdout, done.stderr), ("errno 123\n", ""))

    def test_signals(self):
        handled = int(self.run_command(PROGRAM, "signals").stdout)
        counts = {r["name"]: r for r in self.rows(
            "SELECT name, count(*) AS n, sum(unfinished) AS open FROM ranges "
            "WHERE category = 'nvtx' GROUP BY name")}
        self.assertEqual(counts["step"], {"name": "step", "n": 200_000, "open": 0})
        seen = counts.get("handler", {"n": 0, "open": 0})
        self.assertEqual(seen["open"], 0)
        lost = [int(value) for key, value in self.info().items() if "nvtx ranges lost" in key]
        self.assertEqual(seen["n"] + sum(lost), handled)
        if lost:
            self.assertRegex(self.shown(), rf"! NVTX ranges were lost, process \d+: {lost[0]}\.")

    def test_died(self):
        self.run_command(PROGRAM, "dies", code=-signal.SIGABRT)
        [unfinished] = self.ranges()
        self.assertEqual((unfinished["name"], unfinished["unfinished"]), ("unfinished", 1))
        # It ended with the command, not when the last readings of that had come.
        [whole] = self.rows("SELECT begin_s + duration_s AS end_s FROM ranges "
                            "WHERE category = 'session'")
        self.assertLess(unfinished["begin_s"] + unfinished["duration_s"], whole["end_s"] + 1e-6)

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
        """A board that draws 300 W: every part of the tree has its own time's worth. Its sensor is
        of those with a reading every 20 ms, of which there are enough in a second."""
        self.run_command(PROGRAM, "tree", options=["--simulate", "v100,constant:300"])
        said = json.loads(self.attribute("--by", "nvtx", "--json"))
        parts = {p["name"]: p for p in said["parts"]}
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
        stacks = self.attribute("--by", "nvtx", "--flame").splitlines()
        names, energies = zip(*(line.rsplit(" ", 1) for line in stacks))
        self.assertEqual(set(names) - {"gpu0;(between)", "gpu0;step"},
                         {"gpu0;step;load", "gpu0;step;compute", "gpu0;step;compute;inner"})
        self.assertAlmostEqual(sum(map(int, energies)) / 1000, 300 * whole,
                               delta=0.05 * 300 * whole)
        tree = self.attribute("--by", "nvtx", "--tree")
        self.assertRegex(tree, r"\nstep +3 .*\n  compute +3 .*\n    inner +3 .*\n  load +3 ")
        self.assertAlmostEqual(sum(p["energy_j"] for p in parts.values()),
                               parts["step"]["inclusive"]["energy_j"], delta=0.01 * 300 * whole)


def has_library(name):
    try:
        return bool(ctypes.CDLL(name))
    except OSError:
        return False


# The program is in plain C: it is joulemeter itself that knows what C++ has made of a name.
MATMUL = ("matmul(float*, float*, int)" if has_library("libstdc++.so.6") else "_Z6matmulPfS_i")


@unittest.skipUnless(CUDA_PROGRAM, "NVIDIA's CUPTI headers are not installed")
class Kernels(InjectTest):
    """A CUPTI that is none delivers what a GPU could do, and what none does."""

    def boards(self, model):
        """Their UUIDs, as CUPTI tells them."""
        done = subprocess.run([JOULEMETER, "devices", "--json", "--simulate", f"2*{model}"],
                              env=self.environment, capture_output=True, text=True, check=True)
        return [device["uuid"].removeprefix("GPU-").replace("-", "")
                for device in json.loads(done.stdout) if device["name"] in ("gpu0", "gpu1")]

    def play(self, part, fake="", options=("--kernels",), program=CUDA_PROGRAM, model="h100",
             more=(), **others):
        settings = {"FAKE_DEVICES": ",".join(self.boards(model)), "FAKE_CUPTI": fake}
        return self.run_command(
            program, part, *more, environment=settings | others.pop("environment", {}),
            options=["--simulate", f"2*{model},constant:300", *options], **others)

    def kernels(self):
        return self.rows(
            "SELECT name, begin_s, duration_s, device, stream, attributes FROM ranges "
            "WHERE category = 'kernel' ORDER BY begin_s")

    def parents(self):
        rows = self.rows("SELECT r.name AS name, p.name AS parent FROM range AS r "
                         "LEFT JOIN range AS p ON p.id = r.parent")
        return [(row["name"], row["parent"]) for row in rows]

    def names(self):
        return [row["name"] for row in self.kernels()]

    def lost(self):
        return {key.split(", process")[0]: int(value) for key, value in self.info().items()
                if key.startswith("kernels lost")}

    def test_work(self):
        done = self.play("work")
        self.assertEqual((done.stdout, done.stderr), ("", ""))
        kernels = self.kernels()
        self.assertEqual([(k["name"], k["device"], k["stream"]) for k in kernels], [
            (MATMUL, "gpu0", 7), (MATMUL, "gpu0", 7), ("softmax", "gpu0", 8),
            ("alone", "gpu1", 7), ("[memcpy HtoD]", "gpu0", 7), ("[memset]", "gpu0", 7),
            ("in graph", "gpu0", 7)])
        for kernel in kernels[:4]:
            self.assertGreaterEqual(kernel["duration_s"], 0.1)
            self.assertLess(kernel["duration_s"], 5)
        self.assertEqual(json.loads(kernels[0]["attributes"]),
                         {"grid": [4, 2, 1], "block": [128, 1, 1]})
        self.assertEqual(json.loads(kernels[4]["attributes"]), {"bytes": 4096})
        self.assertEqual(json.loads(kernels[6]["attributes"]),
                         {"grid": [4, 2, 1], "block": [128, 1, 1], "graph": 3,
                          "node": 12884901889})
        # Times are those of the recording: each kernel lies in the range that launched it.
        ranges = {r["name"]: r for r in self.ranges()}
        for kernel, parent in ((kernels[0], "forward"), (kernels[2], "attention")):
            self.assertGreaterEqual(kernel["begin_s"], ranges[parent]["begin_s"])
            self.assertLessEqual(kernel["begin_s"] + kernel["duration_s"],
                                 ranges[parent]["begin_s"] + ranges[parent]["duration_s"])
        parents = self.parents()
        for pair in ((MATMUL, "forward"), (MATMUL, "attention"),
                     ("softmax", "attention"), ("alone", None), ("attention", "forward")):
            self.assertIn(pair, parents)
        self.assertEqual(self.info()["kernels' clock"], "that of the recording")
        self.assertEqual(self.lost(), {})

    def test_energies(self):
        self.play("work")
        said = self.attribute("--by", "kernel", "--device", "gpu0", "--json")
        for part in json.loads(said)["parts"]:
            self.assertLessEqual(part["lower_j"], 300 * part["time_s"])
            self.assertGreaterEqual(part["upper_j"], 300 * part["time_s"])
        stacks = self.attribute("--by", "kernel", "--device", "gpu0", "--tree", "--csv")
        self.assertIn("\nforward;attention;softmax,1,", stacks)

    def test_trace(self):
        """Each kernel has what it took by attribution, which can be told where its time says
        nothing; what is known in bounds only has none."""
        self.play("work", model="v100")  # with a reading every 20 ms
        trace = self.path("trace.json")
        subprocess.run([JOULEMETER, "export", "-q", "--perfetto", self.path("run.jm"), trace],
                       check=True, env=self.environment)
        with open(trace, encoding="utf-8") as file:
            kernels = [e for e in json.load(file)["traceEvents"] if e.get("cat") == "kernel"]
        # (What runs beside others has a part of its time only.)
        alone = [e for e in kernels if e["name"] in (MATMUL, "softmax", "alone")]
        self.assertEqual(len(alone), 4)
        for event in alone:
            args, energy_j = event["args"], 300 * event["dur"] / 1e6
            self.assertAlmostEqual(args["attributed_energy_j"], energy_j,
                                   delta=args["attributed_energy_u95_j"] + 0.01 * energy_j)

    def test_split(self):
        self.play("work")
        table = self.attribute("--by", "kernel", "--device", "gpu0", "--split", "grid,stream", "--csv")
        self.assertIn('"softmax <4x2x1, 128x1x1> (stream 8)",1,', table)
        stacks = self.attribute("--by", "kernel", "--device", "gpu0", "--tree", "--csv", "--split",
                                "stream")
        self.assertIn("\nforward;attention;softmax (stream 8),1,", stacks)
        self.assertIn("\n[memset] (stream 7),1,", stacks)
        self.assertIn("split by grid, stream or grid,stream, not by 'size'",
                      self.attribute("--split", "size", code=2))

    def test_whole_graphs(self):
        self.play("work", options=["--kernels=graphs"])
        self.assertIn("[graph]", self.names())
        done = self.play("work", options=["--kernels=all"], code=2)
        self.assertIn("--kernels is followed by =graphs or nothing, not =all", done.stderr)

    def test_not_asked_for(self):
        self.play("work", options=[])
        self.assertEqual(self.names(), [])
        self.assertEqual(len(self.ranges()), 2)

    def test_old_cupti(self):
        self.play("work", fake="old")
        self.assertEqual(len(self.names()), 7)
        self.assertEqual(json.loads(self.kernels()[-1]["attributes"]),
                         {"grid": [4, 2, 1], "block": [128, 1, 1]})

    def test_other_clock(self):
        self.play("work", fake="clock")
        said = re.fullmatch(r"CUPTI's, laid on the recording's within (\d+) ns",
                            self.info()["kernels' clock"])
        within = int(said[1]) / 1e9
        ranges = {r["name"]: r for r in self.ranges()}
        first = self.kernels()[0]
        self.assertGreaterEqual(first["begin_s"], ranges["forward"]["begin_s"] - 2 * within)
        self.assertLess(first["begin_s"], ranges["forward"]["begin_s"] + 0.05)

    def test_clocks_that_err(self):
        """Copies that seem to begin 5 ms before they were launched."""
        self.play("work", fake="early")
        said = re.fullmatch(r"that of the recording; work began up to (\d+) ns before its launch",
                            self.info()["kernels' clock"])
        self.assertGreater(int(said[1]), 5_000_000)
        self.assertLess(int(said[1]), 1_000_000_000)

    def test_real_cupti(self):
        """NVIDIA's own, without a driver or with one: all functions are there."""
        found = [str(path) for path in pathlib.Path("/usr/local").glob("cuda*/lib*/libcupti.so*")]
        if not found:
            self.skipTest("CUPTI is not installed")
        self.play("idle", environment={"JOULEMETER_CUPTI_LIBRARY": found[0]})
        self.assertRegex(self.info()["kernels"], "^recorded by CUPTI|^not recorded: CUPTI cannot be")

    def test_hostile(self):
        done = self.play("hostile")
        self.assertEqual((done.stdout, done.stderr), ("", ""))
        names = self.names()
        for name in ("(unnamed kernel)", "unknown device", "_Zno_such_mangling", "[memcpy]",
                     "later one", "earlier one", "after all"):
            self.assertIn(name, names)
        # Those that are cut stay apart.
        long_names = {name for name in names if name.startswith("kkk")}
        self.assertEqual(len(long_names), 2)
        for name in long_names:
            self.assertRegex(name, "^k+…#[0-9a-f]{8}$")
            self.assertEqual(len(name.encode()), 1000)
        for name in ("no times", "no end", "backwards", "far future", "for ever", "cut off"):
            self.assertNotIn(name, names)
        self.assertEqual(self.lost(), {"kernels lost, CUPTI gave no times": 4,
                                       "kernels lost, the recording took them not": 1,
                                       "kernels lost, records were cut off": 1})

    def test_late_calls(self):
        self.play("late")
        parents = self.parents()
        self.assertIn(("first", "range"), parents)
        self.assertIn(("nobody's", None), parents)

    def check_ties(self, count):
        """Each kernel's name says what it is in."""
        ties = [(name, parent) for name, parent in self.parents() if name.startswith("in ")]
        self.assertEqual(len(ties), count)
        for name, parent in ties:
            self.assertEqual(name, f"in {parent or 'nothing'}")

    def test_ranges(self):
        self.play("ranges")
        self.check_ties(6)

    def test_own_ranges(self):
        done = self.play("", program=os.environ["OWN_PROGRAM"])
        self.assertEqual((done.stdout, done.stderr), ("", ""))
        self.check_ties(9)
        # One thread, and one tree, by whatever interface its ranges came.
        self.assertEqual(len({r["thread"] for r in self.rows(
            "SELECT thread FROM ranges WHERE name IN ('solve', 'nvtx', 'outer', 'inner')")}), 1)
        tree = self.attribute("--by", "kernel", "--device", "gpu0", "--tree", "--csv")
        for stack in ("solve;outer;inner;in inner", "solve;nvtx;in nvtx", "solve;step;in step"):
            self.assertIn(f"\n{stack},", tree)

    def test_fork(self):
        self.play("forks")
        self.assertEqual(self.names(), ["before", "after"])
        self.assertEqual([r["name"] for r in self.ranges()], ["child"])

    def test_flood(self):
        self.play("flood", fake="hoard")
        recorded = len(self.names())
        self.assertGreater(recorded, 100_000)
        self.assertEqual(recorded + self.lost()["kernels lost, dropped by CUPTI"], 600_000)

    def test_threads(self):
        self.play("threads")
        kernels = self.kernels()
        self.assertEqual(len(kernels), 8000)
        # Whatever the order of the records, each kernel is its own thread's.
        for name, parent in self.parents():
            if name.startswith("thread") and parent is not None:
                self.assertEqual(name, parent)

    def test_taken(self):
        done = self.play("work", fake="taken")
        self.assertEqual((done.stdout, done.stderr), ("", ""))
        self.assertEqual(self.names(), [])
        self.assertIn("not recorded: another tool (torch.profiler, Nsight", self.info()["kernels"])
        self.play("work", fake="taken by nsys")
        self.assertEqual(self.info()["kernels"], "not recorded: another tool (Nsight Systems) has "
                         "this process's GPU activity")
        self.assertIn("! Kernels were not recorded: another tool", self.shown())

    def test_taken_in_one_process(self):
        self.play("-c", program="sh", more=[
            f"FAKE_CUPTI=taken {CUDA_PROGRAM} work; FAKE_CUPTI= {CUDA_PROGRAM} twice;"
            f"FAKE_CUPTI=taken {CUDA_PROGRAM} work"])
        self.assertEqual(self.names(), ["once"])
        notes = re.findall(r"! Kernels of process \d+ were not recorded: another", self.shown())
        self.assertEqual(len(notes), 2)

    def test_taken_over(self):
        self.play("taken over")
        self.assertIn("another tool took", self.info()["kernels"])

    def test_nothing_can_be_recorded(self):
        self.play("work", fake="nothing")
        self.assertIn("CUPTI_ERROR_OF_THE_FAKE", self.info()["kernels"])

    def test_twice_and_never(self):
        self.play("twice")
        self.assertEqual(self.names(), ["once"])
        done = self.play("idle")
        self.assertEqual((done.stdout, self.names()), ("", []))

    def test_place_is_taken(self):
        done = self.play("work", code=2, environment={"CUDA_INJECTION64_PATH": "/opt/nsys.so"})
        self.assertIn("another tool has the GPU's kernels already (CUDA_INJECTION64_PATH=/opt/",
                      done.stderr)

    def test_no_cupti(self):
        self.play("work", environment={"JOULEMETER_CUPTI_LIBRARY": "/nonexistent/libcupti.so"})
        self.assertIn("not installed", self.info()["kernels"])

    def test_no_cuda(self):
        self.run_command("true", options=["--kernels"])
        self.assertIn("! No kernels were recorded: the command did not use CUDA.", self.shown())

    @unittest.skipIf(SANITIZED, "a preloaded library comes before the sanitizer's")
    def test_names_of_cplusplus(self):
        self.play("work", environment={"LD_PRELOAD": "libstdc++.so.6"})
        self.assertIn("matmul(float*, float*, int)", self.names())


@unittest.skipIf(SANITIZED, "Python is not sanitized: it cannot load a library that is")
@unittest.skipUnless(has_module("nvtx"), "the Python package nvtx is not installed")
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

    @unittest.skipUnless(LIBRARY_OF_VERSION_2, "libnvToolsExt is not installed")
    def test_version_2(self):
        self.run_command(sys.executable, "-c", f"""
import ctypes
nvtx = ctypes.CDLL({LIBRARY_OF_VERSION_2!r})
print(nvtx.nvtxRangePushA(b"outer"), nvtx.nvtxRangePushA(b"inner"), nvtx.nvtxRangePop())
""")
        self.assertEqual([r["name"] for r in self.ranges()], ["outer", "inner"])

    @unittest.skipUnless(has_module("torch"), "PyTorch is not installed")
    def test_training_on_cpu(self):
        self.run_command(sys.executable, "-c", """
import nvtx, torch

torch.manual_seed(1)
torch.set_num_threads(1)
model = torch.nn.Sequential(torch.nn.Linear(256, 1024), torch.nn.ReLU(), torch.nn.Linear(1024, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(2):
    with nvtx.annotate(f"epoch {epoch}"):
        for batch in range(5):
            with nvtx.annotate("batch", payload=batch):
                x, y = torch.randn(512, 256), torch.randint(10, (512,))
                with nvtx.annotate("forward"):
                    loss = torch.nn.functional.cross_entropy(model(x), y)
                with nvtx.annotate("backward"):
                    loss.backward()
                with nvtx.annotate("optimizer"):
                    optimizer.step()
                    optimizer.zero_grad()
""", options=["--simulate", "h100,constant:300"])
        names = [r["name"] for r in self.ranges()]
        batch = ["batch", "forward", "backward", "optimizer"]
        self.assertEqual(names, ["epoch 0", *batch * 5, "epoch 1", *batch * 5])
        tree = self.attribute("--by", "nvtx", "--tree", "--csv", "--device", "gpu0").splitlines()
        stacks = {line.split(",")[0]: [float(cell) for cell in line.split(",")[1:]]
                  for line in tree[1:]}
        self.assertEqual(set(stacks), {
            stack for e in ("epoch 0", "epoch 1")
            for stack in (e, *(f"{e};{s}" for s in ("batch", "batch;forward", "batch;backward",
                                                    "batch;optimizer")))})
        for calls, time_s, _, energy_j, u95_j, *_ in stacks.values():
            self.assertIn(calls, (1, 5))
            self.assertAlmostEqual(energy_j, 300 * time_s, delta=u95_j + 0.02 * 300 * time_s)

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
