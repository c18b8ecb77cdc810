"""Models in PyTorch's files: checkpoints ``.pt`` of DeePMD-kit, and its frozen ``.pth``.

Both hold the configuration of a model as in an input file, and its weights under dotted names such
as ``atomic_model.descriptor.repinit.mean``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from deepattn import limits
from deepattn.errors import ModelFileError
from deepattn.formats.torch.archive import Archive
from deepattn.formats.torch.pickle import read_pickle
from deepattn.formats.torch.plain import check_plain
from deepattn.formats.torch.values import Node, PickleError, Tensor
from deepattn.formats.torch.write import encode_torch

# The largest pickles are those of checkpoints with many branches: 4 MB for 37.
_PICKLE_BYTES = 256 << 20
# What is copied rather than viewed, of a file's bytes: half precision becomes single.
_COPIED, _COPIED_BYTES = 3, 64 << 20
# Names of weights have a hundred characters.
_NAME = 1000
# What ``dp freeze`` adds to energies and forces, empty as a rule.
_MODIFIER = "extra/data_modifier.pth"
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
    _array: Callable[[Tensor], np.ndarray]

    def array(self, name: str) -> np.ndarray:
        """The numbers of a tensor: a view of the file, or a copy in float32 of half precision.

        Raises:
            PickleError: The file does not have them.
        """
        return self._array(self.tensors[name])


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
        self._path = path
        self._copies: dict[Tensor, np.ndarray] = {}
        self._left = max(_COPIED * len(content), _COPIED_BYTES)
        self._archive = archive = Archive(content, path)
        try:
            pickle = archive["data.pkl"]
            if len(pickle) > _PICKLE_BYTES:
                raise PickleError("its pickle is too large")
            self._value = value = read_pickle(pickle)
            limits.check_depth(value)
            self.is_frozen = isinstance(value, Node)
            if isinstance(value, Node):
                section, self._tensors, self.step = _frozen(value)
            else:
                section, self._tensors, self.step = _checkpoint(value)
            check_plain(section, len(pickle))
            sections = _sections(section)
            if _MODIFIER in archive and len(archive[_MODIFIER]):
                raise ValueError("it holds a data modifier, which is not supported")
        except (PickleError, ValueError) as error:
            raise ModelFileError(f"{path}: cannot be read: {error}.") from None
        self._sections = sections
        self._models = _by_branch(self._tensors, sections)
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
        return TorchModel(self.section(branch), self._models[name], self._array)

    def encode(self, changes: Mapping[str, np.ndarray], branch: str | None = None) -> bytes:
        """The file with other numbers in some tensors, and all else as it is.

        Args:
            changes: Numbers by the name of the tensor within the model, which must be there.
            branch: The branch, or None for the only model.

        Raises:
            ModelFileError: It holds what cannot be written.
        """
        state = _state(self._value)
        prefix = f"model.{ONLY if branch is None else branch}."
        changed = {**state, **{prefix + name: array for name, array in changes.items()}}
        value = {**self._value, "model": changed} if "model" in self._value else changed
        try:
            size = len(self._archive["data.pkl"])
            check_plain(value, size, keys=(str, int), leaves=(Tensor, np.ndarray))
            return encode_torch(value, self._content)
        except (LookupError, ValueError, TypeError) as error:
            raise ModelFileError(f"{self._path}: cannot be written again: {error}.") from None

    def _array(self, tensor: Tensor) -> np.ndarray:
        if tensor.is_view:
            return tensor.array(self._content)
        if tensor not in self._copies:
            values = tensor.array(self._content)
            self._left -= values.nbytes
            if self._left < 0:
                raise PickleError("its tensors repeat their numbers")
            self._copies[tensor] = values
        return self._copies[tensor]

    def _content(self, key: str) -> memoryview:
        return self._archive[f"data/{key}"]


def _checkpoint(value: Any) -> tuple[dict[str, Any], dict[str, Tensor], int | None]:
    """Section, tensors by branch and name, and step of a ``.pt``."""
    state = _state(value)
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


def _state(value: Any) -> dict[Any, Any]:
    """What the file has by the names of weights; the oldest files have nothing else."""
    return _mapping(_mapping(value).get("model", value))


def _mapping(value: Any) -> dict[Any, Any]:
    """A mapping, empty for anything else."""
    return value if isinstance(value, dict) else {}


def _frozen(root: Node) -> tuple[dict[str, Any], dict[str, Tensor], None]:
    """The same of a ``.pth``, the tree of TorchScript's objects."""
    whole = _mapping(root.state)
    # A model of magnetic moments is around one of atoms and virtual atoms.
    inner = whole.get("backbone_model")
    inner = _mapping(inner.state) if isinstance(inner, Node) else {}
    script = whole.get("model_def_script", inner.get("model_def_script"))
    if not isinstance(script, str):
        raise ValueError("it holds no model of DeePMD-kit (no model_def_script)")
    try:
        section = json.loads(script)
    except RecursionError:
        raise ValueError("its model_def_script is nested too deeply") from None
    limits.check_depth(section)
    if not isinstance(section, dict) or "model_dict" in section:
        raise ValueError("it describes no single model")
    tensors: dict[str, Tensor] = {}
    pending = [(f"{ONLY}.", root, 0)]
    met = 0
    while pending:
        prefix, node, depth = pending.pop()
        met += 1
        if depth > limits.DEPTH or max(met + len(pending), len(tensors)) > limits.PARTS:
            raise ValueError("its objects hold each other without end")
        for name, part in _mapping(node.state).items():
            if not isinstance(part, Tensor | Node):
                continue
            full = f"{prefix}{name}"
            if len(full) > _NAME:
                raise ValueError("its objects have names without end")
            if isinstance(part, Tensor):
                tensors[full] = part
            else:
                pending.append((f"{full}.", part, depth + 1))
    return section, tensors, None


def _sections(section: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The ``model`` section of every branch; `ONLY` for a single model."""
    branches = section.get("model_dict")
    if branches is None:
        return {ONLY: section}
    if not isinstance(branches, dict) or not all(isinstance(x, dict) for x in branches.values()):
        raise ValueError("its model_dict is no mapping of models")
    return branches


def _by_branch(
    tensors: Mapping[str, Tensor], branches: Iterable[str]
) -> dict[str, dict[str, Tensor]]:
    """The tensors of each branch by their names within its model."""
    models: dict[str, dict[str, Tensor]] = {name: {} for name in branches}
    dotted = [name for name in models if "." in name]
    for full, tensor in tensors.items():
        for name in (full.partition(".")[0], *dotted):
            if name in models and full.startswith(f"{name}."):
                models[name][full[len(name) + 1 :]] = tensor
    return models
