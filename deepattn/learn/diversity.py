"""Frames whose surroundings of atoms are most different."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms

from deepattn.distill.potential import ModelPotential


def frame_features(model: ModelPotential, frames: Sequence[Atoms]) -> np.ndarray:
    """A vector for each frame: for each element the mean descriptor of its atoms.

    Elements that a frame does not have are zeros. Every component is divided by its standard
    deviation over the frames.

    Args:
        model: Whose descriptor is used.
        frames: The frames.

    Returns:
        ``[number of frames, elements × width]``.
    """
    elements = np.unique(np.concatenate([atoms.numbers for atoms in frames]))
    vectors = []
    for atoms, descriptor in zip(frames, model.descriptors(frames), strict=True):
        means = np.zeros((len(elements), descriptor.shape[1]))
        for row, number in enumerate(elements):
            if (atoms.numbers == number).any():
                means[row] = descriptor[atoms.numbers == number].mean(axis=0)
        vectors.append(means.ravel())
    features = np.stack(vectors)
    spread = features.std(axis=0)
    return features / np.where(spread > 0, spread, 1.0)


def farthest_points(features: np.ndarray, count: int, *, first: int) -> np.ndarray:
    """Choose points, each as far as possible from those chosen before.

    Reference: T. F. Gonzalez, Theor. Comput. Sci. 38, 293 (1985).

    Args:
        features: ``[n, width]``.
        count: How many; at most n.
        first: The first point.

    Returns:
        Their numbers, in the order of the choice.
    """
    chosen = [first]
    distance = np.linalg.norm(features - features[first], axis=1)
    while len(chosen) < count:
        chosen.append(int(np.argmax(distance)))
        distance = np.minimum(distance, np.linalg.norm(features - features[chosen[-1]], axis=1))
    return np.array(chosen)
