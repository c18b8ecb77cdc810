"""What a model file of one task or several says of itself."""

from __future__ import annotations

import os
from collections.abc import Sequence

from deepattn.errors import ModelFileError
from deepattn.formats.checkpoint import read_checkpoint
from deepattn.formats.dp_file import is_dp_file
from deepattn.formats.find import find_model
from deepattn.infer.inspect import Inspection
from deepattn.models.load import tasks_of

# The part that tells of the branches, before all that each of them tells.
_PART = "model-branch"


class Branches:
    """The models of a file.

    Args:
        path: as of `deepattn.infer.DeepPot`.
        head: of several tasks the branch to tell of; None for all.

    Attributes:
        models: the models by branch; that of a single task has an empty name.
        several: whether the file is of several tasks.

    Raises:
        ModelFileError: the file is missing or damaged, or has no such branch.
    """

    def __init__(self, path: str | os.PathLike, *, head: str | None = None) -> None:
        self.path = find_model(path)
        self._tasks = None
        if self.path.suffix != ".pb" and not is_dp_file(self.path):
            self._tasks = tasks_of(read_checkpoint(self.path)[1], self.path)
        self.several = self._tasks is not None and head is None
        names = [head] if self._tasks is None or head is not None else list(self._tasks.branches)
        self.models = {name or "": Inspection(self.path, head=name) for name in names}

    def tell(self, parts: Sequence[str] = ()) -> dict[str, object]:
        """Parts by name, in values that JSON can hold; of several models each by branch.

        Args:
            parts: ``model-branch`` or keys of `deepattn.infer.inspect.PARTS`; an overview of what
                the file has if there are none.

        Raises:
            ModelFileError: the file does not hold one of the parts.
        """
        if _PART in parts and self._tasks is None:
            raise ModelFileError(f"{self.path}: is of a single task, without branches")
        answers: dict[str, object] = {}
        if self._tasks is not None and (_PART in parts or not parts):
            answers[_PART] = {
                name: {"aliases": list(branch.aliases), "info": dict(branch.info)}
                for name, branch in self._tasks.branches.items()
            }
        if parts == [_PART]:
            return answers
        others = [part for part in parts if part != _PART]
        told = {name: model.tell(others) for name, model in self.models.items()}
        if not self.several:
            return answers | next(iter(told.values()))
        for part in next(iter(told.values())):
            answers[part] = {name: answer[part] for name, answer in told.items()}
        return answers
