"""The ``model`` section: descriptor, fitting net, type embedding."""

from __future__ import annotations

import builtins
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dargs import Argument, Variant

from deepattn.config.argument import OfTasks, Refused
from deepattn.config.combination import Combination, choices, combination_of, resolve_weights
from deepattn.config.descriptions import PYTORCH
from deepattn.config.descriptor import DESCRIPTORS, DescriptorConfig
from deepattn.config.fitting import FITTINGS, FittingConfig
from deepattn.config.model_checks import check_names, check_parts, possible_conventions
from deepattn.config.ranges import null_or, positive, within
from deepattn.config.section import Section, key, required, thaw
from deepattn.config.spin import SpinConfig, with_virtual_types, without_virtual_types
from deepattn.config.submodel import STANDARD, FurtherConfig, SubModelConfig
from deepattn.config.type_embedding import TypeEmbeddingConfig
from deepattn.errors import ConfigError

_REFUSED = (
    OfTasks("model_dict"),
    OfTasks("shared_dict"),
    Refused("modifier", hint="long-range corrections are not supported"),
    Refused("compress", hint="give the model that was compressed instead"),
    OfTasks("finetune_head"),
)
_REFUSED_IN_STANDARD = (
    OfTasks("model_branch_alias", []),
    OfTasks("info", {}),
    Refused("bridging_method", "None", hint=PYTORCH),
    Refused("bridging_r_inner", 0.5, hint=PYTORCH),
    Refused("bridging_r_outer", 0.8, hint=PYTORCH),
)


@dataclass(frozen=True, kw_only=True)
class ModelConfig(Section):
    """The network.

    ``type_map`` is empty where an input of a descriptor that allows it names no elements.
    ``type_embedding`` is None where there is none, or where the descriptor describes its own (see
    `embedding`). ``preset_out_bias`` is ``{"energy": (None, -3.2)}`` or None. ``convention`` is
    ``common`` or None, which stands for DeePMD-kit's TensorFlow backend. With ``spin`` the types of
    the virtual atoms are the last of ``type_map``, which a file does not have.
    """

    input_only = _REFUSED

    type: str
    type_map: tuple[str, ...] = key(
        [],
        "Names of the elements; types of atoms are indices into this list. Required for "
        "se_atten and for automatic sel.",
    )
    data_stat_nbatch: int = key(
        10,
        "Number of batches per system used for the input statistics.",
        check=within(1),
    )
    data_stat_protect: float = key(
        1e-2,
        "Lower bound of the standard deviations of frame and atomic parameters.",
        check=positive,
    )
    data_bias_nsample: int = key(
        10, "Number of frames per system to which fine-tuning fits the energy bias; 0 uses all."
    )
    preset_out_bias: dict[str, tuple[float | None, ...]] | None = key(
        None,
        'Preset energy bias per type, such as {"energy": [null, -3.2]}, in eV; null is fitted.',
    )
    pair_exclude_types: tuple[tuple[int, int], ...] = key(
        [],
        "Pairs of types that are no neighbors of each other in any part of the model; needs "
        "convention common.",
    )
    atom_exclude_types: tuple[int, ...] = key(
        [],
        "Types whose atoms have no energy, though they are neighbors of others; needs convention "
        "common.",
    )
    use_srtab: str | None = key(
        None,
        "File with a table of energies of pairs, which take the place of the network's where atoms "
        "come near (docs/theory/short-range.md): distances in even steps, then one column for each "
        "pair of types.",
        unset=True,
    )
    smin_alpha: float | None = key(
        None,
        "Length on which the weight of a neighbor in the soft minimum of distances falls, Å; with "
        "use_srtab.",
        unset=True,
        check=null_or(positive),
    )
    sw_rmin: float | None = key(
        None,
        "Soft minimum of distances up to which the table alone counts, Å; with use_srtab.",
        unset=True,
        check=null_or(within(0)),
    )
    sw_rmax: float | None = key(
        None,
        "Soft minimum of distances from which the network alone counts, Å; with use_srtab.",
        unset=True,
    )
    srtab_add_bias: bool = key(True, "Whether the energy bias is added to the table's energies.")
    models: tuple[SubModelConfig, ...] = key(
        [], "The models that are combined; those of type standard are trained."
    )
    weights: tuple[float, ...] = key(
        [],
        "Factors of the models: a list, sum for 1 each, or mean for one over their number.",
        dtype=[list[float], str],
    )
    convention: str | None = key(
        None,
        "Backend of DeePMD-kit whose conventions the model follows: tensorflow, or common "
        "for all others. A model with attention or smooth_type_embedding must be common to "
        "be written as .dp. Null: tensorflow; dpa2 and property are always common.",
        unset=True,
    )
    type_embedding: TypeEmbeddingConfig | None = key(
        None,
        "Type embedding. An se_atten model without this section has one linear layer of "
        "width 8 without bias; an empty section means tanh instead of linear. With se_e2_a, "
        "one embedding net then serves all pairs of types.",
        unset=True,
    )
    spin: SpinConfig | None = key(
        None,
        "Magnetic moments of atoms (docs/theory/spin.md); with the loss ener_spin.",
        unset=True,
    )
    descriptor: DescriptorConfig = required("Descriptor of the local environment.")
    fitting_net: FittingConfig = required("Fitting net from descriptor to energy.")

    @classmethod
    def schema(cls, name: str, **options: Any) -> Argument:
        keys = {argument.name: argument for argument in cls.arguments()}
        parts = [keys.pop(name) for name in ("descriptor", "fitting_net")]
        combined = [keys.pop(name) for name in ("models", "weights")]
        parts += _REFUSED_IN_STANDARD
        standard = Argument(STANDARD, dict, parts, doc="Descriptor and fitting net.")
        kind = Variant(
            "type",
            [standard, *choices(combined, parts)],
            optional=True,
            default_tag=STANDARD,
            doc="Kind of the model.",
        )
        return Argument(name, dict, list(keys.values()), [kind], **options)

    @classmethod
    def flatten(cls, section: Any) -> Any:
        """A section of a file in the form that the schema has; see `Combination.flatten`.

        Raises:
            ConfigError: Its models cannot be combined.
        """
        kind = combination_of(section)
        if kind is None:
            return section
        return kind.flatten(section, {"shared_dict": {}, **cls.defaults()}, cls._completed)

    @classmethod
    def _completed(cls, section: Mapping[str, Any], path: str) -> dict[str, Any]:
        """The complete section of a model in a combination.

        Raises:
            ConfigError: It is not valid.
        """
        cls.import_types(section)
        full = cls.complete(section, path)
        try:
            cls.resolve_defaults(full)
            cls.check(full)
        except ConfigError as error:
            raise ConfigError(re.sub(r"\bmodel/(?!models/)", f"{path}/", str(error))) from None
        return cls.from_dict(full).to_dict()

    @classmethod
    def import_types(cls, section: Any) -> None:
        """Import the classes of the types that a section names, so that the schema knows them."""
        if isinstance(section, Mapping):
            DescriptorConfig.import_types(section.get("descriptor"))
            FittingConfig.import_types(section.get("fitting_net"))

    @classmethod
    def resolve_defaults(cls, section: dict[str, Any]) -> None:
        """Resolve defaults that depend on other keys, in place.

        Raises:
            ConfigError: The descriptor does not have the convention.
        """
        if combination_of(section) is not None:
            resolve_weights(section)
        descriptor = section["descriptor"]
        kind = DESCRIPTORS[descriptor["type"]]
        convention = section.pop("convention", None)
        if convention is None and (section.get("spin") or {}).get("virtual_scale") is not None:
            convention = "common"
        fitting = section["fitting_net"]
        possible = possible_conventions(kind, FITTINGS[fitting["type"]])
        if not possible:
            raise ConfigError(
                f"the descriptor {descriptor['type']} and the fitting {fitting['type']} do not go "
                "together, as no backend of DeePMD-kit has both; choose another of either."
            )
        if convention is not None and convention in ("tensorflow", "common"):
            if convention not in possible:
                part = f"the descriptor {descriptor['type']}"
                if convention in kind.conventions:
                    part = f"the fitting {fitting['type']}"
                owner = "the TensorFlow backend has"
                if "common" in possible:
                    owner = "the other backends have"
                raise ConfigError(
                    f"model/convention {convention} is not available for {part}, which only "
                    f"{owner}; remove the key."
                )
            if convention == possible[0]:
                # DeePMD-kit has no such key.
                convention = None
        if convention is not None:
            section["convention"] = convention
        cls.drop_unset(section)
        FITTINGS[fitting["type"]].resolve_defaults(fitting)
        common = (convention or possible[0]) == "common"
        _move_excluded(section, common=common)
        given = section.get("type_embedding") is not None
        embedding = kind.take_type_embedding(descriptor, common=common, given=given)
        kind.resolve_defaults(descriptor, common=common)
        if not given:
            section.pop("type_embedding", None)
            if embedding is not None:
                section["type_embedding"] = embedding
        if "type_embedding" in section:
            TypeEmbeddingConfig.resolve_defaults(section["type_embedding"])
        if "spin" in section:
            SpinConfig.resolve_defaults(section, common=common)
        if not section["type_map"]:
            del section["type_map"]

    @classmethod
    def check(cls, section: Mapping[str, Any]) -> None:
        """Check a complete section.

        Raises:
            ConfigError: A value is out of range, or two keys do not go together.
        """
        check_names(section)
        cls.check_keys(section, "model")
        check_parts(section)

    @property
    def combination(self) -> builtins.type[Combination] | None:
        """What the type makes of several models; None for one model."""
        return combination_of({"type": self.type})

    def in_input(self, path: str) -> str:
        """The path in an input of a key such as ``model/descriptor/rcut`` of this section."""
        return path if self.combination is None else self.combination.in_input(path, self.place)

    @property
    def of_residues(self) -> bool:
        """Whether the atomic parameter is the residue of an atom; see `Combination`."""
        return self.combination is not None and self.combination.of_residues

    @property
    def numb_aparam(self) -> int:
        """Number of atomic parameters that data have."""
        return 1 if self.of_residues else self.fitting_net.numb_aparam

    @property
    def ntypes(self) -> int:
        """Number of types."""
        if self.type_map:
            return len(self.type_map)
        sel = self.descriptor.longest_list.sel
        if not isinstance(sel, tuple):
            raise ValueError("a model without type_map needs a sel with one number per type")
        return len(sel)

    @property
    def is_common(self) -> bool:
        """Whether the model follows the common convention, that of DeePMD-kit's other backends."""
        default = possible_conventions(type(self.descriptor), type(self.fitting_net))[0]
        return (self.convention or default) == "common"

    @property
    def given_spin(self) -> SpinConfig | None:
        """The section ``spin`` where data have moments, of which virtual atoms are made."""
        return self.spin if self.spin is not None and self.spin.given_moments else None

    @property
    def listed_spin(self) -> SpinConfig | None:
        """The section ``spin`` where data list virtual atoms."""
        return None if self.given_spin is not None else self.spin

    @property
    def data_types(self) -> tuple[str, ...]:
        """Names of the types that data have: all but those of virtual atoms made of moments."""
        spin = self.given_spin
        return self.type_map if spin is None else self.type_map[: len(spin.use_spin)]

    @property
    def place(self) -> int:
        """The place of the trained model in a linear combination."""
        return next((k for k, part in enumerate(self.models) if part.layer is None), 0)

    @property
    def further(self) -> dict[int, ModelConfig]:
        """The trained models of a linear combination after the first, by their places."""
        return {
            place: self.further_model(part)
            for place, part in enumerate(self.models)
            if isinstance(part, FurtherConfig)
        }

    def further_model(self, part: FurtherConfig) -> ModelConfig:
        """One of `further`, by its section of ``models``."""
        return ModelConfig.from_dict({**thaw(part.section), **self._shared_embedding})

    def with_further(self, models: Mapping[int, ModelConfig]) -> ModelConfig:
        """The section with other models in the places of `further`."""
        shared = self._shared_embedding

        def own(model: ModelConfig) -> dict[str, Any]:
            return {name: part for name, part in model.to_dict().items() if name not in shared}

        parts = tuple(
            replace(part, section=own(models[place])) if isinstance(part, FurtherConfig) else part
            for place, part in enumerate(self.models)
        )
        return replace(self, models=parts)

    @property
    def _shared_embedding(self) -> dict[str, Any]:
        """The section ``type_embedding`` if the models of the combination share it."""
        if self.combination is None or not self.combination.shares_type_embedding:
            return {}
        return {"type_embedding": thaw(self.type_embedding)}

    @property
    def bias_factor(self) -> float:
        """What the energy bias of the first trained model is multiplied by, where the bias of the
        whole is to be given by it; 1 where each has its own."""
        return self.weights[self.place] if self.models and self.is_common else 1.0

    @property
    def excludes(self) -> bool:
        """Whether there are types of atoms or pairs that the model as a whole leaves out."""
        return bool(self.pair_exclude_types or self.atom_exclude_types)

    @property
    def embedding(self) -> TypeEmbeddingConfig | None:
        """The type embedding: the section's, or the one that the descriptor describes."""
        return self.type_embedding or self.descriptor.type_embedding

    def to_dict(self) -> dict[str, Any]:
        """The normalized section; without names of elements it has no ``type_map``."""
        section = super().to_dict()
        if not self.type_map:
            del section["type_map"]
        if not self.models:
            del section["models"], section["weights"]
        section = without_virtual_types(section)
        return section if self.combination is None else self.combination.nested(section)

    @classmethod
    def from_dict(cls, section: Mapping[str, Any]) -> ModelConfig:
        """Build from what `normalize_model` returns."""
        return super().from_dict({"type_map": (), **with_virtual_types(cls.flatten(section))})


def network_dtype(precision: str, interface_dtype: str) -> str:
    """The dtype of weights with a ``precision`` in a model with an interface precision."""
    return interface_dtype if precision == "default" else precision


def _move_excluded(section: dict[str, Any], *, common: bool) -> None:
    """Turn ``atom_exclude_types`` into the key of a fitting that has its own, in place."""
    excluded, sel = section["atom_exclude_types"], section["descriptor"].get("sel")
    ntypes = len(section["type_map"] or (sel if isinstance(sel, list) else ()))
    known = all(type(kind) is int and 0 <= kind < ntypes for kind in excluded)
    if common and excluded and known:
        fitting = section["fitting_net"]
        if FITTINGS[fitting["type"]].leave_out(fitting, excluded, ntypes):
            section["atom_exclude_types"] = []
