"""Residues of atoms, which models of QM/MM by pairs take as the atomic parameter."""

from __future__ import annotations

import numpy as np

from deepattn.errors import DataError

# Single precision, in which models may take them, has all whole numbers up to it.
_LARGEST = 1 << 24


def check_residues(aparam: np.ndarray, atype: np.ndarray, where: str, *, first: int = 0) -> None:
    """Refuse frames whose atomic parameters are no residues, or that have no QM atoms.

    Args:
        aparam: ``[nframes, natoms, 1]``: 0 for QM atoms, for MM atoms the number of their residue,
            2²⁴ at most, and −1 for atoms that are left out.
        atype: Types ``[nframes, natoms]``; virtual atoms may have any residue.
        where: The frames, for the message.
        first: Number of the first frame.

    Raises:
        DataError: A frame is not as it should be.
    """
    real = atype >= 0
    residue = aparam.reshape(real.shape)
    whole = residue == np.round(residue)
    bad = real & ~(whole & (residue >= -1) & (residue <= _LARGEST))
    if bad.any():
        frame, atom = np.argwhere(bad)[0]
        raise DataError(
            f"{where}: atom {atom} of frame {first + frame} has the aparam "
            f"{residue[frame, atom]:.10g}, which is no residue; give QM atoms 0, MM atoms the "
            f"number of their residue, at most {_LARGEST}, and atoms to leave out -1"
        )
    without = ~(real & (residue == 0)).any(axis=1)
    if without.any():
        frame = first + np.argmax(without)
        raise DataError(f"{where}: frame {frame} has no QM atom; give QM atoms the aparam 0")
