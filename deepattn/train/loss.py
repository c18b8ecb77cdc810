"""The loss of an energy model: squared errors of energy, force and virial with moving weights."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from deepattn.errors import DataError
from deepattn.losses import EnerLossConfig

# Order of the columns in lcurve.out.
_COLUMNS = ("e", "ae", "f", "v", "pf", "gf")
_LABELS = {
    "e": "energy",
    "ae": "atom_ener",
    "f": "force",
    "v": "virial",
    "pf": "atom_pref",
    "gf": "drdq",
}


@keras.saving.register_keras_serializable(package="deepattn")
class EnergyLoss:
    """Weighted sum of mean squared errors, the ``ener`` loss of DeePMD-kit.

    The weight of term x at learning rate lr is
    ``limit_pref_x + (start_pref_x - limit_pref_x) * lr / start_lr``; a term with both at zero does
    not exist. Means run over the frames that carry the label and over their real atoms: padding
    atoms are counted out, so padding a frame changes no number.

    Args:
        start_lr: learning rate at which the weights are the ``start_pref`` ones.
        start_pref_e, limit_pref_e: weight of the energy.
        start_pref_f, limit_pref_f: weight of the forces.
        start_pref_v, limit_pref_v: weight of the virial.
        start_pref_ae, limit_pref_ae: weight of the atomic energies.
        start_pref_pf, limit_pref_pf: weight of the forces scaled atom by atom with ``atom_pref``.
        start_pref_gf, limit_pref_gf: weight of the generalized forces ``drdq . F``.
        numb_generalized_coord: number of generalized coordinates; positive if ``gf`` is used.
        relative_f: divide each force error by the length of the reference plus this (eV/Å).
        enable_atom_ener_coeff: fit ``sum_i c_i e_i`` with the label ``atom_ener_coeff`` as c.
        use_huber: quadratic up to ``huber_delta``, linear beyond.
        huber_delta: one number, or three for energy, force and virial.
        intensive_ener_virial: errors of energy and virial per atom, squared, instead of the squared
            error divided once by the number of atoms.

    Raises:
        ConfigError: a combination that is not defined.
    """

    def __init__(
        self,
        start_lr: float,
        *,
        start_pref_e: float = 0.02,
        limit_pref_e: float = 1.0,
        start_pref_f: float = 1000.0,
        limit_pref_f: float = 1.0,
        start_pref_v: float = 0.0,
        limit_pref_v: float = 0.0,
        start_pref_ae: float = 0.0,
        limit_pref_ae: float = 0.0,
        start_pref_pf: float = 0.0,
        limit_pref_pf: float = 0.0,
        start_pref_gf: float = 0.0,
        limit_pref_gf: float = 0.0,
        numb_generalized_coord: int = 0,
        relative_f: float | None = None,
        enable_atom_ener_coeff: bool = False,
        use_huber: bool = False,
        huber_delta: float | Sequence[float] = 0.01,
        intensive_ener_virial: bool = False,
    ) -> None:
        self.start_lr = float(start_lr)
        pairs = {
            "e": (start_pref_e, limit_pref_e),
            "ae": (start_pref_ae, limit_pref_ae),
            "f": (start_pref_f, limit_pref_f),
            "v": (start_pref_v, limit_pref_v),
            "pf": (start_pref_pf, limit_pref_pf),
            "gf": (start_pref_gf, limit_pref_gf),
        }
        self.prefactors = {term: (float(a), float(b)) for term, (a, b) in pairs.items()}
        self.terms = tuple(term for term in _COLUMNS if any(self.prefactors[term]))
        self.numb_generalized_coord = int(numb_generalized_coord)
        self.relative_f = None if relative_f is None else float(relative_f)
        self.enable_atom_ener_coeff = bool(enable_atom_ener_coeff)
        self.use_huber = bool(use_huber)
        self.huber_delta = huber_delta
        self.intensive_ener_virial = bool(intensive_ener_virial)
        EnerLossConfig.check(self.get_config(), "loss")
        self._deltas = _huber_deltas(huber_delta)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Names of the figures, in the order of the columns of ``lcurve.out``."""
        return ("rmse", *(f"rmse_{term}" for term in self.terms))

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the labels that the loss reads."""
        names = {name for term in self.terms for name in self.labels_of(term)}
        if self.enable_atom_ener_coeff:
            names.add("atom_ener_coeff")
        return tuple(sorted(names))

    @staticmethod
    def labels_of(term: str) -> tuple[str, ...]:
        """Names of the labels without which a term has nothing to compare with."""
        return (_LABELS[term], "force") if term in ("pf", "gf") else (_LABELS[term],)

    def __call__(
        self,
        labels: Mapping[str, tf.Tensor],
        outputs: Mapping[str, tf.Tensor],
        learning_rate: tf.Tensor | float,
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Loss of a batch and the figures of the learning curve.

        Args:
            labels: reference values and their ``find_*`` (see the architecture page), of one batch.
            outputs: what the model gave, with ``atom_mask [nframes, nloc]``, 1 for a real atom.
            learning_rate: current rate; moves the weights of the terms.

        Returns:
            The loss, float64 scalar, and a dictionary of `metric_names` to float64 scalars:
            root mean squared errors, energy and virial per atom; NaN where no frame has the label.
        """
        loss, sums = self.sums(labels, outputs, learning_rate)
        nan = tf.constant(float("nan"), tf.float64)
        figures = {
            name: tf.sqrt(tf.where(weight > 0, tf.math.divide_no_nan(total, weight), nan))
            for name, (total, weight) in sums.items()
        }
        # Not of the sum over its number, which rounds.
        return loss, figures | {"rmse": tf.sqrt(loss)}

    def sums(
        self,
        labels: Mapping[str, tf.Tensor],
        outputs: Mapping[str, tf.Tensor],
        learning_rate: tf.Tensor | float,
    ) -> tuple[tf.Tensor, dict[str, tuple[tf.Tensor, tf.Tensor]]]:
        """Loss of a batch, and its figures as sums that may be added up over batches.

        Args:
            labels, outputs, learning_rate: as in a call.

        Returns:
            The loss, and a dictionary of `metric_names` to pairs of float64 scalars: the sum of
            weighted squares and that of the weights. The root of their ratio is the figure.
        """
        self._check_labels(labels)
        labels = {k: tf.cast(v, tf.float64) for k, v in labels.items()}
        outputs = {k: tf.cast(v, tf.float64) for k, v in outputs.items()}
        mask = outputs["atom_mask"]
        natoms = tf.reduce_sum(mask, axis=1)
        learning_rate = tf.cast(learning_rate, tf.float32)
        loss = tf.zeros((), tf.float64)
        sums = {}
        for term in self.terms:
            error, weight = self._error(term, labels, outputs, mask)
            found = labels[f"find_{_LABELS[term]}"][:, tf.newaxis]
            if term in ("pf", "gf"):
                found *= labels["find_force"][:, tf.newaxis]
            weight *= found
            prefactor = self._prefactor(term, learning_rate) * tf.reduce_max(found)
            per_atom = error / natoms[:, tf.newaxis]
            if self.use_huber:
                scaled = per_atom if term in ("e", "v") else error
                cost = _huber(scaled, self._deltas[term])
            elif term not in ("e", "v"):
                cost = tf.square(error)
            elif self.intensive_ener_virial:
                cost = tf.square(per_atom)
            else:
                cost = tf.square(error) / natoms[:, tf.newaxis]
            if term == "pf":
                scale = tf.repeat(labels["atom_pref"], 3, axis=1)
            else:
                scale = tf.ones_like(weight)
            loss += prefactor * _mean(cost * scale, weight)
            shown = per_atom if term in ("e", "v") else error
            total = tf.reduce_sum(tf.square(shown) * scale * weight)
            sums[f"rmse_{term}"] = (total, tf.reduce_sum(weight))
        nframes = tf.cast(tf.shape(outputs["energy"])[0], tf.float64)
        return loss, {"rmse": (loss * nframes, nframes), **sums}

    def _check_labels(self, labels: Mapping[str, tf.Tensor]) -> None:
        finds = {f"find_{name}" for name in self.label_names if name != "atom_ener_coeff"}
        for name in sorted(finds.union(self.label_names)):
            if name not in labels:
                raise DataError(
                    f"the loss needs {name}, and the labels have {', '.join(sorted(labels))}; "
                    "a frame without a label has zeros, and 0 in its find_…"
                )

    def _prefactor(self, term: str, learning_rate: tf.Tensor) -> tf.Tensor:
        # float32 on purpose: the rate is a float32 number, and the peer combines the three as such.
        start, limit = self.prefactors[term]
        value = limit + (start - limit) * learning_rate / self.start_lr
        return tf.cast(value, tf.float64)

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
            if self.enable_atom_ener_coeff:
                products = labels["atom_ener_coeff"] * outputs["atom_energy"]
                energy = tf.reduce_sum(products, axis=1)
            error = (labels["energy"] - energy)[:, tf.newaxis]
            return error, tf.ones_like(error)
        if term == "v":
            error = labels["virial"] - outputs["virial"]
            return error, tf.ones_like(error)
        if term == "ae":
            return labels["atom_ener"] - outputs["atom_energy"], mask
        force = labels["force"]
        error = (force - outputs["force"]) * mask[:, :, tf.newaxis]
        nframes = tf.shape(force)[0]
        if term == "gf":
            generalized = tf.einsum("bij,bi->bj", labels["drdq"], tf.reshape(error, [nframes, -1]))
            return generalized, tf.ones_like(generalized)
        if self.relative_f is not None:
            error /= tf.norm(force, axis=2, keepdims=True) + self.relative_f
        return tf.reshape(error, [nframes, -1]), tf.repeat(mask, 3, axis=1)

    def get_config(self) -> dict[str, Any]:
        config = {"start_lr": self.start_lr}
        for term, (start, limit) in self.prefactors.items():
            config[f"start_pref_{term}"] = start
            config[f"limit_pref_{term}"] = limit
        return config | {
            "numb_generalized_coord": self.numb_generalized_coord,
            "relative_f": self.relative_f,
            "enable_atom_ener_coeff": self.enable_atom_ener_coeff,
            "use_huber": self.use_huber,
            "huber_delta": self.huber_delta,
            "intensive_ener_virial": self.intensive_ener_virial,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "EnergyLoss":
        return cls(**config)


def _mean(values: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    return tf.math.divide_no_nan(tf.reduce_sum(values * weight), tf.reduce_sum(weight))


def _huber(error: tf.Tensor, delta: float) -> tf.Tensor:
    size = tf.abs(error)
    return tf.where(size <= delta, 0.5 * tf.square(error), delta * (size - 0.5 * delta))


def _huber_deltas(huber_delta: float | Sequence[float]) -> dict[str, float]:
    values = huber_delta if isinstance(huber_delta, Sequence) else [huber_delta] * 3
    energy, force, virial = (float(value) for value in values)
    return {"e": energy, "ae": energy, "f": force, "v": virial}
