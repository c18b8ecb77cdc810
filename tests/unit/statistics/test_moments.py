"""Statistics of the environment matrix against a brute-force sum."""

import h5py
import numpy as np
import pytest
from damage import damage_heap

from deepattn.data.dataset import Batch
from deepattn.errors import DataError
from deepattn.statistics.env_mat import EnvMatShape
from deepattn.statistics.moments import input_statistics, parameter_statistics
from deepattn.statistics.stat_file import StatFile

from .brute_force import normalization

RCUT, SMOOTH = 4.0, 1.0


def _inputs(nframes, types, *, seed=0, periodic=True):
    random = np.random.default_rng(seed)
    box = 6 * np.eye(3) + random.uniform(-0.5, 0.5, (nframes, 3, 3))
    return {
        "coord": random.uniform(0, 6, (nframes, len(types), 3)),
        "atype": np.tile(np.array(types, np.int32), (nframes, 1)),
        "box": box.reshape(nframes, 9) if periodic else np.zeros((nframes, 9)),
    }


def _batches(**options):
    return [
        Batch(_inputs(2, [0, 1, 1, 0, 1], seed=1, **options), {}),
        Batch(_inputs(1, [1, 0, 1], seed=2, **options), {}),
    ]


def _shape(**changes):
    defaults = {"ntypes": 2, "rcut": RCUT, "rcut_smth": SMOOTH, "sel": (30,), "mixed_types": True}
    return EnvMatShape(**{**defaults, **changes})


def _expected(batches, nnei, *, exclude=()):
    average, radial, angular = normalization(
        batches, ntypes=2, rcut=RCUT, rcut_smth=SMOOTH, nnei=nnei, exclude=exclude
    )
    zero = np.zeros(2)
    davg = np.tile(np.stack([average, zero, zero, zero], axis=1), nnei)
    dstd = np.tile(np.stack([radial, angular, angular, angular], axis=1), nnei)
    return davg, dstd


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("sel", [30, 6])
def test_shared_slots(periodic, sel):
    batches = _batches(periodic=periodic)
    got = input_statistics(batches, _shape(sel=(sel,)), set_davg_zero=False)
    davg, dstd = _expected(batches, sel)
    np.testing.assert_allclose(got.davg, davg, atol=1e-12)
    np.testing.assert_allclose(got.dstd, dstd, atol=1e-12)


def test_slots_by_type_hold_the_same_rows_if_none_is_dropped():
    batches = _batches()
    got = input_statistics(batches, _shape(sel=(20, 30), mixed_types=False), set_davg_zero=False)
    davg, dstd = _expected(batches, 50)
    np.testing.assert_allclose(got.davg, davg, atol=1e-12)
    np.testing.assert_allclose(got.dstd, dstd, atol=1e-12)


def test_a_mean_set_to_zero_leaves_the_spread_alone():
    batches = _batches()
    got = input_statistics(batches, _shape(), set_davg_zero=True)
    assert not got.davg.any()
    np.testing.assert_allclose(got.dstd, _expected(batches, 30)[1], atol=1e-12)


@pytest.mark.parametrize("sel", [(30,), (20, 30)])
def test_excluded_pairs_count_as_empty(sel):
    batches = _batches()
    exclude = ((0, 1),)
    shape = _shape(exclude_types=exclude, sel=sel, mixed_types=len(sel) == 1)
    got = input_statistics(batches, shape, set_davg_zero=False)
    davg, dstd = _expected(batches, sum(sel), exclude=exclude)
    np.testing.assert_allclose(got.davg, davg, atol=1e-12)
    np.testing.assert_allclose(got.dstd, dstd, atol=1e-12)


def test_the_order_of_atoms_and_virtual_atoms_do_not_matter():
    inputs = _inputs(3, [0, 0, 1, 1, 1], seed=4)
    random = np.random.default_rng(5)
    mixed = {"box": inputs["box"], "coord": np.zeros((3, 7, 3)), "atype": np.full((3, 7), -1)}
    mixed["atype"] = mixed["atype"].astype(np.int32)
    for frame in range(3):
        places = random.permutation(7)[:5]
        mixed["coord"][frame, places] = inputs["coord"][frame]
        mixed["atype"][frame, places] = inputs["atype"][frame]
    one, two = (
        input_statistics([Batch(given, {})], _shape(), set_davg_zero=False)
        for given in (inputs, mixed)
    )
    np.testing.assert_allclose(one.davg, two.davg, atol=1e-13)
    np.testing.assert_allclose(one.dstd, two.dstd, atol=1e-13)


def test_a_type_without_atoms_and_a_spread_next_to_nothing():
    far = {"coord": np.array([[[0.0, 0, 0], [50.0, 0, 0]]]), "box": np.zeros((1, 9))}
    far["atype"] = np.array([[0, 0]], np.int32)
    got = input_statistics([Batch(far, {})], _shape(sel=(3,)), set_davg_zero=False)
    np.testing.assert_array_equal(got.davg, np.zeros((2, 12)))
    np.testing.assert_array_equal(got.dstd, [[0.01] * 12, [1 / RCUT] * 12])


@pytest.mark.parametrize("name", ["stat.h5", "folder"])
def test_sums_kept_in_a_file_are_used_again(tmp_path, name):
    shape = _shape()
    cache = StatFile(tmp_path / name, ["O", "H"])
    first = input_statistics(_batches(), shape, set_davg_zero=False, stat_file=cache)
    again = input_statistics([], shape, set_davg_zero=False, stat_file=cache)
    np.testing.assert_allclose(again.dstd, first.dstd, rtol=1e-14)
    np.testing.assert_allclose(again.davg, first.davg, rtol=1e-14)
    other = _shape(sel=(31,))
    assert cache.read_env_mat(other) is None
    assert StatFile(tmp_path / name, ["H", "O"]).read_env_mat(shape) is None


def test_sums_with_excluded_pairs_are_not_kept(tmp_path, caplog):
    cache = StatFile(tmp_path / "stat.h5", ["O", "H"])
    shape = _shape(exclude_types=((0, 1),))
    input_statistics(_batches(), shape, set_davg_zero=False, stat_file=cache)
    assert "exclude_types" in caplog.text
    assert not cache.path.exists()


def test_parameters(tmp_path):
    random = np.random.default_rng(0)
    batches = []
    for count in (2, 3):
        inputs = _inputs(count, [0, 1, -1])
        inputs["fparam"] = random.normal(3, 2, (count, 2)) * [1, 0] + [0, 7]
        inputs["aparam"] = random.normal(size=(count, 3, 1))
        batches.append(Batch(inputs, {}))
    frames = np.concatenate([batch.inputs["fparam"] for batch in batches])
    cache = StatFile(tmp_path / "stat", ["O", "H"])
    mean, inverse = parameter_statistics(batches, "fparam", protect=0.02, stat_file=cache)
    np.testing.assert_allclose(mean, frames.mean(axis=0))
    np.testing.assert_allclose(inverse, [1 / frames[:, 0].std(), 50])
    again = parameter_statistics([], "fparam", protect=0.02, stat_file=cache)
    np.testing.assert_array_equal(again, [mean, inverse])
    atoms = np.concatenate([batch.inputs["aparam"][:, :2].ravel() for batch in batches])
    mean, inverse = parameter_statistics(batches, "aparam", protect=0.01)
    np.testing.assert_allclose([mean[0], 1 / inverse[0]], [atoms.mean(), atoms.std()])


@pytest.mark.parametrize("name", ["stat.h5", "folder"])
@pytest.mark.parametrize("types", [["../../x", "O"], ["/x"], [".."], ["O\0"], [""]])
def test_type_names_that_lead_out_of_the_folder(tmp_path, name, types):
    with pytest.raises(DataError, match="cannot be used in a path"):
        StatFile(tmp_path / name, types)


def test_more_type_names_than_a_folder_can_have(tmp_path):
    names = [f"X{n}" for n in range(118)]
    with pytest.raises(DataError, match=r"use a file that ends in \.h5"):
        StatFile(tmp_path / "folder", names)
    StatFile(tmp_path / "stat.h5", names).write({"fparam": np.ones((1, 3))})


@pytest.mark.parametrize("name", ["stat.h5", "folder"])
@pytest.mark.parametrize(
    "array",
    [np.array([np.nan, 1]), np.array([np.inf, 1]), np.array(["a", "b"], "S"), np.ones(2, "c16")],
)
def test_a_bias_that_is_none(tmp_path, name, array):
    cache = StatFile(tmp_path / name, ["O", "H"])
    cache.write({"bias_atom_energy": array})
    with pytest.raises(DataError, match=r"cannot be read: bias_atom_energy .*; delete it"):
        cache.read_bias()


@pytest.mark.parametrize("name", ["stat.h5", "folder"])
def test_sums_of_other_shapes(tmp_path, name):
    cache = StatFile(tmp_path / name, ["O", "H"])
    shape = _shape()
    input_statistics(_batches(), shape, set_davg_zero=False, stat_file=cache)
    [folder] = {path.parent.name for path in (tmp_path / name).rglob("r_0")} or {None}
    if folder is None:
        with h5py.File(cache.path) as file:
            folder = next(iter(file["O H"]))
    cache.write({f"{folder}/r_0": np.ones(2), "fparam": np.ones(3)})
    with pytest.raises(DataError, match="arrays that are not sums"):
        cache.read_env_mat(shape)
    with pytest.raises(DataError, match=r"fparam has the shape \[3\]"):
        cache.read_parameters("fparam")


def test_a_damaged_heap_in_a_file_of_sums(tmp_path):
    """The HDF5 library would look through it for ever, also to copy it."""
    cache = StatFile(tmp_path / "stat.h5", ["O", "H"])
    cache.write({"bias_atom_energy": np.ones((2, 1))})
    with h5py.File(cache.path, "a") as file:
        file.create_dataset("O H/observed", data=["O", "H"], dtype=h5py.string_dtype())
    damage_heap(cache.path)
    for attempt in (cache.read_bias, lambda: cache.write({"x": np.ones(1)})):
        with pytest.raises(DataError, match="heap of strings in it is damaged"):
            attempt()


def test_a_file_of_sums_that_cannot_be_copied(tmp_path):
    """h5py is not ready for an address that is no positive number."""
    cache = StatFile(tmp_path / "stat.h5", ["O", "H"])
    cache.write({"bias_atom_energy": np.ones((2, 1))})
    content = bytearray(cache.path.read_bytes())
    content[48:56] = (1 << 63).to_bytes(8, "little")
    cache.path.write_bytes(content)
    with pytest.raises(DataError, match=r"cannot be read: .*; delete it"):
        cache.write({"x": np.ones(1)})


def test_other_sums_of_the_file_stay(tmp_path):
    """Text of variable length too; what is no array is not followed."""
    path = tmp_path / "stat.h5"
    cache = StatFile(path, ["O", "H"])
    cache.write({"hash/r_0": np.arange(3.0), "bias_atom_energy": np.ones((2, 1))})
    with h5py.File(path, "a") as file:
        file.create_dataset("O H/observed", data=["O", "H"], dtype=h5py.string_dtype())
    StatFile(path, ["C"]).write({"bias_atom_energy": np.zeros((1, 1))})
    with h5py.File(path) as file:
        assert file["O H/observed"].asstr()[:].tolist() == ["O", "H"]
        np.testing.assert_array_equal(file["O H/hash/r_0"], np.arange(3.0))
        assert list(file["C"]) == ["bias_atom_energy"]
    with h5py.File(path, "a") as file:
        file["O H/link"] = h5py.ExternalLink("other.h5", "/x")
    with pytest.raises(DataError, match="link is not an array"):
        cache.write({"x": np.ones(1)})
