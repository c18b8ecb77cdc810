"""``deepattn check-nve``."""

import argparse
import logging

from deepattn.cli.options import count, positive

log = logging.getLogger(__name__)

# Halving the time step divides by four what the integrator makes the energy swing by.
_SMOOTH_RATIO = 2.5


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    parser = subparsers.add_parser(
        "check-nve",
        help="see whether a model conserves the energy",
        description="Move atoms by a model at constant energy for a short time, with a time step "
        "and with half of it, and tell how the total energy drifts and swings. The exit status is "
        "1 if it drifts.",
        epilog="example: deepattn check-nve frozen_model.pb water.xyz --temperature 300",
    )
    parser.add_argument("model", metavar="MODEL", help="a frozen model or a checkpoint")
    parser.add_argument(
        "configuration",
        metavar="CONF",
        help="a DeePMD system, whose first frame is taken, or any file of atoms that ASE reads",
    )
    parser.add_argument(
        "--temperature", metavar="K", type=positive, default=300.0, help="K (default 300)"
    )
    parser.add_argument(
        "--timestep", metavar="FS", type=positive, default=0.5, help="fs (default 0.5)"
    )
    parser.add_argument(
        "--steps", metavar="N", type=count, default=500, help="steps of that size (default 500)"
    )
    parser.add_argument(
        "--limit",
        metavar="DRIFT",
        type=positive,
        default=1e-5,
        help="drift allowed, eV/atom/ps (default 1e-5, about 0.1 K in a picosecond)",
    )
    parser.add_argument("--plot", metavar="FILE", help="draw the energies (.png, .svg, .pdf)")
    return parser


def run(args: argparse.Namespace) -> int:
    """Run twice and compare."""
    from deepattn.calculator import DP
    from deepattn.progress import tracked
    from deepattn.testing.conservation import constant_energy_run

    atoms = _read(args.configuration)
    atoms.calc = DP(args.model)
    runs = {}
    print(f"{len(atoms)} atoms, {args.temperature:g} K, {1e-3 * args.steps * args.timestep:g} ps")
    print(f"{'time step, fs':>14s} {'drift, eV/atom/ps':>24s} {'swing, eV/atom':>16s}")
    for parts in (1, 2):
        timestep, steps = args.timestep / parts, args.steps * parts
        line = iter(tracked(range(steps), f"{timestep:g} fs"))
        found = constant_energy_run(
            atoms,
            temperature=args.temperature,
            timestep=timestep,
            steps=steps,
            progress=lambda _, line=line: next(line),
        )
        runs[f"{timestep:g} fs"] = found
        drift, error = found.drift
        print(f"{timestep:14g} {f'{drift:.1e} ± {error:.0e}':>24s} {found.fluctuation:16.1e}")
    if args.plot:
        from deepattn.plots.conservation import plot_conservation

        curves = {name: (found.time, found.energy) for name, found in runs.items()}
        log.info("the picture is saved in %s", plot_conservation(curves, args.plot))
    coarse, fine = runs.values()
    return _judge(coarse, fine, args.limit)


def _judge(coarse, fine, limit: float) -> int:
    """Say what the two runs mean; 1 if the energy drifts."""
    drift, error = fine.drift
    if coarse.fluctuation < _SMOOTH_RATIO * fine.fluctuation:
        print(
            "Half the time step does not make the energy swing less, so the forces are not the "
            "derivative of a smooth energy: weights in float32, neighbours beyond sel, or plain "
            "attention at the cut-off (python -m deepattn.testing tells which)."
        )
    if abs(drift) > limit and abs(drift) > 3 * error:
        print(f"The energy drifts by {drift:.1e} eV/atom/ps; {limit:g} is allowed.")
        return 1
    if error > limit:
        print(f"The drift is known to {error:.0e} eV/atom/ps only; take more --steps.")
    else:
        print("The energy is conserved.")
    return 0


def _read(path: str):
    """The atoms of a file."""
    from pathlib import Path

    import ase.io
    from ase import Atoms

    from deepattn.data import System, find_systems
    from deepattn.errors import DataError

    if Path(path).is_dir() or "#" in path:
        system = System(find_systems(path)[0])
        if system.type_map is None:
            raise DataError(f"{path} has no type_map.raw, which names the elements of its atoms")
        kinds = system.atype([0])[0]
        real = kinds >= 0
        return Atoms(
            [system.type_map[kind] for kind in kinds[real]],
            system.load("coord", [0]).reshape(-1, 3)[real],
            cell=system.load("box", [0]).reshape(3, 3) if system.periodic else None,
            pbc=system.periodic,
        )
    try:
        return ase.io.read(path)
    # Readers of many formats raise whatever they like.
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise DataError(f"{path}: ASE cannot read it ({type(error).__name__}: {error})") from None
