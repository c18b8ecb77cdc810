"""Energies of pairs from a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from deepattn import ops
from deepattn.config import ModelConfig
from deepattn.layers import Environment, TypeEmbedding
from deepattn.layers.boundaries import mesh_of_box
from deepattn.layers.term import Term
from deepattn.models.pair_derivatives import pair_derivatives
from deepattn.pairs import PairSlots, PairTable, read_table
from deepattn.terms.pairtab.config import PairTabConfig

if TYPE_CHECKING:
    from typing_extensions import Self


@keras.saving.register_keras_serializable(package="deepattn")
class PairTabTerm(Term):
    """Σ u(r) / 2 over all pairs within a cutoff.

    Args:
        table: Energies u of pairs.
        rcut: Cutoff radius, Å.
        sel: Largest number of neighbors.
        interface_dtype: Precision of coordinates and results.
    """

    def __init__(
        self,
        table: PairTable,
        *,
        rcut: float,
        sel: int,
        interface_dtype: str = "float64",
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        self.table = table
        self.rcut = float(rcut)
        self.sel = int(sel)
        self.interface_dtype = interface_dtype

    @classmethod
    def from_section(
        cls,
        section: PairTabConfig,
        model: ModelConfig,
        *,
        interface_dtype: str,
        arrays: Mapping[str, np.ndarray] | None,
        type_embedding: TypeEmbedding | None,
    ) -> Self:
        if arrays is None:
            found = read_table(section.tab_file, rcut=section.rcut, ntypes=model.ntypes)
            table = PairTable.of_table(found)
        else:
            table = PairTable.for_arrays(arrays, model.ntypes)
        return cls(table, rcut=section.rcut, sel=section.slots, interface_dtype=interface_dtype)

    def build(self, *_: object) -> None:
        if not self.table.built:
            self.table.build()
        self.built = True

    def potential(self, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        atype, natoms, box = inputs["atype"], inputs["natoms"], inputs["box"]
        coord = tf.cast(inputs["coord"], self.interface_dtype)
        box = tf.reshape(tf.cast(box, coord.dtype), [-1, 9])
        nframes, nall = tf.unstack(tf.shape(atype))
        mesh = inputs.get("mesh")
        unit = tf.ones([self.table.ntypes, 4 * self.sel], coord.dtype)
        environment = Environment(
            *ops.prod_env_mat_a_mix(
                *(tf.reshape(coord, [nframes, 3 * nall]), atype, natoms, box),
                *(mesh_of_box(box) if mesh is None else mesh, tf.zeros_like(unit), unit),
                rcut=self.rcut,
                rcut_smth=0.0,
                nnei=self.sel,
            )
        )
        local = atype[:, : natoms[0]]
        shape = tf.unstack(tf.shape(local))
        slots = PairSlots.of(environment, local, nnei=self.sel, ntypes=self.table.ntypes)
        energy, slope = slots.tabulated(self.table)
        atom_energy = tf.reshape(energy, shape)
        by_vector = tf.reshape(slots.by_vector(slope), [*shape, -1])
        found = pair_derivatives(by_vector, by_vector, environment, natoms, nnei=self.sel)
        return {
            "energy": tf.reduce_sum(tf.cast(atom_energy, tf.float64), axis=1),
            "atom_energy": atom_energy,
            **found,
        }

    def named_variables(self) -> dict[str, keras.Variable]:
        return self.table.named_variables()

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "table": keras.saving.serialize_keras_object(self.table),
            "rcut": self.rcut,
            "sel": self.sel,
            "interface_dtype": self.interface_dtype,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        table = keras.saving.deserialize_keras_object(config["table"])
        return cls(**{**config, "table": table})
