"""Model deviation: its definition, and ``deepattn model-devi``."""

import ase.io
import numpy as np
import pytest
from ase import Atoms

from deepattn.cli.main import main
from deepattn.infer import DeepPot
from deepattn.infer.deviation import COLUMNS, model_deviation

from .model_files import ATTENTION, Files, write_system


def random_predictions(nmodels=3, nframes=2, natoms=4, seed=0):
    rng = np.random.default_rng(seed)
    return [
        {
            "energy": rng.normal(size=nframes),
            "force": rng.normal(size=(nframes, natoms, 3)),
            "virial": rng.normal(size=(nframes, 9)),
        }
        for _ in range(nmodels)
    ]


def test_definition():
    predictions = random_predictions()
    found = model_deviation(predictions, atype=np.zeros((2, 4), int))
    force = np.std([p["force"] for p in predictions], axis=0)
    virial = np.std([p["virial"] for p in predictions], axis=0) / 4
    by_atom = np.linalg.norm(force, axis=2)
    np.testing.assert_allclose(found["atm_devi_f"], by_atom)
    np.testing.assert_allclose(found["max_devi_f"], by_atom.max(1))
    np.testing.assert_allclose(found["min_devi_f"], by_atom.min(1))
    np.testing.assert_allclose(found["avg_devi_f"], by_atom.mean(1))
    np.testing.assert_allclose(found["max_devi_v"], virial.max(1))
    np.testing.assert_allclose(found["avg_devi_v"], np.sqrt(np.mean(virial**2, axis=1)))
    np.testing.assert_allclose(found["devi_e"], np.std([p["energy"] for p in predictions], 0) / 4)


def test_equal_models_do_not_deviate():
    [prediction] = random_predictions(1)
    found = model_deviation([prediction] * 3, atype=np.zeros((2, 4), int))
    for values in found.values():
        np.testing.assert_allclose(values, 0.0, atol=1e-15)


def test_virtual_atoms_do_not_count():
    predictions = random_predictions(natoms=4)
    short = [{**p, "force": p["force"][:, :3]} for p in predictions]
    found = model_deviation(predictions, atype=np.array([[0, 1, 0, -1]] * 2))
    exact = model_deviation(short, atype=np.array([[0, 1, 0]] * 2))
    for name in COLUMNS:
        np.testing.assert_array_equal(found[name], exact[name])
    assert not found["atm_devi_f"][:, 3].any()


def test_levels_divide_by_magnitudes():
    predictions = random_predictions(natoms=2)
    plain = model_deviation(predictions, atype=np.zeros((2, 2), int))
    scaled = model_deviation(
        predictions, atype=np.zeros((2, 2), int), relative=0.5, relative_v=0.25
    )
    force = np.mean([p["force"] for p in predictions], axis=0)
    virial = np.mean([p["virial"] for p in predictions], axis=0) / 2
    np.testing.assert_allclose(
        scaled["atm_devi_f"], plain["atm_devi_f"] / (np.linalg.norm(force, axis=2) + 0.5)
    )
    np.testing.assert_allclose(
        scaled["max_devi_v"], plain["max_devi_v"] / (np.linalg.norm(virial, axis=1) + 0.25)
    )


def test_errors_are_root_mean_squares_over_the_models():
    predictions = random_predictions(natoms=1)
    labels = random_predictions(1, natoms=1, seed=1)[0]
    found = model_deviation(predictions, atype=np.zeros((2, 1), int), labels=labels)
    errors = [p["energy"] - labels["energy"] for p in predictions]
    np.testing.assert_allclose(found["devi_e"], np.sqrt(np.mean(np.square(errors), axis=0)))
    forces = [p["force"] - labels["force"] for p in predictions]
    np.testing.assert_allclose(
        found["max_devi_f"], np.sqrt(np.sum(np.mean(np.square(forces), axis=0), axis=2))[:, 0]
    )


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    (folder / "other").mkdir()
    graph = Files(folder, ATTENTION).graph
    return [graph, Files(folder / "other", {**ATTENTION, "seed": 5}, {"seed": 6}).graph]


def devi(*arguments):
    return main(["model-devi", *map(str, arguments)])


def test_file(models, tmp_path, frames):
    for name in ("a", "b"):
        write_system(tmp_path / "data" / name, frames)
    output = tmp_path / "devi.out"
    output.write_text("of another run\n")
    assert devi("-m", *models, "-s", tmp_path / "data", "-o", output, "-f", 10, "--atomic") == 0
    lines = output.read_text().splitlines()
    assert lines[0] == f"# {tmp_path / 'data' / 'a'}"
    assert lines[1].split()[1:] == ["step", *COLUMNS, "atm_devi_f(N)"]
    assert [line.split()[0] for line in lines[2:5]] == ["0", "10", "20"]
    assert lines[5] == f"# {tmp_path / 'data' / 'b'}" and len(lines) == 10
    row = [float(word) for word in lines[3].split()[1:]]
    natoms = frames[0].shape[1]
    assert len(row) == len(COLUMNS) + natoms
    energies = []
    for path in models:
        with DeepPot(path) as model:
            energies.append(model.eval(*frames)[0][1, 0])
    assert row[6] == pytest.approx(np.std(energies) / natoms, rel=1e-6)
    assert max(row[7:]) == row[3] and min(row[7:]) == row[4]


def test_a_single_model_is_warned_of(models, tmp_path, frames, capsys):
    write_system(tmp_path / "data", frames)
    output = tmp_path / "devi.out"
    assert devi("-m", models[0], "-s", tmp_path / "data", "-o", output) == 0
    assert "a single model does not deviate from itself" in capsys.readouterr().err
    assert devi("-m", models[0], "-s", tmp_path / "data", "-o", output, "--real_error") == 0
    assert "a single model" not in capsys.readouterr().err


def test_without_virials_their_errors_are_nan(models, tmp_path, frames):
    write_system(tmp_path / "data", frames, absent=["virial"])
    output = tmp_path / "devi.out"
    assert devi("-m", *models, "-s", tmp_path / "data", "-o", output, "--real_error") == 0
    rows = np.loadtxt(output)
    assert np.isnan(rows[:, 1:4]).all() and np.isfinite(rows[:, 4:]).all()


@pytest.mark.parametrize("kind", ["extxyz", "traj"])
def test_frames_without_labels(models, tmp_path, frames, kind):
    """Trajectories of molecular dynamics, for the deviation and for descriptors."""
    coords, cells, types = frames
    system, output = write_system(tmp_path / "data", frames), tmp_path / "devi.out"
    images = [
        Atoms([("O", "H")[kind] for kind in types], coord, cell=cell.reshape(3, 3), pbc=True)
        for coord, cell in zip(coords, cells, strict=True)
    ]
    path = tmp_path / f"a.{kind}"
    ase.io.write(path, images)
    rows = []
    for place in (system, path):
        assert devi("-m", *models, "-s", place, "-o", output) == 0
        rows.append(np.loadtxt(output))
    np.testing.assert_allclose(rows[1], rows[0], rtol=1e-4)
    assert (
        main(["eval-desc", "-m", str(models[0]), "-s", str(path), "-o", str(tmp_path / "desc")])
        == 0
    )
    [written] = (tmp_path / "desc").iterdir()
    assert np.load(written).shape[:2] == coords.shape[:2]


def test_models_of_other_types_are_refused(models, tmp_path, frames, capsys):
    with_carbon = Files(tmp_path, ATTENTION, type_map=["O", "C"])
    write_system(tmp_path / "data", frames)
    output = tmp_path / "devi.out"
    assert devi("-m", models[0], with_carbon.graph, "-s", tmp_path / "data", "-o", output) == 1
    error = capsys.readouterr().err
    assert f"{with_carbon.graph} has the type map ['O', 'C']" in error
    assert not output.exists()


def test_dumps_have_steps_and_names_of_their_own(models, tmp_path, frames, capsys):
    """Types 1, 2 are H, O here; the numbers are those of the same frames as a system."""
    coords, cells, types = frames
    system, output = write_system(tmp_path / "data", frames), tmp_path / "devi.out"
    assert devi("-m", *models, "-s", system, "-o", output) == 0
    expected = np.loadtxt(output)
    text = ""
    for number, (coord, cell) in enumerate(zip(coords, cells.reshape(-1, 3, 3), strict=True)):
        (xx, _, _), (xy, yy, _), (xz, yz, zz) = cell
        low, high = np.minimum([xy + xz, yz, 0], [xz, 0, 0]), [xx + max(0, xy), yy + yz, zz]
        text += f"ITEM: TIMESTEP\n{500 * number}\nITEM: NUMBER OF ATOMS\n{len(coord)}\n"
        text += "ITEM: BOX BOUNDS xy xz yz pp pp pp\n"
        rows = zip(low.clip(max=0), high, (xy, xz, yz), strict=True)
        text += "".join(f"{a:.17g} {b:.17g} {tilt:.17g}\n" for a, b, tilt in rows)
        text += "ITEM: ATOMS id type x y z\n"
        for index, (place, kind) in enumerate(zip(coord, types, strict=True)):
            x, y, z = place
            text += f"{index + 1} {2 - kind} {x:.17g} {y:.17g} {z:.17g}\n"
    dump = tmp_path / "traj.lammpstrj"
    dump.write_text(text)
    assert devi("-m", *models, "-s", dump, "-t", "H", "O", "-o", output, "-f", 7) == 0
    found = np.loadtxt(output)
    assert found[:, 0].tolist() == [0, 500, 1000]
    np.testing.assert_allclose(found[:, 1:], expected[:, 1:], rtol=1e-6)
    # The names of the models, if there are as many; here they are O, H, which is something else.
    assert devi("-m", *models, "-s", dump, "-o", output) == 0
    assert not np.allclose(np.loadtxt(output)[:, 1:], expected[:, 1:], rtol=1e-3)
    dump.write_text(text.replace("id type", "id kind"))
    assert devi("-m", *models, "-s", dump, "-o", output) == 1
    assert "has the columns id kind x y z; dump type, or element" in capsys.readouterr().err
