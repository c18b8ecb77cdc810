"""The base of all models: layers, weights, training steps and files."""

from __future__ import annotations

import deepattn.keras_backend  # noqa: F401

# isort: split
import abc
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from deepattn.config import (
    DESCRIPTORS,
    FITTINGS,
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    FittingConfig,
)
from deepattn.errors import ConfigError
from deepattn.layers import Descriptor, Environment, Fitting, TypeEmbedding
from deepattn.layers.boundaries import natoms_of
from deepattn.layers.half import use_bfloat16
from deepattn.models.loss_contract import EnergyLoss, check_loss, checked_result, unpack
from deepattn.models.loss_metrics import LossMetrics
from deepattn.models.weights import assign_arrays
from deepattn.registry import resolve

if TYPE_CHECKING:
    from typing_extensions import Self

# Of gradients, weights and the learning rate; returns gradients.
Penalty = Callable[[Sequence[Any], Sequence[keras.Variable], Any], list[Any]]


class Stepper(Protocol):
    """Makes a step of an optimizer from gradients by the weights."""

    def apply(
        self, optimizer: Any, gradients: Sequence[Any], weights: Sequence[keras.Variable]
    ) -> None:
        """Move the weights."""


class AtomicModel(keras.Model, abc.ABC):
    """A model whose result is made of contributions of atoms: descriptor, then fitting.

    The inputs are a dictionary of ``coord`` ``[nframes, natoms, 3]`` (Å), ``atype`` int32
    ``[nframes, natoms]`` (negative: virtual), ``box`` ``[nframes, 9]`` (all zero: open
    boundaries), and ``fparam`` ``[nframes, numb_fparam]`` and ``aparam``
    ``[nframes, natoms, numb_aparam]`` where the fitting has them. A caller with a neighbor list
    of its own adds ``natoms`` and ``mesh`` as the stock ops take them, and where messages are
    passed and there are ghosts ``owner`` int32 ``[nall]``, which atom each is an image of. Inputs
    that went through `prepare` need no neighbor search.

    All outputs have ``atom_mask`` ``[nframes, nloc]``, 1 for atoms that contribute, and
    ``descriptor`` ``[nframes, nloc, width]``. Trainings do without the latter, by
    ``with_descriptor=False``; models of energies without attention are faster then.

    Subclasses evaluate the atoms in `atoms`, whose results per atom have the shapes of
    `atom_shapes`, and put them together in `outputs`. So they can be evaluated in blocks.

    Args:
        descriptor: A `Descriptor`, such as `SeAtten` or `DPA2`.
        fitting: A `Fitting`.
        type_embedding: A `TypeEmbedding`, or ``None`` for a descriptor that does without.
        type_map: Names of the types, in the order of their numbers; empty if they have none.
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

    @classmethod
    def of_layers(
        cls,
        descriptor: Descriptor,
        fitting: Fitting,
        type_embedding: TypeEmbedding | None,
        *,
        section: FittingConfig,
        type_map: Sequence[str],
    ) -> Self:
        """The model of a fitting section, made of its layers.

        Args:
            descriptor, fitting, type_embedding, type_map: As for the class.
            section: The section ``fitting_net``.
        """
        return cls(descriptor, fitting, type_embedding, type_map=type_map)

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
        self.training_loss = loss
        names = getattr(loss, "metric_names", ()) if hasattr(loss, "sums") else ()
        means = {metric.name for metric in getattr(loss, "metrics", ()) if not metric.root}
        self._loss_metrics = LossMetrics(names, means if names else ())

    def get_compile_config(self) -> dict[str, Any]:
        config = super().get_compile_config()
        if config:
            config["loss"] = keras.saving.serialize_keras_object(self.training_loss)
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
        return self.results(
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

    @abc.abstractmethod
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
        """The outputs of `call` for given neighborhoods."""

    def infer(
        self,
        environment: Environment,
        atype: tf.Tensor,
        natoms: tf.Tensor,
        fparam: tf.Tensor | None = None,
        aparam: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        """The outputs of inference, all atoms at once: those of `results`, and derivatives that a
        training has no use for."""
        return self.results(environment, atype, natoms, fparam, aparam)

    @abc.abstractmethod
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
        """Results of atoms for inference, in the order of `atom_shapes`, then their descriptors.

        Args:
            environment: Their neighborhoods.
            local: Their types, int32 ``[nframes, nloc]``.
            type_vectors: Result of `type_vectors`.
            fparam, aparam: As in `call`.
            with_descriptor: Whether the descriptors are wanted.
        """

    def in_one_operation(
        self,
        environment: Environment,
        local: tf.Tensor,
        type_vectors: tf.Tensor | None,
        fparam: tf.Tensor | None,
        aparam: tf.Tensor | None,
        *,
        with_descriptor: bool = False,
    ) -> tuple[tf.Tensor, ...] | None:
        """The results of `atoms` from one operation that takes any number of them, descriptors in
        the precision of the nets; None if the model has none."""
        return None

    @property
    @abc.abstractmethod
    def atom_shapes(self) -> list[list[int]]:
        """Shapes of the results of `atoms` for one atom."""

    @abc.abstractmethod
    def outputs(
        self,
        environment: Environment,
        local: tf.Tensor,
        natoms: tf.Tensor,
        *parts: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """The outputs of inference from what `atoms` gives.

        Args:
            environment: Neighborhoods of all atoms.
            local: Their types, int32 ``[nframes, nloc]``.
            natoms: int32 ``[2 + ntypes]``.
            *parts: Each ``[nframes, nloc, *shape]``, with shapes as in `atom_shapes`, and the
                descriptors if they are known.
        """

    def outputs_of_blocks(
        self,
        environment: Environment,
        local: tf.Tensor,
        natoms: tf.Tensor,
        *parts: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """The same where the atoms were evaluated in blocks, of which each output is run alone."""
        return self.outputs(environment, local, natoms, *parts)

    @abc.abstractmethod
    def graph_outputs(
        self, outputs: Mapping[str, tf.Tensor], environment: Environment, natoms: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """The nodes of a frozen graph that hold results, by DeePMD-kit's names.

        Args:
            outputs: Those of inference.
            environment: Neighborhoods of all atoms.
            natoms: int32 ``[2 + ntypes]``.
        """

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
        loss, values, _ = self._train(data, self.training_loss)
        return {"loss": loss, **values}

    def test_step_metrics(self, data: Any) -> dict[str, tf.Tensor]:
        """The metrics of this batch alone."""
        loss, values, _ = self._test(data, self.training_loss)
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
    def from_config(cls, config: dict) -> Self:
        config = dict(config)
        # Keras finds classes by name once they are imported.
        for kinds in (DESCRIPTORS, FITTINGS):
            for kind in kinds.loaded().values():
                resolve(kind.layer)
        for key in ("descriptor", "fitting", "type_embedding"):
            config[key] = keras.saving.deserialize_keras_object(config[key])
        return cls(**config)

    @property
    def _sums(self) -> EnergyLoss | None:
        return getattr(self.training_loss, "sums", self.training_loss)

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
        return loss, values, tf.shape(outputs["atom_mask"])[0]

    def _test(
        self, data: Any, measure: EnergyLoss | None
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor], tf.Tensor]:
        inputs, labels = unpack(data)
        outputs = self(inputs, training=False, with_descriptor=False)
        return *self._measure(measure, labels, outputs), tf.shape(outputs["atom_mask"])[0]

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
