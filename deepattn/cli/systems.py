"""Systems that the options name."""

import argparse


def systems_of(args: argparse.Namespace, *, labeled: bool = True) -> list[str]:
    """Paths of the systems of ``-s`` or ``-f``; ``labeled`` as in `deepattn.data.System`."""
    from deepattn.data import find_systems, read_list

    if args.datafile is not None:
        return read_list(args.datafile, labeled=labeled)
    return find_systems(args.system, labeled=labeled)
