"""Multi-task trainings in which branches give other observables than energies."""

import json
from pathlib import Path

import numpy as np
import pytest

from deepattn.errors import ConfigError
from deepattn.export import convert
from deepattn.infer import DeepDipole, DeepPot, DeepProperty
from deepattn.train import train

from . import toy

pytestmark = pytest.mark.slow

NET = {"type": "se_atten", "attn_layer": 0, "sel": 12, "rcut": 2.4, "rcut_smth": 0.6}
NET |= {"neuron": [3, 6], "axis_neuron": 2, "seed": 1}
FITTINGS = {
    "energies": {"neuron": [4]},
    "moments": {"type": "dipole", "neuron": [4]},
    "gaps": {"type": "property", "property_name": "gap", "neuron": [4]},
}
LOSSES = {
    "energies": {"type": "ener"},
    "moments": {"type": "tensor", "pref": 1.0, "pref_atomic": 0.0},
    "gaps": {"type": "property"},
}


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    folder = tmp_path_factory.mktemp("observed") / "a"
    path, rng = toy.write_system(folder, [1, 0, 1, 0, 1], 4), np.random.default_rng(3)
    for name, width in (("dipole", 3), ("gap", 1)):
        np.save(folder / "set.000" / f"{name}.npy", rng.normal(size=(4, width)))
    return path


def _input(system, **changes):
    branch = {"type_map": "types", "descriptor": "net"}
    data = {"training_data": {"systems": [system], "batch_size": 2}}
    return {
        "model": {
            "shared_dict": {"types": toy.TYPE_MAP, "net": NET},
            "model_dict": {
                name: {**branch, "fitting_net": fitting, **changes.get(name, {})}
                for name, fitting in FITTINGS.items()
            },
        },
        "loss_dict": LOSSES,
        "learning_rate": {"start_lr": 1e-2, "stop_lr": 1e-4, "decay_steps": 2},
        "training": {
            "data_dict": dict.fromkeys(FITTINGS, data),
            "numb_steps": 3,
            "disp_freq": 3,
            "save_freq": 3,
            "seed": 1,
        },
    }


def _train(content, **options):
    Path("input.json").write_text(json.dumps(content))
    return train("input.json", **options)


def test_branches_of_several_kinds(system, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trainer = _train(_input(system))
    arrays = {task.name: task.model.get_arrays() for task in trainer.tasks}
    name = "filter_type_all/matrix_1"
    for one in arrays.values():
        np.testing.assert_array_equal(one[name], arrays["energies"][name])
    assert arrays["gaps"]["fitting_attr/own/property_mean"].any()
    columns = Path("lcurve.out").read_text().splitlines()[0].split()
    assert "rmse_f_trn_energies" in columns
    assert {column.rpartition("_")[2] for column in columns} >= set(FITTINGS)

    # A branch alone, from the checkpoint and from files made of it.
    rng = np.random.default_rng(0)
    coord, kinds = rng.uniform(0, 3, (1, 5, 3)), np.array([1, 0, 1, 0, 1])
    moments = convert("model.ckpt.h5", tmp_path / "moments.pb", head="moments")
    gaps = convert("model.ckpt.h5", tmp_path / "gaps.dp", head="gaps")
    for reader, head, file in (
        (DeepDipole, "moments", moments),
        (DeepProperty, "gaps", gaps),
        (DeepPot, "energies", None),
    ):
        with reader("model.ckpt.h5", head=head) as deep:
            expected = np.asarray(deep.eval(coord, None, kinds, atomic=False)[0])
        assert np.isfinite(expected).all() and expected.any()
        if file is not None:
            with reader(file) as deep:
                found = np.asarray(deep.eval(coord, None, kinds, atomic=False)[0])
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


def test_fine_tuning_needs_new_nets(system, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = _input(system)
    content["training"]["numb_steps"] = 0
    _train(content)
    Path("model.ckpt-0.h5").rename("start.h5")
    with pytest.raises(ConfigError, match=r"moments has the fitting dipole, .* to RANDOM"):
        _train(_input(system, moments={"finetune_head": "moments"}), finetune="start.h5")
    content["model"]["model_dict"]["moments"]["finetune_head"] = "RANDOM"
    _train(content, finetune="start.h5")
