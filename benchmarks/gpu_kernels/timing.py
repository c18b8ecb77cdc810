"""The kernels' time against the traffic that they cannot do without, at the card's bandwidth."""

import inputs
import numpy as np
from libraries import cuda_calls

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
    "tabulated 0": (lambda F: (5 + WIDTH) * F, lambda F: 4 * WIDTH * F),
    # reads the same and grad; writes the gradients by all of them
    "tabulated 1": (lambda F: 2 * (5 + WIDTH) * F, lambda F: 4 * WIDTH * F),
}
WIDTH = 100
NNEI = 120


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


def run(cuda, natoms: int) -> None:
    """Prints the table."""
    import cupy

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
            cupy.get_default_memory_pool().free_all_blocks()


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
    for order in (0, 1):
        yield f"tabulated {order}", cuda_calls.tabulated(cuda, order, table_shape, **arrays), few
