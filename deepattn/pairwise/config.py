"""The type `pairwise_dprc`: a model of the QM atoms, and one of them with each MM residue."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from dargs import Argument

from deepattn.config.argument import Internal, Moved
from deepattn.config.combination import Combination, Complete, is_idle
from deepattn.config.descriptor import DESCRIPTORS
from deepattn.config.submodel import STANDARD, FurtherConfig
from deepattn.errors import ConfigError, show
from deepattn.formats.weight_names import FRAGMENTS

PAIRWISE = "pairwise_dprc"
RESIDUES = "residues"
# Of the model of the QM atoms and that of pairs, in the order of their places.
_KEYS = tuple(f"{name}_model" for name in FRAGMENTS)
_SHARED = ("type_map", "type_embedding")


@dataclass(frozen=True, kw_only=True)
class ResiduesConfig(FurtherConfig):
    """The model of the QM atoms with one residue."""

    layer = "deepattn.pairwise.model:ResiduesTerm"


class PairwiseDprc(Combination):
    """The models of the keys ``qm_model`` and ``qmmm_model``."""

    doc = (
        "A correction of QM/MM energies: of the QM atoms, and of them with each MM residue "
        "(docs/theory/pairwise-dprc.md). The atomic parameter is the residue of an atom, 0 for QM "
        "atoms. Besides its own keys it has type_map and type_embedding only."
    )
    further = RESIDUES
    model = "deepattn.pairwise.model:PairwiseModel"
    other_backends = f"they have no models of type {PAIRWISE}"
    common = _SHARED
    shares_type_embedding = True
    of_residues = True

    @classmethod
    def arguments(cls, combined: Sequence[Argument]) -> list[Argument]:
        docs = ("the QM atoms alone", "the QM atoms with one residue")
        own = [
            Moved(name, f"The keys of a model of type standard, for the energy of {what}.")
            for name, what in zip(_KEYS, docs, strict=True)
        ]
        return [*own, *map(Internal.of, combined)]

    @classmethod
    def flatten(
        cls, section: Mapping[str, Any], defaults: Mapping[str, Any], complete: Complete
    ) -> Mapping[str, Any]:
        if {"models", "descriptor"} <= set(section) and not set(_KEYS) & set(section):
            return section
        for key, value in section.items():
            if key not in ("type", *_SHARED, *_KEYS) and not key.startswith("_"):
                if not is_idle(key, value, defaults):
                    raise ConfigError(
                        f"model/{key} has no effect in a model of type {PAIRWISE}; move it to "
                        f"model/{' and model/'.join(_KEYS)}."
                    )
        for key in _SHARED:
            if section.get(key) in (None, []):
                raise ConfigError(f"model/{key} is required in a model of type {PAIRWISE}.")
        qm, qmmm = (_completed(section, key, complete) for key in _KEYS)
        pairs = {key: value for key, value in qmmm.items() if key != "type_embedding"}
        return {
            **qm,
            "type": PAIRWISE,
            "models": [{"type": STANDARD}, {"type": RESIDUES, "section": pairs}],
            "weights": [1.0, 1.0],
        }

    @classmethod
    def nested(cls, section: Mapping[str, Any]) -> dict[str, Any]:
        qm = {k: v for k, v in section.items() if k not in ("type", "models", "weights")}
        parts = (qm, section["models"][1]["section"])
        own = [{k: v for k, v in part.items() if k not in ("type", *_SHARED)} for part in parts]
        return {
            "type": PAIRWISE,
            **{key: section[key] for key in _SHARED},
            **{k: {"type": STANDARD, **part} for k, part in zip(_KEYS, own, strict=True)},
        }

    @classmethod
    def where(cls, place: int) -> str:
        return f"model/{_KEYS[place]}"

    @classmethod
    def as_common(
        cls, section: Mapping[str, Any], common: Callable[[Mapping[str, Any]], dict[str, Any]]
    ) -> NoReturn:
        raise ConfigError(
            f"model/type is {PAIRWISE}, which only DeePMD-kit's TensorFlow backend has; leave out "
            "--pt."
        )

    @classmethod
    def check_network(cls, section: Mapping[str, Any], where: str, convention: str) -> None:
        kind = DESCRIPTORS[section["descriptor"]["type"]]
        fits = kind.mixed_types and not kind.passes_messages
        if not fits or "tensorflow" not in kind.conventions:
            raise ConfigError(
                f"{where}/descriptor/type is {section['descriptor']['type']}; a model of type "
                f"{PAIRWISE} needs one of DeePMD-kit's TensorFlow backend whose neighbors of all "
                "types share one list, such as se_atten_v2."
            )
        if convention == "common":
            raise ConfigError(
                f"{where}/convention is common, but other backends have no models of type "
                f"{PAIRWISE}; remove the key."
            )
        for one in kind.from_dict(section["descriptor"]).neighbor_lists():
            if isinstance(one.sel, str):
                raise ConfigError(
                    f"{where}/descriptor/{one.key} is {show(one.sel)}, but neighbors are not "
                    "counted in parts of frames; give the number of atoms of a part."
                )
        unavailable = {
            "use_srtab": section.get("use_srtab"),
            "fitting_net/layer_name": section["fitting_net"].get("layer_name"),
        }
        for key, value in unavailable.items():
            if value is not None:
                raise ConfigError(
                    f"{where}/{key} is not available in a model of type {PAIRWISE}; remove it."
                )


def _completed(section: Mapping[str, Any], key: str, complete: Complete) -> dict[str, Any]:
    """The complete section of one of the two models."""
    where = f"model/{key}"
    try:
        return complete(_part(section, key), where)
    except ConfigError as error:
        # That is where the keys that both share are in the input.
        shared = "|".join(_SHARED)
        raise ConfigError(re.sub(rf"\b{where}/({shared})\b", r"model/\1", str(error))) from None


def _part(section: Mapping[str, Any], key: str) -> dict[str, Any]:
    """One of the two models, with the keys that both share."""
    part = section.get(key)
    if part is None:
        raise ConfigError(f"model/{key} is required in a model of type {PAIRWISE}.")
    if not isinstance(part, Mapping):
        raise ConfigError(f"model/{key} is {show(part)}; it must be a mapping of keys.")
    kind = part.get("type", STANDARD)
    if kind != STANDARD:
        raise ConfigError(f"model/{key}/type is {show(kind)}; it must be {STANDARD}.")
    for name in _SHARED:
        given = part.get(name)
        if given not in (None, [], {}, section[name]):
            raise ConfigError(
                f"model/{key} has {name} {show(given)}, but both models have model/{name}; remove "
                "it."
            )
    return {**part, **{name: section[name] for name in _SHARED}, "type": STANDARD}
