"""The sections of the descriptors ``se_e2_a`` and ``se_a_ebd_v2``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from deepattn.config.descriptions import SHIFTED
from deepattn.config.descriptor import DescriptorConfig, Jump
from deepattn.config.model import ModelConfig
from deepattn.config.section import key
from deepattn.descriptors.one_matrix.config import SEL_BY_TYPE
from deepattn.descriptors.smooth_edition.config import SmoothEditionConfig


@dataclass(frozen=True, kw_only=True)
class SeE2AConfig(SmoothEditionConfig):
    """DeepPot-SE.

    Class attributes:
        tebd_input_mode: How types enter if the model has a type embedding; see `SeE2A`.
    """

    aliases: ClassVar[tuple[str, ...]] = ("se_a",)
    tebd_input_mode: ClassVar[str] = "concat"
    title = "DeepPot-SE"
    paper = "Zhang et al., NeurIPS 31 (2018), arXiv:1805.09003"
    layer = "deepattn.descriptors.se_e2_a.layer:SeE2A"
    dpmodel: ClassVar[str | None] = "deepattn.descriptors.se_e2_a.dpmodel:FORMAT"
    torch: ClassVar[str | None] = "deepattn.descriptors.se_e2_a.torch:FORMAT"
    mixed_types = False
    may_lack_names: ClassVar[bool] = True
    share_levels = (0,)
    new_elements = False
    spin_conventions: ClassVar[tuple[str, ...]] = ("tensorflow", "common")

    sel: tuple[int, ...] | str = key("auto", SEL_BY_TYPE)

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


@dataclass(frozen=True, kw_only=True)
class SeAEbdV2Config(SeE2AConfig):
    """DeepPot-SE with one net of the distance, which a net of the type embeddings scales."""

    aliases: ClassVar[tuple[str, ...]] = ("se_a_tpe_v2",)
    tebd_input_mode: ClassVar[str] = "strip"
    dpmodel: ClassVar[str | None] = None
    torch: ClassVar[str | None] = None
    may_lack_names: ClassVar[bool] = False
    spin_conventions: ClassVar[tuple[str, ...]] = ()
    default_type_embedding = True

    @property
    def jump(self) -> Jump | None:
        return None if self.set_davg_zero else Jump(SHIFTED, "set_davg_zero")

    def check_compressible(self, *, fast: bool) -> None:
        DescriptorConfig.check_compressible(self, fast=fast)
