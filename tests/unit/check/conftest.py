"""Frames of an alloy in which nothing is wrong."""

import pytest

from . import metals


@pytest.fixture(scope="module")
def clean():
    return metals.frames(metals.ALLOY, nframes=24)


@pytest.fixture
def arrays(clean):
    return {name: array.copy() for name, array in clean.items()}
