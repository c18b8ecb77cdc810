"""Backend-independent files (``.dp``): DeePMD-kit's read by us, ours read and converted by
DeePMD-kit."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest

from deepattn.config import ModelConfig, normalize_model
from deepattn.export import convert
from deepattn.formats.dp_file import write_tree
from deepattn.infer import DeepPot
from deepattn.models import build_model, load_model, read_model
from deepattn.models.dpmodel import to_tree

from .compare import keras_eval
from .deepmd_kit import DP320, run_inside
from .dpmodel_models import RCUT, RCUT_SMTH, TYPE_MAP, frames, sections, slopes

SECTIONS = sections()
SINGLE = {name for name in SECTIONS if name.endswith("float32")}
# Models that DeePMD-kit's TensorFlow backend has only in our graphs, and one it has anyway.
GRAPHS = ["dpa1_0_strip_smooth", "dpa1_2_concat_smooth", "dpa1_1_strip_smooth_excluded"]
GRAPHS += ["hybrid_excluded", "dpa1_1_concat_smooth_protected"]
# Models that the TensorFlow backend supports too: no attention, no smooth switch.
IN_BOTH = {
    "strip": {
        "type": "se_atten",
        "sel": 24,
        "attn_layer": 0,
        "tebd_input_mode": "strip",
        "exclude_types": [[0, 1]],
        "resnet_dt": True,
    },
    "two_side": {"type": "se_e2_a", "sel": [12, 14, 12], "exclude_types": [[0, 2]]},
    "one_side": {"type": "se_e2_a", "sel": [12, 14, 12], "type_one_side": True},
}
# A model with other statistics in every slot.
UNEVEN = "uneven"
# A model whose fitting excludes a type, which DeePMD-kit replaces by what the model excludes.
IDLE = "idle"
PLAIN = {"fitting_net": {"numb_fparam": 0, "numb_aparam": 0}}


@pytest.fixture(scope="module")
def deepmd_files(tmp_path_factory) -> Path:
    """Files of DeePMD-kit with random weights, and its energies of their frames."""
    folder = tmp_path_factory.mktemp("dpmodel")
    made = {
        str(folder / f"{name}.dp"): {"model": section, "seed": seed}
        for seed, (name, section) in enumerate(SECTIONS.items())
    }
    evaluated = [_evaluation(folder, SECTIONS[name], f"{name}.dp") for name in SECTIONS]
    run_inside(DP320.require(), "dpmodel.py", [{"make": made, "evaluate": evaluated}], folder)
    return folder


@pytest.fixture(scope="module")
def deepmd_again(deepmd_files, compiled_ops) -> Path:
    """DeePMD-kit's results of our copies of its files, of our graphs, and of ours it has converted.

    Copies are YAML, which DeePMD-kit converts itself.
    """
    converted, evaluated = [], []
    for name, section in SECTIONS.items():
        model = read_model(deepmd_files / f"{name}.dp")
        tree = to_tree(model.config, model.arrays, min_nbor_dist=None)
        write_tree(deepmd_files / f"{name}.copy.yaml", tree)
        converted.append([str(deepmd_files / f"{name}.copy.{end}") for end in ("yaml", "dp")])
        evaluated.append(_evaluation(deepmd_files, section, f"{name}.copy.dp"))
    for name in GRAPHS:
        convert(deepmd_files / f"{name}.dp", deepmd_files / f"{name}.pb")
        evaluated.append(_evaluation(deepmd_files, SECTIONS[name], f"{name}.pb"))
    for name in IN_BOTH:
        config, model = _our_model(name)
        tree = to_tree(config, model.get_arrays(), min_nbor_dist=0.9)
        write_tree(deepmd_files / f"{name}.dp", tree)
        converted.append([str(deepmd_files / f"{name}.{end}") for end in ("dp", "pb")])
        evaluated.append(_evaluation(deepmd_files, PLAIN, f"{name}.pb"))
    write_tree(deepmd_files / f"{UNEVEN}.dp", _uneven_tree())
    evaluated.append(_evaluation(deepmd_files, PLAIN, f"{UNEVEN}.dp"))
    tree = to_tree(*_arrays_of("one_side"), min_nbor_dist=None)
    tree["model"]["fitting"]["exclude_types"] = [1]
    write_tree(deepmd_files / f"{IDLE}.dp", tree)
    evaluated.append(_evaluation(deepmd_files, PLAIN, f"{IDLE}.dp"))
    jobs = {"convert": converted, "evaluate": evaluated}
    run_inside(DP320, "dpmodel.py", [jobs], deepmd_files)
    return deepmd_files


def _evaluation(folder: Path, section: dict, model: str) -> dict[str, str]:
    cases, output = folder / f"{model}.cases.npz", folder / f"{model}.out.npz"
    np.savez(cases, **_case(section))
    return {"model": str(folder / model), "cases": str(cases), "output": str(output)}


def _case(section: dict) -> dict[str, np.ndarray]:
    return {key: value for key, value in frames(section).items() if key != "directions"}


@functools.cache
def _our_model(name: str):
    """A model of ours, made once, with its configuration."""
    shape = {"rcut": RCUT, "rcut_smth": RCUT_SMTH, "neuron": [4, 8], "axis_neuron": 3, "seed": 1}
    section = {
        "type_map": TYPE_MAP,
        "descriptor": {**shape, **IN_BOTH[name]},
        "fitting_net": {"neuron": [6, 6], "seed": 2},
    }
    config = ModelConfig.from_dict(normalize_model(section))
    model = build_model(config)
    bias = {"fitting_attr/t_bias_atom_e": np.array([-93.2, -0.3, 2.0])}
    model.set_arrays({**model.get_arrays(), **bias})
    return config, model


def _arrays_of(name: str):
    config, model = _our_model(name)
    return config, model.get_arrays()


def _uneven_tree() -> dict:
    config, model = _our_model("two_side")
    arrays, rng = model.get_arrays(), np.random.default_rng(4)
    for key, low in (("t_avg", -0.1), ("t_std", 0.2)):
        shape = arrays[f"descrpt_attr/{key}"].shape
        arrays[f"descrpt_attr/{key}"] = rng.uniform(low, low + 0.2, shape)
    return to_tree(config, arrays, min_nbor_dist=None)


@pytest.mark.parametrize("name", SECTIONS)
def test_energies_and_forces(name: str, deepmd_files) -> None:
    """DeePMD-kit gives no forces: ours are compared with differences of its energies."""
    case = frames(SECTIONS[name])
    model, _ = load_model(deepmd_files / f"{name}.dp")
    ours = keras_eval(model, {"a": case})["a"]
    theirs = np.load(deepmd_files / f"{name}.dp.out.npz")
    bound = 1e-5 if name in SINGLE else 1e-10
    np.testing.assert_allclose(ours["atom_energy"], theirs["atom_energy"], rtol=0, atol=bound)
    np.testing.assert_allclose(ours["energy"], theirs["energy"], rtol=0, atol=bound)
    if name not in SINGLE:  # differences of such energies are noise
        along = -np.einsum("ax,dax->d", ours["force"][0], case["directions"])
        assert np.abs(along).max() > 1e-3
        np.testing.assert_allclose(along, slopes(theirs["energy"]), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", SECTIONS)
def test_ours_in_deepmd(name: str, deepmd_again) -> None:
    """A model that we read and write again is the same for DeePMD-kit."""
    first = np.load(deepmd_again / f"{name}.dp.out.npz")["energy"]
    again = np.load(deepmd_again / f"{name}.copy.dp.out.npz")["energy"]
    np.testing.assert_allclose(again, first, rtol=0, atol=1e-5 if name in SINGLE else 1e-10)


@pytest.mark.parametrize("name", GRAPHS)
def test_our_graph_of_their_file(name: str, deepmd_again) -> None:
    """Models that DeePMD-kit itself cannot convert run in it from our graph, with equal numbers."""
    portable = np.load(deepmd_again / f"{name}.dp.out.npz")
    graph = np.load(deepmd_again / f"{name}.pb.out.npz")
    np.testing.assert_allclose(graph["atom_energy"], portable["atom_energy"], rtol=0, atol=1e-10)
    model, _ = load_model(deepmd_again / f"{name}.dp")
    ours = keras_eval(model, {"a": frames(SECTIONS[name])})["a"]
    np.testing.assert_allclose(ours["force"], graph["force"], rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", IN_BOTH)
def test_converted_by_deepmd(name: str, deepmd_again) -> None:
    """DeePMD-kit makes a ``.pb`` of our ``.dp``, and from that we read the weights we wrote."""
    _, model = _our_model(name)
    ours = keras_eval(model, {"a": _case(PLAIN)})["a"]
    theirs = np.load(deepmd_again / f"{name}.pb.out.npz")
    for key in ("energy", "atom_energy", "force"):
        np.testing.assert_allclose(ours[key], theirs[key], rtol=0, atol=1e-10, err_msg=key)
    back, _ = load_model(deepmd_again / f"{name}.pb")
    for key, array in back.get_arrays().items():
        np.testing.assert_array_equal(array, model.get_arrays()[key], err_msg=key)


def test_statistics_by_slot(deepmd_again) -> None:
    model, _ = load_model(deepmd_again / f"{UNEVEN}.dp")
    ours = keras_eval(model, {"a": _case(PLAIN)})["a"]
    theirs = np.load(deepmd_again / f"{UNEVEN}.dp.out.npz")
    np.testing.assert_allclose(ours["atom_energy"], theirs["atom_energy"], rtol=0, atol=1e-10)


def test_types_that_only_a_fitting_excludes(deepmd_again) -> None:
    model, _ = load_model(deepmd_again / f"{IDLE}.dp")
    ours = keras_eval(model, {"a": _case(PLAIN)})["a"]
    theirs = np.load(deepmd_again / f"{IDLE}.dp.out.npz")
    np.testing.assert_allclose(ours["atom_energy"], theirs["atom_energy"], rtol=0, atol=1e-10)


def test_deeppot(deepmd_files) -> None:
    """A ``.dp`` file goes where any model goes."""
    case = _case(SECTIONS["dpa1_1_strip_plain"])
    options = {key: case.pop(key) for key in ("fparam", "aparam") if key in case}
    with DeepPot(deepmd_files / "dpa1_1_strip_plain.dp") as potential:
        energy, *_ = potential.eval(case["coord"], case["box"], case["atype"], **options)
    theirs = np.load(deepmd_files / "dpa1_1_strip_plain.dp.out.npz")["energy"]
    np.testing.assert_allclose(energy[:, 0], theirs, rtol=0, atol=1e-10)
