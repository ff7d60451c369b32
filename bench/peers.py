#!/usr/bin/env python3
"""One peer, measured in a process of its own: prints what it costs as JSON.

usage: peers.py NAME     with libnvidia-ml.so.1 of the simulated GPU in LD_LIBRARY_PATH
"""
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SETTLE_S = 4.0


def processes(pid):
    """This process and all below it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += processes(int(child))
    return found


def resident_mb():
    total = 0
    for pid in processes(os.getpid()):
        try:
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        except OSError:
            pass
    return total * resource.getpagesize() / 1e6


def cpu_s():
    """CPU time of all threads of this process and those below it that still run."""
    total = 0
    for pid in processes(os.getpid()):
        for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            try:
                total += int(task.read_text().split()[0])
            except OSError:
                pass
    return total / 1e9


def window_us(begin, end, count):
    times = []
    for i in range(count):
        from_s = time.perf_counter()
        begin(i)
        end(i)
        times.append(1e6 * (time.perf_counter() - from_s))
    return statistics.median(times)


def measured(load, windows=200):
    """load() imports and starts the peer and gives (begin, end, stop)."""
    before_mb = resident_mb()
    from_s = time.perf_counter()
    begin, end, stop = load()
    start_s = time.perf_counter() - from_s
    result = {"start_ms": 1e3 * start_s}
    if begin:
        begin(-1)
        end(-1)
        result["window_us"] = window_us(begin, end, windows)
        begin(-2)
    cpu, from_s = cpu_s(), time.perf_counter()
    time.sleep(SETTLE_S)
    result["cpu_pct"] = 100 * (cpu_s() - cpu) / (time.perf_counter() - from_s)
    result["memory_mb"] = resident_mb() - before_mb
    if begin:
        end(-2)
    stop()
    return result


def zeus():
    def load():
        from zeus.monitor import ZeusMonitor
        monitor = ZeusMonitor(gpu_indices=[0])
        return (lambda i: monitor.begin_window(f"w{i}", sync_execution=False),
                lambda i: monitor.end_window(f"w{i}", sync_execution=False), lambda: None)
    return measured(load)


def codecarbon():
    def load():
        from codecarbon import OfflineEmissionsTracker
        tracker = OfflineEmissionsTracker(country_iso_code="FRA", measure_power_secs=1, save_to_file=False,
                                          log_level="critical", allow_multiple_runs=True)
        tracker.start()
        return (lambda i: tracker.start_task(f"t{i}"), lambda i: tracker.stop_task(f"t{i}"), tracker.stop)
    return measured(load, windows=5)


def pyjoules():
    def load():
        from pyJoules.device.device_factory import DeviceFactory
        from pyJoules.device.nvidia_device import NvidiaGPUDomain
        from pyJoules.energy_meter import EnergyMeter
        meter = EnergyMeter(DeviceFactory.create_devices([NvidiaGPUDomain(0)]))
        return lambda i: meter.start(f"w{i}"), lambda i: meter.stop(), lambda: None
    return measured(load)


def polling(hz):
    """What people write themselves: a thread that asks pynvml, as nvidia-smi's loop does."""
    def load():
        import threading
        import pynvml
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        samples, stopped = [], threading.Event()

        def poll():
            while not stopped.wait(1 / hz):
                samples.append((time.time(), pynvml.nvmlDeviceGetPowerUsage(handle),
                                pynvml.nvmlDeviceGetUtilizationRates(handle).gpu,
                                pynvml.nvmlDeviceGetTemperature(handle, 0)))
        thread = threading.Thread(target=poll)
        thread.start()

        def stop():
            stopped.set()
            thread.join()
        return None, None, stop
    return measured(load)


PEERS = {"Zeus": zeus, "CodeCarbon": codecarbon, "pyJoules": pyjoules,
         "pynvml polling at 10 Hz": lambda: polling(10), "pynvml polling at 1 kHz": lambda: polling(1000)}

# A command wrapped: start measuring, run it, stop.
WRAPPERS = {
    "Zeus": """
from zeus.monitor import ZeusMonitor
m = ZeusMonitor(gpu_indices=[0]); m.begin_window("w", sync_execution=False)
import subprocess; subprocess.run(["true"]); m.end_window("w", sync_execution=False)""",
    "CodeCarbon": """
from codecarbon import OfflineEmissionsTracker
t = OfflineEmissionsTracker(country_iso_code="FRA", save_to_file=False, log_level="critical",
                            allow_multiple_runs=True)
t.start()
import subprocess; subprocess.run(["true"]); t.stop()""",
    "pyJoules": """
from pyJoules.device.device_factory import DeviceFactory
from pyJoules.device.nvidia_device import NvidiaGPUDomain
from pyJoules.energy_meter import EnergyMeter
m = EnergyMeter(DeviceFactory.create_devices([NvidiaGPUDomain(0)])); m.start("w")
import subprocess; subprocess.run(["true"]); m.stop()""",
}


def wrapper(name):
    """Milliseconds of the wrapped `true` over the bare one, median of five pairs."""
    more = []
    for _ in range(5):
        times = []
        for command in (["true"], [sys.executable, "-c", WRAPPERS[name]]):
            from_s = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True)
            times.append(time.perf_counter() - from_s)
            if done.returncode != 0:
                raise RuntimeError(done.stderr.strip().splitlines()[-1])
        more.append(1e3 * (times[1] - times[0]))
    return {"wrapper_ms": statistics.median(more)}


def main():
    name = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:  # some write files where they stand
        os.chdir(folder)
        result = PEERS[name]()
        if name in WRAPPERS:
            result.update(wrapper(name))
        os.chdir("/")
    print("\n" + json.dumps(result), flush=True)
    os._exit(0)  # whatever threads a peer leaves behind


if __name__ == "__main__":
    main()
