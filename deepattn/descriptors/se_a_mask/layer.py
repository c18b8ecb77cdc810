"""The DeepPot-SE descriptor of all atoms of a frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from deepattn import ops
from deepattn.config import ModelConfig, network_dtype
from deepattn.descriptors.se_a_mask.config import SeAMaskConfig
from deepattn.descriptors.se_e2_a.layer import SeE2A
from deepattn.formats.frozen import NO_CUTOFF
from deepattn.layers.descriptor import Descriptor
from deepattn.layers.environment import Environment

if TYPE_CHECKING:
    from typing_extensions import Self


@keras.saving.register_keras_serializable(package="deepattn")
class SeAMask(SeE2A):
    """Smooth descriptor of frames whose atoms all see each other, ``se_a_mask``.

    It is that of `SeE2A` with ``R = (1 / r) (1, x / r, y / r, z / r)`` at any distance ``r``, open
    boundaries, and without statistics. All frames have ``sel[t]`` atoms of type ``t``; neighbors
    are in slots by type, in the order of the frame. `deepattn.models.MaskedModel` empties the slots
    of masked atoms.

    Reference: L. Zhang et al., NeurIPS 31 (2018), arXiv:1805.09003.

    Args:
        ntypes: Number of types.
        sel: Number of atoms of each type.
        **kwargs: Those of `SeE2A` about nets and types.

    Call arguments: see `Descriptor`; ``type_embedding`` is not looked at.

    Output shape: ``[nframes, nloc, neuron[-1] * axis_neuron]``.
    """

    def __init__(self, ntypes: int, *, sel: Sequence[int], **kwargs: Any):
        no_cutoff = {"rcut": NO_CUTOFF, "rcut_smth": 0.0}
        super().__init__(ntypes, sel=sel, **{**no_cutoff, **kwargs})

    @classmethod
    def from_section(
        cls, section: Any, model: ModelConfig, *, tebd_dim: int, interface_dtype: str
    ) -> Self:
        return cls(
            model.ntypes,
            sel=section.sel,
            neuron=section.neuron,
            axis_neuron=section.axis_neuron,
            type_one_side=section.type_one_side,
            activation=section.activation_function,
            resnet_dt=section.resnet_dt,
            exclude_types=section.exclude_types,
            seed=section.seed,
            interface_dtype=interface_dtype,
            dtype=network_dtype(section.precision, interface_dtype),
            trainable=section.trainable,
            name="descriptor",
        )

    def build(self, *_: object) -> None:
        for net in self.nets.values():
            net.build()
        # What divides the contraction; it cannot change.
        self.original_sel = np.asarray(self._sizes, np.int32)

    def search(
        self, coord: tf.Tensor, atype: tf.Tensor, natoms: tf.Tensor, box: tf.Tensor, mesh: tf.Tensor
    ) -> Environment:
        """All atoms but the center; ``box`` and ``mesh`` are ignored, as in DeePMD-kit."""
        nframes, count = tf.unstack(tf.shape(atype))
        position = tf.reshape(coord, [nframes, count, 3])
        order = tf.argsort(atype, axis=1, stable=True)
        neighbor = tf.gather(position, order, batch_dims=1)
        vector = tf.reshape(
            neighbor[:, tf.newaxis] - position[:, :, tf.newaxis], [nframes, count, self.nnei, 3]
        )
        real = tf.not_equal(order[:, tf.newaxis], tf.range(count)[:, tf.newaxis])
        inverse = tf.where(real, tf.norm(vector, axis=3), tf.ones([], coord.dtype)) ** -1
        inverse = tf.where(real, inverse, tf.zeros([], coord.dtype))[..., tf.newaxis]
        unit = vector * inverse
        matrix = inverse * tf.concat([tf.ones_like(inverse), unit], axis=3)
        # By the center: of 1/r, and of the vector over r².
        radial = inverse**2 * unit
        outer = 2 * unit[..., :, tf.newaxis] * unit[..., tf.newaxis, :]
        angular = inverse[..., tf.newaxis] ** 2 * (outer - tf.eye(3, dtype=coord.dtype))
        derivative = tf.concat([radial[..., tf.newaxis, :], angular], axis=3)

        def flat(values: tf.Tensor, width: int = 1) -> tf.Tensor:
            return tf.reshape(values, [nframes, count * self.nnei * width])

        return Environment(
            flat(matrix, 4),
            flat(derivative, 12),
            flat(vector, 3),
            flat(tf.where(real, order[:, tf.newaxis], -1)),
            flat(tf.where(real, self._slot_types, self.ntypes)),
            flat(real),
        )

    def embedded(self, type_embedding: tf.Tensor | None) -> ops.SmoothDescriptor | None:
        return None

    def compress(
        self, vectors: tf.Tensor | None, *, min_nbor_dist: float, fast: bool, **options: float
    ) -> Descriptor:
        return Descriptor.compress(self, vectors, min_nbor_dist=min_nbor_dist, fast=fast, **options)

    def named_variables(self) -> dict[str, keras.Variable]:
        return self._net_variables()

    def graph_constants(self) -> dict[str, np.ndarray]:
        shape = (self.ntypes, 4 * self.nnei)
        idle = (np.zeros(shape, self.interface_dtype), np.ones(shape, self.interface_dtype))
        statistics = dict(zip(SeAMaskConfig.idle_weights, idle, strict=True))
        return {**super().graph_constants(), **statistics}
