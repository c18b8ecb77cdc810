"""Build the parts of a DPA-2 model that its descriptor section describes."""

from __future__ import annotations

from typing import Any

from deepattn.config import Dpa2Config, ModelConfig, network_dtype
from deepattn.layers import DPA2, TypeEmbedding
from deepattn.layers.electron_configuration import electron_features

# What a `Repformers` layer takes itself; the other keys of the section are options of its layers.
_OF_THE_BLOCK = ("nlayers", "rcut", "rcut_smth", "direct_dist")
_ELSEWHERE = ("nsel", "activation_function", "set_davg_zero")


def dpa2_type_embedding(
    section: Dpa2Config, config: ModelConfig, interface_dtype: str
) -> TypeEmbedding:
    """One linear layer."""
    return TypeEmbedding(
        config.ntypes,
        (section.repinit.tebd_dim,),
        "linear",
        use_bias=section.use_tebd_bias,
        features=electron_features(config.type_map) if section.use_econf_tebd else None,
        seed=section.seed,
        dtype=network_dtype(section.precision, interface_dtype),
        trainable=section.trainable,
        name="type_embedding",
    )


def dpa2_descriptor(section: Dpa2Config, config: ModelConfig, interface_dtype: str) -> DPA2:
    """The blocks."""
    return DPA2(
        config.ntypes,
        section.repinit.tebd_dim,
        repinit=_repinit(section),
        repformer=_repformer(section),
        three_body=_three_body(section) if section.repinit.use_three_body else None,
        concat_output_tebd=section.concat_output_tebd,
        add_tebd_to_repinit_out=section.add_tebd_to_repinit_out,
        smooth=section.smooth,
        exclude_types=section.exclude_types,
        env_protection=section.env_protection,
        # Not that of the type embedding, which would draw the same numbers.
        seed=None if section.seed is None else section.seed + 1,
        interface_dtype=interface_dtype,
        dtype=network_dtype(section.precision, interface_dtype),
        trainable=section.trainable,
        name="descriptor",
    )


def _repinit(section: Dpa2Config) -> dict[str, Any]:
    block = section.repinit
    return {
        "nnei": block.nsel,
        "rcut": block.rcut,
        "rcut_smth": block.rcut_smth,
        "neuron": block.neuron,
        "axis_neuron": block.axis_neuron,
        "tebd_input_mode": block.tebd_input_mode,
        "type_one_side": block.type_one_side,
        "activation": block.activation_function,
        "resnet_dt": block.resnet_dt,
    }


def _three_body(section: Dpa2Config) -> dict[str, Any]:
    block = section.repinit
    return {
        "nnei": block.three_body_sel,
        "rcut": block.three_body_rcut,
        "rcut_smth": block.three_body_rcut_smth,
        "neuron": block.three_body_neuron,
        "tebd_input_mode": block.tebd_input_mode,
        "activation": block.activation_function,
        "resnet_dt": block.resnet_dt,
    }


def _repformer(section: Dpa2Config) -> dict[str, Any]:
    keys = section.repformer.to_dict()
    options = {
        key: value for key, value in keys.items() if key not in (*_OF_THE_BLOCK, *_ELSEWHERE)
    }
    options |= {"nnei": keys["nsel"], "activation": keys["activation_function"]}
    return {**{key: keys[key] for key in _OF_THE_BLOCK}, "options": options}
