"""Our frozen graphs in unmodified LAMMPS binaries of two DeePMD-kits."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from small_models import model_section, small_model

from deepattn import ops
from deepattn.config import normalize_model
from deepattn.export import freeze
from deepattn.infer import DeepPot
from deepattn.models import load_model
from deepattn.train import train

from .deepmd_kit import DP220, DP320, DeepmdKit, deepmd_lammps
from .lammps import read_dump, read_thermo, script, write_data
from .systems import TYPE_MAP, make_cases

BOTH = pytest.mark.parametrize("deepmd", [DP320, DP220], ids=lambda deepmd: deepmd.name)
# LAMMPS counts types as it likes; elements are matched by name.
ELEMENTS = ["H", "C", "O"]
FPARAM, APARAM = [0.3, -0.7], [0.4]
# Whose neighbor lists and forces are made as those of the others.
MORE_GRAPHS = ["se_e2_r_two_side_exclude", "se_e3", "se_a_ebd_v2_exclude", "hybrid_two_body"]
GRAPHS = ["v2_default", "concat_default", "resnet_everywhere", "se_e2_a_two_side_exclude"]


def reference(model: Path, coord, names, box, **parameters) -> dict[str, np.ndarray]:
    """Our DeepPot's energy, force, virial and atomic energies of one frame."""
    atype = [TYPE_MAP.index(name) for name in names]
    with DeepPot(model) as pot:
        cell = None if box is None else box.reshape(1, 9)
        energy, force, virial, atom_energy, _ = pot.eval(
            coord[None], cell, atype, atomic=True, **parameters
        )
    return {
        "energy": energy[0, 0],
        "force": force[0],
        "virial": virial[0],
        "atom_energy": atom_energy[0, :, 0],
    }


def one_frame(name: str) -> tuple[np.ndarray, list[str], np.ndarray | None]:
    case = make_cases()[name]
    box = case["box"][0].reshape(3, 3) if "box" in case else None
    return case["coord"][0], [TYPE_MAP[kind] for kind in case["atype"]], box


def assert_same(folder: Path, expected: dict[str, np.ndarray], atoms=slice(None)) -> None:
    [rows] = read_dump(folder)
    thermo = read_thermo(folder)
    np.testing.assert_allclose(rows[atoms, 3:6], expected["force"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(rows[atoms, 6], expected["atom_energy"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(thermo["pe"][0], expected["energy"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(thermo["virial"][0], expected["virial"], rtol=0, atol=1e-8)


def assert_lammps_gives(
    deepmd: DeepmdKit, graph: Path, model: Path, folder: Path, *, box: str = "triclinic"
) -> None:
    """That LAMMPS with a graph gives what Python gives with a model, for one frame."""
    coord, names, cell = one_frame(box)
    write_data(folder / "data.lmp", coord, names, ELEMENTS, cell)
    text = script(graph, " ".join(ELEMENTS), periodic=cell is not None)
    deepmd_lammps(deepmd.require(), text, folder)
    assert_same(folder, reference(model, coord, names, cell))


@BOTH
@pytest.mark.parametrize("box", ["cubic", "triclinic", "small", "open"])
@pytest.mark.parametrize("name", GRAPHS)
def test_static(deepmd, name: str, box: str, our_graph, tmp_path: Path) -> None:
    deepmd.require()
    model = our_graph(name)
    assert_lammps_gives(deepmd, model, model, tmp_path, box=box)


@pytest.mark.parametrize("name", MORE_GRAPHS)
def test_static_of_more_descriptors(name: str, our_graph, tmp_path: Path) -> None:
    test_static(DP320, name, "triclinic", our_graph, tmp_path)


@BOTH
def test_frame_and_atomic_parameters(deepmd, our_graph, tmp_path: Path) -> None:
    deepmd.require()
    coord, names, cell = one_frame("triclinic")
    model = our_graph("parameters")
    write_data(tmp_path / "data.lmp", coord, names, ELEMENTS, cell)
    words = ["fparam", *map(str, FPARAM), "aparam", *map(str, APARAM)]
    deepmd_lammps(deepmd, script(model, " ".join(ELEMENTS), parameters=" ".join(words)), tmp_path)
    assert_same(tmp_path, reference(model, coord, names, cell, fparam=FPARAM, aparam=APARAM))


@pytest.mark.parametrize("box", ["triclinic", "open"])
@pytest.mark.parametrize(
    "name", ["v2_default", "concat_default", "float32_nets", "v2_compressible"]
)
def test_fast_graph(name: str, box: str, our_graph, tmp_path: Path) -> None:
    """With our library in ``DP_PLUGIN_PATH``, which 2.2.0 does not know."""
    DP320.require()
    if ops.fast_library() is None:
        pytest.skip("the compiled ops are not there")
    coord, names, cell = one_frame(box)
    portable = our_graph(name)
    model, header = load_model(portable)
    fast = freeze(model, tmp_path / "fast.pb", training_script=header["config"], fast=True)
    write_data(tmp_path / "data.lmp", coord, names, ELEMENTS, cell)
    text = script(fast, " ".join(ELEMENTS), periodic=cell is not None)
    deepmd_lammps(DP320, text, tmp_path, env={"DP_PLUGIN_PATH": ops.fast_library()})
    expected = reference(portable, coord, names, cell)
    if name == "float32_nets":
        [rows] = read_dump(tmp_path)
        np.testing.assert_allclose(rows[:, 3:6], expected["force"], rtol=0, atol=2e-5)
        np.testing.assert_allclose(rows[:, 6], expected["atom_energy"], rtol=0, atol=2e-5)
    else:
        assert_same(tmp_path, expected)


def test_null_type(our_graph, tmp_path: Path) -> None:
    """Atoms of a type that the model does not get are not there (2.2.0 knows no ``NULL`` yet)."""
    DP320.require()
    coord, names, cell = one_frame("cubic")
    model = our_graph("v2_default")
    write_data(tmp_path / "data.lmp", coord, names, ELEMENTS, cell)
    deepmd_lammps(DP320, script(model, "H NULL O"), tmp_path)
    seen = [index for index, name in enumerate(names) if name != "C"]
    unseen = [index for index, name in enumerate(names) if name == "C"]
    assert seen and unseen
    expected = reference(model, coord[seen], [names[index] for index in seen], cell)
    assert_same(tmp_path, expected, seen)
    assert not read_dump(tmp_path)[0, unseen, 3:].any()


def bonded_water(path: Path) -> tuple[np.ndarray, list[str]]:
    """A data file of eight molecules with bonds in a cell of 8 Å; coordinates and elements."""
    rng = np.random.default_rng(0)
    molecule = np.array([[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    places = 4.0 * np.indices((2, 2, 2)).reshape(3, -1).T
    coord = np.concatenate([molecule + place for place in places])
    coord += rng.normal(scale=0.05, size=coord.shape)
    write_data(path, coord, ["O", "H", "H"] * 8, ["O", "H"], 8.0 * np.eye(3))
    head, atoms = path.read_text().split("Atoms # atomic\n\n")
    head = head.replace("2 atom types", "2 atom types\n16 bonds\n1 bond types")
    head = head.replace("24 atoms", "24 atoms\n2 extra special per atom")
    rows = [row.split() for row in atoms.splitlines()]
    lines = [f"{i} {(int(i) + 2) // 3} {kind} {' '.join(xyz)}" for i, kind, *xyz in rows]
    bonds = [f"{3 * k + h} {1} {3 * k + 1} {3 * k + h + 1}" for k in range(8) for h in (1, 2)]
    bonds = [f"{n} {line.split(maxsplit=1)[1]}" for n, line in enumerate(bonds, 1)]
    text = ["Atoms # bond", "", *lines, "", "Bonds", "", *bonds, ""]
    path.write_text(head + "\n".join(text))
    return coord, ["O", "H", "H"] * 8


@BOTH
@pytest.mark.parametrize("line", ["", "special_bonds lj/coul 1 1 1"])
def test_bonded_pairs_are_in_the_neighbor_list_if_lammps_is_told(
    deepmd, line: str, compiled_ops, tmp_path: Path
) -> None:
    """By default LAMMPS leaves them out for any pair style; docs/inference.md has the line."""
    deepmd.require()
    coord, names = bonded_water(tmp_path / "data.lmp")
    graph = freeze(
        small_model({"sel": 40}),
        tmp_path / "m.pb",
        training_script={"model": normalize_model(model_section({"sel": 40}))},
    )
    text = script(graph, "O H").replace("atom_style atomic", f"atom_style bond\n{line}")
    text = text.replace("read_data data.lmp", "bond_style zero\nread_data data.lmp\nbond_coeff *")
    deepmd_lammps(deepmd, text, tmp_path)
    with DeepPot(graph) as pot:
        atype = [["O", "H"].index(name) for name in names]
        energy, force, _ = pot.eval(coord[None], 8.0 * np.eye(3).reshape(1, 9), atype)
    pe = read_thermo(tmp_path)["pe"][0]
    if line:
        np.testing.assert_allclose(pe, energy[0, 0], rtol=0, atol=1e-9)
        np.testing.assert_allclose(read_dump(tmp_path)[0, :, 3:6], force[0], rtol=0, atol=1e-10)
    else:
        assert abs(pe - energy[0, 0]) > 1e-3


@pytest.fixture(scope="module")
def water(request, shared: Path, compiled_ops, tmp_path_factory) -> tuple[Path, Path]:
    """A small model trained a little on water, frozen, and 192 atoms of water as a data file."""
    source = shared / "data" / "water"
    text = json.dumps(
        {
            "model": {
                "type_map": ["O", "H"],
                "type_embedding": {"neuron": [4], "seed": 1},
                "descriptor": {
                    "type": "se_atten_v2",
                    "sel": 60,
                    "rcut": 4.0,
                    "rcut_smth": 0.5,
                    "neuron": [6, 12],
                    "axis_neuron": 4,
                    "attn": 8,
                    "attn_layer": 2,
                    "seed": 1,
                },
                "fitting_net": {"neuron": [24, 24], "seed": 1},
            },
            "learning_rate": {"start_lr": 5e-3, "stop_lr": 1e-4, "decay_steps": 20},
            "training": {
                "training_data": {"systems": [str(source / "train")], "batch_size": 1},
                "numb_steps": 100,
                "disp_freq": 100,
                "save_freq": 100,
                "seed": 1,
            },
        }
    )
    cache = request.config.cache.mkdir("deepattn-graphs")
    checkpoint = cache / f"water-{hashlib.sha256(text.encode()).hexdigest()[:16]}.h5"
    folder = tmp_path_factory.mktemp("water")
    if not checkpoint.exists():
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            (folder / "input.json").write_text(text)
            train("input.json", skip_neighbor_stat=True)
            shutil.copy(folder / "model.ckpt-100.h5", checkpoint)
    model, header = load_model(checkpoint)
    freeze(model, folder / "water.pb", training_script=header["config"])
    first = sorted((source / "train").rglob("coord.npy"))[0].parent
    kinds = np.array((first.parent / "type.raw").read_text().split(), dtype=int)
    type_map = (first.parent / "type_map.raw").read_text().split()
    cell = np.load(first / "box.npy")[0].reshape(3, 3)
    coord = np.load(first / "coord.npy")[0].reshape(-1, 3)
    names = [type_map[kind] for kind in kinds]
    assert len(names) == 192
    write_data(folder / "data.lmp", coord, names, ["O", "H"], cell)
    return folder / "water.pb", folder / "data.lmp"


# Short: the error of the integrator goes with its square. At 0.5 fs the energy swings by 6e-5
# eV/atom while the temperature settles, which over 0.5 ps looks like a drift; over 2 ps it is none.
TIMESTEP = 1e-4  # ps


def drift(folder: Path, natoms: int) -> float:
    """Slope of the total energy, eV/atom/ps, by least squares."""
    thermo = read_thermo(folder)
    return np.polyfit(thermo["step"] * TIMESTEP, thermo["etotal"] / natoms, 1)[0]


@pytest.mark.slow
def test_energy_is_conserved(water, tmp_path: Path) -> None:
    """In one LAMMPS: the forces of both are compared above."""
    DP320.require()
    model, data = water
    shutil.copy(data, tmp_path / "data.lmp")
    text = script(model, "O H", steps=1000, timestep=TIMESTEP, every=10)
    deepmd_lammps(DP320, text, tmp_path)
    thermo = read_thermo(tmp_path)
    assert thermo["step"][-1] == 1000
    # The atoms do move: potential energy is exchanged with kinetic energy.
    assert np.ptp(thermo["pe"]) > 0.1
    assert abs(drift(tmp_path, 192)) < 1e-5


@BOTH
def test_two_ranks_equal_one(deepmd, water, tmp_path: Path) -> None:
    deepmd.require()
    DP320.require()  # whose MPI starts them
    model, data = water
    dumps = []
    for nranks in (1, 2):
        folder = tmp_path / str(nranks)
        folder.mkdir()
        shutil.copy(data, folder / "data.lmp")
        deepmd_lammps(deepmd, script(model, "O H", steps=10, every=5), folder, nranks=nranks)
        dumps.append(read_dump(folder))
        assert f"on {nranks} procs" in (folder / "log.lammps").read_text()
    assert dumps[0].shape == (3, 192, 7)
    np.testing.assert_allclose(dumps[1], dumps[0], rtol=0, atol=1e-12)
