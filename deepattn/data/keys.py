"""The arrays a DeePMD system may hold, and the shapes they may have."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from deepattn.config.observable import Label


@dataclass(frozen=True)
class Layout:
    """The shapes that an array of some frames may have.

    All list the same numbers in the same order: axes of length one count for nothing, and all
    frames may follow one another on a single axis.

    Args:
        nframes: Number of frames.
        frame: Shapes of one frame; the first has a single axis.
    """

    nframes: int
    frame: tuple[tuple[int, ...], ...]

    @property
    def width(self) -> int:
        """Numbers in a frame."""
        return self.frame[0][0]

    @cached_property
    def _known(self) -> set[tuple[int, ...]]:
        shapes = [(self.nframes, *frame) for frame in self.frame]
        return set(map(_bare, [*shapes, (self.nframes * self.width,)]))

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether an array of all frames may have this shape."""
        return _bare(shape) in self._known

    def fits_frame(self, shape: tuple[int, ...]) -> bool:
        """Whether the array of a single frame may have this shape."""
        return _bare(shape) in map(_bare, self.frame)

    def __str__(self) -> str:
        return " or ".join(str((self.nframes, *frame)) for frame in self.frame)


def _bare(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(length for length in shape if length != 1)


@dataclass(frozen=True)
class Key:
    """One kind of array in a set.

    Args:
        name: Name of the file, without ``.npy``.
        atomic: Whether every atom has its own numbers.
        width: Numbers in a frame, or in an atom of it. Zero: as many as the model asks for.
        default: Value where a set lacks the array.
        threes: Whether the numbers, of a frame or of an atom, may have an axis of length 3 too.
        types: Types of the atoms that have numbers; an array may hold theirs alone. None for all.
        pairs: Whether every pair of atoms has its own numbers, a matrix over all coordinates.
    """

    name: str
    atomic: bool
    width: int = 1
    default: float = 0.0
    threes: bool = False
    types: tuple[int, ...] | None = None
    pairs: bool = False

    def size(self, natoms: int) -> int:
        """Numbers in one frame of ``natoms`` atoms."""
        if self.pairs:
            return self.width * natoms * natoms
        return self.width * natoms if self.atomic else self.width

    def layout(self, natoms: int, nframes: int) -> Layout:
        """The shapes of an array of ``nframes`` frames of ``natoms`` atoms."""
        return _layout(self, natoms, nframes)

    def spellings(self) -> Iterator[str]:
        """File names under which the array may be stored: ``atom_x`` is also ``atomic_x``."""
        yield self.name
        if self.name.startswith("atom_"):
            yield "atomic_" + self.name.removeprefix("atom_")


@lru_cache(maxsize=1024)  # asked for every array of every batch
def _layout(key: Key, natoms: int, nframes: int) -> Layout:
    shapes: list[tuple[int, ...]] = [(key.size(natoms),)]
    inner: list[tuple[int, ...]] = (
        [(key.width,), (3, key.width // 3)] if key.threes else [(key.width,)]
    )
    if key.pairs:
        shapes += [(3 * natoms, 3 * natoms), (natoms, 3, natoms, 3)]
    elif not key.atomic:
        shapes += inner[1:]
    elif key.width > 1:
        shapes += [(natoms, *axes) for axes in inner]
        if key.threes:
            shapes.append((3 * natoms, key.width // 3))
    return Layout(nframes, tuple(shapes))


KEYS = {
    key.name: key
    for key in (
        Key("coord", atomic=True, width=3),
        Key("box", atomic=False, width=9, threes=True),
        Key("real_atom_types", atomic=True),
        Key("numb_copy", atomic=False, default=1.0),
        Key("timestep", atomic=False),
        Key("fparam", atomic=False, width=0),
        Key("aparam", atomic=True, width=0),
        Key("energy", atomic=False),
        Key("force", atomic=True, width=3),
        Key("virial", atomic=False, width=9, threes=True),
        Key("atom_ener", atomic=True),
        Key("atom_pref", atomic=True),
        Key("spin", atomic=True, width=3),
        Key("force_mag", atomic=True, width=3),
        Key("atom_ener_coeff", atomic=True, default=1.0),
        Key("drdq", atomic=True, width=0, threes=True),
        Key("hessian", atomic=True, width=9, pairs=True),
    )
}
LABELS = (
    *("energy", "force", "virial", "atom_ener", "atom_pref", "atom_ener_coeff", "drdq"),
    *("hessian", "force_mag"),
)
DEFAULT_LABELS = ("energy", "force", "virial")


def key_of(label: str | Label) -> Key:
    """The array of a label."""
    if isinstance(label, str):
        return KEYS[label]
    return Key(
        label.name,
        atomic=label.atomic,
        width=label.width,
        default=label.default,
        threes=label.width == 9,
        types=label.types,
    )


def label_shape(
    label: str | Label, natoms: int | None, *, numb_generalized_coord: int = 0
) -> tuple[int | None, ...]:
    """Shape of one frame of a label in a batch; ``natoms`` of None stays None."""
    if not isinstance(label, str):
        return (*((natoms,) if label.atomic else ()), label.width)
    if label not in LABELS:
        raise ValueError(f"label {label!r} is not one of {list(LABELS)}")
    if label == "drdq":
        return (None if natoms is None else 3 * natoms, numb_generalized_coord)
    key = KEYS[label]
    if key.pairs:
        return (None, None) if natoms is None else (3 * natoms, 3 * natoms)
    return ((natoms,) if key.atomic else ()) + ((key.width,) if key.width > 1 else ())


def label_name(label: str | Label) -> str:
    """The name of a label."""
    return label if isinstance(label, str) else label.name


def atom_axes(name: str) -> int:
    """How many axes of atoms the array of a name has; those of observables say so by it."""
    if name not in KEYS:
        return int(name.startswith("atom_"))
    return 2 if KEYS[name].pairs else int(KEYS[name].atomic)


def parameters(number: int, kind: str) -> str:
    """A number of frame or atomic parameters, in words.

    Args:
        number: The number.
        kind: ``frame`` or ``atomic``.
    """
    return f"{number} {kind} parameter{'' if number == 1 else 's'}"
