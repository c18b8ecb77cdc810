"""Virtual atoms of magnetic moments, which frames list with their atoms."""

from collections.abc import Sequence

import numpy as np

from deepattn.errors import DataError


def check_virtual_atoms(
    atype: np.ndarray, hosts: Sequence[int], names: Sequence[str], where: str
) -> None:
    """Refuse frames that lack virtual atoms, or have too many.

    Args:
        atype: Types ``[nframes, natoms]``.
        hosts: The type that each type of virtual atoms belongs to; these are the last types.
        names: Names of all types.
        where: The frames, for the message.

    Raises:
        DataError: A frame does not have one virtual atom for each host.
    """
    for place, host in enumerate(hosts):
        virtual = len(names) - len(hosts) + place
        atoms, theirs = ((atype == kind).sum(axis=1) for kind in (host, virtual))
        if (atoms != theirs).any():
            frame = int(np.argmax(atoms != theirs))
            raise DataError(
                f"{where}: frame {frame} has {atoms[frame]} atoms of {names[host]}, but "
                f"{theirs[frame]} virtual atoms of them; give each a virtual atom of type "
                f"{virtual}, at the end of its magnetic moment"
            )
