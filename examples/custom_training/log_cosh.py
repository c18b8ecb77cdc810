"""A custom loss: the logarithm of the hyperbolic cosine of the errors.

It is quadratic for small errors and linear for large ones, so that a few unconverged frames do not
dominate the training.
"""

from dataclasses import dataclass

import keras
import tensorflow as tf

from deepattn.config import LossConfig
from deepattn.config.loss import Metric
from deepattn.config.ranges import positive
from deepattn.config.section import key
from deepattn.losses import Loss


@dataclass(frozen=True, kw_only=True)
class LogCoshConfig(LossConfig):
    """Errors of energy and forces, not dominated by a few bad frames."""

    implementation = "log_cosh:LogCosh"
    metrics = (
        Metric("rmse_e", "energy", ("energy",), "rmse_e", ("E", 1e3, "meV/atom"), "RMSE (eV/atom)"),
        Metric("rmse_f", "forces", ("force",), "rmse_f", ("F", 1e3, "meV/Å"), "RMSE (eV/Å)"),
    )

    scale_e: float = key(0.01, "Scale of the energy error, eV/atom.", check=positive)
    scale_f: float = key(0.1, "Scale of the force error, eV/Å.", check=positive)
    pref_f: float = key(10.0, "Weight of the forces; it falls with the learning rate.")


@keras.saving.register_keras_serializable(package="log_cosh")
class LogCosh(Loss):
    """``mean(log cosh(e / scale_e)) + pref_f * lr / start_lr * mean(log cosh(f / scale_f))``."""

    section = LogCoshConfig

    def measure(self, labels, outputs, learning_rate):
        mask = outputs["atom_mask"]  # [nframes, nloc], 0 for padding
        natoms = tf.reduce_sum(mask, axis=1)
        energy = (labels["energy"] - outputs["energy"]) / natoms
        force = labels["force"] - outputs["force"]
        # find_… is 0 for frames without the label.
        weight_e = labels["find_energy"]
        weight_f = labels["find_force"][:, tf.newaxis, tf.newaxis] * mask[:, :, tf.newaxis]
        weight_f *= tf.ones_like(force)
        pref_f = self.config.pref_f * tf.cast(learning_rate, tf.float64) / self.start_lr
        loss = mean(log_cosh(energy / self.config.scale_e), weight_e)
        loss += pref_f * mean(log_cosh(force / self.config.scale_f), weight_f)
        return loss, {
            "rmse_e": (tf.reduce_sum(weight_e * energy**2), tf.reduce_sum(weight_e)),
            "rmse_f": (tf.reduce_sum(weight_f * force**2), tf.reduce_sum(weight_f)),
        }


def log_cosh(x):
    """``log(cosh(x))`` without overflow."""
    return tf.abs(x) + tf.math.softplus(-2.0 * tf.abs(x)) - tf.math.log(2.0 * tf.ones_like(x))


def mean(values, weight):
    """Weighted mean; 0 if all weights are 0."""
    return tf.math.divide_no_nan(tf.reduce_sum(values * weight), tf.reduce_sum(weight))
