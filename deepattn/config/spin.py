"""Magnetic moments: an atom of some types has a virtual atom, which stands for its moment.

Virtual atoms are of types of their own, which a typed configuration has and a file has not: a
section of a file names elements only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deepattn.config.argument import Refused
from deepattn.config.constraints import require
from deepattn.config.section import Section, key, required
from deepattn.errors import ConfigError, show

# Keys that place virtual atoms in one convention only.
_PLACES = {"tensorflow": ("virtual_len", "spin_norm"), "common": ("virtual_scale",)}
_OF_DPA4 = "it belongs to DPA-4"


@dataclass(frozen=True, kw_only=True)
class SpinConfig(Section):
    """Magnetic moments of atoms (docs/theory/spin.md)."""

    input_only = (
        Refused("scheme", "deepspin", hint=_OF_DPA4),
        Refused("allow_missing_label", False, hint=_OF_DPA4),
    )

    use_spin: tuple[bool, ...] = required(
        "Whether the atoms of each type have a magnetic moment; in place of one value for each "
        "type a list of those types, by number or by name.",
        dtype=[list[bool], list[int], list[str]],
    )
    virtual_len: tuple[float, ...] | None = key(
        None,
        "Distance of a virtual atom from its atom, Å, for each type with a moment; with convention "
        "tensorflow.",
        unset=True,
    )
    spin_norm: tuple[float, ...] | None = key(
        None,
        "Magnitude of the moment, μB, for each type with a moment; with convention tensorflow.",
        unset=True,
    )

    @classmethod
    def resolve_defaults(cls, section: dict[str, Any], type_map: Sequence[str]) -> None:
        """Give ``use_spin`` one value for each type, in place.

        Raises:
            ConfigError: It lists something else than types.
        """
        cls.drop_unset(section)
        given, where = section["use_spin"], "model/spin/use_spin"
        if all(isinstance(value, bool) for value in given):
            return
        known: Sequence[Any] = type_map if isinstance(given[0], str) else range(len(type_map))
        for value in given:
            require(
                value in known,
                where,
                given,
                f"list types of model/type_map, of which {show(value)} is none",
            )
        section["use_spin"] = [kind in given for kind in known]

    @classmethod
    def check(cls, model: Mapping[str, Any], *, conventions: Sequence[str], common: bool) -> None:
        """Check the section of a model, and keys that do not go with it.

        Args:
            model: The complete section ``model``.
            conventions: Those in which the descriptor may have virtual atoms.
            common: Whether the model has the common convention.

        Raises:
            ConfigError: A value is out of range, or two keys do not go together.
        """
        section, path = model["spin"], "model/spin"
        used, names = section["use_spin"], model.get("type_map", ())
        require(
            bool(names) and len(used) == len(names),
            f"{path}/use_spin",
            used,
            "have one value for each type of model/type_map",
        )
        require(any(used), f"{path}/use_spin", used, "have a true value; otherwise omit model/spin")
        convention = "common" if common else "tensorflow"
        if convention not in conventions:
            known = f"model/convention {conventions[0]}" if conventions else "another descriptor"
            raise ConfigError(
                f"{path} is not available for the descriptor {model['descriptor']['type']} in the "
                f"convention {convention}; use {known}."
            )
        require(
            list(used) == sorted(used, reverse=True),
            f"{path}/use_spin",
            used,
            "have its true values first: types with a moment are the first ones of model/type_map, "
            "as in DeePMD-kit's TensorFlow backend",
        )
        for name in _PLACES[convention]:
            values = section.get(name)
            require(
                values is not None
                and len(values) == sum(used)
                and all(value > 0 and math.isfinite(value) for value in values),
                f"{path}/{name}",
                values,
                f"have one positive number for each type with a moment ({sum(used)})",
            )
        _check_others(model)

    @property
    def hosts(self) -> tuple[int, ...]:
        """The type of the atoms that each type of virtual atoms belongs to."""
        return tuple(kind for kind, used in enumerate(self.use_spin) if used)

    def merged(self, values: np.ndarray) -> np.ndarray:
        """Values of all types, those of virtual atoms added to those of their hosts, as values of
        the elements.

        Args:
            values: ``[number of types]``, those of virtual atoms last.
        """
        count = len(self.use_spin)
        merged = np.array(values[:count])
        merged[list(self.hosts)] += values[count:]
        return merged

    @property
    def scales(self) -> tuple[float, ...]:
        """How far a virtual atom moves with the moment, Å/μB, for each type of `hosts`."""
        pairs = zip(self.virtual_len or (), self.spin_norm or (), strict=True)
        return tuple(length / norm for length, norm in pairs)


def with_virtual_types(section: Mapping[str, Any]) -> dict[str, Any]:
    """A section ``model`` of a file with types for the virtual atoms.

    They come after all others, in the order of their hosts, with as many neighbor slots as these,
    and have no energy.
    """
    if not section.get("spin"):
        return dict(section)
    names, descriptor = list(section["type_map"]), dict(section["descriptor"])
    hosts = [kind for kind, used in enumerate(section["spin"]["use_spin"]) if used]
    virtual = range(len(names), len(names) + len(hosts))
    descriptor["sel"] = [*descriptor["sel"], *(descriptor["sel"][kind] for kind in hosts)]
    return {
        **section,
        "type_map": virtual_names(names, len(hosts)),
        "descriptor": descriptor,
        "atom_exclude_types": list(virtual),
    }


def without_virtual_types(section: Mapping[str, Any]) -> dict[str, Any]:
    """The reverse of `with_virtual_types`."""
    if not section.get("spin"):
        return dict(section)
    count = len(section["spin"]["use_spin"])
    descriptor = {**section["descriptor"], "sel": section["descriptor"]["sel"][:count]}
    return {
        **section,
        "type_map": section["type_map"][:count],
        "descriptor": descriptor,
        "atom_exclude_types": [],
    }


def virtual_names(names: Sequence[str], count: int) -> list[str]:
    """Names of elements, and of the virtual atoms of the first ``count`` of them."""
    return [*names, *(f"{name}_spin" for name in names[:count])]


def _check_others(model: Mapping[str, Any]) -> None:
    """Refuse keys of a model that DeePMD-kit does not have together with moments.

    Raises:
        ConfigError: There is one.
    """
    descriptor, fitting = model["descriptor"], model["fitting_net"]
    given = {
        "use_srtab": model.get("use_srtab") is not None,
        "models": bool(model.get("models")),
        "type_embedding": model.get("type_embedding") is not None,
        "preset_out_bias": model["preset_out_bias"] is not None,
        "fitting_net/atom_ener": bool(fitting.get("atom_ener")),
        "fitting_net/numb_aparam": bool(fitting["numb_aparam"]),
    }
    for name, is_set in given.items():
        if is_set:
            raise ConfigError(f"model/{name} cannot be combined with model/spin; remove one.")
    if isinstance(descriptor["sel"], str):
        raise ConfigError(
            f"model/descriptor/sel is {show(descriptor['sel'])}, but a model with model/spin needs "
            "one number for each type; deepattn neighbor-stat counts neighbors."
        )
    if any("_spin" in name for name in model["type_map"]):
        raise ConfigError(
            f"model/type_map is {show(model['type_map'])}; it names elements only, as virtual "
            "atoms of model/spin get names of their own."
        )
