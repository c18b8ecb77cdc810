"""Models of each kind, and frames to evaluate them on."""

import numpy as np
import pytest

from .model_files import ATTENTION, TWO_BODY, Files


@pytest.fixture(scope="session")
def attention(tmp_path_factory):
    return Files(tmp_path_factory.mktemp("attention"), ATTENTION)


@pytest.fixture(scope="session")
def two_body(tmp_path_factory):
    return Files(tmp_path_factory.mktemp("two_body"), TWO_BODY)


@pytest.fixture(scope="session")
def with_parameters(tmp_path_factory):
    fitting = {"numb_fparam": 2, "numb_aparam": 1}
    return Files(tmp_path_factory.mktemp("parameters"), ATTENTION, fitting)


@pytest.fixture
def frames():
    """Three frames of 8 atoms in a triclinic box, as the arguments of ``eval``."""
    rng = np.random.default_rng(0)
    lattice = 2.0 * np.indices((2, 2, 2)).reshape(3, -1).T
    box = np.array([4.2, 0, 0, 0.5, 4.4, 0, -0.3, 0.6, 5.0])
    coords = lattice + rng.normal(scale=0.15, size=(3, 8, 3))
    return coords, np.tile(box, (3, 1)), np.array([1, 0, 0, 1, 1, 1, 0, 1])
