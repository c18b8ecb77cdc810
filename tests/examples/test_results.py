"""The page of results agrees with the recorded results; the scripts run, stop and resume."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.units import GPa
from example_scripts import modules_of

from deepattn.config import load_input, read_input
from deepattn.data import System, find_systems
from deepattn.errors import DataError

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples" / "results"
ALLOY = ROOT / "examples" / "alloy" / "data"
INPUTS = sorted((FOLDER / "inputs").glob("*.json"))


@pytest.fixture(scope="module")
def scripts():
    with modules_of(FOLDER) as modules:
        yield modules


@pytest.fixture
def small(scripts, tmp_path, monkeypatch):
    """A set of a few frames of the alloy, whose results go to a folder of the test."""
    config = {
        "model": {
            "type_map": ["Ag", "Pd", "Au"],
            "descriptor": {
                "type": "se_e2_a",
                "rcut": 3.5,
                "sel": "auto",
                "neuron": [2, 4],
                "axis_neuron": 2,
            },
            "fitting_net": {"neuron": [4, 4]},
        },
        "learning_rate": {"type": "cosine", "start_lr": 1e-3, "stop_lr": 1e-5},
        "loss": {"start_pref_e": 1, "limit_pref_e": 20},
        "training": {
            "training_data": {"systems": "train/Ag32", "batch_size": 1},
            "validation_data": {"systems": "valid/Ag32", "batch_size": 1},
            "numb_steps": 6,
            "disp_freq": 2,
            "save_freq": 2,
        },
    }
    (tmp_path / "inputs").mkdir()
    (tmp_path / "inputs" / "silver.json").write_text(json.dumps(config))
    data_set = scripts.sets.DataSet("silver", "silver", "in the repository", "Ag", {"force": 1e6})
    for module in (scripts.sets, scripts.page):
        monkeypatch.setattr(module, "HERE", tmp_path)
    for module in (scripts.record, scripts.training_run, scripts.run):
        monkeypatch.setattr(module, "RESULTS", tmp_path / "results")
    for module in (scripts.sets, scripts.run, scripts.deepmd_run, scripts.page):
        monkeypatch.setattr(module, "SETS", {"silver": data_set})
    return data_set


def test_tables_of_the_page_are_those_of_the_results(scripts):
    texts = [page.read_text() for page in scripts.page.PAGES]
    for text in texts:
        assert scripts.tables.filled(text, scripts.page.tables()) == text
    for name in scripts.page.TABLES:
        assert f"<!-- table: {name} -->" in "".join(texts)


def test_a_wrong_number_on_the_page_is_found(scripts, tmp_path, monkeypatch):
    text = scripts.page.PAGES[0].read_text()
    record = scripts.record.read_records()[0]
    wrong = f"{record.core_minutes:.1f}"
    assert wrong in text
    page = tmp_path / "results.md"
    monkeypatch.setattr(scripts.page, "PAGES", (page,))
    page.write_text(text.replace(wrong, "0.1"))
    with pytest.raises(SystemExit, match="differs from the results"):
        scripts.page.main(["--check"])
    scripts.page.main([])
    assert page.read_text() == text
    scripts.page.main(["--check"])


def test_records_belong_to_the_inputs(scripts):
    for record in scripts.record.read_records():
        data_set = scripts.sets.SETS[record.set]
        config = load_input(FOLDER / "inputs" / f"{data_set.name}.json")
        steps = scripts.variants.changed(config, record.variant)["training"]["numb_steps"]
        assert record.steps == steps == record.curve["step"][-1]
        assert {"energy", "force"} <= record.errors.keys()
        for error in record.errors.values():
            assert 0 < error["mae"] < error["rmse"]


def test_parity_has_the_errors_of_the_record(scripts):
    """The pictures show a sample of what the tables are made of."""
    for record in scripts.record.read_records():
        path = scripts.record.RESULTS / f"{record.set}-{record.seed}.npz"
        if record.is_result and path.is_file():
            label, prediction = scripts.record.read_pairs(path)["f"]
            rmse = 1000 * ((prediction - label) ** 2).mean() ** 0.5
            assert rmse == pytest.approx(record.errors["force"]["rmse"], rel=0.25)


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.stem)
def test_inputs_are_valid(scripts, path):
    assert path.stem in scripts.sets.SETS
    config = load_input(path)
    read_input(config)
    for variant in scripts.variants.VARIANTS:
        read_input(scripts.variants.changed(config, variant))
    assert config["training"]["save_freq"] <= config["training"]["numb_steps"]


def test_pictures_are_drawn(scripts, tmp_path):
    pytest.importorskip("matplotlib")
    scripts.pictures.main(["-o", str(tmp_path)])
    for name in (
        "curves",
        "parity",
        "first",
        "water",
        "students-water",
        "students-tungsten",
        "limits",
    ):
        assert 10_000 < (tmp_path / f"results-{name}.png").stat().st_size < 200_000


@pytest.mark.slow
def test_a_training_stops_at_its_budget_and_resumes(scripts, small, tmp_path, capsys):
    options = ["silver", "--data", str(ALLOY), "-o", str(tmp_path / "runs")]
    with pytest.raises(SystemExit, match="the same command goes on"):
        scripts.run.main([*options, "--budget", "0"])
    assert "silver-1: not measured yet" in capsys.readouterr().err
    first = scripts.cost.read_cost(tmp_path / "runs" / "silver-1" / "cost.json")
    assert first > 0
    scripts.run.main(options)
    (record,) = scripts.record.read_records(tmp_path / "results")
    assert record.steps == 6 and record.curve["step"] == [0, 2, 4, 6]
    assert record.core_minutes >= round(first, 2)
    assert (
        record.data["training"]["frames"]
        == scripts.record.describe_data([str(ALLOY / "train" / "Ag32")])["frames"]
    )
    kinds = scripts.record.read_pairs(tmp_path / "results" / "silver-1.npz")
    assert {"e_peratom", "f"} <= kinds.keys()
    scripts.run.main([*options, "--dry-run"])
    assert "silver-1: trained" in capsys.readouterr().err
    row = scripts.page.overview([record]).splitlines()[-1]
    assert row.startswith("| silver | ") and row.endswith("force ≤ 1000000.0: reached |")


def test_points_of_learning_curves_differ_in_one_thing(scripts, small, tmp_path, monkeypatch):
    monkeypatch.setattr(scripts.limits, "SETS", {"silver": small})
    monkeypatch.setattr(scripts.limits, "MIDDLE", {"silver": 40})
    monkeypatch.setattr(scripts.limits, "MISSED", {"silver": "energy"})

    def config(axis, factor):
        run = scripts.limits.training_run("silver", axis, Fraction(factor), tmp_path, ALLOY)
        return run.config()

    def nets(found):
        return [found["model"][name]["neuron"] for name in ("descriptor", "fitting_net")]

    middle = config("steps", 1)
    assert middle == config("width", 1) == config("frames", 1)
    assert middle["training"]["numb_steps"] == 40 and nets(middle) == [[2, 4], [4, 4]]
    wide, short, few = config("width", 2), config("steps", "1/4"), config("frames", "1/4")
    assert nets(wide) == [[4, 8], [8, 8]] and wide["training"] == middle["training"]
    assert short["training"]["numb_steps"] == 10 and short["model"] == middle["model"]
    count = {
        name: scripts.record.describe_data(found["training"]["training_data"]["systems"])["frames"]
        for name, found in (("few", few), ("all", middle))
    }
    assert count["few"] == count["all"] // 4 > 0
    assert few["model"] == middle["model"] and few == config("frames", "1/4")
    heavy = config("pref_e", 4)
    assert heavy["loss"] == {"start_pref_e": 4, "limit_pref_e": 80}
    assert heavy | {"loss": middle["loss"]} == middle
    assert "pref_e" in scripts.limits.curves("silver")


@pytest.mark.slow
def test_learning_curves_are_recorded_once(scripts, small, tmp_path, monkeypatch, capsys):
    limits = scripts.limits
    monkeypatch.setattr(limits, "SETS", {"silver": small})
    monkeypatch.setattr(limits, "MIDDLE", {"silver": 20})
    monkeypatch.setattr(limits, "MISSED", {"silver": "force"})
    monkeypatch.setattr(limits, "PARTS", {"silver": {"crystals": ("Ag32",)}})
    monkeypatch.setattr(limits, "RESULTS", tmp_path / "limits.json")
    monkeypatch.setattr(limits, "CURVES", {"frames": (Fraction(1, 2), 1), "steps": (1, 2)})
    for _ in range(2):
        limits.main(["silver", "--data", str(ALLOY), "-o", str(tmp_path / "runs")])
    assert "[3/3] silver, steps × 2: energy" in capsys.readouterr().err
    rows = limits.read_points(tmp_path / "limits.json")
    found = [(row["axis"], row["factor"], row["steps"]) for row in rows]
    assert found == [("frames", 0.5, 20), ("frames", 1, 20), ("steps", 1, 20), ("steps", 2, 40)]
    assert rows[1]["errors"] == rows[2]["errors"] and rows[0]["frames"] < rows[1]["frames"]
    for row in rows:
        assert row["errors"]["training"]["force"]["rmse"] > 0
        assert row["errors"]["crystals"] == row["errors"]["validation"]
    with pytest.raises(SystemExit, match="gold has no curves; there are silver"):
        limits.main(["gold"])


def test_surfaces_limit_the_energies_of_the_alloys(scripts, shared):
    """The sentence of the page: energies of the record, by the folders of their labels."""
    frames = sorted(
        (energy / System(name).natoms, Path(name).name)
        for name in find_systems(str(shared / "data" / "monbtaw" / "mixed" / "valid"))
        for file in Path(name).glob("set.*/energy.npy")
        for energy in np.load(file)
    )
    labels = np.array([energy for energy, _ in frames])
    kinds = np.array([kind for _, kind in frames])
    label, prediction = scripts.record.read_pairs(FOLDER / "results/monbtaw-1.npz")["e_peratom"]
    order = np.argsort(label)
    np.testing.assert_allclose(label[order], labels - labels.mean(), atol=1e-6)
    error = 1000 * (prediction - label)[order]
    parts = scripts.limits.PARTS["monbtaw"]
    crystals, surfaces = (
        (error[np.isin(kinds, parts[part])] ** 2).mean() ** 0.5 for part in ("crystals", "surfaces")
    )
    text = " ".join((ROOT / "docs" / "results.md").read_text().split())
    found = (
        f"{len(error)} validation frames have {surfaces:.0f} meV/atom, the crystals {crystals:.1f}"
    )
    assert found in text
    assert f"{surfaces:.0f} after 240,000 steps, when the crystals have {crystals:.1f}" in text


def test_another_input_is_refused(scripts, small, tmp_path):
    run = scripts.training_run.TrainingRun(small, 1, tmp_path / "runs", ALLOY)
    run.folder.mkdir(parents=True)
    (run.folder / "input.json").write_text(json.dumps(replace(run, seed=2).config()))
    with pytest.raises(DataError, match=r"input\.json: this run has other settings"):
        run.carry_out()


def test_missing_data_give_one_sentence(scripts, small, tmp_path):
    with pytest.raises(SystemExit, match="train/Ag32: there is no such folder; the data of silver"):
        scripts.run.main(["silver", "--data", str(tmp_path), "-o", str(tmp_path / "runs")])
    with pytest.raises(SystemExit, match="gold is no set; there are silver"):
        scripts.run.main(["gold"])


def test_a_missing_deepmd_kit_gives_one_sentence(scripts, small, tmp_path):
    options = ["--data", str(ALLOY), "-o", str(tmp_path / "runs"), "--python", "/nowhere/python"]
    with pytest.raises(SystemExit, match="/nowhere/dp: there is no such program; give the"):
        scripts.deepmd_run.main(["silver", *options])


def test_elastic_constants_of_a_known_crystal(scripts):
    """Cells whose stresses are linear in the strain give the constants back."""
    c11, c12, c44, a = 500.0, 200.0, 150.0, 3.2
    random = np.random.default_rng(1)
    strains = random.uniform(-0.02, 0.02, (60, 3, 3))
    strains = (strains + strains.transpose(0, 2, 1)) / 2
    strains[0] = 0
    trace = np.trace(strains, axis1=1, axis2=2)[:, None, None]
    normal = strains * np.eye(3)
    stresses = (c11 - c12) * normal + c12 * trace * np.eye(3) + 2 * c44 * (strains - normal)
    boxes = a * (np.eye(3) + strains)
    virials = -stresses * GPa * np.linalg.det(boxes)[:, None, None]
    found = scripts.elastic.from_frames(boxes, virials)
    assert found == pytest.approx((a, c11, c12, c44), rel=1e-6)


def test_elastic_constants_of_a_model(scripts):
    """Copper by effective-medium theory, whose constants are published with it."""
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True)
    atoms.calc = EMT()
    found = scripts.elastic.from_model(atoms)
    assert found.a == pytest.approx(3.59, abs=0.01)
    assert found.c11 > found.c12 > found.c44 > 0
    pressed = bulk("Cu", "fcc", a=found.a * 1.002, cubic=True)
    pressed.calc = EMT()
    pressure = -np.trace(pressed.get_stress(voigt=False)) / 3 / GPa
    assert pressure == pytest.approx(-found.bulk_modulus * (1.002**3 - 1), rel=0.03)


def test_slices_are_thirty_and_named_once(scripts):
    slices = scripts.slices.SLICES
    assert len(slices) == 30
    assert {found.tuned for found in slices.values()} == scripts.sets.SETS.keys()


def test_suggested_inputs_are_compared_with_tuned_ones(scripts, shared, tmp_path, monkeypatch):
    data = shared / "data"
    for found in scripts.slices.SLICES.values():
        for patterns in (found.training, found.validation):
            assert scripts.suggested.systems_of(data, patterns)
    run = scripts.suggested.training_run(
        scripts.slices.SLICES["Mo–W"],
        "init",
        SimpleNamespace(output=tmp_path, data=data, steps=10),
    )
    own, tuned = run.config(), replace(run, variant="tuned").config()
    read_input(own)
    read_input(tuned)
    assert own["training"]["numb_steps"] == tuned["training"]["numb_steps"] == 10
    systems = own["training"]["training_data"]["systems"]
    assert systems == tuned["training"]["training_data"]["systems"]
    assert {Path(path).name.rstrip("0123456789") for path in systems} >= {"Mo", "W"}
    rows = [
        {"slice": "Mo–W", "kind": kind, "seed": seed, "errors": {"force": {"rmse": error}}}
        for kind, *errors in (("init", 100.0, 120.0), ("tuned", 90.0, 110.0))
        for seed, error in enumerate(errors, start=1)
    ]
    assert scripts.suggested.ratio(rows, "force") == pytest.approx(1.1)
    assert list(scripts.suggested.by_slice(rows)) == ["Mo–W"]
    assert not scripts.suggested.by_slice(rows[:2])
