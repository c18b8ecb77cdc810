"""Where DeePMD-kit's TensorFlow backend and its other backends differ, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from deepattn.config import Dpa2Config, ModelConfig, SeAttenConfig
from deepattn.errors import ModelFileError


def needs_common(config: ModelConfig) -> str | None:
    """The option by which a model of TensorFlow and one of other backends differ, or None."""
    section = config.descriptor
    if isinstance(section, Dpa2Config):
        return "the descriptor dpa2"
    if not isinstance(section, SeAttenConfig):
        excluded = section.type_one_side and section.exclude_types
        return "exclude_types with type_one_side" if excluded else None
    if section.attn_layer:
        return "attn_layer"
    if section.smooth_type_embedding:
        return "smooth_type_embedding"
    if section.tebd_input_mode == "strip" and section.type_one_side:
        return "type_one_side with tebd_input_mode strip"
    if config.fitting_net.atom_ener:
        return "atom_ener"
    return None


def conventions_differ(config: ModelConfig, arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether the same weights give other energies by the other convention."""
    if needs_common(config) is not None:
        return True
    hidden = ((re.match(r"layer_(\d+)(_type_\d+)?/matrix$", name), name) for name in arrays)
    return any(
        columns == 2 * rows or (columns == rows and layer[1] == "0")
        for layer, (rows, columns) in ((m, arrays[name].shape) for m, name in hidden if m)
    )


def sees_first_atom(config: ModelConfig, arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether other backends' energies depend on which atom comes first.

    There a missing neighbor has the type of the frame's first atom, which tells where its row of
    the environment matrix is not zero and the type factor does not fade out. (In a `DPA2` it has
    that type here too.)
    """
    section = config.descriptor
    if not isinstance(section, SeAttenConfig) or not np.any(arrays["descrpt_attr/t_avg"]):
        return False
    return not (section.tebd_input_mode == "strip" and section.smooth_type_embedding)


def refuse_unwritable(config: ModelConfig, arrays: Mapping[str, np.ndarray]) -> None:
    """Refuse a model that other backends would give other energies for.

    Raises:
        ModelFileError: it is one.
    """
    section = config.descriptor
    reason = None
    if not config.type_map:
        reason = "it names no elements (model/type_map)"
    elif not config.is_common and needs_common(config):
        reason = (
            f"{needs_common(config)} means something else in DeePMD-kit's TensorFlow backend, "
            "whose details this model has; train with model/convention common"
        )
    elif sees_first_atom(config, arrays):
        reason = (
            "its davg is not zero (set_davg_zero), where other backends' energies depend on the "
            "order of atoms"
        )
    elif isinstance(section, Dpa2Config):
        if _loses_transform(section):
            reason = (
                f"DeePMD-kit cannot load use_three_body with a g1_dim of "
                f"{section.repformer.g1_dim} beside first features of that width"
            )
    elif isinstance(section, SeAttenConfig):
        if section.attn_layer and section.attn_mask:
            reason = "other backends do not know attn_mask"
    elif config.type_embedding is not None:
        reason = "other backends have no type_embedding with se_e2_a"
    elif None in config.fitting_net.atom_ener:
        reason = "its atom_ener names some types only"
    nets = (section.repinit, section.repformer) if isinstance(section, Dpa2Config) else (section,)
    sections = (*nets, config.fitting_net, config.type_embedding)
    if any(part and part.activation_function == "gelu_tf" for part in sections):
        reason = "gelu_tf is another function in other backends, in the eighth digit"
    original = arrays.get("descrpt_attr/original_sel", section.sel)
    if np.sum(original) != np.sum(section.sel):
        reason = f"its sel was {np.sum(original)} when first trained"
    if reason is not None:
        raise ModelFileError(f"the model cannot be written for other backends: {reason}")


def _loses_transform(section: Dpa2Config) -> bool:
    """Whether DeePMD-kit, which looks at repinit alone, misjudges if there is a first transform."""
    repinit, width = section.repinit, section.repformer.g1_dim
    alone = repinit.neuron[-1] * repinit.axis_neuron
    both = alone + repinit.three_body_neuron[-1]
    return repinit.use_three_body and width in (alone, both)
