"""One typed configuration: input files are read, upgraded, checked and defaulted here, once.

``read_config(path)`` does it all; its steps are public functions of their own.
"""

from deepattn.config.descriptor import (
    DESCRIPTORS,
    DescriptorConfig,
    EnvMatSpec,
    NeighborList,
    slots_of,
)
from deepattn.config.differences import (
    Difference,
    enumerate_differences,
    model_differences,
    section_differences,
)
from deepattn.config.fitting import FITTINGS, FittingConfig
from deepattn.config.load import load_input
from deepattn.config.loss import LOSSES, LossConfig
from deepattn.config.model import ModelConfig, network_dtype
from deepattn.config.multitask import RANDOM, Link, base_of, is_multitask, relocated
from deepattn.config.normalize import model_config, normalize, normalize_model
from deepattn.config.optimizer import OPTIMIZERS, OptimizerConfig
from deepattn.config.pretrained import Merged, merge_pretrained, replace_model, take_sections
from deepattn.config.pytorch_input import as_pytorch
from deepattn.config.schedule import SCHEDULES, ScheduleConfig
from deepattn.config.section import Kind, Section, key, required
from deepattn.config.sel import (
    NoNeighborsError,
    automatic_sel,
    fill_sel,
    take_sel,
    with_neighbors,
)
from deepattn.config.spin import SpinConfig
from deepattn.config.tasks import (
    BranchConfig,
    MultiTaskConfig,
    config_from_dict,
    read_config,
    read_input,
)
from deepattn.config.training import (
    DataConfig,
    TrainingConfig,
    TrainingDataConfig,
    ValidationDataConfig,
)
from deepattn.config.tree import Config
from deepattn.config.type_embedding import TypeEmbeddingConfig
from deepattn.config.upgrade import upgrade
from deepattn.config.validating import Quantity, ValidatingConfig

__all__ = [
    "DESCRIPTORS",
    "FITTINGS",
    "LOSSES",
    "OPTIMIZERS",
    "RANDOM",
    "SCHEDULES",
    "BranchConfig",
    "Config",
    "DataConfig",
    "DescriptorConfig",
    "Difference",
    "EnvMatSpec",
    "FittingConfig",
    "Kind",
    "Link",
    "LossConfig",
    "Merged",
    "ModelConfig",
    "MultiTaskConfig",
    "NeighborList",
    "NoNeighborsError",
    "OptimizerConfig",
    "Quantity",
    "ScheduleConfig",
    "Section",
    "SpinConfig",
    "TrainingConfig",
    "TrainingDataConfig",
    "TypeEmbeddingConfig",
    "ValidatingConfig",
    "ValidationDataConfig",
    "as_pytorch",
    "automatic_sel",
    "base_of",
    "config_from_dict",
    "enumerate_differences",
    "fill_sel",
    "is_multitask",
    "key",
    "load_input",
    "merge_pretrained",
    "model_config",
    "model_differences",
    "network_dtype",
    "normalize",
    "normalize_model",
    "read_config",
    "read_input",
    "relocated",
    "replace_model",
    "required",
    "section_differences",
    "slots_of",
    "take_sections",
    "take_sel",
    "upgrade",
    "with_neighbors",
]
