"""The potential of a compressed model by the CUDA library."""

import ctypes
from dataclasses import dataclass, fields, replace

import cuda_calls
import numpy as np

MOST_HIDDEN = 16
SWITCHES = ("none", "inverse", "distance")
OUTPUTS = ("atom_energy", "force", "virial", "atom_virial", "distance")
_Integers, _Layers = ctypes.c_int64 * MOST_HIDDEN, ctypes.c_void_p * MOST_HIDDEN


class FittingNet(ctypes.Structure):
    """``FittingNet``."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("input", "nhidden")),
        *((name, _Integers) for name in ("width", "copies")),
        *((name, _Layers) for name in ("matrix", "bias", "step")),
        *((name, ctypes.c_void_p) for name in ("last_matrix", "last_bias")),
    )


class Basis(ctypes.Structure):
    """``DistanceBasis``."""

    _fields_ = (
        ("ncomponents", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("basis", "origin", "root")),
    )


def call_type(real, source) -> type[ctypes.Structure]:
    """``PotentialCall`` of tables of a type, with the source of neighbors and the nets behind."""

    def pointers(*names):
        return tuple((name, ctypes.c_void_p) for name in names)

    class Call(ctypes.Structure):
        _fields_ = (
            ("atoms", cuda_calls.EnvMatShape),
            *pointers("coord", "atype", "box", "davg", "dstd", "keep"),
            ("excluded_is_average", ctypes.c_int),
            ("table_shape", cuda_calls.TabulatedShape),
            *pointers("table", "range", "factors"),
            *((name, ctypes.c_int) for name in ("sees_center", "switch_kind")),
            *pointers("switch_range"),
            ("count", real),
            *((name, ctypes.c_int64) for name in ("axis", "nnets")),
            *pointers("type_offset", "frame_offset", "atom_offset", *OUTPUTS[:-1]),
            ("distance_basis", Basis),
            *pointers("distance"),
            ("source", source),
            *pointers("nets"),
        )

    return Call


REALS = {np.dtype(np.float32): ctypes.c_float, np.dtype(np.float64): ctypes.c_double}


@dataclass
class Model:
    """A potential besides the atoms, as arrays of numpy; None or no elements: there is none."""

    davg: np.ndarray  # of type F, as dstd, keep, and the outputs
    dstd: np.ndarray
    keep: np.ndarray | None
    table: np.ndarray  # of type T, as all below
    range: np.ndarray
    factors: np.ndarray
    count: np.ndarray
    nets: list[list[tuple[np.ndarray, ...]]]  # matrix, bias, time step of the layers, the output's
    type_offset: np.ndarray
    frame_offset: np.ndarray | None
    atom_offset: np.ndarray | None
    basis: tuple[np.ndarray, ...] | None
    copies: tuple[int, ...]
    rcut: float
    rcut_smth: float
    sel: tuple[int, ...]
    width: int
    axis: int
    sees_center: bool
    switch: str
    excluded_is_average: bool

    @property
    def suffix(self) -> str:
        """Of the functions in these precisions."""
        same = self.davg.dtype == self.table.dtype
        return cuda_calls.SUFFIX[self.table.dtype] if same else "mixed"

    def astype(self, interface, dtype) -> "Model":
        """The same in other precisions F and T."""

        def cast(value, kind):
            if isinstance(value, np.ndarray):
                return value.astype(kind)
            if isinstance(value, list | tuple):
                return type(value)(cast(x, kind) for x in value)
            return value

        kinds = dict.fromkeys(("davg", "dstd", "keep"), interface)
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{k: cast(x, kinds.get(k, dtype)) for k, x in values.items()})


def common_fields(memory, atoms, model):
    """Fields of the call that are the same for all libraries, its outputs, and what must live on.

    Args:
        memory: as `cuda_calls.HostArrays`.
        atoms: coordinates, types and boxes of a `cases.Case`.
        model: the potential.
    """
    nframes, nall = atoms.atype.shape
    nloc = nall if atoms.nloc is None else atoms.nloc
    ntypes, real = len(model.davg), model.davg.dtype
    sel = np.array(model.sel, np.int32)
    shape = cuda_calls.EnvMatShape(
        nframes, nloc, nall, sum(model.sel), ntypes, model.rcut, model.rcut_smth
    )
    if len(sel) > 1:
        shape.sel = sel.ctypes.data
    ntables, nrows, _, stride = model.table.shape
    table_shape = cuda_calls.TabulatedShape(
        0, 0, model.width, stride, ntables, nrows, len(model.factors), 1, 0, 0
    )
    arrays = {name: getattr(atoms, name).astype(real) for name in ("coord", "box")}
    arrays["atype"] = atoms.atype
    names = ("davg", "dstd", "keep", "table", "factors")
    names += ("type_offset", "frame_offset", "atom_offset")
    arrays |= {name: getattr(model, name) for name in names}
    arrays = {name: memory.device(x) for name, x in arrays.items() if x is not None}
    # What stays in the host's memory.
    ranges = np.ascontiguousarray(model.range), np.array([model.rcut_smth, model.rcut], real)
    sizes = {"atom_energy": nloc, "force": 3 * nall, "virial": 9, "atom_virial": 9 * nall}
    basis = [memory.device(x) for x in model.basis or ()]
    if basis:
        sizes["distance"] = nloc
    out = {name: memory.empty((nframes, size), real) for name, size in sizes.items()}
    values = {name: memory.address(x) for name, x in (arrays | out).items()}
    values |= {"range": ranges[0].ctypes.data, "switch_range": ranges[1].ctypes.data}
    values |= {"atoms": shape, "table_shape": table_shape, "count": float(model.count)}
    values |= {"axis": model.axis, "nnets": len(model.nets), "sees_center": int(model.sees_center)}
    values["switch_kind"] = SWITCHES.index(model.switch)
    values["excluded_is_average"] = int(model.excluded_is_average)
    if basis:
        values["distance_basis"] = Basis(basis[0].shape[1], *map(memory.address, basis))
    return values, list(out.values()), [sel, arrays, ranges, basis]


def fitting_nets(memory, model):
    """An array of the nets, and their arrays."""
    nets, keep = (FittingNet * len(model.nets))(), []
    for net, layers in zip(nets, model.nets, strict=True):
        *hidden, (last_matrix, last_bias, _) = layers
        net.input, net.nhidden = model.width * model.axis, len(hidden)
        for k, arrays in enumerate(hidden):
            net.width[k], net.copies[k] = arrays[0].shape[1], model.copies[k]
            for name, array in zip(("matrix", "bias", "step"), arrays, strict=True):
                if array is not None and array.size:
                    keep.append(memory.device(array))
                    getattr(net, name)[k] = memory.address(keep[-1])
        keep += [memory.device(last_matrix), memory.device(last_bias)]
        net.last_matrix, net.last_bias = (memory.address(x) for x in keep[-2:])
    return nets, keep


def tabulated_potential(library, atoms, model, *, rows=None, order=None) -> cuda_calls.Prepared:
    """``DeepattnTabulatedPotential``, prepared; `rows` and `order` as of `cuda_calls.env_mat`."""
    memory = cuda_calls.arrays
    values, outputs, keep = common_fields(memory, atoms, model)
    nets, of_nets = fitting_nets(memory, model)
    source, lists = cuda_calls.neighbor_source(atoms, rows, order)
    kind = call_type(REALS[model.table.dtype], cuda_calls.Neighbors)
    call = kind(source=source, nets=ctypes.addressof(nets), **values)
    name = "deepattn_cuda_tabulated_potential_"
    room, size = cuda_calls.workspace(
        library, f"{name}workspace_{model.suffix}", ctypes.byref(call)
    )
    problem = cuda_calls.empty((1,), np.uint64)
    return cuda_calls.Prepared(
        library,
        name + model.suffix,
        [ctypes.byref(call), cuda_calls.pointer(problem), cuda_calls.pointer(room), size],
        outputs,
        problem=problem,
        keep=[call, keep, nets, of_nets, lists, room],
    )
