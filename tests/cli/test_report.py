"""Pages of recordings whose names are hostile."""

import json
import os
import re
import subprocess
import unittest

from common import JOULEMETER, FolderTest

HOSTILE = "</script><script>`touch owned`$(touch owned)"


class Pages(FolderTest):
    def joulemeter(self, *arguments):
        return subprocess.run([JOULEMETER, *arguments], capture_output=True, text=True, cwd=self.folder,
                              env=self.environment, stdin=subprocess.DEVNULL, timeout=300)

    def record(self, seconds="0.6", spec="2*h100,square:100:300:0.2", name="a.jm"):
        done = self.joulemeter("run", "-q", "-o", name, "--simulate", spec, "--", "sleep", seconds)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_page(self):
        self.record()
        done = self.joulemeter("report", "--title", HOSTILE, "a.jm")
        if done.returncode == 1 and "built without" in done.stderr:
            self.assertIn("apt install npm", done.stderr)
            self.skipTest("this build has no page")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"^a\.html \(\d\.\d MB\)\n$")
        with open(self.path("a.html"), encoding="utf-8") as file:
            html = file.read()
        data = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)
        page = json.loads(data.group(1))
        self.assertEqual(page["title"], HOSTILE)
        self.assertNotIn("<", data.group(1))
        self.assertGreater(len(page["figures"]), 12)
        self.assertGreater(len(page["timeline"]["series"]), 6)
        done = self.joulemeter("report", "-o", "-", "a.jm")
        self.assertTrue(done.stdout.startswith("<!doctype html>"))
        done = self.joulemeter("report", "-o", "/dev/full", "a.jm")
        self.assertEqual(done.returncode, 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
