"""`joulemeter repeat` and `compare`: order, verdicts, interruptions, recordings, the terminal."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unittest

from common import JOULEMETER, SLOWNESS, FolderTest

SIMULATED = ("--simulate", "h100,constant:300")


class RepeatTest(FolderTest):
    def run_command(self, *arguments, **more):
        settings = {"capture_output": True, "env": self.environment, "cwd": self.folder,
                    "timeout": 100 * SLOWNESS} | more
        return subprocess.run([JOULEMETER, *arguments], **settings)

    def json_of(self, *arguments):
        done = self.run_command(arguments[0], "-q", "--json", *SIMULATED, *arguments[1:])
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def lines(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read().split()


class Runs(RepeatTest):
    def test_warm_ups_run_and_do_not_count(self):
        found = self.json_of("repeat", "-n", "3", "-w", "2", "--", "sh", "-c",
                             "echo x >>log; sleep 0.15")
        self.assertEqual(len(self.lines("log")), 5)
        self.assertEqual(found["results"][0]["count"], 3)

    def test_energies_are_those_of_the_recordings(self):
        found = self.json_of("repeat", "-n", "2", "-o", "r/", "--", "sleep", "0.3")
        for run in found["results"][0]["runs"]:
            shown = json.loads(self.run_command("show", "--json", run["recording"]).stdout)
            self.assertAlmostEqual(shown["total"]["energy_j"], run["energy_j"], delta=1e-6)
            self.assertAlmostEqual(shown["duration_s"], run["time_s"], delta=1e-6)
            self.assertAlmostEqual(shown["begin_unix_s"], run["begin_unix_s"], delta=1e-2)
            self.assertEqual(shown["command"], "sleep 0.3")
            self.assertAlmostEqual(sum(run["devices"].values()), run["energy_j"], delta=1e-6)

    def test_energy_is_right(self):
        found = self.json_of("repeat", "-n", "6", "--", "sleep", "0.5")["results"][0]
        expected = 300 * found["time_s"]["median"]
        self.assertLess(abs(found["energy_j"]["median"] / expected - 1), 0.05)
        self.assertLess(found["energy_j"]["median_lower"], found["energy_j"]["median_upper"])

    def test_an_interval_for_each(self):
        found = self.json_of("repeat", "-n", "3", "--intervals", "10ms,50ms", "--", "sleep", "0.2")
        self.assertEqual([r["interval_s"] for r in found["results"]], [0.01, 0.05])
        self.assertIn(found["sensitivity"]["differs"], (True, False))
        self.assertGreater(found["sensitivity"]["p"], 0)

    def check_notes_of_intervals(self, runs, script):
        """Each flag is a sentence that names its interval. Which flags there were; `script` finds
        in $n how many runs there were before it."""
        sentences = {"few": "that of the mean at {} is [^ ]+ J", "drift": "Energy at {} (rises|falls)",
                     "outliers": r"Runs? [^!]* \([\d.]+ J\) at {} stands? out",
                     "noisy": r"Runs at {} differ much \(CV [\d.]+ %\): keep",
                     "sensor": r"A run at {} is measured to within [\d.]+ J"}
        found = self.json_of("repeat", "-n", str(runs), "--intervals", "10ms,20ms", "--", "sh",
                             "-c", f"n=$(cat log | wc -l); echo x >>log; {script}")
        os.unlink(self.path("log"))
        for result in found["results"]:
            for flag in result["flags"]:
                sentence = sentences[flag].format(f"{1000 * result['interval_s']:g} ms")
                self.assertRegex("!".join(found["notes"]), sentence)
        return {flag for result in found["results"] for flag in result["flags"]}

    def test_notes_say_at_which_interval(self):
        self.assertIn("few", self.check_notes_of_intervals(3, "sleep 0.2"))
        flags = self.check_notes_of_intervals(6, "sleep 0.$((2 + n / 2))")
        self.assertLessEqual({"drift", "noisy"}, flags)
        flags = self.check_notes_of_intervals(7, "sleep 0.2; test $n -lt 12 || sleep 0.3")
        self.assertIn("outliers", flags)

    def test_the_program_inside_joins_its_run(self):
        script = f"{JOULEMETER} run -q -- sleep 0.2"
        found = self.json_of("repeat", "-n", "1", "--", "sh", "-c", script)
        self.assertEqual(found["results"][0]["count"], 1)

    def test_what_is_left_running_is_named(self):
        done = self.run_command("repeat", "-n", "2", *SIMULATED, "--", "sh", "-c",
                                "sleep 30 >/dev/null 2>&1 & echo $! >>pids; sleep 0.2")
        for pid in self.lines("pids"):
            os.kill(int(pid), signal.SIGKILL)
        self.assertIn(b"2 processes that runs left behind still run (sleep, sleep)", done.stdout)

    def test_a_pause_between_runs(self):
        begin = time.monotonic()
        self.json_of("repeat", "-n", "3", "--cooldown", "600ms", "--", "sleep", "0.15")
        self.assertGreater(time.monotonic() - begin, 1.2)

    def test_until_stable(self):
        done = self.run_command("repeat", "-n", "2", "--cooldown", "stable", *SIMULATED, "--",
                                "sleep", "0.15")
        self.assertEqual(done.returncode, 0)
        self.assertNotIn(b"cooldowns", done.stdout)

    def test_never_stable(self):
        with open(self.path("load.csv"), "w", encoding="utf-8") as file:
            file.write("t_s,power_w\n0,80\n2.4,80\n2.5,400\n500,400\n")
        done = self.run_command("repeat", "-n", "2", "--cooldown", "stable", "--cooldown-limit",
                                "1.5s", "--simulate", "h100,schedule:load.csv", "--", "sleep",
                                "0.3")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout.replace(b"\n    ", b" "),
                         rb"In 1 of the cooldowns .* near idle \([78]\d\.\d W\) within 1.5 s")


class Comparisons(RepeatTest):
    def test_verdicts(self):
        found = self.json_of("compare", "-n", "5", "sleep 0.3", "sleep 0.1", "sleep 0.9")
        less, more = found["comparisons"]
        self.assertEqual((less["energy"]["verdict"], more["energy"]["verdict"]), ("less", "more"))
        for one, ratio in ((less, 1 / 3), (more, 3)):
            self.assertLess(abs(one["time"]["ratio"] / ratio - 1), 0.5)  # starting one takes long now and then
            self.assertLess(abs(one["energy"]["ratio"] / one["time"]["ratio"] - 1), 0.03)  # 300 W in each
            self.assertLess(one["energy"]["lower"], one["energy"]["ratio"])
            self.assertGreater(one["energy"]["upper"], one["energy"]["ratio"])
        self.assertEqual((less["a"], less["b"], more["b"]), ("A", "B", "C"))
        self.assertIn("B uses", less["verdict"])

    def test_the_same_command_twice(self):
        """One experiment in twenty may find a difference: three in a row will not."""
        for _ in range(3):
            found = self.json_of("compare", "-n", "5", "sleep 0.2", "sleep 0.2")
            if not found["comparisons"][0]["energy"]["significant"]:
                return
        self.fail("a difference where there is none")

    def order(self, *options):
        if os.path.exists(self.path("log")):
            os.unlink(self.path("log"))
        commands = [f"echo {name} >>log; sleep 0.15" for name in "ABC"]
        self.json_of("compare", *options, *commands)
        return self.lines("log")

    def test_the_order_is_balanced_and_can_be_had_again(self):
        order = self.order("-n", "4", "--seed", "7")
        rounds = [order[i:i + 3] for i in range(0, 12, 3)]
        for names in rounds:
            self.assertEqual(sorted(names), ["A", "B", "C"])
        self.assertEqual(rounds[1], rounds[0][::-1])
        self.assertEqual(rounds[3], rounds[2][::-1])
        self.assertEqual(self.order("-n", "1", "--seed", "7"), rounds[0])

    def test_shell_lines(self):
        found = self.json_of("compare", "-n", "1", "--names", "a b,c", "X=1; sleep 0.15; echo $X",
                             "sleep 0.15 && true | cat")
        self.assertEqual([r["name"] for r in found["results"]], ["a b", "c"])
        self.assertIsNone(found["comparisons"][0]["energy"]["lower"])
        self.assertIsNone(found["comparisons"][0]["energy"]["verdict"])


class Exports(RepeatTest):
    FORMATS = ("csv", "json", "markdown", "benchmark")

    def exports(self, *arguments):
        """What each format holds."""
        for format in self.FORMATS:
            arguments = ("--export", format, format, *arguments)
        done = self.run_command("compare", "-q", "-n", "2", *SIMULATED, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        for format in self.FORMATS:
            with open(self.path(format), encoding="utf-8") as file:
                yield format, file.read()

    def test_each_says_what_is_no_measurement(self):
        os.symlink("/proc", self.path("root/proc"))  # for the CPU model
        for format, text in self.exports("sleep 0.15", "sleep 0.2"):
            self.assertIn("simulated", text, format)
            self.assertIn("modelled", text, format)
        with open(self.path("markdown"), encoding="utf-8") as file:
            self.assertIn("\n2 runs each; median and standard deviation of one run; simulated GPU, "
                          "modelled CPU.\n", file.read())

    def test_each_has_the_names(self):
        for format, text in self.exports("--names", "old,new", "sleep 0.15", "sleep 0.2"):
            self.assertIn("old", text, format)
            self.assertIn("new", text, format)

    def test_names_of_benchmarks_are_whole(self):
        long = "sleep 0.15; : " + 200 * "é"
        done = self.run_command("repeat", "-q", "-n", "1", *SIMULATED, "-e", "benchmark", "-", "--",
                                "sh", "-c", long)
        self.assertEqual(json.loads(done.stdout)[0]["name"], f"sh -c '{long}': energy")


class Interruptions(RepeatTest):
    def test_a_signal_gives_the_result_so_far(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(signal=number):
                process = self.start("repeat", "-n", "100", *SIMULATED, "--", "sh", "-c",
                                     "sleep 0.2; echo x >>log")
                self.wait_for(lambda: os.path.exists(self.path("log")) and
                              len(self.lines("log")) >= 3)
                process.send_signal(number)
                shown, errors = process.communicate(timeout=30 * SLOWNESS)
                self.assertEqual(process.returncode, 128 + number, errors)
                self.assertIn(b"Stopped by", shown)
                self.assertRegex(shown, rb"of 100 runs")
                os.unlink(self.path("log"))

    def test_complete_pairs_are_compared(self):
        process = self.start("compare", "-n", "100", "--json", *SIMULATED, "echo x >>log; sleep 0.15",
                             "echo x >>log; sleep 0.3")
        self.wait_for(lambda: os.path.exists(self.path("log")) and len(self.lines("log")) >= 8)
        process.send_signal(signal.SIGINT)
        shown, _ = process.communicate(timeout=30 * SLOWNESS)
        found = json.loads(shown)
        self.assertEqual(process.returncode, 130)
        self.assertTrue(found["interrupted"])
        pairs = found["comparisons"][0]["pairs"]
        self.assertGreaterEqual(pairs, 3)
        self.assertEqual([r["count"] for r in found["results"]], [pairs, pairs])
        self.assertEqual([len(r["runs"]) for r in found["results"]], [pairs, pairs])
        self.assertIn(f"Stopped by Ctrl-C after {pairs} of 100 complete rounds.", found["notes"])

    def interrupt_in_round(self, rounds, *arguments):
        """After all but one of the runs of a round; `arguments` are two commands, or one at two
        intervals, each of which writes a line."""
        process = self.start(*arguments)
        self.wait_for(lambda: os.path.exists(self.path("log")) and
                      len(self.lines("log")) >= 2 * rounds)
        process.send_signal(signal.SIGINT)
        shown, errors = process.communicate(timeout=30 * SLOWNESS)
        self.assertEqual(process.returncode, 130, errors)
        os.unlink(self.path("log"))
        return shown.decode(), errors.decode()

    def test_an_incomplete_round_does_not_count(self):
        line = "echo x >>log; sleep 1"
        shown, _ = self.interrupt_in_round(2, "compare", *SIMULATED, line, line)
        self.assertIn("\n1 run each, simulated GPU\n", shown)
        self.assertIn("Stopped by Ctrl-C after 1 of 10 complete rounds.", shown)
        self.assertIn("1 pair of runs gives no verdict on B", shown)
        shown, _ = self.interrupt_in_round(2, "repeat", "--intervals", "10ms,20ms", *SIMULATED,
                                           "--", "sh", "-c", line)
        self.assertIn("\n1 run each, simulated GPU\n", shown)

    def test_no_round_is_complete(self):
        shown, errors = self.interrupt_in_round(1, "compare", "--json", *SIMULATED,
                                                *["echo x >>log; sleep 1"] * 2)
        self.assertEqual(shown, "")
        self.assertEqual(errors, "joulemeter compare: stopped before the first round was complete\n")

    def test_before_anything_was_measured(self):
        process = self.start("repeat", *SIMULATED, "--", "sh", "-c", "touch ready; exec sleep 30")
        self.wait_for_file("ready")
        process.send_signal(signal.SIGINT)
        shown, errors = process.communicate(timeout=30 * SLOWNESS)
        self.assertEqual((process.returncode, shown), (130, b""))
        self.assertIn(b"stopped before anything was measured", errors)

    def test_during_the_cooldown(self):
        process = self.start("repeat", "--cooldown", "60s", *SIMULATED, "--", "sh", "-c",
                             "sleep 0.2; touch ready")
        self.wait_for_file("ready")
        time.sleep(1 * SLOWNESS)
        process.send_signal(signal.SIGINT)
        shown, _ = process.communicate(timeout=30 * SLOWNESS)
        self.assertEqual(process.returncode, 130)
        self.assertIn(b"after 1 of 10 runs", shown)

    def test_a_command_that_ignores_it_ends_first(self):
        process = self.start("repeat", "-n", "50", *SIMULATED, "--", "sh", "-c",
                             "trap '' INT; touch ready; sleep 0.5; echo x >>log")
        self.wait_for_file("ready")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30 * SLOWNESS)
        self.assertEqual(process.returncode, 130)
        self.assertEqual(len(self.lines("log")), 1)


class Terminal(RepeatTest):
    def on_terminal(self, *arguments, keys=(), columns=80):
        """Exit status and what a terminal showed; `keys` are (a file to wait for, bytes)."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            time.sleep(0.1)  # until the window has its size
            os.execve(JOULEMETER, [JOULEMETER, *arguments], self.environment | {"TERM": "xterm"})
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        begin, keys, output = time.monotonic(), list(keys), b""
        while True:
            if select.select([terminal], [], [], 0.05)[0]:
                try:
                    output += os.read(terminal, 65536)
                except OSError:
                    break
            if keys and os.path.exists(self.path(keys[0][0])):
                os.write(terminal, keys.pop(0)[1])
            if time.monotonic() - begin > 60 * SLOWNESS:
                os.kill(pid, signal.SIGKILL)
                self.fail(f"no end: {output!r}")
        status = os.waitpid(pid, 0)[1]
        os.close(terminal)
        return os.waitstatus_to_exitcode(status), output.decode("utf-8", "replace")

    def test_progress_comes_and_goes(self):
        code, text = self.on_terminal("repeat", "-n", "3", "-w", "1", *SIMULATED, "--", "sleep",
                                      "0.3")
        self.assertEqual(code, 0)
        self.assertIn("warm-up 1 of 1", text)
        self.assertRegex(text, r"run 2 of 3   last [\d.]+ J in [\d.]+ s   0:0\d left")
        self.assertIn("\x1b[1mjoulemeter repeat\x1b[0m  sleep 0.3", text)

    def test_ctrl_c(self):
        code, text = self.on_terminal("repeat", "-n", "50", *SIMULATED, "--", "sh", "-c",
                                      "echo x >>log; test $(wc -l <log) -lt 4 || touch ready; "
                                      "sleep 0.3", keys=[("ready", b"\x03")])
        self.assertEqual(code, 130)
        self.assertRegex(text, "Stopped by Ctrl-C after [34] of 50 runs")

    def test_no_color(self):
        self.environment["NO_COLOR"] = "1"
        _, text = self.on_terminal("compare", "-n", "3", *SIMULATED, "sleep 0.15", "sleep 0.2")
        shown = re.sub(r"\x1b7.*?\x1b8", "", text)
        self.assertNotIn("\x1b", shown)

    def test_what_is_shown_fits(self):
        long = "sleep 0.15; : " + "a very long line for the shell " * 9
        for columns in (50, 80, 120):
            for arguments in (("repeat", "-n", "1", *SIMULATED, "--", "sh", "-c", long),
                              ("compare", "-n", "1", *SIMULATED, long, "sleep 0.15"),
                              ("repeat", "-n", "1", "--intervals", "10ms,20ms", *SIMULATED, "--",
                               "sleep", "0.15")):
                _, text = self.on_terminal(*arguments, columns=columns)
                plain = re.sub(r"\x1b7.*?\x1b8|\x1b\[\d*m", "", text)
                for line in plain.splitlines():
                    self.assertLessEqual(len(line), columns, line)

    def test_ctrl_z_is_told_of(self):
        """Under a shell with job control, as a person would do it."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            os.execvpe("bash", ["bash", "--norc", "-i"], self.environment | {"TERM": "xterm"})
        try:
            os.write(terminal, f"{JOULEMETER} repeat -n 1 --json=a.json --simulate h100 -- sh -c "
                               "'touch ready; sleep 0.5'\n".encode())
            self.wait_for_file("ready")
            os.write(terminal, b"\x1a")
            time.sleep(0.8 * SLOWNESS)
            os.write(terminal, b"fg\n")
            self.wait_for_file("a.json")
        finally:
            os.kill(pid, signal.SIGKILL)
            os.close(terminal)
            os.waitpid(pid, 0)
        with open(self.path("a.json"), encoding="utf-8") as file:
            self.assertTrue(any("Ctrl-Z" in note for note in json.load(file)["notes"]))


class Locales(RepeatTest):
    def test_numbers_are_the_same_everywhere(self):
        for locale in ("C", "de_DE.UTF-8", "nonsense"):
            with self.subTest(locale=locale):
                self.environment["LC_ALL"] = locale
                found = self.json_of("repeat", "-n", "2", "--", "sleep", "0.15")
                self.assertGreater(found["results"][0]["time_s"]["median"], 0.1)
        self.environment["LC_ALL"] = "C"
        done = self.run_command("repeat", "-n", "2", *SIMULATED, "--", "sleep", "0.15")
        self.assertTrue(done.stdout.isascii())


if __name__ == "__main__":
    unittest.main(verbosity=2)
