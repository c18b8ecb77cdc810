"""One typed configuration: input files are read, upgraded, checked and defaulted here, once.

``read_config(path)`` does it all; its steps are public functions of their own.
"""

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
from deepattn.config.multitask import RANDOM, Link, base_of, is_multitask
from deepattn.config.normalize import normalize, normalize_model
from deepattn.config.pretrained import Merged, merge_pretrained, replace_model, take_sections
from deepattn.config.sel import fill_sel, with_sel
from deepattn.config.tasks import (
    BranchConfig,
    MultiTaskConfig,
    config_from_dict,
    read_config,
    read_input,
)
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
from deepattn.config.tree import Config
from deepattn.config.upgrade import upgrade

__all__ = [
    "RANDOM",
    "AdamConfig",
    "BranchConfig",
    "Config",
    "CosineConfig",
    "DataConfig",
    "DescriptorConfig",
    "Dpa2Config",
    "EnerFittingConfig",
    "EnerLossConfig",
    "ExpConfig",
    "Link",
    "Merged",
    "ModelConfig",
    "MultiTaskConfig",
    "SeAttenConfig",
    "SeE2AConfig",
    "TrainingConfig",
    "TypeEmbeddingConfig",
    "ValidationDataConfig",
    "WsdConfig",
    "base_of",
    "config_from_dict",
    "fill_sel",
    "is_multitask",
    "load_input",
    "merge_pretrained",
    "network_dtype",
    "normalize",
    "normalize_model",
    "read_config",
    "read_input",
    "replace_model",
    "take_sections",
    "upgrade",
    "with_sel",
]
