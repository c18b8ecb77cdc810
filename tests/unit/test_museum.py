"""Files that earlier versions wrote still load, and give what they gave (`tests/museum`)."""

import json

import keras
import numpy as np
import pytest
from museum import make

from deepattn.config import load_input, read_config
from deepattn.config.section import flat
from deepattn.models import load_model
from deepattn.plots.learning_curve import read_learning_curve

# Keras reads its file in a way of which NumPy 2 warns.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

EXPECTED = {path.stem: json.loads(path.read_text()) for path in make.MUSEUM.glob("*.json")}
VERSIONS = sorted(EXPECTED)


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory):
    """The folder of a version's files, by its name."""
    root = tmp_path_factory.mktemp("museum")
    return {version: make.unpack(version, root / version) for version in VERSIONS}


def exhibits(*suffixes):
    """Version, file and head of every file of these kinds, with readable ids."""
    found = []
    for version in VERSIONS:
        for key in EXPECTED[version]["files"]:
            name, _, head = key.partition(":")
            if name.endswith(suffixes):
                found.append(pytest.param(version, name, head or None, id=f"{version}/{key}"))
    return found


def expected_of(version, name, head):
    return EXPECTED[version]["files"][f"{name}:{head}" if head else name]


def assert_close(found, expected):
    assert set(found) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-10, atol=1e-10, err_msg=name)


def test_every_file_has_its_numbers(unpacked):
    kinds = {".h5", ".pb", ".dp", ".yaml", ".savedmodeltf", ".keras"}
    assert VERSIONS
    for version in VERSIONS:
        names = {key.partition(":")[0] for key in EXPECTED[version]["files"]}
        folder = unpacked[version]
        paths = (path for path in folder.glob("*/*") if path.suffix in kinds)
        there = {str(path.relative_to(folder)) for path in paths}
        assert names == there
        assert {name[name.rindex(".") :] for name in names} == kinds


@pytest.mark.parametrize(("version", "name", "head"), exhibits(""))
def test_deep_pot(unpacked, version, name, head):
    found = make.evaluate(unpacked[version] / name, EXPECTED[version]["frame"], head)
    expected = {k: v for k, v in expected_of(version, name, head).items() if k != "fit"}
    assert_close(found, expected)


@pytest.mark.parametrize(("version", "name", "head"), exhibits(".h5", "model.pb", ".dp", ".yaml"))
def test_load_model(unpacked, version, name, head):
    model, header = load_model(unpacked[version] / name, head=head)
    assert header["config"]["model"]["type_map"] == make.TYPE_MAP
    found = make.evaluate_keras(model, EXPECTED[version]["frame"])
    assert_close(found, expected_of(version, name, head))


@pytest.mark.parametrize(("version", "name", "head"), exhibits(".savedmodeltf"))
def test_saved_model(unpacked, version, name, head):
    found = make.evaluate_saved(unpacked[version] / name, EXPECTED[version]["frame"])
    assert_close(found, expected_of(version, name, head))


@pytest.mark.slow  # traces a step of training
@pytest.mark.parametrize(("version", "name", "head"), exhibits(".keras"))
def test_keras_file(unpacked, version, name, head):
    model = keras.saving.load_model(unpacked[version] / name)
    frame = EXPECTED[version]["frame"]
    expected = dict(expected_of(version, name, head))
    fit = expected.pop("fit")
    assert_close(make.evaluate_keras(model, frame), expected)
    assert_close(make.fit_on(model, frame), fit)


STARTS = [(version, start) for version in VERSIONS for start in EXPECTED[version]["starts"]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("version", "start"), [pytest.param(*pair, id="/".join(pair)) for pair in STARTS]
)
def test_training_from_a_file(unpacked, version, start):
    model, _, way = start.partition(":")
    expected = EXPECTED[version]["starts"][start]
    found = make.resume(unpacked[version] / model, make.STARTS[way], EXPECTED[version]["frame"])
    assert set(found["checkpoint"]) == set(expected["checkpoint"])
    for head, numbers in expected["checkpoint"].items():
        assert_close(found["checkpoint"][head], numbers)
    np.testing.assert_allclose(found["lcurve"], expected["lcurve"], rtol=1e-10)
    assert found["stat"] == expected["stat"]


@pytest.mark.parametrize("version", VERSIONS)
def test_complete_input(unpacked, version):
    """The ``out.json`` of a training is an input, none of whose values changes."""
    paths = sorted(unpacked[version].glob("*/out.json"))
    assert paths
    for path in paths:
        found = flat(read_config(path).to_dict())
        for key, value in flat(load_input(path)).items():
            assert found[key] == value, (path, key)


@pytest.mark.parametrize("version", VERSIONS)
def test_learning_curve(unpacked, version):
    paths = sorted(unpacked[version].glob("*/lcurve.out"))
    assert paths
    for path in paths:
        columns = read_learning_curve(path)
        np.testing.assert_array_equal(np.stack(list(columns.values()), axis=1), np.loadtxt(path))
