"""Energies that go over from a network to a table of pairs where atoms come near."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from deepattn import ops
from deepattn.layers import Environment
from deepattn.models.energy_model import EnergyModel
from deepattn.models.pair_derivatives import four_columns, pair_derivatives
from deepattn.pairs import PairSlots, PairTable, Switch, soft_minimum, switch_of_minimum

if TYPE_CHECKING:
    from typing_extensions import Self


@keras.saving.register_keras_serializable(package="deepattn")
class ShortRangeModel(EnergyModel):
    """Atomic energies (1 - λ) E + λ (Σ u(r) / 2 + b) of a network and a table.

    The share λ of the table depends on the soft minimum of the distances of the neighbors
    (docs/theory/short-range.md).

    Args:
        *layers: As for `EnergyModel`; no messages are passed in the descriptor.
        table: Energies u of pairs.
        switch: From the network to the table.
        add_bias: Whether the energy bias b of the type is added to the table's energy.
        **kwargs: As for `EnergyModel`.
    """

    of_descriptor_alone = False

    def __init__(
        self,
        *layers: Any,
        table: PairTable,
        switch: Switch | Sequence[float],
        add_bias: bool = True,
        **kwargs: Any,
    ):
        # Keras tracks layers only once a model is set up, so this is done before it is built.
        self._further = (table, Switch(*switch).as_stored(), add_bias)
        super().__init__(*layers, **kwargs)

    def build(self, input_shape: object = None) -> None:
        self.table, self.switch, self.add_bias = self._further
        if not self.table.built:
            self.table.build()
        super().build(input_shape)

    def atoms(
        self,
        environment: Environment,
        local: tf.Tensor,
        type_vectors: tf.Tensor | None,
        fparam: tf.Tensor | None = None,
        aparam: tf.Tensor | None = None,
        *,
        with_descriptor: bool = True,
    ) -> tuple[tf.Tensor, ...]:
        """Atomic energies, the derivatives of their sum by ``environment.descrpt`` and by
        ``environment.rij``, what of the latter is of the table, descriptors."""
        energy, derivative, *descriptor = super().atoms(
            *(environment, local, type_vectors, fparam, aparam), with_descriptor=with_descriptor
        )
        slots = self._slots(environment, local)
        share, of_share = self._share(slots)
        tabulated, of_table = self._tabulated(slots)
        difference = tabulated - tf.reshape(energy, [-1])
        of_table *= share[:, tf.newaxis]
        rows = tf.reshape(derivative, [-1, 4 * self.sel]) * (1 - share)[:, tf.newaxis]
        energy = energy + tf.reshape(share * difference, tf.shape(local))
        found = (
            tf.where(local >= 0, energy, tf.zeros_like(energy)),
            tf.reshape(rows, tf.shape(derivative)),
            self._by_vector(slots, of_table + difference[:, tf.newaxis] * of_share, local),
            self._by_vector(slots, of_table, local),
        )
        return (*found, *descriptor)

    def energies(
        self,
        environment: Environment,
        local: tf.Tensor,
        type_vectors: tf.Tensor | None,
        fparam: tf.Tensor | None = None,
        aparam: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        energy, descriptor = super().energies(environment, local, type_vectors, fparam, aparam)
        slots, shape = self._slots(environment, local), tf.shape(local)
        share, _ = self._share(slots)
        tabulated, _ = self._tabulated(slots)
        energy += tf.reshape(share, shape) * (tf.reshape(tabulated, shape) - energy)
        return tf.where(local >= 0, energy, tf.zeros_like(energy)), descriptor

    def in_one_operation(self, *arguments: Any, **options: Any) -> tuple[tf.Tensor, ...] | None:
        # It does not know of the table; blocks of atoms use it by `EnergyModel.atoms`.
        return None

    @property
    def atom_shapes(self) -> list[list[int]]:
        return [*super().atom_shapes, [3 * self.sel], [3 * self.sel]]

    def outputs(
        self,
        environment: Environment,
        local: tf.Tensor,
        natoms: tf.Tensor,
        *parts: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        energy, derivative, by_vector, of_table, *descriptor = parts
        outputs = super().outputs(environment, local, natoms, energy, derivative, *descriptor)
        found = pair_derivatives(by_vector, of_table, environment, natoms, nnei=self.sel)
        for name, values in found.items():
            outputs[name] += values
        return outputs

    def outputs_of_blocks(
        self,
        environment: Environment,
        local: tf.Tensor,
        natoms: tf.Tensor,
        *parts: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        outputs = super().outputs_of_blocks(environment, local, natoms, *parts)
        vectors = environment.of_vectors()
        by_vector = four_columns(parts[2])
        outputs["virial"] += ops.total_virial(by_vector, vectors.descrpt_deriv, vectors.rij)
        return outputs

    def named_variables(self) -> dict[str, keras.Variable]:
        return {**super().named_variables(), **self.table.named_variables()}

    def options(self) -> dict[str, Any]:
        further = {"table": self.table, "switch": list(self.switch), "add_bias": self.add_bias}
        return {**super().options(), **further}

    def get_config(self) -> dict:
        return {**super().get_config(), "table": keras.saving.serialize_keras_object(self.table)}

    @classmethod
    def from_config(cls, config: dict) -> Self:
        table = keras.saving.deserialize_keras_object(config["table"])
        return super().from_config({**config, "table": table})

    def _slots(self, environment: Environment, local: tf.Tensor) -> PairSlots:
        """The slots of the neighbors within the cutoff."""
        return PairSlots.of(
            *(environment, local),
            nnei=self.sel,
            ntypes=self.ntypes,
            slots=self.descriptor.longest_slots,
        )

    def _by_vector(self, slots: PairSlots, by_distance: tf.Tensor, local: tf.Tensor) -> tf.Tensor:
        """Derivatives by the vectors to all neighbors, ``[nframes, nloc, 3 * nnei]``, from those
        by the distances."""
        place = self.descriptor.longest_slots
        padding = [[0, 0], [place.start, self.sel - place.stop], [0, 0]]
        rows = tf.pad(slots.by_vector(by_distance), padding)
        return tf.reshape(rows, [*tf.unstack(tf.shape(local)), 3 * self.sel])

    def _share(self, slots: PairSlots) -> tuple[tf.Tensor, tf.Tensor]:
        """The share of the table in each atom ``[n]``, and its derivatives by the distances."""
        minimum, of_minimum = soft_minimum(slots.distance, slots.mask, self.switch.alpha)
        share, of_share = switch_of_minimum(minimum, self.switch)
        return share, of_share[:, tf.newaxis] * of_minimum

    def _tabulated(self, slots: PairSlots) -> tuple[tf.Tensor, tf.Tensor]:
        """The energy of the table for each atom ``[n]``, and its derivatives by the distances."""
        energy, derivative = slots.tabulated(self.table)
        if self.add_bias:
            bias = tf.convert_to_tensor(self.fitting.bias_atom_e)
            energy += tf.gather(bias, slots.center[:, 0])
        return energy, derivative
