"""What must hold between the keys of the ``model`` section."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from deepattn.config.combination import Combination, combination_of, is_further
from deepattn.config.constraints import (
    check_excluded,
    check_per_type,
    check_types,
    is_finite,
    require,
)
from deepattn.config.descriptor import DESCRIPTORS, DescriptorConfig
from deepattn.config.fitting import FITTINGS, FittingConfig
from deepattn.config.spin import SpinConfig
from deepattn.config.submodel import STANDARD, SUBMODELS
from deepattn.config.type_embedding import TypeEmbeddingConfig, check_elements
from deepattn.errors import ConfigError, show


def possible_conventions(
    descriptor: type[DescriptorConfig], fitting: type[FittingConfig]
) -> tuple[str, ...]:
    """The conventions that a model may have, the default first."""
    return tuple(name for name in descriptor.conventions if name in fitting.conventions)


def convention_of(section: Mapping[str, Any]) -> str:
    """The convention of a section."""
    default = possible_conventions(_descriptor(section), _fitting(section))[0]
    return section.get("convention") or default


def check_names(section: Mapping[str, Any]) -> None:
    """Check the names of types, and the convention.

    Raises:
        ConfigError: A name or the convention is wrong, or keys need another convention.
    """
    _check_type_map(section, _descriptor(section))
    _check_convention(section, _descriptor(section))


def check_parts(section: Mapping[str, Any]) -> None:
    """Check the parts of a section whose own values are in their ranges.

    Raises:
        ConfigError: A value is out of range, or two keys do not go together.
    """
    kind, fitted = _descriptor(section), _fitting(section)
    descriptor, fitting = section["descriptor"], section["fitting_net"]
    ntypes = len(section.get("type_map", ())) or len(descriptor["sel"])
    path = "model/descriptor"
    moments = sum((section.get("spin") or {}).get("use_spin", ()))
    check_excluded(descriptor.get("exclude_types", []), f"{path}/exclude_types", ntypes + moments)
    kind.check(descriptor, path, ntypes=ntypes)
    if descriptor.get("use_econf_tebd"):
        check_elements(section.get("type_map"), f"{path}/use_econf_tebd")
    fitted.check(fitting, "model/fitting_net", ntypes=ntypes)
    if fitted.needs_vectors and not kind.gives_vectors(descriptor):
        raise ConfigError(
            f"model/fitting_net/type is {fitting['type']}, which needs vectors that turn with "
            f"the frame, but the descriptor {descriptor['type']} has none; choose another "
            "descriptor."
        )
    _check_mask(section)
    _check_exclusions(section, ntypes)
    _check_table(section)
    _check_combination(section, ntypes)
    if "type_embedding" in section:
        _check_type_embedding(section, kind)
    if "spin" in section:
        common = convention_of(section) == "common"
        if fitted.subject != "energies":
            raise ConfigError(
                f"model/spin is for models of energies, not of {fitted.subject}; remove it."
            )
        SpinConfig.check(section, conventions=kind.spin_conventions, common=common)
    if section["preset_out_bias"] is not None:
        _check_preset_bias(section["preset_out_bias"], ntypes)


def _descriptor(section: Mapping[str, Any]) -> type[DescriptorConfig]:
    return DESCRIPTORS[section["descriptor"]["type"]]


def _fitting(section: Mapping[str, Any]) -> type[FittingConfig]:
    return FITTINGS[section["fitting_net"]["type"]]


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
    convention = convention_of(section)
    known = ("tensorflow", "common")
    require(convention in known, "model/convention", convention, "be tensorflow or common")
    for name, value in kind.common_values(section["descriptor"]).items():
        if convention != "common":
            raise ConfigError(
                f"model/descriptor/{name} = {show(value)} needs model/convention common, which "
                "train --pt sets."
            )
    names = section["fitting_net"].get("layer_name")
    if names is not None and convention == "common":
        raise ConfigError(
            f"model/fitting_net/layer_name = {show(names)} needs model/convention tensorflow, "
            "since DeePMD-kit's other backends ignore it."
        )


def _check_mask(section: Mapping[str, Any]) -> None:
    kind, name = _descriptor(section), section["descriptor"]["type"]
    masked = section["fitting_net"].get("use_aparam_as_mask", False)
    if masked and not kind.whole_frames:
        raise ConfigError(
            f"model/fitting_net/use_aparam_as_mask is not available for the descriptor {name}; "
            "remove the key, and give atoms that are not there the type -1."
        )
    if kind.whole_frames and not masked:
        raise ConfigError(
            f"model/descriptor/type is {name}, which needs a mask; set numb_aparam to 1 and "
            "use_aparam_as_mask to true in model/fitting_net, which must be of energies."
        )


def _check_exclusions(section: Mapping[str, Any], ntypes: int) -> None:
    check_excluded(section["pair_exclude_types"], "model/pair_exclude_types", ntypes)
    check_types(section["atom_exclude_types"], "model/atom_exclude_types", ntypes)
    fitted, convention = _fitting(section), convention_of(section)
    for name in ("pair_exclude_types", "atom_exclude_types"):
        if section[name] and convention != "common":
            raise ConfigError(
                f"model/{name} = {show(section[name])} needs model/convention common, which train "
                "--pt sets, since DeePMD-kit's TensorFlow backend ignores it."
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
    fitted = _fitting(section)
    if _descriptor(section).whole_frames:
        raise ConfigError(
            "model/use_srtab is not available for the descriptor "
            f"{section['descriptor']['type']}, which has no cutoff; remove it."
        )
    if convention_of(section) != "tensorflow":
        raise ConfigError(
            "model/use_srtab needs model/convention tensorflow: DeePMD-kit's other backends switch "
            "to a table in another way."
        )
    if fitted.subject != "energies":
        raise ConfigError(
            f"model/use_srtab is for models of energies, not of {fitted.subject}; remove it."
        )


def _check_combination(section: Mapping[str, Any], ntypes: int) -> None:
    kind = combination_of(section)
    if kind is None:
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
        SUBMODELS[part["type"]].check(part, kind.where(place), ntypes=ntypes)
        if is_further(part) and part["type"] != kind.further:
            raise ConfigError(f"{kind.where(place)}/type is {part['type']}; use {STANDARD}.")
    convention = convention_of(section)
    networks = {trained[0]: section}
    networks |= {k: part["section"] for k, part in enumerate(models) if is_further(part)}
    for place, network in networks.items():
        _check_network(network, kind, kind.where(place), convention)
    if convention == "common" and not weights[trained[0]]:
        raise ConfigError(
            f"model/weights is {show(weights)}, but the first model that is trained has the energy "
            "bias of all, so its weight must not be 0."
        )
    if not section.get("type_map"):
        raise ConfigError("model/type_map is required in a combination of models.")


def _check_network(
    section: Mapping[str, Any], combination: type[Combination], where: str, convention: str
) -> None:
    """Check a model of a combination that is trained."""
    fitting, fitted, kind = section["fitting_net"], _fitting(section), _descriptor(section)
    if fitted.subject != "energies":
        raise ConfigError(f"{where} gives {fitted.subject}; a combination is of energies.")
    for name in ("numb_fparam", "numb_aparam"):
        if fitting.get(name):
            raise ConfigError(
                f"{where}/fitting_net/{name} is {fitting[name]}; combined models have no "
                "parameters, as in DeePMD-kit."
            )
    if section.get("spin"):
        raise ConfigError("model/spin is not for combinations of models; remove it.")
    combination.check_network(section, where, convention)
    if convention_of(section) != convention:
        raise ConfigError(
            f"{where}/convention is {convention_of(section)}, but the first model that is trained "
            f"has {convention}; make them the same."
        )
    if combination_of(section) is None:
        _check_further(section, where)
    if convention != "common":
        return
    if not kind.mixed_types or kind.passes_messages:
        raise ConfigError(
            f"{where}/descriptor/type is {section['descriptor']['type']}; with convention common "
            "only descriptors are combined whose neighbors of all types share one list, without "
            "messages."
        )
    given = {
        "atom_exclude_types": section["atom_exclude_types"],
        "preset_out_bias": section["preset_out_bias"],
        "fitting_net/atom_ener": fitting.get("atom_ener"),
    }
    for name, value in given.items():
        if value:
            raise ConfigError(
                f"{where}/{name} = {show(value)} is not for combinations of models with convention "
                "common, which have one energy bias; remove it."
            )


def _check_further(section: Mapping[str, Any], where: str) -> None:
    """Check what only the first model that is trained may have."""
    if section["type"] != STANDARD:
        raise ConfigError(f"{where}/type is {section['type']}; combinations are not combined.")
    if section.get("use_srtab") is not None:
        raise ConfigError(
            f"{where}/use_srtab is only for the first model that is trained; remove it."
        )
    descriptor = DescriptorConfig.registry[section["descriptor"]["type"]].from_dict(
        section["descriptor"]
    )
    for one in descriptor.neighbor_lists():
        if isinstance(one.sel, str):
            raise ConfigError(
                f"{where}/descriptor/{one.key} is {show(one.sel)}; only that of the first model "
                "that is trained is found in the data, so give a number."
            )


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
        isinstance(values, list) and all(v is None or is_finite(v) for v in values),
        f"{path}/energy",
        values,
        "be a list of energies and nulls",
    )
    check_per_type(values, f"{path}/energy", ntypes, may_be_empty=False)
