"""The page about forgetting agrees with its records; the script trains, stops and resumes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from example_scripts import modules_of
from small_models import model_section, small_model

from deepattn.config import MultiTaskConfig, normalize_model, read_input, upgrade
from deepattn.data import System
from deepattn.export import freeze

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def keeps():
    with modules_of(ROOT / "examples" / "keeps") as modules:
        yield modules


def test_tables_of_the_page_are_those_of_the_records(keeps):
    text = keeps.page.PAGE.read_text()
    assert keeps.tables.filled(text, keeps.page.tables()) == text
    for name in keeps.page.TABLES:
        assert f"<!-- table: {name} -->" in text
    keeps.page.main(["--check"])


def test_a_wrong_number_on_the_page_is_found(keeps, tmp_path, monkeypatch):
    text = keeps.page.PAGE.read_text()
    cell = keeps.page.ways(keeps.record.read_records(keeps.record.RESULTS)).splitlines()[2]
    monkeypatch.setattr(keeps.page, "PAGE", tmp_path / "keeps.md")
    keeps.page.PAGE.write_text(text.replace(cell, cell.replace("| ", "| 1", 3)))
    with pytest.raises(SystemExit, match="differs from the results"):
        keeps.page.main(["--check"])


def test_the_picture_is_drawn(keeps, tmp_path):
    keeps.page.draw(keeps.record.read_records(keeps.record.RESULTS), tmp_path / "keeps.png")
    assert (tmp_path / "keeps.png").stat().st_size > 10000


def frame(keeps, names, *, box=True, energy=-1.0):
    rng = np.random.default_rng(len(names))
    cell = 4.0 * np.eye(3).ravel() if box else None
    coord, force = rng.uniform(0, 4, (len(names), 3)), rng.normal(size=(len(names), 3))
    return keeps.frames.Frame(tuple(names), coord, cell, energy, force)


@pytest.mark.parametrize("box", [True, False])
def test_frames_are_written_as_they_are(keeps, tmp_path, box):
    frames = [frame(keeps, names, box=box) for names in ("HO", "OH", "OHH")]
    [pair, _] = keeps.frames.write(frames, tmp_path / "frames")
    assert System(pair).nframes == 2
    found = {one.names: one for one in keeps.frames.read_small(tmp_path / "frames")}
    for one in frames:
        assert (found[one.names].box is None) == (not box)
        np.testing.assert_array_equal(found[one.names].coord, one.coord)
        np.testing.assert_array_equal(found[one.names].force, one.force)


def test_parts_have_no_formula_in_common(keeps):
    frames = [frame(keeps, names * k) for names in ("HO", "OHH", "C", "N", "CN") for k in (1, 2)]
    first, second = keeps.frames.split_by_formula(frames)
    formulas = [{one.formula for one in part} for part in (first, second)]
    assert not formulas[0] & formulas[1] and len(first) + len(second) == len(frames)
    # Multiples of a cell are together.
    assert [len(part) for part in (first, second)] == [2 * len(part) for part in formulas]


@pytest.mark.parametrize("way", ["plain", "replay", "l2_sp", "ewc", "lora"])
def test_inputs_can_be_read(keeps, way):
    model = {
        "type_map": ["O", "H"],
        "type_embedding": {"neuron": [2]},
        "descriptor": {"type": "se_atten", "sel": 8, "rcut": 3.0, "rcut_smth": 1.0},
        "fitting_net": {"neuron": [4]},
    }
    content = keeps.ways.make_input(
        way,
        2.0,
        keeps.ways.SETS["alloy"],
        model=model,
        new=["new"],
        old=["old"],
        seed=1,
    )
    config = read_input(upgrade(content))
    steps = keeps.ways.SETS["alloy"].steps
    if way == "replay":
        assert isinstance(config, MultiTaskConfig)
        assert config.tasks["old"].loss.start_pref_f == 2 * config.tasks["new"].loss.start_pref_f
        assert next(iter(config.tasks.values())).training.steps == round(1.5 * steps)
        return
    section = config.training.finetune
    assert config.training.steps == steps and (section is None) == (way == "plain")
    if way == "lora":
        assert config.learning_rate.start_lr == 2.0 and section.lora.rank == keeps.ways.LORA_RANK
    if way == "ewc":
        assert section.ewc.strength == 2.0 and section.ewc.systems == ("old",)
    if way == "l2_sp":
        assert section.l2_sp == 2.0


def test_a_finished_run_is_not_repeated(keeps, tmp_path, monkeypatch, capsys):
    known = keeps.record.read_records(keeps.record.RESULTS)[0]
    done = []

    def carry_out(run):
        done.append(run.name)
        record = replace(known, set=run.set, way=run.way, strength=run.strength, seed=run.seed)
        record.write(tmp_path / "results")
        return record

    monkeypatch.setattr(keeps.run, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(keeps.run.Run, "carry_out", carry_out)
    options = ["-o", str(tmp_path), "--sets", "alloy", "--seeds", "1", "2"]
    keeps.run.main([*options, "--ways", "plain", "ewc=5"])
    assert done == [
        "alloy-pretrained-0-0",
        *(f"alloy-{way}-{seed}" for seed in (1, 2) for way in ("plain-0", "ewc-5")),
    ]
    keeps.run.main([*options, "--ways", "plain", "ewc=5", "ewc=6"])
    assert done[5:] == ["alloy-ewc-6-1", "alloy-ewc-6-2"]
    keeps.run.main([*options, "--ways", "ewc=7", "--budget", "0"])
    assert len(done) == 7 and "the budget is used" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="nothing is no way; there are plain, replay"):
        keeps.run.main([*options, "--ways", "nothing"])


@pytest.mark.slow
def test_every_way_trains_and_is_measured(keeps, tmp_path, monkeypatch):
    """On random frames, with a small graph; a second call measures again without training."""
    elements = ["Ag", "Pd", "Cu", "Zn"]
    section = {"rcut": 3.5, "attn_layer": 0}
    script = {"model": normalize_model(model_section(section, type_map=elements))}
    graph = tmp_path / "pretrained.pb"
    freeze(
        small_model(section, type_map=elements), graph, training_script=script, min_nbor_dist=1.0
    )
    data = replace(keeps.ways.SETS["alloy"], steps=2)
    for part in ("train", "valid"):
        new = [frame(keeps, ["Ag", "Pd"], energy=k) for k in range(4)]
        keeps.frames.write(new, tmp_path / data.folder / part)
        old = [frame(keeps, names) for k in (2, 3) for names in (["Cu"] * k, ["Zn"] * k)]
        keeps.frames.write(old, tmp_path / "mptrj" / "mixed" / part)
    for module in (keeps.run, keeps.ways):
        monkeypatch.setattr(module, "SETS", {"alloy": data})
    counts = {"train": 3, "valid": 2, "old": 2, "other": 2}
    monkeypatch.setattr(keeps.run, "COUNTS", counts)
    monkeypatch.setattr(keeps.ways, "MATRICES", ["layer_?/matrix"])
    monkeypatch.setattr(keeps.ways, "LORA_RANK", 2)
    monkeypatch.setattr(keeps.run, "RESULTS", tmp_path / "results")
    options = ["-o", str(tmp_path / "runs"), "--data", str(tmp_path), "--pretrained", str(graph)]
    options += ["--seeds", "1", "--ways", "plain", "replay=2", "l2_sp=1", "ewc=1", "lora=1e-2"]
    keeps.run.main(options)
    first = keeps.record.read_records(tmp_path / "results")
    assert len(first) == 6
    for record in first:
        before = record.way == "pretrained"
        assert all((value == 0) == before for value in record.drift.values())
        assert record.new["force"] > 0 and record.frames == counts
    for path in (tmp_path / "results").iterdir():
        path.unlink()
    keeps.run.main(options)
    for one, two in zip(first, keeps.record.read_records(tmp_path / "results"), strict=True):
        assert replace(one, core_minutes=0.0) == replace(two, core_minutes=0.0)
