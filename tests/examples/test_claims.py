"""The scripts of the claims: they run, resume, repeat nothing, and report errors."""

import json
from contextlib import nullcontext
from pathlib import Path
from shutil import copytree

import keras
import pytest
from example_scripts import modules_of
from small_models import model_section, small_model

from deepattn.config import normalize_model
from deepattn.data import System
from deepattn.errors import DataError
from deepattn.export import freeze

ROOT = Path(__file__).resolve().parents[2]
ALLOY = ROOT / "examples" / "alloy" / "data"
TYPE_MAP = ["Ag", "Pd", "Au"]
ROWS = [
    {"model": model, "seed": seed, "errors": {test: {"energy": e, "force": 2 * e}}}
    for model, seed, test, e in [("one", 1, "seen", 0.010), ("one", 2, "seen", 0.014)]
]


@pytest.fixture(scope="module")
def claims():
    with modules_of(ROOT / "examples" / "claims") as modules:
        yield modules


@pytest.fixture
def small_nets(claims, monkeypatch):
    """Models of `transfer.py` that are built in no time."""
    for key, value in (("rcut", 4.5), ("neuron", [2, 4]), ("axis_neuron", 2)):
        monkeypatch.setitem(claims.transfer.COMMON, key, value)


@pytest.fixture
def few_frames(claims, tmp_path):
    """A folder of data sets with a few frames of one, and a frozen model of their elements."""
    for part, count in (("train", 6), ("valid", 2)):
        systems = claims.frames.read_all(ALLOY / part)
        claims.drawn.write_some(systems, tmp_path / "monbtaw/mixed" / part, count=count, seed=1)
    section = model_section({"rcut": 3.5, "attn_layer": 0}, type_map=[*TYPE_MAP, "Cu"])
    model = small_model({"rcut": 3.5, "attn_layer": 0}, type_map=[*TYPE_MAP, "Cu"])
    script = {"model": normalize_model(section)}
    freeze(model, tmp_path / "pretrained.pb", training_script=script, min_nbor_dist=1.0)
    return tmp_path


def _run(claims, folder: Path, steps: int):
    section = claims.transfer.model_section(
        claims.transfer.DESCRIPTORS["se_atten, no attention"], TYPE_MAP
    )
    systems = [str(ALLOY / "train" / "Ag32")]
    config = claims.training_run.training_input(
        section,
        systems,
        batch_size="auto",
        steps=steps,
        rate=claims.transfer.RATE,
        loss=claims.transfer.LOSS,
        seed=1,
    )
    return claims.training_run.TrainingRun(folder, config, {"seen": systems})


@pytest.fixture
def quick(claims, monkeypatch):
    """No trainings, but errors of our own; gives the folders of the runs that would train."""
    trained = []

    def errors(*_):
        return {"energy": 0.01 * len(trained), "force": 0.1 / len(trained)}

    def train(run, limit):
        trained.append(run.folder)
        (run.folder / "val.log").write_text("# step\n1 2 3 4 5 6 7\n2 3 4 5 6 7 8\n")

    monkeypatch.setattr(claims.training_run.TrainingRun, "_train", train)
    monkeypatch.setattr(claims.training_run, "DeepPot", lambda *_, **__: nullcontext())
    for module in (claims.training_run, claims.curves):
        monkeypatch.setattr(module, "test", errors)
    return trained


def _curves_options(folder: Path) -> list[str]:
    return [
        *("-o", str(folder / "out"), "--data", str(folder)),
        *("--pretrained", str(folder / "pretrained.pb"), "--sets", "monbtaw", "--steps", "4"),
    ]


def test_sample_efficiency_does_every_run_once(claims, few_frames, quick, capsys):
    output = few_frames / "out"
    options = [*_curves_options(few_frames), "--sizes", "2", "all", "--seeds", "1", "2"]
    claims.sample_efficiency.main(options)
    printed = capsys.readouterr()
    assert "[8/8] set monbtaw, frames 6, way fine-tuned, seed 2" in printed.err
    assert len(set(quick)) == 8
    rows = claims.command.read_runs(output / "results.json")
    assert [(row["frames"], row["way"], row["seed"]) for row in rows[:3]] == [
        (2, "fine-tuned", 1),
        (2, "fine-tuned", 2),
        (2, "from scratch", 1),
    ]
    assert rows[2]["errors"] == {"valid": {"energy": 0.01, "force": 0.1}}
    assert (output / "sample-efficiency.png").stat().st_size > 10000
    claims.sample_efficiency.main(options)
    assert len(quick) == 8
    assert capsys.readouterr().out == printed.out


def test_transfer_does_every_run_once(claims, quick, tmp_path, capsys):
    options = ["-o", str(tmp_path), "--data", str(ALLOY), "--unseen", "Ag-Au", "--seeds", "1", "2"]
    claims.transfer.main(options)
    printed = capsys.readouterr().out
    assert len(claims.command.read_runs(tmp_path / "results.json")) == 8 == len(set(quick))
    assert [line.split("|")[1].strip() for line in printed.splitlines()[2:-1]] == list(
        claims.transfer.DESCRIPTORS
    )
    assert (tmp_path / "transfer.png").stat().st_size > 10000
    claims.transfer.main([*options[:-1], "--models", "se_e2_a"])
    assert len(quick) == 8
    assert capsys.readouterr().out == printed  # it adds to what is there


def test_from_scratch_does_every_run_once(claims, few_frames, quick, capsys, tmp_path, monkeypatch):
    config = claims.transfer.training_input(
        {"type_map": TYPE_MAP, "descriptor": {"type": "se_e2_a"}, "fitting_net": {}},
        [],
        batch_size="auto",
        steps=1,
        rate=claims.transfer.RATE,
        loss=claims.transfer.LOSS,
        seed=9,
    )
    config["training"]["validation_data"] = {"systems": "elsewhere"}
    (tmp_path / "monbtaw.json").write_text(json.dumps(config))
    monkeypatch.setattr(claims.from_scratch, "INPUTS", tmp_path)
    options = ["-o", str(few_frames / "out"), "--data", str(few_frames), "--sets", "monbtaw"]
    for _ in range(2):
        claims.from_scratch.main([*options, "--sizes", "2", "all", "--steps", "20"])
    table = capsys.readouterr().out.splitlines()
    cells = [[cell.strip() for cell in line.split("|")] for line in table[2:4]]
    assert [row[1:3] for row in cells] == [["monbtaw", "2"], ["monbtaw", "6"]]
    assert len(quick) == 2
    written = json.loads((quick[0] / "input.json").read_text())
    assert written["training"]["numb_steps"] == 20
    assert written["training"]["seed"] == written["model"]["descriptor"]["seed"] == 1
    assert "validation_data" not in written["training"]


@pytest.fixture
def four_sets(claims, few_frames, monkeypatch):
    """The same few frames as all data sets of the pre-trainings too; few steps."""
    for folder, _ in claims.pretraining.BRANCHES.values():
        copytree(few_frames / "monbtaw/mixed", few_frames / folder)
    monkeypatch.setattr(claims.multi_task, "PRETRAINING_STEPS", 4)
    monkeypatch.setattr(claims.multi_task, "STEPS", {2: 4})
    monkeypatch.setattr(claims.multi_task, "TRIAL_FRAMES", 3)
    monkeypatch.setattr(claims.multi_task, "LONG_TRIALS", (2,))
    return few_frames


def _multi_task_options(folder: Path) -> list[str]:
    return ["-o", str(folder / "out"), "--data", str(folder), "--sizes", "2"]


def test_multi_task_does_every_run_once(claims, four_sets, quick, capsys):
    output = four_sets / "out"
    options = [*_multi_task_options(four_sets), "--seeds", "1", "2"]
    claims.multi_task.main(options)
    printed = capsys.readouterr()
    before = claims.command.read_runs(output / "multi_task_pretraining.json")
    assert [row["way"] for row in before] == ["multi-task", "single-task"]
    rows = claims.command.read_runs(output / "multi_task.json")
    trials = [row for row in rows if claims.multi_task.is_trial(row)]
    assert len(trials) == sum(map(len, claims.multi_task.TRIED.values())) + 1
    assert len(rows) - len(trials) == 12 and len(set(quick)) == len(rows) + 2
    assert rows[0]["curve"] == {"step": [1, 2], "energy": [3, 4], "force": [5, 6]}
    assert {row["steps"] for row in rows if row["seed"] != 0} == {2, 4}
    assert printed.out.count("\n| 2 | 4 |") == 3
    claims.multi_task.main(options)
    assert len(quick) == len(rows) + 2
    assert capsys.readouterr().out == printed.out


def test_pre_trainings_differ_in_their_branches_alone(claims, four_sets):
    pretraining = claims.pretraining
    runs = {
        way: pretraining.pretraining(way, four_sets, four_sets, steps=4, rate=1e-3, seed=1)
        for way in (pretraining.MULTI_TASK, pretraining.SINGLE_TASK)
    }
    several, single = (run.config for run in runs.values())
    shared, branches = several["model"]["shared_dict"], several["model"]["model_dict"]
    assert list(branches) == list(pretraining.BRANCHES)
    for branch in branches.values():
        whole = branch | {"type_map": shared["elements"], "descriptor": shared["descriptor"]}
        assert whole == single["model"]
    data = several["training"]["data_dict"]
    tasks = {name: task["training_data"] for name, task in data.items()}
    assert tasks[pretraining.SINGLE] == single["training"]["training_data"]
    assert len({task["systems"][0] for task in tasks.values()}) == len(branches)
    assert several["training"]["numb_steps"] == single["training"]["numb_steps"]
    assert [run.head for run in runs.values()] == [pretraining.SINGLE, None]


def test_recorded_runs_are_those_of_multi_task(claims):
    module = claims.multi_task
    rows = claims.command.read_runs(claims.page.RESULTS / "multi_task.json")
    trials = [row for row in rows if module.is_trial(row)]
    for way, rates in module.TRIED.items():
        short = [row for row in trials if row["way"] == way and row["seed"] == module.TRIAL_SEED]
        force = {row["rate"]: row["errors"]["valid"]["force"] for row in short}
        assert force.keys() == set(rates)
        best = min(force, key=force.get)
        assert module.RATES[way] == best or (way, best) == ("from scratch", module.LONG_TRIAL_RATE)
    long = [row for row in trials if row["seed"] != module.TRIAL_SEED]
    assert [row["frames"] for row in long] == list(module.LONG_TRIALS)
    whole, half = claims.page.by_length(rows)
    for part, steps in (
        (whole, module.STEPS),
        (half, {n: s // 2 for n, s in module.STEPS.items()}),
    ):
        assert all(row["steps"] == steps[row["frames"]] for row in part)
        assert all(row["rate"] == module.RATES[row["way"]] for row in part)
    for row in rows:
        assert row["curve"]["step"][-1] == row["steps"]


def test_tables_of_the_page_are_those_of_the_results(claims):
    text = claims.page.PAGE.read_text()
    assert claims.tables.filled(text, claims.page.TABLES) == text
    for name in claims.page.TABLES:
        assert f"<!-- table: {name} -->" in text
    runs = claims.command.read_runs(claims.page.RESULTS / "transfer.json")
    assert {run["model"] for run in runs} == set(claims.transfer.DESCRIPTORS)


@pytest.mark.slow
def test_sample_efficiency_trains(claims, few_frames, capsys):
    claims.sample_efficiency.main([*_curves_options(few_frames), "--sizes", "2", "--seeds", "1"])
    rows = claims.command.read_runs(few_frames / "out" / "results.json")
    fine_tuned, scratch = (row["errors"]["valid"] for row in rows)
    assert 0 < scratch["force"] < 100 and 0 < fine_tuned["force"] < 100
    assert scratch != fine_tuned


@pytest.mark.slow
def test_multi_task_trains(claims, four_sets, monkeypatch):
    monkeypatch.setitem(claims.pretraining.DESCRIPTOR["repinit"], "neuron", [2, 4])
    monkeypatch.setitem(claims.pretraining.DESCRIPTOR["repinit"], "axis_neuron", 2)
    monkeypatch.setitem(claims.pretraining.DESCRIPTOR["repformer"], "nlayers", 1)
    monkeypatch.setattr(claims.multi_task, "TRIED", {})
    monkeypatch.setattr(claims.multi_task, "LONG_TRIALS", ())
    options = _multi_task_options(four_sets)
    with pytest.raises(SystemExit, match="the same command goes on from here"):
        claims.multi_task.main([*options, "--budget", "0"])
    claims.multi_task.main(options)
    rows = claims.command.read_runs(four_sets / "out" / "multi_task.json")
    assert {row["way"] for row in rows} == set(claims.multi_task.RATES)
    assert len({row["errors"]["valid"]["force"] for row in rows}) == len(rows) == 6
    assert all(0 < row["errors"]["valid"]["force"] < 100 for row in rows)


@pytest.mark.slow
def test_transfer_trains(claims, small_nets, tmp_path, capsys):
    options = ["-o", str(tmp_path), "--data", str(ALLOY), "--unseen", "Ag-Au", "--steps", "4"]
    options += ["--seeds", "1", "--models", "se_atten, no attention", "se_e2_a, one-sided"]
    claims.transfer.main(options)
    for row in claims.command.read_runs(tmp_path / "results.json"):
        assert row["errors"].keys() == {"seen", "unseen"}
        assert all(0 < error["force"] < 100 for error in row["errors"].values())


@pytest.mark.slow
def test_an_interrupted_run_goes_on(claims, small_nets, tmp_path, monkeypatch):
    whole = _run(claims, tmp_path / "whole", 8).errors()
    train = claims.training_run.train

    class Killed(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 4:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(
            claims.training_run,
            "train",
            lambda *a, callbacks, **k: train(*a, **k, callbacks=[*callbacks, Killed()]),
        )
        with pytest.raises(KeyboardInterrupt):
            _run(claims, tmp_path / "part", 8).errors()
    starts = []
    monkeypatch.setattr(
        claims.training_run, "train", lambda *a, **k: starts.append(k) or train(*a, **k)
    )
    assert _run(claims, tmp_path / "part", 8).errors() == whole
    assert [start["restart"] for start in starts] == ["model.ckpt"]


def test_another_setting_is_refused(claims, tmp_path):
    (tmp_path / "input.json").write_text(json.dumps(_run(claims, tmp_path, 8).config))
    with pytest.raises(DataError, match=r"input\.json: this run has other settings"):
        _run(claims, tmp_path, 9).errors()


def test_frames_are_drawn_once_and_nested(claims, tmp_path):
    systems = claims.frames.read_all(ALLOY / "valid")
    coords = {}
    for count in (5, 20):
        (path,) = claims.drawn.write_some(systems, tmp_path / str(count), count=count, seed=7)
        found = System(path).load("coord", range(count))
        coords[count] = {tuple(row) for row in found.round(3)}
        assert len(coords[count]) == count
    assert coords[5] < coords[20]
    with pytest.raises(DataError, match="97 frames are wanted and 96 are there"):
        claims.drawn.write_some(systems, tmp_path / "97", count=97, seed=7)


def test_pairs_kept_back_are_in_no_other_part(claims):
    parts = claims.transfer.split(ALLOY, ["Ag-Au", "Au-Pd"])
    names = {part: [Path(path).name for path in paths] for part, paths in parts.items()}
    assert sorted(names["unseen"]) == sorted(
        path.name
        for path in (ALLOY / "valid").iterdir()
        if "Au" in path.name and path.name != "Au32"
    )
    assert len(names["unseen"]) == 6
    assert not set(names["unseen"]) & {*names["train"], *names["seen"]}
    assert sorted(names["train"]) == sorted(names["seen"])


def test_table_has_means_and_largest_deviations(claims):
    table = claims.spread.as_markdown(ROWS, ["model"]).splitlines()
    assert table[0] == "| model | energy, seen (meV/atom) | force, seen (meV/Å) |"
    assert table[2] == "| one | 12.0 ± 2.0 | 24.0 ± 4.0 |"
    assert claims.spread.as_markdown(ROWS[:1], ["model"]).endswith("\n| one | 10.0 | 20.0 |")


@pytest.mark.parametrize(
    "script, options, message",
    [
        ("transfer", ["--data", "nowhere"], "nowhere: there is no such folder"),
        (
            "transfer",
            ["--data", str(ALLOY), "--unseen", "Ag-W"],
            "with Ag-W kept back no system is unseen",
        ),
        (
            "transfer",
            ["--data", str(ALLOY), "--unseen", *(f"{a}-{a}" for a in TYPE_MAP)],
            "with Ag-Ag, Pd-Pd, Au-Au kept back no system is train",
        ),
        ("multi_task", ["--data", "nowhere"], "nowhere: there is no such folder; give the folder"),
        ("multi_task", ["--data", str(ALLOY)], "monbtaw/mixed: there is no such folder; give"),
        ("sample_efficiency", ["--data", "nowhere"], "there is no such folder; give the folder of"),
        ("sample_efficiency", ["--pretrained", "no.pb"], "no.pb: there is no such file"),
        ("sample_efficiency", ["--pretrained", __file__, "--sizes", "few"], "few is not a number"),
    ],
)
def test_wrong_arguments_give_one_sentence(claims, script, options, message, tmp_path, monkeypatch):
    for part in ("train", "valid"):
        (tmp_path / "ethanol_methanol").mkdir(exist_ok=True)
        (tmp_path / "ethanol_methanol" / part).symlink_to(ALLOY / part)
    monkeypatch.setitem(
        claims.sample_efficiency.SETS, "ethanol_methanol", ("ethanol_methanol", "mixed:1", 2)
    )
    if script == "sample_efficiency" and "--data" not in options:
        options = [*options, "--data", str(tmp_path), "--sets", "ethanol_methanol"]
    with pytest.raises(SystemExit, match=message) as stopped:
        getattr(claims, script).main(["-o", str(tmp_path / "out"), *options])
    assert "\n" not in str(stopped.value)
