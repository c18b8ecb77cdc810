"""Compression of a model file: the work of ``deepattn compress``."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from deepattn.data import System
from deepattn.data.inputs import systems_of_input
from deepattn.errors import ConfigError
from deepattn.export.compress import compress
from deepattn.export.freeze import freeze, require_ops
from deepattn.export.saved_model import save_model
from deepattn.formats.files import check_folder
from deepattn.formats.outputs import compressed_output
from deepattn.models import AtomicModel, ModelFile, open_model_file
from deepattn.statistics.neighbors import neighbor_statistics

log = logging.getLogger(__name__)


class Compressed(NamedTuple):
    """A compressed model that has been written.

    Attributes:
        path: the file.
        min_nbor_dist: shortest distance in the training data, for which the tables are made, Å.
    """

    path: Path
    min_nbor_dist: float


def compress_model(
    source: str | os.PathLike | ModelFile,
    output: str | os.PathLike,
    *,
    head: str | None = None,
    step: float = 0.01,
    extrapolate: float = 5.0,
    fast: bool = False,
    parallel: bool = False,
    training_script: str | os.PathLike | None = None,
    data: Sequence[System] = (),
) -> Compressed:
    """Write the model of a file with tables in place of its embedding nets.

    Args:
        source: a model file, as in `deepattn.models.open_model_file`.
        output: the ``.pb`` file to write, or of a descriptor without graphs the SavedModel; the
            ending is added where it is missing.
        head: name or alias of the branch of a multi-task checkpoint.
        step: as for `compress`.
        extrapolate: as for `compress`.
        fast: as for `compress`.
        parallel: whether several processes of LAMMPS can run a SavedModel of a model that passes
            messages; see `deepattn.export.save_model`.
        training_script: input of the training, whose data are searched for the shortest distance
            if the model does not say.
        data: systems that the model is for, opened with its type map; a warning is logged if
            their atoms come nearer than in training.

    Raises:
        ConfigError: the model cannot be compressed, or not into a portable graph; the output is
            its own file, or has another ending; ``parallel`` of a graph; nothing says what the
            shortest distance is.
        DataError: the folder of the output is missing, or data are damaged.
        ModelFileError: the model cannot be read or rebuilt.
        OpLibraryError: the compiled ops are missing.

    Example:
        >>> compress_model("frozen_model.pb", "compressed.pb").path
        PosixPath('compressed.pb')
    """
    check_folder(output)
    file = open_model_file(source, head)
    stored = file.stored()
    graphs = stored.config.descriptor.graphs
    output = compressed_output(output, graphs=graphs, parallel=parallel)
    if output.resolve() == file.path.resolve():
        raise ConfigError(
            f"{output}: is the model to compress, which cannot be recovered from its tables; write "
            "to another file (-o)"
        )
    stored.config.descriptor.check_compressible(fast=fast)
    if graphs:
        require_ops(fast=fast)
    model = file.build()
    distance = stored.header["min_nbor_dist"]
    if distance is not None and training_script is not None:
        log.info("--training-script is not needed: %s has the shortest distance", file.path)
    if distance is None:
        distance = _distance_in_training(file, model, training_script, head)
    compressed = compress(
        model, min_nbor_dist=distance, step=step, extrapolate=extrapolate, fast=fast
    )
    facts = {"training_script": stored.header["config"], "min_nbor_dist": distance}
    if graphs:
        path = freeze(compressed, output, fast=fast, **facts)
    else:
        path = save_model(compressed, output, parallel=parallel, **facts)
    log.info("the compressed model is saved in %s", path)
    _warn_of_near_pairs(data, model, distance)
    return Compressed(path, distance)


def _distance_in_training(
    file: ModelFile,
    model: AtomicModel,
    training_script: str | os.PathLike | None,
    head: str | None,
) -> float:
    """The shortest distance in the training data, Å.

    Raises:
        ConfigError: no training script is given.
    """
    if training_script is None:
        raise ConfigError(
            f"{file.path}: does not say how near atoms came in training, which decides how far the "
            "tables reach; give the input file of the training (-t)"
        )
    places = systems_of_input(training_script, "training_data", head=head)
    return _nearest([System(place, type_map=model.type_map) for place in places], model)


def _warn_of_near_pairs(systems: Sequence[System], model: AtomicModel, distance: float) -> None:
    """Warn if atoms in data come nearer than in training."""
    nearest = _nearest(systems, model) if systems else distance
    if nearest < distance:
        log.warning(
            "the shortest distance in the data is %.3f Å; the fine part of the tables is for "
            "distances down to %.3f Å, so nearer pairs are less exact",
            nearest,
            distance,
        )


def _nearest(systems: Sequence[System], model: AtomicModel) -> float:
    """The shortest distance in systems, Å."""
    return neighbor_statistics(
        systems, rcut=model.rcut, ntypes=model.ntypes, mixed_types=True
    ).min_nbor_dist
