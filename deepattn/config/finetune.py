"""The section ``training/finetune``: keeping what the initial weights know."""

from __future__ import annotations

from dataclasses import dataclass

from deepattn.config.ranges import holds, within
from deepattn.config.section import Section, key


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
