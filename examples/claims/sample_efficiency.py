"""How few frames are enough: learning curves from scratch and fine-tuned from OC2M.

    python sample_efficiency.py -o curves [--sets ethanol_methanol monbtaw] [--seeds 1 2 3]

For every data set, number of frames and seed two models of the same architecture, that of the
pre-trained graph, are trained equally long on the same frames: one from random weights, one from
those of the graph. Both are tested on the same frames of the validation data. Writes
``results.json`` and ``sample-efficiency.png`` and prints a Markdown table for each data set. A
second call trains nothing; the frames drawn lie under the output folder too.
"""

import argparse
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from command import SHARED, check_file, check_folder, collect, make_parser, one_sentence
from curves import FINE_TUNED, SCRATCH, Curve
from frames import count_of
from pictures import plot_sample_efficiency
from spread import as_markdown

# By data set: its folder, frames of a batch, steps of a training.
SETS = {
    "ethanol_methanol": ("organic/ethanol_methanol/mixed", "mixed:4", 500),
    "monbtaw": ("monbtaw/mixed", "mixed:1", 150),
}


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments of the command line."""
    graph = SHARED / "pretrained" / "oc2m_se_atten_f32.pb"
    parser = make_parser(__doc__, seeds=(1, 2, 3))
    parser.add_argument("--data", type=Path, default=SHARED / "data", help="folder of data sets")
    parser.add_argument("--pretrained", type=Path, default=graph, help="frozen se_atten model")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument(
        "--sizes",
        nargs="+",
        default=["10", "30", "100", "300", "all"],
        metavar="FRAMES",
        help="numbers of frames to train on; the last may be: all",
    )
    parser.add_argument("--steps", type=int, help="of every training; default: by data set")
    parser.add_argument("--scratch-lr", type=float, default=5e-3)
    parser.add_argument("--finetune-lr", type=float, default=3e-4)
    return parser.parse_args(argv)


def open_set(name: str, args: argparse.Namespace) -> Curve:
    """The learning curve of a data set.

    Raises:
        DataError: The data or the graph are not there.
    """
    folder, batch_size, steps = SETS[name]
    return Curve(
        data=check_folder(args.data / folder, "give the folder of data sets with --data"),
        output=args.output.resolve() / name,
        pretrained=check_file(args.pretrained, "give a frozen model with --pretrained"),
        batch_size=batch_size,
        steps=args.steps or steps,
        rates={SCRATCH: args.scratch_lr, FINE_TUNED: args.finetune_lr},
    )


def main(argv: Sequence[str] | None = None) -> None:
    args = parse(argv)
    with one_sentence():
        curves = {name: open_set(name, args) for name in args.sets}
        rows = [
            {"set": name, "frames": count_of(size, curves[name].frames), "way": way, "seed": seed}
            for name, seed in product(args.sets, args.seeds)
            for size, way in product(args.sizes, (SCRATCH, FINE_TUNED))
        ]
        rows = collect(
            rows,
            lambda row: {
                "errors": curves[row["set"]].run(row["way"], row["frames"], row["seed"]).errors()
            },
            args.output / "results.json",
        )
        for name in args.sets:
            chosen = [row for row in rows if row["set"] == name]
            print(f"\n{name}\n\n{as_markdown(chosen, ['frames', 'way'])}")
        rows = [row for row in rows if row["set"] in args.sets]
        lines = {name: curve.references() for name, curve in curves.items()}
        print(plot_sample_efficiency(rows, lines, args.output / "sample-efficiency.png"))


if __name__ == "__main__":
    main()
