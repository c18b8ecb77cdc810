"""A model from one kind of file to another."""

from __future__ import annotations

from pathlib import Path

from deepattn.config import ModelConfig
from deepattn.errors import ConfigError, ModelFileError
from deepattn.export.freeze import freeze, require_ops
from deepattn.export.saved_model import save_model
from deepattn.formats.dp_file import SUFFIXES, is_dp_file, write_tree
from deepattn.formats.files import check_folder
from deepattn.formats.saved_model import SUFFIX, is_saved_model
from deepattn.models import load_model, read_model
from deepattn.models.dpmodel import to_tree


def convert(
    source: str | Path, target: str | Path, *, fast: bool = False, head: str | None = None
) -> Path:
    """Write the model of a file as another kind of file.

    Args:
        source: a frozen graph, a file of no backend, or a checkpoint: file, prefix or folder.
        target: file to write; its ending says what: ``.pb`` a frozen graph, ``.dp``, ``.yaml`` or
            ``.yml`` a file of no backend, ``.savedmodeltf`` a SavedModel.
        fast: whether a graph may have operations of deepattn's own.
        head: name or alias of the branch, of a checkpoint of several tasks.

    Returns:
        The path written.

    Raises:
        ConfigError: the ending of ``target`` is another, or ``fast`` does not go with it.
        DataError: the folder of ``target`` is missing.
        ModelFileError: the model cannot be read, or other backends cannot have it.
        OpLibraryError: a graph needs the compiled ops, and they are not there.
    """
    target = Path(target)
    check_folder(target)
    if not (target.suffix == ".pb" or is_dp_file(target) or is_saved_model(target)):
        raise ConfigError(
            f"{target}: a model can be written as .pb, {SUFFIX}, {', '.join(SUFFIXES)}."
        )
    if target.suffix != ".pb" and fast:
        raise ConfigError(f"{target}: only a graph (.pb) can be fast; leave out --fast.")
    if target.suffix == ".pb":
        descriptor = read_model(source, head=head).config.descriptor
        if not descriptor.graphs:
            raise ModelFileError(
                f"{source}: has the descriptor {descriptor.type}, of which DeePMD-kit has no "
                f"TensorFlow graph; take {target.with_suffix(SUFFIX).name}, which DeePMD-kit 3.2 "
                "and its LAMMPS run"
            )
        require_ops(fast=fast)
    model, header = load_model(source, head=head)
    distance = header["min_nbor_dist"]
    if is_saved_model(target):
        return save_model(model, target, training_script=header["config"], min_nbor_dist=distance)
    if target.suffix == ".pb":
        script = header["config"]
        return freeze(model, target, training_script=script, min_nbor_dist=distance, fast=fast)
    config = ModelConfig.from_dict(header["config"]["model"])
    try:
        tree = to_tree(config, model.get_arrays(), min_nbor_dist=distance)
    except ModelFileError as error:
        raise ModelFileError(f"{source}: {error}") from None
    write_tree(target, tree)
    return target
