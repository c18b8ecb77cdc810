"""Calls of the CUDA library's C interface with numpy arrays, on the host's memory."""

import ctypes

import numpy as np

SUFFIX = {np.dtype(np.float32): "f32", np.dtype(np.float64): "f64"}


class Status(ctypes.Structure):
    """``deepattn_status``."""

    _fields_ = (("code", ctypes.c_int), ("message", ctypes.c_char * 320))


class CudaError(RuntimeError):
    """What the status of a call says."""


class HostArrays:
    """Arrays of numpy as memory of the device, for the library compiled for the host.

    A standalone check has a class of the same methods with arrays of CuPy.
    """

    def empty(self, shape, dtype):
        """An array at a multiple of 16 bytes, as device memory is; its floats are no numbers."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        room = np.full(size + 16, 0xFF, np.uint8)
        start = -room.ctypes.data % 16
        return room[start : start + size].view(dtype).reshape(shape)

    def device(self, array):
        """A copy of an array of numpy in the device's memory."""
        copy = self.empty(array.shape, array.dtype)
        copy[...] = array
        return copy

    def address(self, array):
        """Where an array is."""
        return array.ctypes.data

    def host(self, array):
        """An array as one of numpy."""
        return array


arrays = HostArrays()


def empty(shape, dtype):
    """An array in the device's memory, not filled."""
    return arrays.empty(shape, dtype)


def device(array, dtype=None):
    """A copy of an array in the device's memory."""
    return arrays.device(np.asarray(array, dtype))


def pointer(array):
    """The address of an array, or a null pointer for None."""
    return ctypes.c_void_p(None if array is None else arrays.address(array))


class Prepared:
    """A call with its memory, to be made any number of times.

    Attributes:
        outputs: arrays that the call fills.
        problem: where it says what is wrong with its input; None if it cannot.
    """

    def __init__(self, library, name, arguments, outputs, *, problem=None, keep=()):
        self.outputs, self.problem = outputs, problem
        self._library, self._name, self._arguments, self._keep = library, name, arguments, keep

    def run(self):
        """Makes the call."""
        call(self._library, self._name, *self._arguments)

    def results(self):
        """Makes the call and returns its outputs as arrays of numpy, or raises its problem."""
        self.run()
        if self.problem is not None:
            explain(self._library, self.problem)
        return [arrays.host(array) for array in self.outputs]


def call(library, name, *arguments):
    """Calls a function whose last arguments are a stream and a status; raises what it says."""
    status = Status()
    getattr(library, name)(*arguments, ctypes.c_void_p(None), ctypes.byref(status))
    if status.code != 0:
        raise CudaError(status.message.decode())


class EnvMatShape(ctypes.Structure):
    """``deepattn_env_mat_shape``."""

    _fields_ = (
        ("nframes", ctypes.c_int64),
        ("nloc", ctypes.c_int64),
        ("nall", ctypes.c_int64),
        ("nnei", ctypes.c_int64),
        ("ntypes", ctypes.c_int32),
        ("rcut", ctypes.c_float),
        ("rcut_smth", ctypes.c_float),
        ("sel", ctypes.c_void_p),
    )


class Neighbors(ctypes.Structure):
    """``deepattn_cuda_neighbors``."""

    _fields_ = (
        ("kind", ctypes.c_int),
        ("ilist", ctypes.c_void_p),
        ("numneigh", ctypes.c_void_p),
        ("first", ctypes.c_void_p),
        ("entries", ctypes.c_void_p),
    )


class Pairs(ctypes.Structure):
    """``deepattn_pairs``."""

    _fields_ = tuple((name, ctypes.c_int64) for name in ("nframes", "nloc", "nall", "nnei"))


def explain(library, problem):
    """Raises what the device found wrong, if it did."""
    status = Status()
    found = int(arrays.host(problem)[0])
    library.deepattn_cuda_explain(ctypes.c_ulonglong(found), ctypes.byref(status))
    if status.code != 0:
        raise CudaError(status.message.decode())


def workspace(library, name, *arguments):
    """Room of the size that a function tells, and that size."""
    function = getattr(library, name)
    function.restype = ctypes.c_int64
    size = function(*arguments)
    return empty((size,), np.uint8), ctypes.c_int64(size)


OPEN, PERIODIC, LISTED = range(3)


def neighbor_source(case, rows=None, order=None):
    """``deepattn_cuda_neighbors`` of a `cases.Case`, and its arrays.

    `rows` are the neighbors of every atom of a list, whose rows come in `order`.
    """
    if rows is None:
        return Neighbors(PERIODIC if case.periodic else OPEN), []
    order = range(len(rows)) if order is None else order
    counts = np.array([len(rows[i]) for i in order], np.int32)
    first = np.cumsum(counts, dtype=np.int64) - counts
    entries = np.concatenate([np.asarray(rows[i], np.int32) for i in order])
    lists = [device(x) for x in (np.array(order, np.int32), counts, first, entries)]
    return Neighbors(LISTED, *(arrays.address(x) for x in lists)), lists


def env_mat(library, case, dtype, *, sel=None, rows=None, order=None):
    """``ProdEnvMatAMix`` of a `cases.Case`, prepared; ``ProdEnvMatA`` with `sel`.

    `rows` and `order` are those of `neighbor_source`.
    """
    suffix = SUFFIX[np.dtype(dtype)]
    nframes, nall = case.atype.shape
    nloc = nall if case.nloc is None else case.nloc
    slots = np.array([] if sel is None else sel, np.int32)
    shape = EnvMatShape(nframes, nloc, nall, case.nnei, len(case.davg), case.rcut, case.rcut_smth)
    if sel is not None:
        shape.sel = slots.ctypes.data
    source, lists = neighbor_source(case, rows, order)
    inputs = [device(case.coord, dtype), device(case.atype)]
    inputs += [device(x, dtype) for x in (case.box, case.davg, case.dstd)]
    kinds = {4: dtype, 12: dtype, 3: dtype}
    out = [empty((nframes, nloc * case.nnei * width), kind) for width, kind in kinds.items()]
    kinds = [np.int32] if sel is not None else [np.int32, np.int32, np.uint8]
    out += [empty((nframes, nloc * case.nnei), kind) for kind in kinds]
    problem = empty((1,), np.uint64)
    room, size = workspace(
        library, f"deepattn_cuda_env_mat_workspace_{suffix}", ctypes.byref(shape), source.kind
    )
    memory = [*inputs, *out, *[None] * (6 - len(out)), problem, room]
    arguments = [ctypes.byref(shape), ctypes.byref(source), *map(pointer, memory), size]
    name = f"deepattn_cuda_env_mat_{suffix}"
    keep = [shape, source, slots, lists, memory]
    return Prepared(library, name, arguments, out, problem=problem, keep=keep)


def over_pairs(library, name, shape, inputs, outputs, *, room=False, problem=True):
    """A function over neighbor pairs, prepared; `shape` is nframes, nloc, nall, nnei."""
    suffix, pairs = SUFFIX[inputs[0].dtype], ctypes.byref(Pairs(*shape))
    out = [empty(size, inputs[0].dtype) for size in outputs]
    problem = empty((1,), np.uint64) if problem else None
    memory = [*(device(x) for x in inputs), *out, *([] if problem is None else [problem])]
    arguments = [pairs, *map(pointer, memory)]
    if room:
        space, size = workspace(library, f"deepattn_cuda_{name}_workspace_{suffix}", pairs)
        memory.append(space)
        arguments += [pointer(space), size]
    name = f"deepattn_cuda_{name}_{suffix}"
    return Prepared(library, name, arguments, out, problem=problem, keep=memory)


def force(library, shape, net_deriv, in_deriv, nlist):
    """``ProdForceSeA``."""
    inputs, output = [net_deriv, in_deriv, nlist], (shape[0], 3 * shape[2])
    return over_pairs(library, "force", shape, inputs, [output], room=True)


def force_grad(library, shape, grad, in_deriv, nlist):
    """``ProdForceSeAGrad``."""
    inputs, output = [grad, in_deriv, nlist], (shape[0], 4 * shape[1] * shape[3])
    return over_pairs(library, "force_grad", shape, inputs, [output])


def virial(library, shape, net_deriv, in_deriv, rij, nlist):
    """``ProdVirialSeA``."""
    outputs = [(shape[0], 9), (shape[0], 9 * shape[2])]
    inputs = [net_deriv, in_deriv, rij, nlist]
    return over_pairs(library, "virial", shape, inputs, outputs, room=True)


def virial_grad(library, shape, grad, in_deriv, rij, nlist):
    """``ProdVirialSeAGrad``."""
    inputs, output = [grad, in_deriv, rij, nlist], (shape[0], 4 * shape[1] * shape[3])
    return over_pairs(library, "virial_grad", shape, inputs, [output], problem=False)


class TabulatedShape(ctypes.Structure):
    """``deepattn_tabulated_shape``."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("natoms", "nnei", "width", "stride")),
        *((name, ctypes.c_int64) for name in ("ntables", "nrows", "nfactors")),
        *((name, ctypes.c_int) for name in ("contracted", "stock", "is_sorted")),
    )


class TabulatedCall(ctypes.Structure):
    """``TabulatedCall``."""

    POINTERS = (
        *("table", "range", "rows", "matrix", "weight", "index", "factors", "grad_output"),
        *("output", "grad_rows", "grad_matrix", "grad_weight", "grad_factors"),
    )
    _fields_ = (("shape", TabulatedShape), *((name, ctypes.c_void_p) for name in POINTERS))


def tabulated_outputs(name, shape, inputs) -> dict[str, tuple[int, ...]]:
    """Shapes of the outputs of `tabulated`, by their names in the call's structure."""
    slots = (shape.natoms, shape.nnei)
    if name != "backward":
        return {"output": (shape.natoms, 4 if shape.contracted else shape.nnei, shape.width)}
    outputs = {"grad_rows": slots}
    if "weight" in inputs:
        outputs["grad_weight"] = slots
    if shape.contracted:
        outputs["grad_matrix"] = (*slots, 4)
    if "index" not in inputs and shape.nfactors:
        outputs["grad_factors"] = (*slots, shape.width)
    return outputs


# Of tables, by their numbers, as in kernels/common/passes.h.
TABULATED_PASSES = ("forward", "backward")


def tabulated(library, name, shape, *, grad_grads=(), **inputs):
    """A pass over tables, prepared: one of `TABULATED_PASSES`, or "double_backward".

    `inputs` are the arrays of ``TabulatedCall`` but its outputs; `grad_grads`, of the double
    backward, follow ``TabulatedGradGrads``.
    """
    dtype = inputs["rows"].dtype
    ranges = np.ascontiguousarray(inputs.pop("range"))  # stays in the host's memory
    inputs = {name: device(array) for name, array in inputs.items()}
    outputs = tabulated_outputs(name, shape, inputs)
    out = {name: empty(size, dtype) for name, size in outputs.items()}
    addresses = {name: arrays.address(array) for name, array in (inputs | out).items()}
    the_call = TabulatedCall(shape, range=ranges.ctypes.data, **addresses)
    problem = empty((1,), np.uint64)
    suffix = SUFFIX[dtype]
    grad_grads = [None if x is None else device(x) for x in grad_grads]
    places = (ctypes.c_void_p * 4)(*(None if x is None else arrays.address(x) for x in grad_grads))
    if name == "double_backward":
        function, second = f"deepattn_cuda_tabulated_double_backward_{suffix}", ctypes.byref(places)
    else:
        function = f"deepattn_cuda_tabulated_{suffix}"
        second = ctypes.c_int(TABULATED_PASSES.index(name))
    arguments = [ctypes.byref(the_call), second, pointer(problem)]
    keep = [the_call, places, grad_grads, ranges, inputs]
    return Prepared(library, function, arguments, [*out.values()], problem=problem, keep=keep)
