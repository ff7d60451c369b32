"""The backward of each module, by the nodes that its forward put into PyTorch's graph.

Hooks on nodes change nothing of what is computed: modules that work in place, and those whose inputs
need no gradient, are measured like the others.
"""

from __future__ import annotations

from bisect import bisect_right

from ._hooks import BACKWARD, OPTIMIZER, Call, Part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple, Union

    import _joulemeter

    _Backward = Tuple[int, int]  # of which call, and in which backward pass

_SEEN = "joulemeter"
_NO_NUMBER = 2**62  # from here on: what adds up gradients
_NOTHING = (-1, 0)
_MOST_OBJECTS = 100_000  # that are looked through for tensors
_PLAIN = (str, bytes, bool, int, float, complex)


class Graph:
    """Tells which nodes belong to which call.

    Nodes are numbered as they are made, and each call knows the numbers at its edges: a node is of
    the innermost call that made it. What adds up the gradients of a parameter has no number and
    outlives a forward: it is of the call whose node ran just before it.

    Attributes
    ----------
    parts : list of Part
        Those of the modules, then their backwards, then the optimizer.
    calls : _joulemeter.Calls
    """

    def __init__(self, modules: List[Part]) -> None:
        from torch import _C

        self._modules = len(modules)
        self.parts = [
            *modules,
            *(Part(part.name + BACKWARD, None, part.module_type, part.is_leaf) for part in modules),
            Part(OPTIMIZER, None, "Optimizer", True)]
        self.calls: "_joulemeter.Calls" = None  # type: ignore[assignment]  # set when it is made
        self._owners: Dict[int, _Backward] = {}  # number of a node's begin -> what it is part of
        self._latest: _Backward = _NOTHING  # what the node that ran last is part of
        self._done = 0  # calls whose nodes have hooks
        self._edges: Dict[int, Tuple[Callable, Callable]] = {}
        self._task: Callable[[], int] = getattr(_C, "_current_graph_task_id", lambda: 0)

    def watch(self) -> Tuple[Callable[[], int], Callable[..., None], int]:
        """What counts nodes, and what is called when a module has ended that no other is around."""
        from torch._C._autograd import _get_sequence_nr

        return _get_sequence_nr, self._finish, self._modules

    # ---- forward ----

    def _finish(self, output: Any) -> None:
        """Puts hooks on the nodes that the outermost call's output hangs on."""
        spans = self._spans()
        if not spans:
            return
        starts = [first for first, _, _ in spans]
        waiting = [tensor.grad_fn for tensor in _tensors(output) if tensor.grad_fn is not None]
        while waiting:
            node = waiting.pop()
            if node.metadata.get(_SEEN) is self:
                continue
            number = node._sequence_nr()
            owner = -1 if number >= _NO_NUMBER else _owner(spans, starts, number)
            if owner < 0 and number < _NO_NUMBER:
                continue
            node.metadata[_SEEN] = self
            self._hook(node, owner)
            waiting += [before for before, _ in node.next_functions if before is not None]

    def _spans(self) -> List[Tuple[int, int, int]]:
        """(first, last, call): pieces of the numbers, each with the innermost call that has it."""
        calls = self.calls
        found: List[Tuple[int, int, int]] = []
        for index in range(self._done, calls.count):
            part, _, first, last = calls.span(index)
            if part < self._modules and first < last:
                found.append((first, last, index))
        self._done = calls.count
        return _flattened(found)

    def _hook(self, node: Any, owner: int) -> None:
        """Makes each time that a node runs a call of its owner's backward; -1: of the latest's."""
        calls, task = self.calls, self._task
        owners = self._owners  # of this run: what comes later counts no more
        ends: List[Callable] = []

        def begin_node(*_: Any) -> None:
            back = (owner, task()) if owner >= 0 else self._latest
            if back[0] < 0 or back[1] != task() or (owner >= 0 and owners is not self._owners):
                return
            self._latest = back
            begin, end = self._edges_of(back[0])
            ends[:] = [end]
            self._owners[calls.count] = back
            begin()

        def end_node(*_: Any) -> None:
            if ends:
                ends.pop()()

        node.register_prehook(begin_node)
        node.register_hook(end_node)

    def _edges_of(self, call: int) -> Tuple[Callable, Callable]:
        part = self.calls.span(call)[0] + self._modules
        edges = self._edges.get(part)
        if edges is None:
            edges = self._edges[part] = (self.calls.begin(part), self.calls.end(part))
        return edges

    # ---- the optimizer ----

    def hook_optimizers(self) -> List[Callable[[], Any]]:
        """Hooks on every optimizer's step; what takes them off."""
        from torch.optim import optimizer

        index = len(self.parts) - 1
        return [
            optimizer.register_optimizer_step_pre_hook(self.calls.begin(index)).remove,
            optimizer.register_optimizer_step_post_hook(self.calls.end(index)).remove]

    # ---- what was recorded ----

    def calls_of(self, rows: List[Tuple[int, ...]], times: Optional[List[int]]) -> List[Call]:
        """Calls with their nesting: of each forward call one backward in each backward pass at most,
        from its first node to its last one."""
        if times is not None:
            rows = [(row[0], times[row[1]], times[row[2]], *row[3:]) for row in rows]
        backs = self._backwards(rows)
        found: List[Call] = []
        at: Dict[Union[int, _Backward], int] = {}  # row, or backward -> its place in `found`
        around: List[Union[int, _Backward]] = []
        for index, (number, begin, end, parent, *_) in enumerate(rows):
            if not self._is_backward(number):
                at[index] = len(found)
                found.append(Call(self.parts[number], begin, end, -1))
                around.append(self._owners.get(parent, parent))
        for back, (begin, end) in backs.items():
            owner, task = back
            at[back] = len(found)
            found.append(Call(self.parts[rows[owner][0] + self._modules], begin, end, -1))
            parent = rows[owner][3]
            around.append((parent, task) if (parent, task) in backs else
                          self._owners.get(parent, parent))
        for call, key in zip(found, around):
            call.parent = at.get(key, -1)
        self._owners, self._done, self._latest = {}, 0, _NOTHING
        return _in_order(found)

    def _is_backward(self, part: int) -> bool:
        return self._modules <= part < 2 * self._modules

    def _backwards(self, rows: List[Tuple[int, ...]]) -> Dict[_Backward, List[int]]:
        """[begin, end] of each backward, those within it included."""
        spans: Dict[_Backward, List[int]] = {}
        for index, (number, begin, end, *_) in enumerate(rows):
            if not self._is_backward(number):
                continue
            owner, task = self._owners.get(index, _NOTHING)
            while owner >= 0 and rows[owner][0] < self._modules:
                span = spans.setdefault((owner, task), [begin, end])
                span[0], span[1] = min(span[0], begin), max(span[1], end)
                owner = rows[owner][3]
        return spans


def _tensors(value: Any) -> Iterator[Any]:
    """Tensors in a module's output, whatever holds them: lists, mappings, dataclasses, other objects
    with attributes."""
    from collections.abc import Mapping
    from types import FunctionType, MethodType, ModuleType

    import torch

    others = (type, FunctionType, MethodType, ModuleType, torch.nn.Module)
    waiting = [value]
    seen: Dict[int, Any] = {}  # kept, so that no id comes again
    while waiting and len(seen) < _MOST_OBJECTS:
        one = waiting.pop()
        if isinstance(one, torch.Tensor):
            yield one
            continue
        if one is None or isinstance(one, _PLAIN) or id(one) in seen:
            continue
        seen[id(one)] = one
        if isinstance(one, Mapping):
            waiting += one.values()
        elif isinstance(one, (list, tuple, set, frozenset)):
            waiting += one
        elif not isinstance(one, others):
            waiting += getattr(one, "__dict__", {}).values()
            waiting += [getattr(one, name) for kind in type(one).__mro__
                        for name in _slots(kind) if hasattr(one, name)]


def _slots(kind: Any) -> Sequence[str]:
    names = kind.__dict__.get("__slots__", ())
    return [names] if isinstance(names, str) else [name for name in names
                                                   if not name.startswith("__")]


def _flattened(nested: List[Tuple[int, int, int]]) -> List[Tuple[int, int, int]]:
    """Nested spans, in the order of their beginnings, as pieces that do not overlap."""
    pieces: List[Tuple[int, int, int]] = []
    open_spans: List[Tuple[int, int]] = []  # (last, call)
    at = 0

    def until(number: int) -> None:
        nonlocal at
        while open_spans and at < number:
            last, call = open_spans[-1]
            stop = min(last, number)
            if stop > at:
                pieces.append((at, stop, call))
                at = stop
            if last <= number:
                open_spans.pop()
        at = max(at, number)

    for first, last, call in nested:
        until(first)
        open_spans.append((last, call))
    until(max((last for last, _ in open_spans), default=0))
    return pieces


def _owner(spans: List[Tuple[int, int, int]], starts: List[int], number: int) -> int:
    """The call that made a node; -1: none of them."""
    index = bisect_right(starts, number) - 1
    return spans[index][2] if index >= 0 and number < spans[index][1] else -1


def _in_order(calls: List[Call]) -> List[Call]:
    """Sorted by begin, what encloses before what is enclosed."""

    def depth(index: int) -> int:
        steps = 0
        while calls[index].parent >= 0:
            index = calls[index].parent
            steps += 1
        return steps

    order = sorted(range(len(calls)),
                   key=lambda i: (calls[i].begin_ns, -calls[i].end_ns, depth(i)))
    where = {old: new for new, old in enumerate(order)}
    for call in calls:
        call.parent = where.get(call.parent, -1)
    return [calls[old] for old in order]
