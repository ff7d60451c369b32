"""One trace with torch.profiler's events and joulemeter's."""
import gzip
import json
import statistics
import subprocess
import sys
import time

import pytest

import joulemeter as jm

torch = pytest.importorskip("torch")

# An exception in the middle of torch.profiler's work, as of a warning, ends the process.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

GPU = "h100,square:100:300:0.1,seed=2"


def events_of(path):
    opened = gzip.open(path, "rt") if str(path).endswith(".gz") else open(path, encoding="utf-8")
    with opened as file:
        return json.load(file)["traceEvents"]


def slices(events, name):
    return [event for event in events if event["ph"] == "X" and event["name"] == name]


def counters(events, name):
    return [event for event in events if event["ph"] == "C" and event["name"] == name]


def test_both_are_on_one_clock(simulated, tmp_path):
    path = tmp_path / "trace.json"
    p = simulated(GPU)
    p.mark("long before")
    time.sleep(0.3)
    with jm.torch_trace(path, profiler=p, activities=[torch.profiler.ProfilerActivity.CPU],
                        record_shapes=True) as t:
        assert t.profiler is p
        with torch.profiler.record_function("warm"), p.phase("warm"):
            pass
        for _ in range(5):
            with torch.profiler.record_function("outer"):
                with p.phase("inner"):
                    torch.randn(200, 200) @ torch.randn(200, 200)
                    time.sleep(0.06)
        with p.phase("around"):
            with torch.profiler.record_function("within"):
                time.sleep(0.02)
    events = events_of(path)
    assert len(slices(events, "aten::mm")) == 5
    outer, inner = slices(events, "outer"), slices(events, "inner")
    assert len(outer) == len(inner) == 5
    # The one lies in the other, and their edges agree to 1 ms, unless another program ran between.
    begins = [b["ts"] - a["ts"] for a, b in zip(outer, inner)]
    ends = [a["ts"] + a["dur"] - b["ts"] - b["dur"] for a, b in zip(outer, inner)]
    for gaps in (begins, ends):
        assert -20 < min(gaps) <= statistics.median(gaps) < 1000, gaps
    assert all(b["args"]["energy_j"] >= 0 and b["pid"] == a["pid"] for a, b in zip(outer, inner))
    [a], [b] = slices(events, "around"), slices(events, "within")
    assert b["ts"] - a["ts"] > -20
    [board] = [event["pid"] for event in events if event["name"] == "process_name"
               and event["args"]["name"].startswith("gpu0 ")]
    power = [event for event in counters(events, "power") if event["pid"] == board]
    assert len(power) >= 3 and all(50 < event["args"]["W"] < 400 for event in power)
    assert counters(events, "energy")
    # What was long before is not in it, but for the counters' values.
    begin = min(event["ts"] for event in events if event["ph"] == "X")
    assert min(event["ts"] for event in events if "ts" in event) > begin - 100_000
    assert not [event for event in events if event["name"] == "long before"]
    assert not p.closed and t.paths == [str(path)]


def test_a_profiler_of_its_own_and_failures(tmp_path):
    path = tmp_path / "trace.json.gz"
    with pytest.raises(ZeroDivisionError):
        with jm.torch_trace(path, options={"simulate": GPU, "join": False, "cpu": False}) as t:
            with t.profiler.phase("train"):
                torch.ones(3) + 1
                time.sleep(0.1)
                1 / 0  # noqa: B018
    assert t.profiler.closed
    events = events_of(path)
    assert slices(events, "train") and slices(events, "aten::add")
    assert list(tmp_path.iterdir()) == [path]


def test_schedules(simulated, tmp_path):
    told = []
    p = simulated(GPU)
    with p, jm.torch_trace(tmp_path / "t.json", on_trace_ready=lambda prof: told.append(prof),
                           schedule=torch.profiler.schedule(wait=1, warmup=1, active=2,
                                                            repeat=2)) as t:
        for i in range(8):
            with p.batch(i, 4):
                torch.ones(3) + 1
                time.sleep(0.02)
            t.step()
    assert [path.rsplit("/")[-1] for path in t.paths] == ["t.json", "t-1.json"]
    assert len(told) == 2
    first, second = (slices(events_of(path), "batch") for path in t.paths)
    indices = [[event["args"]["attributes"]["index"] for event in batches]
               for batches in (first, second)]
    assert {2, 3} <= set(indices[0]) <= {1, 2, 3, 4}
    assert {6, 7} <= set(indices[1]) <= {5, 6, 7}


def test_joined_with_a_recording_afterwards(simulated, tmp_path):
    p = simulated(GPU)
    with torch.profiler.profile() as prof:
        with torch.profiler.record_function("outer"), p.phase("inner"):
            time.sleep(0.05)
    prof.export_chrome_trace(str(tmp_path / "torch.json"))
    time.sleep(0.2)
    with p.phase("later"):
        pass
    recording = p.close()
    recording.save(tmp_path / "run.jm")
    merged = tmp_path / "both.json"
    for source in (recording, p.report(), tmp_path / "run.jm"):
        jm.merge_torch_trace(tmp_path / "torch.json", source, merged, device="gpu0")
        events = events_of(merged)
        [outer], [inner] = slices(events, "outer"), slices(events, "inner")
        assert -20 < inner["ts"] - outer["ts"] < 20_000
        assert slices(events, "later") == []
    jm.merge_torch_trace(tmp_path / "torch.json", recording, merged, whole=True)
    assert slices(events_of(merged), "later")
    before = json.loads((tmp_path / "torch.json").read_text())["traceEvents"]
    jm.merge_torch_trace(tmp_path / "torch.json", recording, tmp_path / "torch.json")
    after = events_of(tmp_path / "torch.json")
    assert [event for event in after if event in before] == before
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(ValueError, match="traceEvents"):
        jm.merge_torch_trace(tmp_path / "other.json", recording, merged)
    (tmp_path / "empty.json").write_text('{"traceEvents": [ ]}')
    jm.merge_torch_trace(tmp_path / "empty.json", recording, merged)
    assert slices(events_of(merged), "inner")


def test_inside_an_outer_run(command, tmp_path):
    code = ("import joulemeter as jm, torch, warnings\n"
            "with warnings.catch_warnings(record=True) as told:\n"
            "    warnings.simplefilter('always')\n"
            "    with jm.torch_trace('trace.json') as t, t.profiler.phase('train'):\n"
            "        torch.ones(3) + 1\n"
            "print([str(w.message) for w in told if 'joulemeter' in str(w.message)])\n")
    done = subprocess.run([command, "run", "-q", "-o", "run.jm", "--simulate", GPU, "--",
                           sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "merge_torch_trace" in done.stdout, done.stderr
    path = tmp_path / "trace.json"
    assert slices(events_of(path), "aten::add") and not slices(events_of(path), "train")
    jm.merge_torch_trace(path, tmp_path / "run.jm", path)
    assert slices(events_of(path), "train") and slices(events_of(path), "aten::add")
