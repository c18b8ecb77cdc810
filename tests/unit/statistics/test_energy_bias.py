"""The energy bias: least squares by composition."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest

from deepattn.data import DataSet
from deepattn.data.dataset import Batch
from deepattn.errors import DataError
from deepattn.statistics.energy_bias import (
    change_by_statistic,
    composition,
    energy_bias,
    fit_energies,
)
from deepattn.statistics.stat_file import StatFile

TRUE = np.array([-3.0, 1.5, 0.25])


def _batch(rows, *, energy=None, found=1.0):
    atype = np.array(rows, np.int32)
    exact = composition(atype, 3) @ TRUE
    labels = {
        "energy": exact if energy is None else np.asarray(energy, float),
        "find_energy": np.full(len(atype), found),
    }
    return Batch({"atype": atype}, labels)


def test_virtual_atoms_are_not_counted():
    atype = np.array([[0, 2, -1, 2], [1, -1, -1, 1]])
    assert composition(atype, 3).tolist() == [[1, 0, 2], [0, 2, 0]]


def test_recovers_the_energies_frame_by_frame(caplog):
    batches = [_batch([[0, 1, 2], [0, 0, 1]]), _batch([[2, 2, -1, 2]])]
    with caplog.at_level(logging.INFO):
        np.testing.assert_allclose(energy_bias(batches, 3), TRUE, atol=1e-12)
    assert "RMSE of energy per atom after linear regression is:" in caplog.text


def test_smallest_solution():
    """One composition 4:8: energies in the ratio 1:2; a type that is absent gets zero."""
    bias = energy_bias([_batch([[0] * 4 + [1] * 8] * 3, energy=[20.0] * 3)], 3)
    np.testing.assert_allclose(bias, [1, 2, 0], atol=1e-12)


def test_assigned_energies_are_kept_and_the_rest_is_fitted():
    batches = [_batch([[0, 1, 1], [0, 0, 1]], energy=[11.0, 13.0])]
    np.testing.assert_allclose(energy_bias(batches, 3, assigned=[5.0, None, 7.0]), [5, 3, 7])


def test_rcond_drops_small_singular_values():
    counts = np.array([[100.0, 0], [100.0, 1]])
    energies = np.array([100.0, 105.0])
    np.testing.assert_allclose(fit_energies(counts, energies).bias, [1, 5])
    cut = fit_energies(counts, energies, rcond=0.1)
    assert abs(cut.bias[1]) < 0.1 and cut.rmse > 0


def test_rmse_is_per_atom():
    fit = fit_energies(np.array([[2.0], [2.0]]), np.array([1.0, 3.0]))
    np.testing.assert_allclose([fit.bias[0], fit.rmse, fit.spread], [1.0, 0.5, 1.0])


def test_frames_without_energy_take_no_part(caplog):
    good, empty = _batch([[0, 1, 2], [0, 0, 1], [2, 2, 2]]), _batch([[0, 0]], energy=[0], found=0)
    np.testing.assert_allclose(energy_bias([good, empty], 3), TRUE, atol=1e-12)
    with caplog.at_level(logging.INFO):
        got = energy_bias([empty], 3, assigned=[None, 2.0, None])
        assert got.tolist() == [0, 2, 0]
    assert "no frame of the sample has an energy" in caplog.text
    assert energy_bias([Batch(empty.inputs, {})], 3).tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", ["stat.hdf5", "folder"])
def test_the_bias_is_kept_in_a_file(tmp_path, name):
    cache = StatFile(tmp_path / name, ["O", "H", "C"])
    first = energy_bias([_batch([[0, 1, 1], [0, 0, 1]])], 3, stat_file=cache)
    np.testing.assert_array_equal(energy_bias([], 3, stat_file=cache), first)
    assert cache.read("bias_atom_energy").shape == (3, 1)
    assert cache.read("observed_type").tolist() == [b"H", b"O"]
    with pytest.raises(DataError, match="3 types, not 2"):
        energy_bias([], 2, stat_file=cache)


def test_other_arrays_of_the_file_stay(tmp_path):
    for path in (tmp_path / "stat.h5", tmp_path / "folder"):
        one, two = StatFile(path, ["O", "H"]), StatFile(path, ["C"])
        one.write({"a/b": np.arange(3.0), "c": np.arange(2.0)})
        two.write({"c": np.zeros(1)})
        one.write({"c": np.ones(4)})
        np.testing.assert_array_equal(one.read("a/b"), np.arange(3.0))
        np.testing.assert_array_equal(one.read("c"), np.ones(4))
        np.testing.assert_array_equal(two.read("c"), np.zeros(1))
        assert one.read("d") is None
    (tmp_path / "bad.h5").write_bytes(b"not HDF5")
    with pytest.raises(DataError, match=r"bad.h5 cannot be read"):
        StatFile(tmp_path / "bad.h5", ["O"]).read("c")


def _write(folder, atype, energy, names):
    (folder / "set.000").mkdir(parents=True)
    (folder / "type.raw").write_text(" ".join("0" * len(atype[0])))
    (folder / "type_map.raw").write_text(" ".join(names))
    (folder / "nopbc").touch()
    nframes, natoms = np.shape(atype)
    arrays = {
        "coord": np.random.default_rng(0).uniform(0, 9, (nframes, 3 * natoms)),
        "real_atom_types": np.array(atype),
    }
    if energy is not None:
        arrays["energy"] = np.array(energy)
    for key, value in arrays.items():
        np.save(folder / "set.000" / f"{key}.npy", value)


def _dataset(path, type_map):
    config = SimpleNamespace(
        systems=str(path),
        rglob_patterns=None,
        batch_size=1,
        auto_prob="prob_sys_size",
        sys_probs=None,
    )
    return DataSet(config, type_map, seed=1)


def _shifted(data, predict, bias, **options):
    return change_by_statistic(data, predict, bias, names=data.type_map, **options)


def test_a_shift_of_the_target_types_by_name(tmp_path, caplog):
    """The data number their elements O 0, H 1; the model H 0, C 1, O 2."""
    _write(tmp_path / "a", [[0, 1, 1], [0, 0, 1], [0, -1, -1]], [4.0, 5.0, 2.0], ["O", "H"])
    data = _dataset(tmp_path, ["H", "C", "O"])
    old = np.array([0.5, 9.0, -1.0])

    def predict(inputs):
        return composition(inputs["atype"], 3) @ old

    with caplog.at_level(logging.INFO):
        new = _shifted(data, predict, old, target_types=["O", "H"], nsample=0)
    np.testing.assert_allclose(new, [1.0, 9.0, 2.0], atol=1e-12)
    assert "Change energy bias of ['O', 'H'] from [-1.0, 0.5] to [" in caplog.text
    new = _shifted(data, predict, old, target_types=["C", "O", "H"], nsample=10)
    np.testing.assert_allclose(new, [1.0, 9.0, 2.0], atol=1e-12)


def test_a_type_that_is_no_target_is_refused(tmp_path):
    _write(tmp_path / "a", [[0, 1]], [1.0], ["O", "H"])
    data = _dataset(tmp_path, ["H", "O"])
    with pytest.raises(DataError, match=r"a has atoms of H, which are missing from .*type_map"):
        _shifted(data, None, np.zeros(2), target_types=["O"], nsample=10)


def test_without_energies_the_bias_stays(tmp_path, caplog):
    _write(tmp_path / "a", [[0, 1]], None, ["O", "H"])
    data = _dataset(tmp_path, ["H", "O"])
    with caplog.at_level(logging.INFO):
        got = _shifted(data, None, np.ones(2), target_types=["O", "H"], nsample=10)
    assert got.tolist() == [1, 1] and "stays as it is" in caplog.text


def test_as_many_frames_of_each_system_as_asked(tmp_path):
    for name in ("a", "b"):
        _write(tmp_path / name, [[0, 1]] * 30, [1.0] * 30, ["O", "H"])
    data = _dataset(tmp_path, ["O", "H"])
    seen = []

    def predict(inputs):
        seen.append(len(inputs["atype"]))
        return np.zeros(len(inputs["atype"]))

    _shifted(data, predict, np.zeros(2), target_types=["O", "H"], nsample=12)
    assert sum(seen) == 24


@pytest.mark.parametrize("new_types, shift", [(["S"], 0.0), ([], 2.0)])
def test_noise_does_not_move_known_types(tmp_path, new_types, shift):
    """One atom of oxygen in hundreds: a noise of 2 eV in the energies is not 2 eV of oxygen."""
    one, two = [[2] * 100 + [0] * 400], [[2] * 100 + [0] * 401]
    _write(tmp_path / "a", one, [-300.0], ["O", "H", "S"])
    _write(tmp_path / "b", two, [-298.0], ["O", "H", "S"])
    bias = _shifted(
        _dataset(tmp_path, ["O", "H", "S"]),
        lambda inputs: np.zeros(len(inputs["atype"])),
        np.zeros(3),
        target_types=["O", "H", "S"],
        nsample=10,
        new_types=new_types,
    )
    assert bias[0] == pytest.approx(shift, abs=0.01)
    assert bias @ [400.5, 0, 100] == pytest.approx(-299, abs=0.01)


def test_fresh_types_take_what_cannot_be_told_apart():
    counts = np.array([[1.0, 2.0, 1.0], [2.0, 4.0, 3.0]])
    energies = counts @ [0.1, -7.0, 0.3]
    plain = fit_energies(counts, energies).bias
    fit = fit_energies(counts, energies, fresh=np.array([False, True, False]))
    np.testing.assert_allclose(fit.bias, [0.0, -6.95, 0.3], atol=1e-12)
    assert abs(plain[0]) > 1
    # Where the data tell, they decide.
    counts = np.vstack([counts, [1.0, 0.0, 0.0]])
    energies = counts @ [0.1, -7.0, 0.3]
    fit = fit_energies(counts, energies, fresh=np.array([False, True, False]))
    np.testing.assert_allclose(fit.bias, [0.1, -7.0, 0.3], atol=1e-12)
