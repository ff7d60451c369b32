"""Which of the GPUs that are measured a model runs on."""

from __future__ import annotations

from ._core import _warn, devices

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

    import torch

    from .highlevel import Index, TorchProfiler


class _Own(int):
    """0 as GPUPP and De Feo have it for a default: nobody has chosen a GPU, and it is the model's.
    Who writes 0 himself means it."""


OWN = _Own()


class Gpu:
    """The GPU that a model is on, as its framework counts them.

    Attributes
    ----------
    index : int
    uuid : str
        Of the GPU, or of the part of one that MIG makes; "" where the framework does not tell.
    pci : str
        Address on the bus, or "".
    """

    def __init__(self, index: int, uuid: str = "", pci: str = "") -> None:
        self.index = index
        self.uuid = uuid
        self.pci = pci

    def __str__(self) -> str:
        return f"cuda:{self.index}"

    def _names(self) -> List[str]:
        """What the library may know it by, the surest first: CUDA and NVML count in other orders."""
        from .highlevel import _visible

        sure = [f"GPU-{self.uuid}", f"MIG-{self.uuid}"] if self.uuid else []
        try:
            return [*sure, *([self.pci] if self.pci else []), *_visible([str(self.index)])]
        except LookupError:
            return sure

    def measured_as(self, options: Dict[str, Any]) -> Optional[str]:
        """Its name among the devices of a machine, "gpu1"; None: it is not among them."""
        simulated = options.get("simulate") is not None
        names = [str(self.index), "0"] if simulated else self._names()
        probe = {key: options[key] for key in ("simulate", "root") if key in options}
        for name in names:
            try:
                found = devices(gpus=name, cpu=False, **probe)
            except (LookupError, ValueError):
                continue
            return next((one["name"] for one in found if _is_gpu(one["name"])), None)
        return None


def of_torch(device: "torch.device") -> Optional[Gpu]:
    """None: it is no GPU."""
    if device.type != "cuda":
        return None
    import torch

    index = torch.cuda.current_device() if device.index is None else device.index
    told: Any = torch.cuda.get_device_properties(index)
    pci = ""
    if hasattr(told, "pci_bus_id") and hasattr(told, "pci_domain_id"):
        pci = f"{told.pci_domain_id:04x}:{told.pci_bus_id:02x}:{told.pci_device_id:02x}.0"
    return Gpu(index, str(getattr(told, "uuid", "")).lower(), pci)


def _is_gpu(name: str) -> bool:
    """ "gpu0", but not "gpumem0"."""
    return name.startswith("gpu") and name[3:].isdigit()


def open_profiler(gpu: Optional[Gpu], device_index: "Index", device: Optional[str],
                  options: Dict[str, Any]) -> "Tuple[TorchProfiler, Optional[str]]":
    """A profiler, and the device in it whose energy is that of the model (None: nothing is measured).

    Parameters
    ----------
    gpu : Gpu or None
        That the model is on; None: it is on the CPU.
    device_index : int, str or list
        What was chosen, or ``OWN``.
    device : str or None
        What was chosen, by the name of the device.
    options : dict
        Of the profiler.

    Raises
    ------
    ValueError
        What was chosen is not what the model runs on.
    LookupError
        There is no such device.
    """
    from .highlevel import TorchProfiler, _indices

    options = dict(options)
    is_own = device_index is None or isinstance(device_index, _Own)
    chosen = [] if is_own else _indices(device_index)
    own = None
    if gpu is not None and options.get("gpu", True):
        if chosen and all(one.isdigit() for one in chosen) and str(gpu.index) not in chosen:
            raise ValueError(f"the model is on {gpu}, but GPU {', '.join(chosen)} was chosen: leave "
                             "that out, or move the model")
        own = gpu.measured_as(options)
        is_own = is_own or chosen == [str(gpu.index)]
    if is_own and "gpus" not in options:
        wanted = own or (device if device is not None and _is_gpu(device) else None)
        if wanted is not None:
            options["gpus"] = wanted
    profiler = TorchProfiler(
        device_index=gpu.index if is_own and gpu is not None else device_index, **options)
    try:
        names = [one["name"] for one in profiler.devices()]
        found = _chosen(names, own, device, options.get("simulate") is not None)
    except BaseException:
        profiler.close()
        raise
    wants_none = not options.get("gpu", True) or options.get("gpus") == "none" or not (is_own or chosen)
    if gpu is not None and own is None and not wants_none and (found or "").startswith("cpu"):
        (options.get("on_warning") or _warn)(
            f"the model runs on {gpu}, but no GPU can be measured: energies are those of the CPU "
            "(joulemeter doctor says what is missing)")
    return profiler, found


def _chosen(names: List[str], own: Optional[str], wanted: Optional[str],
            simulated: bool) -> Optional[str]:
    """Of the devices that are measured: the one that was wanted, or that the model is on; the first
    that is simulated; else the CPU."""
    gpus = [name for name in names if _is_gpu(name)]
    if own is not None:
        other = None
        if wanted is not None:
            other = wanted if _is_gpu(wanted) and wanted != own else None
        elif gpus and own not in gpus:
            other = ", ".join(gpus)
        if other is not None:
            raise ValueError(f"the model runs on {own}, but {other} was chosen: leave that out, or "
                             "move the model")
    if wanted is not None:
        if wanted not in names:
            raise LookupError(f"there is no device {wanted!r}: there are "
                              f"{', '.join(names) or 'none'}")
        return wanted
    if own in gpus:
        return own
    if gpus and simulated:
        return gpus[0]
    return next((name for name in names if name.startswith("cpu")), None)
