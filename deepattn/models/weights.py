"""The flat mapping from DeePMD's weight names to arrays."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from deepattn.config import ModelConfig
from deepattn.errors import ModelFileError
from deepattn.formats.weight_names import OUT_STD

if TYPE_CHECKING:
    import keras


def assign_arrays(
    variables: Mapping[str, keras.Variable], arrays: Mapping[str, np.ndarray]
) -> None:
    """Set every variable from the array of the same name; nothing is set unless all fit.

    Raises:
        ModelFileError: A weight is missing or superfluous or has another shape.
    """
    missing = sorted(set(variables) - set(arrays))
    if missing:
        raise ModelFileError(
            f"the weights {_enumerate(missing)} are missing from the file; its architecture "
            "differs from the model's"
        )
    superfluous = sorted(set(arrays) - set(variables))
    if superfluous:
        raise ModelFileError(
            f"the file contains the weights {_enumerate(superfluous)}, which the model does not "
            "have; the two differ in architecture"
        )
    for name, variable in variables.items():
        shape = np.shape(arrays[name])
        if shape != tuple(variable.shape):
            raise ModelFileError(
                f"the weight {name} has shape {list(shape)} in the file, but "
                f"{list(variable.shape)} in the model; make the input match the file"
            )
    for name, variable in variables.items():
        variable.assign(arrays[name])


def resize_statistics(
    arrays: Mapping[str, np.ndarray], nnei: int, *, davg_is_zero: bool, smooth_attention: bool
) -> dict[str, np.ndarray]:
    """Fit the input statistics to another number of neighbor slots.

    All slots carry the same numbers, so they can be repeated; but with a non-zero average, or in
    the softmax of smooth attention, the padding slots count and the model would change.

    Raises:
        ModelFileError: The number of slots differs, and padding slots count.
    """
    resized = dict(arrays)
    for name in ("descrpt_attr/t_avg", "descrpt_attr/t_std"):
        array = arrays[name]
        slots = array.shape[1] // 4
        if slots == nnei:
            continue
        if _differs_by_slot(array):
            raise ModelFileError(
                f"sel is {slots} in the file and {nnei} in the input, but {name} differs from "
                f"slot to slot; set sel to {slots}"
            )
        if not davg_is_zero or np.any(arrays["descrpt_attr/t_avg"]):
            raise ModelFileError(
                f"sel is {slots} in the file and {nnei} in the input, which changes a model that "
                f"was trained without set_davg_zero; set sel to {slots}"
            )
        if smooth_attention:
            raise ModelFileError(
                f"sel is {slots} in the file and {nnei} in the input, which changes a model "
                f"with smooth attention, whose softmax counts empty slots; set sel to {slots}"
            )
        resized[name] = np.tile(array[:, :4], (1, nnei))
    return resized


def refuse_uneven(
    config: ModelConfig, arrays: Mapping[str, np.ndarray], path: str | os.PathLike
) -> None:
    """Refuse input statistics that differ from slot to slot, where all slots are equivalent.

    No training makes any. Descriptors whose neighbors share all slots take the numbers of one
    slot for those of all padding.

    Raises:
        ModelFileError: The model has such statistics, or no numbers of neighbors.
    """
    refuse_automatic(config, path)
    specs = [spec for spec in config.descriptor.env_mats() if config.descriptor.is_mixed(spec)]
    for name in (name for spec in specs for name in (spec.davg, spec.dstd)):
        array = arrays.get(name)
        # Other shapes are refused when the model is built.
        if array is None or array.ndim < 2 or not array.size or array.size % (4 * len(array)):
            continue
        if _differs_by_slot(array):
            raise ModelFileError(
                f"{path}: {name} differs from slot to slot of a neighbor list, which is "
                "supported only where each type has slots of its own; train the model again"
            )


def refuse_automatic(config: ModelConfig, path: str | os.PathLike) -> None:
    """Refuse a configuration whose numbers of neighbors are to be found in data.

    Raises:
        ModelFileError: It is one.
    """
    for one in config.descriptor.neighbor_lists():
        if isinstance(one.sel, str):
            raise ModelFileError(
                f"{path}: does not tell its numbers of neighbors: model/descriptor/{one.key} is "
                f"{one.sel!r}"
            )


def _differs_by_slot(statistics: np.ndarray) -> bool:
    slots = statistics.reshape(len(statistics), -1, 4)
    return bool(np.any(slots != slots[:, :1]))


def _enumerate(names: list[str]) -> str:
    shown = ", ".join(names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"


def refuse_scaled(arrays: Mapping[str, np.ndarray], path: str | os.PathLike) -> None:
    """Refuse a graph that scales its atomic energies.

    Raises:
        ModelFileError: It does.
    """
    if OUT_STD in arrays and not np.all(arrays[OUT_STD] == 1):
        raise ModelFileError(
            f"{path}: scales its atomic energies ({OUT_STD} is not 1), which is not supported"
        )
