"""A model file's models as a checkpoint of DeePMD-kit's PyTorch backend."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepattn.config import ModelConfig, enumerate_differences, model_differences
from deepattn.errors import ModelFileError
from deepattn.formats.files import write_whole
from deepattn.formats.torch import TorchFile, TorchModel, encode_torch
from deepattn.models import ModelFile, StoredModel
from deepattn.models.torch_checkpoint import TorchSource, branches_to_torch, to_torch
from deepattn.models.torch_state import from_torch


def write_torch(file: ModelFile, target: Path) -> None:
    """Write a single-task model, a branch, or all branches of a multi-task model.

    Args:
        file: The model; of a multi-task one all branches unless one has been chosen.
        target: File to write.

    Raises:
        ModelFileError: A model cannot be read, or other backends cannot have it.
    """
    parts: dict[str | None, ModelFile] = {None: file}
    if file.several:
        parts = {name: file.branch(name) for name in file.branches or {}}
    stored = {name: part.stored() for name, part in parts.items()}
    # Building a model tells whether its weights fit. Of models that are alike one is enough.
    alike = {_kind(model): name for name, model in stored.items()}
    for name in alike.values():
        parts[name].build()
    try:
        content = encode_torch(_value(file, stored, parts))
        written = TorchFile(content, target)
        for name in alike.values():
            _check(written.model(name), stored[name].config)
    except ModelFileError as error:
        raise ModelFileError(f"{file.path}: {error}") from None
    with write_whole(target) as stream:
        stream.write(content)


def _value(
    file: ModelFile,
    stored: Mapping[str | None, StoredModel],
    parts: Mapping[str | None, ModelFile],
) -> dict[str, Any]:
    """What PyTorch is to read."""
    branches = file.branches or {}
    sources = {}
    for name, model in stored.items():
        branch = None if name is None else branches[name]
        sources[name or ""] = TorchSource(
            model.config,
            model.arrays,
            model.header["min_nbor_dist"],
            aliases=() if branch is None else branch.aliases,
            info={} if branch is None else branch.info,
            has_hessian=parts[name].has_hessian,
        )
    return branches_to_torch(sources) if file.several else to_torch(sources[""])


def _kind(model: StoredModel) -> str:
    """A text that models with the same configuration and shapes of weights have in common."""
    shapes = {name: array.shape for name, array in model.arrays.items()}
    return json.dumps([model.config.to_dict(), shapes], sort_keys=True)


def _check(written: TorchModel, config: ModelConfig) -> None:
    """Refuse a model that PyTorch's files have no keys for.

    Raises:
        ModelFileError: What has been written is read as another model.
    """
    changes, _ = model_differences(config, from_torch(written, "")[0])
    if changes:
        listed = enumerate_differences(changes, lambda d: f"model/{d.key} {d.shown[0]}")
        raise ModelFileError(f"PyTorch's files have no place for {listed}; write a .dp file")
