"""The section of a descriptor ``se_e3``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from deepattn.config.model import ModelConfig
from deepattn.config.section import key
from deepattn.descriptors.one_matrix.config import SEL_BY_TYPE, OneMatrixConfig


@dataclass(frozen=True, kw_only=True)
class SeE3Config(OneMatrixConfig):
    """DeepPot-SE with embedding nets of the angles between two neighbors."""

    aliases = ("se_at", "se_a_3be", "se_t")
    title = "DeepPot-SE with three-body embedding"
    paper = "Wang et al., Nucl. Fusion 62, 126013 (2022)"
    layer = "deepattn.descriptors.se_e3.layer:SeE3"
    dpmodel = "deepattn.descriptors.se_e3.dpmodel:FORMAT"
    torch = "deepattn.descriptors.se_e3.torch:FORMAT"
    mixed_types = False
    may_lack_names = True
    share_levels = (0,)
    new_elements = False
    fixed_slots = True

    sel: tuple[int, ...] | str = key("auto", SEL_BY_TYPE)

    def needs_common(self, model: ModelConfig) -> str | None:
        return None

    def why_not_dpmodel(self, model: ModelConfig, arrays: Mapping[str, np.ndarray]) -> str | None:
        if model.type_embedding is not None:
            return "other backends have no type_embedding with se_e3"
        if None in model.fitting_net.isolated:
            return "its atom_ener is given for some types only"
        if 0 in np.ravel(self.sel):
            return "they divide by the numbers of sel, one of which is 0"
        return None
