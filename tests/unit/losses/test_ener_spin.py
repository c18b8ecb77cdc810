"""The loss of models of magnetic moments."""

import numpy as np
import pytest

from deepattn.config import normalize
from deepattn.errors import ConfigError
from deepattn.losses import EnergySpinLoss

from ..config.inputs import DPA1

# Of the first frame an atom is padding, of the second one more is magnetic.
ATOMS = np.array([[1, 1, 0, 0], [1, 1, 0, 0]], float)
MOMENTS = np.array([[0, 0, 1, 0], [0, 0, 1, 1]], float)


def random_batch():
    rng = np.random.default_rng(0)

    def values():
        return {
            "energy": rng.normal(size=2),
            "force": rng.normal(size=(2, 4, 3)),
            "virial": rng.normal(size=(2, 9)),
        }

    labels = values()
    labels |= {f"find_{name}": np.ones(2) for name in list(labels)}
    return labels, {**values(), "atom_mask": ATOMS, "mask_mag": MOMENTS}


@pytest.mark.parametrize("intensive", [False, True])
def test_formula(intensive):
    labels, outputs = random_batch()
    keys = {"start_pref_v": 0.5, "limit_pref_v": 2.0, "intensive_ener_virial": intensive}
    loss = EnergySpinLoss(1e-3, **keys)
    found, metrics = loss(labels, outputs, 5e-4)
    natoms = np.array([3, 4])
    energy, force, virial = (labels[n] - outputs[n] for n in ("energy", "force", "virial"))
    power = 2 if intensive else 1
    terms = {
        "e": (0.51, np.mean(energy**2 / natoms**power), np.mean((energy / natoms) ** 2)),
        "fr": (500.5, np.mean(force[ATOMS > 0] ** 2), None),
        "fm": (5005.0, np.mean(force[MOMENTS > 0] ** 2), None),
        "v": (
            1.25,
            np.mean(virial**2 / natoms[:, None] ** power),
            np.mean((virial / natoms[:, None]) ** 2),
        ),
    }
    expected = sum(weight * cost for weight, cost, _ in terms.values())
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    for term, (_, cost, shown) in terms.items():
        square = cost if shown is None else shown
        np.testing.assert_allclose(metrics[f"rmse_{term}"], np.sqrt(square), rtol=1e-12)


def test_magnetic_forces_of_atoms():
    """In the common convention they have labels of their own, and there are no virtual atoms."""
    labels, outputs = random_batch()
    rng = np.random.default_rng(1)
    labels |= {"force_mag": rng.normal(size=(2, 4, 3)), "find_force_mag": np.ones(2)}
    outputs |= {"force_mag": rng.normal(size=(2, 4, 3)), "mask_mag": np.eye(2, 4)}
    loss = EnergySpinLoss(1e-3, common=True)
    assert loss.label_names == ("energy", "force", "force_mag")
    found, metrics = loss(labels, outputs, 1e-3)
    energy, force, magnetic = (labels[n] - outputs[n] for n in ("energy", "force", "force_mag"))
    square = np.mean(magnetic[np.eye(2, 4) > 0] ** 2)
    expected = 0.02 * np.mean(energy**2 / 2) + 1000 * np.mean(force[ATOMS > 0] ** 2)
    np.testing.assert_allclose(found, expected + 10000 * square, rtol=1e-6)
    np.testing.assert_allclose(metrics["rmse_fm"], np.sqrt(square), rtol=1e-12)


def test_terms_without_prefactor_or_label():
    labels, outputs = random_batch()
    loss = EnergySpinLoss(1e-3, start_pref_fm=0, limit_pref_fm=0)
    assert [metric.name for metric in loss.metrics] == ["rmse_e", "rmse_fr"]
    assert loss.label_names == ("energy", "force")
    labels["find_force"][:] = 0
    found, metrics = loss(labels, outputs, 1e-3)
    assert np.isnan(metrics["rmse_fr"]) and np.isfinite(found)
    with pytest.raises(ConfigError, match="no positive prefactor"):
        EnergySpinLoss(1e-3, **{f"{end}_pref_{t}": 0 for end in ("start", "limit") for t in LOSS})


LOSS = ("e", "fr", "fm")


def test_loss_and_model_go_together():
    with pytest.raises(ConfigError, match="loss/type is ener_spin, which needs model/spin"):
        normalize({**DPA1, "loss": {"type": "ener_spin"}})
    spin = {"use_spin": [True, False], "virtual_len": [0.4], "spin_norm": [1.3]}
    model = {**DPA1["model"], "spin": spin, "descriptor": {"type": "se_e2_a", "sel": [8, 8]}}
    with pytest.raises(ConfigError, match="loss/type is ener, which is not for model/spin"):
        normalize({**DPA1, "model": model})
    data = {**DPA1, "model": model, "loss": {"type": "ener_spin"}}
    assert normalize(data)["model"]["type_map"] == ["O", "H"]
    for key in ("stat_file", "change_bias_after_training"):
        training = {**DPA1["training"], key: "x" if key == "stat_file" else True}
        with pytest.raises(ConfigError, match=f"training/{key} is not available with model/spin"):
            normalize({**data, "training": training})
    for key in ("start_pref_ae", "enable_atom_ener_coeff"):
        with pytest.raises(ConfigError, match=f"loss/{key} = .* is not supported"):
            normalize({**data, "loss": {"type": "ener_spin", key: True if "_ener" in key else 1.0}})
