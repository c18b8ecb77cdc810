"""The section of the optimizer ``AdamW``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deepattn.config.optimizer import OptimizerConfig
from deepattn.config.ranges import within
from deepattn.config.section import key, required


@dataclass(frozen=True, kw_only=True)
class AdamWConfig(OptimizerConfig):
    """Adam with weight decay apart from the gradient, epsilon 1e-8."""

    implementation = "deepattn.optimizers.adamw.optimizer:AdamW"
    # As for Adam, whose steps these are.
    safe_lr = 1e-4

    adam_beta1: float = key(0.9, "Decay rate of the first moment.")
    adam_beta2: float = key(0.999, "Decay rate of the second moment.")
    # Not left open: another number than DeePMD-kit's would be taken in silence.
    weight_decay: float = required(
        "Every step takes this times the learning rate off each weight, as a share of it; "
        "DeePMD-kit documents a default of 0.001, but trains with 0 where it is left out.",
        check=within(0),
    )

    def keras_arguments(self) -> dict[str, Any]:
        betas = {"beta_1": self.adam_beta1, "beta_2": self.adam_beta2}
        return betas | {"weight_decay": self.weight_decay}
