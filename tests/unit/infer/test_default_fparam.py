"""Frame parameters that a model has for frames without any."""

import numpy as np
import pytest
from small_models import model_section, small_batch, small_model

from deepattn.config import ModelConfig, normalize_model
from deepattn.data import System
from deepattn.errors import DataError, ModelFileError
from deepattn.export import freeze
from deepattn.export.saved_model import save_model
from deepattn.formats.dp_file import write_tree
from deepattn.infer import DeepPot
from deepattn.models.dpmodel import to_tree

DEFAULT = [0.4, -1.5]
DESCRIPTOR = {"attn_layer": 0}
FITTING = {"numb_fparam": 2, "default_fparam": DEFAULT}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A model, and its files by their endings."""
    folder = tmp_path_factory.mktemp("files")
    section = normalize_model(model_section(DESCRIPTOR, FITTING))
    model = small_model(DESCRIPTOR, FITTING)
    script = {"model": section}
    config = ModelConfig.from_dict(section)
    write_tree(folder / "model.dp", to_tree(config, model.get_arrays(), min_nbor_dist=None))
    freeze(model, folder / "model.pb", training_script=script)
    save_model(model, folder / "model.savedmodeltf", training_script=script)
    return model, folder


def arguments(inputs):
    return inputs["coord"][:1], inputs["box"][:1], inputs["atype"][0]


def test_the_model_itself(files):
    model, _ = files
    inputs, _ = small_batch()
    given = {**inputs, "fparam": np.tile(DEFAULT, (2, 1))}
    other = {**inputs, "fparam": np.zeros((2, 2))}
    np.testing.assert_array_equal(model(inputs)["energy"], model(given)["energy"])
    assert np.abs(model(inputs)["energy"] - model(other)["energy"]).min() > 1e-6


@pytest.mark.parametrize("ending", ["dp", "pb", "savedmodeltf"])
def test_every_kind_of_file_has_it(files, ending):
    _, folder = files
    inputs, _ = small_batch()
    with DeepPot(folder / f"model.{ending}") as potential:
        assert potential.has_default_fparam()
        assert potential.get_default_fparam() == DEFAULT
        energy, force, _ = potential.eval(*arguments(inputs))
        given = potential.eval(*arguments(inputs), fparam=DEFAULT)
        other = potential.eval(*arguments(inputs), fparam=[0.0, 0.0])
    np.testing.assert_array_equal(energy, given[0])
    np.testing.assert_array_equal(force, given[1])
    assert abs(energy - other[0]).min() > 1e-6


def test_a_file_with_another_number_of_them_is_damaged(tmp_path):
    model = small_model(DESCRIPTOR, FITTING)
    section = normalize_model(model_section(DESCRIPTOR, FITTING))
    section["fitting_net"]["default_fparam"] = [1.0]
    freeze(model, tmp_path / "model.pb", training_script={"model": section})
    with pytest.raises(ModelFileError, match="default_fparam in it is not a list of 2 numbers"):
        DeepPot(tmp_path / "model.pb")


def test_sets_without_frame_parameters_have_them(tmp_path):
    (tmp_path / "type.raw").write_text("0\n1\n")
    (tmp_path / "type_map.raw").write_text("O\nH\n")
    for name in ("set.000", "set.001"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "coord.npy", np.arange(12.0).reshape(2, 6))
        np.save(tmp_path / name / "box.npy", np.tile(np.eye(3).ravel() * 9, (2, 1)))
    stored = [[1.0, 2.0], [3.0, 4.0]]
    np.save(tmp_path / "set.001" / "fparam.npy", stored)
    system = System(str(tmp_path), type_map=["O", "H"])
    inputs, _ = system.frames([3, 0, 2], fparam=2, default_fparam=DEFAULT, labels=())
    assert inputs["fparam"].tolist() == [stored[1], DEFAULT, stored[0]]
    with pytest.raises(DataError, match=r"set.000/fparam.npy is missing; the model has 2 frame p"):
        system.frames([0], fparam=2, labels=())


def test_the_normal_form_has_it_only_where_it_is_given():
    """DeePMD-kit 2 does not know the key."""
    for fitting in ({"numb_fparam": 2}, FITTING):
        section = normalize_model(model_section(DESCRIPTOR, fitting))
        written = ModelConfig.from_dict(section).to_dict()["fitting_net"]
        assert written.get("default_fparam") == fitting.get("default_fparam")
        assert ("default_fparam" in written) == ("default_fparam" in fitting)
