"""Sources of the weights of a fine-tuning: a pretrained model, or branches of one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from deepattn.config import RANDOM
from deepattn.config.multitask import BranchInput
from deepattn.errors import ConfigError, ModelFileError
from deepattn.models import open_model_file
from deepattn.train.weight_source import WeightSource, of_file

# Name of a single-task model for `finetune_head`.
_DEFAULT = "Default"


class Pretrained:
    """A pretrained model in a file of any kind from which it can be rebuilt.

    Args:
        path: The file; a checkpoint may be given by its prefix or folder too.

    Attributes:
        branches: Names of the branches; the one of a single task is ``Default``.

    Raises:
        ModelFileError: The file is missing, corrupt, or of a model that cannot be rebuilt.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = path
        self._file = open_model_file(path)
        self._several = self._file.branches is not None
        self.branches = list(self._file.branches or [_DEFAULT])

    def single(self, head: str | None) -> WeightSource:
        """The start of a single task.

        Args:
            head: ``--model-branch``: a branch whose fitting net is taken over, or ``RANDOM`` for a
                new one; None is the model itself; for a multi-task one the same as ``RANDOM``.

        Raises:
            ModelFileError: The branch does not exist.
        """
        if head is None:
            return self._random() if self._several else self._of(_DEFAULT, mode="finetune")
        start = self._named(head)
        if start is None:
            raise ModelFileError(f"{self.path}: has no branch {head!r}; {self._known()}")
        return start

    def several(self, branches: Mapping[str, BranchInput]) -> dict[str, WeightSource]:
        """The start of each branch: resumed, from another branch, or with a new fitting net.

        Raises:
            ConfigError: A ``finetune_head`` is no branch of the file.
        """
        starts = {}
        for name, branch in branches.items():
            head = branch.finetune_head
            if head is None and self._several and name in self.branches:
                starts[name] = self._of(name, mode="resume")
                continue
            start = self._random() if head is None else self._named(head)
            if start is None:
                raise ConfigError(
                    f"model/model_dict/{name}/finetune_head is {head!r}, which {self.path} does "
                    f"not have; {self._known()}."
                )
            starts[name] = start
        return starts

    def _named(self, head: str) -> WeightSource | None:
        """The start from a branch, or with a new fitting net; the case of letters is all one."""
        if head == RANDOM:
            return self._random()
        name = self._file.branch_of(head)
        if name is None and not self._several and head.lower() == _DEFAULT.lower():
            name = _DEFAULT
        if name is not None:
            return self._of(name, mode="finetune")
        return self._random() if head.upper() == RANDOM else None

    def _known(self) -> str:
        return f"there are {', '.join([*self.branches, RANDOM])}"

    def _random(self) -> WeightSource:
        return replace(self._of(self.branches[0], mode="finetune"), random_fitting=True)

    def _of(self, name: str, *, mode: str) -> WeightSource:
        head = name if self._several else None
        return replace(of_file(self._file.branch(head), self.path, head), mode=mode)
