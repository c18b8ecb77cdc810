"""The arrays a DeePMD system may hold, and how many numbers each has in a frame."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Key:
    """One kind of array in a set.

    Args:
        name: Name of the file, without ``.npy``.
        atomic: Whether every atom has its own numbers.
        width: Numbers in a frame, or in an atom of it. Zero: as many as the model asks for.
        default: Value where a set lacks the array.
    """

    name: str
    atomic: bool
    width: int = 1
    default: float = 0.0

    def size(self, natoms: int) -> int:
        """Numbers in one frame of ``natoms`` atoms."""
        return self.width * natoms if self.atomic else self.width

    def spellings(self) -> Iterator[str]:
        """File names under which the array may be stored: ``atom_x`` is also ``atomic_x``."""
        yield self.name
        if self.name.startswith("atom_"):
            yield "atomic_" + self.name.removeprefix("atom_")


KEYS = {
    key.name: key
    for key in (
        Key("coord", atomic=True, width=3),
        Key("box", atomic=False, width=9),
        Key("real_atom_types", atomic=True),
        Key("numb_copy", atomic=False, default=1.0),
        Key("timestep", atomic=False),
        Key("fparam", atomic=False, width=0),
        Key("aparam", atomic=True, width=0),
        Key("energy", atomic=False),
        Key("force", atomic=True, width=3),
        Key("virial", atomic=False, width=9),
        Key("atom_ener", atomic=True),
        Key("atom_pref", atomic=True),
        Key("atom_ener_coeff", atomic=True, default=1.0),
        Key("drdq", atomic=True, width=0),
    )
}
LABELS = ("energy", "force", "virial", "atom_ener", "atom_pref", "atom_ener_coeff", "drdq")
DEFAULT_LABELS = ("energy", "force", "virial")


def label_shape(name: str, natoms: int | None, *, numb_generalized_coord: int = 0) -> tuple:
    """Shape of one frame of a label in a batch; ``natoms`` of None stays None."""
    if name not in LABELS:
        raise ValueError(f"label {name!r} is none of {list(LABELS)}")
    if name == "drdq":
        return (None if natoms is None else 3 * natoms, numb_generalized_coord)
    key = KEYS[name]
    return ((natoms,) if key.atomic else ()) + ((key.width,) if key.width > 1 else ())
