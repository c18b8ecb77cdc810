"""The loss of an energy model: errors of energy, force and virial with prefactors that follow the
learning rate."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from deepattn.config.loss import Metric
from deepattn.losses.base import Loss, Sums, found_labels, prefactor, weighted_mean
from deepattn.losses.ener.config import SHOWN_SQUARED, EnerLossConfig


@keras.saving.register_keras_serializable(package="deepattn")
class EnergyLoss(Loss):
    """Weighted sum of mean squared, or absolute, errors, the ``ener`` loss of DeePMD-kit.

    The weight of term x at learning rate lr is
    ``limit_pref_x + (start_pref_x - limit_pref_x) * lr / start_lr``; a term with both at zero does
    not exist. Means run over the frames that carry the label and over their real atoms: padding
    atoms are counted out, so padding a frame changes no number.

    Args:
        start_lr: Learning rate at which the weights are the ``start_pref`` ones.
        start_pref_e, limit_pref_e: Weight of the energy.
        start_pref_f, limit_pref_f: Weight of the forces.
        start_pref_v, limit_pref_v: Weight of the virial.
        start_pref_ae, limit_pref_ae: Weight of the atomic energies.
        start_pref_pf, limit_pref_pf: Weight of the forces scaled atom by atom with ``atom_pref``.
        start_pref_gf, limit_pref_gf: Weight of the generalized forces ``drdq . F``.
        start_pref_h, limit_pref_h: Weight of the Hessian.
        numb_generalized_coord: Number of generalized coordinates; positive if ``gf`` is used.
        relative_f: Divide each force error by the length of the reference plus this (eV/Å).
        enable_atom_ener_coeff: Fit ``sum_i c_i e_i`` with the label ``atom_ener_coeff`` as c.
        use_huber: Quadratic up to ``huber_delta``, linear beyond.
        huber_delta: One number, or three for energy, force and virial.
        intensive_ener_virial: Errors of energy and virial per atom, squared, instead of the squared
            error divided once by the number of atoms.
        loss_func: ``mse``, or ``mae`` for absolute errors, those of energy and virial per atom.
        f_use_norm: The length of a force error in place of its components, with ``mae`` or Huber.

    Raises:
        ConfigError: A combination that is not defined.
    """

    section = EnerLossConfig
    config: EnerLossConfig

    def __init__(self, start_lr: float, **keys: Any) -> None:
        super().__init__(start_lr, **keys)
        self.prefactors = {
            metric.term: self.config.prefactors(metric.term) for metric in self.config.metrics
        }
        self.terms = tuple(term for term, ends in self.prefactors.items() if any(ends))
        self.needs_hessian = "h" in self.terms
        self.numb_generalized_coord = self.config.numb_generalized_coord
        self._deltas = _huber_deltas(self.config.huber_delta)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return tuple(
            metric
            for metric in self.config.metrics
            if metric.term in self.terms
            and metric.root == (metric.term in SHOWN_SQUARED or not self._is_absolute(metric.term))
        )

    @property
    def label_names(self) -> tuple[str, ...]:
        names = super().label_names
        if self.config.enable_atom_ener_coeff:
            names = tuple(sorted({*names, "atom_ener_coeff"}))
        return names

    def measure(
        self,
        labels: Mapping[str, tf.Tensor],
        outputs: Mapping[str, tf.Tensor],
        learning_rate: tf.Tensor,
    ) -> tuple[tf.Tensor, Sums]:
        mask = outputs["atom_mask"]
        natoms = tf.reduce_sum(mask, axis=1)
        loss = tf.zeros((), tf.float64)
        sums = {}
        for metric in self.metrics:
            term = metric.term
            error, weight = self._error(term, labels, outputs, mask)
            found = found_labels(labels, metric)[:, tf.newaxis]
            weight *= found
            pref = prefactor(self.prefactors[term], learning_rate, self.start_lr)
            pref *= tf.reduce_max(found)
            scaled = error / natoms[:, tf.newaxis] if term in ("e", "v") else error
            scale = tf.repeat(labels["atom_pref"], 3, axis=1) if term == "pf" else 1.0
            if term == "f" and self.config.f_use_norm:
                lengths, share = _lengths(error), weight[:, ::3]
                cost = self._cost(term, lengths, lengths, natoms)
            else:
                share = weight
                cost = self._cost(term, error, scaled, natoms) * scale
            loss += pref * weighted_mean(cost, share)
            if metric.root:
                total = tf.reduce_sum(tf.square(scaled) * scale * weight)
                sums[metric.name] = (total, tf.reduce_sum(weight))
            else:
                sums[metric.name] = (tf.reduce_sum(cost * share), tf.reduce_sum(share))
        return loss, sums

    def _is_absolute(self, term: str) -> bool:
        """Whether a term is of absolute errors."""
        return self.config.loss_func == "mae" and term != "gf"

    def _cost(self, term: str, error: tf.Tensor, scaled: tf.Tensor, natoms: tf.Tensor) -> tf.Tensor:
        """What each error adds to the loss, before its weight.

        Args:
            term: The term.
            error: Its errors ``[nframes, n]``.
            scaled: The same; those of energy and virial per atom.
            natoms: Atoms of each frame.
        """
        if self.config.use_huber:
            return _huber(scaled, self._deltas[term])
        if self._is_absolute(term):
            return tf.abs(scaled)
        if term in ("e", "v") and not self.config.intensive_ener_virial:
            return tf.square(error) / natoms[:, tf.newaxis]
        return tf.square(scaled)

    def _error(
        self,
        term: str,
        labels: Mapping[str, tf.Tensor],
        outputs: Mapping[str, tf.Tensor],
        mask: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Differences ``[nframes, n]`` of a term and the weight of each in its mean."""
        if term == "e":
            energy = outputs["energy"]
            if self.config.enable_atom_ener_coeff:
                products = labels["atom_ener_coeff"] * outputs["atom_energy"]
                energy = tf.reduce_sum(products, axis=1)
            error = (labels["energy"] - energy)[:, tf.newaxis]
            return error, tf.ones_like(error)
        if term == "v":
            error = labels["virial"] - outputs["virial"]
            return error, tf.ones_like(error)
        if term == "h":
            coordinates = tf.repeat(mask, 3, axis=1)
            error = labels["hessian"] - outputs["hessian"]
            both = coordinates[:, :, tf.newaxis] * coordinates[:, tf.newaxis, :]
            shape = [tf.shape(error)[0], -1]
            return tf.reshape(error, shape), tf.reshape(both, shape)
        if term == "ae":
            return labels["atom_ener"] - outputs["atom_energy"], mask
        force = labels["force"]
        error = (force - outputs["force"]) * mask[:, :, tf.newaxis]
        nframes = tf.shape(force)[0]
        if term == "gf":
            generalized = tf.einsum("bij,bi->bj", labels["drdq"], tf.reshape(error, [nframes, -1]))
            return generalized, tf.ones_like(generalized)
        if self.config.relative_f is not None:
            error /= tf.norm(force, axis=2, keepdims=True) + self.config.relative_f
        return tf.reshape(error, [nframes, -1]), tf.repeat(mask, 3, axis=1)


def _lengths(error: tf.Tensor) -> tf.Tensor:
    """Lengths ``[nframes, natoms]`` of errors by component; the gradient at zero is zero."""
    vectors = tf.reshape(error, [tf.shape(error)[0], -1, 3])
    squares = tf.reduce_sum(tf.square(vectors), axis=2)
    positive = squares > 0
    return tf.where(positive, tf.sqrt(tf.where(positive, squares, 1.0)), 0.0)


def _huber(error: tf.Tensor, delta: float) -> tf.Tensor:
    size = tf.abs(error)
    return tf.where(size <= delta, 0.5 * tf.square(error), delta * (size - 0.5 * delta))


def _huber_deltas(huber_delta: float | Sequence[float]) -> dict[str, float]:
    values = huber_delta if isinstance(huber_delta, Sequence) else [huber_delta] * 3
    energy, force, virial = (float(value) for value in values)
    return {"e": energy, "ae": energy, "f": force, "v": virial}
