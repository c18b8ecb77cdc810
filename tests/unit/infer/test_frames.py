import numpy as np
import pytest

from deepattn.errors import DataError
from deepattn.infer.frames import as_frames

CELL = np.eye(3) * 5


def frames(coords=None, cells=None, atom_types=(0, 1), **changes):
    options = {
        "fparam": None,
        "aparam": None,
        "mixed_type": False,
        "ntypes": 2,
        "dim_fparam": 0,
        "dim_aparam": 0,
    }
    coords = np.arange(12.0) if coords is None else coords
    return as_frames(coords, cells, atom_types, **{**options, **changes})


def test_every_accepted_shape():
    expected = np.arange(12.0).reshape(2, 2, 3)
    for shape in [(12,), (2, 6), (2, 2, 3)]:
        found = frames(expected.reshape(shape), np.stack([CELL, CELL]).reshape(2, -1))
        np.testing.assert_array_equal(found.coord, expected)
        assert found.box.shape == (2, 9)
        assert found.atype.tolist() == [[0, 1], [0, 1]]
    single = frames(expected[0])
    np.testing.assert_array_equal(single.coord, expected[:1])
    alone = frames(expected.reshape(4, 3), atom_types=[1])
    np.testing.assert_array_equal(alone.coord, expected.reshape(4, 1, 3))
    mixed = frames(atom_types=[[0, 1], [1, -1]], mixed_type=True)
    assert mixed.atype.tolist() == [[0, 1], [1, -1]]
    assert mixed.box is None


def test_parameters_are_repeated():
    full = np.arange(12.0).reshape(2, 2, 3)
    for given in (full, full[0], full[0, 0]):
        found = frames(aparam=given, dim_aparam=3).aparam
        np.testing.assert_array_equal(found, np.broadcast_to(given, (2, 2, 3)))
    for given in (full[:, 0], full[0, 0]):
        found = frames(fparam=given, dim_fparam=3).fparam
        np.testing.assert_array_equal(found, np.broadcast_to(given, (2, 3)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"coords": np.zeros(7)}, "coords has 7 numbers, which is no multiple of 3 × 2 atoms"),
        ({"coords": np.zeros((1, 4, 3))}, r"coords has shape \(1, 4, 3\), but .* has 2 atoms"),
        ({"coords": np.zeros((4, 3))}, r"coords has shape \(4, 3\), but atom_types has 2 atoms"),
        ({"coords": [[0, 0, np.nan, 0, 0, 0]]}, "coords: frame 0, atom 0 holds nan"),
        ({"coords": "here"}, "coords must be an array of numbers"),
        ({"cells": CELL}, r"cells has shape \(3, 3\), expected \(2, 9\)"),
        ({"cells": [CELL, CELL * 0]}, "cells: frame 1 has a cell without volume"),
        ({"cells": [CELL, np.full((3, 3), np.inf)]}, "cells: frame 1 holds inf"),
        ({"atom_types": []}, "atom_types is empty"),
        ({"atom_types": [0.0, 1.0]}, "atom_types must be integers"),
        ({"atom_types": [0, 2]}, "atom_types: frame 0, atom 1 has type 2"),
        ({"atom_types": [0, -2]}, "atom_types: frame 0, atom 1 has type -2"),
        ({"atom_types": [[0, 1]] * 3}, "atom_types has 3 frames, but coords has 2"),
        ({"mixed_type": True}, r"mixed_type needs atom_types of shape \(nframes, natoms\)"),
        ({"dim_fparam": 2}, "fparam is missing; the model has 2 frame parameters"),
        ({"dim_aparam": 2}, "aparam is missing; the model has 2 atomic parameters"),
        ({"fparam": [1.0]}, "fparam is given, but the model has no frame parameters"),
        ({"fparam": np.ones(3), "dim_fparam": 2}, r"fparam has shape \(3,\), expected \(2, 2\)"),
        ({"fparam": [np.nan, 0], "dim_fparam": 2}, "fparam: frame 0 holds nan"),
        ({"aparam": np.ones(3), "dim_aparam": 2}, r"aparam has shape \(3,\), expected \(2, 2, 2\)"),
    ],
)
def test_what_does_not_fit_is_said(arguments, message):
    with pytest.raises(DataError, match=message):
        frames(**arguments)
