"""The base of all models: neighborhoods of atoms, and the results of these."""

from __future__ import annotations

import deepattn.keras_backend  # noqa: F401

# isort: split
import abc
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from deepattn.layers import Environment
from deepattn.layers.boundaries import natoms_of
from deepattn.layers.environment import atoms_of_types
from deepattn.models.layered_model import LayeredModel


class AtomicModel(LayeredModel, abc.ABC):
    """A model whose result is made of contributions of atoms: descriptor, then fitting.

    The inputs are a dictionary of ``coord`` ``[nframes, natoms, 3]`` (Å), ``atype`` int32
    ``[nframes, natoms]`` (negative: virtual), ``box`` ``[nframes, 9]`` (all zero: open
    boundaries), and ``fparam`` ``[nframes, numb_fparam]`` and ``aparam``
    ``[nframes, natoms, numb_aparam]`` where the model has them; ``fparam`` may be left out where
    it has a default. A caller with a neighbor list of its own adds ``natoms`` and ``mesh`` as the
    stock ops take them, and where messages are passed and there are ghosts ``owner`` int32
    ``[nall]``, which atom each is an image of. Inputs that went through `prepare` need no neighbor
    search.

    All outputs have ``atom_mask`` ``[nframes, nloc]``, 1 for atoms that contribute, and
    ``descriptor`` ``[nframes, nloc, width]``. Trainings do without the latter, by
    ``with_descriptor=False``; models of energies without attention are faster then.

    Subclasses evaluate the atoms in `atoms`, whose results per atom have the shapes of
    `atom_shapes`, and put them together in `outputs`. So they can be evaluated in blocks.

    Args:
        *layers: As for `LayeredModel`.
        **kwargs: As for `LayeredModel`.
    """

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
