"""Compressed DPA-2: the table of `dp --pt compress` gives the same, and LAMMPS runs ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_models import dpa2, model_section

from deepattn.config import ModelConfig, normalize_model
from deepattn.errors import ModelFileError
from deepattn.export import compress_model, convert
from deepattn.formats.checkpoint import write_checkpoint
from deepattn.models import build_model, open_model_file

from .compare import assert_equal, deeppot_eval
from .deepmd_kit import DP320, DP320PT, deepmd_eval, deepmd_lammps, run_inside
from .lammps import read_dump, script, write_data
from .systems import TYPE_MAP, make_cases
from .test_lammps import ELEMENTS, assert_same, one_frame, reference
from .test_saved_model import without_devices  # noqa: F401

REPINIT = {"rcut": 4.0, "nsel": 90, "tebd_input_mode": "strip"}
REPFORMER = {"rcut": 3.0, "nsel": 40}
MODELS = {
    "plain": dpa2(REPINIT, REPFORMER),
    "one_side": dpa2(
        {**REPINIT, "type_one_side": True, "use_three_body": False},
        REPFORMER,
        smooth=False,
        exclude_types=[[0, 1], [2, 2]],
    ),
    "gelu": dpa2({**REPINIT, "activation_function": "gelu"}, {**REPFORMER, "nlayers": 1}),
    "shifted": dpa2({**REPINIT, "set_davg_zero": False, "neuron": [4, 8, 16]}, REPFORMER),
}
# DeePMD-kit's derivatives of GELU, of which its table is made, are not as exact: its compressed
# models differ so much from their originals.
TOLERANCE = {"gelu": 1e-7}
# Steps and reaches of the tables. With the last most pairs lie behind the fine intervals, and with
# its distance many behind the table, which goes on straight there.
TABLES = {"fine": (0.01, 5.0, 1.1), "coarse": (0.5, 5.0, 1.1), "short": (0.1, 2.0, 2.5)}


def write_model(path: Path, descriptor: dict, shortest: float) -> None:
    """A checkpoint with random weights and statistics that differ between types."""
    section = normalize_model({**model_section(descriptor), "type_map": TYPE_MAP})
    shifted = not section["descriptor"]["repinit"]["set_davg_zero"]
    model = build_model(ModelConfig.from_dict(section))
    rng = np.random.default_rng(3)
    weights = {}
    for key, array in model.get_arrays().items():
        if key.endswith("dstd"):
            array = np.tile([[[0.05]], [[0.07]], [[0.06]]], (1, *array.shape[1:]))
        elif key.endswith("davg") and shifted:
            rows = np.array([0.04, 0.09, 0.02])[:, np.newaxis, np.newaxis] * [1.0, 0, 0, 0]
            array = np.tile(rows, (1, array.shape[1], 1))
        elif "bias_atom_e" in key:
            array = rng.normal(size=array.shape)
        weights[f"weights/{key}"] = array
    header = {"config": {"model": section}, "interface_dtype": "float64"}
    write_checkpoint(path, 1, weights, {**header, "min_nbor_dist": shortest, "step": 1}, keep=1)


@pytest.fixture(scope="module")
def compressed(tmp_path_factory):
    """A function of model and kind of table: the checkpoint, and our compressed model."""
    folder = tmp_path_factory.mktemp("compressed")

    def make(model: str, table: str = "fine") -> tuple[Path, Path]:
        name, (step, extrapolate, shortest) = f"{model}-{table}", TABLES[table]
        saved = folder / f"{name}.savedmodeltf"
        checkpoint = folder / f"{name}.ckpt-1.h5"
        if not saved.exists():
            write_model(folder / f"{name}.ckpt", MODELS[model], shortest)
            compress_model(checkpoint, saved, step=step, extrapolate=extrapolate)
        return checkpoint, saved

    return make


def compress_there(checkpoints: list[tuple[Path, str]], folder: Path) -> list[Path]:
    """The compressed models that DeePMD-kit makes of checkpoints, each with a kind of table."""
    jobs, models = [], []
    for checkpoint, table in checkpoints:
        name, (step, extrapolate, _) = checkpoint.name.partition(".")[0], TABLES[table]
        convert(checkpoint, folder / f"{name}.dp")
        models.append(folder / f"{name}_compressed.pth")
        options = ["-s", str(step), "-e", str(int(extrapolate))]
        for line in (
            ["convert-backend", f"{name}.dp", f"{name}.pth"],
            ["--pt", "compress", "-i", f"{name}.pth", "-o", models[-1].name, *options],
        ):
            jobs.append({"arguments": line, "output": f"{name}.log"})
    run_inside(DP320PT.require(), "commands.py", jobs, folder)
    return models


def cases() -> dict[str, dict[str, np.ndarray]]:
    """Boxes without the parameters, which the models do not take."""
    every = make_cases()
    return {
        name: {key: every[name][key] for key in ("coord", "atype", "box") if key in every[name]}
        for name in ("cubic", "triclinic", "small", "open")
    }


def largest(one: dict, other: dict) -> float:
    """The largest deviation of a force, eV/Å."""
    return max(np.abs(one[name]["force"] - other[name]["force"]).max() for name in one)


@pytest.mark.slow
def test_equals_the_original_and_deepmds(compressed, tmp_path: Path) -> None:
    """Also where a table is so coarse that it differs from the net: then both differ alike."""
    DP320PT.require()
    kinds = [*((model, "fine") for model in MODELS), ("shifted", "coarse"), ("shifted", "short")]
    models = compress_there([(compressed(*kind)[0], kind[1]) for kind in kinds], tmp_path)
    answers = deepmd_eval(DP320PT, [(model, cases()) for model in models], tmp_path)
    for kind, theirs in zip(kinds, answers, strict=True):
        original, found = (deeppot_eval(path, cases()) for path in compressed(*kind))
        assert max(np.ptp(case["force"]) for case in original.values()) > 1e-3, kind
        # The programs divide the virial among atoms differently.
        for name, case in theirs.items():
            case["atom_virial"] = found[name]["atom_virial"]
        assert_equal(found, theirs, TOLERANCE.get(kind[0], 1e-10))
        if kind[0] == "gelu":
            assert largest(found, original) < 1e-13 < 1e-11 < largest(theirs, original)
        if kind[1] == "fine":
            assert_equal(found, original, 1e-10)
        else:
            assert largest(found, original) > 1e-8, kind
    with pytest.raises(ModelFileError, match="is compressed; give the model that was compressed"):
        open_model_file(models[0]).stored()


@pytest.mark.parametrize("model", ["plain", "one_side", "shifted"])
@pytest.mark.parametrize("box", ["triclinic", "open"])
def test_in_lammps(box: str, model: str, compressed, tmp_path: Path) -> None:
    DP320.require()
    checkpoint, ours = compressed(model)
    coord, names, cell = one_frame(box)
    write_data(tmp_path / "data.lmp", coord, names, ELEMENTS, cell)
    text = script(ours, " ".join(ELEMENTS), periodic=cell is not None, mapped=True)
    deepmd_lammps(DP320, text, tmp_path)
    assert_same(tmp_path, reference(checkpoint, coord, names, cell))


def test_in_several_processes(compressed, without_devices, tmp_path: Path) -> None:  # noqa: F811
    """A parallel model is the same for one process that does not know owners, and for two."""
    DP320.require()
    checkpoint, _ = compressed("plain")
    saved = tmp_path / "parallel.savedmodeltf"
    compress_model(checkpoint, saved, parallel=True)
    coord, names, cell = one_frame("cubic")
    expected = reference(checkpoint, coord, names, cell)
    for nranks in (1, 2):
        folder = tmp_path / str(nranks)
        folder.mkdir()
        write_data(folder / "data.lmp", coord, names, ELEMENTS, cell)
        text = script(saved, " ".join(ELEMENTS), steps=1)
        deepmd_lammps(DP320, text, folder, nranks=nranks, env=without_devices)
        assert f"on {nranks} procs" in (folder / "log.lammps").read_text()
        first = read_dump(folder)[0]
        np.testing.assert_allclose(first[:, 3:6], expected["force"], rtol=0, atol=1e-10)
        np.testing.assert_allclose(first[:, 6], expected["atom_energy"], rtol=0, atol=1e-10)
