"""Write this version's part of the museum: one small file of each kind, and what it gives.

    python tests/museum/make.py NAME

NAME is the commit or release whose files these are. They go into NAME.tar.xz, a tenth of their
size, and what they give into NAME.json; neither may exist. `tests/unit/test_museum.py` reads all of
them, with the functions below. These use what users use: commands, `DeepPot`, `model.fit`.
"""

import argparse
import contextlib
import json
import os
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from deepattn.cli.main import main as deepattn
from deepattn.infer import DeepPot
from deepattn.models import load_model
from deepattn.train import Adam, EnergyLoss, ExpSchedule

MUSEUM = Path(__file__).parent
TYPE_MAP = ["O", "H"]
TYPES = [1, 0, 0, 1, 1, 1, 0, 1]
STEPS = 2

_NETS = {"rcut": 3.0, "rcut_smth": 0.5, "neuron": [2, 4], "axis_neuron": 2, "seed": 1}
_ATTENTION = {**_NETS, "type": "se_atten", "sel": 30, "attn": 3, "attn_layer": 1}
_STRIP = {"attn_layer": 0, "tebd_input_mode": "strip", "smooth_type_embedding": True}
_TYPES = {"type_embedding": {"neuron": [3]}}
_DPA2 = {
    "type": "dpa2",
    "repinit": {
        **{"rcut": 3.0, "rcut_smth": 0.5, "nsel": 30, "neuron": [2, 4], "axis_neuron": 2},
        **{"tebd_dim": 3, "use_three_body": True, "three_body_neuron": [2, 2]},
        **{"three_body_rcut": 2.2, "three_body_rcut_smth": 1.0, "three_body_sel": 12},
    },
    "repformer": {
        **{"rcut": 2.5, "rcut_smth": 0.5, "nsel": 20, "nlayers": 1, "g1_dim": 6},
        **{"g2_dim": 3, "axis_neuron": 2},
        **{"attn1_hidden": 2, "attn1_nhead": 2, "attn2_hidden": 2, "attn2_nhead": 2},
    },
    "seed": 1,
}
MODELS = {
    "se_atten": {"descriptor": _ATTENTION},
    "se_e2_a": {"descriptor": {**_NETS, "type": "se_e2_a", "sel": [14, 24]}},
    "dpa2": {"descriptor": _DPA2},
    "strip": {"descriptor": {**_ATTENTION, **_STRIP}},
    "common": {"descriptor": _ATTENTION, "convention": "common"},
}
# Of a checkpoint; compressed graphs and Keras' files are made apart.
EXPORTS = {
    "se_atten": ["model.pb", "model.savedmodeltf"],
    "se_e2_a": ["model.pb", "model.dp", "model.yaml"],
    "dpa2": ["model.dp", "model.yaml", "model.savedmodeltf"],
    "strip": ["model.pb"],
    "common": ["model.pb", "model.dp", "model.yaml"],
}
STARTS = {
    "scratch": [],
    "restart": ["--restart", "model.ckpt-2"],
    "init-model": ["--init-model", "model.ckpt-2"],
    "init-frz-model": ["--init-frz-model", "model.pb"],
    "finetune": ["--finetune", "model.ckpt-2"],
    "finetune-pb": ["--finetune", "model.pb"],
}


def unpack(name: str, folder: Path) -> Path:
    """Put the files of a version into a folder."""
    with tarfile.open(MUSEUM / f"{name}.tar.xz") as tar:
        tar.extractall(folder, filter="data")
    return folder


def frame() -> dict[str, list]:
    """Coordinates (Å), cell and types of the frame that every file is run on."""
    lattice = 2.0 * np.indices((2, 2, 2)).reshape(3, -1).T
    coords = lattice + np.random.default_rng(0).normal(scale=0.15, size=(8, 3))
    cell = [4.2, 0.0, 0.0, 0.5, 4.4, 0.0, -0.3, 0.6, 5.0]
    return {"coords": coords.tolist(), "cell": cell, "types": TYPES}


def evaluate(path: Path, of: dict, head: str | None = None) -> dict[str, list]:
    """Energy, forces and virial by a file, on the frame ``of``, through `DeepPot`."""
    with DeepPot(path, head=head) as potential:
        energy, force, virial = potential.eval([of["coords"]], [of["cell"]], of["types"])
    return _numbers(energy, force, virial)


def evaluate_keras(model, of: dict) -> dict[str, list]:
    """The same by a Keras model."""
    outputs = model(
        {
            "coord": np.array([of["coords"]]),
            "atype": np.array([of["types"]], np.int32),
            "box": np.array([of["cell"]]),
        }
    )
    return _numbers(outputs["energy"], outputs["force"], outputs["virial"])


def evaluate_saved(path: Path, of: dict) -> dict[str, list]:
    """The same by a SavedModel, called as DeePMD-kit calls it."""
    nothing = np.zeros((1, 0)), np.zeros((1, len(of["types"]), 0))
    outputs = tf.saved_model.load(str(path)).call(
        tf.constant([of["coords"]], tf.float64),
        tf.constant([of["types"]], tf.int32),
        tf.constant(np.reshape(of["cell"], (1, 3, 3))),
        *map(tf.constant, nothing),
    )
    names = ("energy_redu", "energy_derv_r", "energy_derv_c_redu")
    return _numbers(*(outputs[name] for name in names))


def resume(folder: Path, start: list[str], of: dict) -> dict:
    """Train in a copy of a folder of the museum, from one of its files.

    Returns:
        What the last checkpoint gives, as `evaluate`; the rows of ``lcurve.out``; the files in the
        cache of statistics, to which one that is not understood adds.
    """
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch, folder.name)
        shutil.copytree(folder, place)
        shutil.copytree(folder.parent / "data", Path(scratch, "data"))
        settings = json.loads((place / "input.json").read_text())
        settings["training"]["numb_steps"] = 2 * STEPS
        (place / "input.json").write_text(json.dumps(settings))
        with _inside(place):
            run("train", "input.json", *start)
        heads = settings["model"].get("model_dict", [None])
        last = place / f"model.ckpt-{2 * STEPS}"
        found = {str(head): evaluate(last, of, head) for head in heads}
        rows = np.loadtxt(place / "lcurve.out").tolist()
        files = (path for path in place.glob("stat/**/*") if path.is_file())
        stat = sorted(str(path.relative_to(place)) for path in files)
        return {"checkpoint": found, "lcurve": rows, "stat": stat}


def run(*argv: str) -> None:
    """Run a command, which must succeed."""
    if deepattn([*map(str, argv), "-v", "ERROR"]) != 0:
        raise SystemExit(f"failed: deepattn {' '.join(map(str, argv))}")


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _numbers(energy, force, virial) -> dict[str, list]:
    named = {"energy": energy, "force": force, "virial": virial}
    return {name: np.ravel(values).tolist() for name, values in named.items()}


def _write_data(folder: Path) -> None:
    rng = np.random.default_rng(1)
    nframes, natoms = 3, len(TYPES)
    base = np.ravel(frame()["coords"])
    arrays = {
        "coord": base + rng.normal(scale=0.1, size=(nframes, 3 * natoms)),
        "box": np.tile(frame()["cell"], (nframes, 1)),
        "energy": rng.normal(size=nframes) - 2.0 * natoms,
        "force": rng.normal(size=(nframes, 3 * natoms)),
        "virial": rng.normal(size=(nframes, 9)),
    }
    (folder / "set.000").mkdir(parents=True)
    for name, array in arrays.items():
        np.save(folder / "set.000" / f"{name}.npy", array)
    (folder / "type.raw").write_text("\n".join(map(str, TYPES)) + "\n")
    (folder / "type_map.raw").write_text("\n".join(TYPE_MAP) + "\n")


def _input(model: dict) -> dict:
    data = {"systems": "../data", "batch_size": 1}
    return {
        "model": {
            "type_map": TYPE_MAP,
            **(_TYPES if model["descriptor"]["type"] == "se_atten" else {}),
            "fitting_net": {"neuron": [3, 3], "seed": 2},
            **model,
        },
        "learning_rate": {"start_lr": 1e-3, "stop_lr": 1e-5, "decay_steps": 1},
        "loss": {"start_pref_v": 0.1, "limit_pref_v": 0.1},
        "training": {
            "training_data": data,
            "validation_data": data,
            "numb_steps": STEPS,
            "disp_freq": 1,
            "save_freq": STEPS,
            "stat_file": "stat",
            "seed": 3,
        },
    }


def _multitask() -> dict:
    single = _input(MODELS["strip"])
    training = single["training"]
    data = {key: training.pop(key) for key in ("training_data", "validation_data")}
    del training["stat_file"], single["loss"]
    task = {"type_map": "types", "descriptor": "net", "fitting_net": {"neuron": [3], "seed": 2}}
    return {
        **single,
        "model": {
            **_TYPES,
            "shared_dict": {"types": TYPE_MAP, "net": single["model"]["descriptor"]},
            "model_dict": {"first": task, "second": task},
        },
        "loss_dict": {"first": {}, "second": {"start_pref_f": 10, "limit_pref_f": 10}},
        "training": {**training, "data_dict": {"first": data, "second": data}},
    }


def _write_keras(folder: Path) -> None:
    """The model of a checkpoint, compiled, after a step of ``fit``."""
    model, _ = load_model(folder / f"model.ckpt-{STEPS}")
    model.compile(Adam(ExpSchedule(1e-3, 1e-5, 4, decay_steps=1)), loss=EnergyLoss(1e-3))
    model.fit(_keras_batch(frame()), shuffle=False, verbose=0)
    model.save(folder / "model.keras")


def _keras_batch(of: dict) -> tf.data.Dataset:
    natoms = len(of["types"])
    inputs = {
        "coord": np.array([of["coords"]]),
        "atype": np.array([of["types"]], np.int32),
        "box": np.array([of["cell"]]),
    }
    labels = {"energy": np.array([-15.0]), "force": np.full((1, natoms, 3), 0.1)}
    labels |= {"find_energy": np.ones(1), "find_force": np.ones(1)}
    return tf.data.Dataset.from_tensors((inputs, labels))


def fit_on(model, of: dict) -> dict:
    """One more step of ``fit``: the loss and its parts."""
    return model.fit(_keras_batch(of), shuffle=False, verbose=0).history


def _make(target: Path) -> Iterator[tuple[str, dict]]:
    """Write all files; yields the name of each and what it must give."""
    import keras

    of = frame()
    _write_data(target / "data")
    inputs = {name: _input(model) for name, model in MODELS.items()} | {"multitask": _multitask()}
    for name, content in inputs.items():
        folder = target / name
        folder.mkdir()
        (folder / "input.json").write_text(json.dumps(content, indent=1) + "\n")
        with _inside(folder):
            run("train", "input.json")
            for file in EXPORTS.get(name, ()):
                run("freeze", "-o", file)
            if name == "se_atten":
                run("freeze", "--fast", "-o", "fast.pb")
            if name == "strip":
                run("compress", "-i", "model.pb", "-o", "compressed.pb", "-s", "0.2", "-e", "1.5")
        for rest in ("checkpoint", "model.ckpt.h5"):
            (folder / rest).unlink()
        if name in ("se_atten", "se_e2_a", "dpa2", "common"):
            _write_keras(folder)

        checkpoint = f"model.ckpt-{STEPS}.h5"
        for head in content["model"].get("model_dict", [None]):
            key = f"{name}/{checkpoint}" + (f":{head}" if head else "")
            yield key, evaluate(folder / checkpoint, of, head)
        for file in sorted(folder.iterdir()):
            key = f"{name}/{file.name}"
            if file.suffix in (".pb", ".dp", ".yaml"):
                yield key, evaluate(file, of)
            elif file.suffix == ".savedmodeltf":
                yield key, evaluate_saved(file, of)
            elif file.suffix == ".keras":
                model = keras.saving.load_model(file)
                yield key, {**evaluate_keras(model, of), "fit": fit_on(model, of)}


def _starts(target: Path) -> dict[str, dict]:
    of = frame()
    wanted = [("se_atten", name) for name in STARTS]
    wanted += [("dpa2", "restart"), ("multitask", "restart")]
    return {f"{name}:{start}": resume(target / name, STARTS[start], of) for name, start in wanted}


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="commit or release")
    name = parser.parse_args().name
    archive, numbers = MUSEUM / f"{name}.tar.xz", MUSEUM / f"{name}.json"
    if archive.exists() or numbers.exists():
        parser.error(f"{name} is in the museum already; what is there is never written again")
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch, name)
        target.mkdir()
        expected = {"frame": frame(), "files": dict(_make(target)), "starts": _starts(target)}
        with tarfile.open(archive, "x:xz") as tar:
            tar.add(target, arcname=".")
    numbers.write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
