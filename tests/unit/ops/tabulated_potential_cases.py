"""Potentials of random tables and nets, with every option."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from deepattn.ops import DenseLayer, DistanceBasis, FittingNets, Tables, TabulatedDescriptor

NTYPES = 2


@dataclass(frozen=True)
class Options:
    """One case: a potential of random tables and nets."""

    width: int = 9
    axis: int = 4
    factors: bool = True
    concat: bool = False
    sees_center: bool = True
    switch: str = "inverse"
    exclude: bool = False
    average: bool = False
    centered: bool = True  # whether davg is not zero
    hidden: tuple[int, ...] = (10, 10, 20)
    copies: tuple[int, ...] = (0, 1, 2)
    steps: bool = True
    parameters: bool = False
    nets: int = 1
    sel: tuple[int, ...] = (40,)
    interface: str = "float64"
    dtype: str = "float64"
    components: int = 5  # of distances
    seed: int = 0


OPTIONS = {
    "smooth": Options(),
    "without factors": Options(factors=False, switch="none", centered=False),
    "a table for each pair": Options(concat=True, factors=False, switch="none"),
    "one side": Options(sees_center=False, switch="distance"),
    "switch of the distance": Options(switch="distance", exclude=True),
    "excluded pairs": Options(exclude=True, average=True),
    "fewer slots than neighbors": Options(sel=(9,)),
    "slots of types": Options(sel=(20, 30), concat=True, factors=False, switch="none", nets=2),
    "fewer slots of a type": Options(sel=(3, 30), exclude=True, nets=2),
    "a type without slots": Options(sel=(0, 12), sees_center=False),
    "parameters": Options(parameters=True, steps=False),
    "one layer": Options(hidden=(7,), copies=(0,), axis=1),
    "wide": Options(width=100, axis=16, hidden=(48, 48), copies=(0, 1), components=53),
    "float32 nets": Options(dtype="float32"),
    "float32": Options(dtype="float32", interface="float32"),
}


def draw(options, nframes, nloc):
    """A descriptor and a net."""
    rng = np.random.default_rng(options.seed)
    width, stride = options.width, -(-options.width // 16) * 16
    npairs = (NTYPES if options.sees_center else 1) * (NTYPES + 1)
    # From -3 to 2 in steps of 0.1, to 8 in steps of 1: neighbors lie inside and beyond.
    table = np.zeros((npairs if options.concat else 1, 56, 6, stride))
    table[..., :width] = rng.normal(size=(*table.shape[:3], width)) * 0.5 ** np.arange(6)[:, None]
    table[:, 50:, 1:] *= 0.1
    factors = np.zeros((npairs if options.factors else 0, stride))
    factors[:, :width] = rng.normal(size=(len(factors), width))
    mean = rng.normal(0, 0.2, (NTYPES, 4)) * options.centered
    keep = np.array([[1, 0, 1], [0, 1, 1]])

    def constant(array, dtype=options.dtype):
        return tf.constant(array, dtype)

    def weights(*shape):
        return constant(rng.normal(size=shape) / np.sqrt(shape[0]))

    nets, outputs = [], []
    for _ in range(options.nets):
        layers, inner = [], width * options.axis
        for k, outer in enumerate(options.hidden):
            bias = weights(outer) if k else None
            step = weights(outer) if options.steps else None
            layers.append(DenseLayer(weights(inner, outer), bias, step))
            inner = outer
        nets.append(layers)
        outputs.append(DenseLayer(weights(inner, 1), weights(1), None))
    first = options.hidden[0]
    descriptor = TabulatedDescriptor(
        davg=constant(np.tile(mean, sum(options.sel)), options.interface),
        dstd=constant(
            np.tile(rng.uniform(0.4, 1.2, (NTYPES, 4)), sum(options.sel)), options.interface
        ),
        keep=constant(keep, options.interface) if options.exclude else None,
        tables=Tables(constant(table), constant([-3, 2, 8, 0.1, 1, -1]), constant(factors)),
        count=constant(11.0),
        rcut=4.3,
        rcut_smth=0.8,
        sel=options.sel,
        width=width,
        axis=options.axis,
        sees_center=options.sees_center,
        switch=options.switch,
        excluded_is_average=options.average,
    )
    net = FittingNets(
        layers=nets,
        copies=options.copies,
        outputs=outputs,
        type_offset=weights(NTYPES, first),
        frame_offset=weights(nframes, first) if options.parameters else None,
        atom_offset=weights(nframes * nloc, first) if options.parameters else None,
    )
    return descriptor, net


def draw_basis(options):
    """Descriptors that others are compared with."""
    rng, count = np.random.default_rng(7), options.components
    size = options.width * options.axis
    shapes = [(size, count), (NTYPES, count), (NTYPES, count, count)]
    return DistanceBasis(
        *(tf.constant(rng.normal(size=shape) / shape[0], options.dtype) for shape in shapes)
    )
