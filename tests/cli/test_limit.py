"""`joulemeter limit`: what it sets, what it says, and that it gives back, whatever ends it."""

import json
import os
import pty
import random
import signal
import subprocess
import time
import unittest

from common import JOULEMETER, SLOWNESS, FolderTest

SIMGPU = os.environ.get("JOULEMETER_SIMGPU_LIBRARY", "")
TRUTH = os.path.join(os.path.dirname(SIMGPU), "simgpu-truth")
KILLS = int(os.environ.get("JOULEMETER_KILLS", "40"))


@unittest.skipUnless(os.path.exists(TRUTH), "there is no simulated GPU")
class LimitTest(FolderTest):
    def setUp(self):
        super().setUp()
        self.boards = self.path("boards")
        self.environment |= {"JOULEMETER_SIMGPU_STATE": self.boards, "JOULEMETER_NVML_LIBRARY": SIMGPU,
                             "JOULEMETER_SIMGPU_ALLOW_LIMIT": "1",
                             "JOULEMETER_LIMITD_SOCKET": self.path("nobody.sock")}
        self.create("2*h100")

    def create(self, spec):
        subprocess.run([TRUTH, "--create", self.boards, spec], check=True)

    def watts(self):
        lines = subprocess.run([TRUTH, "--limits", self.boards], check=True, capture_output=True, text=True).stdout
        return [float(line.split()[1]) for line in lines.splitlines()]

    def clocks(self):
        lines = subprocess.run([TRUTH, "--limits", self.boards], check=True, capture_output=True, text=True).stdout
        return [float(line.split()[2]) for line in lines.splitlines()]

    def limit(self, *arguments, code=0, **more):
        """What `joulemeter limit` prints on stdout, and on stderr."""
        done = subprocess.run([JOULEMETER, "limit", *arguments], cwd=self.folder, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, env=self.environment | more, timeout=60 * SLOWNESS)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout, done.stderr

    def wait_for_watts(self, *watts, seconds=1):
        until = time.monotonic() + seconds * SLOWNESS
        while self.watts() != list(watts):
            self.assertLess(time.monotonic(), until, f"{self.watts()}, not {watts}")
            time.sleep(0.005)

    # ---- show ----

    def test_show(self):
        out, err = self.limit()
        self.assertEqual(err, "")
        self.assertEqual(out, self.limit("show")[0])
        self.assertIn("gpu1  NVIDIA H100 80GB HBM3  700 W    700 W  200 to 700 W", out)
        self.assertNotIn("gpu0", self.limit("show", "--gpu", "1")[0])
        first = json.loads(self.limit("show", "-j")[0])[0]
        self.assertEqual(first["device"], "gpu0")
        self.assertEqual(first["power"]["value_w"], 700)
        self.assertEqual(first["power"]["base_w"], None)
        self.assertEqual(first["clock"]["highest_mhz"], 1980)
        self.assertEqual(first["clock"]["value_mhz"], None)
        self.assertTrue(first["simulated"])

    def test_show_without_a_driver(self):
        out, err = self.limit(code=1, JOULEMETER_NVML_LIBRARY="/nonexistent/libnvidia-ml.so.1")
        self.assertIn("library /nonexistent/libnvidia-ml.so.1 is not there\n", err)

    def test_show_a_lost_gpu(self):
        self.trouble(1, "lost")
        out, err = self.limit()
        self.assertRegex(out, r"gpu1  \w+ .* +- +- ")
        self.assertIn("the GPU is lost", " ".join(out.split()))

    def trouble(self, board, name):
        subprocess.run([TRUTH, "--set", self.boards, str(board), "trouble", name], check=True)

    # ---- set ----

    def test_set_for_a_command(self):
        out, err = self.limit("set", "250", "--", "sh", "-c", f"{TRUTH} --limits {self.boards}; exit 7", code=7)
        self.assertEqual(out.split(), ["0", "250.000", "1.000000", "1", "250.000", "1.000000"])
        self.assertEqual(err.splitlines(), ["gpu0: 250 W for the command, then 700 W",
                                            "gpu1: 250 W for the command, then 700 W"])
        self.assertEqual(self.watts(), [700, 700])
        self.assertEqual(self.limit("set", "250", "-q", "--", "true"), ("", ""))

    def test_the_signal_of_the_command_is_passed_on(self):
        process = self.start("limit", "set", "300", "--", "sh", "-c", "kill -TERM $$")
        self.assertEqual(process.wait(), -signal.SIGTERM)
        self.assertEqual(self.watts(), [700, 700])

    def test_set_a_share_of_some(self):
        uuid = json.loads(self.limit("show", "--json")[0])[1]["uuid"]
        self.limit("set", "70%", "--gpu", uuid, "--keep")
        self.assertEqual(self.watts(), [700, 490])
        self.limit("set", "-g", "gpu0,1", "300.5W", "--keep")
        self.assertEqual(self.watts(), [300.5, 300.5])

    def test_bounds(self):
        out, err = self.limit("set", "20", "--keep", "-g", "0")
        self.assertEqual(err, "  ! gpu0: 20 W is below what the board allows; it is set to the least, 200 W.\n")
        self.assertEqual(out, "gpu0: 200 W until joulemeter limit reset, or a restart (default 700 W)\n")
        out, err = self.limit("set", "150%", "--keep", "-g", "0")
        self.assertIn("1050 W is above what the board allows; it is set to the most, 700 W", err)

    def test_how_long_must_be_said(self):
        for words in (["250"], ["250", "-g", "0"], ["--clock", "1200"]):
            out, err = self.limit("set", *words, code=2)
            self.assertIn("say for how long: for a command (-- COMMAND)", err)
        out, err = self.limit("set", "250", "--keep", "--", "true", code=2)
        self.assertIn("choose one of", err)
        self.limit("set", "250", "--keep", "--while", "1", code=2)
        self.assertEqual(self.watts(), [700, 700])

    def test_wrong_words(self):
        for words, says in ((["set"], "which limit?"), (["set", "fast", "--keep"], "'fast' is not a power limit"),
                            (["set", "--clock", "1200W", "--keep"], "'1200W' is not a clock"),
                            (["set", "250", "--clock", "1200", "--", "true"], "either a power limit (250) or --clock"),
                            (["sett"], "did you mean 'limit set'?"), (["unset"], "there is no 'limit unset'"),
                            (["show", "0"], "choose GPUs with --gpu"), (["reset", "0"], "choose GPUs with --gpu"),
                            (["set", "250", "--keep", "-g", "9"], "there is no GPU '9'"),
                            (["set", "250", "--while", "0"], "out of range"),
                            (["set", "250", "--while", "999999999"], "there is no process 999999999")):
            with self.subTest(words=words):
                out, err = self.limit(*words, code=2)
                self.assertEqual(out, "")
                self.assertIn(says, err)
        self.limit("set", "250", "--", "no-such-command", code=127)
        self.limit("set", "250", "--", "/dev/null", code=126)
        self.assertEqual(self.watts(), [700, 700])

    def test_while_a_process_runs(self):
        shell = subprocess.Popen(["sleep", "60"])
        out, err = self.limit("set", "250", "--while", str(shell.pid))
        self.assertIn(f"gpu0: 250 W until process {shell.pid} (sleep) ends, then 700 W\n", out)
        time.sleep(0.1)
        self.assertEqual(self.watts(), [250, 250])
        self.assertIn(f"gpu0: 250 W for process {shell.pid} (sleep), then 700 W.", self.limit()[0])
        shell.kill()
        self.wait_for_watts(700, 700)
        shell.wait()

    def test_a_clock(self):
        out, err = self.limit("set", "--clock", "1203", "--keep", "-g", "0")
        self.assertIn("its clocks come in steps; it is set to 1200 MHz", err)
        self.assertAlmostEqual(self.clocks()[0] * 1980, 1200, places=2)
        self.assertIn("1200 MHz", self.limit()[0])
        self.assertIn("gpu0: clocks are free", self.limit("reset")[0])
        self.assertEqual(self.clocks(), [1, 1])
        self.limit("set", "--clock", "50%", "--", "sh", "-c", f"{TRUTH} --limits {self.boards}")
        self.assertEqual(self.clocks(), [1, 1])

    def test_no_permission(self):
        forbidden = {"JOULEMETER_SIMGPU_ALLOW_LIMIT": "0"}
        out, err = self.limit("set", "250", "-g", "0", "--keep", code=1, **forbidden)
        self.assertIn("only root may set limits: use sudo, or let joulemeter-limitd do it", err)
        self.assertIn("  run: sudo joulemeter limit set 250 -g 0 --keep\n", err)
        out, err = self.limit("set", "250", "--", "touch", "made", code=125, **forbidden)
        self.assertIn("  run: sudo joulemeter limit set 250 --while $$    and then the command\n", err)
        out, err = self.limit("set", "250", "touch", "-g", "0", "made", code=125, **forbidden)
        self.assertIn("  run: sudo joulemeter limit set 250 -g 0 --while $$    and then the command\n", err)
        self.assertFalse(os.path.exists(self.path("made")))
        self.limit("set", "250", "--keep")
        out, err = self.limit("reset", "--gpu", "0", code=1, **forbidden)
        self.assertIn("  run: sudo joulemeter limit reset --gpu 0\n", err)

    def test_troubles_are_named(self):
        self.trouble(0, "lost")
        self.assertIn("gpu0: its power limit cannot be read: the GPU is lost", self.limit("set", "250", "--keep", code=1)[1])
        self.trouble(0, "fine")
        self.create("h100,fault=notsupported=nvmlDeviceGetPowerManagementLimit")
        self.assertIn("does not support it", self.limit("set", "250", "--keep", code=1)[1])
        self.create("h100")
        self.trouble(0, "hangs")
        begin = time.monotonic()
        out, err = self.limit("set", "250", "--keep", code=1, JOULEMETER_DRIVER_TIMEOUT_S="0.3")
        self.assertIn("NVIDIA's driver does not answer", err)
        self.assertLess(time.monotonic() - begin, 10 * SLOWNESS)

    def test_simulated_boards_of_its_own(self):
        out, err = self.limit("set", "300", "--simulate", "a100", "--", JOULEMETER, "limit", "show", "--json")
        self.assertEqual(json.loads(out)[0]["power"]["value_w"], 300)
        self.assertIn("A100", out)
        self.assertEqual(self.watts(), [700, 700])
        self.assertEqual([name for name in os.listdir(self.folder) if "joulemeter-simgpu" in name], [])

    # ---- reset ----

    def test_reset(self):
        self.limit("set", "250", "--keep", "-g", "0")
        self.assertEqual(self.limit("reset")[0], "gpu0: 700 W\ngpu1: 700 W\n")
        self.assertEqual(self.watts(), [700, 700])
        self.assertEqual(json.loads(self.limit("reset", "--json")[0])[1]["power"]["value_w"], 700)
        self.assertEqual(self.limit("reset", "-q"), ("", ""))

    def kill_guard_of(self, pid):
        found = subprocess.run(["pgrep", "-f", "--", f"limitd --guard {pid} "], capture_output=True, text=True)
        guard = int(found.stdout)
        os.kill(guard, signal.SIGKILL)
        self.wait_for(lambda: not self.runs(guard))

    @staticmethod
    def runs(pid):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                return file.read().rpartition(")")[2].split()[0] not in "ZX"
        except FileNotFoundError:
            return False

    def test_reset_mends_what_a_killed_guard_left(self):
        self.create("h100,limit=650")
        process = self.start("limit", "set", "300", "--", "sleep", "60")
        self.wait_for(lambda: self.watts() == [300])
        process.send_signal(signal.SIGSTOP)  # or it would find another guard
        self.kill_guard_of(process.pid)
        process.kill()
        process.wait()
        self.assertEqual(self.watts(), [300])
        self.assertIn("`joulemeter limit reset` restores 650 W", " ".join(self.limit()[0].split()))
        out, err = self.limit("reset")
        self.assertEqual(out, "gpu0: 650 W\n")
        self.assertIn("as it was before a guard was killed", err)
        self.assertEqual(self.watts(), [650])
        self.assertEqual(self.limit("reset", "--default")[0], "gpu0: 700 W\n")

    def test_a_killed_guard_is_replaced_and_told_of(self):
        self.create("h100,limit=650")
        process = subprocess.Popen([JOULEMETER, "limit", "set", "300", "--", "sleep", "60"], cwd=self.folder,
                                   env=self.environment, stderr=subprocess.PIPE, text=True, start_new_session=True)
        self.addCleanup(self.end, process)
        self.wait_for(lambda: self.watts() == [300])
        self.kill_guard_of(process.pid)
        said = [process.stderr.readline(), process.stderr.readline()]
        process.stderr.close()
        self.assertEqual(said[1], "  ! the guard of the limit was killed; another one has taken its place.\n")
        self.assertEqual(self.watts(), [300])
        process.kill()
        process.wait()
        self.wait_for_watts(650)

    def test_reset_and_running_programs(self):
        process = self.start("limit", "set", "300", "--", "sleep", "60")
        self.wait_for(lambda: self.watts() == [300, 300])
        out, err = self.limit("reset")
        self.assertIn(f"a loan goes on, of process {process.pid} (joulemeter): 300 W until it ends", err)
        self.assertEqual(self.watts(), [300, 300])
        self.limit("reset", "--force")
        self.assertEqual(self.watts(), [700, 700])
        another = subprocess.Popen(["sleep", "60"])  # the guard of the first has not ended
        self.limit("set", "250", "--while", str(another.pid))
        self.assertEqual(self.watts(), [250, 250])
        process.send_signal(signal.SIGTERM)
        process.wait()
        time.sleep(0.2)
        self.assertEqual(self.watts(), [250, 250])
        another.kill()
        another.wait()
        self.wait_for_watts(700, 700)

    # ---- ends ----

    def test_any_end_gives_back(self):
        for number in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGSEGV, signal.SIGQUIT):
            with self.subTest(signal=number):
                process = self.start("limit", "set", "300", "--", "sleep", "60")
                self.wait_for(lambda: self.watts() == [300, 300])
                process.send_signal(number)
                process.wait()
                self.wait_for_watts(700, 700)

    def test_the_whole_group_is_killed(self):
        """As a shell does with a pipeline, or a terminal that closes: the guard is not in it."""
        process = self.start("limit", "set", "300", "--", "sleep", "60")
        self.wait_for(lambda: self.watts() == [300, 300])
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.wait_for_watts(700, 700)

    def test_a_terminal_that_closes(self):
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            os.execve(JOULEMETER, [JOULEMETER, "limit", "set", "300", "--", "sleep", "60"], self.environment)
        self.wait_for(lambda: self.watts() == [300, 300])
        os.close(terminal)
        self.wait_for_watts(700, 700)
        os.waitpid(pid, 0)

    def test_killed_at_any_moment(self):
        """$JOULEMETER_KILLS times, from before the limit is set until after it is given back."""
        random_ = random.Random(7)
        self.create("2*h100,limit=650")
        worst = 0.0
        begin = time.monotonic()
        self.limit("set", "300", "--", "sleep", "0.03")
        whole = time.monotonic() - begin
        for i in range(KILLS):
            process = self.start("limit", "set", str(random_.randint(210, 640)), "--", "sleep", "0.03",
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(random_.uniform(0, 1.1 * whole))
            victims = random_.random()
            if victims < 0.5:
                process.kill()
            else:
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            killed = time.monotonic()
            process.wait()
            while self.watts() != [650, 650]:
                self.assertLess(time.monotonic() - killed, 1 * SLOWNESS, f"kill {i}: {self.watts()}")
            worst = max(worst, time.monotonic() - killed)
        # A guard may have got its request only when its borrower was dead.
        self.wait_for(lambda: subprocess.run(["pgrep", "-f", "--", f"limitd --guard {process.pid} "],
                                             capture_output=True).returncode != 0)
        time.sleep(0.2)
        self.assertEqual(self.watts(), [650, 650])
        print(f"{KILLS} kills within {whole * 1e3:.0f} ms: back after {worst * 1e3:.0f} ms at most", flush=True)
        self.assertEqual(self.limit("show", "--json")[0].count('"left_over": true'), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
