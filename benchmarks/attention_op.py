"""The gated attention op against its reference and against the machine's own matrix products.

    python benchmarks/attention_op.py [--natoms 192] [--threads 2] [--repeats 7]

Times one attention layer at the shape of a water model (by default 192 atoms, 120 slots of which
85 to 95 hold neighbors, 100-wide embedding, 128-wide attention) in float64 and float32: the
forward pass; with the gradient that energies are trained by; and with the gradients that forces
are trained by, the second one included. The two take turns. Rates count the matrix
products of the real neighbors that the op does; they are compared with the larger of two rates of
large products on the same threads: TensorFlow's, and that of our own op for products. Prints
Markdown and writes the results as JSON.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import tensorflow as tf
from processes import machine

from deepattn import ops
from deepattn.ops import build, loader

NNEI, WIDTH, ATTN = 120, 100, 128
# Multiply-adds of a pass in units of neighbors·WIDTH·ATTN, neighbors²·ATTN, neighbors²·WIDTH;
# float64 computes again what float32 keeps.
WORK = {
    "float32": {
        "forward": (4, 1, 1),
        "forward, gradient": (4 + 8, 1 + 2, 1 + 2),
        "forward, gradient, second gradient": (4 + 4 + 4 + 13, 1 + 2 + 2 + 6, 1 + 2 + 2 + 6),
    },
    "float64": {
        "forward": (4, 1, 1),
        "forward, gradient": (4 + 9, 1 + 3, 1 + 3),
        "forward, gradient, second gradient": (4 + 5 + 5 + 18, 1 + 3 + 3 + 9, 1 + 3 + 3 + 9),
    },
}
GEMM = (768, 384, 512)  # m, n, k


def make_passes(natoms: int, dtype: tf.DType) -> tuple[dict[str, Callable], np.ndarray]:
    """The three passes as compiled functions, and the number of neighbors of each atom."""
    rng = np.random.default_rng(0)
    count = rng.integers(85, 96, natoms)
    direction = rng.normal(size=(natoms, NNEI, 3))
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    weight = rng.uniform(size=(natoms, NNEI)) * (np.arange(NNEI) < count[:, np.newaxis])
    arrays = [rng.normal(size=(natoms, NNEI, WIDTH)), direction, weight]
    shapes = [(WIDTH, ATTN), (ATTN,)] * 3 + [(ATTN, WIDTH), (WIDTH,), (WIDTH,), (WIDTH,)]
    slots = [tf.constant(x, dtype) for x in arrays]
    parameters = [tf.constant(rng.normal(size=s) / np.sqrt(s[0]), dtype) for s in shapes]
    grad = tf.constant(rng.normal(size=arrays[0].shape), dtype)
    bars = [tf.constant(rng.normal(size=x.shape), dtype) for x in arrays]
    counts = tf.constant(count, tf.int32)

    def forward():
        return ops.gated_attention(
            *slots,
            ops.AttentionParameters(*parameters),
            count=counts,
            dotr=True,
            mask=False,
            smooth=True,
            ln_eps=1e-3,
        )

    def gradient():
        sources = [*slots, *parameters]
        with tf.GradientTape() as tape:
            tape.watch(sources)
            value = forward()
        return value, tape.gradient(value, sources, output_gradients=grad)

    def second_gradient():
        sources = [*slots, *parameters, grad]
        with tf.GradientTape() as outer:
            outer.watch(sources)
            with tf.GradientTape() as inner:
                inner.watch(slots)
                value = forward()
            first = inner.gradient(value, slots, output_gradients=grad)
        # What is not returned is not computed.
        return value, first, outer.gradient([value, *first], sources, [grad, *bars])

    return dict(zip(WORK[dtype.name], (forward, gradient, second_gradient), strict=True)), count


def as_graph(function: Callable, *, compiled: bool) -> Callable:
    """The function traced with the compiled op or with its reference; it has run once."""

    def traced():
        if compiled:
            return function()
        with ops.portable():
            return function()

    graph = tf.function(traced)
    graph()
    return graph


def seconds(function: Callable) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def gemm_rate(product: Callable, sizes: tuple[int, int, int], dtype: tf.DType, repeats: int):
    """GFLOP/s of the product of random matrices, ``[m, k]`` and ``[k, n]``."""
    m, n, k = sizes
    a, b = tf.random.normal((m, k), dtype=dtype), tf.random.normal((k, n), dtype=dtype)
    return 2e-9 * m * n * k / min(seconds(lambda: product(a, b)) for _ in range(9 * repeats))


def measure(natoms: int, dtype: tf.DType, repeats: int) -> dict:
    """All results of one precision."""
    rates = {
        "op": gemm_rate(loader.own_ops().deepattn_product, GEMM, dtype, repeats),
        "TensorFlow": gemm_rate(tf.matmul, (1024, 1024, 1024), dtype, repeats),
    }
    passes, count = make_passes(natoms, dtype)
    squares = float((count**2).sum())
    units = float(count.sum()) * WIDTH * ATTN, squares * ATTN, squares * WIDTH
    rows = {}
    for name, function in passes.items():
        variants = {kind: as_graph(function, compiled=kind == "op") for kind in ("op", "reference")}
        runs: dict[str, list[float]] = {kind: [] for kind in variants}
        for _ in range(repeats):
            for kind, graph in variants.items():
                runs[kind].append(seconds(graph))
        gflop = 2e-9 * sum(w * u for w, u in zip(WORK[dtype.name][name], units, strict=True))
        rate = gflop / min(runs["op"])
        rows[name] = {
            "op_ms": 1000 * min(runs["op"]),
            "reference_ms": 1000 * min(runs["reference"]),
            "gflops": rate,
            "of_gemm": rate / max(rates.values()),
            "runs_s": runs,
        }
    return {"gemm_gflops": rates, "passes": rows}


def as_markdown(results: dict[str, dict]) -> str:
    """One table of both precisions."""
    lines = [
        "| precision | passes | op, ms | reference, ms | ratio | GFLOP/s | of the GEMM rate |",
        "|---|---|---|---|---|---|---|",
    ]
    for precision, result in results.items():
        for name, row in result["passes"].items():
            lines.append(
                f"| {precision} | {name} | {row['op_ms']:.1f} | {row['reference_ms']:.1f} "
                f"| {row['reference_ms'] / row['op_ms']:.2f} | {row['gflops']:.0f} "
                f"| {row['of_gemm']:.0%} |"
            )
    rates = [
        f"{precision}: {', '.join(f'{k} {v:.0f}' for k, v in result['gemm_gflops'].items())}"
        for precision, result in results.items()
    ]
    return "\n".join([*lines, "", "GEMM rates, GFLOP/s: " + "; ".join(rates)])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--natoms", type=int, default=192)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=7, help="how often the two take turns")
    parser.add_argument("-o", "--output", type=Path, default=Path("attention_op.json"))
    args = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    if loader.own_ops() is None:
        sys.exit(f"the op libraries are not built: {build.COMMAND}")
    results = {
        dtype.name: measure(args.natoms, dtype, args.repeats) for dtype in (tf.float64, tf.float32)
    }
    shape = {"natoms": args.natoms, "nnei": NNEI, "width": WIDTH, "attn": ATTN}
    print(as_markdown(results))
    report = {"machine": machine(args.threads), "shape": shape, "results": results}
    args.output.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
