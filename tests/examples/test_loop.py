"""The example of the whole loop: its commands work, and what comes out moves atoms in LAMMPS."""

import json
import shutil
from pathlib import Path

import pytest

from deepattn.cli.main import main

from ..conformance.deepmd_kit import DP320, deepmd_lammps

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


def _change(path: Path, **sections) -> None:
    raw = json.loads(path.read_text())
    for name, values in sections.items():
        raw[name].update(values)
    path.write_text(json.dumps(raw))


@pytest.fixture(scope="module")
def loop(tmp_path_factory):
    """The example with few steps, run by the commands of its script."""
    folder = tmp_path_factory.mktemp("examples")
    made = shutil.ignore_patterns("pretrained*", "finetuned*", "distill", "*.png")
    shutil.copytree(EXAMPLES / "loop", folder / "loop", ignore=made)
    (folder / "alloy").mkdir()
    shutil.copytree(EXAMPLES / "alloy" / "data", folder / "alloy" / "data")
    folder /= "loop"
    few = {"numb_steps": 30, "disp_freq": 15, "save_freq": 30}
    _change(folder / "pretrain.json", training=few)
    _change(folder / "finetune.json", training=few)
    short = {"temperatures": [300], "runs": 2, "steps": 10, "every": 5}
    _change(
        folder / "distill.json",
        training={"numb_steps": 200, "disp_freq": 100, "save_freq": 200},
        distill={
            "structures": 4,
            "rounds": 1,
            # So few steps make no good student; that it is judged is enough.
            "threshold": 10.0,
            "explore": short,
            "seed_frames": {"copies": 4, "steps": 4, "every": 2},
        },
    )
    lines = (folder / "run.sh").read_text().splitlines()
    commands = [line.split()[1:] for line in lines if line.startswith("deepattn ")]
    assert [command[0] for command in commands] == "train train test distill test check-nve".split()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for command in commands:
            assert main(command) == 0, command
    return folder


@pytest.mark.slow
def test_the_student_is_a_compressed_graph(loop):
    from deepattn.formats.frozen import read_frozen

    assert read_frozen(loop / "distill" / "student.pb").model_type == "compressed_model"
    assert (loop / "distill" / "report.html").stat().st_size > 1000


@pytest.mark.slow
@pytest.mark.conformance
def test_the_student_moves_atoms_in_lammps(loop):
    printed = deepmd_lammps(DP320.require(), (loop / "in.alloy").read_text(), loop)
    assert "Loop time of" in printed and "200 steps with 500 atoms" in printed
