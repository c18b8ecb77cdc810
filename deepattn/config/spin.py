"""Magnetic moments: an atom of some types has a virtual atom, which stands for its moment.

Virtual atoms are of types of their own, which a typed configuration has and a file has not: a
section of a file names elements only. In the convention of DeePMD-kit's TensorFlow backend data
list virtual atoms, and magnetic types have such a type each. In the common convention data have
moments, of which virtual atoms are made, and all types have such a type, also those without
moments.
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

# Protection of distances in the common convention where there is none, Å: moments may be small.
_PROTECTION = 0.01
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
    virtual_scale: tuple[float, ...] | None = key(
        None,
        "Distance of a virtual atom from its atom over the magnitude of the moment, Å/μB: for each "
        "type with a moment, for each type, or one number; with convention common.",
        unset=True,
        dtype=[list[float], float],
    )

    @classmethod
    def resolve_defaults(cls, model: dict[str, Any], *, common: bool) -> None:
        """Give the section of a model one value for each type, in place.

        Raises:
            ConfigError: It lists something else than types.
        """
        section, type_map = model["spin"], model.get("type_map", [])
        cls.drop_unset(section)
        given, where = section["use_spin"], "model/spin/use_spin"
        if not all(isinstance(value, bool) for value in given):
            known: Sequence[Any] = type_map if isinstance(given[0], str) else range(len(type_map))
            for value in given:
                require(
                    value in known,
                    where,
                    given,
                    f"list types of model/type_map, of which {show(value)} is none",
                )
            section["use_spin"] = [kind in given for kind in known]
        used = section["use_spin"]
        scale = section.get("virtual_scale")
        if isinstance(scale, float):
            section["virtual_scale"] = [scale] * sum(used)
        elif scale is not None and len(scale) == len(used):
            section["virtual_scale"] = [s for s, u in zip(scale, used, strict=True) if u]
        if common:
            descriptor = model["descriptor"]
            descriptor["env_protection"] = descriptor.get("env_protection") or _PROTECTION

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
            common or list(used) == sorted(used, reverse=True),
            f"{path}/use_spin",
            used,
            "have its true values first: types with a moment are the first ones of model/type_map, "
            "as in DeePMD-kit's TensorFlow backend",
        )
        for name in _PLACES["tensorflow" if common else "common"]:
            if section.get(name) is not None:
                raise ConfigError(f"{path}/{name} is not for model/convention {convention}.")
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
        _check_others(model, common=common)

    @property
    def given_moments(self) -> bool:
        """Whether data have moments, and not virtual atoms."""
        return self.virtual_scale is not None

    @property
    def hosts(self) -> tuple[int, ...]:
        """The type of the atoms that each type of virtual atoms belongs to."""
        return _hosts(self.use_spin, of_all=self.given_moments)

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Types of atoms with a moment, and of their virtual atoms."""
        first = len(self.use_spin)
        pairs = ((host, first + place) for place, host in enumerate(self.hosts))
        return tuple(pair for pair in pairs if self.use_spin[pair[0]])

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
        """How far a virtual atom moves with the moment, Å/μB, for each type of `hosts`; zero for
        types without moments."""
        if self.virtual_scale is not None:
            given = iter(self.virtual_scale)
            return tuple(next(given) if used else 0.0 for used in self.use_spin)
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
    used, of_all = section["spin"]["use_spin"], section["spin"].get("virtual_scale") is not None
    hosts = _hosts(used, of_all=of_all)
    virtual = range(len(names), len(names) + len(hosts))
    if isinstance(descriptor["sel"], list | tuple):
        descriptor["sel"] = [*descriptor["sel"], *(descriptor["sel"][kind] for kind in hosts)]
    return {
        **section,
        "type_map": virtual_names(names, len(hosts)),
        "descriptor": descriptor,
        "atom_exclude_types": [*virtual, *section["atom_exclude_types"]],
    }


def without_virtual_types(section: Mapping[str, Any]) -> dict[str, Any]:
    """The reverse of `with_virtual_types`."""
    if not section.get("spin"):
        return dict(section)
    count, descriptor = len(section["spin"]["use_spin"]), dict(section["descriptor"])
    if isinstance(descriptor["sel"], list | tuple):
        descriptor["sel"] = descriptor["sel"][:count]
    types = section["atom_exclude_types"]
    return {
        **section,
        "type_map": section["type_map"][:count],
        "descriptor": descriptor,
        "atom_exclude_types": [kind for kind in types if kind < count],
    }


def virtual_names(names: Sequence[str], count: int) -> list[str]:
    """Names of elements, and of the virtual atoms of the first ``count`` of them."""
    return [*names, *(f"{name}_spin" for name in names[:count])]


def _hosts(used: Sequence[bool], *, of_all: bool) -> tuple[int, ...]:
    return tuple(kind for kind, moment in enumerate(used) if moment or of_all)


def _check_others(model: Mapping[str, Any], *, common: bool) -> None:
    """Refuse keys of a model that DeePMD-kit does not have together with moments.

    Raises:
        ConfigError: There is one.
    """
    descriptor, fitting = model["descriptor"], model["fitting_net"]
    given = {
        "use_srtab": model.get("use_srtab") is not None,
        "type_embedding": model.get("type_embedding") is not None,
        "preset_out_bias": model["preset_out_bias"] is not None,
        "descriptor/exclude_types": bool(descriptor.get("exclude_types")) and common,
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
