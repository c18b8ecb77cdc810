"""The DPA-2 descriptor: initial features, then layers that pass messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import keras
import tensorflow as tf

from deepattn import ops
from deepattn.config import ModelConfig, network_dtype
from deepattn.descriptors.dpa2.config import Dpa2Config
from deepattn.descriptors.dpa2.neighbor_vectors import (
    NeighborVectors,
    atoms_at_once,
    neighbor_vectors,
)
from deepattn.descriptors.dpa2.repformer import RepformerOptions, Repformers
from deepattn.descriptors.dpa2.repinit import RepInit
from deepattn.descriptors.dpa2.three_body import ThreeBody
from deepattn.descriptors.dpa2.tree_names import dense_variables, under
from deepattn.layers.descriptor import Descriptor, Features
from deepattn.layers.environment import Environment, pair_table, real_types
from deepattn.layers.residual_dense import linear
from deepattn.layers.seeds import seeds_from
from deepattn.ops.blocks import over_rows

if TYPE_CHECKING:
    from typing_extensions import Self

# Arguments of `Repformers` itself; the other keys of the section are options of its layers.
_OF_THE_BLOCK = ("nlayers", "rcut", "rcut_smth", "direct_dist")
_ELSEWHERE = ("nsel", "activation_function", "set_davg_zero")


@keras.saving.register_keras_serializable(package="deepattn")
class DPA2(Descriptor):
    """Descriptor of DPA-2: `RepInit` and `ThreeBody` start features, `Repformers` refine them.

    All blocks share one list of neighbors, that of the largest cutoff radius, whose first slots
    are the lists of the others. Its vectors are what energies are differentiated by: they are the
    last three columns of ``environment.descrpt``, the first of which is zero. Features of a
    periodic image are those of the atom it is an image of, so the receptive field grows with
    every layer while the list does not.

    Weights are named by their paths in the tree of a ``.dp`` file, ``@variables`` left out:
    ``descriptor/repinit_variable/embeddings/networks/0/layers/0/w``,
    ``descriptor/repformers_variable/repformer_layers/0/g1_residual/0``,
    ``descriptor/repformers_variable/davg`` … Time steps ``idt`` are ``[1, width]`` here.

    Reference: D. Zhang et al., npj Comput. Mater. 10, 293 (2024), arXiv:2312.15492.

    Args:
        ntypes: Number of types.
        tebd_dim: Width of the type embedding.
        repinit: Arguments of `RepInit`; its ``nnei`` and ``rcut`` are the largest.
        repformer: ``nlayers``, ``rcut``, ``rcut_smth``, ``direct_dist`` of `Repformers`, and its
            ``options``.
        three_body: Arguments of `ThreeBody`; ``None`` for none.
        concat_output_tebd: Whether the center's type vector is appended to the result.
        add_tebd_to_repinit_out: Whether a map of it is added to the initial features.
        smooth: Whether neighbors fade out at the cutoff radii, in every block.
        exclude_types: Pairs of types that do not interact.
        env_protection: Added to distances that divide, Å.
        seed: Seed of the weights.
        interface_dtype: Precision of coordinates, statistics and result; ``dtype`` is the nets'.

    Call arguments:
        environment: An `Environment` of this layer's `environment` method; with neighbors that
            are ghosts, `Environment.of_owners`.
        atype: int32 ``[nframes, nloc]``, negative for virtual atoms.
        type_embedding: ``[ntypes + 1, tebd_dim]``.

    Output shape: ``[nframes, nloc, g1_dim (+ tebd_dim)]``.
    """

    # Atoms cannot be evaluated apart from their neighbors.
    passes_messages = True
    # The class of the first block.
    first_block: ClassVar[type[RepInit]] = RepInit

    def __init__(
        self,
        ntypes: int,
        tebd_dim: int,
        *,
        repinit: Mapping[str, Any],
        repformer: Mapping[str, Any],
        three_body: Mapping[str, Any] | None = None,
        concat_output_tebd: bool = True,
        add_tebd_to_repinit_out: bool = False,
        smooth: bool = True,
        exclude_types: Sequence[Sequence[int]] = (),
        env_protection: float = 0.0,
        seed: int | None = None,
        interface_dtype: str = "float64",
        **kwargs: Any,
    ):
        super().__init__(
            ntypes,
            rcut=repinit["rcut"],
            rcut_smth=repinit["rcut_smth"],
            sel=repinit["nnei"],
            interface_dtype=interface_dtype,
            **kwargs,
        )
        self.tebd_dim = tebd_dim
        self.concat_output_tebd = concat_output_tebd
        self.add_tebd_to_repinit_out = add_tebd_to_repinit_out
        self.smooth = smooth
        self.exclude_types = [list(pair) for pair in exclude_types]
        self.env_protection = env_protection
        self.seed = seed
        self._arguments = {
            "repinit": dict(repinit),
            "repformer": dict(repformer),
            "three_body": None if three_body is None else dict(three_body),
        }
        self._pairs = pair_table(ntypes, exclude_types)
        self._make_blocks(repinit, repformer, three_body)

    @classmethod
    def from_section(
        cls, section: Dpa2Config, model: ModelConfig, *, tebd_dim: int, interface_dtype: str
    ) -> Self:
        return cls(
            model.ntypes,
            tebd_dim,
            repinit=_repinit(section),
            repformer=_repformer(section),
            three_body=_three_body(section) if section.repinit.use_three_body else None,
            concat_output_tebd=section.concat_output_tebd,
            add_tebd_to_repinit_out=section.add_tebd_to_repinit_out,
            smooth=section.smooth,
            exclude_types=section.exclude_types,
            env_protection=section.env_protection,
            # Not that of the type embedding, which would draw the same numbers.
            seed=None if section.seed is None else section.seed + 1,
            interface_dtype=interface_dtype,
            dtype=network_dtype(section.precision, interface_dtype),
            trainable=section.trainable,
            name="descriptor",
        )

    @property
    def width(self) -> int:
        """Width of the descriptor."""
        width = self.repformers.options.g1_dim
        return width + self.tebd_dim if self.concat_output_tebd else width

    @property
    def equivariant_width(self) -> int:
        return self.repformers.options.g2_dim

    @property
    def message_cutoffs(self) -> tuple[float, ...]:
        return self.repformers.message_cutoffs

    def why_not_parallel(self) -> str | None:
        for block in (self.repinit, self.three_body):
            if block is not None and block.sees_types_of_padding():
                return (
                    "set_davg_zero is off in repinit, so energies depend on which atom is the first"
                )
        return None

    def build(self, *_: object) -> None:
        for layer in (self.repinit, self.three_body, self.repformers):
            if layer is not None:
                layer.build()
        if self.shape_transform is not None:
            self.shape_transform.build((None, self._initial_width))
        if self.tebd_transform is not None:
            self.tebd_transform.build((None, self.tebd_dim))

    def search(
        self, coord: tf.Tensor, atype: tf.Tensor, natoms: tf.Tensor, box: tf.Tensor, mesh: tf.Tensor
    ) -> Environment:
        found = ops.prod_env_mat_a_mix(
            *(coord, atype, natoms, box, mesh, *self.normalization()),
            rcut=self.rcut,
            rcut_smth=self.rcut_smth,
            nnei=self.nnei,
        )
        return Environment(*found).of_vectors()

    def moved(self, environment: Environment, atype: tf.Tensor, rij: tf.Tensor) -> Environment:
        return environment._replace(rij=rij).of_vectors()

    def normalization(self) -> tuple[tf.Tensor, tf.Tensor]:
        # The vectors stay as they are; each part normalizes a matrix of its own.
        unit = tf.ones([self.ntypes, 4 * self.nnei], self.interface_dtype)
        return tf.zeros_like(unit), unit

    def features_in_shells(
        self,
        environment: Environment,
        atype: tf.Tensor,
        type_embedding: tf.Tensor | None,
        shells: tf.Tensor,
    ) -> Features:
        return self.features(environment, atype, type_embedding, shells)

    def features(
        self,
        environment: Environment,
        atype: tf.Tensor,
        type_embedding: tf.Tensor | None = None,
        shells: tf.Tensor | None = None,
    ) -> Features:
        slots = neighbor_vectors(
            environment, atype, nnei=self.nnei, ntypes=self.ntypes, pairs=self._pairs
        )
        center = real_types(atype, self.ntypes)
        type_embedding = tf.cast(type_embedding, self.compute_dtype)
        features = self._initial_features(slots, center, type_embedding)
        vectors = tf.gather(type_embedding, center)
        if self.tebd_transform is not None:
            features += self.tebd_transform(vectors)
        matrix = self.repformers.matrix
        within = slots.within(matrix.rcut, matrix.nnei)
        features, rows = self.repformers(within, center, features, shells)
        shape = tf.shape(atype)
        if shells is not None:
            vectors = vectors[: shells[0]]
            shape = tf.stack([shape[0], shells[0] // tf.maximum(shape[0], 1)])
        if self.concat_output_tebd:
            features = tf.concat([features, vectors], axis=1)
        found = (
            tf.reshape(features, tf.concat([shape, [self.width]], axis=0)),
            tf.reshape(rows, tf.concat([shape, [self.equivariant_width, 3]], axis=0)),
        )
        return Features(*(tf.cast(values, self.interface_dtype) for values in found))

    def compress(
        self, vectors: tf.Tensor | None, *, min_nbor_dist: float, fast: bool, **options: float
    ) -> Descriptor:
        from deepattn.descriptors.dpa2.compress import compressed_descriptor

        return compressed_descriptor(
            self, vectors, min_nbor_dist=min_nbor_dist, fast=fast, **options
        )

    def _initial_features(
        self, slots: NeighborVectors, center: tf.Tensor, type_embedding: tf.Tensor
    ) -> tf.Tensor:
        """What the repformer begins with, ``[n, g1_dim]``."""

        def of_atoms(
            atoms: tuple[NeighborVectors, tf.Tensor], _: Sequence[tf.Tensor]
        ) -> list[tf.Tensor]:
            slots, center = atoms
            features = [
                block(slots.within(block.matrix.rcut, block.matrix.nnei), center, type_embedding)
                for block in (self.repinit, self.three_body)
                if block is not None
            ]
            joined = tf.concat(features, axis=1)
            return [joined if self.shape_transform is None else self.shape_transform(joined)]

        [features] = over_rows(
            *(of_atoms, (slots, center), []),
            block=atoms_at_once(slots.vectors),
            kinds=[(self.compute_dtype, [self.repformers.options.g1_dim])],
        )
        return features

    def named_variables(self) -> dict[str, keras.Variable]:
        """Weights and statistics by their paths in a ``.dp`` file."""
        variables = under("repinit_variable", self.repinit.named_variables())
        if self.three_body is not None:
            named = self.three_body.named_variables()
            variables.update(under("repinit_three_body_variable", named))
        if self.shape_transform is not None:
            named = dense_variables(self.shape_transform)
            # DeePMD-kit spells it so.
            variables.update(under("g1_shape_tranform", named))
        if self.tebd_transform is not None:
            variables.update(under("tebd_transform", dense_variables(self.tebd_transform)))
        variables.update(under("repformers_variable", self.repformers.named_variables()))
        return under("descriptor", variables)

    def get_config(self) -> dict:
        base = super().get_config()
        # These are arguments of `RepInit`.
        for name in ("rcut", "rcut_smth", "sel"):
            del base[name]
        return {
            **base,
            "tebd_dim": self.tebd_dim,
            **self._arguments,
            "concat_output_tebd": self.concat_output_tebd,
            "add_tebd_to_repinit_out": self.add_tebd_to_repinit_out,
            "smooth": self.smooth,
            "exclude_types": self.exclude_types,
            "env_protection": self.env_protection,
            "seed": self.seed,
        }

    def _make_blocks(
        self,
        repinit: Mapping[str, Any],
        repformer: Mapping[str, Any],
        three_body: Mapping[str, Any] | None,
    ) -> None:
        seeds = seeds_from(self.seed)
        policy = {"dtype": self.dtype_policy, "trainable": self.trainable}
        arguments = {
            "protection": self.env_protection,
            "interface_dtype": self.interface_dtype,
            **policy,
        }
        self.repinit = self.first_block(
            self.ntypes,
            self.tebd_dim,
            smooth=self.smooth,
            seed=next(seeds),
            name="repinit",
            **arguments,
            **repinit,
        )
        options = {**repformer["options"], "smooth": self.smooth}
        others = {key: value for key, value in repformer.items() if key != "options"}
        self.repformers = Repformers(
            self.ntypes,
            RepformerOptions(**options),
            seed=next(seeds),
            name="repformers",
            **arguments,
            **others,
        )
        self.three_body = None
        if three_body is not None:
            self.three_body = ThreeBody(
                self.ntypes,
                self.tebd_dim,
                smooth=self.smooth,
                seed=next(seeds),
                name="three_body",
                **arguments,
                **three_body,
            )
        self._initial_width = self.repinit.width
        if self.three_body is not None:
            self._initial_width += self.three_body.width
        self.shape_transform = self.tebd_transform = None
        width = self.repformers.options.g1_dim
        if self._initial_width != width:
            self.shape_transform = linear(
                width, use_bias=False, seed=next(seeds), name="shape_transform", **policy
            )
        if self.add_tebd_to_repinit_out:
            self.tebd_transform = linear(
                width, use_bias=False, seed=next(seeds), name="tebd_transform", **policy
            )


def _repinit(section: Dpa2Config) -> dict[str, Any]:
    block = section.repinit
    return {
        "nnei": block.nsel,
        "rcut": block.rcut,
        "rcut_smth": block.rcut_smth,
        "neuron": block.neuron,
        "axis_neuron": block.axis_neuron,
        "tebd_input_mode": block.tebd_input_mode,
        "type_one_side": block.type_one_side,
        "activation": block.activation_function,
        "resnet_dt": block.resnet_dt,
    }


def _three_body(section: Dpa2Config) -> dict[str, Any]:
    block = section.repinit
    return {
        "nnei": block.three_body_sel,
        "rcut": block.three_body_rcut,
        "rcut_smth": block.three_body_rcut_smth,
        "neuron": block.three_body_neuron,
        "tebd_input_mode": block.tebd_input_mode,
        "activation": block.activation_function,
        "resnet_dt": block.resnet_dt,
    }


def _repformer(section: Dpa2Config) -> dict[str, Any]:
    keys = section.repformer.to_dict()
    options = {
        key: value for key, value in keys.items() if key not in (*_OF_THE_BLOCK, *_ELSEWHERE)
    }
    options |= {"nnei": keys["nsel"], "activation": keys["activation_function"]}
    return {**{key: keys[key] for key in _OF_THE_BLOCK}, "options": options}
