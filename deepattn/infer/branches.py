"""The contents of a model file, for a multi-task model of each branch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property

from deepattn.errors import ModelFileError
from deepattn.infer.inspect import Inspection
from deepattn.models.files import ModelFile, open_model_file

# The part about the branches themselves, which comes before the parts about each of them.
_PART = "model-branch"


class Branches:
    """The models of a file.

    Args:
        source: as in `deepattn.infer.DeepPot`.
        head: of a multi-task model the branch to describe; None for all of them.

    Attributes:
        several: whether there is more than one model.

    Raises:
        ModelFileError: the file is missing or damaged, or has no such branch.
    """

    def __init__(self, source: str | os.PathLike | ModelFile, *, head: str | None = None) -> None:
        file = open_model_file(source)
        self.path = file.path
        self._branches = file.branches
        self.several = self._branches is not None and head is None
        self._file, self._head = file, head
        file.branch(head)

    @cached_property
    def models(self) -> dict[str, Inspection]:
        """The models by branch; a single-task model has an empty name."""
        names = list(self._branches or ()) if self.several else [self._head]
        return {name or "": Inspection(self._file, head=name) for name in names}

    def tell(self, parts: Sequence[str] = ()) -> dict[str, object]:
        """Parts by name, as values that JSON can hold; of several models each by branch.

        Args:
            parts: ``model-branch`` or keys of `deepattn.infer.inspect.PARTS`; an overview of what
                the file has if there are none.

        Raises:
            ModelFileError: the file does not hold one of the parts.
        """
        if _PART in parts and self._branches is None:
            raise ModelFileError(f"{self.path}: holds a single-task model, without branches")
        answers: dict[str, object] = {}
        if self._branches is not None and (_PART in parts or not parts):
            answers[_PART] = {
                name: {"aliases": list(branch.aliases), "info": dict(branch.info)}
                for name, branch in self._branches.items()
            }
        if parts == [_PART]:
            return answers
        others = [part for part in parts if part != _PART]
        answers_of = {name: model.tell(others) for name, model in self.models.items()}
        if not self.several:
            return answers | next(iter(answers_of.values()))
        for part in next(iter(answers_of.values())):
            answers[part] = {name: answer[part] for name, answer in answers_of.items()}
        return answers
