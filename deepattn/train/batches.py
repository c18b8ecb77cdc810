"""Batches for the training loop: read ahead of their use, with an exact place to restart from."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from deepattn.data.dataset import DataSet
from deepattn.data.sampler import Sampler

# Two batches ahead hide the reading; more would only hold memory.
_AHEAD = 2


class Batches:
    """Endless batches of a data set, read by a thread of their own.

    A second sampler with the same seed follows the one that reads ahead, so that the state is
    that of the batches used, whatever has been read.

    Args:
        data: the data set; its sampler is used up by this.
        state: what `state` gave in an earlier run, to go on from there.
    """

    def __init__(self, data: DataSet, *, state: Mapping[str, Any] | None = None) -> None:
        self.data = data
        if state is not None:
            data.sampler.restore(dict(state))
        self._follower = Sampler(data, seed=data.sampler.seed)
        self._follower.restore(data.sampler.state())
        self._draw: list[tuple[int, np.ndarray]] = []
        self.dataset = make_dataset(data)
        self._iterator = iter(self.dataset)

    @property
    def element_spec(self) -> Any:
        """Types and relaxed shapes of a batch."""
        return self.dataset.element_spec

    def __next__(self) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        batch = next(self._iterator)
        self._draw = self._follower.draw()
        return batch

    def state(self) -> dict[str, Any]:
        """Where the next batch starts; JSON-able."""
        return self._follower.state()

    def origin(self) -> str:
        """Where the batch given last comes from, in words."""
        parts = []
        for index, frames in self._draw:
            noun = "frame" if len(frames) == 1 else "frames"
            shown = ", ".join(str(frame) for frame in frames[:8])
            if len(frames) > 8:
                shown += f" and {len(frames) - 8} more"
            parts.append(f"{noun} {shown} of {self.data.systems[index].path}")
        return "; ".join(parts)


def make_dataset(data: DataSet) -> tf.data.Dataset:
    """An endless `tf.data.Dataset` of ``(inputs, labels)``, fit for `keras.Model.fit`.

    Shapes are left open where batches may differ, so that nothing is traced twice.

    Args:
        data: the data set; its sampler gives the order.
    """
    signature = tuple(
        {name: tf.TensorSpec(spec.shape, spec.dtype) for name, spec in part.items()}
        for part in data.signature()
    )

    def batches():
        for batch in data.sampler:
            yield tuple(batch)

    return tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(_AHEAD)


def atoms_per_frame(inputs: Mapping[str, Any]) -> float:
    """Mean number of real atoms in a frame of a batch."""
    atype = np.asarray(inputs["atype"])
    return float(np.count_nonzero(atype >= 0)) / len(atype)
