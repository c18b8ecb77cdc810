"""The untrained weights of descriptors: input statistics and original ``sel``."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np


def add_statistics(
    layer: keras.layers.Layer, *, sel: Sequence[int], columns: int = 4, fixed_slots: bool = False
) -> None:
    """Give a descriptor the weights ``davg``, ``dstd`` and ``original_sel``.

    ``davg`` and ``dstd`` are ``[ntypes, columns * sum(sel)]`` in the layer's ``interface_dtype``;
    ``original_sel`` holds the neighbor numbers the model was first trained with, whose sum
    divides the contraction even when ``sel`` has changed since. With ``fixed_slots``, where ``sel``
    cannot change, there is none.
    """
    statistics = {
        "shape": (layer.ntypes, columns * sum(sel)),
        "dtype": layer.interface_dtype,
        "trainable": False,
        "autocast": False,
    }
    layer.davg = layer.add_weight(name="davg", initializer="zeros", **statistics)
    layer.dstd = layer.add_weight(name="dstd", initializer="ones", **statistics)
    layer.original_sel = None
    if not fixed_slots:
        layer.original_sel = layer.add_weight(
            name="original_sel",
            shape=(len(sel),),
            dtype="int32",
            initializer=lambda shape, dtype=None: np.asarray(sel, np.int32),
            trainable=False,
        )


def named_statistics(layer: keras.layers.Layer) -> dict[str, keras.Variable]:
    """The weights of `add_statistics` under DeePMD's names."""
    named = {
        "descrpt_attr/t_avg": layer.davg,
        "descrpt_attr/t_std": layer.dstd,
        "descrpt_attr/original_sel": layer.original_sel,
    }
    return {name: variable for name, variable in named.items() if variable is not None}
