"""Models in PyTorch's files: checkpoints ``.pt`` of DeePMD-kit, and its frozen ``.pth``.

Both hold the configuration of a model as in an input file, and its weights under dotted names such
as ``atomic_model.descriptor.repinit.mean``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from deepattn import limits
from deepattn.errors import ModelFileError
from deepattn.formats.torch.archive import Archive
from deepattn.formats.torch.pickle import read_pickle
from deepattn.formats.torch.values import Node, PickleError, Tensor

# The largest pickles are those of checkpoints with many branches: 4 MB for 37.
_PICKLE_BYTES = 256 << 20
# The only branch of a file that is not multi-task, as DeePMD-kit calls it.
ONLY = "Default"


@dataclass(frozen=True)
class TorchModel:
    """One model of a file.

    Attributes:
        section: The ``model`` section of an input file that describes it.
        tensors: Weights and statistics by their dotted names within the model.
    """

    section: dict[str, Any]
    tensors: Mapping[str, Tensor]
    _content: Callable[[str], memoryview]

    def array(self, name: str) -> np.ndarray:
        """The numbers of a tensor, a view of the file."""
        return self.tensors[name].array(self._content)


class TorchFile:
    """A ``.pt`` or ``.pth`` file. The numbers are read when they are asked for.

    Args:
        content: The whole file.
        path: The file, for messages.

    Attributes:
        is_frozen: Whether it is a ``.pth``.
        branches: Names of the models of a multi-task file; empty for a single model.
        step: Training step, None where the file does not say.

    Raises:
        ModelFileError: The file is damaged, or holds no model of DeePMD-kit.
    """

    def __init__(self, content: bytes, path: str | os.PathLike):
        self._archive = archive = Archive(content, path)
        try:
            if len(archive["data.pkl"]) > _PICKLE_BYTES:
                raise PickleError("its pickle is too large")
            value = read_pickle(archive["data.pkl"])
            limits.check_depth(value)
            self.is_frozen = isinstance(value, Node)
            if isinstance(value, Node):
                section, self._tensors, self.step = _frozen(value)
            else:
                section, self._tensors, self.step = _checkpoint(value)
            sections = _sections(section)
        except (PickleError, ValueError) as error:
            raise ModelFileError(f"{path}: cannot be read: {error}.") from None
        self._sections = sections
        self.branches = () if "model_dict" not in section else tuple(sections)

    def section(self, branch: str | None = None) -> dict[str, Any]:
        """The ``model`` section of a branch, or of the only model.

        Raises:
            KeyError: There is no such branch, or it must be named.
        """
        return self._sections[ONLY if branch is None else branch]

    def model(self, branch: str | None = None) -> TorchModel:
        """The model of a branch, or the only one.

        Raises:
            KeyError: There is no such branch, or it must be named.
        """
        name = ONLY if branch is None else branch
        prefix = f"{name}."
        tensors = {
            full.removeprefix(prefix): tensor
            for full, tensor in self._tensors.items()
            if full.startswith(prefix)
        }
        return TorchModel(self.section(branch), tensors, self._content)

    def _content(self, key: str) -> memoryview:
        return self._archive[f"data/{key}"]


def _checkpoint(value: Any) -> tuple[dict[str, Any], dict[str, Tensor], int | None]:
    """Section, tensors by branch and name, and step of a ``.pt``."""
    state = _mapping(_mapping(value).get("model", value))
    extra = _mapping(state.get("_extra_state"))
    section = extra.get("model_params")
    if not isinstance(section, dict):
        raise ValueError("it holds no model of DeePMD-kit (no model_params)")
    step = _mapping(extra.get("train_infos")).get("step")
    tensors = {
        name.removeprefix("model."): tensor
        for name, tensor in state.items()
        if isinstance(tensor, Tensor) and isinstance(name, str) and name.startswith("model.")
    }
    return section, tensors, step if isinstance(step, int) else None


def _mapping(value: Any) -> dict[Any, Any]:
    """A mapping, empty for anything else."""
    return value if isinstance(value, dict) else {}


def _frozen(root: Node) -> tuple[dict[str, Any], dict[str, Tensor], None]:
    """The same of a ``.pth``, the tree of TorchScript's objects."""
    script = root.state.get("model_def_script") if isinstance(root.state, dict) else None
    if not isinstance(script, str):
        raise ValueError("it holds no model of DeePMD-kit (no model_def_script)")
    section = json.loads(script)
    limits.check_depth(section)
    if not isinstance(section, dict) or "model_dict" in section:
        raise ValueError("it describes no single model")
    tensors: dict[str, Tensor] = {}
    pending = [(f"{ONLY}.", root, 0)]
    while pending:
        prefix, node, depth = pending.pop()
        if depth > limits.DEPTH or len(tensors) > limits.PARTS:
            raise ValueError("its objects hold each other without end")
        if not isinstance(node.state, dict):
            continue
        for name, part in node.state.items():
            if isinstance(part, Tensor):
                tensors[f"{prefix}{name}"] = part
            elif isinstance(part, Node):
                pending.append((f"{prefix}{name}.", part, depth + 1))
    return section, tensors, None


def _sections(section: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The ``model`` section of every branch; `ONLY` for a single model."""
    branches = section.get("model_dict")
    if branches is None:
        return {ONLY: section}
    if not isinstance(branches, dict) or not all(isinstance(x, dict) for x in branches.values()):
        raise ValueError("its model_dict is no mapping of models")
    return branches
