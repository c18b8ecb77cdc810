"""Files of DeePMD-kit's PyTorch backend: checkpoints (``.pt``) and frozen models (``.pth``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deepattn.errors import ModelFileError
from deepattn.formats.torch import TorchFile, is_torch_start
from deepattn.formats.weight_names import BIAS
from deepattn.models.files.base import ModelFile, StoredModel
from deepattn.models.torch_state import from_torch, with_bias

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class TorchBranch:
    """A branch of a multi-task file: its aliases, and remarks of its authors."""

    aliases: tuple[str, ...]
    info: Mapping[str, Any]


class TorchModelFile(ModelFile):
    """A ``.pt`` or ``.pth`` file. Nothing in it is run.

    Attributes:
        file: Its models as PyTorch names them.
    """

    kind = "a file of PyTorch"
    suffixes = (".pt", ".pth")

    def __init__(self, path: Path, content: bytes) -> None:
        super().__init__(path, content)
        self.file = TorchFile(content, path)

    @classmethod
    def recognizes(cls, path: Path, start: bytes) -> bool:
        return is_torch_start(start)

    @property
    def branches(self) -> Mapping[str, TorchBranch] | None:
        names = self.file.branches
        return {name: _branch(self.file.section(name)) for name in names} if names else None

    @property
    def is_checkpoint(self) -> bool:
        return not self.file.is_frozen

    def _stored(self) -> StoredModel:
        model = self.file.model(self.chosen_branch())
        try:
            config, arrays, distance = from_torch(model, str(self.path))
        except ModelFileError:
            raise
        # A section may hold anything, and tensors may have any shape.
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise ModelFileError(f"{self.path}: the model cannot be used: {reason}") from error
        header: dict[str, Any] = {"config": {"model": config.to_dict()}, "min_nbor_dist": distance}
        return StoredModel(config, arrays, "float64", header)

    @property
    def has_hessian(self) -> bool:
        return bool(self.file.section(self.chosen_branch()).get("hessian_mode"))

    def info(self) -> Mapping[str, Any]:
        return _branch(self.file.section(self.chosen_branch())).info

    def energy_bias(self) -> np.ndarray:
        if self.file.is_frozen:
            self.refuse("its energy bias cannot be changed")
        self.refuse_observables()
        return self.stored().arrays[BIAS]

    def with_energy_bias(self, bias: np.ndarray) -> Self:
        stored = self.stored()
        return self._copy(_model=replace(stored, arrays={**stored.arrays, BIAS: bias}))

    def encode(self, target: Path) -> bytes:
        branch = self.chosen_branch()
        changes = with_bias(self.file.model(branch), self.stored().arrays[BIAS])
        return self.file.encode(changes, branch)


def _branch(section: Mapping[str, Any]) -> TorchBranch:
    aliases, info = section.get("model_branch_alias"), section.get("info")
    names = [name for name in aliases if isinstance(name, str)] if isinstance(aliases, list) else []
    return TorchBranch(tuple(names), info if isinstance(info, dict) else {})
