"""Build a model from the model section of an input."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import tensorflow as tf

from deepattn.config import ModelConfig, network_dtype
from deepattn.errors import ModelFileError
from deepattn.formats.weight_names import of_model
from deepattn.layers import TypeEmbedding
from deepattn.layers.descriptor import Descriptor
from deepattn.layers.electron_configuration import electron_features
from deepattn.layers.fitting import Fitting
from deepattn.layers.initializers import without_drawing
from deepattn.models.atomic_model import AtomicModel
from deepattn.models.masked_model import MaskedModel
from deepattn.models.short_range import ShortRangeModel
from deepattn.models.spin_model import SpinModel
from deepattn.pairs import PairTable, read_table
from deepattn.registry import resolve

if TYPE_CHECKING:
    from deepattn.models.files import StoredModel


class SharedLayers(NamedTuple):
    """Built layers of another model that a model takes for its own; None where it has its own.

    Attributes:
        type_embedding: The type embedding.
        descriptor: The descriptor.
        fitting: The fitting whose nets are shared; biases and case vectors are not.
    """

    type_embedding: TypeEmbedding | None = None
    descriptor: Descriptor | None = None
    fitting: Fitting | None = None


_NOTHING = SharedLayers()


def build_model(
    config: ModelConfig,
    *,
    interface_dtype: str = "float64",
    arrays: Mapping[str, np.ndarray] | None = None,
    shared: SharedLayers = _NOTHING,
) -> AtomicModel:
    """Build the model that an input describes.

    Args:
        config: The model section; ``sel`` must be a number, not ``auto``.
        interface_dtype: Precision of coordinates, forces and statistics.
        arrays: Values of all weights by name; initial ones when ``None``.
        shared: Layers of another model to use; they must be of the same configuration.

    Raises:
        ModelFileError: ``arrays`` do not fit the configuration.
    """
    if arrays is None:
        return _build(config, interface_dtype, shared, None)
    with without_drawing():
        model = _build(config, interface_dtype, shared, arrays)
    model.set_arrays(arrays)
    return model


def _build(
    config: ModelConfig,
    interface_dtype: str,
    shared: SharedLayers,
    arrays: Mapping[str, np.ndarray] | None,
) -> AtomicModel:
    """The model of a configuration, with initial weights; arguments as for `build_model`."""
    section, fitting_section = config.descriptor, config.fitting_net
    type_embedding = shared.type_embedding or _type_embedding(config, interface_dtype)
    width = 0 if type_embedding is None else type_embedding.width
    descriptor = shared.descriptor or resolve(section.layer).from_section(
        section, config, tebd_dim=width, interface_dtype=interface_dtype
    )
    fitting = resolve(fitting_section.layer).from_section(
        fitting_section,
        config,
        descriptor=descriptor,
        # A descriptor that depends on types already contains the type embedding.
        tebd_dim=0 if section.contains_types else width,
        interface_dtype=interface_dtype,
        sibling=shared.fitting,
    )
    kind: type[AtomicModel] = resolve(fitting_section.model)
    layers = (descriptor, fitting, type_embedding)
    further: dict[str, Any] = {}
    if config.use_srtab is not None:
        kind = ShortRangeModel
        further = _short_range(config, arrays)
    if fitting_section.masks_atoms:
        kind = MaskedModel
    if config.spin is not None:
        kind, further = SpinModel, {"spin": config.spin}
    if config.combination is not None:
        if config.combination.model is not None:
            kind = resolve(config.combination.model)
        further |= _combined(config, type_embedding, interface_dtype, arrays)
    return kind.of_layers(
        *layers,
        section=fitting_section,
        type_map=config.type_map,
        pair_exclude_types=config.pair_exclude_types,
        atom_exclude_types=config.atom_exclude_types,
        **further,
    )


def _short_range(config: ModelConfig, arrays: Mapping[str, np.ndarray] | None) -> dict[str, Any]:
    """The arguments of a `ShortRangeModel`, with the table of a file or of some arrays."""
    if arrays is None:
        rcut = config.descriptor.longest_list.rcut
        found = read_table(str(config.use_srtab), rcut=rcut, ntypes=config.ntypes)
        table = PairTable.of_table(found)
    else:
        table = PairTable.for_arrays(arrays, config.ntypes)
    switch = (config.smin_alpha, config.sw_rmin, config.sw_rmax)
    return {"table": table, "switch": switch, "add_bias": config.srtab_add_bias}


def _combined(
    config: ModelConfig,
    type_embedding: TypeEmbedding | None,
    interface_dtype: str,
    arrays: Mapping[str, np.ndarray] | None,
) -> dict[str, Any]:
    """The arguments of an `EnergyModel` for what is added to it."""
    if config.combination is None or not config.combination.shares_type_embedding:
        type_embedding = None
    common: Mapping[str, Any] = {}
    if type_embedding is not None:
        type_embedding.build()
        common = type_embedding.named_variables()
    terms = {}
    for place, section in enumerate(config.models):
        if section.layer is None:
            continue
        own = None
        if arrays is not None:
            prefix = of_model("", place)
            own = {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
            own |= {n: a for n, a in arrays.items() if n in common}
        terms[place] = resolve(section.layer).from_section(
            section,
            config,
            interface_dtype=interface_dtype,
            arrays=own,
            type_embedding=type_embedding,
        )
    return {"terms": list(terms.values()), "places": list(terms), "factors": config.weights}


def build_stored(stored: StoredModel, path: str | os.PathLike) -> AtomicModel:
    """Build a model from its data.

    Args:
        stored: The model.
        path: Its file, for messages.

    Raises:
        ModelFileError: The arrays do not fit the configuration.
    """
    dtype = stored.interface_dtype
    try:
        return build_model(stored.config, interface_dtype=dtype, arrays=stored.arrays)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from None
    except tf.errors.OpError as error:
        raise ModelFileError(f"{path}: the model cannot be built: {error.message}") from None


def _type_embedding(config: ModelConfig, interface_dtype: str) -> TypeEmbedding | None:
    section = config.embedding
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
