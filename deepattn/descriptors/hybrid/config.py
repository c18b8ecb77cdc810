"""The section of a descriptor ``hybrid``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from deepattn.config.constraints import check_excluded
from deepattn.config.descriptor import DESCRIPTORS, DescriptorConfig, EnvMatSpec, Jump, NeighborList
from deepattn.config.model import ModelConfig
from deepattn.config.section import required
from deepattn.errors import ConfigError
from deepattn.formats.weight_names import alone, of_part

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True, kw_only=True)
class HybridConfig(DescriptorConfig):
    """Several descriptors side by side."""

    title = "hybrid"
    layer = "deepattn.descriptors.hybrid.layer:Hybrid"
    dpmodel = "deepattn.descriptors.hybrid.dpmodel:FORMAT"
    torch = "deepattn.descriptors.hybrid.torch:FORMAT"
    parts = "list"
    mixed_types = False
    share_levels = (0,)
    new_elements = False
    fixed_slots = True
    implied: ClassVar[Mapping[str, Any]] = {
        "precision": "default",
        "trainable": True,
        "seed": None,
        "exclude_types": (),
    }

    list: tuple[DescriptorConfig, ...] = required(
        "The descriptors, each a section as `model/descriptor`; their results are concatenated."
    )

    @classmethod
    def resolve_defaults(cls, section: dict[str, Any], *, common: bool) -> None:
        for part in section["list"]:
            DESCRIPTORS[part["type"]].resolve_defaults(part, common=common)

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str, *, ntypes: int) -> None:
        if not section["list"]:
            raise ConfigError(f"{path}/list is empty; it must have one descriptor at least.")
        for place, part in enumerate(section["list"]):
            where, kind = f"{path}/list/{place}", DESCRIPTORS[part["type"]]
            if kind.passes_messages or kind.instead_of_type_embedding is not None:
                raise ConfigError(
                    f"{where}/type is {part['type']}, which cannot be a part of a hybrid; use it "
                    "alone."
                )
            for name in kind.common_values(part):
                raise ConfigError(f"{where}/{name} is not supported in a hybrid; remove the key.")
            check_excluded(part["exclude_types"], f"{where}/exclude_types", ntypes)
            kind.check(part, where, ntypes=ntypes)

    @classmethod
    def take_type_embedding(
        cls, section: dict[str, Any], *, common: bool, given: bool
    ) -> dict[str, Any] | None:
        # All parts have one type embedding, so that none can describe its own.
        found = [
            DESCRIPTORS[part["type"]].take_type_embedding(part, common=False, given=given)
            for part in section["list"]
        ]
        return next((embedding for embedding in found if embedding is not None), None)

    @classmethod
    def gives_vectors(cls, section: Mapping[str, Any]) -> bool:
        return all(DESCRIPTORS[part["type"]].gives_vectors(part) for part in section["list"])

    @classmethod
    def glance(cls, section: Mapping[str, Any]) -> tuple[Any, Any]:
        parts = section.get("list")
        seen = []
        for part in parts if isinstance(parts, list) else ():
            kind = cls.find(part.get("type")) if isinstance(part, Mapping) else None
            rcut, sel = (None, None) if kind is None else kind.glance(part)
            if isinstance(rcut, int | float):
                seen.append((rcut, sel))
        return max(seen, key=lambda one: one[0], default=(None, None))

    def neighbor_lists(self) -> tuple[NeighborList, ...]:
        lists = [
            found._replace(key=f"list/{place}/{found.key}", mixed_types=part.is_mixed(found))
            for place, part in enumerate(self.list)
            for found in part.neighbor_lists()
        ]
        return tuple(sorted(lists, key=lambda found: -found.rcut))

    def with_neighbors(self, numbers: Mapping[str, int | tuple[int, ...] | str]) -> Self:
        own: dict[int, dict[str, int | tuple[int, ...] | str]] = {}
        for key, number in numbers.items():
            _, place, name = key.split("/", 2)
            own.setdefault(int(place), {})[name] = number
        return self._with(
            part.with_neighbors(own[place]) if place in own else part
            for place, part in enumerate(self.list)
        )

    def with_seeds(self, derive: Callable[[str], int]) -> Self:
        def of_place(place: int) -> Callable[[str], int]:
            return lambda key: derive(f"list/{place}/{key}".rstrip("/"))

        return self._with(part.with_seeds(of_place(place)) for place, part in enumerate(self.list))

    def env_mats(self) -> tuple[EnvMatSpec, ...]:
        return tuple(
            spec._replace(
                davg=of_part(spec.davg, place),
                dstd=of_part(spec.dstd, place),
                mixed_types=part.is_mixed(spec),
                exclude_types=part.exclude_types,
            )
            for place, part in enumerate(self.list)
            for spec in part.env_mats()
        )

    def first_slots(self) -> dict[str, tuple[int, ...]]:
        return {
            of_part(name, place): slots
            for place, part in enumerate(self.list)
            for name, slots in part.first_slots().items()
        }

    @property
    def counts_empty_slots(self) -> bool:
        return any(part.counts_empty_slots for part in self.list)

    @property
    def excluded_otherwise_before_3(self) -> bool:
        return any(part.excluded_otherwise_before_3 for part in self.list)

    @property
    def jump(self) -> Jump | None:
        return next((part.jump for part in self.list if part.jump is not None), None)

    def idle_keys(self) -> set[str]:
        return {
            f"list/{place}/{key}"
            for place, part in enumerate(self.list)
            for key in part.idle_keys()
        }

    def needs_common(self, model: ModelConfig) -> str | None:
        reasons = (part.needs_common(model) for part in self.list)
        return next((reason for reason in reasons if reason is not None), None)

    def sees_first_atom(self, arrays: Mapping[str, np.ndarray]) -> bool:
        return any(
            part.sees_first_atom(arrays_of_part(arrays, place))
            for place, part in enumerate(self.list)
        )

    def why_not_dpmodel(self, model: ModelConfig, arrays: Mapping[str, np.ndarray]) -> str | None:
        if model.type_embedding is not None:
            return "other backends have a type embedding in each part of a hybrid"
        for place, part in enumerate(self.list):
            if part.dpmodel is None or part.torch is None:
                return f"they lack the descriptor {part.type}"
            reason = part.why_not_dpmodel(model, arrays_of_part(arrays, place))
            if reason is not None:
                return reason
        return None

    def activations(self) -> Sequence[str]:
        return [name for part in self.list for name in part.activations()]

    def _with(self, parts: Iterable[DescriptorConfig]) -> Self:
        return replace(self, list=tuple(parts))


def arrays_of_part(arrays: Mapping[str, np.ndarray], place: int) -> dict[str, np.ndarray]:
    """The weights of one of the descriptors, by their names in a model with that one alone."""
    names = {name: alone(name, place) for name in arrays}
    return {own: arrays[name] for name, own in names.items() if own is not None}
