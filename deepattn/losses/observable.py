"""The base of losses of observables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from deepattn.config import ModelConfig
from deepattn.config.loss import LossConfig, Metric
from deepattn.config.observable import Label, Observable
from deepattn.losses.base import Loss

if TYPE_CHECKING:
    from typing_extensions import Self


class ObservableLoss(Loss):
    """The loss of a model of an observable.

    The metrics of its section name their labels ``frame`` and ``atoms``, which stand for those of
    the observable.

    Args:
        start_lr: Learning rate of the first step.
        observable: What the model gives.
        common: Whether the loss is that of DeePMD-kit's PyTorch backend.
        **keys: Keys of the section ``loss``.
    """

    def __init__(
        self,
        start_lr: float,
        *,
        observable: Observable | Sequence[Any],
        common: bool = False,
        **keys: Any,
    ) -> None:
        super().__init__(start_lr, **keys)
        self.observable = Observable.of(observable)
        self.common = common

    @classmethod
    def of_model(cls, config: LossConfig, start_lr: float, model: ModelConfig) -> Self:
        observable = model.fitting_net.observable
        if observable is None:
            raise ValueError(f"the fitting {model.fitting_net.type} has no observable")
        keys = config.to_dict()
        del keys["type"]
        return cls(start_lr, observable=observable, common=model.is_common, **keys)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        names = {"frame": self.observable.name, "atoms": self.observable.atomic_name}
        return tuple(
            metric._replace(labels=tuple(names[label] for label in metric.labels))
            for metric in self.config.metrics
            if self.has(metric)
        )

    def has(self, metric: Metric) -> bool:
        """Whether the loss reports a metric of its section."""
        return True

    @property
    def labels(self) -> tuple[str | Label, ...]:
        known = {label.name: label for label in self.known_labels}
        return tuple(known[name] for name in self.label_names)

    @property
    def known_labels(self) -> tuple[Label, ...]:
        """All labels that the loss may read."""
        return self.observable.label, self.observable.atomic_label

    def frame_error(
        self, labels: Mapping[str, tf.Tensor], outputs: Mapping[str, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Errors of frames ``[nframes, width]``, and 1 for those with a label, ``[nframes, 1]``."""
        name = self.observable.name
        return outputs[name] - labels[name], labels[f"find_{name}"][:, tf.newaxis]

    def atom_error(
        self, labels: Mapping[str, tf.Tensor], outputs: Mapping[str, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Errors of atoms ``[nframes, nloc, width]``, and 1 for those with a label,
        ``[nframes, nloc, 1]``."""
        name = self.observable.atomic_name
        found = labels[f"find_{name}"][:, tf.newaxis] * outputs["atom_mask"]
        return outputs[name] - labels[name], found[:, :, tf.newaxis]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "observable": list(self.observable),
            "common": self.common,
        }


def sums_of(values: tf.Tensor, weight: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The sum of weighted values, and that of the weights, which are broadcast to the values."""
    weight = weight * tf.ones_like(values)
    return tf.reduce_sum(values * weight), tf.reduce_sum(weight)


def mean_of(values: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    """The mean of values by weights that are broadcast to them; 0 where all weights are."""
    return tf.math.divide_no_nan(*sums_of(values, weight))
