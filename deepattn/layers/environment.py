"""Local environments: neighbors, normalized environment matrix and its derivative."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

# Derivative of (0, vector to a neighbor) by the center's position.
BY_CENTER = -np.eye(4, 3, k=-1).ravel()
# How many numbers each array of an `Environment` has for a slot.
SLOT_WIDTHS = (4, 12, 3, 1, 1, 1)


class Environment(NamedTuple):
    """Neighborhoods of a batch of frames; the outputs of ``ProdEnvMatA(Mix)``.

    ``descrpt`` is what energies are differentiated by: forces and virials follow from that
    derivative by ``ProdForceSeA`` and ``ProdVirialSeA``. `DPA2`, with several environment
    matrices of one list, has the vectors themselves there.

    Shapes:
        descrpt: ``[nframes, nloc * nnei * 4]``, normalized environment matrix, or zero and vector.
        descrpt_deriv: ``[nframes, nloc * nnei * 12]``, its derivative by the center's position.
        rij: ``[nframes, nloc * nnei * 3]``, vectors to the neighbors, Å.
        nlist: int32 ``[nframes, nloc * nnei]``, indices of the neighbors, −1 for padding.
        ntype: int32 ``[nframes, nloc * nnei]``, their types, ``ntypes`` for padding.
        nmask: bool ``[nframes, nloc * nnei]``, false for padding.
    """

    descrpt: tf.Tensor
    descrpt_deriv: tf.Tensor
    rij: tf.Tensor
    nlist: tf.Tensor
    ntype: tf.Tensor
    nmask: tf.Tensor

    def of_owners(self, owner: tf.Tensor) -> Environment:
        """The same with each ghost replaced by the atom ``owner[ghost]`` that it is an image of."""
        found = tf.gather(owner, tf.maximum(self.nlist, 0))
        return self._replace(nlist=tf.where(self.nmask, found, self.nlist))

    def of_vectors(self) -> Environment:
        """The same with the vectors to the neighbors in place of the environment matrix: rows of
        zero and vector, whose derivatives `ProdForceSeA` and `ProdVirialSeA` take."""
        nframes, size = tf.unstack(tf.shape(self.nlist))
        vectors = tf.reshape(self.rij, [nframes, size, 3])
        unit = tf.constant(BY_CENTER, self.rij.dtype)
        return self._replace(
            descrpt=tf.reshape(tf.pad(vectors, [[0, 0], [0, 0], [1, 0]]), [nframes, 4 * size]),
            descrpt_deriv=tf.tile(unit[tf.newaxis], [nframes, size]),
        )

    def without(
        self, hidden: tf.Tensor, empty: tf.Tensor, *, ntypes: int, sort: bool
    ) -> Environment:
        """The same with some neighbors left out, whose slots become empty ones.

        Args:
            hidden: Which neighbors, bool ``[n, nnei]`` with a row for each center.
            empty: The rows of ``descrpt`` of empty slots, ``[n, nnei, 4]``.
            ntypes: Number of types.
            sort: Whether the neighbors that are left move to the first slots.
        """
        centers, nnei = tf.unstack(tf.shape(hidden))
        real = tf.reshape(self.nmask, [centers, nnei]) & ~hidden
        padding = Environment(
            *(empty, tf.zeros([], self.descrpt_deriv.dtype), tf.zeros([], self.rij.dtype)),
            *(tf.constant(-1), tf.constant(ntypes), tf.constant(False)),
        )
        order = tf.argsort(tf.cast(~real, tf.int32), axis=1, stable=True) if sort else None
        kept = []
        for array, fill, width in zip(self, padding, SLOT_WIDTHS, strict=True):
            shape = tf.shape(array)
            rows = tf.reshape(array, [centers, nnei, width])
            fill = fill if fill.shape.rank else tf.fill(tf.shape(rows), fill)
            rows = tf.where(real[:, :, tf.newaxis], rows, fill)
            if order is not None:
                rows = tf.gather(rows, order, batch_dims=1)
            kept.append(tf.reshape(rows, shape))
        return Environment(*kept)


def pair_table(ntypes: int, exclude_types: Iterable[Sequence[int]]) -> np.ndarray | None:
    """Table ``[ntypes * (ntypes + 1)]`` of 1 for pairs that interact and 0 for excluded ones.

    Row ``center * (ntypes + 1) + neighbor``; the padding type ``ntypes`` is never excluded.
    ``None`` when nothing is excluded.

    Raises:
        ValueError: A pair names a type outside ``0 … ntypes - 1``.
    """
    table = np.ones((ntypes, ntypes + 1))
    for first, second in exclude_types:
        if not (0 <= first < ntypes and 0 <= second < ntypes):
            raise ValueError(
                f"exclude_types has the pair {[first, second]}, but there are {ntypes} types"
            )
        table[first, second] = table[second, first] = 0.0
    return None if table.all() else table.ravel()


def real_types(atype: tf.Tensor, ntypes: int) -> tf.Tensor:
    """Types flattened to ``[nframes * nloc]``, those of virtual atoms moved into the range."""
    return tf.reshape(tf.clip_by_value(atype, 0, ntypes - 1), [-1])


def atoms_of_types(atype: tf.Tensor, ntypes: int, types: Sequence[int] | None) -> tf.Tensor:
    """Which atoms are real and of some types, bool of the shape of ``atype``.

    Args:
        atype: Types, negative for virtual atoms.
        ntypes: Number of types.
        types: Those types; None for all.
    """
    real = atype >= 0
    if types is None:
        return real
    table = tf.constant(np.isin(np.arange(ntypes), types))
    return real & tf.gather(table, tf.clip_by_value(atype, 0, ntypes - 1))


def pair_vectors(type_embedding: tf.Tensor, centers: int) -> tf.Tensor:
    """Type vectors of neighbor and center side by side, one row for each pair of types.

    Row ``center * (ntypes + 1) + neighbor`` of a table ``[ntypes + 1, width]``; the centers are
    the first ``centers`` types.
    """
    rows = type_embedding.shape[0]
    neighbor = np.tile(np.arange(rows), centers)
    center = np.repeat(np.arange(centers), rows)
    return tf.concat(
        [tf.gather(type_embedding, neighbor), tf.gather(type_embedding, center)], axis=1
    )
