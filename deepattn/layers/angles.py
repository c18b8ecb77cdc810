"""Sums over pairs of neighbors of an embedding of their angle and types."""

from __future__ import annotations

import tensorflow as tf

from deepattn import ops
from deepattn.layers.embedding_net import EmbeddingNet
from deepattn.layers.environment import pair_vectors


def angular_features(
    directions: tf.Tensor,
    ntype: tf.Tensor,
    type_embedding: tf.Tensor,
    *,
    net: EmbeddingNet,
    type_net: EmbeddingNet | None,
    switch: tf.Tensor | None = None,
    times: tf.Tensor | None = None,
) -> tf.Tensor:
    """``Σ_kl c_kl E(c_kl, T_l, T_k)`` with ``c = R' R'^T``, a neighbor with itself included.

    Reference: D. Zhang et al., arXiv:2312.15492.

    Args:
        directions: Angular columns R' of the environment matrix, ``[n, stored, 3]``.
        ntype: Types of the slots, int32 ``[n, stored]``, the number of types for padding.
        type_embedding: ``[ntypes + 1, width]``.
        net: E; without a type net it takes the vectors of both types too.
        type_net: Its output scales that of the net.
        switch: Factor of each slot, ``[n, stored]``, by which the scale of types fades out; None
            for none.
        times: How many slots each stored one stands for, ``[stored]``; None for one each.

    Returns:
        ``[n, width of E]``.
    """
    vectors = pair_vectors(type_embedding, type_embedding.shape[0])
    if type_net is None:
        by_types = {"vectors": vectors}
    else:
        by_types = {"factors": type_net(vectors), "weight": switch}
    first = net.hidden[0]
    return ops.angle_sums(
        directions,
        ntype,
        net.weights_of_ops(),
        times=times,
        function=first.function,
        product=first.product,
        **by_types,
    )
