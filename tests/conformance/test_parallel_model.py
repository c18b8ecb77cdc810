"""DPA-2 in several processes of the unmodified LAMMPS of DeePMD-kit 3.2.0, without a map of atoms.

All frames of a number of processes are run one after the other by one LAMMPS.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_models import dpa2, model_section

from deepattn.config import ModelConfig, normalize_model
from deepattn.export import convert
from deepattn.formats.checkpoint import write_checkpoint
from deepattn.models import build_model

from .deepmd_kit import DP320, deepmd_lammps
from .lammps import NKTV2P, write_data
from .systems import NAPARAM, NFPARAM, TYPE_MAP
from .test_lammps import APARAM, ELEMENTS, FPARAM, one_frame, reference
from .test_saved_model import without_devices  # noqa: F401

PARAMETERS = {"numb_fparam": NFPARAM, "numb_aparam": NAPARAM}
RCUT, MESSAGE = 4.0, 3.0


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> tuple[Path, Path]:
    """A checkpoint of weights that matter, and the parallel SavedModel of it."""
    DP320.require()
    folder = tmp_path_factory.mktemp("parallel")
    descriptor = dpa2(
        {"rcut": RCUT, "nsel": 90, "use_three_body": False}, {"rcut": MESSAGE, "nsel": 40}
    )
    section = normalize_model({**model_section(descriptor, PARAMETERS), "type_map": TYPE_MAP})
    rng = np.random.default_rng(3)
    weights = {}
    for key, array in build_model(ModelConfig.from_dict(section)).get_arrays().items():
        if key.endswith("dstd"):
            array = np.full_like(array, 0.05)
        elif "repformer_layers" in key or key.startswith("layer_"):
            array = rng.normal(scale=0.4, size=array.shape)
        weights[f"weights/{key}"] = array
    header = {"config": {"model": section}, "interface_dtype": "float64"}
    header |= {"min_nbor_dist": 1.1, "step": 1}
    write_checkpoint(folder / "model.ckpt", 1, weights, header, keep=5)
    checkpoint = folder / "model.ckpt-1.h5"
    return checkpoint, convert(checkpoint, folder / "model.savedmodeltf", parallel=True)


def frames() -> dict[str, tuple[np.ndarray, list[str], np.ndarray, str]]:
    """Coordinates, elements, cell, and further lines of the input."""
    coord, names, _ = one_frame("open")
    # Of four processes along x the first two share a molecule, the others have no atoms.
    middle = coord - coord.mean(axis=0) + [15.0, 6.0, 6.0]
    return {
        # LAMMPS uses the cutoff of the model all the same.
        "cubic": (*one_frame("cubic"), "comm_modify cutoff 1.0"),
        "triclinic": (*one_frame("triclinic"), ""),
        "molecule": (middle, names, np.diag([60.0, 12.0, 12.0]), "processors * 1 1"),
    }


def section(model: Path, name: str, *, lines: str, mapped: bool) -> str:
    """The part of an input for one frame."""
    words = " ".join(map(str, ["fparam", *FPARAM, "aparam", *APARAM]))
    return f"""
clear
log {name}.log
units metal
atom_style atomic
{"atom_modify map yes" if mapped else ""}
box tilt large
{lines if lines.startswith("processors") else ""}
read_data {name}.data
pair_style deepmd {model} {words}
pair_coeff * * {" ".join(ELEMENTS)}
neighbor 1.0 bin
{lines if lines.startswith("comm_modify") else ""}
compute pe all pe/atom
compute vir all pressure NULL virial
thermo_style custom step pe vol c_vir[1] c_vir[2] c_vir[3] c_vir[4] c_vir[5] c_vir[6]
thermo_modify format float %.17g
run 0
write_dump all custom {name}.dump id fx fy fz c_pe modify sort id format float %.17g
"""


def check(folder: Path, name: str, expected: dict[str, np.ndarray], nranks: int) -> None:
    """Energies, forces and virial of a frame, from its dump and log."""
    natoms = len(expected["force"])
    rows = (folder / f"{name}.dump").read_text().splitlines()[-natoms:]
    found = np.array([row.split()[1:] for row in rows], float)
    np.testing.assert_allclose(found[:, :3], expected["force"], rtol=0, atol=1e-10, err_msg=name)
    np.testing.assert_allclose(
        found[:, 3], expected["atom_energy"], rtol=0, atol=1e-10, err_msg=name
    )
    log = (folder / f"{name}.log").read_text()
    assert f"on {nranks} procs" in log
    lines = log.splitlines()
    [head] = [index for index, line in enumerate(lines) if line.split()[:1] == ["Step"]]
    _, energy, volume, *pressure = map(float, lines[head + 1].split())
    assert energy == pytest.approx(expected["energy"], rel=0, abs=1e-10)
    xx, yy, zz, xy, xz, yz = np.array(pressure) * volume / NKTV2P
    virial = [xx, xy, xz, xy, yy, yz, xz, yz, zz]
    np.testing.assert_allclose(virial, expected["virial"], rtol=0, atol=1e-10, err_msg=name)


@pytest.mark.parametrize(
    ("nranks", "mapped", "chosen"),
    [
        (1, True, ["triclinic"]),
        (1, False, ["triclinic"]),
        (2, False, ["cubic"]),
        (4, False, ["triclinic", "molecule"]),
    ],
)
def test_processes_equal_one(
    nranks: int,
    mapped: bool,
    chosen: list[str],
    exported,
    without_devices,  # noqa: F811
    tmp_path: Path,
) -> None:
    checkpoint, saved = exported
    text, given = "", frames()
    for name in chosen:
        coord, names, cell, lines = given[name]
        write_data(tmp_path / f"{name}.data", coord, names, ELEMENTS, cell)
        text += section(saved, name, lines=lines, mapped=mapped)
    deepmd_lammps(DP320, text, tmp_path, nranks=nranks, env=without_devices)
    for name in chosen:
        coord, names, cell, _ = given[name]
        expected = reference(checkpoint, coord, names, cell, fparam=FPARAM, aparam=APARAM)
        assert np.ptp(expected["force"]) > 0.01
        check(tmp_path, name, expected, nranks)
