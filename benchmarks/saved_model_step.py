"""Time and memory of a LAMMPS step with our SavedModels and DeePMD-kit's own, in one run.

    python benchmarks/saved_model_step.py --deepmd /path/to/venv/bin [--models dpa1 dpa2 strip]
        [--torch /path/to/venv-with-PyTorch/bin]

A small model of random weights is written as ``.dp``; ``dp convert-backend`` and deepattn make a
``.savedmodeltf`` of that file, which DeePMD-kit's unmodified LAMMPS runs in turn (A B A B …).
With ``--torch`` a ``.pth`` of DeePMD-kit takes the place of its ``.savedmodeltf``, in a LAMMPS with
the PyTorch backend. ``small`` is DeePMD-kit's "small" DPA-2; of ``strip``, the same with
``tebd_input_mode`` strip, the two are deepattn's ``.savedmodeltf`` and its compressed one
(``deepattn compress``). Needed are ``dp`` (3.2 with TensorFlow) and ``lmp`` in one folder; nothing
is downloaded. Times, memory and configuration are those of `lammps_step.py`. Prints a Markdown
table and writes the results as JSON.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

from lammps_step import TYPE_MAP, Graph, execute_deepmd, lammps, water_box, write_data
from processes import ProgramFailed, machine

_FITTING = {"neuron": [32, 32, 32], "seed": 1}
# Å, in water.
_SHORTEST = 0.88


def _small(**repinit: str) -> dict:
    model = json.loads(Path(__file__).with_name("water_dpa2_small.json").read_text())["model"]
    model["descriptor"]["repinit"] |= repinit
    return model


MODELS = {
    "dpa1": {
        "type_map": TYPE_MAP,
        "convention": "common",
        "type_embedding": {"neuron": [8], "seed": 1},
        "descriptor": {
            "type": "dpa1",
            **{"sel": 70, "rcut": 4.0, "rcut_smth": 0.5, "neuron": [8, 16, 32], "axis_neuron": 4},
            **{"attn": 16, "attn_layer": 2, "smooth_type_embedding": True, "seed": 1},
        },
        "fitting_net": _FITTING,
    },
    "dpa2": {
        "type_map": TYPE_MAP,
        "descriptor": {
            "type": "dpa2",
            "repinit": {
                **{"rcut": 4.0, "rcut_smth": 0.5, "nsel": 70, "neuron": [8, 16, 32]},
                **{"axis_neuron": 4, "use_three_body": True, "three_body_sel": 30},
                **{"three_body_rcut": 3.0, "three_body_rcut_smth": 2.0},
            },
            "repformer": {
                **{"rcut": 3.0, "rcut_smth": 2.0, "nsel": 30, "nlayers": 3, "g1_dim": 32},
                **{"g2_dim": 16, "attn1_hidden": 16, "attn1_nhead": 2},
                **{"attn2_hidden": 8, "attn2_nhead": 2},
            },
            "seed": 1,
        },
        "fitting_net": _FITTING,
    },
    "small": _small(),
    "strip": _small(tebd_input_mode="strip"),
}


def make_models(args: argparse.Namespace, name: str, folder: Path) -> dict[str, Graph]:
    """The two exports of a file of random weights, the one to compare with first."""
    from deepattn.config import ModelConfig, normalize_model
    from deepattn.export import compress_model, convert
    from deepattn.formats.dp_file import write_tree
    from deepattn.models import build_model
    from deepattn.models.dpmodel import to_tree

    folder.mkdir()
    config = ModelConfig.from_dict(normalize_model(MODELS[name]))
    arrays = build_model(config).get_arrays()
    write_tree(folder / "model.dp", to_tree(config, arrays, min_nbor_dist=_SHORTEST))
    if name == "strip":
        paths = {who: folder / f"{who}.savedmodeltf" for who in ("deepattn", "compressed")}
        convert(folder / "model.dp", paths["deepattn"])
        compress_model(folder / "model.dp", paths["compressed"])
        return {who: Graph(path) for who, path in paths.items()}
    theirs = folder / ("DeePMD-kit.pth" if args.torch else "DeePMD-kit.savedmodeltf")
    paths = {"DeePMD-kit": theirs, "deepattn": folder / "deepattn.savedmodeltf"}
    program = (args.torch or args.deepmd) / "dp"
    execute_deepmd([str(program), "convert-backend", "model.dp", str(theirs)], folder)
    convert(folder / "model.dp", paths["deepattn"])
    return {who: Graph(path) for who, path in paths.items()}


def measure(args: argparse.Namespace, name: str, folder: Path) -> list[dict]:
    """A row for each of the two: median step time, fastest, largest peak of memory."""
    models = make_models(args, name, folder / name)
    theirs = argparse.Namespace(**{**vars(args), "deepmd": args.torch or args.deepmd})
    runs: dict[str, list] = {who: [] for who in models}
    for _ in range(args.repeats):
        for who, model in models.items():
            programs = theirs if who == "DeePMD-kit" else args
            runs[who].append(lammps(programs, model, args.atoms, 1, folder))
            print(name, who, runs[who][-1], file=sys.stderr)
    rows = []
    for who, measured in runs.items():
        seconds = [run[0] for run in measured]
        if None in seconds:
            sys.exit(f"LAMMPS does not run {name} of {who}")
        row = {"model": name, "atoms": args.atoms, "export": who, "runs": seconds}
        row |= {"seconds_per_step": statistics.median(seconds)}
        rows.append(row | {"peak_mib": max(run[1] for run in measured)})
    return rows


def as_markdown(rows: list[dict]) -> str:
    """The table; its ratio tells how many times faster ours is."""
    lines = ["| model | atoms | export | s a step (median) | min | ratio | peak, MiB |"]
    lines.append("|---|---|---|---|---|---|---|")
    for row in rows:
        first = next(other for other in rows if other["model"] == row["model"])
        ratio = first["seconds_per_step"] / row["seconds_per_step"]
        cells = [row["model"], row["atoms"], row["export"], f"{row['seconds_per_step']:.4f}"]
        cells += [f"{min(row['runs']):.4f}", f"{ratio:.1f}", f"{row['peak_mib']:.0f}"]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--deepmd", required=True, type=Path, help="folder of DeePMD-kit's programs dp and lmp"
    )
    parser.add_argument("--torch", type=Path, help="the same folder of one with PyTorch")
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--atoms", type=int, default=192, help="a multiple of 192")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3, help="how often the two take turns")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, default=Path("saved_model_step.json"))
    args = parser.parse_args()
    for option in ("deepmd", "torch"):
        if (given := getattr(args, option)) is None:
            continue
        for name in ("lmp", "dp"):
            if not (given / name).is_file():
                parser.error(f"--{option} {given}: no {name} in it; give the folder of programs")
        setattr(args, option, given.absolute())
    coord, atype, cell = water_box()
    args.unit = len(coord)
    with tempfile.TemporaryDirectory() as folder:
        write_data(Path(folder) / "data.lmp", coord, atype, cell)
        try:
            rows = [row for name in args.models for row in measure(args, name, Path(folder))]
        except ProgramFailed as failure:
            sys.exit(str(failure))
    print(as_markdown(rows))
    results = {"machine": machine(args.threads), "steps": args.steps, "rows": rows}
    args.output.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
