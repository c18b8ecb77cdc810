"""The section of a descriptor ``se_e2_r``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from deepattn.config.descriptions import TYPE_ONE_SIDE
from deepattn.config.model import ModelConfig
from deepattn.config.section import key
from deepattn.descriptors.one_matrix.config import SEL_BY_TYPE, OneMatrixConfig


@dataclass(frozen=True, kw_only=True)
class SeE2RConfig(OneMatrixConfig):
    """DeepPot-SE from distances alone."""

    aliases = ("se_r",)
    title = "DeepPot-SE from distances"
    paper = "Zhang et al., NeurIPS 31 (2018), arXiv:1805.09003"
    layer = "deepattn.descriptors.se_e2_r.layer:SeE2R"
    dpmodel = "deepattn.descriptors.se_e2_r.dpmodel:FORMAT"
    torch = "deepattn.descriptors.se_e2_r.torch:FORMAT"
    section_of_graph = "deepattn.descriptors.se_e2_r.graph:section_of_graph"
    columns = 1
    mixed_types = False
    may_lack_names = True
    share_levels = (0,)
    new_elements = False
    fixed_slots = True

    sel: tuple[int, ...] | str = key("auto", SEL_BY_TYPE)
    type_one_side: bool = key(False, TYPE_ONE_SIDE)

    def needs_common(self, model: ModelConfig) -> str | None:
        excluded = self.type_one_side and self.exclude_types
        return "exclude_types with type_one_side" if excluded else None

    def why_not_dpmodel(self, model: ModelConfig, arrays: Mapping[str, np.ndarray]) -> str | None:
        if not self.type_one_side:
            return "other backends have se_e2_r with type_one_side only"
        if model.type_embedding is not None:
            return "other backends have no type_embedding with se_e2_r"
        if None in model.fitting_net.isolated:
            return "its atom_ener is given for some types only"
        return None
