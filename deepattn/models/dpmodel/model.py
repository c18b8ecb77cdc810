"""A whole model in a tree."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

from deepattn import __version__
from deepattn.config import DESCRIPTORS, FITTINGS, ModelConfig, model_config
from deepattn.errors import ConfigError
from deepattn.models.dpmodel.convention import refuse_unwritable
from deepattn.models.dpmodel.moments import (
    of_moments,
    script_of_moments,
    with_moments,
    without_moments,
)
from deepattn.models.weights import refuse_uneven
from deepattn.registry import formats_of, resolve
from deepattn.trees import DescriptorFormat, FittingFormat
from deepattn.trees.embedding import Arrays
from deepattn.trees.exclusions import read_exclusions, written_exclusions
from deepattn.trees.node import Node

# Keys of the trees of parts that an input file has elsewhere, lacks, or need not have.
_NO_INPUT = {
    "descriptor": {"ntypes", "type_map", "spin"},
    "fitting": {
        *("ntypes", "type_map", "spin", "var_name", "dim_out", "dim_descrpt", "mixed_types"),
        *("default_fparam", "exclude_types", "tot_ener_zero", "layer_name"),
        *("use_aparam_as_mask", "embedding_width", "r_differentiable", "c_differentiable"),
    },
}


def from_tree(tree: Mapping[str, Any], origin: str) -> tuple[ModelConfig, Arrays, float | None]:
    """Configuration, weights by name, and shortest distance in the training data (Å, or None).

    Args:
        tree: As returned by `deepattn.formats.dp_file.read_tree`.
        origin: The file, for messages.

    Raises:
        ModelFileError: The model is of another kind, version or shape than those that are read.
    """
    backbone, spin = without_moments(tree["model"], origin)
    node = Node(backbone, "model", origin)
    node.only("type", "standard", reason="models of other kinds cannot be read")
    node.version("Model", 2)
    type_map = node.get("type_map", list)
    if not type_map or not all(isinstance(name, str) for name in type_map):
        node.fail("model/type_map is not a list of names")
    exclusions = read_exclusions(node)
    # Settings of the bias fit in trainings.
    node.ignore("rcond", "preset_out_bias")
    section, arrays = _descriptor_format(node).read(node.child("descriptor"), type_map)
    kind = DESCRIPTORS[section["descriptor"]["type"]]
    of_fitting = _fitting_format(node)
    fitting, weights, every_residual = of_fitting.read(
        node.child("fitting"), type_map, mixed_types=kind.mixed_types
    )
    shape = (1, len(type_map), of_fitting.width(fitting))
    # Of energies no backend but TensorFlow multiplies by out_std, in which trainings leave what
    # they like.
    bias, std = node.arrays({"out_bias": shape, "out_std": shape})
    node.finish()
    if bias is not None:
        std = np.ones(shape) if std is None else std
        weights = of_fitting.with_output(fitting, weights, bias[0], std[0])
    arrays |= weights
    left_out = exclusions.get("atom_exclude_types", [])
    named = fitting.get("sel_type")
    if named is not None and left_out == [k for k in range(len(type_map)) if k not in named]:
        del exclusions["atom_exclude_types"]  # the fitting says the same
    section |= {"type_map": type_map, "fitting_net": fitting, **exclusions}
    if spin is not None:
        section = of_moments(section, spin, node)
    config = complete(section, arrays, origin, every_residual)
    return config, arrays, _distance(tree, origin)


def complete(
    section: dict[str, Any], arrays: Arrays, origin: str, every_residual: bool | None
) -> ModelConfig:
    """The configuration of a model of another backend; its weights get what these do not store.

    Args:
        section: its ``model`` section.
        arrays: its weights by name.
        origin: the file, for messages.
        every_residual: whether its fitting net has all residual connections that its widths allow,
            None where that makes no difference.

    Raises:
        ModelFileError: there is no such model here.
    """
    config = _config(section, origin, arrays, every_residual)
    for name, sel in config.descriptor.first_slots().items():
        arrays[name] = np.asarray(sel, np.int32)
    return config


def _config(
    section: dict[str, Any], origin: str, arrays: Arrays, every_residual: bool | None
) -> ModelConfig:
    node = Node({}, "model", origin)
    descriptor = section["descriptor"]
    kind = DESCRIPTORS[descriptor["type"]]
    needed = kind.common_values(descriptor)
    common_keys = {name: descriptor.pop(name) for name in kind.common_keys if name in descriptor}
    excludes = bool(read_exclusions(Node(section, "model", origin)))
    try:
        config = model_config({**section, "convention": "common"} if excludes else section)
        # As in a graph of TensorFlow where that comes to the same, so that those can be made of it.
        counts = set(needed) - config.descriptor.idle_keys()
        needs = config.descriptor.needs_common(config) or config.fitting_net.needs_common()
        if needs or counts or every_residual or excludes:
            if every_residual is False:
                node.fail(
                    "model/fitting has the residual connections of TensorFlow graphs, which "
                    "contradicts the rest of the model"
                )
            section["convention"] = "common"
            descriptor.update(common_keys)
            config = model_config(section)
    except ConfigError as error:
        node.fail(str(error))
    refuse_uneven(config, arrays, origin)
    if config.descriptor.sees_first_atom(arrays):
        node.fail(
            "model/descriptor/@variables/davg is not zero, and missing neighbors take the type of "
            "a frame's first atom in DeePMD-kit, so that energies depend on the order of atoms; "
            "train with set_davg_zero, or with tebd_input_mode strip and smooth_type_embedding"
        )
    return config


def to_tree(
    config: ModelConfig, arrays: Mapping[str, np.ndarray], *, min_nbor_dist: float | None
) -> dict[str, Any]:
    """The tree of a model.

    Args:
        config: Its configuration.
        arrays: Its weights by name.
        min_nbor_dist: Shortest distance in the training data, Å, or None.

    Raises:
        ModelFileError: Other backends do not support the model; the message gives the reason.
    """
    refuse_unwritable(config, arrays)
    descriptor, fitting = _parts(config, arrays)
    model = {
        "@class": "Model",
        "@version": 2,
        "type": "standard",
        "type_map": list(config.type_map),
        **written_exclusions(config),
        "rcond": config.fitting_net.rcond,
        "preset_out_bias": None,
        "descriptor": descriptor,
        "fitting": fitting,
        "@variables": _output(config, arrays),
    }
    tree: dict[str, Any] = {
        "software": "deepattn",
        "version": __version__,
        "model_def_script": _script(config, descriptor, fitting),
        "model": model if config.spin is None else with_moments(model, config.spin),
    }
    if min_nbor_dist is not None:
        tree["@variables"] = {"min_nbor_dist": np.array(min_nbor_dist, np.float64)}
    return tree


def section_for_others(config: ModelConfig, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The ``model`` section of an input for DeePMD-kit's other backends.

    Args:
        config: the model's configuration.
        arrays: its weights by name.
    """
    return _script(config, *_parts(config, arrays))


def set_bias(tree: Mapping[str, Any], bias: np.ndarray) -> dict[str, Any]:
    """A copy of a tree, whose model has been read, with other energies of the types (eV)."""
    changed = copy.deepcopy(dict(tree))
    model = changed["model"]
    model["fitting"]["@variables"]["bias_atom_e"] = bias[:, np.newaxis]
    model["@variables"]["out_bias"] = np.zeros((1, len(bias), 1), bias.dtype)
    return changed


def _parts(
    config: ModelConfig, arrays: Mapping[str, np.ndarray]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Descriptor and fitting as trees."""
    of_descriptor: DescriptorFormat = resolve(config.descriptor.dpmodel or "")
    of_fitting: FittingFormat = resolve(config.fitting_net.dpmodel or "")
    descriptor = of_descriptor.write(config.descriptor, config, arrays)
    return descriptor, of_fitting.write(config.fitting_net, config, arrays)


def _output(config: ModelConfig, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Bias and standard deviation of the output.

    Of energies the fitting has the bias: DeePMD-kit's TensorFlow backend drops that of the output
    and multiplies by the standard deviation.
    """
    section = config.fitting_net
    of_fitting: FittingFormat = resolve(section.dpmodel or "")
    if of_fitting.output is not None:
        bias, std = of_fitting.output(section, config, arrays)
    else:
        shape = (config.ntypes, of_fitting.width(section.to_dict()))
        bias, std = np.zeros(shape), np.ones(shape)
    return {"out_bias": bias[np.newaxis], "out_std": std[np.newaxis]}


def _script(
    config: ModelConfig, descriptor: Mapping[str, Any], fitting: Mapping[str, Any]
) -> dict[str, Any]:
    """The section of an input for DeePMD-kit that would make such a model."""
    of_descriptor: DescriptorFormat = resolve(config.descriptor.dpmodel or "")
    of_fitting: FittingFormat = resolve(config.fitting_net.dpmodel or "")
    section = {
        "type_map": list(config.type_map),
        **{key: value for key, value in written_exclusions(config).items() if value},
        "descriptor": _input_of(descriptor, "descriptor", of_descriptor.arguments),
        "fitting_net": _input_of(fitting, "fitting", of_fitting.arguments)
        | of_fitting.input_keys(config.fitting_net)
        | _default_fparam(config),
    }
    return section if config.spin is None else script_of_moments(section, config.spin)


def _default_fparam(config: ModelConfig) -> dict[str, Any]:
    values = config.fitting_net.default_fparam
    return {} if values is None else {"default_fparam": list(values)}


def _descriptor_format(node: Node) -> DescriptorFormat:
    """The format of the type of descriptor that a model has."""
    name = node.child("descriptor").get("type", str)
    formats = formats_of(DESCRIPTORS, name, "dpmodel")
    if name not in formats:
        node.fail(
            f"model/descriptor has the type {name!r}; supported types are {', '.join(formats)}"
        )
    return formats[name]


def _fitting_format(node: Node) -> FittingFormat:
    """The format of the type of fitting that a model has."""
    name = node.child("fitting").get("type", str)
    formats = formats_of(FITTINGS, name, "dpmodel")
    if name not in formats:
        node.fail(f"model/fitting has the type {name!r}; supported types are {', '.join(formats)}")
    return formats[name]


def _input_of(tree: Mapping[str, Any], part: str, names: Mapping[str, str]) -> dict[str, Any]:
    """The section of an input file for DeePMD-kit that would make such a part."""
    section = {
        key: [_input_of(one, part, {}) if isinstance(one, dict) else one for one in value]
        if isinstance(value, list)
        else value
        for key, value in tree.items()
        if not isinstance(value, dict) and key[0] != "@" and key not in _NO_INPUT[part]
    }
    return section | {key: tree[there] for key, there in names.items() if there in tree}


def _distance(tree: Mapping[str, Any], origin: str) -> float | None:
    if tree.get("@variables") is None:
        return None
    node = Node(tree["@variables"], "@variables", origin)
    value = node.get("min_nbor_dist", (np.ndarray, type(None)), None)
    if value is None:
        return None
    if value.dtype.kind != "f" or value.size != 1 or not np.isfinite(value).all():
        node.fail("@variables/min_nbor_dist is not a distance")
    return float(value.reshape(()))
