"""Loads that go on and off when told, and say when they really did (CLOCK_MONOTONIC ns).

TorchLoad multiplies bf16 matrices on the GPU; ChannelLoad drives a simulated board.
"""
import ctypes
import os
import time


def sleep_until(t_ns):
    """Sleeps, then spins through the last part: a sleep alone is late by 50 us and more."""
    left = t_ns - time.monotonic_ns() - 300_000
    if left > 0:
        time.sleep(left * 1e-9)
    while time.monotonic_ns() < t_ns:
        pass


class TorchLoad:
    """One burst is a whole number of matrix products. Its edges are the device's own: CUDA events,
    placed on the host's clock by an event that the host brackets just before."""

    def __init__(self, size=4096):
        import torch
        self.torch = torch
        make = {"device": "cuda", "dtype": torch.bfloat16}
        self.a, self.b = torch.randn(size, size, **make), torch.randn(size, size, **make)
        self.c = torch.empty(size, size, **make)
        self.product_s = 0.0004
        torch.cuda.synchronize()

    def event(self):
        return self.torch.cuda.Event(enable_timing=True)

    def anchor(self):
        """An event on an idle device, when it was, and half the width of its bracket."""
        best = None
        for _ in range(3):
            event = self.event()
            before = time.monotonic_ns()
            event.record()
            event.synchronize()
            after = time.monotonic_ns()
            if best is None or after - before < 2 * best[2]:
                best = (event, (before + after) // 2, (after - before) / 2)
        return best

    def burst(self, seconds):
        """Loads the device for about `seconds`; (on_ns, off_ns, sigma_ns) when it is over."""
        count = max(1, round(seconds / self.product_s))
        anchor, at_ns, sigma_ns = self.anchor()
        begin, end = self.event(), self.event()
        begin.record()
        for _ in range(count):
            self.torch.mm(self.a, self.b, out=self.c)
        end.record()
        end.synchronize()
        on_ns = at_ns + int(anchor.elapsed_time(begin) * 1e6)
        off_ns = at_ns + int(anchor.elapsed_time(end) * 1e6)
        if count > 8:  # a few products alone are mostly their launch
            self.product_s += 0.3 * ((off_ns - on_ns) * 1e-9 / count - self.product_s)
        return on_ns, off_ns, sigma_ns

    def multiply(self, count):
        for _ in range(count):
            self.torch.mm(self.a, self.b, out=self.c)
        self.torch.cuda.synchronize()


class ChannelLoad:
    """The board of JOULEMETER_SIMGPU_STATE; SIMGPU_CHANNEL_LIBRARY names its library."""

    def __init__(self, on_w=610.0, off_w=112.0):
        self.on_w, self.off_w = on_w, off_w
        self.library = ctypes.CDLL(os.environ["SIMGPU_CHANNEL_LIBRARY"])
        self.library.simgpu_state_open.restype = ctypes.c_void_p
        self.library.simgpu_channel_set_power.argtypes = [ctypes.c_void_p, ctypes.c_int,
                                                          ctypes.c_double]
        path = os.environ["JOULEMETER_SIMGPU_STATE"].encode()
        self.state = self.library.simgpu_state_open(path, ctypes.create_string_buffer(4096))
        if not self.state:
            raise SystemExit("the simulated board's state cannot be opened")
        self.set_power(off_w)

    def set_power(self, watts):
        before = time.monotonic_ns()
        if self.library.simgpu_channel_set_power(self.state, 0, watts) != 0:
            raise SystemExit("the simulated board takes no power from a program: give it `channel`")
        return before

    def burst(self, seconds):
        on_ns = self.set_power(self.on_w)
        sleep_until(on_ns + int(seconds * 1e9))
        off_ns = self.set_power(self.off_w)
        return on_ns, off_ns, 20_000

    def multiply(self, count):
        self.burst(count * 0.0002)


def open_load(backend):
    return ChannelLoad() if backend == "channel" else TorchLoad()
