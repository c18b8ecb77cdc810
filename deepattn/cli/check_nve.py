"""``deepattn check-nve``."""

import argparse
import logging
from functools import partial

from deepattn.cli.options import add_head, count, positive

log = logging.getLogger(__name__)

_LEAST_STEPS = 10


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    parser = subparsers.add_parser(
        "check-nve",
        help="check that a model conserves the energy",
        description="Move atoms by a model at constant energy for a short time, with a time step "
        "and with half of it, and print the drift and the fluctuation of the total energy. The "
        "exit status is "
        "0 if the energy is conserved, 1 if it is not or more steps are needed.",
        epilog="example: deepattn check-nve frozen_model.pb water.xyz --temperature 300",
    )
    parser.add_argument("model", metavar="MODEL", help="a frozen model or a checkpoint")
    parser.add_argument(
        "configuration",
        metavar="CONF",
        help="a DeePMD system or any file of atoms that ASE reads; the first frame is taken",
    )
    parser.add_argument(
        "--temperature", metavar="K", type=positive, default=300.0, help="K (default 300)"
    )
    parser.add_argument(
        "--timestep", metavar="FS", type=positive, default=0.5, help="fs (default 0.5)"
    )
    parser.add_argument(
        "--steps",
        metavar="N",
        type=_steps,
        default=500,
        help=f"steps of that size, at least {_LEAST_STEPS} (default 500)",
    )
    parser.add_argument(
        "--limit",
        metavar="DRIFT",
        type=positive,
        default=1e-5,
        help="drift allowed, eV/atom/ps (default 1e-5, about 0.1 K in a picosecond)",
    )
    parser.add_argument("--plot", metavar="FILE", help="draw the energies (.png, .svg, .pdf)")
    add_head(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Run twice and print."""
    from deepattn.data.atoms import read_atoms
    from deepattn.models import open_model_file
    from deepattn.plots.conservation import plot_conservation
    from deepattn.plots.figure import check_picture
    from deepattn.progress import tracked

    file = open_model_file(args.model, args.head)
    if args.plot:
        check_picture(args.plot)
    atoms = read_atoms(args.configuration, slice(1))[0]

    from deepattn.calculator import DP
    from deepattn.testing.conservation import check_conservation

    atoms.calc = DP(file)
    print(f"{len(atoms)} atoms, {args.temperature:g} K, {1e-3 * args.steps * args.timestep:g} ps")
    found = check_conservation(
        atoms,
        temperature=args.temperature,
        timestep=args.timestep,
        steps=args.steps,
        track=partial(tracked, title="moving"),
    )
    runs = {
        f"{args.timestep:g} fs": found.coarse,
        f"{args.timestep / 2:g} fs": found.fine,
        "extrapolated": found.extrapolated,
    }
    print(f"{'time step':>14s} {'drift, eV/atom/ps':>22s} {'swing, eV/atom':>16s}")
    for name, trajectory in runs.items():
        drift, error = trajectory.drift
        print(f"{name:>14s} {f'{drift:.1e} ± {error:.0e}':>22s} {trajectory.swing:16.1e}")
    if args.plot:
        curves = {name: (found.time, found.energy) for name, found in runs.items()}
        log.info("the picture is saved in %s", plot_conservation(curves, args.plot))
    conserved, sentence = found.verdict(args.limit)
    print(sentence)
    return int(not conserved)


def _steps(text: str) -> int:
    if count(text) < _LEAST_STEPS:
        raise argparse.ArgumentTypeError(f"{text} steps are too few, take {_LEAST_STEPS} or more")
    return int(text)
