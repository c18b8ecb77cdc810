"""Frames that all have the same atoms, of which some are masked."""

from collections.abc import Sequence

import numpy as np

from deepattn.errors import DataError


def check_whole_frames(
    atype: np.ndarray,
    mask: np.ndarray,
    composition: Sequence[int],
    names: Sequence[str],
    where: str,
    *,
    first: int = 0,
) -> None:
    """Refuse frames that lack atoms, have too many, or have no proper mask.

    Args:
        atype: Types ``[nframes, natoms]``.
        mask: 1 for an atom that is there, 0 for a masked one, ``[nframes, natoms]``.
        composition: Number of atoms of each type that the model's frames have.
        names: Names of the types.
        where: The frames, for the message.
        first: Number of the first frame.

    Raises:
        DataError: A frame has other atoms, or its mask other numbers.
    """
    counts = np.stack([(atype == kind).sum(axis=1) for kind in range(len(composition))], axis=1)
    wrong = counts != np.asarray(composition)
    if wrong.any():
        frame, kind = np.argwhere(wrong)[0]
        raise DataError(
            f"{where}: frame {first + frame} has {counts[frame, kind]} atoms of {names[kind]}, but "
            f"all frames of the model have {composition[kind]} (sel), masked ones (aparam 0) "
            "included"
        )
    if (atype < 0).any():
        frame, atom = np.argwhere(atype < 0)[0]
        raise DataError(
            f"{where}: atom {atom} of frame {first + frame} has type -1; the model has masked "
            "atoms (aparam 0) in place of virtual ones, so leave it out"
        )
    strange = (mask != 0) & (mask != 1)
    if strange.any():
        frame, atom = np.argwhere(strange)[0]
        raise DataError(
            f"{where}: the mask (aparam) of atom {atom} in frame {first + frame} is "
            f"{mask[frame, atom]:g}; it must be 1 for an atom that is there, and 0 for a masked one"
        )
