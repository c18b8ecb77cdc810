"""``deepattn eval-desc`` and ``neighbor-stat`` give what ``dp`` gives."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from deepattn.cli.main import main

from .deepmd_kit import DP320, run_dp
from .systems import write_training_data


@pytest.mark.parametrize("row", ["v2_default", "se_e2_a_two_side_exclude"])
def test_descriptors_equal_deepmds(row: str, our_graph, tmp_path: Path) -> None:
    [system, *_] = write_training_data(tmp_path)
    arguments = ["eval-desc", "-m", str(our_graph(row)), "-s", system]
    run_dp(DP320.require(), [*arguments, "-o", "theirs"], tmp_path)
    assert main([*arguments, "-o", str(tmp_path / "ours")]) == 0
    [theirs], [ours] = ([*(tmp_path / name).iterdir()] for name in ("theirs", "ours"))
    assert ours.name == theirs.name
    np.testing.assert_allclose(np.load(ours), np.load(theirs), rtol=0, atol=1e-12)


@pytest.mark.parametrize("mixed", [[], ["--mixed-type"]], ids=["by type", "mixed"])
def test_neighbors_equal_deepmds(mixed: list[str], tmp_path: Path, capsys) -> None:
    [system, *_] = write_training_data(tmp_path)
    arguments = ["neighbor-stat", "-s", system, "-r", "3.5", *mixed]
    text = run_dp(DP320.require(), arguments, tmp_path)
    assert main(arguments) == 0
    ours = capsys.readouterr().out
    for name in ("min_nbor_dist", "max_nbor_size"):
        found, expected = (re.search(rf"{name}: (.+)", t)[1].strip() for t in (ours, text))
        assert found == expected, name
