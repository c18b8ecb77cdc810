"""Reading frames in every layout."""

import numpy as np
import pytest

from deepattn.config.observable import Label
from deepattn.data import System
from deepattn.errors import DataError

from .write_systems import to_hdf5, write_system


def test_reads_frames_of_several_sets_in_any_order(tmp_path):
    path, (first, second) = write_system(tmp_path / "a", sets=(3, 4))
    system = System(path)
    assert (system.natoms, system.nframes, system.set_sizes) == (3, 7, [3, 4])
    assert system.periodic and not system.mixed_type
    inputs, labels = system.frames([5, 0, 5, 2])
    rows = [second["coord"][2], first["coord"][0], second["coord"][2], first["coord"][2]]
    np.testing.assert_array_equal(inputs["coord"], np.reshape(rows, (4, 3, 3)))
    assert inputs["atype"].dtype == np.int32
    np.testing.assert_array_equal(inputs["atype"], [[0, 1, 1]] * 4)
    np.testing.assert_array_equal(inputs["box"], np.tile(10 * np.eye(3).ravel(), (4, 1)))
    np.testing.assert_array_equal(
        labels["energy"][[0, 1]], [second["energy"][2], first["energy"][0]]
    )
    assert labels["force"].shape == (4, 3, 3) and labels["virial"].shape == (4, 9)
    np.testing.assert_array_equal(labels["find_force"], np.ones(4))


def test_hdf5_gives_the_same_frames(tmp_path):
    path, _ = write_system(tmp_path / "a", sets=(3, 4))
    to_hdf5(path, tmp_path / "all.hdf5", "deep/down/a")
    one, two = System(path), System(f"{tmp_path}/all.hdf5#/deep/down/a")
    assert two.data_type_map == ["O", "H"]
    for wanted in ([6, 1, 1, 3], range(7)):
        for left, right in zip(one.frames(wanted), two.frames(wanted), strict=True):
            assert left.keys() == right.keys()
            for key in left:
                np.testing.assert_array_equal(left[key], right[key])


def test_a_system_at_the_root_of_an_hdf5_file(tmp_path):
    path, content = write_system(tmp_path / "a")
    to_hdf5(path, tmp_path / "root.h5", "/")
    coord = System(f"{tmp_path}/root.h5").frames([2])[0]["coord"]
    np.testing.assert_array_equal(coord.ravel(), content[0]["coord"][2])


@pytest.mark.parametrize("shape", [(5, 9), (5, 3, 3)])
def test_coordinates_may_have_an_axis_of_atoms(tmp_path, shape):
    path, content = write_system(tmp_path / "a")
    np.save(path / "set.000" / "coord.npy", content[0]["coord"].reshape(shape))
    np.testing.assert_array_equal(
        System(path).frames([3])[0]["coord"].ravel(), content[0]["coord"][3]
    )


def test_one_dimensional_coordinates_are_one_frame(tmp_path):
    coord = np.arange(9.0)
    path, _ = write_system(tmp_path / "a", sets=(1,), coord=coord, energy=np.array(2.5))
    system = System(path)
    assert system.nframes == 1
    inputs, labels = system.frames([0])
    np.testing.assert_array_equal(inputs["coord"][0].ravel(), coord)
    assert labels["energy"].tolist() == [2.5]


@pytest.mark.parametrize("shape", [(5, 3, 3), (45,), (5, 9)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_boxes_in_any_shape_and_order(tmp_path, shape, order):
    boxes = np.arange(45.0).reshape(5, 9) + 100 * np.eye(3).ravel()
    path, _ = write_system(tmp_path / "a", box=np.array(boxes.reshape(shape), order=order))
    np.testing.assert_array_equal(System(path).frames([4, 1])[0]["box"], boxes[[4, 1]])


def test_types_are_translated_by_name(tmp_path):
    path, _ = write_system(tmp_path / "a", names=("O", "H"))
    assert System(path).atype([0]).tolist() == [[0, 1, 1]]
    assert System(path, type_map=["H", "C", "O"]).atype([0]).tolist() == [[2, 0, 0]]
    bare, _ = write_system(tmp_path / "b", names=None)
    assert System(bare, type_map=["H", "C", "O"]).atype([0]).tolist() == [[0, 1, 1]]
    assert System(bare).type_map is None and System(bare).ntypes == 2


def test_an_element_without_atoms_need_not_be_in_the_model(tmp_path):
    path, _ = write_system(tmp_path / "a", names=("O", "H", "Xx"))
    assert System(path, type_map=["H", "O"]).atype([0]).tolist() == [[1, 0, 0]]


def test_mixed_types_by_frame_with_virtual_atoms(tmp_path):
    real = np.array([[0, 1, -1], [1, 1, 0]], np.int64)
    path, _ = write_system(tmp_path / "a", sets=(2,), mixed=True, real_atom_types=real)
    system = System(path, type_map=["C", "H", "O"])
    assert system.mixed_type and system.type_map == ["C", "H", "O"]
    assert system.atype([1, 0]).tolist() == [[1, 1, 2], [2, 1, -1]]


def test_labels_missing_from_one_set_are_missing_frame_by_frame(tmp_path):
    path, _ = write_system(tmp_path / "a", sets=(2, 2))
    (path / "set.001" / "force.npy").unlink()
    _, labels = System(path).frames([3, 0])
    np.testing.assert_array_equal(labels["find_force"], [0, 1])
    assert not labels["force"][0].any() and labels["force"][1].any()


def test_atomic_names_and_defaults(tmp_path):
    energies = np.arange(15.0).reshape(5, 3)
    path, _ = write_system(tmp_path / "a", atomic_ener=energies)
    _, labels = System(path).frames([4], labels=("atom_ener", "atom_ener_coeff", "atom_pref"))
    np.testing.assert_array_equal(labels["atom_ener"], energies[[4]])
    assert labels["find_atom_ener"] == 1
    np.testing.assert_array_equal(labels["atom_ener_coeff"], np.ones((1, 3)))
    assert labels["find_atom_ener_coeff"] == 0 and not labels["atom_pref"].any()


def test_parameters_and_generalized_coordinates(tmp_path):
    extra = {
        "fparam": np.arange(10.0).reshape(5, 2),
        "aparam": np.arange(15.0).reshape(5, 3),
        "drdq": np.arange(90.0).reshape(5, 18),
    }
    path, _ = write_system(tmp_path / "a", **extra)
    inputs, labels = System(path).frames(
        [1], fparam=2, aparam=1, labels=("drdq",), numb_generalized_coord=2
    )
    np.testing.assert_array_equal(inputs["fparam"], [[2, 3]])
    np.testing.assert_array_equal(inputs["aparam"], [[[3], [4], [5]]])
    np.testing.assert_array_equal(labels["drdq"], extra["drdq"][1].reshape(1, 9, 2))


def test_open_boundaries_have_a_zero_box(tmp_path):
    path, _ = write_system(tmp_path / "a", periodic=False)
    assert not System(path).periodic
    assert not System(path).frames([0])[0]["box"].any()


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", ">f8"])
def test_numbers_of_any_type_become_float64(tmp_path, dtype):
    coord = np.arange(45).reshape(5, 9).astype(dtype)
    path, _ = write_system(tmp_path / "a", coord=coord)
    got = System(path).frames([2])[0]["coord"]
    assert got.dtype == np.float64
    np.testing.assert_array_equal(got.ravel(), np.arange(18.0, 27.0))


@pytest.mark.parametrize("text", ["0 1 1", "0\n1\n1\n", "0.0 1.0 1.0", "0 1\n1"])
def test_type_raw_however_it_is_written(tmp_path, text):
    path, _ = write_system(tmp_path / "a")
    (path / "type.raw").write_text(text)
    assert System(path).atype([0]).tolist() == [[0, 1, 1]]


DIPOLES = Label("atom_dipole", 3, atomic=True, types=(0,))


@pytest.mark.parametrize("name", ["atomic_dipole", "atom_dipole"])
def test_labels_may_be_of_the_chosen_atoms_alone(tmp_path, name):
    values = np.arange(30.0).reshape(5, 6)
    path, _ = write_system(tmp_path / "a", types=(1, 0, 1, 0), **{name: values})
    _, labels = System(path).frames([4, 0], labels=[DIPOLES])
    expected = np.zeros((2, 4, 3))
    expected[:, [1, 3]] = values[[4, 0]].reshape(2, 2, 3)
    np.testing.assert_array_equal(labels["atom_dipole"], expected)
    np.testing.assert_array_equal(labels["find_atom_dipole"], [1, 1])


def test_labels_of_all_atoms_are_taken_as_they_are(tmp_path):
    values = np.arange(60.0).reshape(5, 12)
    path, _ = write_system(tmp_path / "a", types=(1, 0, 1, 0), atomic_dipole=values)
    _, labels = System(path).frames([3], labels=[DIPOLES])
    np.testing.assert_array_equal(labels["atom_dipole"].ravel(), values[3])


def test_labels_of_other_numbers_of_atoms_are_refused(tmp_path):
    path, _ = write_system(tmp_path / "a", types=(1, 0, 1, 0), atomic_dipole=np.zeros((5, 9)))
    with pytest.raises(DataError, match=r"atomic_dipole.npy has shape \(5, 9\)"):
        System(path).frames([0], labels=[DIPOLES])
