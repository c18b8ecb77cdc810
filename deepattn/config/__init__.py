"""One typed configuration: input files are read, upgraded, checked and defaulted here, once.

``read_config(path)`` does it all; its steps are public functions of their own.
"""

from deepattn.config.distill import (
    DistillConfig,
    ExploreConfig,
    LaterConfig,
    SelectConfig,
    read_distill,
)
from deepattn.config.load import load_input
from deepattn.config.model import (
    DescriptorConfig,
    Dpa2Config,
    EnerFittingConfig,
    ModelConfig,
    SeAttenConfig,
    SeE2AConfig,
    TypeEmbeddingConfig,
    network_dtype,
)
from deepattn.config.normalize import normalize, normalize_model
from deepattn.config.pretrained import Merged, merge_pretrained, replace_model
from deepattn.config.sel import fill_sel, with_sel
from deepattn.config.training import (
    AdamConfig,
    CosineConfig,
    DataConfig,
    EnerLossConfig,
    ExpConfig,
    TrainingConfig,
    ValidationDataConfig,
    WsdConfig,
)
from deepattn.config.tree import Config, read_config
from deepattn.config.upgrade import upgrade

__all__ = [
    "AdamConfig",
    "Config",
    "CosineConfig",
    "DataConfig",
    "DescriptorConfig",
    "DistillConfig",
    "Dpa2Config",
    "EnerFittingConfig",
    "EnerLossConfig",
    "ExpConfig",
    "ExploreConfig",
    "LaterConfig",
    "Merged",
    "ModelConfig",
    "SeAttenConfig",
    "SeE2AConfig",
    "SelectConfig",
    "TrainingConfig",
    "TypeEmbeddingConfig",
    "ValidationDataConfig",
    "WsdConfig",
    "fill_sel",
    "load_input",
    "merge_pretrained",
    "network_dtype",
    "normalize",
    "normalize_model",
    "read_config",
    "read_distill",
    "replace_model",
    "upgrade",
    "with_sel",
]
