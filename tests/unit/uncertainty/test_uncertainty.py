"""Distances, their calibration, their quality, their files: without a model."""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from deepattn.errors import ModelFileError
from deepattn.uncertainty import (
    Calibration,
    Moments,
    Uncertainty,
    fit_basis,
    fit_calibration,
    measure_quality,
    read_uncertainty,
    write_uncertainty,
)
from deepattn.uncertainty import file as module

ROOT = Path(__file__).parents[3]
WIDTH, NTYPES = 50, 4


def cloud(rng, count, kinds=(0, 1, 2)):
    """Descriptors of a few dimensions around a center for each type; type 3 does not occur."""
    atype = rng.choice(kinds, count)
    fixed = np.random.default_rng(5)
    centers = fixed.normal(size=(NTYPES, WIDTH))
    directions = fixed.normal(size=(NTYPES, 6, WIDTH))
    within = np.einsum("nk,nkw->nw", rng.normal(size=(count, 6)), directions[atype])
    return centers[atype] + within + 0.01 * rng.normal(size=(count, WIDTH)), atype


def fitted(count=4000):
    descriptor, atype = cloud(np.random.default_rng(0), count)
    moments = Moments(fit_basis(descriptor, atype), NTYPES)
    for rows in np.array_split(np.arange(count), 3):
        moments.add(descriptor[rows], atype[rows])
    return moments.distance(), descriptor, atype


def test_distance_is_that_of_mahalanobis():
    """By its formula; mean and covariance of an element lean on those of all atoms."""
    distance, descriptor, atype = fitted()
    found = distance(descriptor, atype)
    assert np.quantile(found, 0.99) == pytest.approx(1)
    z = descriptor @ distance.basis
    ratios = []
    for kind in range(3):
        mine = z[atype == kind]
        center = (mine.sum(axis=0) + 5 * z.mean(axis=0)) / (len(mine) + 5)
        spread = (mine - center).T @ (mine - center) + 30 * np.eye(z.shape[1])
        inverse = np.linalg.inv(spread / (len(mine) + 30))
        full = np.einsum("nk,kl,nl->n", mine - center, inverse, mine - center)
        ratios.append(found[atype == kind] / np.sqrt(full))
    together = np.concatenate(ratios)
    np.testing.assert_allclose(together, together[0], rtol=1e-3)


def test_new_atoms():
    distance, *_ = fitted()
    rng = np.random.default_rng(1)
    same, atype = cloud(rng, 3000)
    assert 0.003 < np.mean(distance(same, atype) > 1) < 0.03
    # Another type's environments, and none that the data have.
    assert (distance(same, (atype + 1) % 3) > 1).mean() > 0.9
    assert (distance(same + 3 * rng.normal(size=same.shape), atype) > 1).mean() > 0.9
    assert np.isinf(distance(same, np.full(len(same), 3))).all()


def test_an_element_of_few_atoms_leans_on_the_others():
    descriptor, atype = cloud(np.random.default_rng(0), 2000, kinds=(0, 1))
    rare, _ = cloud(np.random.default_rng(2), 3, kinds=(2,))
    descriptor = np.concatenate([descriptor, rare])
    atype = np.concatenate([atype, [2, 2, 2]])
    moments = Moments(fit_basis(descriptor, atype), NTYPES)
    moments.add(descriptor, atype)
    found = moments.distance()(rare, np.array([2, 2, 2]))
    assert np.isfinite(found).all() and (found < 20).all()


def test_descriptors_that_do_not_vary():
    moments = Moments(fit_basis(np.ones((50, 7)), np.zeros(50, int)), 1)
    assert moments._basis.shape[0] == 7


def simulated(rng, count=20_000, powers=(0.6, 0.9)):
    atype = rng.integers(0, 3, count)
    distance = np.exp(rng.normal(scale=0.5, size=count))
    force = rng.normal(size=(count, 3)) * np.exp(rng.normal(size=(count, 1)))
    strong = np.linalg.norm(force, axis=1)
    scale = np.array([0.1, 0.2, 0.05])[atype]
    true = scale * distance ** powers[0] * (strong + 0.1) ** powers[1]
    error = np.linalg.norm(rng.normal(size=(count, 3)) * true[:, None] / np.sqrt(3), axis=1)
    return error, distance, force, atype, true


def test_calibration_finds_the_law():
    error, distance, force, atype, true = simulated(np.random.default_rng(0))
    found = fit_calibration(error, distance, force, atype, NTYPES)
    assert found.distance == pytest.approx(0.6, abs=0.03)
    # Not exactly, since the floor is another one.
    assert found.force == pytest.approx(0.9, abs=0.12)
    expected = found(distance, force, atype)
    assert np.quantile(np.abs(expected / true - 1), 0.95) < 0.2
    assert np.mean((error / expected) ** 2) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("powers", [(-0.5, 0.9), (0.6, -0.9), (-0.5, -0.9)])
def test_no_error_falls_with_the_distance(powers):
    error, distance, force, atype, _ = simulated(np.random.default_rng(0), powers=powers)
    found = fit_calibration(error, distance, force, atype, NTYPES)
    for power, given in zip((found.distance, found.force), powers, strict=True):
        assert (power == 0) == (given < 0)


def test_unknown_atoms_do_not_count():
    error, distance, force, atype, _ = simulated(np.random.default_rng(0), count=2000)
    distance[::7], error[::7] = np.inf, 1e9
    found = fit_calibration(error, distance, force, atype, NTYPES)
    assert (found.scale < 1).all()
    assert np.isinf(found(distance, force, atype)[::7]).all()


def test_perfect_forces():
    found = fit_calibration(np.zeros(9), np.ones(9), np.zeros((9, 3)), np.zeros(9, int), 1)
    assert np.isfinite(found(np.ones(9), np.zeros((9, 3)), np.zeros(9, int))).all()


def test_quality():
    rng = np.random.default_rng(0)
    error = np.round(np.abs(rng.normal(size=997)), 2)  # with equal ones
    estimate = np.round(error + rng.normal(scale=0.5, size=997), 1)
    found = measure_quality(estimate, error)
    assert found.rank == pytest.approx(spearmanr(estimate, error)[0])
    assert measure_quality(error, error) == pytest.approx((1, 1, 1))
    assert measure_quality(-error, error)[:2] == pytest.approx((-1, 0))
    assert measure_quality(np.full(997, np.inf), error).rank == 0


@pytest.fixture
def uncertainty():
    distance, *_ = fitted(500)
    calibration = Calibration(np.array([0.1, 0.2, 0.3, 0.4]), 0.5, 1.0, 0.05)
    return Uncertainty("0" * 64, None, ("A", "B", "C", "D"), distance, calibration, {"n": 1})


def test_virtual_atoms(uncertainty):
    descriptor, atype = cloud(np.random.default_rng(3), 12)
    force = np.random.default_rng(4).normal(size=(12, 3))
    atype[[2, 7]] = -1
    shape = (3, 4)
    atoms = atype.reshape(shape)
    distance = uncertainty.distances(descriptor.reshape(*shape, -1), atoms)
    error = uncertainty.errors(distance, force.reshape(*shape, 3), atoms)
    real = atype >= 0
    assert (error.ravel()[~real] == 0).all() and (distance.ravel()[~real] == 0).all()
    np.testing.assert_array_equal(
        distance.ravel()[real], uncertainty.distance(descriptor[real], atype[real])
    )
    assert (error.ravel()[real] > 0).all()


def test_elements_that_are_not_in_the_training_data(uncertainty):
    missing = dataclasses.replace(uncertainty.distance, atoms=np.array([5, 0, 5, 0]))
    found = missing.of_known(np.ones((2, 3)), np.array([[0, 1, 2], [-1, 3, -1]]))
    assert found.tolist() == [[1, np.inf, 1], [1, np.inf, 1]]


def test_file(uncertainty, tmp_path):
    path = tmp_path / "model.pb.uncertainty"
    write_uncertainty(path, uncertainty)
    found = read_uncertainty(path)
    for part in ("distance", "calibration"):
        ours, theirs = (dataclasses.asdict(getattr(x, part)) for x in (found, uncertainty))
        for name, value in ours.items():
            np.testing.assert_array_equal(value, theirs[name])
    assert (found.model, found.head, found.type_map, found.record) == (
        *(uncertainty.model, uncertainty.head),
        *(uncertainty.type_map, uncertainty.record),
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a, h: h.pop("head"), "head"),
        (lambda a, h: h.update(type_map="AB"), "its type_map is no list of names"),
        (lambda a, h: h.update(model=3), "its model or head is no text"),
        (lambda a, h: h.update(record=[]), "its record is no mapping"),
        (lambda a, h: h["powers"].update(force=-1.0), "not finite, or negative"),
        (lambda a, h: a.update({"calibration/scale": np.full(4, np.nan)}), "not finite"),
        (lambda a, h: a.update({"distance/center": np.zeros((4, 2))}), "distance/center has shape"),
        (lambda a, h: a.update({"distance/basis": np.zeros(3)}), "an array has the wrong shape"),
        (lambda a, h: a.pop("distance/root"), "distance/root"),
    ],
)
def test_files_that_say_something_else(uncertainty, tmp_path, change, message):
    path = tmp_path / "x.uncertainty"
    write_uncertainty(path, uncertainty)
    arrays, header = module.FORMAT.parse(path.read_bytes(), path)
    change(arrays, header)
    path.write_bytes(module.FORMAT.encode(arrays, header))
    with pytest.raises(
        ModelFileError, match=f"not a well-formed file of uncertainties: .*{message}"
    ):
        read_uncertainty(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file"),
        (b"", "is not a deepattn file of uncertainties"),
        (b"\x89HDF\r\n\x1a\n", "is an HDF5 file, but not a deepattn file of uncertainties"),
        (b"deepattn uncertainty 2\n", "format version 2; this version of deepattn reads version 1"),
        ("cut", "is damaged or incomplete: its checksum does not match"),
    ],
)
def test_other_files(uncertainty, tmp_path, content, message):
    path = tmp_path / "x.uncertainty"
    if content == "cut":
        write_uncertainty(path, uncertainty)
        content = path.read_bytes()[:-1]
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelFileError, match=message):
        read_uncertainty(path)


def test_the_table_of_the_page_is_that_of_the_benchmark(monkeypatch):
    """Every number on the page is in the committed results."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    sys.modules.pop("uncertainty", None)
    import uncertainty as benchmark

    results = json.loads((ROOT / "benchmarks" / "uncertainty.json").read_text())
    page = (ROOT / "docs" / "uncertainty.md").read_text()
    for line in benchmark.table(results):
        assert line in page
    for line in benchmark.facts(results):
        assert line in page
