"""The potential: energy, forces and virial of a batch of frames."""

from __future__ import annotations

import deepattn.keras_backend  # noqa: F401

# isort: split
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from deepattn import ops
from deepattn.config import DESCRIPTORS, FITTINGS, LOSSES, OPTIMIZERS, SCHEDULES
from deepattn.errors import ConfigError
from deepattn.layers import Descriptor, Environment, Fitting, TypeEmbedding
from deepattn.layers.boundaries import natoms_of
from deepattn.layers.half import use_bfloat16
from deepattn.models.loss_contract import EnergyLoss, check_loss, checked_result, unpack
from deepattn.models.loss_metrics import LossMetrics
from deepattn.models.smooth_potential import energies_in_one_operation
from deepattn.models.weights import assign_arrays
from deepattn.registry import resolve

# Of gradients, weights and the learning rate; returns gradients.
Penalty = Callable[[Sequence[Any], Sequence[keras.Variable], Any], list[Any]]


class Stepper(Protocol):
    """Makes a step of an optimizer from gradients by the weights."""

    def apply(
        self, optimizer: Any, gradients: Sequence[Any], weights: Sequence[keras.Variable]
    ) -> None:
        """Move the weights."""


@keras.saving.register_keras_serializable(package="deepattn")
class EnergyModel(keras.Model):
    """Atoms to energy, and by its derivative to forces and virial.

    The inputs are a dictionary of ``coord`` ``[nframes, natoms, 3]`` (Å), ``atype`` int32
    ``[nframes, natoms]`` (negative: virtual), ``box`` ``[nframes, 9]`` (all zero: open
    boundaries), and ``fparam`` ``[nframes, numb_fparam]`` and ``aparam``
    ``[nframes, natoms, numb_aparam]`` where the fitting has them. A caller with a neighbor list
    of its own adds ``natoms`` and ``mesh`` as the stock ops take them, and where messages are
    passed and there are ghosts ``owner`` int32 ``[nall]``, which atom each is an image of. Inputs
    that went through `prepare` need no neighbor search.

    The outputs are ``energy`` float64 ``[nframes]`` (eV), ``atom_energy`` ``[nframes, nloc]``,
    ``force`` ``[nframes, nall, 3]`` (eV/Å), ``virial`` ``[nframes, 9]`` (eV), ``atom_virial``
    ``[nframes, nall, 9]``, ``atom_mask`` ``[nframes, nloc]`` (0 for virtual atoms) and
    ``descriptor`` ``[nframes, nloc, width]``. Trainings do without the last, by
    ``with_descriptor=False``; models without attention are faster then.

    Args:
        descriptor: A `Descriptor`, such as `SeAtten` or `DPA2`.
        fitting: A `Fitting` of atomic energies, such as `EnergyFitting`.
        type_embedding: A `TypeEmbedding`, or ``None`` for a descriptor that does without.
        type_map: Names of the types, in the order of their numbers; empty if they have none.

    Example:
        >>> model.compile(optimizer, loss=EnergyLoss(start_lr=1e-3))
        >>> model.fit(dataset)  # of (inputs, labels)
    """

    def __init__(
        self,
        descriptor: Descriptor,
        fitting: Fitting,
        type_embedding: TypeEmbedding | None = None,
        *,
        type_map: Sequence[str],
        **kwargs: Any,
    ):
        super().__init__(**{"autocast": False, **kwargs})
        if len(type_map) not in (0, descriptor.ntypes):
            raise ValueError(
                f"type_map has {len(type_map)} names, but the descriptor has "
                f"{descriptor.ntypes} types"
            )
        self.descriptor = descriptor
        self.fitting = fitting
        self.type_embedding = type_embedding
        self.type_map = list(type_map)
        # In a training: adds the gradient of a penalty on the weights to that of the loss.
        self.penalty: Penalty | None = None
        # In a training: makes the steps of the optimizer in other variables than the weights.
        self.low_rank: Stepper | None = None
        # The environment ops have no XLA kernels.
        self.supports_jit = False
        self.build()

    @property
    def rcut(self) -> float:
        """Cutoff radius, Å."""
        return self.descriptor.rcut

    @property
    def sel(self) -> int:
        """Number of neighbor slots of an atom."""
        return self.descriptor.nnei

    @property
    def ntypes(self) -> int:
        """Number of types."""
        return self.descriptor.ntypes

    @property
    def interface_dtype(self) -> str:
        """Precision of coordinates, forces and statistics."""
        return self.descriptor.interface_dtype

    def build(self, input_shape: object = None) -> None:
        for layer in (self.descriptor, self.fitting, self.type_embedding):
            if layer is not None and not layer.built:
                layer.build()
        self.built = True

    def multiply_in_bfloat16(self) -> None:
        """Let the nets round their matrix products to bfloat16, in mixed-precision training.

        Weights, energies and the environment matrix keep their precisions. It is no part of the
        configuration: a model that is read from a file computes in the precision of its weights.
        """
        use_bfloat16(self.descriptor)
        use_bfloat16(self.fitting)

    def compile(
        self,
        optimizer: keras.optimizers.Optimizer | str = "adam",
        loss: EnergyLoss | None = None,
        **kwargs: Any,
    ) -> None:
        """Prepare for training.

        The loss and the values that it reports are Keras metrics. Over an epoch or an evaluation
        each is the mean over the frames. A loss with a method ``sums`` of the same arguments
        returns there, in place of a value, the pair (sum of weighted squares, sum of weights);
        the metric is then the root of their ratio over all batches, NaN if the weights are zero.
        Metrics that it declares without ``root`` (`deepattn.config.loss.Metric`) are the ratio.

        Args:
            optimizer: A Keras optimizer.
            loss: Callable of ``(labels, outputs, learning_rate)`` that returns the loss and a
                dictionary of metrics, such as `deepattn.train.EnergyLoss`.
            **kwargs: As for `keras.Model.compile`, without ``metrics`` and weights of losses.

        Raises:
            ConfigError: The loss or a metric is of another kind.
        """
        for key in ("loss_weights", "metrics", "weighted_metrics"):
            if kwargs.get(key) is not None:
                raise ConfigError(
                    f"compile does not take {key}: the loss weights its terms and reports "
                    "the metrics; return further metrics in the dictionary of a custom loss."
                )
        check_loss(loss)
        super().compile(optimizer=optimizer, **kwargs)
        self.energy_loss = loss
        names = getattr(loss, "metric_names", ()) if hasattr(loss, "sums") else ()
        means = {metric.name for metric in getattr(loss, "metrics", ()) if not metric.root}
        self._loss_metrics = LossMetrics(names, means if names else ())

    def get_compile_config(self) -> dict[str, Any]:
        config = super().get_compile_config()
        if config:
            config["loss"] = keras.saving.serialize_keras_object(self.energy_loss)
        return config

    def compile_from_config(self, config: dict[str, Any]) -> None:
        # So that Keras knows what the file names.
        for registry in (LOSSES, OPTIMIZERS, SCHEDULES):
            for kind in registry.loaded().values():
                resolve(kind.implementation)
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The loss and its terms; those of a loss without ``sums`` appear with the first batch."""
        return self._loss_metrics.metrics if self.compiled else []

    def call(
        self,
        inputs: Mapping[str, tf.Tensor],
        training: bool | None = None,
        with_descriptor: bool = True,
    ) -> dict[str, tf.Tensor]:
        if "environment" not in inputs:
            inputs = self.prepare(inputs)
        return self.potential(
            inputs["environment"],
            inputs["atype"],
            inputs["natoms"],
            inputs.get("fparam"),
            inputs.get("aparam"),
            with_descriptor=with_descriptor,
        )

    def prepare(self, inputs: Mapping[str, tf.Tensor]) -> dict:
        """The inputs of `call` with all that needs no weights but statistics: neighborhoods.

        Data pipelines map it over batches, so that neighbors are searched while a step is at
        work on the batch before.
        """
        atype = tf.cast(inputs["atype"], tf.int32)
        natoms = inputs.get("natoms")
        if natoms is None:
            count = tf.shape(atype)[1]
            natoms = natoms_of(count, count, self.ntypes)
        environment = self.descriptor.environment(
            inputs["coord"], atype, inputs["box"], natoms=natoms, mesh=inputs.get("mesh")
        )
        if "owner" in inputs:
            environment = environment.of_owners(inputs["owner"])
        return {**inputs, "atype": atype, "natoms": natoms, "environment": environment}

    def potential(
        self,
        environment: Environment,
        atype: tf.Tensor,
        natoms: tf.Tensor,
        fparam: tf.Tensor | None = None,
        aparam: tf.Tensor | None = None,
        *,
        with_descriptor: bool = True,
    ) -> dict[str, tf.Tensor]:
        """The outputs of `call` for given neighborhoods.

        Forces and virial follow from the derivative of the energy by the environment matrix.
        """
        local = atype[:, : natoms[0]]
        atoms = self.atoms(
            *(environment, local, self.type_vectors(), fparam, aparam),
            with_descriptor=with_descriptor,
        )
        return self.outputs(environment, local, natoms, *atoms)

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
        """Atomic energies, the derivative of their sum by ``environment.descrpt``, descriptors.

        Without descriptors, one operation may do it all.
        """
        arguments = (environment, local, type_vectors)
        if not with_descriptor:
            found = energies_in_one_operation(self, *arguments, fparam, aparam)
            if found is not None:
                return found
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(environment.descrpt)
            descriptor = self.descriptor(*arguments)
            atom_energy = self.fitting(descriptor, local, type_vectors, fparam, aparam)
            total = tf.reduce_sum(atom_energy)
        found = (atom_energy, tape.gradient(total, environment.descrpt))
        return (*found, descriptor) if with_descriptor else found

    def outputs(
        self,
        environment: Environment,
        local: tf.Tensor,
        natoms: tf.Tensor,
        atom_energy: tf.Tensor,
        net_deriv: tf.Tensor,
        descriptor: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        """The outputs of `call` from those of `atoms`."""
        force, virial, atom_virial = self._force_and_virial(net_deriv, environment, natoms)
        outputs = {
            "energy": tf.reduce_sum(tf.cast(atom_energy, tf.float64), axis=1),
            "atom_energy": atom_energy,
            "force": force,
            "virial": virial,
            "atom_virial": atom_virial,
            "atom_mask": tf.cast(local >= 0, self.interface_dtype),
        }
        return outputs if descriptor is None else {**outputs, "descriptor": descriptor}

    def type_vectors(self) -> tf.Tensor | None:
        """Type embedding ``[ntypes + 1, width]``, or ``None``."""
        return None if self.type_embedding is None else self.type_embedding.table()

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Update the weights; returns the metrics over all batches of the epoch."""
        return self._count(*self._train(data, self._sums))

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """The metrics over all batches of the evaluation."""
        return self._count(*self._test(data, self._sums))

    def train_step_metrics(self, data: Any) -> dict[str, tf.Tensor]:
        """Update the weights as `train_step`; returns the metrics of this batch alone."""
        loss, values, _ = self._train(data, self.energy_loss)
        return {"loss": loss, **values}

    def test_step_metrics(self, data: Any) -> dict[str, tf.Tensor]:
        """The metrics of this batch alone."""
        loss, values, _ = self._test(data, self.energy_loss)
        return {"loss": loss, **values}

    def named_variables(self) -> dict[str, keras.Variable]:
        """All weights under DeePMD's names, trained or not."""
        variables = self.descriptor.named_variables()
        if self.type_embedding is not None:
            variables.update(self.type_embedding.named_variables())
        variables.update(self.fitting.named_variables())
        return variables

    def get_arrays(self) -> dict[str, np.ndarray]:
        """Values of `named_variables`."""
        return {name: v.numpy() for name, v in self.named_variables().items()}

    def set_arrays(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Set all weights.

        Raises:
            ModelFileError: A weight is missing or superfluous or has another shape.
        """
        assign_arrays(self.named_variables(), arrays)

    def get_config(self) -> dict:
        layers = {
            "descriptor": self.descriptor,
            "fitting": self.fitting,
            "type_embedding": self.type_embedding,
        }
        return {
            **super().get_config(),
            "type_map": self.type_map,
            **{k: keras.saving.serialize_keras_object(v) for k, v in layers.items()},
        }

    @classmethod
    def from_config(cls, config: dict) -> EnergyModel:
        config = dict(config)
        # Keras finds classes by name once they are imported.
        for kinds in (DESCRIPTORS, FITTINGS):
            for kind in kinds.loaded().values():
                resolve(kind.layer)
        for key in ("descriptor", "fitting", "type_embedding"):
            config[key] = keras.saving.deserialize_keras_object(config[key])
        return cls(**config)

    def _force_and_virial(
        self, net_deriv: tf.Tensor, environment: Environment, natoms: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        nnei = self.descriptor.nnei
        nframes = tf.shape(net_deriv)[0]
        force = ops.prod_force_se_a(
            net_deriv, environment.descrpt_deriv, environment.nlist, natoms, nnei=nnei
        )
        virial, atom_virial = ops.prod_virial_se_a(
            net_deriv,
            environment.descrpt_deriv,
            environment.rij,
            environment.nlist,
            natoms,
            nnei=nnei,
        )
        return (
            tf.reshape(force, [nframes, natoms[1], 3]),
            virial,
            tf.reshape(atom_virial, [nframes, natoms[1], 9]),
        )

    @property
    def _sums(self) -> EnergyLoss | None:
        return getattr(self.energy_loss, "sums", self.energy_loss)

    def _train(
        self, data: Any, measure: EnergyLoss | None
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor], tf.Tensor]:
        inputs, labels = unpack(data)
        with tf.GradientTape() as tape:
            outputs = self(inputs, training=True, with_descriptor=False)
            loss, values = self._measure(measure, labels, outputs)
            replicas = tf.distribute.get_strategy().num_replicas_in_sync
            scaled = self.optimizer.scale_loss(loss / replicas)
        weights = self.trainable_weights
        gradients = tape.gradient(scaled, weights)
        if self.penalty is not None:
            gradients = self.penalty(gradients, weights, self.optimizer.learning_rate)
        if self.low_rank is None:
            self.optimizer.apply(gradients, weights)
        else:
            self.low_rank.apply(self.optimizer, gradients, weights)
        return loss, values, tf.shape(outputs["energy"])[0]

    def _test(
        self, data: Any, measure: EnergyLoss | None
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor], tf.Tensor]:
        inputs, labels = unpack(data)
        outputs = self(inputs, training=False, with_descriptor=False)
        return *self._measure(measure, labels, outputs), tf.shape(outputs["energy"])[0]

    def _measure(
        self,
        measure: EnergyLoss | None,
        labels: Mapping[str, tf.Tensor],
        outputs: Mapping[str, tf.Tensor],
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        if measure is None:
            raise ValueError("compile the model with a loss first: model.compile(optimizer, loss)")
        return checked_result(measure(labels, outputs, self.optimizer.learning_rate))

    def _count(
        self, loss: tf.Tensor, values: Mapping[str, tf.Tensor], nframes: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        self._loss_metrics.update(loss, values, nframes)
        return self._loss_metrics.results()
