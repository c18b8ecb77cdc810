"""``test``, ``model-devi`` and ``neighbor-stat`` print the digits of ``dp``, on real data."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from deepattn.cli.main import main
from deepattn.config import ModelConfig, normalize_model
from deepattn.export import freeze
from deepattn.models import build_model

from .deepmd_kit import DP320, run_inside

# One periodic cell, frames of mixed composition, molecules in open boundaries.
SETS = {
    "water": "water/valid/data_2",
    "alloy": "monbtaw/mixed/valid/16",
    "molecule": "organic/acac/valid/C5H8O2",
}
MODEL = {
    "type_map": ["H", "C", "O", "Nb", "Mo", "Ta", "W"],
    "descriptor": {
        "type": "se_atten_v2",
        "rcut": 4.0,
        "rcut_smth": 0.5,
        "sel": 60,
        "neuron": [4, 8],
        "axis_neuron": 3,
        "attn": 4,
        "attn_layer": 1,
    },
    "fitting_net": {"neuron": [6, 6]},
}
# "Energy RMSE         : 1.234567e-01 eV", "min_nbor_dist: 0.98", "max_nbor_size: [40]".
FIGURES = re.compile(r"((?:Energy|Force|Virial) +\S+|min_nbor_dist|max_nbor_size) *: *(.+)")


@pytest.fixture(scope="module")
def graphs(compiled_ops, tmp_path_factory) -> list[str]:
    """Two graphs of random weights."""
    folder = tmp_path_factory.mktemp("graphs")
    paths = []
    for seed in (1, 2):
        section = normalize_model(MODEL)
        for part in ("descriptor", "fitting_net", "type_embedding"):
            section.setdefault(part, {})["seed"] = seed
        model = build_model(ModelConfig.from_dict(section))
        script = {"model": section}
        paths.append(str(freeze(model, folder / f"{seed}.pb", training_script=script)))
    return paths


def numbers(text: str) -> list[tuple[str, str]]:
    """Names and values, as printed."""
    return [(" ".join(name.split()), value.strip()) for name, value in FIGURES.findall(text)]


def test_digits_are_those_of_dp(graphs, shared, tmp_path: Path, capsys) -> None:
    """All commands in one process of DeePMD-kit, whose start takes longer than any of them."""
    DP320.require()
    commands = {}
    for name, folder in SETS.items():
        system = str(shared / "data" / folder)
        commands[f"test {name}"] = ["test", "-m", graphs[0], "-s", system, "-n", "4"]
        commands[f"neighbor-stat {name}"] = ["neighbor-stat", "-s", system, "-r", "4.0"]
        commands[f"model-devi {name}"] = ["model-devi", "-m", *graphs, "-s", system]
    for name, arguments in commands.items():
        if name.startswith("model-devi"):
            arguments += ["-o", str(tmp_path / f"{name}.theirs")]
    jobs = [
        {"arguments": ["--tf", *arguments], "output": str(tmp_path / f"{name}.log")}
        for name, arguments in commands.items()
    ]
    run_inside(DP320, "commands.py", jobs, tmp_path)
    for name, arguments in commands.items():
        if name.startswith("model-devi"):
            ours, theirs = tmp_path / f"{name}.ours", tmp_path / f"{name}.theirs"
            assert main([*arguments[:-1], str(ours)]) == 0
            np.testing.assert_allclose(
                np.loadtxt(ours), np.loadtxt(theirs), rtol=1e-5, atol=1e-10, err_msg=name
            )
            continue
        assert main(arguments) == 0
        expected = numbers((tmp_path / f"{name}.log").read_text())
        assert expected, name
        assert numbers(capsys.readouterr().out) == expected, name
