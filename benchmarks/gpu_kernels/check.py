"""Every CUDA kernel against the CPU's, then its time as a fraction of the card's copy bandwidth.

    python benchmarks/gpu_kernels/check.py          on a device; needs CuPy, nvcc and c++
    python benchmarks/gpu_kernels/check.py --host   the same sources compiled for the host

Prints a table and ends with status 1 if a result is wrong or differs from run to run.
"""

import argparse
import itertools
import sys
from collections import Counter
from ctypes import CDLL
from functools import partial
from pathlib import Path

import inputs
import libraries
import numpy as np
import reference
from libraries import (
    cuda_attention_calls,
    cuda_calls,
    cuda_embedding_calls,
    cuda_potential_calls,
)

# Comparisons of a kernel in each precision that a sample has; a checker of memory takes long.
SAMPLE = 2
# Of the largest number of an output: what sums differ by in float64 where their order does.
EXACT = 1e-12
WATER = libraries.ROOT.parent / "shared" / "data" / "water" / "valid" / "data_2"


class Checks:
    """The comparisons made, as rows of a table.

    Args:
        most: of a kernel in each precision; None for all.
    """

    def __init__(self, most=None):
        self.failed = 0
        self.most = most
        self.made = Counter()
        self.errors = {}  # of each kernel in float32: its own and the CPU's, added up

    def add(self, name, dtype, prepared, compute):
        """Compares the outputs of a call, made twice, with the CPU's.

        Float64 must agree to `EXACT`. The errors of float32, and those of the CPU's float32, are
        taken from the CPU's float64 of the same numbers; `finish` compares them.

        Args:
            name: what is compared: the kernel, a comma, and the case.
            dtype: of the floats of the call.
            prepared: the call.
            compute: gives the CPU's outputs in the dtype it is called with, of the inputs of the
                call; integers of the call's own dtype must be met.
        """
        kernel = name.split(",")[0]
        if self.made[kernel, dtype] == self.most:
            return
        self.made[kernel, dtype] += 1
        first, again = (_fresh_results(prepared) for _ in range(2))
        same = all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
        plain = compute(dtype)
        exact = plain if dtype is np.float64 else _with_floats(plain, compute(np.float64))
        error, of_cpu = distance(first, exact), distance(plain, exact)
        right = same and (error <= EXACT if dtype is np.float64 else np.isfinite(error))
        if dtype is np.float32:
            ours, cpus = self.errors.get(kernel, (0, 0))
            self.errors[kernel] = ours + error, cpus + of_cpu
        self.failed += not right
        verdict = "ok" if right else "WRONG" if same else "DIFFERS FROM RUN TO RUN"
        kind = np.dtype(dtype).name
        print(f"{name:60} {kind:8} {error:9.1e} {of_cpu:9.1e}  {verdict}", flush=True)

    def finish(self):
        """Compares each kernel's errors in float32, over all its cases, with the CPU's.

        The largest error of one case is a matter of chance: of which sum happens to cancel.
        """
        for kernel, (error, of_cpu) in self.errors.items():
            right = error <= 2 * of_cpu
            self.failed += not right
            label = f"{kernel}, errors of all cases"
            verdict = "ok" if right else "WRONG"
            print(f"{label:60} {'float32':8} {error:9.1e} {of_cpu:9.1e}  {verdict}", flush=True)


def _fresh_results(prepared):
    """Outputs of a call that had nothing of another run to keep."""
    for array in prepared.outputs:
        libraries.spoil(array)
    return [x.copy() for x in prepared.results()]


def _with_floats(plain, exact):
    """The floats of `exact` with the integers of `plain`."""
    pairs = zip(plain, exact, strict=True)
    return [y if np.asarray(y).dtype.kind == "f" else x for x, y in pairs]


def distance(values, expected):
    """The largest difference, in units of the largest number of an output; integers must agree."""
    worst = 0.0
    for got, want in zip(values, expected, strict=True):
        got, want = got.reshape(want.shape), np.asarray(want)
        if want.dtype.kind == "f":
            scale = np.abs(want).max(initial=1e-30)
            # What is not a number is not below a bound either.
            worst = max(worst, float(np.abs(got - want).max(initial=0) / scale), key=_order)
        elif not np.array_equal(got, want):
            worst = np.inf
    return worst


def _order(value):
    return np.inf if np.isnan(value) else value


def cast(arrays, dtype):
    """Arrays by their names, the floats in a dtype."""
    return {k: x.astype(dtype) if x.dtype.kind == "f" else x for k, x in arrays.items()}


def check_env_mat(checks, cuda, cpu, dtype, water):
    """Environment matrices of all kinds of frames."""
    frames = {
        "open": inputs.random_atoms(301, nframes=2, periodic=False),
        "periodic": inputs.random_atoms(500, nframes=2),
        "many atoms": inputs.random_atoms(6000, nnei=21),
        "many atoms, open": inputs.random_atoms(6000, nnei=21, periodic=False),
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
        atoms = inputs.rounded(atoms, dtype)
        for label, sel in (("", None), (", by type", [atoms.nnei // 3, -(-2 * atoms.nnei // 3)])):
            checks.add(
                f"env_mat, {name}{label}",
                dtype,
                cuda_calls.env_mat(cuda, atoms, dtype, sel=sel),
                partial(reference.env_mat, cpu, atoms, sel=sel),
            )
    atoms, rows = inputs.listed(inputs.rounded(frames["open"], dtype))
    prepared = cuda_calls.env_mat(cuda, atoms, dtype, rows=rows)
    checks.add(
        "env_mat, listed", dtype, prepared, partial(reference.env_mat, cpu, atoms, rows=rows)
    )


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

        def compute(dtype, name=name, names=names, widths=widths):
            given = cast(a, dtype)
            return reference.over_pairs(cpu, name, shape, [given[n] for n in names], widths)

        yield name, getattr(cuda_calls, name)(cuda, shape, *(a[n] for n in names)), compute


def check_pairs(checks, cuda, cpu, dtype):
    """Forces, virials and their gradients."""
    atoms = inputs.random_atoms(300, nframes=2, nnei=90)
    real = reference.env_mat(cpu, atoms, dtype)[3]
    rng = np.random.default_rng(5)
    cases = {
        "real lists": ((2, 300, 300, 90), real),
        "ghosts": ((3, 17, 40, 33), rng.integers(-20, 40, (3, 17 * 33)).astype(np.int32)),
        "one neighbor": ((1, 60, 60, 31), np.zeros((1, 60 * 31), np.int32)),
        "all padding": ((1, 50, 90, 4), np.full((1, 200), -1, np.int32)),
        "no slots": ((2, 5, 9, 0), np.zeros((2, 0), np.int32)),
    }
    for label, (shape, nlist) in cases.items():
        arrays = inputs.pairs(nlist, shape, dtype)
        for name, prepared, compute in pair_calls(cuda, cpu, shape, arrays):
            checks.add(f"{name}, {label}", dtype, prepared, compute)


def table_cases(dtype):
    """Label, shape and arrays of stock tables and of our own."""
    for natoms, nnei, width in ((50, 7, 5), (3, 121, 100), (2, 130, 257), (400, 1, 1)):
        size = f"{natoms} × {nnei} × {width}"
        for is_sorted in (False, True):
            case = inputs.tables(natoms, nnei, width, dtype, is_sorted=is_sorted)
            yield f"stock, {size}{', sorted' * is_sorted}", *case
        for contracted, (ntables, nfactors) in itertools.product(
            (False, True), ((1, 0), (1, 3), (3, 3))
        ):
            case = inputs.own_tables(
                *(natoms, nnei, width, dtype),
                **{"contracted": contracted, "ntables": ntables, "nfactors": nfactors},
            )
            label = f"{size}, {ntables} with {nfactors} factors{', contracted' * contracted}"
            yield label, *case


def check_tabulated(checks, cuda, cpu, dtype):
    """Tables of all kinds: forward, backward and double backward."""
    for label, shape, arrays in table_cases(dtype):
        for name in cuda_calls.TABULATED_PASSES:

            def compute(dtype, name=name, shape=shape, arrays=arrays):
                return reference.tabulated(cpu, name, shape, **cast(arrays, dtype))

            prepared = cuda_calls.tabulated(cuda, name, shape, **arrays)
            checks.add(f"tables {name}, {label}", dtype, prepared, compute)
        if shape.is_sorted or shape.width > 100:
            continue
        names = cuda_calls.tabulated_outputs("backward", shape, arrays)
        rng = np.random.default_rng(7)
        given = {name: rng.normal(size=size).astype(dtype) for name, size in names.items()}
        order = [given.get(f"grad_{name}") for name in ("rows", "matrix", "weight", "factors")]
        prepared = cuda_calls.tabulated(cuda, "double_backward", shape, grad_grads=order, **arrays)

        def compute(dtype, shape=shape, arrays=arrays, given=given):
            return [double_backward(cpu, shape, cast(arrays, dtype), cast(given, dtype))]

        checks.add(f"tables double backward, {label}", dtype, prepared, compute)


def double_backward(cpu, shape, arrays, grad_grads):
    """Σ grad_grad · gradient, differentiated by grad_output.

    As the gradient is linear in it, each element is the sum for one that is 1 there and else 0.
    Atoms, or slots, do not know of each other. Sums go from term to term, as a kernel's do, not in
    numpy's order, which loses less.
    """
    out = np.empty_like(arrays["grad_output"])
    for column in np.ndindex(*out.shape[1 + (not shape.contracted) :]):
        grad = np.zeros_like(out)
        grad[(..., *column)] = 1
        gradients = reference.tabulated(cpu, "backward", shape, **(arrays | {"grad_output": grad}))
        terms = [
            (y * x).reshape(*out.shape[: out.ndim - len(column)], -1)
            for y, x in zip(grad_grads.values(), gradients, strict=True)
        ]
        out[(..., *column)] = np.add.accumulate(np.concatenate(terms, -1), -1)[..., -1]
    return out


def check_attention(checks, cuda, cpu, dtype):
    """All passes of gated attention, with gradients by parameters and without."""
    sizes = ((5, 120, 100, 128), (300, 7, 3, 5), (2, 133, 65, 140), (300, 1, 1, 1))
    for size, *on in itertools.product(sizes, *[(True, False)] * 3):
        options = dict(zip(("dotr", "mask", "smooth"), on, strict=True))
        passes = cuda_attention_calls.CudaAttention(cuda, inputs.attention(*size, dtype, **options))
        results = {
            kind: reference.attention(cpu, inputs.attention(*size, kind, **options))
            for kind in {dtype, np.float64}
        }
        label = f"{' × '.join(map(str, size))}{''.join(f', {k}' for k, v in options.items() if v)}"
        for name, with_sums in (
            *(("forward", False), ("backward", True), ("backward", False)),
            *(("tangent", False), ("reverse", True)),
        ):
            prepared = passes.prepare(name, with_sums=with_sums)
            kept = list(range(len(prepared.outputs)))
            if len(kept) > 1 and not options["smooth"]:
                del kept[2]  # weights that are a mask have no gradient
            prepared.outputs = [prepared.outputs[k] for k in kept]

            def compute(kind, name=name, kept=kept, results=results):
                return [results[kind][name][k] for k in kept]

            alone = ", slots alone" * (name == "backward" and not with_sums)
            checks.add(f"attention {name}{alone}, {label}", dtype, prepared, compute)


def check_pair_embedding(checks, cuda, cpu, dtype):
    """All passes of the pair embedding, with gradients by parameters and without."""
    passes = (
        *(("forward", False), ("backward", True), ("backward", False)),
        ("double_backward", True),
    )
    for nrows, widths in ((5000, (1, 25, 50, 100)), (65, (3, 70, 140, 140)), (129, (2, 5))):
        for name, with_sums in passes:

            def compute(kind, name=name, with_sums=with_sums, size=(nrows, widths)):
                given, grads = inputs.layers(*size, kind)
                arrays = {key: grads[key] for key in cuda_embedding_calls.TAKEN[name]}
                results = reference.pair_embedding(cpu, name, given, **arrays)
                return results if with_sums or name == "forward" else results[:2]

            given, grads = inputs.layers(nrows, widths, dtype)
            arrays = {key: grads[key] for key in cuda_embedding_calls.TAKEN[name]}
            prepared = cuda_embedding_calls.pair_embedding(
                cuda, name, given, with_sums=with_sums, **arrays
            )
            alone = ", rows alone" * (name == "backward" and not with_sums)
            label = f"pair embedding {name}{alone}, {nrows} × {widths}"
            checks.add(label, dtype, prepared, compute)


def check_potential(checks, cuda, cpu, dtype, water):
    """Whole potentials; in float32 with coordinates in float64 too."""
    narrow = {"width": 9, "axis": 4, "hidden": (10, 10)}
    cases = {
        "periodic": (inputs.random_atoms(500, nframes=2), inputs.potential([120])),
        "slots of types": (inputs.random_atoms(300), inputs.potential([46, 92], nnets=2)),
        "overflow": (inputs.random_atoms(400), inputs.potential([13], exclude=True, **narrow)),
        "open": (
            inputs.random_atoms(301, periodic=False),
            inputs.potential([90], components=33, **narrow),
        ),
        "small box": (inputs.random_atoms(7), inputs.potential([333], **narrow)),
        "one atom": (inputs.random_atoms(1), inputs.potential([5], **narrow)),
    }
    if water.is_dir():
        cases["water"] = inputs.real_atoms(water), inputs.potential([120])
    cases["listed"] = cases["open"]
    precisions = {"potential": dtype} | (
        {"potential mixed": np.float64} if dtype is np.float32 else {}
    )
    for (label, (atoms, drawn)), (kernel, kind) in itertools.product(
        cases.items(), precisions.items()
    ):
        atoms, rows = inputs.rounded(atoms, np.float32), None
        if label == "listed":
            atoms, rows = inputs.listed(atoms)

        def compute(dtype, interface=kind, drawn=drawn, atoms=atoms, rows=rows):
            model = drawn.astype(np.promote_types(interface, dtype), dtype)
            return reference.tabulated_potential(cpu, atoms, model, rows=rows)

        prepared = cuda_potential_calls.tabulated_potential(
            cuda, atoms, drawn.astype(kind, dtype), rows=rows
        )
        checks.add(f"{kernel}, {label}", dtype, prepared, compute)


def main() -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", action="store_true", help="the sources compiled for the host")
    parser.add_argument("--water", type=Path, default=WATER, help="a system of real frames")
    parser.add_argument("--atoms", type=int, default=1_000_000, help="atoms of the timed calls")
    parts = parser.add_mutually_exclusive_group()
    parts.add_argument("--no-timing", action="store_true", help="only compare")
    parts.add_argument("--timing-only", action="store_true", help="compare nothing")
    parser.add_argument(
        "--sample", action="store_true", help=f"only {SAMPLE} comparisons of each kernel"
    )
    arguments = parser.parse_args()
    cuda = libraries.load_cuda(arguments.host)
    failed = 0 if arguments.timing_only else compare(cuda, arguments)
    if not arguments.host and not arguments.no_timing:
        import timing

        timing.run(cuda, arguments.atoms)
    return 1 if failed else 0


def compare(cuda: CDLL, arguments: argparse.Namespace) -> int:
    """All comparisons; the number of those that failed."""
    cpu = libraries.load_cpu()
    checks = Checks(SAMPLE if arguments.sample else None)
    print(f"{'kernel, input':60} {'':8} {'error':>9} {'of CPU':>9}")
    for dtype in (np.float32, np.float64):
        check_env_mat(checks, cuda, cpu, dtype, arguments.water)
        check_pairs(checks, cuda, cpu, dtype)
        check_tabulated(checks, cuda, cpu, dtype)
        check_attention(checks, cuda, cpu, dtype)
        check_pair_embedding(checks, cuda, cpu, dtype)
        check_potential(checks, cuda, cpu, dtype, arguments.water)
    if not arguments.sample:
        checks.finish()
    print("all as on the CPU" if checks.failed == 0 else f"{checks.failed} comparisons failed")
    return checks.failed


if __name__ == "__main__":
    sys.exit(main())
