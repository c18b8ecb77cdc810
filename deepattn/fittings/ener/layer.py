"""Atomic energies from descriptors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from deepattn import ops
from deepattn.config import ModelConfig
from deepattn.fittings.ener.config import EnerFittingConfig
from deepattn.fittings.ener.fitting_nets import fitting_nets
from deepattn.fittings.nets import NetFitting
from deepattn.formats.weight_names import BIAS
from deepattn.layers.descriptor import Descriptor
from deepattn.layers.environment import real_types
from deepattn.layers.fitting_net import FittingNet


@keras.saving.register_keras_serializable(package="deepattn")
class EnergyFitting(NetFitting):
    """Energy of each atom: a fitting net of its descriptor plus a bias of its type.

    Args:
        ntypes: Number of types.
        descriptor_width: Width of the descriptor.
        subtract_vacuum: Whether the net's value for a descriptor of zeros is subtracted. An
            isolated atom then has exactly the energy of its type's bias if its descriptor is zero:
            in DPA-1 and DeepPot-SE with ``set_davg_zero``. In the common convention the type's
            vector is part of the descriptor of zeros.
        numb_fitted: Number of the first types that have an energy; None for all. The others are
            those of virtual atoms (`deepattn.models.SpinModel`).
        **kwargs: As for `NetFitting`.

    Call arguments:
        descriptor: ``[nframes, nloc, descriptor_width]``.
        atype: int32 ``[nframes, nloc]``; atoms of negative type have no energy.
        type_embedding: ``[ntypes + 1, tebd_dim]``, or ``None``.
        fparam: ``[nframes, numb_fparam]``, or ``None``.
        aparam: ``[nframes, nloc, numb_aparam]``, or ``None``.

    Output shape: ``[nframes, nloc]``, eV.
    """

    graph_type = EnerFittingConfig.graph_type

    def __init__(
        self,
        ntypes: int,
        descriptor_width: int,
        *,
        subtract_vacuum: bool = False,
        numb_fitted: int | None = None,
        **kwargs: Any,
    ):
        self.numb_fitted = ntypes if numb_fitted is None else numb_fitted
        super().__init__(ntypes, descriptor_width, **kwargs)
        self.subtract_vacuum = subtract_vacuum

    @classmethod
    def own_arguments(
        cls, section: EnerFittingConfig, model: ModelConfig, descriptor: Descriptor
    ) -> dict[str, Any]:
        arguments: dict[str, Any] = {"subtract_vacuum": bool(section.atom_ener)}
        if model.listed_spin is not None:
            arguments["numb_fitted"] = model.ntypes - len(model.listed_spin.hosts)
        return arguments

    @property
    def fitted_types(self) -> Sequence[int]:
        return range(self.numb_fitted)

    def build(self, *_: object) -> None:
        self.bias_atom_e = self._constant("bias_atom_e", (self.numb_fitted,))
        super().build()

    def call(
        self,
        descriptor: tf.Tensor,
        atype: tf.Tensor,
        type_embedding: tf.Tensor | None = None,
        fparam: tf.Tensor | None = None,
        aparam: tf.Tensor | None = None,
    ) -> tf.Tensor:
        extras = self._extras(atype, type_embedding, fparam, aparam)
        rows = tf.reshape(descriptor, [-1, self.descriptor_width])
        energy = self._evaluate(rows, extras, atype)
        if self.subtract_vacuum:
            energy -= self._vacuum(tf.zeros_like(rows), extras, atype)
        bias = tf.gather(
            tf.convert_to_tensor(self.bias_atom_e), real_types(atype, self.numb_fitted)
        )
        energy = tf.reshape(energy + bias, tf.shape(atype))
        fitted = (atype >= 0) & (atype < self.numb_fitted)
        return tf.where(fitted, energy, tf.zeros_like(energy))

    def fitting_nets(
        self,
        type_embedding: tf.Tensor | None,
        fparam: tf.Tensor | None,
        aparam: tf.Tensor | None,
    ) -> tuple[ops.FittingNets, tf.Tensor] | None:
        return fitting_nets(self, type_embedding, fparam, aparam)

    def vacuum_energies(self, type_embedding: tf.Tensor | None) -> tf.Tensor:
        """The energy that is subtracted for each type, without parameters, ``[ntypes]``, eV."""
        if not self.subtract_vacuum:
            return tf.zeros([self.ntypes], self.interface_dtype)
        types = tf.range(self.ntypes)[tf.newaxis]
        rows = tf.zeros([self.ntypes, self.descriptor_width], self.interface_dtype)
        return self._vacuum(rows, self._extras(types, type_embedding, None, None), types)

    def named_variables(self) -> dict[str, keras.Variable]:
        """Weights, biases and parameter statistics under DeePMD's names."""
        return {**super().named_variables(), BIAS: self.bias_atom_e}

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "subtract_vacuum": self.subtract_vacuum,
            "numb_fitted": self.numb_fitted,
        }

    def _vacuum(self, rows: tf.Tensor, extras: Sequence[tf.Tensor], atype: tf.Tensor) -> tf.Tensor:
        """Output of the nets for descriptors of zeros, ``rows``."""
        if self.common and self.tebd_dim:
            extras = [tf.zeros_like(extras[0]), *extras[1:]]
        return self._evaluate(rows, extras, atype)

    def _evaluate(
        self, rows: tf.Tensor, extras: Sequence[tf.Tensor], atype: tf.Tensor
    ) -> tf.Tensor:
        """Output of the nets in the interface precision, ``[nframes * nloc]``."""
        return self._through(FittingNet.__call__, rows, extras, atype, width=1)[:, 0]
