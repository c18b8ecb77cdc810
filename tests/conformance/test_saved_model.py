"""Our SavedModels in the unmodified DeePMD-kit 3.2.0: its Python, and above all its LAMMPS."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from small_models import dpa2, model_section

from deepattn.config import ModelConfig, normalize_model
from deepattn.export import convert
from deepattn.formats.checkpoint import write_checkpoint
from deepattn.infer import DeepPot
from deepattn.models import build_model

from .compare import assert_equal, deeppot_eval
from .deepmd_kit import DP320, DeepmdError, deepmd_eval, deepmd_lammps, run, run_dp
from .lammps import read_dump, read_thermo, script, write_data
from .systems import NAPARAM, NFPARAM, TYPE_MAP, make_cases, write_training_data
from .test_lammps import APARAM, ELEMENTS, FPARAM, assert_same, drift, one_frame, reference

PARAMETERS = {"numb_fparam": NFPARAM, "numb_aparam": NAPARAM}
MODELS = {
    "dpa2": (dpa2({"rcut": 4.0, "nsel": 90}, {"rcut": 3.0}), {}, {}),
    "dpa2_parameters": (dpa2({"rcut": 4.0, "nsel": 90}, {"nlayers": 1}), PARAMETERS, {}),
    # More neighbors than slots.
    "tensorflow": ({"type": "se_atten_v2", "rcut": 4.0, "sel": 20}, PARAMETERS, {}),
    "common": (
        {"rcut": 4.0, "sel": 90, "smooth_type_embedding": True},
        {},
        {"convention": "common"},
    ),
    "default": (
        {"type": "se_atten_v2", "rcut": 4.0, "sel": 20},
        {"numb_fparam": NFPARAM, "default_fparam": list(FPARAM)},
        {},
    ),
    "se_e2_a": ({"type": "se_e2_a", "rcut": 4.0, "sel": [30, 40, 30]}, {}, {}),
}
TIMESTEP = 1e-4  # ps
NKTV2P = 1.6021765e6  # bar Å³/eV


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """By name a checkpoint with random weights, and the SavedModel of it."""
    DP320.require()
    folder = tmp_path_factory.mktemp("saved")

    def make(name: str) -> tuple[Path, Path]:
        target = folder / f"{name}.savedmodeltf"
        checkpoint = folder / f"{name}.ckpt-1.h5"
        if target.exists():
            return checkpoint, target
        descriptor, fitting, others = MODELS[name]
        section = model_section(descriptor, fitting, **others)
        section = normalize_model({**section, "type_map": TYPE_MAP})
        model = build_model(ModelConfig.from_dict(section))
        rng = np.random.default_rng(3)
        weights = {}
        for key, array in model.get_arrays().items():
            if key.endswith(("dstd", "t_std")):
                array = np.full_like(array, 0.05)
            if key.endswith("bias_atom_e"):
                array = rng.normal(size=array.shape)
            weights[f"weights/{key}"] = array
        header = {"config": {"model": section}, "interface_dtype": "float64"}
        header |= {"min_nbor_dist": 1.1, "step": 1}
        write_checkpoint(folder / f"{name}.ckpt", 1, weights, header, keep=5)
        return checkpoint, convert(checkpoint, target)

    return make


def write_frame(folder: Path, box: str):
    coord, names, cell = one_frame(box)
    write_data(folder / "data.lmp", coord, names, ELEMENTS, cell)
    return coord, names, cell


@pytest.mark.parametrize(
    ("name", "box"),
    [
        *(("dpa2", box) for box in ("triclinic", "small", "open")),
        *(("common", "small"), ("se_e2_a", "triclinic")),
    ],
)
def test_lammps(name: str, box: str, exported, tmp_path: Path) -> None:
    checkpoint, saved = exported(name)
    coord, names, cell = write_frame(tmp_path, box)
    text = script(saved, " ".join(ELEMENTS), periodic=cell is not None, mapped=True)
    deepmd_lammps(DP320, text, tmp_path)
    expected = reference(checkpoint, coord, names, cell)
    assert np.ptp(expected["force"]) > 0.01
    assert_same(tmp_path, expected)


def test_frame_parameters_by_default(exported, tmp_path: Path) -> None:
    """Without fparam LAMMPS and DeePMD-kit's Python take what the model has for it."""
    checkpoint, saved = exported("default")
    coord, names, cell = write_frame(tmp_path, "triclinic")
    deepmd_lammps(DP320, script(saved, " ".join(ELEMENTS)), tmp_path)
    expected = reference(checkpoint, coord, names, cell, fparam=FPARAM)
    assert_same(tmp_path, expected)
    case = {"coord": coord[None], "box": cell.reshape(1, 9)}
    case["atype"] = np.array([TYPE_MAP.index(name) for name in names])
    theirs = deepmd_eval(DP320, [(saved, {"a": case})], tmp_path)[0]
    assert_equal(deeppot_eval(checkpoint, {"a": case}), theirs, 1e-10)
    assert_equal(deeppot_eval(saved, {"a": case}), theirs, 1e-10)
    np.testing.assert_allclose(theirs["a"]["energy"].ravel(), expected["energy"], atol=1e-9)


@pytest.mark.parametrize("name", ["dpa2_parameters", "tensorflow"])
def test_parameters_and_atomic_virials(name: str, exported, tmp_path: Path) -> None:
    checkpoint, saved = exported(name)
    coord, names, cell = write_frame(tmp_path, "triclinic")
    words = ["fparam", *map(str, FPARAM), "aparam", *map(str, APARAM)]
    text = script(saved, " ".join(ELEMENTS), parameters=" ".join(words), mapped=True)
    columns = " ".join(f"c_share[{k}]" for k in range(1, 10))
    text = text.replace(
        "fix run",
        "compute share all centroid/stress/atom NULL pair\n"
        f"dump share all custom 1 shares.txt id {columns}\n"
        "dump_modify share sort id format float %.17g\nfix run",
    )
    deepmd_lammps(DP320, text, tmp_path)
    given = {"fparam": FPARAM, "aparam": APARAM}
    assert_same(tmp_path, reference(checkpoint, coord, names, cell, **given))
    with DeepPot(checkpoint) as pot:
        atype = [TYPE_MAP.index(kind) for kind in names]
        shares = pot.eval(coord[None], cell.reshape(1, 9), atype, atomic=True, **given)[4][0]
    rows = (tmp_path / "shares.txt").read_text().splitlines()[-len(names) :]
    found = np.array([row.split()[1:] for row in rows], float) / -NKTV2P
    # LAMMPS' order is xx yy zz xy xz yz yx zx zy, position before force; ours has the force first.
    order = [0, 4, 8, 3, 6, 7, 1, 2, 5]
    assert np.abs(shares).max() > 0.01
    np.testing.assert_allclose(found, shares[:, order], rtol=0, atol=1e-8)


def test_null_type(exported, tmp_path: Path) -> None:
    """Atoms of a type that the model does not get are not there."""
    checkpoint, saved = exported("dpa2")
    coord, names, cell = write_frame(tmp_path, "cubic")
    deepmd_lammps(DP320, script(saved, "H NULL O", mapped=True), tmp_path)
    seen = [index for index, name in enumerate(names) if name != "C"]
    expected = reference(checkpoint, coord[seen], [names[index] for index in seen], cell)
    assert_same(tmp_path, expected, seen)


def test_messages_need_a_map(exported, tmp_path: Path) -> None:
    _, saved = exported("dpa2")
    write_frame(tmp_path, "cubic")
    with pytest.raises(DeepmdError, match=r"atom_modify map yes"):
        deepmd_lammps(DP320, script(saved, " ".join(ELEMENTS)), tmp_path)


@pytest.fixture
def without_devices(tmp_path: Path) -> dict[str, str]:
    """Environment in which DeePMD-kit counts no GPUs.

    Without CUDA its loader of SavedModels reads an uninitialized count, and the second process
    of a run ends.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler (cc), by which two ranks are told that there is no GPU")
    source, library = tmp_path / "devices.c", tmp_path / "devices.so"
    source.write_text("int cudaGetDeviceCount(int *n) { *n = 0; return 0; }\n")
    run([compiler, "-shared", "-fPIC", "-o", library, source], tmp_path)
    preloaded = DP320.require().lammps_environment["LD_PRELOAD"]
    return {"LD_PRELOAD": f"{preloaded}:{library}".lstrip(":")}


def test_two_ranks_equal_one(exported, without_devices, tmp_path: Path) -> None:
    _, saved = exported("common")
    dumps = []
    for nranks in (1, 2):
        folder = tmp_path / str(nranks)
        folder.mkdir()
        write_frame(folder, "cubic")
        text = script(saved, " ".join(ELEMENTS), steps=10)
        deepmd_lammps(DP320, text, folder, nranks=nranks, env=without_devices)
        dumps.append(read_dump(folder))
        assert f"on {nranks} procs" in (folder / "log.lammps").read_text()
    assert dumps[0].shape == (11, 12, 7)
    np.testing.assert_allclose(dumps[1], dumps[0], rtol=0, atol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dpa2", "common"])
def test_energy_is_conserved(name: str, exported, tmp_path: Path) -> None:
    _, saved = exported(name)
    _, names, _ = write_frame(tmp_path, "cubic")
    text = script(saved, " ".join(ELEMENTS), steps=1000, timestep=TIMESTEP, every=10, mapped=True)
    deepmd_lammps(DP320, text, tmp_path)
    thermo = read_thermo(tmp_path)
    assert thermo["step"][-1] == 1000
    assert np.ptp(thermo["pe"]) > 0.01
    assert abs(drift(tmp_path, len(names))) < 1e-5


def test_deeppot_of_deepmd(exported, tmp_path: Path) -> None:
    """Both models in one process of DeePMD-kit."""
    models = [exported(name) for name in ("dpa2_parameters", "tensorflow")]
    cases = {name: make_cases()[name] for name in ("small", "open", "mixed")}
    theirs = deepmd_eval(DP320, [(saved, cases) for _, saved in models], tmp_path)
    for (checkpoint, _), found in zip(models, theirs, strict=True):
        assert_equal(deeppot_eval(checkpoint, cases), found, 1e-10)


def test_dp_test(exported, tmp_path: Path) -> None:
    checkpoint, saved = exported("common")
    [system, _] = write_training_data(tmp_path)
    run_dp(DP320, ["test", "-m", saved, "-s", system, "-d", "detail"], tmp_path)
    coord = np.load(Path(system) / "set.000" / "coord.npy")
    box = np.load(Path(system) / "set.000" / "box.npy")
    atype = np.loadtxt(Path(system) / "type.raw", dtype=int)
    with DeepPot(checkpoint) as pot:
        expected = pot.eval(coord, box, atype)
    for suffix, values, count in zip("efv", expected, (1, 3, 9), strict=True):
        found = np.loadtxt(tmp_path / f"detail.{suffix}.out")[:, count:]
        np.testing.assert_allclose(found, values.reshape(-1, count), rtol=0, atol=1e-9)
