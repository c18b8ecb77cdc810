"""DeePMD-kit 3.2.0's example inputs train here, with its numbers."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from small_models import model_section, small_model

from deepattn.cli.main import main
from deepattn.export import freeze

from .deepmd_kit import DP320, DeepmdError, require_sources, run_dp
from .peer_examples import (
    OTHERS,
    PYTORCH,
    REFUSED,
    TENSORFLOW,
    WITH_TABLES,
    one_frame,
    short_input,
)

pytestmark = [pytest.mark.conformance, pytest.mark.slow]

STEPS = 20


def _write(folder: Path, content: dict) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "input.json").write_text(json.dumps(content))


def test_every_example_is_in_a_list() -> None:
    folder = require_sources() / "examples"
    found = {str(path.relative_to(folder)) for path in folder.rglob("*.json")}
    listed = {*TENSORFLOW, *PYTORCH, *REFUSED}
    assert listed <= found
    others = found - listed
    assert all(name.startswith(tuple(OTHERS)) for name in others), others


@pytest.mark.parametrize("name", [*TENSORFLOW, *PYTORCH])
def test_two_steps(name: str, tmp_path: Path, monkeypatch) -> None:
    _write(tmp_path, short_input(require_sources() / "examples" / name, 2))
    monkeypatch.chdir(tmp_path)
    assert main(["train", "input.json", *(["--pt"] if name in PYTORCH else [])]) == 0
    step, *errors = Path("lcurve.out").read_text().split("\n")[-2].split()
    assert int(step) >= 2
    # Those of labels that the last frame lacks are none.
    assert any(math.isfinite(float(error)) for error in errors)
    assert not any(math.isinf(float(error)) for error in errors)


@pytest.mark.parametrize("name", REFUSED)
def test_what_deepmd_itself_cannot_train(name: str, tmp_path: Path, monkeypatch, capsys) -> None:
    theirs, ours = REFUSED[name]
    content = short_input(require_sources() / "examples" / name, 2)
    _write(tmp_path, content)
    script = {"model": model_section()}
    for part in content["model"].get("models", ()):
        # The sources have none.
        freeze(small_model(), tmp_path / part["model_file"], training_script=script)
    with pytest.raises(DeepmdError, match=theirs):
        run_dp(DP320.require(), ["train", "input.json"], tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["train", "input.json"]) == 1
    assert ours in capsys.readouterr().err


@pytest.mark.parametrize("name", [name for name in TENSORFLOW if name not in WITH_TABLES])
def test_twenty_steps_are_the_same(name: str, tmp_path: Path, monkeypatch) -> None:
    """From a model of ours: both begin with the same weights, and draw the same frame."""
    example = require_sources() / "examples" / name
    DP320.require()
    start, theirs, ours = (tmp_path / place for place in ("start", "theirs", "ours"))
    _write(start, one_frame(short_input(example, 1), tmp_path))
    content = one_frame(short_input(example, STEPS), tmp_path)
    for folder in (theirs, ours):
        _write(folder, content)
    monkeypatch.chdir(start)
    assert main(["train", "input.json"]) == 0
    assert main(["freeze", "-o", "start.pb"]) == 0
    run_dp(DP320, ["train", "input.json", "--init-frz-model", start / "start.pb"], theirs)
    monkeypatch.chdir(ours)
    assert main(["train", "input.json", "--init-frz-model", str(start / "start.pb")]) == 0
    expected = (theirs / "lcurve.out").read_text().splitlines()
    assert len(expected) == STEPS + 3
    assert (ours / "lcurve.out").read_text().splitlines() == expected
