"""Files of DeePMD-kit's PyTorch backend: read as PyTorch evaluates them, and written for it.

65 checkpoints, of them 10 multi-task, and 55 frozen models: over the options of all descriptors, of
one, two and three branches, with nets of their own and shared ones, in float64 and float32, with
and without averages of the weights and the state of the optimizer, and as earlier versions wrote
them. Nothing on our side imports PyTorch.
"""

from __future__ import annotations

import copy
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepattn.errors import ModelFileError
from deepattn.export import convert
from deepattn.formats.torch import TorchFile
from deepattn.infer import DeepPot
from deepattn.models import load_model, open_model_file, read_model
from deepattn.models.torch_state import from_torch

from .compare import keras_eval
from .deepmd_kit import DP320PT, read_cases, run_inside, write_cases
from .small_system import loss, write_system
from .torch_sections import LATER_KEYS, LATER_TENSORS, frames, multitask, older, single

# The peer imports PyTorch and evaluates forces of thirty models.
pytestmark = pytest.mark.slow
# Those whose frozen models are evaluated. TorchScript cannot evaluate models with atom_ener twice.
FROZEN = (
    *("dpa1_0_strip_smooth", "dpa1_1_concat_plain", "dpa1_2_concat_smooth"),
    *("se_e2_a_plain", "dpa2_1", "dpa2_4"),
)
ALL = ("energy", "atom_energy", "force", "virial", "atom_virial")
SINGLE, MULTITASK, OLDER = single(), multitask(), older()
SECTIONS = {**SINGLE, **MULTITASK, **OLDER}
# Of the trainings below: the state with the averages in it, the averages without an optimizer, and
# both where the validation was best.
TRAINED = {
    "single": ("single.ckpt-2", "single_ema.ckpt-2", "best.ckpt-2.t-1", "best_ema.ckpt-2.t-1"),
    "tasks": ("tasks.ckpt-2", "tasks_ema.ckpt-2"),
}


class Answers:
    """The files, and what DeePMD-kit says of them."""

    def __init__(self, folder: Path):
        self.folder = folder
        jobs = [self._job(k, name) for k, name in enumerate(SECTIONS)]
        run_inside(DP320PT.require(), "torch_files.py", [*jobs, *self._trainings()], folder)

    def path(self, name: str, suffix: str) -> Path:
        return self.folder / f"{name}{suffix}"

    def cases(self, name: str) -> dict[str, dict[str, np.ndarray]]:
        return read_cases(self.path(name, ".cases.npz"))

    def reference(self, name: str) -> dict[str, dict[str, np.ndarray]]:
        return read_cases(self.path(name, ".npz"))

    def _job(self, seed: int, name: str) -> dict[str, Any]:
        section = SECTIONS[name]
        write_cases(self.path(name, ".cases.npz"), frames(seed, section))
        old = {"keys": LATER_KEYS, "tensors": LATER_TENSORS} if name in OLDER else None
        return {
            "model": section,
            "seed": seed,
            "file": str(self.path(name, ".pt")),
            "frozen": None if old else str(self.path(name, ".pth")),
            "evaluate_frozen": name in FROZEN,
            "older": old,
            "cases": str(self.path(name, ".cases.npz")),
            "output": str(self.path(name, ".npz")),
        }

    def _trainings(self) -> list[dict[str, Any]]:
        """Jobs that train, the first of each, and evaluate what has been written."""
        systems = [
            write_system(self.folder / f"system{k}", nframes=2, seed=k, elements=["H", "C"])
            for k in range(2)
        ]
        jobs = []
        for kind, files in TRAINED.items():
            (self.folder / f"{kind}.json").write_text(json.dumps(training(kind, systems)))
            commands = [["--pt", "train", f"{kind}.json", "--skip-neighbor-stat"]]
            heads = [] if kind == "single" else ["Metals", "Water"]
            for name in files:
                write_cases(self.path(name, ".cases.npz"), frames(0, {}))
                cases, output = (str(self.path(name, end)) for end in (".cases.npz", ".npz"))
                job = {"given": str(self.path(name, ".pt")), "heads": heads, "cases": cases}
                jobs.append({**job, "commands": commands, "output": output})
                commands = []
        return jobs


def training(kind: str, systems: list[str]) -> dict[str, Any]:
    """An input of two steps that averages the weights, and a single task's best are kept."""
    data = [{"systems": [system], "batch_size": 2} for system in systems]
    section = {"numb_steps": 2, "save_freq": 2, "disp_freq": 1, "seed": 1, "enable_ema": True}
    section |= {"save_ckpt": f"{kind}.ckpt", "disp_file": f"{kind}.out", "ema_decay": 0.5}
    rate = {"start_lr": 1e-2, "stop_lr": 1e-3, "decay_steps": 1}
    if kind == "single":
        fitting = {"numb_fparam": 0, "numb_aparam": 0}
        model = copy.deepcopy(SINGLE["dpa1_1_strip_smooth"])
        model["fitting_net"] |= fitting
        # Trainings are stricter than the functions that make a model.
        del model["descriptor"]["ntypes"]
        section |= {"training_data": data[0], "validation_data": data[1]}
        validating = {"full_validation": True, "ema_full_validation": True, "validation_freq": 2}
        validating |= {"full_val_start": 0}
        parts = {"model": model, "loss": loss(), "validating": validating}
    else:
        names = ("Metals", "Water")
        section |= {"model_prob": dict.fromkeys(names, 0.5)}
        section |= {
            "data_dict": {n: {"training_data": d} for n, d in zip(names, data, strict=True)}
        }
        parts = {"model": MULTITASK["dpa2_two_float32"], "loss_dict": dict.fromkeys(names, loss())}
    return {**parts, "learning_rate": rate, "training": section}


@pytest.fixture(scope="module")
def answers(tmp_path_factory) -> Answers:
    return Answers(tmp_path_factory.mktemp("torch"))


def assert_equal(ours, theirs, name: str, *, prefix: str = "", tolerance: float = 1e-9) -> None:
    # By message passing DeePMD-kit gives the virial of an edge to other atoms.
    keys = ALL[:-1] if "dpa2" in name or "tasks" in name else ALL
    for case, values in ours.items():
        for key in keys:
            expected = theirs[f"{prefix}{case}"][key]
            error = np.abs(values[key].reshape(expected.shape) - expected).max()
            assert error <= tolerance * np.abs(expected).max(), (name, case, key)


def tolerance_of(name: str) -> float:
    return 2e-5 if name.endswith("float32") else 1e-9


def assert_same_model(path: Path, other: Path, head: str | None = None) -> None:
    """That two files hold the same configuration and the same weights, to the last bit."""
    found, wanted = read_model(path), read_model(other, head=head)
    assert found.config == wanted.config
    assert set(found.arrays) == set(wanted.arrays)
    for name, array in wanted.arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array, name)


def test_there_are_as_many_files_as_the_first_lines_say() -> None:
    tasks = [name for name, section in SECTIONS.items() if "model_dict" in section]
    checkpoints = len(SECTIONS) + sum(map(len, TRAINED.values()))
    counts = [checkpoints, len(tasks) + len(TRAINED["tasks"]), len(SINGLE) + len(MULTITASK)]
    assert list(map(int, re.findall("[0-9]+", __doc__ or "")))[:3] == counts


@pytest.mark.parametrize("name", [*SINGLE, *(name for name in OLDER if name != "older_tasks")])
def test_checkpoint(answers: Answers, name: str) -> None:
    model, header = load_model(answers.path(name, ".pt"))
    ours = keras_eval(model, answers.cases(name))
    assert_equal(ours, answers.reference(name), name, tolerance=tolerance_of(name))
    assert header["min_nbor_dist"] is None
    assert "torch" not in sys.modules


@pytest.mark.parametrize("name", FROZEN)
def test_frozen_model(answers: Answers, name: str) -> None:
    model, _ = load_model(answers.path(name, ".pth"))
    ours = keras_eval(model, answers.cases(name))
    assert_equal(ours, answers.reference(name), name, prefix="frozen/")


@pytest.mark.parametrize("name", [*SINGLE, *MULTITASK])
def test_a_frozen_model_is_the_checkpoint(answers: Answers, name: str) -> None:
    head = list(MULTITASK[name]["model_dict"])[-1] if name in MULTITASK else None
    assert_same_model(answers.path(name, ".pth"), answers.path(name, ".pt"), head)


@pytest.mark.parametrize("name", [*MULTITASK, "older_tasks"])
def test_branches(answers: Answers, name: str) -> None:
    path = answers.path(name, ".pt")
    branches = SECTIONS[name]["model_dict"]
    assert list(open_model_file(path).branches) == list(branches)
    for branch, section in branches.items():
        # In any case of the letters, as DeePMD-kit evaluates them.
        model, _ = load_model(path, head=section["model_branch_alias"][0].upper())
        ours = keras_eval(model, answers.cases(name))
        theirs, tolerance = answers.reference(name), tolerance_of(name)
        assert_equal(ours, theirs, name, prefix=f"{branch}/", tolerance=tolerance)
    with pytest.raises(ModelFileError, match=", ".join(branches)):
        load_model(path)
    with DeepPot(path, head="Water") as pot:
        assert pot.get_type_map() == ["O", "H", "C"]


@pytest.mark.parametrize("name", TRAINED["single"])
def test_files_of_a_training(answers: Answers, name: str) -> None:
    """The state with its averages, the averages, and the best of both, without optimizer."""
    model, header = load_model(answers.path(name, ".pt"))
    assert_equal(keras_eval(model, answers.cases(name)), answers.reference(name), name)
    assert header["min_nbor_dist"] is None
    value = TorchFile(answers.path(name, ".pt").read_bytes(), name)._value
    assert ("ema" in value, "optimizer" in value) == ("_ema." not in name,) * 2


@pytest.mark.parametrize("name", TRAINED["tasks"])
def test_files_of_a_multi_task_training(answers: Answers, name: str) -> None:
    for head in ("Metals", "Water"):
        model, _ = load_model(answers.path(name, ".pt"), head=head)
        ours = keras_eval(model, answers.cases(name))
        assert_equal(ours, answers.reference(name), name, prefix=f"{head}/", tolerance=2e-5)


def test_averages_are_other_weights(answers: Answers) -> None:
    state, average = (read_model(answers.path(name, ".pt")) for name in TRAINED["single"][:2])
    layer = "layer_0/matrix"
    assert np.abs(state.arrays[layer] - average.arrays[layer]).max() > 1e-3


def test_what_is_written_is_read_by_pytorch(answers: Answers, tmp_path: Path) -> None:
    """Every file written anew, and a branch by itself."""
    jobs = []
    written: dict[str, tuple[str, list[str], str | None]] = {}
    for name, section in SECTIONS.items():
        heads = list(section.get("model_dict", []))
        written[name] = (name, heads, None)
        if heads:
            written[f"{name} Water"] = (name, [], "Water")
    for name in (*TRAINED["single"], *TRAINED["tasks"]):
        written[name] = (name, ["Metals", "Water"] if name in TRAINED["tasks"] else [], None)
    for target, (name, heads, head) in written.items():
        path = tmp_path / f"{target}.pt"
        convert(answers.path(name, ".pt"), path, head=head)
        cases = str(answers.path(name, ".cases.npz"))
        output = str(tmp_path / f"{target}.npz")
        jobs.append({"given": str(path), "heads": heads, "cases": cases, "output": output})
    run_inside(DP320PT.require(), "torch_files.py", jobs, tmp_path)
    for target, (name, heads, head) in written.items():
        theirs = answers.reference(name)
        given = read_cases(tmp_path / f"{target}.npz")
        tolerance = 2e-5 if name in TRAINED["tasks"] else tolerance_of(name)
        for branch in heads or [head]:
            ours = {case: given[f"{branch}/{case}" if heads else case] for case in ("cell", "open")}
            prefix = f"{branch}/" if branch else ""
            assert_equal(ours, theirs, name, prefix=prefix, tolerance=tolerance)


@pytest.mark.parametrize("name", [*MULTITASK, *TRAINED["tasks"]])
def test_branches_share_what_they_share_there(answers: Answers, tmp_path: Path, name: str) -> None:
    path = answers.path(name, ".pt")
    convert(path, tmp_path / "model.pt")
    assert shared(tmp_path / "model.pt") == shared(path)


def shared(path: Path) -> set[frozenset[str]]:
    """The names of each set of tensors that have the same numbers in a file."""
    names: dict[str, set[str]] = {}
    for name, tensor in TorchFile(path.read_bytes(), path)._tensors.items():
        if 0 not in tensor.shape:
            names.setdefault(tensor.storage.key, set()).add(name)
    return {frozenset(group) for group in names.values()}


def test_other_models_are_refused(answers: Answers) -> None:
    """Whatever the section of a file says that is not known here."""
    path = answers.path("dpa2_1", ".pt")
    model = TorchFile(path.read_bytes(), path).model()
    for change in (
        {"type": "zbl"},
        {"spin": {"use_spin": [True]}},
        {"pair_exclude_types": [[0, 9]]},
        {"bridging_method": "linear"},
        {"unheard": 1},
    ):
        section = {**copy.deepcopy(model.section), **change}
        changed = type(model)(section, model.tensors, model._array)
        with pytest.raises(ModelFileError, match=next(iter(change))):
            from_torch(changed, str(path))
