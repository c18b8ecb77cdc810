"""Trainings of QM/MM by pairs."""

import json
from pathlib import Path

import numpy as np
import pytest
from pairwise_models import TYPE_MAP, TYPES, frames, section

from deepattn.cli.main import main
from deepattn.errors import DataError, ModelFileError
from deepattn.formats.weight_names import BIAS
from deepattn.infer.inspect import Inspection
from deepattn.train import train

from . import toy

VIRIALS = {"start_pref_v": 0.1, "limit_pref_v": 0.1}


def _write(folder, **arrays):
    """A system of two frames with different residues."""
    given, rng = frames(), np.random.default_rng(5)
    data = folder / "set.000"
    data.mkdir(parents=True)
    (folder / "type.raw").write_text("\n".join(map(str, TYPES)))
    (folder / "type_map.raw").write_text("\n".join(TYPE_MAP))
    stored = {name: given[name].reshape(2, -1) for name in ("coord", "box", "aparam")}
    labels = {
        "energy": np.array([-2.0, -2.1]),
        "force": rng.normal(size=(2, 27)),
        "virial": rng.normal(size=(2, 9)),
    }
    for name, array in {**stored, **labels, **arrays}.items():
        if array is not None:
            np.save(data / f"{name}.npy", array)
    return str(folder)


def _train(system, model=None, *, steps=4, **options):
    content = toy.make_input([system], valid=[system], loss=VIRIALS, numb_steps=steps, save_freq=2)
    content["training"] |= {"disp_freq": 2}
    Path("input.json").write_text(json.dumps({**content, "model": model or section()}))
    return train("input.json", **options)


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    return _write(tmp_path_factory.mktemp("data") / "system")


@pytest.mark.slow
def test_both_models_are_trained_and_resumed(system, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    before = _train(system, steps=0).model.get_arrays()
    # Only energies of QM atoms are not assigned: one C and two H.
    assert before[BIAS][0] == pytest.approx(before[BIAS][1] / 2) and not before[BIAS][2:].any()
    assert before[BIAS][0] < 0 and not before[f"model1/{BIAS}"].any()
    whole = _train(system).model.get_arrays()
    for name in ("layer_0/matrix", "model1/layer_0/matrix", "type_embed_net/matrix_1"):
        assert not np.array_equal(whole[name], before[name])
    resumed = _train(system, restart="model.ckpt-2.h5").model.get_arrays()
    for name, array in whole.items():
        np.testing.assert_array_equal(resumed[name], array, err_msg=name)
    with pytest.raises(ModelFileError, match=r"model/qmmm_model/descriptor/rcut is 4\.0, not 3"):
        _train(system, section(qmmm={"rcut": 3.0}), restart="model.ckpt-2.h5")
    assert main(["change-bias", "model.ckpt-2.h5", "-b", "C=1", "-o", "changed.h5"]) == 1
    assert "bias of a combination of models cannot be changed" in capsys.readouterr().err
    assert not Path("changed.h5").exists()
    assert main(["freeze", "-o", "model.pb"]) == 0
    sizes = [Inspection(name).size() for name in ("model.ckpt-2.h5", "model.pb")]
    assert sizes[0]["trained parameters"] == sizes[1]["trained parameters"]
    assert main(["test", "-m", "model.pb", "-s", system]) == 0
    assert "Force  RMSE" in capsys.readouterr().out
    # A start from the graph is a start from its weights.
    again = _train(system, steps=0, init_frz_model="model.pb").model.get_arrays()
    for name, array in whole.items():
        np.testing.assert_array_equal(again[name], array, err_msg=name)


@pytest.mark.parametrize(
    ("aparam", "message"),
    [
        (None, r"aparam\.npy is missing; the model has 1 atomic parameter$"),
        (np.full((2, 9), 0.5), "atom 0 of frame 0 has the aparam 0.5, which is no residue"),
        (np.repeat([[0.0], [1.0]], 9, axis=1), "frame 1 has no QM atom"),
    ],
)
def test_data_without_residues_are_refused(tmp_path, monkeypatch, aparam, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=message):
        _train(_write(tmp_path / "system", aparam=aparam))
    assert not Path("lcurve.out").exists()
