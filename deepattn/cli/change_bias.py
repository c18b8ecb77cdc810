"""``deepattn change-bias``."""

import argparse
from pathlib import Path

from deepattn.cli.options import add_systems


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    parser = subparsers.add_parser(
        "change-bias",
        help="change the energies that a model adds for its elements",
        description="Write a model again with other energies of its elements: fitted to labelled "
        "data, which brings a model to another level of theory, or given. All else stays as it is.",
        epilog="example: deepattn change-bias frozen_model.pb -s data -o adapted.pb",
    )
    parser.add_argument("model", metavar="MODEL", help="a frozen model or a checkpoint")
    source = add_systems(parser)
    source.add_argument(
        "-b",
        "--bias-value",
        metavar="ELEMENT=EV",
        nargs="+",
        help="set the energies of these elements; or one number for each type of the model",
    )
    parser.add_argument(
        "-n",
        "--numb-batch",
        metavar="N",
        type=int,
        default=0,
        help="take N random frames of each system; 0 takes all (default 0)",
    )
    parser.add_argument(
        "-m",
        "--mode",
        choices=["change", "set"],
        default="change",
        help="change: make up for the errors of the model; set: fit the labels alone (default "
        "change)",
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="default MODEL with _updated before its ending"
    )
    return parser


def run(args: argparse.Namespace) -> None:
    """Change the bias."""
    from deepattn.data import find_systems, read_list
    from deepattn.infer.deep_pot import find_model
    from deepattn.train import change_bias

    path = find_model(args.model)
    output = _output(args.output, path)
    if args.bias_value is not None:
        source = {"energies": _energies(args.bias_value, path)}
    else:
        systems = read_list(args.datafile) if args.datafile else find_systems(args.system)
        source = {"systems": systems, "mode": args.mode, "numb_frames": args.numb_batch}
    changed = change_bias(path, output, **source)
    print(f"{'element':>8s} {'before, eV':>18s} {'after, eV':>18s}")
    for name, (before, after) in changed.items():
        print(f"{name:>8s} {before:18.8f} {after:18.8f}")
    print(f"written to {output}")


def _output(given: str | None, path: Path) -> Path:
    if given is None:
        return path.with_name(f"{path.stem}_updated{path.suffix}")
    return Path(given if given.endswith(path.suffix) else f"{given}{path.suffix}")


def _energies(values: list[str], path: Path) -> dict[str, float]:
    """Energies by element from ``O=-93.2`` and the like, or one number for each type."""
    from deepattn.errors import DataError
    from deepattn.infer import DeepPot

    pairs = [value.rpartition("=") for value in values]
    try:
        numbers = [float(number) for *_, number in pairs]
    except ValueError as error:
        raise DataError(f"--bias-value: {error}; give ELEMENT=EV") from None
    names = [name for name, *_ in pairs]
    if not any(names):
        with DeepPot(path) as model:
            names = model.get_type_map()
        if len(names) != len(numbers):
            raise DataError(
                f"--bias-value: {len(numbers)} numbers, but the model has {len(names)} types: "
                f"{' '.join(names)}"
            )
    elif not all(names):
        raise DataError("--bias-value: name all elements, or give a number for each type")
    return dict(zip(names, numbers, strict=True))
