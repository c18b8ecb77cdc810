"""The section of the optimizer ``AdamW``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deepattn.config.ranges import within
from deepattn.config.section import required
from deepattn.optimizers.adam.config import AdamConfig


@dataclass(frozen=True, kw_only=True)
class AdamWConfig(AdamConfig):
    """Adam with weight decay apart from the gradient, epsilon 1e-8."""

    implementation = "deepattn.optimizers.adamw.optimizer:AdamW"

    # Not left open: another number than DeePMD-kit's would be taken in silence.
    weight_decay: float = required(
        "Every step takes this times the learning rate off each weight, as a share of it; "
        "DeePMD-kit documents a default of 0.001, but trains with 0 where it is left out.",
        check=within(0),
    )

    def implementation_for(self, *, common: bool) -> str:
        # The arithmetic is PyTorch's with either convention: TensorFlow 1 has no AdamW.
        return self.implementation

    def keras_arguments(self) -> dict[str, Any]:
        return {**self.betas(), "weight_decay": self.weight_decay}
