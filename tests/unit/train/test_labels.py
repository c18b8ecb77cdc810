"""Labels that the loss weighs and the data lack."""

import logging
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from deepattn.cli.main import main
from deepattn.data import DataSet
from deepattn.errors import DataError
from deepattn.losses import EnergyLoss
from deepattn.train.labels import check_labels

from ..data.write_systems import to_hdf5
from . import toy


def _system(folder, **renamed):
    """A system in which some labels have another name, or none."""
    path = Path(toy.write_system(folder, [0, 1, 1], 5))
    for name, other in renamed.items():
        file = path / "set.000" / f"{name}.npy"
        file.unlink() if other is None else file.rename(file.with_name(other))
    return path


def _data(*paths):
    config = SimpleNamespace(
        systems=[str(path) for path in paths],
        rglob_patterns=None,
        batch_size="auto",
        auto_prob="prob_sys_size",
        sys_probs=None,
    )
    return DataSet(config, toy.TYPE_MAP)


def _to_hdf5(path, file):
    to_hdf5(path, file, "s")
    return f"{file}#/s"


@pytest.mark.parametrize("kind", ["npy", "hdf5"])
def test_training_on_nothing_is_refused(tmp_path, kind):
    path = _system(tmp_path / "a", energy="energies.npy", force="REF_forces.npy")
    if kind == "hdf5":
        path = _to_hdf5(path, tmp_path / "a.h5")
    with pytest.raises(DataError) as caught:
        check_labels(_data(path), EnergyLoss(1e-3), task="slab")
    message = str(caught.value)
    assert (
        "no training system of slab has a label with a prefactor in the loss (energy, force)"
        in message
    )
    assert f"{path}/set.000/energies.npy looks like energy" in message
    assert f"{path}/set.000/REF_forces.npy looks like force" in message
    assert "virial" not in message and "\n" not in message


def test_coordinates_alone(tmp_path):
    path = _system(tmp_path / "a", energy=None, force=None, virial=None)
    with pytest.raises(DataError, match=r"no training system has a label .*\(energy, force\)$"):
        check_labels(_data(path), EnergyLoss(1e-3))


def test_what_cannot_be_used_is_not_a_label(tmp_path):
    """Weights of atoms are for forces, which are not there."""
    path = _system(tmp_path / "a", energy=None, force=None)
    np.save(path / "set.000" / "atom_pref.npy", np.ones((5, 3)))
    loss = EnergyLoss(
        1e-3, start_pref_e=0, limit_pref_e=0, start_pref_f=0, limit_pref_f=0, start_pref_pf=1
    )
    with pytest.raises(DataError, match=r"no training system has a label"):
        check_labels(_data(path), loss)


def test_a_label_that_no_system_has(tmp_path, caplog):
    paths = [_system(tmp_path / name, virial=None) for name in "ab"]
    np.save(paths[1] / "set.000" / "stress.npy", np.ones((5, 9)))
    (paths[1] / "virial.raw").touch()
    check_labels(_data(*paths), EnergyLoss(1e-3, start_pref_v=1.0))
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert (
        "no training system has virial, although the loss has a prefactor for it; "
        in record.getMessage()
    )
    assert f"{paths[1]}/virial.raw looks like virial" in record.getMessage()
    assert f"{paths[1]}/set.000/stress.npy looks like virial" in record.getMessage()


def test_a_label_that_one_system_calls_something_else(tmp_path, caplog):
    good, bad, without = (
        _system(tmp_path / "a"),
        _system(tmp_path / "b", force="Force.npy"),
        _system(tmp_path / "c", force=None),
    )
    check_labels(_data(good, bad, without), EnergyLoss(1e-3))
    [record] = caplog.records
    assert "2 of 3 training systems lack force" in record.getMessage()
    assert f"{bad}/set.000/Force.npy looks like force" in record.getMessage()
    caplog.clear()
    check_labels(_data(good, without), EnergyLoss(1e-3))
    assert not caplog.records


def test_validation_on_nothing_is_a_warning(tmp_path, caplog):
    path = _system(tmp_path / "a", energy=None, force="forces.npy")
    check_labels(_data(path), EnergyLoss(1e-3), kind="validation")
    assert "no validation system has a label with a prefactor in the loss" in caplog.text
    assert "set.000/forces.npy looks like force" in caplog.text


def test_labels_under_other_names_in_hdf5(tmp_path, caplog):
    path = _system(tmp_path / "a")
    place = _to_hdf5(path, tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file.move("s/set.000/force.npy", "s/set.000/forces")
    check_labels(_data(place), EnergyLoss(1e-3))
    assert f"{place}/set.000/forces looks like force" in caplog.text


def test_the_command_ends_before_it_begins(here, capsys, caplog):
    system = Path(toy.write_system(here / "a", [0, 1, 1], 3, without=("energy", "force")))
    content = toy.make_input([str(system)])
    (here / "input.json").write_text(str(content).replace("'", '"'))
    assert main(["train", "input.json"]) == 1
    assert "no training system has a label" in capsys.readouterr().err
    assert not (here / "lcurve.out").exists()
    (here / "ok").mkdir()
    good = toy.write_system(here / "ok" / "b", [0, 1, 1], 3)
    content = toy.make_input([good], valid=[str(system)], numb_steps=1)
    (here / "input.json").write_text(str(content).replace("'", '"'))
    assert main(["train", "input.json"]) == 0
    assert "no validation system has a label" in capsys.readouterr().err
