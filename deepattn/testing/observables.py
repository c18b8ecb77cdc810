"""Symmetries of observables: scalars are invariant, vectors and tensors turn with the frame."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from deepattn.models import ObservableModel, TensorModel
from deepattn.testing.check import Check, largest
from deepattn.testing.frames import Frame

_UNIT = "in units of the observable"
# Offsets and weights of a derivative of fourth order.
_STENCIL = {-2: 1 / 12, -1: -2 / 3, 1: 2 / 3, 2: -1 / 12}

Observe = Callable[[Frame], tuple[np.ndarray, np.ndarray]]


def check_observable(
    model: ObservableModel, frame: Frame, *, tolerance: float = 1e-11, seed: int = 0
) -> list[Check]:
    """Translation, rotation, permutation and virtual atoms; of tensors also their derivatives.

    Args:
        model: A model without parameters.
        frame: A configuration.
        tolerance: Largest error allowed of symmetries, relative to the largest contribution of an
            atom; of derivatives it is a thousand times that.
        seed: Of the motions.
    """
    rng = np.random.default_rng(seed)
    observe = _observer(model)
    turn = _turning(model)
    total, atoms = observe(frame)
    scale = max(largest(atoms), 1e-12)

    def compared(name: str, other: Frame, expected: np.ndarray, of_atoms: np.ndarray) -> Check:
        found, each = observe(other)
        error = max(largest(found - expected), largest(each - of_atoms))
        return Check(name, frame.name, error / scale, tolerance, _UNIT)

    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    box = None if frame.box is None else frame.box @ rotation
    order = rng.permutation(frame.natoms)
    mixed = Frame(frame.coord[order], frame.atype[order], frame.box, frame.name)
    coord = np.concatenate([frame.coord, frame.coord[:1] + rng.normal(size=3)])
    padded = Frame(coord, np.append(frame.atype, -1), frame.box, frame.name)
    nothing = np.zeros_like(atoms[:1])
    checks = [
        compared("translation", frame.moved(frame.coord + rng.normal(size=3)), total, atoms),
        compared(
            "rotation",
            frame.moved(frame.coord @ rotation, box),
            turn(total, rotation),
            turn(atoms, rotation),
        ),
        compared("permutation", mixed, total, atoms[order]),
        compared("virtual atoms", padded, total, np.concatenate([atoms, nothing])),
    ]
    if isinstance(model, TensorModel):
        checks.append(_derivatives(model, observe, frame, scale, 1000 * tolerance))
    return checks


def _observer(model: ObservableModel) -> Observe:
    """The observable of a frame ``[width]``, and the contributions ``[natoms, width]``."""

    def observe(frame: Frame) -> tuple[np.ndarray, np.ndarray]:
        outputs = model(_inputs(frame))
        names = model.observable.name, model.observable.atomic_name
        total, atoms = (np.asarray(outputs[name], np.float64)[0] for name in names)
        return total, atoms

    return observe


def _inputs(frame: Frame) -> dict[str, np.ndarray]:
    box = np.zeros((1, 9)) if frame.box is None else frame.box.reshape(1, 9)
    return {"coord": frame.coord[np.newaxis], "atype": frame.atype[np.newaxis], "box": box}


def _turning(model: ObservableModel) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """How values ``[..., width]`` turn with coordinates that are multiplied by a rotation."""

    def turn(values: np.ndarray, rotation: np.ndarray) -> np.ndarray:
        if not isinstance(model, TensorModel):
            return values
        if model.observable.width == 3:
            return values @ rotation
        tensors = values.reshape(*values.shape[:-1], 3, 3)
        return (rotation.T @ tensors @ rotation).reshape(values.shape)

    return turn


def _derivatives(
    model: TensorModel, observe: Observe, frame: Frame, scale: float, tolerance: float
) -> Check:
    """The negative derivatives of the components against finite differences, of one atom."""
    inputs = {name: tf.constant(value) for name, value in _inputs(frame).items()}
    prepared = model.prepare(inputs)
    environment, natoms = prepared["environment"], prepared["natoms"]
    if model.descriptor.passes_messages:
        environment = environment.of_owners(tf.range(frame.natoms))
    found = model.infer(environment, prepared["atype"], natoms)["tensor_force"].numpy()[0, 0]
    step, errors = 1e-3, []
    for axis in range(3):
        derivative = np.zeros(model.observable.width)
        for offset, weight in _STENCIL.items():
            coord = frame.coord.copy()
            coord[0, axis] += offset * step
            derivative += weight / step * observe(frame.moved(coord))[0]
        errors.append(largest(found[:, axis] + derivative))
    return Check("derivatives", frame.name, max(errors) / scale, tolerance, _UNIT)
