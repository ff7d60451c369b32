"""Every command and option is in its manual page, in docs/commands and in both completions."""

import os
import re
import shutil
import subprocess
import unittest
from pathlib import Path

from common import JOULEMETER

PROJECT = Path(__file__).resolve().parents[2]
COMMANDS = ("run", "repeat", "compare", "show", "attribute", "estimate", "plot", "report", "export", "sql", "log",
            "devices", "doctor", "calibrate", "limit", "config", "completion")


PARTS = {"estimate": ("train", "collect"), "limit": ("show", "set", "reset", "tune")}  # commands of a command


def help_of(command):
    return subprocess.run([JOULEMETER, *command.split(), "--help"], capture_output=True, text=True,
                          check=True, env=os.environ | {"LC_ALL": "C.UTF-8"}).stdout


def options_of(command):
    texts = [help_of(command), *(help_of(f"{command} {part}") for part in PARTS.get(command, ()))]
    return [option for text in texts
            for option in re.findall(r"^ +(?:-\w, )? *--([\w-]+)", text.split("Examples:")[0], re.M)]


class Documents(unittest.TestCase):
    def test_the_list_of_commands(self):
        text = subprocess.run([JOULEMETER, "--help"], capture_output=True, text=True,
                              check=True).stdout
        self.assertEqual(re.findall(r"^  (\w+)  ", text, re.M), list(COMMANDS))

    def test_help_fits_80_columns(self):
        parts = [f"{command} {part}" for command, parts in PARTS.items() for part in parts]
        for command in [*COMMANDS, *parts]:
            for line in help_of(command).splitlines():
                self.assertLessEqual(len(line), 80, line)

    def test_manual_pages(self):
        for command in COMMANDS:
            page = (PROJECT / "man" / f"joulemeter-{command}.1").read_text(encoding="utf-8")
            for option in options_of(command):
                self.assertRegex(page, rf"-{option}\b".replace("--", "-"), f"{command} --{option}")
        overview = (PROJECT / "man" / "joulemeter.1").read_text(encoding="utf-8")
        for command in COMMANDS:
            self.assertIn(f".Xr joulemeter-{command} 1", overview)

    def test_manual_pages_are_well_formed(self):
        tool = next((tool for tool in (["mandoc", "-Tlint", "-Wwarning"],
                                       ["groff", "-mdoc", "-Tutf8", "-ww", "-z"])
                     if shutil.which(tool[0])), None)
        if tool is None:
            self.skipTest("neither mandoc nor groff is installed")
        for page in sorted((PROJECT / "man").glob("*.[138]")):
            done = subprocess.run([*tool, page], capture_output=True, text=True, check=False)
            self.assertEqual(done.stdout + done.stderr, "", page.name)

    def test_links_between_documents(self):
        pages = [PROJECT / "README.md", *(PROJECT / "docs").rglob("*.md")]
        for page in pages:
            for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
                self.assertTrue((page.parent / link).exists(), f"{page.name}: {link}")

    def test_pages_of_commands(self):
        for command in COMMANDS:
            page = (PROJECT / "docs" / "commands" / f"{command}.md").read_text(encoding="utf-8")
            for option in options_of(command):
                if option != "help":
                    self.assertIn(f"--{option}", page, command)

    def test_completions(self):
        for name in ("joulemeter.bash", "_joulemeter"):
            text = (PROJECT / "completions" / name).read_text(encoding="utf-8")
            for command in COMMANDS:
                self.assertIn(command, text)
                for option in options_of(command):
                    self.assertIn(f"--{option}", text, f"{name}: {command}")

    def test_printed_completions_are_the_files(self):
        for shell, name in (("bash", "joulemeter.bash"), ("zsh", "_joulemeter")):
            printed = subprocess.run([JOULEMETER, "completion", shell], capture_output=True,
                                     check=True).stdout
            self.assertEqual(printed, (PROJECT / "completions" / name).read_bytes())

    def complete(self, *words):
        script = (f"source {PROJECT}/completions/joulemeter.bash; COMP_WORDS=(\"$@\"); "
                  "COMP_CWORD=$(($# - 1)); _joulemeter; printf '%s\\n' \"${COMPREPLY[@]}\"")
        done = subprocess.run(["bash", "--norc", "-c", script, "bash", *words], check=True,
                              capture_output=True, text=True, cwd=PROJECT)
        return done.stdout.split()

    def test_bash_completes(self):
        self.assertEqual(self.complete("joulemeter", "ru"), ["run"])
        self.assertEqual(self.complete("joulemeter", "run", "--idle"), ["--idle-baseline"])
        self.assertEqual(self.complete("joulemeter", "run", "--simulate", "h"), ["h100", "h200"])
        self.assertIn("true", self.complete("joulemeter", "run", "-q", "--", "tru"))
        self.assertEqual(self.complete("joulemeter", "repeat", "--cool"), ["--cooldown",
                                                                            "--cooldown-limit"])
        self.assertEqual(self.complete("joulemeter", "repeat", "-c", "s"), ["stable"])
        self.assertEqual(self.complete("joulemeter", "repeat", "-e", "m"), ["markdown"])
        self.assertIn("true", self.complete("joulemeter", "repeat", "-c", "stable", "tru"))
        self.assertIn("true", self.complete("joulemeter", "compare", "-n", "3", "tru"))
        self.assertEqual(self.complete("joulemeter", "compare", "false", "--see"), ["--seed"])
        self.assertEqual(self.complete("joulemeter", "estimate", "-m", "p"), ["peak"])
        self.assertEqual(self.complete("joulemeter", "estimate", "tr"), ["train"])
        self.assertEqual(self.complete("joulemeter", "estimate", "collect", "--lau"), ["--launches"])
        self.assertEqual(self.complete("joulemeter", "log", "ex"), ["export"])
        self.assertEqual(self.complete("joulemeter", "log", "export", "po"), ["powermeter"])
        self.assertEqual(self.complete("joulemeter", "log", "totals", "--by", "m"), ["month"])
        self.assertEqual(self.complete("joulemeter", "config", "set", "carbon.co"), ["carbon.country"])
        self.assertIn("true", self.complete("joulemeter", "run", "--project", "x", "tru"))
        self.assertIn("meson.build", self.complete("joulemeter", "show", "meson.b"))
        self.assertIn("meson.build", self.complete("joulemeter", "run", "cat", "meson.b"))
        self.assertEqual(self.complete("joulemeter", "limit", "s"), ["show", "set"])
        self.assertEqual(self.complete("joulemeter", "limit", "set", "--k"), ["--keep"])
        self.assertEqual(self.complete("joulemeter", "limit", "set", "7"), ["70%"])
        self.assertIn("true", self.complete("joulemeter", "limit", "set", "250", "--", "tru"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
