"""Energies of atoms with magnetic moments, for which virtual atoms stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepattn.config.spin import SpinConfig
from deepattn.layers import Environment
from deepattn.layers.boundaries import natoms_of
from deepattn.layers.environment import atoms_of_types
from deepattn.models.energy_model import EnergyModel

# Outputs that have a row for each atom, of which virtual atoms have none.
_OF_ATOMS = ("atom_energy", "atom_mask", "descriptor")


@keras.saving.register_keras_serializable(package="deepattn")
class SpinModel(EnergyModel):
    """A model of energies that depend on magnetic moments (docs/theory/spin.md).

    A frame has a virtual atom for each atom of a magnetic type, at the end of its moment, of a type
    of its own: the last types are those of virtual atoms, in the order of their hosts. In every
    frame the k-th virtual atom of a type belongs to the k-th atom of its host's type. Virtual atoms
    are neighbors of others, and have no energy. The virial is that of the hosts alone: moments do
    not change with the cell.

    In the convention of DeePMD-kit's TensorFlow backend virtual atoms are among the inputs. The
    outputs are those of `EnergyModel`. In ``force`` a host has the forces on itself and on its
    virtual atom, and a virtual atom has the magnetic force, the negative derivative of the energy
    by the moment (eV/μB). ``atom_mask`` is 1 for hosts and other atoms, ``mask_mag`` ``[nframes,
    nloc]`` for virtual atoms.

    In the common convention the inputs have ``spin`` ``[nframes, natoms, 3]`` (μB), of which
    virtual atoms are made; there are no ghosts. The outputs are those of the atoms, with the
    magnetic forces as ``force_mag`` ``[nframes, natoms, 3]``, and 1 in ``mask_mag`` for those of
    magnetic types.

    Args:
        *layers: As for `EnergyModel`.
        spin: The section ``model/spin``.
        **kwargs: As for `EnergyModel`.
    """

    special = "of magnetic moments (model/spin)"
    unchecked = "its forces are those of atoms and virtual atoms together"
    of_descriptor_alone = False

    def __init__(self, *layers: Any, spin: SpinConfig | Mapping[str, Any], **kwargs: Any):
        section = spin if isinstance(spin, SpinConfig) else SpinConfig.from_dict(spin)
        # Keras tracks what is set once a model is set up.
        self._given_spin = section.to_dict()
        super().__init__(*layers, **kwargs)

    @property
    def spin(self) -> SpinConfig:
        """The section ``model/spin``."""
        return SpinConfig.from_dict(dict(self._given_spin))

    @property
    def numb_elements(self) -> int:
        """Number of types without those of virtual atoms."""
        return len(self.spin.use_spin)

    def expanded(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        if not self.spin.given_moments:
            return dict(inputs)
        atype, coord = (
            tf.cast(inputs["atype"], tf.int32),
            tf.cast(inputs["coord"], self.interface_dtype),
        )
        scales = tf.constant(self.spin.scales, coord.dtype)
        scale = tf.where(
            atype >= 0, tf.gather(scales, tf.maximum(atype, 0)), tf.zeros([], coord.dtype)
        )
        moved = coord + tf.cast(inputs["spin"], coord.dtype) * scale[:, :, tf.newaxis]
        # Atoms without a moment have padding in the place of a virtual atom.
        virtual = tf.where(self._magnetic(atype), atype + self.numb_elements, -1)
        count = 2 * tf.shape(atype)[1]
        return {
            **inputs,
            "coord": tf.concat([coord, moved], axis=1),
            "atype": tf.concat([atype, virtual], axis=1),
            "natoms": natoms_of(count, count, self.ntypes),
        }

    def environment(self, inputs: Mapping[str, Any]) -> Environment:
        """Neighborhoods, with vectors between hosts in place of those between virtual atoms.

        Virials are made of these vectors, and nothing else is.
        """
        found = super().environment(inputs)
        atype, natoms = inputs["atype"], inputs["natoms"]
        moment = self._displacements(tf.cast(inputs["coord"], self.interface_dtype), atype)
        shape = [tf.shape(atype)[0], natoms[0], self.sel, 3]
        of_neighbor = tf.gather(moment, tf.maximum(found.nlist, 0), batch_dims=1)
        of_center = moment[:, : natoms[0], tf.newaxis]
        vectors = tf.reshape(found.rij, shape) - tf.reshape(of_neighbor, shape) + of_center
        return found._replace(rij=tf.reshape(vectors, tf.shape(found.rij)))

    def complete(
        self, outputs: Mapping[str, tf.Tensor], inputs: Mapping[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        atype, force = inputs["atype"], outputs["force"]
        shape = tf.shape(force, out_type=tf.int64)
        whole = force
        for owner, own in self._pairs_of_atoms(atype):
            whole += tf.scatter_nd(owner, tf.gather_nd(force, own), shape)
        scales = tf.constant([*np.ones(self.numb_elements), *self.spin.scales], force.dtype)
        scale = tf.gather(scales, tf.maximum(atype, 0))[:, :, tf.newaxis]
        if self.spin.given_moments:
            return self._of_atoms(outputs, whole, force * scale, atype)
        is_virtual = atype >= self.numb_elements
        local = is_virtual[:, : inputs["natoms"][0]]
        return {
            **super().complete(outputs, inputs),
            "force": tf.where(is_virtual[:, :, tf.newaxis], force * scale, whole),
            "mask_mag": tf.cast(local, self.interface_dtype),
        }

    def _of_atoms(
        self,
        outputs: Mapping[str, tf.Tensor],
        force: tf.Tensor,
        magnetic: tf.Tensor,
        atype: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """The outputs of atoms alone, from those with virtual atoms, which come after them.

        Args:
            outputs: With virtual atoms.
            force: Forces on atoms, ``[nframes, 2 * natoms, 3]``.
            magnetic: Magnetic forces, of virtual atoms.
            atype: int32 ``[nframes, 2 * natoms]``.
        """
        natoms = tf.shape(atype)[1] // 2
        kept = {n: outputs[n] for n in ("energy", "virial")}
        of_atoms = {n: x[:, :natoms] for n, x in outputs.items() if n in _OF_ATOMS}
        virial = outputs["atom_virial"]
        return {
            **kept,
            **of_atoms,
            "force": force[:, :natoms],
            "force_mag": magnetic[:, natoms:],
            "atom_virial": virial[:, :natoms] + virial[:, natoms:],
            "mask_mag": tf.cast(self._magnetic(atype[:, :natoms]), self.interface_dtype),
        }

    def _magnetic(self, atype: tf.Tensor) -> tf.Tensor:
        """Which atoms have a moment, bool, of types int32 ``[nframes, natoms]``."""
        return atoms_of_types(atype, self.ntypes, [host for host, _ in self.spin.pairs])

    def graph_outputs(
        self, outputs: Mapping[str, tf.Tensor], environment: Environment, natoms: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        named = super().graph_outputs(outputs, environment, natoms)
        # Only atoms that have an energy have a place.
        energy = tf.boolean_mask(outputs["atom_energy"], outputs["mask_mag"] < 0.5)
        nframes = tf.shape(outputs["atom_energy"])[0]
        count = tf.size(energy) // tf.maximum(nframes, 1)
        return {**named, "o_atom_energy": tf.reshape(energy, [nframes, count])}

    def graph_attributes(self) -> dict[str, Any]:
        spin, dtype = self.spin, self.interface_dtype
        return {
            **super().graph_attributes(),
            "model_attr/tmap": " ".join(self.type_map[: self.numb_elements]),
            "spin_attr/ntypes_spin": np.int32(len(spin.hosts)),
            "spin_attr/virtual_len": np.asarray(spin.virtual_len, dtype),
            "spin_attr/spin_norm": np.asarray(spin.spin_norm, dtype),
        }

    def options(self) -> dict[str, Any]:
        return {**super().options(), "spin": dict(self._given_spin)}

    def _pairs_of_atoms(self, atype: tf.Tensor) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
        """Places of hosts and of their virtual atoms, int64 ``[n, 2]`` each, by the type of hosts.

        Args:
            atype: Types of all atoms, int32 ``[nframes, nall]``.
        """
        for host, virtual in self.spin.pairs:
            yield tf.where(tf.equal(atype, host)), tf.where(tf.equal(atype, virtual))

    def _displacements(self, coord: tf.Tensor, atype: tf.Tensor) -> tf.Tensor:
        """Vectors from hosts to their virtual atoms, zero for all others, ``[nframes, nall, 3]``.

        Args:
            coord: ``[nframes, nall, 3]``, Å.
            atype: int32 ``[nframes, nall]``.
        """
        shape = tf.shape(coord, out_type=tf.int64)
        moved = tf.zeros_like(coord)
        for owner, own in self._pairs_of_atoms(atype):
            vectors = tf.gather_nd(coord, own) - tf.gather_nd(coord, owner)
            moved += tf.scatter_nd(own, vectors, shape)
        return moved
