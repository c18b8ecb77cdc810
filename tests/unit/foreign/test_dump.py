"""LAMMPS dumps: columns, boxes, names, and what is refused."""

import numpy as np
import pytest

from deepattn.data import System
from deepattn.errors import DataError
from deepattn.foreign.dump import read_dump

from . import dumps

TYPES = [2, 1, 1, 2, 2]
COLUMNS = ["x y z", "xs ys zs", "xu yu zu", "xsu ysu zsu"]


@pytest.fixture
def coords():
    return np.random.default_rng(1).uniform(0, 4, (3, 5, 3))


def assert_same_places(found, expected):
    """Equal but for a common shift and lattice vectors."""
    shift = (found - expected) @ np.linalg.inv(dumps.CELL)
    shift -= shift[:, :1]
    np.testing.assert_allclose(shift, np.round(shift), atol=1e-12)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("columns", COLUMNS)
def test_columns_and_box(tmp_path, coords, columns, shuffle):
    path = dumps.write_dump(
        tmp_path / "traj", coords, TYPES, columns=f"id type {columns}", shuffle=shuffle
    )
    inputs, labels = System(path, type_map=["O", "H"]).frames(range(3))
    assert_same_places(inputs["coord"], coords)
    np.testing.assert_array_equal(inputs["atype"], [[1, 0, 0, 1, 1]] * 3)
    np.testing.assert_allclose(inputs["box"], [dumps.CELL.ravel()] * 3, atol=1e-12)
    assert not labels["find_energy"].any()


def test_names(tmp_path, coords, caplog):
    numbered = dumps.write_dump(tmp_path / "numbered.dump", coords, TYPES)
    named = dumps.write_dump(tmp_path / "named", coords, TYPES, columns="id element x y z")
    assert System(numbered).data_type_map == ["1", "2"]
    assert System(named).data_type_map == ["H", "O"]
    for system in (
        System(numbered, type_map=["H", "C", "O"], names=["O", "H"]),
        System(numbered, type_map=["H", "C", "O"], names=["O", "H", "C"]),
        System(named, type_map=["H", "C", "O"]),
        System(named, type_map=["H", "C", "O"], names=["C", "C"]),
    ):
        assert system.atype([0]).tolist() == [[0, 2, 2, 0, 0]]
    with pytest.raises(DataError, match=r"up to 2, but the model has 3: H C O; dump a column"):
        System(numbered, type_map=["H", "C", "O"])
    with caplog.at_level("INFO", "deepattn"):
        assert System(numbered, type_map=["O", "H"]).atype([0]).tolist() == [[1, 0, 0, 1, 1]]
    assert f"types 1, 2 of {numbered} are interpreted as O, H" in caplog.text
    with pytest.raises(DataError, match="has 2 types, but only O are named"):
        System(numbered, type_map=["H", "C", "O"], names=["O"])


def test_timesteps_and_a_changing_number_of_atoms(tmp_path):
    rows = [(2, 1, 0.5, 0.5, 0.5), (7, 2, 1.0, 2.0, 3.0), (4, 2, 2.0, 2.0, 2.0)]
    text = dumps.frame(100, "id type x y z", rows[:2])
    text += dumps.frame(250, "id type x y z", rows)
    (tmp_path / "gas").write_text(text)
    system = System(tmp_path / "gas", type_map=["O", "H"])
    assert system.atype([0, 1]).tolist() == [[0, 1, -1], [0, 1, 1]]
    assert system.load("timestep", [0, 1])[:, 0].tolist() == [100, 250]
    coord = system.load("coord", [1]).reshape(3, 3)
    np.testing.assert_allclose(coord[1], [2.0, 2.0, 2.0])  # id 4 is before id 7


@pytest.mark.parametrize("units", ["metal", "real"])
def test_units_of_angstrom(tmp_path, units):
    (tmp_path / "traj").write_text(f"ITEM: UNITS\n{units}\n" + WHOLE)
    assert System(tmp_path / "traj").nframes == 2


def test_open_boundaries(tmp_path):
    box = dumps.bounds(boundary="ff ss mm")
    text = dumps.frame(0, "id type x y z", [(1, 1, 0.5, 0.5, -7.5)], box=box)
    (tmp_path / "cluster").write_text(text)
    system = System(tmp_path / "cluster")
    assert not system.periodic
    np.testing.assert_allclose(system.load("coord", [0]), [[0.5, 0.5, -7.5]])


ATOMS = [(1, 1, 0.5, 0.5, 0.5), (2, 2, 1.0, 2.0, 3.0)]
WHOLE = dumps.frame(0, "id type x y z", ATOMS) + dumps.frame(5, "id type x y z", ATOMS)


@pytest.mark.parametrize(
    "text, words",
    [
        (dumps.frame(0, "id type vx vy vz", ATOMS), "which contain no positions; dump x y z"),
        (dumps.frame(0, "id q x y z", ATOMS), "dump type, or element"),
        (dumps.frame(0, "q type x y z", ATOMS), "also dump id"),
        (dumps.frame(0, "id type x y z", []), "frame 0 declares no atoms"),
        (WHOLE.replace("ATOMS\n2\n", f"ATOMS\n{'9' * 5000}\n", 1), "frame 0 declares no atoms"),
        ("ITEM: UNITS\nmetal\n", "has no line ITEM: TIMESTEP"),
        ("ITEM: UNITS\nelectron\n" + WHOLE, "has units electron, whose lengths are not Å"),
        (WHOLE[:-5], "is cut off: it ends within a line"),
        (WHOLE[: WHOLE.rindex("ITEM: ATOMS")], "frame 1 ends before its atoms"),
        (WHOLE[: WHOLE.rindex("2 2 1 2 3")], "frame 1 declares 2 atoms, but lists 1"),
        (WHOLE[: WHOLE.rindex("1 1 0.5")], "frame 1 cannot be read as a dump of LAMMPS"),
        (WHOLE.replace("2 2 1 2 3", "2 2 1 two 3"), "frame 0 cannot be read as a dump of LAMMPS"),
        (WHOLE.replace("0.5 0.5", "nan 0.5", 1), "frame 0, atom 0 is nan"),
        (
            WHOLE.replace("2 2 1 2 3", "2 0 1 2 3"),
            "has an atom of type 0; types are numbers from 1 to 10000",
        ),
        (WHOLE.replace("2 2 1 2 3", "2 99999999 1 2 3"), "has an atom of type 99999999; types"),
        (WHOLE.replace(" pp pp pp", ""), "does not say which directions are periodic"),
        (WHOLE.replace("pp pp pp", "pp pp ff"), "is periodic in only some directions"),
        (WHOLE.replace("pp pp pp", "ff ff ff", 1), "or some frames"),
        (
            dumps.frame(0, "id element x y z", [(1, "Xy", 0.0, 0.0, 0.0)]),
            r"frame 0 cannot be read.*Xy",
        ),
    ],
)
def test_what_is_refused(tmp_path, text, words):
    (tmp_path / "traj").write_text(text)
    with pytest.raises(DataError, match=words) as caught:
        system = System(tmp_path / "traj", type_map=["O", "H"])
        system.frames(range(system.nframes))
    assert str(tmp_path / "traj") in str(caught.value)


def test_a_dump_whose_writer_was_killed(tmp_path, coords):
    path = dumps.write_dump(tmp_path / "whole", coords, TYPES)
    whole = path.read_text()
    last = whole.rindex("ITEM: TIMESTEP")
    atoms = whole.rindex("ITEM: ATOMS")
    for end, frames in ((-1, 2), (-20, 2), (atoms, 2), (last + 20, 2), (last, 2), (None, 3)):
        path.write_text(whole[:end])
        found = read_dump(str(path), interrupted=True)
        assert found.arrays["timestep"].tolist() == list(range(frames)), end
    path.write_text(whole[: whole.index("ITEM: ATOMS")])
    with pytest.raises(DataError, match="has no complete frame"):
        read_dump(str(path), interrupted=True)
