"""A custom optimizer: Keras' Nadam, with its arguments as keys of the input."""

from dataclasses import dataclass

from deepattn.config import OptimizerConfig
from deepattn.config.section import key


@dataclass(frozen=True, kw_only=True)
class NadamConfig(OptimizerConfig):
    """Adam with Nesterov's momentum."""

    implementation = "keras.optimizers:Nadam"

    beta_1: float = key(0.9, "Decay of the first moment.")
    beta_2: float = key(0.999, "Decay of the second moment.")
