"""Runs the tests of the Python package with pytest and prints them as TAP."""
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def reexec_with_pytest():
    """The interpreter of .venv, if that has pytest and this one has not."""
    try:
        import pytest  # noqa: F401
        return
    except ImportError:
        pass
    venv = ROOT / ".venv" / "bin" / "python"
    has = venv.exists() and subprocess.run([venv, "-c", "import pytest"],
                                           capture_output=True).returncode == 0
    if not has or os.environ.get("JM_PYTEST_TRIED"):
        print("1..0 # skip pytest is not installed (./dev setup installs it into .venv)")
        sys.exit(0)
    os.environ["JM_PYTEST_TRIED"] = "1"
    os.execv(venv, [str(venv), *sys.argv])


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
            self.line("not ok", f"{report.nodeid} ({report.when})")
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
