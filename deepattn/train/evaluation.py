"""Errors of a model on all validation data of its task."""

from __future__ import annotations

from functools import partial

import numpy as np
import tensorflow as tf

from deepattn.config import ValidatingConfig
from deepattn.data import DataSet
from deepattn.errors import DataError
from deepattn.infer.batches import atoms_per_batch
from deepattn.infer.statistics import Errors, energy_errors, merge_errors
from deepattn.train.batches import signature
from deepattn.train.task import Task

_COMPARED = ("energy", "force", "virial")


class Evaluation:
    """Compares the model of a task, as it is when called, with all validation frames.

    Args:
        task: The task; it has validation data.
    """

    def __init__(self, task: Task) -> None:
        if task.validation_data is None:
            raise ValueError("there are no validation data")
        self._model = task.model
        self._data = task.validation_data
        self._labels = [name for name in _COMPARED if name in task.loss.label_names]
        # One signature for frames of all shapes, which would be traced one by one.
        inputs = signature(self._data).inputs
        self._predict = tf.function(
            partial(self._outputs), autograph=False, input_signature=[inputs]
        )

    def __call__(self) -> Errors:
        """The errors of the labels that the loss reads, and their weights.

        See `deepattn.infer.statistics.energy_errors`.
        """
        parts = []
        for system, (inputs, labels) in self._data.whole(atoms_per_batch(True) or 1):
            outputs = self._predict(inputs)
            prediction = {name: outputs[name].numpy() for name in _COMPARED}
            for name in _COMPARED:
                if name not in self._labels:
                    labels[name] = np.zeros_like(prediction[name])
                    labels[f"find_{name}"] = np.zeros(len(prediction[name]))
            box = inputs["box"] if system.periodic else None
            parts.append(energy_errors(prediction, labels, atype=inputs["atype"], box=box))
        return merge_errors(parts)

    def _outputs(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        outputs = self._model(inputs, training=False, with_descriptor=False)
        return {name: outputs[name] for name in _COMPARED}


def check_metric(data: DataSet, section: ValidatingConfig) -> None:
    """Refuse validation data that cannot rank checkpoints.

    Args:
        data: The validation data.
        section: The section ``validating``.

    Raises:
        DataError: No frame has the label.
    """
    quantity = section.quantity
    for system, size in zip(data.systems, data.batch_sizes.sizes, strict=True):
        possible = system.periodic or quantity.label != "virial"
        if size and possible and system.has(quantity.label).any():
            return
    wanted = quantity.label + (" and a cell" if quantity.label == "virial" else "")
    raise DataError(
        f"validating/validation_metric is {section.validation_metric}, but no validation frame has "
        f"the label {wanted}; add it, or choose another metric"
    )
