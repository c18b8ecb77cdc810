"""The type `linear_ener`: a linear combination of energies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dargs import Argument

from deepattn.config.combination import Combination, Complete, is_further, is_idle
from deepattn.config.submodel import FROZEN, FURTHER, STANDARD, SubModelConfig
from deepattn.errors import ConfigError, show

LINEAR = "linear_ener"


class Linear(Combination):
    """The models of ``model/models``, of which those of type `standard` are trained."""

    doc = (
        "A linear combination of energies (docs/theory/linear.md). All keys of a model that is "
        "trained are in its section of models."
    )
    other_backends = "they combine models in another way (linear_ener)"

    @classmethod
    def arguments(cls, combined: Sequence[Argument]) -> list[Argument]:
        return list(combined)

    @classmethod
    def flatten(
        cls, section: Mapping[str, Any], defaults: Mapping[str, Any], complete: Complete
    ) -> Mapping[str, Any]:
        models = section.get("models")
        if not isinstance(models, list):
            return section
        trained = [k for k, part in enumerate(models) if _is_trained(part)]
        if not trained:
            raise ConfigError(
                "model/models has no model of type standard, so that nothing can be trained; "
                "frozen models alone are combined with training/numb_steps 0."
            )
        place = trained[0]
        part = {key: value for key, value in models[place].items() if key != "type"}
        if not part and "descriptor" in section:
            return section
        kept = {"type", "type_map", "models", "weights"}
        for key, value in section.items():
            if key not in kept and not key.startswith("_") and not is_idle(key, value, defaults):
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

    @classmethod
    def nested(cls, section: Mapping[str, Any]) -> dict[str, Any]:
        part = {k: v for k, v in section.items() if k not in ("type", "models", "weights")}
        models = [
            {"type": STANDARD, **part}
            if other["type"] == STANDARD
            else (other["section"] if is_further(other) else other)
            for other in section["models"]
        ]
        outer = {"type": LINEAR, "models": models, "weights": section["weights"]}
        return outer | ({"type_map": section["type_map"]} if "type_map" in section else {})

    @classmethod
    def where(cls, place: int) -> str:
        return f"model/models/{place}"

    @classmethod
    def check_network(cls, section: Mapping[str, Any], where: str, convention: str) -> None:
        pass

    @classmethod
    def as_common(
        cls, section: Mapping[str, Any], common: Callable[[Mapping[str, Any]], dict[str, Any]]
    ) -> dict[str, Any]:
        models = section.get("models")
        if not isinstance(models, list):
            return common(section)
        return {**section, "models": [common(m) if _is_trained(m) else m for m in models]}


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


def _without_idle(section: Any, defaults: Mapping[str, Any], names: Any) -> Any:
    """The section of a model that is not trained, without keys of all models that say nothing."""
    kind = SubModelConfig.find(section.get("type")) if isinstance(section, Mapping) else None
    if kind is None:
        return section
    own = {field.name for field in kind.ordered_fields()}
    return {
        key: value
        for key, value in section.items()
        if key in own or not (is_idle(key, value, defaults) or (key, value) == ("type_map", names))
    }


def _is_trained(part: Any) -> bool:
    return isinstance(part, Mapping) and part.get("type", STANDARD) == STANDARD
