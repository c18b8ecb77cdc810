"""Densities of states, dipole moments and polarizabilities are those of DeePMD-kit 3.2.0.

One process of DeePMD-kit trains a model of each kind for a step and freezes it, trains it further,
tests it and evaluates it; another one evaluates our graphs.
"""

import json
import re

import numpy as np
import pytest
import tensorflow as tf

from deepattn import infer
from deepattn.export import convert
from deepattn.formats.frozen import read_frozen
from deepattn.infer import measure_observables
from deepattn.models import open_model_file, read_model
from deepattn.train import train

from .deepmd_kit import DP320, deepmd_lammps, read_cases, run_inside, write_cases
from .lammps import write_data
from .systems import CUBIC, OPEN, TYPE_MAP, scatter
from .twelve_atoms import NATOMS, training_input, write_twelve_atoms

pytestmark = [pytest.mark.conformance, pytest.mark.slow]

STEPS = 20
DESCRIPTORS = {
    "se_e2_a": {"type": "se_e2_a", "sel": [14, 20, 14], "type_one_side": True},
    "se_atten": {"type": "se_atten", "sel": 40, "attn": 6, "attn_layer": 1},
}
PREFACTORS = {
    f"{end}_pref_{term}": value
    for term, ends in {
        "dos": (1.0, 0.5),
        "ados": (0.3, 1.0),
        "cdf": (0.02, 0.1),
        "acdf": (0.1, 0.05),
    }.items()
    for end, value in zip(("start", "limit"), ends, strict=True)
}
TENSOR = {"type": "tensor", "pref": 0.7, "pref_atomic": 1.3}
FULL = {"type": "polar", "fit_diag": False, "scale": [0.7, 1.1, 1.4]}
CHOSEN = {"type": "polar", "sel_type": [1, 2], "scale": [0.7, 1.1, 1.4]}
# By their names the descriptor, the fitting and the loss. The graphs of polarizabilities, with
# derivatives of nine components, take DeePMD-kit half a minute each.
CASES = {
    **{
        f"dos-{name}": (name, {"type": "dos", "numb_dos": 6}, {"type": "dos", **PREFACTORS})
        for name in DESCRIPTORS
    },
    **{
        f"dipole-{name}": (name, {"type": "dipole", "sel_type": [0, 2]}, TENSOR)
        for name in DESCRIPTORS
    },
    "polar-se_atten": ("se_atten", FULL, TENSOR),
    "polar-se_e2_a": ("se_e2_a", CHOSEN, {**TENSOR, "pref_atomic": 0.0}),
}
SHIFT = "fitting_attr/t_constant_matrix"
LAMMPS = """
units metal
atom_style atomic
boundary p p p
read_data data.lmp
pair_style zero 4.0
pair_coeff * *
neighbor 1.0 bin
compute tensor all deeptensor/atom {model}
dump out all custom 1 dump.txt {columns}
dump_modify out sort id format float %.17g
run 0
"""


def _input(name, system, steps):
    descriptor, fitting, loss = CASES[name]
    shared = {"rcut": 4.0, "rcut_smth": 0.6, "neuron": [4, 8], "axis_neuron": 4, "seed": 11}
    model = {
        "type_map": TYPE_MAP,
        "descriptor": {**shared, **DESCRIPTORS[descriptor]},
        "fitting_net": {"neuron": [12, 12], "seed": 5, "precision": "float64", **fitting},
    }
    if descriptor != "se_e2_a":
        # DeePMD-kit does not take the type embedding of a tensor's graph with --init-frz-model: it
        # begins anew. One that is not trained is the same in the graph.
        tensor = fitting["type"] in ("dipole", "polar")
        model["type_embedding"] = {"neuron": [4], "seed": 9, "trainable": not tensor}
    return training_input(model, loss, system, steps)


def _labels(rng):
    return {
        "dos": rng.uniform(size=6) * NATOMS,
        "atom_dos": rng.uniform(size=(NATOMS, 6)),
        "dipole": rng.normal(size=3),
        "atomic_dipole": rng.normal(size=(NATOMS, 3)),
        "polarizability": rng.normal(size=(3, 3)) + 9 * np.eye(3),
        "atomic_polarizability": rng.normal(size=(NATOMS, 3, 3)) + np.eye(3),
    }


def _frames():
    """Frames to evaluate: a cell, and open boundaries."""
    rng = np.random.default_rng(8)
    atype = np.array([2, 0, 1, 1, 0, 2, 1], np.int32)
    open_frame = scatter(rng, OPEN, len(atype), closest=1.1, periodic=False)
    periodic = np.stack([scatter(rng, CUBIC, 7, closest=1.1, periodic=True) for _ in range(2)])
    return {
        "open": {"coord": open_frame[np.newaxis], "atype": atype},
        "periodic": {"coord": periodic, "atype": atype, "box": np.tile(CUBIC.ravel(), (2, 1))},
    }


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """A folder for each case, with what DeePMD-kit made of its input."""
    DP320.require()
    folder = tmp_path_factory.mktemp("observables")
    system = write_twelve_atoms(folder / "system", _labels)
    cases, jobs = write_cases(folder / "cases.npz", _frames()), []
    for name in CASES:
        work, commands = folder / name, []
        lines = [
            ("first", ["train", "input.json"]),
            ("first", ["freeze", "-o", "../start.pb"]),
            ("second", ["train", "input.json", "--init-frz-model", "../start.pb"]),
            ("", ["test", "-m", "start.pb", "-s", str(system), *_atomic(name)]),
        ]
        for place, (inner, words) in enumerate(lines):
            (work / inner).mkdir(parents=True, exist_ok=True)
            output = str(work / f"log_{place}")
            command = {"arguments": ["--tf", *words], "folder": str(work / inner)}
            commands.append({**command, "output": output})
        for inner, steps in (("first", 1), ("second", STEPS)):
            text = json.dumps(_input(name, system, steps))
            (work / inner / "input.json").write_text(text)
        values = {"cases": str(cases), "output": str(work / "values.npz")}
        evaluations = [{"model": str(work / "start.pb"), **values}]
        jobs.append({"commands": commands, "evaluate": evaluations})
    run_inside(DP320, "observables.py", jobs, folder)
    return folder


def _atomic(name):
    """The option of a test of atoms, for cases that are tested by atoms."""
    return [] if name.startswith("polar") else ["-a"]


def _ours(file, case):
    """The same results of ours, in the order of DeePMD-kit."""
    reader = getattr(infer, open_model_file(file).fitting_kind.reader)
    with reader(file) as deep:
        method = getattr(deep, "eval_full", deep.eval)
        return method(case["coord"], case.get("box"), case["atype"], atomic=True)


def _assert_equal(found, expected, name):
    for place, value in enumerate(found):
        wanted = expected[str(place)]
        tolerance = 1e-10 * max(np.abs(wanted).max(), 1)
        np.testing.assert_allclose(
            value, wanted.reshape(value.shape), rtol=0, atol=tolerance, err_msg=f"{name}: {place}"
        )


@pytest.mark.parametrize("name", CASES)
def test_their_graphs_give_their_results(theirs, name):
    expected = read_cases(theirs / name / "values.npz")
    for frame, case in _frames().items():
        _assert_equal(_ours(theirs / name / "start.pb", case), expected[frame], frame)


def test_our_graphs_give_the_same_results_there(theirs, tmp_path):
    """Rebuilt from the weights in theirs and frozen, and evaluated both there and here."""
    jobs = []
    for name in CASES:
        target = convert(theirs / name / "start.pb", tmp_path / f"{name}.pb")
        values = {"cases": str(theirs / "cases.npz"), "output": str(target.with_suffix(".npz"))}
        jobs.append({"evaluate": [{"model": str(target), **values}]})
    run_inside(DP320, "observables.py", jobs, tmp_path)
    for name in CASES:
        found = read_cases(tmp_path / f"{name}.npz")
        expected = read_cases(theirs / name / "values.npz")
        for frame, case in _frames().items():
            values = [found[frame][str(place)] for place in range(len(found[frame]))]
            _assert_equal(values, expected[frame], f"{name}, {frame}, there")
            ours = _ours(tmp_path / f"{name}.pb", case)
            _assert_equal(ours, expected[frame], f"{name}, {frame}, here")


@pytest.mark.parametrize("name", CASES)
def test_twenty_steps_are_the_same(theirs, tmp_path, monkeypatch, name):
    work = theirs / name
    (tmp_path / "input.json").write_text((work / "second" / "input.json").read_text())
    monkeypatch.chdir(tmp_path)
    trainer = train("input.json", init_frz_model=work / "start.pb")

    expected = (work / "second" / "lcurve.out").read_text().splitlines()
    assert len(expected) == STEPS + 3
    assert (tmp_path / "lcurve.out").read_text().splitlines() == expected

    checkpoint = tf.train.load_checkpoint(str(work / "second"))
    weights = {name: checkpoint.get_tensor(name) for name in checkpoint.get_variable_to_shape_map()}
    before, moved = read_frozen(work / "start.pb").weights, 0
    for key, array in trainer.model.get_arrays().items():
        if key in weights:
            scale = 1e-6 * np.abs(weights[key]).max()
            np.testing.assert_allclose(array, weights[key], rtol=1e-6, atol=scale, err_msg=key)
            if key in before:
                moved += not np.allclose(weights[key], before[key], rtol=1e-4, atol=0)
    assert moved > 8


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("polar")])
def test_the_shift_of_polarizabilities_is_theirs(theirs, tmp_path, monkeypatch, name):
    (tmp_path / "input.json").write_text((theirs / name / "first" / "input.json").read_text())
    monkeypatch.chdir(tmp_path)
    found = train("input.json").model.get_arrays()[SHIFT]
    expected = read_model(theirs / name / "start.pb").arrays[SHIFT]
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-10)


@pytest.mark.parametrize("name", CASES)
def test_the_errors_are_those_of_dp_test(theirs, name):
    log = (theirs / name / "log_3").read_text()
    printed = dict(re.findall(r"((?:Atomic )?(?:DOS|Dipole|Polar).*?)\s*: ([\d.e+-]+)", log))
    model, systems = theirs / name / "start.pb", [str(theirs / "system")]
    report = measure_observables(model, systems, atomic=bool(_atomic(name)))
    lines = report.lines(report.systems[0].errors)
    assert lines
    for line in lines:
        words, _, rest = line.partition(":")
        assert float(rest.split()[0]) == pytest.approx(float(printed[words.rstrip()]), rel=1e-6)


@pytest.mark.parametrize("name", ["dipole-se_atten", "polar-se_e2_a"])
def test_tensors_of_atoms_in_lammps(theirs, tmp_path, name):
    graph = convert(theirs / name / "start.pb", tmp_path / "graph.pb")
    case = _frames()["periodic"]
    coord, atype = case["coord"][0], case["atype"]
    write_data(tmp_path / "data.lmp", coord, [TYPE_MAP[k] for k in atype], TYPE_MAP, CUBIC)
    expected = _ours(graph, case)[3][0]
    columns = " ".join(f"c_tensor[{k + 1}]" for k in range(expected.shape[1]))
    deepmd_lammps(DP320, LAMMPS.format(model=graph, columns=columns), tmp_path)
    found = np.loadtxt(tmp_path / "dump.txt", skiprows=9)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)
