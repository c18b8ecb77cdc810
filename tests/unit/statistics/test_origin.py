"""A cache of statistics is one of certain data."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from deepattn.config import normalize, upgrade
from deepattn.data import System
from deepattn.errors import ConfigError, DataError
from deepattn.statistics.origin import check_origin, digest_of
from deepattn.statistics.stat_file import StatFile

TYPES = ["O", "H"]


class Data:
    """Systems, as a data set has them."""

    def __init__(self, *paths):
        self.systems = [System(path, type_map=TYPES) for path in paths]


def write_system(folder, *, nframes=3, seed=0):
    rng = np.random.default_rng(seed)
    (folder / "set.000").mkdir(parents=True)
    (folder / "type.raw").write_text("0 1\n")
    (folder / "type_map.raw").write_text("O H\n")
    (folder / "nopbc").touch()
    np.save(folder / "set.000" / "coord.npy", rng.normal(size=(nframes, 6)))
    np.save(folder / "set.000" / "energy.npy", rng.normal(size=nframes))
    return str(folder)


@pytest.fixture
def paths(tmp_path):
    return [write_system(tmp_path / str(seed), seed=seed) for seed in range(3)]


@pytest.fixture(params=["stat.h5", "stat"])
def cache(request, tmp_path):
    return StatFile(tmp_path / request.param, TYPES)


def test_the_same_data_are_taken_in_any_order_and_place(cache, paths, tmp_path):
    assert cache.is_empty()
    check_origin(cache, Data(*paths[:2]))
    assert not cache.is_empty()
    assert len(cache.read_systems()) == 2
    moved = shutil.copytree(paths[0], tmp_path / "moved")
    check_origin(cache, Data(paths[1], str(moved)))


def test_other_data_are_refused(cache, paths):
    check_origin(cache, Data(*paths[:2]))
    expected = (
        "of its 2 systems 1 are not among the training data, and of their 3 systems it lacks 2"
    )
    with pytest.raises(DataError, match=expected):
        check_origin(cache, Data(paths[0], paths[2], paths[2]))
    other = StatFile(cache.path, ["H", "O"])
    assert other.is_empty()


def test_a_cache_of_deepmd_is_taken_as_it_is(cache, paths, caplog):
    caplog.set_level("INFO")
    cache.write({"bias_atom_energy": np.zeros((2, 1))})
    check_origin(cache, Data(paths[0]))
    assert "does not record its data" in caplog.text
    assert cache.read_systems() is None


def test_a_digest_changes_with_the_data(paths, tmp_path):
    digests = {digest_of(system) for system in Data(*paths).systems}
    longer = write_system(tmp_path / "longer", nframes=4, seed=0)
    changed = Path(shutil.copytree(paths[0], tmp_path / "changed"), "set.000", "energy.npy")
    np.save(changed, np.load(changed) + 1e-9)
    for path in (longer, str(tmp_path / "changed")):
        digests.add(digest_of(System(path, type_map=TYPES)))
    assert len(digests) == 5


def test_nothing_is_added_to_a_fixed_one(cache):
    fixed = StatFile(cache.path, TYPES, fixed=True)
    with pytest.raises(DataError, match="lacks bias_atom_energy, and with stat_file_mode read"):
        fixed.write({"bias_atom_energy": np.zeros((2, 1))})
    assert not cache.path.exists()


def test_damaged_digests(tmp_path):
    cache = StatFile(tmp_path / "stat", TYPES)
    cache.write({"deepattn_systems": np.zeros(3)})
    with pytest.raises(DataError, match="is no list of digests; delete it"):
        cache.read_systems()


def test_a_file_is_needed_to_read():
    training = {"training_data": {"systems": "a"}, "numb_steps": 1, "stat_file_mode": "read"}
    model = {"type_map": TYPES, "descriptor": {"type": "se_atten", "sel": 9}, "fitting_net": {}}
    data = {"model": model, "learning_rate": {"start_lr": 1e-3}, "training": training}
    with pytest.raises(ConfigError, match="stat_file_mode is read, which needs training/stat_file"):
        normalize(upgrade(data))
