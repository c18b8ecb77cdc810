"""Models as checkpoints of DeePMD-kit's PyTorch backend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deepattn.config import ModelConfig
from deepattn.errors import ModelFileError
from deepattn.formats.torch import ONLY
from deepattn.formats.weight_names import is_first_slots
from deepattn.models.dpmodel import refuse_unwritable, section_for_others
from deepattn.models.torch_state import ATOMIC, OF_MOMENTS, OUT_BIAS, OUT_STD
from deepattn.registry import resolve
from deepattn.states import StateFormat, write_state
from deepattn.states.part import FITTING_BIAS
from deepattn.states.rules import Made
from deepattn.trees.exclusions import written_exclusions

# What a tensor without numbers has.
_NOTHING = np.zeros(0)


@dataclass(frozen=True)
class TorchSource:
    """A model to write.

    Attributes:
        config: Its configuration.
        arrays: Its weights by name. Branches of a multi-task model share those that have the same
            place in the memory.
        min_nbor_dist: Shortest distance in the training data, Å, or None.
        aliases: Of a branch its other names.
        info: Of a branch the remarks of its authors.
        has_hessian: Whether evaluations give Hessians too.
    """

    config: ModelConfig
    arrays: Mapping[str, np.ndarray] = field(repr=False)
    min_nbor_dist: float | None = None
    aliases: Sequence[str] = ()
    info: Mapping[str, Any] = field(default_factory=dict)
    has_hessian: bool = False


def to_torch(model: TorchSource) -> dict[str, Any]:
    """The content of a checkpoint with a single model, for `deepattn.formats.torch.encode_torch`.

    Args:
        model: The model.

    Raises:
        ModelFileError: Other backends cannot have such a model; the message says why.
    """
    return _checkpoint(_state(model, ONLY, {}), _section(model))


def branches_to_torch(models: Mapping[str, TorchSource]) -> dict[str, Any]:
    """The content of a checkpoint with the branches of a multi-task model.

    Args:
        models: The model of each branch, by the name of the branch.

    Raises:
        ModelFileError: Other backends cannot have such a model; the message says why.
    """
    state: dict[str, np.ndarray] = {}
    sections = {}
    made: Made = {}
    for name, model in models.items():
        try:
            state |= _state(model, name, made)
        except ModelFileError as error:
            raise ModelFileError(f"branch {name}: {error}") from None
        notes = {"model_branch_alias": list(model.aliases), "info": dict(model.info)}
        sections[name] = {**_section(model), **notes}
    return _checkpoint(state, {"model_dict": sections})


def _checkpoint(state: Mapping[str, np.ndarray], section: dict[str, Any]) -> dict[str, Any]:
    extra = {"model_params": section, "train_infos": {"lr": 0.0, "step": 0}}
    # DeePMD-kit's --init-model wants a state of the optimizer, and does not use it.
    optimizer: dict[str, Any] = {"state": {}, "param_groups": []}
    return {"model": {**state, "_extra_state": extra}, "optimizer": optimizer}


def _section(model: TorchSource) -> dict[str, Any]:
    section = section_for_others(model.config, model.arrays)
    mode = {"hessian_mode": True} if model.has_hessian else {}
    exclusions = {} if model.config.spin is not None else written_exclusions(model.config)
    return {**section, **exclusions, **mode, "type": "standard"}


def _state(model: TorchSource, branch: str, made: Made) -> dict[str, np.ndarray]:
    """Tensors of a branch by their names in the file."""
    config, arrays = model.config, model.arrays
    refuse_unwritable(config, arrays)
    if config.descriptor.torch is None or config.fitting_net.torch is None:
        raise ModelFileError("PyTorch's backend does not know its descriptor or its fitting")
    formats: list[StateFormat] = [
        resolve(config.descriptor.torch),
        resolve(config.fitting_net.torch),
    ]
    of_fitting = formats[1]
    weights = {
        name: array
        for name, array in arrays.items()
        if name not in of_fitting.own and not is_first_slots(name)
    }
    try:
        state = write_state(weights, [rule for one in formats for rule in one.rules(config)], made)
    except KeyError as error:
        raise ModelFileError(f"PyTorch's files have no place for the weights {error}") from None
    for one in formats:
        one.complete(config, state)
        state |= dict.fromkeys(one.empty(config), _NOTHING)
    if of_fitting.output is None:
        raise ModelFileError("PyTorch's files have no place for the statistics of its labels")
    try:
        output = of_fitting.output(config, dict(arrays))
    except KeyError as error:
        raise ModelFileError(f"PyTorch's files have no place for models {error.args[0]}") from None
    found = {FITTING_BIAS: output.fitting_bias, OUT_BIAS: output.bias, OUT_STD: output.std}
    state |= {name: array for name, array in found.items() if array is not None}
    # Collections of nets have two names for each.
    state |= {
        name.replace(".networks.", "._networks."): array
        for name, array in state.items()
        if ".networks." in name
    }
    prefix = f"model.{branch}." + (OF_MOMENTS if config.spin is not None else "")
    tensors = {f"{prefix}{ATOMIC}{name}": np.asarray(array) for name, array in state.items()}
    distance = -1.0 if model.min_nbor_dist is None else model.min_nbor_dist
    return {f"{prefix}min_nbor_dist": np.array(distance), **tensors}
