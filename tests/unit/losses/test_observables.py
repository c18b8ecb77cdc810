"""The losses of observables against a plain numpy evaluation of their formulas."""

import numpy as np
import pytest

from deepattn.config.observable import Observable
from deepattn.errors import ConfigError
from deepattn.losses import DosLoss, PropertyLoss, TensorLoss

START_LR, RATE = 1e-3, 4e-4
SHARE = RATE / START_LR


def _case(observable, natoms=4, nframes=3):
    """Labels and outputs of frames, of which the last atom of the first one is virtual."""
    rng = np.random.default_rng(0)
    frame, atoms = (nframes, observable.width), (nframes, natoms, observable.width)
    mask = np.ones((nframes, natoms))
    mask[0, -1] = 0
    names = observable.name, observable.atomic_name
    labels, outputs = (
        {names[0]: rng.normal(size=frame), names[1]: rng.normal(size=atoms)} for _ in range(2)
    )
    labels |= {f"find_{name}": np.ones(nframes) for name in names}
    return labels, {**outputs, "atom_mask": mask}


def _evaluate(loss, labels, outputs):
    total, metrics = loss(labels, outputs, np.float64(RATE))
    return float(total), {name: float(value) for name, value in metrics.items()}


@pytest.mark.parametrize("common", [False, True])
def test_densities_of_states(common):
    observable = Observable("dos", 5)
    labels, outputs = _case(observable)
    keys = {"start_pref_dos": 2.0, "limit_pref_dos": 1.0, "start_pref_acdf": 0.5}
    keys |= {"start_pref_cdf": 0.3, "limit_pref_ados": 0.7, "start_pref_ados": 0.1}
    loss = DosLoss(START_LR, observable=observable, common=common, **keys)
    natoms, mask = outputs["atom_mask"].sum(axis=1, keepdims=True), outputs["atom_mask"] > 0
    frame = outputs["dos"] - labels["dos"]
    atoms = (outputs["atom_dos"] - labels["atom_dos"])[mask]
    divisor = 1 if common else natoms
    expected = (
        (1 + SHARE) * (frame**2 / divisor).mean()
        + 0.3 * SHARE * (frame.cumsum(axis=1) ** 2 / divisor).mean()
        + (0.7 - 0.6 * SHARE) * (atoms**2).mean()
        + 0.5 * SHARE * (atoms.cumsum(axis=1) ** 2).mean()
    )
    total, metrics = _evaluate(loss, labels, outputs)
    assert total == pytest.approx(expected, rel=1e-12)
    assert [*loss.metric_names] == ["rmse", "rmse_dos", "rmse_ados", "rmse_cdf", "rmse_acdf"]
    assert metrics["rmse_dos"] == pytest.approx(np.sqrt(((frame / natoms) ** 2).mean()))
    assert metrics["rmse_acdf"] == pytest.approx(np.sqrt((atoms.cumsum(axis=1) ** 2).mean()))


@pytest.mark.parametrize("common", [False, True])
def test_tensors(common):
    observable = Observable("dipole", 3, types=(0,))
    labels, outputs = _case(observable)
    labels["find_atom_dipole"][1] = 0
    labels["atom_weight"] = np.random.default_rng(1).uniform(size=(3, 4, 1))
    labels["find_atom_weight"] = np.ones(3)
    loss = TensorLoss(
        START_LR,
        observable=observable,
        common=common,
        pref=0.3,
        pref_atomic=2.0,
        enable_atomic_weight=True,
    )
    assert loss.label_names == ("atom_dipole", "dipole", "atom_weight")
    natoms, mask = outputs["atom_mask"].sum(axis=1, keepdims=True), outputs["atom_mask"] > 0
    mask[1] = False
    frame = outputs["dipole"] - labels["dipole"]
    atoms = ((outputs["atom_dipole"] - labels["atom_dipole"]) * labels["atom_weight"])[mask]
    of_frames = (frame**2 / (1 if common else natoms)).mean()
    total, metrics = _evaluate(loss, labels, outputs)
    assert total == pytest.approx(0.3 * of_frames + 2.0 * (atoms**2).mean(), rel=1e-12)
    assert metrics["rmse_lc"] == pytest.approx(np.sqrt((atoms**2).mean()))
    assert metrics["rmse_gl"] == pytest.approx(np.sqrt(((frame / natoms) ** 2).mean()))


@pytest.mark.parametrize("intensive", [False, True])
@pytest.mark.parametrize("kind", ["smooth_mae", "mae", "mse", "rmse", "mape"])
def test_properties(kind, intensive):
    observable = Observable("gap", 2, intensive)
    labels, outputs = _case(observable)
    outputs |= {"label_mean": np.array([0.1, 0.2]), "label_spread": np.array([0.4, 2.0])}
    loss = PropertyLoss(
        START_LR,
        observable=observable,
        common=True,
        loss_func=kind,
        beta=0.5,
        metric=["mae", "rmse", "mse", "mape", "smooth_mae"],
    )
    divisor = 1 if intensive else outputs["atom_mask"].sum(axis=1, keepdims=True)
    label, error = labels["gap"] / divisor, (labels["gap"] - outputs["gap"]) / divisor

    def smooth(x):
        return np.where(abs(x) < 0.5, x**2, abs(x) - 0.25)

    scaled = error / outputs["label_spread"]
    expected = {
        "smooth_mae": smooth(scaled).sum(),
        "mae": abs(scaled).sum(),
        "mse": (scaled**2).sum(),
        "rmse": np.sqrt((scaled**2).mean()),
        "mape": abs(error / (label + 1e-3)).mean(),
    }
    total, metrics = _evaluate(loss, labels, outputs)
    assert total == pytest.approx(expected[kind], rel=1e-12)
    assert metrics["mae"] == pytest.approx(abs(error).mean())
    assert metrics["mse"] == pytest.approx((error**2).mean())
    assert metrics["rmse_property"] == pytest.approx(np.sqrt((error**2).mean()))
    assert metrics["mape"] == pytest.approx(abs(error / (label + 1e-3)).mean())
    assert metrics["smooth_mae"] == pytest.approx(smooth(error).mean())


def test_frames_without_labels_count_for_nothing():
    observable = Observable("dipole", 3)
    labels, outputs = _case(observable)
    labels["find_dipole"][:] = 0
    labels["find_atom_dipole"][:] = 0
    loss = TensorLoss(START_LR, observable=observable, pref=1.0, pref_atomic=1.0)
    total, metrics = _evaluate(loss, labels, outputs)
    assert total == 0 and np.isnan(metrics["rmse_lc"]) and np.isnan(metrics["rmse_gl"])


def test_losses_need_a_prefactor():
    for kind, keys in (
        (TensorLoss, {"pref": 0.0, "pref_atomic": 0.0}),
        (DosLoss, {"start_pref_ados": 0.0, "limit_pref_ados": 0.0}),
    ):
        with pytest.raises(ConfigError, match="has no positive prefactor"):
            kind(START_LR, observable=Observable("dos", 2), **keys)
