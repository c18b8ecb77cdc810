"""The kit finds what is wrong: every check on a model broken in just that way."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from deepattn import testing
from deepattn.cli.main import main
from deepattn.testing import CHECKS, Frame, Values, check_model, evaluator, random_frames

from .options import OPTIONS, make_model, model_section

RCUT = 3.0


def pair_potential(coord, atype, box, *, sharp=False, exponent=4):
    """Σ k_ab (1 − r²/rcut²)ⁿ over all pairs and images: smooth, exact forces, no framework."""
    energy, force, virial, atom_energy = [], [], [], []
    reach = 0 if box is None else 3
    steps = np.indices((2 * reach + 1,) * 3).reshape(3, -1).T - reach
    strength = np.where(atype >= 0, 0.3 + 0.2 * atype, 0.0)
    for frame, positions in enumerate(coord):
        cell = np.zeros((3, 3)) if box is None else box[frame].reshape(3, 3)
        if box is not None:
            positions = positions @ np.linalg.inv(cell) % 1 @ cell
        vectors = positions[None, :, None] - positions[:, None, None] + steps @ cell
        squares = (vectors**2).sum(-1)
        inside = (squares < RCUT**2) & (squares > 1e-12)
        well = np.where(inside, 1 - squares / RCUT**2, 0.0)
        weight = np.sqrt(np.abs(strength[:, None, None] * strength[None, :, None]))
        value = 0.5 * weight * (well**exponent + (0.1 * inside if sharp else 0.0))
        slope = np.where(inside, weight * exponent * well ** (exponent - 1) / -(RCUT**2), 0.0)
        pull = 2 * slope[..., None] * vectors
        atom_energy.append(value.sum((1, 2)))
        energy.append(value.sum())
        force.append(pull.sum((1, 2)))
        virial.append(-0.5 * np.einsum("ijsa,ijsb->ab", vectors, pull).ravel())
    return Values(*map(np.array, (energy, force, virial, atom_energy)))


def broken(change):
    """A pair potential, its values passed through ``change(coord, atype, box, values)``."""

    def evaluate(coord, atype, box):
        return change(coord, atype, box, pair_potential(coord, atype, box))

    return evaluate


def wrong_force(coord, atype, box, values):
    values.force[:, -1, 2] += 1e-5
    return values


def wrong_virial(coord, atype, box, values):
    return values._replace(virial=-values.virial)


def wrong_sum(coord, atype, box, values):
    return values._replace(atom_energy=values.atom_energy * (1 + 1e-8))


def depends_on_place(coord, atype, box, values):
    return values._replace(energy=values.energy + 1e-6 * coord[:, :, 0].sum(1))


def depends_on_direction(coord, atype, box, values):
    return values._replace(virial=values.virial * np.array([1.001, 1, 1, 1, 1, 1, 1, 1, 1]))


def depends_on_order(coord, atype, box, values):
    return values._replace(energy=values.energy + 1e-6 * np.abs(values.force[:, 0]).sum(1))


def not_extensive(coord, atype, box, values):
    return values._replace(energy=values.energy + 1e-6)


def virtual_atoms_count(coord, atype, box, values):
    return values._replace(atom_energy=values.atom_energy + np.where(atype < 0, 1e-6, 0))


def not_a_number(coord, atype, box, values):
    return values._replace(energy=values.energy * np.nan)


FAULTS = [
    ("forces", wrong_force),
    ("virial", wrong_virial),
    ("atom_energies", wrong_sum),
    ("translation", depends_on_place),
    ("rotation", depends_on_direction),
    ("permutation", depends_on_order),
    ("supercell", not_extensive),
    ("extensivity", not_extensive),
    ("virtual_atoms", virtual_atoms_count),
    ("forces", not_a_number),
    ("rotation", not_a_number),
]


def report_of(evaluate, *, only: str | None = None):
    skip = [name for name in CHECKS if only not in (None, name)]
    return check_model(evaluate, ntypes=2, rcut=RCUT, skip=skip)


def test_a_right_potential_passes() -> None:
    report = report_of(pair_potential)
    assert report.passed, f"\n{report}"
    assert {check.name for check in report.checks} >= {"forces", "virial", "continuity at rcut"}


@pytest.mark.parametrize(("name", "fault"), FAULTS)
def test_fault_is_found(name: str, fault) -> None:
    report = report_of(broken(fault), only=name)
    assert report.checks and not any(report.checks), f"\n{report}"
    assert "FAILED" in str(report)


def test_forces_of_a_large_frame() -> None:
    """Of more atoms than are moved, the first and the last are among those that are."""
    frame = random_frames(2, RCUT)[0].repeated((2, 2, 1))
    assert frame.natoms == 40
    assert testing.check_forces(pair_potential, frame, max_atoms=3)
    check = testing.check_forces(broken(wrong_force), frame, max_atoms=3)
    assert not check
    assert check.error == pytest.approx(1e-5, rel=1e-3)
    assert check.detail.startswith("atom 39 z: force")


def test_jump_at_the_cut_off_is_found() -> None:
    def evaluate(coord, atype, box):
        return pair_potential(coord, atype, box, sharp=True)

    [check] = report_of(evaluate, only="continuity").checks
    assert not check.passed
    assert check.error == pytest.approx(0.1 * 0.5, rel=0.5)


def test_kink_at_the_cut_off_is_found() -> None:
    def evaluate(coord, atype, box):
        return pair_potential(coord, atype, box, exponent=1)

    assert not report_of(evaluate, only="continuity").passed
    assert report_of(evaluate, only="permutation").passed


def test_wrong_second_gradient_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gradient op that forgets half of what it should pass on does not touch forces."""
    model = make_model(OPTIONS["v2_no_attention"])
    results = type(model).results

    @tf.custom_gradient
    def forgetful(value):
        return tf.identity(value), lambda upstream: 0.5 * upstream

    def wrong(self, *args, **kwargs):
        outputs = results(self, *args, **kwargs)
        return {**outputs, "force": forgetful(outputs["force"])}

    [frame, *_] = random_frames(3, model.rcut)
    assert testing.check_training_gradient(model, frame)
    monkeypatch.setattr(type(model), "results", wrong)
    assert testing.check_forces(evaluator(model), frame)
    assert not testing.check_training_gradient(model, frame)


def test_training_gradient_leaves_the_weights() -> None:
    model = make_model(OPTIONS["v2_no_attention"])
    before = model.get_arrays()
    testing.check_training_gradient(model, random_frames(3, model.rcut)[3])
    after = model.get_arrays()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_random_frames_are_what_they_say() -> None:
    frames = random_frames(3, 4.0)
    assert [frame.name for frame in frames] == ["cubic", "triclinic", "small box", "open"]
    assert frames[3].box is None
    assert np.linalg.norm(frames[2].box, axis=1).max() < 4.0
    for frame in frames:
        assert set(frame.atype) == {0, 1, 2}


def test_supercell_of_a_frame() -> None:
    frame = Frame(np.array([[0.1, 0.2, 0.3]]), np.array([1]), np.diag([2.0, 3.0, 4.0]))
    large = frame.repeated((2, 1, 3))
    assert large.natoms == 6
    assert np.array_equal(np.diag(large.box), [4.0, 3.0, 12.0])
    assert {tuple(row) for row in np.round(large.coord, 9)} == {
        (0.1 + 2 * i, 0.2, round(0.3 + 4 * k, 9)) for i in range(2) for k in range(3)
    }
    with pytest.raises(ValueError, match="open boundaries"):
        Frame(frame.coord, frame.atype).repeated((2, 1, 1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": pair_potential}, "number of types and the cutoff of a function"),
        ({"model": pair_potential, "skip": ["force"]}, "skip names .'force'."),
    ],
)
def test_wrong_arguments(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_model(**arguments)


def test_something_that_is_no_model() -> None:
    with pytest.raises(TypeError, match="cannot evaluate a int"):
        evaluator(3)


def test_extensivity_wants_an_open_frame() -> None:
    with pytest.raises(ValueError, match="open boundaries"):
        testing.check_extensivity(pair_potential, random_frames(2, RCUT)[0], rcut=RCUT)


def test_command_line(tmp_path, capsys: pytest.CaptureFixture) -> None:
    from deepattn import ops
    from deepattn.export import freeze

    if ops.library() is None:
        pytest.skip("freezing needs the compiled ops")
    option = OPTIONS["v2_no_attention"]
    model = make_model(option)
    script = {"model": model_section(option)}
    path = freeze(model, tmp_path / "model", training_script=script)
    system = tmp_path / "water"
    (system / "set.000").mkdir(parents=True)
    (system / "type.raw").write_text("0 1 1\n")
    (system / "type_map.raw").write_text("O H\n")
    coord = [[0.0, 0.0, 0.0, 0.96, 0.0, 0.0, -0.24, 0.93, 0.0]]
    np.save(system / "set.000" / "coord.npy", coord)
    np.save(system / "set.000" / "box.npy", np.eye(3).reshape(1, 9) * 5.0)
    quick = ["--skip", "forces", "training_gradient"]
    assert main(["check-model", str(path), "-s", str(system), *quick]) == 0
    printed = capsys.readouterr().out
    assert "water" in printed and "checks passed" in printed
    assert main(["check-model", str(tmp_path / "none.pb")]) == 1
    assert "deepattn: error:" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["check-model", "--help"])
    assert ", ".join(CHECKS) in " ".join(capsys.readouterr().out.split())
