"""Selection, judgement, radial distributions, structures."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.io import write

from deepattn.distill.config import DistillConfig, SelectConfig
from deepattn.distill.overlap import too_close
from deepattn.distill.potential import Labels
from deepattn.distill.rdf import radial_distribution
from deepattn.distill.select import select
from deepattn.distill.structures import perturbed_copies, read_structures
from deepattn.distill.validate import errors, force_deviations, is_enough
from deepattn.errors import DataError

from .metals import alloy

LIMITS = SelectConfig(criterion="deviation", low=0.1, high=1.0, frames=3, judged=1)


def _labels(energy, force, virial=None):
    return Labels(energy, np.array(force, float), virial)


def test_frames_between_the_limits_are_selected():
    deviations = np.array([0.05, 0.1, 2.0, 0.5, 1.0])
    assert select(deviations, LIMITS, seed=1).tolist() == [1, 3, 4]


def test_no_more_frames_than_asked_for_and_not_the_same_by_another_seed():
    deviations = np.linspace(0.2, 0.9, 50)
    chosen = [select(deviations, LIMITS, seed=seed).tolist() for seed in (1, 1, 2)]
    assert chosen[0] == chosen[1] != chosen[2]
    assert [len(set(rows)) for rows in chosen] == [3, 3, 3]


def test_least_deviating_frames_of_a_student_gone_astray():
    assert select(np.array([9.0, 3.0, 0.01, 7.0, 5.0]), LIMITS, seed=1).tolist() == [1, 3, 4]
    assert select(np.array([0.01, 0.02]), LIMITS, seed=1).tolist() == []


def test_errors_are_per_atom_and_know_missing_virials():
    teacher = [_labels(2.0, [[0, 0, 0], [0, 0, 0]], np.zeros(9)), _labels(1.0, [[0, 0, 0]])]
    student = [_labels(2.4, [[3, 0, 0], [0, 0, 0]], np.full(9, 0.2)), _labels(1.0, [[0, 0, 0]])]
    found = errors(student, teacher)
    assert found["energy"] == pytest.approx(0.2 / np.sqrt(2))
    assert found["force"] == pytest.approx(1.0)  # √(9 / 9 components)
    assert found["virial"] == pytest.approx(0.1)
    assert "virial" not in errors(student[1:], teacher[1:])


def test_deviation_from_the_teacher_and_of_students():
    atoms = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 3]])
    teacher = _labels(0.0, [[0, 0, 0], [1, 0, 0]])
    one, two = _labels(0.0, [[0, 0, 0], [1, 3, 4]]), _labels(0.0, [[0, 0, 0], [1, 0, 0]])
    assert force_deviations([[one]], [atoms], [teacher]) == pytest.approx([5.0])
    assert force_deviations([[one], [two]], [atoms]) == pytest.approx([2.5])


def test_when_to_stop():
    assert is_enough(0.06, 0.06) and not is_enough(0.061, 0.06) and not is_enough(None, 0.06)


def test_distribution_of_a_lattice_counts_its_shells():
    a = 3.6
    atoms = bulk("Cu", cubic=True, a=a)  # smaller than the distances that are counted
    found = radial_distribution([atoms, atoms], rmax=5.0, width=0.1)
    density = 4 / a**3
    shells = 4 / 3 * np.pi * ((found.r + 0.05) ** 3 - (found.r - 0.05) ** 3)
    counts = found.g["Cu", "Cu"] * density * shells
    for distance, neighbors in ((a / np.sqrt(2), 12), (a, 6), (a * np.sqrt(1.5), 24)):
        around = np.abs(found.r - distance) < 0.1
        assert counts[around].sum() == pytest.approx(neighbors)
    assert counts.sum() == pytest.approx(42)


def test_partial_distributions_tend_to_one():
    random = np.random.default_rng(1)
    frames = [
        Atoms("Cu20Au10", random.uniform(0, 8, (30, 3)), cell=[8, 8, 8], pbc=True)
        for _ in range(20)
    ]
    found = radial_distribution([*frames, molecule("H2O")], rmax=6.0, width=1.0)
    assert set(found.g) == {("Au", "Au"), ("Au", "Cu"), ("Cu", "Cu")}
    for pair, g in found.g.items():
        # Of the 20 atoms of a kind an atom sees 19 as others.
        expected = {("Au", "Au"): 0.9, ("Au", "Cu"): 1.0, ("Cu", "Cu"): 0.95}[pair]
        assert g[3:].mean() == pytest.approx(expected, abs=0.05)


def test_nearness_goes_by_covalent_radii():
    atoms = molecule("H2")
    assert not too_close(atoms, 0.6)
    atoms.symbols[:] = "Au"
    assert too_close(atoms, 0.6)
    thin = Atoms("Au", cell=[1.0, 9.0, 9.0], pbc=True)  # its own image is too near
    assert too_close(thin, 0.6)
    assert too_close(Atoms("Au4", cell=[0.01] * 3, pbc=True), 0.6)


def test_copies_are_strained_and_reproducible():
    options = {"copies": 3, "displacement": 0.05, "strain": 0.04, "closest": 0.6}
    once, again, other = (perturbed_copies([alloy()], **options, seed=seed) for seed in (1, 1, 2))
    assert len(once) == 3
    np.testing.assert_array_equal(once[0].positions, again[0].positions)
    assert abs(once[0].positions - other[0].positions).max() > 0.01
    strain = once[0].cell.array / 3.8 - np.eye(3)
    assert 0 < abs(strain).max() <= 0.04
    hopeless = options | {"closest": 2.0}
    assert perturbed_copies([alloy()], **hopeless, seed=1) == []


def _config(**section):
    return DistillConfig.normalized(section)


def test_structures_are_thinned_out_and_repeated(tmp_path):
    write(tmp_path / "many.extxyz", [alloy(k) for k in range(7)])
    found = read_structures(
        _config(systems=str(tmp_path / "many.extxyz"), structures=3, supercell=[2, 1, 1])
    )
    assert [len(atoms) for atoms in found] == [8, 8, 8]


def test_structures_that_cannot_be_moved_are_refused(tmp_path):
    slab = alloy()
    slab.pbc = (True, True, False)
    write(tmp_path / "slab.extxyz", slab)
    with pytest.raises(DataError, match=r"slab.extxyz: .* periodic in some directions"):
        read_structures(_config(systems=str(tmp_path / "slab.extxyz")))
    dense = alloy()
    dense.set_cell(dense.cell * 0.5, scale_atoms=True)
    write(tmp_path / "dense.extxyz", dense)
    with pytest.raises(DataError, match="covalent radii"):
        read_structures(_config(systems=str(tmp_path / "dense.extxyz")))
