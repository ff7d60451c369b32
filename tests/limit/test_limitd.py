"""joulemeter-limitd and its clients: good ones, competing ones, hostile ones."""

import grp
import os
import re
import resource
import signal
import socket
import stat
import subprocess
import sys
import time
import unittest
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from common import JOULEMETER, SLOWNESS, FolderTest

LIMITD = os.environ.get("JOULEMETER_LIMITD", "")
SIMGPU = os.environ.get("JOULEMETER_SIMGPU_LIBRARY", "")
TRUTH = os.path.join(os.path.dirname(SIMGPU), "simgpu-truth")
NOBODY = 65534
CAP_SYS_ADMIN = 1 << 21
ROOT = os.geteuid() == 0


class Client:
    """A connection that says what it likes."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20 * SLOWNESS)
        while True:
            try:
                self.socket.connect(path)
                return
            except BlockingIOError:  # so many wait to be accepted already
                time.sleep(0.005)

    def say(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode() + b"\n")

    def hear(self):
        """The next line; "" if the connection is over."""
        line = b""
        while not line.endswith(b"\n"):
            try:
                byte = self.socket.recv(1)
            except ConnectionError:
                return ""
            if not byte:
                return ""
            line += byte
        return line.decode().rstrip("\n")

    def ask(self, line):
        try:
            self.say(line)
        except ConnectionError:  # it was refused, and may be told why
            pass
        return self.hear()

    def close(self):
        self.socket.close()


@unittest.skipUnless(os.path.exists(TRUTH) and os.path.exists(LIMITD), "there is no simulated GPU, or no daemon")
class DaemonTest(FolderTest):
    config = "least_w = 250\nmost_w = 600\n"
    spec = "2*h100"

    def setUp(self):
        super().setUp()
        os.chmod(self.folder, 0o755)
        self.boards = self.path("boards")
        self.socket = self.path("limitd.sock")
        self.environment |= {"JOULEMETER_SIMGPU_STATE": self.boards, "JOULEMETER_NVML_LIBRARY": SIMGPU,
                             "JOULEMETER_LIMITD_SOCKET": self.socket}
        self.create(self.spec)
        self.clients = []
        self.addCleanup(lambda: [client.close() for client in self.clients])
        self.daemon = self.serve(self.config)

    def create(self, spec):
        subprocess.run([TRUTH, "--create", self.boards, spec], check=True)
        os.chmod(self.boards, 0o666)
        listed = subprocess.run([TRUTH, self.boards], check=True, capture_output=True, text=True).stdout
        self.uuids = re.findall(r"^board \d+ (\S+)", listed, re.M)

    def start_daemon(self, config, *arguments, **more):
        with open(self.path("limitd.conf"), "w", encoding="utf-8") as file:
            file.write(config)
        self.log = self.path("log")
        with open(self.log, "ab") as log:
            process = subprocess.Popen([LIMITD, "--socket", self.socket, "--config", self.path("limitd.conf"),
                                        *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                                       env=self.environment | {"JOULEMETER_SIMGPU_ALLOW_LIMIT": "1"}, **more)
        self.addCleanup(self.end, process)
        return process

    def serve(self, config, **more):
        ready = self.said().count(": ready") if os.path.exists(self.path("log")) else 0
        process = self.start_daemon(config, **more)
        self.wait_for(lambda: process.poll() is not None or self.said().count(": ready") > ready)
        self.assertIsNone(process.poll(), self.said())
        return process

    def said(self):
        try:
            with open(self.path("log"), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def connect(self):
        client = Client(self.socket)
        self.clients.append(client)
        return client

    def watts(self):
        lines = subprocess.run([TRUTH, "--limits", self.boards], check=True, capture_output=True, text=True).stdout
        return [float(line.split()[1]) for line in lines.splitlines()]

    def wait_for_watts(self, *watts, seconds=2):
        until = time.monotonic() + seconds * SLOWNESS
        while self.watts() != list(watts):
            self.assertLess(time.monotonic(), until, f"{self.watts()}, not {watts}: {self.said()}")
            time.sleep(0.005)

    def limit(self, *arguments, code=0):
        """`joulemeter limit` of somebody whom the driver refuses."""
        done = subprocess.run([JOULEMETER, "limit", *arguments], cwd=self.folder, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=60 * SLOWNESS,
                              env=self.environment | {"JOULEMETER_SIMGPU_ALLOW_LIMIT": "0"})
        self.assertEqual(done.returncode, code, done.stdout + done.stderr + self.said())
        return done.stdout, done.stderr

    def assert_serves(self):
        self.assertIsNone(self.daemon.poll(), self.said())
        self.assertEqual(self.connect().ask("hello 1"), "ok 1")


def as_nobody(talk, path, groups=(), uid=NOBODY):
    """What `talk` returns (a list of texts) of a connection of a user without rights."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        warnings.simplefilter("ignore")
        try:
            os.setgroups(groups)
            os.setgid(NOBODY)
            os.setuid(uid)
            os.write(writer, "\n".join(talk(path)).encode())
        except BaseException as error:
            os.write(writer, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        said = file.read()
    os.waitpid(child, 0)
    return said.split("\n")


class GoodClients(DaemonTest):
    def test_a_limit_for_a_command(self):
        out, err = self.limit("set", "300", "--", TRUTH, "--limits", self.boards)
        self.assertEqual(out.split()[1::3], ["300.000", "300.000"])
        self.assertEqual(self.watts(), [700, 700])
        self.assertRegex(self.said(), rf"{self.uuids[0]}: 300 W, lent by uid {os.getuid()}, process \d+ \(joulemeter\); before: 700 W")
        self.assertIn(f"{self.uuids[0]}: given back, 700 W now", self.said())

    def test_bounds_of_the_configuration(self):
        out, err = self.limit("set", "100", "--", TRUTH, "--limits", self.boards)
        self.assertIn("gpu0: 100 W is below what may be set; it is set to the least, 250 W", err)
        self.assertEqual(err.count("gpu0: 100 W"), 1)
        self.assertEqual(out.split()[1::3], ["250.000", "250.000"])
        out, err = self.limit("set", "90%", "--", "true")
        self.assertIn("gpu1: 630 W is above what may be set; it is set to the most, 600 W", err)
        client = self.connect()
        self.assertEqual(client.ask(f"bounds {self.uuids[0]} power"), "ok 250000 600000 0")
        self.assertEqual(client.ask(f"set {self.uuids[0]} power 249999"),
                         "error JM_INVALID joulemeter-limitd's configuration allows 250 W to 600 W")
        self.assertEqual(client.ask(f"set {self.uuids[0]} power 600001"),
                         "error JM_INVALID joulemeter-limitd's configuration allows 250 W to 600 W")
        self.assertEqual(client.ask(f"set {self.uuids[0]} power 250000"), "ok 250000 700000")

    def test_one_bound_is_told_as_one(self):
        for config, watts, says in (("most_w = 350\n", 351, "350 W or less"), ("least_w = 250\n", 249, "250 W or more")):
            self.daemon.terminate()
            self.daemon.wait()
            self.daemon = self.serve(config)
            self.assertEqual(self.connect().ask(f"set {self.uuids[0]} power {watts}000"),
                             f"error JM_INVALID joulemeter-limitd's configuration allows {says}")

    def test_limits_that_stay_must_be_allowed(self):
        out, err = self.limit("set", "300", "--keep", code=1)
        self.assertIn("configuration allows no limits that stay", err)
        self.daemon.terminate()
        self.daemon.wait()
        self.daemon = self.serve("keep = yes")
        self.limit("set", "300", "--keep")
        self.assertEqual(self.watts(), [300, 300])
        self.limit("reset")
        self.assertEqual(self.watts(), [700, 700])

    def test_while_a_process_runs(self):
        shell = subprocess.Popen(["sleep", "60"])
        self.limit("set", "300", "--while", str(shell.pid), "--gpu", "0")
        time.sleep(0.1)
        self.assertEqual(self.watts(), [300, 700])
        shell.kill()
        self.wait_for_watts(700, 700)
        shell.wait()

    def test_any_end_of_a_client_gives_back(self):
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV):
            process = subprocess.Popen([JOULEMETER, "limit", "set", "300", "--", "sleep", "60"], cwd=self.folder,
                                       env=self.environment | {"JOULEMETER_SIMGPU_ALLOW_LIMIT": "0"},
                                       stderr=subprocess.DEVNULL, start_new_session=True)
            self.wait_for(lambda: self.watts() == [300, 300])
            os.killpg(process.pid, number)
            process.wait()
            self.wait_for_watts(700, 700)

    def test_doctor(self):
        done = subprocess.run([JOULEMETER, "doctor"], capture_output=True, text=True, check=True,
                              env=self.environment | {"JOULEMETER_SIMGPU_ALLOW_LIMIT": "0"})
        self.assertIn("gpu1 power_limit            Can be set through joulemeter-limitd", done.stdout)

    def test_loans_of_several_clients_are_a_stack(self):
        a, b, c = self.connect(), self.connect(), self.connect()
        gpu = self.uuids[0]
        self.assertEqual(a.ask(f"set {gpu} power 500000"), "ok 500000 700000")
        self.assertEqual(b.ask(f"set {gpu} power 400000"), "ok 400000 700000")
        self.assertEqual(c.ask(f"set {gpu} power 300000"), "ok 300000 700000")
        b.close()
        self.wait_for(lambda: self.said().count("given back") == 1)
        self.assertEqual(self.watts(), [300, 700])
        self.assertEqual(c.ask(f"restore {gpu} power"), "ok 500000")
        self.assertEqual(self.watts(), [500, 700])
        self.assertEqual(a.ask("bye"), "ok")
        self.assertEqual(self.watts(), [700, 700])

    def test_two_clients_compete(self):
        """Both set as fast as they can; at the end nothing of either is left."""
        a, b = self.connect(), self.connect()
        for i in range(100):
            for client, watts in ((a, 260000 + i), (b, 560000 - i)):
                self.assertEqual(client.ask(f"set {self.uuids[i % 2]} power {watts}"), f"ok {watts} 700000")
        a.close()
        b.close()
        self.wait_for_watts(700, 700)

    def test_the_driver_s_own_bounds(self):
        self.daemon.terminate()
        self.daemon.wait()
        self.daemon = self.serve("")
        answer = self.connect().ask(f"set {self.uuids[0]} power 1000")
        self.assertTrue(answer.startswith("error JM_INVALID"), answer)
        self.assertEqual(self.watts(), [700, 700])

    def test_clocks(self):
        self.assertIn("JM_PERMISSION", self.connect().ask(f"set {self.uuids[0]} clock 1200"))
        self.daemon.terminate()
        self.daemon.wait()
        self.daemon = self.serve("clock = yes")
        client = self.connect()
        self.assertEqual(client.ask(f"set {self.uuids[0]} clock 1200"), "ok 1200 0")
        client.close()
        self.wait_for(lambda: "given back, no lock now" in self.said())
        self.daemon.terminate()
        self.daemon.wait()
        self.daemon = self.serve(f"clock = yes\n[{self.uuids[0]}]\nclock = no\n[{self.uuids[1]}]\nallow = no\n")
        client = self.connect()
        self.assertIn("JM_PERMISSION", client.ask(f"set {self.uuids[0]} clock 1200"))
        self.assertIn("JM_PERMISSION", client.ask(f"set {self.uuids[1]} power 300000"))
        self.assertEqual(client.ask(f"set {self.uuids[0]} power 300000"), "ok 300000 700000")


    def test_the_shipped_configuration(self):
        shipped = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "limitd", "limitd.conf")
        with open(shipped, encoding="utf-8") as file:
            config = file.read()
        self.daemon.terminate()
        self.daemon.wait()
        self.daemon = self.serve(config)
        client = self.connect()
        self.assertIn("JM_PERMISSION", client.ask(f"set {self.uuids[0]} clock 1200"))
        self.assertIn("JM_PERMISSION", client.ask(f"keep {self.uuids[0]} power 300000"))
        self.assertEqual(client.ask(f"set {self.uuids[0]} power 300000"), "ok 300000 700000")

    def test_a_section_that_fits_no_gpu(self):
        """What it was meant for must not get what holds for all."""
        typo = self.uuids[1][:-1] + ("0" if self.uuids[1][-1] != "0" else "1")
        config = f"[{self.uuids[0]}]\nmost_w = 500\n[{typo}]\nmost_w = 300\n"
        self.daemon.terminate()
        self.daemon.wait()
        self.daemon = self.serve(config)
        self.wait_for(lambda: f"[{typo}] of the configuration is no GPU here" in self.said())
        client = self.connect()
        answer = client.ask(f"set {self.uuids[1]} power 600000")
        self.assertTrue(answer.startswith("error JM_PERMISSION joulemeter-limitd's configuration has a section"), answer)
        self.assertIn("JM_PERMISSION", client.ask(f"bounds {self.uuids[1]} power"))
        self.assertEqual(client.ask(f"set {self.uuids[0]} power 450000"), "ok 450000 700000")
        self.assertEqual(self.watts(), [450, 700])
        done = subprocess.run([LIMITD, "--check", self.path("limitd.conf")], capture_output=True, text=True,
                              env=self.environment)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"[{typo}] is no GPU here", done.stderr)
        with open(self.path("limitd.conf"), "w", encoding="utf-8") as file:
            file.write(config.replace(typo, self.uuids[1]))
        done = subprocess.run([LIMITD, "--check", self.path("limitd.conf")], capture_output=True, text=True,
                              env=self.environment)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


class Hostile(DaemonTest):
    def test_what_is_no_request(self):
        for line in (b"\n", b"set\n", b"GET / HTTP/1.1\r\n", b"\x00\x01\x02\xff\n", b"set GPU-1 power -5\n",
                     b"set ../../etc/passwd power 250000\n", b"set %s power 99999999999\n", b"a" * 100 + b"\n",
                     b"set GPU-\xc3\xa9 power 300000\n", b"hello 1\x00set\n"):
            with self.subTest(line=line):
                client = self.connect()
                client.say(line)
                self.assertTrue(client.hear().startswith("error JM_FORMAT"))
                self.assertEqual(client.hear(), "")
        self.assertEqual(self.connect().ask("set GPU-unknown power 300000").split()[1], "JM_NOT_FOUND")
        self.assert_serves()
        self.assertEqual(self.watts(), [700, 700])

    def test_lines_that_are_too_long(self):
        for size in (255, 256, 257, 1000, 100000):
            client = self.connect()
            try:
                client.say(b"a" * size)
            except ConnectionError:
                pass
            answer = client.hear()
            self.assertIn(answer, ("", "error JM_FORMAT this line is too long"), size)
            self.assertEqual(client.hear(), "")
        self.assert_serves()

    def test_requests_in_pieces_and_in_one(self):
        client = self.connect()
        for byte in f"set {self.uuids[0]} power 300000\n".encode():
            client.say(bytes([byte]))
        self.assertEqual(client.hear(), "ok 300000 700000")
        client.say(f"set {self.uuids[0]} power 310000\nset {self.uuids[0]} power 320000\nbye\n".encode())
        self.assertEqual([client.hear() for _ in range(3)], ["ok 310000 700000", "ok 320000 700000", "ok"])
        self.assertEqual(self.watts(), [700, 700])

    def test_disconnected_in_the_middle(self):
        for cut in range(1, 40, 3):
            client = self.connect()
            client.ask(f"set {self.uuids[0]} power 300000")
            client.say(f"set {self.uuids[0]} power 400000\n".encode()[:cut])
            client.close()
        self.wait_for_watts(700, 700)
        client = self.connect()
        client.say(f"set {self.uuids[0]} power 300000\n".encode())
        client.close()  # the answer finds nobody
        self.wait_for_watts(700, 700)
        self.assert_serves()

    def test_who_does_not_listen(self):
        """Requests without end, of which no answer is read: the connection is given up."""
        client = self.connect()
        client.socket.settimeout(2 * SLOWNESS)
        client.ask(f"set {self.uuids[0]} power 300000")
        with self.assertRaises(OSError):
            while True:
                client.socket.sendall(b"hello 1\n" * 1000)
        self.wait_for_watts(700, 700, seconds=10)
        self.assert_serves()

    def test_a_slow_client_is_left(self):
        slow = self.connect()
        slow.ask(f"set {self.uuids[0]} power 300000")
        slow.say(b"set ")
        begin = time.monotonic()
        self.assert_serves()  # nobody waits for it
        self.assertLess(time.monotonic() - begin, 3 * SLOWNESS)
        self.wait_for_watts(700, 700, seconds=15)
        self.assertGreater(time.monotonic() - begin, 4)
        self.assertEqual(slow.hear(), "")
        self.assertIn("too slow", self.said())

    def test_many_connections(self):
        held = [self.connect() for _ in range(64)]
        self.assertEqual([client.ask("hello 1") for client in held], ["ok 1"] * 64)
        self.assertEqual(self.connect().ask("hello 1"), "ok 1")  # the one that was idle longest makes room
        self.assertTrue(held[0].hear().startswith("error JM_CLOSED"))
        self.assertEqual([client.ask("hello 1") for client in held[2:]], ["ok 1"] * 62)
        for client in held:
            client.close()
        for _ in range(300):  # one after the other
            client = Client(self.socket)
            client.close()
        self.assert_serves()

    def test_a_client_with_many_loans(self):
        self.daemon.terminate()
        self.daemon.wait()
        self.create("8*h100")
        self.daemon = self.serve("")
        clients = [self.connect() for _ in range(20)]
        for client in clients:
            for gpu in self.uuids:
                self.assertEqual(client.ask(f"set {gpu} power 300000"), "ok 300000 700000")
        for client in clients:
            client.close()
        self.wait_for_watts(*[700] * 8, seconds=10)

    def test_a_stack_that_is_full(self):
        clients = [self.connect() for _ in range(62)]
        for client in clients:
            self.assertTrue(client.ask(f"set {self.uuids[0]} power 300000").startswith("ok"))
        for client in clients:
            client.close()
        self.wait_for_watts(700, 700, seconds=10)

    @unittest.skipUnless(ROOT, "only root can become somebody else")
    def test_who_is_not_in_the_group(self):
        os.chmod(self.socket, 0o666)  # as if the file's rights were wrong
        answers = as_nobody(lambda path: [Client(path).ask(f"set {self.uuids[0]} power 300000")], self.socket)
        self.assertEqual(answers, ["error JM_PERMISSION you are not in the group that joulemeter-limitd lends limits to"])
        self.assertEqual(self.watts(), [700, 700])

    @unittest.skipUnless(ROOT, "only root can become somebody else")
    def test_a_user_has_only_so_many_connections(self):
        group = grp.getgrall()[1]
        self.daemon.terminate()
        self.daemon.wait()
        self.daemon = self.serve(f"group = {group.gr_name}")

        def talk(path):
            clients = [Client(path) for _ in range(20)]
            return [client.ask("hello 1") for client in clients]

        answers = as_nobody(talk, self.socket, [group.gr_gid])
        self.assertEqual(answers.count("ok 1"), 16, answers)
        self.assertEqual(answers.count("error JM_FULL joulemeter-limitd has too many connections"), 4)

    @unittest.skipUnless(ROOT, "only root can become somebody else")
    def test_some_users_cannot_keep_the_others_out(self):
        group = grp.getgrall()[1]
        self.daemon.terminate()
        self.daemon.wait()
        self.daemon = self.serve(f"group = {group.gr_name}")
        ends = os.pipe()

        def fill(path):
            clients = [Client(path) for _ in range(16)]
            for client in clients:
                client.ask(f"set {self.uuids[0]} power 300000")
            os.write(ends[1], b"x")
            time.sleep(30 * SLOWNESS)
            return []

        fillers = []
        for uid in range(4):
            child = os.fork()
            if child == 0:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                os.setgroups([group.gr_gid])
                os.setuid(60001 + uid)
                fill(self.socket)
                os._exit(0)
            fillers.append(child)
        for _ in fillers:
            os.read(ends[0], 1)
        for end in ends:
            os.close(end)
        answers = as_nobody(lambda path: [Client(path).ask(f"set {self.uuids[1]} power 400000")], self.socket,
                            [group.gr_gid])
        self.assertEqual(answers, ["ok 400000 700000"])
        self.assertEqual(self.connect().ask(f"reset {self.uuids[0]} power force"), "ok 700000 0")
        for child in fillers:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        self.wait_for_watts(700, 700, seconds=10)

    @unittest.skipUnless(ROOT, "only root can become somebody else")
    def test_a_user_who_changes_without_end(self):
        group = grp.getgrall()[1]
        self.daemon.terminate()
        self.daemon.wait()
        self.daemon = self.serve(f"group = {group.gr_name}")

        def talk(path):
            begin = time.monotonic()
            client = Client(path)
            answers = [client.ask(f"set {self.uuids[0]} power {300000 + i}") for i in range(100)]
            client.close()
            client = Client(path)  # which changes nothing
            answers += [client.ask(f"set {self.uuids[0]} power {300000 + i}") for i in range(200)]
            seconds = time.monotonic() - begin
            back = client.ask(f"restore {self.uuids[0]} power")
            for _ in range(200):  # which gives nothing back
                client.ask(f"restore {self.uuids[0]} power")
            more = sum(client.ask(f"restore {self.uuids[1]} power").startswith("ok") for _ in range(200))
            return [str(seconds), str(sum(answer.startswith("ok") for answer in answers)), answers[-1], back,
                    str(more), str(time.monotonic() - begin)]

        seconds, taken, last, back, more, all_seconds = as_nobody(talk, self.socket, [group.gr_gid])
        self.assertLessEqual(int(taken) + int(more), 129 + 16 * float(all_seconds))
        self.assertGreaterEqual(int(taken), 128)
        self.assertLessEqual(int(taken), 129 + 16 * float(seconds))
        if float(seconds) < 8:
            self.assertTrue(last.startswith("error JM_FULL too many changes"), last)
        self.assertEqual(back, "ok 700000")

    @unittest.skipUnless(os.environ.get("JOULEMETER_PATIENT_TESTS"), "takes more than a minute")
    def test_hello_does_not_keep_a_connection(self):
        client = self.connect()
        begin = time.monotonic()
        while client.ask("hello 1") == "ok 1" and time.monotonic() - begin < 90:
            time.sleep(1)
        self.assertLess(time.monotonic() - begin, 70)
        self.assertIn("too slow", self.said())

    def test_out_of_descriptors(self):
        """It neither ends nor spins, and goes on when there are some again."""
        self.daemon.terminate()
        self.daemon.wait()
        self.daemon = self.serve("", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)))
        held = [self.connect() for _ in range(40)]

        def cpu_s():
            with open(f"/proc/{self.daemon.pid}/stat", encoding="utf-8") as file:
                return sum(map(int, file.read().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")

        time.sleep(0.2)
        before = cpu_s()
        time.sleep(1)
        self.assertLess(cpu_s() - before, 0.3)
        for client in held:
            client.close()
        self.assert_serves()

    @unittest.skipUnless(ROOT, "only root can become somebody else")
    def test_a_user_ends_nobody_else_s_loan(self):
        group = grp.getgrall()[1]
        self.daemon.terminate()
        self.daemon.wait()
        self.daemon = self.serve(f"group = {group.gr_name}")
        mine = self.connect()
        mine.ask(f"set {self.uuids[0]} power 300000")
        requests = [f"reset {self.uuids[0]} power force", f"reset {self.uuids[0]} power default",
                    f"watch {os.getpid()}", "watch 999999999", f"restore {self.uuids[0]} power"]

        def talk(path):
            client = Client(path)
            return [client.ask(line) for line in [*requests, f"watch {os.getpid()}"]]

        answers = as_nobody(talk, self.socket, [group.gr_gid])
        self.assertEqual(answers[0], "ok 300000 1", answers)
        self.assertIn("JM_PERMISSION", answers[1])
        self.assertEqual(answers[2], "error JM_PERMISSION the process belongs to another user")
        self.assertIn("JM_NOT_FOUND", answers[3])
        self.assertEqual(answers[4], "ok 300000")
        self.assertEqual(answers[5], "ok")
        self.assertEqual(self.watts(), [300, 700])


    @unittest.skipUnless(ROOT, "only root can become somebody else")
    def test_a_reset_stays_within_the_bounds(self):
        group = grp.getgrall()[1]
        self.daemon.terminate()
        self.daemon.wait()
        self.daemon = self.serve(f"group = {group.gr_name}\nkeep = yes\nmost_w = 350\nclock = yes\nmost_mhz = 1500\n")
        gpu = self.uuids[0]
        requests = [f"set {gpu} clock 0", f"keep {gpu} clock 0", f"set {gpu} power 0", f"keep {gpu} power 300000",
                    f"reset {gpu} power default", f"reset {gpu} power"]
        answers = as_nobody(lambda path: [Client(path).ask(line) for line in requests], self.socket, [group.gr_gid])
        for answer in answers[:3]:
            self.assertEqual(answer, "error JM_INVALID 0 is no limit: give back what was set")
        self.assertEqual([answer.split()[1] for answer in answers[3:]], ["300000", "350000", "350000"], answers)
        self.assertEqual(self.watts(), [350, 700])

    @unittest.skipUnless(ROOT, "only root can become somebody else")
    def test_nobody_else_can_lock_the_notes(self):
        self.connect().ask(f"set {self.uuids[0]} power 300000")
        found = []
        for folder, _, names in os.walk(self.folder):
            found += [os.path.join(folder, name) for name in names if name.endswith(".lock")]
        self.assertTrue(found)
        for path in found:
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600, path)


class TheDaemonItself(DaemonTest):
    def test_rights(self):
        with open(f"/proc/{self.daemon.pid}/status", encoding="utf-8") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        self.assertEqual(status["NoNewPrivs"], "1")
        if not ROOT:
            self.skipTest("only root has rights to give up")
        for name in ("CapPrm", "CapEff", "CapBnd"):
            self.assertEqual(int(status[name], 16) & ~CAP_SYS_ADMIN, 0, name)
        self.assertEqual(status["Groups"].strip(), "")
        self.assertEqual(stat.S_IMODE(os.stat(self.socket).st_mode), 0o600)

    @unittest.skipUnless(ROOT, "only root may give files away")
    def test_the_socket_belongs_to_the_group(self):
        group = grp.getgrall()[1]
        self.daemon.terminate()
        self.assertEqual(self.daemon.wait(), 0)
        self.assertFalse(os.path.exists(self.socket))
        self.daemon = self.serve(f"group = {group.gr_name}")
        info = os.stat(self.socket)
        self.assertEqual((stat.S_IMODE(info.st_mode), info.st_gid), (0o660, group.gr_gid))

    def test_asked_to_end_it_gives_back(self):
        client = self.connect()
        client.ask(f"set {self.uuids[1]} power 300000")
        self.daemon.send_signal(signal.SIGINT)
        self.assertEqual(self.daemon.wait(), 0)
        self.assertEqual(self.watts(), [700, 700])
        self.assertTrue(client.hear().startswith("error JM_CLOSED"))  # so that nobody looks for another one
        self.assertEqual(client.hear(), "")

    def test_killed_and_started_again_it_mends(self):
        client = self.connect()
        client.ask(f"set {self.uuids[0]} power 300000")
        client.ask(f"set {self.uuids[1]} clock 1200")
        self.daemon.kill()
        self.daemon.wait()
        self.assertEqual(self.watts(), [300, 700])
        self.daemon = self.serve("")  # in the place of the socket that was left
        self.wait_for_watts(700, 700)
        self.assert_serves()

    def test_a_client_outlives_the_daemon(self):
        """A program whose daemon was killed gets its loan of the next one, which gives back at its end."""
        process = subprocess.Popen([JOULEMETER, "limit", "set", "300", "--", "sh", "-c", "touch begun; sleep 2"], cwd=self.folder,
                                   env=self.environment | {"JOULEMETER_SIMGPU_ALLOW_LIMIT": "0"},
                                   stderr=subprocess.PIPE, text=True)
        self.wait_for(lambda: os.path.exists(self.path("begun")))
        self.assertEqual(self.watts(), [300, 300])
        self.daemon.kill()
        self.daemon.wait()
        self.daemon = self.serve("")
        self.wait_for(lambda: self.said().count("300 W, lent by") == 4)  # and by no guard, which may not
        self.assertEqual(self.watts(), [300, 300])
        self.wait_for_watts(700, 700, seconds=10)
        said = process.stderr.read()
        self.assertEqual(process.wait(), 0, said)
        process.stderr.close()
        self.assertIn("joulemeter-limitd was killed, and has set the limit again", said)

    def test_a_client_of_a_daemon_that_was_asked_to_end(self):
        process = subprocess.Popen([JOULEMETER, "limit", "set", "300", "--", "sh", "-c", "touch begun; sleep 2"], cwd=self.folder,
                                   env=self.environment | {"JOULEMETER_SIMGPU_ALLOW_LIMIT": "0"},
                                   stderr=subprocess.PIPE, text=True)
        self.wait_for(lambda: os.path.exists(self.path("begun")))
        self.assertEqual(self.watts(), [300, 300])
        self.daemon.terminate()
        self.daemon.wait()
        self.daemon = self.serve("")
        said = process.stderr.read()
        self.assertEqual(process.wait(), 0, said)
        process.stderr.close()
        self.assertIn("joulemeter-limitd was asked to end, and has given back what was set", said)
        self.assertEqual(self.watts(), [700, 700])
        self.assertEqual(self.said().count("lent by"), 2)  # nobody asked the other one

    def test_a_second_daemon_is_refused(self):
        other = self.start_daemon("")
        self.assertEqual(other.wait(), 1)
        self.assertIn("another joulemeter-limitd serves", self.said())
        self.assert_serves()

    def test_it_removes_nothing_that_is_no_socket(self):
        self.daemon.terminate()
        self.daemon.wait()
        with open(self.socket, "w", encoding="utf-8") as file:
            file.write("dear")
        other = self.start_daemon("")
        self.assertEqual(other.wait(), 1)
        self.assertIn("is no socket", self.said())
        with open(self.socket, encoding="utf-8") as file:
            self.assertEqual(file.read(), "dear")

    def test_wrong_configurations(self):
        other = self.start_daemon("group = a b\n")
        self.assertEqual(other.wait(), 1)
        self.assertIn("line 1: this is no group's name: 'a b'", self.said())
        for text, code, says in (("least_w = 100", 0, "is good"), ("least = 100", 1, "there is no setting 'least'"),
                                 ("group = nobody-has-this", 1, "sudo groupadd --system nobody-has-this")):
            with open(self.path("some.conf"), "w", encoding="utf-8") as file:
                file.write(text)
            done = subprocess.run([LIMITD, "--check", self.path("some.conf")], capture_output=True, text=True)
            self.assertEqual(done.returncode, code, text)
            self.assertIn(says, done.stdout + done.stderr)
        done = subprocess.run([LIMITD, "--check", "/nonexistent"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)

    def test_wrong_words(self):
        for words in (["--sockets", "x"], ["--socket"], ["x"], ["--guard"], ["--guard", "x"], ["--mend"],
                      ["--guard", "1", "--all"]):
            done = subprocess.run([LIMITD, *words], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 2, words)
        self.assertEqual(subprocess.run([LIMITD, "--version"], capture_output=True).returncode, 0)
        self.assertIn("Usage:", subprocess.run([LIMITD, "--help"], capture_output=True, text=True).stdout)

    def test_socket_of_systemd(self):
        self.daemon.terminate()
        self.daemon.wait()
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(self.socket)
        listening.listen(8)
        with open(self.path("log"), "ab") as log:
            self.daemon = subprocess.Popen(
                ["sh", "-c", f"exec 3<&{listening.fileno()}; LISTEN_PID=$$ LISTEN_FDS=1 exec {LIMITD} --config "
                 f"{self.path('limitd.conf')}"], pass_fds=[listening.fileno()], stderr=log,
                env=self.environment | {"JOULEMETER_SIMGPU_ALLOW_LIMIT": "1"})
        self.addCleanup(self.end, self.daemon)
        listening.close()
        self.assertEqual(self.connect().ask(f"set {self.uuids[0]} power 300000"), "ok 300000 700000")
        self.daemon.terminate()
        self.assertEqual(self.daemon.wait(), 0)
        self.assertTrue(os.path.exists(self.socket))  # it is systemd's
        self.assertEqual(self.watts(), [700, 700])

    def test_a_driver_that_hangs_ends_it(self):
        """So that it is started afresh; what it lent is mended then."""
        self.daemon.terminate()
        self.daemon.wait()
        self.environment["JOULEMETER_DRIVER_TIMEOUT_S"] = "0.3"
        self.daemon = self.serve("")
        client = self.connect()
        client.ask(f"set {self.uuids[0]} power 300000")
        subprocess.run([TRUTH, "--set", self.boards, "0", "trouble", "hangs"], check=True)
        self.assertIn("error JM_HUNG", client.ask(f"set {self.uuids[0]} power 310000"))
        self.assertEqual(self.daemon.wait(timeout=20 * SLOWNESS), 1)
        subprocess.run([TRUTH, "--set", self.boards, "0", "trouble", "fine"], check=True)
        self.daemon = self.serve("")
        self.wait_for_watts(700, 700)

    def test_a_gpu_that_is_lost_gets_it_back(self):
        client = self.connect()
        client.ask(f"set {self.uuids[0]} power 300000")
        subprocess.run([TRUTH, "--set", self.boards, "0", "trouble", "lost"], check=True)
        client.close()
        self.wait_for(lambda: "cannot be taken back yet" in self.said())
        self.assert_serves()
        self.assertEqual(self.watts(), [300, 700])
        subprocess.run([TRUTH, "--set", self.boards, "0", "trouble", "fine"], check=True)
        self.wait_for_watts(700, 700, seconds=5)


if __name__ == "__main__":
    unittest.main(verbosity=2)
