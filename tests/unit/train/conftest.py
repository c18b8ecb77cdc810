"""Data and a working folder for whole trainings."""

import pytest

from deepattn.train import train

from . import toy


@pytest.fixture(scope="module")
def systems(tmp_path_factory):
    """Two training systems of different sizes."""
    folder = tmp_path_factory.mktemp("data")
    return [
        toy.write_system(folder / "a", [1, 0, 1, 0, 1, 1], 5, seed=1),
        toy.write_system(folder / "b", [0, 0, 1, 1, 0, 1, 1, 0], 4, seed=2),
    ]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def short_run(tmp_path_factory, systems):
    """The checkpoint of a few steps, to start a fine-tuning from."""
    folder = tmp_path_factory.mktemp("base")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        toy.write_finetuning(systems, numb_steps=2)
        train("input.json")
    return folder / "model.ckpt"
