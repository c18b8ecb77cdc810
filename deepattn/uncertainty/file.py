"""Files of uncertainties, which are kept beside the model files that they belong to."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from deepattn.errors import ModelFileError
from deepattn.formats.array_file import ArrayFormat
from deepattn.formats.files import write_whole
from deepattn.uncertainty.calibration import Calibration
from deepattn.uncertainty.distance import Distance
from deepattn.uncertainty.uncertainty import Uncertainty

SUFFIX = ".uncertainty"

FORMAT = ArrayFormat(b"deepattn uncertainty ", version=1, name="file of uncertainties")


def write_uncertainty(path: str | os.PathLike, uncertainty: Uncertainty) -> None:
    """Write an uncertainty.

    Args:
        path: The file.
        uncertainty: The uncertainty.
    """
    distance, calibration = uncertainty.distance, uncertainty.calibration
    arrays = {
        "distance/basis": distance.basis,
        "distance/center": distance.center,
        "distance/root": distance.root,
        "distance/atoms": distance.atoms,
        "calibration/scale": calibration.scale,
    }
    header = {
        "model": uncertainty.model,
        "head": uncertainty.head,
        "type_map": list(uncertainty.type_map),
        "powers": {"distance": calibration.distance, "force": calibration.force},
        "floor": calibration.floor,
        "record": uncertainty.record,
    }
    with write_whole(path) as file:
        file.write(FORMAT.encode(arrays, header))


def read_uncertainty(path: str | os.PathLike) -> Uncertainty:
    """Read an uncertainty.

    Raises:
        ModelFileError: The file is missing, damaged or another one.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror}") from None
    arrays, header = FORMAT.parse(content, path)
    try:
        return _decoded(arrays, header)
    except (LookupError, TypeError, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise ModelFileError(f"{path}: is not a well-formed {FORMAT.name}: {reason}") from None


def _decoded(arrays: dict[str, np.ndarray], header: dict) -> Uncertainty:
    type_map, head = header["type_map"], header["head"]
    if not (isinstance(type_map, list) and all(isinstance(name, str) for name in type_map)):
        raise ValueError("its type_map is no list of names")
    if not isinstance(header["model"], str) or not (head is None or isinstance(head, str)):
        raise ValueError("its model or head is no text")
    if not isinstance(header["record"], dict):
        raise ValueError("its record is no mapping")
    basis, scale = arrays["distance/basis"], arrays["calibration/scale"]
    if basis.ndim != 2 or scale.ndim != 1:
        raise ValueError("an array has the wrong shape")
    (_, count), ntypes = basis.shape, len(scale)
    shapes = {
        "distance/center": (ntypes, count),
        "distance/root": (ntypes, count, count),
        "distance/atoms": (ntypes,),
    }
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise ValueError(f"{name} has shape {arrays[name].shape}, not {shape}")
    powers = {name: float(header["powers"][name]) for name in ("distance", "force")}
    floor = float(header["floor"])
    numbers = [*powers.values(), floor, *map(np.sum, arrays.values())]
    if not np.isfinite(numbers).all() or min(*powers.values(), floor) < 0:
        raise ValueError("a number is not finite, or negative")
    return Uncertainty(
        model=header["model"],
        head=head,
        type_map=tuple(type_map),
        distance=Distance(
            basis, arrays["distance/center"], arrays["distance/root"], arrays["distance/atoms"]
        ),
        calibration=Calibration(scale, powers["distance"], powers["force"], floor),
        record=header["record"],
    )
