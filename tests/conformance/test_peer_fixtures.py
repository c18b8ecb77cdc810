"""Models that DeePMD-kit's own tests read give its numbers here."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from deepattn import infer
from deepattn.cli.main import main
from deepattn.models import open_model_file

from .compare import assert_equal, deeppot_eval
from .deepmd_kit import (
    DP320,
    deepmd_eval,
    read_cases,
    require_sources,
    run_inside,
    write_cases,
)

pytestmark = [pytest.mark.conformance, pytest.mark.slow]

# The frame of most of DeePMD-kit's tests.
COORD = np.array(
    [
        *(12.83, 2.56, 2.18, 12.09, 2.87, 2.74, 0.25, 3.32, 1.68),
        *(3.36, 3.00, 1.81, 3.51, 2.51, 2.60, 4.27, 3.22, 1.56),
    ]
)
ATYPE = np.array([0, 1, 1, 0, 1, 1], np.int32)
BOX = 13.0 * np.eye(3)
GRAPHS = (
    "deeppot",
    "deeppot-1",
    "deeppot-r",
    "se_atten_no_atten_1",
    "se_atten_no_atten_2",
    "se_e2_a_tebd",
    "sea_012",
    "virtual_type",
    "dp4mask",
    "fparam_aparam",
)
OBSERVABLES = (
    "deepdos",
    "deepdipole",
    "deepdipole_new",
    "deepdipole_fake",
    "deeppolar",
    "deeppolar_new",
)
# Of QM/MM by pairs, in single precision, see below.
PAIRS = "pairwise_dprc"
OTHERS = (
    "deeppot_dpa.yaml",
    "deeppot_sea.yaml",
    "fparam_aparam.yaml",
    "fparam_aparam_default.yaml",
)
# Files of PyTorch and others of the same models: 3.2.0 runs the former in C++ only.
SAME = {
    "deeppot_sea.pth": "deeppot_sea.yaml",
    "fparam_aparam_default.pth": "fparam_aparam_default.yaml",
}
OF_ONE_TYPE = ("fparam", "deepdos")
# Of DeePMD-kit 1, which gave the tensors of atoms alone.
OF_ATOMS = ("deepdipole", "deeppolar")
# Why, by the beginnings of their names.
LEFT_OUT = {
    "deepdipole_pt": "3.2.0 runs it in C++ only, see below",
    "deeppot-r.yaml": "the written values, see below",
    "deepspin": "magnetic moments",
    "deeppot_dpa_spin": "magnetic moments",
    "deeppot_dpa3": "DPA-3",
    "dipolecharge": "long-range corrections",
}


@pytest.fixture(scope="module")
def fixtures() -> Path:
    """The folder of the models, in DeePMD-kit's sources."""
    return require_sources() / "source" / "tests" / "infer"


@pytest.fixture(scope="module")
def graphs(fixtures: Path, tmp_path_factory) -> Path:
    """A folder of graphs, made of their texts."""
    folder = tmp_path_factory.mktemp("graphs")
    for name in (*GRAPHS, *OBSERVABLES, PAIRS):
        text = folder / "model.pbtxt"
        text.write_bytes((fixtures / f"{name}.pbtxt").read_bytes())
        words = ["-i", str(text), "-o", str(folder / f"{name}.pb")]
        assert main(["convert-from", "pbtxt", *words]) == 0
    file = str(folder / "sea_012.pb")
    assert main(["convert-from", "0.12", "-i", file, "-o", file]) == 0
    return folder


def _frames(path: Path) -> dict[str, dict[str, np.ndarray]]:
    """The frame in a cell and without, with the parameters that a model has."""
    frame = {"coord": COORD.reshape(1, -1, 3), "atype": ATYPE}
    if path.name.startswith("fparam"):
        frame["fparam"] = np.array([[0.25852028]])
        frame["aparam"] = np.full((1, len(ATYPE), 1), 0.25852028)
    if path.name.startswith(OF_ONE_TYPE):
        frame["atype"] = 0 * ATYPE
    if path.name.startswith("dp4mask"):
        # All of its frames have these atoms, of which some are masked.
        frame["atype"] = np.repeat([0, 1], [20, 1]).astype(np.int32)
        places = np.indices((3, 3, 3)).reshape(3, -1).T[:21]
        frame["coord"] = (1.5 * places + 0.2 * np.sin(7.0 * np.arange(63).reshape(21, 3)))[None]
        frame["aparam"] = np.where(np.isin(np.arange(21), [3, 17, 18]), 0.0, 1.0).reshape(1, 21, 1)
    return {"open": frame, "cell": {**frame, "box": BOX.reshape(1, 9)}}


def test_all_are_in_a_list(fixtures: Path) -> None:
    found = {
        path.name
        for path in fixtures.iterdir()
        if path.suffix in (".pbtxt", ".yaml", ".pth") and not path.stem.endswith("-testcase")
    }
    listed = {*OTHERS, *SAME, *(f"{name}.pbtxt" for name in (*GRAPHS, *OBSERVABLES, PAIRS))}
    assert listed <= found
    assert all(name.startswith(tuple(LEFT_OUT)) for name in found - listed), found - listed


def test_energies(fixtures: Path, graphs: Path, tmp_path: Path) -> None:
    DP320.require()
    paths = [*(graphs / f"{name}.pb" for name in GRAPHS), *(fixtures / name for name in OTHERS)]
    jobs = [(path, _frames(path)) for path in paths]
    for (path, frames), expected in zip(jobs, deepmd_eval(DP320, jobs, tmp_path), strict=True):
        found = deeppot_eval(path, frames)
        if path.suffix == ".yaml":
            # DeePMD-kit's NumPy backend has no derivatives.
            expected = {
                frame: found[frame] | {key: values[key] for key in ("energy", "atom_energy")}
                for frame, values in expected.items()
            }
        # Stock operations keep its rcut_smth of 1.8 Å in single precision.
        rounded = path.suffix == ".yaml" and path.name.startswith("fparam")
        assert_equal(found, expected, 5e-8 if rounded else 1e-9)


@pytest.mark.parametrize("name", SAME)
def test_files_of_pytorch(fixtures: Path, name: str) -> None:
    frames = _frames(fixtures / name)
    expected = deeppot_eval(fixtures / SAME[name], frames)
    assert_equal(deeppot_eval(fixtures / name, frames), expected, 1e-12)


def test_observables(graphs: Path, tmp_path: Path) -> None:
    DP320.require()
    jobs = []
    for name in OBSERVABLES:
        path = graphs / f"{name}.pb"
        cases = write_cases(tmp_path / f"{name}.cases.npz", _frames(path))
        task = {"model": str(path), "cases": str(cases), "full": name not in OF_ATOMS}
        jobs.append({"evaluate": [{**task, "output": str(tmp_path / f"{name}.npz")}]})
    run_inside(DP320, "observables.py", jobs, tmp_path)
    for name in OBSERVABLES:
        path, expected = graphs / f"{name}.pb", read_cases(tmp_path / f"{name}.npz")
        with getattr(infer, open_model_file(path).fitting_kind.reader)(path) as deep:
            full = None if name in OF_ATOMS else getattr(deep, "eval_full", None)
            for frame, case in _frames(path).items():
                found = (full or deep.eval)(
                    case["coord"], case.get("box"), case["atype"], atomic=True
                )
                values = found if isinstance(found, tuple) else (found,)
                assert len(values) == len(expected[frame])
                for place, value in enumerate(values):
                    wanted = expected[frame][str(place)]
                    np.testing.assert_allclose(
                        value.ravel(), wanted.ravel(), rtol=1e-9, atol=1e-9, err_msg=name
                    )


@pytest.mark.parametrize("name", ["deeppot", "deeppot-r", "fparam_aparam"])
def test_written_values(fixtures: Path, name: str) -> None:
    """Those of DeePMD-kit's tests themselves."""
    case = yaml.safe_load((fixtures / f"{name}-testcase.yaml").read_text())
    with infer.DeepPot(fixtures / case["filename"]) as potential:
        assert potential.get_type_map() == case["type_map"]
        assert potential.get_rcut() == case["rcut"]
        for result in case["results"]:
            atype = np.array(result["atype"])
            box = None if result["box"] is None else np.reshape(result["box"], (1, 9))
            parameters = {
                key: np.reshape(result[key], (1, -1))
                for key in ("fparam", "aparam")
                if key in result
            }
            coord = np.reshape(result["coord"], (1, -1, 3))
            _, force, _, energy, virial = potential.eval(
                coord, box, atype, atomic=True, **parameters
            )
            for found, key in (
                (energy, "atomic_energy"),
                (force, "force"),
                (virial, "atomic_virial"),
            ):
                np.testing.assert_allclose(
                    found.ravel(), np.ravel(result[key]).astype(float), rtol=0, atol=1e-9
                )


def test_energies_of_pairs(graphs: Path, tmp_path: Path, caplog) -> None:
    """In single precision, from a graph whose forces lack the derivative of a switch.

    DeePMD-kit's own differences of energies show which forces are right.
    """
    path, step = graphs / f"{PAIRS}.pb", 0.02
    frame = {
        "coord": COORD.reshape(1, -1, 3),
        "atype": np.array([0, 1, 1, 4, 5, 5], np.int32),
        "aparam": np.array([0.0, 0, 0, 2, 2, 1]).reshape(1, -1, 1),
    }
    frames = {"open": frame, "cell": {**frame, "box": BOX.reshape(1, 9)}}
    for sign in (1, -1):
        moved = frame["coord"].copy()
        moved[0, 2, 0] += sign * step
        frames[f"moved {sign}"] = {**frame, "coord": moved}
    [expected] = deepmd_eval(DP320.require(), [(path, frames)], tmp_path)
    found = deeppot_eval(path, frames)
    assert "an early DeePMD-kit wrote it" in caplog.text
    for name in frames:
        for key in ("energy", "atom_energy"):
            np.testing.assert_allclose(found[name][key], expected[name][key], rtol=0, atol=5e-7)
    ends = [expected[f"moved {sign}"]["energy"][0] for sign in (-1, 1)]
    slope = (ends[0] - ends[1]) / (2 * step)
    of_ours, of_theirs = (some["open"]["force"][0, 2, 0] for some in (found, expected))
    assert abs(of_ours - slope) < 5e-5 < 1e-4 < abs(of_theirs - slope)


def test_dipole_moments_of_pytorch(fixtures: Path) -> None:
    """Those in DeePMD-kit's test in C++."""
    text = (require_sources() / "source/api_cc/tests/test_deepdipole_pt.cc").read_text()
    values = {
        name: np.array([float(number) for number in numbers.split(",")])
        for name, numbers in re.findall(r"> (expected_\w+_tensor) = \{([^}]*)\}", text)
    }
    with infer.DeepDipole(fixtures / "deepdipole_pt.pth") as deep:
        arguments = (COORD.reshape(1, -1, 3), BOX.reshape(1, 9), ATYPE)
        atoms, total = (deep.eval(*arguments, atomic=atomic) for atomic in (True, False))
    np.testing.assert_allclose(atoms.ravel(), values["expected_atom_tensor"], rtol=0, atol=1e-9)
    # Written with seven digits.
    np.testing.assert_allclose(total.ravel(), values["expected_global_tensor"], rtol=0, atol=1e-7)
