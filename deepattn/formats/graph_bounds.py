"""Bounds on the resources that a graph of allowed operations needs, found without running it.

TensorFlow ends the process where an array has too many axes or more elements than an integer
counts, and fills whatever memory it is asked for. So the arguments that decide about sizes are
followed to where they come from: in an energy model that is constants, shapes of arrays that are
there, and numbers of atoms. Loops must count up to such a number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import TypeVar

import numpy as np

from deepattn import limits
from deepattn.formats.graph_loops import CARRIERS, Loops
from deepattn.formats.messages import NodeDef, attribute, sources

T = TypeVar("T")

_REDUCTIONS = ("All", "Any", "Max", "Mean", "Min", "Prod", "Sum")
# Which inputs are axes, or numbers of axes: constants, or what TensorFlow makes for gradients.
_AXES = {
    **dict.fromkeys(_REDUCTIONS, (1,)),
    **dict.fromkeys(("Cumsum", "ExpandDims", "Transpose"), (1,)),
    **dict.fromkeys(("MatrixDiagPartV2", "MatrixDiagPartV3"), (1,)),
    **dict.fromkeys(("MatrixDiagV2", "MatrixDiagV3"), (1, 2, 3)),
    "Concat": (0,),
    "ConcatOffset": (0,),
    "ConcatV2": (-1,),
    "GatherV2": (2,),
    "Split": (0,),
    "SplitV": (2,),
}
# Inputs that determine how much is allocated. Of Pad each of the numbers, of the others their
# product.
_SIZES = {
    "BroadcastTo": (1,),
    "Fill": (0,),
    "OneHot": (1,),
    "Pad": (1,),
    "PadV2": (1,),
    "Range": (0, 1),
    "ScatterNd": (2,),
    "StridedSliceGrad": (0,),
    "TensorListReserve": (1,),
    "Tile": (1,),
    "UnsortedSegmentSum": (2,),
}
# Which inputs have one number an axis.
_SHAPES = {
    "Reshape": (1,),
    "Slice": (1, 2),
    "StridedSlice": (1, 2, 3),
    "StridedSliceGrad": (0, 1, 2, 3),
    "TensorListConcatV2": (1, 2),
    "TensorListReserve": (0,),
    **{op: _SIZES[op] for op in ("BroadcastTo", "Fill", "ScatterNd", "Tile")},
}
# A permutation and its inverse have the same numbers.
_SAME = (
    *("Identity", "IdentityN", "Enter", "Exit", "StopGradient", "PreventGradient", "Switch"),
    "InvertPermutation",
)
_INTEGERS = (3, 9)  # int32, int64
_NUMBERS = (*_INTEGERS, 1, 2, 4, 5, 6, 10, 17, 19, 22, 23)
_TEXT, _VARIANT = 7, 21
# Sizes of arrays that one number is a product of at most: frames, atoms, slots.
_POWER = 3
# Computed bounds may be far above the true number of axes; TensorFlow's limit is 254.
_BOUND_OF_RANK = 100
# How often a loop runs, and how long a list is: so many times the size of an array at most.
_TURNS = 16
_UNKNOWN = float("inf")


@dataclass(frozen=True)
class _Bound:
    """Bound of an output: ``|x| <= factor * size ** power`` of an existing array.

    Attributes:
        rank: Number of axes at most.
        length: Number of elements at most; infinite if it depends on an array's size.
        factor: Of any element; infinite if it is not made of sizes.
        power: Of any element.
        total: As ``factor``, of the product of all elements.
        total_power: As ``power``, of the product of all elements.
    """

    rank: float = 0
    length: float = _UNKNOWN
    factor: float = _UNKNOWN
    power: int = 0
    total: float = _UNKNOWN
    total_power: int = 0


def check_bounds(nodes: Mapping[str, NodeDef], constants: Mapping[str, np.ndarray]) -> None:
    """Refuse a graph that could end the process, or run or grow without end.

    Args:
        nodes: The nodes by name, complete and of allowed operations.
        constants: The values of those that are constants.

    Raises:
        ValueError: There is such a node; the message names it.
    """
    for name, node in nodes.items():
        _check_attributes(name, node)
    try:
        Loops(nodes, constants).check()
        _Sizes(nodes, constants).check()
    except IndexError:
        raise ValueError("an operation lacks an input") from None


def _check_attributes(name: str, node: NodeDef) -> None:
    for value in node.attr.values():
        shapes = [value.shape, *value.list.shape]
        for shape in shapes:
            size = 1.0
            for dim in shape.dim:
                size *= max(dim.size, 1)
            if len(shape.dim) > _BOUND_OF_RANK or size > limits.CONSTANT_BYTES:
                raise ValueError(f"node '{name}' has an invalid shape")
        numbers = [value.i, *value.list.i]
        if len(numbers) > limits.FACTOR or max(map(abs, numbers)) >= 1 << 31:
            raise ValueError(f"node '{name}' has an invalid attribute")
        for kind in [value.type, *value.list.type]:
            is_text = kind == _TEXT and node.op in ("Const", "Identity", "Assert")
            is_list = kind == _VARIANT and node.op in CARRIERS
            if kind and kind not in _NUMBERS and not is_text and not is_list:
                raise ValueError(f"node '{name}' is of a data type that models do not have")


class _Sizes:
    """Bounds of all outputs, from the inputs of the graph on."""

    def __init__(self, nodes: Mapping[str, NodeDef], constants: Mapping[str, np.ndarray]) -> None:
        self._nodes = nodes
        self._constants = constants
        self._bounds: dict[str, _Bound] = {}

    def check(self) -> None:
        """Refuse sizes that are unknown or too large."""
        graph = {
            name: [k for k in sources(node) if self._nodes[k].op != "NextIteration"]
            for name, node in self._nodes.items()
        }
        try:
            order = list(TopologicalSorter(graph).static_order())
        except CycleError:
            raise ValueError("nodes depend on each other in a cycle") from None
        for name in order:
            node = self._nodes[name]
            inputs = [self._bounds[k] for k in graph[name]]
            self._check_arguments(name, node, inputs)
            bound = self._bound(name, node, inputs)
            if bound.rank > _BOUND_OF_RANK:
                raise ValueError(f"node '{name}' makes an array of impossibly many axes")
            self._bounds[name] = bound if bound.rank else replace(bound, length=1)
        for name, node in self._nodes.items():
            if node.op == "LoopCond":
                less = self._nodes[sources(node)[0]]
                turns = self._bounds[sources(less)[1]]
                if turns.factor > _TURNS or turns.power > 1:
                    raise ValueError(f"the loop of node '{name}' has too many iterations")

    def _check_arguments(self, name: str, node: NodeDef, inputs: list[_Bound]) -> None:
        for place in _AXES.get(node.op, ()):
            bound = _at(inputs, place)
            made = self._nodes[_at(sources(node), place)].op == "BroadcastGradientArgs"
            if not made and (bound.factor > limits.RANK or bound.length > limits.RANK):
                raise ValueError(f"node '{name}' has invalid axes")
        for place in _SHAPES.get(node.op, ()):
            if _at(inputs, place).length > _BOUND_OF_RANK:
                raise ValueError(f"node '{name}' makes an array of impossibly many axes")
        if node.op == "DynamicStitch":
            for bound in inputs[: len(inputs) // 2]:
                if bound.factor > _BOUND_OF_RANK or bound.power:
                    raise ValueError(f"node '{name}' has invalid axes")
        for place in _SIZES.get(node.op, ()):
            bound = _at(inputs, place)
            factor, power = bound.total, bound.total_power
            if node.op in ("Pad", "PadV2"):
                factor, power = bound.factor, bound.power
            most = (_TURNS, 1) if node.op == "TensorListReserve" else (limits.FACTOR, _POWER)
            if factor > most[0] or power > most[1]:
                raise ValueError(f"node '{name}' creates an array larger than any model needs")

    def _bound(self, name: str, node: NodeDef, inputs: list[_Bound]) -> _Bound:
        if name in self._constants:
            return _of_constant(self._constants[name])
        rank = max((b.rank for b in inputs), default=0)
        op = node.op
        if op == "Placeholder":
            # Whatever else it declares, it is fed a list.
            return _Bound(
                2 if len(attribute(node, "shape").shape.dim) == 2 else 1, factor=1, power=1
            )
        if op == "Shape" and sources(node)[0] in self._constants:
            return _of_constant(np.array(self._constants[sources(node)[0]].shape))
        if op in ("Shape", "ShapeN", "BroadcastGradientArgs"):
            length = rank if op != "BroadcastGradientArgs" else max(b.length for b in inputs)
            return _Bound(1, length, 1, 1, 1, 1)
        if op == "Rank" or (op == "Size" and inputs[0].length <= _BOUND_OF_RANK):
            number = inputs[0].rank if op == "Rank" else inputs[0].length
            return _Bound(0, 1, number, 0, number, 0)
        if op == "Size":
            return _Bound(0, 1, 1, 1, 1, 1)
        if op == "Fill":
            sizes, value = _at(inputs, 0), _at(inputs, 1)
            length = _UNKNOWN if sizes.total_power else sizes.total
            total, power = _power(value.factor, value.power, length)
            return _Bound(sizes.length, length, value.factor, value.power, total, power)
        if op in ("BroadcastTo", "Reshape", "TensorListConcatV2"):
            length, base = _at(inputs, 1).length, inputs[0]
            if op == "Reshape":
                return replace(base, rank=length)
            # The same numbers, more often.
            broadcast = op == "BroadcastTo"
            return (
                _Bound(length, factor=base.factor, power=base.power)
                if broadcast
                else _Bound(length)
            )
        if op == "DynamicStitch":
            # TensorFlow 1's shape of a sum: ones in the places of some axes.
            parts = inputs[len(inputs) // 2 :]
            return replace(_joined(parts, rank=rank), length=max(b.length for b in inputs))
        if op in ("ExpandDims", "OneHot", "MatrixDiag", "MatrixDiagV2", "MatrixDiagV3"):
            rank = inputs[0].rank + 1
            return replace(inputs[0], rank=rank) if op == "ExpandDims" else _Bound(rank=rank)
        if op in ("Pack", "ConcatV2", "Concat"):
            parts = inputs if op == "Pack" else inputs[:-1] if op == "ConcatV2" else inputs[1:]
            return _joined(parts, rank=rank + (op == "Pack"))
        if op == "Where":
            return _Bound(2, factor=1, power=1)
        if op == "DenseBincount":
            # How often a number is in a list is no more than its length.
            return _Bound(1, factor=1, power=1)
        if op == "GatherNd":
            base, index = inputs[0], inputs[1]
            rank = max(base.rank + index.rank - 1, 0)
            return _Bound(rank, factor=base.factor, power=base.power)
        if op == "ScatterNd":
            return _Bound(rank=_at(inputs, 2).length)
        if op in ("GatherV2", "Gather"):
            # An index may come more than once.
            base, index = inputs[0], inputs[1]
            rank = max(base.rank + index.rank - 1, 0)
            length = index.length if base.rank <= 1 else _UNKNOWN
            total, power = _power(base.factor, base.power, length)
            return _Bound(rank, length, base.factor, base.power, total, power)
        if op in ("StridedSlice", "Slice", "Split", "SplitV", "Unpack", "Squeeze", "Transpose"):
            return self._part(node, inputs[0])
        if op == "StridedSliceGrad":
            return _Bound(rank=inputs[0].length)
        if op in _SAME:
            return inputs[0]
        if op == "Merge":
            return _worst(inputs, rank=rank)
        if op == "Cast":
            whole = attribute(node, "SrcT").type in _INTEGERS
            return inputs[0] if whole else _Bound(rank, inputs[0].length)
        if op in ("Maximum", "Minimum", "Mul", "Add", "AddV2", "Sub", "FloorDiv", "FloorMod"):
            bound = _elementwise(op, _at(inputs, 0), _at(inputs, 1), rank=rank)
            divisor = self._constants.get(sources(node)[1]) if op == "FloorDiv" else None
            if divisor is not None and divisor.size == 1 and divisor > 1 and bound.length == 1:
                factor = max(bound.factor / int(divisor), 1)
                bound = replace(bound, factor=factor, total=factor)
            return bound
        if op == "Range":
            factor, power = sum(b.factor for b in inputs[:2]), _highest(inputs[:2])
            return _Bound(1, _UNKNOWN if power else factor, factor, power)
        if op == "Prod" and inputs[0].length <= _BOUND_OF_RANK:
            base = inputs[0]
            return _Bound(base.rank, 1, base.total, base.total_power, base.total, base.total_power)
        if op in _REDUCTIONS:
            axes = self._constants.get(sources(node)[1])
            if axes is not None and not attribute(node, "keep_dims").b:
                rank = max(rank - axes.size, 0)
            if op in ("Max", "Min"):
                # One of the numbers, or one of them for each of several rows.
                base = inputs[0]
                if rank == 0:
                    return _Bound(0, 1, base.factor, base.power, base.factor, base.power)
                return _Bound(rank, _UNKNOWN, base.factor, base.power)
            return _Bound(rank=rank)
        return _Bound(rank=rank, length=max((b.length for b in inputs), default=_UNKNOWN))

    def _part(self, node: NodeDef, base: _Bound) -> _Bound:
        """Some elements of an array."""
        if node.op == "StridedSlice":
            added = bin(attribute(node, "new_axis_mask").i).count("1")
            # Of a list one number.
            if attribute(node, "shrink_axis_mask").i & 1 and base.rank <= 1:
                return _Bound(0, 1, base.factor, base.power, base.factor, base.power)
            return replace(base, rank=base.rank + added)
        return base


def _of_constant(values: np.ndarray) -> _Bound:
    if values.dtype.kind not in "iu" or values.size > _BOUND_OF_RANK:
        return _Bound(values.ndim, values.size)
    numbers = [abs(int(value)) for value in values.ravel()]
    total = 1.0
    for number in numbers:
        total *= max(number, 1)
    return _Bound(values.ndim, values.size, max(numbers, default=0), 0, total, 0)


def _joined(parts: list[_Bound], *, rank: float) -> _Bound:
    """Several arrays one after the other."""
    total = 1.0
    for part in parts:
        total *= max(part.total, 1)
    return _Bound(
        rank,
        sum(part.length for part in parts),
        max((part.factor for part in parts), default=0),
        _highest(parts),
        total,
        sum(part.total_power for part in parts),
    )


def _worst(parts: list[_Bound], *, rank: float) -> _Bound:
    """One array or another."""
    if not parts:
        raise IndexError
    return _Bound(
        rank,
        max(part.length for part in parts),
        max(part.factor for part in parts),
        _highest(parts),
        max(part.total for part in parts),
        max(part.total_power for part in parts),
    )


def _elementwise(op: str, one: _Bound, other: _Bound, *, rank: float) -> _Bound:
    length = max(one.length, other.length)
    if op == "FloorDiv":  # by a whole number, so not away from zero by more than one
        return replace(one, rank=rank, length=length)
    if op == "FloorMod":
        return replace(other, rank=rank, length=length)
    power = max(one.power, other.power)
    if op == "Mul":
        factor = max(one.factor, 1) * max(other.factor, 1)
        power = one.power + other.power
    elif op in ("Maximum", "Minimum"):
        factor = max(one.factor, other.factor)
    else:
        factor = one.factor + other.factor
    if op in ("Maximum", "Minimum") and one.length == other.length:
        total, total_power = one.total * other.total, one.total_power + other.total_power
    else:
        total, total_power = _power(factor, power, length)
    return _Bound(rank, length, factor, power, total, total_power)


def _power(factor: float, power: int, length: float) -> tuple[float, int]:
    """Bound of the product of so many elements."""
    if length > _BOUND_OF_RANK:
        return _UNKNOWN, 0
    return math.prod([float(max(factor, 1))] * int(length)), power * int(length)


def _highest(bounds: list[_Bound]) -> int:
    return max((bound.power for bound in bounds), default=0)


def _at(values: list[T], place: int) -> T:
    if not -len(values) <= place < len(values):
        raise ValueError("an operation lacks an input")
    return values[place]
