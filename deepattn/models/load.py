"""Models from files: checkpoints, frozen graphs, files of no backend."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from deepattn.config import (
    DESCRIPTORS,
    ModelConfig,
    MultiTaskConfig,
    is_multitask,
    normalize_model,
)
from deepattn.errors import ConfigError, ModelFileError
from deepattn.formats.checkpoint import WEIGHTS, part_of, read_checkpoint
from deepattn.formats.dp_file import is_dp_file, read_tree
from deepattn.formats.frozen import FrozenModel, read_frozen
from deepattn.formats.weight_names import BIAS, OUT_BIAS, OUT_STD
from deepattn.models.dpmodel import from_tree
from deepattn.models.weights import refuse_scaled, refuse_uneven

if TYPE_CHECKING:
    from deepattn.models.energy_model import EnergyModel


@dataclass(frozen=True)
class StoredModel:
    """What any file says of a model.

    Attributes:
        config: its configuration.
        arrays: its weights by name.
        interface_dtype: precision of coordinates, forces and statistics.
        header: ``config`` (the normalized input, of which a file that is no checkpoint may hold
            the model section only) and ``min_nbor_dist`` (Å, or ``None``) at least.
    """

    config: ModelConfig
    arrays: dict[str, np.ndarray] = field(repr=False)
    interface_dtype: str
    header: dict[str, Any] = field(repr=False)


def load_model(path: str | os.PathLike, *, head: str | None = None) -> tuple[EnergyModel, dict]:
    """Rebuild the Keras model of a file.

    Args:
        path: as of `read_model`.
        head: as of `read_model`.

    Returns:
        The model, and a header with ``config`` (the normalized input; of a graph only what its
        training script holds) and ``min_nbor_dist`` (Å, or ``None``) at least.

    Raises:
        ModelFileError: the file is missing, corrupt, or of a model that cannot be rebuilt.
    """
    stored = read_model(path, head=head)
    return build_stored(stored, path), stored.header


def build_stored(stored: StoredModel, path: str | os.PathLike) -> EnergyModel:
    """The Keras model of what `read_model` gave.

    Args:
        stored: the model as data.
        path: its file, for messages.

    Raises:
        ModelFileError: the model cannot be rebuilt.
    """
    # Files are read without TensorFlow, whose import takes seconds.
    import tensorflow as tf

    from deepattn.models.build import build_model

    dtype = stored.interface_dtype
    try:
        return build_model(stored.config, interface_dtype=dtype, arrays=stored.arrays)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from None
    except tf.errors.OpError as error:
        raise ModelFileError(f"{path}: the model cannot be built: {error.message}") from None


def read_model(path: str | os.PathLike, *, head: str | None = None) -> StoredModel:
    """Read a model of any kind of file without building it.

    Args:
        path: a frozen graph (``.pb``), a file of no backend (``.dp``, ``.yaml``), or a checkpoint:
            its file, prefix or folder.
        head: name or alias of the branch, of a checkpoint of several tasks; None of any other.

    Raises:
        ModelFileError: the file is missing, corrupt, or of a model that cannot be rebuilt; or a
            branch must be chosen, or there is none of that name.
    """
    if str(path).endswith(".pb"):
        refuse_head(head, path)
        frozen = read_frozen(path)
        config, arrays = frozen_model(frozen, path)
        script = {**(frozen.training_script or {}), "model": config.to_dict()}
        header = {"config": script, "min_nbor_dist": frozen.min_nbor_dist}
        return StoredModel(config, arrays, frozen.interface_dtype, header)
    if is_dp_file(path):
        refuse_head(head, path)
        config, arrays, distance = from_tree(read_tree(path), str(path))
        header = {"config": {"model": config.to_dict()}, "min_nbor_dist": distance}
        return StoredModel(config, arrays, "float64", header)
    stored, header = read_checkpoint(path)
    return model_of_checkpoint(stored, header, path, head=head)


def model_of_checkpoint(
    stored: Mapping[str, np.ndarray],
    header: Mapping[str, Any],
    path: str | os.PathLike,
    *,
    head: str | None,
) -> StoredModel:
    """The model, or that of a branch, in the content of a checkpoint.

    Args:
        stored: its arrays.
        header: its header.
        path: the file, for messages.
        head: as of `read_model`.

    Raises:
        ModelFileError: as of `read_model`.
    """
    tasks = tasks_of(header, path)
    if tasks is None:
        refuse_head(head, path)
        with _reading_config(path):
            config = ModelConfig.from_dict(normalize_model(header["config"]["model"]))
        arrays = part_of(stored, WEIGHTS)
        refuse_uneven(config, arrays, path)
        return StoredModel(config, arrays, header["interface_dtype"], dict(header))
    return branch_of_checkpoint(tasks, find_branch(tasks, head, path), stored, header, path)


def branch_of_checkpoint(
    tasks: MultiTaskConfig,
    name: str,
    stored: Mapping[str, np.ndarray],
    header: Mapping[str, Any],
    path: str | os.PathLike,
) -> StoredModel:
    """The model of a branch in the content of a checkpoint.

    Args:
        tasks: the configuration in its header, as of `tasks_of`.
        name: the branch.
        stored: as of `model_of_checkpoint`.
        header: as of `model_of_checkpoint`.
        path: as of `model_of_checkpoint`.

    Raises:
        ModelFileError: its statistics are of no model.
    """
    config = tasks.tasks[name]
    arrays = part_of(stored, f"{WEIGHTS}{name}/")
    refuse_uneven(config.model, arrays, path)
    header = {**header, "config": config.to_dict()}
    return StoredModel(config.model, arrays, header["interface_dtype"], header)


def tasks_of(header: Mapping[str, Any], path: str | os.PathLike) -> MultiTaskConfig | None:
    """The configuration in the header of a checkpoint of several tasks; None of a single one.

    Raises:
        ModelFileError: it is damaged.
    """
    if not is_multitask(header["config"]):
        return None
    with _reading_config(path):
        tasks = MultiTaskConfig.from_dict(header["config"])
        for config in tasks.tasks.values():
            normalize_model(config.model.to_dict())
        return tasks


@contextmanager
def _reading_config(path: str | os.PathLike) -> Iterator[None]:
    """Turn what a header, which may hold anything, makes the configuration raise into one error."""
    try:
        yield
    except (ConfigError, LookupError, TypeError, ValueError, AttributeError) as error:
        reason = str(error).rstrip(".") or type(error).__name__
        raise ModelFileError(f"{path}: the config in its header is of no use: {reason}") from error


def find_branch(tasks: MultiTaskConfig, head: str | None, path: str | os.PathLike) -> str:
    """The branch of a name or alias.

    Raises:
        ModelFileError: there is none, or no name is given; the message lists the names.
    """
    names = ", ".join(tasks.branches)
    if head is None:
        raise ModelFileError(f"{path}: is of several tasks; choose one with --head: {names}")
    name = tasks.branch_of(head)
    if name is None:
        raise ModelFileError(f"{path}: has no branch {head!r}; there are {names}")
    return name


def refuse_head(head: str | None, path: str | os.PathLike) -> None:
    """Refuse a branch of a file of a single task."""
    if head is not None:
        raise ModelFileError(f"{path}: is of a single task, without branches; leave out --head")


def frozen_model(
    frozen: FrozenModel, path: str | os.PathLike
) -> tuple[ModelConfig, dict[str, np.ndarray]]:
    """Configuration and weights of a frozen graph, brought to the form of today's models.

    Raises:
        ModelFileError: the graph is compressed, has no training script, or is of a kind that
            cannot be rebuilt.
    """
    if frozen.model_type == "compressed_model":
        raise ModelFileError(
            f"{path}: is compressed, and its tables cannot be turned back into weights; "
            "use the model it was compressed from"
        )
    if not frozen.training_script or "model" not in frozen.training_script:
        raise ModelFileError(
            f"{path}: carries no training script; only files written by DeePMD-kit 2.1.5 or "
            "later, or by deepattn, can be rebuilt"
        )
    section = copy.deepcopy(frozen.training_script["model"])
    # Types without names are numbers only.
    section.pop("type_map", None)
    if frozen.type_map:
        section["type_map"] = frozen.type_map
    try:
        section = normalize_model(section)
    except ConfigError as error:
        raise ModelFileError(f"{path}: its training script is of no use: {error}") from error
    if frozen.sel:
        sel = frozen.sel
        mixed = DESCRIPTORS[section["descriptor"]["type"]].mixed_types
        section["descriptor"]["sel"] = sum(sel) if mixed else sel
    if section.get("type_embedding"):
        # DeePMD-kit before 3.0 always had the bias, and its scripts do not say so.
        biased = "type_embed_net/bias_1" in frozen.weights
        section["type_embedding"]["use_tebd_bias"] = biased
    config, arrays = ModelConfig.from_dict(section), _weights(frozen, path)
    refuse_uneven(config, arrays, path)
    return config, arrays


def _weights(frozen: FrozenModel, path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Weights without the constants that mean nothing, the output bias added to the other."""
    arrays = dict(frozen.weights)
    refuse_scaled(arrays, path)
    out_bias, _ = arrays.pop(OUT_BIAS, None), arrays.pop(OUT_STD, None)
    if out_bias is not None:
        arrays[BIAS] = arrays[BIAS] + out_bias.reshape(-1)
    arrays["descrpt_attr/original_sel"] = np.asarray(frozen.original_sel or frozen.sel, np.int32)
    return {n: a for n, a in arrays.items() if not is_unused_time_step(n, arrays)}


def is_unused_time_step(name: str, arrays: dict[str, np.ndarray]) -> bool:
    """Whether ``name`` is the time step of an embedding layer without residual connection.

    Writers add these to please a loader; the layer's widths tell that nothing uses them.
    """
    scope, _, leaf = name.rpartition("/")
    if not leaf.startswith("idt_") or scope.startswith(("layer_", "share_")):
        return False
    rows, columns = arrays[f"{scope}/{leaf.replace('idt', 'matrix', 1)}"].shape
    return columns not in (rows, 2 * rows)
