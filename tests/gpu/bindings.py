"""What the programs here need of libjoulemeter and of NVML, by ctypes.

JOULEMETER_LIBRARY names libjoulemeter.so.0; without it nothing is marked.
"""
import ctypes
import os
import threading
import time

PHASE, EPOCH, BATCH, KERNEL = 2, 3, 4, 7
AUTO, COUNTER, POWER = 0, 1, 2
METHODS = {"auto": AUTO, "counter": COUNTER, "power": POWER}


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("message", ctypes.c_char * 508)]


class Window(ctypes.Structure):
    _fields_ = [("begin_ns", ctypes.c_int64), ("end_ns", ctypes.c_int64)]


class EnergyOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("method", ctypes.c_int), ("gain_u", ctypes.c_double),
                ("offset_u_w", ctypes.c_double), ("no_activity", ctypes.c_bool), ("nearby", ctypes.c_bool),
                ("level", ctypes.c_double)]


class Energy(ctypes.Structure):
    _fields_ = [(name, ctypes.c_double) for name in (
        "energy_j", "u95_j", "u_random_j", "u_systematic_j", "lower_j", "upper_j", "duration_s",
        "mean_power_w", "measured")] + [("provenance", ctypes.c_uint32), ("flags", ctypes.c_uint32),
                                        ("reserved", ctypes.c_double * 2)]


class Range(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("id", ctypes.c_uint64), ("parent", ctypes.c_uint64),
                ("begin_ns", ctypes.c_int64), ("end_ns", ctypes.c_int64),
                ("category", ctypes.c_int), ("unfinished", ctypes.c_bool),
                ("pid", ctypes.c_uint32), ("thread", ctypes.c_uint32), ("name", ctypes.c_char_p),
                ("attributes", ctypes.c_char_p), ("device", ctypes.c_char_p),
                ("stream", ctypes.c_uint32)]


def library():
    path = os.environ.get("JOULEMETER_LIBRARY")
    if not path:
        return None
    jm = ctypes.CDLL(path)
    pointer, text, i64 = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int64
    jm.jm_session_open.argtypes = [ctypes.POINTER(pointer), pointer, ctypes.POINTER(Error)]
    jm.jm_session_joined.argtypes = [pointer]
    jm.jm_session_joined.restype = ctypes.c_bool
    jm.jm_session_close.argtypes = [pointer, pointer, pointer]
    jm.jm_begin_as.argtypes = [pointer, ctypes.c_int, text, text]
    jm.jm_begin_as.restype = ctypes.c_uint64
    jm.jm_end.argtypes = [pointer, ctypes.c_uint64]
    jm.jm_range_add.argtypes = [pointer, ctypes.POINTER(Range)]
    jm.jm_range_add.restype = ctypes.c_uint64
    jm.jm_recording_open.argtypes = [ctypes.POINTER(pointer), text, ctypes.POINTER(Error)]
    jm.jm_recording_free.argtypes = [pointer]
    jm.jm_energy_windows.argtypes = [pointer, ctypes.c_uint32, ctypes.POINTER(Window),
                                     ctypes.c_size_t, ctypes.POINTER(EnergyOptions),
                                     ctypes.POINTER(Energy), ctypes.POINTER(Error)]
    return jm


class Marks:
    """Ranges in the recording of the `joulemeter run` around this program; nothing outside one."""

    def __init__(self):
        self.jm = library() if "JOULEMETER_LIBRARY" in os.environ else None
        self.session = ctypes.c_void_p()
        if self.jm is None:
            return
        error = Error()
        if self.jm.jm_session_open(ctypes.byref(self.session), None, ctypes.byref(error)) != 0:
            raise SystemExit("joulemeter: " + error.message.decode())
        if not self.jm.jm_session_joined(self.session):
            self.close()

    def close(self):
        if self.jm is not None:
            self.jm.jm_session_close(self.session, None, None)
        self.jm = None

    def begin(self, category, name):
        if self.jm is None:
            return 0
        return self.jm.jm_begin_as(self.session, category, name.encode(), None)

    def end(self, number):
        if self.jm is not None:
            self.jm.jm_end(self.session, number)

    def add(self, category, name, begin_ns, end_ns):
        if self.jm is not None:
            whole = Range(size=ctypes.sizeof(Range), category=category, name=name.encode(),
                          begin_ns=begin_ns, end_ns=end_ns)
            self.jm.jm_range_add(self.session, ctypes.byref(whole))


def energies(path, device, windows):
    """{method: [Energy]} of a recording's device (its index) over `windows` [(begin, end)] ns."""
    jm = library()
    recording, error = ctypes.c_void_p(), Error()
    if jm.jm_recording_open(ctypes.byref(recording), str(path).encode(), ctypes.byref(error)) != 0:
        raise RuntimeError(error.message.decode())
    asked = (Window * len(windows))(*windows)
    found = {}
    for name, method in METHODS.items():
        out = (Energy * len(windows))()
        options = EnergyOptions(size=ctypes.sizeof(EnergyOptions), method=method)
        status = jm.jm_energy_windows(recording, device, asked, len(windows),
                                      ctypes.byref(options), out, ctypes.byref(error))
        found[name] = list(out) if status == 0 else None
    jm.jm_recording_free(recording)
    return found


class CounterWatch(threading.Thread):
    """The board's energy counter read beside joulemeter: its changes as (lo_ns, hi_ns, joules)."""

    def __init__(self, index=0, period_s=0.002):
        super().__init__(daemon=True)
        self.period_s, self.index = period_s, index
        self.changes, self.stopped = [], threading.Event()
        self.device = ctypes.c_void_p()
        try:
            self.nvml = ctypes.CDLL("libnvidia-ml.so.1")
        except OSError:
            self.nvml = None

    def read(self):
        value = ctypes.c_ulonglong()
        call = self.nvml.nvmlDeviceGetTotalEnergyConsumption
        return value.value * 1e-3 if call(self.device, ctypes.byref(value)) == 0 else None

    def run(self):
        if self.nvml is None or self.nvml.nvmlInit_v2() != 0:
            return
        self.nvml.nvmlDeviceGetHandleByIndex_v2(self.index, ctypes.byref(self.device))
        before, last = time.monotonic_ns(), self.read()
        while not self.stopped.wait(self.period_s):
            begin = time.monotonic_ns()
            joules = self.read()
            end = time.monotonic_ns()
            if joules is not None and joules != last:
                self.changes.append((before, end, joules))
            before, last = begin, joules

    def stop(self):
        self.stopped.set()
        self.join(5)

    def between(self, begin_ns, end_ns):
        """First and last change wholly within a time, or None."""
        inside = [c for c in self.changes if c[0] >= begin_ns and c[1] <= end_ns]
        return (inside[0], inside[-1]) if len(inside) >= 2 else None
