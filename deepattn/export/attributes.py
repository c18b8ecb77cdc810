"""The constants of a frozen graph that describe the model to its readers."""

from __future__ import annotations

import numpy as np

from deepattn.models.atomic_model import AtomicModel

# Readers accept this format from DeePMD-kit 2.1.5 on.
MODEL_VERSION = "1.1"


def attribute_constants(
    model: AtomicModel, *, training_script: str, min_nbor_dist: float | None
) -> dict[str, object]:
    """Values of the attribute nodes by name, in addition to the weights.

    Args:
        model: the model.
        training_script: the normalized input as JSON.
        min_nbor_dist: shortest distance in the training data, Å; left out when ``None``.
    """
    descriptor, fitting, trained = model.descriptor, model.fitting, model.trained_models()
    attributes: dict[str, object] = {
        "model_type": "compressed_model" if descriptor.compressed else "original_model",
        "model_attr/model_type": fitting.graph_type,
        "model_attr/model_version": MODEL_VERSION,
        **model.graph_attributes(),
        "descrpt_attr/rcut": np.asarray(model.rcut, model.interface_dtype),
        "descrpt_attr/ntypes": np.int32(descriptor.ntypes),
        **{
            model.graph_name(prefix + name): array
            for prefix, one in trained.items()
            for name, array in one.descriptor.graph_constants().items()
        },
        "train_attr/training_script": training_script,
    }
    if min_nbor_dist is not None:
        attributes["train_attr/min_nbor_dist"] = np.float64(min_nbor_dist)
    unused = {
        model.graph_name(prefix + name): array
        for prefix, one in trained.items()
        for name, array in _unused_time_steps(one).items()
    }
    return {**fitting.graph_attributes(), **attributes, **unused}


def _unused_time_steps(model: AtomicModel) -> dict[str, np.ndarray]:
    """Time steps of ones for layers without a residual connection.

    DeePMD-kit asks for one for every layer of a net with ``resnet_dt`` when it loads weights,
    though it never uses these.
    """
    nets = model.descriptor.scoped_nets()
    if model.type_embedding is not None:
        nets += model.type_embedding.scoped_nets()
    return {
        f"{scope}/idt_{k}{suffix}": np.ones((1, layer.units), layer.variable_dtype)
        for scope, suffix, net in nets
        if net.resnet_dt
        for k, layer in enumerate(net.hidden, start=1)
        if layer.idt is None
    }
