"""Models of tensors, and the derivatives of each component by positions and cell."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import tensorflow as tf

from deepattn.layers import Environment
from deepattn.models.derivatives import force_and_virial
from deepattn.models.observable_model import ObservableModel


@keras.saving.register_keras_serializable(package="deepattn")
class TensorModel(ObservableModel):
    """Atoms to a dipole moment or a polarizability, which turn with the frame.

    The inputs and outputs are those of `ObservableModel`. Inference (`infer`) gives also the
    derivatives of each component of the sum, as if it were an energy: ``tensor_force``
    ``[nframes, nall, width, 3]``, ``tensor_virial`` ``[nframes, width, 9]`` and
    ``tensor_atom_virial`` ``[nframes, nall, width, 9]``.
    """

    def contributions(
        self,
        environment: Environment,
        local: tf.Tensor,
        type_vectors: tf.Tensor | None,
        fparam: tf.Tensor | None,
        aparam: tf.Tensor | None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        features = self.descriptor.features(environment, local, type_vectors)
        values = self.fitting(
            features.invariant,
            local,
            type_vectors,
            fparam,
            aparam,
            vectors=features.equivariant,
        )
        return values, features.invariant

    def results(
        self,
        environment: Environment,
        atype: tf.Tensor,
        natoms: tf.Tensor,
        fparam: tf.Tensor | None = None,
        aparam: tf.Tensor | None = None,
        *,
        with_descriptor: bool = True,
    ) -> dict[str, tf.Tensor]:
        local = atype[:, : natoms[0]]
        found = self.contributions(environment, local, self.type_vectors(), fparam, aparam)
        return self.observed(local, *found[: 1 + with_descriptor])

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
        """Tensors, the derivatives of each component by ``environment.descrpt``, descriptors."""
        matrix, width = environment.descrpt, self.observable.width
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(matrix)
            values, descriptor = self.contributions(
                environment, local, type_vectors, fparam, aparam
            )
            sums = [tf.reduce_sum(values[:, :, k]) for k in range(width)]
        derivatives = tf.stack([tape.gradient(total, matrix) for total in sums], axis=1)
        nframes, nloc = tf.unstack(tf.shape(local))
        derivatives = tf.reshape(derivatives, [nframes, width, nloc, 4 * self.sel])
        found = (values, tf.transpose(derivatives, [0, 2, 1, 3]))
        return (*found, descriptor) if with_descriptor else found

    @property
    def atom_shapes(self) -> list[list[int]]:
        width = self.observable.width
        return [[width], [width, 4 * self.sel]]

    def outputs(
        self,
        environment: Environment,
        local: tf.Tensor,
        natoms: tf.Tensor,
        *parts: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        values, derivatives, *descriptor = parts
        shape = tf.shape(environment.descrpt)
        forces, virials, shares = zip(
            *(
                force_and_virial(
                    tf.reshape(derivatives[:, :, k], shape), environment, natoms, nnei=self.sel
                )
                for k in range(self.observable.width)
            ),
            strict=True,
        )
        return {
            **self.observed(local, values, *descriptor),
            "tensor_force": tf.stack(forces, axis=2),
            "tensor_virial": tf.stack(virials, axis=1),
            "tensor_atom_virial": tf.stack(shares, axis=2),
        }

    def graph_outputs(
        self, outputs: Mapping[str, tf.Tensor], environment: Environment, natoms: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        kind, width = self.fitting.graph_type, self.observable.width
        atomic = outputs[self.observable.atomic_name]
        nframes = tf.shape(atomic)[0]
        # Only the atoms of the chosen types have a place.
        chosen = tf.boolean_mask(atomic, outputs["atom_mask"] > 0)
        count = tf.size(chosen) // (width * tf.maximum(nframes, 1))
        return {
            f"o_{kind}": tf.reshape(chosen, [nframes, count * width]),
            f"o_global_{kind}": outputs[self.observable.name],
            "o_force": _by_component(outputs["tensor_force"], nframes),
            "o_virial": tf.reshape(outputs["tensor_virial"], [-1, 9 * width]),
            "o_atom_virial": _by_component(outputs["tensor_atom_virial"], nframes),
        }


def _by_component(values: tf.Tensor, nframes: tf.Tensor) -> tf.Tensor:
    """``[nframes, nall, width, n]`` as rows that list all atoms of one component after another."""
    _, nall, width, size = tf.unstack(tf.shape(values))
    return tf.reshape(tf.transpose(values, [0, 2, 1, 3]), [nframes, width * nall * size])
