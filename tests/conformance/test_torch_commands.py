"""Commands of ``dp --pt`` with files of deepattn, and fine-tuning from the branches of files.

DeePMD-kit runs every command with a file of its own and with the same model written by deepattn.
The trainings draw nothing at random: every batch is a whole system.
"""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepattn.cli.main import main
from deepattn.export import convert
from deepattn.formats.weight_names import BIAS
from deepattn.models import read_model
from deepattn.train import train

from .deepmd_kit import DP320PT, run_inside, write_cases
from .small_system import loss, write_system
from .torch_sections import BRANCHES, frames, single, tasks
from .torch_trainings import assert_same_curve, columns

pytestmark = pytest.mark.slow

# With silut trainings of DeePMD-kit cannot be frozen in the same process.
# Excluded atoms have shares of the bias in DeePMD-kit's fine-tuning, and none in ours.
SINGLE = {**single()["dpa2_7"], "atom_exclude_types": []}
TASKS = tasks(SINGLE, shared=True)
ALIAS, BRANCH = "branch 1", BRANCHES[1]
STEPS = 3
# Of a step that changes nothing.
TINY = 1e-9


@dataclass(frozen=True)
class Deepmd:
    """The folder in which DeePMD-kit ran, and our files in it."""

    folder: Path

    def curve(self, name: str) -> dict[str, list[str]]:
        """The columns of a learning curve, as they are printed."""
        return columns(self.folder / f"{name}.out")


def training(name: str, *, rate: float, steps: int, tasks: bool = False) -> dict[str, Any]:
    """Sections of an input that do not depend on the model."""
    data = {"training_data": {"systems": ["system0"], "batch_size": 2}}
    section = {"numb_steps": steps, "disp_freq": 1, "save_freq": steps, "seed": 1}
    section |= {"save_ckpt": f"{name}.ckpt", "disp_file": f"{name}.out"}
    losses: dict[str, Any] = {"loss": loss()}
    if tasks:
        section |= {"data_dict": dict.fromkeys(BRANCHES, data)}
        section |= {"model_prob": dict.fromkeys(BRANCHES, 1.0)}
        losses = {"loss_dict": dict.fromkeys(BRANCHES, loss())}
    else:
        validation = {"systems": ["system1"], "batch_size": 2, "numb_btch": 1}
        section |= {**data, "validation_data": validation}
    schedule = {"start_lr": rate, "stop_lr": rate / 10, "decay_steps": 2}
    return {**losses, "learning_rate": {"type": "exp", **schedule}, "training": section}


def fine_tuning(name: str, *, rate: float = 1e-3, steps: int = STEPS) -> dict[str, Any]:
    """An input for a single task with the whole model section, as DeePMD-kit wants it."""
    shared = TASKS["shared_dict"]
    model = {"type_map": shared["types"], "descriptor": shared["descriptor"]}
    model |= {"fitting_net": shared["fitting"], "data_stat_nbatch": 1}
    return {"model": model, **training(name, rate=rate, steps=steps)}


def ours(content: dict[str, Any]) -> dict[str, Any]:
    """The same with what DeePMD-kit's data_stat_nbatch means for the bias."""
    return {**content, "model": {**content["model"], "data_bias_nsample": 0}}


@pytest.fixture(scope="module")
def deepmd(tmp_path_factory) -> Deepmd:
    folder = tmp_path_factory.mktemp("commands")
    for k in range(2):
        write_system(folder / f"system{k}", nframes=2, seed=k, elements=["H", "C"])
    write_cases(folder / "cases.npz", frames(0, {}))
    jobs = [
        {
            "model": model,
            "seed": 3,
            "file": str(folder / f"{name}.pt"),
            "cases": str(folder / "cases.npz"),
            "output": str(folder / "results.npz"),
        }
        for name, model in (("tasks", TASKS), ("single", _without_parameters(SINGLE)))
    ]
    run_inside(DP320PT.require(), "torch_files.py", jobs, folder)
    commands = []
    for name in ("tasks", "single"):
        convert(folder / f"{name}.pt", folder / f"our_{name}.pt")
        for file in (name, f"our_{name}"):
            commands += _commands(folder, file, several=name == "tasks")
    logged = [{"arguments": words, "output": f"log{k}"} for k, words in enumerate(commands)]
    run_inside(DP320PT, "commands.py", logged, folder)
    return Deepmd(folder)


def _without_parameters(section: dict) -> dict:
    fitting = {**section["fitting_net"], "numb_fparam": 0, "numb_aparam": 0}
    return {**copy.deepcopy(section), "fitting_net": fitting}


def _commands(folder: Path, file: str, *, several: bool) -> list[list[str]]:
    """Command lines that take a file; they write their inputs first."""
    path = f"{file}.pt"
    head = ["--head", BRANCH] if several else []
    branch = ["--model-branch", BRANCH] if several else []
    found = [
        ["--pt", "freeze", "-c", path, "-o", f"{file}_frozen.pth", *head],
        ["--pt", "test", "-m", path, "-s", "system0", "-d", f"{file}_test", *head],
    ]
    zeros = ["-b", "1.0", "-2.0", "3.0"]
    found += [["--pt", "change-bias", path, "-o", f"{file}_bias.pt", *zeros, *branch]]
    inputs = {"tuned": fine_tuning(f"{file}_tuned")}
    starts = {"tuned": ["--finetune", path, *branch]}
    if several:
        found += [["--pt", "show", path, "model-branch", "type-map", "observed-type"]]
        inputs["random"] = fine_tuning(f"{file}_random", rate=TINY, steps=1)
        starts["random"] = ["--finetune", path, "--model-branch", "RANDOM"]
        tasks = training(f"{file}_init", rate=TINY, steps=1, tasks=True)
        inputs["init"] = {"model": TASKS, **tasks}
    else:
        inputs["init"] = fine_tuning(f"{file}_init", rate=TINY, steps=1)
        for key in ("tuned", "init"):
            inputs[key]["model"] |= _without_parameters(SINGLE)
    starts["init"] = ["--init-model", path]
    for kind, content in inputs.items():
        (folder / f"{file}_{kind}.json").write_text(json.dumps(content))
        found.append(
            ["--pt", "train", f"{file}_{kind}.json", *starts[kind], "--skip-neighbor-stat"]
        )
    return found


@pytest.mark.parametrize("kind", ["tasks", "single"])
def test_commands_take_our_files(deepmd: Deepmd, kind: str) -> None:
    """Learning curves are the same text; frozen models and details of tests, the same numbers."""
    folder = deepmd.folder
    for run in ("tuned", "init", "random")[: 2 + (kind == "tasks")]:
        texts = [(folder / f"{name}_{run}.out").read_text() for name in (kind, f"our_{kind}")]
        assert texts[0] == texts[1], run
    frozen = [read_model(folder / f"{name}_frozen.pth") for name in (kind, f"our_{kind}")]
    for name, array in frozen[0].arrays.items():
        np.testing.assert_array_equal(frozen[1].arrays[name], array, name)
    for part in ("e", "f", "v"):
        tables = [np.loadtxt(folder / f"{name}_test.{part}.out") for name in (kind, f"our_{kind}")]
        np.testing.assert_allclose(tables[1], tables[0], rtol=1e-9, atol=1e-12)


def test_the_table_of_branches(deepmd: Deepmd, capsys) -> None:
    logs = [
        next(
            text
            for path in sorted(deepmd.folder.glob("log*"))
            if "Available model branches" in (text := path.read_text())
        )
    ]
    for branch, alias in zip(BRANCHES, ("branch 0", "branch 1", "branch 2"), strict=True):
        assert branch in logs[0] and alias in logs[0]
    words = ["show", str(deepmd.folder / "tasks.pt"), "model-branch", "observed-type"]
    assert main(words) == 0
    found = capsys.readouterr().out
    names = str([*BRANCHES, "RANDOM"])
    assert names in logs[0] and names in found
    for branch in BRANCHES:
        types = re.search(rf"{branch}: Observed types: (\[.*\])", logs[0])[1]
        assert f"The observed types of branch {branch} are {types}\n" in found


@pytest.mark.parametrize("name", ["tasks", "our_tasks"])
def test_a_changed_bias_of_one_branch(deepmd: Deepmd, tmp_path: Path, name: str) -> None:
    theirs, target = deepmd.folder / f"{name}_bias.pt", tmp_path / "bias.pt"
    command = ["change-bias", str(deepmd.folder / f"{name}.pt"), "--head", ALIAS, "-b"]
    fitting = read_model(deepmd.folder / f"{name}.pt", head=BRANCH).arrays[BIAS]
    changed = read_model(theirs, head=BRANCH).arrays[BIAS]
    # DeePMD-kit sets what it adds to the bias of the fitting.
    assert main([*command, *map(repr, changed.tolist()), "-o", str(target)]) == 0
    assert np.abs(changed - fitting).max() > 1
    for branch in BRANCHES:
        found, wanted = read_model(target, head=branch), read_model(theirs, head=branch)
        for key, array in wanted.arrays.items():
            np.testing.assert_allclose(found.arrays[key], array, rtol=1e-15, err_msg=key)


@pytest.mark.parametrize("kind", ["tasks", "single"])
def test_fine_tuning_follows_deepmds(deepmd: Deepmd, monkeypatch, kind: str) -> None:
    """Three steps from a branch, or from a single model, in every printed digit."""
    monkeypatch.chdir(deepmd.folder)
    content = json.loads(Path(f"{kind}_tuned.json").read_text())
    content["training"] |= {"save_ckpt": f"x_{kind}.ckpt", "disp_file": f"x_{kind}.out"}
    Path(f"x_{kind}.json").write_text(json.dumps(ours(content)))
    branch = ALIAS.upper() if kind == "tasks" else None
    trainer = train(f"x_{kind}.json", finetune=f"{kind}.pt", model_branch=branch)
    assert_same_curve(columns(Path(f"x_{kind}.out")), deepmd.curve(f"{kind}_tuned"))
    theirs = read_model(f"{kind}_tuned.ckpt-{STEPS}.pt").arrays
    for name, array in trainer.model.get_arrays().items():
        np.testing.assert_allclose(array, theirs[name], rtol=0, atol=1e-7, err_msg=name)


def test_a_new_fitting_net(deepmd: Deepmd, monkeypatch) -> None:
    """The descriptor, the statistics and the bias are those of DeePMD-kit.

    The fitting net cannot be: its weights are drawn by PyTorch's generator. With these weights,
    from the file that DeePMD-kit writes, the first line of the learning curve is the same.
    """
    monkeypatch.chdir(deepmd.folder)
    content = json.loads(Path("tasks_random.json").read_text())
    content["training"] |= {"save_ckpt": "x_random.ckpt", "disp_file": "x_random.out"}
    Path("x_random.json").write_text(json.dumps(ours(content)))
    trainer = train("x_random.json", finetune="tasks.pt", model_branch="random")
    theirs, arrays = read_model("tasks_random.ckpt-1.pt").arrays, trainer.model.get_arrays()
    nets = {name for name in arrays if name.startswith(("layer_", "final_layer"))}
    assert set(arrays) == set(theirs) and nets
    for name in set(arrays) - nets:
        np.testing.assert_allclose(arrays[name], theirs[name], rtol=0, atol=1e-8, err_msg=name)

    content["training"] |= {"save_ckpt": "y_random.ckpt", "disp_file": "y_random.out"}
    Path("y_random.json").write_text(json.dumps(ours(content)))
    train("y_random.json", init_model="tasks_random.ckpt-1.pt")
    assert_same_curve(columns(Path("y_random.out")), deepmd.curve("tasks_random"))


def test_all_branches_from_their_weights(deepmd: Deepmd, monkeypatch) -> None:
    monkeypatch.chdir(deepmd.folder)
    content = json.loads(Path("tasks_init.json").read_text())
    content["training"] |= {"save_ckpt": "x_init.ckpt", "disp_file": "x_init.out"}
    Path("x_init.json").write_text(json.dumps(content))
    train("x_init.json", init_model="tasks.pt")
    found, wanted = columns(Path("x_init.out")), deepmd.curve("tasks_init")
    assert set(found) == set(wanted)
    for name, numbers in wanted.items():
        if name not in ("step", "lr"):
            assert float(found[name][0]) == float(numbers[0]), name
