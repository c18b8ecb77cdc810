"""Virtual atoms of magnetic moments, which frames list with their atoms, or which are made."""

from collections.abc import Mapping, Sequence

import numpy as np

from deepattn.config import SpinConfig
from deepattn.errors import DataError


def with_virtual_atoms(inputs: Mapping[str, np.ndarray], spin: SpinConfig) -> dict[str, np.ndarray]:
    """Frames with the virtual atoms of all atoms, after these; for atoms without a moment padding.

    Args:
        inputs: ``coord [nframes, natoms, 3]``, ``atype [nframes, natoms]``, ``spin [nframes,
            natoms, 3]``, and others, which stay as they are.
        spin: The section ``model/spin``.
    """
    atype = inputs["atype"]
    scale = np.where(atype >= 0, np.array(spin.scales)[np.maximum(atype, 0)], 0.0)
    moved = inputs["coord"] + inputs["spin"] * scale[:, :, np.newaxis]
    magnetic = (atype >= 0) & np.array(spin.use_spin)[np.maximum(atype, 0)]
    virtual = np.where(magnetic, atype + len(spin.use_spin), -1)
    return {
        **inputs,
        "coord": np.concatenate([inputs["coord"], moved], axis=1),
        "atype": np.concatenate([atype, virtual], axis=1).astype(atype.dtype),
    }


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
