"""The backward of each module, by the nodes that its forward put into PyTorch's graph.

Hooks on nodes change nothing of what is computed: modules that work in place, and those whose inputs
need no gradient, are measured like the others.
"""

from __future__ import annotations

from bisect import bisect_right

from ._hooks import BACKWARD, OPTIMIZER, Call, Part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

    import _joulemeter

_SEEN = "joulemeter"


class Graph:
    """Tells which nodes belong to which call.

    Nodes are numbered as they are made, and each call knows the numbers at its edges: a node is of
    the innermost call that made it. What adds up the gradients of a parameter is of the call that
    used the parameter.

    Attributes
    ----------
    parts : list of Part
        Those of the modules, then their backwards, then the optimizer.
    calls : _joulemeter.Calls
    """

    def __init__(self, modules: List[Part]) -> None:
        self._modules = len(modules)
        self.parts = [
            *modules,
            *(Part(part.name + BACKWARD, None, part.module_type, part.is_leaf) for part in modules),
            Part(OPTIMIZER, None, "Optimizer", True)]
        self.calls: "_joulemeter.Calls" = None  # type: ignore[assignment]  # set when it is made
        self._owners: Dict[int, int] = {}  # number of a node's begin -> call that made the node
        self._edges: Dict[int, Tuple[Callable, Callable]] = {}

    def watch(self) -> Tuple[Callable[[], int], Callable[..., None]]:
        """What counts nodes, and what is called when the outermost call has ended."""
        from torch._C._autograd import _get_sequence_nr

        return _get_sequence_nr, self._finish

    # ---- forward ----

    def _finish(self, output: Any) -> None:
        """Puts hooks on the nodes that the outermost call's output hangs on."""
        spans = self._spans()
        if not spans:
            return
        starts = [first for first, _, _ in spans]
        waiting = [(tensor.grad_fn, -1) for tensor in _tensors(output)
                   if tensor.grad_fn is not None]
        while waiting:
            node, user = waiting.pop()
            if _SEEN in node.metadata:
                continue
            owner = _owner(spans, starts, node._sequence_nr(), user)
            if owner < 0:
                continue
            node.metadata[_SEEN] = True
            self._hook(node, owner)
            waiting += [(before, owner) for before, _ in node.next_functions if before is not None]

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

    _done = 0

    def _hook(self, node: Any, owner: int) -> None:
        part = self.calls.span(owner)[0] + self._modules
        edges = self._edges.get(part)
        if edges is None:
            edges = self._edges[part] = (self.calls.begin(part), self.calls.end(part))
        begin, end = edges
        owners, calls = self._owners, self.calls  # of this run: what comes later counts no more

        def begin_node(*_: Any) -> None:
            if owners is self._owners:
                owners[calls.count] = owner
                begin()

        node.register_prehook(begin_node)
        node.register_hook(end)

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
        """Calls with their nesting: of each forward call one backward at most, from its first node
        to its last one."""
        if times is not None:
            rows = [(row[0], times[row[1]], times[row[2]], *row[3:]) for row in rows]
        found = self._forwards(rows)
        backs = self._backwards(rows)
        owners, self._owners, self._done = list(backs), {}, 0
        at = {owner: len(found) + i for i, owner in enumerate(owners)}
        for owner in owners:
            begin, end = backs[owner]
            parent = rows[owner][3]
            part = self.parts[rows[owner][0] + self._modules]
            found.append(Call(part, begin, end, at.get(parent, -1)))
        return _in_order(found)

    def _forwards(self, rows: List[Tuple[int, ...]]) -> List[Call]:
        """All that are no backwards of nodes; their parents are indices among them."""
        at: Dict[int, int] = {}
        found: List[Call] = []
        for index, (number, begin, end, parent, *_) in enumerate(rows):
            if self._modules <= number < 2 * self._modules:
                continue
            at[index] = len(found)
            found.append(Call(self.parts[number], begin, end, at.get(parent, -1)))
        return found

    def _backwards(self, rows: List[Tuple[int, ...]]) -> Dict[int, List[int]]:
        """[begin, end] of the backward of each forward call, those within it included."""
        spans: Dict[int, List[int]] = {}
        for index, (number, begin, end, *_) in enumerate(rows):
            if not self._modules <= number < 2 * self._modules:
                continue
            owner = self._owners.get(index, -1)
            while owner >= 0 and rows[owner][0] < self._modules:
                span = spans.setdefault(owner, [begin, end])
                span[0], span[1] = min(span[0], begin), max(span[1], end)
                owner = rows[owner][3]
        return spans


def _tensors(value: Any) -> Iterator[Any]:
    """Tensors in a module's output."""
    from collections.abc import Mapping

    import torch

    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _tensors(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _tensors(one)


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


def _owner(spans: List[Tuple[int, int, int]], starts: List[int], number: int, user: int) -> int:
    """The call that made a node; -1: none of them."""
    index = bisect_right(starts, number) - 1
    if index >= 0 and number < spans[index][1]:
        return spans[index][2]
    return user if number >= 2**62 else -1  # it adds up gradients, and has no number


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
