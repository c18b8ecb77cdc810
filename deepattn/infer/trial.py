"""The first run of a graph, before the file gets its name."""

import os

import numpy as np
import tensorflow as tf

from deepattn.config.fitting import kind_of_graph
from deepattn.errors import ModelFileError
from deepattn.formats.frozen import NO_CUTOFF, FrozenModel, read_frozen
from deepattn.infer.batches import Batch
from deepattn.infer.feeds import make_feed
from deepattn.infer.graph_runner import GraphRunner, has_ops, reason


def try_graph(written: str | os.PathLike, path: str | os.PathLike) -> None:
    """Run a graph once, on a small frame, unless the compiled ops that it is made of are missing.

    Args:
        written: The file, which still has a temporary name.
        path: Where it is to go, for messages.

    Raises:
        ModelFileError: If it does not run, or gives numbers that are not finite.
    """
    try:
        frozen = read_frozen(written)
        if not has_ops(frozen):
            return
        kind = kind_of_graph(frozen.kind)
        runner = GraphRunner(frozen, kind.observable_of_graph(frozen.graph.attr))
        names = list(runner.nodes)
        try:
            values = runner.run(make_feed(_frame(frozen), frozen.ntypes), names)
        finally:
            runner.close()
    except (ModelFileError, tf.errors.OpError) as error:
        text = reason(error).removeprefix(f"{written}: ")
        raise ModelFileError(f"{path}: is not written, as the graph does not run: {text}") from None
    for name, array in zip(names, values, strict=True):
        if not np.isfinite(array).all():
            raise ModelFileError(
                f"{path}: is not written, as the graph gives a frame {name.replace('_', ' ')} of "
                f"{array[~np.isfinite(array)][0]}; look for such numbers in the model's weights"
            )


def two_atoms(rcut: float, ntypes: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates and types of a frame of two atoms that see each other."""
    coord = np.array([[[0.0, 0.0, 0.0], [0.3, 0.4, 0.5]]]) * rcut
    return coord, np.array([[0, ntypes - 1]], np.int32)


def _frame(frozen: FrozenModel) -> Batch:
    """Two atoms in open space, or all that the frames of a model without a cutoff have."""
    whole = frozen.rcut == NO_CUTOFF
    if whole:
        atype = np.repeat(np.arange(frozen.ntypes, dtype=np.int32), frozen.sel)[np.newaxis]
        coord = np.arange(atype.size)[np.newaxis, :, np.newaxis] * np.ones(3)
    else:
        coord, atype = two_atoms(frozen.rcut, frozen.ntypes)
    if frozen.ntypes_spin:
        # The last type is of virtual atoms of this one.
        atype[0, 0] = frozen.ntypes_spin - 1
    return Batch(
        frames=np.array([0]),
        order=np.arange(atype.size)[np.newaxis],
        coord=coord,
        box=None,
        atype=atype,
        fparam=np.zeros((1, frozen.dfparam)) if frozen.dfparam else None,
        aparam=np.full((1, atype.size, frozen.daparam), float(whole)) if frozen.daparam else None,
    )
