"""A sample of labels and predictions for parity plots."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from deepattn.infer.statistics import with_force

# Components of a quantity that are kept; more could not be distinguished in a picture.
_KEPT = 100_000


class PairSample:
    """A random sample of labels with their predictions, whatever the number of frames.

    Frames without a label and virtual atoms take no part, as in `energy_errors`.

    Attributes:
        pairs: labels and predictions, ``[number of components]`` each: ``e_peratom`` (eV/atom),
            ``f`` (eV/Å), or with magnetic moments ``fr`` (eV/Å) and ``fm`` (eV/μB), and
            ``v_peratom`` (eV/atom), as far as there are labels.
    """

    def __init__(self) -> None:
        # Pairs ``[2, n]`` and the random rank of each.
        self._kept: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._random = np.random.default_rng(0)

    @property
    def pairs(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """The sample."""
        return {kind: (kept[0], kept[1]) for kind, (kept, _) in self._kept.items()}

    def add(
        self,
        *,
        prediction: Mapping[str, np.ndarray],
        labels: Mapping[str, np.ndarray],
        atype: np.ndarray,
        box: np.ndarray | None,
    ) -> None:
        """Add some frames.

        Args:
            prediction: as for `energy_errors`.
            labels: as for `energy_errors`.
            atype: types ``[n, natoms]``; −1 is a virtual atom.
            box: cell vectors ``[n, 9]`` in Å; None for open boundaries, which have no virial.
        """
        real = atype >= 0
        natoms = np.maximum(np.count_nonzero(real, axis=1), 1)[:, None]
        for kind, name, width in (("e_peratom", "energy", 1), ("v_peratom", "virial", 9)):
            chosen = labels[f"find_{name}"] > 0
            if name == "energy" or box is not None:
                both = np.stack([labels[name], prediction[name]])[:, chosen]
                both = both.reshape(2, -1, width) / natoms[chosen]
                self._keep(kind, both.reshape(2, -1))
        forces = {"f": ("force", real)}
        if "force_mag" in prediction:
            mask = with_force(prediction, atype)
            forces = {"fr": ("force", mask), "fm": ("force_mag", prediction["mask_mag"])}
        for kind, (name, mask) in forces.items():
            chosen = labels[f"find_{name}"] > 0
            both = np.stack([labels[name], prediction[name]])[:, chosen][:, mask[chosen]]
            self._keep(kind, both.reshape(2, -1))

    def _keep(self, kind: str, pairs: np.ndarray) -> None:
        """Every component has a random rank, and those of the smallest ranks stay."""
        if not pairs.size:
            return
        ranks = self._random.random(size=(pairs.shape[1],))
        if kind in self._kept:
            kept, known = self._kept[kind]
            pairs, ranks = np.concatenate([kept, pairs], axis=1), np.concatenate([known, ranks])
        if len(ranks) > _KEPT:
            smallest = np.argpartition(ranks, _KEPT)[:_KEPT]
            pairs, ranks = pairs[:, smallest], ranks[smallest]
        self._kept[kind] = (pairs, ranks)
