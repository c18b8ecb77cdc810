"""A graph whose bias we changed is run by the DeePMD-kit that made it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deepattn.train import change_bias

from .deepmd_kit import INSTALLATIONS, deepmd_eval
from .graph_store import GraphStore

ENERGIES = {"H": -13.6, "C": 1030.25}


@pytest.mark.parametrize(
    "deepmd, name",
    [
        ("dp320", "v2_default"),
        ("dp320", "se_e2_a_two_side_exclude"),
        ("dp320", "parameters_atom_ener"),
        ("dp220", "concat_default"),
        ("dp220", "se_e2_a_two_side_exclude"),
    ],
)
def test_deepmd_sees_the_new_energies(
    deepmd: str, name: str, graph_store: GraphStore, tmp_path: Path
) -> None:
    graph = graph_store.get(INSTALLATIONS[deepmd].require(), name)
    target = tmp_path / "new.pb"
    changed = change_bias(graph.path, target, energies=ENERGIES)
    shifts = np.array([after - before for before, after in changed.values()])
    assert shifts[0] == 0 and np.all(shifts[1:] != 0)
    [found] = deepmd_eval(graph.deepmd, [(target, graph.cases)], tmp_path)
    for key, case in graph.cases.items():
        before, after = graph.reference[key], found[key]
        atype = np.broadcast_to(case["atype"], before["atom_energy"].shape)
        shift = np.where(atype >= 0, shifts[atype], 0.0)
        np.testing.assert_allclose(
            after["atom_energy"], before["atom_energy"] + shift, rtol=0, atol=1e-9, err_msg=key
        )
        for quantity in ("force", "virial"):
            np.testing.assert_allclose(
                after[quantity], before[quantity], rtol=0, atol=1e-12, err_msg=f"{key} {quantity}"
            )
