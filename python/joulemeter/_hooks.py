"""Hooks on the modules of a network: each call of a layer becomes a range of its own."""

from __future__ import annotations

import json

import _joulemeter

from ._device_clock import HostClock, clock_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Tuple

    import torch

BACKWARD = ".backward"
OPTIMIZER = "optimizer.step"
_BATCH, _WARMUP, _LAYER = 4, 5, 6  # jm_category


class Part:
    """What energy is told of: a module's forward or backward, or the optimizer."""

    __slots__ = ("attributes", "is_leaf", "module", "module_type", "name")

    def __init__(self, name: str, module: Any, module_type: str, is_leaf: bool) -> None:
        self.name = name
        self.module = module
        self.module_type = module_type
        self.is_leaf = is_leaf
        self.attributes = json.dumps({"type": module_type}) if module_type else None

    def __repr__(self) -> str:
        return f"<Part {self.name!r}, {self.module_type}>"


class Call:
    """A call of a part, with its time (ns), the call around it, and its range (0: has none)."""

    __slots__ = ("begin_ns", "end_ns", "parent", "part", "range")

    def __init__(self, part: Part, begin_ns: int, end_ns: int, parent: int) -> None:
        self.part = part
        self.begin_ns = begin_ns
        self.end_ns = end_ns
        self.parent = parent  # index in the same list, or -1
        self.range = 0


# ---- what can be hooked ----


def unwrapped(model: "torch.nn.Module") -> "torch.nn.Module":
    """The model whose modules are told of: what a DistributedDataParallel holds, say.

    Raises
    ------
    TypeError
        It is no module.
    NotImplementedError
        It spreads its layers or their parameters over several devices, is on one of a kind whose
        times are not known, or is TorchScript that takes no hooks.
    """
    import torch

    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"a torch.nn.Module is wanted, not a {type(model).__name__}")
    if isinstance(model, torch.nn.DataParallel):
        raise NotImplementedError(
            "DataParallel runs copies of the model on several GPUs at a time, whose layers cannot "
            "be told apart: profile model.module on one of them")
    if type(model).__name__ in ("FullyShardedDataParallel", "FSDPModule") or any(
            "FullySharded" in kind.__name__ or kind.__name__ == "FSDPModule"
            for module in model.modules() for kind in type(module).__mro__):
        raise NotImplementedError(
            "FullyShardedDataParallel gathers the parameters of a layer from several GPUs while it "
            "runs, which no single GPU's energy shows: profile the model before it is sharded")
    if isinstance(model, torch.nn.parallel.DistributedDataParallel):
        model = model.module
    _refuse_scripted(model)
    devices = {str(parameter.device) for parameter in model.parameters()}
    used = devices - {"meta"}
    if devices == {"meta"}:
        raise NotImplementedError("the model is on the meta device, where nothing is computed: profile "
                                  "one that has parameters")
    others = sorted(name for name in used if name.split(":")[0] not in ("cpu", "cuda"))
    if others:
        raise NotImplementedError(
            f"the model is on {', '.join(others)}: when layers run is known of CPUs and of what "
            "PyTorch calls CUDA devices only")
    if len(used) > 1:
        raise NotImplementedError(
            f"the model's layers lie on several devices ({', '.join(sorted(used))}): only those of "
            "one device can be profiled together")
    return model


def _refuse_scripted(model: "torch.nn.Module") -> None:
    import torch

    kind: Any = getattr(torch.jit, "RecursiveScriptModule", ())  # traced ones take hooks
    names = [part.name for part in parts_of(model) if isinstance(part.module, kind)]
    if not names:
        return
    what = "the model" if isinstance(model, kind) else f"part of the model ({_some(names)})"
    raise NotImplementedError(
        f"{what} is TorchScript, which cannot be watched: profile the eager model, as it was before "
        "torch.jit.script (or the program's torch.jit.load) made TorchScript of it")


def device_of(model: "torch.nn.Module") -> "torch.device":
    """Where the model runs."""
    from itertools import chain

    import torch

    first = next(chain(model.parameters(), model.buffers()), None)
    return first.device if first is not None else torch.device("cpu")


def is_compiled(module: Any) -> bool:
    """True if hooks within it would not be called, or would break its graphs."""
    import torch

    return (type(module).__name__ == "OptimizedModule"
            or getattr(module, "_compiled_call_impl", None) is not None
            or isinstance(module, torch.jit.ScriptModule))


def _kind_of(module: Any) -> str:
    inner = getattr(module, "_orig_mod", module)
    name = type(inner).__name__
    return f"{name} (compiled)" if is_compiled(module) else name


def parts_of(model: "torch.nn.Module") -> List[Part]:
    """The model and all its modules, each once, by the name it has first. What is compiled is one
    part with all that is in it."""
    parts: List[Part] = []
    seen = set()

    def walk(module: Any, name: str) -> None:
        if id(module) in seen:
            return
        seen.add(id(module))
        below = [] if is_compiled(module) else [
            (child_name, child) for child_name, child in module.named_children()]
        parts.append(Part(name, module, _kind_of(module), not below))
        for child_name, child in below:
            walk(child, f"{name}.{child_name}" if name else child_name)

    walk(model, "")
    names = {part.name for part in parts}
    root = type(getattr(model, "_orig_mod", model)).__name__
    parts[0].name = f"({root})" if root in names else root
    return parts


# ---- hooks ----


class Watch:
    """Keeps hooks on a model while it is entered.

    Parameters
    ----------
    model : torch.nn.Module
        As :func:`unwrapped` gives it.
    training : bool
        Also the backward of each module, and every optimizer's step.

    Attributes
    ----------
    parts : list of Part
    clock : HostClock
        ``start()`` and ``stop()`` enclose each run.
    """

    def __init__(self, model: Any, training: bool = False) -> None:
        self.parts, self.clock = self._look(model)
        self._undo: List[Callable[[], Any]] = []
        self._graph: Any = None
        if training:
            from ._autograd import Graph

            self._graph = Graph(self.parts)
            self.parts = self._graph.parts
        self._calls = _joulemeter.Calls(
            self.clock.marks, self.clock.more, *(self._graph.watch() if self._graph else ()))
        if self._graph:
            self._graph.calls = self._calls

    def _look(self, model: Any) -> Tuple[List[Part], HostClock]:
        return parts_of(model), clock_of(device_of(model))

    def __enter__(self) -> Watch:
        try:
            for index, part in enumerate(self.parts):
                if part.module is not None:
                    self._hook(part.module, index)
            if self._graph:
                self._undo += self._graph.hook_optimizers()
        except BaseException:
            self._remove()
            raise
        return self

    def _hook(self, module: Any, index: int) -> None:
        """Puts the calls of a module's ``forward`` into calls of the part.

        Hooks of PyTorch would do, at several times the cost; and some modules (its encoder of
        transformers, say) run otherwise while hooks are on those within them.
        """
        calls, name = self._calls, self._entrance(module)
        if name is not None:
            around = calls.around(index, getattr(module, name))
            self._undo.append(replace(module, name, around))
        else:
            self._undo.append(module.register_forward_pre_hook(calls.begin(index)).remove)
            self._undo.append(module.register_forward_hook(calls.end(index)).remove)

    def _entrance(self, module: Any) -> Optional[str]:
        return entrance(module)

    def __exit__(self, *_: Any) -> None:
        self._remove()

    def _remove(self) -> None:
        while self._undo:
            self._undo.pop()()
        self._calls.stop()

    @property
    def count(self) -> int:
        """Calls since they were taken."""
        return self._calls.count

    def run(self, function: Callable[[], Any]) -> Tuple[int, int, Any]:
        """Calls it between two edges. Returns them (ns), and what it returned."""
        begin = self.clock.start()
        try:
            result = function()
        finally:
            end = self.finish()
        return begin, end, result

    def finish(self) -> int:
        """Ends a run that ``clock.start()`` began. Returns when (ns)."""
        self._calls.cut()
        return self.clock.stop()

    def flush_when(self, most: int, flush: Callable[[], Any]) -> None:
        """From now on calls it before a call of the whole model, once there are ``most`` calls."""
        self._calls.flush_at(most, flush)

    def take(self) -> List[Call]:
        """The calls of the run that has ended, in the order in which they began."""
        rows = self._calls.take()
        marks = 1 + max((max(row[1], row[2]) for row in rows), default=-1)
        times = self.clock.times(marks) if rows else None
        if self._graph:
            return self._graph.calls_of(rows, times)
        parts = self.parts
        if times is None:
            return [Call(parts[row[0]], row[1], row[2], row[3]) for row in rows]
        return [Call(parts[row[0]], times[row[1]], times[row[2]], row[3]) for row in rows]


def replace(module: Any, name: str, fresh: Callable[..., Any]) -> Callable[[], None]:
    """Puts something in the place of a module's method. Returns what takes that back."""
    own = name in vars(module)
    before = getattr(module, name)
    setattr(module, name, fresh)

    def undo() -> None:
        if vars(module).get(name) is not fresh:
            return  # somebody else has put something in its place, about ours
        if own:
            setattr(module, name, before)
        else:
            delattr(module, name)

    return undo


def entrance(module: Any) -> Optional[str]:
    """The method that all calls of a module go through; None: there is none that could be replaced."""
    if getattr(module, "_compiled_call_impl", None) is not None:
        return "_compiled_call_impl"
    return None if is_compiled(module) else "forward"


# ---- ranges ----


def write(session: "_joulemeter.Session", calls: List[Call], device: Optional[str]) -> None:
    """Makes ranges of calls, with their nesting."""
    add = session.add_range
    for call in calls:
        parent = calls[call.parent].range if call.parent >= 0 else 0
        call.range = add(call.part.name, call.begin_ns, max(call.end_ns, call.begin_ns), _LAYER,
                         device, 0, call.part.attributes, parent)


def _some(names: List[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def warn_of_compiled(parts: List[Part], warn: Callable[[str], Any]) -> None:
    """Says which parts are measured as a whole."""
    names = [part.name for part in parts if part.module is not None and is_compiled(part.module)]
    if names:
        warn(f"compiled, and measured as one part each: {_some(names)}. Layers within a compiled graph are "
             "fused and have no energy of their own; profile the model before it is compiled to "
             "tell them apart")
