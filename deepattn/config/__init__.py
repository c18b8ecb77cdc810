"""One typed configuration: input files are read, upgraded, checked and defaulted here, once.

``read_config(path)`` does it all; its steps are public functions of their own.
"""

from deepattn.config.differences import (
    Difference,
    enumerate_differences,
    model_differences,
    section_differences,
)
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
    RepformerConfig,
    RepInitConfig,
    SeAttenConfig,
    SeE2AConfig,
    TypeEmbeddingConfig,
    network_dtype,
    slots_of,
)
from deepattn.config.multitask import RANDOM, Link, base_of, is_multitask, relocated
from deepattn.config.normalize import normalize, normalize_model
from deepattn.config.pretrained import Merged, merge_pretrained, replace_model, take_sections
from deepattn.config.sel import (
    NoNeighborsError,
    automatic_sel,
    fill_nsel,
    fill_sel,
    take_sel,
    with_sel,
)
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
    "Difference",
    "DistillConfig",
    "Dpa2Config",
    "EnerFittingConfig",
    "EnerLossConfig",
    "ExpConfig",
    "ExploreConfig",
    "LaterConfig",
    "Link",
    "Merged",
    "ModelConfig",
    "MultiTaskConfig",
    "NoNeighborsError",
    "RepInitConfig",
    "RepformerConfig",
    "SeAttenConfig",
    "SeE2AConfig",
    "SelectConfig",
    "TrainingConfig",
    "TypeEmbeddingConfig",
    "ValidationDataConfig",
    "WsdConfig",
    "automatic_sel",
    "base_of",
    "config_from_dict",
    "enumerate_differences",
    "fill_nsel",
    "fill_sel",
    "is_multitask",
    "load_input",
    "merge_pretrained",
    "model_differences",
    "network_dtype",
    "normalize",
    "normalize_model",
    "read_config",
    "read_distill",
    "read_input",
    "relocated",
    "replace_model",
    "section_differences",
    "slots_of",
    "take_sections",
    "take_sel",
    "upgrade",
    "with_sel",
]
