"""Neighborhoods for the tests of gated attention, and all that can be computed of them."""

import itertools
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from deepattn import ops
from deepattn.ops import reference

LN_EPS = 1e-3
OPTIONS = [
    dict(zip(("dotr", "mask", "smooth"), flags, strict=True))
    for flags in itertools.product([True, False], repeat=3)
]
# natoms, nnei, width, attn, count, padding
SIZES = {
    "one slot": (2, 1, 3, 2, (1, 0), 0),
    "width one": (1, 3, 1, 1, (2,), 1),
    "odd": (4, 13, 9, 11, (13, 8, 1, 0), 3),
    "whole vectors": (2, 16, 16, 32, (16, 16), 0),
    "many": (1, 37, 33, 140, (30,), 7),
}


@dataclass(frozen=True)
class Case:
    """One batch of neighborhoods, float64, with cotangents for both derivatives."""

    slots: list[np.ndarray]  # embedding, direction, weight
    parameters: list[np.ndarray]
    grad: np.ndarray
    grad_grads: list[np.ndarray]  # gradients by the gradients by the slots
    count: np.ndarray
    padding: int


def make_case(size: str | tuple, *, smooth: bool, seed: int = 0) -> Case:
    """Random numbers of a size of `SIZES` or one like them.

    Some weights in the middle are 0, as those of excluded types are.
    """
    natoms, nnei, width, attn, count, padding = SIZES.get(size, size)
    rng = np.random.default_rng(seed)
    embedding = rng.normal(size=(natoms, nnei, width))
    direction = rng.normal(size=(natoms, nnei, 3))
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    weight = rng.uniform(size=(natoms, nnei)) if smooth else np.ones((natoms, nnei))
    weight *= rng.uniform(size=weight.shape) > 0.2
    weight *= np.arange(nnei) < np.array(count)[:, np.newaxis]
    shapes = [(width, attn), (attn,)] * 3 + [(attn, width), (width,), (width,), (width,)]
    grad_grads = [rng.normal(size=x.shape) for x in (embedding, direction, weight)]
    if not smooth:
        grad_grads[2][:] = 0.0  # plain weights are a mask: they do not move
    return Case(
        slots=[embedding, direction, weight],
        parameters=[rng.normal(size=shape) / np.sqrt(shape[0]) for shape in shapes],
        grad=rng.normal(size=embedding.shape),
        grad_grads=grad_grads,
        count=np.array(count, np.int32),
        padding=padding,
    )


def compiled_attention(slots, parameters, count, padding, options):
    """The function under test, with the arguments of `reference_attention`."""
    return ops.gated_attention(
        *slots,
        ops.AttentionParameters(*parameters),
        count=count,
        padding=padding,
        ln_eps=LN_EPS,
        **options,
    )


def reference_attention(slots, parameters, count, padding, options):
    """The reference implementation."""
    return reference.gated_attention(*slots, count, padding, LN_EPS, *parameters, **options)


def evaluate(attention, case: Case, options, dtype=tf.float64) -> dict[str, list[np.ndarray]]:
    """Values, first gradients with and without parameters, and second gradients."""
    slots, parameters, grad_grads = (
        [tf.constant(x, dtype) for x in arrays]
        for arrays in (case.slots, case.parameters, case.grad_grads)
    )
    grad = tf.constant(case.grad, dtype)
    sources = [*slots, *parameters]
    arguments = (tf.constant(case.count), case.padding, options)
    zero = tf.UnconnectedGradients.ZERO
    with tf.GradientTape() as tape:
        tape.watch(sources)
        value = attention(slots, parameters, *arguments)
    full = tape.gradient(value, sources, grad, unconnected_gradients=zero)
    with tf.GradientTape() as outer:
        outer.watch([*sources, grad])
        with tf.GradientTape() as inner:
            inner.watch(slots)
            value = attention(slots, parameters, *arguments)
        first = inner.gradient(value, slots, grad, unconnected_gradients=zero)
    second = outer.gradient(first, [*sources, grad], grad_grads, unconnected_gradients=zero)
    results = {"value": [value], "full gradient": full, "gradient": first, "second": second}
    return {name: [x.numpy() for x in tensors] for name, tensors in results.items()}


def worst_error(values, exact):
    """Largest difference over the largest number of each tensor, or over 1e-3 if that is more."""
    return max(
        (
            np.abs(value - truth).max() / max(np.abs(truth).max(), 1e-3)
            for value, truth in zip(values, exact, strict=True)
            if truth.size
        ),
        default=0.0,
    )
