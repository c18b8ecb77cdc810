"""The base of all models: layers, neighborhoods, weights and results."""

from __future__ import annotations

import deepattn.keras_backend  # noqa: F401

# isort: split
import abc
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from deepattn.config import FittingConfig
from deepattn.layers import Descriptor, Environment, Fitting, TypeEmbedding
from deepattn.layers.boundaries import natoms_of
from deepattn.layers.environment import atoms_of_types, pair_table
from deepattn.layers.half import use_bfloat16
from deepattn.models.classes import layer_classes
from deepattn.models.trained_model import TrainedModel
from deepattn.models.weights import assign_arrays
from deepattn.registry import resolve

if TYPE_CHECKING:
    from typing_extensions import Self


class AtomicModel(TrainedModel, abc.ABC):
    """A model whose result is made of contributions of atoms: descriptor, then fitting.

    The inputs are a dictionary of ``coord`` ``[nframes, natoms, 3]`` (Å), ``atype`` int32
    ``[nframes, natoms]`` (negative: virtual), ``box`` ``[nframes, 9]`` (all zero: open
    boundaries), and ``fparam`` ``[nframes, numb_fparam]`` and ``aparam``
    ``[nframes, natoms, numb_aparam]`` where the fitting has them; ``fparam`` may be left out where
    it has a default. A caller with a neighbor list
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
        pair_exclude_types: Pairs of types that are no neighbors of each other.
        atom_exclude_types: Types whose atoms contribute nothing.
    """

    # Whether the atomic parameter is the residue of an atom, of whose parts models are evaluated.
    of_residues: ClassVar[bool] = False

    def __init__(
        self,
        descriptor: Descriptor,
        fitting: Fitting,
        type_embedding: TypeEmbedding | None = None,
        *,
        type_map: Sequence[str],
        pair_exclude_types: Sequence[Sequence[int]] = (),
        atom_exclude_types: Sequence[int] = (),
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
        self.pair_exclude_types = [list(pair) for pair in pair_exclude_types]
        self.atom_exclude_types = list(atom_exclude_types)
        self._pairs = pair_table(descriptor.ntypes, pair_exclude_types)
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
        **options: Any,
    ) -> Self:
        """The model of a fitting section, made of its layers.

        Args:
            descriptor, fitting, type_embedding: As for the class.
            section: The section ``fitting_net``.
            **options: Further arguments of the class.
        """
        return cls(descriptor, fitting, type_embedding, **options)

    @property
    def numb_aparam(self) -> int:
        """Number of atomic parameters."""
        return self.fitting.numb_aparam

    @property
    def rcut(self) -> float:
        """Cutoff radius, Å."""
        return self.descriptor.rcut

    @property
    def sel(self) -> int:
        """Number of neighbor slots of an atom."""
        return self.descriptor.nnei

    @property
    def excludes(self) -> bool:
        """Whether there are types of atoms or pairs that the model as a whole leaves out."""
        return self._pairs is not None or bool(self.atom_exclude_types)

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

    def call(
        self,
        inputs: Mapping[str, tf.Tensor],
        training: bool | None = None,
        with_descriptor: bool = True,
    ) -> dict[str, tf.Tensor]:
        if "environment" not in inputs:
            inputs = self.prepare(inputs)
        outputs = self.results(
            inputs["environment"],
            inputs["atype"],
            inputs["natoms"],
            self.frame_parameters(inputs),
            inputs.get("aparam"),
            with_descriptor=with_descriptor,
        )
        return self.complete(outputs, inputs)

    def frame_parameters(self, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor | None:
        """The frame parameters among inputs of `call`, or those of frames without any."""
        default = self.fitting.default_fparam
        if "fparam" in inputs or default is None:
            return inputs.get("fparam")
        nframes = tf.shape(inputs["atype"])[0]
        return tf.tile(tf.constant([default], self.interface_dtype), [nframes, 1])

    def prepare(self, inputs: Mapping[str, tf.Tensor]) -> dict:
        """The inputs of `call` with all that needs no weights but statistics: neighborhoods.

        Data pipelines map it over batches, so that neighbors are searched while a step is at
        work on the batch before.
        """
        inputs = self.expanded(inputs)
        atype = tf.cast(inputs["atype"], tf.int32)
        natoms = inputs.get("natoms")
        if natoms is None:
            count = tf.shape(atype)[1]
            natoms = natoms_of(count, count, self.ntypes)
        inputs = {**inputs, "atype": atype, "natoms": natoms}
        environment = self.environment(inputs)
        if "owner" in inputs:
            environment = environment.of_owners(inputs["owner"])
        return {**inputs, "environment": environment}

    def environment(self, inputs: Mapping[str, Any]) -> Environment:
        """The neighborhoods that the descriptor gets.

        Args:
            inputs: As for `call`, of `expanded`, with ``natoms``; ``atype`` is int32.
        """
        atype, natoms = inputs["atype"], inputs["natoms"]
        found = self.descriptor.environment(
            inputs["coord"], atype, inputs["box"], natoms=natoms, mesh=inputs.get("mesh")
        )
        if self._pairs is None:
            return found
        return self.descriptor.without_pairs(found, atype[:, : natoms[0]], self._pairs)

    def contributes(self, local: tf.Tensor) -> tf.Tensor:
        """Which atoms contribute, bool, of types int32 ``[nframes, nloc]``."""
        types = None
        if self.atom_exclude_types:
            types = [kind for kind in range(self.ntypes) if kind not in self.atom_exclude_types]
        return atoms_of_types(local, self.ntypes, types)

    def complete(
        self, outputs: Mapping[str, tf.Tensor], inputs: Mapping[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """The outputs with what a model adds to its own.

        Args:
            outputs: Of `results`, or of the same in blocks.
            inputs: As for `call`, with ``natoms``.
        """
        return dict(outputs)

    def expanded(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs of `call` with the atoms that the model adds to frames."""
        return dict(inputs)

    def graph_descriptors(
        self, outputs: Mapping[str, tf.Tensor], environment: Environment
    ) -> dict[str, tf.Tensor]:
        """The nodes of a frozen graph that hold descriptors and neighborhoods, by DeePMD-kit's
        names; arguments as of `graph_outputs`."""
        return {
            "o_descriptor": tf.cast(outputs["descriptor"], self.interface_dtype),
            "o_rmat": tf.reshape(environment.descrpt, [-1, 4 * self.sel]),
            "o_rmat_deriv": environment.descrpt_deriv,
            "o_rij": environment.rij,
            "o_nlist": environment.nlist,
        }

    def graph_attributes(self) -> dict[str, Any]:
        """Constants of a frozen graph that describe types and parameters to its readers, by name,
        in addition to those of the fitting."""
        return {"model_attr/tmap": " ".join(self.type_map)}

    def trained_models(self) -> dict[str, AtomicModel]:
        """This model and those that are trained with it, by what the names of their weights begin
        with."""
        return {"": self}

    def graph_name(self, name: str) -> str:
        """The name that a frozen graph has for a weight."""
        return name

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
        return self.infer(
            environment, atype, natoms, fparam, aparam, with_descriptor=with_descriptor
        )

    def infer(
        self,
        environment: Environment,
        atype: tf.Tensor,
        natoms: tf.Tensor,
        fparam: tf.Tensor | None = None,
        aparam: tf.Tensor | None = None,
        *,
        with_descriptor: bool = True,
    ) -> dict[str, tf.Tensor]:
        """The outputs of inference, all atoms at once: those of `results`, and derivatives that a
        training may have no use for."""
        local = atype[:, : natoms[0]]
        found = self.atoms(
            *(environment, local, self.type_vectors(), fparam, aparam),
            with_descriptor=with_descriptor,
        )
        return self.outputs(environment, local, natoms, *found)

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

    def options(self) -> dict[str, Any]:
        """The arguments of the class besides its layers."""
        return {
            "type_map": self.type_map,
            "pair_exclude_types": self.pair_exclude_types,
            "atom_exclude_types": self.atom_exclude_types,
        }

    def get_config(self) -> dict:
        layers = {
            "descriptor": self.descriptor,
            "fitting": self.fitting,
            "type_embedding": self.type_embedding,
        }
        return {
            **super().get_config(),
            **self.options(),
            **{k: keras.saving.serialize_keras_object(v) for k, v in layers.items()},
        }

    @classmethod
    def from_config(cls, config: dict) -> Self:
        config = dict(config)
        # Keras finds classes by name once they are imported.
        for reference in layer_classes():
            resolve(reference)
        for key in ("descriptor", "fitting", "type_embedding"):
            # A layer that another model has too is there already.
            if not isinstance(config[key], keras.layers.Layer):
                config[key] = keras.saving.deserialize_keras_object(config[key])
        return cls(**config)
