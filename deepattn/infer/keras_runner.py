"""Running a Keras model: of a checkpoint, or of a graph where the op library is missing."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from deepattn.errors import ModelFileError
from deepattn.infer.feeds import DESCRIBED, HESSIAN, LAST_LAYER, Feed
from deepattn.models import AtomicModel, EnergyModel
from deepattn.models.blocks import infer

# Of how many leading axes of an input the length differs between batches, if not of one.
_OPEN_AXES = {"coord": 2, "atype": 2, "aparam": 2, "spin": 2, "natoms": 0}


class KerasRunner:
    """The counterpart of ``GraphRunner`` for an :class:`~deepattn.models.AtomicModel`.

    Args:
        model: The model.
        origin: Where it comes from, for messages.
    """

    needs_uniform_frames = False
    distance_width = 0

    def __init__(self, model: AtomicModel, origin: str):
        self.model = model
        self.origin = origin
        self._traced: dict[tuple[str, ...], Callable] = {}

    @property
    def sees_order(self) -> bool:
        """Whether it may matter which atom of a frame is the first: missing neighbors of DPA-2
        have its type."""
        return self.model.descriptor.passes_messages

    def run(self, feed: Feed, names: Sequence[str]) -> list[np.ndarray]:
        """Evaluate outputs by the names of docs/architecture.md, shaped as they are there."""
        dtype = self.model.interface_dtype
        inputs = {
            "coord": tf.constant(feed.coord, dtype),
            "atype": tf.constant(feed.atype),
            "natoms": tf.constant(feed.natoms),
            "box": tf.constant(feed.box, dtype),
            "mesh": tf.constant(feed.mesh),
        }
        # Derivatives by ghosts are those by the atoms that they are images of.
        if self.model.descriptor.passes_messages or HESSIAN in names:
            inputs["owner"] = tf.constant(feed.owner)
        for name in ("fparam", "aparam", "spin"):
            value = getattr(feed, name)
            if value is not None:
                inputs[name] = tf.constant(value, dtype)
        outputs = tuple(names)
        if outputs not in self._traced:
            self._traced[outputs] = self._trace(inputs, outputs)
        # As views: numpy() would copy.
        return [np.asarray(memoryview(output)) for output in self._traced[outputs](inputs)]

    def type_embedding(self) -> np.ndarray:
        """Evaluate the type embedding, ``[ntypes + 1, width]``."""
        vectors = self.model.type_vectors()
        if vectors is None:
            raise ModelFileError(f"{self.origin}: the model has no type embedding")
        return vectors.numpy()

    def close(self) -> None:
        """Release the traced functions."""
        self._traced.clear()

    def _trace(self, inputs: dict[str, tf.Tensor], names: tuple[str, ...]) -> Callable:
        """A function of inputs such as these, with any numbers of frames and atoms."""

        def evaluate(inputs: dict[str, tf.Tensor]) -> list[tf.Tensor]:
            if list(names) == [HESSIAN]:
                return [self._hessian(inputs)]
            needed = {"descriptor", LAST_LAYER, DESCRIBED} & set(names)
            outputs = infer(self.model, inputs, with_descriptor=bool(needed))
            if LAST_LAYER in names:
                descriptor = tf.cast(outputs["descriptor"], self.model.interface_dtype)
                outputs[LAST_LAYER] = self._last_layer(descriptor, inputs)
            if DESCRIBED in names:
                outputs[DESCRIBED] = self.model.fitting.described(
                    tf.cast(outputs["descriptor"], self.model.interface_dtype),
                    inputs["atype"][:, : inputs["natoms"][0]],
                    self.model.type_vectors(),
                )
            if HESSIAN in names:
                outputs[HESSIAN] = self._hessian(inputs)
            return [outputs[name] for name in names]

        signature = {}
        for name, value in inputs.items():
            axes = _OPEN_AXES.get(name, 1)
            signature[name] = tf.TensorSpec([*(None,) * axes, *value.shape[axes:]], value.dtype)
        # The code has no Python branches on tensors, and looking for them takes as long again.
        return tf.function(evaluate, input_signature=[signature], autograph=False)

    def _hessian(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        if not isinstance(self.model, EnergyModel):
            raise ModelFileError(f"{self.origin}: is no model of energies, so it has no Hessian")
        return self.model.hessian(inputs, in_blocks=True)

    def _last_layer(self, descriptor: tf.Tensor, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        fitting = self.model.fitting
        layer = fitting.last_layer(
            descriptor,
            inputs["atype"][:, : inputs["natoms"][0]],
            self.model.type_vectors(),
            inputs.get("fparam"),
            inputs.get("aparam"),
        )
        if layer is None:
            raise ModelFileError(
                f"{self.origin}: the fitting {type(fitting).__name__} has no last layer"
            )
        return layer
