"""Errors of predictions against labels, as ``deepattn test`` reports them."""

from collections.abc import Mapping, Sequence

import numpy as np

# An error and the number of scalars (or the sum of the weights) it is an average over.
Errors = dict[str, tuple[float, float]]

_LINES = {
    "mae_e": "Energy MAE         : {:e} eV",
    "rmse_e": "Energy RMSE        : {:e} eV",
    "mae_ea": "Energy MAE/Natoms  : {:e} eV",
    "rmse_ea": "Energy RMSE/Natoms : {:e} eV",
    "mae_f": "Force  MAE         : {:e} eV/Å",
    "rmse_f": "Force  RMSE        : {:e} eV/Å",
    "mae_fw": "Force weighted MAE : {:e} eV/Å",
    "rmse_fw": "Force weighted RMSE: {:e} eV/Å",
    "mae_fr": "Force atom MAE      : {:e} eV/Å",
    "rmse_fr": "Force atom RMSE     : {:e} eV/Å",
    "mae_fm": "Force spin MAE      : {:e} eV/uB",
    "rmse_fm": "Force spin RMSE     : {:e} eV/uB",
    "mae_v": "Virial MAE         : {:e} eV",
    "rmse_v": "Virial RMSE        : {:e} eV",
    "mae_va": "Virial MAE/Natoms  : {:e} eV",
    "rmse_va": "Virial RMSE/Natoms : {:e} eV",
    "mae_s": "Stress MAE         : {:e} eV/Å³",
    "rmse_s": "Stress RMSE        : {:e} eV/Å³",
    "mae_ae": "Atomic ener MAE    : {:e} eV",
    "rmse_ae": "Atomic ener RMSE   : {:e} eV",
    "mae_h": "Hessian MAE        : {:e} eV/Å^2",
    "rmse_h": "Hessian RMSE       : {:e} eV/Å^2",
}


def energy_errors(
    prediction: Mapping[str, np.ndarray],
    labels: Mapping[str, np.ndarray],
    *,
    atype: np.ndarray,
    box: np.ndarray | None,
) -> Errors:
    """Compare predictions with the labels that exist.

    Virtual atoms count neither as atoms nor as forces. The stress is −virial/volume.

    Args:
        prediction: ``energy [n]``, ``force [n, natoms, 3]``, ``virial [n, 9]`` and, if they are
            to be compared, ``atom_ener [n, natoms]`` and ``hessian [n, 3 natoms, 3 natoms]``;
            of a model of magnetic moments ``force_mag [n, natoms, 3]``, ``mask_mag`` and ``mask``
            ``[n, natoms]``, the atoms with magnetic forces and with forces (all without ``mask``).
        labels: The same, ``atom_pref [n, natoms]`` where forces are weighted, and for each
            label ``x`` a ``find_x [n]``, 0 for a frame without it.
        atype: Types ``[n, natoms]``; −1 is a virtual atom.
        box: Cell vectors ``[n, 9]`` in Å; None for open boundaries, which have no virial.

    Returns:
        Mean absolute (``mae_*``) and root-mean-square (``rmse_*``) errors, each with its weight:
        of the energy ``e`` and the energy per atom ``ea``, forces ``f``, weighted forces ``fw``,
        virial ``v`` and per atom ``va``, stress ``s``, atomic energies ``ae``, Hessian ``h``. With
        magnetic moments those of forces are ``fr``, of magnetic forces ``fm``.
    """
    real = atype >= 0
    natoms = np.maximum(np.count_nonzero(real, axis=1), 1)
    errors: dict[str, tuple[float, float]] = {}

    def difference(name: str) -> tuple[np.ndarray, np.ndarray]:
        found = labels[f"find_{name}"] > 0
        return (prediction[name] - labels[name])[found], found

    energy, found = difference("energy")
    errors |= _errors("e", energy) | _errors("ea", energy / natoms[found])
    force, found = difference("force")
    moments = "force_mag" in prediction
    errors |= _errors("fr" if moments else "f", force[with_force(prediction, atype)[found]])
    if moments:
        magnetic, found = difference("force_mag")
        errors |= _errors("fm", magnetic[prediction["mask_mag"][found]])
    weighted = found & (labels.get("find_atom_pref", np.zeros(len(found))) > 0)
    if weighted.any() and not moments:
        weight = np.repeat((labels["atom_pref"] * real)[weighted, :, None], 3, axis=2)
        force = (prediction["force"] - labels["force"])[weighted]
        errors |= _errors("fw", force, weight)
    if box is not None:
        virial, found = difference("virial")
        volume = np.abs(np.linalg.det(box.reshape(-1, 3, 3)))[found, None]
        errors |= _errors("v", virial) | _errors("va", virial / natoms[found, None])
        errors |= _errors("s", virial / volume)
    if "atom_ener" in prediction:
        atom_ener, found = difference("atom_ener")
        errors |= _errors("ae", atom_ener[real[found]])
    if "hessian" in prediction:
        hessian, found = difference("hessian")
        coordinates = np.repeat(real[found], 3, axis=1)
        errors |= _errors("h", hessian[coordinates[:, :, None] & coordinates[:, None, :]])
    return errors


def with_force(prediction: Mapping[str, np.ndarray], atype: np.ndarray) -> np.ndarray:
    """The atoms that have a force, bool ``[n, natoms]``; arguments as for `energy_errors`."""
    return (atype >= 0) & prediction.get("mask", np.True_)


def errors_by_element(
    prediction: Mapping[str, np.ndarray],
    labels: Mapping[str, np.ndarray],
    *,
    atype: np.ndarray,
    type_map: Sequence[str],
) -> dict[str, Errors]:
    """Errors of the forces on the atoms of each element that has any.

    Args:
        prediction: As for :func:`energy_errors`.
        labels: As for :func:`energy_errors`.
        atype: Types ``[n, natoms]``; −1 is a virtual atom.
        type_map: Names of the types.
    """
    found = labels["find_force"] > 0
    force, types = (prediction["force"] - labels["force"])[found], atype[found]
    errors = {name: _errors("f", force[types == kind]) for kind, name in enumerate(type_map)}
    return {name: error for name, error in errors.items() if error}


def unit_of(name: str) -> str:
    """The unit of an error, such as ``eV/Å`` for ``rmse_f``."""
    unit = _LINES[name].rpartition("} ")[2]
    return f"{unit}/atom" if name.endswith(("_ea", "_va")) else unit


def merge_errors(parts: Sequence[Errors]) -> Errors:
    """Combine the errors of several sets of frames into those of all of them together."""
    merged = {}
    for name in _LINES:
        known = [part[name] for part in parts if name in part]
        if not known:
            continue
        values, weights = np.array(known).T
        weight = weights.sum()
        if name.startswith("mae"):
            value = (values * weights).sum() / weight
        else:
            value = np.sqrt((values**2 * weights).sum() / weight)
        merged[name] = (float(value), float(weight))
    return merged


def error_lines(errors: Errors) -> list[str]:
    """Give the errors as the lines of text that ``dp test`` prints."""
    return [line.format(errors[name][0]) for name, line in _LINES.items() if name in errors]


def summary(errors: Errors) -> str:
    """Root-mean-square errors in the units people compare, such as ``energy 6.1 meV/atom``."""
    parts = {
        "ea": ("energy", "meV/atom"),
        "f": ("force", "meV/Å"),
        "fr": ("force", "meV/Å"),
        "fm": ("magnetic force", "meV/μB"),
        "va": ("virial", "meV/atom"),
    }
    return ", ".join(
        f"{name} {1e3 * errors[f'rmse_{error}'][0]:.4g} {unit}"
        for error, (name, unit) in parts.items()
        if f"rmse_{error}" in errors
    )


def _errors(name: str, difference: np.ndarray, weight: np.ndarray | None = None) -> Errors:
    weight = np.ones(difference.shape) if weight is None else weight
    total = float(weight.sum())
    if total <= 0:
        return {}
    mae = float((np.abs(difference) * weight).sum() / total)
    rmse = float(np.sqrt((difference**2 * weight).sum() / total))
    return {f"mae_{name}": (mae, total), f"rmse_{name}": (rmse, total)}
