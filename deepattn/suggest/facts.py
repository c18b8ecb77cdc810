"""The facts about data that the rules depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ase.data import chemical_symbols

_NONMETALS = {
    *("H", "He", "B", "C", "N", "O", "F", "Ne", "Si", "P", "S", "Cl", "Ar"),
    *("Ge", "As", "Se", "Br", "Kr", "Sb", "Te", "I", "Xe", "At", "Rn", "Ts", "Og"),
}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A summary of some systems.

    Attributes:
        sources: Folders and files in which the systems were found, as the user names them.
        paths: The systems.
        natoms: Atoms of each system, virtual ones included.
        nframes: Frames of each system.
        elements: Names of the types that occur, in the order of the data.
        mixed_types: Whether frames of a system have types of their own.
        periodic_frames: Number of frames with a cell.
        labeled: Number of frames with an energy, with forces, with a virial that counts: one that
            is not zero, in a periodic cell.
        shares: Share of the atoms that each element has; measured on a sample of frames.
        nearest: Median distance of the atoms of each element to their nearest neighbors, Å; of the
            sample. Elements without neighbors are left out.
        neighbors: Mean and largest number of neighbors within a cutoff (Å); of the sample.
        density: Median number of atoms per Å³ in periodic cells, or None; of the sample.
        sampled: Number of frames of the sample.
        parameters: ``fparam`` and ``aparam``, if the data have them.
        foreign: Whether some systems are in files of other codes.
    """

    sources: tuple[str, ...]
    paths: tuple[str, ...]
    natoms: tuple[int, ...]
    nframes: tuple[int, ...]
    elements: tuple[str, ...]
    mixed_types: bool = False
    periodic_frames: int = 0
    labeled: Mapping[str, int] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    nearest: Mapping[str, float] = field(default_factory=dict)
    neighbors: Mapping[float, tuple[float, int]] = field(default_factory=dict)
    density: float | None = None
    sampled: int = 0
    parameters: tuple[str, ...] = ()
    foreign: bool = False

    @property
    def frames(self) -> int:
        """Number of all frames."""
        return sum(self.nframes)

    @property
    def metal(self) -> bool:
        """Whether all elements are metals."""
        metals = {*chemical_symbols[1:]} - _NONMETALS
        return metals.issuperset(self.elements)

    def batch_frames(self, atoms: int) -> list[int]:
        """Frames per batch of each system if batches have so many atoms at least."""
        return [-(-atoms // natoms) for natoms in self.natoms]

    def batches(self, atoms: int) -> list[int]:
        """Number of such batches in each system."""
        sizes = self.batch_frames(atoms)
        return [max(1, n // size) for n, size in zip(self.nframes, sizes, strict=True)]

    def summary(self) -> str:
        """One line for a terminal."""
        low, high = min(self.natoms), max(self.natoms)
        parts = [
            f"{len(self.paths)} {'system' if len(self.paths) == 1 else 'systems'}",
            f"{self.frames} frames",
            f"{low} atoms" if low == high else f"{low} to {high} atoms",
            "mixed types" if self.mixed_types else "fixed types",
            _boundaries(self.periodic_frames, self.frames),
            f"{len(self.elements)} elements"
            if len(self.elements) > 1
            else f"the element {self.elements[0]}",
        ]
        labels = [
            name if count == self.frames else f"{name} in {count} frames"
            for name, count in self.labeled.items()
            if count
        ]
        parts.append(f"labels: {', '.join(labels) or 'none'}")
        if self.density is not None:
            parts.append(f"{self.density:.3f} atoms/Å³")
        if self.nearest:
            parts.append(f"nearest neighbors at {min(self.nearest.values()):.2f} Å and more")
        return "; ".join(parts)


def _boundaries(periodic: int, frames: int) -> str:
    if periodic == frames:
        return "periodic"
    return "open boundaries" if not periodic else f"periodic in {periodic} frames, others open"
