"""The gradient that training follows: of a loss that holds forces, by every weight."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from deepattn.models import EnergyModel
from deepattn.testing.check import Check
from deepattn.testing.frames import Frame

_OFFSETS = np.array([-2.0, -1.0, 1.0, 2.0])
_WEIGHTS = np.array([1.0, -8.0, 8.0, -1.0]) / 12.0


def check_training_gradient(
    model: EnergyModel,
    frame: Frame,
    *,
    fparam: Sequence[float] = (),
    aparam: Sequence[float] = (),
    step: float = 1e-3,
    tolerance: float = 1e-7,
    seed: int = 0,
) -> Check:
    """The gradient of a loss of energy, forces and virial against its finite differences.

    Forces are a gradient already, so this is a second one: it goes through the gradients of the
    environment, force and virial ops. Each weight array is moved along one random direction.

    Args:
        model: A Keras model; its weights are the same afterwards.
        frame: A configuration.
        fparam: Frame parameters of a model that has them.
        aparam: Atomic parameters, the same for every atom, of a model that has them.
        step: Length of the way along a direction.
        tolerance: Largest error allowed, relative to the loss.
        seed: Of the directions and of the labels.
    """
    rng = np.random.default_rng(seed)
    inputs = _inputs(frame, fparam, aparam)
    labels = {key: value + rng.normal(size=value.shape) for key, value in _outputs(model, inputs)}
    names = {id(variable): name for name, variable in model.named_variables().items()}
    variables = model.trainable_variables
    with tf.GradientTape() as tape:
        loss = _loss(model, inputs, labels)
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    traced = tf.function(lambda: _loss(model, inputs, labels), autograph=False)
    worst, detail = 0.0, ""
    for variable, gradient in zip(variables, gradients, strict=True):
        name = names.get(id(variable), variable.name)
        value = variable.numpy()
        direction = rng.normal(size=value.shape)
        direction /= np.linalg.norm(direction)
        losses = []
        for k in _OFFSETS:
            variable.assign(value + step * k * direction)
            losses.append(float(traced()))
        variable.assign(value)
        expected = np.dot(losses, _WEIGHTS) / step
        along = 0.0 if gradient is None else float(np.sum(gradient.numpy() * direction))
        error = abs(along - expected) / float(loss)
        if not error <= worst:
            worst, detail = error, f"{name}: gradient {along:.9g}, difference {expected:.9g}"
    return Check("training gradient", frame.name, worst, tolerance, "relative", detail)


def _loss(model: EnergyModel, inputs: dict, labels: dict) -> tf.Tensor:
    terms = [tf.reduce_mean((value - labels[key]) ** 2) for key, value in _outputs(model, inputs)]
    return tf.add_n(terms)


def _outputs(model: EnergyModel, inputs: dict) -> list[tuple[str, tf.Tensor]]:
    outputs = model(inputs, training=True)
    return [(key, tf.cast(outputs[key], tf.float64)) for key in ("energy", "force", "virial")]


def _inputs(frame: Frame, fparam: Sequence[float], aparam: Sequence[float]) -> dict:
    inputs = {
        "coord": frame.coord[None],
        "atype": frame.atype[None].astype(np.int32),
        "box": np.zeros((1, 9)) if frame.box is None else frame.box.reshape(1, 9),
    }
    if len(fparam):
        inputs["fparam"] = np.asarray(fparam, dtype=np.float64)[None]
    if len(aparam):
        inputs["aparam"] = np.tile(np.asarray(aparam, dtype=np.float64), (1, frame.natoms, 1))
    return inputs
