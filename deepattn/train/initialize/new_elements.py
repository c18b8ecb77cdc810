"""Elements that a pretrained model does not know, appended to its types."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np

from deepattn.config import ModelConfig, TypeEmbeddingConfig
from deepattn.data import DataSet
from deepattn.errors import DataError, ModelFileError
from deepattn.formats.weight_names import BIAS
from deepattn.models import AtomicModel
from deepattn.periodic_table import most_alike
from deepattn.statistics.input_blocks import input_blocks
from deepattn.statistics.moments import input_statistics
from deepattn.train.task import Task

log = logging.getLogger(__name__)

_TYPE_ROWS = "type_embed_net/matrix_1"


def new_types_of(task: Task) -> tuple[str, ...]:
    """Names of the elements that the file that a task starts from does not know."""
    known = task.start.model
    return () if known is None else task.config.model.type_map[known.ntypes :]


def add_elements(
    weights: Mapping[str, np.ndarray],
    model: AtomicModel,
    config: ModelConfig,
    data: DataSet,
    new_types: Sequence[str],
) -> dict[str, np.ndarray]:
    """The weights with a row for each new element in all that is kept by type.

    A new element starts with the type vector of the known one that is chemically nearest, and so
    with its energy surface, which is far nearer to its own than that of a random vector. The
    statistics of its environments are those of the training data, its energy bias is zero. For
    frames of known elements alone the model gives what it gave, to the last bit if the widths of
    the type embedding are multiples of eight; the rest of a vector is rounded otherwise.

    Args:
        weights: Arrays of the pretrained model by name.
        model: The larger model, freshly initialized.
        config: Its configuration; the new elements are the last of ``type_map``.
        data: The training data.
        new_types: Names of the new elements.

    Raises:
        DataError: The data have no atoms of a new element.
        ModelFileError: The type embedding treats another number of types in another way.
    """
    known = config.type_map[: -len(new_types)]
    grown = dict(weights)
    for name, added in _statistics(config, data, new_types).items():
        added = added.reshape(len(new_types), *weights[name].shape[1:])
        grown[name] = np.concatenate([weights[name], added])
    grown[BIAS] = np.concatenate([weights[BIAS], np.zeros(len(new_types))])
    if _type_embedding(config).use_econf_tebd:
        for name in new_types:
            log.info(
                "%s is new: its type embedding is computed from its electron configuration", name
            )
        return grown
    _refuse_shortcut(config, len(known))
    fresh = model.get_arrays()[_TYPE_ROWS]
    rows = [weights[_TYPE_ROWS]]
    for index, name in enumerate(new_types, len(known)):
        alike = most_alike(name, known)
        if alike is None:
            log.info("%s is new and not an element: its type embedding is drawn at random", name)
            rows.append(fresh[index : index + 1])
        else:
            log.info("%s is new: its type embedding is initialized from that of %s", name, alike)
            place = known.index(alike)
            rows.append(weights[_TYPE_ROWS][place : place + 1])
    grown[_TYPE_ROWS] = np.concatenate(rows)
    return grown


def _type_embedding(config: ModelConfig) -> TypeEmbeddingConfig:
    if config.embedding is None:
        raise ValueError("only models with a type embedding can be extended to further elements")
    return config.embedding


def _statistics(
    config: ModelConfig, data: DataSet, new_types: Sequence[str]
) -> dict[str, np.ndarray]:
    """Rows of the new elements in average and spread of each environment matrix, by weight."""
    first = config.ntypes - len(new_types)
    rows: dict[str, np.ndarray] = {}
    for block in input_blocks(config):
        statistics = input_statistics(
            (batch for _, batch in data.statistics_batches(config.data_stat_nbatch)),
            block.shape,
            set_davg_zero=block.set_davg_zero,
        )
        seen = statistics.seen[first:]
        if absent := [name for name, there in zip(new_types, seen, strict=True) if not there]:
            raise DataError(
                f"the pretrained model does not have {', '.join(absent)}, and no frame of "
                "the sample contains such atoms; add data, raise model/data_stat_nbatch, or "
                "remove the names from model/type_map"
            )
        rows |= {block.davg: statistics.davg[first:], block.dstd: statistics.dstd[first:]}
    return rows


def _refuse_shortcut(config: ModelConfig, known: int) -> None:
    """Refuse nets whose first layer has a residual connection for one number of types only."""
    width = _type_embedding(config).neuron[0]
    if width in (known, 2 * known, config.ntypes, 2 * config.ntypes):
        raise ModelFileError(
            f"the pretrained model's type embedding is {width} wide, which makes a residual layer "
            f"of {known} or of {config.ntypes} types, so that these elements cannot be added "
            "without changing the others; add another number of elements, or take another model"
        )
