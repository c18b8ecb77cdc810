"""The section of a descriptor ``se_e3_tebd``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from dargs import Argument

from deepattn.config.descriptions import DAVG_ZERO, TEBD_INPUT_MODE
from deepattn.config.ranges import one_of
from deepattn.config.section import key
from deepattn.descriptors.one_matrix.config import OneMatrixConfig
from deepattn.descriptors.one_matrix.type_embedding import embedding_keys, take_embedding

_KEYS = embedding_keys(use_tebd_bias=True)


@dataclass(frozen=True, kw_only=True)
class SeE3TebdConfig(OneMatrixConfig):
    """Angles between two neighbors, embedded together with their types."""

    title = "DeepPot-SE with three-body embedding of types"
    paper = "Zhang et al., arXiv:2312.15492"
    layer = "deepattn.descriptors.se_e3_tebd.layer:SeE3Tebd"
    dpmodel = "deepattn.descriptors.se_e3_tebd.dpmodel:FORMAT"
    torch = "deepattn.descriptors.se_e3_tebd.torch:FORMAT"
    conventions = ("common",)
    default_type_embedding = True
    fixed_slots = True
    input_only: ClassVar[tuple[Argument, ...]] = (*OneMatrixConfig.input_only, *_KEYS)

    sel: int | str = key(
        "auto",
        "Maximum number of neighbors; a list counts as its sum. auto or auto:f: the largest "
        "number in the training data times f (1.1), rounded up to a multiple of 4.",
        dtype=[int, list[int], str],
    )
    tebd_input_mode: str = key("concat", TEBD_INPUT_MODE, check=one_of("concat", "strip"))
    smooth: bool = key(True, "Whether the factors of types fade out at the cutoff (strip only).")
    concat_output_tebd: bool = key(
        True, "Whether the fitting net gets the type embedding of the center."
    )
    set_davg_zero: bool = key(True, DAVG_ZERO)

    @classmethod
    def take_type_embedding(
        cls, section: dict[str, Any], *, common: bool, given: bool
    ) -> dict[str, Any] | None:
        embedding = super().take_type_embedding(section, common=common, given=given)
        return take_embedding(section, embedding or {}, _KEYS, common=common, given=given)

    @classmethod
    def resolve_defaults(cls, section: dict[str, Any], *, common: bool) -> None:
        super().resolve_defaults(section, common=common)
        if isinstance(section["sel"], list):
            section["sel"] = sum(section["sel"])

    @property
    def contains_types(self) -> bool:
        return not self.concat_output_tebd

    def idle_keys(self) -> set[str]:
        return set() if self.tebd_input_mode == "strip" else {"smooth"}
