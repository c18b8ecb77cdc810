"""Parts of frames as one frame without images, and the way back.

DeePMD-kit's operations take one number of atoms for all frames. Parts have different ones, so all
of them are written one after the other, as atoms of a single frame whose neighbor list joins those
of the same part. Nothing is computed for padding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf

from deepattn.layers.boundaries import mesh_of_list, natoms_of


class Fragments(NamedTuple):
    """Parts of frames, such as the QM atoms of each.

    Attributes:
        atoms: Where each atom of the parts is among those of all frames, int32 ``[n]``; local ones
            come first, and an atom may be in several parts.
        nloc: How many of them are local.
        mesh: Their neighbor list: all others of the same part.
    """

    atoms: tf.Tensor
    nloc: tf.Tensor
    mesh: tf.Tensor

    def inputs(self, whole: Mapping[str, tf.Tensor], ntypes: int) -> dict[str, tf.Tensor]:
        """The inputs of a model for the parts.

        Args:
            whole: ``coord`` ``[nframes, nall, 3]`` and ``atype`` ``[nframes, nall]`` of the frames.
            ntypes: Number of types of the model.
        """
        coord, atype = whole["coord"], whole["atype"]
        return {
            "coord": tf.gather(tf.reshape(coord, [-1, 3]), self.atoms)[tf.newaxis],
            "atype": tf.gather(tf.reshape(atype, [-1]), self.atoms)[tf.newaxis],
            "box": tf.zeros([1, 9], coord.dtype),
            "natoms": natoms_of(self.nloc, tf.size(self.atoms), ntypes),
            "mesh": self.mesh,
        }


def residues(aparam: tf.Tensor, atype: tf.Tensor) -> tf.Tensor:
    """Residues int32 ``[nframes, nall]``: 0 for QM atoms, −1 for atoms that are left out.

    Args:
        aparam: The same as numbers, of any shape.
        atype: Types ``[nframes, nall]``; virtual atoms are left out.
    """
    numbers = tf.reshape(tf.cast(aparam, tf.int32), tf.shape(atype))
    return tf.where(atype >= 0, numbers, -1)


def qm_fragments(residue: tf.Tensor, nloc: tf.Tensor) -> Fragments:
    """The QM atoms of each frame.

    Args:
        residue: Result of `residues`.
        nloc: Number of local atoms of a frame.
    """
    return _joined(tf.equal(residue, 0), tf.range(tf.shape(residue)[0]), nloc)


def residue_fragments(residue: tf.Tensor, nloc: tf.Tensor) -> Fragments:
    """The QM atoms of each frame with one residue, for every residue; arguments as of
    `qm_fragments`."""
    ordered = tf.sort(residue, axis=1)
    before = tf.pad(ordered[:, :-1], [[0, 0], [1, 0]], constant_values=-1)
    first = tf.where((ordered > 0) & tf.not_equal(ordered, before))
    frame = tf.cast(first[:, 0], tf.int32)
    number = tf.gather_nd(ordered, first)
    rows = tf.gather(residue, frame)
    # By name, as comparison signs compare objects where a frozen graph is traced.
    member = tf.equal(rows, 0) | tf.equal(rows, number[:, tf.newaxis])
    return _joined(member, frame, nloc)


def _joined(member: tf.Tensor, frame: tf.Tensor, nloc: tf.Tensor) -> Fragments:
    """Parts of frames.

    Args:
        member: Which atoms of its frame each part has, bool ``[parts, nall]``.
        frame: The frame of each part, int32 ``[parts]``.
        nloc: Number of local atoms of a frame.
    """
    nall = tf.shape(member)[1]
    # A part without local atoms has no energy here.
    member &= tf.reduce_any(member[:, :nloc], axis=1, keepdims=True)
    local, ghost = member[:, :nloc], member[:, nloc:]
    places = [tf.cast(tf.where(mask), tf.int32) for mask in (local, ghost)]
    count = tf.shape(places[0])[0]
    part, atom = tf.unstack(tf.concat([places[0], places[1] + [[0, nloc]]], axis=0), axis=1)
    numbers = tf.concat([_numbered(local, 0), _numbered(ghost, count)], axis=1)
    # Those of a part side by side, then -1.
    most = tf.reduce_max(tf.reduce_sum(tf.cast(member, tf.int32), axis=1))
    packed = tf.math.top_k(numbers, tf.maximum(most, 0)).values
    listed = tf.gather(packed, part[:count])
    own = tf.range(count)[:, tf.newaxis]
    mesh = mesh_of_list(tf.where(tf.equal(listed, own), -1, listed))
    return Fragments(tf.gather(frame, part) * nall + atom, count, mesh)


def _numbered(mask: tf.Tensor, first: tf.Tensor | int) -> tf.Tensor:
    """Numbers of the true elements in their order, −1 for the others; int32, of the same shape."""
    count = tf.cumsum(tf.cast(tf.reshape(mask, [-1]), tf.int32))
    return tf.where(mask, tf.reshape(count, tf.shape(mask)) + first - 1, -1)


def of_frames(
    found: Mapping[str, tf.Tensor], atoms: tf.Tensor, whole: Mapping[str, tf.Tensor]
) -> dict[str, tf.Tensor]:
    """The potential of frames: sums over their parts.

    Args:
        found: That of the parts: ``atom_energy`` ``[1, nloc]``, ``force`` ``[1, n, 3]`` and
            ``atom_virial`` ``[1, n, 9]``.
        atoms: As of `Fragments`.
        whole: ``atype`` ``[nframes, nall]`` and ``nloc`` of the frames.

    Returns:
        ``energy``, ``atom_energy``, ``force``, ``virial`` and ``atom_virial``, as of
        `deepattn.models.EnergyModel`.
    """
    atype = whole["atype"]

    def added(values: tf.Tensor) -> tf.Tensor:
        rows = tf.squeeze(values, axis=0)
        total = tf.math.unsorted_segment_sum(rows, atoms[: tf.shape(rows)[0]], tf.size(atype))
        return tf.reshape(total, [*tf.unstack(tf.shape(atype)), *rows.shape[1:]])

    energy = added(found["atom_energy"])[:, : whole["nloc"]]
    atom_virial = added(found["atom_virial"])
    return {
        "energy": tf.reduce_sum(tf.cast(energy, tf.float64), axis=1),
        "atom_energy": energy,
        "force": added(found["force"]),
        "virial": tf.reduce_sum(atom_virial, axis=1),
        "atom_virial": atom_virial,
    }
