"""``deepattn convert``."""

import argparse
import logging

from deepattn.cli.options import add_type_map

log = logging.getLogger(__name__)


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    from deepattn.convert import LAYOUTS

    parser = subparsers.add_parser(
        "convert",
        help="convert data of other codes to DeePMD's layouts",
        description="Read labeled frames of VASP, CP2K, Quantum ESPRESSO, Gaussian, extended XYZ "
        "and whatever else dpdata reads, write them in one of DeePMD's layouts, and summarize what "
        "there is of each element.",
        epilog="example: deepattn convert runs -o data",
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        nargs="+",
        help="files, systems, or folders to search for OUTCAR, vasprun.xml, .extxyz, .traj, …",
    )
    parser.add_argument(
        "-o", "--output", metavar="DEST", required=True, help="what to write; must not exist"
    )
    parser.add_argument(
        "--layout",
        choices=LAYOUTS,
        default="npy",
        help="npy: a system for each composition; mixed: one for each number of atoms; hdf5: one "
        "file; lmdb (default npy)",
    )
    parser.add_argument(
        "--format", metavar="NAME", help="dpdata's name of the format (default: by the file names)"
    )
    add_type_map(parser)
    names = parser.add_argument_group(
        "labels of extended XYZ and .traj",
        "what they are called; by default energy, forces, virial or stress, alone or after REF_ or "
        "dft_",
    )
    names.add_argument("--energy-key", metavar="NAME", help="name of the energies, eV")
    names.add_argument("--force-key", metavar="NAME", help="name of the forces, eV/Å")
    names.add_argument(
        "--virial-key",
        metavar="NAME",
        help="name of the virials, eV, or of stresses (eV/Å³) if it has stress in it",
    )
    return parser


def run(args: argparse.Namespace) -> None:
    """Convert."""
    from deepattn.convert import read_frames, summarize, write_systems
    from deepattn.data import System, find_systems
    from deepattn.data.type_map import union
    from deepattn.foreign.named import LabelKeys

    keys = LabelKeys(args.energy_key, args.force_key, args.virial_key)
    systems = read_frames(args.source, form=args.format, type_map=args.type_map, keys=keys)
    target = write_systems(systems, args.output, args.layout)
    paths = find_systems(str(target))
    written = [System(path) for path in paths]
    elements = summarize(paths, union([system.data_type_map for system in written]))
    print(
        f"{'element':>8s} {'frames':>8s} {'atoms':>10s} {'rms force':>10s} {'largest, eV/Å':>14s}"
    )
    for name, found in elements.items():
        if found.atoms:
            print(
                f"{name:>8s} {found.frames:8d} {found.atoms:10d} {found.rms_force:10.3f} "
                f"{found.max_force:14.3f}"
            )
    frames = sum(system.nframes for system in written)
    log.info("%d frames in %d systems are written to %s", frames, len(written), target)
    log.info("to see whether something is wrong with them: deepattn check %s", target)
