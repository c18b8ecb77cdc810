"""Potentials of models without attention, with every option, for the operation of all steps."""

from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf

from deepattn import ops
from deepattn.ops import DenseLayer, EmbeddingNets, FittingNets, SmoothDescriptor, reference

NTYPES = 2
TOLERANCE = {"float64": 1e-12, "float32": 3e-5}


@dataclass(frozen=True)
class Options:
    """One case: a potential of random nets."""

    neuron: tuple[int, ...] = (3, 6, 6)
    axis: int = 4
    nets: str = "shared"  # or "neighbor", "pair"
    factors: bool = False
    sees_center: bool = True
    switch: str = "none"
    exclude: bool = False
    average: bool = False
    keeps_empty: bool = False
    centered: bool = True  # whether davg is not zero
    embedding_steps: bool = False
    hidden: tuple[int, ...] = (10, 10, 20)
    copies: tuple[int, ...] = (0, 1, 2)
    steps: bool = True
    parameters: bool = False
    fittings: int = 1
    sel: tuple[int, ...] = (40,)
    interface: str = "float64"
    dtype: str = "float64"


OPTIONS = {
    "types in the net": Options(),
    "a net for each neighbor": Options(
        nets="neighbor", sees_center=False, sel=(20, 30), fittings=2, steps=False
    ),
    "a net for each pair": Options(nets="pair", sel=(20, 30), fittings=2, exclude=True),
    "factors": Options(factors=True, exclude=True, average=True, switch="inverse"),
    "factors without a switch": Options(factors=True, embedding_steps=True, sees_center=False),
    "switch of the distance": Options(factors=True, switch="distance", exclude=True),
    "empty slots are kept": Options(exclude=True, keeps_empty=True, sel=(20, 30)),
    "not centered": Options(centered=False, parameters=True),
    "fewer slots than neighbors": Options(sel=(9,)),
    "a type without slots": Options(sel=(0, 12), nets="neighbor", sees_center=False),
    "one layer": Options(neuron=(5,), axis=5, hidden=(7,), copies=(0,)),
    "wide": Options(neuron=(25, 50, 100), axis=16, hidden=(48, 48), copies=(0, 1)),
    "float32 nets": Options(dtype="float32", factors=True, switch="inverse"),
    "float32": Options(dtype="float32", interface="float32", nets="pair", sel=(20, 30)),
}


@dataclass(frozen=True)
class Potential:
    """Arguments of the operation, with the weights by themselves."""

    environment: tuple[tf.Tensor, ...]
    descriptor: SmoothDescriptor
    nets: FittingNets
    type_energy: tf.Tensor

    def weights(self):
        nets = self.descriptor.nets
        parts = (nets.scales, nets.offset, nets.layers, nets.factors, self.nets, self.type_energy)
        return [x for x in tf.nest.flatten(parts) if isinstance(x, tf.Tensor)]

    def run(self, **options):
        arguments = (self.descriptor, self.nets, self.type_energy)
        return ops.smooth_potential(*self.environment, *arguments, **options)

    def gradients(self, grads):
        """Results, and gradients by the weights for given cotangents."""
        with tf.GradientTape() as tape:
            tape.watch(self.weights())
            results = self.run()
        gradients = tape.gradient(
            results,
            self.weights(),
            output_gradients=grads,
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        return results, [tf.convert_to_tensor(gradient) for gradient in gradients]

    def cotangents(self, seed=9):
        rng = np.random.default_rng(seed)
        energy, derivative = self.run()
        return [
            tf.constant(rng.normal(size=energy.shape), energy.dtype),
            tf.constant(rng.normal(size=derivative.shape), derivative.dtype),
        ]


def environment(case, options):
    """Outputs of the environment matrix that the operation takes, and the types."""
    rng = np.random.default_rng(2)
    mean = rng.normal(0, 0.2, (NTYPES, 4)) * options.centered
    nnei = sum(options.sel)
    case = replace(
        case,
        davg=np.tile(mean, nnei),
        dstd=np.tile(rng.uniform(0.4, 1.2, (NTYPES, 4)), nnei),
    )
    if len(options.sel) == 1:
        matrix, _, rij, nlist, ntype, _ = case.mix(reference)
    else:
        matrix, _, rij, nlist = case.blocks(reference, list(options.sel))
        slots = np.repeat(np.arange(NTYPES), options.sel)
        ntype = np.where(nlist >= 0, np.resize(slots, nlist.shape[1]), NTYPES)
    floats = [tf.constant(x, options.interface) for x in (matrix, rij)]
    ints = [tf.constant(x, tf.int32) for x in (nlist, ntype, case.atype)]
    return (*floats, *ints), case.davg, case.dstd


def draw(case, options):
    """A potential of random weights."""
    rng = np.random.default_rng(1)

    def weights(*shape):
        return tf.constant(rng.normal(size=shape) / np.sqrt(shape[0]), options.dtype)

    def dense(inner, outer, steps, bias=True):
        return DenseLayer(
            weights(inner, outer),
            weights(outer) if bias else None,
            weights(outer) if steps else None,
        )

    first, *further = options.neuron
    blocks, npairs = NTYPES + 1, (NTYPES if options.sees_center else 1) * (NTYPES + 1)
    net_of_pair = {
        "shared": [0] * npairs,
        "neighbor": [0, 1, -1],
        # That of type 1 with itself does not exist.
        "pair": [0, 1, -1, 2, -1, -1],
    }[options.nets]
    layers = []
    for _ in range(max(net_of_pair) + 1):
        widths = zip(options.neuron, further, strict=False)
        layers.append([dense(*pair, options.embedding_steps) for pair in widths])
    inputs, davg, dstd = environment(case, options)
    keep = np.array([[1, 0, 1], [0, 1, 1]])
    width = options.neuron[-1]
    descriptor = SmoothDescriptor(
        davg=tf.constant(davg, options.interface),
        dstd=tf.constant(dstd, options.interface),
        keep=tf.constant(keep, options.interface) if options.exclude else None,
        nets=EmbeddingNets(
            scales=[weights(first) for _ in layers],
            offset=weights(npairs, first),
            layers=layers,
            factors=weights(npairs, width) if options.factors else None,
            net_of_pair=net_of_pair,
        ),
        count=tf.constant(11.0, options.dtype),
        rcut=case.rcut,
        rcut_smth=case.rcut_smth,
        sel=options.sel,
        empty_types=[NTYPES] if len(options.sel) == 1 else range(NTYPES),
        axis=options.axis,
        sees_center=options.sees_center,
        switch=options.switch,
        excluded_is_average=options.average,
        keeps_empty=options.keeps_empty,
    )
    assert npairs == len(net_of_pair) and blocks == 3
    nframes, nloc = case.atype.shape
    fittings, outputs = [], []
    for _ in range(options.fittings):
        hidden, inner = [], width * options.axis
        for k, outer in enumerate(options.hidden):
            hidden.append(dense(inner, outer, options.steps, bias=k > 0))
            inner = outer
        fittings.append(hidden)
        outputs.append(DenseLayer(weights(inner, 1), weights(1), None))
    nets = FittingNets(
        layers=fittings,
        copies=options.copies,
        outputs=outputs,
        type_offset=weights(NTYPES, options.hidden[0]),
        frame_offset=weights(nframes, options.hidden[0]) if options.parameters else None,
        atom_offset=weights(nframes * nloc, options.hidden[0]) if options.parameters else None,
    )
    return Potential(inputs, descriptor, nets, tf.constant([-3.0, 5.0], options.interface))
