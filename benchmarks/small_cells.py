"""Time of trainings of small cells, ours and DeePMD-kit's, by step and from start to end.

    python benchmarks/small_cells.py --deepmd /path/to/dp [--descriptor se_atten attention]
        [--precision float64 float32] [--steps 2000]

The cells have 16 atoms of three elements, the models nets of 25-50-100 and 120 × 3, and no
attention but for ``attention``, which has two layers of 64. Most trainings are of cells of about
this size. Frames and labels are random, since the time does not depend on them. Both programs train
in turn (A B A B …), as in `training_step.py`. Below the table is the time of the whole process,
with imports, statistics, tracing and the checkpoint.
"""

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
from processes import machine
from training_step import Run, as_markdown, summarize, train_once, variants
from trainings import make_parser, parse, programs

ELEMENTS = ["Ag", "Pd", "Au"]
DESCRIPTORS = {
    "se_atten": {"type": "se_atten", "attn_layer": 0, "tebd_input_mode": "strip", "sel": 80},
    "se_e2_a": {"type": "se_e2_a", "type_one_side": True, "sel": [40, 40, 40]},
    "attention": {"type": "se_atten_v2", "attn": 64, "attn_layer": 2, "sel": 80},
}


def write_system(folder: Path, *, nframes: int = 40) -> None:
    """Frames of a face-centered cubic cell with 16 atoms, displaced at random."""
    rng = np.random.default_rng(0)
    corners = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    cells = np.array([[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]])
    lattice = 4.05 * (cells[:, np.newaxis] + corners).reshape(-1, 3)
    data = folder / "set.000"
    data.mkdir(parents=True)
    (folder / "type.raw").write_text("\n".join(map(str, np.arange(16) % 3)) + "\n")
    (folder / "type_map.raw").write_text("\n".join(ELEMENTS) + "\n")
    coord = lattice + rng.normal(scale=0.1, size=(nframes, 16, 3))
    np.save(data / "coord.npy", coord.reshape(nframes, -1))
    np.save(data / "box.npy", np.tile(np.diag([8.1, 8.1, 4.05]).ravel(), (nframes, 1)))
    np.save(data / "energy.npy", rng.normal(size=nframes))
    np.save(data / "force.npy", rng.normal(size=(nframes, 48)))


def make_input(descriptor: dict, system: Path, steps: int) -> dict:
    """An input for both programs."""
    nets = {"rcut": 5.0, "rcut_smth": 0.5, "neuron": [25, 50, 100], "axis_neuron": 16, "seed": 1}
    model = {
        "type_map": ELEMENTS,
        "descriptor": {**nets, **descriptor},
        "fitting_net": {"neuron": [120, 120, 120], "seed": 1},
    }
    if descriptor["type"] != "se_e2_a":
        model["type_embedding"] = {"neuron": [8], "seed": 1}
    return {
        "model": model,
        "learning_rate": {"type": "exp", "start_lr": 1e-3, "stop_lr": 1e-5, "decay_steps": 100},
        "loss": {"start_pref_e": 1, "limit_pref_e": 1, "start_pref_f": 10, "limit_pref_f": 10},
        "training": {
            "training_data": {"systems": [str(system)], "batch_size": 1},
            "numb_steps": steps,
            "disp_freq": max(steps // 5, 1),
            "save_freq": steps,
            "seed": 1,
        },
    }


def wholes(summaries: dict[str, dict[str, dict[str, float]]], steps: int) -> str:
    """A line for each input with the times of the whole processes."""
    lines = []
    for name, summary in summaries.items():
        ours, deepmd = (
            row["start_s"] + steps * row["ms_per_step"] / 1000 for row in summary.values()
        )
        ratio = f"ratio {deepmd / ours:.2f}"
        lines.append(
            f"{name}: {steps} steps from start to end {ours:.1f} s, {deepmd:.1f} s, {ratio}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--descriptor", nargs="+", choices=list(DESCRIPTORS), default=["se_atten"])
    parser.add_argument("--precision", nargs="+", default=["float64", "float32"])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3, help="how often the two take turns")
    args = parse(parser, "small_cells.json")
    runs: list[Run] = []
    with tempfile.TemporaryDirectory() as folder:
        system = Path(folder) / "system"
        write_system(system)
        for name in args.descriptor:
            config = make_input(DESCRIPTORS[name], system, args.steps)
            for variant, varied in variants(config, {"precision": args.precision}).items():
                for _ in range(args.repeats):
                    for program, command in programs(args.deepmd).items():
                        title = f"{name}, {variant}"
                        runs.append(train_once(title, program, command, varied, args.threads))
                        result = f"{1000 * runs[-1].seconds_per_step:.2f} ms"
                        print(f"{title}: {program}: {result}", file=sys.stderr)
    summaries = {
        variant: summarize([run for run in runs if run.variant == variant])
        for variant in dict.fromkeys(run.variant for run in runs)
    }
    print(as_markdown(summaries), wholes(summaries, args.steps), sep="\n\n")
    args.output.write_text(
        json.dumps(
            {
                "steps": args.steps,
                "machine": machine(args.threads),
                "summary": summaries,
                "runs": [asdict(run) for run in runs],
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
