"""What the tests of the command share: where it is, and an environment without this machine's
hardware."""

import os
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

    def wait_for(self, condition, seconds=20):
        """Waits until the condition holds."""
        until = time.monotonic() + seconds * SLOWNESS
        while not condition():
            self.assertLess(time.monotonic(), until, "waited for too long")
            time.sleep(0.01)

    def wait_for_file(self, name):
        self.wait_for(lambda: os.path.exists(self.path(name)))
