"""joulemeter estimate: a program under Nsight Compute (a script stands for it), profiles made
before, training, collecting, and gpu_profiler, RCSL's name for it."""

import csv
import json
import os
import shutil
import signal
import subprocess
import time
import unittest
from pathlib import Path

from common import JOULEMETER, SLOWNESS, FolderTest

FAKE = Path(__file__).resolve().parent / "fake_ncu.py"
ROWS = "program,kernel,board,power_avg_w,power_min_w,power_peak_w,sm_active,pipes,dram\n"


class Estimate(FolderTest):
    def setUp(self):
        super().setUp()
        os.makedirs(self.path("bin"))
        os.symlink(FAKE, self.path("bin/ncu"))
        self.environment["PATH"] = self.path("bin") + ":" + os.environ["PATH"]
        self.environment["FAKE_NCU_ARGUMENTS"] = self.path("arguments")

    def run_it(self, *arguments, code=0, command=(JOULEMETER, "estimate"), **environment):
        done = subprocess.run([*command, *arguments], cwd=self.folder, text=True,
                              capture_output=True, env=self.environment | environment, check=False,
                              stdin=subprocess.DEVNULL, timeout=60 * SLOWNESS)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def read_csv(self, name):
        with open(self.path(name), newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def arguments(self):
        return Path(self.path("arguments")).read_text(encoding="utf-8").split("\n")

    def make_profile(self, name="profile.csv"):
        self.run_it("-a", "true", "--keep", self.path(name))
        return self.path(name)


class Program(Estimate):
    def test_a_program_and_its_argument(self):
        done = self.run_it("-m", "all", "-a", "/bin/echo", "-s", "D:/a b,c.nk", "-s", "--fast")
        self.assertIn("average  ", done.stdout)
        self.assertIn("peak     ", done.stdout)
        self.assertIn("min      ", done.stdout)
        self.assertNotIn("D:/a", done.stdout)  # the program's own output is not ours
        self.assertIn("D:/a b,c.nk --fast", done.stderr)
        given = self.arguments()
        self.assertEqual(given[-3:], ["/bin/echo", "D:/a b,c.nk", "--fast"])
        self.assertIn("--csv", given)
        for pair in (["--page", "raw"], ["--print-units", "base"], ["--target-processes", "all"]):
            at = given.index(pair[0])
            self.assertEqual(given[at:at + 2], pair)
        metrics = given[given.index("--metrics") + 1].split(",")
        self.assertIn("dram__bytes_read.sum", metrics)
        self.assertLess(len(metrics), 30)  # only those that the model needs
        self.assertFalse(any("nvl" in metric for metric in metrics))

    def test_files_are_written(self):
        self.run_it("-a", "true", "-o", "out")
        features, predictions = (self.read_csv(f"out/{name}.csv")
                                 for name in ("extracted_features", "predictions"))
        self.assertEqual([row["kernel"] for row in features], ["saxpy(float *, int)", "reduce"])
        self.assertEqual(features[0]["launches"], "2")
        self.assertAlmostEqual(float(features[0]["pipes"]), 0.3)
        self.assertEqual(features[0]["program"], "true")
        average = [row for row in predictions if row["kind"] == "avg"]
        program, *kernels = average
        self.assertAlmostEqual(float(program["energy_j"]),
                               sum(float(kernel["energy_j"]) for kernel in kernels), places=9)
        self.assertLess(float(program["power_lower_w"]), float(program["power_w"]))
        self.assertFalse(os.path.exists(self.path("predictions.csv")))
        self.assertEqual(os.listdir(self.folder).count("joulemeter-ncu"), 0)

    def test_json(self):
        got = json.loads(self.run_it("-a", "true", "--json").stdout)
        self.assertEqual(got["model"]["interval_held_pct"], 96)
        self.assertAlmostEqual(got["model"]["interval_sure_pct"], 94.44, places=2)
        self.assertEqual(got["kernels"][0]["launches"], 2)
        self.assertGreater(got["program"]["avg"]["power_upper_w"], got["program"]["avg"]["power_w"])
        self.assertIsNone(got["program"]["peak"]["power_upper_w"])  # the model knows means only
        watts = sum(got["kernels"][0]["watts_of"].values())
        self.assertAlmostEqual(watts, got["kernels"][0]["avg"]["power_w"], places=4)

    def test_no_kernel(self):
        done = self.run_it("-a", "true", code=1, FAKE_NCU="nothing")
        self.assertIn("no kernel was profiled: the program ran on the CPU only", done.stderr)
        self.assertFalse(os.path.exists(self.path("predictions.csv")))

    def test_no_permission_names_the_remedy(self):
        done = self.run_it("-a", "true", code=1, FAKE_NCU="permission")
        self.assertIn("NVreg_RestrictProfilingToAdminUsers=0", done.stderr)

    def test_no_ncu(self):
        done = self.run_it("-a", "true", code=1, PATH="/usr/bin:/bin")
        self.assertIn("Nsight Compute (ncu) is not installed", done.stderr)
        done = self.run_it("-a", "true", "--ncu", "/nonexistent/ncu", code=2)
        self.assertIn("--ncu: there is no command /nonexistent/ncu", done.stderr)
        self.run_it("-a", "true", "--ncu", str(FAKE), PATH=os.environ["PATH"])
        os.makedirs(self.path("folders/ncu"))
        done = self.run_it("-a", "true", "--ncu", self.path("folders/ncu"), code=2)
        self.assertIn("there is no command", done.stderr)
        self.run_it("-a", "true", PATH=self.path("folders") + ":" + self.environment["PATH"])

    def test_no_program(self):
        done = self.run_it("-a", "nonesuch", code=127)
        self.assertIn("there is no command 'nonesuch'", done.stderr)

    def test_a_crash_and_garbage(self):
        self.assertIn("exit code 3", self.run_it("-a", "true", code=1, FAKE_NCU="crash").stderr)
        self.assertIn("'much' is no number",
                      self.run_it("-a", "true", code=1, FAKE_NCU="garbage").stderr)

    def test_a_profile_kept_before_is_not_taken_for_this_one(self):
        profile = self.make_profile()
        Path(self.path("dead")).write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
        os.chmod(self.path("dead"), 0o755)
        done = self.run_it("-a", "true", "--ncu", self.path("dead"), "--keep", profile, code=1)
        self.assertIn("wrote no profile", done.stderr)
        self.assertNotIn("average", done.stdout)
        os.makedirs(self.path("folder"))
        done = self.run_it("-a", "true", "--keep", self.path("folder"), code=1)
        self.assertIn("cannot write", done.stderr)

    def test_missing_metrics_are_named(self):
        done = self.run_it("-a", "true", code=1, FAKE_NCU="missing")
        self.assertIn("metrics are missing", done.stderr)
        self.assertIn("sm__pipe_alu_cycles_active.sum", done.stderr)

    def test_metrics_that_this_ncu_does_not_have_are_done_without(self):
        refused = "sm__pipe_shared_cycles_active.sum sm__pipe_tensor_cycles_active.sum"
        done = self.run_it("-a", "true", FAKE_NCU_REFUSES=refused)
        self.assertIn("average", done.stdout)
        self.assertIn("others stand for them", done.stdout)
        given = self.arguments()
        metrics = given[given.index("--metrics") + 1]
        self.assertNotIn("shared_cycles", metrics)
        self.assertIn("sm__pipe_fp64_cycles_active.sum", metrics)

    def test_an_unknown_board(self):
        done = self.run_it("-a", "true", code=2, FAKE_NCU_BOARD="Voodoo 5")
        self.assertIn("'Voodoo 5' are not known; there are: ", done.stderr)
        done = self.run_it("-a", "true", "--gpu", "a100", FAKE_NCU_BOARD="Voodoo 5")
        self.assertIn("A100-SXM4-40GB, estimated from counters", done.stdout)
        self.assertIn("The model is of a Tesla V100, carried over", done.stdout)

    def test_a_program_that_fails_still_has_its_profile(self):
        done = self.run_it("-a", "sh", "-s", "-c", "-s", "exit 7", code=7)
        self.assertIn("average", done.stdout)
        self.assertIn("ended with exit code 7", done.stderr)
        self.assertEqual(len(self.read_csv("predictions.csv")), 5)
        done = self.run_it("-a", "false", "--json", code=1)
        self.assertIn("avg", json.loads(done.stdout)["program"])

    def test_the_time_limit_ends_the_program_gently(self):
        begin = time.monotonic()
        done = self.run_it("-a", "sleep", "-s", "60", "-d", "2")
        self.assertLess(time.monotonic() - begin, 30 * SLOWNESS)
        self.assertIn("The program was ended after 2 s", done.stdout)
        self.assertIn("average", done.stdout)

    def test_the_time_limit_ends_all_of_it_firmly(self):
        done = self.run_it("-a", "sh", "-s", "-c", "-s", "trap '' TERM INT; sleep 61", "-d", f"{2 * SLOWNESS}",
                           code=1, FAKE_NCU="stubborn")
        self.assertIn("was ended after", done.stderr)
        self.wait_for(lambda: "sleep 61" not in subprocess.run(
            ["ps", "ax", "-o", "args"], capture_output=True, text=True, check=True).stdout)

    def test_a_signal_ends_all_of_it(self):
        process = self.start("estimate", "-a", "sleep", "-s", "62")
        self.wait_for_file("arguments")
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(30 * SLOWNESS), 128 + signal.SIGTERM)


class Profile(Estimate):
    def test_a_profile_made_before(self):
        profile = self.make_profile()
        done = self.run_it("-c", profile, "-a", "/bin/echo")
        self.assertIn("-a /bin/echo is not run", done.stderr)
        self.assertIn("average", done.stdout)

    def test_the_profile_of_this_folder(self):
        self.make_profile()
        first = self.run_it().stdout
        self.assertIn("average", first)
        self.assertEqual(self.run_it().stdout, first)  # what was written is no profile
        Path(self.path("other.csv")).write_text("a,b\n1,2\n", encoding="utf-8")
        self.run_it()
        shutil.copy(self.path("profile.csv"), self.path("second.csv"))
        self.assertIn("several CSVs", self.run_it(code=2).stderr)

    def spoil(self, name, change):
        text = Path(self.make_profile()).read_text(encoding="utf-8")
        Path(self.path(name)).write_bytes(change(text))
        return self.run_it("-c", name)

    def test_what_is_lost_is_told(self):
        self.make_profile()
        lines = Path(self.path("profile.csv")).read_text(encoding="utf-8").splitlines()
        spoilt = ["epoch 1", *lines[:-1], "50 %" + lines[-1]]
        Path(self.path("spoilt.csv")).write_text("\n".join(spoilt) + "\n", encoding="utf-8")
        done = self.run_it("-c", "spoilt.csv")
        self.assertIn(f"cannot be read: 1, the first in line {len(spoilt)}", done.stdout)
        self.assertIn("none of the table's: 1, the first is line 1", done.stdout)
        got = json.loads(self.run_it("-c", "spoilt.csv", "--json").stdout)
        self.assertEqual(got["profile"], {"foreign_lines": 1, "foreign_line": 1,
                                          "broken_rows": 1, "broken_line": len(spoilt)})

    def test_a_profile_of_powershell_and_of_a_spreadsheet(self):
        want = self.run_it("-c", self.make_profile()).stdout
        self.assertEqual(self.spoil("16.csv", lambda text: text.encode("utf-16")).stdout, want)
        os.remove(self.path("profile.csv"))
        self.assertEqual(self.run_it().stdout, want)  # it is found in the folder, too
        semicolons = self.spoil("semi.csv", lambda text: text.replace('","', '";"').encode())
        self.assertEqual(semicolons.stdout, want)

    def test_processes_and_boards_are_told_apart(self):
        text = Path(self.make_profile()).read_text(encoding="utf-8")
        text = text.replace('"4242"', '"11"', 1).replace('"0","7.0"', '"1","7.0"', 1)
        Path(self.path("two.csv")).write_text(text, encoding="utf-8")
        done = self.run_it("-c", "two.csv")
        self.assertRegex(done.stdout, r"kernel +process +gpu +launches")
        self.assertRegex(done.stdout, r"saxpy.*true \(11\) +1 ")
        self.assertRegex(done.stdout, r"saxpy.*true \(4242\) +0 ")
        self.assertIn("several GPUs: watts are those of one GPU", " ".join(done.stdout.split()))
        self.assertNotIn("several GPUs", self.run_it("-c", self.path("profile.csv")).stdout)
        self.run_it("-c", "two.csv")
        features = self.read_csv("extracted_features.csv")
        self.assertEqual([(row["pid"], row["gpu"]) for row in features],
                         [("11", "1"), ("4242", "0"), ("4242", "0")])
        rows = [row for row in self.read_csv("predictions.csv") if row["kernel"]]
        self.assertEqual([(row["pid"], row["gpu"], row["board"]) for row in rows],
                         [("11", "1", "Tesla V100"), ("4242", "0", "Tesla V100"),
                          ("4242", "0", "Tesla V100")])

    def test_a_board_that_contradicts_the_profile_is_told(self):
        profile = self.make_profile()
        said = " ".join(self.run_it("-c", profile, "--gpu", "a100").stdout.split())
        self.assertIn("made on a Tesla V100, --gpu names the A100-SXM4-40GB", said)
        self.assertNotIn("--gpu names the", self.run_it("-c", profile, "--gpu", "v100").stdout)

    def test_a_board_without_a_name(self):
        text = Path(self.make_profile()).read_text(encoding="utf-8")
        Path(self.path("x.csv")).write_text(text.replace('"Tesla V100"', '""'), encoding="utf-8")
        self.assertIn("taken for a Tesla V100", self.run_it("-c", "x.csv").stdout)
        self.assertNotIn("taken for", self.run_it("-c", "x.csv", "--gpu", "v100").stdout)
        Path(self.path("x.csv")).write_text(text.replace('"Tesla V100"', '""')
                                            .replace('"7.0"', '"9.0"'), encoding="utf-8")
        done = self.run_it("-c", "x.csv", code=2)
        self.assertIn("compute capability 9.0 may be any of these: H100 PCIe", done.stderr)
        self.assertIn("--gpu names one", done.stderr)

    def test_no_profile(self):
        self.assertIn("there is no CSV of Nsight Compute", self.run_it(code=2).stderr)
        self.assertIn("cannot open nope.csv", self.run_it("-c", "nope.csv", code=2).stderr)
        Path(self.path("x.csv")).write_text("hello\n", encoding="utf-8")
        self.assertIn("x.csv: there is no table", self.run_it("-c", "x.csv", code=2).stderr)

    def test_nothing_can_be_written(self):
        profile = self.make_profile()
        Path(self.path("file")).write_text("", encoding="utf-8")
        self.assertIn("cannot", self.run_it("-c", profile, "-o", "file", code=1).stderr)

    def test_gpu_profiler_is_the_same(self):
        os.symlink(JOULEMETER, self.path("bin/gpu_profiler"))
        profile = self.make_profile()
        theirs = self.run_it("-m", "all", "-c", profile, command=(self.path("bin/gpu_profiler"),))
        self.assertEqual(theirs.stdout, self.run_it("-m", "all", "-c", profile).stdout)
        for kind, word in (("min", "min  "), ("avg", "average"), ("peak", "peak ")):
            done = self.run_it("-m", kind, command=(self.path("bin/gpu_profiler"),))
            self.assertIn(f"\n{word}", done.stdout)


class Training(Estimate):
    def write_rows(self, name="rows.csv", count=24):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(ROWS)
            for i in range(count):
                sm, pipes, dram = 0.5 + i % 5 / 10, i % 7 / 7, i % 4 / 4
                watts = 50 + 60 * sm + 80 * pipes + 30 * dram
                file.write(f"p{i // 2},k{i},V100,{watts},{watts - 20},{watts + 30},{sm},{pipes},"
                           f"{dram}\n")

    def test_a_model_of_ones_own(self):
        self.write_rows()
        done = self.run_it("train", "rows.csv", "-o", "model.json")
        for words in ("min      24 rows of 12 programs", "average  24 rows", "peak     24 rows",
                      "error, program left out     0.0 %", "error, row left out"):
            self.assertIn(words, done.stdout)
        with open(self.path("model.json"), encoding="utf-8") as file:
            model = json.load(file)
        self.assertIn("program_left_out_pct", model["power"]["peak"]["validation"])
        profile = self.make_profile()
        got = json.loads(self.run_it("-c", profile, "--model", "model.json", "--json").stdout)
        average = 50 + 60 * 0.9 + 80 * 0.3 + 30 * 400e6 / 1e-3 / 900e9
        self.assertAlmostEqual(got["program"]["avg"]["power_w"], average, places=1)
        self.assertAlmostEqual(got["program"]["peak"]["power_w"], average + 30, places=1)
        self.assertEqual(got["program"]["peak"]["flags"], [])
        own = got["program"]["peak"]["power_upper_w"] - got["program"]["peak"]["power_w"]
        self.assertLess(own, 1)  # of its own errors, which are next to nothing here

    def test_a_temperature_that_changes_nothing_is_told(self):
        profile = self.make_profile()
        told = "does not know the temperature"
        self.assertIn(told, self.run_it("-c", profile, "--temperature", "80").stdout)
        self.assertNotIn(told, self.run_it("-c", profile).stdout)
        with open(self.path("warm.csv"), "w", encoding="utf-8") as file:
            file.write("program,kernel,board,power_avg_w,sm_active,temperature\n")
            for i in range(12):
                file.write(f"p{i},k,V100,{100 + i % 3 * 10},0.9,{i % 3 / 10}\n")
        self.run_it("train", "warm.csv", "-o", "warm.json")
        done = self.run_it("-c", profile, "--model", "warm.json", "--temperature", "45")
        self.assertNotIn(told, done.stdout)
        self.assertIn("average  120 W", done.stdout)

    def test_any_source_can_be_read_again(self):
        self.write_rows()
        profile = self.make_profile()
        odd = os.fsencode(self.path("r")) + b"\xff.csv"
        shutil.copy(self.path("rows.csv"), odd)
        for rows, more in ((odd, ()), (self.path("rows.csv"), ("--source", "x" * 5000))):
            self.run_it("train", rows, "-o", "model.json", *more)
            self.assertIn("model of a", self.run_it("-c", profile, "--model", "model.json").stdout)
        done = self.run_it("train", "rows.csv", "--source", "x" * 9000, code=2)
        self.assertIn("the source is longer than 8192 bytes", done.stderr)

    def test_an_empty_cell_is_told(self):
        self.write_rows()
        text = Path(self.path("rows.csv")).read_text(encoding="utf-8").splitlines()
        text[5] = text[5].rsplit(",", 1)[0] + ","
        Path(self.path("rows.csv")).write_text("\n".join(text) + "\n", encoding="utf-8")
        done = self.run_it("train", "rows.csv")
        self.assertIn("! 1 row without dram left out: line 6 (p2, k4)", done.stdout)
        self.assertIn("average  23 rows of 12 programs", done.stdout)
        self.assertIn("12 programs bear out", done.stdout)

    def test_extracted_features_and_watts_are_rows(self):
        profile = self.make_profile()
        self.run_it("-c", profile)
        row = self.read_csv("extracted_features.csv")[0]
        with open(self.path("mine.csv"), "w", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [*row, "power_avg_w"])
            writer.writeheader()
            for i in range(12):
                writer.writerow(row | {"program": f"p{i // 2}", "power_avg_w": 100 + i,
                                       "pipes": 0.1 + i / 20})
        self.assertIn("12 rows of 6 programs", self.run_it("train", "mine.csv").stdout)

    def test_what_is_wrong_with_training(self):
        self.assertIn("which data?", self.run_it("train", code=2).stderr)
        self.assertIn("cannot open", self.run_it("train", "nope.csv", code=2).stderr)
        self.write_rows(count=4)
        self.assertIn("too few", self.run_it("train", "rows.csv", code=2).stderr)
        self.write_rows()
        self.assertIn("cannot write", self.run_it("train", "rows.csv", "-o", "no/m.json",
                                                  code=1).stderr)
        Path(self.path("m.json")).write_text("{}", encoding="utf-8")
        profile = self.make_profile()
        done = self.run_it("-c", profile, "--model", "m.json", code=2)
        self.assertIn("m.json: this is no power model", done.stderr)

    def test_collecting_rows(self):
        for seconds in ("2.5", "2.6"):
            done = self.run_it("collect", "-o", "rows.csv", "--simulate", "h100,constant:300",
                               "--skip", "2", "--launches", "5", "--", "sleep", seconds)
            self.assertIn("added to rows.csv", done.stdout)
        given = self.arguments()
        self.assertEqual(given[given.index("--launch-count") + 1], "5")
        self.assertEqual(given[given.index("--launch-skip") + 1], "2")
        rows = self.read_csv("rows.csv")
        self.assertEqual(len(rows), 2)
        self.assertEqual(rows[0]["program"], "sleep")
        self.assertEqual(rows[0]["kernel"], "saxpy(float *, int)")
        self.assertEqual(rows[0]["board"], "H100 SXM")
        self.assertLess(abs(float(rows[0]["power_avg_w"]) - 300), 45)
        self.assertLessEqual(float(rows[0]["power_min_w"]), float(rows[0]["power_avg_w"]))
        self.assertGreaterEqual(float(rows[0]["power_peak_w"]), float(rows[0]["power_avg_w"]))
        self.assertAlmostEqual(float(rows[0]["pipes"]), 0.3)
        self.assertTrue(0 < float(rows[0]["temperature"]) < 1)

    def test_a_kernel_without_a_time_does_not_outweigh_the_rest(self):
        self.run_it("collect", "--simulate", "h100,constant:300", "--", "sleep", "2.5",
                    FAKE_NCU="untimed")
        self.assertAlmostEqual(float(self.read_csv("rows.csv")[0]["pipes"]), 0.3)

    def test_rows_are_added_to_rows(self):
        run = ("collect", "--simulate", "h100,constant:300", "--", "sleep", "2.5")
        self.run_it(*run)
        rows = Path(self.path("rows.csv"))
        rows.write_text(rows.read_text(encoding="utf-8").rstrip("\n"), encoding="utf-8")
        self.run_it(*run)
        self.assertEqual([row["program"] for row in self.read_csv("rows.csv")], ["sleep"] * 2)
        rows.write_text("program,kernel,power_avg_w\np,k,1\n", encoding="utf-8")
        done = self.run_it("collect", "--simulate", "h100", "--", "touch", self.path("it-ran"),
                           code=2)
        self.assertIn("rows.csv has other columns", done.stderr)
        self.assertFalse(os.path.exists(self.path("it-ran")))
        self.assertEqual(rows.read_text(encoding="utf-8"), "program,kernel,power_avg_w\np,k,1\n")

    def test_nothing_is_run_that_cannot_become_a_row(self):
        run = ("--", "touch", self.path("it-ran"))
        for options, code, words, environment in (
                ((), 1, "Nsight Compute (ncu) is not installed", {"PATH": "/usr/bin:/bin"}),
                (("--ncu", "/nonexistent/ncu"), 2, "there is no command", {}),
                (("--board", "Voodoo"), 2, "'Voodoo' are not known", {})):
            done = self.run_it("collect", "--simulate", "h100", *options, *run, code=code,
                               **environment)
            self.assertIn(words, done.stderr)
            self.assertFalse(os.path.exists(self.path("it-ran")))
            self.assertFalse(os.path.exists(self.path("rows.csv")))

    def test_a_program_that_fails_under_ncu_gives_no_row(self):
        script = "[ -e arguments ] && exit 5; sleep 2.5"
        done = self.run_it("collect", "--simulate", "h100", "--", "sh", "-c", script, code=5)
        self.assertIn("ended with exit code 5", done.stderr)
        self.assertFalse(os.path.exists(self.path("rows.csv")))

    def test_what_cannot_be_collected(self):
        self.assertIn("which command?", self.run_it("collect", code=2).stderr)
        self.assertIn("there is no GPU", self.run_it("collect", "--", "true", code=1).stderr)
        done = self.run_it("collect", "--simulate", "h100", "--", "false", code=1)
        self.assertIn("exit code 1", done.stderr)
        done = self.run_it("collect", "--simulate", "h100", "--", "true", code=1)
        self.assertIn("too short", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
