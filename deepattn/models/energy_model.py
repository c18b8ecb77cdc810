"""The potential: energy, forces and virial of a batch of frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import keras
import tensorflow as tf

from deepattn import ops
from deepattn.errors import ConfigError
from deepattn.formats.weight_names import in_graph, is_first_slots, of_model
from deepattn.layers import Environment
from deepattn.layers.term import POTENTIAL, Term
from deepattn.models.atomic_model import AtomicModel
from deepattn.models.classes import term_classes
from deepattn.models.derivatives import force_and_virial
from deepattn.models.hessian import hessian
from deepattn.models.smooth_potential import energies_in_one_operation
from deepattn.registry import resolve

if TYPE_CHECKING:
    from typing_extensions import Self


@keras.saving.register_keras_serializable(package="deepattn")
class EnergyModel(AtomicModel):
    """Atoms to energy, and by its derivative by the environment matrix to forces and virial.

    The inputs are those of `AtomicModel`.

    The outputs are ``energy`` float64 ``[nframes]`` (eV), ``atom_energy`` ``[nframes, nloc]``,
    ``force`` ``[nframes, nall, 3]`` (eV/Å), ``virial`` ``[nframes, 9]`` (eV), ``atom_virial``
    ``[nframes, nall, 9]``, ``atom_mask`` ``[nframes, nloc]`` (0 for virtual atoms and
    those of excluded types) and
    ``descriptor`` ``[nframes, nloc, width]``. Trainings do without the last, by
    ``with_descriptor=False``; models without attention are faster then.

    Args:
        descriptor: A `Descriptor`, such as `SeAtten` or `DPA2`.
        fitting: A `Fitting` of atomic energies, such as `EnergyFitting`.
        type_embedding: A `TypeEmbedding`, or ``None`` for a descriptor that does without.
        type_map: Names of the types, in the order of their numbers; empty if they have none.
        terms: Potentials that are added, in a linear combination Σ w E of models.
        places: Their places in the combination.
        factors: The factors w of all models, this one among them.
        **kwargs: As for `AtomicModel`.

    Example:
        >>> model.compile(optimizer, loss=EnergyLoss(start_lr=1e-3))
        >>> model.fit(dataset)  # of (inputs, labels)
    """

    # What distinguishes models of the class, in messages, and why the laws of a potential cannot be
    # checked for them; both empty for energies of atoms and their types alone.
    special: ClassVar[str] = ""
    unchecked: ClassVar[str] = ""
    # Whether descriptor and fitting alone make the energies, so that one operation can.
    of_descriptor_alone: ClassVar[bool] = True

    def __init__(
        self,
        *layers: Any,
        terms: Sequence[Term] = (),
        places: Sequence[int] = (),
        factors: Sequence[float] = (),
        **kwargs: Any,
    ):
        # Keras tracks layers only once a model is set up, so they are set when it is built.
        self._given_terms = tuple(terms)
        self.places, self.factors = tuple(places), tuple(factors)
        super().__init__(*layers, **kwargs)

    def build(self, input_shape: object = None) -> None:
        self.terms = list(self._given_terms)
        for term in self.terms:
            if not term.built:
                term.build()
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
        """Atomic energies, the derivative of their sum by ``environment.descrpt``, descriptors.

        Without descriptors, one operation may do it all.
        """
        arguments = (environment, local, type_vectors)
        if not with_descriptor:
            found = EnergyModel.in_one_operation(self, *arguments, fparam, aparam)
            if found is not None:
                return found
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(environment.descrpt)
            atom_energy, descriptor = EnergyModel.energies(self, *arguments, fparam, aparam)
            total = tf.reduce_sum(atom_energy)
        found = (atom_energy, tape.gradient(total, environment.descrpt))
        return (*found, descriptor) if with_descriptor else found

    def energies(
        self,
        environment: Environment,
        local: tf.Tensor,
        type_vectors: tf.Tensor | None,
        fparam: tf.Tensor | None = None,
        aparam: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Atomic energies ``[nframes, nloc]`` and descriptors; arguments as for `atoms`."""
        descriptor = self.descriptor(environment, local, type_vectors)
        energy = self.fitting(descriptor, local, type_vectors, fparam, aparam)
        return self.of_contributing(local, energy), descriptor

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
        arguments = (environment, local, type_vectors, fparam, aparam)
        found = energies_in_one_operation(self, *arguments, with_descriptor=with_descriptor)
        if found is None or not self.atom_exclude_types:
            return found
        energy, derivative, *descriptor = found
        rows = tf.reshape(derivative, [*tf.unstack(tf.shape(local)), 4 * self.sel])
        derivative = tf.reshape(self.of_contributing(local, rows), tf.shape(derivative))
        return (self.of_contributing(local, energy), derivative, *descriptor)

    def of_contributing(self, local: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        """Values of atoms, zero for those of excluded types.

        Args:
            local: Their types, int32 ``[nframes, nloc]``.
            values: ``[nframes, nloc, ...]``.
        """
        if not self.atom_exclude_types:
            return values
        mask = tf.reshape(
            self.contributes(local), [*tf.unstack(tf.shape(local)), *[1] * (values.shape.rank - 2)]
        )
        return tf.where(mask, values, tf.zeros([], values.dtype))

    def hessian(self, inputs: Mapping[str, tf.Tensor], *, in_blocks: bool = False) -> tf.Tensor:
        """Second derivatives of the energy by positions.

        Args:
            inputs: As for a call, without ghosts.
            in_blocks: As for `deepattn.models.hessian.hessian`.

        Returns:
            ``[nframes, 3 * natoms, 3 * natoms]``, eV/Å².

        Raises:
            ConfigError: Other models are added, or the energy depends on more than atoms.
        """
        if self.terms or self.special:
            models = f"models {self.special}" if self.special else "combinations of models"
            raise ConfigError(
                f"there are no Hessians of {models}; take finite differences of forces."
            )
        return hessian(self, inputs, in_blocks=in_blocks)

    @property
    def rcut(self) -> float:
        return max([super().rcut, *(term.rcut for term in self.terms)])

    @property
    def place(self) -> int:
        """The place of this model in the linear combination."""
        return next(k for k in range(len(self.factors)) if k not in self.places)

    def prepare(self, inputs: Mapping[str, tf.Tensor]) -> dict:
        inputs = super().prepare(inputs)
        trained = {
            str(place): term.prepare(inputs)
            for place, term in zip(self.places, self.terms, strict=True)
            if term.trained
        }
        found = dict(inputs)
        if len(trained) < len(self.terms):
            found["added"] = self._sum({}, inputs, trained=False)
        return found | ({"further": trained} if trained else {})

    def complete(
        self, outputs: Mapping[str, tf.Tensor], inputs: Mapping[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        if not self.terms:
            return dict(outputs)
        factor = self.factors[self.place]
        total = {name: factor * outputs[name] for name in POTENTIAL}
        if "added" in inputs:
            total = {name: total[name] + inputs["added"][name] for name in POTENTIAL}
        else:
            total = self._sum(total, inputs, trained=False)
        return {**outputs, **self._sum(total, inputs, trained=True)}

    def _sum(
        self, total: dict[str, tf.Tensor], inputs: Mapping[str, Any], *, trained: bool
    ) -> dict[str, tf.Tensor]:
        """A sum, and the terms that are trained, or those that are not."""
        prepared = inputs.get("further", {})
        for place, term in zip(self.places, self.terms, strict=True):
            if term.trained != trained:
                continue
            one = str(place)
            found = (
                term.trained_potential(prepared[one]) if one in prepared else term.potential(inputs)
            )
            share = {name: self.factors[place] * found[name] for name in POTENTIAL}
            total = {name: total[name] + share[name] for name in POTENTIAL} if total else share
        return total

    def trained_models(self) -> dict[str, AtomicModel]:
        further = {
            of_model("", place): term.model
            for place, term in zip(self.places, self.terms, strict=True)
            if term.trained
        }
        return {**super().trained_models(), **further}

    def named_variables(self) -> dict[str, keras.Variable]:
        variables = super().named_variables()
        # Of a layer that a term shares.
        known = {id(variable) for variable in variables.values()}
        for place, term in zip(self.places, self.terms, strict=True):
            own = term.named_variables()
            variables |= {of_model(n, place): v for n, v in own.items() if id(v) not in known}
        return variables

    def graph_name(self, name: str) -> str:
        if not self.terms:
            return name
        for place in self.places:
            prefix = of_model("", place)
            if name.startswith(prefix):
                return self.name_in_graph(name.removeprefix(prefix), place)
        return self.name_in_graph(name, self.place)

    def name_in_graph(self, name: str, place: int) -> str:
        """The name that a frozen graph of a combination has for a weight of one of its models.

        Args:
            name: Its name in that model.
            place: The place of the model.
        """
        first = place == self.place and is_first_slots(name)
        return name if first else in_graph(name, place)

    def options(self) -> dict[str, Any]:
        further = {"terms": self.terms, "places": self.places, "factors": self.factors}
        return {**super().options(), **further}

    def get_config(self) -> dict:
        terms = [keras.saving.serialize_keras_object(term) for term in self.terms]
        return {**super().get_config(), "terms": terms}

    @classmethod
    def from_config(cls, config: dict) -> Self:
        for reference in term_classes():
            resolve(reference)
        given = config.get("terms", ())
        terms = [keras.saving.deserialize_keras_object(term) for term in given]
        return super().from_config({**config, "terms": terms})

    @property
    def atom_shapes(self) -> list[list[int]]:
        return [[], [4 * self.sel]]

    def outputs(
        self,
        environment: Environment,
        local: tf.Tensor,
        natoms: tf.Tensor,
        *parts: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """The outputs of `call` from those of `atoms`: energies, derivatives, descriptors."""
        atom_energy, net_deriv, descriptor = (*parts, None)[:3]
        net_deriv = tf.reshape(net_deriv, tf.shape(environment.descrpt))
        force, virial, atom_virial = force_and_virial(net_deriv, environment, natoms, nnei=self.sel)
        outputs = {
            "energy": tf.reduce_sum(tf.cast(atom_energy, tf.float64), axis=1),
            "atom_energy": atom_energy,
            "force": force,
            "virial": virial,
            "atom_virial": atom_virial,
            "atom_mask": tf.cast(self.contributes(local), self.interface_dtype),
        }
        return outputs if descriptor is None else {**outputs, "descriptor": descriptor}

    def outputs_of_blocks(
        self,
        environment: Environment,
        local: tf.Tensor,
        natoms: tf.Tensor,
        *parts: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        outputs = self.outputs(environment, local, natoms, *parts)
        net_deriv = tf.reshape(parts[1], tf.shape(environment.descrpt))
        # Who asks for no atomic virials runs nothing that makes them.
        virial = ops.total_virial(net_deriv, environment.descrpt_deriv, environment.rij)
        return {**outputs, "virial": virial}

    def graph_outputs(
        self, outputs: Mapping[str, tf.Tensor], environment: Environment, natoms: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        nframes = tf.shape(outputs["energy"])[0]
        return {
            "o_energy": outputs["energy"],
            "o_atom_energy": outputs["atom_energy"],
            "o_force": tf.reshape(outputs["force"], [nframes, 3 * natoms[1]]),
            "o_virial": tf.reshape(outputs["virial"], [-1, 9]),
            "o_atom_virial": tf.reshape(outputs["atom_virial"], [nframes, 9 * natoms[1]]),
        }
