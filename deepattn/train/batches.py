"""Batches for the training loop: prepared in advance, with an exact position to restart from."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from deepattn.data.dataset import Batch, DataSet
from deepattn.data.sampler import Draw, Sampler, share
from deepattn.train.distributed.strategy import Distribution

# Two batches ahead hide the reading. Prepared ones are large: one is on its way, one ready.
_READ_AHEAD = 2
_PREPARED_AHEAD = 1

Prepare = Callable[[Mapping[str, tf.Tensor]], dict[str, Any]]
# A batch for each replica of this process.
Item = tuple[Batch, ...]


class Batches:
    """Endless batches of a data set, read and prepared by threads of their own.

    An item is a tuple of `Batch`, one for each replica of this process: its parts of what the
    sampler draws, which is the same in all processes. Nothing else is read. Compiled steps take
    the items themselves, since to hand them over by Python takes as long as the step of a small
    cell.

    A second sampler follows the one that reads ahead, so that the state is that of the batches
    used, whatever has been read.

    Args:
        data: The data set; its sampler is used up by this.
        prepare: Maps the inputs of a batch, such as `AtomicModel.prepare`.
        distribution: The replicas that share a draw.
    """

    def __init__(
        self,
        data: DataSet,
        prepare: Prepare,
        *,
        distribution: Distribution,
    ) -> None:
        self.data = data
        self._distribution = distribution
        self._follower = Sampler(data, seed=data.sampler.seed)
        self._follower.restore(data.sampler.state())
        self._used: Draw = []
        self._drawn: deque[Draw] = deque()
        self._error: Exception | None = None

        @tf.autograph.experimental.do_not_convert
        def prepared(*batches: Batch) -> Item:
            return tuple(Batch(prepare(inputs), labels) for inputs, labels in batches)

        parts = (signature(data),) * distribution.local
        dataset = _reading(parts, self._read).map(prepared).prefetch(_PREPARED_AHEAD)
        self._spec = dataset.element_spec
        self._iterator: Iterator | None = iter(dataset)

    @property
    def element_spec(self) -> Any:
        """Types and relaxed shapes of an item."""
        return self._spec

    @contextmanager
    def taken(self) -> Iterator[Iterator[Item]]:
        """The iterator that a compiled function, called in the block, takes the next item from.

        The item counts as used. What goes wrong in reading it is raised as it is.
        """
        if self._iterator is None:
            raise ValueError("these batches have been closed")
        try:
            yield self._iterator
        except tf.errors.OpError:
            # TensorFlow buries it under a traceback of its own.
            if self._error is not None:
                raise self._error from None
            raise
        self._used = self._drawn.popleft()
        self._follower.follow(self._used)

    def used(self) -> "Drawn":
        """The item that was used last."""
        return self._item(self._used)

    def coming(self) -> "Drawn":
        """The item that comes next."""
        place = self._follower.state()
        draw = self._follower.draw()
        self._follower.restore(place)
        return self._item(draw)

    def state(self) -> dict[str, Any]:
        """Where the next batch starts; JSON-able."""
        return self._follower.state()

    def close(self) -> None:
        """Stop reading ahead. TensorFlow complains if Python ends while it still does."""
        self._iterator = None

    def _item(self, draw: Draw) -> "Drawn":
        return Drawn(self.data, draw, self._distribution)

    def _read(self) -> Item:
        try:
            draw = self.data.sampler.draw()
            self._drawn.append(draw)
            return self._item(draw).read()
        except Exception as error:
            self._error = error
            raise


@dataclass(frozen=True)
class Drawn:
    """An item as it is drawn, before it is read.

    Attributes:
        data: What it is drawn from.
        draw: Systems and frames, of all replicas.
        distribution: The replicas that share it.
    """

    data: DataSet
    draw: Draw
    distribution: Distribution

    def read(self) -> Item:
        """The batches of this process, not prepared."""
        places, count = self.distribution.places, self.distribution.replicas
        return tuple(self.data.batch(share(self.draw, place, count)) for place in places)

    def origin(self) -> str:
        """Description of where it is from."""
        parts = []
        for index, frames in self.draw:
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
        data: The data set; its sampler gives the order.
    """
    # Plain tuples, which `map` and `filter` of a dataset give to a function as two arguments.
    return _reading(tuple(signature(data)), lambda: tuple(next(data.sampler)))


def signature(data: DataSet) -> Batch:
    """Types and relaxed shapes of a batch as it is read."""
    parts = (
        {name: tf.TensorSpec(spec.shape, spec.dtype) for name, spec in part.items()}
        for part in data.signature()
    )
    return Batch(*parts)


def _reading(spec: Any, read: Callable[[], Any]) -> tf.data.Dataset:
    """A dataset whose elements are what a function returns, call after call."""
    flat = tf.nest.flatten(spec)

    def call() -> list[np.ndarray]:
        return [
            np.asarray(array, part.dtype.as_numpy_dtype)
            for array, part in zip(tf.nest.flatten(read()), flat, strict=True)
        ]

    # A generator takes twice as long, which would be felt in trainings of small cells.
    def load(_: tf.Tensor) -> Any:
        arrays = tf.numpy_function(call, [], [part.dtype for part in flat])
        for array, part in zip(arrays, flat, strict=True):
            array.set_shape(part.shape)
        return tf.nest.pack_sequence_as(spec, arrays)

    dataset = tf.data.Dataset.from_tensors(0).repeat().map(load).prefetch(_READ_AHEAD)
    options = tf.data.Options()
    # There is nothing to tune, and the end of an iterator can wait ten seconds for its tuner.
    options.autotune.enabled = False
    return dataset.with_options(options)


def atoms_per_frame(inputs: Mapping[str, Any]) -> float:
    """Mean number of real atoms in a frame of a batch, of which parts may be prepared."""
    atype = np.asarray(inputs.get("whole", inputs)["atype"])
    return float(np.count_nonzero(atype >= 0)) / len(atype)
