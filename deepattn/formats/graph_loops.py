"""Loops of a graph, which must count their turns, and the lists that these fill."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from deepattn import limits
from deepattn.formats.messages import NodeDef, attribute, sources

_LISTS = ("TensorListReserve", "TensorListSetItem", "TensorListConcatV2")
_LOOPS = ("Enter", "Exit", "Merge", "NextIteration", "Switch")
# Operations that a list may pass through, from where it is reserved to where it is read.
CARRIERS = (*_LOOPS, *_LISTS, "Identity")


class Loops:
    """Loops as TensorFlow writes them, with a counter, of which every turn sets items of lists."""

    def __init__(self, nodes: Mapping[str, NodeDef], constants: Mapping[str, np.ndarray]) -> None:
        self._nodes = nodes
        self._constants = constants
        self._takers: dict[str, list[str]] = {name: [] for name in nodes}
        for name, node in nodes.items():
            for source in dict.fromkeys(sources(node)):
                self._takers[source].append(name)
        self._reserves: dict[str, str] = {}

    def check(self) -> None:
        """Refuse a loop that does not count, or that carries anything else than lists."""
        conditions: dict[str, str] = {}
        for name, node in self._nodes.items():
            if node.op == "LoopCond":
                conditions[name] = self._counter(name)
            if node.op in ("Merge", "NextIteration") and not sources(node):
                raise ValueError(f"node '{name}' has no input")
            if node.op in _LISTS[1:]:
                self._check_list(name)
        counters = set(conditions.values())
        carried = {}
        for name, node in self._nodes.items():
            inputs = sources(node)
            backward = [k for k in inputs if self._nodes[k].op == "NextIteration"]
            if not backward:
                continue
            if node.op != "Merge" or len(inputs) != 2 or self._nodes[inputs[0]].op != "Enter":
                raise ValueError(f"node '{name}' is not of a loop that models have")
            after = sources(self._nodes[backward[0]])[0]
            made = self._nodes[after]
            if name not in counters:
                if made.op != "TensorListSetItem" or self._origin(sources(made)[0]) != name:
                    raise ValueError(f"the loop of node '{name}' carries values other than lists")
            carried[name] = attribute(self._nodes[inputs[0]], "frame_name").s
        frames = [carried.get(counter) for counter in conditions.values()]
        if None in frames or len(set(frames)) != len(frames):
            raise ValueError("two loops have the same name")
        of_frame = dict(zip(frames, conditions, strict=True))
        for name, frame in carried.items():
            self._check_ends(name, of_frame.get(frame))

    def _check_ends(self, name: str, condition: str | None) -> None:
        """Whatever a turn takes from the one before, it takes while the loop's counter allows."""
        for other in self._takers[name]:
            node = self._nodes[other]
            is_switch = node.op == "Switch" and sources(node)[1] == condition
            if not is_switch and node.op != "Less":
                raise ValueError(f"node '{other}' takes from a loop without its condition")

    def _counter(self, condition: str) -> str:
        """The counter of a loop, which its condition compares with a number."""
        less = self._nodes[sources(self._nodes[condition])[0]]
        wrong = ValueError(f"the loop of node '{condition}' has no iteration counter")
        if less.op != "Less" or len(sources(less)) != 2:
            raise wrong
        counter, bound = sources(less)
        merge, enter = self._nodes[counter], self._nodes[bound]
        if merge.op != "Merge" or len(sources(merge)) != 2 or enter.op != "Enter":
            raise wrong
        if not attribute(enter, "is_constant").b:
            raise wrong
        first, back = (self._nodes[k] for k in sources(merge))
        if first.op != "Enter" or back.op != "NextIteration":
            raise wrong
        start, added = self._constants.get(sources(first)[0]), self._nodes[sources(back)[0]]
        if added.op not in ("Add", "AddV2") or self._origin(sources(added)[0]) != counter:
            raise wrong
        step = self._constants.get(sources(added)[1])
        if start is None or step is None or start.shape or step.shape:
            raise wrong
        if start.dtype.kind != "i" or not (start >= 0 and 1 <= step <= limits.FACTOR):
            raise wrong
        return counter

    def _origin(self, name: str) -> str:
        """Where an output in a loop comes from, through what only hands it on."""
        for _ in self._nodes:
            node = self._nodes[name]
            if node.op not in ("Identity", "Switch"):
                break
            name = sources(node)[0]
        return name

    def _check_list(self, name: str) -> None:
        """A list is one that was reserved with the same elements, whatever loop it went through."""
        node = self._nodes[name]
        if attribute(node, "resize_if_index_out_of_bounds").b:
            raise ValueError(f"node '{name}' makes a list longer")
        if node.op == "TensorListConcatV2":
            leading = self._constants.get(sources(node)[2])
            if leading is None or leading.size:
                raise ValueError(f"node '{name}' divides a list")
        reserve = self._nodes[self._reserve(name)]
        if attribute(reserve, "element_dtype").type != attribute(node, "element_dtype").type:
            raise ValueError(f"node '{name}' takes something else than a list")

    def _reserve(self, name: str) -> str:
        """The node that has reserved a list; each way is gone once."""
        way: dict[str, None] = {}
        place = name
        while place not in self._reserves:
            node = self._nodes[place]
            if node.op == "TensorListReserve":
                self._check_elements(place)
                self._reserves[place] = place
            elif node.op not in CARRIERS or not sources(node) or place in way:
                raise ValueError(f"node '{name}' takes something else than a list")
            else:
                way[place] = None
                place = sources(node)[0]
        self._reserves.update(dict.fromkeys(way, self._reserves[place]))
        return self._reserves[place]

    def _check_elements(self, name: str) -> None:
        shape = self._constants.get(sources(self._nodes[name])[0])
        if shape is None or shape.ndim != 1 or not shape.size or (shape < -1).any():
            raise ValueError(f"node '{name}' makes a list of something else than arrays")
        if math.prod(max(int(size), 1) for size in shape) > limits.FACTOR:
            raise ValueError(f"node '{name}' makes a list of impossibly large arrays")
