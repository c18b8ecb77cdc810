"""The sections of the descriptors ``se_atten`` and ``se_atten_v2``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from dargs import Argument

from deepattn import limits
from deepattn.config.argument import Refused
from deepattn.config.argument import key as argument
from deepattn.config.constraints import require
from deepattn.config.descriptions import (
    DAVG_ZERO,
    PYTORCH,
    SHIFTED,
    TEBD_INPUT_MODE,
    UNSMOOTH_ATTENTION,
)
from deepattn.config.descriptor import Jump
from deepattn.config.model import ModelConfig
from deepattn.config.ranges import one_of, positive, within
from deepattn.config.section import key
from deepattn.descriptors.one_matrix.type_embedding import embedding_keys, take_embedding
from deepattn.descriptors.se_atten.compressible import check_tables
from deepattn.descriptors.smooth_edition.config import SmoothEditionConfig
from deepattn.errors import ConfigError, show

_LN_EPS = 1e-3
_COMMON_LN_EPS = 1e-5
_OF_ATTENTION = ("attn", "attn_dotr", "attn_mask", "ln_eps", "normalize", "temperature")
_OF_COMMON = "With model/convention common"
_EMBEDDING = embedding_keys(f"{_OF_COMMON}. ")
_INPUT_ONLY = (
    *SmoothEditionConfig.input_only,
    Refused("lmax", hint=PYTORCH),
    *_EMBEDDING,
    argument(
        "scaling_factor",
        float,
        1.0,
        f"{_OF_COMMON} and no temperature: scores are divided by √(attn · scaling_factor).",
    ),
)


@dataclass(frozen=True, kw_only=True)
class SeAttenConfig(SmoothEditionConfig):
    """DPA-1."""

    aliases: ClassVar[tuple[str, ...]] = ("dpa1",)
    title = "DPA-1"
    paper = "Zhang et al., npj Comput. Mater. 10, 94 (2024)"
    layer = "deepattn.descriptors.se_atten.layer:SeAtten"
    dpmodel = "deepattn.descriptors.se_atten.dpmodel:FORMAT"
    torch = "deepattn.descriptors.se_atten.torch:FORMAT"
    common_keys = ("temperature", "normalize", "concat_output_tebd", "env_protection")
    default_type_embedding = True
    input_only: ClassVar[tuple[Argument, ...]] = (
        *_INPUT_ONLY,
        argument(
            "stripped_type_embedding",
            [bool, None],
            None,
            "Deprecated form of tebd_input_mode: true is strip, false is concat.",
        ),
    )

    sel: int | str = key(
        "auto",
        "Maximum number of neighbors; a list counts as its sum. auto or auto:f: the largest "
        "number in the training data times f (1.1), rounded up to a multiple of 4.",
        dtype=[int, list[int], str],
    )
    attn: int = key(128, "Width of the attention.", check=within(1, limits.WIDTH))
    attn_layer: int = key(2, "Number of attention layers.", check=within(0, limits.LAYERS))
    attn_dotr: bool = key(True, "Whether angles gate the attention.")
    attn_mask: bool = key(False, "Whether the attention of a neighbor to itself is masked out.")
    trainable_ln: bool = key(True, "Whether the layer normalization is trained.")
    ln_eps: float = key(
        None,
        "Epsilon of the layer normalization; null is 1e-3, or 1e-5 with convention common.",
        dtype=[float, None],
        check=positive,
    )
    temperature: float | None = key(
        None,
        "Scaling factor of the attention scores. Null: 1, or 1/√attn with model/convention "
        "common; any other number needs that convention.",
        unset=True,
    )
    normalize: bool = key(
        True,
        "Whether queries, keys and values of the attention have unit length; false needs "
        "model/convention common.",
    )
    concat_output_tebd: bool = key(
        True,
        "Whether the fitting net gets the type embedding of the center; false needs "
        "model/convention common.",
    )
    set_davg_zero: bool = key(True, DAVG_ZERO)
    tebd_input_mode: str = key("concat", TEBD_INPUT_MODE, check=one_of("concat", "strip"))
    smooth_type_embedding: bool = key(
        False,
        "Whether type factors and attention are smooth at the cutoff.",
        alias=("smooth_type_embdding",),
    )

    @classmethod
    def take_type_embedding(
        cls, section: dict[str, Any], *, common: bool, given: bool
    ) -> dict[str, Any] | None:
        embedding = super().take_type_embedding(section, common=common, given=given)
        return take_embedding(section, embedding or {}, _EMBEDDING, common=common, given=given)

    @classmethod
    def resolve_defaults(cls, section: dict[str, Any], *, common: bool) -> None:
        super().resolve_defaults(section, common=common)
        factor = section.pop("scaling_factor", 1.0)
        if factor != 1.0 and not common:
            raise ConfigError(
                f"model/descriptor/scaling_factor = {show(factor)} needs model/convention common."
            )
        require(factor > 0, "model/descriptor/scaling_factor", factor, "be positive")
        if isinstance(section["sel"], list):
            section["sel"] = sum(section["sel"])
        if section["ln_eps"] is None:
            section["ln_eps"] = _COMMON_LN_EPS if common else _LN_EPS
        if common and section["temperature"] is None:
            section["temperature"] = (max(section["attn"], 1) * factor) ** -0.5
        elif not common and section["temperature"] in (None, 1.0):
            del section["temperature"]
        stripped = section.pop("stripped_type_embedding", None)
        if stripped is not None:
            section["tebd_input_mode"] = "strip" if stripped else "concat"

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str, *, ntypes: int) -> None:
        super().check(section, path, ntypes=ntypes)
        temperature = section.get("temperature")
        # Exponentials of scores up to 5 need no safeguards.
        if temperature is not None:
            require(
                0 < temperature <= 5,
                f"{path}/temperature",
                temperature,
                "be positive and at most 5",
            )

    @property
    def contains_types(self) -> bool:
        # The fitting net of all types then knows them by the descriptor alone.
        return not self.concat_output_tebd

    @property
    def counts_empty_slots(self) -> bool:
        # In the softmax of the smooth form.
        return self.smooth_type_embedding and self.attn_layer > 0

    @property
    def excluded_otherwise_before_3(self) -> bool:
        # The attention saw excluded neighbors.
        return bool(self.exclude_types and self.attn_layer) and not self.smooth_type_embedding

    @property
    def jump(self) -> Jump | None:
        if self.attn_layer and not self.smooth_type_embedding:
            return Jump(UNSMOOTH_ATTENTION, "smooth_type_embedding")
        if self.set_davg_zero:
            return None
        if self.tebd_input_mode != "strip" or not self.smooth_type_embedding:
            return Jump(SHIFTED, "set_davg_zero, or the type se_atten_v2")
        if self.exclude_types:
            why = "an excluded neighbor adds a vector that does not turn with the atoms"
            return Jump(f"with set_davg_zero false {why}", "set_davg_zero")
        return None

    def idle_keys(self) -> set[str]:
        return set() if self.attn_layer else set(_OF_ATTENTION)

    def needs_common(self, model: ModelConfig) -> str | None:
        if self.attn_layer:
            return "attn_layer"
        if not self.concat_output_tebd:
            return "concat_output_tebd"
        if self.smooth_type_embedding:
            return "smooth_type_embedding"
        if self.tebd_input_mode == "strip" and self.type_one_side:
            return "type_one_side with tebd_input_mode strip"
        return "atom_ener" if model.fitting_net.isolated else None

    def sees_first_atom(self, arrays: Mapping[str, np.ndarray]) -> bool:
        # A missing neighbor has the type of the frame's first atom in other backends, which tells
        # where its row of the environment matrix is not zero and the type factor does not fade out.
        fades = self.tebd_input_mode == "strip" and self.smooth_type_embedding
        return bool(np.any(arrays["descrpt_attr/t_avg"])) and not fades

    def why_not_dpmodel(self, model: ModelConfig, arrays: Mapping[str, np.ndarray]) -> str | None:
        if self.attn_layer and self.attn_mask:
            return "other backends do not support attn_mask"
        return None

    def check_compressible(self, *, fast: bool) -> None:
        check_tables(self, fast=fast)


@dataclass(frozen=True, kw_only=True)
class SeAttenV2Config(SeAttenConfig):
    """DPA-1 with tebd_input_mode strip and smooth_type_embedding true."""

    aliases: ClassVar[tuple[str, ...]] = ()
    implied: ClassVar[Mapping[str, Any]] = {
        "tebd_input_mode": "strip",
        "smooth_type_embedding": True,
    }
    input_only: ClassVar[tuple[Argument, ...]] = _INPUT_ONLY

    set_davg_zero: bool = key(False, DAVG_ZERO)
