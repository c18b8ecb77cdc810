"""Detection of dpdata's formats by file name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from deepattn.errors import DataError
from deepattn.foreign.detect import format_by_name

_OURS = {".hdf5": "deepmd/hdf5", ".h5": "deepmd/hdf5", ".lmdb": "lmdb"}
# One run of VASP leaves both, with the same frames.
_RUNS_OF_VASP = ("vasp/outcar", "vasp/xml")


def detect_format(path: str | os.PathLike) -> str | None:
    """The name of dpdata's format, or ``None`` if the file name does not determine it."""
    path = Path(path)
    if (path / "type.raw").is_file():
        if any(path.glob("set.*/real_atom_types.npy")):
            return "deepmd/npy/mixed"
        return "deepmd/npy" if any(path.glob("set.*")) else "deepmd/raw"
    return _OURS.get(path.suffix) or format_by_name(path)


def find_sources(path: str | os.PathLike, form: str | None) -> Iterator[tuple[str, str]]:
    """Files to read below a path, with their formats.

    Args:
        path: A file; a system; or a folder, which is searched at any depth for files whose names
            determine their format. Of one run of VASP only one file is taken.
        form: Format of ``path`` itself, whatever its name.

    Raises:
        DataError: There is nothing whose format is known.
    """
    path = os.fspath(path)
    if not os.path.exists(path):
        raise DataError(f"{path} does not exist")
    form = form or detect_format(path)
    if form is not None:
        yield path, form
        return
    if not os.path.isdir(path):
        raise DataError(
            f"{path}: the format cannot be inferred from the file name; give it with "
            "--format, such as cp2k/output, qe/pw/scf, lammps/dump or gaussian/log (all of "
            "dpdata's)"
        )
    found = list(_below(path))
    if not found:
        raise DataError(f"{path}: contains no file whose format can be inferred from its name")
    yield from found


def _below(folder: str) -> Iterator[tuple[str, str]]:
    for place, subfolders, files in os.walk(folder):
        subfolders.sort()
        whole = detect_format(place)
        if whole is not None:
            subfolders.clear()
            yield place, whole
            continue
        forms = ((detect_format(Path(place, name)), name) for name in sorted(files))
        known = [(form, name) for form, name in forms if form is not None]
        runs = [pair for pair in known if pair[0] in _RUNS_OF_VASP]
        others = [pair for pair in known if pair not in runs]
        for form, name in [*runs[:1], *others]:
            yield os.path.join(place, name), form
