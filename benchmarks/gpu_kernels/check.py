"""Every CUDA kernel against the CPU's, then its time as a fraction of the card's copy bandwidth.

    python benchmarks/gpu_kernels/check.py          on a device; needs CuPy, nvcc and c++
    python benchmarks/gpu_kernels/check.py --host   the same sources compiled for the host

Prints a table and ends with status 1 if a result is wrong or differs from run to run.
"""

import argparse
import sys
from pathlib import Path

import inputs
import libraries
import numpy as np
import reference
from libraries import cuda_attention_calls, cuda_calls, cuda_embedding_calls

# Of the largest number of an output; sums of both precisions differ by their order.
TOLERANCE = {np.float32: 2e-6, np.float64: 1e-12}
WATER = libraries.ROOT.parent / "shared" / "data" / "water" / "valid" / "data_2"


class Checks:
    """The comparisons made, as rows of a table."""

    def __init__(self):
        self.failed = 0

    def add(self, name, dtype, prepared, expected, tolerance=0.0):
        """Compares the outputs of a call, made twice, with those of the CPU."""
        first, again = ([x.copy() for x in prepared.results()] for _ in range(2))
        worst = distance(first, expected)
        same = all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
        right = worst <= max(tolerance, TOLERANCE[dtype]) and same
        self.failed += not right
        verdict = "ok" if right else "WRONG" if same else "DIFFERS FROM RUN TO RUN"
        print(f"{name:44} {np.dtype(dtype).name:8} {worst:9.1e}  {verdict}", flush=True)


def distance(values, expected):
    """The largest difference, in units of the largest number of an output; integers must agree."""
    worst = 0.0
    for got, want in zip(values, expected, strict=True):
        got, want = got.reshape(want.shape), np.asarray(want)
        if want.dtype.kind == "f":
            scale = np.abs(want).max(initial=1e-30)
            # What is not a number is not below the tolerance either.
            worst = max(worst, float(np.abs(got - want).max(initial=0) / scale), key=_order)
        elif not np.array_equal(got, want):
            worst = np.inf
    return worst


def _order(value):
    return np.inf if np.isnan(value) else value


def allowance(dtype, plain, exact):
    """Of sums that cancel and so lose digits: twice the error of the CPU's `plain`, and the rest of
    the tolerance for chance."""
    return TOLERANCE[dtype] + 2 * distance(plain, exact)


def check_env_mat(checks, cuda, cpu, dtype, water):
    """Environment matrices of all kinds of frames; returns one for the pairs."""
    frames = {
        "open": inputs.random_atoms(301, nframes=2, periodic=False),
        "periodic": inputs.random_atoms(500, nframes=2),
        "small box": inputs.random_atoms(7, nnei=333),
        "overflow": inputs.random_atoms(400, nnei=13),
        "lattice": inputs.lattice(5),
        "one atom": inputs.random_atoms(1, nnei=5),
        "no atoms": inputs.random_atoms(0),
        "many slots": inputs.random_atoms(60, nnei=3001),
    }
    if water.is_dir():
        frames["water"] = inputs.real_atoms(water)
    for name, atoms in frames.items():
        expected = reference.env_mat(cpu, atoms, dtype)
        checks.add(f"env_mat, {name}", dtype, cuda_calls.env_mat(cuda, atoms, dtype), expected)
        sel = [atoms.nnei // 3, atoms.nnei - atoms.nnei // 3]
        expected = reference.env_mat(cpu, atoms, dtype, sel=sel)
        prepared = cuda_calls.env_mat(cuda, atoms, dtype, sel=sel)
        checks.add(f"env_mat, {name}, by type", dtype, prepared, expected)
    atoms, rows = inputs.listed(frames["open"])
    expected = reference.env_mat(cpu, atoms, dtype, rows=rows)
    prepared = cuda_calls.env_mat(cuda, atoms, dtype, rows=rows)
    checks.add("env_mat, listed", dtype, prepared, expected)


def pair_calls(cuda, cpu, shape, arrays):
    """Name, prepared call and what computes the same on the CPU, for each function over pairs."""
    _, nloc, nall, nnei = shape
    a, slots = arrays, 4 * nloc * nnei
    calls = {
        "force": (["net_deriv", "in_deriv", "nlist"], [3 * nall]),
        "force_grad": (["grad", "in_deriv", "nlist"], [slots]),
        "virial": (["net_deriv", "in_deriv", "rij", "nlist"], [9, 9 * nall]),
        "virial_grad": (["grad_virial", "in_deriv", "rij", "nlist"], [slots]),
    }
    for name, (names, widths) in calls.items():
        taken = [a[n] for n in names]

        def expected(name=name, taken=taken, widths=widths):
            return reference.over_pairs(cpu, name, shape, taken, widths)

        yield name, getattr(cuda_calls, name)(cuda, shape, *taken), expected


def check_pairs(checks, cuda, cpu, dtype):
    """Forces, virials and their gradients."""
    atoms = inputs.random_atoms(300, nframes=2, nnei=90)
    real = reference.env_mat(cpu, atoms, dtype)[3]
    rng = np.random.default_rng(5)
    cases = {
        "real lists": ((2, 300, 300, 90), real),
        "ghosts": ((3, 17, 40, 33), rng.integers(-20, 40, (3, 17 * 33)).astype(np.int32)),
        "one neighbour": ((1, 60, 60, 31), np.zeros((1, 60 * 31), np.int32)),
        "all padding": ((1, 5, 9, 4), np.full((1, 20), -1, np.int32)),
        "no slots": ((2, 5, 9, 0), np.zeros((2, 0), np.int32)),
    }
    for label, (shape, nlist) in cases.items():
        arrays = inputs.pairs(nlist, shape, dtype)
        for name, prepared, expected in pair_calls(cuda, cpu, shape, arrays):
            checks.add(f"{name}, {label}", dtype, prepared, expected())


def check_tabulated(checks, cuda, cpu, dtype):
    """Stock tables; the gradient of the gradient against differences of the gradient, exact as it
    is linear in `grad`."""
    for natoms, nnei, width in ((5, 7, 5), (3, 121, 100), (2, 130, 257), (4, 1, 1)):
        for is_sorted in (False, True):
            shape, arrays = inputs.tables(natoms, nnei, width, dtype, is_sorted=is_sorted)
            label = f"{natoms} × {nnei} × {width}{', sorted' if is_sorted else ''}"
            for order in (0, 1):
                expected = reference.tabulated(cpu, order, shape, **arrays)
                prepared = cuda_calls.tabulated(cuda, order, shape, **arrays)
                checks.add(f"tabulated, order {order}, {label}", dtype, prepared, expected)
            rng = np.random.default_rng(7)
            bars = [rng.normal(size=x.shape).astype(dtype) for x in expected]
            order = [bars[0], bars[1], None, bars[2]]
            prepared = cuda_calls.tabulated(cuda, 2, shape, bars=order, **arrays)
            got = prepared.results()[0].astype(np.float64)
            # ⟨second, grad⟩ = Σ bar · gradient, for the gradient is linear in grad.
            inner = sum(float(np.vdot(b, x)) for b, x in zip(bars, expected, strict=True))
            size = np.linalg.norm(got) * np.linalg.norm(arrays["grad"])
            error = abs(float(np.vdot(got, arrays["grad"])) - inner) / max(size, 1e-30)
            right = error <= 8 * TOLERANCE[dtype]
            checks.failed += not right
            name, verdict = f"tabulated, second, {label}", "ok" if right else "WRONG"
            print(f"{name:44} {np.dtype(dtype).name:8} {error:9.1e}  {verdict}", flush=True)


def check_attention(checks, cuda, cpu, dtype):
    """All passes of gated attention, with gradients by parameters, against the CPU's float64."""
    for size in ((5, 120, 100, 128), (300, 7, 3, 5), (2, 133, 65, 140), (3, 1, 1, 1)):
        for smooth in (True, False):
            batch = inputs.attention(*size, dtype, smooth=smooth)
            passes = cuda_attention_calls.CudaAttention(cuda, batch)
            plain = reference.attention(cpu, batch)
            exact = reference.attention(cpu, inputs.attention(*size, np.float64, smooth=smooth))
            for name, values in exact.items():
                prepared = passes.prepare(name, with_sums=len(values) > 1)
                if len(values) > 1 and not smooth:  # a mask has no gradient
                    for outputs in (prepared.outputs, values, plain[name]):
                        del outputs[2]
                label = f"attention {name}, {' × '.join(map(str, size))}{', smooth' * smooth}"
                checks.add(label, dtype, prepared, values, allowance(dtype, plain[name], values))


def check_pair_embedding(checks, cuda, cpu, dtype):
    """All orders of the pair embedding, with gradients by parameters, against the CPU's float64."""
    for nrows, widths in ((5000, (1, 25, 50, 100)), (65, (3, 70, 140, 140)), (1, (2, 5))):
        (given, bars), (exact, exact_bars) = (
            inputs.layers(nrows, widths, kind) for kind in (dtype, np.float64)
        )
        for order, names in enumerate(((), ("grad",), ("grad", "bar_input", "bar_weight"))):
            arrays = {name: bars[name] for name in names}
            plain = reference.pair_embedding(cpu, order, given, **arrays)
            expected = reference.pair_embedding(
                cpu, order, exact, **{name: exact_bars[name] for name in names}
            )
            prepared = cuda_embedding_calls.pair_embedding(cuda, order, given, **arrays)
            label = f"pair embedding, order {order}, {nrows} × {widths}"
            checks.add(label, dtype, prepared, expected, allowance(dtype, plain, expected))


def main() -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", action="store_true", help="the sources compiled for the host")
    parser.add_argument("--water", type=Path, default=WATER, help="a system of real frames")
    parser.add_argument("--atoms", type=int, default=1_000_000, help="atoms of the timed calls")
    parser.add_argument("--no-timing", action="store_true", help="only compare")
    arguments = parser.parse_args()
    cpu, cuda = libraries.load_cpu(), libraries.load_cuda(arguments.host)
    checks = Checks()
    print(f"{'kernel, input':44} {'':8} {'error':>9}")
    for dtype in TOLERANCE:
        check_env_mat(checks, cuda, cpu, dtype, arguments.water)
        check_pairs(checks, cuda, cpu, dtype)
        check_tabulated(checks, cuda, cpu, dtype)
        check_attention(checks, cuda, cpu, dtype)
        check_pair_embedding(checks, cuda, cpu, dtype)
    print("all as on the CPU" if checks.failed == 0 else f"{checks.failed} comparisons failed")
    if not arguments.host and not arguments.no_timing:
        import timing

        timing.run(cuda, arguments.atoms)
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
