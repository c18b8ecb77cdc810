"""First steps of a fine-tuning from a large PyTorch file, by DeePMD-kit and by deepattn.

    python benchmarks/torch_fine_tuning.py --deepmd .peers/dp320pt/bin/python [--file model.pt]

The file is that of `torch_stand_in.py`, or one that it has made (``--file``). Both programs train
from its last branch, and with a new fitting net, on the same frames. Prints the learning curves.
DeePMD-kit counts steps from 1, and evaluates the validation data after the step. New fitting nets
are drawn at random; deepattn's first line is from the weights that DeePMD-kit drew.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from processes import ProgramFailed, execute, with_threads

HERE = Path(__file__).parent
# A step that changes nothing, so that the drawn weights are those of the file it writes.
_RATES = {"branch": 1e-3, "RANDOM": 1e-9}
_STEPS = {"branch": 2, "RANDOM": 1}


def write_system(folder: Path, seed: int) -> None:
    """Two frames of eight atoms with labels at random."""
    rng = np.random.default_rng(seed)
    (folder / "set.000").mkdir(parents=True)
    (folder / "type.raw").write_text("0 1 1 0 1 1 0 1\n")
    (folder / "type_map.raw").write_text("H C\n")
    lattice = 2.0 * np.indices((2, 2, 2)).reshape(3, -1).T
    arrays = {
        "coord": [lattice + rng.normal(scale=0.15, size=(8, 3)) for _ in range(2)],
        "box": [np.diag([4.4, 4.2, 4.0])] * 2,
        "energy": rng.normal(-20.0, 0.1, 2),
        "force": rng.normal(size=(2, 24)),
    }
    for name, array in arrays.items():
        np.save(folder / "set.000" / f"{name}.npy", np.reshape(array, (2, -1)))


def make_input(file: Path, kind: str, name: str) -> dict:
    """An input of both programs; the model is that of the file's last branch."""
    from deepattn.formats.torch import TorchFile

    *_, section = TorchFile(file.read_bytes(), file)._sections.values()
    parts = {key: section[key] for key in ("type_map", "descriptor", "fitting_net")}
    data = {"systems": ["training"], "batch_size": 2}
    validation = {"systems": ["validation"], "batch_size": 2, "numb_btch": 1}
    rate = _RATES[kind]
    schedule = {"type": "exp", "start_lr": rate, "stop_lr": rate / 10, "decay_steps": 1}
    prefactors = {"start_pref_e": 0.02, "limit_pref_e": 1, "start_pref_f": 1000, "limit_pref_f": 1}
    return {
        "model": {**parts, "data_stat_nbatch": 1},
        "learning_rate": schedule,
        "loss": {"type": "ener", **prefactors},
        "training": {
            "training_data": data,
            "validation_data": validation,
            "numb_steps": _STEPS[kind],
            "disp_freq": 1,
            "save_freq": _STEPS[kind],
            "seed": 1,
            "save_ckpt": f"{name}.ckpt",
            "disp_file": f"{name}.out",
        },
    }


def compare(kind: str, file: Path, folder: Path, deepmd: Path) -> None:
    """Train with both, and print what they printed."""
    from deepattn.formats.torch import TorchFile
    from deepattn.models import read_model

    *_, last = TorchFile(file.read_bytes(), file).branches
    branch = last if kind == "branch" else "RANDOM"
    theirs, ours = f"deepmd_{kind}", f"deepattn_{kind}"
    for name in (theirs, ours, f"{ours}_drawn"):
        content = make_input(file, kind, name)
        if name != theirs:
            # What DeePMD-kit's data_stat_nbatch means for the bias.
            content["model"]["data_bias_nsample"] = 0
        (folder / f"{name}.json").write_text(json.dumps(content))
    start = ["--finetune", str(file), "--model-branch", branch]
    dp = [str(deepmd.parent / "dp"), "--pt", "train", f"{theirs}.json", *start]
    runs = [("DeePMD-kit", [*dp, "--skip-neighbor-stat"])]
    command = [sys.executable, "-m", "deepattn", "train"]
    runs += [("deepattn", [*command, f"{ours}.json", *start])]
    if kind == "RANDOM":
        drawn = ["--init-model", f"{theirs}.ckpt-1.pt"]
        runs += [("deepattn", [*command, f"{ours}_drawn.json", *drawn])]
    for name, words in runs:
        execute(name, words, folder, with_threads(1))
    ours = f"{ours}_drawn" if kind == "RANDOM" else ours
    for name in (theirs, ours):
        print(f"{name}\n{(folder / f'{name}.out').read_text()}")
    steps = _STEPS[kind]
    found = read_model(folder / f"deepattn_{kind}.ckpt-{steps}.h5").arrays
    wanted = read_model(folder / f"{theirs}.ckpt-{steps}.pt").arrays
    nets = ("layer_", "final_layer") if kind == "RANDOM" else ()
    same = [name for name in wanted if not name.startswith(nets)] if nets else list(wanted)
    most = max(float(np.abs(found[name] - wanted[name]).max(initial=0)) for name in same)
    print(f"largest difference of {len(same)} weights, statistics and biases: {most:.1e}\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--deepmd", type=Path, required=True, help="Python of DeePMD-kit")
    parser.add_argument("--file", type=Path, help="a file that torch_stand_in.py has made")
    parser.add_argument("--kinds", nargs="+", choices=list(_RATES), default=list(_RATES))
    args = parser.parse_args()
    deepmd = Path(os.path.abspath(args.deepmd))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed, system in enumerate(("training", "validation")):
            write_system(folder / system, seed)
        file = folder / "stand_in.pt" if args.file is None else args.file.absolute()
        try:
            if args.file is None:
                script = [str(deepmd), str(HERE / "torch_stand_in.py"), str(file)]
                execute("DeePMD-kit", script, folder, with_threads(1))
            for kind in args.kinds:
                compare(kind, file, folder, deepmd)
        except ProgramFailed as failure:
            sys.exit(str(failure))


if __name__ == "__main__":
    main()
