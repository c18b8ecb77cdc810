"""Fine-tuning a published model: shifted bias and first errors are those of DeePMD-kit 3.2.0."""

import json
import logging
import re

import keras
import numpy as np
import pytest

from deepattn.data import System
from deepattn.train import train

from .deepmd_kit import DP320, deepmd_eval, run_dp

pytestmark = [pytest.mark.conformance, pytest.mark.slow]

TOLERANCE = 1e-5
MODEL = "oc2m_se_atten_f32.pb"
PRETRAINED = (
    "Ag Al As Au B Bi C Ca Cd Cl Co Cr Cs Cu Fe Ga Ge H Hf Hg In Ir K Mg Mn Mo N Na Nb Ni O Os P "
    "Pb Pd Pt Rb Re Rh Ru S Sb Sc Se Si Sn Sr Ta Tc Te Ti Tl V W Y Zn Zr"
).split()
FLOAT = r"[-+]?\d[\d.]*(?:e[-+]?\d+)?"


class FirstErrors(keras.callbacks.Callback):
    """Keeps the first metrics in full precision, where lcurve.out has three digits."""

    logs = None

    def on_test_end(self, logs=None):
        self.logs = self.logs or dict(logs)


def _save(folder, types, type_map, arrays, *, mixed):
    data = folder / "set.000"
    data.mkdir(parents=True)
    flat = np.zeros(types.shape[1], int) if mixed else types[0]
    (folder / "type.raw").write_text(" ".join(map(str, flat)) + "\n")
    (folder / "type_map.raw").write_text(" ".join(type_map) + "\n")
    if mixed:
        np.save(data / "real_atom_types.npy", types)
    for name, array in arrays.items():
        np.save(data / f"{name}.npy", array)
    return str(folder)


def _frames(system, rows):
    names = ("coord", "box", "energy", "force", "virial")
    return {name: system.load(name, rows) for name in names}


@pytest.fixture(scope="module")
def monbtaw(shared, tmp_path_factory):
    """A few alloys of two elements each; the order of types differs from the model's."""
    root = shared / "data" / "monbtaw" / "npy" / "train" / "binary"
    folder = tmp_path_factory.mktemp("monbtaw")
    systems = []
    for name in ("Mo10Nb6", "Mo10Ta6", "Nb10W6", "Mo8W8"):
        system = System(root / name)
        rows = np.arange(1 if name == "Mo8W8" else 2)
        arrays = _frames(system, rows)
        systems.append(
            _save(folder / name, system.atype(rows), system.type_map, arrays, mixed=False)
        )
    return systems[:-1], systems[-1], ["Nb", "Mo", "Ta", "W"]


@pytest.fixture(scope="module")
def mptrj(shared, tmp_path_factory):
    """Crystals of many elements, mixed type, without those that the model does not know."""
    root = shared / "data" / "mptrj" / "mixed" / "train"
    folder = tmp_path_factory.mktemp("mptrj")
    picked, elements = [], set()
    for natoms in (4, 6, 8, 10):
        system = System(root / str(natoms))
        everything = np.arange(system.nframes)
        names = np.array(system.type_map)[system.atype(everything)]
        rows = everything[np.isin(names, PRETRAINED).all(axis=1)][:3]
        picked.append((system, rows, names[rows]))
        elements.update(names[rows].ravel().tolist())
    # A map that is neither the file's nor the model's.
    type_map = sorted(elements, reverse=True)
    systems = []
    for system, rows, names in picked:
        types = np.array([[type_map.index(name) for name in row] for row in names])
        target = folder / str(system.natoms)
        systems.append(_save(target, types, type_map, _frames(system, rows), mixed=True))
    return systems[:-1], systems[-1], type_map


def _input(training, validation, type_map):
    return {
        "model": {
            "type_map": type_map,
            "type_embedding": {"trainable": True},
            "descriptor": {},
            "fitting_net": {},
            # All frames, so that the order in which they are drawn does not matter.
            "data_bias_nsample": 0,
        },
        "learning_rate": {"type": "exp", "start_lr": 1e-4, "stop_lr": 1e-6, "decay_steps": 100},
        "loss": {"start_pref_v": 0.02, "limit_pref_v": 1.0},
        "training": {
            "training_data": {"systems": training, "batch_size": 1},
            "validation_data": {"systems": [validation], "batch_size": 64, "numb_btch": 1},
            "numb_steps": 1,
            "disp_freq": 1,
            "seed": 3,
        },
    }


def _biases(text):
    """The two lists of the line that tells of the shift."""
    line = re.search(r"Change energy bias of \[.*?\] from (\[.*?\]) to (\[.*?\])", text, re.DOTALL)
    return [np.array([float(x) for x in re.findall(FLOAT, part)]) for part in line.groups()]


def _errors(folder, validation, type_map, model, shift):
    """Root mean squared errors by DeePMD-kit's evaluation of the unmodified file and the shift."""
    system = System(validation, type_map=PRETRAINED)
    inputs, labels = system.frames(range(system.nframes))
    case = {"coord": inputs["coord"], "atype": inputs["atype"], "box": inputs["box"]}
    result = deepmd_eval(DP320, [(model, {"validation": case})], folder)[0]["validation"]
    places = [PRETRAINED.index(name) for name in type_map]
    counts = (inputs["atype"][:, :, None] == places).sum(axis=1)
    natoms = system.natoms
    energy = result["energy"].reshape(-1) + counts @ shift
    force = result["force"].reshape(labels["force"].shape)
    virial = result["virial"].reshape(labels["virial"].shape)
    return {
        "rmse_e": np.sqrt(np.mean((energy - labels["energy"]) ** 2)) / natoms,
        "rmse_f": np.sqrt(np.mean((force - labels["force"]) ** 2)),
        "rmse_v": np.sqrt(np.mean((virial - labels["virial"]) ** 2)) / natoms,
    }


@pytest.mark.parametrize("name", ["monbtaw", "mptrj"])
def test_bias_and_first_errors(name, request, shared, tmp_path, monkeypatch, caplog):
    DP320.require()
    training, validation, type_map = request.getfixturevalue(name)
    model = shared / "pretrained" / MODEL
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    for folder in (theirs, ours):
        folder.mkdir()
        (folder / "input.json").write_text(json.dumps(_input(training, validation, type_map)))
    log = run_dp(DP320, ["train", "input.json", "--finetune", model], theirs)
    before, after = _biases(log)
    assert len(after) == len(type_map)

    monkeypatch.chdir(ours)
    first = FirstErrors()
    with caplog.at_level(logging.INFO, "deepattn"):
        trainer = train("input.json", finetune=model, callbacks=[first])
    our_before, our_after = _biases(caplog.text)
    np.testing.assert_allclose(our_before, before, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(our_after, after, rtol=0, atol=TOLERANCE)
    assert np.abs(after - before).max() > 0.1
    bias = trainer.model.get_arrays()["fitting_attr/t_bias_atom_e"]
    np.testing.assert_array_equal(bias[[PRETRAINED.index(x) for x in type_map]], our_after)

    def row(folder):
        return np.array((folder / "lcurve.out").read_text().splitlines()[2].split(), float)

    # Every second column is of the validation data, the same frames on both sides.
    np.testing.assert_allclose(row(ours)[1::2], row(theirs)[1::2], rtol=0.011)
    for key, error in _errors(theirs, validation, type_map, model, after - before).items():
        assert first.logs[f"val_{key}"] == pytest.approx(error, abs=TOLERANCE)


def test_training_goes_on_and_improves(monbtaw, shared, tmp_path, monkeypatch):
    training, validation, type_map = monbtaw
    monkeypatch.chdir(tmp_path)
    data = _input(training, validation, type_map)
    data["training"] |= {"numb_steps": 24, "disp_freq": 24}
    (tmp_path / "input.json").write_text(json.dumps(data))
    train("input.json", finetune=shared / "pretrained" / MODEL)
    rows = np.loadtxt("lcurve.out")
    for column in (3, 5):  # rmse_e_val, rmse_f_val
        assert rows[-1, column] < 0.9 * rows[0, column]
