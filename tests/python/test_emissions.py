"""CodeCarbon's trackers: names, columns, and what differs."""
import csv
import math
import os
import subprocess
import sys
import time

import pytest

import joulemeter as jm
from joulemeter.emissions import EmissionsTracker, OfflineEmissionsTracker, track_emissions

GPU = "h100,constant:200,noise=0,seed=1"


@pytest.fixture(autouse=True)
def own_folder(own_home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def tracker(**options):
    options.setdefault("country_iso_code", "FRA")
    return EmissionsTracker(simulate=GPU, cpu=False, **options)


def rows_of(path="emissions.csv"):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_start_and_stop():
    t = tracker(project_name="p", pue=1.2, experiment_id="e", measure_power_secs=15,
                log_level="error", save_to_api=False)
    t.start()
    time.sleep(0.6)
    kg = t.stop()
    assert kg == t.final_emissions == t.final_emissions_data.emissions
    (row,) = rows_of()
    assert float(row["emissions"]) == pytest.approx(kg)
    energy = float(row["energy_consumed"])
    assert energy == pytest.approx(float(row["gpu_energy"]))
    assert t.last.energy.lower_j <= 200 * float(row["duration"]) <= t.last.energy.upper_j
    assert energy == pytest.approx(1.2 * t.last.energy.energy_j / 3.6e6)  # with the PUE, as there
    assert float(row["gpu_power"]) == pytest.approx(1.2 * 200, rel=0.1)
    assert kg == pytest.approx(energy * 56.039e-3)
    assert float(row["emissions_rate"]) == pytest.approx(kg / float(row["duration"]))
    assert row["project_name"] == "p" and row["experiment_id"] == "e"
    assert row["country_iso_code"] == "FRA" and row["country_name"] == "France"
    assert row["cpu_energy"] == "" and row["longitude"] == ""  # not known is not 0
    assert row["pue"] == "1.2" and row["on_cloud"] == "N"
    assert row["codecarbon_version"] == f"joulemeter {jm.__version__}"
    assert not os.path.exists("state")  # nothing was logged: nobody asked


def test_codecarbons_columns():
    code = ("import dataclasses; from codecarbon.output_methods.emissions_data import EmissionsData"
            "; print(*(field.name for field in dataclasses.fields(EmissionsData)))")
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True,
                          text=True, timeout=120)
    if done.returncode != 0:
        pytest.skip("CodeCarbon is not installed")
    with tracker() as t:
        pass
    theirs, ours = done.stdout.split(), list(t.final_emissions_data.values)
    assert [name for name in ours if name in theirs] == [n for n in theirs if n in ours]
    assert len(set(theirs) & set(ours)) >= 32  # versions differ in some


def test_a_file_of_codecarbon_goes_on(tmp_path):
    """In its order, also where its last line is not ended and it lacks columns of today."""
    (tmp_path / "emissions.csv").write_text("timestamp,energy_consumed,emissions\nx,7,1",
                                            encoding="utf-8")
    with tracker() as t:
        time.sleep(0.1)
    first, second = rows_of()
    assert first == {"timestamp": "x", "emissions": "1", "energy_consumed": "7"}
    assert float(second["emissions"]) == t.final_emissions
    assert float(second["energy_consumed"]) == t.final_emissions_data.energy_consumed


@pytest.mark.parametrize("content", ["epoch,loss\n1,2\n", "timestamp,emissions,energy_consumed,x\n"])
def test_a_file_of_others_is_set_aside(tmp_path, content):
    for taken in ("emissions.csv.bak", "emissions.csv"):
        (tmp_path / taken).write_text(content, encoding="utf-8")
    t = tracker()
    t.start()
    with pytest.warns(jm.JoulemeterWarning, match="other columns.*emissions.csv_0.bak"):
        t.stop()
    assert len(rows_of()) == 1 and rows_of()[0]["tracking_mode"] == "machine"
    for kept in ("emissions.csv.bak", "emissions.csv_0.bak"):
        assert (tmp_path / kept).read_text(encoding="utf-8") == content


def a_folder(tmp_path):
    (tmp_path / "emissions.csv").mkdir()


def a_file_for_a_folder(tmp_path):
    (tmp_path / "out").write_text("")


def no_text(tmp_path):
    (tmp_path / "emissions.csv").write_bytes(b"\xff\xfe\0\0")


def a_full_disk(tmp_path):
    (tmp_path / "emissions.csv").symlink_to("/dev/full")


@pytest.mark.parametrize("spoil", [a_folder, a_file_for_a_folder, no_text, a_full_disk])
def test_a_file_that_cannot_be_written(tmp_path, spoil):
    spoil(tmp_path)
    t = tracker(output_dir="out") if spoil is a_file_for_a_folder else tracker()
    t.start()
    time.sleep(0.2)
    with pytest.warns(jm.JoulemeterWarning, match="this run is not in .*emissions.csv: "):
        kg = t.stop()
    assert kg > 0 and kg == t.final_emissions == t.final_emissions_data.emissions


def test_no_place_for_temporary_files(tmp_path, monkeypatch):
    t = tracker(pue=1.5)
    t.start()
    time.sleep(0.2)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    with pytest.warns(jm.JoulemeterWarning, match="this run is not in .*emissions.csv: .*nowhere"):
        kg = t.stop()
    data = t.final_emissions_data
    assert kg == data.emissions == pytest.approx(data.energy_consumed * 56.039e-3)
    assert not os.path.exists("emissions.csv")


def test_many_append_at_once(tmp_path):
    (tmp_path / "emissions.csv").write_text("epoch,loss\n", encoding="utf-8")
    code = ("import sys; from joulemeter.emissions import _append\n"
            "for i in range(50): _append('emissions.csv', {'timestamp': sys.argv[1], 'emissions': i,"
            " 'energy_consumed': 'x' * 3000})")
    writers = [subprocess.Popen([sys.executable, "-W", "ignore", "-c", code, str(n)]) for n in range(4)]
    assert [writer.wait(120) for writer in writers] == [0] * 4
    rows = rows_of()
    assert sorted((row["timestamp"], int(row["emissions"])) for row in rows) == sorted(
        (str(n), i) for n in range(4) for i in range(50))
    assert [path.name for path in tmp_path.glob("*.bak")] == ["emissions.csv.bak"]


def test_tasks_alone_begin_the_run():
    """As CodeCarbon's examples have it: no start(), and a last stop()."""
    t = tracker(output_dir="out/deep", output_file="e.csv", experiment_name="x")
    t.start_task("load")
    t.start_task("train")
    assert t.stop_task().task_name == "train"
    assert t.stop_task("load").task_name == "load"
    with pytest.raises(RuntimeError, match="no task"):
        t.stop_task()
    t.stop()
    assert len(rows_of("out/deep/e.csv")) == 1
    assert [row["task_name"] for row in rows_of(f"out/deep/emissions_x_{t.run_id}.csv")] == [
        "train", "load"]


def test_a_row_a_run_and_one_for_each_task():
    t = tracker(experiment_id="e")
    t.start()
    t.start_task("a")
    time.sleep(0.4)
    a = t.stop_task()
    t.start_task("open")
    t.start_task("a")
    time.sleep(0.2)
    first = t.run_id
    kg = t.stop()
    (run,) = rows_of()
    tasks = rows_of(f"emissions_base_{first}.csv")
    assert [row["task_name"] for row in tasks] == ["a", "open", "a"]
    assert {row["run_id"] for row in (run, *tasks)} == {first}
    assert float(tasks[0]["emissions"]) == a.emissions > 0 and float(run["emissions"]) == kg
    assert 0.35 < float(tasks[0]["duration"]) < float(run["duration"])
    assert float(run["duration"]) > float(tasks[0]["duration"]) + float(tasks[1]["duration"])
    assert list(tasks[0])[:4] == ["task_name", "timestamp", "project_name", "run_id"]
    assert not {"experiment_id", "pue", "wue"} & set(tasks[0]) and run["experiment_id"] == "e"
    with t:
        pass
    assert t.run_id != first and [row["run_id"] for row in rows_of()] == [first, t.run_id]
    assert len([name for name in os.listdir() if name.startswith("emissions_")]) == 1


def test_tasks_do_not_wait_for_their_figures(monkeypatch):
    """Waiting would be measured: what stop_task() gives is found later, and is the same then."""
    import copy
    import pickle

    waits = []
    real = time.sleep
    monkeypatch.setattr("time.sleep", lambda s: (waits.append(s), real(s)))
    t = tracker(log=True)
    t.start()
    ended = []
    for n in range(5):
        t.start_task(f"t{n}")
        real(0.1)
        ended.append(t.stop_task())
    assert waits == []
    early = ended[0].emissions  # asked within the run
    assert early > 0 and len(waits) <= 1
    t.stop()
    durations = [data.duration for data in ended]
    assert sum(durations) <= t.final_emissions_data.duration
    assert ended[0].emissions == early and ended[0].values["task_name"] == "t0"
    assert "task_name='t1'" in repr(ended[1])
    assert copy.copy(ended[2]).values == pickle.loads(pickle.dumps(ended[2])).values
    with pytest.raises(AttributeError):
        ended[0].nothing
    assert len(jm.logged_runs()) == 1  # tasks are parts of it, not runs of their own


def test_what_is_said_twice_is_taken_once():
    t = tracker()
    with pytest.warns(jm.JoulemeterWarning, match="start.. was not called"):
        assert t.stop() is None
    with pytest.warns(jm.JoulemeterWarning, match="nothing is written before start"):
        assert t.flush() is None
    with t:
        with pytest.warns(jm.JoulemeterWarning, match="has started already"):
            t.start()
        t.start_task("a")
        with pytest.warns(jm.JoulemeterWarning, match="'a' has begun already"):
            t.start_task("a")
        time.sleep(0.2)
        kg = t.stop()
    assert len(rows_of()) == 1
    with pytest.warns(jm.JoulemeterWarning, match="has stopped already"):
        assert t.stop() == kg > 0
    assert len(rows_of()) == 1


def test_flush_writes_and_goes_on():
    with tracker(log=True) as t:
        time.sleep(0.3)
        part = t.flush()
        time.sleep(0.3)
    first, whole = rows_of()
    assert first["run_id"] == whole["run_id"]
    assert float(first["emissions"]) == part and 0 < part < t.final_emissions
    assert 0.25 < float(first["duration"]) < float(whole["duration"]) - 0.25
    assert len(jm.logged_runs()) == 1


def test_tasks_that_cannot_be_written(tmp_path):
    t = tracker()
    t.start_task("a")
    (tmp_path / f"emissions_base_{t.run_id}.csv").mkdir()
    with pytest.warns(jm.JoulemeterWarning, match="tasks of this run are not in .*emissions_base"):
        t.stop()
    assert len(rows_of()) == 1


def test_a_failure_inside_comes_through():
    with pytest.raises(KeyError):
        with tracker(log=True):
            raise KeyError("x")
    (row,) = jm.logged_runs()
    assert row["outcome"] == "KeyError" and row["kind"] == "tracker"
    assert len(rows_of()) == 1


def test_the_place_is_logged_only_if_it_is_given(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Paris")
    for country in (None, "FRA"):
        with tracker(log=True, country_iso_code=country) as t:
            time.sleep(0.2)
        assert t.final_emissions > 0
    guessed, given = jm.logged_runs()
    assert given["iso"] == "FR" and given["co2_g"] == pytest.approx(1000 * t.final_emissions)
    assert [name for name in guessed if name.startswith(("co2_", "intensity_", "iso", "country"))
            and guessed[name] is not None] == ["intensity_source"]
    assert "56.039" not in str(guessed) and guessed["energy_j"] > 0
    assert [row["country_iso_code"] for row in rows_of()] == ["FRA", "FRA"]  # CodeCarbon's file


def test_a_log_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("JOULEMETER_LOG_PATH", str(tmp_path / "file" / "log.db"))
    t = tracker(log=True)
    t.start()
    with pytest.warns(jm.JoulemeterWarning, match="not in the logbook"):
        t.stop()
    assert len(rows_of()) == 1 and t.last.id is None


def test_the_decorator():
    @track_emissions(country_iso_code="FRA", simulate=GPU, cpu=False, offline=True)
    def work(x):
        return x + 1

    assert work(1) == 2 and work(2) == 3
    assert len(rows_of()) == 2


def test_without_a_country_it_says_so():
    t = tracker(country_iso_code=None)
    t.start()
    time.sleep(0.2)
    with pytest.warns(jm.JoulemeterWarning, match="no carbon is known.*time zone UTC"):
        assert t.stop() is None
    (row,) = rows_of()
    assert row["emissions"] == "" and float(row["energy_consumed"]) > 0


def test_other_intensities_and_files(tmp_path):
    with tracker(force_carbon_intensity_g_co2e_kwh=100, save_to_file=False, wue=2) as t:
        time.sleep(0.1)
    data = t.final_emissions_data
    assert data.emissions == pytest.approx(data.energy_consumed * 0.1)
    assert data.water_consumed == pytest.approx(2 * data.energy_consumed)
    assert not os.path.exists("emissions.csv")
    hour = int(time.time()) // 3600 * 3600
    (tmp_path / "grid.csv").write_text(
        f"time,intensity\n{hour},50\n{hour + 3600},70\n{hour + 7200},70\n", encoding="utf-8")
    with OfflineEmissionsTracker(force_carbon_intensity_g_co2e_kwh=str(tmp_path / "grid.csv"),
                                 simulate=GPU, cpu=False) as t:
        time.sleep(0.1)
    share = t.final_emissions_data.emissions / t.final_emissions_data.energy_consumed * 1000
    assert 50 - 1e-9 <= share <= 70 + 1e-9 and math.isfinite(share)


@pytest.mark.parametrize("place", [
    {"country_iso_code": "CAN", "region": "quebec"},
    {"country_iso_code": None, "cloud_provider": "aws", "cloud_region": "eu-north-1"}])
def test_places_that_are_not_known_are_said(place, recwarn):
    words = " and ".join(name for name in place if name != "country_iso_code")
    with pytest.warns(jm.JoulemeterWarning, match=f"{words} (is|are) not used.*force_carbon_int") as w:
        OfflineEmissionsTracker(**place)
    assert [warning.filename for warning in w] == [__file__]
    OfflineEmissionsTracker(**place, force_carbon_intensity_g_co2e_kwh=30)
    OfflineEmissionsTracker(country_iso_code="CAN", region=None)
    assert not recwarn.list


@pytest.mark.parametrize("wue", [-1, math.nan, math.inf])
def test_water_that_cannot_be(wue):
    with pytest.raises(ValueError, match="litres of water"):
        tracker(wue=wue)


def test_options_that_are_none():
    with pytest.raises(LookupError, match="no country 'XYZ'"):
        tracker(country_iso_code="XYZ")
    with pytest.raises(TypeError):
        tracker(nonsense=1).start()
