"""`joulemeter limit tune`: what it finds on a simulated GPU is that GPU's truth, and the limit is back whatever ends
it."""

import csv
import io
import json
import os
import pty
import random
import signal
import subprocess
import threading
import time
import unittest

from common import JOULEMETER, SLOWNESS, FolderTest

SIMGPU = os.environ.get("JOULEMETER_SIMGPU_LIBRARY", "")
TRUTH = os.path.join(os.path.dirname(SIMGPU), "simgpu-truth")
CURVE = os.environ.get("TUNE_TRUTH", "")
TRAINING = os.environ.get("SIM_TRAINING", "")
KILLS = int(os.environ.get("JOULEMETER_TUNE_KILLS", "30"))
THOROUGH = os.environ.get("JOULEMETER_TUNE_THOROUGH", "") == "1"

OBJECTIVES = {"ed2p": lambda s, e: e * s * s, "edp": lambda s, e: e * s, "energy": lambda s, e: e,
              "time": lambda s, e: s}


@unittest.skipUnless(os.path.exists(TRUTH) and os.path.exists(TRAINING), "there is no simulated GPU")
class TuneTest(FolderTest):
    spec = "v100,channel"  # whose sensors are quick: 300 W by default, 150 to 300 W

    def setUp(self):
        super().setUp()
        self.boards = self.path("boards")
        self.environment |= {"JOULEMETER_SIMGPU_STATE": self.boards, "JOULEMETER_NVML_LIBRARY": SIMGPU,
                             "JOULEMETER_SIMGPU_ALLOW_LIMIT": "1", "LD_LIBRARY_PATH": os.path.dirname(SIMGPU),
                             "JOULEMETER_LIMITD_SOCKET": self.path("nobody.sock")}
        self.create(self.spec)

    def create(self, spec):
        subprocess.run([TRUTH, "--create", self.boards, spec], check=True)

    def state(self):
        """(limit in W, clock as a share) of the first board."""
        lines = subprocess.run([TRUTH, "--limits", self.boards], check=True, capture_output=True, text=True).stdout
        return tuple(float(word) for word in lines.split()[1:3])

    def tune(self, *arguments, code=0, **more):
        done = subprocess.run([JOULEMETER, "limit", "tune", *arguments], cwd=self.folder, capture_output=True,
                              text=True, stdin=subprocess.DEVNULL, env=self.environment | more,
                              timeout=200 * SLOWNESS)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout, done.stderr

    def found(self, *arguments, **more):
        return json.loads(self.tune("-q", "--json", *arguments, **more)[0])

    def regret(self, found, watts, share, lever="power", spec="v100,channel"):
        """How much more than the least the objective is at the setting that was found, in truth, %."""
        out = subprocess.run([CURVE, spec, str(watts), "1", str(share), lever], check=True, capture_output=True,
                             text=True).stdout
        of = OBJECTIVES[found["objective"]]
        values = {float(row["setting"]): of(float(row["seconds"]), float(row["energy_j"]))
                  for row in csv.DictReader(io.StringIO(out))}
        return 100 * (values[round(found["setting"])] / min(values.values()) - 1)


@unittest.skipIf(SLOWNESS > 1, "times of a slow build are not the model's")
class Optimum(TuneTest):
    """Within 1 % of the least that there is."""

    def check(self, watts, share, *options, unmarked=False, seconds=0.03, batches=450, most_pct=1):
        words = [TRAINING, str(batches), str(seconds), str(watts), str(share)] + ["unmarked"] * unmarked
        lever = "clock" if "--clock" in options else "power"
        found = self.found("-t", "6", *options, "--", *words)
        regret = self.regret(found, watts, share, lever)
        print(f"{' '.join(options)} {watts} W, share {share}: {found['setting']:.0f} "
              f"({found['verdict']}, {len(found['trials'])} trials), regret {regret:.2f} %", flush=True)
        self.assertLess(regret, most_pct)
        self.assertEqual(self.state(), (300, 1))
        return found

    def test_steered(self):
        found = self.check(280, 0.2, "--steer")
        self.assertEqual((found["verdict"], found["way"], found["item"]), ("found", "steer", "batch"))
        self.assertEqual(found["runs"], 1)
        self.assertTrue(found["simulated"])

    def test_run_anew(self):
        found = self.check(280, 0.2, "--warmup", "0", unmarked=True, batches=30)
        self.assertEqual((found["verdict"], found["way"], found["item"]), ("found", "rerun", "command"))

    def test_a_clock(self):
        self.check(280, 0.2, "--clock")

    @unittest.skipUnless(THOROUGH, "JOULEMETER_TUNE_THOROUGH=1 takes some minutes")
    def test_all_of_them(self):
        for watts in (200, 250, 295):
            for share in (0.1, 0.3, 0.6, 0.9):
                for objective in ("ed2p", "edp", "energy"):
                    with self.subTest(watts=watts, share=share, objective=objective):
                        self.check(watts, share, "-m", objective, most_pct=2)


class Ways(TuneTest):
    def test_a_short_command_that_iterates_runs_again(self):
        found = self.found("-n", "3", "-t", "1", "--", TRAINING, "50", "0.03", "280", "0.2")
        self.assertEqual(found["way"], "steer")
        self.assertGreater(found["runs"], 1)

    def test_the_output_of_the_first_run_is_seen(self):
        script = f"echo hello; {TRAINING} 20 0.03 280 0.2 unmarked"
        out, err = self.tune("-n", "2", "--", "sh", "-c", script)
        self.assertEqual(out, "hello\n")
        self.assertIn("run anew for each setting", err)
        out, err = self.tune("-n", "2", "--rerun", "-w", "0", "--", "sh", "-c", script)
        self.assertEqual(out, "")
        out, err = self.tune("-n", "2", "--rerun", "-w", "1", "--show-output", "--", "sh", "-c", script)
        self.assertGreaterEqual(len(out.split()), 3)

    def test_what_is_kept(self):
        self.tune("-t", "1", "-n", "3", "--keep", "-o", "curve.csv", "--", TRAINING, "200", "0.03", "280", "0.2")
        watts, _ = self.state()
        self.assertLess(watts, 280)
        with open(self.path("curve.csv"), encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        self.assertGreater(len(rows), 20)

    def test_nothing_is_kept_where_nothing_is_better(self):
        subprocess.run([JOULEMETER, "limit", "set", "250", "--keep", "-q"], env=self.environment, check=True)
        out, err = self.tune("-m", "cost=0.30,2.50", "-t", "1", "-n", "2", "--keep", "--", TRAINING, "120",
                             "0.03", "280", "0.2")
        self.assertIn("  ! nothing is kept: the limit is 250 W again, as it was before.\n", err)
        self.assertEqual(self.state(), (250, 1))

    def test_a_terminal_shows_how_it_goes(self):
        master, terminal = pty.openpty()
        process = self.start("limit", "tune", "-n", "2", "-t", "1", "--", TRAINING, "120", "0.03", "280", "0.2",
                             stderr=terminal, env=self.environment | {"TERM": "xterm"})
        os.close(terminal)
        seen = b""
        while True:
            try:
                some = os.read(master, 65536)
            except OSError:  # the other end is closed
                break
            if not some:
                break
            seen += some
        os.close(master)
        self.assertEqual(process.wait(timeout=60 * SLOWNESS), 0)
        self.assertIn(b"300 W, trial 1 of 2 at most: ", seen)
        self.assertRegex(seen, rb"trial 2 of 2 at most: (settling|measuring)  0:\d\d left")
        self.assertIn(b"\x1b7", seen)  # the cursor is where the command has it

    def test_a_limit_that_never_binds(self):
        found = self.found("-t", "1", "-n", "3", "--", TRAINING, "150", "0.03", "100", "0.5")
        self.assertIn(found["verdict"], ("never binds", "no difference", "standard"))  # by the noise of a second
        self.assertEqual({trial["limited"] for trial in found["trials"]}, {0})
        self.assertEqual(found["setting"], 300)


class Failures(TuneTest):
    def test_a_command_that_fails(self):
        out, err = self.tune("--rerun", "--", "sh", "-c", "echo last words >&2; exit 3", code=3)
        self.assertIn("run 1 of the command ended with exit code 3; its last words:\nlast words\n", err)
        self.assertEqual(self.state(), (300, 1))

    def test_one_that_is_soon_over_runs_often(self):
        found = self.found("--rerun", "-n", "2", "-t", "3", "--", "sleep", "0.05")
        self.assertGreater(found["trials"][0]["items"], 5)
        self.assertEqual(found["runs"], 1 + sum(trial["items"] for trial in found["trials"]))

    def test_nobody_may(self):
        out, err = self.tune("--", TRAINING, code=125, JOULEMETER_SIMGPU_ALLOW_LIMIT="0")
        self.assertNotIn("least ed2p", err)  # before anything is run
        self.assertIn("only root may set limits", err)
        self.assertIn(f"run: sudo joulemeter limit tune -- {TRAINING}\n", err)

    def test_wrong_words(self):
        for words, says in ((["--"], "there is no command"), (["--steer", "--rerun", "--", "true"], "either"),
                            (["-m", "speed", "--", "true"], "speed"), (["--lowest", "x", "--", "true"], "'x'"),
                            (["--lowest", "50", "--", "true"], "150 to 300 W"),
                            (["-n", "1", "--", "true"], "out of range"),
                            (["--plot", "a.txt", "--", "true"], "must end in"),
                            (["-o", "no/where.csv", "--", "true"], "cannot write"),
                            (["--rerun", "--items", "x", "--", "true"], "--items")):
            with self.subTest(words=words):
                out, err = self.tune(*words, code=2)
                self.assertIn(says, err)
        self.assertEqual(self.state(), (300, 1))


class Ends(TuneTest):
    """Whatever ends it, the limit of before is back within a second."""
    spec = "v100,channel,limit=290"

    def test_ctrl_c_tells_what_is_known(self):
        process = self.start("limit", "tune", "-t", "0.5", "--json=c.json", "--", TRAINING, "2000", "0.02", "280", "0.2")
        self.wait_for(lambda: self.state()[0] not in (290, 300))
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=20 * SLOWNESS)
        self.assertEqual(process.returncode, 130)
        self.assertEqual(self.state(), (290, 1))
        self.assertIn(b"Stopped by Ctrl-C", err)
        with open(self.path("c.json"), encoding="utf-8") as file:
            found = json.load(file)
        self.assertTrue(found["interrupted"])
        self.assertGreaterEqual(len(found["trials"]), 1)

    # ---- killed ----

    def one_kill(self, random_, boards):
        """How it was ended, seconds until the limit was back, and whether another was in force."""
        environment = self.environment | {"JOULEMETER_SIMGPU_STATE": boards}
        marked = random_.random() < 0.6
        words = [TRAINING, "3000" if marked else "10", "0.02", "280", "0.2"] + ([] if marked else ["unmarked"])
        process = subprocess.Popen([JOULEMETER, "limit", "tune", "-q", "-t", "0.3", "--", *words], env=environment,
                                   cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            time.sleep(random_.uniform(0, 2.2))
            how = random_.choice(["KILL", "group KILL", "command KILL", "INT", "TERM", "HUP", "group INT",
                                  "group TERM", "group HUP"])
            number = getattr(signal, "SIG" + how.split()[-1])
            other = self.limit_of(boards) != 290
            victims = self.children(process.pid) if how.startswith("command") else [process.pid]
            for victim in victims:
                try:
                    (os.killpg if how.startswith("group") else os.kill)(victim, number)
                except ProcessLookupError:  # it has ended by itself
                    pass
            return how, self.time_until_back(boards, process, how), other
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()

    @staticmethod
    def children(pid):
        """Its children that are commands: guards are no business of who ends the command."""
        done = subprocess.run(["pgrep", "-P", str(pid), "-f", "sim_training"], capture_output=True, text=True)
        return [int(word) for word in done.stdout.split()]

    @staticmethod
    def limit_of(boards):
        done = subprocess.run([TRUTH, "--limits", boards], check=True, capture_output=True, text=True)
        return float(done.stdout.split()[1])

    def time_until_back(self, boards, process, how):
        begin = time.monotonic()
        while True:
            now = self.limit_of(boards)
            spent = time.monotonic() - begin
            # Where only a run of the command was ended, tuning may not have begun yet and goes on.
            over = how != "command KILL" or process.poll() is not None
            if now == 290 and over:
                return spent
            if spent > 1 * SLOWNESS:
                return spent if over else 0.0
            time.sleep(0.002)

    def kill_some(self, seed, count, results):
        boards = self.path(f"boards{seed}")
        subprocess.run([TRUTH, "--create", boards, self.spec], check=True)
        random_ = random.Random(seed)
        for _ in range(count):
            results.append(self.one_kill(random_, boards))

    def test_killed_at_any_moment(self):
        workers, results = 3, []
        threads = [threading.Thread(target=self.kill_some, args=(seed, KILLS // workers, results))
                   for seed in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(results), KILLS // workers * workers)
        worst = max(results, key=lambda result: result[1])
        spent = sorted(s for _, s, _ in results)
        others = sum(other for _, _, other in results)
        print(f"{len(results)} ends, {others} while another limit was in force: back after {spent[len(spent) // 2] * 1e3:.0f} ms (median), at most "
              f"{worst[1] * 1e3:.0f} ms ({worst[0]})", flush=True)
        self.assertLess(worst[1], 1 * SLOWNESS, worst)


if __name__ == "__main__":
    unittest.main(verbosity=2)
