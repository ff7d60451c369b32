"""PowerMeter: its README, what comes through, where CPU energy comes from, and its log."""
import asyncio
import contextvars
import os
import re
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest

import _joulemeter
import joulemeter as jm
from joulemeter import PowerMeter, get_logged_data, logged_runs

GPU = "h100,constant:200,noise=0,seed=1"
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
COLUMNS = [
    "Datetime", "User ID", "ISO", "Country", "Platform", "Project name",
    "Total Elapsed CPU Time (sec)", "Total Elapsed GPU Time (sec)",
    "Cumulative Package Energy (mWh)", "Cumulative IA Energy (mWh)", "Cumulative GPU Energy (mWh)",
    "Cumulative DRAM Energy (mWh)", "PUE", "CO2 emitted (gCO2e)", "Package", "Algorithm",
    "Algorithm's parameters", "Data type", "Data shape", "Comment"]


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    """No setting and no log of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("JOULEMETER_")]:
        if name not in ("JOULEMETER_SIMGPU_LIBRARY", "JOULEMETER_SHARED_DATA"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def meter(**options):
    options.setdefault("simulate", GPU)
    options.setdefault("cpu", False)
    options.setdefault("country", "none")
    return PowerMeter(**options)


def add(a, b=1):
    time.sleep(0.02)
    return a + b


# ---- PyPowerGadget's README ----


def test_both_published_rows():
    """CO2e of the README's table from its energies: cores, GPU and DRAM, PUE 1.3, 79.1 g/kWh."""
    for core, gpu, dram, published, digits in ((10.375519, 0, 2.296532, 0.0013, 4),
                                               (13.769294, 0, 2.562374, 0.001679385, 9)):
        grid = _joulemeter.Grid({"intensity": "0.0791 kg/kWh", "pue": "1.3"}).info()
        kwh = (core + gpu + dram) * 1e-6
        assert round(grid["pue"] * kwh * grid["intensity_g"], digits) == published


def test_the_readme_runs(tmp_path):
    pytest.importorskip("sklearn")
    pandas = pytest.importorskip("pandas")
    code = (EXAMPLES / "powermeter_readme.py").read_text(encoding="utf-8")
    for line in ('power_meter = PowerMeter(project_name="MNIST classifier")',
                 "power_meter.mesure_power(", 'package="sklearn",',
                 'algorithm="RandomForestClassifier",', 'data_type="tabular",',
                 'algorithm_params="n_estimators=300, max_depth=15",',
                 'comments="Classifier trained on the MNIST dataset, 3rd test"',
                 "logged_data = joulemeter.get_logged_data()"):
        assert line in code, line
    done = subprocess.run([sys.executable, "-W", "error::joulemeter.JoulemeterWarning",
                           str(EXAMPLES / "powermeter_readme.py")], cwd=tmp_path,
                          env=dict(os.environ, JOULEMETER_COUNTRY="FR"), capture_output=True,
                          text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    frame = get_logged_data()
    assert list(frame.columns) == COLUMNS
    assert len(frame) == 1
    row = frame.iloc[0]
    assert isinstance(row["Datetime"], pandas.Timestamp)
    assert row["Project name"] == "MNIST classifier" and row["Package"] == "sklearn"
    assert row["ISO"] == "FR" and row["Country"] == "France" and row["User ID"] == ""
    assert row["Platform"] == sys.platform and row["Data type"] == "tabular"
    assert re.fullmatch(r"\(\d+, 784\)", row["Data shape"])
    assert row["Total Elapsed CPU Time (sec)"] > 0.1
    assert row["Cumulative Package Energy (mWh)"] > 0  # RAPL's, or the model's
    kwh = (row["Cumulative Package Energy (mWh)"] +
           sum(v for v in (row["Cumulative GPU Energy (mWh)"], row["Cumulative DRAM Energy (mWh)"])
               if v == v)) * 1e-6
    assert row["CO2 emitted (gCO2e)"] == pytest.approx(row["PUE"] * kwh * 56.039, rel=1e-6)


# ---- what comes through ----


def test_results_come_through():
    m = meter(project_name="p")
    assert m.mesure_power(add, "pkg", "add")(3, b=4) == 7
    assert m.measure_power(add, package="pkg", algorithm="add", data_type="time series",
                           data_shape=(7000, 64), algorithm_params="x", comments="c")(1) == 2
    first, second = logged_runs()
    assert first["outcome"] == second["outcome"] == "ok"
    assert second["data_shape"] == "(7000, 64)" and second["data_type"] == "time series"
    assert second["algorithm_params"] == "x" and second["comment"] == "c"
    assert m.last.id == second["id"] == 2
    assert second["kind"] == "function" and second["package"] == "pkg"
    assert second["energy_j"] == m.last.energy.energy_j
    assert second["co2_g"] is None and m.last.carbon["g"] is None


@pytest.mark.parametrize("error", [ValueError("v"), KeyboardInterrupt(), SystemExit(3)])
def test_exceptions_come_through_and_are_logged(error):
    def fail():
        raise error

    with pytest.raises(type(error)) as caught:
        meter().mesure_power(fail, "pkg", "fail")()
    assert caught.value is error
    (row,) = logged_runs()
    assert row["outcome"] == type(error).__name__


def test_an_exception_around_is_not_ours():
    m = meter()
    try:
        raise ValueError("outer")
    except ValueError:
        m.mesure_power(add, "pkg", "add")(1)
        with m:
            pass
    assert [row["outcome"] for row in logged_runs()] == ["ok", "ok"]


def test_functions_that_cannot_be_pickled():
    lock = threading.Lock()

    class Local:
        def __call__(self, value):
            return value, lock

    m = meter()
    assert m.mesure_power(lambda: lock, "pkg", "lambda")() is lock
    assert m.mesure_power(Local(), "pkg", "object")(5) == (5, lock)
    assert m.mesure_power([3, 1].sort, "pkg", "method")() is None
    assert len(logged_runs()) == 3


def test_coroutines_and_generators():
    async def later(value):
        await asyncio.sleep(0.05)
        return value

    def count():
        yield from range(3)

    m = meter()
    assert asyncio.run(m.mesure_power(later, "pkg", "later")(5)) == 5
    assert list(m.mesure_power(count, "pkg", "count")()) == [0, 1, 2]
    first, second = logged_runs()
    assert first["duration_s"] >= 0.05 and second["outcome"] == "ok"


def test_what_cannot_be_called():
    with pytest.raises(TypeError, match="something to call"):
        meter().mesure_power(5, "pkg", "none")


def test_blocks_and_decorators():
    m = meter(project_name="p", package="pkg", algorithm="block", data_shape=(2,))
    with m:
        time.sleep(0.02)
        with m:  # they nest
            pass
    with pytest.raises(ZeroDivisionError):
        with m:
            1 / 0

    @meter(tag="t")
    def work(x):
        """Doc."""
        return 2 * x

    assert work(4) == 8 and work.__name__ == "work" and work.__doc__ == "Doc."
    inner, outer, failed, call = logged_runs()
    assert outer["duration_s"] > inner["duration_s"] and outer["kind"] == "block"
    assert failed["outcome"] == "ZeroDivisionError"
    assert outer["data_shape"] == "(2,)"
    assert call["algorithm"].endswith("work") and call["package"] == "test_power_meter"
    assert call["tag"] == "t"


def test_a_log_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    m = meter(log_path=tmp_path / "file" / "log.db")
    with pytest.warns(jm.JoulemeterWarning, match="not in the logbook"):
        assert m.mesure_power(add, "pkg", "add")(1) == 2
    assert m.last.id is None and m.last.energy.upper_j > 0


def test_many_threads():
    m = meter()
    threads = [threading.Thread(target=m.mesure_power(add, "pkg", "add"), args=(i,))
               for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(logged_runs()) == 4


def test_blocks_of_several_threads():
    m = meter()

    def work(seconds):
        with m:
            time.sleep(seconds)

    threads = [threading.Thread(target=work, args=(s,)) for s in (0.3, 0.02)]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    assert sorted(row["duration_s"] > 0.2 for row in logged_runs()) == [False, True]


class Timed:
    """A block, and between which moments it began and ended."""

    def __init__(self, blocks, m):
        self.m, self.at = m, []
        blocks.append(self)

    def __enter__(self):
        self.at = [time.time()]
        self.m.__enter__()
        self.at.append(time.time())

    def __exit__(self, *error):
        self.at.append(time.time())
        self.m.__exit__(*error)
        self.at.append(time.time())

    def is_of(self, row):
        begin, end = row["begin_unix_s"], row["begin_unix_s"] + row["duration_s"]
        before, begun, ending, ended = self.at
        return before - 2e-3 < begin < begun + 2e-3 and ending - 2e-3 < end < ended + 2e-3


def each_has_its_own_window(blocks):
    rows = logged_runs()
    assert len(rows) == len(blocks)
    for block in blocks:
        assert [block.is_of(row) for row in rows].count(True) == 1, (block.at, rows)


def test_blocks_of_several_tasks():
    """The first to begin is the first to end: nothing nests."""
    m, blocks = meter(), []

    async def work(begin, seconds):
        await asyncio.sleep(begin)
        with Timed(blocks, m):
            await asyncio.sleep(seconds)
            with Timed(blocks, m):
                await asyncio.sleep(0.05)

    async def main():
        with Timed(blocks, m):
            await asyncio.gather(work(0, 0.2), work(0.1, 0.6), work(0.15, 0.3))

    asyncio.run(main())
    each_has_its_own_window(blocks)


def test_a_block_that_a_task_inherits():
    m, blocks = meter(), []

    async def child():
        with Timed(blocks, m):
            await asyncio.sleep(0.3)

    def thread():
        with Timed(blocks, m):
            pass

    async def main():
        with Timed(blocks, m):
            task = asyncio.create_task(child())
            await asyncio.sleep(0.05)
        await asyncio.get_running_loop().run_in_executor(None, contextvars.copy_context().run, thread)
        await task

    asyncio.run(main())
    each_has_its_own_window(blocks)


def test_a_forked_child_has_a_log_of_its_own():
    m = meter()

    def fork():
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                code = int(PowerMeter(gpu=False, cpu=False).mesure_power(add, "pkg", "child")(1) != 2)
            finally:
                os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    assert m.mesure_power(fork, "pkg", "parent")() == 0
    assert {row["algorithm"]: row["outcome"] for row in logged_runs()} == {
        "child": "ok", "parent": "ok"}


# ---- place and settings ----


def test_the_country_is_that_of_the_time_zone(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Paris")
    meter(country=None).mesure_power(add, "pkg", "add")(1)
    meter(get_country=False).mesure_power(add, "pkg", "add")(1)
    with_country, without = logged_runs()
    assert with_country["iso"] == "FR" and with_country["intensity_source"] == "time zone"
    assert without["iso"] is None and without["co2_g"] is None and without["country"] is None


def test_without_a_country_there_is_energy_alone():
    m = meter(country=None)
    with pytest.warns(jm.JoulemeterWarning, match="no carbon is known: the time zone UTC") as said:
        for _ in range(2):
            m.mesure_power(time.sleep, "pkg", "add")(0.1)
    assert len(said) == 1  # once is enough
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        meter(get_country=False).mesure_power(add, "pkg", "add")(1)
    row = logged_runs()[0]
    assert row["energy_upper_j"] > 0 and row["co2_g"] is None
    assert "no carbon: the time zone UTC belongs to no country" in str(m.last)


def test_settings_and_what_is_stronger(tmp_path, monkeypatch):
    config = tmp_path / "config" / "joulemeter"
    config.mkdir(parents=True)
    (config / "config.toml").write_text('user = "ada"\nproject = "file"\n[carbon]\ncountry = "DE"\n'
                                        "pue = 1.5\n", encoding="utf-8")
    monkeypatch.setenv("JOULEMETER_PROJECT", "environment")
    assert _joulemeter.settings()["project"] == ("environment", "$JOULEMETER_PROJECT")
    meter(country=None, pue=1.1, price=0.5, currency="EUR").mesure_power(add, "pkg", "add")(1)
    (row,) = logged_runs()
    assert row["user"] == "ada" and row["project"] == "environment"
    assert row["iso"] == "DE" and row["pue"] == 1.1
    assert row["cost"] == pytest.approx(row["energy_j"] / 3.6e6 * 1.1 * 0.5)
    (config / "config.toml").write_text("pue = \n", encoding="utf-8")
    with pytest.raises(jm.JoulemeterError, match="config.toml, line 1"):
        meter()


def test_who_uses_it_is_not_found_out():
    meter().mesure_power(add, "pkg", "add")(1)
    (row,) = logged_runs()
    assert row["user"] is None and row["iso"] is None
    known = "\n".join(str(value) for value in row.values())
    for secret in (os.path.expanduser("~"), os.environ.get("USER") or "no user"):
        assert secret not in known


# ---- where CPU energy comes from ----


@pytest.fixture
def rapl(tmp_path):
    """Two sockets of 50 W and 30 W with 5 W of memory each; the first wraps while it is read."""
    zones = {"intel-rapl:0": ("package-0", 50, 262143328850 - 4_000_000),
             "intel-rapl:1": ("package-1", 30, 1_000_000),
             "intel-rapl:0:0": ("core", 20, 500), "intel-rapl:0:1": ("dram", 5, 65712999613 - 800_000),
             "intel-rapl:1:0": ("dram", 5, 7)}
    root = tmp_path / "root"
    power = root / "sys/class/powercap"
    ranges = {"package-0": 262143328850, "package-1": 262143328850, "core": 262143328850,
              "dram": 65712999613}
    for zone, (name, _, begin) in zones.items():
        (power / zone).mkdir(parents=True)
        (power / zone / "name").write_text(f"{name}\n")
        (power / zone / "energy_uj").write_text(f"{begin:012d}\n")
        (power / zone / "max_energy_range_uj").write_text(f"{ranges[name]}\n")
    (root / "proc").mkdir()
    (root / "proc/stat").write_text("cpu  100 0 100 1000 0 0 0 0 0 0\n")
    (root / "proc/cpuinfo").write_text(
        "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Test CPU\ncpu cores\t: 4\n")
    over = threading.Event()
    began = time.monotonic()

    def count():
        while not over.wait(0.002):
            for zone, (name, watts, begin) in zones.items():
                value = begin + int((time.monotonic() - began) * watts * 1e6)
                with open(power / zone / "energy_uj", "r+", encoding="ascii") as file:
                    file.write(f"{value % (ranges[name] + 1):012d}\n")  # in place, of one length

    counter = threading.Thread(target=count)
    counter.start()
    yield str(root)
    over.set()
    counter.join()


def test_rapl_where_it_is(rapl):
    m = PowerMeter(gpu=False, root=rapl, country="FR")
    m.mesure_power(time.sleep, "time", "sleep")(0.6)
    (row,) = logged_runs()
    seconds = row["duration_s"]
    assert row["package_j"] == pytest.approx(80 * seconds, rel=0.1)
    assert row["core_j"] == pytest.approx(20 * seconds, rel=0.15)
    assert row["dram_j"] == pytest.approx(10 * seconds, rel=0.15)
    assert row["energy_j"] == pytest.approx(90 * seconds, rel=0.1)  # cores are in the packages
    assert row["package_source"] == "counter" and row["dram_source"] == "counter"
    assert row["gpu_j"] is None and row["gpu_time_s"] == 0
    assert row["co2_g"] == pytest.approx(row["energy_j"] / 3.6e6 * 56.039)


@pytest.fixture
def bare(tmp_path):
    """A machine without any counter of energy, half of whose CPU time is used."""
    root = tmp_path / "bare"
    (root / "proc").mkdir(parents=True)
    (root / "proc/cpuinfo").write_text(
        "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Test CPU\ncpu cores\t: 4\n")
    stat = root / "proc/stat"
    over = threading.Event()
    began = time.monotonic()

    def line():
        ticks = int((time.monotonic() - began) * 50)
        return f"cpu  {100 + ticks:09d} 0 100 {1000 + ticks:09d} 0 0 0 0 0 0\n"

    def count():
        while not over.wait(0.01):
            with open(stat, "r+", encoding="ascii") as file:
                file.write(line())

    stat.write_text(line())
    counter = threading.Thread(target=count)
    counter.start()
    yield str(root)
    over.set()
    counter.join()


def test_the_model_elsewhere(bare):
    m = PowerMeter(gpu=False, root=bare, country="FR")
    m.mesure_power(time.sleep, "time", "sleep")(0.6)
    (row,) = logged_runs()
    assert row["package_source"] == "modelled" and row["package_j"] > 0
    assert row["dram_j"] is None and row["core_j"] is None
    assert row["package_u95_j"] > 0.3 * row["package_j"]  # and that it is no measurement


def test_no_sensor_at_all(tmp_path):
    m = PowerMeter(gpu=False, cpu=False, root=str(tmp_path), country="FR")
    assert m.mesure_power(add, "pkg", "add")(1) == 2
    (row,) = logged_runs()
    assert row["energy_j"] is None and row["co2_g"] is None and row["duration_s"] >= 0.02
    assert str(m.last).startswith("not measured")


def test_bounds_are_no_figure():
    m = meter(country="FR")
    m.mesure_power(add, "pkg", "add")(1)
    assert m.last.energy.bound_only
    assert re.fullmatch(r"\S+ J \(bound only\) in \S+ s, \S+–\S+ \w*gCO2e \(56.*", str(m.last))


# ---- reading the log ----


def test_an_empty_log_has_its_columns():
    pytest.importorskip("pandas")
    frame = get_logged_data()
    assert list(frame.columns) == COLUMNS and len(frame) == 0


def test_filters_and_totals():
    for project, j in (("a", 1.0), ("a", 2.0), ("b", 4.0)):
        _joulemeter.log_append(None, {"project": project, "energy_j": j,
                                      "begin_unix_s": 1709251200 + j})
    assert len(logged_runs(project="a")) == 2
    assert [row["energy_j"] for row in logged_runs(last=1)] == [4]
    assert len(logged_runs(since="2024-03-01T00:00:02+00:00")) == 2
    assert len(logged_runs(since="2024-03-01T00:00:02+00:00", before=1709251203)) == 1
    assert len(logged_runs(since="2024-03-01T00:00:02Z")) == 2
    assert logged_runs(before="1970-01-01T00:00Z") == logged_runs(before=0) == []
    assert len(logged_runs(since=0)) == 3
    with pytest.raises(ValueError):
        logged_runs(before="2026-02-30")
    assert {row["project"]: row["energy_j"] for row in logged_runs(view="projects")} == {
        "a": 3, "b": 4}
    assert logged_runs(view="months")[0]["month"] == "2024-03"
    with pytest.raises(ValueError, match="no view"):
        logged_runs(view="years")
    statement = jm.log_statement("latex", project="a")
    assert "2 runs of the project a" in statement and "\\begin{tabular}" in statement
    with pytest.raises(jm.JoulemeterError, match="no such runs"):
        jm.log_statement(project="c")


# ---- notebooks ----


def test_the_magic(capsys):
    class Shell:
        def __init__(self):
            self.magics = {}

        def register_magic_function(self, function, magic_kind, magic_name):
            self.magics[magic_kind, magic_name] = function

        def run_cell(self, cell):
            outcome = type("Result", (), {"error_in_exec": None, "error_before_exec": None})
            try:
                exec(cell, {})
            except Exception as error:
                outcome.error_in_exec = error
            return outcome

    shell = Shell()
    jm.load_ipython_extension(shell)
    magic = shell.magics["cell", "joulemeter"]
    magic("--log --project nb --country FR --simulate 'h100,constant:200'",
          "import time; time.sleep(0.1)")
    assert re.search(r"J in 0\.\d+ s, .*gCO2e \(56\.039 gCO2e/kWh, France in 2023\)",
                     capsys.readouterr().out)
    magic("--log --simulate h100", "1 / 0")
    magic("--simulate h100", "pass")  # not logged
    first, second = logged_runs()
    assert first["project"] == "nb" and first["kind"] == "cell" and first["iso"] == "FR"
    assert second["outcome"] == "ZeroDivisionError"
    with pytest.raises(ValueError, match="unrecognized arguments: --nope"):
        magic("--nope", "pass")


def test_the_magic_in_ipython():
    pytest.importorskip("IPython")
    code = ("import warnings\nwarnings.simplefilter('ignore', DeprecationWarning)\n"
            "from IPython.core.interactiveshell import InteractiveShell\n"
            "ip = InteractiveShell.instance()\nip.run_line_magic('load_ext', 'joulemeter')\n"
            "ip.run_cell_magic('joulemeter', '--simulate h100 --country FR', 'x = 5')\n"
            "assert ip.user_ns['x'] == 5\n")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120,
                          env=dict(os.environ, IPYTHONDIR=os.environ["XDG_STATE_HOME"]))
    assert done.returncode == 0, done.stderr
    assert "gCO2e" in done.stdout or "J in" in done.stdout


# ---- import ----


def test_importing_brings_nothing_along():
    code = ("import sys; from joulemeter import PowerMeter, get_logged_data; "
            "print([m for m in ('pandas', 'numpy', 'sqlite3', 'hashlib', 'IPython', "
            "'importlib.metadata') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-I", "-c",
                           f"import sys; sys.path[:0] = {sys.path!r}; {code}"],
                          capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_warning_of_ours_without_reason():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        meter(country="FR").mesure_power(add, "pkg", "add")(1)
