"""Pictures: by gnuplot where it is installed, and by programs that stand in for it and fail."""

import os
import shutil
import signal
import subprocess
import unittest
import xml.dom.minidom

from common import FolderTest

BEGINNINGS = {"pdf": b"%PDF-", "png": b"\x89PNG", "svg": b"<?xml"}


class PlotTest(FolderTest):
    def setUp(self):
        super().setUp()
        process = self.start("run", "-q", "-o", "a.jm", "--simulate", "2*h100,square:100:300:0.2",
                             "--", "sleep", "0.5")
        self.assertEqual(process.wait(), 0, process.stderr.read())

    def plot(self, *arguments):
        """Exit code, lines on stdout and on stderr."""
        process = self.start("plot", *arguments)
        out, err = process.communicate()
        return process.returncode, out.decode().split("\n")[:-1], err.decode().split("\n")[:-1]

    def stand_in(self, script):
        """A program of the name gnuplot that is found first."""
        os.makedirs(self.path("bin"), exist_ok=True)
        with open(self.path("bin/gnuplot"), "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + script)
        os.chmod(self.path("bin/gnuplot"), 0o755)
        self.environment["PATH"] = self.path("bin") + ":" + os.environ["PATH"]

    def files(self, folder="."):
        return sorted(os.listdir(self.path(folder)))


@unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")
class Pictures(PlotTest):
    def test_pictures_of_every_format(self):
        for form, beginning in BEGINNINGS.items():
            for width in "column", "page", "60":
                code, out, err = self.plot("a.jm", "--all", "-o", form, "--format", form, "--width", width)
                self.assertEqual(code, 0, err)
                self.assertEqual(len(out), 14)
                self.assertEqual(self.files(form), sorted(os.path.basename(name) for name in out))
                for name in out:
                    with open(self.path(name), "rb") as file:
                        content = file.read()
                    self.assertTrue(content.startswith(beginning), name)
                    self.assertGreater(len(content), 1000, name)
                    if form == "svg":
                        xml.dom.minidom.parseString(content)
        self.assertTrue(err[0].startswith("joulemeter plot: no data for power_boxplot_phase, "), err)

    def test_files_are_replaced(self):
        with open(self.path("power_time.pdf"), "w", encoding="utf-8") as file:
            file.write("old")
        self.assertEqual(self.plot("a.jm", "--figs", "power_time")[:2], (0, ["power_time.pdf"]))
        with open(self.path("power_time.pdf"), "rb") as file:
            self.assertTrue(file.read().startswith(b"%PDF"))

    def test_folders_of_any_name(self):
        for name in "a b", "|touch pwned", "`touch pwned`", "~", "it's \"$HOME\"", "x" * 200, "ä":
            code, out, err = self.plot("a.jm", "--figs", "power_ecdf", "-o", name)
            self.assertEqual((code, err), (0, []))
            self.assertEqual(out, [name + "/power_ecdf.pdf"])
            self.assertEqual(self.files(name), ["power_ecdf.pdf"])
        self.assertNotIn("pwned", self.files())

    def test_the_users_settings_stay_out_of_it(self):
        with open(self.path(".gnuplot"), "w", encoding="utf-8") as file:
            file.write("system 'touch pwned'\n")
        self.environment["HOME"] = self.folder
        self.assertEqual(self.plot("a.jm", "--figs", "power_time")[0], 0)
        self.assertNotIn("pwned", self.files())

    def test_experiments_of_any_name(self):
        process = self.start("compare", "-q", "-n", "3", "-c", "0", "--simulate", "h100", "--json=c.json",
                             "--names", "old,`touch pwned`\"$(touch pwned)", "sleep 0.2", "sleep 0.3")
        self.assertEqual(process.wait(), 0, process.stderr.read())
        code, out, err = self.plot("-o", "out", "c.json")
        self.assertEqual((code, err), (0, []))
        self.assertEqual(sorted(out), ["out/ratios.pdf", "out/runs_energy.pdf", "out/runs_power.pdf",
                                       "out/runs_time.pdf"])
        self.assertNotIn("pwned", self.files())

    def test_scripts_draw_where_they_are_run(self):
        self.assertEqual(self.plot("a.jm", "--script", "--figs", "power_time", "-o", "scripts")[0], 0)
        subprocess.run(["gnuplot", "scripts/power_time.gp"], cwd=self.folder, check=True)
        self.assertIn("power_time.pdf", self.files())


class Failures(PlotTest):
    def test_what_gnuplot_says_is_told(self):
        self.stand_in("printf '\\n\\n  ^\\nline 3: no such terminal\\n' >&2; exit 1\n")
        before = self.files()
        code, out, err = self.plot("a.jm")
        self.assertEqual((code, out), (1, []))
        self.assertEqual(err, ["joulemeter plot: power_time: gnuplot says: line 3: no such terminal"])
        self.assertEqual(self.files(), before)

    def test_it_may_be_killed(self):
        self.stand_in("kill -9 $$\n")
        self.assertEqual(self.plot("a.jm")[2], ["joulemeter plot: power_time: gnuplot says: Killed"])

    def test_it_may_write_nothing(self):
        self.stand_in("cat >/dev/null\n")
        code, _, err = self.plot("a.jm")
        self.assertEqual(code, 1)
        self.assertIn("cannot write power_time.pdf: No such file", err[0])

    def test_it_may_end_before_it_has_read_all(self):
        self.stand_in("exec <&-; exit 3\n")
        self.assertEqual(self.plot("a.jm", "--all", "--raw")[2],
                         ["joulemeter plot: power_time: gnuplot says: it failed without a word"])

    def test_raw_readings_are_not_smoothed(self):
        self.stand_in("touch drawn\n")
        self.assertEqual(self.plot("a.jm", "--raw", "--smooth", "5"), (2, [], [
            "joulemeter plot: --raw draws each reading as it was, --smooth means of some: leave one out"]))
        self.assertNotIn("drawn", self.files())

    def test_a_folder_in_the_way(self):
        os.mkdir(self.path("power_time.gp"))
        code, _, err = self.plot("a.jm", "--script")
        self.assertEqual(code, 1)
        self.assertIn("cannot write power_time.gp: Is a directory", err[0])

    def interrupted(self, number, everyone):
        """Ends it while a picture is half written."""
        self.stand_in("trap 'exit 130' INT\n"
                      "out=$(sed -n 's/^set output \"\\([^\"]*\\)\"$/\\1/p')\n"
                      "[ -n \"$out\" ] && echo half >\"$out\"; touch begun; sleep 2\n")
        process = self.start("plot", "a.jm")
        self.wait_for_file("begun")
        self.assertTrue([name for name in self.files() if name.startswith(".")])
        if everyone:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        process.wait()
        self.assertEqual([name for name in self.files() if "pdf" in name and name[0] == "."], [])
        return process.returncode

    def test_ctrl_c_leaves_no_half_picture(self):
        self.assertEqual(self.interrupted(signal.SIGINT, True), -signal.SIGINT)
        self.assertNotIn("power_time.pdf", self.files())

    def test_nor_does_a_signal_to_it_alone(self):
        self.assertEqual(self.interrupted(signal.SIGTERM, False), -signal.SIGTERM)

    def test_nobody_reads_what_was_written(self):
        self.stand_in("cat >/dev/null; exit 1\n")
        process = self.start("plot", "a.jm", "--script")
        process.stdout.close()
        self.assertEqual(process.wait(), 0)
        self.assertIn("cumulative_energy.gp", self.files())


if __name__ == "__main__":
    unittest.main(verbosity=2)
