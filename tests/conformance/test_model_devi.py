"""``deepattn model-devi`` writes the file of ``dp model-devi``, and the numbers of LAMMPS."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deepattn.cli.main import main

from .deepmd_kit import DP320, deepmd_lammps, run_dp
from .lammps import script, write_data
from .systems import TYPE_MAP, make_cases, write_training_data

ROWS = ("concat_default", "concat_dotr_mask", "strip_plain")
ELEMENTS = ["H", "C", "O"]  # LAMMPS' types


@pytest.mark.parametrize(
    "options",
    [[], ["--atomic", "-f", "10"], ["--relative", "0.5"], ["--real_error", "--relative", "1.0"]],
    ids=lambda options: " ".join(options) or "plain",
)
def test_file_equals_deepmds(options: list[str], our_graph, tmp_path: Path) -> None:
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


DUMPS = {
    "cartesian": "id type x y z",
    "scaled": "id type xs ys zs",
    "unwrapped": "id element xu yu zu",
}


def test_dumps_give_what_lammps_wrote(our_graph, tmp_path: Path) -> None:
    """LAMMPS numbers types and turns cells as it likes; deviations are the same."""
    DP320.require()
    case = make_cases()["triclinic"]
    names = [TYPE_MAP[kind] for kind in case["atype"]]
    write_data(
        tmp_path / "data.lmp", case["coord"][0], names, ELEMENTS, case["box"][0].reshape(3, 3)
    )
    models = [our_graph(name) for name in ROWS]
    joined = " ".join(map(str, models))
    text = script(joined, " ".join(ELEMENTS), steps=6, parameters="out_freq 2 out_file theirs.out")
    dumps = [
        f"dump {name} all custom 2 {name}.lammpstrj {columns}\n"
        f"dump_modify {name} format float %.17g element {' '.join(ELEMENTS)}"
        for name, columns in DUMPS.items()
    ]
    deepmd_lammps(DP320, text.replace("\nfix ", "\n" + "\n".join(dumps) + "\nfix "), tmp_path)
    expected = np.loadtxt(tmp_path / "theirs.out")
    assert expected[:, 0].tolist() == [0, 2, 4, 6]
    for name in DUMPS:
        output = tmp_path / f"{name}.out"
        arguments = ["-s", tmp_path / f"{name}.lammpstrj", "-t", *ELEMENTS, "-o", output]
        assert main(["model-devi", "-m", *map(str, models), *map(str, arguments)]) == 0
        header, ours = output.read_text().splitlines()[1].split()[1:], np.loadtxt(output)
        assert header[:7] == (tmp_path / "theirs.out").read_text().splitlines()[0].split()[1:8]
        np.testing.assert_allclose(ours[:, :7], expected[:, :7], rtol=1e-5, atol=1e-10)
