"""The base of all descriptors."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from deepattn import ops
from deepattn.config import ModelConfig
from deepattn.errors import ConfigError
from deepattn.formats.frozen import NO_CUTOFF
from deepattn.layers.boundaries import mesh_of_box, natoms_of
from deepattn.layers.embedding_net import EmbeddingNet
from deepattn.layers.environment import Environment, real_types
from deepattn.layers.statistics_weights import add_statistics, named_statistics
from deepattn.ops.reference import environment_rows

if TYPE_CHECKING:
    from typing_extensions import Self


# With nets 8 to 64 atoms take the same time per atom within 10 %, in either precision.
_BLOCK = 32


class Features(NamedTuple):
    """Outputs of a descriptor that a fitting can use.

    Attributes:
        invariant: ``[nframes, nloc, width]``, the same however a frame is turned.
        equivariant: ``[nframes, nloc, equivariant_width, 3]``, rows that turn with the frame;
            None where the descriptor has none.
    """

    invariant: tf.Tensor
    equivariant: tf.Tensor | None = None


class Descriptor(keras.layers.Layer, abc.ABC):
    """Descriptor of local environments: the part of a model before the fitting net.

    A descriptor of your own is a subclass with `from_section`, `width` and `features`, and a
    `deepattn.config.DescriptorConfig` that names it (docs/extending.md). Unless it defines
    `search`, its environment is that of DPA-1: neighbors of all types together, the nearest first,
    and one environment matrix, normalized by the weights ``davg`` and ``dstd``.

    Args:
        ntypes: Number of types.
        rcut: Cutoff radius, Å; `NO_CUTOFF` where atoms see each other at any distance.
        rcut_smth: Where switching to zero begins, Å.
        sel: Largest number of neighbors; a list of one number for each type if types have slots of
            their own.
        interface_dtype: Precision of coordinates, statistics and result; ``dtype`` is the nets'.

    Class attributes:
        passes_messages: Whether it looks at features of neighbors, so that atoms cannot be
            evaluated apart from them.
        compressed: Whether tables, which are not trained, stand in the place of nets.
        columns: How many columns of the environment matrix have an average and a spread.
        fixed_slots: Whether the result depends on the numbers of slots themselves.
        protection: Added to distances that divide, Å; where it is not zero, environments hold
            vectors in place of the environment matrix (`Environment.of_vectors`), which
            `with_matrix` makes of them.

    Call arguments:
        environment: An `Environment` of this layer's `environment` method.
        atype: int32 ``[nframes, nloc]``, negative for virtual atoms.
        type_embedding: ``[ntypes + 1, tebd_dim]``, or ``None`` where the model has none.

    Output shape: ``[nframes, nloc, width]``.

    Raises:
        ValueError: The switching does not begin between 0 and the cutoff radius.
    """

    passes_messages: ClassVar[bool] = False
    compressed: ClassVar[bool] = False
    columns: ClassVar[int] = 4
    fixed_slots: ClassVar[bool] = False
    protection: float = 0.0

    def __init__(
        self,
        ntypes: int,
        *,
        rcut: float,
        rcut_smth: float,
        sel: Any,
        interface_dtype: str = "float64",
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        if rcut != NO_CUTOFF and not 0 <= rcut_smth < rcut:
            raise ValueError(f"rcut_smth must lie in [0, rcut), not {rcut_smth!r} for {rcut!r}")
        self.ntypes = ntypes
        self.rcut = float(rcut)
        self.rcut_smth = float(rcut_smth)
        self.sel = [int(n) for n in sel] if isinstance(sel, list | tuple) else int(sel)
        self.interface_dtype = interface_dtype

    @classmethod
    @abc.abstractmethod
    def from_section(
        cls, section: Any, model: ModelConfig, *, tebd_dim: int, interface_dtype: str
    ) -> Self:
        """Build the layer that a section of an input describes.

        Args:
            section: The typed ``descriptor`` section; its numbers of neighbors are given.
            model: The ``model`` section that it belongs to.
            tebd_dim: Width of the type embedding; 0 where the model has none.
            interface_dtype: Precision of coordinates, statistics and result.
        """

    @property
    @abc.abstractmethod
    def width(self) -> int:
        """Width of the descriptor."""

    @property
    def nnei(self) -> int:
        """Number of neighbor slots, all types together."""
        return sum(self.sel) if isinstance(self.sel, list) else self.sel

    @property
    def longest_slots(self) -> slice:
        """The slots of the list of all neighbors within the cutoff radius."""
        return slice(0, self.nnei)

    @property
    def equivariant_width(self) -> int:
        """Number of equivariant rows that `features` gives; 0 for none."""
        return 0

    @property
    def message_cutoffs(self) -> tuple[float, ...]:
        """Cutoff radii of the messages through which atoms reach an atom, the last one first, Å.

        A descriptor that names them has `features_in_shells`.
        """
        return ()

    def why_not_parallel(self) -> str | None:
        """Why the features cannot be computed in this way, or None."""
        if self.passes_messages and not self.message_cutoffs:
            return f"the descriptor {type(self).__name__} does not tell how far messages reach"
        return None

    @property
    def precision(self) -> str:
        """Precision in which the descriptor is computed; the layer gives the interface's."""
        return self.interface_dtype

    @property
    def block(self) -> int:
        """How many atoms inference evaluates at a time."""
        return _BLOCK

    def build(self, *_: object) -> None:
        add_statistics(
            self,
            sel=self.sel if isinstance(self.sel, list) else [self.sel],
            columns=self.columns,
            fixed_slots=self.fixed_slots,
        )

    def environment(
        self,
        coord: tf.Tensor,
        atype: tf.Tensor,
        box: tf.Tensor | None = None,
        *,
        natoms: tf.Tensor | None = None,
        mesh: tf.Tensor | None = None,
    ) -> Environment:
        """Neighbors and environment matrix of all local atoms.

        Args:
            coord: ``[nframes, natoms, 3]``, Å.
            atype: int32 ``[nframes, natoms]``, negative for virtual atoms.
            box: ``[nframes, 9]``, Å, rows a, b, c; None or zeros for open boundaries.
            natoms: int32 ``[2 + ntypes]``, numbers of local and of all atoms first, as DeePMD-kit's
                operations take it; by default all atoms are local.
            mesh: A neighbor list, or the kind of the boundaries, as these operations take it; by
                default neighbors are searched.
        """
        coord = tf.cast(coord, self.interface_dtype)
        # Sizes are written out, as there may be no frames or no atoms.
        nframes, nall = tf.unstack(tf.shape(atype))
        if box is None:
            box = tf.zeros([nframes, 9], coord.dtype)
        box = tf.reshape(tf.cast(box, coord.dtype), [-1, 9])
        return self.search(
            tf.reshape(coord, [nframes, 3 * nall]),
            atype,
            natoms_of(nall, nall, self.ntypes) if natoms is None else natoms,
            box,
            mesh_of_box(box) if mesh is None else mesh,
        )

    def search(
        self, coord: tf.Tensor, atype: tf.Tensor, natoms: tf.Tensor, box: tf.Tensor, mesh: tf.Tensor
    ) -> Environment:
        """The neighborhoods of `environment`, by an operation in DeePMD-kit's form.

        Args:
            coord: ``[nframes, 3 * natoms]``, Å.
            atype: int32 ``[nframes, natoms]``.
            natoms: int32 ``[2 + ntypes]``.
            box: ``[nframes, 9]``, Å.
            mesh: int32, whose length encodes its kind (`deepattn.formats.mesh`).
        """
        found = Environment(
            *ops.prod_env_mat_a_mix(
                *(coord, atype, natoms, box, mesh),
                *self.normalization(),
                rcut=self.rcut,
                rcut_smth=self.rcut_smth,
                nnei=self.nnei,
            )
        )
        return found.of_vectors() if self.protection else found

    def normalization(self) -> tuple[tf.Tensor, tf.Tensor]:
        """What is subtracted from the environment matrix for each type of center, and what it is
        divided by, ``[ntypes, 4 * nnei]``."""
        return tf.convert_to_tensor(self.davg), tf.convert_to_tensor(self.dstd)

    def moved(self, environment: Environment, atype: tf.Tensor, rij: tf.Tensor) -> Environment:
        """An environment with its neighbors at other vectors, as a function of these.

        Unlike the result of `environment` it can be differentiated by them, to any order.

        Args:
            environment: Of `environment`.
            atype: Types of the local atoms, int32 ``[nframes, nloc]``.
            rij: The vectors, of the shape of ``environment.rij``, Å.
        """
        moved = environment._replace(rij=rij)
        return moved.of_vectors() if self.protection else self._of_matrix(moved, atype)

    def with_matrix(self, environment: Environment, atype: tf.Tensor) -> Environment:
        """The environment with a normalized environment matrix, as a function of its vectors.

        Args:
            environment: Of `environment`.
            atype: Types of the local atoms, int32 ``[nframes, nloc]``.
        """
        if not self.protection:
            return environment
        rows = tf.reshape(environment.descrpt, [-1, 4])
        rij = tf.reshape(rows[:, 1:], tf.shape(environment.rij))
        return self._of_matrix(environment._replace(rij=rij), atype)

    def _of_matrix(self, environment: Environment, atype: tf.Tensor) -> Environment:
        """The environment with the matrix of its vectors."""
        center = real_types(atype, self.ntypes)
        rows = environment_rows(
            tf.reshape(environment.rij, [-1, self.nnei, 3]),
            tf.reshape(environment.nmask, [-1, self.nnei]),
            rcut=self.rcut,
            rcut_smth=self.rcut_smth,
            protection=self.protection,
        )
        average, spread = (
            tf.gather(tf.reshape(array, [self.ntypes, self.nnei, 4]), center)
            for array in self.normalization()
        )
        is_atom = tf.reshape(atype >= 0, [-1, 1, 1])
        rows = tf.where(is_atom, (rows - average) / spread, tf.zeros([], rows.dtype))
        return environment._replace(descrpt=tf.reshape(rows, tf.shape(environment.descrpt)))

    def without_pairs(
        self, environment: Environment, atype: tf.Tensor, pairs: np.ndarray
    ) -> Environment:
        """An environment in which neighbors of some types are none.

        Args:
            environment: Of `environment`.
            atype: Types of the local atoms, int32 ``[nframes, nloc]``.
            pairs: `pair_table` of the pairs that see each other.
        """
        center = real_types(atype, self.ntypes)
        average, spread = self.normalization()
        rows = tf.zeros_like(average) if self.protection else -average / spread
        empty = tf.gather(tf.reshape(rows, [self.ntypes, self.nnei, 4]), center)
        ntype = tf.reshape(environment.ntype, [-1, self.nnei])
        pair = center[:, tf.newaxis] * (self.ntypes + 1) + ntype
        # Where types have slots of their own, those of a type become empty all at once.
        return environment.without(
            tf.equal(tf.gather(tf.constant(pairs), pair), 0),
            empty,
            ntypes=self.ntypes,
            sort=not isinstance(self.sel, list),
        )

    @abc.abstractmethod
    def features(
        self, environment: Environment, atype: tf.Tensor, type_embedding: tf.Tensor | None = None
    ) -> Features:
        """The result for fittings, with the arguments of a call."""

    def features_in_shells(
        self,
        environment: Environment,
        atype: tf.Tensor,
        type_embedding: tf.Tensor | None,
        shells: tf.Tensor,
    ) -> Features:
        """The features of the first atoms, for which all others are evaluated as far as needed.

        Args:
            environment, atype, type_embedding: As for a call; neighbors of the atoms in the
                outermost shell may have any index.
            shells: int32 ``[len(message_cutoffs) + 1]``: over all frames, how many atoms, the
                first ones, are within 0, 1, … messages of those whose features are the result.
        """
        raise NotImplementedError(f"{type(self).__name__} has no message_cutoffs")

    def call(
        self, environment: Environment, atype: tf.Tensor, type_embedding: tf.Tensor | None = None
    ) -> tf.Tensor:
        return self.features(environment, atype, type_embedding).invariant

    def scoped_nets(self) -> list[tuple[str, str, EmbeddingNet]]:
        """Embedding nets with the scope and suffix of their weights' names in a frozen graph."""
        return []

    def named_variables(self) -> dict[str, keras.Variable]:
        """Weights and statistics by the names that files have for them.

        Names that DeePMD-kit has no word for begin with ``descrpt_attr/own/``; by that they are
        found in a frozen graph.
        """
        return named_statistics(self)

    def graph_constants(self) -> dict[str, np.ndarray]:
        """What a frozen graph says of the neighbors, by the names of DeePMD-kit."""
        return {"descrpt_attr/sel": np.atleast_1d(np.asarray(self.sel, np.int32))}

    def compress(
        self, vectors: tf.Tensor | None, *, min_nbor_dist: float, fast: bool, **options: float
    ) -> Descriptor:
        """The same descriptor with tables in the place of its nets.

        Args:
            vectors: The type embedding ``[ntypes + 1, tebd_dim]``, or None.
            min_nbor_dist: Shortest distance that is expected, Å.
            fast: Whether operations of deepattn's own may be used.
            **options: ``step`` and ``extrapolate`` of `deepattn.descriptors.se_atten.compress`.

        Raises:
            ConfigError: There are no tables for such a descriptor.
        """
        raise ConfigError(f"a descriptor {type(self).__name__} cannot be compressed.")

    def tabulated(self) -> ops.TabulatedDescriptor | None:
        """The descriptor as `deepattn.ops.tabulated_potential` takes it; None for others."""
        return None

    def embedded(self, type_embedding: tf.Tensor | None) -> ops.SmoothDescriptor | None:
        """The descriptor as `deepattn.ops.smooth_potential` takes it; None for others.

        Args:
            type_embedding: As of a call.
        """
        return None

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "ntypes": self.ntypes,
            "rcut": self.rcut,
            "rcut_smth": self.rcut_smth,
            "sel": self.sel,
            "interface_dtype": self.interface_dtype,
        }
