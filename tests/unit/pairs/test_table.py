"""Tables of energies of pairs: the file, the polynomials, the switch."""

import numpy as np
import pytest
import tensorflow as tf

from deepattn import limits
from deepattn.errors import DataError
from deepattn.pairs import PairTable, Switch, read_table, soft_minimum, switch_of_minimum


def write(path, distance, *columns):
    np.savetxt(path, np.column_stack([distance, *columns]))
    return path


def energies(table, distance, first, second):
    layer = PairTable.of_table(table)
    found = layer(tf.constant(distance, tf.float64), tf.constant(first), tf.constant(second))
    return [np.array(values) for values in found]


def test_energies_are_those_of_the_file_and_smooth_between(tmp_path):
    distance = np.linspace(0.5, 3.0, 101)
    columns = [np.cos(distance) * scale for scale in (1.0, 2.0, 3.0)]
    table = read_table(write(tmp_path / "t.txt", distance, *columns), rcut=2.9, ntypes=2)
    assert table.info.tolist() == pytest.approx([0.5, 0.025, 100, 2])
    for (first, second), column in {(0, 0): 0, (0, 1): 1, (1, 0): 1, (1, 1): 2}.items():
        at_rows, _ = energies(table, distance[:-1], first, second)
        np.testing.assert_allclose(at_rows, columns[column][:-1], atol=1e-14)
        between = distance[20:80] + 0.013
        found, derivative = energies(table, between, first, second)
        np.testing.assert_allclose(found, np.cos(between) * (column + 1), atol=1e-6)
        np.testing.assert_allclose(derivative, -np.sin(between) * (column + 1), atol=1e-4)


def test_nothing_is_known_below_the_table_and_nothing_is_beyond(tmp_path):
    table = read_table(write(tmp_path / "t.txt", [1.0, 1.5, 2.0], [3, 1, 2]), rcut=2.0, ntypes=1)
    energy, derivative = energies(table, [0.9, 1.0, 1.999, 2.0, 5.0], 0, 0)
    assert np.isnan([energy[0], derivative[0]]).all()
    assert energy[1] == 3 and energy[2] == pytest.approx(2, abs=1e-2)
    assert energy[3:].tolist() == derivative[3:].tolist() == [0, 0]


@pytest.mark.parametrize(("last", "ends"), [(0.0, [0, 0, 0, 0]), (1.0, None)])
def test_a_table_reaches_the_cutoff(tmp_path, caplog, last, ends):
    """By zeros, or by a polynomial to zero one step before the last distance."""
    path = write(tmp_path / "t.txt", [1.0, 1.2, 1.4], [3, 2, last])
    table = read_table(path, rcut=2.1, ntypes=1)
    added, _ = energies(table, [1.5, 1.7, 1.9, 1.99], 0, 0)
    if ends is not None:
        assert table.info[2] == 6 and not caplog.text
        np.testing.assert_allclose(added[1:], ends[1:], atol=0.05)
        return
    assert table.info[2] == 5 and "extrapolated to zero" in caplog.text
    assert 1 > added[1] > added[2] > 0 and added[3] == pytest.approx(0, abs=1e-3)


def test_an_end_that_is_not_zero_is_said(tmp_path, caplog):
    read_table(write(tmp_path / "t.txt", [1.0, 1.5, 2.0], [3, 2, 1]), rcut=2.0, ntypes=1)
    assert "do not vanish at rcut" in caplog.text


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1 2\n2 x\n", "rows of numbers"),
        ("1 2 3\n2 2 3\n", "has 3 columns; a model of 1 types needs 2"),
        ("1 2\n", "two rows at least"),
        ("1 2\n2 nan\n", "of finite numbers"),
        ("1 2\n2 1\n4 0\n", "do not grow in even steps"),
        ("2 2\n1 1\n", "do not grow in even steps"),
        ("-1 2\n0 1\n", "negative distance"),
        ("1 1\n1.0000000001 0\n", "too many up to rcut"),
    ],
)
def test_other_files_are_refused(tmp_path, rows, message):
    (tmp_path / "t.txt").write_text(rows)
    with pytest.raises(DataError, match=message) as caught:
        read_table(tmp_path / "t.txt", rcut=3.0, ntypes=1)
    assert "t.txt" in str(caught.value)


def test_a_missing_or_huge_file_is_refused(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_table(tmp_path / "t.txt", rcut=3.0, ntypes=1)
    monkeypatch.setattr(limits, "TABLE_BYTES", 3)
    (tmp_path / "t.txt").write_text("1 2\n2 1\n")
    with pytest.raises(DataError, match="is larger than"):
        read_table(tmp_path / "t.txt", rcut=3.0, ntypes=1)


def test_the_soft_minimum_is_near_the_smallest_and_its_derivatives_are_right():
    rng, alpha = np.random.default_rng(1), 0.1
    distance = rng.uniform(1, 3, (4, 5))
    mask = np.array([[True] * 5, [True] * 3 + [False] * 2, [True] + [False] * 4, [False] * 5])
    minimum, derivative = soft_minimum(tf.constant(distance), tf.constant(mask), alpha)
    assert minimum[2] == distance[2, 0] and np.isinf(minimum[3])
    for row in (0, 1):
        near = distance[row][mask[row]]
        assert near.min() <= minimum[row] < near.min() + alpha
    with tf.GradientTape() as tape:
        variable = tf.constant(distance)
        tape.watch(variable)
        total = tf.reduce_sum(soft_minimum(variable, tf.constant(mask), alpha)[0][:3])
    np.testing.assert_allclose(derivative, tape.gradient(total, variable), atol=1e-12)


def test_the_switch_goes_from_one_to_zero():
    switch = Switch(0.1, 1.0, 2.0)
    minimum = tf.constant([0.5, 1.0, 1.25, 1.5, 2.0, np.inf], tf.float64)
    share, derivative = switch_of_minimum(minimum, switch)
    np.testing.assert_allclose(share, [1, 1, 1 - 0.103515625, 0.5, 0, 0])
    np.testing.assert_allclose(derivative, [0, 0, -1.0546875, -1.875, 0, 0])
    assert Switch(0.3, 1.1, 2.0).as_stored().alpha == np.float32(0.3)
