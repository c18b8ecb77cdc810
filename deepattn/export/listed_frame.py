"""A frame as LAMMPS gives it to a SavedModel: atoms, ghosts, and a list of neighbors."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from deepattn.layers.boundaries import mesh_of_list, natoms_of
from deepattn.layers.shells import Shells, listed_neighbors, message_shells
from deepattn.models.energy_model import EnergyModel

_EXCLUDED = (
    "the neighbor list lacks neighbors within the cutoff: set special_bonds lj/coul 1 1 1, and "
    "remove neigh_modify exclude, which several processes cannot follow"
)


def make_listed_frame(
    model: EnergyModel, evaluate: Callable[..., dict[str, tf.Tensor]], *, parallel: bool
) -> Callable[..., dict[str, tf.Tensor]]:
    """A function of the arguments of ``call_lower`` for one frame, without their first axis.

    Args:
        model: The model.
        evaluate: Its evaluation, a function of ``coord``, ``atype``, ``natoms``, ``box``,
            ``mesh``, ``owner``, ``shells``, ``fparam`` and ``aparam``.
        parallel: Whether ghosts without owners are evaluated for the messages that they send.
    """
    messages = len(model.descriptor.message_cutoffs)

    def by_owners(
        coord: tf.Tensor, atype: tf.Tensor, nlist: tf.Tensor, mapping: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        nloc, atoms = tf.shape(nlist)[0], tf.range(tf.size(atype))
        # Without a mapping ghosts are their own, which local models do not mind.
        owner = tf.where(mapping < 0, atoms, mapping)
        return atoms, tf.fill([messages + 1], nloc), mesh_of_list(nlist), owner

    def by_shells(
        coord: tf.Tensor, atype: tf.Tensor, nlist: tf.Tensor, mapping: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        found = _shells(model, coord, atype, nlist)
        return found.order, found.sizes, found.mesh, tf.range(tf.size(atype))

    def of_frame(
        coord: tf.Tensor,
        atype: tf.Tensor,
        nlist: tf.Tensor,
        mapping: tf.Tensor,
        fparam: tf.Tensor,
        aparam: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        frame, nloc = (coord, atype, nlist, mapping), tf.shape(nlist)[0]
        if parallel:
            known = tf.reduce_all(mapping[nloc:] >= 0)
            prepared = tf.cond(known, lambda: by_owners(*frame), lambda: by_shells(*frame))
        else:
            prepared = by_owners(*frame)
        order, shells, mesh, owner = prepared
        counts = natoms_of(shells[-1], tf.size(atype), model.ntypes)
        outputs = evaluate(
            *(tf.gather(coord, order)[tf.newaxis], tf.gather(atype, order)[tf.newaxis], counts),
            *(tf.zeros([1, 9], tf.float64), mesh, owner, shells),
            *(fparam[tf.newaxis], aparam[tf.newaxis]),
        )
        back = tf.math.invert_permutation(order)
        outputs = {name: value[0] for name, value in outputs.items()}
        for name in ("force", "atom_virial"):
            outputs[name] = tf.gather(outputs[name], back)
        return outputs

    return of_frame


def _shells(model: EnergyModel, coord: tf.Tensor, atype: tf.Tensor, nlist: tf.Tensor) -> Shells:
    """The atoms whose features are needed, once the list is known to leave no neighbors out."""
    shells = message_shells(
        *(coord, atype, tf.shape(nlist)[0]),
        rcut=model.rcut,
        message_cutoffs=model.descriptor.message_cutoffs,
    )
    listed = listed_neighbors(coord, atype, nlist, rcut=model.rcut)
    complete = tf.debugging.Assert(tf.reduce_all(listed == shells.counts), [_EXCLUDED])
    with tf.control_dependencies([complete]):
        return shells._replace(order=tf.identity(shells.order))
