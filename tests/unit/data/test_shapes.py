"""Which shapes an array may have: those that say which number is which, and no others."""

import h5py
import numpy as np
import pytest

from deepattn.data import System
from deepattn.errors import DataError

from .write_systems import arrays, to_hdf5, write_system

NFRAMES, TYPES = 5, (0, 1, 1, 1)
NATOMS = len(TYPES)
# By name what a frame holds, and the shapes it may have.
FRAMES = {
    "coord": [(12,), (4, 3)],
    "force": [(12,), (4, 3), (1, 4, 3)],
    "box": [(9,), (3, 3)],
    "virial": [(9,), (3, 3)],
    "energy": [(), (1,)],
    "numb_copy": [(), (1,)],
    "atom_ener": [(4,), (4, 1)],
    "atom_pref": [(4,), (4, 1)],
    "atom_ener_coeff": [(4,), (4, 1)],
    "real_atom_types": [(4,), (4, 1)],
    "fparam": [(2,), (2, 1)],
    "aparam": [(8,), (4, 2)],
    "drdq": [(24,), (12, 2), (4, 3, 2), (4, 6)],
    "hessian": [(144,), (12, 12), (4, 3, 4, 3)],
}
# The same numbers in shapes that put them elsewhere.
WRONG = {
    "coord": [(12, 5), (5, 3, 4), (3, 4, 5), (60,)],
    "force": [(12, 5), (5, 3, 4), (4, 3, 5), (4, 5, 3), (15, 4)],
    "box": [(9, 5), (3, 3, 5), (15, 3)],
    "virial": [(9, 5), (3, 5, 3)],
    "energy": [(5, 5), (6,)],
    "numb_copy": [(4,)],
    "atom_ener": [(4, 5), (2, 10)],
    "atom_pref": [(4, 5), (5, 12)],
    "atom_ener_coeff": [(4, 5)],
    "real_atom_types": [(4, 5), (2, 5, 2)],
    "fparam": [(2, 5), (5, 1), (2,)],
    "aparam": [(8, 5), (5, 2, 4), (4, 5, 2)],
    "drdq": [(24, 5), (5, 2, 12), (5, 3, 4, 2), (12, 5, 2)],
    "hessian": [(144, 5), (12, 5, 12), (5, 4, 4, 9), (5, 12, 11)],
}
WIDTHS = {"fparam": 2, "aparam": 2, "drdq": 6}


def _numbers(name, shape):
    size = int(np.prod(shape))
    if name == "box":
        return np.resize(10 * np.eye(3) + 0.1 * np.arange(9).reshape(3, 3), shape)
    if name in ("real_atom_types", "numb_copy"):
        return np.resize([0, 1, 1], shape)
    return np.arange(float(size)).reshape(shape)


def _open(folder, layout, name, array):
    path, _ = write_system(
        folder / "a", types=TYPES, sets=(NFRAMES,), mixed=name == "real_atom_types", **{name: array}
    )
    if layout == "npy":
        return System(path)
    to_hdf5(path, folder / "a.h5", "/s")
    return System(f"{folder}/a.h5#/s")


def _load(system, name, frames=range(NFRAMES)):
    if name == "real_atom_types":
        return system.atype(frames)
    return system.load(name, frames, width=WIDTHS.get(name))


@pytest.mark.parametrize("layout", ["npy", "hdf5"])
@pytest.mark.parametrize("name", FRAMES)
def test_shapes_that_are_read(tmp_path, name, layout):
    flat = _numbers(name, (NFRAMES, int(np.prod(FRAMES[name][0]))))
    for place, shape in enumerate(FRAMES[name]):
        (folder := tmp_path / str(place)).mkdir()
        for order in "CF":
            array = np.array(flat.reshape(NFRAMES, *shape), order=order)
            (folder / order).mkdir()
            system = _open(folder / order, layout, name, array)
            np.testing.assert_array_equal(_load(system, name), flat)
            np.testing.assert_array_equal(_load(system, name, [3, 0, 3]), flat[[3, 0, 3]])


@pytest.mark.parametrize("layout", ["npy", "hdf5"])
@pytest.mark.parametrize("name", WRONG)
def test_shapes_that_are_refused(tmp_path, name, layout):
    for place, shape in enumerate(WRONG[name]):
        (folder := tmp_path / str(place)).mkdir()
        with pytest.raises(DataError) as caught:
            _load(_open(folder, layout, name, _numbers(name, shape)), name)
        message = str(caught.value)
        assert f"set.000/{name}.npy has shape {shape}" in message and "expected (" in message
        assert "\n" not in message


@pytest.mark.parametrize("name", ["coord", "force", "virial", "energy", "atom_ener"])
def test_a_lone_frame_may_lack_its_axis(tmp_path, name):
    for place, shape in enumerate(FRAMES[name]):
        flat = _numbers(name, (1, int(np.prod(shape))))
        path, _ = write_system(
            tmp_path / str(place), types=TYPES, sets=(1,), **{name: flat.reshape(shape)}
        )
        np.testing.assert_array_equal(System(path).load(name, [0]), flat)


def test_labels_on_one_axis_are_frame_after_frame(tmp_path):
    made = arrays(NFRAMES, NATOMS)
    path, _ = write_system(
        tmp_path / "a", types=TYPES, sets=(NFRAMES,), force=made["force"].ravel()
    )
    np.testing.assert_array_equal(System(path).load("force", range(NFRAMES)), made["force"])


def test_types_of_an_hdf5_file_are_one_after_another(tmp_path):
    path, _ = write_system(tmp_path / "a", types=TYPES)
    to_hdf5(path, tmp_path / "a.h5", "/s")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        del file["s/type.raw"]
        file["s/type.raw"] = np.array(TYPES).reshape(2, 2)
    with pytest.raises(DataError, match=r"a.h5#/s/type.raw has shape \(2, 2\)"):
        System(f"{tmp_path}/a.h5#/s")


def test_a_set_without_frames(tmp_path):
    path, _ = write_system(tmp_path / "a", types=TYPES, sets=(2, 0))
    with pytest.raises(
        DataError, match=r"set.001/coord.npy has shape .*, so the set has no frames"
    ):
        System(path)
