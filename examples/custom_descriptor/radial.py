"""A custom descriptor: radial functions of the neighbors' distances, weighted by their types.

With ``x_ij`` the first column of the environment matrix, which goes from 1/r to 0 at the cutoff,
and the type vectors ``t``:

    D_i = sum_j x_ij exp(-w_k (x_ij - c_k)^2) t(j) / N    for all k

The centers ``c`` and the widths ``w`` are trained. There are no angles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepattn.config import DescriptorConfig, EnvMatSpec, NeighborList, key, network_dtype, slots_of
from deepattn.config.constraints import check_cutoff, check_slots
from deepattn.config.ranges import within
from deepattn.layers import Descriptor, Features
from deepattn.layers.environment import pair_table, real_types


@dataclass(frozen=True, kw_only=True)
class RadialConfig(DescriptorConfig):
    """Radial functions, weighted by type vectors."""

    title = "radial functions"
    layer = "radial:Radial"
    default_type_embedding = True

    sel: int | str = key("auto", "Largest number of neighbors, auto or auto:factor.")
    rcut: float = key(6.0, "Cutoff radius, Å.")
    rcut_smth: float = key(0.5, "Distance at which switching begins, Å.")
    nradial: int = key(8, "Number of radial functions.", check=within(2, 1000))

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str, *, ntypes: int) -> None:
        check_slots(section["sel"], f"{path}/sel")
        check_cutoff(section, path)

    def neighbor_lists(self):
        return (NeighborList("sel", self.sel, self.rcut),)

    def with_neighbors(self, numbers):
        return replace(self, **numbers)

    def env_mats(self):
        # No mean is subtracted, so empty slots are zero.
        names = ("descrpt_attr/t_avg", "descrpt_attr/t_std")
        sel = slots_of(self.sel)
        return (EnvMatSpec(*names, self.rcut, self.rcut_smth, sel, set_davg_zero=True),)


@keras.saving.register_keras_serializable(package="radial")
class Radial(Descriptor):
    """The layer; see the module."""

    def __init__(self, ntypes, tebd_dim, *, nradial=8, exclude_types=(), **kwargs):
        super().__init__(ntypes, **kwargs)
        self.tebd_dim = tebd_dim
        self.nradial = nradial
        self.exclude_types = [list(pair) for pair in exclude_types]
        self._pairs = pair_table(ntypes, exclude_types)

    @classmethod
    def from_section(cls, section, model, *, tebd_dim, interface_dtype):
        return cls(
            model.ntypes,
            tebd_dim,
            rcut=section.rcut,
            rcut_smth=section.rcut_smth,
            sel=section.sel,
            nradial=section.nradial,
            exclude_types=section.exclude_types,
            interface_dtype=interface_dtype,
            dtype=network_dtype(section.precision, interface_dtype),
            trainable=section.trainable,
            name="descriptor",
        )

    @property
    def width(self):
        return self.nradial * self.tebd_dim

    def build(self, *_):
        super().build()
        centers = np.linspace(0.0, 4.0, self.nradial)
        widths = np.full(self.nradial, (self.nradial / 4.0) ** 2)
        for name, values in (("centers", centers), ("widths", widths)):
            weight = self.add_weight(name=name, shape=values.shape)
            weight.assign(values)
            setattr(self, name, weight)

    def features(self, environment, atype, type_embedding=None):
        matrix = tf.reshape(environment.descrpt, [-1, self.nnei, 4])
        ntype = tf.reshape(environment.ntype, [-1, self.nnei])
        x = tf.cast(matrix[:, :, 0], self.compute_dtype)
        if self._pairs is not None:
            pair = real_types(atype, self.ntypes)[:, tf.newaxis] * (self.ntypes + 1) + ntype
            x *= tf.gather(tf.constant(self._pairs, x.dtype), pair)
        x = x[:, :, tf.newaxis]
        radial = x * tf.exp(-self.widths * tf.square(x - self.centers))
        vectors = tf.gather(tf.cast(type_embedding, self.compute_dtype), ntype)
        summed = tf.matmul(radial, vectors, transpose_a=True) / self.nnei
        shape = tf.concat([tf.shape(atype), [self.width]], axis=0)
        return Features(tf.cast(tf.reshape(summed, shape), self.interface_dtype))

    def named_variables(self):
        own = {"centers": self.centers, "widths": self.widths}
        named = {f"descrpt_attr/own/{name}": weight for name, weight in own.items()}
        return {**super().named_variables(), **named}

    def get_config(self):
        return {
            **super().get_config(),
            "tebd_dim": self.tebd_dim,
            "nradial": self.nradial,
            "exclude_types": self.exclude_types,
        }
