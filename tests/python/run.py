"""Runs the tests of the Python package with pytest and prints them as TAP."""
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def has_pytest(python):
    return subprocess.run([python, "-c", "import pytest"], capture_output=True).returncode == 0


def reexec_with_pytest():
    """The interpreter of .venv, which has all that tests want, else this one. The build puts the
    simulated driver on the loader's path, where it would pass for a real one: it is taken off."""
    if os.environ.get("JM_PYTEST_FOUND"):
        return
    venv = ROOT / ".venv" / "bin" / "python"
    for python in (str(venv), sys.executable):
        if os.path.exists(python) and has_pytest(python):
            env = {k: v for k, v in os.environ.items() if k != "LD_LIBRARY_PATH"}
            os.execve(python, [python, *sys.argv], dict(env, JM_PYTEST_FOUND="1"))
    print("1..0 # skip pytest is not installed (./dev setup installs it into .venv)")
    sys.exit(0)


def reason_of(report):
    """The line that says what failed, short enough for a list."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash else str(report.longrepr)
    return " ".join(text.replace("#", "").split())[:300]


class Tap:
    def __init__(self):
        self.count = 0

    def line(self, verdict, name, directive=""):
        self.count += 1
        print(f"\n{verdict} {self.count} - {name}{directive}", flush=True)

    def pytest_runtest_logreport(self, report):
        if report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
            reason = str(reason).replace("Skipped: ", "").replace("\n", " ")
            self.line("ok", report.nodeid, f" # SKIP {reason}")
        elif report.failed:
            self.line("not ok", f"{report.nodeid} ({report.when}): {reason_of(report)}")
        elif report.when == "call":
            self.line("ok", report.nodeid)

    def pytest_collectreport(self, report):
        if report.failed:
            self.line("not ok", f"collecting {report.nodeid}")


def main():
    reexec_with_pytest()
    import pytest

    arguments = sys.argv[1:] or [str(HERE)]
    os.chdir(ROOT)
    tap = Tap()
    status = pytest.main(["-p", "no:cacheprovider", "--tb=short", "--no-header", *arguments],
                         plugins=[tap])
    print(f"1..{tap.count}")
    sys.exit(0 if status in (0, 5) else 1)


if __name__ == "__main__":
    main()
