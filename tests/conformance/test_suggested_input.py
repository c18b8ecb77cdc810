"""DeePMD-kit trains with what ``deepattn init`` writes, comments included."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from deepattn.cli.main import main
from deepattn.suggest import StepTime
from deepattn.suggest import suggestion as module

from ..unit.data.write_systems import write_system
from .deepmd_kit import DP320, run_dp


@pytest.mark.parametrize("mixed", [False, True], ids=["se_e2_a", "se_atten"])
def test_deepmd_trains_with_it(mixed: bool, tmp_path: Path, monkeypatch) -> None:
    deepmd = DP320.require()
    monkeypatch.chdir(tmp_path)
    for name, seed in (("train", 0), ("valid", 5)):
        write_system(tmp_path / name, types=(0, 1, 1), mixed=mixed, seed=seed)
    monkeypatch.setattr(module, "time_steps", lambda content, facts: StepTime(10.0, 5, 0.0))
    assert main(["init", "train", "--valid", "valid", "--minutes", "0.5"]) == 0
    content = json.loads(Path("input.json").read_text())
    assert content["training"]["numb_steps"] == 2 and "_reasons" in content
    run_dp(deepmd, ["train", "input.json"], tmp_path)
    last = np.loadtxt("lcurve.out")[-1]
    assert last[0] == 2 and np.isfinite(last).all()
