"""Completed work is kept: stages, labels, systems; another input is refused."""

import json

import numpy as np
import pytest

from deepattn.distill.config import DistillConfig
from deepattn.distill.label import label
from deepattn.distill.labeled import LabeledFrames, read_labeled, write_labeled
from deepattn.distill.potential import open_teacher
from deepattn.distill.workdir import WorkDir, read_frames, write_frames
from deepattn.errors import BusyError, ConfigError
from deepattn.formats.files import _open_temporary

from .metals import alloy, rattled, teacher

RECORD = {"teacher": "abc", "distill": {"seed": 1, "rounds": 2, "explore": {"steps": 10}}}


def test_a_stage_is_done_once(tmp_path):
    calls = []

    def work():
        calls.append(1)
        return {"frames": 3}

    for _ in range(2):
        workdir = WorkDir(tmp_path / "work", RECORD)
        assert workdir.stage("round-00/seed", work)["frames"] == 3
    assert calls == [1]
    assert workdir.hours() > 0


def test_a_stage_that_fails_leaves_nothing(tmp_path):
    workdir = WorkDir(tmp_path, RECORD)
    with pytest.raises(KeyboardInterrupt):
        workdir.stage("seed", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    assert workdir.stage("seed", lambda: {"frames": 1})["frames"] == 1


def test_a_folder_with_what_a_killed_one_left_is_taken(tmp_path):
    """Killed while it wrote the first file; a file that is closed has no living writer."""
    _open_temporary(tmp_path / "distill.json", "w")[1].close()
    WorkDir(tmp_path, RECORD)
    assert [path.name for path in tmp_path.iterdir()] == ["distill.json"]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"teacher": "other"}, "teacher"),
        ({"distill": {**RECORD["distill"], "explore": {"steps": 20}}}, "distill/explore/steps"),
        ({"model": {}}, "model"),
    ],
)
def test_another_input_is_refused(tmp_path, change, where):
    WorkDir(tmp_path, RECORD)
    with pytest.raises(ConfigError, match=f"with another {where}; .*-o"):
        WorkDir(tmp_path, RECORD | change)


def test_more_rounds_are_allowed_and_recorded(tmp_path):
    WorkDir(tmp_path, RECORD)
    changed = RECORD | {"distill": {**RECORD["distill"], "rounds": 9}}
    WorkDir(tmp_path, changed, free=DistillConfig.free)
    assert json.loads((tmp_path / "distill.json").read_text()) == changed


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ConfigError, match="not a folder of deepattn distill"):
        WorkDir(tmp_path, RECORD)


class Counting:
    """A teacher that counts and can lose its nerve."""

    name, elements = "counting", None

    def __init__(self, limit):
        self.seen, self.limit = 0, limit

    def evaluate(self, frames):
        if self.seen + len(frames) > self.limit:
            raise KeyboardInterrupt
        self.seen += len(frames)
        return teacher().evaluate(frames)


def test_labels_are_not_asked_for_twice(tmp_path):
    frames = rattled(70)
    nervous = Counting(limit=40)
    with pytest.raises(KeyboardInterrupt):
        label(nervous, frames, tmp_path / "pieces", title="")
    patient = Counting(limit=70)
    data = label(patient, frames, tmp_path / "pieces", title="")
    assert (nervous.seen, patient.seen) == (32, 38)
    for found, expected in zip(data.labels, teacher().evaluate(frames), strict=True):
        np.testing.assert_allclose(found.force, expected.force, atol=1e-12)


def test_systems_hold_what_was_written(tmp_path):
    frames = rattled(5)
    frames[3].symbols[frames[3].symbols == "Au"] = "Ag"
    frames[4].pbc = False
    data = LabeledFrames(frames, teacher().evaluate(frames))
    for _ in range(2):  # the second time it replaces what is there
        write_labeled(data, tmp_path / "data")
    found = read_labeled(tmp_path / "data")
    assert len(found.frames) == 5
    assert [label.virial is None for label in found.labels].count(True) == 1
    known = {atoms.positions.tobytes(): labels for atoms, labels in zip(*data, strict=True)}
    for atoms, labels in zip(*found, strict=True):
        expected = known[atoms.positions.tobytes()]
        assert labels.energy == expected.energy
        np.testing.assert_array_equal(labels.force, expected.force)
        again = teacher().evaluate([atoms])[0]
        np.testing.assert_allclose(again.force, labels.force, atol=1e-12)
    assert sorted(path.name for path in (tmp_path / "data").iterdir())[0].startswith("Ag2Cu2")


def test_nothing_is_something_to_write(tmp_path):
    write_labeled(LabeledFrames([], []), tmp_path / "data")
    assert read_labeled(tmp_path / "data") == ([], [])
    write_frames(tmp_path / "none.extxyz", [])
    assert read_frames(tmp_path / "none.extxyz") == []


def test_virial_has_the_sign_of_deepmd():
    squeezed = alloy()
    squeezed.set_cell(0.9 * squeezed.cell, scale_atoms=True)
    assert np.trace(teacher().evaluate([squeezed])[0].virial.reshape(3, 3)) > 0


def test_teachers_by_name(tmp_path, monkeypatch):
    (tmp_path / "my_teachers.py").write_text(
        "from ase.calculators.emt import EMT\ndef emt():\n    return EMT()\ndef none():\n    pass\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert open_teacher("my_teachers:emt").name == "my_teachers:emt"
    for name, message in (
        ("nobody:emt", "calculator cannot be loaded"),
        ("my_teachers:none", "NoneType"),
    ):
        with pytest.raises(ConfigError, match=message):
            open_teacher(name)


def test_one_process_works_in_a_folder(tmp_path):
    with WorkDir(tmp_path / "work", {"distill": {}}).claimed() as workdir:
        other = WorkDir(tmp_path / "work", {"distill": {}})
        with pytest.raises(BusyError, match=r"at work there already \(process"), other.claimed():
            pass
        workdir.stage("one", lambda: {})
    with other.claimed():
        assert len(list((tmp_path / "work").glob(".*.lock"))) == 1
    assert list((tmp_path / "work").glob(".*.lock")) == []
