"""A model from one kind of file to another."""

from __future__ import annotations

import os
from pathlib import Path

from deepattn.config import ModelConfig
from deepattn.errors import ConfigError, ModelFileError
from deepattn.export.freeze import freeze, require_ops
from deepattn.export.saved_model import save_model
from deepattn.export.torch_file import write_torch
from deepattn.formats.dp_file import write_tree
from deepattn.formats.files import check_folder
from deepattn.formats.outputs import GRAPH, SAVED_MODEL, SUFFIXES, TORCH
from deepattn.models import ModelFile, open_model_file
from deepattn.models.dpmodel import to_tree


def convert(
    source: str | os.PathLike | ModelFile,
    target: str | os.PathLike,
    *,
    fast: bool = False,
    parallel: bool = False,
    head: str | None = None,
) -> Path:
    """Write the model of a file as another kind of file.

    Args:
        source: A model file, as in `deepattn.models.open_model_file`.
        target: File to write; its ending chooses the format: ``.pb`` a frozen graph, ``.dp``,
            ``.yaml`` or ``.yml`` a file for all backends, ``.savedmodeltf`` a SavedModel, ``.pt`` a
            checkpoint of DeePMD-kit's PyTorch backend.
        fast: Whether a graph may have operations of deepattn's own.
        parallel: Whether several processes of LAMMPS can run a SavedModel of a model that passes
            messages; see `deepattn.export.save_model`.
        head: Name or alias of the branch of a multi-task model; of these a ``.pt`` can hold all.

    Returns:
        The path written.

    Raises:
        ConfigError: The ending of ``target`` is another, or ``fast`` or ``parallel`` does not go
            with it.
        DataError: The folder of ``target`` is missing.
        ModelFileError: The model cannot be read, or other backends cannot have it.
        OpLibraryError: A graph needs the compiled ops, and they are missing.
    """
    target = Path(target)
    check_folder(target)
    if target.suffix not in SUFFIXES:
        raise ConfigError(f"{target}: a model can be written as {', '.join(SUFFIXES)}.")
    if target.suffix != GRAPH and fast:
        raise ConfigError(f"{target}: only a graph ({GRAPH}) can be fast; omit --fast.")
    if target.suffix != SAVED_MODEL and parallel:
        raise ConfigError(
            f"{target}: only a SavedModel ({SAVED_MODEL}) can be parallel; omit --parallel."
        )
    file = open_model_file(source, head)
    if target.suffix == TORCH:
        write_torch(file, target)
        return target
    stored = file.stored()
    if target.suffix == GRAPH:
        descriptor = stored.config.descriptor
        if not descriptor.graphs:
            raise ModelFileError(
                f"{file.path}: has the descriptor {descriptor.type}, for which DeePMD-kit has no "
                f"TensorFlow graph; write {target.with_suffix(SAVED_MODEL).name}, which DeePMD-kit "
                "3.2 and its LAMMPS run"
            )
        fitting = stored.config.fitting_net
        if fitting.graph_type is None:
            raise ModelFileError(
                f"{file.path}: has the fitting {fitting.type}, for which DeePMD-kit has no "
                f"TensorFlow graph; write {target.with_suffix('.dp').name} or "
                f"{target.with_suffix('.pt').name}"
            )
        require_ops(fast=fast)
    model = file.build()
    script, distance = stored.header["config"], stored.header["min_nbor_dist"]
    if target.suffix == SAVED_MODEL:
        return save_model(
            model, target, training_script=script, min_nbor_dist=distance, parallel=parallel
        )
    if target.suffix == GRAPH:
        return freeze(model, target, training_script=script, min_nbor_dist=distance, fast=fast)
    config = ModelConfig.from_dict(script["model"])
    try:
        write_tree(target, to_tree(config, model.get_arrays(), min_nbor_dist=distance))
    except ModelFileError as error:
        raise ModelFileError(f"{file.path}: {error}") from None
    return target
