"""The energy loss against a plain numpy evaluation of its formulas."""

import numpy as np
import pytest
import tensorflow as tf

from deepattn.errors import ConfigError
from deepattn.losses import EnergyLoss

START_LR = 1e-3
NGEN = 2


def _case(seed=0, nframes=3, natoms=5, padding=0):
    """Labels and outputs of random frames, with ``padding`` virtual atoms appended."""
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return rng.normal(size=shape)

    labels = {
        "energy": draw(nframes),
        "force": draw(nframes, natoms, 3),
        "virial": draw(nframes, 9),
        "atom_ener": draw(nframes, natoms),
        "atom_pref": rng.uniform(0.5, 2.0, (nframes, natoms)),
        "atom_ener_coeff": draw(nframes, natoms),
        "drdq": draw(nframes, natoms * 3, NGEN),
        "hessian": draw(nframes, natoms * 3, natoms * 3),
    }
    outputs = {
        "energy": draw(nframes),
        "force": draw(nframes, natoms, 3),
        "virial": draw(nframes, 9),
        "atom_energy": draw(nframes, natoms),
        "hessian": draw(nframes, natoms * 3, natoms * 3),
        "atom_mask": np.ones((nframes, natoms)),
    }
    if padding:
        junk = {"force", "atom_ener", "atom_pref"}
        for store in (labels, outputs):
            for key, value in store.items():
                if key in ("energy", "virial"):
                    continue
                if key == "hessian":
                    widths = [(0, 0), (0, 3 * padding), (0, 3 * padding)]
                    store[key] = np.pad(value, widths, constant_values=7.0)
                    continue
                extra = padding * 3 if key == "drdq" else padding
                shape = (nframes, extra, *value.shape[2:])
                # Junk in the padding must not matter; zeros where the data room promises zeros.
                fill = np.full(shape, 7.0 if key in junk else 0.0)
                store[key] = np.concatenate([value, fill], axis=1)
    labels.update({f"find_{key}": np.ones(nframes) for key in list(labels)})
    return labels, outputs


def _huber(x, delta):
    return np.where(abs(x) <= delta, x**2 / 2, delta * (abs(x) - delta / 2)).mean()


def _evaluate(loss, labels, outputs, rate=START_LR):
    total, metrics = loss(labels, outputs, np.float32(rate))
    return float(total), {name: float(value) for name, value in metrics.items()}


def _prefactor(start, limit, rate):
    return limit + (start - limit) * rate / START_LR


@pytest.mark.parametrize("rate", [START_LR, 3.7e-4, 1e-8])
@pytest.mark.parametrize("power", [1, 2])
def test_all_squared_terms(rate, power):
    labels, outputs = _case()
    prefs = {"e": (0.02, 1), "f": (1000, 1), "v": (0.1, 2), "ae": (0.3, 0), "pf": (0, 5)}
    prefs |= {"gf": (0.7, 0.2), "h": (3.0, 0.0)}
    keys = {f"start_pref_{k}": v[0] for k, v in prefs.items()}
    keys |= {f"limit_pref_{k}": v[1] for k, v in prefs.items()}
    loss = EnergyLoss(
        START_LR, **keys, numb_generalized_coord=NGEN, intensive_ener_virial=power == 2
    )
    de = labels["energy"] - outputs["energy"]
    df = labels["force"] - outputs["force"]
    dv = labels["virial"] - outputs["virial"]
    da = labels["atom_ener"] - outputs["atom_energy"]
    dg = np.einsum("bij,bi->bj", labels["drdq"], df.reshape(3, -1))
    means = {
        "e": (de**2).mean(),
        "ae": (da**2).mean(),
        "f": (df**2).mean(),
        "v": (dv**2).mean(),
        "pf": (labels["atom_pref"][:, :, None] * df**2).mean(),
        "gf": (dg**2).mean(),
        "h": ((labels["hessian"] - outputs["hessian"]) ** 2).mean(),
    }
    expected = sum(
        _prefactor(*prefs[k], rate) * mean / (5**power if k in "ev" else 1)
        for k, mean in means.items()
    )
    total, metrics = _evaluate(loss, labels, outputs, rate)
    assert total == pytest.approx(expected, rel=1e-6)
    assert (
        tuple(metrics)
        == loss.metric_names
        == (
            "rmse",
            "rmse_e",
            "rmse_ae",
            "rmse_f",
            "rmse_v",
            "rmse_pf",
            "rmse_gf",
            "rmse_h",
        )
    )
    assert metrics["rmse"] == pytest.approx(np.sqrt(total), rel=1e-14)
    for key, mean in means.items():
        shown = np.sqrt(mean) / (5 if key in "ev" else 1)
        assert metrics[f"rmse_{key}"] == pytest.approx(shown, rel=1e-12)


def test_relative_force():
    labels, outputs = _case(1)
    loss = EnergyLoss(START_LR, start_pref_e=0, limit_pref_e=0, relative_f=0.5)
    scale = np.linalg.norm(labels["force"], axis=2, keepdims=True) + 0.5
    mean = (((labels["force"] - outputs["force"]) / scale) ** 2).mean()
    total, metrics = _evaluate(loss, labels, outputs)
    assert total == pytest.approx(1000 * mean, rel=1e-12)
    assert metrics["rmse_f"] == pytest.approx(np.sqrt(mean), rel=1e-12)


def _lengths(error):
    return np.sqrt((error**2).sum(axis=2))


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("intensive", [False, True])
def test_absolute_errors(norm, intensive):
    labels, outputs = _case(9)
    prefs = {"e": 0.02, "f": 1000.0, "v": 0.1, "ae": 0.3, "pf": 5.0, "gf": 0.7, "h": 2.0}
    keys = {f"{end}_pref_{term}": p for term, p in prefs.items() for end in ("start", "limit")}
    loss = EnergyLoss(
        START_LR,
        **keys,
        numb_generalized_coord=NGEN,
        loss_func="mae",
        f_use_norm=norm,
        # Without effect on absolute errors.
        intensive_ener_virial=intensive,
    )
    df = labels["force"] - outputs["force"]
    dg = np.einsum("bij,bi->bj", labels["drdq"], df.reshape(3, -1))
    dh = labels["hessian"] - outputs["hessian"]
    means = {
        "mae_e": abs(labels["energy"] - outputs["energy"]).mean() / 5,
        "mae_ae": abs(labels["atom_ener"] - outputs["atom_energy"]).mean(),
        "mae_f": (_lengths(df) if norm else abs(df)).mean(),
        "mae_v": abs(labels["virial"] - outputs["virial"]).mean() / 5,
        "mae_pf": (labels["atom_pref"][:, :, None] * abs(df)).mean(),
        "rmse_gf": np.sqrt((dg**2).mean()),
        # Shown as a root of squares, as in DeePMD-kit.
        "rmse_h": np.sqrt((dh**2).mean()),
    }
    costs = means | {"rmse_gf": means["rmse_gf"] ** 2, "rmse_h": abs(dh).mean()}
    expected = sum(prefs[name.partition("_")[2]] * cost for name, cost in costs.items())
    total, metrics = _evaluate(loss, labels, outputs)
    assert total == pytest.approx(expected, rel=1e-6)
    assert tuple(sorted(metrics)) == tuple(sorted(loss.metric_names))
    assert metrics.pop("rmse") == pytest.approx(np.sqrt(total), rel=1e-14)
    assert metrics == pytest.approx(means, rel=1e-12)


def test_huber_of_lengths():
    labels, outputs = _case(10)
    options = {"start_pref_e": 0, "limit_pref_e": 0, "use_huber": True, "huber_delta": 1.5}
    loss = EnergyLoss(START_LR, **options, f_use_norm=True)
    df = labels["force"] - outputs["force"]
    total, metrics = _evaluate(loss, labels, outputs)
    assert total == pytest.approx(1000 * _huber(_lengths(df), 1.5), rel=1e-6)
    assert metrics["rmse_f"] == pytest.approx(np.sqrt((df**2).mean()), rel=1e-12)


def test_an_error_of_length_zero_has_no_gradient():
    labels, outputs = _case(11)
    loss = EnergyLoss(START_LR, loss_func="mae", f_use_norm=True)
    outputs["force"][0, 0] = labels["force"][0, 0]
    force = tf.constant(outputs["force"])
    with tf.GradientTape() as tape:
        tape.watch(force)
        total, _ = loss(labels, {**outputs, "force": force}, START_LR)
    gradient = tape.gradient(total, force).numpy()
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(gradient[0, 0], 0.0)
    # All others are of one length.
    sizes = np.delete(_lengths(gradient).ravel(), 0)
    np.testing.assert_allclose(sizes, sizes[0], rtol=1e-12)


@pytest.mark.parametrize("delta", [0.3, [0.1, 0.4, 0.05]])
def test_huber(delta):
    labels, outputs = _case(2)
    loss = EnergyLoss(
        START_LR,
        start_pref_v=0.5,
        limit_pref_v=0.5,
        start_pref_ae=0.25,
        use_huber=True,
        huber_delta=delta,
    )
    d_e, d_f, d_v = delta if isinstance(delta, list) else [delta] * 3
    expected = (
        0.02 * _huber((labels["energy"] - outputs["energy"]) / 5, d_e)
        + 1000 * _huber(labels["force"] - outputs["force"], d_f)
        + 0.5 * _huber((labels["virial"] - outputs["virial"]) / 5, d_v)
        + 0.25 * _huber(labels["atom_ener"] - outputs["atom_energy"], d_e)
    )
    total, metrics = _evaluate(loss, labels, outputs)
    assert total == pytest.approx(expected, rel=1e-6)
    de = labels["energy"] - outputs["energy"]
    assert metrics["rmse_e"] == pytest.approx(np.sqrt((de**2).mean()) / 5, rel=1e-12)


def test_energy_of_a_reaction():
    labels, outputs = _case(3)
    loss = EnergyLoss(START_LR, start_pref_f=0, limit_pref_f=0, enable_atom_ener_coeff=True)
    energy = (labels["atom_ener_coeff"] * outputs["atom_energy"]).sum(axis=1)
    total, _ = _evaluate(loss, labels, outputs)
    assert total == pytest.approx(0.02 * ((labels["energy"] - energy) ** 2).mean() / 5, rel=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"relative_f": 1.0},
        {"use_huber": True},
        {"loss_func": "mae"},
        {"loss_func": "mae", "f_use_norm": True},
        {"use_huber": True, "f_use_norm": True},
    ],
)
def test_padding_changes_nothing(options):
    if "use_huber" not in options:
        options = {"start_pref_pf": 1.0, "start_pref_gf": 1.0, "numb_generalized_coord": NGEN} | (
            options
        )
    loss = EnergyLoss(START_LR, start_pref_v=1.0, start_pref_ae=1.0, **options)
    plain = _evaluate(loss, *_case(4))
    labels, outputs = _case(4, padding=3)
    outputs["atom_mask"][:, 5:] = 0.0
    total, metrics = _evaluate(loss, labels, outputs)
    assert total == pytest.approx(plain[0], rel=1e-14)
    assert metrics == pytest.approx(plain[1], rel=1e-14)


def test_frames_without_a_label_are_left_out():
    loss = EnergyLoss(START_LR, start_pref_v=1.0)
    labels, outputs = _case(5)
    labels["find_energy"] = np.array([1.0, 0.0, 1.0])
    labels["energy"][1] = 0.0
    _, metrics = _evaluate(loss, labels, outputs)
    de = (labels["energy"] - outputs["energy"])[[0, 2]]
    assert metrics["rmse_e"] == pytest.approx(np.sqrt((de**2).mean()) / 5, rel=1e-12)


def test_label_nowhere_gives_nan_and_no_term():
    loss = EnergyLoss(START_LR, start_pref_v=1.0)
    labels, outputs = _case(6)
    labels["find_virial"] = np.zeros(3)
    total, metrics = _evaluate(loss, labels, outputs)
    assert np.isnan(metrics["rmse_v"])
    reference, _ = _evaluate(EnergyLoss(START_LR), labels, outputs)
    assert total == reference


def test_gradient_of_a_missing_label_is_zero():
    loss = EnergyLoss(START_LR, start_pref_v=1.0)
    labels, outputs = _case(7)
    labels["find_virial"] = np.zeros(3)
    outputs = {key: tf.constant(value) for key, value in outputs.items()}
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        total, _ = loss(labels, outputs, START_LR)
    gradient = tape.gradient(total, outputs)
    np.testing.assert_array_equal(gradient["virial"], np.zeros((3, 9)))
    assert np.abs(gradient["force"]).min() > 0


def test_labels_that_the_loss_reads():
    assert EnergyLoss(START_LR).label_names == ("energy", "force")
    loss = EnergyLoss(START_LR, start_pref_f=0, limit_pref_f=0, start_pref_pf=1)
    assert loss.label_names == ("atom_pref", "energy", "force")


def test_config_rebuilds_the_loss():
    loss = EnergyLoss(START_LR, start_pref_v=1.0, use_huber=True, huber_delta=[0.1, 0.2, 0.3])
    again = EnergyLoss.from_config(loss.get_config())
    assert again.get_config() == loss.get_config()
    assert _evaluate(again, *_case(8)) == _evaluate(loss, *_case(8))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"start_pref_gf": 1.0}, "numb_generalized_coord"),
        ({"use_huber": True, "relative_f": 1.0}, "use_huber"),
        ({"use_huber": True, "start_pref_pf": 1.0}, "use_huber"),
        ({"use_huber": True, "loss_func": "mae"}, "use_huber cannot be combined with loss_func"),
        ({"f_use_norm": True}, "f_use_norm needs loss_func mae or use_huber"),
        ({"loss_func": "mad"}, "loss_func is 'mad'; it must be mse or mae"),
        ({"huber_delta": [0.1, 0.2]}, "huber_delta"),
        ({"huber_delta": 0.0}, "huber_delta"),
        (
            dict.fromkeys(["start_pref_e", "limit_pref_e", "start_pref_f", "limit_pref_f"], 0),
            "no positive prefactor",
        ),
    ],
)
def test_undefined_combinations_are_named(options, named):
    with pytest.raises(ConfigError, match=named):
        EnergyLoss(START_LR, **options)
