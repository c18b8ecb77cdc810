"""The section of the optimizer ``Adam``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deepattn.config.optimizer import OptimizerConfig
from deepattn.config.ranges import within
from deepattn.config.section import key


@dataclass(frozen=True, kw_only=True)
class AdamConfig(OptimizerConfig):
    """Adam with epsilon 1e-8."""

    implementation = "deepattn.optimizers.adam.optimizer:Adam"
    # Its first steps move every weight by about the learning rate, however small its gradient is;
    # docs/training.md has measured what that does to a pretrained model.
    safe_lr = 1e-4

    adam_beta1: float = key(0.9, "Decay rate of the first moment.")
    adam_beta2: float = key(0.999, "Decay rate of the second moment.")
    weight_decay: float = key(
        0.0,
        "Factor of an L2 penalty: this times the weight is added to the gradient.",
        check=within(0),
    )

    def implementation_for(self, *, common: bool) -> str:
        # That of the backends that have such a model.
        return "deepattn.optimizers.adam.optimizer:TorchAdam" if common else self.implementation

    def betas(self) -> dict[str, float]:
        """The decay rates as arguments of the optimizer."""
        return {"beta_1": self.adam_beta1, "beta_2": self.adam_beta2}

    def keras_arguments(self) -> dict[str, Any]:
        return {**self.betas(), "l2_penalty": self.weight_decay}
