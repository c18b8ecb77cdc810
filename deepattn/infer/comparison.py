"""One potential against another on the same frames: how far apart, and how fast each."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deepattn.data import System
from deepattn.infer.deep_pot import DeepPot
from deepattn.infer.labeled import read_frames

_ATOMS_AT_ONCE = 4096


@dataclass
class Comparison:
    """Largest deviations over all frames so far, and times.

    Attributes:
        frames: number of frames.
        atoms: number of atoms of all frames.
        energy: eV/atom.
        force: eV/Å, of a component.
        virial: eV/atom, of a component.
        seconds: time of each of the two models; the first piece of a system, in which TensorFlow
            prepares itself, is evaluated once more before.
    """

    frames: int = 0
    atoms: int = 0
    energy: float = 0.0
    force: float = 0.0
    virial: float = 0.0
    seconds: tuple[float, float] = (0.0, 0.0)

    def add(
        self, models: tuple[DeepPot, DeepPot], system: System, frames: Sequence[int] | np.ndarray
    ) -> None:
        """Evaluate frames of a system with both models.

        Args:
            models: with the same type map.
            system: made with that type map.
            frames: numbers of the frames.
        """
        for number, piece in enumerate(system.pieces(_ATOMS_AT_ONCE, frames)):
            arguments, _ = read_frames(models[0], system, piece)
            results, seconds = [], []
            for model in models:
                if number == 0:
                    model.eval(**arguments)
                start = time.perf_counter()
                results.append(model.eval(**arguments))
                seconds.append(time.perf_counter() - start)
            self._note(results, np.sum(arguments["atom_types"] >= 0, axis=1), seconds)

    def _note(
        self, results: Sequence[Sequence[np.ndarray]], natoms: np.ndarray, seconds: Sequence[float]
    ) -> None:
        energy, force, virial = (abs(a - b) for a, b in zip(*results, strict=True))
        self.frames += len(natoms)
        self.atoms += int(natoms.sum())
        self.energy = max(self.energy, float((energy.ravel() / natoms).max()))
        self.force = max(self.force, float(force.max()))
        self.virial = max(self.virial, float((virial / natoms[:, np.newaxis]).max()))
        first, second = (old + new for old, new in zip(self.seconds, seconds, strict=True))
        self.seconds = first, second
