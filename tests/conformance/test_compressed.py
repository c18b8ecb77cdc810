"""Compressed graphs: ours in DeePMD-kit and its LAMMPS, DeePMD-kit's here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deepattn import ops
from deepattn.export import compress, freeze
from deepattn.models import load_model

from .compare import assert_equal, deeppot_eval
from .deepmd_kit import DP320, DP2211, deepmd_eval, deepmd_lammps, run_dp
from .graphs import TABLE, cases_for
from .lammps import script, write_data
from .test_lammps import ELEMENTS, assert_lammps_gives, assert_same, one_frame, reference

SHORTEST = 1.1  # Å; pairs of the boxes do not come nearer
# The second has a residual layer that stays as wide as twice the types' vectors: `dp compress`
# takes it for one that doubles, and writes another potential.
STOCK = [
    *("v2_compressible", "v2_residual_without_attention", "v2_no_attention_exclude"),
    *("se_e2_a_two_side_exclude", "se_e2_a_one_side_resnet", "se_e2_a_no_slots_first"),
]


@pytest.fixture(scope="module")
def compressed(our_graph, tmp_path_factory):
    """A function that compresses our graph of a row of the matrix."""
    folder = tmp_path_factory.mktemp("compressed")

    def make(name: str, *, fast: bool = False) -> Path:
        model, header = load_model(our_graph(name))
        small = compress(model, min_nbor_dist=SHORTEST, fast=fast)
        path = folder / f"{name}-{fast}.pb"
        options = {"training_script": header["config"], "min_nbor_dist": SHORTEST, "fast": fast}
        return freeze(small, path, **options)

    return make


def test_ours_in_deepmd(our_graph, compressed, tmp_path: Path) -> None:
    DP320.require()
    cases = [cases_for(TABLE[name], DP320) for name in STOCK]
    jobs = [(compressed(name), case) for name, case in zip(STOCK, cases, strict=True)]
    found = deepmd_eval(DP320, jobs, tmp_path)
    for name, case, result in zip(STOCK, cases, found, strict=True):
        assert_equal(deeppot_eval(our_graph(name), case), result, 1e-9)
        assert_equal(deeppot_eval(compressed(name), case), result, 1e-9)


@pytest.mark.parametrize("name", ["v2_compressible", "se_e2_a_two_side_exclude"])
def test_deepmds_here(name: str, our_graph, tmp_path: Path) -> None:
    DP320.require()
    graph = our_graph(name)
    run_dp(DP320, ["compress", "-i", graph, "-o", "small.pb"], tmp_path)
    cases = cases_for(TABLE[name], DP320)
    found = deeppot_eval(tmp_path / "small.pb", cases)
    assert_equal(found, deeppot_eval(graph, cases), 1e-8)
    [theirs] = deepmd_eval(DP320, [(tmp_path / "small.pb", cases)], tmp_path)
    assert_equal(found, theirs, 1e-9)


@pytest.mark.parametrize("name", ["v2_compressible", "se_e2_a_two_side_exclude"])
@pytest.mark.parametrize("deepmd", [DP320, DP2211], ids=lambda deepmd: deepmd.name)
@pytest.mark.parametrize("box", ["triclinic", "open"])
def test_in_lammps(box: str, deepmd, name: str, our_graph, compressed, tmp_path: Path) -> None:
    assert_lammps_gives(deepmd.require(), compressed(name), our_graph(name), tmp_path, box=box)


@pytest.mark.parametrize(
    "name", ["v2_compressible", "v2_default", "concat_default", "se_e2_a_one_side_resnet"]
)
def test_fast_in_lammps(name: str, our_graph, compressed, tmp_path: Path) -> None:
    """Attention and concat mode too, which `dp compress` refuses."""
    DP320.require()
    if ops.fast_library() is None:
        pytest.skip("the compiled ops are not there")
    coord, names, cell = one_frame("triclinic")
    write_data(tmp_path / "data.lmp", coord, names, ELEMENTS, cell)
    text = script(compressed(name, fast=True), " ".join(ELEMENTS), periodic=True)
    deepmd_lammps(DP320, text, tmp_path, env={"DP_PLUGIN_PATH": ops.fast_library()})
    expected = reference(our_graph(name), coord, names, cell)
    assert np.abs(expected["force"]).max() > 1e-3
    assert_same(tmp_path, expected)
