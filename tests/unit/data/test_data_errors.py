"""Bad data: one sentence that says which file, which frame, which atom."""

import time

import h5py
import numpy as np
import pytest
from damage import damage_heap
from hypothesis import given, settings
from hypothesis import strategies as st

from deepattn.data import DataSet, System
from deepattn.data.store import open_store
from deepattn.errors import DataError

from .write_systems import arrays, data_config, to_hdf5, write_system


def _spoil(name, index, value, mixed=False):
    def change(path):
        file = path / "set.000" / f"{name}.npy"
        array = np.load(file)
        array[index] = value
        np.save(file, array)

    return change, mixed


def _replace(name, array, mixed=False):
    return lambda path: np.save(path / "set.000" / f"{name}.npy", array), mixed


def _text(name, text, mixed=False):
    return lambda path: (path / name).write_text(text), mixed


def _remove(name, mixed=False):
    return lambda path: (path / name).unlink(), mixed


def _cut(name, length):
    def change(path):
        file = path / "set.000" / name
        file.write_bytes(file.read_bytes()[:length])

    return change, False


MISTAKES = {
    "nan coordinate": (
        _spoil("coord", (3, 7), np.nan),
        r"set.000/coord.npy: frame 3, atom 2 is nan",
    ),
    "infinite force": (_spoil("force", (1, 0), -np.inf), r"force.npy: frame 1, atom 0 is -inf"),
    "nan energy": (_spoil("energy", 4, np.nan), r"energy.npy: frame 4 is nan"),
    "wrong force": (
        _replace("force", np.zeros((5, 8))),
        r"force.npy has shape \(5, 8\), expected \(5, 9\) or \(5, 3, 3\)",
    ),
    "weights by component": (_replace("atom_pref", np.zeros((5, 9))), r"atom_pref.npy has shape"),
    "wrong coordinates": (_replace("coord", np.zeros((5, 8))), r"coord.npy has shape \(5, 8\)"),
    "no frame": (_replace("coord", np.zeros((0, 9))), r"coord.npy"),
    "words": (_replace("coord", np.full((5, 9), "x")), r"coord.npy contains <U1, not real numbers"),
    "complex": (_replace("energy", np.zeros(5, complex)), r"energy.npy contains complex128"),
    "empty file": (_cut("coord.npy", 0), r"coord.npy is not a complete NumPy array"),
    "cut in the header": (_cut("box.npy", 40), r"box.npy is not a complete NumPy array"),
    "cut in the data": (_cut("energy.npy", 150), r"energy.npy is not a complete NumPy array"),
    "flat box": (
        _spoil("box", (2, slice(6, 9)), 0.0),
        r"box.npy: frame 2 has a box of zero volume",
    ),
    "zero box": (_spoil("box", 0, 0.0), r"empty file nopbc"),
    "no box": (_remove("set.000/box.npy"), r"box.npy is missing; open boundaries need"),
    "no coordinates": (_remove("set.000/coord.npy"), r"set.000/coord.npy is missing"),
    "no types": (_remove("type.raw"), r"type.raw"),
    "empty types": (_text("type.raw", ""), r"type.raw lists no atom"),
    "half a type": (_text("type.raw", "0 0.5 1"), r"type.raw: type 0.5 of atom 1"),
    "word as a type": (_text("type.raw", "0 H 1"), r"type.raw: .*'H'"),
    "virtual atom": (_text("type.raw", "0 1 -1"), r"type.raw: atom 2 has type -1"),
    "type beyond the map": (_text("type.raw", "0 1 2"), r"type.raw: atom 2 has type 2.*0 to 1"),
    "more atoms": (_text("type.raw", "0 1 1 1"), r"coord.npy has shape .* 4 atoms"),
    "unknown element": (_text("type_map.raw", "O Zz"), r"atoms of Zz, not in .*\['O', 'H'\]"),
    "many digits": (
        _text("type.raw", f"0 1 {'9' * 5000}"),
        r"type.raw: type 9{40} of atom 2 is not an integer",
    ),
    "long word": (
        _text("type.raw", f"0 1 {'x' * 5000}"),
        r"type.raw: type 'x{50,60}\.\.\. of atom 2",
    ),
    "control characters": (_text("type_map.raw", "O \x1b[31mH"), r"name 1 is '\\x1b\[31mH'"),
    "name twice": (_text("type_map.raw", "O O"), r"type_map.raw lists O twice"),
    "binary names": (lambda p: (p / "type_map.raw").write_bytes(b"\xff\xfe\xff"), False),
    "half a copy": (_replace("numb_copy", np.full(5, 0.5)), r"numb_copy .* frame 0 has 0.5"),
    "no copies": (_replace("numb_copy", np.zeros(5)), r"drops all its frames"),
    "mixed beyond": (_spoil("real_atom_types", (2, 1), 2, True), r"frame 2, atom 1 has type 2"),
    "mixed below": (_spoil("real_atom_types", (0, 0), -2, True), r"frame 0, atom 0 has type -2"),
    "mixed without names": (_remove("type_map.raw", True), r"mixed-type systems need it"),
}
MISTAKES["binary names"] = (MISTAKES["binary names"], r"type_map.raw is not UTF-8 text")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named(tmp_path, mistake):
    (change, mixed), message = MISTAKES[mistake]
    path, _ = write_system(tmp_path / "a", mixed=mixed)
    change(path)
    with pytest.raises(DataError, match=message) as caught:
        DataSet(
            data_config([str(path)]), ["O", "H"], labels=("energy", "force", "virial", "atom_pref")
        )
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_all_sets_of_a_mixed_system_need_types(tmp_path):
    path, _ = write_system(tmp_path / "a", sets=(2, 2), mixed=True)
    (path / "set.001" / "real_atom_types.npy").unlink()
    with pytest.raises(DataError, match=r"set.001/real_atom_types.npy is missing"):
        System(path)


def test_without_a_check_on_opening_a_frame_is_checked_when_drawn(tmp_path):
    path, _ = write_system(tmp_path / "a", sets=(5, 4))
    change, _ = _spoil("energy", 3, np.nan)
    change(path)
    data = DataSet(data_config([str(path)], batch_size=1), ["O", "H"], check=False, seed=1)
    drawn = []
    with pytest.raises(DataError, match=r"set.000/energy.npy: frame 3 is nan"):
        for _ in range(9):
            [(_, frames)] = draw = data.sampler.draw()
            drawn += frames.tolist()
            data.batch(draw)
    assert drawn[-1] == 3
    (path / "set.001" / "box.npy").unlink()
    with pytest.raises(DataError, match=r"set.001/box.npy is missing"):
        DataSet(data_config([str(path)]), ["O", "H"], check=False)


@pytest.mark.parametrize(("name", "kind"), [("fparam", "frame"), ("aparam", "atomic")])
def test_parameters_of_the_model_must_be_there(tmp_path, name, kind):
    path, _ = write_system(tmp_path / "a")
    message = rf"set.000/{name}.npy is missing; the model has 1 {kind} parameter"
    with pytest.raises(DataError, match=message):
        DataSet(data_config([str(path)]), ["O", "H"], **{f"numb_{name}": 1})


@pytest.mark.parametrize("frames", [3, 0])
def test_an_array_made_shorter_while_it_is_in_use(tmp_path, frames):
    path, [made] = write_system(tmp_path / "a")
    system = System(path)
    system.frames(range(5))
    np.save(path / "set.000" / "force.npy", made["force"][:frames])
    with pytest.raises(DataError, match=rf"force.npy has shape \({frames}, 9\), expected \(5, 9\)"):
        system.frames(range(5))
    (path / "set.000" / "force.npy").unlink()
    with pytest.raises(DataError, match=r"force.npy cannot be read: No such file"):
        system.frames(range(5))


def test_a_million_names_are_read_in_no_time(tmp_path):
    path, _ = write_system(tmp_path / "a", names=[f"n{k}" for k in range(1_000_000)])
    began = time.process_time()
    assert System(path).ntypes == 1_000_000
    with pytest.raises(DataError, match=r"atoms of n0, n1, not in"):
        System(path, type_map=["O"])
    assert time.process_time() - began < 20


def test_an_object_array_is_not_unpickled(tmp_path):
    path, _ = write_system(tmp_path / "a")
    np.save(path / "set.000" / "energy.npy", np.array([{}] * 5), allow_pickle=True)
    with pytest.raises(DataError, match=r"energy.npy is not a complete NumPy array"):
        System(path).frames([0])


def test_hdf5_mistakes(tmp_path):
    path, _ = write_system(tmp_path / "a")
    to_hdf5(path, tmp_path / "a.h5", "/s")
    with pytest.raises(DataError, match=r"a.h5#/other/type.raw is missing"):
        System(f"{tmp_path}/a.h5#/other")
    to_hdf5(path, tmp_path / "b.h5", "/s")
    with h5py.File(tmp_path / "b.h5", "a") as file:
        del file["s/set.000/energy.npy"]
        file["s/set.000/energy.npy"] = np.array([b"x"] * 5)
    with pytest.raises(DataError, match=r"b.h5#/s/set.000/energy.npy contains"):
        System(f"{tmp_path}/b.h5#/s").frames([0])


def _open(path):
    try:
        DataSet(data_config(str(path)), ["O", "H"])
    except DataError as error:
        assert str(path) in str(error)


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(
        ["type.raw", "type_map.raw", "set.000/coord.npy", "set.000/box.npy", "set.000/energy.npy"]
    ),
    cut=st.integers(0, 400),
    patch=st.binary(max_size=12),
    start=st.integers(0, 400),
)
def test_a_damaged_file_is_data_error_or_read(tmp_path_factory, name, cut, patch, start):
    path, _ = write_system(tmp_path_factory.mktemp("fuzz") / "a")
    content = (path / name).read_bytes()
    damaged = content[:start] + patch + content[start + len(patch) :]
    (path / name).write_bytes(damaged[: max(0, len(damaged) - cut)])
    _open(path)


# The same examples every time: a new one might meet a fault of the HDF5 library itself.
@settings(max_examples=200, deadline=None)
@given(patch=st.binary(min_size=1, max_size=16), where=st.floats(0, 1), cut=st.booleans())
def test_a_damaged_hdf5_is_data_error_or_read(tmp_path_factory, patch, where, cut):
    folder = tmp_path_factory.mktemp("fuzz")
    path, _ = write_system(folder / "a", sets=(2,))
    file = folder / "a.h5"
    to_hdf5(path, file, "/s")
    content = file.read_bytes()
    start = int(where * len(content))
    damaged = content[:start] if cut else content[:start] + patch + content[start + len(patch) :]
    file.write_bytes(damaged)
    _open(file)


def test_the_writer_of_these_tests_makes_good_systems(tmp_path):
    path, content = write_system(tmp_path / "a")
    assert arrays(5, 3).keys() == content[0].keys()
    assert len(DataSet(data_config([str(path)]), ["O", "H"]).systems) == 1


@pytest.mark.parametrize("chunks", [None, (1,)])
def test_a_damaged_heap_of_strings(tmp_path, chunks):
    """The HDF5 library would look through it for ever."""
    path = tmp_path / "a.hdf5"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["type.raw"] = np.zeros(4, int)
        names = {"data": ["Ag", "Pd", "Au"], "dtype": h5py.string_dtype(), "chunks": chunks}
        file.create_dataset("type_map.raw", **names)
        file["set.000/coord"] = np.arange(24.0).reshape(2, 12)
        file["set.000/box"] = np.tile(np.eye(3).ravel() * 9, (2, 1))
    store = open_store(str(path), labeled=True)
    assert store.tokens("type_map.raw") == ["Ag", "Pd", "Au"]
    damage_heap(path)
    with pytest.raises(DataError, match="a heap of strings in it is damaged"):
        store.tokens("type_map.raw")


def test_an_array_that_its_file_cannot_hold(tmp_path):
    path = tmp_path / "a.hdf5"
    with h5py.File(path, "w") as file:
        options = {"shape": (1 << 36,), "chunks": (1 << 16,), "compression": "gzip"}
        file.create_dataset("type.raw", dtype="i4", **options)
        file["set.000/coord"] = np.zeros((2, 12))
    store = open_store(str(path), labeled=True)
    for read in (store.tokens, store.shape):
        with pytest.raises(DataError, match=r"type\.raw claims 274877906944 bytes"):
            read("type.raw")
