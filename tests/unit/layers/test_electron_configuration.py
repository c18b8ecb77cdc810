"""Electron configurations of elements."""

import numpy as np
import pytest
from ase.data import chemical_symbols

from deepattn.layers.electron_configuration import electron_features


def test_each_element_has_as_many_electrons_as_its_number():
    features = electron_features(chemical_symbols[1:119])
    assert features.shape == (118, 118)
    np.testing.assert_array_equal((features > 0).sum(axis=1), np.arange(1, 119))
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1.0)


def test_chromium_has_a_half_filled_d_shell():
    # 1s 2s 2p 3s 3p fill the first 18 states, the five 3d pairs follow, then 4s.
    row = electron_features(["Cr"])[0] > 0
    np.testing.assert_array_equal(row[18:28].reshape(5, 2), [[False, True]] * 5)
    np.testing.assert_array_equal(row[28:30], [False, True])


def test_a_name_that_is_no_element():
    with pytest.raises(ValueError, match="needs element names in type_map, but 'Wat' is not one"):
        electron_features(["H", "Wat"])
