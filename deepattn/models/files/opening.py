"""From the name of a model to its file, and from the file's content to its kind."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from deepattn.errors import ModelFileError
from deepattn.formats.checkpoint import resolve_checkpoint
from deepattn.formats.saved_model import MARK
from deepattn.models.files.base import ModelFile, StoredModel
from deepattn.pretrained import cached_file, find_published, near_names
from deepattn.registry import Registry

if TYPE_CHECKING:
    from deepattn.models.atomic_model import AtomicModel

MODEL_FILES: Registry[ModelFile] = Registry(
    "model file format",
    "deepattn.model_files",
    {
        "checkpoint": "deepattn.models.files.checkpoint:CheckpointFile",
        "frozen": "deepattn.models.files.frozen:FrozenFile",
        "saved_model": "deepattn.models.files.saved_model:SavedModelFile",
        "torch": "deepattn.models.files.torch:TorchModelFile",
        "keras": "deepattn.models.files.keras_archive:KerasArchive",
        # Any text may be YAML, so this one is asked last.
        "dpmodel": "deepattn.models.files.dpmodel:DpModelFile",
    },
)

# Enough to tell all formats apart; an HDF5 file may begin with a block of 512 bytes of something.
_START = 4096


def find_model(path: str | os.PathLike) -> Path:
    """The file or folder that a user means.

    Args:
        path: a file, a SavedModel, a frozen graph without its ``.pb``, the prefix of a checkpoint,
            or a folder with checkpoints, of which the latest is taken. If there is none of these,
            the name of a published model that has been downloaded.

    Raises:
        ModelFileError: there is none of them, or the published model has not been downloaded.
    """
    path = Path(path)
    if (path / MARK).is_file():
        return path
    graph = path.parent / f"{path.name}.pb"
    if not path.is_file() and graph.is_file():
        return graph
    if path.exists() or path.with_name(f"{path.name}.h5").exists():
        return resolve_checkpoint(path)
    published = find_published(os.fspath(path))
    if published is not None:
        return cached_file(published)
    near = near_names(path.name)
    hint = f"; did you mean the published model {' or '.join(near)}?" if near else ""
    if path.suffix in _suffixes():
        raise ModelFileError(f"{path}: there is no such file{hint}")
    try:
        return resolve_checkpoint(path)
    except ModelFileError as error:
        raise ModelFileError(f"{error}{hint}") from None


def open_model_file(source: str | os.PathLike | ModelFile, head: str | None = None) -> ModelFile:
    """Read a model file of any kind.

    What a file is shows in its content, not in its name. Nothing is imported that takes seconds.

    Args:
        source: as in `find_model`; a file that has been read is not read again.
        head: name or alias of the branch of a multi-task model.

    Raises:
        ModelFileError: the file is missing, damaged, unsafe or no model file, or there is no such
            branch.

    Example:
        >>> file = open_model_file("frozen_model.pb")
        >>> file.type_map()
        ['O', 'H']
    """
    if isinstance(source, ModelFile):
        return source.branch(head)
    path = find_model(source)
    try:
        return _read(path).branch(head)
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror}") from None


def read_model(source: str | os.PathLike | ModelFile, *, head: str | None = None) -> StoredModel:
    """Read a model as data, without building it.

    Args:
        source: as in `open_model_file`.
        head: as in `open_model_file`.

    Raises:
        ModelFileError: the file cannot be read, the model cannot be rebuilt from it, or a branch
            must be chosen.
    """
    return open_model_file(source, head).stored()


def load_model(
    source: str | os.PathLike | ModelFile, *, head: str | None = None
) -> tuple[AtomicModel, dict]:
    """Rebuild the Keras model of a file.

    Args:
        source: as in `open_model_file`.
        head: as in `open_model_file`.

    Returns:
        The model, and a header with ``config`` (the normalized input; of a graph only what its
        training script holds) and ``min_nbor_dist`` (Å, or ``None``) at least.

    Raises:
        ModelFileError: as for `read_model`.
    """
    file = open_model_file(source, head)
    header = file.stored().header
    return file.build(), header


def _read(path: Path) -> ModelFile:
    if path.is_dir():
        return _kind_of(path, b"")(path, (path / MARK).read_bytes())
    with path.open("rb") as file:
        start = file.read(_START)
        kind = _kind_of(path, start)
        file.seek(0)
        return kind(path, file.read())


def _kind_of(path: Path, start: bytes) -> type[ModelFile]:
    """The first kind that recognizes a file."""
    if path.is_file() and not start:
        raise ModelFileError(f"{path}: the file is empty")
    for name in MODEL_FILES.names():
        kind = MODEL_FILES[name]
        if kind.recognizes(path, start):
            return kind
    known = (f"{kind.kind} ({', '.join(kind.suffixes)})" for kind in MODEL_FILES.loaded().values())
    *others, last = known
    raise ModelFileError(f"{path}: is not a model file: neither {', '.join(others)} nor {last}")


def _suffixes() -> set[str]:
    """The usual endings of the package's own formats, for messages only."""
    return {suffix for kind in MODEL_FILES.loaded().values() for suffix in kind.suffixes}
