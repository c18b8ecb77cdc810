"""Forces that do not sum to zero, and invalid virials."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from ase.units import GPa

from deepattn.check.finding import DOUBT, Finding, Tally
from deepattn.check.piece import Piece

# Mean force on an atom of a frame, eV/Å; codes converge it to less.
_NET = 0.02
_HUGE_FORCE = 100.0  # eV/Å
_HUGE_PRESSURE = 1000.0  # GPa
_TENSION = 100.0  # GPa; solids break at less
# Antisymmetric part of a virial, as a fraction of it, and eV/atom.
_ASYMMETRY = (0.01, 0.001)


class Forces:
    """Net forces, extreme forces and pressures, asymmetric virials."""

    def __init__(self) -> None:
        self._net = Tally(DOUBT, "net force", "; are atoms missing, or an external field?")
        self._huge = Tally(DOUBT, "force", "; is the frame intended, and is the unit eV/Å?")
        self._pressure = Tally(DOUBT, "virial", "; is the virial in eV, and the cell in Å?")
        self._tension = Tally(
            DOUBT, "virial", ", which no solid can withstand; does the virial have the wrong sign?"
        )
        self._torque = Tally(DOUBT, "virial", "; are its nine numbers in order?")

    def add(self, piece: Piece) -> None:
        """Process some frames."""
        self._look_at_forces(piece)
        if piece.periodic:
            self._look_at_virials(piece)

    def report(self) -> Iterator[Finding]:
        """The findings."""
        for tally in (self._net, self._huge, self._pressure, self._tension, self._torque):
            yield from tally.report()

    def _look_at_forces(self, piece: Piece) -> None:
        net = np.linalg.norm(np.where(piece.real[:, :, None], piece.force, 0.0).sum(1), axis=1)
        size = np.where(piece.real, np.linalg.norm(piece.force, axis=2), 0.0)
        for row, frame in enumerate(piece.frames):
            if net[row] > _NET * piece.natoms[row]:
                sentence = f"the forces of frame {frame} add up to {net[row]:.3g} eV/Å"
                self._net.add(piece.path, frame, sentence, badness=net[row] / piece.natoms[row])
            if size[row].max() > _HUGE_FORCE:
                atom = int(size[row].argmax())
                sentence = (
                    f"in frame {frame} the force on atom {atom} is {size[row, atom]:.3g} eV/Å"
                )
                self._huge.add(piece.path, frame, sentence, badness=size[row, atom])

    def _look_at_virials(self, piece: Piece) -> None:
        virial = piece.virial.reshape(-1, 3, 3)
        volume = np.abs(np.linalg.det(piece.box.reshape(-1, 3, 3)))
        pressure = np.trace(virial, axis1=1, axis2=2) / (3 * volume * GPa)
        torque = np.abs(virial - virial.transpose(0, 2, 1)).max(axis=(1, 2))
        fraction, least = _ASYMMETRY
        limit = fraction * np.abs(virial).max(axis=(1, 2)) + least * piece.natoms
        for row, frame in enumerate(piece.frames):
            if abs(pressure[row]) > _HUGE_PRESSURE:
                sentence = f"the virial of frame {frame} is a pressure of {pressure[row]:.3g} GPa"
                self._pressure.add(piece.path, frame, sentence, badness=abs(pressure[row]))
            elif pressure[row] < -_TENSION:
                sentence = f"the virial of frame {frame} is a tension of {-pressure[row]:.3g} GPa"
                self._tension.add(piece.path, frame, sentence, badness=-pressure[row])
            if torque[row] > limit[row]:
                sentence = f"the virial of frame {frame} is not symmetric, by {torque[row]:.3g} eV"
                self._torque.add(piece.path, frame, sentence, badness=torque[row])
