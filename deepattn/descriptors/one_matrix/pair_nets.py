"""Embedding nets of distances, one for each pair of types or for each type of neighbor."""

from __future__ import annotations

import abc
from collections.abc import Callable

import tensorflow as tf

from deepattn.descriptors.one_matrix.slots_by_type import SlotsByType
from deepattn.layers.by_type import by_type
from deepattn.layers.embedding_net import EmbeddingNet, seed_after


class PairNets(SlotsByType, abc.ABC):
    """Descriptor with such nets.

    Attributes:
        type_one_side: Whether the center's type plays no role in the embedding.
        nets: By name: ``center_neighbor``, or ``all_neighbor`` with ``type_one_side``. Excluded
            pairs have none.
    """

    type_one_side: bool
    nets: dict[str, EmbeddingNet]

    def build(self, *_: object) -> None:
        for net in self.nets.values():
            net.build()
        super().build()

    def scoped_nets(self) -> list[tuple[str, str, EmbeddingNet]]:
        """Embedding nets with the scope and suffix of their weights' names."""
        scoped = []
        for name, net in self.nets.items():
            center, separator, neighbor = name.partition("_")
            scoped.append((f"filter_type_{center}", separator + neighbor, net))
        return scoped

    def _net_names(self) -> list[str]:
        """Names of the nets, in the order in which DeePMD-kit draws their weights."""
        types = range(self.ntypes)
        if self.type_one_side:
            return [f"all_{t}" for t in types]
        excluded = {tuple(p) for p in self.exclude_types}
        excluded |= {pair[::-1] for pair in excluded}
        return [f"{a}_{t}" for a in types for t in types if (a, t) not in excluded]

    def _make_nets(self) -> None:
        seed = self.seed
        self.nets = {}
        for name in self._net_names():
            self.nets[name] = EmbeddingNet(
                1, seed=seed, name=f"net_{name}", **self._net_arguments()
            )
            seed = seed_after(seed, self.neuron)

    def _of_centers(
        self,
        rows: tf.Tensor,
        atype: tf.Tensor,
        function: Callable[[tf.Tensor, int | str], tf.Tensor],
        *,
        width: int,
    ) -> tf.Tensor:
        """A function of rows by the type of their centers, ``[n, width]``.

        Args:
            rows: One for each center.
            atype: Types of the centers.
            function: Of rows, and the type of their centers, ``"all"`` with ``type_one_side``.
            width: Of its result.
        """
        if self.type_one_side:
            return function(rows, "all")
        return by_type(
            tf.reshape(atype, [-1]),
            self.ntypes,
            lambda center, index: function(tf.gather(rows, index), center),
            width=width,
        )

    def _embed_blocks(self, radial: tf.Tensor, center: int | str) -> tf.Tensor:
        """Pair embedding with a net for each block of slots, ``[n, nnei, neuron[-1]]``.

        Args:
            radial: Radial entries of the slots, ``[n, nnei]``.
            center: Type of the centers, or ``"all"``.
        """
        blocks = []
        for t, block in enumerate(tf.split(radial, self._sizes, axis=1)):
            net = self.nets.get(f"{center}_{t}")
            # Complete, as a type that is never a neighbor has no slots.
            shape = tf.stack([tf.shape(radial)[0], self._sizes[t], self.neuron[-1]])
            if net is None:
                blocks.append(tf.zeros(shape, radial.dtype))
            else:
                blocks.append(tf.reshape(net(tf.reshape(block, [-1, 1])), shape))
        return tf.concat(blocks, axis=1)
