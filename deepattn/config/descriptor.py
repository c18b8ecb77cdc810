"""Base class of descriptor sections."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from deepattn.config.descriptions import EXCLUDE_TYPES, PRECISION, SEED, TRAINABLE
from deepattn.config.section import Kind, key
from deepattn.config.type_embedding import DEFAULT_TYPE_EMBEDDING
from deepattn.errors import ConfigError
from deepattn.registry import Registry

if TYPE_CHECKING:
    from typing_extensions import Self

    from deepattn.config.model import ModelConfig
    from deepattn.config.type_embedding import TypeEmbeddingConfig

DESCRIPTORS: Registry[DescriptorConfig] = Registry(
    "descriptor",
    "deepattn.descriptors",
    {
        "se_e2_a": "deepattn.descriptors.se_e2_a.config:SeE2AConfig",
        "se_a_ebd_v2": "deepattn.descriptors.se_e2_a.config:SeAEbdV2Config",
        "se_e2_r": "deepattn.descriptors.se_e2_r.config:SeE2RConfig",
        "se_e3": "deepattn.descriptors.se_e3.config:SeE3Config",
        "se_e3_tebd": "deepattn.descriptors.se_e3_tebd.config:SeE3TebdConfig",
        "se_a_mask": "deepattn.descriptors.se_a_mask.config:SeAMaskConfig",
        "se_atten": "deepattn.descriptors.se_atten.config:SeAttenConfig",
        "se_atten_v2": "deepattn.descriptors.se_atten.config:SeAttenV2Config",
        "hybrid": "deepattn.descriptors.hybrid.config:HybridConfig",
        "dpa2": "deepattn.descriptors.dpa2.config:Dpa2Config",
    },
)


class NeighborList(NamedTuple):
    """The neighbors that a part of a descriptor looks at.

    Attributes:
        key: Where the section has their number: ``"sel"``, ``"repinit/nsel"``.
        sel: That number, or one number for each type, or ``"auto"``, ``"auto:f"``.
        rcut: Cutoff radius, Å.
        may_be_empty: Whether nothing is wrong if no atom has such a neighbor.
        mixed_types: Whether one number counts the neighbors of all types; None for what the
            descriptor says.
    """

    key: str
    sel: int | tuple[int, ...] | str
    rcut: float
    may_be_empty: bool = False
    mixed_types: bool | None = None


class EnvMatSpec(NamedTuple):
    """An environment matrix, and the weights that normalize it by its mean and spread in the data.

    Attributes:
        davg: Name of the weight that is subtracted.
        dstd: Name of the weight that is divided by.
        rcut: Cutoff radius, Å.
        rcut_smth: Where switching to zero begins, Å.
        sel: Numbers of neighbors: one, or one for each type.
        set_davg_zero: Whether nothing is subtracted.
        protection: Added to distances that divide, Å.
        columns: How many columns have an average and a spread; the others are left as they are.
        mixed_types: Whether neighbors of all types share their slots; None for what the descriptor
            says, as below.
        exclude_types: Pairs of types that do not interact.
    """

    davg: str
    dstd: str
    rcut: float
    rcut_smth: float
    sel: tuple[int, ...]
    set_davg_zero: bool
    protection: float = 0.0
    columns: int = 4
    mixed_types: bool | None = None
    exclude_types: tuple[tuple[int, int], ...] | None = None


class Jump(NamedTuple):
    """Why energies jump where an atom crosses the cutoff.

    Attributes:
        why: The reason.
        instead: What a model that does not jump has.
    """

    why: str
    instead: str


def slots_of(sel: tuple[int, ...] | int | str) -> tuple[int, ...]:
    """The numbers of neighbors in a resolved ``sel``."""
    if isinstance(sel, str):
        raise ValueError(f"sel must be resolved to numbers, not {sel!r}")
    return (sel,) if isinstance(sel, int) else sel


@dataclass(frozen=True, kw_only=True)
class DescriptorConfig(Kind):
    """A ``descriptor`` section: the keys of its type, and what the rest of the program asks.

    A descriptor of your own is a subclass with fields for its keys, `neighbor_lists`, `env_mats`,
    and whatever else is not as here (docs/extending.md).

    Class attributes:
        title: Its name in print.
        paper: Paper to cite, or None.
        layer: Reference ``"module:class"`` to the `deepattn.layers.Descriptor`.
        dpmodel: Reference to the `deepattn.trees.DescriptorFormat` that reads and writes it in
            ``.dp`` files; None if there is none.
        torch: Reference to the `deepattn.states.StateFormat` that translates it in files of
            PyTorch; None if there is none.
        section_of_graph: Reference to a function that reads the section of a model with it in a
            graph without a training script, if that is possible; None if there is none.
        mixed_types: Whether neighbors of all types share their slots, so that one number counts
            them and batches may mix systems of other compositions.
        passes_messages: Whether it looks at features of neighbors.
        conventions: Details that it may have (``model/convention``), the default first.
        common_keys: Keys that need the convention ``common`` unless they have their defaults.
        default_type_embedding: Whether a model without the section ``type_embedding`` has one; see
            `take_type_embedding`.
        instead_of_type_embedding: What to set where that section is not for it; None where it is.
        may_lack_names: Whether ``type_map`` may be left out.
        share_levels: Levels that tasks may share it at: 0 all of it, 1 its type embedding.
        graphs: Whether DeePMD-kit has TensorFlow graphs (``.pb``) of it.
        fine_tunes: Whether a model that was trained on other data can be a start.
        new_elements: Whether a fine-tuning can add elements to it.
        fixed_slots: Whether the result depends on the numbers of slots themselves.
        spin_conventions: Conventions in which models of magnetic moments have it.
        whole_frames: Whether all atoms of a frame see each other, at any distance, without
            neighbor lists. All frames then have the same atoms, of each type as many as ``sel``
            says, and an atomic parameter tells which of them are masked.
        idle_weights: Arrays that graphs have under names of weights, though the model has none.
    """

    registry: ClassVar[Registry] = DESCRIPTORS
    title: ClassVar[str]
    paper: ClassVar[str | None] = None
    layer: ClassVar[str]
    dpmodel: ClassVar[str | None] = None
    torch: ClassVar[str | None] = None
    section_of_graph: ClassVar[str | None] = None
    mixed_types: ClassVar[bool] = True
    passes_messages: ClassVar[bool] = False
    conventions: ClassVar[tuple[str, ...]] = ("tensorflow", "common")
    common_keys: ClassVar[tuple[str, ...]] = ()
    default_type_embedding: ClassVar[bool] = False
    instead_of_type_embedding: ClassVar[str | None] = None
    may_lack_names: ClassVar[bool] = False
    share_levels: ClassVar[tuple[int, ...]] = (0, 1)
    graphs: ClassVar[bool] = True
    fine_tunes: ClassVar[bool] = True
    new_elements: ClassVar[bool] = True
    fixed_slots: ClassVar[bool] = False
    spin_conventions: ClassVar[tuple[str, ...]] = ()
    whole_frames: ClassVar[bool] = False
    idle_weights: ClassVar[tuple[str, ...]] = ()

    precision: str = key("default", PRECISION)
    trainable: bool = key(True, TRAINABLE)
    seed: int | None = key(None, SEED)
    exclude_types: tuple[tuple[int, int], ...] = key([], EXCLUDE_TYPES)

    @classmethod
    def resolve_defaults(cls, section: dict[str, Any], *, common: bool) -> None:
        """Resolve old spellings and defaults that depend on other keys, in place.

        Args:
            section: It is changed.
            common: Whether the model has the common convention.
        """

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str, *, ntypes: int) -> None:
        """Check a complete section beyond the ranges of its single keys.

        Args:
            section: The values.
            path: Where it is: ``"model/descriptor"``.
            ntypes: Number of types.

        Raises:
            ConfigError: Keys do not go together.
        """

    @classmethod
    def take_type_embedding(
        cls, section: dict[str, Any], *, common: bool, given: bool
    ) -> dict[str, Any] | None:
        """Take keys of the type embedding out of a section, in place.

        Args:
            section: The section, before its defaults are resolved.
            common: Whether the model has the common convention.
            given: Whether the model has a section ``type_embedding``.

        Returns:
            The ``type_embedding`` of a model without that section; None where it has none.

        Raises:
            ConfigError: Keys are not for the model.
        """
        return copy.deepcopy(DEFAULT_TYPE_EMBEDDING) if cls.default_type_embedding else None

    @classmethod
    def common_values(cls, section: Mapping[str, Any]) -> dict[str, Any]:
        """The values of `common_keys` that are not the defaults."""
        defaults = cls.defaults()
        values = {name: section.get(name) for name in cls.common_keys}
        return {
            name: value
            for name, value in values.items()
            if value is not None and value != defaults.get(name)
        }

    @classmethod
    def gives_vectors(cls, section: Mapping[str, Any]) -> bool:
        """Whether a section gives equivariant rows, which tensors are made of."""
        return False

    @classmethod
    def glance(cls, section: Mapping[str, Any]) -> tuple[Any, Any]:
        """Cutoff (Å) and numbers of neighbors in a section as given; None where it lacks them."""
        return section.get("rcut"), section.get("sel")

    def neighbor_lists(self) -> tuple[NeighborList, ...]:
        """The lists of neighbors, the longest first; none where frames are whole."""
        raise NotImplementedError(f"{type(self).__name__} does not define neighbor_lists")

    def with_neighbors(self, numbers: Mapping[str, int | tuple[int, ...] | str]) -> Self:
        """The section with other numbers of neighbors, by the keys of `neighbor_lists`."""
        raise NotImplementedError(f"{type(self).__name__} does not define with_neighbors")

    def env_mats(self) -> tuple[EnvMatSpec, ...]:
        """The environment matrices that are normalized; the numbers of neighbors are given."""
        raise NotImplementedError(f"{type(self).__name__} does not define env_mats")

    def first_slots(self) -> dict[str, tuple[int, ...]]:
        """By the names of the weights that keep the numbers of slots of the first training, the
        present numbers. There are none where ``sel`` cannot change afterwards."""
        return (
            {}
            if self.fixed_slots
            else {"descrpt_attr/original_sel": slots_of(self.longest_list.sel)}
        )

    def with_seeds(self, derive: Callable[[str], int]) -> Self:
        """The section with a seed where it has none.

        Args:
            derive: Gives the seed of a part by its key, of the whole section for ``""``.
        """
        return self if self.seed is not None else replace(self, seed=derive(""))

    def is_mixed(self, part: NeighborList | EnvMatSpec) -> bool:
        """Whether neighbors of all types share the slots of a list or an environment matrix."""
        return self.mixed_types if part.mixed_types is None else part.mixed_types

    @property
    def longest_list(self) -> NeighborList:
        """The list that contains all others."""
        return self.neighbor_lists()[0]

    @property
    def composition(self) -> tuple[int, ...]:
        """Numbers of atoms of each type that all frames have; empty unless frames are whole."""
        return ()

    @property
    def type_embedding(self) -> TypeEmbeddingConfig | None:
        """The type embedding that the section itself describes; None where another one does."""
        return None

    @property
    def contains_types(self) -> bool:
        """Whether one fitting net serves all types without a type vector, as the result depends on
        the type of the center."""
        return False

    @property
    def counts_empty_slots(self) -> bool:
        """Whether the model changes with the number of slots at the same weights."""
        return False

    @property
    def excluded_otherwise_before_3(self) -> bool:
        """Whether graphs of DeePMD-kit 2 treat ``exclude_types`` differently."""
        return False

    @property
    def jump(self) -> Jump | None:
        """Why energies jump where an atom crosses the cutoff; None if they do not."""
        return None

    def idle_keys(self) -> set[str]:
        """Keys without effect on what the weights compute, such as those of a part that is off."""
        return set()

    def needs_common(self, model: ModelConfig) -> str | None:
        """The option by which the two conventions differ for a model; None if they do not."""
        return "its descriptor"

    def sees_first_atom(self, arrays: Mapping[str, np.ndarray]) -> bool:
        """Whether energies of other backends depend on which atom of a frame comes first."""
        return False

    def why_not_dpmodel(self, model: ModelConfig, arrays: Mapping[str, np.ndarray]) -> str | None:
        """Why other backends of DeePMD-kit cannot have a model; None if they can."""
        return None

    def check_compressible(self, *, fast: bool) -> None:
        """Refuse what has no tables.

        Args:
            fast: Whether operations of deepattn's own may be used.

        Raises:
            ConfigError: The descriptor cannot be compressed.
        """
        raise ConfigError(
            f"models with the descriptor {self.type} cannot be compressed; distill the model "
            "into one that can (docs/distillation.md)"
        )

    def activations(self) -> Sequence[str]:
        """The activations of all nets."""
        return ()
