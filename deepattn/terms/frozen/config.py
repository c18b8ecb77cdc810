"""The section of a term ``frozen``."""

from __future__ import annotations

from dataclasses import dataclass

from deepattn.config.section import required
from deepattn.config.submodel import SubModelConfig


@dataclass(frozen=True, kw_only=True)
class FrozenConfig(SubModelConfig):
    """A model of energies from a file, which is not trained."""

    layer = "deepattn.terms.frozen.layer:FrozenTerm"

    model_file: str = required(
        "A frozen graph or any other file of a model that can be rebuilt, of the same types."
    )
