"""``deepattn embed``."""

import argparse
import logging

from deepattn.cli.options import add_head, add_model, add_systems
from deepattn.cli.systems import systems_of

log = logging.getLogger(__name__)


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    parser = subparsers.add_parser(
        "embed",
        help="compute feature vectors of atoms and frames",
        description="Write an HDF5 file with a group for each system: the descriptor of every "
        "atom, the last hidden layer of its fitting net (atomic_feature), and the sum of these "
        "layers over the atoms of a frame (structural_feature).",
        epilog="example: deepattn embed -m frozen_model.pb -s data -o embedding.hdf5",
    )
    add_model(parser)
    add_head(parser)
    add_systems(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        default="embedding.hdf5",
        help="the HDF5 file (default embedding.hdf5)",
    )
    parser.add_argument(
        "--dtype",
        choices=["fp32", "fp64", "native"],
        default="fp32",
        help="precision of the vectors (default fp32; native is fp64)",
    )
    return parser


def run(args: argparse.Namespace) -> None:
    """Evaluate."""
    from deepattn.formats.files import check_folder
    from deepattn.models import open_model_file

    file = open_model_file(args.model, args.head)
    systems = systems_of(args, labeled=False)
    check_folder(args.output)

    from deepattn.infer import write_embeddings

    path = write_embeddings(file, systems, args.output, dtype=args.dtype)
    log.info("the feature vectors are in %s; systems: %d", path, len(systems))
