"""On a terminal: the live line, colours, Ctrl-C and Ctrl-Z, narrow windows."""

import fcntl
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


class TerminalTest(FolderTest):
    def setUp(self):
        super().setUp()
        self.environment |= {"TERM": "xterm"}

    def on_terminal(self, *arguments, keys=(), columns=100):
        """Runs joulemeter on a terminal; `keys` are (seconds, bytes). Exit status and output."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            os.execve(JOULEMETER, [JOULEMETER, *arguments], self.environment)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        begin, keys, output = time.monotonic(), list(keys), b""
        while True:
            if select.select([terminal], [], [], 0.05)[0]:
                try:
                    piece = os.read(terminal, 65536)
                except OSError:
                    break
                if not piece:
                    break
                output += piece
            while keys and time.monotonic() - begin > keys[0][0]:
                os.write(terminal, keys.pop(0)[1])
            if time.monotonic() - begin > 60 * SLOWNESS:
                os.kill(pid, signal.SIGKILL)
                self.fail(f"no end: {output!r}")
        status = os.waitpid(pid, 0)[1]
        os.close(terminal)
        return status, output.decode("utf-8", "replace")

    def test_live_line_comes_and_goes(self):
        status, text = self.on_terminal("run", *SIMULATED, "--", "sleep", "2.2")
        self.assertEqual(status, 0)
        self.assertRegex(text, r"\x1b7.*\d W  .*\d J  0:0\d")
        live, summary = text[:text.rindex("\x1b8")], text[text.rindex("\x1b8"):]
        last = live[live.rindex("\x1b7"):]
        self.assertNotRegex(last, r"\d J")  # the last thing drawn is nothing
        self.assertIn("total", summary)
        self.assertIn("\x1b[1m", summary)

    def test_the_commands_output_is_untouched(self):
        script = "for i in 1 2 3; do printf 'line %s' $i; sleep 0.6; echo; done"
        _, text = self.on_terminal("run", *SIMULATED, "--", "sh", "-c", script)
        # without what is drawn between saving and restoring the cursor
        plain = re.sub(r"\x1b7.*?\x1b8", "", text)
        self.assertIn("line 1\r\nline 2\r\nline 3\r\n", plain)

    def test_quiet_and_dumb_terminals_get_no_line(self):
        _, text = self.on_terminal("run", "-q", *SIMULATED, "--", "sleep", "1.2")
        self.assertEqual(text, "")
        self.environment["TERM"] = "dumb"
        _, text = self.on_terminal("run", *SIMULATED, "--", "sleep", "1.2")
        self.assertNotIn("\x1b", text)

    def test_no_color(self):
        self.environment["NO_COLOR"] = "1"
        _, text = self.on_terminal("run", *SIMULATED, "--", "sleep", "1.2")
        self.assertNotIn("\x1b[1m", text)
        self.assertNotIn("\x1b[2m", text)

    def test_ctrl_c_reaches_the_command_once(self):
        script = "trap 'echo caught; exit 7' INT; while :; do sleep 0.1; done"
        status, text = self.on_terminal("run", "-o", "a.jm", *SIMULATED, "--", "sh", "-c", script,
                                        keys=[(1.0 * SLOWNESS, b"\x03")])
        self.assertEqual(os.waitstatus_to_exitcode(status), 7)
        self.assertEqual(text.count("caught"), 1 + text.count("echo caught"))
        self.assertIn("Recorded in a.jm", text)

    def test_ctrl_c_ends_a_plain_command(self):
        status, text = self.on_terminal("run", *SIMULATED, "--", "sleep", "30",
                                        keys=[(1.0 * SLOWNESS, b"\x03")])
        self.assertEqual(os.waitstatus_to_exitcode(status), -signal.SIGINT)
        self.assertIn("ended by signal 2", text)

    def test_ctrl_z_stops_both_and_fg_goes_on(self):
        """Under a shell with job control, as a person would do it."""
        command = f"{JOULEMETER} run -q -- sh -c 'touch ready; sleep 1; touch done'"
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            os.execvpe("bash", ["bash", "--norc", "-i"], self.environment)
        try:
            os.write(terminal, command.encode() + b"\n")
            self.wait_for_file("ready")
            os.write(terminal, b"\x1a")
            time.sleep(1.5)
            self.assertFalse(os.path.exists(self.path("done")))
            os.write(terminal, b"fg\n")
            self.wait_for_file("done")
            os.write(terminal, b"touch after$?\n")
            self.wait_for_file("after0")
        finally:
            os.kill(pid, signal.SIGKILL)
            os.close(terminal)
            os.waitpid(pid, 0)

    def test_the_summary_fits_narrow_windows(self):
        subprocess.run([JOULEMETER, "run", "-q", "-o", "a.jm", *SIMULATED, "--", "sleep", "0.3"],
                       env=self.environment, cwd=self.folder, check=True)
        for columns in (50, 60, 80, 132):
            _, text = self.on_terminal("show", "a.jm", columns=columns)
            # the window's size is set after the start: 80 may still be seen
            plain = re.sub(r"\x1b\[\d*m", "", text)
            longest = max(len(line) for line in plain.splitlines())
            self.assertLessEqual(longest, max(columns, 80))

    def test_sql_is_a_table_on_a_terminal(self):
        subprocess.run([JOULEMETER, "run", "-q", "-o", "a.jm", *SIMULATED, "--", "true"],
                       env=self.environment, cwd=self.folder, check=True)
        _, text = self.on_terminal("sql", "a.jm",
                                   "SELECT name, 7 AS n, char(27) || '[31mred' AS x FROM device "
                                   "WHERE name = 'gpu0'")
        self.assertNotIn("\x1b[31m", text)
        plain = re.sub(r"\x1b\[\d*m", "", text)
        self.assertEqual(plain.splitlines(), ["name  n  x", "gpu0  7  ?[31mred"])

    def test_baseline_counts_on_the_terminal(self):
        _, text = self.on_terminal("run", *SIMULATED, "-b", "1.2", "--", "true")
        self.assertIn("idle power before the command", text)


if __name__ == "__main__":
    unittest.main(verbosity=2)
