"""The kernels' time against what they cannot do without: memory traffic at the card's bandwidth, or
multiply-adds at the rate of its library's product of large matrices."""

import itertools

import inputs
import numpy as np
from libraries import (
    cuda_attention_calls,
    cuda_calls,
    cuda_embedding_calls,
    cuda_potential_calls,
)

# Bytes a slot and bytes an atom that must cross the memory bus, with floats of F bytes. What a
# kernel moves besides, into its workspace or twice, is its own fault.
TRAFFIC = {
    # writes descrpt, deriv, rij, nlist, ntype, nmask; reads the coordinates and the type
    "env_mat": (lambda F: 19 * F + 9, lambda F: 3 * F + 4),
    # reads net_deriv, in_deriv, nlist; writes forces
    "force": (lambda F: 16 * F + 4, lambda F: 3 * F),
    # reads in_deriv, nlist; writes grad_net; reads a gradient by forces
    "force_grad": (lambda F: 16 * F + 4, lambda F: 3 * F),
    # reads net_deriv, in_deriv, rij, nlist; writes the atoms' virials
    "virial": (lambda F: 19 * F + 4, lambda F: 9 * F),
    # reads in_deriv, rij, nlist; writes grad_net
    "virial_grad": (lambda F: 19 * F + 4, lambda F: 0),
    # reads rows, matrix, factors; writes the descriptor; the table stays in the cache
    "tabulated forward": (lambda F: (5 + WIDTH) * F, lambda F: 4 * WIDTH * F),
    # reads the same and grad_output; writes the gradients by all of them
    "tabulated backward": (lambda F: 2 * (5 + WIDTH) * F, lambda F: 4 * WIDTH * F),
}
WIDTH = 100
NNEI = 120
ATTN = 128
LAYERS = (1, 25, 50, WIDTH)

# Multiply-adds of the products of the attention's passes, for n slots, w columns of the embedding
# and a of the attention: of those with parameters (n w a each), and those of pairs of slots. Rows
# of a pass, such as the softmax, are not counted, nor what float64 computes again.
ATTENTION = {
    "forward": lambda n, w, a: 4 * n * w * a + n * n * (w + a),
    "backward": lambda n, w, a: 8 * n * w * a + 2 * n * n * (w + a),
    "tangent": lambda n, w, a: 4 * n * w * a + 2 * n * n * (w + a),
    "reverse": lambda n, w, a: 13 * n * w * a + 6 * n * n * (w + a),
}
# Of the potential, the layers of the fitting net, which all atoms pass there and back; tables and
# their contraction are not counted.
AXIS = 16
HIDDEN = (240, 240, 240)
# Of the pair embedding, how often each matrix is multiplied with all rows.
EMBEDDING = {"forward": 1, "backward": 3, "double_backward": 6}


def seconds(function, repeats=10) -> float:
    """The median time of a call, between events on the stream."""
    import cupy

    times = []
    for _ in range(repeats + 2):
        begin, end = cupy.cuda.Event(), cupy.cuda.Event()
        begin.record()
        function()
        end.record()
        end.synchronize()
        times.append(cupy.cuda.get_elapsed_time(begin, end) / 1000)
    return float(np.median(times[2:]))  # the first calls warm up


def copy_bandwidth() -> float:
    """Bytes read and written a second by a copy of 2 GiB."""
    import cupy

    source = cupy.zeros(1 << 29, np.float32)
    target = cupy.empty_like(source)
    return 2 * source.nbytes / seconds(lambda: cupy.copyto(target, source))


def product_rate(dtype) -> float:
    """Multiply-adds a second of cuBLAS's product of large matrices.

    Not by TF32, but in float64 by tensor cores, where the device has such.
    """
    import cupy

    n = 8192 if dtype is np.float32 else 4096
    a, b = cupy.ones((n, n), dtype), cupy.ones((n, n), dtype)
    out = cupy.empty_like(a)
    return n**3 / seconds(lambda: cupy.matmul(a, b, out=out))


def run_products(cuda, natoms: int) -> None:
    """Prints the table of what is bound by arithmetic."""
    for dtype in (np.float32, np.float64):
        rate = product_rate(dtype)
        print(f"\nproduct of matrices {np.dtype(dtype).name}: {2 * rate / 1e12:.1f} TFLOP/s")
        for name, prepared, work in timed_products(cuda, natoms, dtype):
            time = seconds(prepared.run)
            print(
                f"{name:24} {1e3 * time:8.2f} ms {2 * work / time / 1e12:6.2f} TFLOP/s "
                f"{100 * work / time / rate:5.1f} %",
                flush=True,
            )
            del prepared


def timed_products(cuda, natoms, dtype):
    """Name, prepared call and its multiply-adds."""
    batch = inputs.attention(natoms, NNEI, WIDTH, ATTN, dtype)
    batch.arrays["count"][:] = NNEI
    passes = cuda_attention_calls.CudaAttention(cuda, batch)
    for name, work in ATTENTION.items():
        prepared = passes.prepare(name, with_sums=name in ("backward", "reverse"))
        yield f"attention {name}", prepared, natoms * work(NNEI, WIDTH, ATTN)
    del passes, batch
    nrows = natoms * NNEI
    given, grads = inputs.layers(nrows, LAYERS, dtype)
    products = nrows * sum(a * b for a, b in itertools.pairwise(LAYERS))
    for name, times in EMBEDDING.items():
        arrays = {key: grads[key] for key in cuda_embedding_calls.TAKEN[name]}
        prepared = cuda_embedding_calls.pair_embedding(cuda, name, given, **arrays)
        yield f"pair embedding {name}", prepared, times * products
        del prepared
    del given, grads
    # Enough to fill the device, and a small system, where it is not full.
    for count in (25 * natoms, 1536):
        atoms = inputs.rounded(inputs.random_atoms(count), np.float32)
        model = inputs.potential([NNEI], width=WIDTH, axis=AXIS, hidden=HIDDEN).astype(dtype, dtype)
        prepared = cuda_potential_calls.tabulated_potential(cuda, atoms, model)
        products = sum(a * b for a, b in itertools.pairwise((WIDTH * AXIS, *HIDDEN)))
        yield f"potential, {count} atoms", prepared, 2 * count * products
        del prepared


def run(cuda, natoms: int) -> None:
    """Prints the table of what is bound by memory, and then `run_products`."""
    bandwidth = copy_bandwidth()
    print(f"\ncopy bandwidth {bandwidth / 1e9:.0f} GB/s; {natoms} atoms, {NNEI} slots")
    for dtype in (np.float32, np.float64):
        for name, prepared, count in timed_calls(cuda, natoms, dtype):
            slot, atom = TRAFFIC[name]
            size = np.dtype(dtype).itemsize
            traffic = count * (NNEI * slot(size) + atom(size))
            time = seconds(prepared.run)
            share = traffic / time / bandwidth
            print(
                f"{name:14} {np.dtype(dtype).name:8} {count:8d} atoms {1e3 * time:8.2f} ms "
                f"{traffic / 1e9:6.2f} GB {100 * share:5.1f} %",
                flush=True,
            )
            del prepared

    run_products(cuda, max(1, natoms // 250))


def timed_calls(cuda, natoms, dtype):
    """Name, prepared call and number of atoms, one at a time: each needs most of the memory."""
    atoms = inputs.random_atoms(natoms, nnei=NNEI)
    prepared = cuda_calls.env_mat(cuda, atoms, dtype)
    yield "env_mat", prepared, natoms
    nlist = prepared.results()[3]
    del prepared
    shape = (1, natoms, natoms, NNEI)
    arrays = inputs.pairs(nlist, shape, dtype)
    names = {
        "force": ["net_deriv", "in_deriv", "nlist"],
        "force_grad": ["grad", "in_deriv", "nlist"],
        "virial": ["net_deriv", "in_deriv", "rij", "nlist"],
        "virial_grad": ["grad_virial", "in_deriv", "rij", "nlist"],
    }
    for name, taken in names.items():
        yield name, getattr(cuda_calls, name)(cuda, shape, *(arrays[x] for x in taken)), natoms
    del arrays
    few = max(1, natoms // 10)  # of the factors of 1 M atoms there are 48 GB in float32
    table_shape, arrays = inputs.tables(few, NNEI, WIDTH, dtype, is_sorted=False)
    for name in cuda_calls.TABULATED_PASSES:
        yield f"tabulated {name}", cuda_calls.tabulated(cuda, name, table_shape, **arrays), few
