"""Teachers and students on the page of results: inputs, strained cells, a run in LAMMPS."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from example_scripts import modules_of
from small_models import model_section, small_model

from deepattn.config import load_input, normalize_model
from deepattn.distill import read_distill
from deepattn.errors import DataError
from deepattn.export import freeze

from ..conformance.deepmd_kit import DP320

ROOT = Path(__file__).resolve().parents[2]
ALLOY = ROOT / "examples" / "alloy" / "data"


@pytest.fixture(scope="module")
def scripts():
    with modules_of(ROOT / "examples" / "results") as modules:
        yield modules


def strained_cells(scripts, strains):
    """A copper crystal at rest and under strains, with energies that are quadratic in them."""
    rest = bulk("Cu", "fcc", a=3.6, cubic=True)
    found = [np.zeros((3, 3)), *strains]
    atoms = []
    for strain in found:
        cell = rest.copy()
        cell.set_cell(rest.cell[:] @ (np.eye(3) + strain), scale_atoms=True)
        atoms.append(cell)
    strains = np.array(found)
    return scripts.tungsten.Strained(atoms, (strains**2).sum(axis=(1, 2)) - 5.0, strains)


def test_modes_have_one_strain_each(scripts):
    normal, shear, other = np.zeros((3, 3, 3))
    normal[2, 2], other[0, 0] = 0.02, 0.03
    shear[1, 2] = shear[2, 1] = -0.01
    cells = strained_cells(scripts, [normal, shear, other, normal + shear, -normal])
    modes = cells.modes()
    assert modes["normal"][0].tolist() == [-0.02, 0.0, 0.02]
    assert modes["normal"][1].tolist() == [5, 0, 1]
    assert modes["shear"][1].tolist() == [2, 0]
    curves = cells.curves(cells.energies)
    assert curves["normal"] == pytest.approx([0.2, 0.0, 0.2])
    assert curves["shear"] == pytest.approx([0.1, 0.0])


def test_energies_of_a_calculator(scripts):
    normal = np.diag([0.0, 0.0, 0.02])
    cells = strained_cells(scripts, [normal, -normal])
    found = scripts.tungsten.energies_of(EMT(), cells)
    low, rest, high = cells.curves(found)["normal"]
    # Half of the cell's volume, C₁₁ of 173 GPa by the same method, e² / 2.
    assert rest == 0.0 and low > 0 and high > 0


@pytest.mark.parametrize("name", ["water", "tungsten"])
def test_inputs_of_distillations_are_valid(scripts, name):
    config, student = read_distill(scripts.students.INPUTS / f"{name}.json")
    twin = {"water": "water", "tungsten": "monbtaw"}[name]
    same = load_input(ROOT / "examples" / "results" / "inputs" / f"{twin}.json")
    for key in ("type", "rcut", "rcut_smth", "neuron", "axis_neuron", "precision"):
        assert student["model"]["descriptor"][key] == same["model"]["descriptor"][key]
    assert student["model"]["fitting_net"]["neuron"] == same["model"]["fitting_net"]["neuron"]
    assert config.rounds == 2


@pytest.mark.parametrize(("material", "elements"), [("water", ["O", "H"]), ("tungsten", ["W"])])
def test_the_fine_tuning_takes_the_model_of_the_file(scripts, shared, material, elements):
    data_set = scripts.students.TUNINGS[material]
    config = data_set.read_input(shared / "data", seed=1)
    assert config["model"] == {
        "type_map": elements,
        "type_embedding": {},
        "descriptor": {},
        "fitting_net": {},
    }
    assert all(Path(path).is_dir() for path in config["training"]["training_data"]["systems"])
    with pytest.raises(DataError, match=f"the data of {material} are "):
        data_set.read_input(Path("/nowhere"), seed=1)


def test_wrong_arguments_give_one_sentence(scripts, tmp_path):
    with pytest.raises(SystemExit, match="gold is none of water, tungsten"):
        scripts.students.main(["gold", "-o", str(tmp_path)])
    options = SimpleNamespace(pretrained=tmp_path)
    with pytest.raises(DataError, match=r"oc2m_se_atten_f32\.pb: there is no such file; give"):
        scripts.students.published(scripts.students.PRETRAINED, options)


def test_nothing_begins_when_the_budget_is_used(scripts, tmp_path):
    options = SimpleNamespace(budget=0.0, output=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        scripts.students.distilled("water", tmp_path / "teacher.pb", None, options)
    assert not list(tmp_path.iterdir())
    scripts.students.begin(SimpleNamespace(budget=None))


def test_time_is_counted_over_calls(scripts, tmp_path):
    path = tmp_path / "cost.json"
    for _ in range(2):
        before = scripts.cost.read_cost(path)
        with scripts.students.counted(path):
            np.linalg.svd(np.ones((400, 400)))
        assert scripts.cost.read_cost(path) > before


@pytest.mark.conformance
def test_a_model_is_compared_in_lammps(scripts, tmp_path, monkeypatch):
    """A student without attention, with graphs of both kinds, and nothing run twice."""
    students = scripts.students
    elements = ["Ag", "Pd", "Au"]
    section = {"type": "se_atten_v2", "rcut": 3.5, "attn_layer": 0}
    model = tmp_path / "model.pb"
    script = {"model": normalize_model(model_section(section, type_map=elements))}
    freeze(small_model(section, type_map=elements), model, training_script=script)
    monkeypatch.setitem(students.VALID, "silver", ("valid/Ag32",))
    atoms = bulk("Ag", "fcc", a=4.0, cubic=True)
    run = scripts.lammps_run.Dynamics(
        atoms, tuple(elements), 300.0, 1e-3, equilibration=0.004, parts=1, length=0.02, every=0.002
    )
    lmp = DP320.require().root / "bin" / "lmp"
    options = SimpleNamespace(output=tmp_path, data=ALLOY, lmp=lmp, budget=None)
    candidate = students.Model(model, True, run, 0.5, (20.0, 10))
    found, frames = students.compared("silver", "student", candidate, options)
    assert found["broke_at"] is None and found["left_at"] is None and len(frames) == 10
    assert found["processor_milliseconds"].keys() == {"stock", "fast"}
    assert found["errors"]["force"]["rmse"] > 0
    options.lmp = Path("/nowhere/lmp")
    again, _ = students.compared("silver", "student", candidate, options)
    assert again == found


def test_the_recorded_students(scripts):
    found = scripts.record.read_students()
    assert found.keys() == scripts.students.SYSTEMS.keys()
    water = found["water"]
    for material in found.values():
        assert list(material["models"]) == list(scripts.students.MODELS)
    runs = json.loads(scripts.record.RUNS.read_text())
    assert water["labels"] == runs["water"]["labels"] and water["r"] == runs["water"]["r"]
    for material in found.values():
        for name, model in material["models"].items():
            assert (model["core_minutes"] is None) == (name == "published")
            assert (model["teacher"] is None) == (name != "student")
            assert model["broke_at"] is None or 0 <= model["broke_at"] < model["time"]
