"""Energy of layers from the command line: recordings of simulated GPUs at constant power, into which
the test writes its layers."""

import csv
import io
import json
import shutil
import sqlite3
import subprocess
import tempfile
import unittest

from common import JOULEMETER, SLOWNESS, FolderTest

WATTS = 300
HOSTILE = '"},{</script>,\x1b[31m\n=1+1'


class AttributeTest(FolderTest):
    def joulemeter(self, *arguments, **more):
        return subprocess.run([JOULEMETER, *arguments], capture_output=True, text=True, cwd=self.folder,
                              env=self.environment | more, stdin=subprocess.DEVNULL,
                              timeout=120 * SLOWNESS)

    def attribute(self, *arguments, **more):
        done = self.joulemeter("attribute", *arguments, "a.jm", **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, "")
        return done.stdout

    def record(self, spec=f"h100,constant:{WATTS}", seconds="2.2"):
        done = self.joulemeter("run", "-q", "-o", "a.jm", "--simulate", spec, "--", "sleep", seconds)
        self.assertEqual(done.returncode, 0, done.stderr)
        with self.open() as file:
            self.begin_ns, = file.execute("SELECT begin_ns FROM recording").fetchone()

    def open(self):
        return sqlite3.connect(self.path("a.jm"))

    def write(self, ranges):
        """Ranges: (category, name, begin, end[, device[, attributes]]), in s from the beginning."""
        with self.open() as file:
            last, = file.execute("SELECT coalesce(max(id), 0) FROM range").fetchone()
            gpus = dict(file.execute("SELECT name, id FROM device"))
            for number, (category, name, begin, end, *more) in enumerate(ranges, last + 1):
                device = gpus[more[0]] if more and more[0] else None
                file.execute(
                    "INSERT INTO range (id, begin_ns, end_ns, unfinished, category, name, pid, thread,"
                    " attributes, device, stream) VALUES (?, ?, ?, 0, ?, ?, 1, 0, ?, ?, 0)",
                    (number, self.begin_ns + round(begin * 1e9), self.begin_ns + round(end * 1e9),
                     category, name, more[1] if len(more) > 1 else "", device))

    def layers(self):
        """Two blocks with a layer each, 30 and 60 ms, 18 times from 0.2 s on; in the phase "decode"
        from 1.1 s on."""
        ranges = []
        for i in range(18):
            t = 0.2 + 0.1 * i
            ranges += [("layer", "model.a", t, t + 0.03), ("layer", "model.b", t + 0.03, t + 0.09),
                       ("layer", "model", t, t + 0.092), ("kernel", "gemm", t, t + 0.05, "gpu0")]
        ranges += [("phase", "prefill", 0.19, 1.095), ("phase", "decode", 1.095, 2.05)]
        self.write(ranges)

    def parts(self, *arguments):
        said = json.loads(self.attribute("--json", *arguments))
        return said, {part["name"]: part for part in said["parts"]}

    def assert_energy(self, part, seconds, watts=WATTS):
        self.assertAlmostEqual(part["time_s"], seconds, places=6)
        self.assertAlmostEqual(part["energy_j"], seconds * watts, delta=0.12 * seconds * watts)
        self.assertLessEqual(part["lower_j"], part["energy_j"])
        self.assertGreaterEqual(part["upper_j"], part["energy_j"])


class Output(AttributeTest):
    kept = None  # the recording, which all of these can share

    def setUp(self):
        super().setUp()
        if Output.kept is None:
            self.record()
            self.layers()
            Output.kept = tempfile.NamedTemporaryFile(suffix=".jm")
            Output.begin_ns = self.begin_ns
            shutil.copy(self.path("a.jm"), Output.kept.name)
        shutil.copy(Output.kept.name, self.path("a.jm"))

    @classmethod
    def tearDownClass(cls):
        if cls.kept is not None:
            cls.kept.close()

    def test_json(self):
        said, parts = self.parts()
        self.assertEqual(said["by"], "layer")
        self.assertEqual(said["device"], "gpu0")
        self.assertTrue(said["simulated"])
        self.assertFalse(said["net"])
        self.assertNotIn("calls", said)
        self.assertEqual({name: part["calls"] for name, part in parts.items()},
                         {"model": 18, "model.a": 18, "model.b": 18})
        self.assert_energy(parts["model.a"], 18 * 0.03)
        self.assert_energy(parts["model.b"], 18 * 0.06)
        self.assertAlmostEqual(parts["model"]["time_s"], 18 * 0.002, places=6)
        self.assertAlmostEqual(parts["model"]["inclusive_time_s"], 18 * 0.092, places=6)
        self.assertAlmostEqual(parts["model"]["inclusive"]["energy_j"], 18 * 0.092 * WATTS,
                               delta=0.05 * 18 * 0.092 * WATTS)
        whole = said["whole"]["energy_j"]
        self.assertAlmostEqual(said["sum"]["energy_j"] + said["residual_j"], whole, places=6)
        self.assertAlmostEqual(whole, 1.792 * WATTS, delta=0.03 * 1.792 * WATTS)

    def test_calls(self):
        said, parts = self.parts("--calls")
        calls = said["calls"]
        names = [part["name"] for part in said["parts"]]
        self.assertEqual({len(column) for column in calls.values()}, {54})
        for name, part in parts.items():
            mine = [e for e, p in zip(calls["energy_j"], calls["part"]) if names[p] == name]
            self.assertEqual(len(mine), 18)
            self.assertAlmostEqual(sum(mine), part["energy_j"], places=6)

    def test_csv(self):
        rows = list(csv.DictReader(io.StringIO(self.attribute("--csv"))))
        _, parts = self.parts()
        self.assertEqual([row["name"] for row in rows if row["kind"] == "part"], list(parts))
        for row in rows:
            if row["kind"] != "part":
                continue
            part = parts[row["name"]]
            for key, value in (("energy_j", part["energy_j"]), ("lower_j", part["lower_j"]),
                               ("time_s", part["time_s"]), ("calls", part["calls"]),
                               ("inclusive_energy_j", part["inclusive"]["energy_j"])):
                self.assertAlmostEqual(float(row[key]), value, delta=1e-6 * abs(value) + 1e-9)

    def test_text(self):
        text = self.attribute()
        self.assertRegex(text, r"^gpu0  .*\(simulated\)\n")
        self.assertIn("with inner", text)
        for name in ("model", "model.a", "model.b"):
            self.assertRegex(text, rf"(?m)^{name} +18 ")
        self.assertNotIn("nan", text)
        self.assertNotIn("\x1b", text)
        text = self.attribute("--top", "1")
        self.assertIn("2 more; --top 3 shows all", text)
        for columns in ("20", "500"):
            self.attribute(COLUMNS=columns)
        for method in ("time_share", "boundary"):
            self.assertIn("for comparison only", self.attribute("--method", method))

    def test_phase(self):
        said, parts = self.parts("--phase", "decode")
        self.assertEqual({part["calls"] for part in parts.values()}, {9})
        self.assert_energy(parts["model.b"], 9 * 0.06)
        self.assertAlmostEqual(parts["model.b"]["seen_s"], 18 * 0.06, places=5)
        self.assertAlmostEqual(said["whole"]["duration_s"], 0.892, places=6)
        _, parts = self.parts("--phase", "model.a", "--by", "kernel")  # also any range's name
        self.assertEqual(parts["gemm"]["calls"], 18)

    def test_by(self):
        said, parts = self.parts("--by", "kernel")
        self.assertEqual(said["by"], "kernel")
        self.assert_energy(parts["gemm"], 18 * 0.05)
        _, parts = self.parts("--by", "model.")
        self.assertEqual(set(parts), {"model.a", "model.b"})
        _, parts = self.parts("--by", "phase")
        self.assertEqual(set(parts), {"prefill", "decode"})
        done = self.joulemeter("attribute", "--by", "nothing", "a.jm")
        self.assertEqual((done.returncode, done.stdout), (1, ""))

    def test_net(self):
        gross, net = self.parts(), self.parts("--net")
        self.assertIsNone(gross[0]["idle"])
        self.assertTrue(net[0]["net"])
        idle = net[0]["idle"]["power_w"]
        for name in ("model.a", "model.b"):
            self.assertAlmostEqual(net[1][name]["energy_j"],
                                   gross[1][name]["energy_j"] - idle * gross[1][name]["time_s"],
                                   places=4)
        self.assertIn("net of idle power", self.attribute("--net"))

    def test_hostile_names(self):
        self.write([("nvtx", HOSTILE, 0.3, 0.9), ("nvtx", "", 1, 1.5)])
        _, parts = self.parts("--by", "nvtx")
        self.assertEqual(set(parts), {HOSTILE, ""})
        rows = list(csv.DictReader(io.StringIO(self.attribute("--csv", "--by", "nvtx"))))
        self.assertTrue(all(row["kind"] in ("part", "group") for row in rows))
        text = self.attribute("--by", "nvtx")
        self.assertNotIn("\x1b", text)

    def test_german_signs(self):
        environment = {"LC_ALL": "de_DE.UTF-8"}
        self.assertEqual(self.attribute("--csv"), self.attribute("--csv", **environment))
        self.assertEqual(json.loads(self.attribute("--json")),
                         json.loads(self.attribute("--json", **environment)))


class Devices(AttributeTest):
    def test_several(self):
        self.record(spec=f"2*h100,constant:{WATTS}", seconds="1.2")
        self.write([("layer", "a", 0.2, 1.0), ("kernel", "gemm", 0.3, 0.9, "gpu1")])
        done = self.joulemeter("attribute", "a.jm")
        self.assertEqual(done.returncode, 2)
        self.assertIn("2 GPUs", done.stderr)
        for name in ("gpu0", "gpu1"):
            said, parts = self.parts("--device", name)
            self.assertEqual(said["device"], name)
            self.assert_energy(parts["a"], 0.8)
        said, parts = self.parts("--by", "kernel")
        self.assertEqual(said["device"], "gpu1")
        done = self.joulemeter("attribute", "--device", "gpu0", "--by", "kernel", "a.jm")
        self.assertEqual(done.returncode, 1)

    def test_a_pipe_that_closes(self):
        self.record(seconds="0.5")
        self.write([("layer", f"layer{i}", 0.1 + i * 1e-4, 0.1 + (i + 1) * 1e-4) for i in range(2000)])
        process = self.start("attribute", "--csv", "a.jm")
        process.stdout.close()
        self.assertNotIn(process.wait(), (0, -6, -11))
        said, parts = self.parts()
        self.assertEqual(len(parts), 2000)
        self.assertEqual(sum(part["calls"] for part in parts.values()), 2000)


if __name__ == "__main__":
    unittest.main(verbosity=2)
