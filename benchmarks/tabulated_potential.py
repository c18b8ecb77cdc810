"""Processor time of the operation of compressed models, and of its parts.

    python benchmarks/tabulated_potential.py [--repeats 12]

The operation is evaluated on 192 atoms of water with random tables and nets of the sizes of
`water.json`, then with a small fitting net, with a small descriptor, and with narrow tables; the
differences are the parts. Prints a Markdown table of microseconds per atom, minima over the
repeats.
"""

import argparse
import time

import numpy as np
import tensorflow as tf
from lammps_step import water_box

from deepattn import ops
from deepattn.ops import DenseLayer, FittingNets, Tables, TabulatedDescriptor

_SEL = 120
_LARGE, _SMALL = (240, 240, 240), (16,)
# Hidden layers, columns of the second factor, width of the tables.
_CASES = {
    "all": (_LARGE, 16, 100),
    "small net": (_SMALL, 16, 100),
    "small net, small descriptor": (_SMALL, 1, 100),
    "small net, small descriptor, narrow tables": (_SMALL, 1, 16),
}


def random_model(
    hidden: tuple[int, ...], axis: int, width: int, dtype: str
) -> tuple[TabulatedDescriptor, FittingNets]:
    """A descriptor and a fitting net of random numbers."""
    rng = np.random.default_rng(1)
    stride = ops.table_stride(width)
    table, factors = np.zeros((1, 1500, 6, stride)), np.zeros((6, stride))
    table[..., :width] = rng.normal(size=(1500, 6, width)) * 0.5 ** np.arange(6)[:, np.newaxis]
    factors[:, :width] = rng.normal(size=(6, width))

    def weights(*shape: int) -> tf.Tensor:
        return tf.constant(rng.normal(size=shape) / np.sqrt(shape[0]), dtype)

    layers, inner = [], width * axis
    for k, outer in enumerate(hidden):
        layers.append(DenseLayer(weights(inner, outer), weights(outer) if k else None, None))
        inner = outer
    deviation = np.tile([0.12, 0.07, 0.07, 0.07], (2, _SEL))
    descriptor = TabulatedDescriptor(
        davg=tf.zeros_like(deviation),
        dstd=tf.constant(deviation),
        keep=None,
        tables=Tables(
            tf.constant(table, dtype),
            tf.constant([-1, 13.99, 14.09, 0.01, 0.1, -1], dtype),
            tf.constant(factors, dtype),
        ),
        count=tf.constant(_SEL, dtype),
        rcut=6.0,
        rcut_smth=0.5,
        sel=[_SEL],
        width=width,
        axis=axis,
        sees_center=True,
        switch="inverse",
        excluded_is_average=False,
    )
    nets = FittingNets(
        layers=[layers],
        copies=[0, *[1] * (len(hidden) - 1)],
        outputs=[DenseLayer(weights(inner, 1), weights(1), None)],
        type_offset=weights(2, hidden[0]),
        frame_offset=None,
        atom_offset=None,
    )
    return descriptor, nets


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=12)
    args = parser.parse_args()
    coord, atype, cell = water_box()
    natoms = len(atype)
    atoms = (
        tf.constant(coord.reshape(1, -1)),
        tf.constant(atype[np.newaxis], tf.int32),
        tf.constant([natoms, natoms, 0, 0], tf.int32),
        tf.constant(cell.reshape(1, 9)),
        tf.zeros([7], tf.int32),
    )
    print("| case | float64 | float32 |\n|---|---|---|")
    for name, case in _CASES.items():
        cells = [name]
        for dtype in ("float64", "float32"):
            model = random_model(*case, dtype)
            times = []
            for _ in range(args.repeats + 1):  # the first packs the net
                start = time.process_time()
                ops.tabulated_potential(*atoms, *model)
                times.append(time.process_time() - start)
            cells.append(f"{min(times[1:]) / natoms * 1e6:.1f}")
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
