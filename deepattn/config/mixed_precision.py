"""The section ``training/mixed_precision``."""

from __future__ import annotations

from dataclasses import dataclass

from deepattn.config.constraints import require
from deepattn.config.ranges import one_of
from deepattn.config.section import Section, key, required


def _check_compute(precision: str, path: str) -> None:
    require(
        precision == "bfloat16",
        path,
        precision,
        "be bfloat16 (float16 is too narrow for the gradients of forces)",
    )


@dataclass(frozen=True, kw_only=True)
class MixedPrecisionConfig(Section):
    """Precisions of the arithmetic in the nets while training."""

    compute_prec: str = required("Precision of matrix products: bfloat16.", check=_check_compute)
    output_prec: str = key(
        "float32", "Precision of weights and of all else: float32.", check=one_of("float32")
    )
