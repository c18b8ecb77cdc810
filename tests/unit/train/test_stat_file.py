"""The cache of statistics in a training: taken for the same data, refused for others."""

import pytest

from deepattn.config import read_input, upgrade
from deepattn.errors import DataError
from deepattn.formats.weight_names import BIAS
from deepattn.train import Trainer

from . import toy


def trainer(systems, **settings):
    data = toy.make_input(systems, stat_file="stat.h5", numb_steps=0, **settings)
    return Trainer(read_input(upgrade(data)))


def test_statistics_are_those_of_the_data(here, systems):
    with pytest.raises(DataError, match=r"stat\.h5: lacks .*with stat_file_mode read nothing is"):
        trainer(systems, stat_file_mode="read")
    first = trainer(systems).model.get_arrays()
    again = trainer(systems[::-1]).model.get_arrays()
    assert (again[BIAS] == first[BIAS]).all()
    with pytest.raises(DataError, match=r"stat\.h5 has the statistics of other data: of its 2"):
        trainer(systems[:1])
    read = trainer(systems[:1], stat_file_mode="read").model.get_arrays()
    assert (read[BIAS] == first[BIAS]).all()
