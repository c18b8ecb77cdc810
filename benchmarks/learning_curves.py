"""Validation errors of deepattn and DeePMD-kit while both train on the same input.

    python benchmarks/learning_curves.py --deepmd /path/to/dp [--input water.json] [--seeds 10 11]

Equal seeds in the input give both programs equal initial weights; the order of frames differs, so
the curves agree within the spread between seeds and not digit by digit (they do on one frame, see
``tests/conformance/test_training_equals_deepmd.py``). Prints a Markdown table and writes JSON.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from trainings import absolute_systems, make_parser, parse, programs, train

DEFAULT_INPUT = Path(__file__).resolve().parent / "water.json"


def curve(program: str, command: list[str], config: dict, threads: int) -> dict[str, list[float]]:
    """Columns of ``lcurve.out`` of one training, by name."""
    with tempfile.TemporaryDirectory() as folder:
        train(program, command, config, threads, Path(folder))
        rows = np.loadtxt(Path(folder) / "lcurve.out", ndmin=2)
        header = (Path(folder) / "lcurve.out").read_text().splitlines()[0]
    return dict(zip(header.lstrip("# ").split(), rows.T.tolist(), strict=True))


def as_markdown(curves: dict[str, list[dict]], column: str) -> str:
    """Means over seeds, with the largest deviation of a seed, at every displayed step."""
    steps = next(iter(curves.values()))[0]["step"]
    lines = ["| step | " + " | ".join(curves) + " | ratio |", "|---" * (len(curves) + 2) + "|"]
    for row, step in enumerate(steps):
        values = [np.array([run[column][row] for run in runs]) for runs in curves.values()]
        cells = [f"{v.mean():.4f} ± {np.abs(v - v.mean()).max():.4f}" for v in values]
        ratio = values[0].mean() / values[1].mean()
        lines.append(f"| {step:.0f} | {' | '.join(cells)} | {ratio:.3f} |")
    return "\n".join(lines)


def main() -> None:
    parser = make_parser(__doc__, DEFAULT_INPUT, "water")
    parser.add_argument("--seeds", type=int, nargs="+", default=[10], help="of the data order")
    args = parse(parser, "learning_curves.json")
    config = json.loads(args.input.read_text())
    for section in ("training_data", "validation_data"):
        absolute_systems(config["training"][section], args.input.resolve().parent)
    commands = programs(args.deepmd)
    curves = {program: [] for program in commands}
    for seed in args.seeds:
        config["training"]["seed"] = seed
        for program, command in commands.items():
            print(f"{program}, seed {seed}", file=sys.stderr)
            curves[program].append(curve(program, command, config, args.threads))
    for column in ("rmse_f_val", "rmse_e_val"):
        print(f"\n{column}\n\n{as_markdown(curves, column)}")
    args.output.write_text(json.dumps(curves, indent=1))


if __name__ == "__main__":
    main()
