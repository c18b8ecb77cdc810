"""Models of observables: sums or means over contributions of atoms, without derivatives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from deepattn.config import FittingConfig
from deepattn.config.observable import Observable
from deepattn.layers import Descriptor, Environment, Fitting, TypeEmbedding
from deepattn.layers.environment import atoms_of_types
from deepattn.models.atomic_model import AtomicModel

if TYPE_CHECKING:
    from typing_extensions import Self


@keras.saving.register_keras_serializable(package="deepattn")
class ObservableModel(AtomicModel):
    """Atoms to an observable, such as a density of states.

    The inputs are those of `AtomicModel`.

    The outputs are the observable ``<name>`` float64 ``[nframes, width]``, the contributions
    ``atom_<name>`` ``[nframes, nloc, width]``, ``atom_mask`` ``[nframes, nloc]`` (1 for atoms that
    contribute) and ``descriptor`` ``[nframes, nloc, width of the descriptor]``; if the fitting has
    them also ``label_mean`` and ``label_spread`` ``[width]``, the unit in which losses compare.

    Args:
        descriptor: A `Descriptor`.
        fitting: A `Fitting` of the contributions.
        type_embedding: A `TypeEmbedding`, or ``None`` for a descriptor that does without.
        observable: What it gives.
        type_map: Names of the types, in the order of their numbers; empty if they have none.
    """

    def __init__(
        self,
        descriptor: Descriptor,
        fitting: Fitting,
        type_embedding: TypeEmbedding | None = None,
        *,
        observable: Observable | Sequence[Any],
        type_map: Sequence[str],
        **kwargs: Any,
    ) -> None:
        super().__init__(descriptor, fitting, type_embedding, type_map=type_map, **kwargs)
        self.observable = Observable.of(observable)

    @classmethod
    def of_layers(
        cls,
        descriptor: Descriptor,
        fitting: Fitting,
        type_embedding: TypeEmbedding | None,
        *,
        section: FittingConfig,
        **options: Any,
    ) -> Self:
        if section.observable is None:
            raise ValueError(f"the fitting {section.type} has no observable")
        layers = (descriptor, fitting, type_embedding)
        return cls(*layers, observable=section.observable, **options)

    def contributions(
        self,
        environment: Environment,
        local: tf.Tensor,
        type_vectors: tf.Tensor | None,
        fparam: tf.Tensor | None,
        aparam: tf.Tensor | None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Contributions of atoms, and their descriptors; arguments as of `atoms`."""
        descriptor = self.descriptor(environment, local, type_vectors)
        return self.fitting(descriptor, local, type_vectors, fparam, aparam), descriptor

    def observed(
        self, local: tf.Tensor, values: tf.Tensor, descriptor: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """The outputs of `call` from contributions and descriptors.

        Args:
            local: Types of the atoms, int32 ``[nframes, nloc]``.
            values: Contributions, ``[nframes, nloc, width]``.
            descriptor: Descriptors.
        """
        contributes = atoms_of_types(local, self.ntypes, self.observable.types)
        mask = tf.cast(contributes, self.interface_dtype)
        total = tf.reduce_sum(tf.cast(values, tf.float64), axis=1)
        if self.observable.intensive:
            count = tf.reduce_sum(tf.cast(mask, tf.float64), axis=1, keepdims=True)
            total = tf.math.divide_no_nan(total, count)
        outputs = {
            self.observable.name: total,
            self.observable.atomic_name: values,
            "atom_mask": mask,
        }
        units = self.fitting.label_units()
        if units is not None:
            outputs |= {"label_mean": units[0], "label_spread": units[1]}
        return outputs if descriptor is None else {**outputs, "descriptor": descriptor}

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
        found = self.contributions(environment, local, type_vectors, fparam, aparam)
        return found[: 1 + with_descriptor]

    @property
    def atom_shapes(self) -> list[list[int]]:
        return [[self.observable.width]]

    def outputs(
        self,
        environment: Environment,
        local: tf.Tensor,
        natoms: tf.Tensor,
        *parts: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        return self.observed(local, *parts)

    def graph_outputs(
        self, outputs: Mapping[str, tf.Tensor], environment: Environment, natoms: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        kind = self.fitting.graph_type
        return {
            f"o_{kind}": outputs[self.observable.name],
            f"o_atom_{kind}": outputs[self.observable.atomic_name],
        }

    def options(self) -> dict[str, Any]:
        return {**super().options(), "observable": list(self.observable)}
