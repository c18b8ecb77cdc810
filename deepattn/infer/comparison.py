"""Two models on the same frames: their largest deviations, and the time of each."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deepattn.data import System
from deepattn.infer.deep_pot import DeepPot
from deepattn.infer.labeled import read_frames
from deepattn.models.files import ModelFile
from deepattn.progress import tracked

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
        seconds: time of each of the two models; the first piece of a system is evaluated twice,
            since TensorFlow prepares itself in the first evaluation.
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
            inputs, _ = read_frames(models[0], system, piece)
            results, seconds = [], []
            for model in models:
                if number == 0:
                    model.evaluate(inputs)
                start = time.perf_counter()
                results.append(model.evaluate(inputs))
                seconds.append(time.perf_counter() - start)
            self._note(results, np.sum(inputs.atype >= 0, axis=1), seconds)

    def _note(
        self,
        results: Sequence[Mapping[str, np.ndarray]],
        natoms: np.ndarray,
        seconds: Sequence[float],
    ) -> None:
        first, second = results
        energy, force, virial = (
            abs(first[name] - second[name]) for name in ("energy", "force", "virial")
        )
        self.frames += len(natoms)
        self.atoms += int(natoms.sum())
        self.energy = max(self.energy, float((energy / natoms).max()))
        self.force = max(self.force, float(force.max()))
        self.virial = max(self.virial, float((virial / natoms[:, np.newaxis]).max()))
        self.seconds = (self.seconds[0] + seconds[0], self.seconds[1] + seconds[1])


def compare_models(
    first: ModelFile | str | os.PathLike,
    second: ModelFile | str | os.PathLike,
    systems: Sequence[System],
    *,
    numb_test: int,
) -> Comparison:
    """Compare two models with the same type map on the first frames of systems.

    Args:
        first: a model file.
        second: the other one.
        systems: systems, opened with that type map.
        numb_test: frames of each system to take at most.
    """
    found = Comparison()
    with DeepPot(first) as before, DeepPot(second) as after:
        for system in tracked(systems, "comparison"):
            found.add((before, after), system, np.arange(min(system.nframes, numb_test)))
    return found
