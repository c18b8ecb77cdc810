"""The order of frames: fair, the same for the same seed, and exact after a restart."""

import json
import logging
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from deepattn.data import DataSet, Sampler
from deepattn.data.sampler import share
from deepattn.errors import DataError

from .write_systems import data_config, write_system

TYPES = ["O", "H"]


@pytest.fixture
def folder(tmp_path):
    """Three systems: 12 frames in two sets, 5 frames, 7 open frames of other size."""
    write_system(tmp_path / "a", sets=(8, 4))
    write_system(tmp_path / "b", sets=(5,), types=(0, 1, 1, 0, 1, 1), seed=9)
    write_system(tmp_path / "c", sets=(7,), types=(1, 1), periodic=False, seed=17)
    return tmp_path


def _dataset(folder, seed=1, **changes):
    return DataSet(data_config(str(folder), **changes), TYPES, seed=seed)


def _draws(sampler, count):
    return [[(system, frames.tolist()) for system, frames in sampler.draw()] for _ in range(count)]


def test_an_epoch_has_no_frame_twice_and_drops_the_remainder(folder):
    data = _dataset(folder / "a", batch_size=5)
    for _ in range(20):
        first, second = (frames for ((_, frames),) in _draws(data.sampler, 2))
        assert len(set(first + second)) == 10


def test_all_frames_come_equally_often(folder):
    data = _dataset(folder / "a", batch_size=4)
    drawn = Counter(frame for ((_, frames),) in _draws(data.sampler, 30) for frame in frames)
    assert drawn == dict.fromkeys(range(12), 10)


def test_a_batch_larger_than_a_system_is_all_of_it(folder, caplog):
    with caplog.at_level(logging.WARNING):
        data = _dataset(folder / "b", batch_size=9)
    assert "5 frames, fewer than the batch size 9" in caplog.text
    assert sorted(data.sampler.draw()[0][1]) == list(range(5))


def test_systems_come_by_their_probability(folder):
    data = _dataset(folder, batch_size=1, sys_probs=[0.6, 0.1, 0.3])
    drawn = Counter(draw[0][0] for draw in _draws(data.sampler, 3000))
    np.testing.assert_allclose([drawn[i] / 3000 for i in range(3)], [0.6, 0.1, 0.3], atol=0.03)


def test_numb_copy_repeats_and_drops_frames(tmp_path):
    path, _ = write_system(tmp_path / "a", numb_copy=[1, 0, 3, 1, 1])
    data = _dataset(path, batch_size=1)
    drawn = Counter(frames[0] for ((_, frames),) in _draws(data.sampler, 12))
    assert drawn == {0: 2, 2: 6, 3: 2, 4: 2}


def test_one_seed_one_order(folder):
    one, same, other = (_draws(_dataset(folder, seed=s).sampler, 30) for s in (5, 5, 6))
    assert one == same != other
    assert _draws(_dataset(folder, seed=None).sampler, 30) != _draws(
        _dataset(folder, seed=None).sampler, 30
    )


def test_the_order_is_known_in_advance(folder):
    """Fixed numbers: another machine, NumPy or Python must give the same."""
    data = _dataset(folder, seed=2024, batch_size=2)
    expected = [(2, [4, 5]), (1, [2, 3]), (1, [4, 1]), (0, [0, 5]), (2, [0, 2]), (1, [4, 3])]
    assert _draws(data.sampler, 6) == [[draw] for draw in expected]


@pytest.mark.parametrize("batch_size", [2, "auto", "mixed:3"])
def test_a_restored_sampler_goes_on_exactly(folder, batch_size):
    data = _dataset(folder, batch_size=batch_size)
    for steps in (0, 1, 17):
        _draws(data.sampler, steps)
        state = json.loads(json.dumps(data.sampler.state()))
        expected = _draws(data.sampler, 40)
        fresh = _dataset(folder, seed=77, batch_size=batch_size)
        assert fresh.sampler.restore(state)
        assert _draws(fresh.sampler, 40) == expected


@pytest.mark.parametrize("batch_size", [2, "auto", "mixed:3"])
def test_a_sampler_that_follows_stands_where_the_other_does(folder, batch_size):
    data = _dataset(folder, batch_size=batch_size)
    _draws(data.sampler, 3)
    follower = Sampler(data)
    assert follower.restore(data.sampler.state())
    for _ in range(40):
        follower.follow(data.sampler.draw())
        assert follower.state() == data.sampler.state()
    assert _draws(follower, 5) == _draws(data.sampler, 5)


def test_other_data_start_over(folder):
    state = _dataset(folder).sampler.state()
    small = _dataset(folder / "a", seed=3)
    assert not small.sampler.restore(state)
    assert _draws(small.sampler, 5) == _draws(_dataset(folder / "a", seed=3).sampler, 5)


def test_batches_have_the_promised_arrays(folder):
    data = _dataset(folder)
    inputs_spec, labels_spec = data.signature()
    for _ in range(20):
        inputs, labels = next(data.sampler)
        for spec, arrays in ((inputs_spec, inputs), (labels_spec, labels)):
            assert spec.keys() == arrays.keys()
            for key, (dtype, shape) in spec.items():
                assert arrays[key].dtype == dtype
                assert len(shape) == arrays[key].ndim
                for length, given in zip(shape, arrays[key].shape, strict=True):
                    assert length in (None, given)


def test_mixed_batches_are_padded_and_of_one_kind(folder):
    data = _dataset(folder, batch_size="mixed:4")
    kinds, lengths = set(), set()
    for _ in range(60):
        inputs, labels = next(data.sampler)
        assert len(inputs["coord"]) == 4
        real = inputs["atype"] >= 0
        lengths.add(tuple(real.sum(axis=1)))
        periodic = inputs["box"].any(axis=1)
        assert periodic.all() or not periodic.any()
        kinds.add(bool(periodic[0]))
        assert not inputs["coord"][~real].any() and not labels["force"][~real].any()
        assert real.any(axis=0).all()
    assert kinds == {True, False}
    assert any(len(set(sizes)) > 1 for sizes in lengths)


def test_mixed_batches_hold_the_frames_drawn(folder):
    data = _dataset(folder, batch_size="mixed:4")
    draw = data.sampler.draw()
    inputs, labels = data.batch(draw)
    for row, (system, frames) in enumerate(draw):
        alone, target = data.systems[system].frames(frames)
        natoms = data.systems[system].natoms
        np.testing.assert_array_equal(inputs["coord"][row, :natoms], alone["coord"][0])
        np.testing.assert_array_equal(inputs["atype"][row, :natoms], alone["atype"][0])
        np.testing.assert_array_equal(labels["force"][row, :natoms], target["force"][0])
        assert labels["energy"][row] == target["energy"][0]


def test_numbers_of_batches_count_by_set(folder):
    data = _dataset(folder, batch_size=3)
    assert data.numb_batches == [2 + 1, 1, 2]
    np.testing.assert_allclose(data.probs, [3 / 6, 1 / 6, 2 / 6])
    assert data.steps_per_epoch() == 6


@pytest.mark.parametrize(
    "changes, steps",
    [
        ({"batch_size": 3}, 8),
        ({"batch_size": 9}, 4),  # of b and c no batch has more than 5 and 7
        ({"batch_size": 1, "auto_prob": "prob_uniform"}, 24),
        ({"batch_size": 2, "sys_probs": [0.999, 0.0005, 0.0005]}, 12),
        ({"batch_size": 2, "sys_probs": [0.5, 0.5, 0.0]}, 9),
        ({"batch_size": "mixed:4"}, 6),
        ({"batch_size": "filter:4"}, 16),  # b is left out
    ],
)
def test_a_pass_draws_as_many_frames_as_there_are(folder, changes, steps):
    assert _dataset(folder, **changes).steps_per_pass() == steps


def test_filter_leaves_out_large_systems(folder, caplog):
    with caplog.at_level(logging.WARNING):
        data = _dataset(folder, batch_size="filter:4")
    assert "is skipped: it has 6 atoms" in caplog.text
    assert {draw[0][0] for draw in _draws(data.sampler, 50)} == {0, 2}


def test_statistics_do_not_disturb_the_order(folder):
    data = _dataset(folder, batch_size=2)
    expected = _draws(_dataset(folder, batch_size=2).sampler, 10)
    batches = list(data.statistics_batches(3))
    assert [system.path for system, _ in batches] == [
        system.path for system in data.systems for _ in range(3)
    ]
    again = list(data.statistics_batches(3))
    for (_, one), (_, two) in zip(batches, again, strict=True):
        np.testing.assert_array_equal(one.inputs["coord"], two.inputs["coord"])
    assert _draws(data.sampler, 10) == expected


@pytest.mark.parametrize(("count", "taken"), [(4, 4), (0, 12), (-1, 12), (50, 12)])
def test_random_frames_are_all_different(folder, count, taken):
    data = _dataset(folder, batch_size=5)
    frames = [frame for _, part in data.random_frames(0, count) for frame in part]
    assert len(frames) == len(set(frames)) == taken


def test_systems_without_names_must_agree(tmp_path):
    write_system(tmp_path / "a", names=("O", "H"))
    write_system(tmp_path / "b", names=("O", "H", "C"))
    assert DataSet(data_config(str(tmp_path)), None).type_map == ["O", "H", "C"]
    write_system(tmp_path / "c", names=("H", "O"))
    with pytest.raises(DataError, match=r"c numbers its types.*model/type_map"):
        DataSet(data_config(str(tmp_path)), None)


def test_data_do_not_import_tensorflow():
    program = "import sys, deepattn.data; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_sampler_of_its_own_leaves_the_other_alone(folder):
    data = _dataset(folder)
    expected = _draws(_dataset(folder).sampler, 10)
    _draws(Sampler(data, seed=4), 10)
    assert _draws(data.sampler, 10) == expected


def _frames(draw):
    return [(system, int(row)) for system, rows in draw for row in rows]


@pytest.mark.parametrize("batch_size", [2, "mixed:3"])
def test_replicas_share_the_batches_of_one(folder, batch_size):
    settings = data_config(str(folder), batch_size=batch_size)
    together = DataSet(settings, TYPES, seed=1, replicas=2)
    larger = batch_size * 2 if batch_size == 2 else "mixed:6"
    alone = _dataset(folder, batch_size=larger)
    for _ in range(10):
        draw = together.sampler.draw()
        parts = [_frames(share(draw, place, 2)) for place in (0, 1)]
        assert len(parts[0]) == len(parts[1])
        assert parts[0] + parts[1] == _frames(alone.sampler.draw())


def test_a_system_smaller_than_the_replicas_is_repeated():
    draw = [(3, np.array([7, 5, 6]))]
    assert [_frames(share(draw, place, 4)) for place in range(4)] == [
        [(3, 7)], [(3, 5)], [(3, 6)], [(3, 7)]
    ]  # fmt: skip
