"""``deepattn compress``."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from deepattn.cli.options import add_head, count, positive, require_files
from deepattn.cli.systems import systems_of_input

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deepattn.data import System
    from deepattn.models import EnergyModel

log = logging.getLogger(__name__)


def add_parser(subparsers: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Declare the arguments of the sub-command."""
    parser = subparsers.add_parser(
        "compress",
        help="tabulate the embedding nets of a model, for speed",
        description="Write a model with tables instead of its embedding nets. Without --fast it is "
        "a compressed graph of DeePMD-kit, for models without attention in strip mode.",
        epilog="example: deepattn compress -i frozen_model.pb -o compressed.pb --data data/valid",
    )
    parser.add_argument(
        "-i",
        "--input",
        metavar="FILE",
        default="frozen_model.pb",
        help="a frozen model or a checkpoint (default frozen_model.pb)",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        default="frozen_model_compressed.pb",
        help="the compressed model; .pb is added where it is missing (default "
        "frozen_model_compressed.pb)",
    )
    parser.add_argument(
        "-s",
        "--step",
        type=positive,
        default=0.01,
        help="width of the tables' intervals (default 0.01)",
    )
    parser.add_argument(
        "-e",
        "--extrapolate",
        metavar="FACTOR",
        type=positive,
        default=5.0,
        help="how far the tables reach beyond the shortest distance in the training data, in terms "
        "of the inverse distance (default 5)",
    )
    parser.add_argument(
        "-t",
        "--training-script",
        metavar="INPUT",
        help="input of the training, whose data are searched for the shortest distance if the "
        "model does not tell it",
    )
    parser.add_argument(
        "--fast",
        action="store_true",
        help="use deepattn's own kernels, for any se_atten model; DeePMD-kit 3.0 and later run the "
        "graph when DP_PLUGIN_PATH names deepattn's library, in the way that this command prints",
    )
    parser.add_argument(
        "--data",
        metavar="DIR",
        help="compare both models on the systems found there, at any depth: deviations and times",
    )
    parser.add_argument(
        "-n",
        "--numb-test",
        metavar="N",
        type=count,
        default=20,
        help="compare at most so many frames of each system (default 20)",
    )
    add_head(parser)
    parser.add_argument("-f", "--frequency", metavar="N", help="ignored")
    parser.add_argument("-c", "--checkpoint-folder", metavar="DIR", help="ignored")
    return parser


def run(args: argparse.Namespace) -> None:
    """Compress."""
    from deepattn.data import System, find_systems
    from deepattn.errors import ConfigError
    from deepattn.formats.files import check_folder
    from deepattn.formats.find import find_model
    from deepattn.models import build_stored, read_model

    for option in ("frequency", "checkpoint_folder"):
        if getattr(args, option) is not None:
            log.warning("--%s is ignored: nothing depends on it", option.replace("_", "-"))
    output = args.output if args.output.endswith(".pb") else f"{args.output}.pb"
    check_folder(output)
    path = find_model(args.input)
    require_files(args.training_script)
    if Path(output).resolve() == path.resolve():
        raise ConfigError(
            f"{output}: is the model to compress, which cannot be made from its tables again; "
            "write to another file (-o)"
        )
    places = find_systems(args.data) if args.data else []
    stored = read_model(path, head=args.head)
    stored.config.descriptor.check_compressible(fast=args.fast)

    from deepattn import ops
    from deepattn.export import compress, freeze, require_ops

    require_ops(fast=args.fast)
    model, header = build_stored(stored, path), stored.header
    systems = [System(place, type_map=model.type_map) for place in places]
    distance = _shortest_distance(args, path, header, model)
    compressed = compress(
        model,
        min_nbor_dist=distance,
        step=args.step,
        extrapolate=args.extrapolate,
        fast=args.fast,
    )
    freeze(
        compressed,
        output,
        training_script=header["config"],
        min_nbor_dist=distance,
        fast=args.fast,
    )
    log.info("the compressed model is saved in %s", output)
    if args.fast:
        log.info("before LAMMPS or dp runs it: export DP_PLUGIN_PATH=%s", ops.fast_library())
    if systems:
        _warn_of_near_pairs(systems, model, distance)
        _compare(path, output, systems, args.numb_test, args.head)


def _shortest_distance(
    args: argparse.Namespace, path: Path, header: dict, model: EnergyModel
) -> float:
    """How near atoms came in training, Å.

    Raises:
        ConfigError: the file does not tell, and no training script is given.
    """
    from deepattn.data import System
    from deepattn.errors import ConfigError

    if header["min_nbor_dist"] is not None:
        if args.training_script is not None:
            log.info("--training-script is not needed: %s tells the shortest distance", path)
        return header["min_nbor_dist"]
    if args.training_script is None:
        raise ConfigError(
            f"{path}: does not tell how near atoms came in training, which decides how far the "
            "tables reach; name the input file of the training (-t)"
        )
    places = systems_of_input(args.training_script, "training_data", head=args.head)
    return _nearest([System(place, type_map=model.type_map) for place in places], model)


def _warn_of_near_pairs(systems: Sequence[System], model: EnergyModel, distance: float) -> None:
    """Say if atoms of the data come nearer than in training."""
    nearest = _nearest(systems, model)
    if nearest < distance:
        log.warning(
            "atoms of the data come as near as %.3f Å; the fine part of the tables is for "
            "distances down to %.3f Å, so those pairs are less exact",
            nearest,
            distance,
        )


def _nearest(systems: Sequence[System], model: EnergyModel) -> float:
    """How near atoms come in the data, Å."""
    from deepattn.statistics.neighbors import neighbor_statistics

    ntypes = model.ntypes
    found = neighbor_statistics(systems, rcut=model.rcut, ntypes=ntypes, mixed_types=True)
    return found.min_nbor_dist


def _compare(
    original: Path, compressed: str, systems: Sequence[System], numb_test: int, head: str | None
) -> None:
    """Print how far the models are apart on data, and how fast they are."""
    import numpy as np

    from deepattn.infer import DeepPot
    from deepattn.infer.comparison import Comparison
    from deepattn.progress import tracked

    found = Comparison()
    with DeepPot(original, head=head) as before, DeepPot(compressed) as after:
        for system in tracked(systems, "comparison"):
            found.add((before, after), system, np.arange(min(system.nframes, numb_test)))
    print(f"{found.frames} frames of {len(systems)} systems; the largest deviations are")
    print(f"  energy {found.energy:.2e} eV/atom")
    print(f"  force  {found.force:.2e} eV/Å")
    print(f"  virial {found.virial:.2e} eV/atom")
    first, second = (1e6 * seconds / found.atoms for seconds in found.seconds)
    print(f"time: {first:.1f} µs an atom before, {second:.1f} after: {first / second:.2f}×")
