"""The models of a linear combination: those that are trained, and others that stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from deepattn.config.section import Kind, required
from deepattn.errors import ConfigError, show
from deepattn.registry import Registry

LINEAR, STANDARD, FROZEN = "linear_ener", "standard", "frozen"
# In the place of `standard` where the combination has another trained model before it.
FURTHER = "further"

SUBMODELS: Registry[SubModelConfig] = Registry(
    "model of a linear combination",
    "deepattn.submodels",
    {
        STANDARD: "deepattn.config.submodel:TrainedConfig",
        FURTHER: "deepattn.config.submodel:FurtherConfig",
        "pairtab": "deepattn.terms.pairtab.config:PairTabConfig",
        FROZEN: "deepattn.terms.frozen.config:FrozenConfig",
    },
)


@dataclass(frozen=True, kw_only=True)
class SubModelConfig(Kind):
    """A section of ``model/models``.

    Class attributes:
        layer: Reference ``"module:class"`` to the `deepattn.layers.Term`; None for the first model
            that is trained.
    """

    registry: ClassVar[Registry] = SUBMODELS
    default_type: ClassVar[str | None] = STANDARD
    only_in_lists: ClassVar[bool] = True
    layer: ClassVar[str | None] = None

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str, *, ntypes: int) -> None:
        """Check a complete section beyond the ranges of its single keys.

        Args:
            section: The values.
            path: Where it is: ``"model/models/1"``.
            ntypes: Number of types.

        Raises:
            ConfigError: Keys do not go together.
        """


@dataclass(frozen=True, kw_only=True)
class TrainedConfig(SubModelConfig):
    """The first model that is trained, with the keys of a model of type `standard`."""


@dataclass(frozen=True, kw_only=True)
class FurtherConfig(SubModelConfig):
    """A model of type `standard` after the first, which inputs call `standard` too."""

    layer = "deepattn.terms.trained.layer:TrainedTerm"
    internal = True

    section: dict[str, Any] = required("The keys of the model.", dtype=dict)


def is_all_frozen(data: Mapping[str, Any]) -> bool:
    """Whether an input combines models of which none is trained.

    Args:
        data: The input, which may hold anything.
    """
    model = data.get("model")
    if not isinstance(model, Mapping) or model.get("type") != LINEAR:
        return False
    models = model.get("models")
    kinds = [
        part.get("type", STANDARD) if isinstance(part, Mapping) else None
        for part in (models if isinstance(models, list) else ())
    ]
    return FROZEN in kinds and STANDARD not in kinds and None not in kinds


def flatten(
    section: Any,
    defaults: Mapping[str, Any],
    complete: Callable[[Mapping[str, Any], str], dict[str, Any]],
) -> Any:
    """A ``model`` section of type `linear_ener` with the keys of the first trained model at its
    top.

    What is left of that model in ``models`` is its type, so that its place is known. Every other
    section, and one that is in this form already, is returned as it is.

    Args:
        section: As a file has it, which may be anything.
        defaults: Values of keys that mean nothing at the top of such a section.
        complete: Gives the complete section of a further trained model at a path.

    Raises:
        ConfigError: There is no model to train, or a key is at the wrong place.
    """
    if not isinstance(section, Mapping) or section.get("type") != LINEAR:
        return section
    models = section.get("models")
    if not isinstance(models, list):
        return section
    trained = [k for k, part in enumerate(models) if _is_trained(part)]
    if not trained:
        raise ConfigError(
            "model/models has no model of type standard, so that nothing can be trained; frozen "
            "models alone are combined with training/numb_steps 0."
        )
    place = trained[0]
    part = {key: value for key, value in models[place].items() if key != "type"}
    if not part and "descriptor" in section:
        return section
    kept = {"type", "type_map", "models", "weights"}
    for key, value in section.items():
        if key not in kept and not key.startswith("_") and not _is_idle(key, value, defaults):
            raise ConfigError(
                f"model/{key} has no effect in a model of type {LINEAR}; move it to "
                f"model/models/{place}."
            )
    names = section.get("type_map") or part.get("type_map")
    for k in trained:
        given = models[k].get("type_map")
        if given not in (None, [], names):
            raise ConfigError(
                f"model/models/{k}/type_map is {show(given)}; it must be the same as "
                "model/type_map."
            )
    others = [_without_idle(other, defaults, names) for other in models]
    others[place] = {"type": STANDARD}
    for k in trained[1:]:
        own = {**models[k], "type": STANDARD} | ({"type_map": names} if names else {})
        others[k] = {"type": FURTHER, "section": complete(own, f"model/models/{k}")}
    flat = {**part, "type": LINEAR, "models": others}
    if names:
        flat["type_map"] = names
    return flat | ({"weights": section["weights"]} if "weights" in section else {})


def nested(section: dict[str, Any]) -> dict[str, Any]:
    """The reverse of `flatten`, which DeePMD-kit reads."""
    if section.get("type") != LINEAR:
        return section
    part = {k: v for k, v in section.items() if k not in ("type", "models", "weights")}
    models = [
        {"type": STANDARD, **part}
        if other["type"] == STANDARD
        else (other["section"] if other["type"] == FURTHER else other)
        for other in section["models"]
    ]
    outer = {"type": LINEAR, "models": models, "weights": section["weights"]}
    return outer | ({"type_map": section["type_map"]} if "type_map" in section else {})


def _is_idle(key: str, value: Any, defaults: Mapping[str, Any]) -> bool:
    """Whether a key of all models says nothing where it is, as DeePMD-kit completes sections."""
    return value in (None, {}, []) or (key in defaults and value == defaults[key])


def _without_idle(section: Any, defaults: Mapping[str, Any], names: Any) -> Any:
    """The section of a model that is not trained, without keys of all models that say nothing."""
    kind = SubModelConfig.find(section.get("type")) if isinstance(section, Mapping) else None
    if kind is None:
        return section
    own = {field.name for field in kind.ordered_fields()}
    return {
        key: value
        for key, value in section.items()
        if key in own or not (_is_idle(key, value, defaults) or (key, value) == ("type_map", names))
    }


def _is_trained(part: Any) -> bool:
    return isinstance(part, Mapping) and part.get("type", STANDARD) == STANDARD
