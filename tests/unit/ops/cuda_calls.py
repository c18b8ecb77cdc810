"""Calls of the CUDA library's C interface with numpy arrays, on the host's memory."""

import ctypes

import numpy as np

SUFFIX = {np.dtype(np.float32): "f32", np.dtype(np.float64): "f64"}


class Status(ctypes.Structure):
    """``deepattn_status``."""

    _fields_ = (("code", ctypes.c_int), ("message", ctypes.c_char * 320))


class CudaError(RuntimeError):
    """What the status of a call says."""


def aligned(shape, dtype, fill=0xFF):
    """An array at a multiple of 16 bytes, as device memory is, filled with the byte `fill`."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.full(size + 16, fill, np.uint8)
    start = -room.ctypes.data % 16
    return room[start : start + size].view(dtype).reshape(shape)


def device(array, dtype=None):
    """A copy of an array as `aligned` makes them."""
    array = np.asarray(array, dtype)
    copy = aligned(array.shape, array.dtype)
    copy[...] = array
    return copy


def pointer(array):
    """The address of an array, or a null pointer for None."""
    return ctypes.c_void_p(None if array is None else array.ctypes.data)


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
    library.deepattn_cuda_explain(ctypes.c_ulonglong(int(problem[0])), ctypes.byref(status))
    if status.code != 0:
        raise CudaError(status.message.decode())


def workspace(library, name, *arguments):
    """Room of the size that a function tells, and that size."""
    function = getattr(library, name)
    function.restype = ctypes.c_int64
    size = function(*arguments)
    return aligned((size,), np.uint8), ctypes.c_int64(size)


OPEN, PERIODIC, LISTED = range(3)


def env_mat(library, case, dtype, *, sel=None, rows=None, order=None):
    """The outputs of ``ProdEnvMatAMix`` of a `cases.Case`; of ``ProdEnvMatA`` with `sel`.

    `rows` are the neighbours of every atom of a list, whose rows come in `order`.
    """
    suffix = SUFFIX[np.dtype(dtype)]
    nframes, nall = case.atype.shape
    nloc = nall if case.nloc is None else case.nloc
    slots = np.array([] if sel is None else sel, np.int32)
    shape = EnvMatShape(nframes, nloc, nall, case.nnei, 2, case.rcut, case.rcut_smth)
    if sel is not None:
        shape.sel = slots.ctypes.data
    source, arrays = Neighbors(PERIODIC if case.periodic else OPEN), []
    if rows is not None:
        order = range(nloc) if order is None else order
        counts = np.array([len(rows[i]) for i in order], np.int32)
        first = np.cumsum(counts, dtype=np.int64) - counts
        entries = np.concatenate([np.asarray(rows[i], np.int32) for i in order])
        arrays = [device(x) for x in (np.array(order, np.int32), counts, first, entries)]
        source = Neighbors(LISTED, *(x.ctypes.data for x in arrays))
    inputs = [device(case.coord, dtype), device(case.atype)]
    inputs += [device(x, dtype) for x in (case.box, case.davg, case.dstd)]
    widths = {"descrpt": 4, "deriv": 12, "rij": 3, "nlist": 1, "ntype": 1, "nmask": 1}
    types = [dtype, dtype, dtype, np.int32, np.int32, np.uint8]
    out = [
        aligned((nframes, nloc * case.nnei * width), kind)
        for width, kind in zip(widths.values(), types, strict=True)
    ]
    problem = aligned((1,), np.uint64)
    room = workspace(
        library, f"deepattn_cuda_env_mat_workspace_{suffix}", ctypes.byref(shape), source.kind
    )
    call(
        library,
        f"deepattn_cuda_env_mat_{suffix}",
        ctypes.byref(shape),
        ctypes.byref(source),
        *map(pointer, inputs),
        *map(pointer, out[:4]),
        *map(pointer, out[4:] if sel is None else [None, None]),
        pointer(problem),
        pointer(room[0]),
        room[1],
    )
    explain(library, problem)
    return out if sel is None else out[:4]


def pairs_of(nframes, nloc, nall, nnei):
    """``deepattn_pairs``, to be passed."""
    return ctypes.byref(Pairs(nframes, nloc, nall, nnei))


def force(library, shape, net_deriv, in_deriv, nlist):
    """``ProdForceSeA``; `shape` is nframes, nloc, nall, nnei."""
    suffix, pairs = SUFFIX[net_deriv.dtype], pairs_of(*shape)
    out, problem = aligned((shape[0], 3 * shape[2]), net_deriv.dtype), aligned((1,), np.uint64)
    room = workspace(library, f"deepattn_cuda_force_workspace_{suffix}", pairs)
    arrays = [device(x) for x in (net_deriv, in_deriv, nlist)]
    arrays += [out, problem, room[0]]
    call(library, f"deepattn_cuda_force_{suffix}", pairs, *map(pointer, arrays), room[1])
    explain(library, problem)
    return out


def force_grad(library, shape, grad, in_deriv, nlist):
    """``ProdForceSeAGrad``."""
    pairs, slots = pairs_of(*shape), shape[1] * shape[3]
    out, problem = aligned((shape[0], 4 * slots), grad.dtype), aligned((1,), np.uint64)
    arrays = [device(x) for x in (grad, in_deriv, nlist)]
    name = f"deepattn_cuda_force_grad_{SUFFIX[grad.dtype]}"
    call(library, name, pairs, *map(pointer, [*arrays, out, problem]))
    explain(library, problem)
    return out


def virial(library, shape, net_deriv, in_deriv, rij, nlist):
    """``ProdVirialSeA``."""
    suffix, pairs = SUFFIX[net_deriv.dtype], pairs_of(*shape)
    out = aligned((shape[0], 9), net_deriv.dtype)
    of_atoms = aligned((shape[0], 9 * shape[2]), net_deriv.dtype)
    problem = aligned((1,), np.uint64)
    room = workspace(library, f"deepattn_cuda_virial_workspace_{suffix}", pairs)
    arrays = [device(x) for x in (net_deriv, in_deriv, rij, nlist)]
    arrays += [out, of_atoms, problem, room[0]]
    call(library, f"deepattn_cuda_virial_{suffix}", pairs, *map(pointer, arrays), room[1])
    explain(library, problem)
    return out, of_atoms


def virial_grad(library, shape, grad, in_deriv, rij, nlist):
    """``ProdVirialSeAGrad``."""
    out = aligned((shape[0], 4 * shape[1] * shape[3]), grad.dtype)
    arrays = [device(x) for x in (grad, in_deriv, rij, nlist)]
    name = f"deepattn_cuda_virial_grad_{SUFFIX[grad.dtype]}"
    call(library, name, pairs_of(*shape), *map(pointer, [*arrays, out]))
    return out


class TabulatedShape(ctypes.Structure):
    """``deepattn_tabulated_shape``."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("natoms", "nnei", "width", "stride")),
        *((name, ctypes.c_int64) for name in ("ntables", "nrows", "nfactors")),
        *((name, ctypes.c_int) for name in ("contracted", "stock", "is_sorted")),
    )


class TabulatedCall(ctypes.Structure):
    """``deepattn_tabulated_call``."""

    POINTERS = (
        *("table", "range", "rows", "matrix", "weight", "index", "factors", "grad"),
        *("out", "out_rows", "out_matrix", "out_weight", "out_factors"),
    )
    _fields_ = (("shape", TabulatedShape), *((name, ctypes.c_void_p) for name in POINTERS))


def tabulated(library, order, shape, *, bars=(), **arrays):
    """A pass over tables, of order 0 or 1, or the gradient of the gradient with `bars`.

    `arrays` are those of ``deepattn_tabulated_call`` but its outputs; `bars` follow
    ``deepattn_cuda_tabulated_bars``. Returns the outputs that there are.
    """
    dtype = arrays["rows"].dtype
    arrays = {name: device(array) for name, array in arrays.items()}
    slots = (shape.natoms, shape.nnei)
    outputs = {"out": (shape.natoms, 4 if shape.contracted else shape.nnei, shape.width)}
    if order == 1:
        outputs = {"out_rows": slots}
        if "weight" in arrays:
            outputs["out_weight"] = slots
        if shape.contracted:
            outputs["out_matrix"] = (*slots, 4)
        if "index" not in arrays and shape.nfactors:
            outputs["out_factors"] = (*slots, shape.width)
    out = {name: aligned(size, dtype) for name, size in outputs.items()}
    addresses = {name: array.ctypes.data for name, array in (arrays | out).items()}
    the_call = TabulatedCall(shape, **addresses)
    problem = aligned((1,), np.uint64)
    name = f"deepattn_cuda_tabulated{'_second' if order == 2 else ''}_{SUFFIX[dtype]}"
    bars = [None if bar is None else device(bar) for bar in bars]
    pointers = (ctypes.c_void_p * 4)(*(None if bar is None else bar.ctypes.data for bar in bars))
    second = ctypes.byref(pointers) if order == 2 else ctypes.c_int(order)
    call(library, name, ctypes.byref(the_call), second, pointer(problem))
    explain(library, problem)
    return list(out.values())
