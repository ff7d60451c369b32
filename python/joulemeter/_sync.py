"""Waiting for accelerators, so that a range ends when its work does.

A framework counts once the program has imported it, and its devices once the program has used
them: nothing is imported, initialised or asked of a driver from here.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List, Optional

    Waiter = Callable[[], None]


def _torch() -> List[Waiter]:
    torch: Any = sys.modules.get("torch")
    version = getattr(torch, "version", None)
    found: List[Waiter] = []
    if getattr(version, "cuda", None) or getattr(version, "hip", None):
        cuda = torch.cuda

        def wait_cuda() -> None:
            if not cuda.is_initialized():
                return
            cuda.synchronize()
            for index in range(cuda.device_count()):  # only those that are used have memory
                if index != cuda.current_device() and cuda.memory_reserved(index) > 0:
                    cuda.synchronize(index)

        found.append(wait_cuda)
    xpu = getattr(torch, "xpu", None)
    if getattr(version, "xpu", None) and xpu is not None:
        found.append(lambda: xpu.synchronize() if xpu.is_initialized() else None)
    mps = getattr(getattr(torch, "backends", None), "mps", None)
    if mps is not None and mps.is_built():
        found.append(lambda: torch.mps.synchronize() if mps.is_available() else None)
    return found


def _tensorflow() -> List[Waiter]:
    tf = sys.modules.get("tensorflow")
    test = getattr(tf, "test", None)
    wait = getattr(getattr(test, "experimental", None), "sync_devices", None)
    if tf is None or wait is None or not tf.test.is_built_with_gpu_support():
        return []
    context = tf.config

    def wait_devices() -> None:
        if context.list_logical_devices("GPU"):
            wait()

    return [wait_devices]


def _jax() -> List[Waiter]:
    jax = sys.modules.get("jax")
    bridge = sys.modules.get("jax._src.xla_bridge")
    if jax is None or bridge is None:
        return []

    def wait_backends() -> None:
        backends = getattr(bridge, "_backends", None)
        if backends and set(backends) - {"cpu", "interpreter"}:
            jax.effects_barrier()
            for device in jax.local_devices():
                if device.platform != "cpu":
                    jax.device_put(0, device).block_until_ready()

    return [wait_backends]


_FRAMEWORKS = {"torch": _torch, "tensorflow": _tensorflow, "jax": _jax}


def loaded() -> tuple:
    """Names of the frameworks that the program has imported completely."""
    return tuple(
        name for name in _FRAMEWORKS
        if name in sys.modules and not _importing(sys.modules[name])
    )


def _importing(module) -> bool:
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


def waiter_for(frameworks: tuple) -> Optional[Waiter]:
    """One function that waits for all their devices; None: there is nothing to wait for."""
    waiters: List[Waiter] = []
    for name in frameworks:
        try:
            waiters += _FRAMEWORKS[name]()
        except Exception:  # a framework of a version that nobody knew: better not to wait
            continue
    if not waiters:
        return None
    if len(waiters) == 1:
        return waiters[0]

    def wait_all() -> None:
        for wait in waiters:
            wait()

    return wait_all
