"""The section ``training/finetune``: keeping what the initial weights know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deepattn.config.ranges import holds, positive, within
from deepattn.config.section import Section, key, required
from deepattn.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class EwcConfig(Section):
    """Elastic weight consolidation: a pull of each weight by what it matters for old frames."""

    strength: float = required(
        "Weight of the pull; 1 counts the errors on the old frames, relative to the initial model "
        "and to second order, as much as those on the training data.",
        check=positive,
    )
    systems: tuple[str, ...] = required(
        "Old frames, as in training_data; they need no labels.",
        dtype=[str, list[str]],
        check=holds(lambda names: bool(names) and all(names), "name at least one folder"),
    )
    frames: int = key(
        100,
        "Most frames to use, drawn at random; each takes about as long as two steps with it.",
        check=within(1),
    )


@dataclass(frozen=True, kw_only=True)
class LoraConfig(Section):
    """Low-rank adaptation: chosen matrices get an update of low rank, all else stays."""

    matrices: tuple[str, ...] = required(
        "Matrices that are updated: patterns of their names, with * and ?; deepattn show MODEL "
        "weights lists them.",
        check=holds(lambda patterns: bool(patterns) and all(patterns), "have patterns"),
    )
    rank: int = key(8, "Rank r of the update of a matrix.", check=within(1))
    scale: float = key(
        1.0, "Factor s of the update s A B; often written as alpha / r.", check=positive
    )


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig(Section):
    """What holds the weights of a training that starts from a model back."""

    freeze: tuple[str, ...] = key(
        [],
        "Weights that are not trained: patterns of their names, with * and ?; "
        "deepattn show MODEL weights lists them.",
        check=holds(all, "have patterns"),
    )
    l2_sp: float = key(
        0.0,
        "Strength of the pull of the weights towards their initial values (L2-SP): the loss gets "
        "half of it times the sum of the squared distances.",
        check=within(0),
    )
    ewc: EwcConfig | None = key(
        None,
        "A pull by the importance of each weight for old frames (elastic weight consolidation).",
        unset=True,
    )
    lora: LoraConfig | None = key(
        None,
        "Updates of low rank in place of a training of all weights (LoRA).",
        unset=True,
    )

    @classmethod
    def resolve_defaults(cls, section: dict[str, Any]) -> None:
        """Resolve defaults that depend on other keys, in place."""
        cls.drop_unset(section)
        ewc = section.get("ewc")
        if ewc is not None and isinstance(ewc["systems"], str):
            ewc["systems"] = [ewc["systems"]]

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str) -> None:
        """Check a resolved section, whose values have been checked one by one.

        Raises:
            ConfigError: Two keys do not go together.
        """
        if section["freeze"] and section.get("lora") is not None:
            raise ConfigError(
                f"{path} has freeze and lora, but lora trains nothing except its matrices, so "
                "there is nothing else to freeze; remove one of the two."
            )
