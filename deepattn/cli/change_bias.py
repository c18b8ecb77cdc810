"""``deepattn change-bias``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepattn.cli.options import add_head, add_systems
from deepattn.cli.systems import systems_of

if TYPE_CHECKING:
    from deepattn.models import ModelFile


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    parser = subparsers.add_parser(
        "change-bias",
        help="change the energy bias of each element of a model",
        description="Write a model again with other energies of its elements: fitted to labeled "
        "data, which brings a model to another level of theory, or given. All else stays as it is.",
        epilog="example: deepattn change-bias frozen_model.pb -s data -o adapted.pb",
    )
    parser.add_argument(
        "model", metavar="MODEL", help="a frozen model, a .dp or .yaml file, or a checkpoint"
    )
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
        help="take N random frames of each system (default: all)",
    )
    parser.add_argument(
        "-m",
        "--mode",
        choices=["change", "set"],
        help="change: make up for the errors of the model; set: fit the labels alone (default "
        "change)",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="default MODEL with _updated before its ending; of a downloaded model, in this folder",
    )
    add_head(parser)
    return parser


def run(args: argparse.Namespace) -> None:
    """Change the bias."""
    from deepattn.errors import ConfigError
    from deepattn.models import open_model_file

    file = open_model_file(args.model, args.head)
    output = _output(args.output, file)
    if args.bias_value is not None:
        if args.mode is not None or args.numb_batch is not None:
            raise ConfigError("--mode and --numb-batch are for data; leave out --bias-value")
        source: dict[str, Any] = {"energies": _energies(args.bias_value)}
    else:
        mode, frames = args.mode or "change", args.numb_batch or 0
        source = {"systems": systems_of(args), "mode": mode, "numb_frames": frames}

    from deepattn.train import change_bias

    changed = change_bias(file, output, **source)
    print(f"{'element':>8s} {'before, eV':>18s} {'after, eV':>18s}")
    for name, (before, after) in changed.items():
        print(f"{name:>8s} {before:18.8f} {after:18.8f}")
    print(f"written to {output}")


def _output(given: str | None, file: ModelFile) -> Path:
    """The file to write, with the ending of the model."""
    from deepattn.errors import ConfigError
    from deepattn.models import MODEL_FILES
    from deepattn.pretrained.cache import is_in_cache

    path = file.path
    ending = path.suffix if path.suffix in file.suffixes else file.suffixes[0]
    if given is None:
        # What is derived from a downloaded model belongs to the user, not into the cache.
        folder = Path() if is_in_cache(path) else path.parent
        return folder / f"{path.name.removesuffix(ending)}_updated{ending}"
    known = {suffix for kind in MODEL_FILES.loaded().values() for suffix in kind.suffixes}
    target = Path(given)
    if target.suffix == ending:
        return target
    if target.suffix in known:
        raise ConfigError(f"--output {given}: {path} is {file.kind}; let the name end in {ending}")
    return target.with_name(f"{target.name}{ending}")


def _energies(values: list[str]) -> dict[str, float] | list[float]:
    """Energies by element from ``O=-93.2`` and the like, or bare numbers."""
    from deepattn.errors import ConfigError

    pairs = [value.split("=") for value in values]
    try:
        numbers = [float(number) for *_, number in pairs]
    except ValueError as error:
        raise ConfigError(f"--bias-value: {error}; give ELEMENT=EV") from None
    if all(len(pair) == 1 for pair in pairs):
        return numbers
    names = [name for pair in pairs for name in pair[:-1]]
    if len(names) != len(pairs) or not all(names) or len(set(names)) != len(names):
        raise ConfigError("--bias-value: name every element once, or give a number for each type")
    return dict(zip(names, numbers, strict=True))
