"""``deepattn model-devi`` writes the file of ``dp model-devi``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deepattn.cli.main import main

from .peer import DP320, run_dp
from .systems import write_training_data

ROWS = ("concat_default", "concat_dotr_mask", "strip_plain")


@pytest.mark.parametrize(
    "options",
    [[], ["--atomic", "-f", "10"], ["--relative", "0.5"], ["--real_error", "--relative", "1.0"]],
    ids=lambda options: " ".join(options) or "plain",
)
def test_file_equals_the_peers(options: list[str], our_graph, tmp_path: Path) -> None:
    [system, *_] = write_training_data(tmp_path)
    arguments = ["-m", *map(our_graph, ROWS), "-s", system, *options]
    run_dp(DP320.require(), ["model-devi", *arguments, "-o", "theirs.out"], tmp_path)
    ours, theirs = tmp_path / "ours.out", tmp_path / "theirs.out"
    assert main(["model-devi", *map(str, arguments), "-o", str(ours)]) == 0
    lines = [path.read_text().splitlines() for path in (ours, theirs)]
    assert lines[0][:2] == lines[1][:2]
    found, expected = np.loadtxt(ours), np.loadtxt(theirs)
    assert found.shape == expected.shape
    # Seven digits are printed; differences of models nearly equal lose some.
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-10)
