"""`joulemeter run` is invisible to the command: signals, exit codes, streams, terminal or none."""

import contextlib
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
import unittest

from common import JOULEMETER, SLOWNESS, FolderTest

# Whoever runs these tests in the background may have them ignored, which commands would inherit.
for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
    signal.signal(number, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


class RunTest(FolderTest):
    def run_command(self, *arguments, **more):
        settings = {"capture_output": True, "env": self.environment, "cwd": self.folder,
                    "timeout": 60 * SLOWNESS} | more
        return subprocess.run([JOULEMETER, "run", *arguments], **settings)

    def start(self, *arguments, **more):
        return super().start("run", *arguments, **more)


class ExitCodes(RunTest):
    def test_every_exit_code(self):
        for code in (0, 1, 2, 42, 125, 126, 127, 128, 255):
            self.assertEqual(self.run_command("-q", "--", "sh", "-c", f"exit {code}").returncode,
                             code)

    def test_death_by_signal(self):
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGSEGV,
                       signal.SIGABRT, signal.SIGPIPE, signal.SIGHUP, signal.SIGRTMIN):
            with self.subTest(signal=number):
                done = self.run_command("-q", "--", "sh", "-c", f"kill -{int(number)} $$")
                self.assertEqual(done.returncode, -number)

    def test_no_recording_of_a_command_that_did_not_start(self):
        with open(self.path("bad.sh"), "w", encoding="utf-8") as file:
            file.write("#!/nonexistent/interpreter\n")
        os.chmod(self.path("bad.sh"), 0o755)
        for command, code in (("./bad.sh", 127), ("./absent", 127), (self.folder, 126)):
            done = self.run_command("-o", "a.jm", "--", command)
            self.assertEqual(done.returncode, code)
            self.assertFalse([name for name in os.listdir(self.folder) if "a.jm" in name])
        self.assertEqual(self.run_command("-q", "-o", "a.jm", "--", "true").returncode, 0)

    def test_no_core_of_joulemeter(self):
        self.run_command("-q", "--", "sh", "-c", "kill -SEGV $$")
        self.assertFalse([name for name in os.listdir(self.folder) if "core" in name])


class Streams(RunTest):
    def test_large_input_and_output(self):
        data = os.urandom(8 << 20)
        done = self.run_command("-q", "cat", input=data)
        self.assertEqual(done.stdout, data)
        self.assertEqual(done.stderr, b"")

    def test_summary_goes_to_stderr_only(self):
        done = self.run_command("echo", "x")
        self.assertEqual(done.stdout, b"x\n")
        self.assertIn(b"joulemeter", done.stderr)
        self.assertNotIn(b"\x1b", done.stderr)

    def test_quiet_says_nothing(self):
        done = self.run_command("-q", "true")
        self.assertEqual((done.stdout, done.stderr), (b"", b""))

    def test_stderr_that_nobody_reads(self):
        reading, writing = os.pipe()
        os.close(reading)
        done = self.run_command("sh", "-c", "exit 5", capture_output=False,
                                stdout=subprocess.DEVNULL, stderr=writing)
        os.close(writing)
        self.assertEqual(done.returncode, 5)

    def test_json_follows_the_output(self):
        done = self.run_command("-q", "--json", "--", "echo", "first")
        first, rest = done.stdout.split(b"\n", 1)
        self.assertEqual(first, b"first")
        self.assertEqual(json.loads(rest)["command"], "echo first")

    def test_descriptors_are_passed_on(self):
        reading, writing = os.pipe()
        try:
            self.run_command("-q", "--", "sh", "-c", f"echo through >&{writing}",
                             pass_fds=[writing])
            self.assertEqual(os.read(reading, 100), b"through\n")
        finally:
            os.close(reading)
            os.close(writing)

    def test_no_descriptor_leaks(self):
        done = self.run_command("-q", "-o", "a.jm", "--", "sh", "-c", "ls /proc/$$/fd")
        open_ones = {int(line) for line in done.stdout.split()}
        # 0, 1, 2 and at most the memory through which the command can add its ranges
        self.assertLessEqual(len(open_ones - {0, 1, 2}), 1, open_ones)


class Signals(RunTest):
    SCRIPT = "trap 'echo got $0; exit 9' {}; echo ready; touch ready; while :; do sleep 0.05; done"

    def test_signals_go_on_to_the_command(self):
        for name in ("TERM", "INT", "HUP", "QUIT", "USR1", "USR2"):
            with self.subTest(signal=name):
                process = self.start("-q", "--", "sh", "-c", self.SCRIPT.format(name))
                self.wait_for_file("ready")
                process.send_signal(getattr(signal, "SIG" + name))
                self.assertEqual(process.wait(20 * SLOWNESS), 9)
                os.unlink(self.path("ready"))

    def test_a_command_that_ignores_it_goes_on(self):
        process = self.start("-q", "--", "sh", "-c",
                             "trap '' TERM; touch ready; sleep 0.5; exit 4")
        self.wait_for_file("ready")
        process.terminate()
        self.assertEqual(process.wait(20 * SLOWNESS), 4)

    def test_many_signals_at_once(self):
        process = self.start("-q", "--", "sh", "-c",
                             "trap : USR1; touch ready; for i in 1 2 3 4 5 6 7 8; do sleep 0.05; "
                             "done; exit 6")
        self.wait_for_file("ready")
        for _ in range(200):
            process.send_signal(signal.SIGUSR1)
        self.assertEqual(process.wait(20 * SLOWNESS), 6)

    def test_what_was_ignored_stays_ignored(self):
        def ignore():
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

        done = self.run_command("-q", "--", "sh", "-c", "kill -HUP $$; echo alive",
                                preexec_fn=ignore)
        self.assertEqual(done.stdout, b"alive\n")

    def test_masks_and_handlers_are_the_callers(self):
        script = ("import signal\n"
                  "print(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])))\n"
                  "print([s for s in (2, 15, 1, 3, 10, 12, 17, 18, 20)\n"
                  "       if signal.getsignal(s) not in (signal.SIG_DFL, signal.default_int_handler)])")
        bare = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
        measured = self.run_command("-q", "--", sys.executable, "-c", script)
        self.assertEqual(measured.stdout, bare.stdout)

    def test_sigchld_that_the_caller_ignores(self):
        def ignore():
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)

        self.assertEqual(self.run_command("-q", "--", "sh", "-c", "exit 3",
                                          preexec_fn=ignore).returncode, 3)

    def test_the_recording_survives_an_interrupt(self):
        process = self.start("-o", "a.jm", "--simulate", "h100,constant:300", "--", "sh", "-c",
                             "touch ready; sleep 30")
        self.wait_for_file("ready")
        time.sleep(0.3)
        os.killpg(process.pid, signal.SIGINT)  # as the terminal does it
        _, shown = process.communicate(timeout=30 * SLOWNESS)
        self.assertEqual(process.returncode, -signal.SIGINT)
        self.assertIn(b"ended by signal 2", shown)
        done = subprocess.run([JOULEMETER, "show", "--json", "a.jm"], capture_output=True,
                              env=self.environment, cwd=self.folder, check=True)
        summary = json.loads(done.stdout)
        self.assertEqual(summary["exit_code"], 130)
        self.assertGreater(summary["total"]["upper_j"], 0)

    def test_the_recording_survives_sigkill(self):
        process = self.start("-q", "-o", "a.jm", "--simulate", "h100,constant:300", "--", "sh",
                             "-c", "touch ready; sleep 30")
        self.wait_for_file("ready")
        time.sleep(2.5)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        done = subprocess.run([JOULEMETER, "show", "--json", "a.jm"], capture_output=True,
                              env=self.environment, cwd=self.folder, check=True)
        summary = json.loads(done.stdout)
        self.assertGreater(summary["duration_s"], 1)
        self.assertGreater(summary["total"]["energy_j"], 100)
        os.rename(self.path("a.jm"), self.path("b.jm"))  # and its journal stays behind
        done = subprocess.run([JOULEMETER, "show", "b.jm"], capture_output=True, text=True,
                              env=self.environment, cwd=self.folder, check=True)
        shown = " ".join(done.stdout.split())
        self.assertIn("the recording was cut off before any reading", shown)
        self.assertIn("If there is a b.jm-wal where the file comes from, put it beside", shown)
        self.assertNotIn("doctor", shown)

    def test_stop_and_continue(self):
        process = self.start("-q", "--", "sh", "-c", "touch ready; sleep 0.3; exit 8")
        self.wait_for_file("ready")
        process.send_signal(signal.SIGTSTP)
        self.wait_for(lambda: self.state(process.pid) == "T")
        process.send_signal(signal.SIGCONT)
        self.assertEqual(process.wait(20 * SLOWNESS), 8)

    @staticmethod
    def state(pid):
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0]

    def test_interrupt_during_the_baseline(self):
        process = self.start("-b", "30", "-o", "a.jm", "--", "touch", "started")
        time.sleep(0.5 * SLOWNESS)
        process.send_signal(signal.SIGINT)
        _, shown = process.communicate(timeout=20 * SLOWNESS)
        self.assertEqual(process.returncode, 130)
        self.assertIn(b"before the command began", shown)
        self.assertFalse(os.path.exists(self.path("started")))
        self.assertFalse(os.path.exists(self.path("a.jm")))


class Hardware(RunTest):
    """GPUs that are there and are not measured: the recording says why."""

    def warnings(self, spec, **settings):
        library = os.environ.get("JOULEMETER_SIMGPU_LIBRARY", "build/simgpu/libnvidia-ml.so.1")
        self.environment |= {"JOULEMETER_NVML_LIBRARY": os.path.abspath(library),
                             "JOULEMETER_SIMGPU": spec} | settings
        done = self.run_command("-q", "--json", "--", "true")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return " ".join(json.loads(done.stdout)["warnings"])

    def test_a_driver_that_hangs_while_it_starts(self):
        begin = time.monotonic()
        self.assertIn("driver does not answer", self.warnings("2*h100,fault=hang@5"))
        self.assertLess(time.monotonic() - begin, 8 * SLOWNESS)

    def test_a_driver_that_does_not_start(self):
        self.assertIn("driver does not start", self.warnings("h100,fault=nosym=nvmlInit_v2"))

    def test_gpus_that_are_hidden(self):
        self.assertIn("hides every GPU", self.warnings("h100", CUDA_VISIBLE_DEVICES="9"))
        self.assertIn("stop before it", self.warnings("2*h100", CUDA_VISIBLE_DEVICES="1,7"))

    def test_a_gpu_that_is_lost(self):
        self.assertIn("gpu0: Not available: the GPU is lost", self.warnings("h100,fault=lost@0"))

    def test_a_driver_that_hangs_later(self):
        begin = time.monotonic()
        done = self.run_command("--json", "--simulate", "4*h100,constant:200,fault=hang@300", "--",
                                "sleep", "3")
        self.assertLess(time.monotonic() - begin, 7 * SLOWNESS)
        summary = json.loads(done.stdout)
        self.assertIn("driver of gpu0, gpu1, gpu2, gpu3 does not answer",
                      " ".join(summary["warnings"]))
        self.assertFalse([text for text in summary["warnings"] if text.startswith("cpu0: only")])


class Files(RunTest):
    def test_one_program_writes_a_recording(self):
        first = self.start("-q", "-o", "a.jm", "--", "sh", "-c", "touch ready; read x",
                           stdin=subprocess.PIPE)
        self.wait_for_file("ready")
        second = self.run_command("-f", "-o", "a.jm", "--", "touch", "started")
        self.assertEqual(second.returncode, 2)
        self.assertIn(b"a.jm is being recorded into by another program", second.stderr)
        self.assertFalse(os.path.exists(self.path("started")))
        _, shown = first.communicate(b"go on\n", timeout=20 * SLOWNESS)
        self.assertEqual((first.returncode, shown), (0, b""))
        self.assertEqual(self.run_command("-q", "-f", "-o", "a.jm", "--", "true").returncode, 0)

    def test_a_recording_that_is_removed_comes_back(self):
        done = self.run_command("-o", "a.jm", "--", "sh", "-c", "rm a.jm; exit 3")
        self.assertEqual(done.returncode, 3)
        self.assertIn(b"a.jm was removed while it was written", done.stderr)
        self.assertTrue(os.path.exists(self.path("a.jm")))


class Damage(RunTest):
    def setUp(self):
        super().setUp()
        self.run_command("-q", "-o", "a.jm", "--simulate", "h100,constant:300", "--", "sleep", "1",
                         check=True)
        with contextlib.closing(sqlite3.connect(self.path("a.jm"))) as database, database:
            database.execute("UPDATE sample SET t_ns = 5 WHERE sensor = (SELECT id FROM sensor "
                             "WHERE source = 'nvml memory clock')")

    def joulemeter(self, *arguments):
        return subprocess.run([JOULEMETER, *arguments], capture_output=True, text=True,
                              env=self.environment, cwd=self.folder, check=True)

    def test_a_side_sensor_costs_no_energy(self):
        summary = json.loads(self.joulemeter("show", "--json", "a.jm").stdout)
        self.assertGreater(summary["total"]["energy_j"], 100)
        self.assertEqual(summary["total"]["measured"], 1)
        self.assertEqual([text for text in summary["warnings"] if "memory clock" in text],
                         ["gpu0: readings of nvml memory clock cannot be read, the file is "
                          "damaged: they count as failed"])

    def test_the_rest_is_exported(self):
        done = self.joulemeter("export", "a.jm", "out")
        self.assertEqual(done.stderr.count("readings of nvml memory clock cannot be read"), 1)
        with open(self.path("out/samples.csv"), encoding="utf-8") as file:
            self.assertIn("nvml power_instant", file.read())


class Processes(RunTest):
    def test_orphans_are_not_waited_for(self):
        begin = time.monotonic()
        done = self.run_command("--", "sh", "-c", "sleep 30 >/dev/null 2>&1 & sleep 0.1; echo $!")
        self.assertLess(time.monotonic() - begin, 20 * SLOWNESS)
        self.assertIn(b"still runs (sleep)", done.stderr)
        os.kill(int(done.stdout), signal.SIGKILL)

    def test_orphans_that_end_are_reaped(self):
        done = self.run_command("--", "sh", "-c", "(sleep 0.1 & ) ; sleep 0.6")
        self.assertNotIn(b"still run", done.stderr)

    def test_run_within_run(self):
        done = self.run_command("-q", "--", JOULEMETER, "run", "-q", "--", "sh", "-c", "exit 3")
        self.assertEqual(done.returncode, 3)

    def test_large_environment_and_arguments(self):
        self.environment["BIG"] = "x" * 120000
        done = self.run_command("-q", "--", "sh", "-c", "echo ${#BIG} $#", "sh", *["a" * 100] * 9000)
        self.assertEqual(done.stdout, b"120000 9000\n")

    def test_odd_names_and_bytes(self):
        strange = b"a\xff\x1b[31m\n\t'\"\\"
        done = self.run_command("--json=a.json", "--", "printf", "%s", strange)
        self.assertEqual(done.stdout, strange)
        self.assertNotIn(b"\x1b", done.stderr)
        with open(self.path("a.json"), encoding="utf-8") as file:
            self.assertIn("printf", json.load(file)["command"])

    def test_limits_on_files_and_memory(self):
        def limit(what, size):
            return lambda: resource.setrlimit(what, (size, size))

        for what, size, said in ((resource.RLIMIT_FSIZE, 1 << 20, b"inside cannot join"),
                                 (resource.RLIMIT_FSIZE, 20 << 20, b"only 8 threads"),
                                 (resource.RLIMIT_AS, 250 << 20, b"only 64 threads")):
            if what == resource.RLIMIT_AS and SLOWNESS > 1:
                continue  # sanitizers need much address space themselves
            with self.subTest(size=size):
                done = self.run_command("--", "sh", "-c", "exit 4", preexec_fn=limit(what, size))
                self.assertEqual(done.returncode, 4)
                self.assertIn(said, b" ".join(done.stderr.split()))

    def test_overhead(self):
        def median(command):
            times = []
            for _ in range(15):
                begin = time.perf_counter()
                subprocess.run(command, env=self.environment, check=True,
                               stderr=subprocess.DEVNULL)
                times.append(time.perf_counter() - begin)
            return sorted(times)[7]

        extra = median([JOULEMETER, "run", "--", "true"]) - median(["true"])
        self.assertLess(extra, 0.02 * SLOWNESS)


class Logbooks(RunTest):
    def test_one_that_may_not_be_written_is_said_before_the_run(self):
        os.chmod(self.folder, 0o755)
        book = self.path("log.db")
        self.environment |= {"JOULEMETER_LOG_PATH": book, "HOME": self.folder}
        self.assertEqual(self.run_command("-q", "--log", "--", "true").returncode, 0)
        os.chmod(book, 0o444)
        other = {"user": 65534, "extra_groups": ()} if os.getuid() == 0 else {}
        done = self.run_command("-q", "--log", "--", "echo", "ran", **other)
        self.assertEqual((done.returncode, done.stdout), (2, b""))
        self.assertIn(f"cannot write {book}: Permission denied".encode(), done.stderr)


class Locales(RunTest):
    def test_numbers_are_the_same_everywhere(self):
        for locale in ("C", "C.UTF-8", "de_DE.UTF-8", "nonsense"):
            with self.subTest(locale=locale):
                self.environment["LC_ALL"] = locale
                done = self.run_command("--json=a.json", "-i", "0.5", "--simulate",
                                        "h100,constant:300", "--", "sleep", "0.3")
                self.assertEqual(done.returncode, 0)
                with open(self.path("a.json"), encoding="utf-8") as file:
                    self.assertGreater(json.load(file)["duration_s"], 0.3)
                self.assertEqual(b"\xc2\xb1" in done.stderr, "UTF" in locale and
                                 b"+-" not in done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
