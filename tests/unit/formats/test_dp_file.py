"""Trees in ``.dp`` and ``.yaml`` files, whole and damaged."""

import json
import time

import h5py
import numpy as np
import pytest

from deepattn.errors import ModelFileError
from deepattn.formats.dp_file import read_tree, write_tree

TREE = {
    "model": {
        "@class": "Model",
        "type_map": ["O", "Å"],
        "rcond": None,
        "eps": 1e-300,
        "@variables": {
            "w": np.random.default_rng(1).normal(size=(3, 4)),
            "single": np.arange(3, dtype=np.float32),
            "none": None,
            "many": [np.float64(0.1), None, np.zeros((1, 2))],
        },
    },
    "software": "test",
}
ENDINGS = ["dp", "yaml"]


def assert_same(found, expected):
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key, value in expected.items():
            assert_same(found[key], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    elif isinstance(expected, np.ndarray | np.floating):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    else:
        assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize("ending", ENDINGS)
def test_round_trip_is_exact(tmp_path, ending):
    path = tmp_path / f"model.{ending}"
    write_tree(path, TREE)
    assert_same(read_tree(path), TREE)


def test_same_tree_same_bytes(tmp_path):
    write_tree(tmp_path / "a.dp", TREE)
    time.sleep(1.1)  # HDF5 counts time in seconds
    write_tree(tmp_path / "b.dp", TREE)
    assert (tmp_path / "a.dp").read_bytes() == (tmp_path / "b.dp").read_bytes()


def test_layout_is_that_of_deepmd_kit(tmp_path):
    write_tree(tmp_path / "a.dp", TREE)
    with h5py.File(tmp_path / "a.dp") as file:
        assert sorted(file) == [f"variable_000{k}" for k in range(4)]
        variables = json.loads(file.attrs["json"])["model"]["@variables"]
        assert variables["w"] == "/variable_0000" and variables["none"] is None
        np.testing.assert_array_equal(file["variable_0000"], TREE["model"]["@variables"]["w"])


@pytest.mark.parametrize("ending", ENDINGS)
def test_damage_gives_one_sentence(tmp_path, ending):
    """Cut short or with flipped bits, a file is read or refused, and nothing else happens."""
    path = tmp_path / f"model.{ending}"
    write_tree(path, TREE)
    whole = path.read_bytes()
    rng = np.random.default_rng(3)
    refused = 0
    for k in range(300):
        content = bytearray(whole)
        if k % 2:
            del content[rng.integers(len(content)) :]
        else:
            for place in rng.integers(len(content), size=3):
                content[place] ^= 1 << rng.integers(8)
        path.write_bytes(content)
        try:
            read_tree(path)
        except ModelFileError as error:
            refused += 1
            assert str(error).startswith(str(path)) and "\n" not in str(error)
    assert refused > 100


def test_damaged_heap_of_strings(tmp_path):
    """The HDF5 library would look through it for ever."""
    path = tmp_path / "model.dp"
    write_tree(path, TREE)
    content = bytearray(path.read_bytes())
    heap = content.find(b"GCOL")
    used = int.from_bytes(content[heap + 24 : heap + 32], "little")
    free = heap + 32 + -(-used // 8) * 8
    content[free + 8 : free + 16] = bytes(8)
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="heap of strings in it is damaged"):
        read_tree(path)


def write_hdf5(path, variables, **datasets):
    with h5py.File(path, "w") as file:
        for name, options in datasets.items():
            file.create_dataset(name, **options)
        file.attrs["json"] = json.dumps({"model": {"@variables": variables}})


HUGE = {"shape": (1 << 40,), "dtype": "f8", "chunks": (1024,)}
EXTERNAL = {"shape": (4,), "dtype": "f8", "external": [("/etc/passwd", 0, 32)]}
BAD_HDF5 = {
    "number for an array": ({"w": 3}, {}, "is not a valid array name"),
    "missing array": ({"w": "/x"}, {}, "x"),
    "huge array": ({"w": "/x"}, {"x": HUGE}, "larger than the file"),
    "array of another file": ({"w": "/x"}, {"x": EXTERNAL}, "another file"),
    "array of strings": ({"w": "/x"}, {"x": {"data": "text"}}, "not a valid array name"),
}


@pytest.mark.parametrize("name", BAD_HDF5)
def test_bad_hdf5(tmp_path, name):
    variables, datasets, words = BAD_HDF5[name]
    write_hdf5(tmp_path / "bad.dp", variables, **datasets)
    with pytest.raises(ModelFileError, match=words):
        read_tree(tmp_path / "bad.dp")


LAUGHS = "a: &a [x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [*{a},*{a},*{a},*{a},*{a},*{a},*{a},*{a}]\n"
    for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGES = "a: &a {k: 1}\n" + "".join(
    f"{b}: &{b} {{<<: [{', '.join(['*' + a] * 10)}]}}\n"
    for a, b in zip("abcdefghijk", "bcdefghijkl", strict=True)
)
BAD_YAML = {
    "merges itself": (MERGES + "model: {}", "repeats parts of itself"),
    "repeats itself": (LAUGHS + "model: {}", "repeats parts of itself"),
    "holds itself": ("model: &m {m: *m}", "holds itself"),
    "object": ("model: !!python/object/apply:os.getcwd []", "constructor"),
    "bare number": ("model: {'@variables': {w: 3.0}}", "is not an array"),
    "nothing": ("", "contains no model"),
    "deep": ("[" * 5000, "well-formed"),
    "another version": (
        "model: {'@variables': {w: {'@is_variable': 1, '@class': np.ndarray, '@version': 2}}}",
        "unknown version",
    ),
}


@pytest.mark.parametrize("name", BAD_YAML)
def test_bad_yaml(tmp_path, name):
    text, words = BAD_YAML[name]
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(ModelFileError, match=words):
        read_tree(tmp_path / "bad.yaml")


def test_missing_file(tmp_path):
    with pytest.raises(ModelFileError, match=r"none\.dp: cannot be read: No such file"):
        read_tree(tmp_path / "none.dp")
