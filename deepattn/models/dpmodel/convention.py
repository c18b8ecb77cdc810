"""Differences between the conventions of DeePMD-kit's TensorFlow backend and its other backends."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from deepattn.config import ModelConfig
from deepattn.errors import ModelFileError


def conventions_differ(config: ModelConfig, arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether the same weights give other energies by the other convention."""
    differ = config.descriptor.needs_common(config) or config.fitting_net.needs_common()
    return differ is not None or has_all_residuals(arrays)


def has_all_residuals(arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether a fitting net has widths between which only other backends add the input."""
    hidden = ((re.match(r"layer_(\d+)(_type_\d+)?/matrix$", name), name) for name in arrays)
    return any(
        columns == 2 * rows or (columns == rows and layer[1] == "0")
        for layer, (rows, columns) in ((m, arrays[name].shape) for m, name in hidden if m)
    )


def refuse_unwritable(config: ModelConfig, arrays: Mapping[str, np.ndarray]) -> None:
    """Refuse a model that other backends would give other energies for.

    Raises:
        ModelFileError: It is one.
    """
    section = config.descriptor
    other = section.needs_common(config) or config.fitting_net.needs_common()
    reason = section.why_not_dpmodel(config, arrays)
    if not config.type_map:
        reason = "it names no elements (model/type_map)"
    elif section.dpmodel is None or config.fitting_net.dpmodel is None:
        reason = "they lack its descriptor or its fitting"
    elif config.combination is not None:
        reason = config.combination.other_backends
        if config.is_common:
            reason = f"such files of combinations ({config.type}) are not supported"
    elif config.listed_spin is not None:
        reason = "its virtual atoms (model/spin) are those of DeePMD-kit's TensorFlow backend"
    elif config.use_srtab is not None:
        reason = "they switch to a table (use_srtab) in another way"
    elif config.fitting_net.names_of_layers is not None:
        reason = "they do not share layers by name (layer_name)"
    elif not config.is_common and other is not None:
        reason = (
            f"{other} has another meaning in DeePMD-kit's TensorFlow backend, whose "
            "convention this model follows; train with model/convention common"
        )
    elif section.sees_first_atom(arrays):
        reason = (
            "its davg is not zero (set_davg_zero), so energies of other backends would "
            "depend on the order of atoms"
        )
    activations = [*section.activations(), config.fitting_net.activation_function]
    if config.embedding is not None:
        activations.append(config.embedding.activation_function)
    if "gelu_tf" in activations:
        reason = "gelu_tf differs in other backends in the eighth digit"
    for name, slots in section.first_slots().items():
        original = np.sum(arrays.get(name, slots))
        if original != sum(slots):
            reason = f"its sel was {original} when first trained"
    if reason is not None:
        raise ModelFileError(f"the model cannot be written for other backends: {reason}")
