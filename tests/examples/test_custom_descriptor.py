"""A descriptor from outside the package: it trains, resumes, is a potential, and freezes."""

import json
import sys

import h5py
import numpy as np
import pytest

from deepattn import DeepPot
from deepattn.cli.main import main
from deepattn.config import DESCRIPTORS, read_config
from deepattn.errors import ConfigError
from deepattn.models import load_model

from .outside import EXAMPLES, forget, install

EXAMPLE = EXAMPLES / "custom_descriptor"
DATA = str(EXAMPLES / "alloy" / "data" / "valid")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    return install("custom_descriptor", tmp_path_factory.mktemp("custom"))


@pytest.fixture
def known(installed, monkeypatch):
    monkeypatch.syspath_prepend(str(installed))
    forget(monkeypatch, DESCRIPTORS)
    yield
    sys.modules.pop("radial", None)


def train(folder, *arguments, steps=6, monkeypatch, **descriptor):
    """Arrays of the last checkpoint of a short training."""
    folder.mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    data = json.loads((EXAMPLE / "input.json").read_text())
    data["model"]["descriptor"] |= descriptor
    data["training"] |= {
        "training_data": {"systems": DATA, "batch_size": 1},
        "validation_data": {"systems": DATA, "batch_size": 1},
        **{"numb_steps": steps, "disp_freq": 1, "save_freq": 3},
    }
    (folder / "input.json").write_text(json.dumps(data))
    assert main(["train", "input.json", *arguments]) == 0
    found = {}
    with h5py.File("model.ckpt.h5") as file:
        file.visititems(
            lambda name, item: found.update({name: item[()]}) if hasattr(item, "shape") else None
        )
    return found


def test_the_page_shows_the_example():
    text = (EXAMPLES.parent / "docs" / "extending.md").read_text()
    assert f"```python\n{(EXAMPLE / 'radial.py').read_text()}```\n" in text


def test_without_the_package_its_name_is_unknown(tmp_path):
    (tmp_path / "input.json").write_text((EXAMPLE / "input.json").read_text())
    with pytest.raises(ConfigError, match="model/descriptor/type is 'radial', which is not"):
        read_config(tmp_path / "input.json")


def test_its_keys_are_checked_like_others(known, tmp_path, monkeypatch, capsys):
    data = json.loads((EXAMPLE / "input.json").read_text())
    for key, value, message in (
        ("nradial", 1, "model/descriptor/nradial is 1; it must be at least 2"),
        ("nradials", 3, "model/descriptor/nradials is not a key of the input; did you mean"),
        (
            "rcut_smth",
            5.0,
            "model/descriptor/rcut_smth is 5.0; it must be at least 0",
        ),
        ("sel", "many", "model/descriptor/sel is 'many'; it must be auto"),
    ):
        changed = json.loads(json.dumps(data))
        changed["model"]["descriptor"][key] = value
        (tmp_path / "input.json").write_text(json.dumps(changed))
        with pytest.raises(ConfigError, match=message):
            read_config(tmp_path / "input.json")


def test_training_restart_freezing(known, tmp_path, monkeypatch, capsys):
    whole = train(tmp_path / "whole", monkeypatch=monkeypatch)
    assert main(["freeze", "-o", "radial.pb"]) == 0
    model, _ = load_model("model.ckpt.h5")
    assert model.descriptor.nradial == 12

    stopped = str(tmp_path / "whole" / "model.ckpt-3.h5")
    resumed = train(tmp_path / "parts", "--restart", stopped, monkeypatch=monkeypatch)
    names = [name for name in whole if name.startswith(("weights", "optimizer"))]
    assert any("own/centers" in name for name in names)
    for name in names:
        np.testing.assert_array_equal(resumed[name], whole[name], err_msg=name)

    rng = np.random.default_rng(3)
    coord = rng.uniform(0, 8, (1, 12, 3))
    atype = np.array([0, 1, 2] * 4)
    with DeepPot(tmp_path / "whole" / "radial.pb") as graph:
        energy, force, virial = graph.eval(coord, np.eye(3).reshape(1, 9) * 8, atype)
        with DeepPot(tmp_path / "whole" / "model.ckpt.h5") as again:
            for one, other in zip(
                (energy, force, virial),
                again.eval(coord, np.eye(3).reshape(1, 9) * 8, atype),
                strict=True,
            ):
                np.testing.assert_allclose(one, other, rtol=0, atol=1e-10)
        moved, step = coord.copy(), 1e-4
        energies = []
        for sign in (1, -1):
            moved[0, 4, 1] = coord[0, 4, 1] + sign * step
            energies.append(graph.eval(moved, np.eye(3).reshape(1, 9) * 8, atype)[0][0, 0])
        slope = (energies[0] - energies[1]) / (2 * step)
        np.testing.assert_allclose(force[0, 4, 1], -slope, rtol=0, atol=1e-7)

    for command, message in (
        (["compress", "-i", "radial.pb", "-o", "c.pb"], "descriptor radial cannot be compressed"),
        (["convert-backend", "radial.pb", "radial.dp"], "lack its descriptor"),
    ):
        monkeypatch.chdir(tmp_path / "whole")
        assert main(command) != 0
        assert message in capsys.readouterr().err


def test_excluded_pairs_do_not_see_each_other(known, tmp_path, monkeypatch):
    train(tmp_path, steps=1, exclude_types=[[0, 0]], monkeypatch=monkeypatch)
    coord = np.array([[[0.0, 0, 0], [2.5, 0, 0]]])
    with DeepPot("model.ckpt.h5") as model:
        assert not np.any(model.eval(coord, None, [0, 0])[1])
        assert np.any(model.eval(coord, None, [0, 1])[1])
