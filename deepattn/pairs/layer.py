"""Energies of pairs from a table."""

from __future__ import annotations

import deepattn.keras_backend  # noqa: F401

# isort: split
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepattn.errors import ModelFileError
from deepattn.formats.weight_names import TABLE_DATA, TABLE_INFO
from deepattn.pairs.table_file import Table


@keras.saving.register_keras_serializable(package="deepattn")
class PairTable(keras.layers.Layer):
    """The energy of a pair of atoms by their types and distance, piecewise cubic.

    In the interval k with r = r₀ + (k + u) h, 0 ≤ u < 1, it is ((a u + b) u + c) u + d. Beyond the
    table it is 0; nearer than its first distance it is not a number, as nothing is known there.

    Args:
        ntypes: Number of types.
        intervals: Number of intervals.

    Attributes:
        info: First distance and step, Å, number of intervals and of types.
        data: Coefficients, eV; see `deepattn.pairs.Table`.
    """

    def __init__(self, ntypes: int, intervals: int, **kwargs: Any):
        super().__init__(autocast=False, **{"dtype": "float64", **kwargs})
        self.ntypes = ntypes
        self.intervals = intervals

    def build(self, *_: object) -> None:
        size = self.ntypes**2 * self.intervals * 4
        for name, shape in (("info", (4,)), ("data", (size,))):
            weight = self.add_weight(
                name=name,
                shape=shape,
                initializer="zeros",
                dtype="float64",
                trainable=False,
                autocast=False,
            )
            setattr(self, name, weight)

    @classmethod
    def of_table(cls, table: Table) -> PairTable:
        """The layer of a table."""
        layer = cls(int(table.info[3]), int(table.info[2]))
        layer.build()
        layer.info.assign(table.info)
        layer.data.assign(table.data)
        return layer

    @classmethod
    def for_arrays(cls, arrays: Mapping[str, np.ndarray], ntypes: int) -> PairTable:
        """A layer for the table of a file, whose numbers are set later.

        Args:
            arrays: Those of the file by name.
            ntypes: Number of types of the model.

        Raises:
            ModelFileError: They are no table for as many types.
        """
        info, data = arrays.get(TABLE_INFO), arrays.get(TABLE_DATA)
        if info is None or data is None:
            raise ModelFileError("the table of pairs of the model is missing from the file")
        intervals, rest = divmod(data.size, 4 * ntypes**2)
        if info.shape != (4,) or rest or not intervals or info[2] != intervals or not info[1] > 0:
            raise ModelFileError(
                f"the table of pairs in the file is damaged, or not for {ntypes} types"
            )
        return cls(ntypes, intervals)

    def call(
        self, distance: tf.Tensor, center: tf.Tensor, neighbor: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Energies of pairs, and their derivatives by the distance.

        Args:
            distance: Å.
            center, neighbor: Types, int32, of shapes that broadcast to that of ``distance``.

        Returns:
            eV and eV/Å, float64, of the shape of ``distance``.
        """
        info = tf.convert_to_tensor(self.info)
        place = (tf.cast(distance, tf.float64) - info[0]) / info[1]
        interval = tf.cast(tf.clip_by_value(place, 0, self.intervals), tf.int32)
        inside = interval < self.intervals
        u = place - tf.cast(interval, tf.float64)
        rows = tf.reshape(tf.convert_to_tensor(self.data), [-1, 4])
        pair = center * self.ntypes + neighbor
        index = pair * self.intervals + tf.minimum(interval, self.intervals - 1)
        a, b, c, d = tf.unstack(tf.gather(rows, index), axis=-1)
        slope = (a * u + b) * u + c
        energy, derivative = slope * u + d, ((2 * a * u + b) * u + slope) / info[1]
        unknown = tf.constant(np.nan, tf.float64)

        def known(values: tf.Tensor) -> tf.Tensor:
            values = tf.where(inside, values, tf.zeros_like(values))
            return tf.where(place < 0, unknown, values)

        return known(energy), known(derivative)

    def named_variables(self) -> dict[str, keras.Variable]:
        """The table under DeePMD's names."""
        return {TABLE_INFO: self.info, TABLE_DATA: self.data}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "ntypes": self.ntypes, "intervals": self.intervals}
