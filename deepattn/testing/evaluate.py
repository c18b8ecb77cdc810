"""One way to evaluate anything that gives energies: a Keras model, a model file, a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from deepattn.infer import DeepPot
from deepattn.models import EnergyModel, ModelFile
from deepattn.testing.frames import Frame

# Atoms evaluated at a time: bounds the memory of a check that moves every atom in turn.
_ATOMS_AT_ONCE = 512


class Values(NamedTuple):
    """Predictions of a model for ``nframes`` configurations of the same atoms.

    Shapes: ``energy [nframes]`` (eV), ``force [nframes, natoms, 3]`` (eV/Å), ``virial
    [nframes, 9]`` (eV, Σ r ⊗ f), ``atom_energy [nframes, natoms]`` (eV).
    """

    energy: np.ndarray
    force: np.ndarray
    virial: np.ndarray
    atom_energy: np.ndarray


Evaluate = Callable[[np.ndarray, np.ndarray, np.ndarray | None], Sequence[np.ndarray]]
"""``evaluate(coord [nframes, natoms, 3], atype [natoms], box [nframes, 9] or None) -> Values``."""


def evaluator(
    model: EnergyModel | DeepPot | ModelFile | str | Path | Evaluate,
    *,
    fparam: Sequence[float] = (),
    aparam: Sequence[float] = (),
) -> Evaluate:
    """A function that evaluates ``model`` on configurations of the same atoms.

    Args:
        model: An `EnergyModel`, a `DeepPot`, a model file or its path, or a function of this
            kind, which is returned as it is.
        fparam: Frame parameters of a model that has them.
        aparam: Atomic parameters, the same for every atom, of a model that has them.

    Raises:
        TypeError: ``model`` is none of these.
    """
    if isinstance(model, str | Path | ModelFile):
        model = DeepPot(model)
    if isinstance(model, DeepPot):
        return _of_deep_pot(model, np.asarray(fparam), np.asarray(aparam))
    if isinstance(model, EnergyModel):
        return _of_keras(model, np.asarray(fparam), np.asarray(aparam))
    if callable(model):
        return model
    raise TypeError(
        f"cannot evaluate a {type(model).__name__}; give an EnergyModel, a DeepPot, the path of a "
        f"model file, or a function evaluate(coord, atype, box)"
    )


def values(evaluate: Evaluate, frames: Sequence[Frame]) -> Values:
    """Evaluate configurations of the same atoms: one batch, as far as memory goes."""
    first = frames[0]
    coord = np.stack([frame.coord for frame in frames])
    boxes = [frame.box.reshape(9) for frame in frames if frame.box is not None]
    box = None if first.box is None else np.stack(boxes)
    step = max(1, _ATOMS_AT_ONCE // first.natoms)
    parts = []
    for start in range(0, len(frames), step):
        part = slice(start, start + step)
        parts.append(evaluate(coord[part], first.atype, None if box is None else box[part]))
    columns = zip(*parts, strict=True)
    return Values(*(np.concatenate([np.asarray(part) for part in column]) for column in columns))


def _of_keras(model: EnergyModel, fparam: np.ndarray, aparam: np.ndarray) -> Evaluate:
    # Traced once for all numbers of frames and atoms: the checks use many.
    shapes = {"coord": [None, None, 3], "box": [None, 9]}
    if fparam.size:
        shapes["fparam"] = [None, fparam.size]
    if aparam.size:
        shapes["aparam"] = [None, None, aparam.size]
    signature = {key: tf.TensorSpec(shape, tf.float64) for key, shape in shapes.items()}
    signature["atype"] = tf.TensorSpec([None, None], tf.int32)
    traced = tf.function(lambda inputs: model(inputs), [signature], autograph=False)

    def evaluate(coord: np.ndarray, atype: np.ndarray, box: np.ndarray | None) -> Values:
        nframes, natoms = coord.shape[:2]
        inputs = {
            "coord": coord,
            "atype": np.tile(atype, (nframes, 1)).astype(np.int32),
            "box": np.zeros((nframes, 9)) if box is None else box,
        }
        if fparam.size:
            inputs["fparam"] = np.tile(fparam, (nframes, 1))
        if aparam.size:
            inputs["aparam"] = np.tile(aparam, (nframes, natoms, 1))
        outputs = traced(inputs)
        return Values(*(np.asarray(outputs[key], dtype=np.float64) for key in Values._fields))

    return evaluate


def _of_deep_pot(pot: DeepPot, fparam: np.ndarray, aparam: np.ndarray) -> Evaluate:
    options = {k: v for k, v in (("fparam", fparam), ("aparam", aparam)) if v.size}

    def evaluate(coord: np.ndarray, atype: np.ndarray, box: np.ndarray | None) -> Values:
        energy, force, virial, atom_energy, _ = pot.eval(coord, box, atype, atomic=True, **options)
        return Values(energy[:, 0], force, virial, atom_energy[:, :, 0])

    return evaluate
