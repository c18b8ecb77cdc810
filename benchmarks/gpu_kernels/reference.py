"""The same functions on the CPU, by the C interface of its kernels, on one thread."""

import ctypes

import numpy as np
from libraries import (
    cuda_attention_calls,
    cuda_calls,
    cuda_embedding_calls,
    cuda_potential_calls,
)

_RANGE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
_RUN = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, _RANGE, ctypes.c_void_p
)


class _Threads(ctypes.Structure):
    _fields_ = (("pool", ctypes.c_void_p), ("run", _RUN))


_ONE = _Threads(None, _RUN(lambda pool, total, cost, function, work: function(work, 0, total)))


class _Source(ctypes.Structure):
    _fields_ = (
        ("kind", ctypes.c_int),
        *((name, ctypes.c_void_p) for name in ("ilist", "numneigh", "firstneigh")),
    )


def _call(library, name, *arguments):
    status = cuda_calls.Status()
    getattr(library, f"deepattn_{name}")(*arguments, ctypes.byref(_ONE), ctypes.byref(status))
    if status.code != 0:
        raise RuntimeError(status.message.decode())


def _addresses(arrays):
    return [ctypes.c_void_p(None if array is None else array.ctypes.data) for array in arrays]


def _neighbor_source(case, rows):
    """``deepattn_neighbor_source``, and its arrays."""
    if rows is None:
        return _Source(cuda_calls.PERIODIC if case.periodic else cuda_calls.OPEN), []
    entries = [np.asarray(row, np.int32) for row in rows]
    first = (ctypes.c_void_p * len(rows))(*(row.ctypes.data for row in entries))
    ilist, counts = np.arange(len(rows), dtype=np.int32), np.array([*map(len, rows)], np.int32)
    lists = [ilist.ctypes.data, counts.ctypes.data, ctypes.addressof(first)]
    return _Source(cuda_calls.LISTED, *lists), [entries, first, ilist, counts]


def env_mat(library, case, dtype, *, sel=None, rows=None):
    """Outputs of ``ProdEnvMatAMix``, or ``ProdEnvMatA`` with `sel`; as `cuda_calls.env_mat`."""
    nframes, nall = case.atype.shape
    nloc, nnei = nall if case.nloc is None else case.nloc, case.nnei
    slots = np.array([] if sel is None else sel, np.int32)
    shape = cuda_calls.EnvMatShape(
        nframes, nloc, nall, nnei, len(case.davg), case.rcut, case.rcut_smth
    )
    if sel is not None:
        shape.sel = slots.ctypes.data
    source, _lists = _neighbor_source(case, rows)
    inputs = [np.ascontiguousarray(case.coord, dtype), case.atype]
    inputs += [np.ascontiguousarray(x, dtype) for x in (case.box, case.davg, case.dstd)]
    out = [np.empty((nframes, nloc * nnei * width), dtype) for width in (4, 12, 3)]
    kinds = [np.int32] if sel is not None else [np.int32, np.int32, np.uint8]
    out += [np.empty((nframes, nloc * nnei), kind) for kind in kinds]
    memory = [*inputs, *out, *[None] * (6 - len(out))]
    suffix = cuda_calls.SUFFIX[np.dtype(dtype)]
    structures = ctypes.byref(shape), ctypes.byref(source)
    _call(library, f"env_mat_{suffix}", *structures, *_addresses(memory))
    return out


def over_pairs(library, name, shape, inputs, widths):
    """Outputs of a function over neighbor pairs, of so many numbers a frame each."""
    out = [np.empty((shape[0], width), inputs[0].dtype) for width in widths]
    pairs = ctypes.byref(cuda_calls.Pairs(*shape))
    suffix = cuda_calls.SUFFIX[inputs[0].dtype]
    _call(library, f"{name}_{suffix}", pairs, *_addresses([*inputs, *out]))
    return out


def tabulated(library, name, shape, **inputs):
    """Outputs of a pass over tables, forward or backward; as `cuda_calls.tabulated`."""
    dtype = inputs["rows"].dtype
    outputs = cuda_calls.tabulated_outputs(name, shape, inputs)
    out = {name: np.empty(size, dtype) for name, size in outputs.items()}
    addresses = {name: array.ctypes.data for name, array in (inputs | out).items()}
    call = cuda_calls.TabulatedCall(shape, **addresses)
    suffix, number = cuda_calls.SUFFIX[dtype], cuda_calls.TABULATED_PASSES.index(name)
    _call(library, f"tabulated_{suffix}", ctypes.byref(call), ctypes.c_int(number))
    return list(out.values())


def attention(library, batch) -> dict[str, list[np.ndarray]]:
    """Outputs of all passes of gated attention, gradients by parameters with them."""
    calls, suffix = cuda_attention_calls, cuda_calls.SUFFIX[batch.dtype]

    call = calls.CALLS[suffix](
        shape=batch.shape,
        padding=batch.padding,
        ln_eps=batch.ln_eps,
        parameters=calls.Parameters(*(x.ctypes.data for x in batch.parameters)),
        **{name: x.ctypes.data for name, x in batch.arrays.items()},
    )
    rooms = []
    for name in ("saved", "saved_tangents"):
        size = getattr(library, f"deepattn_attention_{name}_{suffix}")
        size.restype = ctypes.c_int64
        rooms.append(np.empty(size(ctypes.byref(call)) + 64, batch.dtype))
        setattr(call, name, rooms[-1].ctypes.data + -rooms[-1].ctypes.data % 64)
    results = {}
    for number, name in enumerate(calls.PASSES):
        out = {key: np.empty_like(batch.arrays[like]) for key, like in calls.OUTPUTS[name].items()}
        for key, x in out.items():
            setattr(call, key, x.ctypes.data)
        has_parameters = name in ("backward", "reverse")
        sums = [np.empty_like(x) for x in batch.parameters] if has_parameters else []
        call.grad_parameters = None
        if has_parameters:
            call.grad_parameters = ctypes.pointer(calls.Parameters(*(x.ctypes.data for x in sums)))
        _call(library, f"attention_{suffix}", ctypes.byref(call), ctypes.c_int(number))
        results[name] = [*out.values(), *sums]
    return results


def pair_embedding(library, name, inputs, **arrays):
    """Outputs of a pass of the pair embedding; as `cuda_embedding_calls.pair_embedding`."""
    run, host = cuda_embedding_calls.prepare, cuda_calls.HostArrays()
    call, outputs, _ = run(host, name, inputs, with_sums=True, **arrays)
    suffix = cuda_calls.SUFFIX[inputs[0].dtype]
    number = cuda_embedding_calls.PASSES.index(name)
    _call(library, f"pair_embedding_{suffix}", ctypes.byref(call), ctypes.c_int(number))
    return outputs


def tabulated_potential(library, atoms, model, *, rows=None):
    """Outputs of the whole potential; as `cuda_potential_calls.tabulated_potential`."""
    calls, host = cuda_potential_calls, cuda_calls.HostArrays()
    values, outputs, _keep = calls.common_fields(host, atoms, model)
    nets, _of_nets = calls.fitting_nets(host, model)
    source, _lists = _neighbor_source(atoms, rows)
    pack = getattr(library, f"deepattn_pack_fitting_net_{cuda_calls.SUFFIX[model.table.dtype]}")
    pack.restype, free = ctypes.c_void_p, library.deepattn_free_fitting_net
    status = cuda_calls.Status()
    packed = [
        pack(ctypes.byref(net), ctypes.c_int64(model.axis), ctypes.byref(status)) for net in nets
    ]
    if status.code != 0:
        raise RuntimeError(status.message.decode())
    places = (ctypes.c_void_p * len(packed))(*packed)
    kind = calls.call_type(calls.REALS[model.table.dtype], _Source)
    call = kind(source=source, nets=ctypes.addressof(places), **values)
    _call(library, f"tabulated_potential_{model.suffix}", ctypes.byref(call))
    for net in packed:
        free(ctypes.c_void_p(net))
    return outputs
