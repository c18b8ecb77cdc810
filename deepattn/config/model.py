"""The ``model`` section: descriptor, fitting net, type embedding."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dargs import Argument, Variant

from deepattn.config.argument import OfTasks, Refused
from deepattn.config.constraints import check_excluded, check_per_type, check_types, require
from deepattn.config.descriptions import PYTORCH
from deepattn.config.descriptor import DESCRIPTORS, DescriptorConfig
from deepattn.config.fitting import FITTINGS, FittingConfig
from deepattn.config.ranges import null_or, positive, within
from deepattn.config.section import Section, key, required
from deepattn.config.submodel import (
    LINEAR,
    STANDARD,
    SUBMODELS,
    SubModelConfig,
    flatten,
    nested,
)
from deepattn.config.type_embedding import TypeEmbeddingConfig, check_elements
from deepattn.errors import ConfigError, show

_REFUSED = (
    OfTasks("model_dict"),
    OfTasks("shared_dict"),
    Refused("modifier", hint="long-range corrections are not supported"),
    Refused("compress", hint="give the model that was compressed instead"),
    Refused("spin", hint="models of magnetic moments are not supported"),
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
    ``common`` or None, which stands for DeePMD-kit's TensorFlow backend.
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
        [], "The models that are combined; one of them is of type standard and trained."
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
    descriptor: DescriptorConfig = required("Descriptor of the local environment.")
    fitting_net: FittingConfig = required("Fitting net from descriptor to energy.")

    @classmethod
    def schema(cls, name: str, **options: Any) -> Argument:
        keys = {argument.name: argument for argument in cls.arguments()}
        parts = [keys.pop(name) for name in ("descriptor", "fitting_net")]
        combined = [keys.pop(name) for name in ("models", "weights")]
        parts += _REFUSED_IN_STANDARD
        standard = Argument(STANDARD, dict, parts, doc="Descriptor and fitting net.")
        linear = Argument(
            LINEAR,
            dict,
            [*combined, *parts],
            doc="A linear combination of energies (docs/theory/linear.md). All keys of the model "
            "that is trained are in its section of models.",
        )
        kind = Variant(
            "type",
            [standard, linear],
            optional=True,
            default_tag=STANDARD,
            doc="Kind of the model.",
        )
        return Argument(name, dict, list(keys.values()), [kind], **options)

    @classmethod
    def flatten(cls, section: Any) -> Any:
        """A section of a file in the form that the schema has; see
        `deepattn.config.submodel.flatten`.

        Raises:
            ConfigError: Its models cannot be combined.
        """
        meaningless = {"shared_dict": {}, **cls.defaults()}
        return flatten(section, meaningless)

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
        _resolve_combination(section)
        descriptor = section["descriptor"]
        kind = DESCRIPTORS[descriptor["type"]]
        convention = section.pop("convention", None)
        fitting = section["fitting_net"]
        possible = _conventions(kind, FITTINGS[fitting["type"]])
        if convention is not None and convention in ("tensorflow", "common"):
            if convention not in possible:
                part = f"the descriptor {descriptor['type']}"
                if convention in kind.conventions:
                    part = f"the fitting {fitting['type']}"
                raise ConfigError(
                    f"model/convention {convention} is not available for {part}, which only the "
                    "other backends have; remove the key."
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
        if not section["type_map"]:
            del section["type_map"]

    @classmethod
    def check(cls, section: Mapping[str, Any]) -> None:
        """Check a complete section.

        Raises:
            ConfigError: A value is out of range, or two keys do not go together.
        """
        descriptor, fitting = section["descriptor"], section["fitting_net"]
        kind = DESCRIPTORS[descriptor["type"]]
        _check_type_map(section, kind)
        _check_convention(section, kind)
        cls.check_keys(section, "model")
        ntypes = len(section.get("type_map", ())) or len(descriptor["sel"])
        path = "model/descriptor"
        check_excluded(descriptor.get("exclude_types", []), f"{path}/exclude_types", ntypes)
        kind.check(descriptor, path, ntypes=ntypes)
        if descriptor.get("use_econf_tebd"):
            check_elements(section.get("type_map"), f"{path}/use_econf_tebd")
        fitted = FITTINGS[fitting["type"]]
        fitted.check(fitting, "model/fitting_net", ntypes=ntypes)
        if fitted.needs_vectors and not kind.gives_vectors(descriptor):
            raise ConfigError(
                f"model/fitting_net/type is {fitting['type']}, which needs vectors that turn with "
                f"the frame, but the descriptor {descriptor['type']} has none; choose another "
                "descriptor."
            )
        _check_exclusions(section, ntypes)
        _check_table(section)
        _check_combination(section, ntypes)
        if "type_embedding" in section:
            _check_type_embedding(section, kind)
        if section["preset_out_bias"] is not None:
            _check_preset_bias(section["preset_out_bias"], ntypes)

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
        default = _conventions(type(self.descriptor), type(self.fitting_net))[0]
        return (self.convention or default) == "common"

    @property
    def place(self) -> int:
        """The place of the trained model in a linear combination."""
        return next((k for k, part in enumerate(self.models) if part.layer is None), 0)

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
        return nested(section)

    @classmethod
    def from_dict(cls, section: Mapping[str, Any]) -> ModelConfig:
        """Build from what `normalize_model` returns."""
        return super().from_dict({"type_map": (), **cls.flatten(section)})


def network_dtype(precision: str, interface_dtype: str) -> str:
    """The dtype of weights with a ``precision`` in a model with an interface precision."""
    return interface_dtype if precision == "default" else precision


def _conventions(
    descriptor: type[DescriptorConfig], fitting: type[FittingConfig]
) -> tuple[str, ...]:
    """The conventions that a model may have, the default first."""
    return tuple(name for name in descriptor.conventions if name in fitting.conventions)


def _move_excluded(section: dict[str, Any], *, common: bool) -> None:
    """Turn ``atom_exclude_types`` into the key of a fitting that has its own, in place."""
    excluded, sel = section["atom_exclude_types"], section["descriptor"].get("sel")
    ntypes = len(section["type_map"] or (sel if isinstance(sel, list) else ()))
    known = all(type(kind) is int and 0 <= kind < ntypes for kind in excluded)
    if common and excluded and known:
        fitting = section["fitting_net"]
        if FITTINGS[fitting["type"]].leave_out(fitting, excluded, ntypes):
            section["atom_exclude_types"] = []


def _check_type_map(section: Mapping[str, Any], kind: type[DescriptorConfig]) -> None:
    names = section.get("type_map")
    if not names:
        if not kind.may_lack_names or isinstance(section["descriptor"]["sel"], str):
            raise ConfigError(
                "model/type_map is required; list the names of the elements in order."
            )
        return
    for name in names:
        if not name or re.search(r"\s", name):
            raise ConfigError(
                f"model/type_map has the name {show(name)}; a name must consist of printable "
                "characters without spaces."
            )
    for index, name in enumerate(names):
        if name in names[:index]:
            raise ConfigError(f"model/type_map has {show(name)} twice; keep one of them.")


def _check_convention(section: Mapping[str, Any], kind: type[DescriptorConfig]) -> None:
    default = _conventions(kind, FITTINGS[section["fitting_net"]["type"]])[0]
    convention = section.get("convention", default)
    known = ("tensorflow", "common")
    require(convention in known, "model/convention", convention, "be tensorflow or common")
    for name, value in kind.common_values(section["descriptor"]).items():
        if convention != "common":
            raise ConfigError(
                f"model/descriptor/{name} = {show(value)} needs model/convention common."
            )
    names = section["fitting_net"].get("layer_name")
    if names is not None and convention == "common":
        raise ConfigError(
            f"model/fitting_net/layer_name = {show(names)} needs model/convention tensorflow, "
            "since DeePMD-kit's other backends ignore it."
        )


def _check_exclusions(section: Mapping[str, Any], ntypes: int) -> None:
    check_excluded(section["pair_exclude_types"], "model/pair_exclude_types", ntypes)
    check_types(section["atom_exclude_types"], "model/atom_exclude_types", ntypes)
    kind, fitted = DESCRIPTORS[section["descriptor"]["type"]], _fitting(section)
    convention = section.get("convention") or _conventions(kind, fitted)[0]
    for name in ("pair_exclude_types", "atom_exclude_types"):
        if section[name] and convention != "common":
            raise ConfigError(
                f"model/{name} = {show(section[name])} needs model/convention common, since "
                "DeePMD-kit's TensorFlow backend ignores it."
            )
    if section["atom_exclude_types"] and fitted.subject != "energies":
        raise ConfigError(
            f"model/atom_exclude_types = {show(section['atom_exclude_types'])} is for models of "
            f"energies, not of {fitted.subject}; remove it."
        )


def _check_table(section: Mapping[str, Any]) -> None:
    keys = ("smin_alpha", "sw_rmin", "sw_rmax")
    given = [key for key in keys if section.get(key) is not None]
    if section.get("use_srtab") is None:
        if given:
            raise ConfigError(f"model/{given[0]} needs model/use_srtab, the file of a table.")
        return
    missing = [key for key in keys if key not in given]
    if missing:
        raise ConfigError(f"model/use_srtab needs model/{missing[0]}.")
    low, high = section["sw_rmin"], section["sw_rmax"]
    require(high > low, "model/sw_rmax", high, f"be larger than sw_rmin ({low})")
    kind, fitted = DESCRIPTORS[section["descriptor"]["type"]], _fitting(section)
    if (section.get("convention") or _conventions(kind, fitted)[0]) != "tensorflow":
        raise ConfigError(
            "model/use_srtab needs model/convention tensorflow: DeePMD-kit's other backends switch "
            "to a table in another way."
        )
    if fitted.subject != "energies":
        raise ConfigError(
            f"model/use_srtab is for models of energies, not of {fitted.subject}; remove it."
        )


def _resolve_combination(section: dict[str, Any]) -> None:
    """Put numbers in the place of ``sum`` and ``mean``."""
    if section["type"] != LINEAR:
        return
    count, weights = len(section["models"]), section["weights"]
    if isinstance(weights, str):
        named = {"sum": 1.0, "mean": 1 / max(count, 1)}
        require(weights in named, "model/weights", weights, "be sum, mean or a list of numbers")
        section["weights"] = [named[weights]] * count


def _check_combination(section: Mapping[str, Any], ntypes: int) -> None:
    if section["type"] != LINEAR:
        return
    models, weights = section["models"], section["weights"]
    require(
        len(weights) == len(models),
        "model/weights",
        weights,
        f"be a list of {len(models)} numbers, one for each of model/models",
    )
    trained = [k for k, part in enumerate(models) if part["type"] == STANDARD]
    if len(trained) != 1:
        raise ConfigError("model/models must have one model of type standard, which is trained.")
    for place, part in enumerate(models):
        SUBMODELS[part["type"]].check(part, f"model/models/{place}", ntypes=ntypes)
    where, fitting = f"model/models/{trained[0]}", section["fitting_net"]
    fitted = _fitting(section)
    if fitted.subject != "energies":
        raise ConfigError(f"{where} gives {fitted.subject}; a combination is of energies.")
    for name in ("numb_fparam", "numb_aparam"):
        if fitting.get(name):
            raise ConfigError(
                f"{where}/fitting_net/{name} is {fitting[name]}; combined models have no "
                "parameters, as in DeePMD-kit."
            )
    convention = (
        section.get("convention")
        or _conventions(DESCRIPTORS[section["descriptor"]["type"]], fitted)[0]
    )
    if convention != "tensorflow":
        raise ConfigError(
            f"{where} has the convention common; DeePMD-kit's other backends combine models in "
            "another way, so a combination needs the convention tensorflow."
        )
    if not section.get("type_map"):
        raise ConfigError("model/type_map is required in a combination of models.")


def _fitting(section: Mapping[str, Any]) -> type[FittingConfig]:
    return FITTINGS[section["fitting_net"]["type"]]


def _check_type_embedding(section: Mapping[str, Any], kind: type[DescriptorConfig]) -> None:
    path = "model/type_embedding"
    if kind.instead_of_type_embedding is not None:
        raise ConfigError(
            f"{path} is not available for the descriptor {section['descriptor']['type']}; "
            f"{kind.instead_of_type_embedding}."
        )
    TypeEmbeddingConfig.check(section["type_embedding"], path)
    if section["type_embedding"]["use_econf_tebd"]:
        check_elements(section.get("type_map"), f"{path}/use_econf_tebd")


def _check_preset_bias(bias: dict[str, Any], ntypes: int) -> None:
    path = "model/preset_out_bias"
    require(set(bias) == {"energy"}, path, bias, 'have "energy" as its only key')
    values = bias["energy"]
    require(
        isinstance(values, list) and all(v is None or _is_finite(v) for v in values),
        f"{path}/energy",
        values,
        "be a list of energies and nulls",
    )
    check_per_type(values, f"{path}/energy", ntypes, may_be_empty=False)


def _is_finite(value: Any) -> bool:
    try:
        return type(value) in (int, float) and math.isfinite(value)
    except OverflowError:
        return False
