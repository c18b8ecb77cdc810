"""The questions that a model file answers, whatever its kind."""

from __future__ import annotations

import copy
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Protocol

import numpy as np

from deepattn.config import FittingConfig, ModelConfig
from deepattn.config.observable import Observable
from deepattn.errors import ModelFileError
from deepattn.formats.weight_names import BIAS, is_first_slots

if TYPE_CHECKING:
    from typing_extensions import Self

    from deepattn.models.atomic_model import AtomicModel


# The name or alias of the branch that is meant where none is named.
_DEFAULT = "Default"


class Branch(Protocol):
    """A branch of a multi-task model.

    Attributes:
        aliases: other names of it.
        info: remarks of its authors.
    """

    @property
    def aliases(self) -> Sequence[str]: ...

    @property
    def info(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class StoredModel:
    """A model as data: all that is needed to build it.

    Attributes:
        config: its configuration.
        arrays: its weights by name.
        interface_dtype: precision of coordinates, forces and statistics.
        header: ``config`` (the normalized input; files other than checkpoints may have no more of
            it than the model section) and ``min_nbor_dist`` (Å, or ``None``) at least.
    """

    config: ModelConfig
    arrays: dict[str, np.ndarray] = field(repr=False)
    interface_dtype: str
    header: dict[str, Any] = field(repr=False)


class ModelFile(ABC):
    """A model file whose content has been read.

    A kind of file is a subclass that `deepattn.models.MODEL_FILES` lists. It must define `kind`,
    `suffixes`, `recognizes` and `_stored`; whatever the format cannot answer is refused by this
    class in one sentence.

    Args:
        path: the file, for messages.
        content: its bytes; those of ``saved_model.pb`` if it is a folder.

    Attributes:
        kind: name of the format in messages, with its article: ``"a frozen graph"``.
        suffixes: endings that such files usually have, the preferred one first.
        runs_as_it_is: whether the file holds a graph that is run, not weights of a Keras model.

    Raises:
        ModelFileError: the content is damaged or unsafe.
    """

    kind: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    runs_as_it_is: ClassVar[bool] = False

    def __init__(self, path: Path, content: bytes) -> None:
        self.path = path
        self._content = content
        self._model: StoredModel | None = None
        self._head: str | None = None

    @classmethod
    @abstractmethod
    def recognizes(cls, path: Path, start: bytes) -> bool:
        """Whether a file is of this kind.

        Args:
            path: the file or folder; its name does not count.
            start: the first bytes of a file; empty for a folder.
        """

    @property
    def branches(self) -> Mapping[str, Branch] | None:
        """The branches of a multi-task model by name; None for a single-task model."""
        return None

    @property
    def is_checkpoint(self) -> bool:
        """Whether the file is of a training that can go on from it."""
        return False

    @property
    def has_hessian(self) -> bool:
        """Whether the model was trained on Hessians, so that evaluations give them too."""
        return False

    @property
    def several(self) -> bool:
        """Whether the model is multi-task, and no branch has been chosen."""
        return self.branches is not None and self._head is None

    def branch_of(self, head: str) -> str | None:
        """The branch of a name or alias, in any case of the letters; None if there is none."""
        names = self._branch_names()
        alike = (name for alias, name in names.items() if alias.lower() == head.lower())
        return names.get(head) or next(alike, None)

    def branch(self, head: str | None) -> Self:
        """The file with one branch of a multi-task model chosen; with None the file as it is.

        Args:
            head: name or alias of the branch.

        Raises:
            ModelFileError: there is no such branch.
        """
        if head is None:
            return self
        if self.branches is None:
            raise ModelFileError(
                f"{self.path}: holds a single-task model, which has no branches; omit --head"
            )
        name = self.branch_of(head)
        if name is None:
            names = ", ".join(self.branches)
            raise ModelFileError(f"{self.path}: has no branch {head!r}; there are {names}")
        return self._copy(_head=name)

    def chosen_branch(self) -> str | None:
        """The branch that was chosen, or else that of the name or alias ``Default``, as in
        DeePMD-kit; None for a single-task model.

        Raises:
            ModelFileError: the model is multi-task, and none was chosen.
        """
        if self.several:
            names = self._branch_names()
            if _DEFAULT in names:
                return names[_DEFAULT]
            raise ModelFileError(
                f"{self.path}: holds a multi-task model; choose a branch with --head: "
                f"{', '.join(dict.fromkeys(names.values()))}"
            )
        return self._head

    def stored(self) -> StoredModel:
        """The model as data.

        Raises:
            ModelFileError: it cannot be rebuilt, or a branch must be chosen first.
        """
        if self._model is None:
            self._model = self._stored()
        return self._model

    def build(self) -> AtomicModel:
        """The model in Keras.

        Raises:
            ModelFileError: as for `stored`.
        """
        # Files are read without TensorFlow, whose import takes seconds.
        from deepattn.models.build import build_stored

        return build_stored(self.stored(), self.path)

    def type_map(self) -> list[str]:
        """Names of the types in the order of their numbers, those of virtual atoms last; empty if
        they have none."""
        return list(self.stored().config.data_types)

    @property
    def moments(self) -> int:
        """Number of the last types that are of virtual atoms, which stand for magnetic moments."""
        spin = (self.model_section() or {}).get("spin")
        return sum(spin["use_spin"]) if spin and "virtual_scale" not in spin else 0

    def model_section(self) -> dict[str, Any] | None:
        """The model section of the input; None if the file does not hold it."""
        return self.stored().header["config"]["model"]

    def info(self) -> Mapping[str, Any]:
        """Remarks on the model: of its authors, and DeePMD-kit's about the data."""
        head = self.chosen_branch()
        if head is not None and self.branches is not None:
            return self.branches[head].info
        found = (self.model_section() or {}).get("info")
        return found if isinstance(found, dict) else {}

    def weights(self) -> Mapping[str, np.ndarray] | None:
        """Weights and statistics by name; None if the file does not hold them by name."""
        arrays = self.stored().arrays
        return {name: array for name, array in arrays.items() if not is_first_slots(name)}

    def energy_bias(self) -> np.ndarray:
        """Energy bias of each type, eV.

        Raises:
            ModelFileError: it cannot be changed in this file.
        """
        self.refuse("its energy bias cannot be changed")

    def with_energy_bias(self, bias: np.ndarray) -> Self:
        """A copy with another bias and all else as it is.

        Args:
            bias: eV, one number for each type.
        """
        self.refuse("its energy bias cannot be changed")

    def encode(self, target: Path) -> bytes:
        """The content as bytes.

        Args:
            target: the file to write, whose ending chooses among variants of the format.
        """
        self.refuse("it cannot be written again")

    @property
    def fitting_kind(self) -> type[FittingConfig]:
        """The kind of the model's fitting."""
        return type(self.stored().config.fitting_net)

    @property
    def observable(self) -> Observable | None:
        """What the model gives besides energies; None for a model of energies."""
        return self.stored().config.fitting_net.observable

    def refuse_observables(self) -> None:
        """Refuse what only models of energies have.

        Raises:
            ModelFileError: the model gives something else, or is one of magnetic moments.
        """
        if self.observable is not None:
            raise ModelFileError(
                f"{self.path}: is a model of the observable {self.observable.name}, which has no "
                "energy bias"
            )
        if (self.model_section() or {}).get("spin"):
            raise ModelFileError(
                f"{self.path}: is a model of magnetic moments, whose energy bias cannot be changed"
            )

    def refuse_several_biases(self, names: Iterable[str]) -> None:
        """Refuse a combination of models of which several have an energy bias.

        Args:
            names: Those of the weights.

        Raises:
            ModelFileError: It is one.
        """
        if any(name.startswith("model") and name.endswith(BIAS) for name in names):
            self.refuse("the energy bias of a combination of models cannot be changed")

    def digest(self) -> str:
        """SHA-256 of the content in hexadecimal digits."""
        return hashlib.sha256(self._content).hexdigest()

    def refuse(self, what: str) -> NoReturn:
        """Raise the error for a question that this kind of file cannot answer.

        Args:
            what: the end of the sentence: ``"it cannot be written again"``.
        """
        raise ModelFileError(
            f"{self.path}: is {self.kind}, and {what}; use the checkpoint or the .dp file that it "
            "was made from"
        )

    def _stored(self) -> StoredModel:
        self.refuse("the model cannot be rebuilt from it")

    def _branch_names(self) -> dict[str, str]:
        """The branches by their names and aliases."""
        names: dict[str, str] = {}
        for name, branch in (self.branches or {}).items():
            names[name] = name
            for alias in branch.aliases:
                names.setdefault(alias, name)
        return names

    def _copy(self, **changes: Any) -> Self:
        """The same file with other attributes."""
        other = copy.copy(self)
        other._model = None
        vars(other).update(changes)
        return other
