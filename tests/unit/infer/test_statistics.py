import numpy as np
import pytest

from deepattn.infer import energy_errors, error_lines, merge_errors

RNG = np.random.default_rng(0)
NAMES = {"energy": (4,), "force": (4, 3, 3), "virial": (4, 9), "atom_ener": (4, 3)}
BOX = np.tile(np.diag([2.0, 3.0, 4.0]).ravel(), (4, 1))
ATYPE = np.array([[0, 1, 1], [0, 1, -1], [0, 0, 0], [1, -1, -1]])
REAL = ATYPE >= 0


def case(**found):
    labels = {name: RNG.normal(size=shape) for name, shape in NAMES.items()}
    labels |= {f"find_{name}": np.ones(4) for name in NAMES} | found
    return {name: RNG.normal(size=shape) for name, shape in NAMES.items()}, labels


def check(errors, name, difference):
    mae, weight = errors[f"mae_{name}"]
    rmse, _ = errors[f"rmse_{name}"]
    assert weight == difference.size
    assert mae == pytest.approx(np.abs(difference).mean(), rel=1e-14)
    assert rmse == pytest.approx(np.sqrt((difference**2).mean()), rel=1e-14)


def test_virtual_atoms_are_counted_out():
    prediction, labels = case()
    errors = energy_errors(prediction, labels, atype=ATYPE, box=BOX)
    difference = {name: prediction[name] - labels[name] for name in NAMES}
    natoms = np.array([3, 2, 3, 1])
    check(errors, "e", difference["energy"])
    check(errors, "ea", difference["energy"] / natoms)
    check(errors, "f", difference["force"][REAL])
    check(errors, "v", difference["virial"])
    check(errors, "va", difference["virial"] / natoms[:, None])
    check(errors, "s", difference["virial"] / 24)
    check(errors, "ae", difference["atom_ener"][REAL])
    assert "mae_fw" not in errors


def test_only_labels_that_exist():
    prediction, labels = case(find_energy=np.array([1, 0, 1, 0]), find_force=np.zeros(4))
    del prediction["atom_ener"]
    errors = energy_errors(prediction, labels, atype=ATYPE, box=None)
    assert set(errors) == {"mae_e", "rmse_e", "mae_ea", "rmse_ea"}
    check(errors, "e", (prediction["energy"] - labels["energy"])[[0, 2]])


def test_weighted_forces():
    weight = RNG.uniform(size=(4, 3))
    prediction, labels = case(atom_pref=weight, find_atom_pref=np.array([1, 1, 0, 1]))
    errors = energy_errors(prediction, labels, atype=ATYPE, box=None)
    kept = REAL & (np.arange(4) != 2)[:, None]
    difference = (prediction["force"] - labels["force"])[kept]
    w = weight[kept][:, None] * np.ones(3)
    assert errors["mae_fw"][0] == pytest.approx((np.abs(difference) * w).sum() / w.sum())
    assert errors["rmse_fw"][0] == pytest.approx(np.sqrt((difference**2 * w).sum() / w.sum()))
    assert errors["mae_fw"][1] == pytest.approx(w.sum())


def test_parts_merge_into_the_whole():
    prediction, labels = case()
    whole = energy_errors(prediction, labels, atype=ATYPE, box=BOX)
    parts = [
        energy_errors(
            {k: v[part] for k, v in prediction.items()},
            {k: v[part] for k, v in labels.items()},
            atype=ATYPE[part],
            box=BOX[part],
        )
        for part in (slice(0, 1), slice(1, 4))
    ]
    merged = merge_errors(parts)
    assert list(merged) == list(merge_errors([whole]))
    for name, (value, weight) in merged.items():
        assert (value, weight) == pytest.approx(whole[name], rel=1e-13)


def test_lines():
    errors = {"rmse_s": (0.0027224, 9.0), "mae_e": (9.63781, 2.0), "mae_fw": (1.0, 3.0)}
    assert error_lines(errors) == [
        "Energy MAE         : 9.637810e+00 eV",
        "Force weighted MAE : 1.000000e+00 eV/Å",
        "Stress RMSE        : 2.722400e-03 eV/Å³",
    ]
