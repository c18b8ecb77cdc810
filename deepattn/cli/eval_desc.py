"""``deepattn eval-desc``."""

import argparse
import logging

from deepattn.cli.options import add_head, add_model, add_systems
from deepattn.cli.systems import systems_of

log = logging.getLogger(__name__)


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    parser = subparsers.add_parser(
        "eval-desc",
        help="compute the descriptors of all atoms",
        description="Write the descriptor of every atom, one file DIR/<name of the system>.npy of "
        "the shape [frames, atoms, width] for each system.",
        epilog="example: deepattn eval-desc -m frozen_model.pb -s data -o desc",
    )
    add_model(parser)
    add_head(parser)
    add_systems(parser)
    parser.add_argument(
        "-o", "--output", metavar="DIR", default="desc", help="folder of the files (default desc)"
    )
    parser.add_argument(
        "--dtype",
        choices=["native", "fp32", "fp64"],
        default="native",
        help="precision of the files (default native, which is fp64)",
    )
    return parser


def run(args: argparse.Namespace) -> None:
    """Evaluate."""
    from deepattn.models import open_model_file

    file = open_model_file(args.model, args.head)
    systems = systems_of(args, labeled=False)

    from deepattn.infer import write_descriptors

    files = write_descriptors(file, systems, args.output, dtype=args.dtype)
    log.info("the descriptors are in %s; systems: %d", args.output, len(files))
