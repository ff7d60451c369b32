# SPDX-License-Identifier: MIT
"""Programs of others run on the simulated GPU unmodified.

Each check runs in a process of its own with LD_LIBRARY_PATH set to the simulated library (in the
folder SIMGPU_LIBRARY_DIR). A check whose package is not installed is skipped with that reason.
SIMGPU_TRUTH names `simgpu-truth`, which tells what the boards really drew; SIMGPU_CHANNEL names
`libsimgpu-channel.so`.
"""
import importlib.util
import os
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

LIBRARY_DIR = os.environ.get("SIMGPU_LIBRARY_DIR", "")
TRUTH = os.environ.get("SIMGPU_TRUTH", "")
CHANNEL = os.environ.get("SIMGPU_CHANNEL", "")


ROOT = Path(__file__).resolve().parents[2]
INSTALLED = ROOT / ".cache" / "dev" / "peers"
VENV = ROOT / ".venv" / "bin" / "python"

if importlib.util.find_spec("pynvml") is None and VENV.exists() and sys.prefix != str(ROOT / ".venv"):
    os.execv(VENV, [str(VENV), *sys.argv])  # that is where the set-up puts them


def needs(*packages):
    """Skip unless all packages can be imported (without importing them). Where the set-up says that
    it installed them, one that is missing is a failure."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    return unittest.skipIf(missing and not INSTALLED.exists(), "not installed: " + ", ".join(missing))


class Peers(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.state = os.path.join(self.folder.name, "state")

    def tearDown(self):
        self.folder.cleanup()

    def run_on(self, spec, script):
        """Run a Python script on boards made from `spec`; return what it prints."""
        subprocess.run([TRUTH, "--create", self.state, spec], check=True)
        environment = dict(os.environ, LD_LIBRARY_PATH=LIBRARY_DIR,
                           JOULEMETER_SIMGPU_STATE=self.state, CUDA_VISIBLE_DEVICES="0")
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], env=environment,
                              capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.split()

    def truth(self, board, t0_ns, t1_ns):
        done = subprocess.run([TRUTH, self.state, str(board), str(t0_ns), str(t1_ns)],
                              check=True, capture_output=True, text=True)
        return float(done.stdout)

    @needs("pynvml")
    def test_nvidia_ml_py(self):
        out = self.run_on("h100,constant:250,noise=0;a100,mig=2;3090", """
            import pynvml as n
            n.nvmlInit()
            print(n.nvmlDeviceGetCount())
            h = n.nvmlDeviceGetHandleByIndex(0)
            print(n.nvmlDeviceGetName(h).replace(" ", "_"))
            print(n.nvmlDeviceGetPowerUsage(h))
            field = n.nvmlDeviceGetFieldValues(h, [n.NVML_FI_DEV_POWER_INSTANT])[0]
            assert field.nvmlReturn == 0 and field.value.uiVal == 250000
            again = n.nvmlDeviceGetHandleByUUID(n.nvmlDeviceGetUUID(h))
            assert n.nvmlDeviceGetIndex(again) == 0
            assert n.nvmlDeviceGetPciInfo(h).busId == "00000000:01:00.0"
            assert n.nvmlDeviceGetMemoryInfo(h, n.nvmlMemory_v2).total > 0
            assert n.nvmlDeviceGetComputeRunningProcesses(h) == []
            assert n.nvmlDeviceGetMigMode(n.nvmlDeviceGetHandleByIndex(1)) == [1, 1]
            n.nvmlDeviceGetUtilizationRates(h), n.nvmlDeviceGetClockInfo(h, n.NVML_CLOCK_SM)
            n.nvmlDeviceGetTemperature(h, n.NVML_TEMPERATURE_GPU)
            n.nvmlDeviceGetTemperatureV(h, n.NVML_TEMPERATURE_GPU)
            n.nvmlDeviceGetViolationStatus(h, n.NVML_PERF_POLICY_POWER)
            n.nvmlDeviceGetCurrentClocksThrottleReasons(h), n.nvmlSystemGetDriverVersion()
            import time
            time.sleep(0.1)
            kind, samples = n.nvmlDeviceGetSamples(h, n.NVML_TOTAL_POWER_SAMPLES, 0)
            assert kind == n.NVML_VALUE_TYPE_UNSIGNED_INT and len(samples) >= 3
            try:
                n.nvmlDeviceGetFanSpeed(h)
                raise SystemExit("a fan?")
            except n.NVMLError_NotSupported:
                pass
            n.nvmlShutdown()
            """)
        self.assertEqual(out, ["3", "NVIDIA_H100_80GB_HBM3", "250000"])

    @needs("pynvml", "zeus")
    def test_zeus(self):
        """Zeus measures a window by the counter; the truth is known to two counter ticks."""
        if self.missing_for_zeus():
            self.skipTest(self.missing_for_zeus())
        out = self.run_on("v100,square:60:280:0.1,counter_T=10ms", """
            import time
            from zeus.monitor import ZeusMonitor
            monitor = ZeusMonitor(gpu_indices=[0], cpu_indices=[])
            outer = time.monotonic_ns()
            monitor.begin_window("w", sync_execution=False)
            inner = time.monotonic_ns()
            time.sleep(1.5)
            inner_end = time.monotonic_ns()
            result = monitor.end_window("w", sync_execution=False)
            print(result.gpu_energy[0], outer, inner, inner_end, time.monotonic_ns())
            """)
        measured = float(out[-5])
        outer, inner, inner_end, outer_end = map(int, out[-4:])
        ticks = 2 * 0.010 * 280
        self.assertGreaterEqual(measured, self.truth(0, inner, inner_end) - ticks)
        self.assertLessEqual(measured, self.truth(0, outer, outer_end) + ticks)

    def missing_for_zeus(self):
        done = subprocess.run([sys.executable, "-c", "import zeus.monitor"], capture_output=True,
                              text=True)
        return "zeus cannot be imported: " + done.stderr[-200:] if done.returncode else ""

    def test_channel_from_ctypes(self):
        """A Python program drives a board; the truth follows."""
        out = self.run_on("a100,channel,idle=50", f"""
            import ctypes, time
            lib = ctypes.CDLL({CHANNEL!r})
            lib.simgpu_state_open.restype = ctypes.c_void_p
            lib.simgpu_channel_work.restype = ctypes.c_double
            lib.simgpu_channel_work.argtypes = [ctypes.c_void_p, ctypes.c_int] + [ctypes.c_double] * 3
            state = lib.simgpu_state_open({self.state!r}.encode(), None)
            assert state
            t0 = time.monotonic_ns()
            took = lib.simgpu_channel_work(state, 0, 300.0, 0.2, 1.0)
            print(t0, time.monotonic_ns(), took)
            """)
        t0, t1, took = int(out[0]), int(out[1]), float(out[2])
        self.assertGreaterEqual(took, 0.2)
        truth = self.truth(0, t0, t1)
        self.assertGreater(truth, 0.2 * 300 * 0.999)
        self.assertLess(truth, (t1 - t0) * 1e-9 * 300)


if __name__ == "__main__":
    if not (LIBRARY_DIR and TRUTH and CHANNEL):
        sys.exit("set SIMGPU_LIBRARY_DIR, SIMGPU_TRUTH and SIMGPU_CHANNEL")
    unittest.main(verbosity=2)
