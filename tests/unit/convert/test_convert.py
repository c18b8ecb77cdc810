"""Frames of other codes in DeePMD's layouts: the numbers, the signs, and what is refused."""

import ase.io
import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from deepattn.cli.main import main
from deepattn.convert import LAYOUTS, read_frames, summarize
from deepattn.data import System, find_systems

NAMES = ["Au", "Cu"]


@pytest.fixture
def frames():
    """Alloys of two compositions in three kinds of cells, with EMT's labels."""
    made = []
    for number, symbols in enumerate(["Cu4", "Au2Cu2", "Cu2Au2"]):
        atoms = bulk("Cu", cubic=True, a=3.7 + 0.1 * number)
        atoms.symbols = symbols
        atoms.rattle(0.05, seed=number)
        atoms.calc = EMT()
        results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        results["stress"] = atoms.get_stress()
        atoms.calc = SinglePointCalculator(atoms, **results)
        made.append(atoms)
    return made


def stored(target):
    """All frames on disk, by energy: the inputs and labels of each."""
    found = {}
    for path in find_systems(str(target)):
        system = System(path, type_map=NAMES)
        inputs, labels = system.frames(range(system.nframes))
        for row, energy in enumerate(labels["energy"]):
            found[round(float(energy), 6)] = {
                name: array[row] for name, array in {**inputs, **labels}.items()
            }
    return found


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["extxyz", "traj"])
def test_every_number_arrives(tmp_path, frames, layout, kind):
    source, target = tmp_path / f"frames.{kind}", tmp_path / f"data.{layout}"
    ase.io.write(source, frames[1:] if kind == "traj" else frames)
    chosen = frames[1:] if kind == "traj" else frames
    assert main(["convert", str(source), "-o", str(target), "--layout", layout]) == 0
    found = stored(target)
    assert len(found) == len(chosen)
    for atoms in chosen:
        frame = found[round(atoms.get_potential_energy(), 6)]
        # Atoms may have been sorted by type; the place of each tells which it is.
        order = [
            int(np.argmin(np.linalg.norm(frame["coord"] - position, axis=1)))
            for position in atoms.positions
        ]
        assert sorted(order) == list(range(4))
        np.testing.assert_allclose(frame["coord"][order], atoms.positions, atol=1e-7)
        np.testing.assert_allclose(frame["force"][order], atoms.get_forces(), atol=1e-7)
        assert [NAMES[kind] for kind in frame["atype"][order]] == atoms.get_chemical_symbols()
        np.testing.assert_allclose(frame["box"], atoms.cell.array.ravel(), atol=1e-7)
        virial = -atoms.get_volume() * atoms.get_stress(voigt=False).ravel()
        np.testing.assert_allclose(frame["virial"], virial, atol=1e-6)


def test_folders_are_named_by_what_is_in_them(tmp_path, frames):
    ase.io.write(tmp_path / "frames.extxyz", frames)
    source = str(tmp_path / "frames.extxyz")
    assert main(["convert", source, "-o", str(tmp_path / "data"), "-t", "H", "Au", "Cu"]) == 0
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["Au2Cu2", "Cu4"]
    names = (tmp_path / "data" / "Cu4" / "type_map.raw").read_text().split()
    assert names == ["H", "Au", "Cu"]


def test_table_of_elements(tmp_path, frames, capsys):
    ase.io.write(tmp_path / "frames.extxyz", frames)
    target = str(tmp_path / "data")
    assert main(["convert", str(tmp_path / "frames.extxyz"), "-o", target]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert {row[0]: row[1:3] for row in rows} == {"Cu": ["3", "8"], "Au": ["2", "4"]}
    forces = np.concatenate([a.get_forces()[np.array(a.symbols) == "Au"] for a in frames])
    gold = summarize(find_systems(target), NAMES)["Au"]
    assert gold.rms_force == pytest.approx(np.sqrt(np.square(forces).sum(axis=1).mean()))
    assert gold.max_force == pytest.approx(np.linalg.norm(forces, axis=1).max())


def test_molecules_stay_open(tmp_path):
    atoms = molecule("H2O")
    forces = np.zeros((3, 3))
    atoms.calc = SinglePointCalculator(atoms, energy=-14.0, forces=forces)
    ase.io.write(tmp_path / "water.xyz", atoms, format="extxyz")
    assert main(["convert", str(tmp_path / "water.xyz"), "-o", str(tmp_path / "data")]) == 0
    [path] = find_systems(str(tmp_path / "data"))
    assert not System(path).periodic


def test_folder_is_searched(tmp_path, frames):
    for number, atoms in enumerate(frames):
        folder = tmp_path / "runs" / f"{number}" / "deep"
        folder.mkdir(parents=True)
        ase.io.write(folder / "final.extxyz", atoms)
    (tmp_path / "runs" / "notes.txt").write_text("nothing")
    assert main(["convert", str(tmp_path / "runs"), "-o", str(tmp_path / "npy")]) == 0
    assert (
        main(["convert", str(tmp_path / "npy"), "-o", str(tmp_path / "mixed"), "--layout", "mixed"])
        == 0
    )
    assert set(stored(tmp_path / "npy")) == set(stored(tmp_path / "mixed"))


@pytest.mark.parametrize(
    "name, options, words",
    [
        ("frames.out", [], "the format cannot be inferred from the file name"),
        ("frames.out", ["--format", "nonsense"], "format nonsense is not one of dpdata's"),
        ("frames.out", ["--format", "vasp/xml"], "cannot be read as vasp/xml"),
        ("frames.extxyz", ["-t", "Cu"], "has atoms of Au, not in the type map Cu"),
        ("absent.xyz", [], "does not exist"),
        ("empty", [], "contains no file whose format can be inferred"),
    ],
)
def test_what_cannot_be_converted(tmp_path, frames, capsys, name, options, words):
    ase.io.write(tmp_path / "frames.extxyz", frames)
    (tmp_path / "frames.out").write_text("a log of something else\n")
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.iterdir())
    assert main(["convert", str(tmp_path / name), "-o", str(tmp_path / "data"), *options]) == 1
    assert words in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


def test_frames_without_energies(tmp_path, capsys):
    ase.io.write(tmp_path / "bare.extxyz", bulk("Cu"))
    target = str(tmp_path / "data")
    assert main(["convert", str(tmp_path / "bare.extxyz"), "-o", target]) == 1
    assert "bare.extxyz: has no frame with an energy" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("files", [1, 2])
def test_two_kinds_of_boundaries(tmp_path, frames, layout, files):
    """The same composition is there with both, and types are named alike in all."""
    opened = []
    for number, symbols in enumerate(["Cu4", "Au2", "Cu4"]):
        atoms = frames[0].copy() if symbols == "Cu4" else molecule("O2")
        atoms.symbols, atoms.pbc, atoms.cell = symbols, False, None
        forces = np.full((len(atoms), 3), 0.1 * number)
        atoms.calc = SinglePointCalculator(atoms, energy=-100.0 - number, forces=forces)
        opened.append(atoms)
    sources = [tmp_path / "frames.extxyz", tmp_path / "open.extxyz"][:files]
    if files == 2:
        ase.io.write(sources[0], frames)
        ase.io.write(sources[1], opened)
    else:
        ase.io.write(sources[0], [opened[0], *frames, *opened[1:]])
    target = tmp_path / f"data.{layout}"
    options = ["-o", str(target), "--layout", layout, "-t", "Au", "Cu"]
    assert main(["convert", *map(str, sources), *options]) == 0
    found = stored(target)
    assert len(found) == 6
    for atoms in [*frames, *opened]:
        frame = found[round(atoms.get_potential_energy(), 6)]
        assert frame["box"].any() == atoms.pbc.any()
        assert frame["find_virial"] == atoms.pbc.any()
        coords = [np.sort(coord, axis=0) for coord in (frame["coord"], atoms.positions)]
        np.testing.assert_allclose(*coords, atol=1e-7)
    if layout != "lmdb":  # dpdata does not read one that has both
        assert main(["convert", str(target), "-o", str(tmp_path / "again")]) == 0
        again = stored(tmp_path / "again")
        assert {energy: frame["box"].any() for energy, frame in again.items()} == {
            energy: frame["box"].any() for energy, frame in found.items()
        }
    if layout == "npy":
        names = sorted(str(path.relative_to(target)) for path in target.glob("*/*"))
        assert names == ["open/Au2", "open/Cu4", "periodic/Au2Cu2", "periodic/Cu4"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_are_sources(tmp_path, frames, layout):
    ase.io.write(tmp_path / "frames.extxyz", frames)
    source, target = tmp_path / f"data.{layout}", tmp_path / "npy"
    options = ["-o", str(source), "--layout", layout]
    assert main(["convert", str(tmp_path / "frames.extxyz"), *options]) == 0
    assert main(["convert", str(source), "-o", str(target)]) == 0
    assert set(stored(target)) == set(stored(source))


def test_energies_alone(tmp_path, frames, capsys):
    for atoms in frames:
        del atoms.calc.results["forces"], atoms.calc.results["stress"]
    for kind, layout in (
        ("extxyz", "npy"),
        ("traj", "mixed"),
        ("extxyz", "hdf5"),
        ("traj", "lmdb"),
    ):
        source, target = tmp_path / f"{layout}.{kind}", tmp_path / f"data.{layout}"
        ase.io.write(source, frames)
        assert main(["convert", str(source), "-o", str(target), "--layout", layout]) == 0
        assert "energies but no forces" in capsys.readouterr().err
        found = stored(target)
        assert sorted(found) == sorted(round(a.get_potential_energy(), 6) for a in frames)
        for frame in found.values():
            assert not frame["find_force"] and not frame["find_virial"] and frame["find_energy"]


def test_names_of_labels(tmp_path, frames, capsys):
    """Those of a reference beside those of something else: only a key can tell."""
    for number, atoms in enumerate(frames):
        atoms.info["REF_energy"] = -50.0 - number
        atoms.arrays["REF_forces"] = np.full((4, 3), float(number))
        atoms.info["my_stress"] = np.array([1.0, 2, 3, 0.4, 0.5, 0.6])
    source, target = str(tmp_path / "a.extxyz"), tmp_path / "data"
    ase.io.write(source, frames)
    assert main(["convert", source, "-o", str(target)]) == 1
    error = capsys.readouterr().err
    assert "frame 0 has both energy and REF_energy, which differ" in error
    assert "--energy-key REF_energy" in error and not target.exists()
    keys = ["--energy-key", "REF_energy", "--force-key", "REF_forces", "--virial-key", "my_stress"]
    assert main(["convert", source, "-o", str(target), *keys]) == 0
    assert "energy from REF_energy, force from REF_forces" in capsys.readouterr().err
    found = stored(target)
    assert sorted(found) == [-52.0, -51.0, -50.0]
    for number, atoms in enumerate(frames):
        frame = found[-50.0 - number]
        np.testing.assert_array_equal(frame["force"], np.full((4, 3), float(number)))
        stress = np.array([[1, 0.6, 0.5], [0.6, 2, 0.4], [0.5, 0.4, 3]])
        np.testing.assert_allclose(frame["virial"], -atoms.get_volume() * stress.ravel())
    assert main(["convert", source, "-o", f"{target}2", "--energy-key", "REF_Energy"]) == 1
    assert "no frame has 'REF_Energy' for --energy-key; available are" in capsys.readouterr().err
    npy = str(target / "Cu4")
    assert main(["convert", npy, "-o", f"{target}2", "--energy-key", "energy"]) == 1
    assert "names of labels apply only to extended XYZ and .traj" in capsys.readouterr().err


def test_nothing_is_overwritten(tmp_path, frames, capsys):
    ase.io.write(tmp_path / "frames.extxyz", frames)
    (tmp_path / "data").mkdir()
    assert main(["convert", str(tmp_path / "frames.extxyz"), "-o", str(tmp_path / "data")]) == 1
    assert "exists; remove it" in capsys.readouterr().err
    assert main(["convert", str(tmp_path / "frames.extxyz"), "-o", str(tmp_path / "no" / "x")]) == 1
    assert "no such folder" in capsys.readouterr().err


def test_parameters_are_not_lost(tmp_path, frames, capsys):
    ase.io.write(tmp_path / "frames.extxyz", frames[:1])
    assert main(["convert", str(tmp_path / "frames.extxyz"), "-o", str(tmp_path / "a")]) == 0
    np.save(tmp_path / "a" / "Cu4" / "set.000" / "fparam.npy", np.zeros((1, 2)))
    assert main(["convert", str(tmp_path / "a"), "-o", str(tmp_path / "b")]) == 1
    assert "has fparam, which would be lost" in capsys.readouterr().err


RUNS = {
    "vasp_h2o_md_outcar": "vasp_h2o_md/OUTCAR",
    "vasp_h2o_md_xml": "vasp_h2o_md/vasprun.xml",
    "vasp_tio_v6": "vasp_tio_v6/OUTCAR",
    "vasp_ge_vdw": "vasp_ge_vdw/OUTCAR",
    "vasp_ch4_unconverged": "vasp_ch4_unconverged/OUTCAR",
    "vasp_hfo_96": "vasp_hfo_96/OUTCAR",
}


@pytest.mark.parametrize("name", RUNS)
def test_runs_of_vasp(shared, tmp_path, name):
    raw = shared / "data" / "raw"
    assert main(["convert", str(raw / RUNS[name]), "-o", str(tmp_path / "data")]) == 0
    [path] = find_systems(str(tmp_path / "data"))
    expected = System(str(raw / "expected" / name))
    found = System(path, type_map=expected.type_map)
    assert found.nframes == expected.nframes
    every = range(found.nframes)
    for ours, theirs in zip(found.frames(every), expected.frames(every), strict=True):
        for key, array in theirs.items():
            np.testing.assert_allclose(ours[key], array, atol=1e-6, err_msg=key)


def test_one_file_of_a_run_is_enough(shared):
    folder = shared / "data" / "raw" / "vasp_h2o_md"
    assert sum(len(system) for system in read_frames([folder]).systems.values()) == 10


def test_published_xyz(shared, tmp_path):
    """The signs of stresses: the frames are those of the set they were taken from."""
    source = shared / "data" / "raw" / "extxyz" / "mptrj_20.extxyz"
    assert main(["convert", str(source), "-o", str(tmp_path / "data")]) == 0
    known = {}
    for path in find_systems(str(shared / "data" / "mptrj" / "mixed" / "train")):
        system = System(path)
        _, labels = system.frames(range(system.nframes))
        known.update(zip(labels["energy"].round(5), labels["virial"], strict=True))
    found = 0
    for path in find_systems(str(tmp_path / "data")):
        system = System(path)
        _, labels = system.frames(range(system.nframes))
        for energy, virial in zip(labels["energy"].round(5), labels["virial"], strict=True):
            np.testing.assert_allclose(virial, known[energy], atol=1e-4)
            found += 1
    assert found == 20
