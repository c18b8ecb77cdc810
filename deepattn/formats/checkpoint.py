"""Checkpoints: one file with weights, optimizer state and a JSON header.

Next to the file stand a link to the latest one and the text file ``checkpoint`` in TensorFlow's
form. See docs/formats.md.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from google.protobuf import text_format

from deepattn.errors import ModelFileError
from deepattn.formats.array_file import ArrayFormat
from deepattn.formats.files import replace_link, write_whole
from deepattn.formats.messages import CheckpointState
from deepattn.formats.saved_model import MARK

WEIGHTS = "weights/"
OPTIMIZER = "optimizer/"
AVERAGE = "ema/"
START = "start/"
FISHER = "fisher/"
LOW_RANK = "lora/"

# How every checkpoint begins.
MAGIC = b"deepattn checkpoint "

FORMAT = ArrayFormat(MAGIC, version=1, name="checkpoint")
_TENSORFLOW_ENDINGS = (".index", ".meta", ".data-00000-of-00001")


def write_checkpoint(
    prefix: str | os.PathLike, step: int, arrays: dict[str, np.ndarray], header: dict, *, keep: int
) -> Path:
    """Write ``<prefix>-<step>.h5``, make it the latest, and remove the oldest ones.

    Args:
        prefix: Path without step and ending, such as ``model.ckpt``; its folder must exist.
        step: Training step, part of the name.
        arrays: Arrays by name: ``weights/<DeePMD name>`` and ``optimizer/<name>``. One array
            object under several names is stored once.
        header: Anything JSON can hold; floats survive exactly.
        keep: How many checkpoints of this prefix stay on the disk; 0 keeps all.

    Returns:
        The file written.
    """
    prefix = Path(prefix)
    name = f"{prefix.name}-{step}"
    path = prefix.with_name(f"{name}.h5")
    listed, latest = _listed(prefix)
    # In order of writing, not of steps: a second run in the same folder starts again at step 0.
    names = [*(other for other in listed if other != name), name]
    # A file is in the list before it is there and until it is gone: whatever a killed run leaves,
    # the next one knows of.
    _write_list(prefix, latest, names)
    write_arrays(path, arrays, header)
    replace_link(path.name, prefix.with_name(f"{prefix.name}.h5"))
    _write_list(prefix, name, names)
    _remove(prefix, names[:-keep] if keep > 0 else [], names, name)
    return path


def go_back_to(prefix: str | os.PathLike, path: Path, *, keep: int) -> None:
    """Make a checkpoint the latest, and remove what a killed run left: later ones, or too many.

    Args:
        prefix: See :func:`write_checkpoint`.
        path: A checkpoint of the prefix.
        keep: See :func:`write_checkpoint`.
    """
    prefix = Path(prefix)
    name = path.name.removesuffix(".h5")
    listed, latest = _listed(prefix)
    if name not in listed:
        listed.append(name)
    names = listed[: listed.index(name) + 1]
    gone = [*(names[:-keep] if keep > 0 else []), *listed[len(names) :]]
    if latest == name and not gone:
        return
    replace_link(path.name, prefix.with_name(f"{prefix.name}.h5"))
    _write_list(prefix, name, listed)
    _remove(prefix, gone, listed, name)


def listed_after(prefix: str | os.PathLike, path: Path) -> list[Path]:
    """Checkpoints of a prefix that were written after one of them, up to the latest."""
    prefix = Path(prefix)
    name = path.name.removesuffix(".h5")
    listed, latest = _listed(prefix)
    if name not in listed or latest not in listed:
        return []
    later = listed[listed.index(name) + 1 : listed.index(latest) + 1]
    return [prefix.with_name(f"{other}.h5") for other in later]


def checkpoints_of(prefix: str | os.PathLike) -> list[Path]:
    """Files of a prefix and any step, in order of steps."""
    prefix = Path(prefix)
    pattern = re.compile(rf"{re.escape(prefix.name)}-([0-9]+)\.h5")
    found = ((pattern.fullmatch(path.name), path) for path in _files(prefix.parent))
    return [path for _, path in sorted((int(match[1]), path) for match, path in found if match)]


def list_only(prefix: str | os.PathLike, path: Path) -> None:
    """Make the list of checkpoints that of a single one of the prefix."""
    name = path.name.removesuffix(".h5")
    _write_list(Path(prefix), name, [name])


def write_arrays(path: str | os.PathLike, arrays: dict[str, np.ndarray], header: dict) -> None:
    """Write one checkpoint file, without the list and the link that go with a training.

    Args:
        path: The file.
        arrays: See :func:`write_checkpoint`.
        header: See :func:`write_checkpoint`.
    """
    content = encode_checkpoint(arrays, header)
    with write_whole(path) as file:
        file.write(content)


def read_checkpoint(path: str | os.PathLike) -> tuple[dict[str, np.ndarray], dict]:
    """Read a checkpoint.

    Args:
        path: A file, a prefix or a folder; see :func:`resolve_checkpoint`.

    Returns:
        The arrays by name and the header, as given to :func:`write_checkpoint`.

    Raises:
        ModelFileError: If there is none, or the file is damaged or not a deepattn checkpoint.
    """
    path = resolve_checkpoint(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror}") from None
    return parse_checkpoint(content, path)


def parse_checkpoint(content: bytes, path: str | os.PathLike) -> tuple[dict[str, np.ndarray], dict]:
    """Parse the bytes of a checkpoint.

    Args:
        content: The bytes.
        path: Where they come from, for messages.

    Returns:
        As :func:`read_checkpoint`.

    Raises:
        ModelFileError: If they are damaged or of another kind of file.
    """
    path = Path(path)
    arrays, header = FORMAT.parse(content, path)
    _check_header(path, header)
    return arrays, header


def encode_checkpoint(arrays: dict[str, np.ndarray], header: dict) -> bytearray:
    """The bytes of a checkpoint.

    Args:
        arrays: As for :func:`write_checkpoint`.
        header: As for :func:`write_checkpoint`.
    """
    return FORMAT.encode(arrays, header)


def part_of(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays of a checkpoint under `WEIGHTS` or `OPTIMIZER`, by what follows that."""
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}


def resolve_checkpoint(path: str | os.PathLike) -> Path:
    """Find the checkpoint file that a user means.

    Args:
        path: The ``.h5`` file itself, a prefix with or without step (``model.ckpt-2000``,
            ``model.ckpt``), or a folder, whose file ``checkpoint`` then names the latest one.

    Raises:
        ModelFileError: The checkpoint does not exist, or is one of DeePMD-kit or a SavedModel.
    """
    path = Path(path)
    if (path / MARK).is_file():
        raise ModelFileError(
            f"{path}: is a SavedModel for DeePMD-kit and LAMMPS; use the checkpoint or the "
            ".dp file that it was exported from"
        )
    if path.is_dir():
        return _latest(path)
    if path.is_file() and not path.name.endswith(_TENSORFLOW_ENDINGS):
        return path
    candidate = path.with_name(f"{path.name}.h5")
    if candidate.is_file():
        return candidate
    for ending in _TENSORFLOW_ENDINGS:
        stem = path.name.removesuffix(ending)
        if path.with_name(stem + ending).is_file():
            raise ModelFileError(
                f"{path.with_name(stem)}: is a TensorFlow checkpoint of DeePMD-kit; freeze it with "
                "'dp --tf freeze' and start from the .pb file"
            )
    raise ModelFileError(
        f"{path}: no such checkpoint; neither this file nor {candidate.name} exists"
    )


def _latest(folder: Path) -> Path:
    try:
        state = _read_state(folder)
    except FileNotFoundError:
        raise ModelFileError(
            f"{folder}: the folder has no file 'checkpoint' with the name of the latest "
            "checkpoint; give the checkpoint itself"
        ) from None
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{folder / 'checkpoint'}: cannot be read: {error}") from None
    latest = state.model_checkpoint_path
    if not latest:
        # The first one is in the list before it is there, and a kill came in between.
        names = [n for n in state.all_model_checkpoint_paths if (folder / f"{n}.h5").is_file()]
        if not names:
            raise ModelFileError(
                f"{folder / 'checkpoint'}: names no latest checkpoint (model_checkpoint_path)"
            )
        latest = names[-1]
    target = folder / latest
    if target.is_dir():
        raise ModelFileError(f"{folder / 'checkpoint'}: names a folder: {target}")
    return resolve_checkpoint(target)


def _read_state(folder: Path) -> CheckpointState:
    text = (folder / "checkpoint").read_bytes()
    state = CheckpointState()
    try:
        text_format.Parse(text, state)
    except text_format.ParseError as error:
        raise ValueError(str(error)) from None
    return state


def _listed(prefix: Path) -> tuple[list[str], str]:
    """Names of the prefix in the list of its folder, and the latest checkpoint there."""
    try:
        state = _read_state(prefix.parent)
    except (OSError, ValueError):
        return [], ""  # none yet, or of no use: a new list begins
    # A name is of a file in the folder, however the list came about.
    pattern = re.compile(rf"{re.escape(prefix.name)}-[0-9]+")
    names = [name for name in state.all_model_checkpoint_paths if pattern.fullmatch(name)]
    return names, state.model_checkpoint_path


def _write_list(prefix: Path, latest: str, names: list[str]) -> None:
    state = CheckpointState(model_checkpoint_path=latest, all_model_checkpoint_paths=names)
    with write_whole(prefix.parent / "checkpoint", "w") as file:
        file.write(text_format.MessageToString(state))


def _remove(prefix: Path, gone: list[str], names: list[str], latest: str) -> None:
    for name in gone:
        prefix.with_name(f"{name}.h5").unlink(missing_ok=True)
    if gone:
        _write_list(prefix, latest, [name for name in names if name not in gone])


def _files(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_file()]
    except FileNotFoundError:
        return []


def _check_header(path: Path, header: dict) -> None:
    """Refuse a header that lacks required keys."""
    config, distance = header.get("config"), header.get("min_nbor_dist")
    if not isinstance(config, dict) or not isinstance(config.get("model"), dict):
        raise ModelFileError(f"{path}: is not a checkpoint of a model: its header has no config")
    if header.get("interface_dtype") not in ("float32", "float64"):
        raise ModelFileError(
            f"{path}: its header has no valid interface_dtype (float32 or float64)"
        )
    if not (distance is None or (_is_number(distance) and 0 <= distance < np.inf)):
        raise ModelFileError(f"{path}: its header has an invalid min_nbor_dist {distance}")
    step = header.get("step", 0)
    if not isinstance(step, int) or not _is_number(step) or not 0 <= step < 1 << 63:
        raise ModelFileError(f"{path}: its header has an invalid step {step}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
