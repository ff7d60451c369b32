"""Pictures by gnuplot, and pages, of recordings whose names are hostile."""

import json
import os
import re
import shutil
import signal
import subprocess
import unittest

from common import JOULEMETER, FolderTest

HOSTILE = "</script><script>`touch owned`$(touch owned)"
needs_gnuplot = unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")


class Figures(FolderTest):
    def joulemeter(self, *arguments):
        return subprocess.run([JOULEMETER, *arguments], capture_output=True, text=True, cwd=self.folder,
                              env=self.environment, stdin=subprocess.DEVNULL, timeout=300)

    def record(self, seconds="0.6", spec="2*h100,square:100:300:0.2", name="a.jm"):
        done = self.joulemeter("run", "-q", "-o", name, "--simulate", spec, "--", "sleep", seconds)
        self.assertEqual(done.returncode, 0, done.stderr)

    @needs_gnuplot
    def test_all_figures_in_all_formats(self):
        self.record()
        for format, begin in (("pdf", b"%PDF"), ("svg", b"<?xml"), ("png", b"\x89PNG")):
            done = self.joulemeter("plot", "--all", "-o", format, "--format", format, "a.jm")
            self.assertEqual(done.returncode, 0, done.stderr)
            for line in done.stderr.splitlines():
                self.assertIn("has no data: ", line)
            drawn = sorted(os.listdir(self.path(format)))
            self.assertGreater(len(drawn), 12)
            self.assertEqual(sorted(done.stdout.strip().split(", ")), [f"{format}/{name}" for name in drawn])
            for name in drawn:
                with open(self.path(os.path.join(format, name)), "rb") as file:
                    self.assertTrue(file.read(8).startswith(begin), name)

    @needs_gnuplot
    def test_ctrl_c_leaves_no_halves(self):
        self.record()
        process = self.start("plot", "--all", "--raw", "-o", "out", "--format", "png", "a.jm")
        self.wait_for(lambda: os.path.isdir(self.path("out")) and os.listdir(self.path("out")))
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
        self.assertIn(process.returncode, (0, 130))
        for name in os.listdir(self.path("out")):
            self.assertTrue(name.endswith(".png") and not name.startswith("."), name)

    @needs_gnuplot
    def test_what_gnuplot_says_is_passed_on(self):
        self.record()
        os.makedirs(self.path("bin"))
        with open(self.path("bin/gnuplot"), "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\necho 'this gnuplot is broken' >&2\nexit 3\n")
        os.chmod(self.path("bin/gnuplot"), 0o755)
        self.environment["PATH"] = self.path("bin") + ":" + os.environ["PATH"]
        done = self.joulemeter("plot", "--figs", "power_time", "a.jm")
        self.assertEqual(done.returncode, 1)
        self.assertIn("power_time: gnuplot says: this gnuplot is broken", done.stderr)
        self.assertFalse([name for name in os.listdir(self.folder) if name.endswith(".pdf")])

    def test_without_gnuplot(self):
        self.record()
        self.environment["PATH"] = self.folder
        done = self.joulemeter("plot", "a.jm")
        self.assertEqual(done.returncode, 1)
        for way in ("apt install gnuplot-nox", "--script", "rep.plot()"):
            self.assertIn(way, done.stderr)

    def test_a_page(self):
        self.record()
        done = self.joulemeter("report", "--title", HOSTILE, "a.jm")
        if done.returncode == 1 and "built without" in done.stderr:
            self.assertIn("apt install npm", done.stderr)
            self.skipTest("this build has no page")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"^a\.html \(\d\.\d MB\)\n$")
        with open(self.path("a.html"), encoding="utf-8") as file:
            html = file.read()
        data = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)
        page = json.loads(data.group(1))
        self.assertEqual(page["title"], HOSTILE)
        self.assertNotIn("<", data.group(1))
        self.assertGreater(len(page["figures"]), 12)
        self.assertGreater(len(page["timeline"]["series"]), 6)
        done = self.joulemeter("report", "-o", "-", "a.jm")
        self.assertTrue(done.stdout.startswith("<!doctype html>"))
        done = self.joulemeter("report", "-o", "/dev/full", "a.jm")
        self.assertEqual(done.returncode, 1)

    @needs_gnuplot
    def test_experiments(self):
        done = self.joulemeter("compare", "-q", "-n", "3", "-c", "0", "--simulate", "h100", "--json=c.json",
                               "--names", f"old,{HOSTILE}", "sleep 0.2", "sleep 0.3")
        self.assertEqual(done.returncode, 0, done.stderr)
        done = self.joulemeter("plot", "-o", "out", "c.json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sorted(os.listdir(self.path("out"))),
                         ["ratios.pdf", "runs_energy.pdf", "runs_power.pdf", "runs_time.pdf"])
        self.assertFalse(os.path.exists(self.path("owned")))

    @needs_gnuplot
    def test_a_path_that_looks_like_a_command(self):
        self.record()
        done = self.joulemeter("plot", "--figs", "power_time", "-o", "|touch owned;'\"`x`", "a.jm")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(os.listdir(self.path("|touch owned;'\"`x`")), ["power_time.pdf"])
        self.assertFalse(os.path.exists(self.path("owned")))


if __name__ == "__main__":
    unittest.main(verbosity=2)
