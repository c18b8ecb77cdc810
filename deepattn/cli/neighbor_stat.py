"""``deepattn neighbor-stat``."""

import argparse

from deepattn.cli.options import add_system, add_type_map, positive


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    parser = subparsers.add_parser(
        "neighbor-stat",
        help="count the neighbors in data, to choose sel",
        description="Tell how near atoms come to each other, and the largest number of neighbors "
        "within a cutoff radius: sel must not be less.",
        epilog="example: deepattn neighbor-stat -s data -r 6.0 --mixed-type",
    )
    add_system(parser)
    parser.add_argument(
        "-r", "--rcut", metavar="RCUT", type=positive, required=True, help="cutoff radius, Å"
    )
    add_type_map(parser)
    parser.add_argument(
        "--mixed-type",
        "--one-type",
        action="store_true",
        help="count neighbors of all types together, as DPA-1 does",
    )
    return parser


def run(args: argparse.Namespace) -> None:
    """Count."""
    from deepattn.data import find_systems

    paths = find_systems(args.system, labeled=False)

    import numpy as np

    from deepattn.statistics import count_neighbors

    found = count_neighbors(
        paths, rcut=args.rcut, type_map=args.type_map, mixed_types=args.mixed_type
    )
    print(f"min_nbor_dist: {found.min_nbor_dist:f}")
    print(f"max_nbor_size: {np.array(found.max_nbor_size)}")
