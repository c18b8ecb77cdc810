"""The section of a descriptor ``se_e2_a``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from deepattn.config.model import ModelConfig
from deepattn.config.section import key
from deepattn.descriptors.smooth_edition.config import SmoothEditionConfig


@dataclass(frozen=True, kw_only=True)
class SeE2AConfig(SmoothEditionConfig):
    """DeepPot-SE."""

    aliases = ("se_a",)
    title = "DeepPot-SE"
    paper = "Zhang et al., NeurIPS 31 (2018), arXiv:1805.09003"
    layer = "deepattn.descriptors.se_e2_a.layer:SeE2A"
    dpmodel = "deepattn.descriptors.se_e2_a.dpmodel:FORMAT"
    torch = "deepattn.descriptors.se_e2_a.torch:FORMAT"
    mixed_types = False
    may_lack_names = True
    share_levels = (0,)
    fine_tunes = False

    sel: tuple[int, ...] | str = key(
        "auto",
        "Maximum number of neighbors of each type. auto or auto:f: the largest number in "
        "the training data times f (1.1), rounded up to a multiple of 4.",
    )

    def needs_common(self, model: ModelConfig) -> str | None:
        excluded = self.type_one_side and self.exclude_types
        return "exclude_types with type_one_side" if excluded else None

    def check_compressible(self, *, fast: bool) -> None:
        """All that have no type embedding can be."""

    def why_not_dpmodel(self, model: ModelConfig, arrays: Mapping[str, np.ndarray]) -> str | None:
        if model.type_embedding is not None:
            return "other backends have no type_embedding with se_e2_a"
        if None in model.fitting_net.isolated:
            return "its atom_ener is given for some types only"
        return None
