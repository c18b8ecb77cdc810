"""Each cause planted once in a curve or in data, and a good training without any."""

import json
from pathlib import Path

import numpy as np
import pytest

from deepattn.check import DOUBT, FAULT, Finding
from deepattn.diagnose import Curve, LabelStatistics, balance, data, rate, steps, validation

from .curves import COSINE, LINES, STEP, STEPS, curve, flat

RESULTS = Path(__file__).resolve().parents[3] / "examples" / "results" / "results"
SPREADS = {"rmse_f": 0.8, "rmse_e": 0.1}


def causes(found, *, numb_steps=STEPS, spreads=SPREADS, limit_pref_e=20.0):
    """Causes of all rules about curves, by name."""
    rules = [
        steps.unfinished(found, numb_steps),
        steps.falling(found),
        rate.diverged(found),
        rate.jumps(found),
        rate.ends_high(found),
        rate.ends_early(found),
        rate.too_low(found, spreads.get("rmse_f")),
        validation.gap(found),
        balance.nothing_learned(found, spreads),
        balance.energy_behind(found, spreads, limit_pref_e),
    ]
    return {cause.name: cause.message for rule in rules for cause in rule}


def only(found, name, **settings):
    """The message of the only cause."""
    made = causes(found, **settings)
    assert list(made) == [name]
    return made[name]


@pytest.mark.parametrize("scatter", [0.01, 0.03, 0.1])
def test_nothing_is_found_in_a_good_training(scatter):
    for seed in range(10):
        errors = {
            "rmse_f_val": flat(0.088, scatter=scatter, seed=seed),
            "rmse_f_trn": flat(0.08, scatter=scatter, seed=seed + 50),
        }
        assert causes(curve(**errors)) == {}


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*-1.json")), ids=lambda path: path.stem)
def test_recorded_trainings_need_more_steps_at_most(path):
    """Those of docs/results.md, whose errors were still falling."""
    recorded = json.loads(path.read_text())["curve"]
    step = np.array(recorded["step"], float)
    force = np.array(recorded["force"]) / 1000
    columns = {"step": step, "rmse_val": force, "rmse_trn": force}
    columns |= {"rmse_f_val": force, "rmse_f_trn": force}
    columns["lr"] = 1e-5 + 5e-3 * (1 + np.cos(np.pi * step / step[-1])) / 2
    found = causes(Curve.of_task(columns), numb_steps=int(step[-1]), spreads={})
    assert set(found) <= {"too few steps"}


def test_stopped_early():
    message = only(curve(), "unfinished", numb_steps=4 * STEPS)
    assert "the curve ends at step 20000 of 80000" in message and "--restart" in message


def test_still_falling():
    errors = 0.5 * np.maximum(STEP, 100) ** -0.3
    message = only(curve(rmse_f_val=1.1 * errors, rmse_f_trn=errors), "too few steps")
    assert "to the power -0.30" in message and "19% lower" in message


def test_less_than_a_pass():
    (cause,) = steps.passes(300, 1000)
    assert "about 30% of the training frames" in cause.message
    assert not list(steps.passes(1000, 1000))


def test_diverged():
    broken = flat(1.0)
    broken[30:] = np.nan
    message = only(curve(rmse_trn=broken), "diverged")
    assert "not finite at step 15000" in message and "start_lr" in message


def test_rate_too_high():
    train, valid = flat(0.08), flat(0.088, seed=1)
    for row in (9, 14):
        train[row] *= 3.5
        valid[row] *= 3
    message = only(curve(rmse_f_trn=train, rmse_f_val=valid), "learning rate too high")
    assert "(steps 4500, 7000)" in message and "times those around at learning rates" in message
    # A large error of one batch alone is that batch's.
    valid = flat(0.088, seed=1)
    assert causes(curve(rmse_f_trn=train, rmse_f_val=valid)) == {}


def test_rate_ends_high():
    message = only(curve(lr=np.full(LINES, 1e-3)), "learning rate ends high")
    assert "ends at 1.0e-03, 100% of its highest value" in message


def test_rate_falls_too_early():
    message = only(curve(lr=1e-3 * 1e-8 ** (STEP / STEPS)), "learning rate falls too early")
    assert "was below 1e-06" in message


def test_rate_too_low():
    errors = {"rmse_f_val": flat(0.088, seed=1), "rmse_f_trn": flat(0.08)}
    low = curve(lr=COSINE / 50, **errors)
    assert "the highest learning rate is 1.0e-04" in only(low, "learning rate too low")
    # The same rate in a fine-tuning, which begins with small errors.
    tuned = {name: flat(values[-1], start=1.0) for name, values in errors.items()}
    assert causes(curve(lr=COSINE / 50, **tuned)) == {}


def test_overfitting():
    rising = flat(0.088, seed=1) * (1 + np.maximum(STEP / STEPS - 0.4, 0))
    falling = flat(0.08) * (1 - 0.5 * STEP / STEPS)
    message = only(
        curve(rmse_f_val=rising, rmse_f_trn=falling), "overfitting", spreads={"rmse_f": 0.8}
    )
    assert "rose from 8" in message and "while that of training fell from" in message


def test_training_frames_known_by_heart():
    falling = flat(0.08) * (1 - 0.6 * STEP / STEPS)
    message = only(curve(rmse_f_trn=falling), "too few data")
    assert "at the end the validation error of the forces is 2." in message


def test_validation_data_that_differ():
    other = curve(rmse_f_val=flat(0.2, seed=1))
    message = only(other, "validation data differ")
    assert "2.5 times that of training" in message
    (cause,) = validation.gap(other, spreads=(0.8, 1.9))
    assert "(spread of the labels: 1.9e+03 meV/Å there, 800 meV/Å in training)" in cause.message


def test_no_validation():
    columns = {"step": STEP, "rmse_trn": flat(1.0), "rmse_f_trn": flat(0.08), "lr": COSINE}
    assert "validation_data" in only(Curve.of_task(columns), "no validation", spreads={})


def test_nothing_learned():
    lost = curve(rmse_f_val=flat(0.8, start=0.1, seed=1), rmse_f_trn=flat(0.8, start=0.1))
    message = only(lost, "nothing learned")
    assert "% of that of predicting no forces at all" in message and "units" in message


def test_energies_behind_forces():
    behind = curve(rmse_e_val=flat(0.05, seed=1), rmse_e_trn=flat(0.05))
    message = only(behind, "energies behind forces")
    assert "error of the energies is 49%" in message and "limit_pref_e, now 20" in message


def statistics(squares, elements, largest=None):
    """Statistics of a data set of one system."""
    squares = np.array(squares, float)
    return LabelStatistics(
        spreads={},
        elements=elements,
        paths=["s"] * len(squares),
        numbers=np.arange(len(squares)),
        squares=squares,
        largest=np.sqrt(squares) if largest is None else np.array(largest),
    )


def test_outliers():
    squares = np.random.default_rng(0).uniform(50, 100, 200)
    assert not list(data.outliers(statistics(squares, {}), "training"))
    squares[17] = 2e4
    (cause,) = data.outliers(statistics(squares, {}), "training")
    assert "3 of 200 training frames have 5" in cause.message
    assert "141 eV/Å, in frame 17 of s)" in cause.message


def test_elements_in_the_validation_data_alone():
    train, valid = (statistics([1.0], {"O": 9, "Na": count}) for count in (0, 3))
    (cause,) = data.unseen_elements(train, valid)
    assert "only the validation data contain Na (3 frames)" in cause.message
    assert not list(data.unseen_elements(valid, train))


def test_findings_of_the_check_are_ranked_and_not_repeated():
    findings = [
        Finding(DOUBT, "elements", "", "no frame contains He"),
        Finding(DOUBT, "sel", "a", "in frame 3 atom 1 has 20 neighbors, but sel is 16"),
        Finding(DOUBT, "sel", "b", "in frame 1 atom 1 has 19 neighbors, but sel is 16"),
        Finding(FAULT, "units", "a", "it looks as if the energy is in Hartree"),
    ]
    sel, units = data.checked(findings, "deepattn check input.json")
    assert sel.name == "data, sel" and "a: in frame 3" in sel.message
    assert "(and 1 more); deepattn check input.json lists" in sel.message
    assert units.likelihood > sel.likelihood
