"""DPA-2 against DeePMD-kit: statistics, and of ``.dp`` files energies, forces and virials.

DeePMD-kit's NumPy models give energies only, so forces and virial are compared along one direction
each, with five-point differences of DeePMD-kit's energies.
"""

from __future__ import annotations

import numpy as np
import pytest

from deepattn.config import ModelConfig, normalize_model
from deepattn.data import Batch
from deepattn.formats.dp_file import write_tree
from deepattn.infer import DeepPot
from deepattn.models import load_model, read_model
from deepattn.models.dpmodel import to_tree
from deepattn.statistics.input_blocks import input_blocks
from deepattn.statistics.moments import input_statistics

from .compare import keras_eval
from .deepmd_kit import DP320, read_cases, run_inside, write_cases
from .dpa2_options import random_sections
from .systems import NAPARAM, NFPARAM, TRICLINIC, scatter

MODELS = 20
STEP = 2e-4
# Displacements of the differences, in steps, and their weights.
OFFSETS = np.array([-2.0, -1.0, 1.0, 2.0])
WEIGHTS = np.array([1.0, -8.0, 8.0, -1.0]) / (12.0 * STEP)


def _moved(rng, natoms, *, periodic):
    """A frame, then the same frame moved along a direction, then strained along another."""
    coord = scatter(rng, TRICLINIC, natoms, closest=1.1, periodic=periodic)
    displacement, strain = rng.normal(size=coord.shape), rng.normal(size=(3, 3))
    displacement /= np.linalg.norm(displacement)
    strain /= 10.0 * np.linalg.norm(strain)
    strains = [np.eye(3) + STEP * k * strain for k in OFFSETS]
    coords = [coord, *(coord + STEP * k * displacement for k in OFFSETS)]
    coords += [coord @ strained for strained in strains]
    case = {"coord": np.stack(coords), "atype": rng.integers(0, 3, natoms)}
    if periodic:
        cells = [TRICLINIC] * 5 + [TRICLINIC @ strained for strained in strains]
        case["box"] = np.reshape(cells, (-1, 9))
    return case, displacement, strain


def _cases(rng):
    """Frames to differentiate, and one in which atoms have more neighbors than slots."""
    cases, directions = {}, {}
    cases["cell"], *directions["cell"] = _moved(rng, 9, periodic=True)
    cases["open"], *directions["open"] = _moved(rng, 7, periodic=False)
    coord = scatter(rng, TRICLINIC, 24, closest=1.1, periodic=True)
    cases["crowded"] = {"coord": coord[None], "atype": rng.integers(0, 3, 24)}
    cases["crowded"]["box"] = TRICLINIC.reshape(1, 9)
    # The first atom is virtual, and one more.
    cases["virtual"] = {**cases["crowded"], "atype": cases["crowded"]["atype"].copy()}
    cases["virtual"]["atype"][[0, 5]] = -1
    return cases, directions


def _with_parameters(rng, case, fitting):
    nframes, natoms = case["coord"].shape[:2]
    case = {**case, "atype": np.tile(case["atype"], (nframes, 1))}
    if fitting["numb_fparam"]:
        case["fparam"] = np.tile(rng.normal(size=NFPARAM), (nframes, 1))
    if fitting["numb_aparam"]:
        case["aparam"] = np.tile(rng.normal(size=(natoms, NAPARAM)), (nframes, 1, 1))
    return case


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """For each model the job of DeePMD-kit that wrote its file, section, cases and directions."""
    folder = tmp_path_factory.mktemp("dpa2")
    rng = np.random.default_rng(7)
    jobs, rest = [], []
    for k, section in enumerate(random_sections(MODELS)):
        cases, directions = _cases(rng)
        fitting = section["fitting_net"]
        cases = {name: _with_parameters(rng, case, fitting) for name, case in cases.items()}
        given = write_cases(folder / f"cases_{k}.npz", cases)
        job = {"file": str(folder / f"model_{k}.dp"), "cases": str(given)}
        jobs.append({**job, "output": str(folder / f"{k}.npz"), "model": section, "seed": k})
        rest.append((jobs[-1], section, cases, directions))
    run_inside(DP320.require(), "dpa2.py", jobs, folder)
    return rest


@pytest.fixture(scope="module")
def answers_of_copies(answers, tmp_path_factory):
    """DeePMD-kit's answers of its files as we write them again."""
    folder = tmp_path_factory.mktemp("copies")
    jobs = []
    for k, (job, *_) in enumerate(answers):
        model = read_model(job["file"])
        path = folder / f"model_{k}.dp"
        write_tree(path, to_tree(model.config, model.arrays, min_nbor_dist=None))
        output = str(folder / f"{k}.npz")
        jobs.append({"file": str(path), "cases": job["cases"], "output": output})
    run_inside(DP320, "dpa2.py", jobs, folder)
    return [job["output"] for job in jobs]


def _part(output, prefix):
    """Arrays of DeePMD-kit's answer whose names begin with ``prefix/``, by the rest."""
    with np.load(output) as stored:
        names = [name for name in stored.files if name.startswith(f"{prefix}/")]
        return {name.removeprefix(f"{prefix}/"): stored[name] for name in names}


@pytest.mark.parametrize("index", range(MODELS))
def test_statistics(answers, index):
    job, section, cases, _ = answers[index]
    config = ModelConfig.from_dict(normalize_model(section))
    chosen = [case for case in cases.values() if "box" in case and np.all(case["atype"] >= 0)]
    batches = [Batch(case, {}) for case in chosen]
    ours = {}
    for block in input_blocks(config):
        found = input_statistics(batches, block.shape, set_davg_zero=block.set_davg_zero)
        ours |= {block.davg: found.davg, block.dstd: found.dstd}
    theirs = _part(job["output"], "statistics")
    assert ours.keys() == theirs.keys()
    for name, array in theirs.items():
        # Our op has the cutoff radius in single precision.
        np.testing.assert_allclose(ours[name], array.reshape(3, -1), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("index", range(MODELS))
def test_energies_forces_and_virials(answers, index):
    job, _, cases, directions = answers[index]
    model, _ = load_model(job["file"])
    ours, theirs = keras_eval(model, cases), read_cases(job["output"])
    for name in cases:
        for key in ("energy", "atom_energy"):
            np.testing.assert_allclose(ours[name][key], theirs[name][key], rtol=0, atol=1e-10)
    for name, (displacement, strain) in directions.items():
        energy = theirs[name]["energy"]
        force, virial = ours[name]["force"][0], ours[name]["virial"][0].reshape(3, 3)
        along = np.dot(energy[1:5], WEIGHTS)
        np.testing.assert_allclose(-np.sum(force * displacement), along, rtol=0, atol=1e-9)
        strained = np.dot(energy[5:], WEIGHTS)
        np.testing.assert_allclose(-np.sum(virial * strain), strained, rtol=0, atol=1e-9)


def test_order_of_atoms(answers):
    """Missing neighbors have the type of the first atom, so frames are evaluated as they are."""
    checked = 0
    for job, section, cases, _ in answers:
        repinit = section["descriptor"]["repinit"]
        if repinit["set_davg_zero"] or repinit["tebd_input_mode"] == "strip":
            continue
        theirs = read_cases(job["output"])
        with DeepPot(job["file"]) as potential:
            for name, case in cases.items():
                assert np.any(np.diff(case["atype"][0]) < 0)
                parameters = {key: case.get(key) for key in ("fparam", "aparam")}
                energy, *_ = potential.eval(
                    case["coord"], case.get("box"), case["atype"][0], **parameters
                )
                np.testing.assert_allclose(energy[:, 0], theirs[name]["energy"], rtol=0, atol=1e-10)
        checked += 1
    assert checked >= 3


@pytest.mark.parametrize("index", range(MODELS))
def test_ours_in_deepmd(answers, answers_of_copies, index):
    """A model that we read and write again is the same for DeePMD-kit."""
    first = read_cases(answers[index][0]["output"])
    again = read_cases(answers_of_copies[index])
    for name in answers[index][2]:
        np.testing.assert_array_equal(again[name]["atom_energy"], first[name]["atom_energy"])
