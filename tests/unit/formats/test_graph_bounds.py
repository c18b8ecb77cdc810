"""Graphs of allowed operations that would end the process, or run and grow without end."""

import time

import numpy as np
import pytest

from deepattn.errors import ModelFileError
from deepattn.formats.allowed_ops import TENSORFLOW_OPS
from deepattn.formats.graphdef import Graph, read_graph

from .small_graphs import constant, energy_model

INT32, INT64, FLOAT64, VARIANT = 3, 9, 2, 21


class Builder:
    """A model with further nodes."""

    def __init__(self):
        self.message = energy_model()
        self.message.node.add(name="coord", op="Placeholder")
        self._count = 0

    def const(self, value, dtype=np.int64):
        self._count += 1
        constant(self.message, f"c{self._count}", np.asarray(value, dtype))
        return f"c{self._count}"

    def node(self, op, *inputs, name=None, **attributes):
        self._count += 1
        node = self.message.node.add(name=name or f"n{self._count}", op=op, input=inputs)
        for key, value in attributes.items():
            if isinstance(value, bool):
                node.attr[key].b = value
            elif isinstance(value, bytes):
                node.attr[key].s = value
            elif key in ("T", "element_dtype", "SrcT", "DstT"):
                node.attr[key].type = value
            else:
                node.attr[key].i = value
        return node.name

    def graph(self):
        return Graph(self.message, "m.pb")


def fill(b, *sizes):
    b.node("Fill", b.const(sizes), b.const(1.0, float))


def fill_computed(b):
    shape = b.node("Shape", "coord")
    size = b.node("StridedSlice", shape, *(b.const([k]) for k in (0, 1, 1)), shrink_axis_mask=1)
    large = b.node("Mul", size, b.const(1 << 20))
    b.node("Fill", b.node("Pack", large, large, large, N=3), b.const(1.0, float))


def fill_power(b):
    size = b.node("Size", "coord")
    b.node("Fill", b.node("Pack", *[size] * 4, N=4), b.const(1.0, float))


def fill_of_floats(b):
    b.node("Fill", b.node("Cast", "coord", SrcT=FLOAT64), b.const(1.0, float))


def fill_from_zero_times_anything(b):
    unknown = b.node("Cast", "coord", SrcT=FLOAT64)
    b.node("Fill", b.node("Mul", unknown, b.const(0)), b.const(1.0, float))


def fill_gathered(b):
    sizes = b.node("GatherV2", b.const([1 << 20]), b.const([0, 0, 0]), b.const(0))
    b.node("Fill", sizes, b.const(1.0, float))


def many_axes_step_by_step(b):
    place = "coord"
    for _ in range(300):
        place = b.node("ExpandDims", place, b.const(0))


def many_axes_by_packing(b):
    place = "coord"
    for _ in range(300):
        place = b.node("Pack", place, N=1)


def loop(b, *, step=1, limit=None, carried=None, condition="Less", constant_limit=True):
    """A loop as TensorFlow writes them, over a counter and what ``carried`` makes."""
    limit = limit or b.node("Size", "coord")
    start = b.node("Enter", b.const(0), frame_name=b"f")
    bound = b.node("Enter", limit, frame_name=b"f", is_constant=constant_limit)
    merge = b.node("Merge", start, "back")
    test = b.node("LoopCond", b.node(condition, merge, bound))
    switch = b.node("Switch", merge, test)
    inside = b.node("Identity", f"{switch}:1")
    b.node("NextIteration", b.node("AddV2", inside, b.const(step)), name="back")
    b.node("Exit", switch)
    if carried:
        carried(b, test, inside, limit)


def carried_list(b, test, counter, limit, *, length=None, shape=(-1, 3), kind=FLOAT64):
    handle = b.node("TensorListReserve", b.const(shape), length or limit, element_dtype=FLOAT64)
    merge = b.node("Merge", b.node("Enter", handle, frame_name=b"f", T=VARIANT), "back2")
    switch = b.node("Switch", merge, test, T=VARIANT)
    inside = b.node("Identity", f"{switch}:1", T=VARIANT)
    item = b.node("TensorListSetItem", inside, counter, "coord", element_dtype=kind)
    b.node("NextIteration", item, name="back2", T=VARIANT)
    done = b.node("Exit", switch, T=VARIANT)
    b.node("TensorListConcatV2", done, b.const(shape), b.const([]), element_dtype=kind)


def carried_array(b, test, counter, limit):
    merge = b.node("Merge", b.node("Enter", "coord", frame_name=b"f"), "back2")
    switch = b.node("Switch", merge, test)
    b.node("NextIteration", b.node("ExpandDims", f"{switch}:1", b.const(0)), name="back2")


def second_condition(b, test, counter, limit):
    other = b.node("LoopCond", b.node("Less", b.node("Enter", b.const(0)), b.node("Enter", limit)))
    merge = b.node("Merge", b.node("Enter", "coord", frame_name=b"f"), "back2")
    b.node("NextIteration", f"{b.node('Switch', merge, other)}:1", name="back2")


def list_of(b, *, shape=(-1, 3), length=3, leading=(), **options):
    handle = b.node("TensorListReserve", b.const(shape), b.const(length), element_dtype=FLOAT64)
    item = b.node(
        "TensorListSetItem", handle, b.const(0), "coord", element_dtype=FLOAT64, **options
    )
    b.node("TensorListConcatV2", item, b.const(shape), b.const(leading), element_dtype=FLOAT64)


def cycle(b):
    b.node("Identity", "second", name="first")
    b.node("Identity", "first", name="second")


SIZE, AXES, MANY = "larger than any model needs", "has invalid axes", "impossibly many axes"
BAD = {
    "fill, overflow": (lambda b: fill(b, 1 << 62, 2), SIZE),
    "fill, each small": (lambda b: fill(b, *[1 << 20] * 4), SIZE),
    "fill, computed": (fill_computed, SIZE),
    "fill, fourth power": (fill_power, SIZE),
    "fill, of coordinates": (fill_of_floats, MANY),
    "fill, zero times anything": (fill_from_zero_times_anything, MANY),
    "fill, gathered": (fill_gathered, SIZE),
    "range": (lambda b: b.node("Range", *(b.const(k) for k in (0, 1 << 62, 1))), SIZE),
    "one hot": (lambda b: b.node("OneHot", "coord", b.const((1 << 31) - 1, np.int32)), SIZE),
    "tile": (lambda b: b.node("Tile", "coord", b.const([1 << 40])), SIZE),
    "pad": (lambda b: b.node("Pad", "coord", b.const([[0, 1 << 40]])), SIZE),
    "scatter": (
        lambda b: b.node("ScatterNd", b.const([[0]]), b.const([1.0], float), b.const([1 << 40])),
        SIZE,
    ),
    "segments": (
        lambda b: b.node("UnsortedSegmentSum", "coord", b.const([0]), b.const(1 << 40)),
        SIZE,
    ),
    "broadcast": (lambda b: b.node("BroadcastTo", "coord", b.const([1 << 20, 1 << 20])), SIZE),
    "reshape": (lambda b: b.node("Reshape", "coord", b.const([1] * 300)), MANY),
    "expanded": (many_axes_step_by_step, MANY),
    "packed": (many_axes_by_packing, MANY),
    "axis": (lambda b: b.node("GatherV2", "coord", b.const(0), b.const(-(1 << 63))), AXES),
    "axes of a sum": (lambda b: b.node("Sum", "coord", b.const([0] * 32)), AXES),
    "stitch": (
        lambda b: b.node("DynamicStitch", b.const([1 << 31]), "coord", N=1),
        AXES,
    ),
    "gradient": (lambda b: b.node("StridedSliceGrad", *[b.const([1] * 300)] * 5), MANY),
    "cycle": (cycle, "depend on each other in a cycle"),
    "no input": (lambda b: b.node("Sum", "coord"), "lacks an input"),
    "endless": (lambda b: loop(b, condition="Greater"), "has no iteration counter"),
    "no step": (lambda b: loop(b, step=0), "has no iteration counter"),
    "backward": (lambda b: loop(b, step=-1), "has no iteration counter"),
    "changing limit": (lambda b: loop(b, constant_limit=False), "has no iteration counter"),
    "many turns": (lambda b: loop(b, limit=b.const(1 << 40)), "too many iterations"),
    "carried array": (lambda b: loop(b, carried=carried_array), "other than lists"),
    "condition of another": (
        lambda b: loop(b, carried=second_condition),
        "has no iteration counter",
    ),
    "long list": (lambda b: list_of(b, length=(1 << 31) - 1), SIZE),
    "large elements": (lambda b: list_of(b, shape=[0, 1 << 62, 1 << 62]), "impossibly large"),
    "no shape": (lambda b: list_of(b, shape=[]), "something else than arrays"),
    "divided list": (lambda b: list_of(b, leading=[1 << 62, 1 << 62]), "divides a list"),
    "grown": (lambda b: list_of(b, resize_if_index_out_of_bounds=True), "makes a list longer"),
    "no list": (
        lambda b: b.node("TensorListSetItem", "coord", b.const(0), "coord"),
        "else than a list",
    ),
    "another kind": (
        lambda b: loop(b, carried=lambda *a: carried_list(*a, kind=INT64)),
        "else than a list",
    ),
    "waits": (lambda b: b.node("NextIteration", "^coord"), "has no input"),
    "data type": (lambda b: b.node("Identity", "coord", T=20), "data type that models do not"),
    "attribute": (lambda b: b.node("Split", b.const(0), "coord", num_split=1 << 40), "attribute"),
}


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("op", sorted(TENSORFLOW_OPS))
def test_any_number_of_inputs(op, count):
    builder = Builder()
    builder.node(op, *[builder.const([1])] * count)
    try:
        builder.graph()
    except ModelFileError as error:
        assert str(error).startswith("m.pb: ")


@pytest.mark.parametrize("name", BAD)
def test_refused(name):
    change, words = BAD[name]
    builder = Builder()
    change(builder)
    with pytest.raises(ModelFileError, match=f"m.pb: refused: .*{words}"):
        builder.graph()


def test_long_ways_of_lists_take_no_long_time():
    """Each way is gone once, not once for each of its nodes."""
    builder = Builder()
    shape, size = builder.const((-1, 3)), builder.const(3)
    place = builder.node("TensorListReserve", shape, size, element_dtype=FLOAT64)
    for _ in range(3000):
        place = builder.node(
            "TensorListSetItem", place, builder.const(0), "coord", element_dtype=FLOAT64
        )
    began = time.process_time()
    builder.graph()
    assert time.process_time() - began < 5


def test_a_loop_of_blocks_is_allowed():
    builder = Builder()
    loop(builder, carried=carried_list)
    list_of(builder)
    builder.graph()


def test_gradients_of_sums_as_old_tensorflow_writes_them_are_allowed():
    builder = Builder()
    shape, axes = builder.node("Shape", "coord"), builder.const([-1], np.int32)
    rank = builder.node("Size", shape)
    places = builder.node("Range", builder.const(0), rank, builder.const(1))
    where = builder.node("FloorMod", builder.node("AddV2", axes, rank), rank)
    ones = builder.node("Fill", builder.node("Shape", axes), builder.const(1))
    kept = builder.node("DynamicStitch", places, where, shape, ones, N=2)
    gradient = builder.node("Reshape", "coord", kept)
    least = builder.node("Maximum", kept, builder.const(1))
    builder.node("Tile", gradient, builder.node("FloorDiv", shape, least))
    builder.graph()


def test_constants_that_repeat_one_value():
    builder = Builder()
    for _ in range(5):
        name = builder.const(1.0, float)
        tensor = next(n for n in builder.message.node if n.name == name).attr["value"].tensor
        tensor.ClearField("tensor_content")
        tensor.double_val.append(1.0)
        tensor.tensor_shape.dim.add(size=1 << 23)
    with pytest.raises(ModelFileError, match="repeat single values up to 320 MB"):
        builder.graph()


def test_published_graphs_are_allowed(shared):
    for path in (shared / "pretrained").glob("*.pb"):
        read_graph(path)
