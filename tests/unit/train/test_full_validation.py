"""Full validations: when, what is measured, and which checkpoints are kept."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from deepattn.config import normalize, read_input, upgrade
from deepattn.errors import ConfigError, DataError
from deepattn.formats.checkpoint import read_checkpoint
from deepattn.infer import DeepPot
from deepattn.infer.testing import measure_errors
from deepattn.train import train
from deepattn.train.evaluation import Evaluation
from deepattn.train.full_validation import Schedule
from deepattn.train.monitoring.nan_guard import NonFiniteError

from . import toy

VALIDATING = {
    "full_validation": True,
    "validation_freq": 2,
    "full_val_start": 0.25,
    "validation_metric": "f:mae",
    "max_best_ckpt": 2,
}
# With full_val_start 0.25 of twelve steps.
STEPS = [3, 5, 7, 9, 11]


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    """Validation data: a periodic system, and an open one without virials."""
    folder = tmp_path_factory.mktemp("valid")
    return [
        toy.write_system(folder / "a", [1, 0, 1, 0, 1, 1], 5, seed=3),
        toy.write_system(folder / "b", [0, 1, 1], 4, seed=4, periodic=False, without=("virial",)),
    ]


def write_input(systems, valid, *, validating=VALIDATING, **settings):
    # So large a rate that the errors do not only fall.
    rate = {"start_lr": 0.05, **settings.pop("rate", {})}
    data = toy.make_input(systems, valid=valid, rate=rate, **settings)
    data["validating"] = validating
    Path("input.json").write_text(json.dumps(data))


def lines(path="val.log"):
    """The numbers of a log of validations."""
    return np.loadtxt(path, ndmin=2)


def best():
    return sorted(path.name for path in Path().glob("best.ckpt-*"))


def ranked(steps, errors, most=2):
    """Names of the best checkpoints."""
    order = sorted(zip(errors, steps, strict=True))[:most]
    return sorted(f"best.ckpt-{step}.t-{rank}.h5" for rank, (_, step) in enumerate(order, 1))


LOSS = {"start_pref_v": 0.1, "limit_pref_v": 1.0}


@pytest.fixture
def trained(here, systems, valid):
    write_input(systems, valid, loss=LOSS)
    return train("input.json")


def test_the_errors_are_those_of_all_validation_frames(trained, valid):
    found = lines()
    assert found[:, 0].tolist() == STEPS
    assert best() == ranked(STEPS, found[:, 3])
    step = min(zip(found[:, 3], STEPS, strict=True))[1]
    [row] = found[found[:, 0] == step]
    errors = measure_errors(f"best.ckpt-{step}.t-1", valid).average
    names = ("mae_ea", "rmse_ea", "mae_f", "rmse_f", "mae_s", "rmse_s")
    np.testing.assert_allclose(row[1:], [1e3 * errors[name][0] for name in names], rtol=1e-4)


def test_the_log_says_what_was_kept(trained):
    text = Path("val.log").read_text().splitlines()
    assert text[0].split() == [
        "#",
        "step",
        *(f"{name}({unit})" for name, unit in (("E_MAE", "meV/atom"), ("E_RMSE", "meV/atom"))),
        *(f"{name}({unit})" for name, unit in (("F_MAE", "meV/Å"), ("F_RMSE", "meV/Å"))),
        *(f"{name}({unit})" for name, unit in (("S_MAE", "meV/Å³"), ("S_RMSE", "meV/Å³"))),
    ]
    value = text[2].split()[3]
    assert text[3] == f"# saved best checkpoint: best.ckpt-3.t-1.h5 (F:MAE = {value} meV/Å)"


def test_a_best_checkpoint_is_a_checkpoint(trained):
    name = best()[0]
    arrays, header = read_checkpoint(name)
    assert header["step"] == int(name.partition("-")[2].partition(".")[0])
    assert any(key.startswith("optimizer/") for key in arrays)
    with DeepPot(name) as model:
        assert model.get_type_map() == toy.TYPE_MAP


def test_a_stopped_run_ends_as_one_that_was_not(here, systems, valid, monkeypatch):
    whole, parts = here / "whole", here / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    for folder, numbers in ((whole, (12,)), (parts, (6, 12))):
        monkeypatch.chdir(folder)
        for number in numbers:
            # Of twelve steps in both: fractions and decay would be those of a shorter training.
            validating = VALIDATING | {"full_val_start": 3}
            rate = {"decay_rate": 0.3, "decay_steps": 3}
            write_input(systems, valid, validating=validating, rate=rate, numb_steps=number)
            train("input.json", **({"restart": "model.ckpt"} if number != numbers[0] else {}))
    for name in ("val.log", "lcurve.out"):
        assert (parts / name).read_bytes() == (whole / name).read_bytes()
    monkeypatch.chdir(whole)
    kept = best()
    monkeypatch.chdir(parts)
    assert best() == kept
    for name in [*kept, "model.ckpt-12.h5"]:
        toy.assert_equal_checkpoints(whole / name, parts / name)
        states = [read_checkpoint(folder / name)[1]["validation"] for folder in (whole, parts)]
        assert states[0] == states[1]


def test_a_second_run_puts_the_files_of_the_first_aside(trained, systems, valid):
    kept, log = best(), Path("val.log").read_bytes()
    write_input(systems, valid, loss=LOSS, validating=VALIDATING | {"full_val_start": 11})
    train("input.json")
    assert best() == ["best.ckpt-11.t-1.h5"]
    backup = Path("backup-1")
    assert sorted(path.name for path in backup.glob("best.ckpt-*")) == kept
    assert (backup / "val.log").read_bytes() == log


def test_without_save_best_there_is_only_the_log(here, systems, valid):
    write_input(systems, valid, validating=VALIDATING | {"save_best": False})
    train("input.json")
    found = lines()
    assert best() == [] and len(found) == len(STEPS)
    # The loss has no virial.
    assert np.isnan(found[:, 5:]).all()
    assert "saved" not in Path("val.log").read_text()


def test_files_go_where_the_input_says(here, systems, valid):
    validating = VALIDATING | {"full_val_file": "v/errors.log", "save_best_dir": "w/best"}
    write_input(systems, valid, validating=validating, save_dir="run")
    train("input.json")
    assert Path("run/v/errors.log").is_file()
    assert len(list(Path("run/w/best").glob("best.ckpt-*.h5"))) == 2
    assert best() == []


def test_a_training_that_is_too_short_says_so(here, systems, valid, caplog):
    write_input(systems, valid, validating=VALIDATING | {"full_val_start": 100})
    train("input.json")
    assert "the training has 12 steps, so there is no full validation" in caplog.text
    assert not Path("val.log").exists()


def test_an_error_that_is_not_finite_stops_the_training(here, systems, valid, monkeypatch):
    monkeypatch.setattr(Evaluation, "__call__", lambda self: {"mae_f": (np.nan, 1.0)})
    write_input(systems, valid)
    with pytest.raises(NonFiniteError, match="F:MAE of the validation data is not finite at step"):
        train("input.json")
    assert best() == []


def test_validation_data_need_the_label_of_the_metric(here, systems, valid):
    validating = VALIDATING | {"validation_metric": "S:MAE"}
    write_input(systems, valid[1:], loss=LOSS, validating=validating)
    with pytest.raises(DataError, match="no validation frame has the label virial and a cell"):
        train("input.json")


def falling(until):
    """An evaluation whose error falls with the steps, two at a time, until one of them."""
    steps = itertools.count(2, 2)
    return lambda evaluation: {"mae_f": (1.0 / min(next(steps), until), 1.0)}


PATIENT = VALIDATING | {"full_val_start": 0, "patience": 2}


def test_without_a_lower_error_the_training_stops(here, systems, valid, monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr(Evaluation, "__call__", falling(4))
    write_input(systems, valid, validating=PATIENT)
    train("input.json")
    assert lines()[:, 0].tolist() == [2, 4, 6, 8]
    assert "step 8: the full validations had no lower error for as long as" in caplog.text
    assert read_checkpoint("model.ckpt")[1]["step"] == 8
    assert best() == ["best.ckpt-4.t-1.h5", "best.ckpt-6.t-2.h5"]
    log = Path("val.log").read_bytes()
    # It stays so, until there is more patience.
    train("input.json", restart="model.ckpt")
    assert read_checkpoint("model.ckpt")[1]["step"] == 8
    assert "raise validating/patience to train on" in caplog.text
    assert Path("val.log").read_bytes() == log
    write_input(systems, valid, validating=PATIENT | {"patience": 10})
    train("input.json", restart="model.ckpt")
    assert read_checkpoint("model.ckpt")[1]["step"] == 12


def test_a_lower_error_renews_the_patience(here, systems, valid, monkeypatch):
    monkeypatch.setattr(Evaluation, "__call__", falling(100))
    write_input(systems, valid, validating=PATIENT)
    train("input.json")
    assert read_checkpoint("model.ckpt")[1]["step"] == 12
    assert read_checkpoint("model.ckpt")[1]["validation"]["waited"] == 0


def test_patience_counts_through_a_restart(here, systems, valid, monkeypatch):
    monkeypatch.setattr(Evaluation, "__call__", falling(4))
    write_input(systems, valid, validating=PATIENT, numb_steps=6)
    train("input.json")
    assert read_checkpoint("model.ckpt")[1]["validation"]["waited"] == 1
    write_input(systems, valid, validating=PATIENT)
    train("input.json", restart="model.ckpt")
    assert read_checkpoint("model.ckpt")[1]["step"] == 8


@pytest.mark.parametrize(
    ("first", "interval", "steps"), [(0, 4, [4, 8, 12]), (3, 4, [3, 7, 11]), (12, 1, [12])]
)
def test_schedule(first, interval, steps):
    schedule = Schedule(first, interval)
    assert [step for step in range(1, 13) if schedule.includes(step)] == steps


@pytest.mark.parametrize(
    ("start", "first"), [(0, 0), (0.5, 500), (0.0015, 1), (1, None), (7, 7), (1001, None)]
)
def test_first_step(start, first):
    data = toy.make_input(["a"], valid=["b"])
    data["validating"] = {"full_validation": True, "full_val_start": start}
    assert read_input(upgrade(data)).validating.first_step(1000) == first


@pytest.mark.parametrize(
    ("validating", "message"),
    [
        ({"validation_metric": "A:MAE"}, "must be one of E:MAE, E:RMSE"),
        ({"validation_metric": "v:mae"}, "does not train the virial from the first step"),
        ({"validation_freq": 0}, "validation_freq is 0; it must be at least 1"),
        ({"max_best_ckpt": 0}, "max_best_ckpt is 0; it must be at least 1"),
        ({"full_val_start": -1}, "full_val_start is -1.0; it must be at least 0"),
        ({"full_val_file": "run/"}, "it must name a file"),
        ({"save_best_dir": ""}, "it must name a folder"),
        ({"patience": 0}, "patience is 0; it must be at least 1"),
        ({"patience": 3, "full_validation": False}, "patience needs full validations"),
        ({"compiled_infer": True}, "belongs to the PyTorch backend"),
    ],
)
def test_invalid_sections(validating, message):
    data = toy.make_input(["a"], valid=["b"])
    data["validating"] = {"full_validation": True, **validating}
    with pytest.raises(ConfigError, match=message):
        normalize(upgrade(data))


def test_validation_data_are_needed():
    data = toy.make_input(["a"])
    data["validating"] = {"full_validation": True}
    with pytest.raises(ConfigError, match="needs validation data; set training/validation_data"):
        normalize(upgrade(data))
    data["validating"]["full_val_start"] = 1
    normalize(upgrade(data))
