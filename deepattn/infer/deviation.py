"""The model deviation of active learning (arXiv:1810.11890)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

COLUMNS = (
    "max_devi_v",
    "min_devi_v",
    "avg_devi_v",
    "max_devi_f",
    "min_devi_f",
    "avg_devi_f",
    "devi_e",
)


def model_deviation(
    predictions: Sequence[Mapping[str, np.ndarray]],
    *,
    atype: np.ndarray,
    labels: Mapping[str, np.ndarray] | None = None,
    relative: float | None = None,
    relative_v: float | None = None,
) -> dict[str, np.ndarray]:
    """Deviations of models from one another, or from labels.

    Deviations are population standard deviations over the models; with ``labels`` root mean square
    errors over them. That of a force adds up its three components; the average over a virial's
    nine is the root of their mean square. Energies and virials are taken per atom. Virtual atoms
    count neither as atoms nor as forces.

    Args:
        predictions: of each model ``energy [n]`` (eV), ``force [n, natoms, 3]`` (eV/Å) and
            ``virial [n, 9]`` (eV).
        atype: Types ``[n, natoms]``; −1 is a virtual atom.
        labels: The same quantities, if the models are compared with labels.
        relative: Divides the deviation of each force by its magnitude plus this (eV/Å).
        relative_v: Divides the deviation of each virial by its norm plus this (eV/atom).

    Returns:
        Arrays ``[n]`` by the names of `COLUMNS`, and ``atm_devi_f [n, natoms]``, 0 for virtual
        atoms.
    """
    real = atype >= 0
    natoms = np.maximum(real.sum(axis=1), 1)
    (_, energy), (mean_force, force), (mean_virial, virial) = (
        _spread([p[key] for p in predictions], None if labels is None else labels[key])
        for key in ("energy", "force", "virial")
    )
    by_force = np.sqrt(np.sum(force, axis=2))
    if relative is not None:
        by_force = by_force / (np.linalg.norm(mean_force, axis=2) + relative)
    by_virial = np.sqrt(virial) / natoms[:, None]
    if relative_v is not None:
        norm = np.linalg.norm(mean_virial, axis=1) / natoms
        by_virial = by_virial / (norm + relative_v)[:, None]
    return {
        "max_devi_v": by_virial.max(axis=1),
        "min_devi_v": by_virial.min(axis=1),
        "avg_devi_v": np.sqrt(np.mean(by_virial**2, axis=1)),
        "max_devi_f": np.max(by_force, axis=1, where=real, initial=0.0),
        "min_devi_f": np.min(by_force, axis=1, where=real, initial=np.inf),
        "avg_devi_f": np.sum(by_force * real, axis=1) / natoms,
        "devi_e": np.sqrt(energy) / natoms,
        "atm_devi_f": by_force * real,
    }


def _spread(
    values: Sequence[np.ndarray], label: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the models' values, or the label, and the mean square distance from it."""
    stacked = np.stack(values).astype(float)
    center = stacked.mean(axis=0) if label is None else label
    return center, np.mean((stacked - center) ** 2, axis=0)
