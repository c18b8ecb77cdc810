"""Inputs of the ops over tables."""

import numpy as np
import tensorflow as tf

NATOMS, NNEI, NINTERVALS = 5, 7, 30
# From -1 to 1 in steps of 0.1, to 11 in steps of 1.
INFO = [-1.0, 1.0, 11.0, 0.1, 1.0, -1.0]


def draw(width, ntables, nfactors, weighted, dtype="float64", seed=0):
    """Inputs in the order of the ops, the matrix at last; numbers lie in and beyond the tables."""
    rng = np.random.default_rng(seed)
    stride = -(-width // 16) * 16
    table = np.zeros((ntables, NINTERVALS, 6, stride))
    table[..., :width] = rng.normal(size=(ntables, NINTERVALS, 6, width))
    # Behind the fine intervals numbers are larger; the polynomials shall not be.
    table[:, 20:] *= 0.5 ** np.arange(6)[:, None]
    factors = np.zeros((nfactors, stride))
    factors[:, :width] = rng.normal(size=(nfactors, width))
    weight = rng.uniform(size=(NATOMS, NNEI)) if weighted else np.zeros(0)
    index = rng.integers(0, max(ntables, nfactors, 1), (NATOMS, NNEI))
    rows = rng.uniform(-1.5, 13, size=(NATOMS, NNEI))
    matrix = rng.normal(size=(NATOMS, NNEI, 4))
    arrays = [tf.constant(x, dtype) for x in (table, INFO, rows, weight, factors, matrix)]
    return [*arrays[:4], tf.constant(index, tf.int32), *arrays[4:]]


def stock_case(width, count):
    """Inputs of the stock op of atoms with ``count`` neighbors, then slots that are all alike."""
    rng = np.random.default_rng(3)
    table = rng.normal(size=(NINTERVALS, 6 * width))
    rows, matrix = rng.uniform(-1.5, 13, (NATOMS, NNEI)), rng.normal(size=(NATOMS, NNEI, 4))
    two = rng.normal(size=(NATOMS, NNEI, width))
    padding = np.arange(NNEI) >= np.reshape(count, (-1, 1))
    rows[padding], matrix[padding], two[padding] = -0.45, [-0.45, 0, 0, 0], 0.7
    arrays = (table, INFO, rows.reshape(-1, 1), matrix, two.reshape(-1, width))
    return [tf.constant(x, tf.float64) for x in arrays]
