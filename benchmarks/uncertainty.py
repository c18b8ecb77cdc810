"""How well uncertainties tell the true errors of forces: one model's own, and an ensemble's.

    python benchmarks/uncertainty.py --data SHARED/data [--deepmd .peers/dp320/bin/dp] [--cost]

On each of two sets of first-principles data, four small models are trained that differ in their
seeds. The first one's uncertainty is made with ``deepattn uncertainty fit``, from its training data
and frames that it was not trained on, and is compared with the true errors of its forces on frames
of compositions that are in neither. The table goes to standard output, the numbers to
``uncertainty.json``; docs/uncertainty.md shows them. What is in the working folder is not trained
again. It takes about 12 minutes of one core; the data are described in benchmarks/README.md.

With ``--cost`` only the cost is measured, with a model of monbtaw that is trained for 100 steps;
the time does not depend on the weights.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

MODELS = 4
ROWS = {
    "ensemble": "deviation of four models",
    "force": "magnitude of the predicted force",
    "descriptor": "distance, descriptor (32 principal components)",
    "projected": "distance, descriptor (128 random directions)",
    "last_layer": "distance, last hidden layer",
    "neighbors": "distance to the 5 nearest atoms, descriptor",
    "expected": "**expected error** of `deepattn uncertainty`",
}
_PAIRS = ("MoNb", "MoTa", "TaW")  # whose alloys the model of monbtaw is trained on


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path, help="folder of the sets")
    parser.add_argument("--folder", default="uncertainty", type=Path, help="working folder")
    parser.add_argument("-o", "--output", default="uncertainty.json", type=Path)
    parser.add_argument("--deepmd", type=Path, help="dp of DeePMD-kit, which compresses a graph")
    parser.add_argument("--cost", action="store_true", help="measure the cost alone")
    args = parser.parse_args()
    results = {}
    model = args.folder / "monbtaw" / "model-0"
    if args.cost:
        if args.output.exists():
            results = json.loads(args.output.read_text())
        model = args.folder / "monbtaw" / "cost"
        systems, settings = monbtaw(args.data, args.folder)
        train(model, systems["train"], {**settings, "steps": 100}, seed=1)
    else:
        for name, prepare in SETS.items():
            folder = args.folder / name
            folder.mkdir(parents=True, exist_ok=True)
            results[name] = compare(folder, *prepare(args.data, folder))
            print(name, json.dumps(results[name]), flush=True)
    results["cost"] = cost(
        {
            **files(model, args.deepmd),
            "published OC2M graph": args.data.parent / "pretrained/oc2m_se_atten_f32.pb",
        }
    )
    args.output.write_text(json.dumps(results, indent=1) + "\n")
    print("\n".join([*table(results), *facts(results)]))


def table(results: dict) -> list[str]:
    """The rows of the page."""
    sets = [name for name in results if name != "cost"]
    lines = [
        "| | " + " | ".join(f"{name}: rank | found" for name in sets) + " |",
        "|---|" + "---|---|" * len(sets),
    ]
    for key, words in ROWS.items():
        cells = []
        for name in sets:
            quality = results[name]["methods"][key]
            cells += [f"{quality['rank']:.2f}", f"{100 * quality['found']:.0f} %"]
        lines.append(f"| {words} | " + " | ".join(cells) + " |")
    return lines


def facts(results: dict) -> list[str]:
    """Further rows of the page: errors and calibration, novelty, cost."""
    lines = []
    for name in (name for name in results if name != "cost"):
        found = results[name]
        ratios = (found["methods"][key]["ratio"] for key in ("expected", "ensemble"))
        cells = [
            name,
            f"{found['rmse']:.2f} of {found['rms_force']:.2f}",
            *(f"{ratio:.1f}" for ratio in ratios),
            f"{100 * found['held_out']['beyond']:.1f} %",
            f"{100 * found['beyond']:.1f} %",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    for kind, (alone, extra) in results["cost"].items():
        lines.append(f"| {kind} | {1e3 * alone:.1f} | {100 * extra:.1f} % |")
    return lines


# ---- the sets ------------------------------------------------------------------------------------


def monbtaw(data: Path, folder: Path) -> tuple[dict, dict]:
    """Four metals and alloys of three of their pairs; the test is on those of the other three."""
    root = data / "monbtaw/npy"

    def binaries(part: str, known: bool) -> list[str]:
        found = sorted((root / part / "binary").iterdir())
        return [str(p) for p in found if ("".join(elements(p.name)) in _PAIRS) == known]

    unary = {part: [str(p) for p in sorted((root / part / "unary").iterdir())] for part in PARTS}
    systems = {
        "train": binaries("train", True) + unary["train"],
        "held_out": binaries("valid", True) + unary["valid"],
        "test": binaries("train", False) + binaries("valid", False),
    }
    return systems, {"types": ["Mo", "Nb", "Ta", "W"], "steps": 4000, "atoms": 32}


def tp(data: Path, folder: Path) -> tuple[dict, dict]:
    """86 elements under pressure; of the formulas that are not trained on, a half is the test."""
    root = data / "tp/mixed"
    systems = {"train": subsystems(root / "train")}
    formulas: dict[str, int] = {}
    for part, turn in (("held_out", 0), ("test", 1)):
        target = folder / part
        for system in subsystems(root / "valid"):
            kinds = np.load(Path(system) / "set.000/real_atom_types.npy")
            places = [
                formulas.setdefault(str(np.sort(row).tolist()), len(formulas)) for row in kinds
            ]
            rows = np.flatnonzero(np.array(places) % 2 == turn)
            take(Path(system), rows, target / Path(system).name)
        systems[part] = subsystems(target)
    types = (root / "train/2/type_map.raw").read_text().split()
    return systems, {"types": types, "steps": 2500, "atoms": 40}


SETS = {"monbtaw": monbtaw, "tp": tp}
PARTS = ("train", "valid")


def elements(formula: str) -> list[str]:
    return sorted(re.findall("[A-Z][a-z]?", formula))


def subsystems(folder: Path) -> list[str]:
    return [str(path.parent) for path in sorted(folder.glob("*/type.raw"))]


def take(system: Path, rows: np.ndarray, target: Path) -> None:
    """Copy some frames of a system."""
    if not len(rows):
        return
    (target / "set.000").mkdir(parents=True, exist_ok=True)
    for name in ("type.raw", "type_map.raw"):
        (target / name).write_text((system / name).read_text())
    for array in (system / "set.000").glob("*.npy"):
        np.save(target / "set.000" / array.name, np.load(array)[rows])


# ---- models --------------------------------------------------------------------------------------


def train(folder: Path, systems: list[str], settings: dict, seed: int) -> Path:
    """A checkpoint; one that is there is taken."""
    from deepattn.train import train as run

    checkpoint = folder / "model.ckpt.h5"
    if checkpoint.exists():
        return checkpoint
    folder.mkdir(parents=True, exist_ok=True)
    steps = settings["steps"]
    net = {"precision": "float32", "seed": seed}
    descriptor = {"type": "se_atten_v2", "sel": 120, "rcut": 5.0, "rcut_smth": 0.5}
    descriptor |= {"neuron": [10, 20, 40], "axis_neuron": 8, "attn_layer": 0}
    raw = {
        "model": {
            "type_map": settings["types"],
            "type_embedding": {"neuron": [8], **net},
            "descriptor": {**descriptor, **net},
            "fitting_net": {"neuron": [100, 100, 100], **net},
        },
        "learning_rate": {
            "type": "exp",
            "start_lr": 2e-3,
            "stop_lr": 1e-5,
            "decay_steps": steps // 100,
        },
        "loss": {"start_pref_e": 0.1, "limit_pref_e": 1, "start_pref_f": 100, "limit_pref_f": 10},
        "training": {
            "training_data": {
                "systems": [os.path.abspath(system) for system in systems],
                "batch_size": f"auto:{settings['atoms']}",
                "auto_prob": "prob_sys_size",
            },
            "numb_steps": steps,
            "seed": seed,
            "disp_freq": steps // 5,
            "save_freq": steps,
        },
    }
    (folder / "input.json").write_text(json.dumps(raw))
    checkpoint, before = checkpoint.resolve(), Path.cwd()
    # A training writes its files where it runs.
    os.chdir(folder)
    try:
        run("input.json", skip_neighbor_stat=True)
    finally:
        os.chdir(before)
    return checkpoint


# ---- the comparison ------------------------------------------------------------------------------


def compare(folder: Path, systems: dict[str, list[str]], settings: dict) -> dict:
    """Quality of each uncertainty on the test set."""
    from deepattn.infer import DeepPot, fit_uncertainty
    from deepattn.uncertainty import Moments, measure_quality

    models = [
        train(folder / f"model-{k}", systems["train"], settings, k + 1) for k in range(MODELS)
    ]
    uncertainty = fit_uncertainty(models[0], systems["train"], systems["held_out"])
    with DeepPot(models[0], uncertainty=uncertainty) as first:
        trained = atoms(first, systems["train"], ("descriptor", "last_layer"))
        found = atoms(first, systems["test"], ("descriptor", "last_layer", "results", "label"))
        ntypes = first.get_ntypes()
    forces = [found["force"]]
    for path in models[1:]:
        with DeepPot(path) as model:
            forces.append(atoms(model, systems["test"], ("results",))["force"])
    error = np.linalg.norm(found["force"] - found["label"], axis=1)
    spread = np.std(forces, axis=0)
    estimates = {
        "ensemble": np.linalg.norm(spread, axis=1),
        "force": np.linalg.norm(found["force"], axis=1),
        "descriptor": found["distance"],
        "expected": found["force_error"],
    }
    rng = np.random.default_rng(0)
    width = trained["descriptor"].shape[1]
    random = rng.normal(size=(width, 128)) / (trained["descriptor"].std() * np.sqrt(width))
    for key, feature, basis in (
        ("projected", "descriptor", random.astype(np.float32)),
        ("last_layer", "last_layer", None),
    ):
        if basis is None:
            from deepattn.uncertainty import fit_basis

            basis = fit_basis(trained[feature], trained["atype"])
        moments = Moments(basis, ntypes)
        moments.add(trained[feature], trained["atype"])
        estimates[key] = moments.distance()(found[feature], found["atype"])
    estimates["neighbors"] = nearest(trained, found)
    return {
        "atoms": {"train": len(trained["atype"]), "test": len(error)},
        "rmse": float(np.sqrt(np.mean(error**2))),
        "rms_force": float(np.sqrt(np.mean(np.sum(found["label"] ** 2, axis=1)))),
        "held_out": uncertainty.record["held_out"],
        "powers": [uncertainty.calibration.distance, uncertainty.calibration.force],
        "beyond": float(np.mean(found["distance"] > 1)),
        "methods": {
            key: measure_quality(value, error)._asdict() for key, value in estimates.items()
        },
    }


def atoms(model, paths: list[str], wanted: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Features, results and labels of the real atoms of all frames, one row for each."""
    from deepattn.data import System
    from deepattn.infer import read_frames

    columns: dict[str, list[np.ndarray]] = {}
    for path in paths:
        system = System(path, type_map=model.get_type_map())
        inputs, labels = read_frames(model, system, np.arange(system.nframes), ("force",))
        real = inputs.atype >= 0
        found = {"atype": inputs.atype}
        if "results" in wanted:
            estimated = "label" in wanted
            found |= model.evaluate(inputs, uncertainty=estimated)
        if "label" in wanted:
            found["label"] = labels["force"].reshape(*real.shape, 3)
        if "descriptor" in wanted:
            found["descriptor"] = model.evaluate_descriptor(inputs)
        if "last_layer" in wanted:
            found["last_layer"] = model.eval_fitting_last_layer(
                inputs.coord, inputs.box, inputs.atype, mixed_type=True
            )
        for name, values in found.items():
            if values.shape[:2] == real.shape:
                columns.setdefault(name, []).append(values[real])
    return {name: np.concatenate(parts) for name, parts in columns.items()}


def nearest(trained: dict, found: dict) -> np.ndarray:
    """Mean distance to the five nearest atoms of the same element, in 16 principal directions."""
    from scipy.spatial import cKDTree

    from deepattn.uncertainty import fit_basis

    basis = fit_basis(trained["descriptor"], trained["atype"])[:, -16:]
    known, asked = trained["descriptor"] @ basis, found["descriptor"] @ basis
    distance = np.full(len(asked), np.inf)
    for kind in np.unique(found["atype"]):
        rows, points = found["atype"] == kind, known[trained["atype"] == kind]
        if len(points):
            near, _ = cKDTree(points).query(asked[rows], k=min(5, len(points)))
            distance[rows] = near.reshape(rows.sum(), -1).mean(axis=1)
    return distance


# ---- the cost ------------------------------------------------------------------------------------


def files(folder: Path, deepmd: Path | None) -> dict[str, Path]:
    """The model of a checkpoint in all kinds of files."""
    from deepattn.export import compress_model, convert

    checkpoint = folder / "model.ckpt.h5"
    found = {"checkpoint": checkpoint}
    for fast in (False, True):
        graph, compressed = (folder / f"{name}-{fast}.pb" for name in ("model", "compressed"))
        convert(checkpoint, graph, fast=fast)
        compress_model(checkpoint, compressed, training_script=folder / "input.json", fast=fast)
        kind = "fast" if fast else "portable"
        found |= {f"{kind} graph": graph, f"{kind} graph, compressed": compressed}
    if deepmd is not None:
        target = folder / "compressed-deepmd.pb"
        names = (found["portable graph"].resolve(), target.resolve())
        script = str((folder / "input.json").resolve())
        command = [deepmd.resolve(), "compress", "-i", names[0], "-o", names[1], "-t", script]
        with tempfile.TemporaryDirectory() as scratch:
            subprocess.run(command, check=True, cwd=scratch)
        found["graph of dp compress"] = target
    return found


def cost(paths: dict[str, Path]) -> dict[str, tuple[float, float]]:
    """For each kind of file the time of an evaluation, s, and what the uncertainty adds to it."""
    return {kind: extra_time(path) for kind, path in paths.items()}


def extra_time(path: Path, seconds: float = 15.0) -> tuple[float, float]:
    """Median of the processor time of 1,024 atoms, s, and the part that the uncertainty adds.

    Evaluations with it and without it take turns, so that other work on the machine slows both: as
    many as fit in so many seconds, 9 at least and 41 at most.
    """
    from ase.build import bulk

    from deepattn.infer import DeepPot
    from deepattn.uncertainty import Calibration, Distance, Uncertainty

    crystal = bulk("Mo", "bcc", a=3.16, cubic=True).repeat(8)
    crystal.rattle(0.05, seed=0)
    with DeepPot(path) as model:
        kinds = np.full(len(crystal), model.get_type_map().index("Mo"))
        frames = model.frames(crystal.positions, crystal.cell.array.ravel(), kinds)
        width = model.evaluate_descriptor(frames).shape[-1]
    ntypes, count = len(model.get_type_map()), 32
    rng = np.random.default_rng(0)
    distance = Distance(
        rng.normal(size=(width, count)).astype(np.float32),
        np.zeros((ntypes, count)),
        np.tile(np.eye(count), (ntypes, 1, 1)),
        np.ones(ntypes, int),
    )
    calibration = Calibration(np.ones(ntypes), 0.5, 0.5, 0.1)
    uncertainty = Uncertainty("", None, (), distance, calibration)
    with DeepPot(path, uncertainty=uncertainty) as model:
        times: dict[bool, list[float]] = {False: [], True: []}
        begin = time.process_time()
        for k in range(42):
            if k > 9 and time.process_time() - begin > seconds:
                break
            for with_uncertainty in (False, True) if k % 2 else (True, False):
                start = time.process_time()
                model.evaluate(frames, uncertainty=with_uncertainty)
                times[with_uncertainty].append(time.process_time() - start)
    alone, together = (float(np.median(times[key][1:])) for key in (False, True))
    return alone, together / alone - 1


if __name__ == "__main__":
    main()
