"""What a fitting gives for atoms and frames, and the labels that it is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class Label(NamedTuple):
    """An array of reference values whose width is up to the model.

    Attributes:
        name: Name of its file, without ``.npy``.
        width: Numbers of a frame, or of an atom of it.
        atomic: Whether every atom has its own numbers.
        types: Types of the atoms that have it: data may list those atoms alone. None for all.
        default: Value where data lack it.
    """

    name: str
    width: int
    atomic: bool = False
    types: tuple[int, ...] | None = None
    default: float = 0.0


class Observable(NamedTuple):
    """A quantity that is a sum, or a mean, over contributions of atoms.

    Attributes:
        name: Name of the label and of the output of a frame; those of its atoms are
            ``atom_<name>``.
        width: Numbers of a frame.
        intensive: Whether a frame has the mean over its atoms, not the sum.
        types: Types of the atoms that contribute; None for all.
    """

    name: str
    width: int = 1
    intensive: bool = False
    types: tuple[int, ...] | None = None

    @classmethod
    def of(cls, values: Sequence[Any]) -> Observable:
        """From its values in their order, of which types may be a list, as in a file."""
        name, width, intensive, types = values
        return cls(name, width, intensive, None if types is None else tuple(types))

    @property
    def atomic_name(self) -> str:
        """Name of the label and of the output of the atoms."""
        return f"atom_{self.name}"

    @property
    def label(self) -> Label:
        """The label of a frame."""
        return Label(self.name, self.width)

    @property
    def atomic_label(self) -> Label:
        """The label of the atoms."""
        return Label(self.atomic_name, self.width, atomic=True, types=self.types)
