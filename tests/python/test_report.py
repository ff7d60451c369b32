"""Tables and reports from Python."""
import json
import time

import pytest

import joulemeter as jm


@pytest.fixture(scope="module")
def report():
    """A small training on a simulated GPU."""
    with jm.profile("training", simulate="h100,square:100:300:0.3,seed=2", join=False) as p:
        with p.phase("train"):
            for epoch in range(2):
                with p.epoch(epoch):
                    for i in range(3):
                        batch = p.batch(i, 32)
                        with batch:
                            time.sleep(0.13)
                            p.mark("loss", value=1.0 - 0.1 * i)
        with p.phase("infer"):
            time.sleep(0.2)
    return p.report()


def test_frames_agree_with_each_other(report):
    pandas = pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    pyarrow = pytest.importorskip("pyarrow")
    for name in ("samples", "readings", "marks", "ranges", "batches", "epochs"):
        table = report.table(name)
        frame = table.to_pandas()
        arrow = table.to_arrow()
        rows = list(table.rows())
        assert isinstance(frame, pandas.DataFrame) and isinstance(arrow, pyarrow.Table)
        assert len(frame) == arrow.num_rows == len(rows) == len(polars.DataFrame(table)) > 0
        assert list(frame.columns) == arrow.column_names == list(rows[0])
        for column in frame.columns:
            if arrow[column].null_count == 0 and frame[column].dtype != object:
                assert frame[column].tolist() == arrow[column].to_pylist()


def test_tables_have_powerdl_columns(report):
    pytest.importorskip("pandas")
    wanted = {
        "samples": "t ts p_w gpu_util mem_util",
        "marks": "name t meta",
        "batches": "batch batch_size time_s energy_j energy_u95_j avg_power_w j_per_sample "
                   "throughput loss",
        "epochs": "epoch time_s energy_j energy_u95_j avg_power_w avg_gpu_util avg_mem_util",
    }
    for name, columns in wanted.items():
        assert set(columns.split()) <= set(getattr(report, f"{name}_df").columns), name
    assert report.batches_df["batch_size"].tolist() == [32] * 6
    assert report.epochs_df["epoch"].tolist() == [0, 1]
    assert (report.epochs_df["energy_j"] > 0).all()
    assert report.samples_df["device"].unique().tolist() == ["gpu0"]


def test_readings_are_not_copied(report):
    pyarrow = pytest.importorskip("pyarrow")
    one, two = (pyarrow.RecordBatchReader.from_stream(report.table("readings")).read_next_batch()
                for _ in range(2))
    for column in ("t_ns", "since_ns", "flags"):
        addresses = [batch[column].buffers()[1].address for batch in (one, two)]
        assert addresses[0] == addresses[1], column


def test_arrays_outlive_everything(report):
    pyarrow = pytest.importorskip("pyarrow")
    import gc

    with jm.profile(simulate="h100", join=False, cpu=False) as p:
        time.sleep(0.1)
    table = pyarrow.table(p.report().table("readings"))
    before = table.to_pylist()
    del p
    gc.collect()
    assert table.to_pylist() == before


def test_a_stream_that_nobody_reads(report):
    for _ in range(10):
        report.table("readings").__arrow_c_stream__()


def test_without_libraries(report):
    columns = report.table("batches").to_dict()
    assert list(columns["batch"]) == [0, 1, 2, 0, 1, 2]
    assert columns["phase"] == ["train"] * 6
    assert columns["loss"] == [None] * 6


def test_without_pandas(report, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        report.samples_df
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match="pip install pyarrow"):
        report.table("marks").to_arrow()
    assert len(report.table("marks").to_dict()["name"]) == 6


def test_summary_and_energy(report):
    total = report.summary["total"]
    assert total["lower_j"] <= total["energy_j"] <= total["upper_j"]
    gpus = report.energy()
    assert report.device == "gpus"
    assert gpus.energy_j == pytest.approx(report.energy("gpu0").energy_j)
    assert report.energy("total").energy_j >= gpus.energy_j
    assert "train" in str(report) and "Report" in repr(report)
    with pytest.raises(ValueError, match="samples, readings"):
        list(report.table("nonsense").rows())
    with pytest.raises(LookupError):
        jm.Report(report.recording, device="gpu9").table("samples").to_dict()


def test_save_and_open(report, tmp_path):
    path = tmp_path / "a.jm"
    report.save(path)
    again = jm.open(path)
    assert again.summary["total"] == report.summary["total"]
    assert list(again.table("epochs").rows()) == list(report.table("epochs").rows())
    with pytest.raises(FileNotFoundError):
        jm.open(tmp_path / "b.jm")
    (tmp_path / "c.jm").write_text("no recording")
    with pytest.raises(jm.JoulemeterError) as error:
        jm.open(tmp_path / "c.jm")
    assert error.value.status == "JM_FORMAT"


def test_export(report, tmp_path):
    report.export(tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"summary.json", "samples.csv", "marks.csv", "ranges.csv"} <= names
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["schema"] == 1
    report.table("batches").to_csv(tmp_path / "batches.csv")
    assert len((tmp_path / "batches.csv").read_text().splitlines()) == 7
