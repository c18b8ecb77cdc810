"""The frames a user hands over, checked and brought to one form."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from deepattn.data.keys import parameters
from deepattn.errors import DataError


@dataclass(frozen=True)
class Frames:
    """Frames of one number of atoms.

    Attributes:
        coord: Å, float64 ``[nframes, natoms, 3]``.
        box: Cell vectors as rows, Å, float64 ``[nframes, 9]``; None for open boundaries.
        atype: int32 ``[nframes, natoms]``; −1 is a virtual atom.
        fparam: float64 ``[nframes, numb_fparam]``, or None.
        aparam: float64 ``[nframes, natoms, numb_aparam]``, or None.
        spin: Magnetic moments, μB, float64 ``[nframes, natoms, 3]``, or None.
    """

    coord: np.ndarray
    box: np.ndarray | None
    atype: np.ndarray
    fparam: np.ndarray | None
    aparam: np.ndarray | None
    spin: np.ndarray | None = None


def as_frames(
    coords: ArrayLike,
    cells: ArrayLike | None,
    atom_types: ArrayLike,
    *,
    fparam: ArrayLike | None,
    aparam: ArrayLike | None,
    mixed_type: bool,
    ntypes: int,
    dim_fparam: int,
    dim_aparam: int,
    default_fparam: Sequence[float] | None = None,
    spin: ArrayLike | None = None,
    has_spin: bool = False,
) -> Frames:
    """Check the arguments of :meth:`DeepPot.eval` and bring them to one form.

    Raises:
        DataError: If a shape does not fit, a number is not finite, a type is unknown, a cell has
            no volume, or a parameter that the model needs is missing.
    """
    types = np.asarray(atom_types)
    if types.ndim and types.shape[-1] == 0:
        raise DataError("atom_types is empty; a frame has one atom at least")
    if types.dtype.kind not in "iu" or types.ndim not in (1, 2):
        raise DataError(
            f"atom_types must be integers of shape (natoms,) or (nframes, natoms), not "
            f"{types.dtype} of shape {types.shape}"
        )
    if mixed_type and types.ndim != 2:
        raise DataError("mixed_type needs atom_types of shape (nframes, natoms)")
    natoms = types.shape[-1]
    coord = _numbers("coords", coords)
    if coord.size % (3 * natoms):
        raise DataError(
            f"coords has {coord.size} numbers, which is no multiple of 3 × {natoms} atoms"
        )
    of_atoms = coord.ndim == 3 or (coord.ndim == 2 and coord.shape[1] == 3 != 3 * natoms)
    if of_atoms and coord.shape[-2:] != (natoms, 3):
        raise DataError(
            f"coords has shape {coord.shape}, but atom_types has {natoms} atoms: expected "
            f"(nframes, {natoms}, 3)"
        )
    coord = coord.reshape(-1, natoms, 3)
    nframes = len(coord)
    return Frames(
        coord=_finite("coords", coord),
        box=None if cells is None else _cells(cells, nframes),
        atype=_types(types, nframes, ntypes),
        fparam=_fparam(default_fparam if fparam is None else fparam, nframes, dim_fparam),
        aparam=_aparam(aparam, nframes, natoms, dim_aparam),
        spin=_spin(spin, coord.shape) if has_spin else None,
    )


def _spin(spin: ArrayLike | None, shape: tuple[int, ...]) -> np.ndarray:
    if spin is None:
        raise DataError("spin is missing; the model needs the magnetic moments of the atoms")
    moments = _numbers("spin", spin)
    if moments.size != np.prod(shape):
        raise DataError(f"spin has shape {moments.shape}, expected {shape}")
    return _finite("spin", moments.reshape(shape))


def _numbers(name: str, values: ArrayLike) -> np.ndarray:
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{name} must be an array of numbers") from None


def _finite(name: str, values: np.ndarray) -> np.ndarray:
    bad = ~np.isfinite(values)
    if bad.any():
        place = tuple(np.argwhere(bad)[0])
        atom = f", atom {place[1]}" if values.ndim == 3 else ""
        raise DataError(f"{name}: frame {place[0]}{atom} holds {values[place]}")
    return values


def _types(types: np.ndarray, nframes: int, ntypes: int) -> np.ndarray:
    types = np.atleast_2d(types)
    if len(types) not in (1, nframes):
        raise DataError(f"atom_types has {len(types)} frames, but coords has {nframes}")
    bad = (types < -1) | (types >= ntypes)
    if bad.any():
        frame, atom = np.argwhere(bad)[0]
        raise DataError(
            f"atom_types: frame {frame}, atom {atom} has type {types[frame, atom]}; the model has "
            f"the types 0 to {ntypes - 1}, and -1 stands for a virtual atom"
        )
    return np.broadcast_to(types, (nframes, types.shape[1])).astype(np.int32)


def _cells(cells: ArrayLike, nframes: int) -> np.ndarray:
    box = _numbers("cells", cells)
    if box.size != 9 * nframes:
        raise DataError(f"cells has shape {box.shape}, expected ({nframes}, 9)")
    box = _finite("cells", box.reshape(nframes, 9))
    vectors = box.reshape(nframes, 3, 3)
    # Relative to the edges, so that neither a tiny nor a huge cell is taken for a flat one.
    edges = np.linalg.norm(vectors, axis=2).prod(axis=1)
    flat = ~(np.abs(np.linalg.det(vectors)) > 1e-8 * edges)
    if flat.any():
        frame = int(np.argmax(flat))
        raise DataError(
            f"cells: frame {frame} has a cell without volume, {box[frame].tolist()}; give None for "
            "open boundaries"
        )
    return box


def _fparam(fparam: ArrayLike | None, nframes: int, dim: int) -> np.ndarray | None:
    values = _parameters("fparam", "frame", fparam, dim)
    if values is None:
        return None
    if values.size not in (nframes * dim, dim):
        raise DataError(f"fparam has shape {values.shape}, expected ({nframes}, {dim}) or ({dim},)")
    return _finite("fparam", np.broadcast_to(values.reshape(-1, dim), (nframes, dim)))


def _aparam(aparam: ArrayLike | None, nframes: int, natoms: int, dim: int) -> np.ndarray | None:
    values = _parameters("aparam", "atomic", aparam, dim)
    if values is None:
        return None
    shape = (nframes, natoms, dim)
    for known in (shape, shape[1:], shape[2:]):
        if values.size == np.prod(known):
            return _finite("aparam", np.broadcast_to(values.reshape(known), shape))
    raise DataError(
        f"aparam has shape {values.shape}, expected {shape}, {shape[1:]} or {shape[2:]}"
    )


def _parameters(name: str, kind: str, values: ArrayLike | None, dim: int) -> np.ndarray | None:
    if values is None:
        if dim:
            raise DataError(f"{name} is missing; the model has {parameters(dim, kind)}")
        return None
    if not dim:
        raise DataError(f"{name} is given, but the model has no {kind} parameters")
    return _numbers(name, values)
