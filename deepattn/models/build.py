"""Build a model from the model section of an input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from deepattn.config import (
    Dpa2Config,
    EnerFittingConfig,
    ModelConfig,
    SeAttenConfig,
    SeE2AConfig,
    TypeEmbeddingConfig,
    network_dtype,
)
from deepattn.layers import DPA2, EnergyFitting, SeAtten, SeE2A, TypeEmbedding
from deepattn.layers.electron_configuration import electron_features
from deepattn.models.build_dpa2 import dpa2_descriptor, dpa2_type_embedding
from deepattn.models.energy_model import EnergyModel


class SharedLayers(NamedTuple):
    """Built layers of another model that a model takes for its own; None where it has its own.

    Attributes:
        type_embedding: the type embedding.
        descriptor: the descriptor.
        fitting: the fitting whose nets are shared; biases and case vectors are not.
    """

    type_embedding: TypeEmbedding | None = None
    descriptor: SeAtten | SeE2A | DPA2 | None = None
    fitting: EnergyFitting | None = None


_NOTHING = SharedLayers()


def build_model(
    config: ModelConfig,
    *,
    interface_dtype: str = "float64",
    arrays: Mapping[str, np.ndarray] | None = None,
    shared: SharedLayers = _NOTHING,
) -> EnergyModel:
    """Build the model that an input describes.

    Args:
        config: the model section; ``sel`` must be a number, not ``auto``.
        interface_dtype: precision of coordinates, forces and statistics.
        arrays: values of all weights by name; initial ones when ``None``.
        shared: layers of another model to use; they must be of the same configuration.

    Raises:
        ModelFileError: ``arrays`` do not fit the configuration.
    """
    section = config.descriptor
    type_embedding, descriptor = shared.type_embedding, shared.descriptor
    if isinstance(section, Dpa2Config):
        type_embedding = type_embedding or dpa2_type_embedding(section, config, interface_dtype)
        # It has the type vector where it is wanted.
        tebd_dim = 0
        descriptor = descriptor or dpa2_descriptor(section, config, interface_dtype)
    else:
        type_embedding = type_embedding or _type_embedding(config, interface_dtype)
        tebd_dim = 0 if type_embedding is None else type_embedding.width
        descriptor = descriptor or _descriptor(section, config, tebd_dim, interface_dtype)
    fitting = _fitting(
        config,
        descriptor.width,
        tebd_dim,
        interface_dtype,
        shared=isinstance(section, Dpa2Config),
        sibling=shared.fitting,
    )
    model = EnergyModel(descriptor, fitting, type_embedding, type_map=config.type_map)
    if arrays is not None:
        model.set_arrays(arrays)
    return model


def _type_embedding(config: ModelConfig, interface_dtype: str) -> TypeEmbedding | None:
    section: TypeEmbeddingConfig | None = config.type_embedding
    if section is None:
        return None
    return TypeEmbedding(
        config.ntypes,
        section.neuron,
        section.activation_function,
        resnet_dt=section.resnet_dt,
        use_bias=section.use_tebd_bias,
        features=electron_features(config.type_map) if section.use_econf_tebd else None,
        seed=section.seed,
        dtype=network_dtype(section.precision, interface_dtype),
        trainable=section.trainable,
        name="type_embedding",
    )


def _descriptor(
    section: SeAttenConfig | SeE2AConfig, config: ModelConfig, tebd_dim: int, interface_dtype: str
) -> SeAtten | SeE2A:
    common: dict[str, Any] = {
        "rcut": section.rcut,
        "rcut_smth": section.rcut_smth,
        "sel": section.sel,
        "neuron": section.neuron,
        "axis_neuron": section.axis_neuron,
        "type_one_side": section.type_one_side,
        "activation": section.activation_function,
        "resnet_dt": section.resnet_dt,
        "exclude_types": section.exclude_types,
        "seed": section.seed,
        "interface_dtype": interface_dtype,
        "dtype": network_dtype(section.precision, interface_dtype),
        "trainable": section.trainable,
        "name": "descriptor",
    }
    ntypes = config.ntypes
    if not isinstance(section, SeAttenConfig):
        return SeE2A(ntypes, tebd_dim=tebd_dim, common=config.is_common, **common)
    return SeAtten(
        ntypes,
        tebd_dim,
        attn=section.attn,
        attn_layer=section.attn_layer,
        attn_dotr=section.attn_dotr,
        attn_mask=section.attn_mask,
        tebd_input_mode=section.tebd_input_mode,
        smooth=section.smooth_type_embedding,
        ln_eps=section.ln_eps,
        temperature=1.0 if section.temperature is None else section.temperature,
        common=config.is_common,
        trainable_ln=section.trainable_ln,
        **common,
    )


def _fitting(
    config: ModelConfig,
    width: int,
    tebd_dim: int,
    interface_dtype: str,
    *,
    shared: bool,
    sibling: EnergyFitting | None,
) -> EnergyFitting:
    section: EnerFittingConfig = config.fitting_net
    trainable = section.trainable
    by_layer = None if isinstance(trainable, bool) else trainable
    return EnergyFitting(
        config.ntypes,
        width,
        tebd_dim=tebd_dim,
        shared=shared,
        neuron=section.neuron,
        activation=section.activation_function,
        resnet_dt=section.resnet_dt,
        numb_fparam=section.numb_fparam,
        numb_aparam=section.numb_aparam,
        dim_case_embd=section.dim_case_embd,
        sibling=sibling,
        subtract_vacuum=bool(section.atom_ener),
        common=config.is_common,
        trainable_layers=by_layer,
        seed=section.seed,
        interface_dtype=interface_dtype,
        dtype=network_dtype(section.precision, interface_dtype),
        trainable=trainable if by_layer is None else True,
        name="fitting",
    )
