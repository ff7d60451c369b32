"""What the tests of the command share: where it is, and an environment without this machine's
hardware."""

import os
import subprocess
import tempfile
import time
import unittest

JOULEMETER = os.path.abspath(os.environ.get("JOULEMETER", "build/joulemeter"))
SLOWNESS = float(os.environ.get("JOULEMETER_TEST_SLOWNESS", "1"))


def environment(folder, **more):
    root = os.path.join(folder, "root")
    os.makedirs(root, exist_ok=True)
    kept = {key: value for key, value in os.environ.items()
            if key not in ("CUDA_VISIBLE_DEVICES", "NO_COLOR", "COLUMNS", "TERM")}
    return kept | {"LC_ALL": "C.UTF-8", "JOULEMETER_ROOT": root, "TMPDIR": folder,
                   "JOULEMETER_NVML_LIBRARY": "/nonexistent/libnvidia-ml.so.1"} | more


class FolderTest(unittest.TestCase):
    """A test in a folder of its own."""

    def setUp(self):
        made = tempfile.TemporaryDirectory(prefix="joulemeter-cli-", ignore_cleanup_errors=True)
        self.addCleanup(made.cleanup)
        self.folder = made.name
        self.environment = environment(self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, *arguments, **more):
        """The command, in a session of its own; it ends with the test."""
        settings = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                    "stderr": subprocess.PIPE, "env": self.environment, "cwd": self.folder,
                    "start_new_session": True} | more
        process = subprocess.Popen([JOULEMETER, *arguments], **settings)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()

    def wait_for(self, condition, seconds=20):
        """Waits until the condition holds."""
        until = time.monotonic() + seconds * SLOWNESS
        while not condition():
            self.assertLess(time.monotonic(), until, "waited for too long")
            time.sleep(0.01)

    def wait_for_file(self, name):
        self.wait_for(lambda: os.path.exists(self.path(name)))
