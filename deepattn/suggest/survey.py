"""Looking at data: headers and types of all systems, and a sample of their frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms

from deepattn.check.neighbors import neighbor_pairs
from deepattn.data import System, find_systems
from deepattn.data.foreign import split_foreign
from deepattn.data.type_map import union
from deepattn.errors import DataError
from deepattn.progress import tracked
from deepattn.suggest.cutoff import CUTOFFS
from deepattn.suggest.facts import Facts

_LABELS = ("energy", "force", "virial")
_ATOMS_AT_ONCE = 1 << 17
# Frames of the sample, and atoms of all its frames together.
_FRAMES = 60
_ATOMS = 20000


@dataclass
class _Sample:
    """Sums over the sampled frames."""

    frames: int = 0
    nonzero: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(_LABELS, False))
    nearest: dict[int, list[np.ndarray]] = field(default_factory=dict)
    counts: dict[float, list[np.ndarray]] = field(
        default_factory=lambda: {cutoff: [] for cutoff in CUTOFFS}
    )
    atoms: dict[int, int] = field(default_factory=dict)
    density: list[float] = field(default_factory=list)


def survey_data(sources: Sequence[str], *, type_map: Sequence[str] | None = None) -> Facts:
    """Summarize data.

    Types of all frames are read, labels and distances of a sample that is spread evenly over the
    systems.

    Args:
        sources: Where to look for systems, at any depth.
        type_map: Names of the types, for data that do not name them; otherwise their order.

    Raises:
        DataError: There are no systems, one cannot be read, or the types have no names.
    """
    paths = find_systems(sources)
    systems = [System(path) for path in paths]
    names = list(type_map or union([system.data_type_map for system in systems]))
    if not names:
        unnamed = next(system.path for system in systems if system.data_type_map is None)
        raise DataError(
            f"{unnamed}: the types have no names (there is no type_map.raw); give them in their "
            "order: --type-map O H"
        )
    systems = [System(path, type_map=names) for path in paths]
    occurring = _occurring(systems, len(names))
    sample = _sample(systems)
    nframes = [system.nframes for system in systems]
    labeled = {
        name: sum(
            int(system.has(name).sum())
            for system in systems
            if name != "virial" or (system.periodic and sample.nonzero[name])
        )
        for name in _LABELS
    }
    total = sum(sample.atoms.values())
    distances = {kind: np.concatenate(parts) for kind, parts in sample.nearest.items()}
    return Facts(
        sources=tuple(sources),
        paths=tuple(paths),
        natoms=tuple(system.natoms for system in systems),
        nframes=tuple(nframes),
        elements=tuple(names if type_map else (names[kind] for kind in occurring)),
        mixed_types=any(system.mixed_type for system in systems),
        periodic_frames=sum(system.nframes for system in systems if system.periodic),
        labeled=labeled,
        shares={names[kind]: count / total for kind, count in sorted(sample.atoms.items())},
        nearest={names[kind]: float(np.median(found)) for kind, found in sorted(distances.items())},
        neighbors={
            cutoff: (float(np.mean(all_counts)), int(np.max(all_counts)))
            for cutoff, parts in sample.counts.items()
            if (all_counts := np.concatenate(parts)).size
        },
        density=float(np.median(sample.density)) if sample.density else None,
        sampled=sample.frames,
        parameters=tuple(
            name for name in ("fparam", "aparam") if any(s.has(name).any() for s in systems)
        ),
        foreign=any(split_foreign(path) is not None for path in paths),
    )


def _occurring(systems: Sequence[System], ntypes: int) -> list[int]:
    """The types that some frame has."""
    seen = np.zeros(ntypes, bool)
    for system in tracked(systems, "looking at types"):
        # Without types of their own all frames are as the first.
        frames = None if system.mixed_type else [0]
        for piece in system.pieces(_ATOMS_AT_ONCE, frames):
            kinds = np.unique(system.atype(piece))
            seen[kinds[kinds >= 0]] = True
    return np.flatnonzero(seen).tolist()


def _sample(systems: Sequence[System]) -> _Sample:
    """Evenly spaced frames of evenly spaced systems."""
    sample = _Sample()
    chosen = np.unique(np.linspace(0, len(systems) - 1, min(_FRAMES, len(systems))).astype(int))
    each = max(1, _FRAMES // len(chosen))
    for index in chosen:
        system = systems[index]
        wanted = min(each, max(1, _ATOMS // (len(chosen) * system.natoms)), system.nframes)
        for frame in np.unique(np.linspace(0, system.nframes - 1, wanted).astype(int)):
            _add(sample, system, int(frame))
    return sample


def _add(sample: _Sample, system: System, frame: int) -> None:
    inputs, labels = system.frames([frame], labels=_LABELS)
    for name in _LABELS:
        sample.nonzero[name] |= bool(np.any(labels[name] != 0))
    kinds = inputs["atype"][0]
    real = kinds >= 0
    kinds, natoms = kinds[real], int(real.sum())
    if not natoms:
        return
    sample.frames += 1
    for kind, count in zip(*np.unique(kinds, return_counts=True), strict=True):
        sample.atoms[int(kind)] = sample.atoms.get(int(kind), 0) + int(count)
    cell = inputs["box"][0].reshape(3, 3)
    if system.periodic:
        sample.density.append(natoms / abs(float(np.linalg.det(cell))))
    atoms = Atoms(positions=inputs["coord"][0][real], cell=cell, pbc=system.periodic)
    first, _, distance, _ = neighbor_pairs(atoms, max(CUTOFFS))
    nearest = np.full(natoms, np.inf)
    np.minimum.at(nearest, first, distance)
    for kind in np.unique(kinds[np.isfinite(nearest)]):
        found = nearest[(kinds == kind) & np.isfinite(nearest)]
        sample.nearest.setdefault(int(kind), []).append(found)
    for cutoff in CUTOFFS:
        near = first[distance < cutoff]
        sample.counts[cutoff].append(np.bincount(near, minlength=natoms))
