"""``deepattn init``."""

import argparse
import logging
import shutil

from deepattn.cli.options import add_type_map, positive

log = logging.getLogger(__name__)


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    parser = subparsers.add_parser(
        "init",
        help="write an input file for data",
        description="Look at data, measure a few training steps on this machine, and write an "
        "input that deepattn train and dp --tf train take as it is: model, cutoff, prefactors, "
        "learning rate, batches, and as many steps as fit into the time. The reasons are printed, "
        "and are comments in the file.",
        epilog="example: deepattn init data/train --valid data/valid --minutes 60",
    )
    parser.add_argument(
        "data",
        metavar="DATA",
        nargs="+",
        help="where to look for training systems, at any depth, or files: HDF5, extended XYZ, …",
    )
    parser.add_argument(
        "--valid",
        metavar="DATA",
        nargs="+",
        default=[],
        help="the same for validation; without it nothing is set aside",
    )
    parser.add_argument(
        "--minutes",
        metavar="M",
        type=positive,
        default=30.0,
        help="time for the training (default 30)",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        default="input.json",
        help="what to write; must not exist (default input.json)",
    )
    add_type_map(parser)
    return parser


def run(args: argparse.Namespace) -> None:
    """Suggest."""
    from deepattn.suggest.write import check_target

    check_target(args.output)

    from deepattn.data import find_systems

    for paths in filter(None, (args.data, args.valid)):
        find_systems(paths)

    from deepattn.suggest import format_table, suggest_input, write_input

    suggestion = suggest_input(
        args.data, valid=args.valid, minutes=args.minutes, type_map=args.type_map
    )
    write_input(suggestion, args.output)
    print(format_table(suggestion.choices, shutil.get_terminal_size().columns))
    log.info("%s is written; next: deepattn train %s", args.output, args.output)
