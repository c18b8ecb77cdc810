"""The uncertainty of a model file: made, found, used by everything that evaluates models."""

import dataclasses
import json

import numpy as np
import pytest
from ase import Atoms

from deepattn import ops
from deepattn.calculator import DP
from deepattn.cli.main import main
from deepattn.errors import DataError, ModelFileError
from deepattn.export import compress_model, convert
from deepattn.infer import DeepPot, deviation_on_systems, fit_uncertainty, open_uncertainty
from deepattn.models import open_model_file
from deepattn.uncertainty import (
    Calibration,
    Moments,
    Uncertainty,
    read_uncertainty,
    write_uncertainty,
)

from .model_files import ATTENTION, Files, write_system

KINDS = np.array([1, 0, 0, 1, 1, 1, 0, 1])


def scattered(seed, nframes, spread=0.15):
    """Frames of 8 atoms around a lattice."""
    rng = np.random.default_rng(seed)
    lattice = 2.0 * np.indices((2, 2, 2)).reshape(3, -1).T
    box = np.array([4.2, 0, 0, 0.5, 4.4, 0, -0.3, 0.6, 5.0])
    return lattice + rng.normal(scale=spread, size=(nframes, 8, 3)), np.tile(box, (nframes, 1))


def write(folder, coords, cells, force):
    """A system; without forces if there are none."""
    write_system(folder, (coords, cells, KINDS), absent=("force",))
    if force is not None:
        np.save(folder / "set.000" / "force.npy", force.reshape(len(force), -1))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A model, systems of its training, and held-out ones whose labels have errors."""
    folder = tmp_path_factory.mktemp("uncertainty")
    files = Files(folder, {**ATTENTION, "sel": 40})
    rng = np.random.default_rng(9)
    with DeepPot(files.graph) as model:
        for name, seed, nframes in (("train", 1, 60), ("held", 2, 30)):
            coords, cells = scattered(seed, nframes)
            _, force, _ = model.eval(coords, cells, KINDS)
            force = force * (1 + 0.2 * rng.normal(size=force.shape))
            write(folder / name, coords, cells, force)
    return folder, files


@pytest.fixture(scope="module")
def fitted(place):
    folder, files = place
    return fit_uncertainty(files.graph, [str(folder / "train")], [str(folder / "held")])


def test_the_fit(fitted):
    assert fitted.distance.atoms.tolist() == [180, 300]
    held_out = fitted.record["held_out"]
    assert held_out["atoms"] == 240 and held_out["beyond"] < 0.1
    # The errors are proportional to the forces, and have nothing to do with the distance.
    assert fitted.calibration.force > 0.5 and fitted.calibration.distance < 0.5
    assert held_out["force_error"]["rank"] > held_out["distance"]["rank"]
    assert held_out["force_error"]["ratio"] == pytest.approx(1, abs=0.15)


def test_results(place, fitted):
    _, files = place
    coords, cells = scattered(3, 4)
    coords[1, 2] += 1.0
    with DeepPot(files.graph, uncertainty=fitted) as model:
        error, distance = model.eval_uncertainty(coords, cells, KINDS)
        _, force, _ = model.eval(coords, cells, KINDS)
        descriptor = model.eval_descriptor(coords, cells, KINDS)
    kinds = np.broadcast_to(KINDS, error.shape)
    wanted = fitted.distances(descriptor, kinds)
    np.testing.assert_allclose(distance, wanted, rtol=1e-12)
    wanted = fitted.errors(distance, force, kinds)
    np.testing.assert_allclose(error, wanted, rtol=1e-12)
    assert distance[1, 2] > 1 and distance[1, 2] > 2 * distance[0].max()


@pytest.mark.parametrize("part", ["descriptors of 1 numbers", "and 1 types"])
def test_that_of_another_shape_is_refused(place, fitted, part):
    _, files = place
    coords, cells = scattered(3, 1)
    if "descriptors" in part:
        distance = dataclasses.replace(fitted.distance, basis=fitted.distance.basis[:1])
        other = dataclasses.replace(fitted, distance=distance)
    else:
        scale = fitted.calibration.scale[:1]
        calibration = dataclasses.replace(fitted.calibration, scale=scale)
        other = dataclasses.replace(fitted, calibration=calibration)
    with DeepPot(files.graph, uncertainty=other) as model:
        with pytest.raises(ModelFileError, match=part):
            model.eval_uncertainty(coords, cells, KINDS)


def test_order_and_virtual_atoms(place, fitted):
    _, files = place
    coords, cells = scattered(4, 2)
    order = np.random.default_rng(0).permutation(8)
    with DeepPot(files.graph, uncertainty=fitted) as model:
        error, distance = model.eval_uncertainty(coords, cells, KINDS)
        moved = model.eval_uncertainty(coords[:, order], cells, KINDS[order])
        padded = np.pad(coords, [(0, 0), (0, 1), (0, 0)])
        types = np.tile(np.append(KINDS, -1), (2, 1))
        more = model.eval_uncertainty(padded, cells, types, mixed_type=True)
    np.testing.assert_allclose(moved, (error[:, order], distance[:, order]), rtol=1e-5)
    np.testing.assert_allclose([x[:, :8] for x in more], (error, distance), rtol=1e-5)
    assert (more[0][:, 8] == 0).all() and (more[1][:, 8] == 0).all()


def test_it_is_found_beside_the_model(place, fitted):
    folder, files = place
    path = folder / f"{files.graph.name}.uncertainty"
    coords, cells = scattered(5, 1)
    with DeepPot(files.graph) as model:
        with pytest.raises(ModelFileError, match="there is no file with the uncertainties of"):
            model.eval_uncertainty(coords, cells, KINDS)
    write_uncertainty(path, fitted)
    with DeepPot(files.graph) as model, DeepPot(files.graph, uncertainty=fitted) as other:
        found, wanted = (m.eval_uncertainty(coords, cells, KINDS) for m in (model, other))
    np.testing.assert_array_equal(found, wanted)
    # A model of the same weights in another file is another model.
    with DeepPot(files.checkpoint, uncertainty=path) as model:
        with pytest.raises(ModelFileError, match="belongs to another file than"):
            model.eval_uncertainty(coords, cells, KINDS)
    path.unlink()


def test_branches_are_told_apart(place, fitted, tmp_path):
    _, files = place
    path = tmp_path / "x"
    write_uncertainty(path, dataclasses.replace(fitted, head="water"))
    with pytest.raises(ModelFileError, match=r"belongs to the branch water of .*, not to None"):
        open_uncertainty(open_model_file(files.graph), path)


def test_a_compressed_graph(tmp_path):
    """It cannot be rebuilt, and so evaluates its descriptors itself."""
    strip = {"type": "se_atten_v2", "attn_layer": 0, "sel": 40, "axis_neuron": 3}
    files = Files(tmp_path, strip)
    compressed = tmp_path / "compressed.pb"
    compress_model(files.graph, compressed)
    coords, cells = scattered(1, 20)
    for name in ("train", "held"):
        write(tmp_path / name, coords, cells, np.zeros((20, 8, 3)))
    systems = [str(tmp_path / "train")], [str(tmp_path / "held")]
    found = []
    for path in (files.graph, compressed):
        with DeepPot(path, uncertainty=fit_uncertainty(path, *systems)) as model:
            found.append(model.eval_uncertainty(coords, cells, KINDS))
            if path == compressed:
                with pytest.raises(ModelFileError, match="is compressed"):
                    model.eval_fitting_last_layer(coords, cells, KINDS)
    # Whitening amplifies what tables differ by in directions in which descriptors hardly vary.
    np.testing.assert_allclose(*found, rtol=2e-2)


@pytest.fixture(scope="module")
def kinds_of_files(tmp_path_factory):
    """One model without attention in files of every kind that is evaluated in its own way."""
    folder = tmp_path_factory.mktemp("kinds")
    strip = {"type": "se_atten_v2", "attn_layer": 0, "sel": 40, "axis_neuron": 3}
    files = Files(folder, strip)
    paths = {"checkpoint": files.checkpoint, "portable": files.graph}
    for fast in (False, True):
        name = "fast" if fast else "portable"
        paths[f"{name}, compressed"] = folder / f"compressed-{name}.pb"
        compress_model(files.graph, paths[f"{name}, compressed"], fast=fast)
    paths["fast"] = folder / "fast.pb"
    convert(files.checkpoint, paths["fast"], fast=True)
    coords, cells = scattered(1, 20)
    with DeepPot(files.graph) as model:
        moments = Moments(np.eye(24, 6, dtype=np.float32) * 10, 2)
        kinds = np.tile(KINDS, 20)
        moments.add(model.eval_descriptor(coords, cells, KINDS).reshape(-1, 24), kinds)
    calibration = Calibration(np.array([0.5, 2.0]), 0.7, 0.4, 0.1)
    return paths, Uncertainty("", None, ("O", "H"), moments.distance(), calibration)


@pytest.mark.skipif(ops.fast_library() is None, reason="the compiled ops are not there")
@pytest.mark.parametrize(
    "kind", ["checkpoint", "portable", "portable, compressed", "fast", "fast, compressed"]
)
def test_one_evaluation_gives_all(kind, kinds_of_files, monkeypatch):
    paths, uncertainty = kinds_of_files
    coords, cells = scattered(7, 3)
    coords[1, 2] += 0.7
    # With virtual atoms, and a type that the training data do not have.
    types = np.tile(np.append(KINDS, -1), (3, 1))
    coords = np.pad(coords, [(0, 0), (0, 1), (0, 0)])
    atoms = np.array([0, uncertainty.distance.atoms[1]])
    known = dataclasses.replace(uncertainty.distance, atoms=atoms)
    with DeepPot(paths[kind], uncertainty=dataclasses.replace(uncertainty, distance=known)) as dp:
        frames = dp.frames(coords, cells, types, mixed_type=True)
        apart = dp.evaluate(frames)
        descriptor = dp.evaluate_descriptor(frames)
        runs, run = [], dp._evaluator.runner.run
        monkeypatch.setattr(
            dp._evaluator.runner, "run", lambda feed, names: runs.append(names) or run(feed, names)
        )
        together = dp.evaluate(frames, uncertainty=True)
        both = dp.evaluate(frames, uncertainty=True, descriptor=True)
    inside = kind == "fast, compressed"
    assert [name for name in runs[0] if name in ("descriptor", "distance")] == [
        "distance" if inside else "descriptor"
    ]
    assert len(runs) == 2
    for name, values in apart.items():
        np.testing.assert_allclose(together[name], values, rtol=1e-12, atol=1e-12)
    assert np.isinf(together["distance"][types == 0]).all()
    assert (together["distance"][types == -1] == 0).all()
    wanted = uncertainty.distance(descriptor[types == 1], types[types == 1])
    # The operation does not round the descriptor to float32 first.
    tolerance = 1e-5 if inside else 1e-12
    np.testing.assert_allclose(together["distance"][types == 1], wanted, rtol=tolerance)
    errors = uncertainty.errors(together["distance"], apart["force"], types)
    np.testing.assert_allclose(together["force_error"], errors, rtol=1e-10)
    np.testing.assert_allclose(both["descriptor"], descriptor, rtol=1e-10, atol=1e-14)
    for name in ("distance", "force_error"):
        np.testing.assert_allclose(both[name], together[name], rtol=tolerance)


@pytest.mark.skipif(ops.fast_library() is None, reason="the compiled ops are not there")
@pytest.mark.parametrize("part", ["descriptors of 1 numbers", "and 1 types"])
def test_the_operation_takes_no_uncertainty_of_another_shape(part, kinds_of_files):
    paths, uncertainty = kinds_of_files
    if "descriptors" in part:
        distance = dataclasses.replace(uncertainty.distance, basis=uncertainty.distance.basis[:1])
        other = dataclasses.replace(uncertainty, distance=distance)
    else:
        calibration = dataclasses.replace(uncertainty.calibration, scale=np.ones(1))
        other = dataclasses.replace(uncertainty, calibration=calibration)
    coords, cells = scattered(3, 1)
    with DeepPot(paths["fast, compressed"], uncertainty=other) as model:
        with pytest.raises(ModelFileError, match=part):
            model.eval_uncertainty(coords, cells, KINDS)


def test_savedmodels_are_refused(place, fitted, tmp_path):
    _, files = place
    path = tmp_path / "model.savedmodeltf"
    convert(files.checkpoint, path)
    systems = [str(place[0] / "train")], [str(place[0] / "held")]
    with pytest.raises(ModelFileError, match="does not give descriptors"):
        fit_uncertainty(path, *systems)


def test_data_that_do_not_do(place, tmp_path):
    folder, files = place
    coords, cells = scattered(1, 2)
    write(tmp_path / "bare", coords, cells, None)
    train = [str(folder / "train")]
    with pytest.raises(DataError, match="the held-out systems have no frames with forces"):
        fit_uncertainty(files.graph, train, [str(tmp_path / "bare")])
    with pytest.raises(DataError, match="the systems of the training have no frames"):
        fit_uncertainty(files.graph, [], train)


def test_calculator(place, fitted, tmp_path):
    _, files = place
    path = tmp_path / "x.uncertainty"
    write_uncertainty(path, fitted)
    coords, cells = scattered(6, 1)
    symbols = [["O", "H"][kind] for kind in KINDS]
    atoms = Atoms(symbols, coords[0], cell=cells[0].reshape(3, 3), pbc=True)
    atoms.calc = DP(files.graph, uncertainty=path)
    forces = atoms.get_forces()
    error, distance = atoms.calc.dp.eval_uncertainty(coords, cells, KINDS)
    np.testing.assert_array_equal(atoms.calc.get_property("force_errors", atoms), error[0])
    np.testing.assert_array_equal(atoms.calc.results["distances"], distance[0])
    atoms.calc = DP(files.graph)
    np.testing.assert_allclose(atoms.get_forces(), forces, rtol=1e-9, atol=1e-12)
    assert "distances" not in atoms.calc.results
    with pytest.raises(ModelFileError, match="there is no file with the uncertainties"):
        DP(files.graph, uncertainty=True)


def test_commands(place, tmp_path, monkeypatch, capsys):
    folder, files = place
    monkeypatch.chdir(tmp_path)
    data = ["-s", str(folder / "train"), "--held-out", str(folder / "held")]
    model = ["-m", str(files.graph)]
    assert main(["uncertainty", "fit", *model, *data, "-o", "u"]) == 0
    out = capsys.readouterr().out
    assert "atoms in the training data         480" in out and "worst 10 % found" in out
    assert read_uncertainty("u").model == open_model_file(files.graph).digest()
    arguments = ["model-devi", *model, "-s", str(folder / "held"), "--uncertainty", "u"]
    assert main([*arguments, "--atomic"]) == 0
    lines = (tmp_path / "model_devi.out").read_text().splitlines()
    assert lines[1].split()[-3:] == ["max_unc_f", "max_dist", "atm_devi_f(N)"]
    values = np.array([line.split() for line in lines[2:]], float)
    assert values.shape == (30, 1 + 7 + 2 + 8) and (values[:, 1:8] == 0).all()
    (found,) = deviation_on_systems([files.graph], [str(folder / "held")], uncertainty="u")
    np.testing.assert_allclose(values[:, 8], found.values["max_unc_f"], rtol=1e-6)
    np.testing.assert_allclose(values[:, 9], found.values["max_dist"], rtol=1e-6)
    assert main(["model-devi", *model, "-s", str(folder / "held"), "--uncertainty"]) == 1
    assert "there is no file with the uncertainties of" in capsys.readouterr().err


def test_data_of_an_input(place, tmp_path, monkeypatch, capsys):
    folder, files = place
    monkeypatch.chdir(tmp_path)
    training = {
        "training_data": {"systems": [str(folder / "train")]},
        "validation_data": {"systems": [str(folder / "held")]},
    }
    (tmp_path / "input.json").write_text(json.dumps({"model": {}, "training": training}))
    given = ["--train-data", "input.json", "--valid-data", "input.json"]
    assert main(["uncertainty", "fit", "-m", str(files.graph), *given, "-o", "u"]) == 0
    with pytest.raises(SystemExit):
        main(["uncertainty", "fit", "-m", str(files.graph), "-s", "x"])


@pytest.mark.parametrize("kind", ["attention", "two_body", "with_parameters"])
def test_last_layer(kind, request, frames):
    """The energy is a linear function of it, by the last weights of the file."""
    files = request.getfixturevalue(kind)
    parameters = {}
    if kind == "with_parameters":
        parameters = {"fparam": [0.3, -0.2], "aparam": np.linspace(0, 1, 8)[:, None]}
    weights = open_model_file(files.checkpoint).weights()
    types = frames[2]
    for path in (files.graph, files.checkpoint):
        with DeepPot(path) as model:
            hidden = model.eval_fitting_last_layer(*frames, **parameters)
            energy = model.eval(*frames, atomic=True, **parameters)[3][..., 0]
        assert hidden.shape == (3, 8, 6) and hidden.dtype == np.float64
        for kind_of in (0, 1):
            suffix = f"_type_{kind_of}" if f"final_layer_type_{kind_of}/matrix" in weights else ""
            matrix, bias = (weights[f"final_layer{suffix}/{x}"] for x in ("matrix", "bias"))
            wanted = (hidden @ matrix)[..., 0] + bias
            wanted += weights["fitting_attr/t_bias_atom_e"][kind_of]
            rows = types == kind_of
            np.testing.assert_allclose(energy[:, rows], wanted[:, rows], rtol=1e-9, atol=1e-12)
    with pytest.raises(ValueError, match="dtype must be one of"):
        DeepPot(files.graph).eval_fitting_last_layer(*frames, dtype="fp16", **parameters)
