"""``deepattn eval-desc`` and ``deepattn neighbor-stat``."""

import h5py
import numpy as np
import pytest

from deepattn.cli.main import main
from deepattn.infer import DeepPot

from .model_files import write_system


def tool(*arguments):
    return main([str(argument) for argument in arguments])


@pytest.mark.parametrize("dtype", ["native", "fp32"])
def test_descriptors(attention, tmp_path, frames, dtype):
    for name in ("a", "b"):
        write_system(tmp_path / "data" / name, frames)
    output = tmp_path / "desc"
    source = ("-s", tmp_path / "data", "-o", output, "--dtype", dtype)
    assert tool("eval-desc", "-m", attention.graph, *source) == 0
    assert sorted(path.name for path in output.iterdir()) == ["a.npy", "b.npy"]
    found = np.load(output / "b.npy")
    with DeepPot(attention.graph) as model:
        expected = model.eval_descriptor(*frames)
    assert found.dtype == ("float32" if dtype == "fp32" else "float64")
    np.testing.assert_allclose(found, expected, rtol=1e-6 if dtype == "fp32" else 1e-12)


def test_descriptors_of_listed_systems(attention, tmp_path, frames):
    for name in ("a", "b"):
        write_system(tmp_path / "data" / name, frames)
    listed = tmp_path / "systems.txt"
    listed.write_text(f"\n{tmp_path / 'data' / 'b'}\n")
    output = tmp_path / "desc"
    assert tool("eval-desc", "-m", attention.checkpoint, "-f", listed, "-o", output) == 0
    assert [path.name for path in output.iterdir()] == ["b.npy"]


def test_systems_of_one_name_are_refused(attention, tmp_path, frames, capsys):
    for folder in ("one", "two"):
        write_system(tmp_path / folder / "same", frames)
    output = tmp_path / "desc"
    assert tool("eval-desc", "-m", attention.graph, "-s", tmp_path, "-o", output) == 1
    assert "would both be written to" in capsys.readouterr().err
    assert not output.exists()


def test_embeddings(attention, tmp_path, frames):
    for folder in ("one", "two"):
        write_system(tmp_path / folder / "same", frames)
    path = tmp_path / "embedding.hdf5"
    assert tool("embed", "-m", attention.graph, "-s", tmp_path, "-o", path) == 0
    with DeepPot(attention.graph) as model:
        expected = model.eval_embedding(*frames)
        descriptor = model.eval_descriptor(*frames)
        layer = model.eval_fitting_last_layer(*frames)
        vectors = model.eval_typeebd()
    types = np.broadcast_to(frames[2], layer.shape[:2])
    assert [part.dtype for part in expected] == ["float32"] * 3
    parts = (np.concatenate([descriptor, vectors[types]], axis=2), layer, layer.sum(axis=1))
    for found, part in zip(expected, parts, strict=True):
        np.testing.assert_allclose(found, part, rtol=1e-6, atol=1e-6)
    names = ("descriptor", "atomic_feature", "structural_feature")
    with h5py.File(path) as file:
        assert sorted(file) == ["same", "same_1"] and list(file.attrs["type_map"]) == ["O", "H"]
        group = file["same_1"]
        assert group.attrs["nframes"] == len(frames[0])
        np.testing.assert_array_equal(group["atom_types"], types)
        for name, part in zip(names, expected, strict=True):
            np.testing.assert_array_equal(group[name], part)


def count(frames, rcut):
    """Neighbors of each atom by type, ``[nframes, natoms, 2]``, and the least distance."""
    coords, cells, types = frames
    shifts = np.indices((5, 5, 5)).reshape(3, -1).T - 2
    counts, nearest = [], np.inf
    for coord, cell in zip(coords, cells.reshape(-1, 3, 3), strict=True):
        vectors = coord[None] - coord[:, None]
        images = vectors[:, :, None] + (shifts @ cell)[None, None]
        distance = np.linalg.norm(images, axis=-1)
        distance[distance < 1e-9] = np.inf
        nearest = min(nearest, distance.min())
        near = (distance < rcut).sum(axis=2)
        counts.append(np.stack([near[:, types == t].sum(axis=1) for t in (0, 1)], axis=1))
    return np.array(counts), nearest


def test_neighbors(tmp_path, frames, capsys):
    write_system(tmp_path / "data", frames)
    counts, nearest = count(frames, 3.0)
    options = ("neighbor-stat", "-s", tmp_path, "-r", 3.0)
    by_type, together = counts.max(axis=(0, 1)), counts.sum(axis=2).max()
    for extra, size in (
        ((), f"[{by_type[0]:2d} {by_type[1]:2d}]"),
        (("-t", "H", "O"), f"[{by_type[1]:2d} {by_type[0]:2d}]"),
        (("--mixed-type",), f"[{together}]"),
    ):
        assert tool(*options, *extra) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines == [f"min_nbor_dist: {nearest:f}", f"max_nbor_size: {size}"]


@pytest.mark.parametrize("count", ["x", "-1", "9" * 5000])
def test_impossible_counts(count, capsys):
    with pytest.raises(SystemExit) as stop:
        tool("test", "-m", "m.pb", "-s", ".", "-n", count)
    assert stop.value.code == 2
    assert "is not a number of frames" in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize("radius", ["0", "-1", "nan", "wide"])
def test_impossible_radii(radius, capsys):
    with pytest.raises(SystemExit) as stop:
        tool("neighbor-stat", "-r", radius)
    assert stop.value.code == 2
    assert f"-r/--rcut: '{radius}' is not a positive number" in capsys.readouterr().err
